package report

import (
	"cmp"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// Chart draws columns of a table. Rows that are totals are left out.
type Chart struct {
	Kind     string   `json:"kind"` // bar (grouped), line or pie
	Title    string   `json:"title,omitempty"`
	Category string   `json:"category"` // the column along the axis, or that names the slices
	Series   []string `json:"series"`   // the columns that are drawn; a pie has one
}

const (
	maxSeries = 8   // colours that can be told apart
	maxBars   = 240 // a page is 180 mm wide
	maxPoints = 400 // of one line
	maxSlices = 8   // of a pie; smaller ones become one
)

func (c *Chart) check() error {
	switch {
	case !slices.Contains([]string{"bar", "line", "pie"}, c.Kind):
		return wrong("chart: kind is bar, line or pie, not %q", c.Kind)
	case c.Category == "" || len(c.Series) == 0:
		return wrong("chart: category and series are wanted")
	case c.Kind == "pie" && len(c.Series) != 1:
		return wrong("chart: a pie has one series, not %d", len(c.Series))
	}
	if err := bound("series of a chart", len(c.Series), maxSeries); err != nil {
		return err
	}
	return nil
}

// plot is a chart with its data.
type plot struct {
	chart      *Chart
	categories []string
	series     []plotSeries
}

type plotSeries struct {
	column Column
	values []float64 // NaN where there is none
	exact  []*big.Rat
}

// plot takes the data of a chart from its table.
func (c *Chart) plot(t *Table, o Options) (*plot, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	category, err := t.column(c.Category)
	if err != nil {
		return nil, wrong("chart: %w", err)
	}
	at, err := t.columns(c.Series)
	if err != nil {
		return nil, wrong("chart: %w", err)
	}
	p := &plot{chart: c}
	for _, j := range at {
		p.series = append(p.series, plotSeries{column: t.Columns[j]})
	}
	for i, row := range t.Rows {
		if role := t.Roles[i]; role == Subtotal || role == Total {
			continue
		}
		p.categories = append(p.categories, o.cell(row[category], t.Columns[category]))
		for n, j := range at {
			p.series[n].add(row[j])
		}
	}
	return p, p.bounds(o)
}

func (p *plot) bounds(o Options) error {
	switch p.chart.Kind {
	case "bar":
		return bound("bars of a chart", len(p.categories)*len(p.series), maxBars)
	case "line":
		return bound("points of a chart", len(p.categories), maxPoints)
	}
	for i, v := range p.series[0].values {
		if v < 0 {
			return wrong("chart: a pie shows no negative value, as %s has", p.categories[i])
		}
	}
	p.gatherSlices(o)
	return nil
}

// gatherSlices orders the slices of a pie by size and makes one of the smallest.
func (p *plot) gatherSlices(o Options) {
	values := p.series[0].values
	order := make([]int, 0, len(values))
	for i, v := range values {
		if v > 0 {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(values[b], values[a]) })
	var names []string
	gathered := plotSeries{column: p.series[0].column}
	for n, i := range order {
		if len(order) <= maxSlices || n < maxSlices-1 {
			names = append(names, p.categories[i])
			gathered.values = append(gathered.values, values[i])
			gathered.exact = append(gathered.exact, p.series[0].exact[i])
			continue
		}
		if n == maxSlices-1 {
			names = append(names, o.word("其他", "Other"))
			gathered.values = append(gathered.values, 0)
			gathered.exact = append(gathered.exact, new(big.Rat))
		}
		gathered.values[maxSlices-1] += values[i]
		gathered.exact[maxSlices-1].Add(gathered.exact[maxSlices-1], p.series[0].exact[i])
	}
	p.categories, p.series[0] = names, gathered
}

// add takes a value. The float is for drawing, the exact number for words.
func (s *plotSeries) add(v any) {
	r, ok := rational(v)
	f := math.NaN()
	if ok {
		f, _ = r.Float64()
	}
	s.values, s.exact = append(s.values, f), append(s.exact, r)
}

// extent gives the smallest and largest value, with zero for bars.
func (p *plot) extent() (low, high float64, any bool) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, s := range p.series {
		for _, v := range s.values {
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				low, high, any = math.Min(low, v), math.Max(high, v), true
			}
		}
	}
	if !any {
		return 0, 1, false
	}
	if p.chart.Kind == "bar" || low > 0 && low < high/2 {
		low = math.Min(low, 0)
	}
	if p.chart.Kind == "bar" {
		high = math.Max(high, 0)
	}
	if low == high {
		high = low + math.Max(1, math.Abs(low)/2)
	}
	return low, high, true
}

// ticks gives round values that cover low to high in about four steps.
func ticks(low, high float64) (from, to, step float64) {
	raw := (high - low) / 4
	power := math.Pow(10, math.Floor(math.Log10(raw)))
	step = 10 * power
	for _, f := range []float64{1, 2, 2.5, 5} {
		if f*power >= raw*0.999 {
			step = f * power
			break
		}
	}
	return math.Floor(low/step+1e-9) * step, math.Ceil(high/step-1e-9) * step, step
}

// axis gives the unit in which the numbers of an axis are written, and its name.
func (o Options) axis(largest float64, kind Kind) (unit float64, name string) {
	if kind == Percent {
		return 0.01, "%"
	}
	if o.chinese() {
		switch {
		case largest >= 1e8:
			return 1e8, "亿"
		case largest >= 1e5:
			return 1e4, "万"
		}
		return 1, ""
	}
	switch {
	case largest >= 1e9:
		return 1e9, "bn"
	case largest >= 1e6:
		return 1e6, "m"
	case largest >= 1e4:
		return 1e3, "k"
	}
	return 1, ""
}

// axisNumber writes a value of an axis with the digits that its steps need.
func axisNumber(v, step, unit float64) string {
	places := 0
	for s := math.Abs(step / unit); places < 6 && math.Abs(s-math.Round(s)) > 1e-6*math.Max(1, s); places++ {
		s *= 10
	}
	s := strconv.FormatFloat(v/unit, 'f', places, 64)
	return strings.TrimSpace(grouped(s))
}
