package report

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"

	"heliograph/internal/decimal"
	"heliograph/internal/tablefile"
)

// ReadXLSX reads one sheet of an uploaded workbook: the one of that name, or the first that holds something. Formulas count by
// the value that was saved with them; numbers keep the 15 digits that a spreadsheet has.
func ReadXLSX(data []byte, name string, l Limits) (t *Table, err error) {
	l = l.orDefault()
	if err := bound("bytes of a workbook", len(data), l.InputBytes); err != nil {
		return nil, wrong("read workbook: %w", err)
	}
	// The library for workbooks was written for files of friends: what breaks it is a broken file.
	defer func() {
		if p := recover(); p != nil {
			t, err = nil, wrong("read workbook: it is broken")
		}
	}()
	f, err := tablefile.OpenWorkbook(data, int64(l.UnzippedSize))
	if err != nil {
		return nil, wrong("read workbook: %w", err)
	}
	defer f.Close() //nolint:errcheck // nothing was written
	w := &workbook{file: f, limits: l, styles: make(map[int]look)}
	if props, err := f.GetWorkbookProps(); err == nil && props.Date1904 != nil {
		w.from1904 = *props.Date1904
	}
	if t, err = w.table(name); err != nil {
		return nil, wrong("read workbook: %w", err)
	}
	return t, nil
}

type workbook struct {
	file     *excelize.File
	limits   Limits
	styles   map[int]look
	from1904 bool
}

// look is what the number format of a cell says about its value.
type look struct {
	kind     Kind
	currency string
}

func (w *workbook) table(sheet string) (*Table, error) {
	names := w.file.GetSheetList()
	if sheet != "" {
		if !slices.Contains(names, sheet) {
			return nil, wrong("there is no sheet %q; there are %s", sheet, strings.Join(names, ", "))
		}
		names = []string{sheet}
	}
	for _, name := range names {
		raw, err := w.raw(name)
		if err != nil {
			return nil, wrong("sheet %q: %w", name, err)
		}
		if len(raw) == 0 {
			continue
		}
		t, err := w.typed(name, raw)
		if err != nil {
			return nil, wrong("sheet %q: %w", name, err)
		}
		return t, nil
	}
	return nil, wrong("it holds no table")
}

// raw reads the cells as texts, row by row, so that the bounds hold before anything large is built.
func (w *workbook) raw(sheet string) ([][]string, error) {
	rows, err := w.file.Rows(sheet)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // it was only read
	var all [][]string
	cells, last := 0, 0
	for rows.Next() {
		record, err := rows.Columns()
		if err != nil {
			return nil, err
		}
		cells += len(record)
		if err := w.limits.size(max(0, len(all)+1-headerRows), len(record)); err != nil {
			return nil, err
		}
		if err := bound("cells", cells, w.limits.Cells); err != nil {
			return nil, err
		}
		all = append(all, record)
		if len(record) > 0 {
			last = len(all)
		}
	}
	return all[:last], rows.Error()
}

// typed turns texts into values by the types and formats of their cells.
func (w *workbook) typed(sheet string, raw [][]string) (*Table, error) {
	rows := make([][]any, len(raw))
	looks := make(map[int][]look)
	for i, record := range raw {
		rows[i] = make([]any, len(record))
		for j, text := range record {
			if text == "" {
				continue
			}
			v, l, err := w.value(sheet, i, j, text)
			if err != nil {
				return nil, err
			}
			rows[i][j] = v
			if _, isNumber := v.(json.Number); isNumber {
				looks[j] = append(looks[j], l)
			}
		}
	}
	t, err := sheetOf(rows, w.limits)
	if err != nil {
		return nil, err
	}
	for j := range t.Columns {
		seen := slices.Compact(looks[j])
		if t.Columns[j].Kind == Number && len(seen) == 1 && seen[0].kind != "" {
			t.Columns[j].Kind, t.Columns[j].Currency = seen[0].kind, seen[0].currency
		}
	}
	return t, nil
}

func (w *workbook) value(sheet string, i, j int, text string) (any, look, error) {
	cell, err := excelize.CoordinatesToCellName(j+1, i+1)
	if err != nil {
		return nil, look{}, err
	}
	kind, err := w.file.GetCellType(sheet, cell)
	if err != nil {
		return nil, look{}, fmt.Errorf("cell %s: %w", cell, err)
	}
	switch kind {
	case excelize.CellTypeBool:
		return text == "1" || strings.EqualFold(text, "true"), look{}, nil
	case excelize.CellTypeUnset, excelize.CellTypeNumber:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			break
		}
		l, err := w.look(sheet, cell)
		if err != nil {
			return nil, look{}, fmt.Errorf("cell %s: %w", cell, err)
		}
		if l.kind == Date && f >= 0 && f < 2958466 { // up to the year 9999
			t, err := excelize.ExcelDateToTime(f, w.from1904)
			if err == nil {
				return t.UTC(), l, nil
			}
		}
		if r, ok := decimal.Parse(strconv.FormatFloat(f, 'g', 15, 64)); ok {
			return number(r), l, nil
		}
	case excelize.CellTypeDate:
		if t, ok := parseTime(strings.TrimSuffix(text, "Z")); ok {
			return t, look{}, nil
		}
	}
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, look{}, nil
	}
	return shorten(text, w.limits.CellRunes), look{}, nil
}

func (w *workbook) look(sheet, cell string) (look, error) {
	id, err := w.file.GetCellStyle(sheet, cell)
	if err != nil || id == 0 {
		return look{}, err
	}
	if known, ok := w.styles[id]; ok {
		return known, nil
	}
	style, err := w.file.GetStyle(id)
	if err != nil {
		return look{}, err
	}
	l := look{}
	switch n := style.NumFmt; {
	case n == 9 || n == 10:
		l.kind = Percent
	case n >= 14 && n <= 22 || n >= 27 && n <= 36 || n >= 45 && n <= 47 || n >= 50 && n <= 58:
		l.kind = Date
	}
	if style.CustomNumFmt != nil {
		l = lookOf(*style.CustomNumFmt)
	}
	w.styles[id] = l
	return l, nil
}

// lookOf reads a number format: letters of dates outside of quotes and brackets, a percent sign, a currency.
func lookOf(format string) look {
	format, _, _ = strings.Cut(format, ";")
	var letters strings.Builder
	for i := 0; i < len(format); i++ {
		switch format[i] {
		case '\\':
			i++
		case '"', '[':
			end := strings.IndexByte(format[i+1:], map[byte]byte{'"': '"', '[': ']'}[format[i]])
			if end < 0 {
				end = len(format) - i - 2
			}
			i += end + 1
		default:
			letters.WriteByte(format[i])
		}
	}
	plain := strings.ToLower(letters.String())
	switch {
	case strings.ContainsAny(plain, "yd") || strings.Contains(plain, "h:m"):
		return look{kind: Date}
	case strings.Contains(plain, "%"):
		return look{kind: Percent}
	}
	for _, c := range currencySigns {
		if strings.Contains(format, c.sign) && (c.sign != "$" || strings.Contains(strings.ReplaceAll(format, "[$-", ""), `"$"`) || strings.Contains(format, "[$$")) {
			return look{kind: Money, currency: c.code}
		}
	}
	if strings.Contains(format, "￥") {
		return look{kind: Money, currency: "CNY"}
	}
	return look{}
}
