package salesforce

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/cursor"
)

// place is where a row stands in the order of (SystemModstamp, Id).
type place struct {
	At int64  `json:"t"` // milliseconds since 1970; zero: before all
	ID string `json:"i,omitempty"`
}

// follower is a cursor of changes. All rows behind From are read again each time, as a transaction may become visible later
// than its rows' stamps say; Seen are the hashes of those that were told already. A hash has the row's values in it: stamps
// are whole seconds, so that a row may change twice with one stamp.
type follower struct {
	From place    `json:"from"`
	Seen []string `json:"seen,omitempty"`
}

const (
	changePage = 200
	// maxSeen bounds the cursor; where more changed within the overlap, the overlap becomes shorter.
	maxSeen    = 1000
	changeTurn = 5 // pages that one call reads at most before it tells what it found
)

func (f follower) String() string {
	return cursor.Encode(f)
}

func parseFollower(text string) (follower, error) {
	var f follower
	expired := &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the cursor is not one of this connector", Err: crmclient.ErrCursorExpired}
	if cursor.Decode(text, &f) != nil || len(f.Seen) > maxSeen || f.From.ID != "" && !idForm.MatchString(f.From.ID) {
		return f, expired
	}
	return f, nil
}

// seenRow is a row of the window behind the cursor.
type seenRow struct {
	place place
	hash  string
}

func seenOf(r row) seenRow {
	b, _ := json.Marshal(r) // maps are written in the order of their keys
	sum := sha256.Sum256(b)
	return seenRow{place{r.time("SystemModstamp").UnixMilli(), r.text("Id")}, base64.RawURLEncoding.EncodeToString(sum[:6])}
}

// after writes the condition for rows behind a place.
func (p place) after() string {
	if p == (place{}) {
		return ""
	}
	at := moment(time.UnixMilli(p.At))
	if p.ID == "" {
		return " WHERE SystemModstamp > " + at
	}
	return fmt.Sprintf(" WHERE (SystemModstamp > %[1]s OR (SystemModstamp = %[1]s AND Id > %[2]s))", at, text(p.ID))
}

// begin returns the cursor of this moment: it knows the newest rows.
func (c *Client) begin(ctx context.Context, object, columns string) (follower, error) {
	rows, err := c.query(ctx, fmt.Sprintf("SELECT %s FROM %s ORDER BY SystemModstamp DESC, Id DESC LIMIT %d", columns, object, changePage), true)
	if err != nil {
		return follower{}, err
	}
	slices.Reverse(rows)
	var window []seenRow
	for _, r := range rows {
		window = append(window, seenOf(r))
	}
	f := follower{}
	if len(window) == changePage { // there are older ones, and they were before this moment
		f.From = window[0].place
		window = window[1:]
	}
	return c.slide(f, window, nil), nil
}

// slide moves the cursor so that it keeps what lies within the overlap. Rest are hashes of rows that were not read again.
func (c *Client) slide(f follower, window []seenRow, rest []string) follower {
	if len(window) > 0 {
		oldest := window[len(window)-1].place.At - c.cfg.Overlap.D().Milliseconds()
		for len(window) > 0 && (window[0].place.At < oldest || len(window) > maxSeen) {
			f.From, window = window[0].place, window[1:]
		}
	}
	f.Seen = nil
	for _, w := range window {
		f.Seen = append(f.Seen, w.hash)
	}
	f.Seen = append(f.Seen, rest[:min(len(rest), maxSeen-len(f.Seen))]...)
	return f
}

// next returns rows that changed, and the cursor to go on from.
func (c *Client) next(ctx context.Context, object, columns string, f follower) ([]row, follower, error) {
	var changed []row
	var window []seenRow
	at := f.From
	known := map[string]bool{}
	for _, h := range f.Seen {
		known[h] = true
	}
	end := false
	for turn := 0; !end && len(changed) < changePage && (turn < changeTurn || len(changed) == 0 && turn < maxPages); turn++ {
		rows, err := c.query(ctx, fmt.Sprintf("SELECT %s FROM %s%s ORDER BY SystemModstamp, Id LIMIT %d", columns, object, at.after(), changePage), true)
		if err != nil {
			return nil, f, err
		}
		end = len(rows) < changePage
		for _, r := range rows {
			s := seenOf(r)
			window, at = append(window, s), s.place
			if !known[s.hash] {
				changed = append(changed, r)
			}
			delete(known, s.hash)
		}
	}
	var rest []string
	if !end { // those behind were not reached
		for _, h := range f.Seen {
			if known[h] {
				rest = append(rest, h)
			}
		}
	}
	return changed, c.slide(f, window, rest), nil
}

// RecordChanges polls by SystemModstamp. Deleted records are told as long as they are in the recycle bin.
func (c *Client) RecordChanges(ctx context.Context, object string, fields []string, cursor string) ([]crmclient.RecordChange, string, error) {
	o, err := c.typesOf(ctx, object)
	if err != nil {
		return nil, "", err
	}
	always := []string{"Id", "SystemModstamp"}
	for _, name := range []string{"IsDeleted", "LastModifiedById"} {
		if _, ok := o.column(name); ok {
			always = append(always, name)
		}
	}
	columns, err := selection(object, o, fields, always...)
	if err != nil {
		return nil, "", err
	}
	if cursor == "" {
		f, err := c.begin(ctx, object, columns)
		if err != nil {
			return nil, "", fmt.Errorf("begin to follow %s: %w", object, err)
		}
		return nil, f.String(), nil
	}
	f, err := parseFollower(cursor)
	if err != nil {
		return nil, "", err
	}
	rows, f, err := c.next(ctx, object, columns, f)
	if err != nil {
		return nil, "", fmt.Errorf("follow %s: %w", object, err)
	}
	own := c.ownUser(ctx)
	changes := make([]crmclient.RecordChange, len(rows))
	for i, r := range rows {
		ch := crmclient.RecordChange{By: r.text("LastModifiedById")}
		ch.Own = own != "" && shortID(ch.By) == own
		if ch.Deleted = r.truth("IsDeleted"); ch.Deleted {
			ch.Record = crmclient.Record{Object: object, ID: r.text("Id")}
		} else {
			ch.Record = c.record(object, o, r)
		}
		changes[i] = ch
	}
	return changes, f.String(), nil
}

// split cuts a cursor of contacts into those of its objects.
func splitCursor(cursor string) (first, second string) {
	first, second, _ = strings.Cut(cursor, ".")
	return first, second
}
