package suitecrm

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"heliograph/crmclient"
)

// recordID is what ids look like: mostly UUIDs, but imported records have others.
var recordID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func record(module string, r map[string]any) crmclient.Record {
	return crmclient.Record{Object: module, ID: text(r, "id"), Fields: r, UpdatedAt: timeOf(r, "date_modified")}
}

func checkModule(module string) error {
	if moduleName.MatchString(module) {
		return nil
	}
	return &crmclient.Error{Class: crmclient.ClassConfiguration, Message: "this is not the name of a module of SuiteCRM", Remedy: "name the module as in its URL, such as Opportunities"}
}

func noRecord(module string) error {
	return &crmclient.Error{
		Class: crmclient.ClassPermanent, Status: http.StatusNotFound, Message: "SuiteCRM has no such record of " + module, Err: crmclient.ErrNoRecord,
	}
}

// ReadRecord reads any record, by a filter on its id.
func (c *Client) ReadRecord(ctx context.Context, module, id string) (crmclient.Record, error) {
	if err := checkModule(module); err != nil {
		return crmclient.Record{}, err
	}
	if !recordID.MatchString(id) {
		return crmclient.Record{}, noRecord(module)
	}
	r, err := c.first(ctx, module, "id", id)
	if err != nil {
		return crmclient.Record{}, err
	}
	if r == nil {
		return crmclient.Record{}, noRecord(module)
	}
	return record(module, r), nil
}

// words are SuiteCRM's comparisons for ours. It has no more.
var words = map[crmclient.Comparison]string{
	crmclient.Equal: "eq", crmclient.NotEqual: "neq", crmclient.Less: "lt", crmclient.LessEqual: "lte",
	crmclient.Greater: "gt", crmclient.GreaterEqual: "gte",
}

func conditionOf(w crmclient.Condition) (condition, bool) {
	out := condition{field: w.Field, is: words[w.Is]}
	if out.is == "" || !fieldName.MatchString(w.Field) || w.Field == "operator" {
		return out, false
	}
	switch v := w.Value.(type) {
	case string:
		out.value = v
	case time.Time:
		out.value = v.UTC().Format(timeLayout)
	case bool:
		out.value = map[bool]string{false: "0", true: "1"}[v]
	case json.Number, int, int64:
		out.value = fmt.Sprint(v)
	default:
		return out, false
	}
	return out, true
}

// QueryRecords searches. The cursor is the number of the page and its size.
func (c *Client) QueryRecords(ctx context.Context, q crmclient.Query, cursor string) ([]crmclient.Record, string, error) {
	if err := checkModule(q.Object); err != nil {
		return nil, "", err
	}
	l := listQuery{page: 1, size: pageSize, sort: "id"}
	if q.Limit > 0 {
		l.size = min(q.Limit, pageSize)
	}
	if cursor != "" {
		number, size, _ := strings.Cut(cursor, " ")
		n, err := strconv.Atoi(number)
		s, err2 := strconv.Atoi(size)
		if err != nil || err2 != nil || n < 2 || s < 1 || s > pageSize {
			return nil, "", crmclient.ErrCursorExpired
		}
		l.page, l.size = n, s
	}
	seen := map[string]bool{}
	for _, w := range q.Where {
		cond, ok := conditionOf(w)
		if name := cond.field + " " + cond.is; !ok || seen[name] {
			return nil, "", &crmclient.Error{
				Class: crmclient.ClassConfiguration, Message: fmt.Sprintf("SuiteCRM cannot compare %q by %q with this value", w.Field, w.Is),
				Remedy: "use eq, ne, lt, le, gt and ge, each once for a field",
			}
		}
		seen[cond.field+" "+cond.is] = true
		l.where = append(l.where, cond)
	}
	page, err := c.listFitting(ctx, q.Object, &l)
	if err != nil {
		return nil, "", err
	}
	out := make([]crmclient.Record, len(page))
	for i, r := range page {
		out[i] = record(q.Object, r)
	}
	if len(page) < l.size {
		return out, "", nil
	}
	return out, strconv.Itoa(l.page+1) + " " + strconv.Itoa(l.size), nil
}

// CreateRecord makes a record with our key in key_field, which the module must have.
func (c *Client) CreateRecord(ctx context.Context, module, key string, attributes map[string]any) (crmclient.Receipt, error) {
	if err := checkModule(module); err != nil {
		return crmclient.Receipt{}, err
	}
	made, there, err := c.once(ctx, module, c.cfg.KeyField, key, crmclient.WithTimes(attributes, timeLayout))
	return crmclient.Receipt{RemoteID: text(made, "id"), Duplicate: there}, err
}

// UpdateRecord changes fields of a record.
func (c *Client) UpdateRecord(ctx context.Context, module, id string, attributes map[string]any) error {
	if err := checkModule(module); err != nil {
		return err
	}
	if !recordID.MatchString(id) {
		return noRecord(module)
	}
	err := c.call(ctx, http.MethodPatch, "module", nil, &entry{Type: module, ID: id, Attributes: crmclient.WithTimes(attributes, timeLayout)}, nil)
	if statusOf(err) == http.StatusNotFound {
		return noRecord(module)
	}
	return err
}

const (
	// changesOverlap is how far back each poll asks again: times are of seconds, and a transaction may end after its time.
	changesOverlap = 5 * time.Second
	// maxRepeated bounds the pages of what was told already, in one poll.
	maxRepeated = 100
)

// RecordChanges polls by date_modified.
func (c *Client) RecordChanges(ctx context.Context, module string, _ []string, cursor string) ([]crmclient.RecordChange, string, error) {
	if err := checkModule(module); err != nil {
		return nil, "", err
	}
	if cursor == "" {
		at := crmclient.NewPollCursor(timeLayout)
		page, err := c.list(ctx, module, listQuery{sort: "-date_modified", size: 1})
		if err != nil {
			return nil, "", err
		}
		tell(at, module, page)
		return nil, at.String(), nil
	}
	at, err := crmclient.ParsePollCursor(cursor, timeLayout)
	if err != nil {
		return nil, "", err
	}
	l := listQuery{where: []condition{{"date_modified", "gte", at.From(timeLayout, changesOverlap)}}, sort: "date_modified", size: pageSize}
	var out []crmclient.RecordChange
	for l.page = 1; l.page <= maxRepeated && len(out) == 0; l.page++ {
		page, err := c.listFitting(ctx, module, &l)
		if err != nil {
			return nil, "", err
		}
		out = tell(at, module, page)
		if len(page) < l.size {
			break
		}
	}
	at.Forget(at.From(timeLayout, changesOverlap))
	return out, at.String(), nil
}

// tell notes the records of a page, and returns those that are news.
func tell(at *crmclient.PollCursor, module string, page []map[string]any) []crmclient.RecordChange {
	var out []crmclient.RecordChange
	for _, r := range page {
		if at.Tell(text(r, "id"), timeOf(r, "date_modified").Format(timeLayout), r) {
			out = append(out, crmclient.RecordChange{Record: record(module, r)})
		}
	}
	return out
}
