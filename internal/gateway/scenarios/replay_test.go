package scenarios_test

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"time"

	"heliograph/hooks/rules"
	"heliograph/internal/gateway"
)

// replays has a rule replayed over two weeks from a time on, twice, and wants mails with these subjects.
func (o *office) replays(rule string, since time.Time, subjects ...string) {
	o.t.Helper()
	first, report := o.replay(rule, since)
	if again, _ := o.replay(rule, since); !bytes.Equal(first, again) {
		o.t.Errorf("two replays of %s differ", rule)
	}
	got := []string{}
	for _, f := range report.Fired {
		for _, e := range f.Effects {
			got = append(got, e.Title)
		}
	}
	slices.Sort(got)
	slices.Sort(subjects)
	if !slices.Equal(got, subjects) {
		o.t.Errorf("a replay of %s sends %q, want %q\n%s", rule, got, subjects, first)
	}
}

func (o *office) replay(id string, since time.Time) ([]byte, rules.Report) {
	o.t.Helper()
	ctx := o.t.Context()
	off, err := gateway.NewOffline(o.cfg, o.gateway.Store())
	if err != nil {
		o.t.Fatal(err)
	}
	defer func() {
		if err := off.Close(); err != nil {
			o.t.Error(err)
		}
	}()
	s, err := rules.NewBook(o.gateway.Store(), nil).Get(ctx, id)
	if err != nil {
		o.t.Fatal(err)
	}
	r := rules.Replay{
		Rule: rules.Version{Rule: id, Number: s.Version, Body: s.Rule}, Options: func() rules.TrialOptions { return off.Trial(off.World()) },
		Since: since, Until: since.Add(14 * 24 * time.Hour),
	}
	past, err := off.World().Past(ctx, r.Since, r.Until)
	if err != nil {
		o.t.Fatal(err)
	}
	r.Next = func(ctx context.Context) (time.Time, rules.Event, error) {
		told, err := past.Next(ctx)
		return told.At, told.Event, err
	}
	found, err := r.Run(ctx)
	if err != nil {
		o.t.Fatal(err)
	}
	text, err := json.Marshal(found.Report)
	if err != nil {
		o.t.Fatal(err)
	}
	return text, found.Report
}
