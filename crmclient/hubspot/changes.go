package hubspot

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"slices"
	"strconv"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/cursor"
)

const (
	// overlap is how far each round looks back before the last: the index of the search is behind by some seconds.
	overlap   = 2 * time.Minute
	maxSeen   = 1000  // of a cursor; beyond it changes of the last minutes are told again
	maxHits   = 9_800 // the search gives no more than 10,000
	maxRounds = 10    // pages of one call
)

// position is the cursor. A round reads what changed at or after From by pages; a page begins at the time of the last record of the one before,
// because offsets shift while others write. Only where a whole page has one time it goes on by offset.
type position struct {
	Object string            `json:"o"`
	From   int64             `json:"f"`           // milliseconds, as HubSpot counts
	Began  int64             `json:"b,omitempty"` // of the round, by HubSpot's clock
	At     int64             `json:"t,omitempty"` // where the next page begins
	After  int               `json:"a,omitempty"` // offset at that time
	Seen   map[string]string `json:"s,omitempty"` // what was told since From: a hash by the id
}

func (p *position) encode() string { return cursor.Encode(p) }

func decodePosition(name, text string) (*position, error) {
	expired := &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the cursor is none of this object", Err: crmclient.ErrCursorExpired}
	var p position
	if cursor.Decode(text, &p) != nil || p.Object != name || p.From <= 0 || p.At < 0 || p.After < 0 {
		return nil, expired
	}
	if p.Seen == nil {
		p.Seen = map[string]string{}
	}
	return &p, nil
}

// changedAt is the property with the time of the last change.
func changedAt(name string) string {
	if name == objectContacts {
		return "lastmodifieddate"
	}
	return "hs_lastmodifieddate"
}

// RecordChanges searches for what changed since the cursor. Deleted records are not told of, nor who changed one.
func (c *Client) RecordChanges(ctx context.Context, name string, fields []string, cursor string) ([]crmclient.RecordChange, string, error) {
	if !objectName.MatchString(name) {
		return nil, "", misconfigured(remedyField, "this is not the name of an object of HubSpot")
	}
	p := &position{Object: name, From: c.d.Clock().Add(-overlap).UnixMilli(), Seen: map[string]string{}}
	if cursor != "" {
		var err error
		if p, err = decodePosition(name, cursor); err != nil {
			return nil, "", err
		}
	}
	properties, err := c.propertiesFor(ctx, name, slices.Clone(fields))
	if err != nil {
		return nil, "", err
	}
	if at := changedAt(name); !slices.Contains(properties, at) {
		properties = append(properties, at)
	}
	var changes []crmclient.RecordChange
	for range maxRounds {
		some, full, err := c.round(ctx, p, properties)
		if err != nil {
			return nil, "", err
		}
		changes = append(changes, some...)
		if !full {
			p.finish()
			break
		}
		if len(changes) > 0 && cursor != "" {
			break
		}
	}
	if cursor == "" { // what is there already is no change
		changes = nil
	}
	return changes, p.encode(), nil
}

// round reads one page of what changed, and says whether there may be more.
func (c *Client) round(ctx context.Context, p *position, properties []string) ([]crmclient.RecordChange, bool, error) {
	start := max(p.From, p.At)
	after := ""
	if p.After > 0 {
		after = strconv.Itoa(p.After)
	}
	groups := [][]filter{{{Property: changedAt(p.Object), Operator: "GTE", Value: strconv.FormatInt(start, 10)}}}
	var out objectList
	a, err := c.call(ctx, searchGroups(c.objects(p.Object), groups, properties, maxPage, changedAt(p.Object), after), &out)
	if err != nil {
		return nil, false, fmt.Errorf("search for changes: %w", err)
	}
	if p.Began == 0 {
		p.Began = c.d.Clock().UnixMilli()
		if date, err := http.ParseTime(a.Header.Get("Date")); err == nil {
			p.Began = date.UnixMilli()
		}
	}
	var changes []crmclient.RecordChange
	last := start
	for _, o := range out.Results {
		if last = millis(o.Properties[changedAt(p.Object)]); last == 0 || o.ID == "" {
			return nil, false, unclear()
		}
		if p.tell(o) {
			changes = append(changes, crmclient.RecordChange{Record: record(p.Object, o)})
		}
	}
	if last > start {
		p.At, p.After = last, 0
	} else {
		p.At, p.After = start, p.After+len(out.Results)
	}
	if p.After > maxHits { // more records of one millisecond than the search shows
		p.At, p.After = start+1, 0
	}
	return changes, len(out.Results) == maxPage, nil
}

// millis reads a time as HubSpot writes it: by RFC 3339, or in milliseconds.
func millis(s string) int64 {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UnixMilli()
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// tell says whether a state of a record is new, and remembers it.
func (p *position) tell(o object) bool {
	b, err := json.Marshal(o.Properties) // keys are sorted
	if err != nil {
		return true
	}
	h := fnv.New64a()
	_, _ = h.Write(b)
	sum := strconv.FormatUint(h.Sum64(), 36)
	if p.Seen[o.ID] == sum {
		return false
	}
	if _, there := p.Seen[o.ID]; there || len(p.Seen) < maxSeen {
		p.Seen[o.ID] = sum
	}
	return true
}

// finish ends a round. The next begins before this one did, and what was told since then is not told again.
func (p *position) finish() {
	p.From = p.Began - overlap.Milliseconds()
	p.Began, p.At, p.After = 0, 0, 0
	if len(p.Seen) >= maxSeen { // those of this round are told once more, rather than one left out for ever
		clear(p.Seen)
	}
}
