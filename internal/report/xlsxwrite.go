package report

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"
)

// Sheet is one sheet of a workbook.
type Sheet struct {
	Name  string // the table's title if empty
	Table *Table
	Chart *Chart // beside the table, drawn by the spreadsheet itself
}

const (
	maxSheets     = 50
	maxSheetName  = 31    // runes, by the format
	maxSheetText  = 32767 // characters of a cell, by the format
	exactDigits   = 15    // that a number keeps in a spreadsheet
	widestColumn  = 60.0
	narrowColumn  = 8.0
	chartWidthPx  = 720
	chartHeightPx = 400
)

// XLSX writes a workbook: typed cells with number formats, a header row that stays in view, totals in bold. A number with more
// digits than a spreadsheet keeps is written as text, so that none gets lost in silence. Texts are never formulas.
func XLSX(ctx context.Context, title string, sheets []Sheet, o Options) ([]byte, error) {
	o.Limits = o.Limits.orDefault()
	if len(sheets) == 0 {
		return nil, wrong("make workbook: there is no sheet")
	}
	if err := bound("sheets", len(sheets), maxSheets); err != nil {
		return nil, wrong("make workbook: %w", err)
	}
	f := excelize.NewFile()
	defer f.Close() //nolint:errcheck // everything is in memory
	w := &xlsxWriter{ctx: ctx, file: f, opts: o, styles: make(map[string]int), names: make(map[string]bool)}
	for i, sheet := range sheets {
		if err := w.sheet(i, sheet); err != nil {
			return nil, fmt.Errorf("make workbook: sheet %d: %w", i+1, err)
		}
	}
	f.SetActiveSheet(0)
	stamp := o.created().Format(time.RFC3339)
	err := f.SetDocProps(&excelize.DocProperties{
		Title: title, Creator: cmp.Or(o.Author, "Heliograph"), LastModifiedBy: cmp.Or(o.Author, "Heliograph"), Created: stamp, Modified: stamp, Language: o.word("zh-CN", "en"),
	})
	if err != nil {
		return nil, wrong("make workbook: properties: %w", err)
	}
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		return nil, wrong("make workbook: %w", err)
	}
	if err := bound("bytes of a workbook", b.Len(), o.Limits.OutputBytes); err != nil {
		return nil, wrong("make workbook: %w", err)
	}
	return ordered(b.Bytes())
}

// pictureTypes are declared by the library for pictures that are not there, in the order of a map.
var pictureTypes = regexp.MustCompile(`<Default Extension="[a-z]+" ContentType="image/[^"]*"></Default>`)

// ordered sorts the files of a workbook by name. The library writes the sheets in the order of a map, so that equal input would
// give different bytes.
func ordered(data []byte) ([]byte, error) {
	from, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, wrong("make workbook: %w", err)
	}
	slices.SortFunc(from.File, func(a, b *zip.File) int { return cmp.Compare(a.Name, b.Name) })
	var b bytes.Buffer
	to := zip.NewWriter(&b)
	for _, part := range from.File {
		copied := to.Copy
		if part.Name == "[Content_Types].xml" {
			copied = func(part *zip.File) error { return copyTypes(to, part) }
		}
		if err := copied(part); err != nil {
			return nil, wrong("make workbook: %w", err)
		}
	}
	if err := to.Close(); err != nil {
		return nil, wrong("make workbook: %w", err)
	}
	return b.Bytes(), nil
}

func copyTypes(to *zip.Writer, part *zip.File) error {
	content, err := part.Open()
	if err != nil {
		return err
	}
	defer content.Close()
	text, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	w, err := to.Create(part.Name)
	if err != nil {
		return err
	}
	_, err = w.Write(pictureTypes.ReplaceAll(text, nil))
	return err
}

type xlsxWriter struct {
	ctx    context.Context
	file   *excelize.File
	opts   Options
	styles map[string]int
	names  map[string]bool
	places []int // digits after the point of the columns of the sheet at hand
}

// sheet writes one sheet. The chart is added first: once rows are streamed the sheet is closed for all else.
func (w *xlsxWriter) sheet(i int, s Sheet) error {
	if s.Table == nil {
		return wrong("it has no table")
	}
	if err := s.Table.check(w.opts.Limits); err != nil {
		return err
	}
	name := w.name(cmp.Or(s.Name, s.Table.Title, fmt.Sprintf("Sheet%d", i+1)))
	if err := w.open(i, name); err != nil {
		return err
	}
	if s.Chart != nil {
		if err := w.chart(name, s); err != nil {
			return err
		}
	}
	return w.stream(name, s.Table)
}

func (w *xlsxWriter) open(i int, name string) error {
	if i == 0 {
		if err := w.file.SetSheetName(w.file.GetSheetName(0), name); err != nil {
			return wrong("%w", err)
		}
		return nil
	}
	if _, err := w.file.NewSheet(name); err != nil {
		return wrong("%w", err)
	}
	return nil
}

// name makes a sheet name of a title: short, without signs that mean something, and not used yet.
func (w *xlsxWriter) name(title string) string {
	title = fileSafe(title, "Sheet")
	cut := func(s string, n int) string {
		for utf8.RuneCountInString(s) > n {
			_, size := utf8.DecodeLastRuneInString(s)
			s = s[:len(s)-size]
		}
		return s
	}
	name := cut(title, maxSheetName)
	for n := 2; w.names[strings.ToLower(name)]; n++ {
		end := fmt.Sprintf(" (%d)", n)
		name = cut(title, maxSheetName-len(end)) + end
	}
	w.names[strings.ToLower(name)] = true
	return name
}

// stream writes headings and rows.
func (w *xlsxWriter) stream(name string, t *Table) error {
	out, err := w.file.NewStreamWriter(name)
	if err != nil {
		return wrong("%w", err)
	}
	w.places = make([]int, len(t.Columns))
	for j, c := range t.Columns {
		width := float64(textWidth(c.heading())) + 3
		for i, row := range t.Rows {
			if i < sampled || t.Roles[i] == Total {
				width = max(width, float64(textWidth(w.opts.cell(row[j], c)))*1.1+2)
			}
			w.places[j] = max(w.places[j], places(row[j]))
		}
		if err := out.SetColWidth(j+1, j+1, min(widestColumn, max(narrowColumn, cmp.Or(c.Width, width)))); err != nil {
			return wrong("%w", err)
		}
	}
	err = out.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"})
	if err != nil {
		return wrong("%w", err)
	}
	heads := make([]any, len(t.Columns))
	for j, c := range t.Columns {
		style, err := w.style(j, c, "head", false)
		if err != nil {
			return err
		}
		heads[j] = excelize.Cell{StyleID: style, Value: sheetText(c.heading())}
	}
	if err := out.SetRow("A1", heads, excelize.RowOpts{Height: 20}); err != nil {
		return wrong("%w", err)
	}
	for i, row := range t.Rows {
		if err := w.row(out, t, i, row); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return wrong("%w", err)
	}
	return nil
}

func (w *xlsxWriter) row(out *excelize.StreamWriter, t *Table, i int, row []any) error {
	if i%1000 == 0 {
		if err := w.ctx.Err(); err != nil {
			return err
		}
	}
	cells := make([]any, len(row))
	for j, v := range row {
		c := t.Columns[j]
		style, err := w.style(j, c, t.Roles[i], c.alarming(v))
		if err != nil {
			return err
		}
		cells[j] = excelize.Cell{StyleID: style, Value: w.value(v, c)}
	}
	if err := out.SetRow(fmt.Sprintf("A%d", i+2), cells); err != nil {
		return wrong("row %d: %w", i+1, err)
	}
	return nil
}

// value gives what a cell holds: a number, a date, a truth, else a text.
func (w *xlsxWriter) value(v any, c Column) any {
	if v == nil {
		return nil
	}
	_, isNumber := v.(json.Number)
	if isNumber && c.Kind != Text || c.Kind.numeric() {
		if r, ok := rational(v); ok {
			n := string(number(r))
			if digits := strings.Trim(strings.NewReplacer("-", "", ".", "").Replace(n), "0"); len(digits) <= exactDigits {
				f, _ := r.Float64()
				return f
			}
			return n
		}
	}
	switch v := v.(type) {
	case bool:
		if c.Yes == "" {
			return v
		}
	case time.Time:
		if !v.IsZero() && v.Year() >= 1900 && c.valueType() == typeTime {
			at := v.In(w.opts.zone()) // a spreadsheet knows no zones: it gets the time on the wall
			return time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), 0, time.UTC)
		}
	}
	return sheetText(w.opts.cell(v, c))
}

// sheetText makes a text fit into a cell: within its length, and without what XML does not know.
func sheetText(s string) string {
	s = strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && unicode.IsControl(r) || r == 0xFFFE || r == 0xFFFF {
			return -1
		}
		return r
	}, s)
	return shorten(s, maxSheetText/2) // the format counts UTF-16
}

// places counts the digits after the point that a number needs, up to six.
func places(v any) int {
	if _, ok := v.(json.Number); !ok {
		return 0
	}
	r, ok := rational(v)
	if !ok {
		return 0
	}
	n, exact := r.FloatPrec()
	if !exact {
		return 2
	}
	return min(n, 6)
}

// style gives the style of a cell, made once per column and role.
func (w *xlsxWriter) style(j int, c Column, role Role, alarming bool) (int, error) {
	format := w.format(j, c)
	key := fmt.Sprintf("%s|%s|%s|%t", format, c.side(), role, alarming)
	if id, ok := w.styles[key]; ok {
		return id, nil
	}
	s := &excelize.Style{
		Font:      &excelize.Font{Size: 11},
		Alignment: &excelize.Alignment{Horizontal: c.side(), Vertical: "top", WrapText: c.valueType() == typeText},
	}
	if format != "" {
		s.CustomNumFmt = &format
	}
	line := func(side, color string, style int) excelize.Border {
		return excelize.Border{Type: side, Color: color, Style: style}
	}
	switch role {
	case "head":
		s.Font.Bold, s.Font.Color = true, "FFFFFF"
		s.Fill = excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"1F4E79"}}
		s.Alignment.Vertical = "center"
	case Total:
		s.Font.Bold = true
		s.Fill = excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"E9F0F7"}}
		s.Border = []excelize.Border{line("top", "1F4E79", 2)}
	case Subtotal:
		s.Font.Bold = true
		s.Fill = excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"E9F0F7"}}
	default:
		s.Border = []excelize.Border{line("bottom", "DEE2E6", 1)}
	}
	if alarming && role != "head" {
		s.Font.Color = "B91C1C"
	}
	id, err := w.file.NewStyle(s)
	if err != nil {
		return 0, wrong("style: %w", err)
	}
	w.styles[key] = id
	return id, nil
}

// format gives the number format of a column.
func (w *xlsxWriter) format(j int, c Column) string {
	decimals := func(n int) string {
		if n == 0 {
			return ""
		}
		return "." + strings.Repeat("0", n)
	}
	switch c.Kind {
	case Money:
		sign := ""
		if c.Currency != "" {
			sign = `"` + strings.ReplaceAll(cmp.Or(signs[c.Currency], c.Currency+" "), `"`, "") + `"`
		}
		amount := "#,##0" + decimals(c.decimals())
		return sign + amount + ";-" + sign + amount
	case Percent:
		return "0" + decimals(c.decimals()) + "%"
	case Number:
		n := w.places[j]
		if c.Decimals != nil {
			n = *c.Decimals
		}
		return "#,##0" + decimals(n)
	case Date:
		return "yyyy-mm-dd"
	case DateTime:
		return "yyyy-mm-dd hh:mm"
	case Text:
		return "@"
	}
	return ""
}
