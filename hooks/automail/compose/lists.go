package compose

import (
	"html"
	htmltemplate "html/template"
	"maps"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/width"
)

// Bounds of tables.
const (
	maxRows    = 1000
	maxColumns = 30
)

// list writes a list with a dot before each item.
func list(r *rendering, args []any) (any, error) {
	l, ok := args[0].([]any)
	if !ok {
		l = []any{args[0]}
	}
	if len(l) > maxRows {
		l = l[:maxRows]
	}
	var words []string
	for _, e := range l {
		if e == nil {
			continue
		}
		w, err := r.text(e)
		if err != nil {
			return nil, r.wrong("list", err.Error())
		}
		words = append(words, w)
	}
	if r.t.kind != HTML {
		if len(words) == 0 {
			return "", nil
		}
		return "- " + strings.Join(words, "\n- "), nil
	}
	var b strings.Builder
	b.WriteString("<ul>")
	for _, w := range words {
		b.WriteString("<li>" + html.EscapeString(w) + "</li>")
	}
	b.WriteString("</ul>")
	return htmltemplate.HTML(b.String()), nil
}

// column of a table: a name within the records, and what stands above.
type column struct{ name, head string }

// table writes a list of records: {{.record.items | table "name=品名" "qty=数量"}}. Without columns it has all that the first
// record has, sorted.
func table(r *rendering, args []any) (any, error) {
	rows, ok := args[len(args)-1].([]any)
	if !ok {
		return nil, r.wrong("table", "需要记录列表 / it wants a list of records")
	}
	var columns []column
	for _, a := range args[:len(args)-1] {
		name, head, has := strings.Cut(plain(a), "=")
		if !has {
			head = name
		}
		columns = append(columns, column{strings.TrimSpace(name), strings.TrimSpace(head)})
	}
	if len(columns) == 0 && len(rows) > 0 {
		if m, ok := rows[0].(map[string]any); ok {
			for _, name := range slices.Sorted(maps.Keys(m)) {
				columns = append(columns, column{name, name})
			}
		}
	}
	if len(columns) == 0 {
		return "", nil
	}
	columns = columns[:min(len(columns), maxColumns)]
	left := len(rows) - maxRows
	rows = rows[:min(len(rows), maxRows)]
	cells := make([][]string, 0, len(rows))
	for _, row := range rows {
		m, ok := row.(map[string]any)
		if !ok {
			return nil, r.wrong("table", "需要记录列表 / it wants a list of records")
		}
		line := make([]string, len(columns))
		for i, c := range columns {
			v, err := r.cell(m, c.name)
			if err != nil {
				return nil, r.wrong("table", c.name+": "+err.Error())
			}
			line[i] = v
		}
		cells = append(cells, line)
		if err := r.alive(); err != nil {
			return nil, err
		}
	}
	more := ""
	if left > 0 {
		more = "… +" + strconv.Itoa(left)
	}
	if r.t.kind == HTML {
		return pageTable(columns, cells, more), nil
	}
	return textTable(columns, cells, more), nil
}

// cell is a value of a record by a dotted name; what is missing is an empty cell.
func (r *rendering) cell(m map[string]any, name string) (string, error) {
	v, ok := m[name]
	if !ok {
		var at any = m
		for step := range strings.SplitSeq(name, ".") {
			inner, is := at.(map[string]any)
			if !is {
				return "", nil
			}
			at = inner[step]
		}
		v = at
	}
	if v == nil {
		return "", nil
	}
	if _, gone := r.present(v, 0).(*missing); gone {
		return "", nil
	}
	s, err := r.text(v)
	return oneLine(s), err
}

const cellStyle = ` style="border:1px solid #ccc;padding:4px 8px;text-align:left"`

func pageTable(columns []column, cells [][]string, more string) htmltemplate.HTML {
	var b strings.Builder
	b.WriteString(`<table style="border-collapse:collapse"><thead><tr>`)
	for _, c := range columns {
		b.WriteString("<th" + cellStyle + ">" + html.EscapeString(c.head) + "</th>")
	}
	b.WriteString("</tr></thead><tbody>")
	for _, line := range cells {
		b.WriteString("<tr>")
		for _, v := range line {
			b.WriteString("<td" + cellStyle + ">" + html.EscapeString(v) + "</td>")
		}
		b.WriteString("</tr>")
	}
	b.WriteString("</tbody></table>")
	if more != "" {
		b.WriteString("<p>" + html.EscapeString(more) + "</p>")
	}
	return htmltemplate.HTML(b.String())
}

// textTable aligns the columns by how wide a terminal or a mail program shows them: East Asian letters are two wide.
func textTable(columns []column, cells [][]string, more string) string {
	widths := make([]int, len(columns))
	head := make([]string, len(columns))
	for i, c := range columns {
		head[i] = c.head
		widths[i] = shownWidth(c.head)
		for _, line := range cells {
			widths[i] = max(widths[i], shownWidth(line[i]))
		}
	}
	var b strings.Builder
	write := func(line []string) {
		var row strings.Builder
		for i, v := range line {
			row.WriteString(v)
			if i < len(line)-1 {
				row.WriteString(strings.Repeat(" ", min(widths[i]-shownWidth(v), 200)+2))
			}
		}
		b.WriteString(strings.TrimRight(row.String(), " ") + "\n")
	}
	write(head)
	rule := make([]string, len(columns))
	for i := range rule {
		rule[i] = strings.Repeat("-", min(widths[i], 200))
	}
	write(rule)
	for _, line := range cells {
		write(line)
	}
	return strings.TrimRight(b.String()+more, "\n")
}

func shownWidth(s string) int {
	n := 0
	for _, c := range s {
		switch width.LookupRune(c).Kind() {
		case width.EastAsianWide, width.EastAsianFullwidth:
			n += 2
		default:
			n++
		}
	}
	return n
}
