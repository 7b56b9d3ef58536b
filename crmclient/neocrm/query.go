package neocrm

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"heliograph/crmclient"
)

// row is a record as it is read.
type row map[string]any

func (r row) text(name string) string {
	switch v := r[name].(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

func (r row) id() string { return r.text("id") }

func (r row) updated() time.Time {
	ms, err := json.Number(r.text("updatedAt")).Int64()
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// quoted writes a text for XOQL, or says that it cannot be written.
func (c *Client) quoted(s string) (string, bool) {
	if strings.ContainsAny(s, "\r\n\x00") {
		return "", false
	}
	if strings.ContainsAny(s, `'\`) {
		switch {
		case c.cfg.Quote == Double && !strings.Contains(s, `\`):
			s = strings.ReplaceAll(s, "'", "''")
		case c.cfg.Quote == Backslash:
			s = strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s)
		default:
			return "", false
		}
	}
	return "'" + s + "'", true
}

// maxPage is how many records are asked for at once.
const maxPage = 100

// query runs select … from object where …. All of these parts are ours or were checked.
func (c *Client) query(ctx context.Context, object string, fields []string, where, order string, offset, limit int) ([]row, error) {
	xoql := "select " + strings.Join(fields, ", ") + " from " + object
	if where != "" {
		xoql += " where " + where
	}
	xoql += fmt.Sprintf(" order by %s limit %d,%d", order, offset, limit)
	var answer struct {
		Data struct {
			Records []row `json:"records"`
		} `json:"data"`
	}
	form := url.Values{"xoql": {xoql}}
	if err := c.do(ctx, "query "+object, http.MethodPost, pathQuery, "application/x-www-form-urlencoded", []byte(form.Encode()), &answer); err != nil {
		return nil, err
	}
	for _, r := range answer.Data.Records {
		if !recordID.MatchString(r.id()) {
			return nil, &crmclient.Error{Class: crmclient.ClassRetry, Message: "a record came without an id"}
		}
	}
	return answer.Data.Records, nil
}

// findBy returns the records whose text field has the value, the oldest first.
func (c *Client) findBy(ctx context.Context, object, field, value string) ([]row, error) {
	q, ok := c.quoted(value)
	if !ok {
		return nil, permanent("a text with a quote cannot be searched for: see quote in the section")
	}
	rows, err := c.query(ctx, object, []string{"id", field}, field+" = "+q, "id", 0, 10)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		if !strings.EqualFold(strings.TrimSpace(r.text(field)), value) {
			return nil, configuration(remedyFields, "object %s answered with records that the condition on %s does not match", object, field)
		}
	}
	return slices.DeleteFunc(rows, func(r row) bool { return r.text(field) != value }), nil
}

// schema is what an object consists of.
type schema struct {
	fields []crmclient.Field
}

const (
	schemaAge = 10 * time.Minute
	maxFields = 1000
)

// names returns the fields to read when nobody says which.
func (s *schema) names() []string {
	const most = 150 // a longer question may be refused
	out := []string{"id"}
	for _, f := range s.fields {
		if f.Name != "id" && len(out) < most && apiKey.MatchString(f.Name) {
			out = append(out, f.Name)
		}
	}
	return out
}

func (s *schema) has(name string) bool {
	return name == "id" || slices.ContainsFunc(s.fields, func(f crmclient.Field) bool { return f.Name == name })
}

func (c *Client) schemaOf(ctx context.Context, object string) (*schema, error) {
	return c.schemas.Read(object, func() (*schema, error) { return c.describe(ctx, object) })
}

// describe reads the description of an object. What it does not understand of it is left out.
func (c *Client) describe(ctx context.Context, object string) (*schema, error) {
	if !apiKey.MatchString(object) {
		return nil, configuration("", "%q is not the API key of an object", object)
	}
	var answer struct {
		Data struct {
			Fields []struct {
				Name      string `json:"apiKey"`
				Label     string `json:"label"`
				Type      string `json:"type"`
				Required  bool   `json:"required"`
				Creatable *bool  `json:"creatable"`
				Unique    bool   `json:"unique"`
				Length    int    `json:"maxLength"`
			} `json:"fields"`
		} `json:"data"`
	}
	err := c.do(ctx, "describe "+object, http.MethodGet, pathObjects+object+"/description", "", nil, &answer)
	if err != nil {
		return nil, asConfiguration(err, object)
	}
	s := &schema{}
	for _, f := range answer.Data.Fields[:min(len(answer.Data.Fields), maxFields)] {
		if f.Name != "" {
			s.fields = append(s.fields, crmclient.Field{
				Name: f.Name, Label: f.Label, Type: f.Type, Required: f.Required, Unique: f.Unique, Length: f.Length, ReadOnly: f.Creatable != nil && !*f.Creatable,
			})
		}
	}
	c.schemas.Put(object, s)
	return s, nil
}
