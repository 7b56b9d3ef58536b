package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"heliograph/hooks/rules"
	"heliograph/internal/gateway"
)

type ruleReplayCmd struct {
	Rule    string `arg:"" help:"An ID, ID@VERSION, or a rule file. 规则"`
	Since   moment `default:"30d" help:"From when on: 2026-01-31, or 30d ago. 起始时间"`
	Until   moment `help:"Up to when; now if left out. 结束时间"`
	Diff    string `help:"Compare with another version (a number, or ID@VERSION) or a rule file: what that one would do differently. 对比版本"`
	WithAll bool   `name:"with-all-live-rules" help:"Let the other rules in force take part, so that what one changes starts the next. 同时回放所有启用的规则"`
	Samples int    `default:"20" help:"Rendered effects that are shown. 样例数"`
	listFlags
}

// replayed is what a replay found.
type replayed struct {
	Rule    string       `json:"rule"`
	Version int          `json:"version,omitempty"`
	Since   string       `json:"since"`
	Until   string       `json:"until"`
	Report  rules.Report `json:"report"`
	// Skipped counts stored messages that are no events for rules, by the reason.
	Skipped map[string]int `json:"skipped,omitempty"`
	Notes   []string       `json:"notes,omitempty"`
	Other   *rules.Report  `json:"other,omitempty"` // of what was compared with
	Diff    *replayDiff    `json:"diff,omitempty"`
}

// replayDiff is how two versions differ.
type replayDiff struct {
	With    string `json:"with"`
	Version int    `json:"version,omitempty"`
	rules.Differences
}

// Run replays what is stored.
func (c *ruleReplayCmd) Run(ctx context.Context, parent *ruleCmd) error {
	return parent.with(ctx, func(o openRules) error {
		if c.Until.IsZero() {
			c.Until.Time = time.Now()
		}
		if !c.Since.Before(c.Until.Time) {
			return errors.New("--since lies behind --until")
		}
		v, err := o.ruleOrFile(ctx, c.Rule)
		if err != nil {
			return err
		}
		return o.offline(func(off *gateway.Offline) error {
			out, err := c.replay(ctx, o, off, v)
			switch {
			case err != nil:
				return err
			case c.JSON:
				return printJSON(out)
			}
			return c.print(out)
		})
	})
}

func (c *ruleReplayCmd) replay(ctx context.Context, o openRules, off *gateway.Offline, v rules.Version) (*replayed, error) {
	past, err := off.World().Past(ctx, c.Since.Time, c.Until.Time)
	if err != nil {
		return nil, err
	}
	r := rules.Replay{
		Rule: v, Options: func() rules.TrialOptions { return off.Trial(off.World()) }, Since: c.Since.Time, Until: c.Until.Time,
		Fired: max(c.Limit, 1), Samples: c.Samples, Progress: tellProgress(), Next: func(ctx context.Context) (time.Time, rules.Event, error) {
			told, err := past.Next(ctx)
			return told.At, told.Event, err
		},
	}
	if c.Samples == 0 {
		r.Samples = -1
	}
	if c.Diff != "" {
		other, err := c.other(ctx, o, v)
		if err != nil {
			return nil, err
		}
		r.Other = &other
	}
	if c.WithAll {
		if r.All, err = o.InForce(ctx); err != nil {
			return nil, err
		}
	}
	found, err := r.Run(ctx)
	if err != nil {
		return nil, err
	}
	out := &replayed{
		Rule: v.Body.ID, Version: v.Number, Since: stamp(c.Since.Time), Until: stamp(c.Until.Time), Report: found.Report, Skipped: past.Skipped, Notes: notesOf(v),
		Other: found.Other,
	}
	if found.Differences != nil {
		out.Diff = &replayDiff{With: c.Diff, Version: r.Other.Number, Differences: *found.Differences}
	}
	return out, nil
}

// other is what is compared with.
func (c *ruleReplayCmd) other(ctx context.Context, o openRules, v rules.Version) (rules.Version, error) {
	ref := c.Diff
	if !strings.Contains(ref, "@") && strings.Trim(ref, "0123456789") == "" {
		ref = v.Body.ID + "@" + ref
	}
	other, err := o.ruleOrFile(ctx, ref)
	if err == nil && other.Body.ID != v.Body.ID {
		err = fmt.Errorf("%s is about the rule %s, not %s", c.Diff, other.Body.ID, v.Body.ID)
	}
	return other, err
}

// tellProgress says now and then how far it is.
func tellProgress() func(events int, at time.Time) error {
	told := time.Now()
	return func(events int, at time.Time) error {
		if events%256 == 0 && time.Since(told) > 2*time.Second {
			told = time.Now()
			fmt.Fprintf(os.Stderr, "heliograph: %d events, up to %s\n", events, clock(at))
		}
		return nil
	}
}

// notesOf says what a replay cannot do with a rule.
func notesOf(v rules.Version) (out []string) {
	zh, en := rules.ReplayNotes(v.Body)
	for i := range en {
		out = append(out, en[i]+" / "+zh[i])
	}
	return out
}

func (c *ruleReplayCmd) print(r *replayed) error {
	fmt.Printf("%s from %s to %s: %d events\n", refText(r.Rule, r.Version), r.Since, r.Until, r.Report.Events)
	for _, n := range r.Notes {
		fmt.Println("  " + n)
	}
	printCounts("decisions", r.Report.Results)
	printCounts("runs", r.Report.Runs)
	printCounts("effects", r.Report.Effects)
	printCounts("messages left out", r.Skipped)
	for _, id := range slices.Sorted(maps.Keys(r.Report.Unknown)) {
		u := r.Report.Unknown[id]
		fmt.Printf("  %s could not decide %d events: %s\n", id, u.Events, oneLine(u.Reason))
	}
	if r.Diff != nil {
		return printDiff(r)
	}
	printRecipients(r.Report)
	fmt.Println()
	for _, f := range r.Report.Fired {
		if err := printFired(f, ""); err != nil {
			return err
		}
	}
	if r.Report.Omitted > 0 {
		fmt.Printf("%d more runs: raise --limit\n", r.Report.Omitted)
	}
	return nil
}

func printCounts(what string, counts map[string]int) {
	if len(counts) == 0 {
		return
	}
	var parts []string
	for name, n := range sortedFields(counts) {
		parts = append(parts, fmt.Sprintf("%d %s", n, name))
	}
	fmt.Printf("  %s: %s\n", what, strings.Join(parts, ", "))
}

// shownRecipients is how many recipients the table names.
const shownRecipients = 20

func printRecipients(r rules.Report) {
	type count struct {
		who string
		n   int
	}
	var list []count
	for who, n := range sortedFields(r.Recipients) {
		list = append(list, count{who, n})
	}
	slices.SortStableFunc(list, func(a, b count) int { return b.n - a.n })
	if len(list) > 0 {
		fmt.Println("  recipients:")
	}
	for i, one := range list {
		if i == shownRecipients {
			fmt.Printf("    and %d more\n", len(list)-i)
			break
		}
		fmt.Printf("    %d %s\n", one.n, oneLine(one.who))
	}
}

func printDiff(r *replayed) error {
	d := r.Diff
	name := d.With
	fmt.Printf("\ncompared with %s: %d the same, %d only before, %d only with %s, %d changed\n", name, d.Same, d.Before, d.After, name, d.Changed)
	for _, one := range d.List {
		fmt.Printf("\n%s %s\n", seconds(one.At), oneLine(one.Title))
		for _, line := range rules.LineDiff(english(one.Before), english(one.After)) {
			fmt.Println("  " + oneLineKeep(line))
		}
	}
	return nil
}

func english(lines []rules.Line) (out []string) {
	for _, l := range lines {
		out = append(out, l.En)
	}
	return out
}

// oneLineKeep is oneLine for a line whose first two columns mean something.
func oneLineKeep(line string) string { return line[:2] + oneLine(line[2:]) }

// sortedFields goes through a map in the order of its names.
func sortedFields[T any](m map[string]T) iter.Seq2[string, T] {
	return func(yield func(string, T) bool) {
		for _, name := range slices.Sorted(maps.Keys(m)) {
			if !yield(name, m[name]) {
				return
			}
		}
	}
}
