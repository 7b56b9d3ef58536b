package espocrm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

// create makes a record. Espo's own search for duplicates, by name, is not wanted: it would refuse what is new.
func (c *Client) create(ctx context.Context, object string, fields map[string]any, into any) (*crmclient.Answer, error) {
	b, err := json.Marshal(fields)
	if err != nil {
		return nil, &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the record cannot be written as JSON", Err: err}
	}
	return c.send(ctx, http.MethodPost, object, nil, strings.NewReader(string(b)), into)
}

func (c *Client) record(object string, fields map[string]any) crmclient.Record {
	id := text(fields, "id")
	return crmclient.Record{Object: object, ID: id, Fields: fields, UpdatedAt: timeOf(fields, "modifiedAt"), URL: c.page(object, id)}
}

// checkName keeps names of objects and ids from reaching into other paths.
func checkName(what, name string) error {
	if fieldName.MatchString(name) {
		return nil
	}
	for _, r := range name {
		if (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '_' {
			name = ""
		}
	}
	if name == "" || len(name) > 100 {
		return &crmclient.Error{Class: crmclient.ClassPermanent, Message: what + " is not one of EspoCRM's"}
	}
	return nil
}

// ReadRecord reads any record.
func (c *Client) ReadRecord(ctx context.Context, object, id string) (crmclient.Record, error) {
	if err := checkName("the object", object); err != nil {
		return crmclient.Record{}, err
	}
	if checkName("the id", id) != nil {
		return crmclient.Record{}, noRecord(object, "with this id")
	}
	a, err := c.send(ctx, http.MethodGet, object+"/"+id, nil, http.NoBody, nil)
	if statusOf(err) == http.StatusNotFound {
		return crmclient.Record{}, noRecord(object, id)
	}
	var fields map[string]any
	if err == nil {
		err = a.Exact(&fields)
	}
	if err != nil {
		return crmclient.Record{}, err
	}
	return c.record(object, fields), nil
}

func noRecord(object, id string) error {
	return &crmclient.Error{
		Class: crmclient.ClassPermanent, Status: http.StatusNotFound, Message: fmt.Sprintf("EspoCRM has no %s %s", object, id), Err: crmclient.ErrNoRecord,
	}
}

// types are Espo's words for our comparisons.
var types = map[crmclient.Comparison]string{
	crmclient.Equal: "equals", crmclient.NotEqual: "notEquals", crmclient.Less: "lessThan", crmclient.LessEqual: "lessThanOrEquals",
	crmclient.Greater: "greaterThan", crmclient.GreaterEqual: "greaterThanOrEquals", crmclient.In: "in", crmclient.Contains: "contains",
	crmclient.Empty: "isNull",
}

func filterOf(w crmclient.Condition) (filter, error) {
	kind, ok := types[w.Is]
	if !ok || !fieldName.MatchString(w.Field) {
		return filter{}, &crmclient.Error{Class: crmclient.ClassConfiguration, Message: fmt.Sprintf("EspoCRM cannot compare %q by %q", w.Field, w.Is)}
	}
	f := filter{Type: kind, Attribute: w.Field}
	switch v := w.Value.(type) {
	case nil:
	case []any:
		list := []string{}
		for _, x := range v {
			list = append(list, asText(x))
		}
		f.Value = list
	default:
		f.Value = asText(v)
	}
	return f, nil
}

func asText(v any) string {
	switch v := v.(type) {
	case time.Time:
		return v.UTC().Format(timeLayout)
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	return fmt.Sprint(v)
}

// QueryRecords searches. The cursor is an offset.
func (c *Client) QueryRecords(ctx context.Context, q crmclient.Query, cursor string) ([]crmclient.Record, string, error) {
	if err := checkName("the object", q.Object); err != nil {
		return nil, "", err
	}
	l := listQuery{size: min(q.Limit, 200), order: "createdAt"}
	if len(q.Fields) > 0 {
		l.fields = slices.Compact(slices.Sorted(slices.Values(append([]string{"id", "modifiedAt"}, q.Fields...))))
	}
	if cursor != "" {
		n, err := strconv.Atoi(cursor)
		if err != nil || n < 0 {
			return nil, "", crmclient.ErrCursorExpired
		}
		l.offset = n
	}
	for _, w := range q.Where {
		f, err := filterOf(w)
		if err != nil {
			return nil, "", err
		}
		l.where = append(l.where, f)
	}
	page, more, err := c.list(ctx, q.Object, l)
	if err != nil {
		return nil, "", err
	}
	out := make([]crmclient.Record, len(page))
	for i, fields := range page {
		out[i] = c.record(q.Object, fields)
	}
	if more {
		return out, strconv.Itoa(l.offset + len(page)), nil
	}
	return out, "", nil
}

// CreateRecord makes a record with our key in key_field.
func (c *Client) CreateRecord(ctx context.Context, object, key string, fields map[string]any) (crmclient.Receipt, error) {
	if err := checkName("the object", object); err != nil {
		return crmclient.Receipt{}, err
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
	fields = crmclient.WithTimes(fields, timeLayout)
	fields[c.cfg.keyField()] = key
	var made map[string]any
	if _, err := c.create(ctx, object, fields, &made); err != nil {
		return crmclient.Receipt{}, err
	}
	r := c.record(object, made)
	if r.ID == "" {
		return crmclient.Receipt{}, &crmclient.Error{Class: crmclient.ClassRetry, Message: "EspoCRM told no id of the new record"}
	}
	return crmclient.Receipt{RemoteID: r.ID, URL: r.URL}, nil
}

func (c *Client) byKey(ctx context.Context, object, key string) (crmclient.Record, bool, error) {
	page, _, err := c.list(ctx, object, listQuery{size: 1, where: []filter{{Type: "equals", Attribute: c.cfg.keyField(), Value: key}}})
	if err != nil || len(page) == 0 {
		return crmclient.Record{}, false, err
	}
	return c.record(object, page[0]), true, nil
}

// UpdateRecord changes fields of a record.
func (c *Client) UpdateRecord(ctx context.Context, object, id string, fields map[string]any) error {
	if err := errors.Join(checkName("the object", object), checkName("the id", id)); err != nil {
		return err
	}
	err := c.call(ctx, http.MethodPut, object+"/"+id, nil, crmclient.WithTimes(fields, timeLayout), nil)
	if statusOf(err) == http.StatusNotFound {
		return noRecord(object, id)
	}
	return err
}

const (
	// changesOverlap is how far back each poll asks again: Espo's times are of seconds, and a transaction may end
	// after its time.
	changesOverlap = 5 * time.Second
	// maxRepeated bounds the pages of what was told already, in one poll.
	maxRepeated = 50
)

// RecordChanges polls by modifiedAt.
func (c *Client) RecordChanges(ctx context.Context, object string, fields []string, cursor string) ([]crmclient.RecordChange, string, error) {
	if err := checkName("the object", object); err != nil {
		return nil, "", err
	}
	if cursor == "" {
		at, err := c.lastChange(ctx, object)
		if err != nil {
			return nil, "", err
		}
		return nil, at.String(), nil
	}
	at, err := crmclient.ParsePollCursor(cursor, timeLayout)
	if err != nil {
		return nil, "", err
	}
	l := listQuery{order: "modifiedAt", where: []filter{{Type: "greaterThan", Attribute: "modifiedAt", Value: at.From(timeLayout, changesOverlap)}}}
	if len(fields) > 0 {
		l.fields = slices.Compact(slices.Sorted(slices.Values(append([]string{"id", "modifiedAt", "modifiedById"}, fields...))))
	}
	var out []crmclient.RecordChange
	for range maxRepeated {
		page, more, err := c.list(ctx, object, l)
		if err != nil {
			return nil, "", err
		}
		for _, r := range page {
			if at.Tell(text(r, "id"), text(r, "modifiedAt"), r) {
				out = append(out, crmclient.RecordChange{Record: c.record(object, r), By: text(r, "modifiedById")})
			}
		}
		if len(out) > 0 || !more {
			break
		}
		l.offset += len(page)
	}
	at.Forget(at.From(timeLayout, changesOverlap))
	return out, at.String(), nil
}

// lastChange is the cursor behind all that is there.
func (c *Client) lastChange(ctx context.Context, object string) (*crmclient.PollCursor, error) {
	at := crmclient.NewPollCursor(timeLayout)
	page, _, err := c.list(ctx, object, listQuery{order: "modifiedAt", descending: true})
	if err != nil {
		return nil, err
	}
	for _, r := range page {
		at.Tell(text(r, "id"), text(r, "modifiedAt"), r)
	}
	at.Forget(at.From(timeLayout, changesOverlap))
	return at, nil
}

// CreateTicket makes a case.
func (c *Client) CreateTicket(ctx context.Context, t *crmclient.Ticket) (crmclient.Receipt, error) {
	fields, err := c.ticket.Apply(fieldmap.Ticket(t))
	if err != nil {
		return crmclient.Receipt{}, err
	}
	maps.Copy(fields, t.Fields)
	if t.Assignee != "" {
		id, err := c.users.ID(ctx, t.Assignee)
		if err != nil {
			return crmclient.Receipt{}, err
		}
		if id == "" {
			return crmclient.Receipt{}, noUser(t.Assignee)
		}
		fields["assignedUserId"] = id
	}
	if t.Queue != "" {
		if _, set := fields["type"]; !set {
			fields["type"] = t.Queue
		}
	}
	var files []string
	if len(t.Files) > 0 {
		if _, ok, err := c.byKey(ctx, "Case", t.Key); err != nil {
			return crmclient.Receipt{}, err
		} else if !ok {
			for _, f := range t.Files {
				if f.Open == nil {
					continue
				}
				id, err := c.uploadFile(ctx, "Case", "attachments", f)
				if err != nil {
					return crmclient.Receipt{}, err
				}
				files = append(files, id)
			}
		}
	}
	if len(files) > 0 {
		fields["attachmentsIds"] = files
	}
	return c.CreateRecord(ctx, "Case", t.Key, fields)
}

func noUser(address string) error {
	return &crmclient.Error{
		Class: crmclient.ClassPermanent, Message: "EspoCRM has no user with the address " + address,
		Remedy: "give the employee's user this mail address, and the API user's role read access to User",
	}
}

// FindTicket returns the case with the key.
func (c *Client) FindTicket(ctx context.Context, key string) (crmclient.Record, bool, error) {
	return c.byKey(ctx, "Case", key)
}

// AssignTicket gives a case to a user.
func (c *Client) AssignTicket(ctx context.Context, id, assignee string) error {
	user, err := c.users.ID(ctx, assignee)
	if err != nil {
		return err
	}
	if user == "" {
		return noUser(assignee)
	}
	return c.UpdateRecord(ctx, "Case", id, map[string]any{"assignedUserId": user})
}
