package twenty

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"heliograph/crmclient"
)

var uuid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

func recordID(id string) bool { return uuid.MatchString(id) }

func record(object string, fields map[string]any) crmclient.Record {
	return crmclient.Record{Object: object, ID: text(fields, "id"), Fields: fields, UpdatedAt: timeOf(fields, "updatedAt")}
}

func checkObject(object string) error {
	if objectName.MatchString(object) {
		return nil
	}
	return &crmclient.Error{
		Class: crmclient.ClassConfiguration, Message: "this is not the name of an object of Twenty",
		Remedy: "name the object by its plural as in the API, such as people or opportunities",
	}
}

func noRecord(object string) error {
	return &crmclient.Error{
		Class: crmclient.ClassPermanent, Status: http.StatusNotFound, Message: "Twenty has no such record of " + object, Err: crmclient.ErrNoRecord,
	}
}

// ReadRecord reads any record, by a filter on its id.
func (c *Client) ReadRecord(ctx context.Context, object, id string) (crmclient.Record, error) {
	if err := checkObject(object); err != nil {
		return crmclient.Record{}, err
	}
	if !recordID(id) {
		return crmclient.Record{}, noRecord(object)
	}
	fields, err := c.first(ctx, object, "id", id)
	if err != nil {
		return crmclient.Record{}, err
	}
	if fields == nil {
		return crmclient.Record{}, noRecord(object)
	}
	return record(object, fields), nil
}

// words are Twenty's comparisons for ours. Empty has none: an empty text is not NULL there, and an empty number is.
var words = map[crmclient.Comparison]string{
	crmclient.Equal: "eq", crmclient.NotEqual: "neq", crmclient.Less: "lt", crmclient.LessEqual: "lte",
	crmclient.Greater: "gt", crmclient.GreaterEqual: "gte",
}

func filterOf(w crmclient.Condition) (string, error) {
	refused := &crmclient.Error{
		Class: crmclient.ClassConfiguration, Message: fmt.Sprintf("Twenty cannot compare %q by %q with this value", w.Field, w.Is),
		Remedy: "use eq, ne, lt, le, gt, ge, in, or contains with a text without % and _",
	}
	switch w.Is {
	case crmclient.In:
		list, ok := w.Value.([]any)
		if !ok || len(list) == 0 {
			return "", refused
		}
		var any []string
		for _, v := range list {
			f, err := compare(w.Field, "eq", v)
			if err != nil {
				return "", err
			}
			any = append(any, f)
		}
		return compose("or", any), nil
	case crmclient.Contains:
		s, ok := w.Value.(string)
		if !ok || strings.ContainsAny(s, "%_") {
			return "", refused
		}
		return compare(w.Field, "ilike", "%"+s+"%")
	}
	word, ok := words[w.Is]
	if !ok {
		return "", refused
	}
	return compare(w.Field, word, w.Value)
}

// QueryRecords searches. The cursor is Twenty's.
func (c *Client) QueryRecords(ctx context.Context, q crmclient.Query, cursor string) ([]crmclient.Record, string, error) {
	if err := checkObject(q.Object); err != nil {
		return nil, "", err
	}
	l := listQuery{size: q.Limit, order: "createdAt[DescNullsLast]", after: cursor}
	var filters []string
	for _, w := range q.Where {
		f, err := filterOf(w)
		if err != nil {
			return nil, "", err
		}
		filters = append(filters, f)
	}
	if len(filters) > 0 {
		l.filter = compose("and", filters)
	}
	page, next, err := c.list(ctx, q.Object, l)
	if err != nil {
		return nil, "", err
	}
	out := make([]crmclient.Record, len(page))
	for i, fields := range page {
		out[i] = record(q.Object, fields)
	}
	return out, next, nil
}

// CreateRecord makes a record with our key in key_field, which the object must have.
func (c *Client) CreateRecord(ctx context.Context, object, key string, fields map[string]any) (crmclient.Receipt, error) {
	if err := checkObject(object); err != nil {
		return crmclient.Receipt{}, err
	}
	release, err := c.turns.Take(ctx, object+" "+key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	defer release()
	fields = crmclient.WithTimes(fields, timeLayout)
	fields[c.cfg.KeyField] = keyText(key)
	made, there, err := c.once(ctx, object, c.cfg.KeyField, keyText(key), fields)
	return crmclient.Receipt{RemoteID: text(made, "id"), Duplicate: there}, err
}

// UpdateRecord changes fields of a record.
func (c *Client) UpdateRecord(ctx context.Context, object, id string, fields map[string]any) error {
	if err := checkObject(object); err != nil {
		return err
	}
	if !recordID(id) {
		return noRecord(object)
	}
	err := c.call(ctx, http.MethodPatch, object+"/"+id, nil, crmclient.WithTimes(fields, timeLayout), nil)
	if statusOf(err) == http.StatusNotFound {
		return noRecord(object)
	}
	return err
}

const (
	// changesOverlap is how far back each poll asks again: a transaction may end after its time.
	changesOverlap = 5 * time.Second
	// maxRepeated bounds the pages of what was told already, in one poll.
	maxRepeated = 50
)

// changedAt is the time of the last change in the form of our cursor.
func changedAt(row map[string]any) string { return timeOf(row, "updatedAt").Format(timeLayout) }

// RecordChanges polls by updatedAt.
func (c *Client) RecordChanges(ctx context.Context, object string, _ []string, cursor string) ([]crmclient.RecordChange, string, error) {
	if err := checkObject(object); err != nil {
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
	where, err := compare("updatedAt", "gte", at.From(timeLayout, changesOverlap))
	if err != nil {
		return nil, "", errors.Join(err, crmclient.ErrCursorExpired)
	}
	l := listQuery{filter: where, order: "updatedAt[AscNullsLast]"}
	var out []crmclient.RecordChange
	for range maxRepeated {
		page, next, err := c.list(ctx, object, l)
		if err != nil {
			return nil, "", err
		}
		for _, row := range page {
			if at.Tell(text(row, "id"), changedAt(row), row) {
				out = append(out, crmclient.RecordChange{Record: record(object, row)})
			}
		}
		if len(out) > 0 || next == "" {
			break
		}
		l.after = next
	}
	at.Forget(at.From(timeLayout, changesOverlap))
	return out, at.String(), nil
}

// lastChange is the cursor behind all that is there.
func (c *Client) lastChange(ctx context.Context, object string) (*crmclient.PollCursor, error) {
	at := crmclient.NewPollCursor(timeLayout)
	page, _, err := c.list(ctx, object, listQuery{order: "updatedAt[DescNullsLast]"})
	if err != nil {
		return nil, err
	}
	for _, row := range page {
		at.Tell(text(row, "id"), changedAt(row), row)
	}
	at.Forget(at.From(timeLayout, changesOverlap))
	return at, nil
}
