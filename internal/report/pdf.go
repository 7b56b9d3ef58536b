package report

import (
	"bytes"
	"context"
	"fmt"

	"codeberg.org/go-pdf/fpdf"
)

// Output is a finished PDF.
type Output struct {
	Data    []byte
	Pages   int
	Missing []rune   // characters that the font lacks; each is drawn as a visible mark instead
	Notes   []string // what could not be shown as it came, like a broken picture
}

// Sizes on the page, in millimetres; of text in points.
const (
	margin       = 16.0
	topMargin    = 20.0 // with the header of later pages in it
	bottomMargin = 18.0 // with the footer in it
	bodySize     = 10.0
	pointsPerMM  = 72 / 25.4
	lineSpacing  = 1.45 // of the size of the text
)

// ink is a colour of the page.
type ink [3]int

var (
	black     = ink{33, 37, 41}
	grey      = ink{108, 117, 125}
	paleGrey  = ink{222, 226, 230}
	red       = ink{185, 28, 28}
	blue      = ink{31, 78, 121}
	paleBlue  = ink{233, 240, 247}
	zebraTone = ink{247, 248, 250}
	white     = ink{255, 255, 255}
)

// sheet is the page that is being drawn, and the way to the next.
type sheet struct {
	ctx           context.Context
	pdf           *fpdf.Fpdf
	doc           *Document
	opts          Options
	face          *typeface
	width, height float64 // of the page
	y             float64 // where the next block begins
	pages         int
	widths        [2]map[rune]float64 // of characters in the regular and bold face, in thousandths of the size
	pictures      int
	notes         []string
	err           error // the first; drawing goes on without effect
}

// PDF draws a document on pages of A4.
func PDF(ctx context.Context, d *Document, o Options) (out *Output, err error) {
	o.Limits = o.Limits.orDefault()
	if err := d.bounds(o.Limits); err != nil {
		return nil, wrong("make PDF: %w", err)
	}
	face, err := openTypeface(o.Font)
	if err != nil {
		return nil, wrong("make PDF: %w", err)
	}
	// The PDF library trusts fonts blindly: one that is broken in a place that was not looked at must not take the process down.
	defer func() {
		if p := recover(); p != nil {
			out, err = nil, wrong("make PDF: the font or a picture broke the PDF library: %v", p)
		}
	}()
	landscape := d.Orientation == "landscape"
	s := newSheet(ctx, d, o, face, landscape)
	if d.Orientation == "" && !s.fits() {
		s = newSheet(ctx, d, o, face, true)
	}
	if err := s.draw(); err != nil {
		return nil, fmt.Errorf("make PDF: %w", err)
	}
	return s.finish()
}

func newSheet(ctx context.Context, d *Document, o Options, face *typeface, landscape bool) *sheet {
	orientation := "P"
	if landscape {
		orientation = "L"
	}
	s := &sheet{ctx: ctx, doc: d, opts: o, face: face, pdf: fpdf.New(orientation, "mm", "A4", "")}
	s.widths = [2]map[rune]float64{{}, {}}
	s.width, s.height = s.pdf.GetPageSize()
	s.pdf.SetAutoPageBreak(false, 0)
	s.pdf.SetMargins(margin, topMargin, margin)
	s.pdf.SetCatalogSort(true) // or equal input gives different bytes
	s.pdf.SetCreationDate(o.created())
	s.pdf.SetModificationDate(o.created())
	s.pdf.SetProducer("Heliograph", true)
	s.pdf.SetCreator("Heliograph", true)
	s.pdf.SetTitle(d.Title, true)
	s.pdf.SetSubject(d.Subject, true)
	s.pdf.SetKeywords(d.Keywords, true)
	s.pdf.SetAuthor(o.Author, true)
	s.pdf.SetLang(o.word("zh-CN", "en"))
	s.pdf.AddUTF8FontFromBytes("regular", "", face.regular.data)
	if face.bold != face.regular {
		s.pdf.AddUTF8FontFromBytes("bold", "", face.bold.data)
	}
	return s
}

// draw puts title and blocks on pages.
func (s *sheet) draw() error {
	s.newPage()
	s.masthead()
	for i, b := range s.doc.Blocks {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		s.block(b, i)
		if s.err != nil {
			return wrong("block %d: %w", i+1, s.err)
		}
	}
	s.footers()
	if s.err != nil {
		return s.err
	}
	return s.pdf.Error()
}

func (s *sheet) finish() (*Output, error) {
	missing := s.face.lacking()
	if len(missing) > 0 && s.opts.RefuseMissing {
		return nil, wrong("make PDF: the font has no %q", string(missing[:min(len(missing), 20)]))
	}
	var b bytes.Buffer
	if err := s.pdf.Output(&b); err != nil {
		return nil, wrong("make PDF: %w", err)
	}
	if err := bound("bytes of a PDF", b.Len(), s.opts.Limits.OutputBytes); err != nil {
		return nil, wrong("make PDF: %w", err)
	}
	return &Output{Data: b.Bytes(), Pages: s.pages, Missing: missing, Notes: s.notes}, nil
}

// fail notes the first error.
func (s *sheet) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// newPage begins a page, with the title on all but the first.
func (s *sheet) newPage() {
	if s.pages >= s.opts.Limits.Pages {
		s.fail(&BoundError{What: "pages", Got: int64(s.pages) + 1, Max: int64(s.opts.Limits.Pages)})
		return
	}
	s.pages++
	s.pdf.AddPage()
	s.y = topMargin
	if s.pages > 1 {
		s.line(s.doc.Title, margin, 9, s.inner(), style{size: 8, ink: grey})
		s.rule(margin, 14.5, s.width-margin, 14.5, paleGrey, 0.2)
	} else {
		s.y = margin
	}
}

// footers are drawn last, when the number of pages is known.
func (s *sheet) footers() {
	for page := 1; page <= s.pages; page++ {
		s.turnTo(page)
		y := s.height - 12
		s.rule(margin, y-1.5, s.width-margin, y-1.5, paleGrey, 0.2)
		text := fmt.Sprintf(s.opts.word("第 %d 页，共 %d 页", "Page %d of %d"), page, s.pages)
		s.line(text, margin, y, s.inner(), style{size: 8, ink: grey, align: "right"})
		if !s.opts.Created.IsZero() {
			made := s.opts.Created.In(s.opts.zone()).Format("2006-01-02 15:04")
			s.line(made, margin, y, s.inner(), style{size: 8, ink: grey})
		}
	}
}

// turnTo draws on a page again that was left. The PDF library remembers the font and colour of the page that it was on and would
// not set them again, so both are set to something that is not used.
func (s *sheet) turnTo(page int) {
	s.pdf.SetPage(page)
	s.pdf.SetFont("regular", "", 1)
	s.pdf.SetFillColor(1, 1, 1)
}

// inner is the width between the margins.
func (s *sheet) inner() float64 { return s.width - 2*margin }

// left is the height that remains on the page.
func (s *sheet) left() float64 { return s.height - bottomMargin - s.y }

// need makes sure that a part of this height fits, on a new page if there is none on this.
func (s *sheet) need(height float64) {
	if s.left() < height && s.y > topMargin {
		s.newPage()
	}
}

// style is how text is drawn.
type style struct {
	size  float64 // in points
	bold  bool
	ink   ink
	align string // left (the default), right, center
}

// lineHeight is the distance of two lines in millimetres.
func (t style) lineHeight() float64 { return t.size / pointsPerMM * lineSpacing }

// wide gives the width of characters in millimetres.
func (s *sheet) wide(t style) func(rune) float64 {
	family, known := "regular", s.widths[0]
	if t.bold && s.face.bold != s.face.regular {
		family, known = "bold", s.widths[1]
	}
	s.pdf.SetFont(family, "", t.size)
	return func(r rune) float64 {
		w, ok := known[r]
		if !ok {
			w = float64(s.pdf.GetStringSymbolWidth(string(r)))
			known[r] = w
		}
		return w / 1000 * t.size / pointsPerMM
	}
}

func (s *sheet) measure(text string, t style) float64 {
	wide := s.wide(t)
	sum := 0.0
	for _, r := range text {
		sum += wide(r)
	}
	return sum
}

// lines prepares a text and breaks it to a width.
func (s *sheet) lines(text string, width float64, t style) ([]string, style) {
	text, t.bold = s.face.set(text, t.bold)
	return wrap(text, width, s.wide(t)), t
}

// write draws one prepared line in a box that begins at x, y.
func (s *sheet) write(text string, x, y, width float64, t style) {
	if text == "" || s.err != nil {
		return
	}
	w := s.measure(text, t) // sets the font, too
	switch t.align {
	case "right":
		x += width - w
	case "center":
		x += (width - w) / 2
	}
	s.pdf.SetTextColor(t.ink[0], t.ink[1], t.ink[2])
	s.pdf.Text(x, y+t.lineHeight()/2+0.35*t.size/pointsPerMM, text)
}

// line draws a text that has to fit one line, cut with an ellipsis.
func (s *sheet) line(text string, x, y, width float64, t style) {
	text, t.bold = s.face.set(text, t.bold)
	s.write(s.cut(text, width, t), x, y, width, t)
}

// cut shortens a prepared text to a width.
func (s *sheet) cut(text string, width float64, t style) string {
	if s.measure(text, t) <= width {
		return text
	}
	end := s.face.setIn("…", t.bold)
	used := s.measure(end, t)
	wide := s.wide(t)
	for i, r := range text {
		if used += wide(r); used > width {
			return text[:i] + end
		}
	}
	return text
}

// text draws a text of several lines from s.y on, over pages if it must.
func (s *sheet) text(text string, x, width float64, t style) {
	lines, t := s.lines(text, width, t)
	for i, line := range lines {
		height := t.lineHeight()
		if i == 0 && len(lines) > 1 {
			height *= 2 // no first line alone at the foot of a page
		}
		s.need(height)
		s.write(line, x, s.y, width, t)
		s.y += t.lineHeight()
	}
}

func (s *sheet) rule(x1, y1, x2, y2 float64, c ink, width float64) {
	s.pdf.SetDrawColor(c[0], c[1], c[2])
	s.pdf.SetLineWidth(width)
	s.pdf.Line(x1, y1, x2, y2)
}

func (s *sheet) fill(x, y, width, height float64, c ink) {
	s.pdf.SetFillColor(c[0], c[1], c[2])
	s.pdf.Rect(x, y, width, height, "F")
}

// masthead is the title of the document with its facts.
func (s *sheet) masthead() {
	s.text(s.doc.Title, margin, s.inner(), style{size: 18, bold: true, ink: blue})
	if s.doc.Subtitle != "" {
		s.text(s.doc.Subtitle, margin, s.inner(), style{size: 11, ink: grey})
	}
	s.y++
	s.rule(margin, s.y, s.width-margin, s.y, blue, 0.6)
	s.y += 3
	if len(s.doc.Facts) > 0 {
		s.facts(s.doc.Facts)
	}
}

// fits says whether all tables fit the page at a size that reads well.
func (s *sheet) fits() bool {
	for _, b := range s.doc.Blocks {
		if b.Table != nil && !s.tableFits(b.Table.Data, 8) {
			return false
		}
	}
	return true
}
