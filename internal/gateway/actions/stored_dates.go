package actions

import (
	"context"
	"fmt"
	"slices"
	"time"

	"heliograph/hooks/changes"
	"heliograph/hooks/rules"
)

// maxDated bounds how many records one look at dates brings, as the live one does.
const maxDated = 2000

// datesOf is what rules saw of an object when they looked at dates; nil: none looked.
func (s *Stored) datesOf(ctx context.Context, target, object string) (*rules.Dates, error) {
	key := recordKey(target, object, "")
	if d, ok := s.dates[key]; ok {
		return d, nil
	}
	d, known, err := rules.ReadDates(ctx, s.o.Store.Reader(), target, object)
	if err != nil {
		return nil, err
	}
	if !known {
		d = nil
	}
	s.dates[key] = d
	return d, nil
}

// Dated implements rules.Dated: the records that looks at dates brought as of the time of the trial. Of a local target they are besides those that it
// has now, and those that were another when it was watched.
func (s *Stored) Dated(ctx context.Context, target, object string, where []rules.Selection, zone *time.Location) (out []map[string]any, until time.Time, err error) {
	_, local := s.o.Local[target]
	dates, err := s.datesOf(ctx, target, object)
	if err != nil {
		return nil, until, err
	}
	if dates == nil && !local {
		return nil, until, unknown("records", "a replay asks no CRM, and no rule has looked at the dates of %s in %s yet", object, target)
	}
	var ids []string
	if dates != nil {
		if ids, err = dates.IDs(s.now()); err != nil {
			return nil, until, err
		}
		until = dates.Next(s.now())
	}
	if local {
		if ids, err = s.localIDs(ctx, target, object, where, ids); err != nil {
			return nil, until, err
		}
	}
	for _, id := range ids {
		rec, err := s.Record(ctx, target, object, id)
		if unknowable(err) {
			continue
		}
		if err != nil {
			return nil, until, err
		}
		if !rules.Fits(rec, where, zone) {
			continue
		}
		if len(out) == maxDated {
			return nil, until, rules.Permanent(fmt.Errorf("more than %d records of %s fit; narrow the query", maxDated, object))
		}
		out = append(out, rec)
	}
	return out, until, nil
}

// localIDs are the records of a local target that may fit, besides others, sorted.
func (s *Stored) localIDs(ctx context.Context, target, object string, where []rules.Selection, ids []string) ([]string, error) {
	now, err := s.a.Query(ctx, target, object, where, nil, maxDated)
	if err != nil {
		return nil, err
	}
	for _, rec := range now {
		if id, ok := rec["_id"].(string); ok {
			ids = append(ids, id)
		}
	}
	changed, err := changes.ChangedSince(ctx, s.o.Store.Reader(), target, object, s.now(), maxDated)
	if err != nil {
		return nil, err
	}
	ids = append(ids, changed...)
	slices.Sort(ids)
	return slices.Compact(ids), nil
}
