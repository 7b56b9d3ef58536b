package operations

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"heliograph/internal/console/api"
	"heliograph/internal/store"
)

const (
	// maxPoints bounds a series that is asked for without a step, and the most of any.
	fewPoints = 400
	maxPoints = 3000
	// maxSeries bounds how many are told apart.
	maxSeries = 20
)

var stepSizes = map[TrendStep]time.Duration{N5m: fine, N1h: coarse, N1d: 24 * time.Hour}

// plan is which steps answer a question.
type plan struct {
	from, to time.Time
	kept     time.Duration // as it is in the store
	step     time.Duration
	name     TrendStep
}

// plan chooses the steps.
func (p *Part) plan(q GetTrendsParams) (plan, error) {
	now := p.o.Now().UTC()
	pl := plan{from: q.From.UTC(), to: q.To.UTC(), name: q.Step}
	if q.To.IsZero() {
		pl.to = now
	}
	if q.From.IsZero() {
		pl.from = pl.to.Add(-24 * time.Hour)
	}
	if !pl.from.Before(pl.to) {
		return pl, api.Invalid("bad_range", "the range is empty", api.Field{Pointer: "from", Detail: "not before to"})
	}
	if pl.from.Before(now.Add(-keepCoarse)) {
		pl.from = now.Add(-keepCoarse)
	}
	span := pl.to.Sub(pl.from)
	if pl.name == "" {
		switch {
		case span/fine <= fewPoints:
			pl.name = N5m
		case span/coarse <= fewPoints:
			pl.name = N1h
		default:
			pl.name = N1d
		}
	}
	if pl.name == N5m && (pl.from.Before(now.Add(-keepFine)) || span/fine > maxPoints) {
		pl.name = N1h
	}
	if pl.name == N1h && span/coarse > maxPoints {
		pl.name = N1d
	}
	pl.step, pl.kept = stepSizes[pl.name], coarse
	if pl.name == N5m {
		pl.kept = fine
	}
	if pl.name == N1d { // days begin at the hour of from, so that they can be those of any zone
		pl.from = pl.from.Truncate(coarse)
	} else {
		pl.from = pl.from.Truncate(pl.step)
	}
	return pl, nil
}

// line is a series in the making.
type line struct {
	name   string
	total  int
	counts []int
	spread []histogram
}

// linesOf are series that are told apart by something.
type linesOf struct {
	by    TrendBy
	plan  plan
	n     int // steps of each
	named map[string]*line
}

func (ls *linesOf) of(k *figure) *line {
	return ls.called(map[TrendBy]string{TrendByAccount: k.account, TrendByTarget: k.target, TrendByDirection: k.direction, TrendByRule: k.rule}[ls.by])
}

func (ls *linesOf) called(name string) *line {
	l := ls.named[name]
	if l == nil {
		l = &line{name: name, counts: make([]int, ls.n), spread: make([]histogram, ls.n)}
		ls.named[name] = l
	}
	return l
}

// at returns the number of the step that a time is in.
func (ls *linesOf) at(t time.Time) int { return int(t.Sub(ls.plan.from) / ls.plan.step) }

// GetTrends tells how a figure went.
func (p *Part) GetTrends(ctx context.Context, r GetTrendsRequestObject) (GetTrendsResponseObject, error) {
	q := r.Params
	pl, err := p.plan(q)
	if err != nil {
		return nil, err
	}
	lines := linesOf{by: q.By, plan: pl, n: int((pl.to.Sub(pl.from) + pl.step - 1) / pl.step), named: map[string]*line{}}
	fresh, err := p.freshFrom(ctx, pl.kept)
	if err != nil {
		return nil, err
	}
	if err := p.addKept(ctx, &lines, &q, fresh); err != nil {
		return nil, err
	}
	if err := p.addFresh(ctx, &lines, &q, fresh); err != nil {
		return nil, err
	}
	if len(lines.named) == 0 && (q.By == "" || q.By == TrendByNone) {
		lines.of(&figure{})
	}
	updated, err := p.countedTo(ctx)
	if err != nil {
		return nil, err
	}
	return GetTrends200JSONResponse{
		Metric: q.Metric, From: pl.from, To: pl.to, Step: pl.name, Series: seriesOf(lines.named, pl, q.Metric == TrendMetricLag), UpdatedAt: updated,
	}, nil
}

// addKept adds what was counted before.
func (p *Part) addKept(ctx context.Context, lines *linesOf, q *GetTrendsParams, fresh time.Time) error {
	pl := &lines.plan
	to := pl.to
	if fresh.Before(to) {
		to = fresh
	}
	columns := map[TrendBy]string{TrendByAccount: "account", TrendByTarget: "target", TrendByDirection: "direction", TrendByRule: "rule"}
	name := cmp.Or(columns[q.By], "''")
	a := args{int64(pl.kept / time.Second), string(q.Metric), store.Micros(pl.from), store.Micros(to)}
	where := ` WHERE step = $1 AND metric = $2 AND at >= $3 AND at < $4`
	for _, f := range []struct{ column, value string }{{"account", strings.ToLower(q.Account)}, {"target", q.Target}, {"direction", string(q.Direction)}} {
		if f.value != "" {
			where += ` AND ` + f.column + ` = ` + a.add(f.value)
		}
	}
	if q.Metric != TrendMetricRules { // whose a run is, is not known
		where += within(ctx, &a, "account")
	}
	at := `(at - $3) / ` + a.add(pl.step.Microseconds())
	query := `SELECT ` + at + `, ` + name + `, CAST(SUM(count) AS BIGINT), '' FROM trends` + where + ` GROUP BY 1, 2`
	if q.Metric == TrendMetricLag { // no database adds spreads
		query = `SELECT ` + at + `, ` + name + `, count, spread FROM trends` + where
	}
	return p.rows(ctx, query, a, func(scan func(...any) error) error {
		var at, count int
		var name, spread string
		if err := scan(&at, &name, &count, &spread); err != nil {
			return err
		}
		lines.called(name).add(at, count, spread)
		return nil
	})
}

// freshSteps is how many of the last steps are counted at most when they are asked for.
const freshSteps = 6

// freshFrom is from where on figures are counted when they are asked for: those before are final, or were at least counted.
func (p *Part) freshFrom(ctx context.Context, step time.Duration) (time.Time, error) {
	now := p.o.Now().UTC()
	return p.mark(ctx, step, now.Truncate(step).Add(-(freshSteps-1)*step))
}

// addFresh counts the steps since then.
func (p *Part) addFresh(ctx context.Context, lines *linesOf, q *GetTrendsParams, fresh time.Time) error {
	pl := &lines.plan
	end := p.o.Now().UTC()
	if pl.to.Before(end) {
		end = pl.to
	}
	count := map[TrendMetric]measure{
		TrendMetricCaptured: p.measureCaptured, TrendMetricExcluded: p.measureExcluded, TrendMetricRules: p.measureRules,
		TrendMetricMirrored: p.measureDelivered, TrendMetricFailed: p.measureDelivered, TrendMetricLag: p.measureDelivered,
		TrendMetricAutomailSent: p.measureAutomail, TrendMetricAutomailBounced: p.measureAutomail,
	}[q.Metric]
	for at := fresh; at.Before(end); at = at.Add(pl.kept) {
		if at.Before(pl.from) {
			continue
		}
		f := figures{}
		if err := count(ctx, f, store.Micros(at), store.Micros(at.Add(pl.kept))); err != nil {
			return err
		}
		for k, v := range f {
			if k.metric == string(q.Metric) && asked(ctx, q, &k) {
				lines.of(&k).add(lines.at(at), v.count, v.spread.text())
			}
		}
	}
	return nil
}

// asked tells whether a figure is among those of a question, and the caller sees it.
func asked(ctx context.Context, q *GetTrendsParams, k *figure) bool {
	if q.Account != "" && !strings.EqualFold(q.Account, k.account) || q.Target != "" && q.Target != k.target || q.Direction != "" && string(q.Direction) != k.direction {
		return false
	}
	c, some := limited(ctx)
	return !some || q.Metric == TrendMetricRules || c != nil && c.Sees(k.account)
}

func (l *line) add(i, count int, spread string) {
	l.total += count
	l.counts[i] += count
	if spread != "" {
		if l.spread[i] == nil {
			l.spread[i] = histogram{}
		}
		l.spread[i].merge(spread)
	}
}

// join adds another series.
func (l *line) join(o *line) {
	for i := range o.counts {
		text := ""
		if o.spread[i] != nil {
			text = o.spread[i].text()
		}
		l.add(i, o.counts[i], text)
	}
}

// seriesOf sorts the series, the largest first, and joins those that are too many.
func seriesOf(lines map[string]*line, pl plan, spread bool) []Series {
	var list []*line
	for _, l := range lines {
		list = append(list, l)
	}
	slices.SortFunc(list, func(x, y *line) int { return cmp.Or(cmp.Compare(y.total, x.total), cmp.Compare(x.name, y.name)) })
	if len(list) > maxSeries {
		rest := list[maxSeries-1]
		rest.name = "…"
		for _, l := range list[maxSeries:] {
			rest.join(l)
		}
		list = list[:maxSeries]
	}
	out := []Series{}
	for _, l := range list {
		s := Series{Name: l.name, Total: l.total, Points: make([]Point, len(l.counts))}
		for i := range l.counts {
			s.Points[i] = Point{At: pl.from.Add(time.Duration(i) * pl.step), Count: l.counts[i]}
			if spread && l.spread[i] != nil {
				s.Points[i].P50, s.Points[i].P95 = float32(l.spread[i].quantile(0.5)), float32(l.spread[i].quantile(0.95))
			}
		}
		out = append(out, s)
	}
	return out
}

// countedTo is up to when events are counted.
func (p *Part) countedTo(ctx context.Context) (time.Time, error) {
	var to int64
	err := p.rows(ctx, `SELECT counted_to FROM trend_marks WHERE step = $1`, args{int64(fine / time.Second)}, func(scan func(...any) error) error { return scan(&to) })
	return stamp(to), err
}
