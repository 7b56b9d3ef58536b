package report

import (
	"math"
	"strings"
)

// grid is a table laid out for a page: texts, column widths, size of the text.
type grid struct {
	table  *Table
	cells  [][]string // prepared for drawing
	heads  []string
	widths []float64
	text   style
}

const (
	cellPad = 1.6 // millimetres between a rule and a text
	sampled = 400 // rows that decide the widths of columns; reports beyond are alike
)

// tableFits says whether a table fits the width of the page at a size of text, without breaking numbers.
func (s *sheet) tableFits(t *Table, size float64) bool {
	g := s.newGrid(t)
	least, _ := s.demand(g, size)
	return sum(least) <= s.inner()
}

// newGrid prepares the texts of a table.
func (s *sheet) newGrid(t *Table) *grid {
	g := &grid{table: t, cells: make([][]string, len(t.Rows))}
	for _, c := range t.Columns {
		g.heads = append(g.heads, s.face.setIn(c.heading(), true))
	}
	for i, row := range t.Rows {
		g.cells[i] = make([]string, len(row))
		for j, v := range row {
			g.cells[i][j] = s.face.setIn(s.opts.cell(v, t.Columns[j]), t.Roles[i] == Total || t.Roles[i] == Subtotal)
		}
	}
	return g
}

// layout chooses the size of the text and the widths of columns.
func (s *sheet) layout(t *Table) *grid {
	g := s.newGrid(t)
	for _, size := range []float64{9, 8, 7, 6} {
		least, natural := s.demand(g, size)
		if sum(least) <= s.inner() {
			g.text = style{size: size, ink: black}
			g.widths = share(s.inner(), least, natural, t.Columns)
			return g
		}
	}
	s.fail(wrong("table %q: %d columns do not fit the width of a page; leave some out, or choose landscape", t.Title, len(t.Columns)))
	return g
}

// demand gives for each column the width below which words and numbers break, and the width in which nothing breaks.
func (s *sheet) demand(g *grid, size float64) (least, natural []float64) {
	regular := style{size: size}
	bold := style{size: size, bold: true}
	em := size / pointsPerMM
	for j, c := range g.table.Columns {
		low := s.longest(g.heads[j], bold, c)
		high := s.measure(g.heads[j], bold)
		for i := range g.cells {
			role := g.table.Roles[i]
			if i >= sampled && role != Total {
				continue
			}
			t := regular
			if role == Total || role == Subtotal {
				t = bold
			}
			low = math.Max(low, s.longest(g.cells[i][j], t, c))
			for line := range strings.SplitSeq(g.cells[i][j], "\n") {
				high = math.Max(high, s.measure(line, t))
			}
		}
		if c.Width > 0 {
			high = math.Max(low, c.Width*em/2)
		}
		least = append(least, low+2*cellPad+0.1)
		natural = append(natural, math.Max(low, high)+2*cellPad+0.1)
	}
	return least, natural
}

// longest is the width that a text cannot go below: all of a number or date, a few characters of a text.
func (s *sheet) longest(text string, t style, c Column) float64 {
	em := t.size / pointsPerMM
	if c.valueType() != typeText {
		if text == c.heading() {
			return math.Min(s.measure(text, t), 4*em)
		}
		return s.measure(text, t)
	}
	widest := 0.0
	for word := range strings.FieldsSeq(text) {
		widest = math.Max(widest, s.measure(shorten(word, 30), t))
		if widest > 5*em {
			break
		}
	}
	return math.Min(widest, 5*em)
}

// share divides a width among columns: all get what they need; what is short is taken from those above their fair part, what is
// left over goes to texts.
func share(width float64, least, natural []float64, columns []Column) []float64 {
	widths := make([]float64, len(least))
	if spare := width - sum(natural); spare >= 0 {
		copy(widths, natural)
		texts := 0
		for _, c := range columns {
			if c.valueType() == typeText {
				texts++
			}
		}
		for j, c := range columns {
			// Half of the spare room goes to texts, half to all, so that a narrow table stays readable across the page.
			widths[j] += spare / 2 / float64(len(columns))
			if texts == 0 {
				widths[j] += spare / 2 / float64(len(columns))
			} else if c.valueType() == typeText {
				widths[j] += spare / 2 / float64(texts)
			}
		}
		return widths
	}
	// Fill from the bottom: raise all columns to a common level, none above its natural width.
	low, high := 0.0, width
	for range 50 {
		level := (low + high) / 2
		total := 0.0
		for j := range widths {
			widths[j] = math.Max(least[j], math.Min(natural[j], level))
			total += widths[j]
		}
		if total > width {
			high = level
		} else {
			low = level
		}
	}
	for j := range widths {
		widths[j] = math.Max(least[j], math.Min(natural[j], low))
	}
	return widths
}

func sum(all []float64) float64 {
	total := 0.0
	for _, v := range all {
		total += v
	}
	return total
}
