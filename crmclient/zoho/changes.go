package zoho

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/cursor"
)

var (
	_ crmclient.RecordChanges = (*Client)(nil)
	_ crmclient.RecordWriter  = (*Client)(nil)
)

const (
	// overlap is how far each round looks back before the last: Zoho writes whole seconds, and a long transaction is seen late.
	overlap = time.Minute
	// maxSeen bounds the cursor. Beyond it changes of the last minute are told again.
	maxSeen = 500
	// maxRounds bounds the pages of one call.
	maxRounds = 10
)

// position is the cursor. A round asks for all that changed since From, in the order of time and id; it ends with the page that is
// not full, and then the deleted records are asked for.
type position struct {
	Object string            `json:"o"`
	From   time.Time         `json:"f"`
	Began  time.Time         `json:"b,omitzero"` // of the round, by Zoho's clock
	Time   string            `json:"t,omitempty"`
	ID     string            `json:"i,omitempty"` // last record of the page before, with its time
	Seen   map[string]string `json:"s,omitempty"` // what was told since From: a hash by the id
}

func (p *position) encode() string { return cursor.Encode(p) }

func decodePosition(object, text string) (*position, error) {
	expired := &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the cursor is none of this module", Err: crmclient.ErrCursorExpired}
	var p position
	if cursor.Decode(text, &p) != nil || p.Object != object || p.From.IsZero() || p.ID != "" && !recordID.MatchString(p.ID) {
		return nil, expired
	}
	if _, err := time.Parse(time.RFC3339, p.Time); p.Time != "" && err != nil {
		return nil, expired
	}
	if p.Seen == nil {
		p.Seen = map[string]string{}
	}
	return &p, nil
}

// RecordChanges asks what changed since the cursor, and who did it. It also keeps the notification channel of the module alive.
func (c *Client) RecordChanges(ctx context.Context, object string, fields []string, cursor string) ([]crmclient.RecordChange, string, error) {
	if !apiName.MatchString(object) {
		return nil, "", misconfigured(remedyModule, "this is not the API name of a module")
	}
	p := &position{Object: object, From: c.d.Clock().Add(-overlap).UTC().Truncate(time.Second), Seen: map[string]string{}}
	if cursor != "" {
		var err error
		if p, err = decodePosition(object, cursor); err != nil {
			return nil, "", err
		}
	}
	c.keepChannel(ctx, object)
	read, err := c.fieldsFor(ctx, object, fields)
	if err != nil {
		return nil, "", err
	}
	if !slices.Contains(read, "Modified_By") {
		read = append(read, "Modified_By")
	}
	var changes []crmclient.RecordChange
	for range maxRounds {
		some, full, err := c.round(ctx, p, read)
		if err != nil {
			return nil, "", err
		}
		changes = append(changes, some...)
		if !full {
			gone, err := c.deleted(ctx, p)
			if err != nil {
				return nil, "", err
			}
			changes = append(changes, gone...)
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
func (c *Client) round(ctx context.Context, p *position, fields []string) ([]crmclient.RecordChange, bool, error) {
	where := "Modified_Time >= '" + p.From.Format(time.RFC3339) + "'"
	if p.ID != "" {
		where = fmt.Sprintf("(Modified_Time > '%s' or (Modified_Time = '%s' and id > %s))", p.Time, p.Time, p.ID)
	}
	query := fmt.Sprintf("select %s from %s where %s order by Modified_Time asc, id asc limit %d", strings.Join(fields, ", "), p.Object, where, perPage)
	var out listing
	a, err := c.call(ctx, request{method: http.MethodPost, path: coqlPath, body: map[string]any{"select_query": query}}, &out)
	if err != nil {
		return nil, false, fmt.Errorf("ask for changes: %w", err)
	}
	if p.Began.IsZero() {
		if p.Began, err = http.ParseTime(a.Header.Get("Date")); err != nil {
			p.Began = c.d.Clock()
		}
	}
	var changes []crmclient.RecordChange
	for _, r := range out.Data {
		p.ID, p.Time = textOf(r["id"]), textOf(r["Modified_Time"])
		if !p.tell(p.ID, r) {
			continue
		}
		change, err := c.changeOf(ctx, p.Object, r)
		if err != nil {
			return nil, false, err
		}
		changes = append(changes, change)
	}
	if len(out.Data) > 0 && (!recordID.MatchString(p.ID) || p.Time == "") {
		return nil, false, unclear()
	}
	return changes, len(out.Data) == perPage, nil
}

func (c *Client) changeOf(ctx context.Context, object string, r map[string]any) (crmclient.RecordChange, error) {
	change := crmclient.RecordChange{Record: record(object, r)}
	by := inside(r["Modified_By"], "id")
	if by == "" {
		return change, nil
	}
	self, err := c.me(ctx)
	if err != nil {
		return change, err
	}
	change.Own = by == self
	change.By, err = c.users.Email(ctx, by)
	return change, err
}

// tell says whether a state of a record is new, and remembers it.
func (p *position) tell(id string, state any) bool {
	b, err := json.Marshal(state) // keys are sorted
	if err != nil {
		return true
	}
	h := fnv.New64a()
	_, _ = h.Write(b)
	sum := strconv.FormatUint(h.Sum64(), 36)
	if p.Seen[id] == sum {
		return false
	}
	if _, there := p.Seen[id]; there || len(p.Seen) < maxSeen {
		p.Seen[id] = sum
	}
	return true
}

// finish ends a round. The next begins before this one did, and what was told since then is not told again; what is older cannot come.
func (p *position) finish() {
	p.From = p.Began.Add(-overlap).UTC().Truncate(time.Second)
	p.Began, p.Time, p.ID = time.Time{}, "", ""
	if len(p.Seen) >= maxSeen { // those of this round are told once more, rather than one left out for ever
		clear(p.Seen)
	}
}

// deleted reads the records that were deleted since the round began to look.
func (c *Client) deleted(ctx context.Context, p *position) ([]crmclient.RecordChange, error) {
	var changes []crmclient.RecordChange
	for page := 1; page <= maxRounds; page++ {
		var out listing
		_, err := c.call(ctx, request{
			method: http.MethodGet, path: "/" + p.Object + "/deleted",
			query:  url.Values{"type": {"all"}, "page": {strconv.Itoa(page)}, "per_page": {strconv.Itoa(perPage)}},
			header: http.Header{"If-Modified-Since": {p.From.Format(time.RFC3339)}},
		}, &out)
		if err != nil {
			return nil, fmt.Errorf("ask for deleted records: %w", err)
		}
		for _, r := range out.Data {
			id := textOf(r["id"])
			if !p.tell(id, r) {
				continue
			}
			change := crmclient.RecordChange{Deleted: true, Record: crmclient.Record{Object: p.Object, ID: id}}
			change.UpdatedAt, _ = time.Parse(time.RFC3339, textOf(r["deleted_time"]))
			changes = append(changes, change)
		}
		if !out.Info.More {
			break
		}
	}
	return changes, nil
}
