package extract

import (
	"strings"
	"unicode"
)

const (
	maxTables = 50
	maxCells  = 40 // in a row
)

// cell is a text in a table and where it begins.
type cell struct {
	text   string
	offset int
}

// table is rows of cells of neighbouring lines.
type table struct{ rows [][]cell }

// findTables takes neighbouring lines that have cells for a table.
func (d *document) findTables() {
	for i := 0; i < len(d.lines) && len(d.tables) < maxTables; {
		rows, end := d.tableFrom(i)
		if len(rows) < 2 {
			i = max(end, i+1)
			continue
		}
		d.tables = append(d.tables, table{rows})
		for j := i; j < end; j++ {
			d.lines[j].inTable = true
		}
		i = end
	}
}

// tableFrom reads rows from a line on, of one style; end is the line after them.
func (d *document) tableFrom(i int) (rows [][]cell, end int) {
	style := styleOf(d.line(i))
	if style == 0 {
		return nil, i + 1
	}
	for end = i; end < len(d.lines) && len(rows) < maxRows; end++ {
		text := d.line(end)
		if isRuler(text) {
			continue
		}
		if styleOf(text) != style {
			break
		}
		rows = append(rows, d.cells(end, style))
	}
	return rows, end
}

// styleOf tells what separates the cells of a line: a tab, a bar, a gap of spaces, or nothing.
func styleOf(text string) byte {
	switch {
	case len(text) > 4000:
		return 0
	case strings.Count(text, "|") >= 2 || strings.Count(text, "│") >= 2:
		return '|'
	case strings.Contains(text, "\t"):
		return '\t'
	case gaps(text) > 0:
		return ' '
	}
	return 0
}

// gaps counts the places where a line has two spaces or more between words. Labelled lines are none of a table.
func gaps(text string) int {
	text = strings.TrimSpace(text)
	if strings.ContainsAny(text, ":：") {
		return 0
	}
	n, run := 0, 0
	for _, r := range text {
		switch r {
		case ' ', '\u00a0':
			run++
		case '\u3000':
			run += 2
		default:
			if run >= 2 {
				n++
			}
			run = 0
		}
	}
	return n
}

// isRuler tells a line that only draws: |---|:--:| or +----+----+.
func isRuler(text string) bool {
	return strings.ContainsAny(text, "-=─━") && strings.Trim(text, "|+-=: \t─━┼├┤┌┐└┘┬┴│") == ""
}

func (d *document) cells(i int, style byte) []cell {
	l := d.lines[i]
	text := d.text[l.start:l.end]
	var row []cell
	add := func(from, to int) {
		if len(row) >= maxCells {
			return
		}
		from += len(text[from:to]) - len(strings.TrimLeftFunc(text[from:to], unicode.IsSpace))
		row = append(row, cell{strings.TrimFunc(text[from:to], unicode.IsSpace), l.start + from})
	}
	start := 0
	switch style {
	case ' ':
		for start < len(text) {
			at, length := gap(text[start:])
			if at < 0 {
				break
			}
			if strings.TrimSpace(text[start:start+at]) != "" {
				add(start, start+at)
			}
			start += at + length
		}
		if strings.TrimSpace(text[start:]) != "" {
			add(start, len(text))
		}
	default:
		bar := string(rune(style))
		if style == '|' && !strings.Contains(text, "|") {
			bar = "│"
		}
		for {
			at := strings.Index(text[start:], bar)
			if at < 0 {
				break
			}
			add(start, start+at)
			start += at + len(bar)
		}
		add(start, len(text))
		if style == '|' { // the outer bars
			if row[0].text == "" {
				row = row[1:]
			}
			if n := len(row); n > 0 && row[n-1].text == "" {
				row = row[:n-1]
			}
		}
	}
	return row
}

// gap finds two spaces or more.
func gap(s string) (at, length int) {
	start, run := -1, 0
	for i, r := range s {
		switch r {
		case ' ', '\u00a0':
			run++
		case '\u3000':
			run += 2
		default:
			if run >= 2 {
				return start, i - start
			}
			start, run = -1, 0
			continue
		}
		if start < 0 {
			start = i
		}
	}
	return -1, 0
}

// heading finds the row that names the columns, among the first rows, and where each column is.
func (t table) heading(columns []column) (row int, places map[string]int) {
	const first = 5
	best := 0
	for r := range min(first, len(t.rows)-1) {
		found := map[string]int{}
		taken := map[int]bool{}
		for _, exact := range []bool{true, false} {
			for _, c := range columns {
				if _, ok := found[c.name]; ok {
					continue
				}
				for i, one := range t.rows[r] {
					if !taken[i] && headed(one.text, c.labels, exact) {
						found[c.name], taken[i] = i, true
						break
					}
				}
			}
		}
		if len(found) > best {
			best, row, places = len(found), r, found
		}
	}
	if best < min(2, len(columns)) {
		return 0, nil
	}
	return row, places
}

// headed tells whether a heading is one of the labels, or holds one: "单价（元）".
func headed(text string, labels []string, exact bool) bool {
	if len(text) > maxWord {
		return false
	}
	f := strings.Trim(foldText(text), " .:#[]")
	for _, l := range labels {
		if f == l || !exact && strings.Contains(f, l) {
			return true
		}
	}
	return false
}

var sumWords = []string{"合计", "总计", "小计", "共计", "总额", "total", "subtotal", "grand total", "sum", "summe", "合計"}

// isSum tells a row that adds up the others.
func isSum(row []cell) bool {
	for _, c := range row[:min(2, len(row))] {
		f := strings.Trim(foldText(head40(c.text)), " .:()")
		for _, w := range sumWords {
			if f == w || strings.HasPrefix(f, w+" ") || strings.HasPrefix(f, w+":") || strings.HasPrefix(f, w+"(") || len(w) > 5 && w > "\u4e00" && strings.HasPrefix(f, w) {
				return true
			}
		}
	}
	return false
}

func head40(s string) string { out, _ := head(s, 40); return out }
