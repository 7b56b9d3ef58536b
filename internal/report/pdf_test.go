package report

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func makePDF(t *testing.T, d *Document, o Options) *Output {
	t.Helper()
	o.Font, o.Created = font(t), someDay
	out, err := PDF(t.Context(), d, o)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// textOf reads a PDF back.
func textOf(t *testing.T, data []byte) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), "pdftotext", "-layout", "-", "-")
	c.Stdin = bytes.NewReader(data)
	text, err := c.Output()
	if err != nil {
		t.Fatalf("pdftotext (from the package poppler-utils): %v", err)
	}
	return string(text)
}

// pageOf draws one page of a PDF.
func pageOf(t *testing.T, data []byte, page string) image.Image {
	t.Helper()
	path := filepath.Join(t.TempDir(), "page")
	c := exec.CommandContext(t.Context(), "pdftoppm", "-r", "60", "-f", page, "-l", page, "-singlefile", "-png", "-", path)
	c.Stdin = bytes.NewReader(data)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("pdftoppm (from the package poppler-utils): %v: %s", err, out)
	}
	drawn, err := os.ReadFile(path + ".png")
	if err != nil {
		t.Fatal(err)
	}
	m, err := png.Decode(bytes.NewReader(drawn))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// darkness counts the pixels of a page that are not white.
func darkness(m image.Image) (dark int) {
	b := m.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			if r, g, b, _ := m.At(x, y).RGBA(); (r+g+b)/3 < 0xA000 {
				dark++
			}
		}
	}
	return dark
}

func TestBudgetPDF(t *testing.T) {
	t.Parallel()
	table, chart := budgetReport(t)
	d := TableDocument(table, chart)
	d.Facts = []Fact{{Label: "超支部门", Value: "3 个", Warn: true}}
	for _, kind := range []string{"pie", "line"} {
		d.Blocks = append(d.Blocks, Block{Chart: &ChartBlock{Chart: Chart{Kind: kind, Title: kind, Category: "dept", Series: []string{"actual"}}, Data: table}})
	}
	out := makePDF(t, d, Options{})
	if out.Pages != 2 || len(out.Missing) > 0 || len(out.Notes) > 0 {
		t.Errorf("%d pages, missing %q, notes %q", out.Pages, string(out.Missing), out.Notes)
	}
	text := textOf(t, out.Data)
	for _, want := range []string{"2026年10月部门预算执行报告", "供应链管理部", "¥1,550,000.00", "-¥12,346.00", "100.8%", "超支", "合计", "CNY (万)", "第 2 页，共 2 页"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	page := pageOf(t, out.Data, "1")
	blue, orange := 0, 0
	for y := range page.Bounds().Dy() {
		for x := range page.Bounds().Dx() {
			switch c := color.RGBAModel.Convert(page.At(x, y)); c {
			case color.RGBA{31, 78, 121, 255}:
				blue++
			case color.RGBA{230, 126, 34, 255}:
				orange++
			}
		}
	}
	if blue < 5000 || orange < 5000 {
		t.Errorf("the bars are not drawn: %d blue and %d orange pixels", blue, orange)
	}
}

// TestGlyphsAreDrawn looks at the picture: text that can be copied says nothing about what is seen.
func TestGlyphsAreDrawn(t *testing.T) {
	t.Parallel()
	dark := func(text string) int {
		out := makePDF(t, &Document{Title: "-", Blocks: []Block{{Paragraph: text}}}, Options{})
		return darkness(pageOf(t, out.Data, "1"))
	}
	blank := dark(" ")
	thin, dense := dark(strings.Repeat("一", 40)), dark(strings.Repeat("鑫", 40))
	if thin < blank+40 || dense < blank+2*(thin-blank) {
		t.Errorf("blank %d, 一 %d, 鑫 %d dark pixels: boxes instead of characters?", blank, thin, dense)
	}
}

func TestMissingGlyphs(t *testing.T) {
	t.Parallel()
	d := &Document{Title: "报告😀", Blocks: []Block{{Paragraph: "加急\U0001F680\u200d\ufe0f ﬁne Ａ\x00"}}}
	out := makePDF(t, d, Options{})
	if string(out.Missing) != "😀🚀" {
		t.Errorf("missing %q", string(out.Missing))
	}
	if text := textOf(t, out.Data); !strings.Contains(text, "报告〓") || !strings.Contains(text, "加急〓") {
		t.Errorf("no mark in %s", text)
	}
	_, err := PDF(t.Context(), d, Options{Font: font(t), RefuseMissing: true})
	if err == nil || !strings.Contains(err.Error(), "the font has no \"😀🚀\"") {
		t.Errorf("got %v", err)
	}
}

func TestLongTable(t *testing.T) {
	t.Parallel()
	table := orders(200)
	table.Rows[7][2] = strings.Repeat("很长的说明。", 600)
	out := makePDF(t, TableDocument(table, nil), Options{})
	text := textOf(t, out.Data)
	pages := strings.Split(strings.TrimRight(text, "\f"), "\f")
	if len(pages) != out.Pages || out.Pages < 5 {
		t.Fatalf("%d pages of text, %d said", len(pages), out.Pages)
	}
	for i, page := range pages {
		if !strings.Contains(page, "下单日期") {
			t.Errorf("page %d does not repeat the headings", i+1)
		}
	}
	for i := range 200 {
		if no := "SO" + itoa(int64(2026000+i)); strings.Count(text, no) != 1 {
			t.Errorf("%s is there %d times", no, strings.Count(text, no))
		}
	}
	if got := strings.Count(strings.Join(strings.Fields(text), ""), "很长的说明"); got < 500 {
		t.Errorf("the long cell is cut: %d of its sentences are there", got)
	}
}

func TestPDFBounds(t *testing.T) {
	t.Parallel()
	wide := &Table{Title: "宽表"}
	for i := range 60 {
		wide.Columns = append(wide.Columns, Column{Key: "c" + itoa(int64(i)), Kind: Money})
	}
	wide.Rows = [][]any{make([]any, 60)}
	for j := range wide.Rows[0] {
		wide.Rows[0][j] = n("1234567.89")
	}
	for name, c := range map[string]struct {
		document *Document
		limits   Limits
		want     string
	}{
		"pages":    {TableDocument(orders(200), nil), Limits{Pages: 2}, "3 pages, at most 2"},
		"columns":  {TableDocument(wide, nil), Limits{}, "60 columns do not fit"},
		"blocks":   {&Document{Title: "x", Blocks: make([]Block, 9)}, Limits{Blocks: 5}, "9 blocks, at most 5"},
		"pictures": {&Document{Title: "x", Blocks: []Block{{Pictures: &Pictures{Data: make([]Picture, 3)}}}}, Limits{Pictures: 2}, "3 pictures, at most 2"},
		"bytes":    {TableDocument(orders(20), nil), Limits{OutputBytes: 1000}, "bytes of a PDF, at most 1000"},
	} {
		_, err := PDF(t.Context(), c.document, Options{Font: font(t), Limits: c.limits})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := PDF(stopped, TableDocument(orders(2), nil), Options{Font: font(t)}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestFindFont(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data, err := os.ReadFile(font(t).Regular)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none.ttf"):                           "no such file",
		write("empty.ttf", nil):                                  "not a TrueType font",
		write("cut.ttf", data[:len(data)/2]):                     "cut off",
		write("head.ttf", data[:40]):                             "cut off",
		write("cff.otf", append([]byte("OTTO"), data[4:100]...)): "PostScript outlines",
		write("all.ttc", append([]byte("ttcf"), data[4:100]...)): "collection",
	} {
		_, err := FindFont(Font{Regular: path})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), FontSetting) {
			t.Errorf("%s: got %v, want %q", filepath.Base(path), err, want)
		}
	}
	if _, err := PDF(t.Context(), &Document{Title: "x"}, Options{}); err == nil || !strings.Contains(err.Error(), FontPackage) {
		t.Errorf("without font: %v", err)
	}
}

func TestWrap(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want string
	}{
		{"预算执行，报告。", "预算执/行，报/告。"},
		{"（预算）执行", "（预算）/执行"},
		{"一二三《书》", "一二三/《书》"},
		{"hello big world", "hello/big/world"},
		{"abcdefghijkl", "abcdefgh/ijkl"},
		{"订单SO123号", "订单/SO123号"},
		{"a\n\nb", "a//b"},
		{"", ""},
		{"    ", ""},
	} {
		if got := strings.Join(wrap(c.text, 8, cells), "/"); got != c.want {
			t.Errorf("%q: got %q, want %q", c.text, got, c.want)
		}
	}
}

func FuzzFont(f *testing.F) {
	f.Add([]byte("\x00\x01\x00\x00\x00\x01"))
	f.Add([]byte("true"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		_ = (&face{data: data}).inspect() // no panic
	})
}
