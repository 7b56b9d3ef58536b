package rest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"heliograph/crmclient"
)

// changeCursor is where the polling of changes is. Its JSON is what callers keep.
type changeCursor struct {
	Since time.Time  `json:"since,omitzero"` // records changed later than this were not told yet
	Until time.Time  `json:"until,omitzero"` // the latest change among the pages read so far
	Page  *pageState `json:"page,omitempty"` // within a round
	// Seen are changes within the overlap that were told already, so that asking for them again does not tell them again.
	Seen []seenChange `json:"seen,omitempty"`
	API  string       `json:"api,omitempty"` // the API's own cursor
}

type seenChange struct {
	Hash string    `json:"h"`
	At   time.Time `json:"t"`
}

// maxSeen bounds the cursor; what is beyond is told again, which callers bear.
const maxSeen = 2000

// defaultOverlap is how far changes asks back again where the section does not say: clocks and slow commits differ by less.
const defaultOverlap = 2 * time.Minute

// RecordChanges returns what changed since the cursor.
func (c recordFollower) RecordChanges(ctx context.Context, object string, fields []string, cursor string) ([]crmclient.RecordChange, string, error) {
	op := c.ops.changes
	var at changeCursor
	if cursor != "" {
		d := json.NewDecoder(strings.NewReader(cursor))
		d.DisallowUnknownFields()
		if len(cursor) > 1<<20 || d.Decode(&at) != nil || at.Since.IsZero() && at.API == "" {
			return nil, "", &crmclient.Error{Class: crmclient.ClassConfiguration, Message: "the cursor is not one of this target", Err: crmclient.ErrCursorExpired}
		}
	}
	if op.cursor {
		return c.changesByCursor(ctx, op, object, fields, at)
	}
	if cursor == "" {
		return nil, encodeCursor(changeCursor{Since: c.now().UTC()}), nil
	}
	return c.changesSince(ctx, op, object, fields, at)
}

func encodeCursor(at changeCursor) string {
	b, err := json.Marshal(at)
	if err != nil { // texts and times only
		return ""
	}
	return string(b)
}

// changesSince reads pages until one tells something new, or the round is over.
func (c *Client) changesSince(ctx context.Context, op *operation, object string, fields []string, at changeCursor) ([]crmclient.RecordChange, string, error) {
	overlap := op.overlap
	if overlap == 0 {
		overlap = defaultOverlap
	}
	from := at.Since.Add(-overlap)
	s := c.scope(map[string]any{"object": object, "fields": texts(fields), "since": from, "cursor": ""})
	for range op.paging.maxPages {
		page := op.paging.start()
		if at.Page != nil {
			page = *at.Page
		}
		r, items, next, err := c.page(ctx, op, s, page)
		if err != nil {
			return nil, "", err
		}
		var out []crmclient.RecordChange
		for _, item := range items {
			ch, err := c.change(r, item, s, object, fields)
			if err != nil {
				return nil, "", err
			}
			if ch.UpdatedAt.After(at.Until) {
				at.Until = ch.UpdatedAt
			}
			if at.notice(ch, from) {
				out = append(out, ch)
			}
		}
		if at.Page = next; next == nil {
			at.endRound(overlap)
			return out, encodeCursor(at), nil
		}
		if len(out) > 0 {
			return out, encodeCursor(at), nil
		}
	}
	return nil, "", &crmclient.Error{
		Class: crmclient.ClassConfiguration, Message: "changes: the answer does not end",
		Remedy: "check that the API honours {{ since }}, and sort the answer by the time of change",
	}
}

// notice says whether the change is new, and remembers it.
func (at *changeCursor) notice(ch crmclient.RecordChange, from time.Time) bool {
	if !ch.UpdatedAt.IsZero() && ch.UpdatedAt.Before(from) { // an API that rounds, or ignores the filter
		return false
	}
	sum := sha256.Sum256([]byte(ch.ID + "\x00" + ch.UpdatedAt.UTC().Format(time.RFC3339Nano)))
	hash := base64.RawURLEncoding.EncodeToString(sum[:9])
	if slices.ContainsFunc(at.Seen, func(s seenChange) bool { return s.Hash == hash }) {
		return false
	}
	at.Seen = append(at.Seen, seenChange{hash, ch.UpdatedAt.UTC()})
	return true
}

// endRound moves on to the latest change, and forgets what the next round does not ask for.
func (at *changeCursor) endRound(overlap time.Duration) {
	if at.Until.After(at.Since) {
		at.Since = at.Until
	}
	at.Until = time.Time{}
	from := at.Since.Add(-overlap)
	at.Seen = slices.DeleteFunc(at.Seen, func(s seenChange) bool { return s.At.Before(from) })
	if len(at.Seen) > maxSeen {
		slices.SortFunc(at.Seen, func(a, b seenChange) int { return cmp.Compare(b.At.UnixNano(), a.At.UnixNano()) })
		at.Seen = at.Seen[:maxSeen]
	}
}

func (c *Client) change(r *reply, item any, s scope, object string, fields []string) (crmclient.RecordChange, error) {
	rec, err := c.record(r, item, s, object, fields)
	if err != nil {
		return crmclient.RecordChange{}, err
	}
	ch := crmclient.RecordChange{Record: rec}
	at := r.place(item, s)
	if ch.Deleted, err = r.op.result.deleted.truth(at); err != nil {
		return ch, r.broken("result.deleted", err)
	}
	if ch.By, err = r.op.result.by.text(at); err != nil {
		return ch, r.broken("result.by", err)
	}
	ch.Own = ch.By != "" && ch.By == c.cfg.OwnUser
	if ch.Deleted {
		ch.Fields = nil
	}
	return ch, nil
}

// changesByCursor follows the API's own cursor. The first call only gets it.
func (c *Client) changesByCursor(ctx context.Context, op *operation, object string, fields []string, at changeCursor) ([]crmclient.RecordChange, string, error) {
	begin := at.API == ""
	for range op.paging.maxPages {
		s := c.scope(map[string]any{"object": object, "fields": texts(fields), "since": c.now(), "cursor": at.API})
		r, items, _, err := c.page(ctx, op, s, op.paging.start())
		if err != nil {
			return nil, "", err
		}
		if r == nil {
			return nil, "", &crmclient.Error{Class: crmclient.ClassConfiguration, Message: "changes: the target knows no such object or cursor", Err: crmclient.ErrCursorExpired}
		}
		next, err := op.result.cur.text(r.place(r.root, s))
		if err != nil || next == "" || len(next) > maxCursor {
			return nil, "", r.retry("the answer has no cursor where result.cursor says")
		}
		ended := len(items) == 0 || next == at.API
		at.API = next
		if begin && !ended {
			continue
		}
		var out []crmclient.RecordChange
		for _, item := range items {
			if begin {
				break
			}
			ch, err := c.change(r, item, s, object, fields)
			if err != nil {
				return nil, "", err
			}
			out = append(out, ch)
		}
		return out, encodeCursor(changeCursor{API: at.API}), nil
	}
	return nil, "", &crmclient.Error{
		Class: crmclient.ClassConfiguration, Message: "changes: the cursor of this moment cannot be reached within paging.max_pages",
		Remedy: "raise paging.max_pages, or poll by since",
	}
}
