package report

import "math"

// palette holds colours that stay apart for the colour-blind (after Okabe and Ito) and in grey print.
var palette = []ink{
	{31, 78, 121},
	{230, 126, 34},
	{46, 134, 94},
	{155, 89, 182},
	{86, 160, 211},
	{192, 57, 43},
	{127, 140, 141},
	{212, 172, 13},
}

// area is a rectangle of the page with the scale of its values.
type area struct {
	x, y, width, height float64
	low, high           float64
}

// at gives the height on the page of a value.
func (a area) at(v float64) float64 {
	return a.y + a.height*(1-(v-a.low)/(a.high-a.low))
}

// chartHeight is that of the whole chart with its title, in millimetres.
func (s *sheet) chartHeight(b *ChartBlock) float64 {
	if b.Kind == "pie" {
		return 78
	}
	return 88
}

// chart draws a chart from s.y on.
func (s *sheet) chart(b *ChartBlock) {
	p, err := b.plot(b.Data, s.opts)
	if err != nil {
		s.fail(err)
		return
	}
	height := s.chartHeight(b)
	s.need(height)
	bottom := s.y + height
	if b.Title != "" {
		s.line(b.Title, margin, s.y, s.inner(), style{size: 11, bold: true, ink: black})
		s.y += 7
	}
	low, high, known := p.extent()
	switch {
	case !known || len(p.categories) == 0:
		s.line(s.opts.word("没有数据", "No data"), margin, s.y+30, s.inner(), style{size: bodySize, ink: grey, align: "center"})
	case p.chart.Kind == "pie":
		s.pie(p, bottom)
	default:
		s.legend(p)
		s.axes(p, bottom, low, high)
	}
	s.y = bottom + 3
}

// legend names the series with their colours.
func (s *sheet) legend(p *plot) {
	t := style{size: 8.5, ink: black}
	x := margin
	for i, series := range p.series {
		name, style := s.lines(series.column.heading(), 1000, t)
		text := s.cut(name[0], s.inner()/2, style)
		width := s.measure(text, style)
		if x > margin && x+6+width > s.width-margin {
			x = margin
			s.y += t.lineHeight()
		}
		s.fill(x, s.y+1, 3, 2.4, palette[i])
		s.write(text, x+4.2, s.y, width, style)
		x += 4.2 + width + 6
	}
	s.y += t.lineHeight() + 1
}

// axes draws the scale with its lines and what stands on it.
func (s *sheet) axes(p *plot, foot, low, high float64) {
	small := style{size: 8, ink: grey}
	from, to, step := ticks(low, high)
	unit, unitName := s.opts.axis(math.Max(math.Abs(from), math.Abs(to)), p.series[0].column.Kind)
	widest := 0.0
	for v := from; v <= to+step/2; v += step {
		widest = math.Max(widest, s.measure(axisNumber(v, step, unit), small))
	}
	if name := s.axisName(p, unitName); name != "" {
		s.line(name, margin, s.y, s.inner(), small)
		s.y += small.lineHeight() + 0.5
	}
	a := area{x: margin + widest + 2.5, y: s.y + 1, low: from, high: to}
	a.width = s.width - margin - a.x
	labels := 11.0
	if s.slants(p, a) {
		labels = 18
	}
	a.height = foot - labels - a.y
	for v := from; v <= to+step/2; v += step {
		if math.Abs(v) < step/1e6 {
			v = 0
		}
		y := a.at(v)
		tone, thick := paleGrey, 0.2
		if v == 0 {
			tone, thick = grey, 0.3
		}
		s.rule(a.x, y, a.x+a.width, y, tone, thick)
		s.line(axisNumber(v, step, unit), margin, y-small.lineHeight()/2, widest+0.5, style{size: 8, ink: grey, align: "right"})
	}
	if p.chart.Kind == "bar" {
		s.bars(p, a)
	} else {
		s.curves(p, a)
	}
	s.categories(p, a)
}

// axisName says what the numbers of the axis are: currency and unit.
func (s *sheet) axisName(p *plot, unit string) string {
	c := p.series[0].column
	switch {
	case c.Kind == Percent:
		return unit
	case c.Kind == Money && c.Currency != "" && unit != "":
		return c.Currency + " (" + unit + ")"
	case c.Kind == Money && c.Currency != "":
		return c.Currency
	case unit != "":
		return "(" + unit + ")"
	}
	return ""
}

// slot is the width of one category.
func (a area) slot(p *plot) float64 { return a.width / float64(len(p.categories)) }

func (s *sheet) bars(p *plot, a area) {
	slot := a.slot(p)
	width := math.Min(slot*0.76/float64(len(p.series)), 14)
	zero := a.at(math.Max(a.low, math.Min(a.high, 0)))
	for n, series := range p.series {
		for i, v := range series.values {
			if math.IsNaN(v) || v == 0 {
				continue
			}
			x := a.x + slot*(float64(i)+0.5) + width*(float64(n)-float64(len(p.series))/2)
			y := a.at(v)
			s.fill(x, math.Min(y, zero), width*0.94, math.Max(math.Abs(zero-y), 0.15), palette[n])
		}
	}
}

func (s *sheet) curves(p *plot, a area) {
	slot := a.slot(p)
	for n, series := range p.series {
		c := palette[n]
		before := -1
		for i, v := range series.values {
			if math.IsNaN(v) {
				before = -1 // a gap, not a line to zero
				continue
			}
			x, y := a.x+slot*(float64(i)+0.5), a.at(v)
			if before >= 0 {
				s.rule(x-slot, a.at(series.values[before]), x, y, c, 0.6)
			}
			if len(series.values) <= 60 {
				s.pdf.SetFillColor(c[0], c[1], c[2])
				s.pdf.Circle(x, y, 0.9, "F")
			}
			before = i
		}
	}
}

// every says which categories get a label: all, or only some of very many.
func (a area) every(p *plot) int {
	return max(1, int(math.Ceil(5/a.slot(p))))
}

var labelStyle = style{size: 8, ink: black, align: "center"}

// slants says whether labels are too long to stand level below the axis on two lines.
func (s *sheet) slants(p *plot, a area) bool {
	every := a.every(p)
	width := a.slot(p)*float64(every) - 1
	for i, name := range p.categories {
		if i%every != 0 {
			continue
		}
		if lines, t := s.lines(name, width, labelStyle); len(lines) > 2 || s.tooWide(lines, width, t) {
			return true
		}
	}
	return false
}

// categories writes the labels along the axis.
func (s *sheet) categories(p *plot, a area) {
	every := a.every(p)
	slanted := s.slants(p, a)
	width := a.slot(p) * float64(every)
	bottom := a.y + a.height + 1
	for i, name := range p.categories {
		if i%every != 0 {
			continue
		}
		center := a.x + a.slot(p)*(float64(i)+0.5)
		if slanted {
			s.slanted(name, center, bottom)
			continue
		}
		lines, t := s.lines(name, width-1, labelStyle)
		for n, line := range lines {
			s.write(line, center-width/2, bottom+float64(n)*t.lineHeight(), width, t)
		}
	}
}

func (s *sheet) tooWide(lines []string, width float64, t style) bool {
	for _, line := range lines {
		if s.measure(line, t) > width {
			return true
		}
	}
	return false
}

// slanted writes a label that ends below its place on the axis.
func (s *sheet) slanted(name string, x, y float64) {
	t := style{size: 7, ink: black, align: "right"}
	text, bold := s.face.set(name, false)
	t.bold = bold
	text = s.cut(text, 24, t)
	s.pdf.TransformBegin()
	s.pdf.TransformRotate(40, x+1, y)
	s.write(text, x+1-30, y-t.lineHeight()/4, 30, t)
	s.pdf.TransformEnd()
}
