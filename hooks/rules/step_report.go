package rules

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"heliograph/internal/report"
)

// What a report can be made as. HTML and text are for mails and stand in the step's output; the others are files.
const (
	asHTML = "html"
	asText = "text"
	asPDF  = "pdf"
	asXLSX = "xlsx"
	asCSV  = "csv"
)

const (
	// shownLines is how many lines of a table stand in a mail; a longer one belongs into a file.
	shownLines = 200
	// shownBytes bounds the HTML and the text of a table in a mail.
	shownBytes = 512 << 10
	// givenLines is how many lines later steps get as records.
	givenLines = 500
)

// reportStep makes a table of records: as HTML and text for mails (steps.ID.html, .text), as files that a mail's files name, and as records
// for later steps (steps.ID.rows, .totals, .count).
type reportStep struct {
	Title line `json:"title,omitempty"` // empty: that of spec, or the rule's name
	tableSource
	// Tables are those that spec joins or compares with, by name; names that are not here are of uploaded tables.
	Tables      map[string]tableSource `json:"tables,omitempty"`
	Chart       *report.Chart          `json:"chart,omitempty"`
	Outputs     []string               `json:"outputs,omitempty"`   // html, text, pdf, xlsx, csv; html and text if empty
	FileName    line                   `json:"file_name,omitempty"` // without ending; empty: the title
	Orientation string                 `json:"orientation,omitempty"`
}

func (r *reportStep) compile(*compiler) error {
	if err := r.tableSource.compile(); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(r.Tables)) {
		s := r.Tables[name]
		if err := s.compile(); err != nil {
			return &PathError{"/with/tables/" + name, err}
		}
	}
	if r.Chart != nil {
		probe := report.Spec{Chart: r.Chart}
		if err := probe.Check(); err != nil {
			return &PathError{"/with/chart", err}
		}
	}
	return outputs(r.Outputs, asHTML, asText, asPDF, asXLSX, asCSV)
}

// outputs checks what a step is to make.
func outputs(wanted []string, known ...string) error {
	for i, o := range wanted {
		if !slices.Contains(known, o) {
			return &PathError{"/with" + at("outputs", i), fmt.Errorf("there is no output %q%s", o, meant(o, known))}
		}
	}
	return nil
}

func (r *reportStep) run(x *exec) (outcome, error) {
	title, err := r.Title.render(x, x.facts)
	if err != nil {
		return outcome{}, err
	}
	if title == "" && (r.Spec == nil || r.Spec.Title == "") {
		title = x.rule.rule.Name
	}
	language := ""
	if r.Spec != nil {
		language = r.Spec.Language
	}
	o := x.reportOptions(language)
	table, err := newTables(x, r.Tables, o).make(&r.tableSource, title, 0)
	if err != nil {
		return outcome{}, err
	}
	w := &reportWriter{x: x, step: r, table: table, o: o, chart: r.Chart, out: map[string]any{"title": table.Title}}
	if w.chart == nil && r.Spec != nil {
		w.chart = r.Spec.Chart
	}
	if w.name, err = r.FileName.render(x, x.facts); err != nil {
		return outcome{}, err
	}
	w.name = cmp.Or(w.name, table.Title)
	return w.write()
}

// reportWriter makes the outputs of one table.
type reportWriter struct {
	x     *exec
	step  *reportStep
	table *report.Table
	chart *report.Chart
	o     report.Options
	name  string
	files []File
	notes []string
	out   map[string]any
}

func (w *reportWriter) write() (outcome, error) {
	wanted := w.step.Outputs
	if len(wanted) == 0 {
		wanted = []string{asHTML, asText}
	}
	writers := map[string]func() error{asHTML: w.html, asText: w.text, asPDF: w.pdf, asXLSX: w.xlsx, asCSV: w.csv}
	for i, o := range wanted {
		if slices.Contains(wanted[:i], o) {
			continue
		}
		if err := writers[o](); err != nil {
			return outcome{}, err
		}
	}
	if len(w.files) > 0 {
		if err := w.x.keep(w.files); err != nil {
			return outcome{}, err
		}
	}
	w.facts()
	return done(w.out), nil
}

// facts are what later steps see of the table.
func (w *reportWriter) facts() {
	records := w.table.Records()
	rows := make([]any, 0, min(len(records), givenLines))
	for _, r := range records[:min(len(records), givenLines)] {
		rows = append(rows, r)
	}
	totals := map[string]any{}
	for i, row := range w.table.Rows {
		if w.table.Roles[i] != report.Total {
			continue
		}
		for j, c := range w.table.Columns {
			totals[c.Key] = row[j]
		}
	}
	w.out["rows"], w.out["totals"], w.out["count"] = rows, totals, len(records)
	w.out["cut"] = len(records) > givenLines
	w.out["files"], w.out["notes"] = fileNames(w.files), texted(w.notes)
}

func fileNames(files []File) []any {
	out := []any{}
	for _, f := range files {
		if f.Inline == "" {
			out = append(out, f.Name)
		}
	}
	return out
}

func texted(list []string) []any {
	out := []any{}
	for _, s := range list {
		out = append(out, s)
	}
	return out
}

// html makes the table for a mail, as long as a mail may be.
func (w *reportWriter) html() error {
	for lines := shownLines; ; lines /= 2 {
		table, left := beginning(w.table, lines)
		d := report.TableDocument(table, w.chart)
		if w.chart != nil { // of the whole table
			d.Blocks[0].Chart.Data = w.table
		}
		if left > 0 {
			d.Blocks = append(d.Blocks, report.Block{Paragraph: w.more(left)})
		}
		page, err := report.HTML(w.x, d, "", w.o)
		if err != nil {
			return err
		}
		if len(page.HTML) <= shownBytes || lines <= 1 {
			w.out[asHTML] = page.HTML
			return tooMuch(page.HTML)
		}
	}
}

func (w *reportWriter) text() error {
	for lines := shownLines; ; lines /= 2 {
		table, left := beginning(w.table, lines)
		text, err := report.TableText(table, w.o)
		if err != nil {
			return err
		}
		if left > 0 {
			text += "\n" + w.more(left) + "\n"
		}
		if len(text) <= shownBytes || lines <= 1 {
			w.out[asText] = text
			return tooMuch(text)
		}
	}
}

func tooMuch(text string) error {
	if len(text) > shownBytes {
		return Permanent(errors.New("the table is too wide for a mail: select fewer columns, or make a file only"))
	}
	return nil
}

// more says how many lines are left out.
func (w *reportWriter) more(n int) string {
	if w.o.Language == "en" {
		return fmt.Sprintf("%d more lines are not shown here.", n)
	}
	return fmt.Sprintf("另有 %d 行未在此显示。", n)
}

func (w *reportWriter) pdf() (err error) {
	d := report.TableDocument(w.table, w.chart)
	d.Orientation = w.step.Orientation
	f, notes, err := w.x.pdf(d, w.name, w.o)
	w.files, w.notes = append(w.files, f), append(w.notes, notes...)
	return err
}

// pdf draws a document.
func (x *exec) pdf(d *report.Document, name string, o report.Options) (f File, notes []string, err error) {
	if o.Font, err = x.font(); err != nil {
		return f, nil, err
	}
	out, err := report.PDF(x, d, o)
	if err != nil {
		return f, nil, err
	}
	notes = out.Notes
	if len(out.Missing) > 0 {
		notes = append(notes, "the font has no "+string(out.Missing))
	}
	return File{Name: report.FileName(name, ".pdf"), Type: "application/pdf", Content: out.Data}, notes, nil
}

func (w *reportWriter) xlsx() error {
	data, err := report.XLSX(w.x, w.table.Title, []report.Sheet{{Table: w.table, Chart: w.chart}}, w.o)
	w.files = append(w.files, File{
		Name: report.FileName(w.name, ".xlsx"), Type: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", Content: data,
	})
	return err
}

func (w *reportWriter) csv() error {
	data, err := report.CSV(w.table, w.o)
	w.files = append(w.files, File{Name: report.FileName(w.name, ".csv"), Type: "text/csv; charset=utf-8", Content: data})
	return err
}

// beginning is a table with its first lines and its totals, and how many others there are.
func beginning(t *report.Table, lines int) (cut *report.Table, left int) {
	if len(t.Rows) <= lines {
		return t, 0
	}
	out := *t
	out.Rows, out.Roles = nil, map[int]report.Role{}
	shown := 0
	for i, row := range t.Rows {
		role := t.Roles[i]
		if role != report.Total && i >= lines {
			continue
		}
		if role == "" {
			shown++
		}
		if role != "" {
			out.Roles[len(out.Rows)] = role
		}
		out.Rows = append(out.Rows, row)
	}
	return &out, len(t.Records()) - shown
}

func (r *reportStep) check(c *checker) {
	c.template("/title", r.Title.template)
	c.template("/file_name", r.FileName.template)
	r.tableSource.check(c)
	for _, name := range slices.Sorted(maps.Keys(r.Tables)) {
		s := r.Tables[name]
		c.within("/tables/"+name, func() { s.check(c) })
	}
	c.oneOf("orientation", r.Orientation, "", "portrait", "landscape")
}

func (r *reportStep) describe(l voice) string {
	return l.of("make the report ", "生成报表 ") + strings.TrimSpace(l.words(r.Title.source))
}
