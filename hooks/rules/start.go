package rules

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"heliograph/internal/queue"
	"heliograph/internal/store"
)

// Start is Engine.Start for those who have the store only, beside a running gateway. The rule must be in force.
func Start(ctx context.Context, db *store.DB, q *queue.Queue, rule, by string, about Event, now time.Time) (key string, err error) {
	s, err := NewBook(db, nil).Get(ctx, rule)
	if err != nil {
		return "", err
	}
	if s.State != StateLive && s.State != StateShadow {
		return "", fmt.Errorf("rule %s is %s: make it live or shadow first", rule, s.State)
	}
	ev := wordless(manualEvent(rule, by, now, about))
	e := &Engine{core: core{now: func() time.Time { return now }}, queue: q}
	err = db.Write(ctx, func(ctx context.Context, tx store.Querier) error { return e.PostTx(ctx, tx, ev) })
	if err != nil {
		return "", fmt.Errorf("start rule %s: %w", rule, err)
	}
	return ev.Key, nil
}

// Cycles finds ways by which a rule would start itself again, through others that are given.
func Cycles(r Rule, others []Rule) []Problem {
	var live []*compiled
	for _, o := range others {
		if c, err := compile(o, 0, Live); err == nil && o.ID != r.ID {
			live = append(live, c)
		}
	}
	return cycles(r, live)
}

// Timed says whether a rule waits for dates in records, which only a CRM knows.
func (r *Rule) Timed() bool { return r.Trigger.Type == TypeDeadline }

// ParseRef reads ID or ID@VERSION. Version 0 is the one in force.
func ParseRef(text string) (id string, version int, err error) {
	id, number, found := strings.Cut(text, "@")
	if !found {
		return id, 0, nil
	}
	if _, err := fmt.Sscanf(number, "%d", &version); err != nil || version < 1 || fmt.Sprint(version) != number {
		return "", 0, fmt.Errorf("%q is no version: write %s@3", number, id)
	}
	return id, version, nil
}

// Before is the version that was there before one, for a rollback.
func Before(versions []Version, number int) (int, error) {
	list := slices.Clone(versions)
	slices.SortFunc(list, func(a, b Version) int { return b.Number - a.Number })
	for _, v := range list {
		if v.Number < number {
			return v.Number, nil
		}
	}
	return 0, errors.New("there is no earlier version")
}
