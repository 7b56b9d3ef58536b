package kingdee

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"heliograph/crmclient"
)

// question is a query of rows.
type question struct {
	form   string
	fields []string
	filter string
	order  string
	start  int
	limit  int
}

// queryData is the body of ExecuteBillQuery.
type queryData struct {
	FormID       string `json:"FormId"`
	FieldKeys    string `json:"FieldKeys"`
	FilterString string `json:"FilterString"`
	OrderString  string `json:"OrderString"`
	TopRowCount  int    `json:"TopRowCount"`
	StartRow     int    `json:"StartRow"`
	Limit        int    `json:"Limit"`
	SubSystemID  string `json:"SubSystemId"`
}

// row holds the values of one row by the names that were asked for.
type row map[string]any

// text returns a value as a text; nothing for null.
func (r row) text(field string) string {
	switch v := r[field].(type) {
	case string:
		return strings.TrimSpace(v) // the database pads empty texts with a blank
	case json.Number:
		return v.String()
	}
	return ""
}

// query returns rows in the order of the question.
func (c *Client) query(ctx context.Context, q question) ([]row, error) {
	fields := slices.Compact(slices.Sorted(slices.Values(q.fields)))
	fields = slices.DeleteFunc(fields, func(f string) bool { return f == "" })
	answer, err := c.call(ctx, reading, "ExecuteBillQuery", argument{"data", queryData{
		FormID: q.form, FieldKeys: strings.Join(fields, ","), FilterString: q.filter, OrderString: q.order,
		StartRow: q.start, Limit: q.limit,
	}})
	if err != nil {
		return nil, err
	}
	var raw [][]any
	if answer.Exact(&raw) != nil {
		return nil, badAnswer(answer, "the rows of a query")
	}
	rows := make([]row, 0, len(raw))
	for _, values := range raw {
		if len(values) != len(fields) {
			return nil, badAnswer(answer, "rows with a value for each field")
		}
		r := make(row, len(fields))
		for i, f := range fields {
			r[f] = values[i]
		}
		rows = append(rows, r)
	}
	return rows, nil
}

func badAnswer(a *crmclient.Answer, wanted string) error {
	return &crmclient.Error{Class: crmclient.ClassRetry, Status: a.Status, Message: "the site's answer is not " + wanted, RequestID: a.RequestID}
}

// saved is what became of Save.
type saved struct {
	ID     string
	Number string
}

// save makes a document, or changes that with the id in the model; update are the fields that are changed then. It is never repeated
// where the outcome is not known.
func (c *Client) save(ctx context.Context, form string, model map[string]any, update []string) (saved, error) {
	if update == nil {
		update = []string{}
	}
	answer, err := c.call(ctx, writing, "Save", argument{"formid", form}, argument{"data", map[string]any{
		"NeedUpDateFields": update, "NeedReturnFields": []string{},
		"IsDeleteEntry":         "false", // otherwise rows that are not in the model are removed
		"IsVerifyBaseDataField": "false", "ValidateFlag": "true", "NumberSearch": "true", "IsAutoAdjustField": "false",
		"InterationFlags": "", "IgnoreInterationFlag": "true",
		"ValidateRepeatJson": "false", // a mail that was refused once must be taken after the form was corrected
		"Model":              model,
	}})
	if err != nil {
		return saved{}, err
	}
	var said struct {
		Result *struct {
			ID     json.RawMessage `json:"Id"`
			Number string          `json:"Number"`
			Status *status         `json:"ResponseStatus"`
		} `json:"Result"`
	}
	if err := answer.JSON(&said); err != nil {
		return saved{}, err
	}
	if said.Result == nil || said.Result.Status == nil {
		return saved{}, badAnswer(answer, "that of a document that was saved")
	}
	s := saved{ID: plainID(said.Result.ID), Number: said.Result.Number}
	if done := said.Result.Status.SuccessEntities; s.ID == "" && len(done) > 0 {
		s = saved{ID: plainID(done[0].ID), Number: done[0].Number}
	}
	if s.ID == "" {
		return saved{}, badAnswer(answer, "that of a document that was saved")
	}
	return s, nil
}

// plainID reads an id that may be a number or a text.
func plainID(raw json.RawMessage) string {
	s := strings.Trim(string(bytes.TrimSpace(raw)), `"`)
	if s == "null" || s == "0" {
		return ""
	}
	return s
}

// operate does one of Submit, Audit, UnAudit and Delete to a document.
func (c *Client) operate(ctx context.Context, service, form, id string) error {
	_, err := c.call(ctx, writing, service, argument{"formid", form}, argument{"data", map[string]any{
		"CreateOrgId": 0, "Numbers": []string{}, "Ids": id, "NetworkCtrl": "",
	}})
	return err
}

// part is one part of a form: its head, or a table of entries.
type part struct {
	Key    string `json:"Key"`
	Name   text   `json:"Name"`
	Fields []struct {
		Key      string          `json:"Key"`
		Name     text            `json:"Name"`
		Must     json.RawMessage `json:"MustInput"` // a number or a bool
		LookedUp string          `json:"LookUpObjectFormId"`
	} `json:"Fields"`
}

// text is a name, plain or in several languages.
type text string

// UnmarshalJSON takes the name as it is, or the first of a list of names by language.
func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*t = text(s)
		return nil
	}
	var list []struct {
		Value string `json:"Value"`
	}
	if json.Unmarshal(b, &list) == nil && len(list) > 0 {
		*t = text(list[0].Value)
	}
	return nil // a name that cannot be read is none
}

// plainField is the type of a field that refers to nothing; the site tells no more of it.
const plainField = "field"

// describe returns the fields of a form: those of its head, then those of its entries.
func (c *Client) describe(ctx context.Context, form string) ([]crmclient.Field, error) {
	answer, err := c.call(ctx, reading, "QueryBusinessInfo", argument{"data", map[string]string{"FormId": form}})
	if err != nil {
		return nil, err
	}
	var said struct {
		Result struct {
			Data *struct {
				Parts []part `json:"Entrys"` // sic
			} `json:"NeedReturnData"`
		} `json:"Result"`
	}
	if err := answer.JSON(&said); err != nil {
		return nil, err
	}
	if said.Result.Data == nil {
		return nil, badAnswer(answer, "a description of a form")
	}
	var fields []crmclient.Field
	for i, p := range said.Result.Data.Parts {
		for _, f := range p.Fields {
			must := strings.Trim(string(f.Must), `"`)
			fields = append(fields, crmclient.Field{
				Name: f.Key, Label: string(f.Name), Type: cmp.Or(f.LookedUp, plainField),
				Required: i == 0 && (must == "1" || must == "true"), // of entries only where there is one
			})
		}
	}
	return fields, nil
}
