package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"golang.org/x/text/width"

	"heliograph/internal/decimal"
)

// headerRows is how far down an uploaded table its headings are looked for: above them people write titles.
const headerRows = 10

// sheetOf makes a table of the rows of a file: it finds the headings, makes keys of them and guesses the kinds of columns. Values
// are texts, or what a workbook knew better.
func sheetOf(rows [][]any, l Limits) (*Table, error) {
	for len(rows) > 0 && blank(rows[len(rows)-1]) {
		rows = rows[:len(rows)-1]
	}
	at := header(rows)
	if at < 0 {
		return nil, wrong("the table is empty")
	}
	columns := 0
	for j, v := range rows[at] {
		if present(v) {
			columns = j + 1
		}
	}
	t := &Table{}
	for i := range at { // a title stands above the headings
		if title := first(rows[i]); t.Title == "" && title != "" {
			t.Title = title
		}
	}
	used := make(map[string]int)
	for j := range columns {
		label := ""
		if j < len(rows[at]) && present(rows[at][j]) {
			label = shorten(oneLine(fmt.Sprint(rows[at][j])), 200)
		}
		key := cmp.Or(label, columnName(j))
		used[key]++
		for n := used[key]; n > 1; n = used[key] {
			key = fmt.Sprintf("%s_%d", key, n)
			used[key]++
		}
		t.Columns = append(t.Columns, Column{Key: key, Label: cmp.Or(label, key)})
	}
	for _, row := range rows[at+1:] {
		if blank(row) {
			continue
		}
		values := make([]any, columns)
		for j := range values {
			if j < len(row) && present(row[j]) {
				values[j] = row[j]
			}
		}
		t.Rows = append(t.Rows, values)
	}
	if err := l.table(t); err != nil {
		return nil, err
	}
	for j := range t.Columns {
		t.guess(j)
	}
	return t, nil
}

func blank(row []any) bool { return first(row) == "" }

func first(row []any) string {
	for _, v := range row {
		if s := strings.TrimSpace(fmt.Sprint(v)); v != nil && s != "" {
			return s
		}
	}
	return ""
}

// header finds the row with the headings: the first that fills most of the width that the rows near it have.
func header(rows [][]any) int {
	widest := 0
	near := rows[:min(len(rows), headerRows)]
	for _, row := range near {
		widest = max(widest, filled(row))
	}
	for i, row := range near {
		if n := filled(row); n > 0 && n*10 >= widest*6 {
			return i
		}
	}
	return -1
}

func filled(row []any) (n int) {
	for _, v := range row {
		if present(v) {
			n++
		}
	}
	return n
}

// columnName is the letter that a spreadsheet gives a column.
func columnName(j int) string {
	name := ""
	for j++; j > 0; j = (j - 1) / 26 {
		name = string(rune('A'+(j-1)%26)) + name
	}
	return name
}

// guess gives a column the kind that all its values have, and turns texts into values of that kind.
func (t *Table) guess(j int) {
	column := make([]any, 0, len(t.Rows))
	for _, row := range t.Rows {
		if row[j] != nil {
			column = append(column, row[j])
		}
	}
	for _, try := range []func([]any) (Column, []any, bool){asNumbers, asTimes, asBools} {
		guessed, values, ok := try(column)
		if !ok {
			continue
		}
		c := &t.Columns[j]
		c.Kind, c.Currency, c.Decimals = guessed.Kind, guessed.Currency, guessed.Decimals
		n := 0
		for _, row := range t.Rows {
			if row[j] != nil {
				row[j] = values[n]
				n++
			}
		}
		return
	}
	t.Columns[j].Kind = Text
	for _, row := range t.Rows {
		if row[j] != nil {
			row[j] = Options{}.show(row[j], Column{Kind: Text})
		}
	}
}

// asNumbers takes a column for numbers, unless they look like codes: with leading zeros, or longer than any amount.
func asNumbers(column []any) (c Column, values []any, ok bool) {
	places := 0
	for _, v := range column {
		p := parsed{kind: Number}
		switch v := v.(type) {
		case json.Number:
			p.value, ok = decimal.Parse(string(v))
		case string:
			digits := strings.TrimLeft(width.Narrow.String(strings.TrimSpace(v)), "+-")
			code := len(digits) > 1 && digits[0] == '0' && digits[1] != '.' || len(digits) >= 15 && !strings.ContainsAny(digits, ".,")
			p, ok = parseNumber(v)
			ok = ok && !code
		default:
			ok = false
		}
		if !ok {
			return c, nil, false
		}
		switch {
		case p.kind == Number:
		case c.Kind == "" || c.Kind == p.kind && c.Currency == p.currency:
			c.Kind, c.Currency = p.kind, p.currency
		default:
			return c, nil, false // 5% and ¥5 in one column: nobody knows what a sum would be
		}
		if p.kind == Percent {
			places = max(places, min(p.decimals, 6))
		}
		values = append(values, number(p.value))
	}
	if len(values) == 0 {
		return c, nil, false
	}
	if c.Kind == Percent {
		c.Decimals = &places
	}
	c.Kind = cmp.Or(c.Kind, Number)
	return c, values, true
}

// timeLayouts are the ways of writing dates that cannot be mistaken for another: 03/04/2026 is not among them.
var timeLayouts = []string{
	"2006-1-2", "2006/1/2", "2006.1.2", "2006年1月2日",
	"2006-1-2 15:04", "2006/1/2 15:04", "2006年1月2日 15:04", "2006年1月2日15:04", "2006年1月2日15时04分",
	"2006-1-2 15:04:05", "2006/1/2 15:04:05", "2006年1月2日 15:04:05",
	"2006-1-2T15:04:05", time.RFC3339,
}

// asTimes takes a column for dates. They are read in UTC: a file does not say where its days begin.
func asTimes(column []any) (c Column, values []any, ok bool) {
	c.Kind = Date
	for _, v := range column {
		t, isTime := v.(time.Time)
		if s, isText := v.(string); isText {
			t, isTime = parseTime(strings.TrimSpace(s))
		}
		if !isTime {
			return c, nil, false
		}
		if t.Hour()+t.Minute()+t.Second() > 0 {
			c.Kind = DateTime
		}
		values = append(values, t)
	}
	return c, values, len(values) > 0
}

func parseTime(s string) (time.Time, bool) {
	if len(s) < 8 || len(s) > 40 {
		return time.Time{}, false
	}
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

var truths = map[string]bool{
	"true": true, "false": false, "yes": true, "no": false, "y": true, "n": false, "是": true, "否": false, "√": true, "×": false, "有": true, "无": false,
}

func asBools(column []any) (c Column, values []any, ok bool) {
	c.Kind = Bool
	for _, v := range column {
		truth, known := v.(bool)
		if s, isText := v.(string); isText {
			truth, known = truths[strings.ToLower(strings.TrimSpace(s))]
		}
		if !known {
			return c, nil, false
		}
		values = append(values, truth)
	}
	return c, values, len(values) > 0
}
