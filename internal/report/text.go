package report

import (
	"cmp"
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// maxTextColumn bounds a column of a plain text table, in half-width characters; longer texts are wrapped.
const maxTextColumn = 36

// cells gives how many places of a fixed-width font a character takes: two for East Asian wide ones and pictures (UAX #11), none
// for marks that stand over others.
func cells(r rune) float64 {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) || unicode.IsControl(r):
		return 0
	case r >= 0x1F300 && r <= 0x1FAFF:
		return 2
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

func textWidth(s string) int {
	n := 0
	for _, r := range s {
		n += int(cells(r))
	}
	return n
}

// TableText renders a table for mail without HTML: columns stand under each other in a fixed-width font, Chinese included.
func TableText(t *Table, o Options) (string, error) {
	o.Limits = o.Limits.orDefault()
	if err := t.check(o.Limits); err != nil {
		return "", wrong("make text table: %w", err)
	}
	rows := make([][][]string, 0, len(t.Rows)+1)
	heads := make([][]string, len(t.Columns))
	widths := make([]int, len(t.Columns))
	for j, c := range t.Columns {
		heads[j] = textCell(c.heading(), &widths[j])
	}
	rows = append(rows, heads)
	for _, row := range t.Rows {
		cell := make([][]string, len(row))
		for j, v := range row {
			cell[j] = textCell(o.cell(v, t.Columns[j]), &widths[j])
		}
		rows = append(rows, cell)
	}
	var b strings.Builder
	if t.Title != "" {
		b.WriteString(oneLine(t.Title) + "\n\n")
	}
	for i, row := range rows {
		if role := t.Roles[i-1]; i > 1 && role == Total {
			textRule(&b, widths)
		}
		textRow(&b, row, widths, t.Columns)
		if i == 0 {
			textRule(&b, widths)
		}
		if err := bound("bytes of a text table", b.Len(), o.Limits.OutputBytes); err != nil {
			return "", wrong("make text table: %w", err)
		}
	}
	if len(t.Rows) == 0 {
		b.WriteString(o.word("没有数据", "No data") + "\n")
	}
	return b.String(), nil
}

// textCell breaks one cell and widens its column.
func textCell(s string, widest *int) []string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r != '\n' && unicode.IsControl(r):
			return -1
		}
		return r
	}, s)
	lines := wrap(s, maxTextColumn, cells)
	for _, line := range lines {
		*widest = max(*widest, textWidth(line))
	}
	return lines
}

func textRule(b *strings.Builder, widths []int) {
	for j, w := range widths {
		if j > 0 {
			b.WriteString("  ")
		}
		b.WriteString(strings.Repeat("-", max(w, 1)))
	}
	b.WriteByte('\n')
}

func textRow(b *strings.Builder, row [][]string, widths []int, columns []Column) {
	most := 1
	for _, cell := range row {
		most = max(most, len(cell))
	}
	for n := range most {
		var line strings.Builder
		for j, cell := range row {
			text := ""
			if n < len(cell) {
				text = cell[n]
			}
			pad := strings.Repeat(" ", max(0, widths[j]-textWidth(text)))
			if j > 0 {
				line.WriteString("  ")
			}
			if columns[j].side() == "right" {
				line.WriteString(pad + text)
			} else {
				line.WriteString(text + pad)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

// oneLine makes one line of a text.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// fileSafe gives a text that can be a part of a file name, or other if nothing is left of it.
func fileSafe(s, other string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || strings.ContainsRune(`\/:*?"<>|[]'`, r) {
			return ' '
		}
		return r
	}, s)
	return cmp.Or(shorten(strings.Trim(oneLine(s), ". "), 80), other)
}

// FileName proposes a name for the file of a report, without what file systems and mail programs refuse.
func FileName(title, extension string) string {
	return fileSafe(title, "report") + "." + strings.TrimPrefix(extension, ".")
}
