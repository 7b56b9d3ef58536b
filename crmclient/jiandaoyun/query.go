package jiandaoyun

import (
	"context"
	"errors"
	"strings"

	"heliograph/crmclient"
)

// condition is one test of a filter.
type condition struct {
	Field  string `json:"field"`
	Type   string `json:"type,omitempty"`
	Method string `json:"method"`
	Value  []any  `json:"value,omitempty"`
}

// filter selects records.
type filter struct {
	Rel  string      `json:"rel"`
	Cond []condition `json:"cond"`
}

// maxPage is the most that the API gives at once.
const maxPage = 100

type listRequest struct {
	address
	Fields []string `json:"fields,omitempty"`
	Filter *filter  `json:"filter,omitempty"`
	Limit  int      `json:"limit"`
	DataID string   `json:"data_id,omitempty"`
}

// list returns a page of records behind an id, in the order of their ids, and whether there may be more. Records that are too long
// for a page come in smaller ones.
func (c *Client) list(ctx context.Context, s *schema, fields []string, f *filter, after string, limit int) (rows []row, more bool, err error) {
	for {
		var answer page
		err = c.post(ctx, callList, listRequest{address(s.form), fields, f, limit, after}, &answer)
		if errors.Is(err, errLong) && limit > 1 {
			limit /= 4
			limit = max(limit, 1)
			continue
		}
		if err != nil {
			return nil, false, nameForm(err, s.object)
		}
		for _, r := range answer.Data {
			if r.id() == "" {
				return nil, false, &crmclient.Error{Class: crmclient.ClassRetry, Message: "a record of form " + s.object + " came without an id"}
			}
		}
		return answer.Data, len(answer.Data) >= limit, nil
	}
}

// ignored makes the error for a filter that the vendor passed over without a word: it does so with names and methods that
// it does not know, and then gives the whole form. Believing such an answer would take every mail for a repetition.
func ignored(s *schema, field string) error {
	return configuration("确认该字段为单行文本且别名未改 (the widget must be a single-line text; look at its alias)",
		"form %s answered with records that the filter on %s does not match: the filter was ignored", s.object, field)
}

// findByText returns the records whose text widget has the value, the oldest first, with some further widgets.
func (c *Client) findByText(ctx context.Context, s *schema, w *widget, value string, further ...string) ([]row, error) {
	f := &filter{"and", []condition{{w.Name, typeText, "eq", []any{value}}}}
	const few = 10 // one is expected; more are doubles that somebody made
	rows, _, err := c.list(ctx, s, append([]string{w.Name}, further...), f, "", few)
	if err != nil {
		return nil, err
	}
	var out []row
	for _, r := range rows {
		switch got := r.text(w.Name); {
		case got == value:
			out = append(out, r)
		case !strings.EqualFold(strings.TrimSpace(got), strings.TrimSpace(value)):
			return nil, ignored(s, w.show())
		}
	}
	return out, nil
}

// get reads one record. A record that is not there is ErrNoRecord.
func (c *Client) get(ctx context.Context, s *schema, id string) (row, error) {
	if !objectID.MatchString(id) {
		return nil, gone(callGet.path, nil)
	}
	var answer single
	err := c.post(ctx, callGet, struct {
		address
		DataID string `json:"data_id"`
	}{address(s.form), id}, &answer)
	switch {
	case hasCode(err, codeNoRecord):
		return nil, gone(callGet.path, err)
	case err != nil:
		return nil, nameForm(err, s.object)
	case answer.Data.id() != id: // some answer for a deleted record is empty
		return nil, gone(callGet.path, nil)
	}
	return answer.Data, nil
}

// update sets widgets of a record; the others stay.
func (c *Client) update(ctx context.Context, s *schema, id, transaction string, data map[string]wrapped) error {
	if !objectID.MatchString(id) {
		return gone(callUpdate.path, nil)
	}
	if len(data) == 0 {
		return nil
	}
	var answer single
	err := c.post(ctx, callUpdate, struct {
		address
		DataID        string             `json:"data_id"`
		TransactionID string             `json:"transaction_id,omitempty"`
		Data          map[string]wrapped `json:"data"`
	}{address(s.form), id, transaction, data}, &answer)
	if hasCode(err, codeNoRecord) {
		return gone(callUpdate.path, err)
	}
	if err != nil {
		return nameForm(err, s.object)
	}
	c.echo.wrote(answer.Data)
	return nil
}

// remove deletes a record. One that is not there is success.
func (c *Client) remove(ctx context.Context, s *schema, id string) error {
	var answer struct {
		Status string `json:"status"`
	}
	err := c.post(ctx, callDelete, struct {
		address
		DataID string `json:"data_id"`
	}{address(s.form), id}, &answer)
	if hasCode(err, codeNoRecord) {
		return nil
	}
	if err != nil {
		return nameForm(err, s.object)
	}
	if answer.Status != "" && answer.Status != "success" {
		return &crmclient.Error{Class: crmclient.ClassRetry, Message: "form " + s.object + ": the record was not deleted"}
	}
	return nil
}
