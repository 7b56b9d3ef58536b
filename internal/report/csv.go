package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"heliograph/internal/tablefile"
)

// ReadCSV reads an uploaded table of texts: UTF-8 with or without mark, UTF-16 with mark (Excel's "Unicode text"), or GB18030,
// separated by comma, semicolon, tab or bar. Kinds of columns are guessed.
func ReadCSV(data []byte, l Limits) (*Table, error) {
	l = l.orDefault()
	if err := bound("bytes of a CSV file", len(data), l.InputBytes); err != nil {
		return nil, wrong("read CSV: %w", err)
	}
	rows, err := tablefile.Open(bytes.NewReader(data), tablefile.Options{Format: tablefile.CSV})
	if err != nil {
		return nil, wrong("read CSV: %w", err)
	}
	t, err := ReadRows(rows, l)
	if err != nil {
		return nil, wrong("read CSV: %w", err)
	}
	return t, nil
}

// ReadRows makes a table of the texts of a file as ReadCSV does: it finds the headings, and guesses the kinds of columns. It does
// not close rows.
func ReadRows(rows *tablefile.Rows, l Limits) (*Table, error) {
	l = l.orDefault()
	var all [][]any
	cells := 0
	for {
		record, _, err := rows.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		cells += len(record)
		if err := l.size(max(0, len(all)-headerRows), len(record)); err != nil {
			return nil, err
		}
		if err := bound("cells", cells, l.Cells); err != nil {
			return nil, err
		}
		row := make([]any, len(record))
		for j, field := range record {
			if rows.Encoding() == tablefile.GB18030 && strings.ContainsRune(field, utf8.RuneError) {
				return nil, wrong("the text is neither UTF-8 nor GB18030; save it as UTF-8")
			}
			if field = strings.TrimSpace(field); field != "" {
				row[j] = shorten(field, l.CellRunes)
			}
		}
		all = append(all, row)
	}
	return sheetOf(all, l)
}

// CSV writes a table as UTF-8 with the mark by which Excel knows it. Numbers are plain decimals. A text that a spreadsheet would
// take for a formula gets an apostrophe in front.
func CSV(t *Table, o Options) ([]byte, error) {
	o.Limits = o.Limits.orDefault()
	if err := t.check(o.Limits); err != nil {
		return nil, wrong("make CSV: %w", err)
	}
	var b bytes.Buffer
	b.WriteString("\ufeff")
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	record := make([]string, len(t.Columns))
	for j, c := range t.Columns {
		record[j] = tablefile.Neutralise(c.heading())
	}
	if err := w.Write(record); err != nil {
		return nil, wrong("make CSV: %w", err)
	}
	for _, row := range t.Rows {
		for j, v := range row {
			record[j] = o.csvCell(v, t.Columns[j])
		}
		if err := w.Write(record); err != nil {
			return nil, wrong("make CSV: %w", err)
		}
		if err := bound("bytes of a CSV file", b.Len(), o.Limits.OutputBytes); err != nil {
			return nil, wrong("make CSV: %w", err)
		}
	}
	w.Flush()
	return b.Bytes(), bound("bytes of a CSV file", b.Len(), o.Limits.OutputBytes)
}

func (o Options) csvCell(v any, c Column) string {
	_, isNumber := v.(json.Number)
	if r, ok := rational(v); ok && (isNumber || c.Kind.numeric()) {
		return string(number(r))
	}
	if v == nil {
		return ""
	}
	return tablefile.Neutralise(o.show(v, c))
}
