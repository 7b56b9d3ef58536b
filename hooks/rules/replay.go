package rules

import (
	"context"
	"errors"
	"io"
	"time"
)

// Replay tries a rule, or two versions of it side by side, on what happened in a time.
type Replay struct {
	Rule  Version
	Other *Version // what it is compared with; nil: nothing
	// All are more rules that run besides; of the rule itself there is the one version only.
	All []Version
	// Options gives what one side is tried with; each side gets a World of its own.
	Options      func() TrialOptions
	Since, Until time.Time
	Fired        int // as in TrialOptions
	Samples      int // of the first side; less than zero none
	// Next gives the events with the times at which rules were told of them, in order, and io.EOF behind the last one.
	Next func(ctx context.Context) (told time.Time, ev Event, err error)
	// Progress is told how many events were replayed up to a time; its error ends the replay. nil: nobody is told.
	Progress func(events int, at time.Time) error
}

// Replayed is what a replay found.
type Replayed struct {
	Report      Report
	Other       *Report      // of what it was compared with
	Differences *Differences // nil where it was compared with nothing
}

// Run replays.
func (r *Replay) Run(ctx context.Context) (*Replayed, error) {
	differ := NewDiffer()
	var before, after func(Fired)
	if r.Other != nil {
		before, after = differ.Before, differ.After
	}
	first, err := r.side(r.Rule, before)
	if err != nil {
		return nil, err
	}
	sides := []*Trial{first}
	if r.Other != nil {
		second, err := r.side(*r.Other, after)
		if err != nil {
			return nil, err
		}
		sides = append(sides, second)
	}
	if err := r.feed(ctx, sides); err != nil {
		return nil, err
	}
	out := &Replayed{Report: first.Result()}
	if len(sides) > 1 {
		report, differences := sides[1].Result(), differ.Result()
		out.Other, out.Differences = &report, &differences
	}
	return out, nil
}

// side prepares one version.
func (r *Replay) side(v Version, ended func(Fired)) (*Trial, error) {
	list := []Version{v}
	for _, other := range r.All {
		if other.Body.ID != v.Body.ID {
			list = append(list, other)
		}
	}
	o := r.Options()
	o.From, o.Fired, o.Samples, o.Ended = r.Since, r.Fired, r.Samples, ended
	return NewTrial(list, o)
}

// feed gives all versions the same events.
func (r *Replay) feed(ctx context.Context, sides []*Trial) error {
	events := 0
	for {
		at, ev, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		for _, s := range sides {
			if err := s.FeedAt(ctx, at, ev); err != nil {
				return err
			}
		}
		events++
		if r.Progress != nil {
			if err := r.Progress(events, at); err != nil {
				return err
			}
		}
	}
	for _, s := range sides {
		if err := s.Until(ctx, r.Until); err != nil {
			return err
		}
	}
	return nil
}

// ReplayNotes says what a replay does with a rule in a way that people have to know of.
func ReplayNotes(r Rule) (zh, en []string) {
	if !r.Timed() {
		return nil, nil
	}
	return []string{"记录中的日期：以网关当时查询 CRM 所得为准；首次查询之前，按首次查询的结果；内置 CRM 的记录另按现值"},
		[]string{"dates in records are those that the gateway saw when it looked at them; before its first look, those of that look; records of the built-in CRM besides as they are now"}
}
