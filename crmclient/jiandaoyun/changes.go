package jiandaoyun

import (
	"context"
	"fmt"
	"slices"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/cursor"
)

const (
	// overlap is how far back each poll looks again: the vendor's clock and ours differ, and a record may be seen late.
	overlap = 2 * time.Minute
)

// watch is the cursor of a form that is polled.
type watch struct {
	Object string      `json:"o"`
	Since  int64       `json:"s"`           // ms; what changed before is told
	Top    int64       `json:"t,omitempty"` // newest change that this walk met
	After  string      `json:"a,omitempty"` // id behind which this walk goes on
	Seen   cursor.Seen `json:"n,omitempty"` // told already, of the overlap
}

// RecordChanges walks over the records of a form whose updateTime is new. The vendor gives them by id, not by time, so a
// walk over several pages is part of the cursor. Deleted records are told by the push only.
func (c *Client) RecordChanges(ctx context.Context, object string, fields []string, text string) (out []crmclient.RecordChange, next string, err error) {
	at, begin := watch{Object: object, Since: c.now().UnixMilli()}, text == ""
	if !begin {
		if err := cursor.Decode(text, &at); err != nil || at.Object != object || at.After != "" && !objectID.MatchString(at.After) {
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
				next = cursor.Encode(state)
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
		if when.Before(from) || !at.Seen.News(r.id(), when) { // the filter may have been passed over
			continue
		}
		at.Top = max(at.Top, when.UnixMilli())
		out = append(out, crmclient.RecordChange{Record: s.record(r), By: r.updater(), Own: c.isOwn(r)})
	}
	if !more {
		at.Since, at.Top, at.After = max(at.Since, at.Top), 0, ""
	}
	at.Seen.Forget(time.UnixMilli(at.Since).Add(-overlap).UnixMilli())
	return out, more, nil
}
