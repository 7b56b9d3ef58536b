package report

import "math"

// table draws a table over as many pages as it takes, with its heading on each.
func (s *sheet) table(t *Table) {
	g := s.layout(t)
	if s.err != nil {
		return
	}
	if t.Title != "" {
		s.need(26)
		s.text(t.Title, margin, s.inner(), style{size: 11, bold: true, ink: black})
		s.y++
	}
	if len(t.Rows) == 0 {
		s.gridHead(g)
		s.line(s.opts.word("没有数据", "No data"), margin, s.y+1, s.inner(), style{size: g.text.size, ink: grey, align: "center"})
		s.y += 10
		return
	}
	for i := range t.Rows {
		if i%100 == 0 {
			if err := s.ctx.Err(); err != nil {
				s.fail(err)
			}
		}
		if s.err != nil {
			return
		}
		s.gridRow(g, i)
	}
	s.rule(margin, s.y, s.width-margin, s.y, paleGrey, 0.3)
	s.y += 5
}

// gridHead draws the headings.
func (s *sheet) gridHead(g *grid) {
	t := style{size: g.text.size, bold: true, ink: white}
	broken, height := s.breakRow(g, g.heads, t)
	s.fill(margin, s.y, sum(g.widths), height, blue)
	s.drawRow(g, broken, 0, len(g.heads), t, height, nil)
	s.y += height
}

// breakRow breaks the texts of a row into lines and gives the height that they take.
func (s *sheet) breakRow(g *grid, texts []string, t style) (lines [][]string, height float64) {
	most := 1
	for j, text := range texts {
		broken := wrap(text, g.widths[j]-2*cellPad, s.wide(t))
		lines = append(lines, broken)
		most = max(most, len(broken))
	}
	return lines, float64(most)*t.lineHeight() + cellPad
}

// gridRow draws one row; one that is higher than a page runs over to the next.
func (s *sheet) gridRow(g *grid, i int) {
	t := g.text
	role := g.table.Roles[i]
	t.bold = role == Total || role == Subtotal
	lines, height := s.breakRow(g, g.cells[i], t)
	wholePage := s.height - bottomMargin - topMargin - 30
	switch {
	case i == 0:
		s.need(math.Min(height, wholePage) + 12)
		s.gridHead(g)
	case height > s.left():
		s.rule(margin, s.y, s.width-margin, s.y, paleGrey, 0.3)
		s.newPage()
		s.gridHead(g)
	}
	for from := 0; ; {
		fit := max(1, int((s.left()-cellPad)/t.lineHeight()))
		most := 0
		for _, cell := range lines {
			most = max(most, len(cell))
		}
		to := min(most, from+fit)
		part := float64(max(1, to-from))*t.lineHeight() + cellPad
		s.background(g, i, part)
		s.drawRow(g, lines, from, to, t, part, g.table.Rows[i])
		s.y += part
		if from = to; from >= most || s.err != nil {
			return
		}
		s.newPage()
		s.gridHead(g)
	}
}

func (s *sheet) background(g *grid, i int, height float64) {
	width := sum(g.widths)
	switch g.table.Roles[i] {
	case Total:
		s.fill(margin, s.y, width, height, paleBlue)
		s.rule(margin, s.y, margin+width, s.y, blue, 0.5)
	case Subtotal:
		s.fill(margin, s.y, width, height, paleBlue)
	default:
		if i%2 == 1 {
			s.fill(margin, s.y, width, height, zebraTone)
		}
	}
}

// drawRow writes the lines of the cells from one number to another. values are nil for headings, where from and to are 0 and all.
func (s *sheet) drawRow(g *grid, lines [][]string, from, to int, t style, height float64, values []any) {
	x := margin
	for j, cell := range lines {
		c := g.table.Columns[j]
		cellStyle := t
		cellStyle.align = c.side()
		if values == nil && len(cell) > 1 && c.side() == "left" {
			cellStyle.align = "left"
		}
		if values != nil && c.alarming(values[j]) {
			cellStyle.ink = red
		}
		shown := cell[min(from, len(cell)):]
		if values != nil {
			shown = cell[min(from, len(cell)):min(to, len(cell))]
		}
		y := s.y + cellPad/2
		if values == nil { // headings stand on the ground
			y = s.y + height - cellPad/2 - float64(len(shown))*t.lineHeight()
		}
		for _, line := range shown {
			s.write(line, x+cellPad, y, g.widths[j]-2*cellPad, cellStyle)
			y += t.lineHeight()
		}
		x += g.widths[j]
	}
}
