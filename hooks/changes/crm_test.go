package changes_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"heliograph/crmclient"
)

// crm is a CRM with one object, deals, which tells its changes by a cursor and always repeats the last ones.
type crm struct {
	mu      sync.Mutex // guards all below
	records map[string]map[string]any
	updated map[string]time.Time
	log     []crmclient.RecordChange // what happened, in order; only ids and what the CRM tells of old values
	expired int                      // cursors below this are refused
	calls   int
	onCall  func(call int)       // runs when an answer is ready
	fail    func(call int) error // decides whether a call fails
	tellOld bool
	own     bool            // what is written now is the connection's
	byUs    map[string]bool // the last writing of a record was
	overlap int
	page    int // changes in an answer
	reads   []string
}

func newCRM() *crm {
	return &crm{records: map[string]map[string]any{}, updated: map[string]time.Time{}, byUs: map[string]bool{}, overlap: 3, page: 4}
}

// FindContacts and LogEmail make it a crmclient.Client.
func (c *crm) FindContacts(context.Context, []string) ([]crmclient.Contact, error) { return nil, nil }

func (c *crm) LogEmail(context.Context, *crmclient.Activity) (crmclient.Receipt, error) {
	return crmclient.Receipt{}, nil
}

// set changes a record as a person does.
func (c *crm) set(id string, fields map[string]any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := map[string]any{}
	if c.records[id] == nil {
		c.records[id] = map[string]any{}
	} else {
		for f := range fields {
			old[f] = c.records[id][f]
		}
	}
	maps.Copy(c.records[id], fields)
	c.updated[id] = time.Unix(int64(1_000_000+len(c.log)), 0)
	change := crmclient.RecordChange{Record: crmclient.Record{ID: id}}
	c.byUs[id] = c.own
	if c.tellOld && len(old) > 0 {
		change.Old = old
	}
	c.log = append(c.log, change)
}

func (c *crm) remove(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.records, id)
	c.log = append(c.log, crmclient.RecordChange{Record: crmclient.Record{ID: id}, Deleted: true})
}

// silently changes a record without the change ever being told: a lost event.
func (c *crm) silently(id string, fields map[string]any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.Copy(c.records[id], fields)
}

func (c *crm) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expired = len(c.log) + 1
}

func (c *crm) call(ctx context.Context) error {
	c.calls++
	if c.fail != nil {
		if err := c.fail(c.calls); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (c *crm) answered() {
	if c.onCall != nil {
		c.onCall(c.calls)
	}
}

func (c *crm) now(id string) crmclient.Record {
	return crmclient.Record{Object: "deals", ID: id, Fields: maps.Clone(c.records[id]), UpdatedAt: c.updated[id]}
}

func (c *crm) RecordChanges(ctx context.Context, object string, _ []string, cursor string) ([]crmclient.RecordChange, string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.call(ctx); err != nil {
		return nil, "", err
	}
	defer c.answered()
	if object != "deals" {
		return nil, "", &crmclient.Error{Class: crmclient.ClassConfiguration, Message: "no such object"}
	}
	if cursor == "" {
		return nil, strconv.Itoa(len(c.log) + 1), nil
	}
	at, err := strconv.Atoi(cursor)
	if err != nil || at < c.expired {
		return nil, "", crmclient.ErrCursorExpired
	}
	end := min(at-1+c.page, len(c.log))
	var out []crmclient.RecordChange
	for _, change := range c.log[max(0, at-1-c.overlap):end] {
		if c.records[change.ID] == nil {
			change.Deleted, change.Old = true, nil
			out = append(out, change)
			continue
		}
		change.Record, change.Deleted, change.Own = c.now(change.ID), false, c.byUs[change.ID]
		out = append(out, change)
	}
	return out, strconv.Itoa(end + 1), nil
}

func (c *crm) ReadRecord(ctx context.Context, _, id string) (crmclient.Record, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.call(ctx); err != nil {
		return crmclient.Record{}, err
	}
	defer c.answered()
	c.reads = append(c.reads, id)
	if c.records[id] == nil {
		return crmclient.Record{}, &crmclient.Error{Class: crmclient.ClassPermanent, Err: crmclient.ErrNoRecord}
	}
	return c.now(id), nil
}

// listing is a crm whose records can be listed, three in a page.
type listing struct{ *crm }

func (c listing) QueryRecords(ctx context.Context, _ crmclient.Query, cursor string) ([]crmclient.Record, string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.call(ctx); err != nil {
		return nil, "", err
	}
	defer c.answered()
	ids := slices.Sorted(maps.Keys(c.records))
	ids = slices.DeleteFunc(ids, func(id string) bool { return id <= cursor })
	var page []crmclient.Record
	for _, id := range ids[:min(3, len(ids))] {
		page = append(page, c.now(id))
	}
	if len(ids) > 3 {
		return page, ids[2], nil
	}
	return page, "", nil
}

var (
	_ crmclient.RecordChanges = (*crm)(nil)
	_ crmclient.RecordQuerier = listing{}
)

func deal(stage string, amount int) map[string]any {
	return map[string]any{"stage": stage, "amount": json.Number(strconv.Itoa(amount)), "note": fmt.Sprint("unwatched ", stage, amount)}
}

// fill makes n deals: a, b, c …
func (c *crm) fill(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		c.set(string(rune('a'+i)), deal("new", i))
	}
}
