package odoo

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

const (
	pageSize = 80
	// changesOverlap is how far back each poll asks again: times are compared by the second, and a transaction may end
	// after its time.
	changesOverlap = 5 * time.Second
	// maxRepeated bounds the pages of what was told already, in one poll.
	maxRepeated = 50
)

// idOf reads a record's number.
func idOf(model, id string) (int64, error) {
	if !modelName.MatchString(model) {
		return 0, &crmclient.Error{Class: crmclient.ClassConfiguration, Message: fmt.Sprintf("%q is not a model of Odoo's", model)}
	}
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil || n <= 0 {
		return 0, noRecord(model)
	}
	return n, nil
}

func noRecord(model string) error {
	return &crmclient.Error{Class: crmclient.ClassPermanent, Message: "Odoo has no such record of " + model, Err: crmclient.ErrNoRecord}
}

func (c *Client) record(model string, fields map[string]any) crmclient.Record {
	id := number(fields["id"])
	at, err := time.ParseInLocation(timeLayout, str(fields["write_date"]), time.UTC)
	if err != nil {
		at = time.Time{}
	}
	return crmclient.Record{Object: model, ID: strconv.FormatInt(id, 10), Fields: fields, UpdatedAt: at, URL: c.page(model, id)}
}

// withTimes adds the fields that records always need; nil asks for all.
func withTimes(fields []string) []string {
	if len(fields) == 0 {
		return nil
	}
	return slices.Compact(slices.Sorted(slices.Values(append([]string{"id", "write_date", "write_uid"}, fields...))))
}

// ReadRecord reads any record.
func (c *Client) ReadRecord(ctx context.Context, object, id string) (crmclient.Record, error) {
	n, err := idOf(object, id)
	if err != nil {
		return crmclient.Record{}, err
	}
	var rows []map[string]any
	if err := c.call(ctx, object, "read", []int64{n}, map[string]any{}, &rows); err != nil {
		return crmclient.Record{}, err
	}
	if len(rows) == 0 {
		return crmclient.Record{}, noRecord(object)
	}
	return c.record(object, rows[0]), nil
}

// operators are Odoo's words for our comparisons.
var operators = map[crmclient.Comparison]string{
	crmclient.Equal: "=", crmclient.NotEqual: "!=", crmclient.Less: "<", crmclient.LessEqual: "<=", crmclient.Greater: ">",
	crmclient.GreaterEqual: ">=", crmclient.In: "in", crmclient.Contains: "ilike", crmclient.Empty: "=",
}

func domainOf(where []crmclient.Condition) ([]any, error) {
	domain := []any{}
	for _, w := range where {
		op, ok := operators[w.Is]
		if !ok || !fieldName.MatchString(w.Field) {
			return nil, &crmclient.Error{Class: crmclient.ClassConfiguration, Message: fmt.Sprintf("Odoo cannot compare %q by %q", w.Field, w.Is)}
		}
		value := w.Value
		switch v := value.(type) {
		case nil:
			value = false // Odoo's word for nothing
		case time.Time:
			value = v.UTC().Format(timeLayout)
		case string:
			if w.Is == crmclient.Contains {
				value = escapeLike(v)
			}
		}
		domain = append(domain, []any{w.Field, op, value})
	}
	return domain, nil
}

// escapeLike keeps the wildcards of LIKE from meaning anything.
func escapeLike(s string) string {
	out := make([]rune, 0, len(s))
	for _, r := range s {
		if r == '%' || r == '_' || r == '\\' {
			out = append(out, '\\')
		}
		out = append(out, r)
	}
	return string(out)
}

// QueryRecords searches. The cursor is the last id.
func (c *Client) QueryRecords(ctx context.Context, q crmclient.Query, cursor string) ([]crmclient.Record, string, error) {
	if !modelName.MatchString(q.Object) {
		return nil, "", &crmclient.Error{Class: crmclient.ClassConfiguration, Message: fmt.Sprintf("%q is not a model of Odoo's", q.Object)}
	}
	domain, err := domainOf(q.Where)
	if err != nil {
		return nil, "", err
	}
	if cursor != "" {
		last, err := strconv.ParseInt(cursor, 10, 64)
		if err != nil {
			return nil, "", crmclient.ErrCursorExpired
		}
		domain = append(domain, []any{"id", ">", last})
	}
	limit := pageSize
	if q.Limit > 0 {
		limit = min(q.Limit, 500)
	}
	rows, err := c.search(ctx, q.Object, domain, withTimes(q.Fields), "id asc", limit, 0)
	if err != nil {
		return nil, "", err
	}
	out := make([]crmclient.Record, len(rows))
	for i, r := range rows {
		out[i] = c.record(q.Object, r)
	}
	if len(rows) == limit {
		return out, out[limit-1].ID, nil
	}
	return out, "", nil
}

// values writes times as Odoo does.
func values(fields map[string]any) map[string]any {
	out := maps.Clone(fields)
	if out == nil {
		out = map[string]any{}
	}
	for name, v := range out {
		switch v := v.(type) {
		case time.Time:
			out[name] = v.UTC().Format(timeLayout)
		case nil:
			out[name] = false
		}
	}
	return out
}

func (c *Client) byKey(ctx context.Context, model, key string) (crmclient.Record, bool, error) {
	rows, err := c.search(ctx, model, []any{[]any{c.cfg.KeyField, "=", key}}, nil, "id asc", 1, 0)
	if err != nil || len(rows) == 0 {
		return crmclient.Record{}, false, err
	}
	return c.record(model, rows[0]), true, nil
}

// CreateRecord makes a record with our key in key_field.
func (c *Client) CreateRecord(ctx context.Context, object, key string, fields map[string]any) (crmclient.Receipt, error) {
	if !modelName.MatchString(object) {
		return crmclient.Receipt{}, &crmclient.Error{Class: crmclient.ClassConfiguration, Message: fmt.Sprintf("%q is not a model of Odoo's", object)}
	}
	release, err := c.turns.Take(ctx, object+" "+key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	defer release()
	there, ok, err := c.byKey(ctx, object, key)
	if err != nil || ok {
		return crmclient.Receipt{RemoteID: there.ID, URL: there.URL, Duplicate: ok}, err
	}
	fields = values(fields)
	fields[c.cfg.KeyField] = key
	id, err := c.create(ctx, object, fields)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	return crmclient.Receipt{RemoteID: strconv.FormatInt(id, 10), URL: c.page(object, id)}, nil
}

// UpdateRecord changes fields of a record.
func (c *Client) UpdateRecord(ctx context.Context, object, id string, fields map[string]any) error {
	n, err := idOf(object, id)
	if err != nil {
		return err
	}
	return c.call(ctx, object, "write", []int64{n}, map[string]any{"vals": values(fields)}, nil)
}

// RecordChanges polls by write_date.
func (c *Client) RecordChanges(ctx context.Context, object string, fields []string, cursor string) ([]crmclient.RecordChange, string, error) {
	if !modelName.MatchString(object) {
		return nil, "", &crmclient.Error{Class: crmclient.ClassConfiguration, Message: fmt.Sprintf("%q is not a model of Odoo's", object)}
	}
	if cursor == "" {
		at := crmclient.NewPollCursor(timeLayout)
		rows, err := c.search(ctx, object, []any{}, withTimes(fields), "write_date desc, id desc", pageSize, 0)
		if err != nil {
			return nil, "", err
		}
		for _, r := range rows {
			at.Tell(fmt.Sprint(number(r["id"])), str(r["write_date"]), r)
		}
		at.Forget(at.From(timeLayout, changesOverlap))
		return nil, at.String(), nil
	}
	at, err := crmclient.ParsePollCursor(cursor, timeLayout)
	if err != nil {
		return nil, "", err
	}
	from := at.From(timeLayout, changesOverlap)
	var out []crmclient.RecordChange
	for page := range maxRepeated {
		rows, err := c.search(ctx, object, []any{[]any{"write_date", ">", from}}, withTimes(fields), "write_date asc, id asc", pageSize, page*pageSize)
		if err != nil {
			return nil, "", err
		}
		for _, r := range rows {
			if at.Tell(fmt.Sprint(number(r["id"])), str(r["write_date"]), r) {
				uid := refID(r["write_uid"])
				out = append(out, crmclient.RecordChange{Record: c.record(object, r), By: strconv.FormatInt(uid, 10), Own: c.isUs(uid)})
			}
		}
		if len(out) > 0 || len(rows) < pageSize {
			break
		}
	}
	at.Forget(at.From(timeLayout, changesOverlap))
	return out, at.String(), nil
}

// isUs tells whether a user is the connection's own, as far as that is known: JSON-2 tells it in no answer that is needed anyway.
func (c *Client) isUs(uid int64) bool {
	c.uid.Lock()
	defer c.uid.Unlock()
	return uid != 0 && uid == c.uid.n
}

// DescribeObject reads the fields of a model.
func (c *Client) DescribeObject(ctx context.Context, object string) ([]crmclient.Field, error) {
	if !modelName.MatchString(object) {
		return nil, &crmclient.Error{Class: crmclient.ClassConfiguration, Message: fmt.Sprintf("%q is not a model of Odoo's", object)}
	}
	var fields map[string]struct {
		Label    string          `json:"string"`
		Type     string          `json:"type"`
		Required bool            `json:"required"`
		ReadOnly bool            `json:"readonly"`
		Size     json.RawMessage `json:"size"`
	}
	kwargs := map[string]any{"attributes": []string{"string", "type", "required", "readonly", "size"}}
	if err := c.call(ctx, object, "fields_get", nil, kwargs, &fields); err != nil {
		return nil, err
	}
	out := make([]crmclient.Field, 0, len(fields))
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		f := fields[name]
		size, err := strconv.Atoi(string(f.Size))
		if err != nil {
			size = 0
		}
		out = append(out, crmclient.Field{Name: name, Label: f.Label, Type: f.Type, Required: f.Required, ReadOnly: f.ReadOnly, Length: size})
	}
	return out, nil
}

// CreateTicket makes a ticket of the configured model.
func (c *Client) CreateTicket(ctx context.Context, t *crmclient.Ticket) (crmclient.Receipt, error) {
	fields, err := c.ticket.Apply(fieldmap.Ticket(t))
	if err != nil {
		return crmclient.Receipt{}, err
	}
	maps.Copy(fields, t.Fields)
	if n, err := strconv.ParseInt(t.ContactID, 10, 64); err == nil {
		fields["partner_id"] = n
	}
	if t.Assignee != "" {
		user, err := c.userID(ctx, t.Assignee)
		if err != nil {
			return crmclient.Receipt{}, err
		}
		if user == 0 {
			return crmclient.Receipt{}, noUser(t.Assignee)
		}
		fields["user_id"] = user
	}
	r, err := c.CreateRecord(ctx, c.cfg.TicketModel, t.Key, fields)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	for _, f := range t.Files {
		if f.Open == nil {
			continue
		}
		if _, err := c.AttachFile(ctx, c.cfg.TicketModel, r.RemoteID, f); err != nil {
			return crmclient.Receipt{}, err
		}
	}
	return r, nil
}

func noUser(address string) error {
	return &crmclient.Error{
		Class: crmclient.ClassPermanent, Message: "Odoo has no user with the address " + address,
		Remedy: "give the employee a user with this mail address as login or e-mail (Settings > Users)",
	}
}

// FindTicket returns the ticket with the key.
func (c *Client) FindTicket(ctx context.Context, key string) (crmclient.Record, bool, error) {
	return c.byKey(ctx, c.cfg.TicketModel, key)
}

// AssignTicket gives a ticket to a user.
func (c *Client) AssignTicket(ctx context.Context, id, assignee string) error {
	user, err := c.userID(ctx, assignee)
	if err != nil {
		return err
	}
	if user == 0 {
		return noUser(assignee)
	}
	return c.UpdateRecord(ctx, c.cfg.TicketModel, id, map[string]any{"user_id": user})
}
