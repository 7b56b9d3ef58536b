package message

import (
	"strings"

	"golang.org/x/net/html/atom"
)

// pageTable is a table being read. Tables of data become lines with a tab between cells; those
// that only lay a page out become the words of their cells, one below the other.
type pageTable struct {
	rows [][]pageCell
	base int // depth of quotation around it
}

type pageCell struct {
	lines []textLine
	span  int  // columns
	apart bool // paragraphs were at its ends
}

func (r *pageReader) beginTable(e *element) {
	if r.tables >= maxTables || r.hidden > 0 {
		return
	}
	r.tables++
	e.table = &pageTable{base: r.quote}
}

// table is the innermost that is open.
func (r *pageReader) table() *pageTable {
	for i := len(r.stack) - 1; i >= 0; i-- {
		switch {
		case r.stack[i].table != nil:
			return r.stack[i].table
		case r.stack[i].atom == atom.Table, r.stack[i].cell != nil:
			return nil
		}
	}
	return nil
}

func (r *pageReader) beginCell(e *element, attr map[string]string) {
	t := r.table()
	if t == nil || r.hidden > 0 {
		return
	}
	if begins := r.firstCell(); begins || len(t.rows) == 0 {
		t.rows = append(t.rows, nil)
	}
	e.cell = &pageCell{span: min(max(toInt(attr["colspan"], 1), 1), 20)}
	r.sinks = append(r.sinks, &e.cell.lines)
	r.indent, r.marker = "", ""
}

// firstCell tells whether the cell that begins is the first of its row.
func (r *pageReader) firstCell() bool {
	for i := len(r.stack) - 1; i >= 0; i-- {
		switch r.stack[i].atom {
		case atom.Tr:
			first := r.stack[i].number == 0
			r.stack[i].number = 1
			return first
		case atom.Table:
			return false
		}
	}
	return false
}

func (r *pageReader) endCell(e *element) {
	r.sinks = r.sinks[:len(r.sinks)-1]
	t := r.table()
	if t == nil || len(t.rows) == 0 {
		return
	}
	c := *e.cell
	for len(c.lines) > 0 && c.lines[0].text == "" {
		c.lines, c.apart = c.lines[1:], true
	}
	for len(c.lines) > 0 && c.lines[len(c.lines)-1].text == "" {
		c.lines, c.apart = c.lines[:len(c.lines)-1], true
	}
	last := len(t.rows) - 1
	t.rows[last] = append(t.rows[last], c)
}

// flat tells whether the cell may stand in one line with others.
func (c *pageCell) flat(base int) bool {
	words, size := 0, 0
	for _, l := range c.lines {
		if l.quote > base || l.hard || strings.Contains(l.text, "\t") {
			return false
		}
		if l.text != "" {
			words++
		}
		if size += len(l.text); words > 3 || size > 300 {
			return false
		}
	}
	return true
}

// tabular tells whether the row says several things beside each other.
func tabular(row []pageCell, base int) bool {
	filled := 0
	for i := range row {
		if !row[i].flat(base) {
			return false
		}
		if len(row[i].lines) > 0 {
			filled++
		}
	}
	return filled >= 2
}

// endTable writes the table into what is around it.
func (r *pageReader) endTable(t *pageTable) {
	r.tables--
	beside := 0
	for _, row := range t.rows {
		if tabular(row, t.base) {
			beside++
		}
	}
	data := beside >= 2
	if data {
		r.blank(false)
	}
	for _, row := range t.rows {
		flat := tabular(row, t.base)
		if !flat && data { // the row of a sum has one cell that must stay in its column
			flat = len(row) > 1
			for i := range row {
				flat = flat && row[i].flat(t.base)
			}
		}
		if flat {
			r.addRow(row, data)
			continue
		}
		for i := range row {
			r.addCell(row[i])
		}
	}
	if data {
		r.blank(false)
	}
}

// addRow writes a row in one line.
func (r *pageReader) addRow(row []pageCell, data bool) {
	var out strings.Builder
	tabs := 0 // due before the next words
	first := true
	line := textLine{}
	for i := range row {
		var words []string
		for _, l := range row[i].lines {
			line.history = line.history || l.history
			line.sign = line.sign || l.sign
			if l.text != "" {
				words = append(words, l.text)
			}
		}
		if cell := strings.Join(words, " "); cell != "" {
			if !data {
				tabs = min(tabs, 1)
			}
			if !first || data {
				out.WriteString(strings.Repeat("\t", tabs))
			}
			out.WriteString(cell)
			first, tabs = false, 0
		}
		tabs += row[i].span
	}
	if line.text = strings.TrimRight(out.String(), " \t"); line.text == "" {
		return
	}
	if r.marker != "" {
		line.text, r.marker = r.marker+line.text, ""
	}
	line.quote = min(r.quote, maxQuote)
	r.put(line)
}

// addCell writes the lines of a cell as they are.
func (r *pageReader) addCell(c pageCell) {
	if c.apart && len(c.lines) > 0 {
		r.blank(false)
	}
	for _, l := range c.lines {
		r.put(l)
	}
	if c.apart && len(c.lines) > 0 {
		r.blank(false)
	}
}

// put adds a line that was counted before.
func (r *pageReader) put(l textLine) {
	sink := r.sinks[len(r.sinks)-1]
	if n := len(*sink); l.text == "" && !l.hard && n > 0 && (*sink)[n-1].text == "" {
		return
	}
	*sink = append(*sink, l)
}
