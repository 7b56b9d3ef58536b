package kingdee

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/cursor"
)

var _ crmclient.RecordChanges = (*Client)(nil)

// window is a cursor of RecordChanges. The site tells no changes, so it is asked for what was changed since a time, again
// and again over a while that overlaps; what was told already is remembered.
type window struct {
	Version int              `json:"v"`
	From    int64            `json:"f"` // seconds: what was changed since is asked for
	Start   int              `json:"s"` // rows of that to be left out, while more have the same second than a page holds
	High    int64            `json:"h"` // seconds: the latest change so far
	Seen    map[string]int64 `json:"k"` // hashes of rows that were told, with the seconds of their changes
}

const windowVersion = 1

// maxSeen bounds a cursor. Beyond it the oldest rows are told again while they overlap.
const maxSeen = 1000

// maxPages bounds how many pages in a row may hold only what is known.
const maxPages = 50

func (w window) String() string {
	return cursor.Encode(w)
}

func readWindow(text string) (window, error) {
	var w window
	if cursor.Decode(text, &w) != nil || w.Version != windowVersion || w.Start < 0 {
		return w, crmclient.ErrCursorExpired
	}
	if w.Seen == nil {
		w.Seen = map[string]int64{}
	}
	return w, nil
}

// hash names a state of a row.
func (r row) hash() string {
	h := fnv.New64a()
	for _, f := range slices.Sorted(maps.Keys(r)) {
		fmt.Fprintf(h, "%s=%v\n", f, r[f])
	}
	return strconv.FormatUint(h.Sum64(), 36)
}

// RecordChanges polls by the time of the last change. Deletions are not told, nor who deleted.
func (c *Client) RecordChanges(ctx context.Context, object string, fields []string, cursor string) ([]crmclient.RecordChange, string, error) {
	o, err := c.object(object)
	if err != nil {
		return nil, "", err
	}
	if err := checkFields(fields); err != nil {
		return nil, "", err
	}
	beginning := cursor == ""
	w := window{Version: windowVersion, Seen: map[string]int64{}}
	if w.High = c.now().Unix(); !beginning {
		if w, err = readWindow(cursor); err != nil {
			return nil, "", err
		}
	} else {
		w.From = w.High - int64(c.cfg.Overlap.D()/time.Second)
	}
	own := c.ownUser(ctx)
	var out []crmclient.RecordChange
	for range maxPages {
		rows, more, err := c.changed(ctx, o, o.wanted(fields), &w)
		if err != nil {
			return nil, "", fmt.Errorf("changes of %s: %w", o.Form, err)
		}
		for _, r := range rows {
			change := crmclient.RecordChange{Record: c.record(object, o, r, o.wanted(fields)), By: r.text(o.Modifier)}
			change.Own = own != "" && change.By == own
			out = append(out, change)
		}
		if beginning {
			out = nil // what is there already is only remembered
		}
		if !more || len(out) > 0 {
			break
		}
	}
	return out, w.String(), nil
}

// changed reads one page of the window, moves the window on, and returns the rows that were not told yet.
func (c *Client) changed(ctx context.Context, o Object, fields []string, w *window) (fresh []row, more bool, err error) {
	since := time.Unix(w.From, 0).In(c.zone).Format(time.DateTime)
	rows, err := c.query(ctx, question{
		form: o.Form, fields: append([]string{o.ID, o.Modified, o.Modifier}, fields...),
		filter: o.Modified + ">=" + quote(since), order: o.Modified + "," + o.ID, start: w.Start, limit: c.cfg.PageSize,
	})
	if err != nil {
		return nil, false, err
	}
	last, overlap := w.From, int64(c.cfg.Overlap.D()/time.Second)
	for _, r := range rows {
		t, ok := c.timeOf(r[o.Modified])
		if !ok {
			return nil, false, refused("the field %s of %s is not the time of a change; set modified", o.Modified, o.Form)
		}
		last = t.Unix()
		w.High = max(w.High, last)
		h := r.hash()
		if _, told := w.Seen[h]; !told {
			fresh = append(fresh, r)
		}
		w.Seen[h] = last
	}
	if more = len(rows) == c.cfg.PageSize; more {
		if last > w.From { // go on at the second of the last row, whose other rows may be on the next page
			w.From, w.Start = last, 0
		} else {
			w.Start += len(rows)
		}
	} else {
		w.From, w.Start = min(w.High, c.now().Unix())-overlap, 0
	}
	w.forget(overlap)
	return fresh, more, nil
}

// forget drops what the window will not come back to, and the oldest beyond the bound.
func (w *window) forget(overlap int64) {
	maps.DeleteFunc(w.Seen, func(_ string, at int64) bool { return at < min(w.From, w.High-overlap) })
	if len(w.Seen) <= maxSeen {
		return
	}
	names := slices.SortedFunc(maps.Keys(w.Seen), func(a, b string) int {
		return cmp.Or(cmp.Compare(w.Seen[a], w.Seen[b]), cmp.Compare(a, b))
	})
	for _, name := range names[:len(names)-maxSeen] {
		delete(w.Seen, name)
	}
}

// ownUser returns the id of the user of this connection, or nothing where each request is signed by itself.
func (c *Client) ownUser(ctx context.Context) string {
	session, err := c.session(ctx)
	if err != nil {
		return "" // the query itself will say so
	}
	return session.Extra[extraUserID]
}
