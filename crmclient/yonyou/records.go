package yonyou

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/cursor"
)

var (
	_ crmclient.RecordQuerier = (*Client)(nil)
	_ crmclient.RecordChanges = (*Client)(nil)
)

func refused(remedy, format string, args ...any) error {
	return &crmclient.Error{Class: crmclient.ClassConfiguration, Message: fmt.Sprintf(format, args...), Remedy: remedy}
}

func (c *Client) object(name string) (Object, error) {
	o, ok := c.cfg.Objects[name]
	if !ok {
		return o, refused("add it to objects: with the paths of its calls", "%q is not among objects", name)
	}
	return o, nil
}

// noRecord says of an error that the tenant knows no such record: it has no code of its own for that.
func noRecord(err error) error {
	var e *crmclient.Error
	if errors.As(err, &e) && e.Class == crmclient.ClassPermanent && (e.Status == 200 || e.Status == 404) {
		e.Err = crmclient.ErrNoRecord
	}
	return err
}

// ReadRecord reads a record by its detail call.
func (c *Client) ReadRecord(ctx context.Context, object, id string) (crmclient.Record, error) {
	o, err := c.object(object)
	if err != nil {
		return crmclient.Record{}, err
	}
	if o.Detail == "" {
		return crmclient.Record{}, refused("set objects."+object+".detail", "%s cannot be read by its id", object)
	}
	missing := &crmclient.Error{Class: crmclient.ClassPermanent, Message: fmt.Sprintf("%s has no record %q", object, id), Err: crmclient.ErrNoRecord}
	if !isID(id) {
		return crmclient.Record{}, missing
	}
	data, err := c.get(ctx, o.Detail, url.Values{"id": {id}})
	if err != nil {
		return crmclient.Record{}, fmt.Errorf("read %s: %w", object, noRecord(err))
	}
	var fields map[string]any
	if err := decode(data, &fields); err != nil {
		return crmclient.Record{}, err
	}
	if len(fields) == 0 {
		return crmclient.Record{}, missing
	}
	return c.record(object, o, fields, nil), nil
}

// sentTime is how the tenant writes a time: without a zone.
var sentTime = regexp.MustCompile(`^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}$`)

func (c *Client) timeOf(v any) (time.Time, bool) {
	s, ok := v.(string)
	if !ok || !sentTime.MatchString(s) {
		return time.Time{}, false
	}
	t, err := time.ParseInLocation(time.DateTime, s, c.zone)
	return t, err == nil
}

// isTimeField says whether a field is one of times by its name, so that a text that looks like a time stays one.
func isTimeField(name string) bool {
	name = strings.ToLower(name)
	return strings.HasSuffix(name, "time") || strings.HasSuffix(name, "date") || name == "pubts"
}

// record makes a record of an answer's fields: of those that are wanted, or all.
func (c *Client) record(object string, o Object, raw map[string]any, wanted []string) crmclient.Record {
	out := crmclient.Record{Object: object, ID: plain(raw["id"]), Fields: map[string]any{}}
	for name, v := range raw {
		if t, ok := c.timeOf(v); ok && isTimeField(name) {
			v = t
		}
		if len(wanted) == 0 || slices.Contains(wanted, name) {
			out.Fields[name] = v
		}
	}
	for _, name := range o.Times {
		if t, ok := c.timeOf(raw[name]); ok && t.After(out.UpdatedAt) {
			out.UpdatedAt = t
		}
	}
	return out
}

func plain(v any) string {
	switch x := v.(type) {
	case string:
		return x
	case json.Number:
		return x.String()
	}
	return ""
}

// condition is one entry of simpleVOs.
type condition struct {
	Field  string `json:"field"`
	Op     string `json:"op"`
	Value1 string `json:"value1,omitempty"`
	Value2 string `json:"value2,omitempty"`
}

var operators = map[crmclient.Comparison]string{
	crmclient.Equal: "eq", crmclient.NotEqual: "neq", crmclient.Less: "lt", crmclient.LessEqual: "elt",
	crmclient.Greater: "gt", crmclient.GreaterEqual: "egt",
}

// page is a page of a list.
type page struct {
	Count   scalar           `json:"recordCount"`
	Records []map[string]any `json:"recordList"`
}

func (c *Client) list(ctx context.Context, o Object, body map[string]any, index, size int) (page, error) {
	whole := maps.Clone(body)
	whole["pageIndex"], whole["pageSize"] = index, size
	data, err := c.post(ctx, o.List, whole)
	if err != nil {
		return page{}, err
	}
	var p page
	return p, decode(data, &p)
}

// QueryRecords lists a page. Only fields that the section names as filters or equals are compared: a list leaves out
// conditions on others without a word. What is selected by a parameter is compared here too, as it may match parts.
func (c *Client) QueryRecords(ctx context.Context, q crmclient.Query, cursor string) ([]crmclient.Record, string, error) {
	o, err := c.object(q.Object)
	if err != nil {
		return nil, "", err
	}
	if o.List == "" {
		return nil, "", refused("set objects."+q.Object+".list", "%s cannot be searched", q.Object)
	}
	index := 1
	if cursor != "" {
		if index, err = strconv.Atoi(cursor); err != nil || index < 1 {
			return nil, "", crmclient.ErrCursorExpired
		}
	}
	body, exact := map[string]any{}, map[string]string{}
	var filters []condition
	for _, w := range q.Where {
		text, isText := w.Value.(string)
		switch {
		case slices.Contains(o.Equals, w.Field) && w.Is == crmclient.Equal && isText && text != "" && body[w.Field] == nil:
			body[w.Field], exact[w.Field] = text, text
		case slices.Contains(o.Filters, w.Field) && operators[w.Is] != "":
			value, err := c.literal(w.Value)
			if err != nil {
				return nil, "", err
			}
			filters = append(filters, condition{Field: w.Field, Op: operators[w.Is], Value1: value})
		default:
			return nil, "", refused(
				fmt.Sprintf("add it to objects.%s.filters or equals if the tenant's list compares it", q.Object),
				"%s cannot be searched by %s with %q", q.Object, w.Field, w.Is)
		}
	}
	if len(filters) > 0 {
		body["simpleVOs"] = filters
	}
	size := c.cfg.PageSize
	if q.Limit > 0 {
		size = min(size, q.Limit)
	}
	p, err := c.list(ctx, o, body, index, size)
	if err != nil {
		return nil, "", fmt.Errorf("query %s: %w", q.Object, err)
	}
	var out []crmclient.Record
	for _, r := range p.Records {
		same := func(field string) bool { return plain(r[field]) == exact[field] }
		if !slices.ContainsFunc(slices.Collect(maps.Keys(exact)), func(f string) bool { return !same(f) }) {
			out = append(out, c.record(q.Object, o, r, q.Fields))
		}
	}
	if len(p.Records) < size {
		return out, "", nil
	}
	return out, strconv.Itoa(index + 1), nil
}

func (c *Client) literal(v any) (string, error) {
	switch x := v.(type) {
	case string:
		return x, nil
	case time.Time:
		return x.In(c.zone).Format(time.DateTime), nil
	case json.Number:
		return x.String(), nil
	}
	return "", refused("", "a value of type %T cannot be compared in a query", v)
}

// window is a cursor of RecordChanges: what was made or changed since a time is asked for, again and again over a while
// that overlaps; what was told already is remembered.
type window struct {
	Version int              `json:"v"`
	From    int64            `json:"f"` // seconds
	Seen    map[string]int64 `json:"k"` // hashes of records that were told, with the seconds of their changes
}

const (
	windowVersion = 1
	maxSeen       = 1000 // bounds a cursor; beyond it the oldest records are told again while they overlap
	maxPages      = 40   // of one part of a window
	maxHalvings   = 24   // of a window with too many changes
)

func hashOf(r map[string]any) string {
	h := fnv.New64a()
	b, _ := json.Marshal(r) // it was JSON
	_, _ = h.Write(b)
	return strconv.FormatUint(h.Sum64(), 36)
}

// RecordChanges polls by the times of a record. Deletions are not told, nor who did what.
func (c *Client) RecordChanges(ctx context.Context, object string, fields []string, text string) ([]crmclient.RecordChange, string, error) {
	o, err := c.object(object)
	if err != nil {
		return nil, "", err
	}
	if o.List == "" || len(o.Times) == 0 {
		return nil, "", refused("set list and times in objects."+object, "changes of %s cannot be told", object)
	}
	now := c.now().Unix()
	overlap := int64(c.cfg.Overlap.D() / time.Second)
	w := window{Version: windowVersion, From: now - overlap, Seen: map[string]int64{}}
	if text != "" {
		if cursor.Decode(text, &w) != nil || w.Version != windowVersion || w.Seen == nil {
			return nil, "", crmclient.ErrCursorExpired
		}
	}
	var out []crmclient.RecordChange
	for range maxHalvings {
		ahead := max(now, w.From) + overlap // in case that the tenant's clock is
		records, end, err := c.between(ctx, o, w.From, ahead)
		if err != nil {
			return nil, "", fmt.Errorf("changes of %s: %w", object, err)
		}
		for _, r := range records {
			h, whole := hashOf(r), c.record(object, o, r, nil)
			if _, told := w.Seen[h]; !told && text != "" {
				change := crmclient.RecordChange{Record: c.record(object, o, r, fields)}
				out = append(out, change)
			}
			w.Seen[h] = whole.UpdatedAt.Unix()
		}
		w.From = end // a part only: the rest follows
		if end == ahead {
			w.From = now - overlap
		}
		w.forget(now - overlap)
		if end == ahead || len(out) > 0 {
			break
		}
	}
	slices.SortStableFunc(out, func(a, b crmclient.RecordChange) int { return a.UpdatedAt.Compare(b.UpdatedAt) })
	return out, cursor.Encode(w), nil
}

// forget drops what the window will not come back to, and the oldest beyond the bound.
func (w *window) forget(before int64) {
	maps.DeleteFunc(w.Seen, func(_ string, at int64) bool { return at < min(w.From, before) })
	if len(w.Seen) <= maxSeen {
		return
	}
	names := slices.SortedFunc(maps.Keys(w.Seen), func(a, b string) int { return int(w.Seen[a] - w.Seen[b]) })
	for _, name := range names[:len(names)-maxSeen] {
		delete(w.Seen, name)
	}
}

// between reads all that was made or changed in a window, and returns where the window ended: a window with too many
// changes is halved until they fit.
func (c *Client) between(ctx context.Context, o Object, from, to int64) ([]map[string]any, int64, error) {
	for range maxHalvings {
		records, fits, err := c.window(ctx, o, from, to)
		if err != nil || fits || to-from <= 1 {
			return records, to, err
		}
		to = from + (to-from)/2
	}
	return nil, to, refused("raise page_size", "more changes in one second than can be read")
}

// window reads a window by each of the times. Lists have no order, so a record that leaves it meanwhile may hide another: then
// there are fewer than the tenant counts, and it is read again.
func (c *Client) window(ctx context.Context, o Object, from, to int64) (all []map[string]any, fits bool, err error) {
	ids := map[string]bool{}
	write := func(at int64) string { return time.Unix(at, 0).In(c.zone).Format(time.DateTime) }
	for _, field := range o.Times {
		body := map[string]any{"simpleVOs": []condition{{Field: field, Op: "between", Value1: write(from), Value2: write(to)}}}
		records, count, err := c.pages(ctx, o, body)
		if err != nil {
			return nil, false, err
		}
		if count > maxPages*c.cfg.PageSize {
			return nil, false, nil
		}
		if len(records) < count {
			if records, count, err = c.pages(ctx, o, body); err != nil {
				return nil, false, err
			}
			if len(records) < count {
				return nil, false, &crmclient.Error{Class: crmclient.ClassRetry, Message: "the list changes faster than it can be read"}
			}
		}
		for id, r := range records {
			if !ids[id] {
				ids[id] = true
				all = append(all, r)
			}
		}
	}
	return all, true, nil
}

// pages reads all pages of a list, by id, and what the tenant counted at the first.
func (c *Client) pages(ctx context.Context, o Object, body map[string]any) (records map[string]map[string]any, count int, err error) {
	records = map[string]map[string]any{}
	for index := 1; index <= maxPages; index++ {
		p, err := c.list(ctx, o, body, index, c.cfg.PageSize)
		if err != nil {
			return nil, 0, err
		}
		if index == 1 {
			count, _ = strconv.Atoi(string(p.Count)) // followup/list tells none: zero then
			if count > maxPages*c.cfg.PageSize {
				return nil, count, nil
			}
		}
		for _, r := range p.Records {
			records[plain(r["id"])] = r
		}
		if len(p.Records) < c.cfg.PageSize {
			break
		}
	}
	return records, count, nil
}
