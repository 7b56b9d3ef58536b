package operations

import (
	"context"
	"slices"
	"time"

	"heliograph/internal/queue"
	"heliograph/internal/store"
)

const (
	// minutes is how much of the past the overview shows by the minute.
	minutes = 60
	// maxFailures bounds the failures of the overview.
	maxFailures = 20
)

// GetOverview tells how it stands now.
func (p *Part) GetOverview(ctx context.Context, _ GetOverviewRequestObject) (GetOverviewResponseObject, error) {
	now := p.o.Now().UTC()
	out := Overview{At: now, Version: p.o.Version, Level: LevelOk}
	steps := []func(context.Context, *Overview) error{p.fillMinutes, p.fillTotals, p.fillTargets, p.fillWaiting, p.fillFailures, p.fillNodes, p.fillChecks, p.fillAttention}
	for _, fill := range steps {
		if err := fill(ctx, &out); err != nil {
			return nil, err
		}
	}
	for _, c := range out.Checks {
		level := c.Level
		if c.Optional && level == LevelFailed { // mail flows all the same
			level = LevelWarning
		}
		out.Level = worse(out.Level, level)
	}
	for _, a := range out.Attention {
		if a.Level != LevelOk {
			out.Level = worse(out.Level, LevelWarning)
		}
	}
	return GetOverview200JSONResponse(out), nil
}

// byMinute spreads rows of a minute's number and a count.
func (p *Part) byMinute(ctx context.Context, now time.Time, query string, a args) ([]Minute, error) {
	first := now.Truncate(time.Minute).Add(-(minutes - 1) * time.Minute)
	out := make([]Minute, minutes)
	for i := range out {
		out[i].At = first.Add(time.Duration(i) * time.Minute)
	}
	err := p.rows(ctx, query, a, func(scan func(...any) error) error {
		var minute int64
		var n int
		if err := scan(&minute, &n); err != nil {
			return err
		}
		if i := int(minute - first.Unix()/60); i >= 0 && i < minutes {
			out[i].Count += n
		}
		return nil
	})
	return out, err
}

func (p *Part) fillMinutes(ctx context.Context, out *Overview) (err error) {
	since := store.Micros(out.At.Truncate(time.Minute).Add(-(minutes - 1) * time.Minute))
	a := args{idAt(since), since}
	out.Captured, err = p.byMinute(ctx, out.At, `SELECT received / 60000000, COUNT(*) FROM entries WHERE id >= $1 AND received >= $2`+within(ctx, &a, "account")+` GROUP BY 1`, a)
	if err != nil {
		return err
	}
	a = args{since}
	out.Mirrored, err = p.byMinute(ctx, out.At, `SELECT d.updated_at / 60000000, COUNT(*) FROM deliveries d WHERE d.updated_at >= $1 AND d.state = 'mirrored'`+
		withMessage(ctx, &a, "d.message_key")+` GROUP BY 1`, a)
	return err
}

// dayBefore is what the totals are of.
const dayBefore = 24 * time.Hour

func (p *Part) fillTotals(ctx context.Context, out *Overview) error {
	since := store.Micros(out.At.Add(-dayBefore))
	for _, c := range []struct {
		into  *int
		query string
		scope func(context.Context, *args, string) string
		on    string
		arg   any
	}{
		{&out.Totals.Captured, `SELECT COUNT(*) FROM entries WHERE id >= $1`, within, "account", idAt(since)},
		{&out.Totals.Excluded, `SELECT COUNT(*) FROM ledger WHERE state = 'excluded' AND target = '' AND at >= $1`, within, "account", since},
		{&out.Totals.Mirrored, `SELECT COUNT(*) FROM deliveries d WHERE d.updated_at >= $1 AND d.state = 'mirrored'`, withMessage, "d.message_key", since},
		{&out.Totals.Failed, `SELECT COUNT(*) FROM deliveries d WHERE d.updated_at >= $1 AND d.state = 'failed'`, withMessage, "d.message_key", since},
		{&out.Totals.Pending, `SELECT COUNT(*) FROM deliveries d WHERE d.state = $1`, withMessage, "d.message_key", "pending"},
		{&out.Totals.ForPeople, `
			SELECT COUNT(*) FROM deliveries d WHERE d.state = $1
				AND EXISTS (SELECT 1 FROM review_messages w WHERE w.message_key = d.message_key AND w.target = d.target AND w.state = 'waiting')`, withMessage, "d.message_key", "pending"},
	} {
		a := args{c.arg}
		query := c.query + c.scope(ctx, &a, c.on)
		if err := p.o.Store.Reader().QueryRowContext(ctx, query, a...).Scan(c.into); err != nil {
			return err
		}
	}
	return nil
}

func (p *Part) fillTargets(ctx context.Context, out *Overview) error {
	standings, err := p.standings(ctx)
	if err != nil {
		return err
	}
	loads, err := p.loads(ctx)
	if err != nil {
		return err
	}
	out.Targets = []TargetLine{}
	for _, t := range p.o.Config().Targets {
		l := loads[t.Name]
		if l == nil {
			l = &load{}
		}
		s := standings[t.Name]
		out.Targets = append(out.Targets, TargetLine{
			Name: t.Name, Type: t.Type, State: s.state, Reason: s.reason, LagSeconds: float32(l.lag.Seconds()), Queued: l.queued, Dead: l.dead,
		})
	}
	return nil
}

func (p *Part) fillWaiting(ctx context.Context, out *Overview) error {
	stats, err := p.o.Queue.Stats(ctx)
	if err != nil {
		return err
	}
	out.Waiting = []Waiting{}
	for _, s := range stats {
		if s.State == queue.StateDiscarded {
			continue
		}
		what, target := sortOf(s.Kind)
		i := slices.IndexFunc(out.Waiting, func(w Waiting) bool { return w.What == what && w.Target == target })
		if i < 0 {
			i = len(out.Waiting)
			out.Waiting = append(out.Waiting, Waiting{What: what, Target: target, OldestAt: s.Oldest})
		}
		w := &out.Waiting[i]
		w.Count += s.Count
		if s.Oldest.Before(w.OldestAt) {
			w.OldestAt = s.Oldest
		}
	}
	return nil
}

// fillFailures leaves the words of CRMs to those who see all mail: they may quote it.
func (p *Part) fillFailures(ctx context.Context, out *Overview) (err error) {
	if out.Failures, err = p.failures(ctx, "", maxFailures); err != nil {
		return err
	}
	if _, some := limited(ctx); some {
		for i := range out.Failures {
			out.Failures[i].Reason = "some mail is concerned; the queue shows what of it is yours"
		}
	}
	return nil
}

func (p *Part) fillNodes(ctx context.Context, out *Overview) (err error) {
	if p.o.Sessions != nil {
		if smtp, imap, ok := p.o.Sessions(); ok {
			out.Sessions = &Sessions{Smtp: smtp, Imap: imap}
		}
	}
	out.Nodes, err = p.nodes(ctx)
	return err
}

func (p *Part) fillChecks(ctx context.Context, out *Overview) error {
	out.Checks = []Check{}
	began := time.Now()
	var one int
	err := p.o.Store.Reader().QueryRowContext(ctx, `SELECT 1`).Scan(&one)
	out.Checks = append(out.Checks, Check{Name: "store", Level: LevelOk, Optional: true, Detail: max(time.Since(began).Round(10*time.Microsecond), 10*time.Microsecond).String() + " for a question"})
	if err != nil {
		return err
	}
	if p.o.Health == nil {
		return nil
	}
	for _, h := range p.o.Health(ctx) {
		out.Checks = append(out.Checks, Check{Name: h.Name, Level: h.Level, Optional: h.Optional, Detail: h.Detail, Remedy: h.Remedy})
		if h.Kind != "" && h.Level != LevelOk {
			out.Attention = append(out.Attention, Attention{Kind: h.Kind, Level: h.Level, Count: 1, Name: h.Name, Detail: h.Detail, Remedy: h.Remedy, Since: h.At})
		}
	}
	return nil
}
