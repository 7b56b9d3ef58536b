package operations

import (
	"context"
	"fmt"
	"strings"
	"time"

	"heliograph/internal/store"
)

// The steps that are kept.
const (
	fine   = 5 * time.Minute
	coarse = time.Hour
	// keepFine and keepCoarse are for how long.
	keepFine   = 48 * time.Hour
	keepCoarse = 400 * 24 * time.Hour
	// countEvery is how often it is counted. What is not final yet is counted again when somebody asks for it (addFresh).
	countEvery = time.Minute
	// late is for how long an event may come into the store after it happened: the journal's index may be behind. Steps that ended longer ago
	// are final.
	late = 15 * time.Minute
	// maxSteps bounds what one transaction counts after a long stop.
	maxSteps = 48
)

// figure is one number of a step.
type figure struct {
	metric, account, target, direction, rule string
}

type figures map[figure]*value

type value struct {
	count  int
	spread histogram
}

func (f figures) add(k figure, n int) *value {
	v := f[k]
	if v == nil {
		v = &value{}
		f[k] = v
	}
	v.count += n
	return v
}

// Count counts all steps that are not final. It may be called on several nodes at once, and again for what was counted.
func (p *Part) Count(ctx context.Context) error {
	for _, step := range []time.Duration{fine, coarse} {
		for {
			more, err := p.countSome(ctx, step)
			if err != nil {
				return fmt.Errorf("counting steps of %v: %w", step, err)
			}
			if !more {
				break
			}
		}
	}
	return nil
}

// countSome counts steps from where somebody stopped.
func (p *Part) countSome(ctx context.Context, step time.Duration) (more bool, err error) {
	now := p.o.Now().UTC()
	keep := keepFine
	if step == coarse {
		keep = keepCoarse
	}
	first, err := p.mark(ctx, step, now.Add(-keep).Truncate(step))
	if err != nil {
		return false, err
	}
	end := first
	for n := 0; n < maxSteps && !end.After(now); n++ {
		end = end.Add(step)
	}
	final := now.Add(-late).Truncate(step)
	if end.Before(final) {
		final = end
	}
	counted := map[int64]figures{}
	for at := first; at.Before(end); at = at.Add(step) {
		if counted[store.Micros(at)], err = p.measureAll(ctx, at, at.Add(step)); err != nil {
			return false, err
		}
	}
	err = p.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		return write(ctx, tx, step, first, end, final, now.Add(-keep), counted)
	})
	return !end.After(now), err
}

// mark returns from where a step is to be counted.
func (p *Part) mark(ctx context.Context, step time.Duration, oldest time.Time) (time.Time, error) {
	var to int64
	err := p.rows(ctx, `SELECT counted_to FROM trend_marks WHERE step = $1`, args{int64(step / time.Second)}, func(scan func(...any) error) error { return scan(&to) })
	if err != nil {
		return time.Time{}, err
	}
	if to == 0 { // what was before is in the store, too
		first, err := p.firstEvent(ctx)
		if err != nil {
			return time.Time{}, err
		}
		to = store.Micros(first.Truncate(step))
	}
	if from := stamp(to); from.After(oldest) {
		return from, nil
	}
	return oldest, nil
}

// firstEvent is when the first entry came, or now.
func (p *Part) firstEvent(ctx context.Context) (time.Time, error) {
	first := store.Micros(p.o.Now())
	err := p.rows(ctx, `SELECT received FROM entries ORDER BY id LIMIT 1`, nil, func(scan func(...any) error) error { return scan(&first) })
	return stamp(first).UTC(), err
}

// write replaces what is known of steps.
func write(ctx context.Context, tx store.Querier, step time.Duration, first, end, final, old time.Time, counted map[int64]figures) error {
	size := int64(step / time.Second)
	// Whoever counts holds the row, so that of two nodes one replaces what the other wrote.
	_, err := tx.ExecContext(ctx, `INSERT INTO trend_marks (step, counted_to) VALUES ($1, $2)
		ON CONFLICT (step) DO UPDATE SET counted_to = CASE WHEN trend_marks.counted_to > excluded.counted_to THEN trend_marks.counted_to ELSE excluded.counted_to END`,
		size, store.Micros(final))
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM trends WHERE step = $1 AND (at >= $2 AND at < $3 OR at < $4)`, size, store.Micros(first), store.Micros(end), store.Micros(old))
	if err != nil {
		return err
	}
	var a args
	var rows []string
	flush := func() error {
		if len(rows) == 0 {
			return nil
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO trends (step, at, metric, account, target, direction, rule, count, spread) VALUES `+strings.Join(rows, ", "), a...)
		a, rows = nil, nil
		return err
	}
	for at, list := range counted {
		for k, v := range list {
			marks := make([]string, 0, 9)
			for _, x := range []any{size, at, k.metric, k.account, k.target, k.direction, k.rule, v.count, v.spread.text()} {
				marks = append(marks, a.add(x))
			}
			if rows = append(rows, "("+strings.Join(marks, ", ")+")"); len(rows) >= 100 {
				if err := flush(); err != nil {
					return err
				}
			}
		}
	}
	return flush()
}

// measure counts some figures of a time.
type measure func(ctx context.Context, f figures, from, to int64) error

// measureAll counts what happened from one time to another.
func (p *Part) measureAll(ctx context.Context, from, to time.Time) (figures, error) {
	f := figures{}
	begin, end := store.Micros(from), store.Micros(to)
	for _, part := range []measure{p.measureCaptured, p.measureExcluded, p.measureDelivered, p.measureRules, p.measureAutomail} {
		if err := part(ctx, f, begin, end); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// counts adds the rows of a query: figures and a number.
func (p *Part) counts(ctx context.Context, f figures, query string, a args) error {
	return p.rows(ctx, query, a, func(scan func(...any) error) error {
		var k figure
		var n int
		err := scan(&k.metric, &k.account, &k.target, &k.direction, &k.rule, &n)
		f.add(k, n)
		return err
	})
}

func (p *Part) measureCaptured(ctx context.Context, f figures, from, to int64) error {
	return p.counts(ctx, f, `
		SELECT 'captured', e.account, '', COALESCE(m.direction, ''), '', COUNT(*) FROM entries e
		LEFT JOIN sightings s ON s.entry = e.id LEFT JOIN messages m ON m.key = s.message_key
		WHERE e.id >= $1 AND e.id < $2 GROUP BY e.account, COALESCE(m.direction, '')`, args{idAt(from), idAt(to)})
}

func (p *Part) measureExcluded(ctx context.Context, f figures, from, to int64) error {
	return p.counts(ctx, f, `
		SELECT 'excluded', l.account, '', COALESCE(m.direction, ''), '', COUNT(*) FROM ledger l
		LEFT JOIN sightings s ON s.entry = l.entry LEFT JOIN messages m ON m.key = s.message_key
		WHERE l.state = 'excluded' AND l.target = '' AND l.at >= $1 AND l.at < $2 GROUP BY l.account, COALESCE(m.direction, '')`, args{from, to})
}

// deliveredBy is whose mail a delivery is: of several that have it, who had it first.
const deliveredBy = `COALESCE((SELECT s.account FROM sightings s WHERE s.message_key = d.message_key ORDER BY s.entry LIMIT 1), '')`

func (p *Part) measureDelivered(ctx context.Context, f figures, from, to int64) error {
	return p.rows(ctx, `
		SELECT d.state, d.target, `+deliveredBy+`, m.direction, d.received_at, d.updated_at FROM deliveries d JOIN messages m ON m.key = d.message_key
		WHERE d.updated_at >= $1 AND d.updated_at < $2 AND d.state IN ('mirrored', 'failed')`, args{from, to}, func(scan func(...any) error) error {
		var k figure
		var received, updated int64
		if err := scan(&k.metric, &k.target, &k.account, &k.direction, &received, &updated); err != nil {
			return err
		}
		f.add(k, 1)
		if k.metric == string(TrendMetricMirrored) {
			k.metric = string(TrendMetricLag)
			v := f.add(k, 1)
			if v.spread == nil {
				v.spread = histogram{}
			}
			v.spread.add(max(stamp(updated).Sub(stamp(received)).Seconds(), 0))
		}
		return nil
	})
}

func (p *Part) measureRules(ctx context.Context, f figures, from, to int64) error {
	return p.counts(ctx, f, `SELECT 'rules', '', '', '', rule, COUNT(*) FROM rule_runs WHERE made_at >= $1 AND made_at < $2 AND mode = 'live' GROUP BY rule`, args{from, to})
}

func (p *Part) measureAutomail(ctx context.Context, f figures, from, to int64) error {
	err := p.counts(ctx, f, `
		SELECT 'automail_sent', sender, '', '', rule, COUNT(*) FROM outbox_effects WHERE created_at >= $1 AND created_at < $2 AND queued_at <> 0 GROUP BY sender, rule`, args{from, to})
	if err != nil {
		return err
	}
	return p.counts(ctx, f, `
		SELECT 'automail_bounced', e.sender, '', '', e.rule, COUNT(*) FROM outbox_bounces b JOIN outbox_effects e ON e.effect = b.effect
		WHERE b.at >= $1 AND b.at < $2 AND b.action = 'failed' GROUP BY e.sender, e.rule`, args{from, to})
}
