package jiandaoyun

import (
	"context"
	"fmt"
	"slices"
	"time"

	"heliograph/crmclient"
)

const (
	// overlap is how far back each poll looks again: the vendor's clock and ours differ, and a record may be seen late.
	overlap = 2 * time.Minute
	// maxSeen bounds how many records of the overlap a cursor remembers. Beyond it records are told twice.
	maxSeen = 300
)

// watch is the cursor of a form that is polled.
type watch struct {
	Object string `json:"o"`
	Since  int64  `json:"s"`           // ms; what changed before is told
	Top    int64  `json:"t,omitempty"` // newest change that this walk met
	After  string `json:"a,omitempty"` // id behind which this walk goes on
	Seen   []seen `json:"n,omitempty"` // told already, of the overlap
}

type seen struct {
	ID string `json:"i"`
	At int64  `json:"m"`
}

// RecordChanges walks over the records of a form whose updateTime is new. The vendor gives them by id, not by time, so a
// walk over several pages is part of the cursor. Deleted records are told by the push only.
func (c *Client) RecordChanges(ctx context.Context, object string, fields []string, cursor string) (out []crmclient.RecordChange, next string, err error) {
	at, begin := watch{Object: object, Since: c.now().UnixMilli()}, cursor == ""
	if !begin {
		if err := decodeCursor(cursor, &at); err != nil || at.Object != object || at.After != "" && !objectID.MatchString(at.After) {
			return nil, "", crmclient.ErrCursorExpired
		}
	}
	err = c.with(ctx, object, func(s *schema) error {
		names, err := s.fieldNames(fields, nil)
		if err != nil {
			return err
		}
		state := at
		state.Seen = slices.Clone(at.Seen)
		out = nil
		for {
			changed, more, err := c.step(ctx, s, names, &state)
			if err != nil {
				return err
			}
			if !begin { // at the beginning what is there already is only remembered
				out = append(out, changed...)
			}
			if !more || len(out) > 0 {
				next = encodeCursor(state)
				return nil
			}
		}
	})
	if err != nil {
		return nil, "", fmt.Errorf("record changes: %w", err)
	}
	return out, next, nil
}

// step reads one page of the walk and moves the cursor over it.
func (c *Client) step(ctx context.Context, s *schema, names []string, at *watch) ([]crmclient.RecordChange, bool, error) {
	from := time.UnixMilli(at.Since).Add(-overlap)
	var f *filter
	if c.cfg.ChangesBy == ByUpdateTime {
		f = &filter{"and", []condition{{"updateTime", "datetime", "range", []any{from.UTC().Format(wireTime), latest}}}}
	}
	rows, more, err := c.list(ctx, s, names, f, at.After, maxPage)
	if hasCode(err, codeBadFilter) && f != nil {
		return nil, false, configuration("设置 changes_by: walk (set changes_by: walk)", "form %s cannot be searched by updateTime", s.object)
	}
	if err != nil {
		return nil, false, err
	}
	var out []crmclient.RecordChange
	for _, r := range rows {
		at.After = r.id()
		when := r.updated()
		if when.IsZero() {
			return nil, false, &crmclient.Error{Class: crmclient.ClassRetry, Message: "a record of form " + s.object + " came without updateTime"}
		}
		one := seen{r.id(), when.UnixMilli()}
		if when.Before(from) || slices.Contains(at.Seen, one) { // the filter may have been passed over
			continue
		}
		at.Top = max(at.Top, one.At)
		at.Seen = append(at.Seen, one)
		out = append(out, crmclient.RecordChange{Record: s.record(r), By: r.updater(), Own: c.isOwn(r)})
	}
	if !more {
		at.Since, at.Top, at.After = max(at.Since, at.Top), 0, ""
	}
	old := time.UnixMilli(at.Since).Add(-overlap).UnixMilli()
	at.Seen = slices.DeleteFunc(at.Seen, func(e seen) bool { return e.At < old })
	if extra := len(at.Seen) - maxSeen; extra > 0 {
		slices.SortStableFunc(at.Seen, func(a, b seen) int { return int(a.At - b.At) })
		at.Seen = slices.Delete(at.Seen, 0, extra)
	}
	return out, more, nil
}
