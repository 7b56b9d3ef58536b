package report

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"
)

// corner is a picture that is red in its upper left quarter, and blue else.
func corner(w, h int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetRGBA(x, y, color.RGBA{B: 255, A: 255})
			if x < w/2 && y < h/2 {
				m.SetRGBA(x, y, color.RGBA{R: 255, A: 255})
			}
		}
	}
	return m
}

// photograph is the JPEG that a camera held in some way makes of an upright picture.
func photograph(t testing.TB, stored image.Image, orientation int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, stored, nil); err != nil {
		t.Fatal(err)
	}
	tiff := []byte("II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00")
	tiff = append(tiff, byte(orientation), 0, 0, 0, 0, 0, 0, 0)
	body := append([]byte("Exif\x00\x00"), tiff...)
	head := binary.BigEndian.AppendUint16([]byte{0xFF, 0xD8, 0xFF, 0xE1}, uint16(len(body)+2))
	return append(append(head, body...), b.Bytes()[2:]...)
}

func TestOrientations(t *testing.T) {
	t.Parallel()
	// Where the stored upper left corner is shown: EXIF 2.3, tag Orientation.
	for orientation, want := range []string{1: "left top", 2: "right top", 3: "right bottom", 4: "left bottom", 5: "left top", 6: "right top", 7: "right bottom", 8: "left bottom"} {
		if orientation == 0 {
			continue
		}
		r, err := Picture{Data: photograph(t, corner(160, 80), orientation)}.prepare(DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		if upright := orientation < 5; upright != (r.width == 160) {
			t.Errorf("%d: %d x %d", orientation, r.width, r.height)
		}
		m, err := jpeg.Decode(bytes.NewReader(r.data))
		if err != nil {
			t.Fatal(err)
		}
		for place, at := range map[string]image.Point{"left top": {r.width / 4, r.height / 4}, "right top": {3 * r.width / 4, r.height / 4}, "left bottom": {r.width / 4, 3 * r.height / 4}, "right bottom": {3 * r.width / 4, 3 * r.height / 4}} {
			red, _, blue, _ := m.At(at.X, at.Y).RGBA()
			if isRed := red > blue; isRed != (place == want) {
				t.Errorf("%d: %s is red: %t", orientation, place, isRed)
			}
		}
	}
}

func pngOf(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// claims is a PNG whose header says that it is huge.
func claims(t testing.TB, w, h uint32) []byte {
	data := pngOf(t, corner(4, 4))
	binary.BigEndian.PutUint32(data[16:], w)
	binary.BigEndian.PutUint32(data[20:], h)
	binary.BigEndian.PutUint32(data[29:], crc32.ChecksumIEEE(data[12:29]))
	return data
}

func TestPictures(t *testing.T) {
	t.Parallel()
	var moving bytes.Buffer
	if err := gif.Encode(&moving, corner(50, 40), nil); err != nil {
		t.Fatal(err)
	}
	clear := image.NewNRGBA(image.Rect(0, 0, 10, 10))
	for name, c := range map[string]struct {
		data []byte
		want string // of the format and size, or the error
	}{
		"gif":       {moving.Bytes(), "png 50 x 40"},
		"png":       {pngOf(t, corner(50, 40)), "png 50 x 40"},
		"clear png": {pngOf(t, clear), "png 10 x 10"},
		"large":     {photograph(t, corner(2800, 700), 1), "jpeg 1400 x 350"},
		"bomb":      {claims(t, 60000, 60000), "too large: 60000 x 60000 pixels, at most 33 million"},
		"cut":       {pngOf(t, corner(50, 40))[:60], "is broken"},
		"empty":     {nil, "is empty"},
		"text":      {[]byte("hello"), "no picture"},
		"webp":      {[]byte("RIFF\x00\x00\x00\x00WEBPVP8 "), "WebP"},
		"heic":      {[]byte("\x00\x00\x00\x18ftypheic\x00"), "HEIC"},
	} {
		r, err := Picture{Data: c.data}.prepare(DefaultLimits())
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = r.format + " " + itoa(int64(r.width)) + " x " + itoa(int64(r.height))
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func qualityReport(t testing.TB) *Document {
	t.Helper()
	d, err := DecodeDocument([]byte(`
title: 质量问题报告
subtitle: 编号 QR-2026-1102
facts: [{label: 产品, value: A380 液压阀体}, {label: 严重程度, value: 严重, warn: true}]
blocks:
  - heading: 一、问题描述
  - paragraph: 2026年11月2日上午，装配车间在对 A380 液压阀体进行气密性测试时，发现 3 件产品在 0.6MPa 压力下出现泄漏，见 <附图> & 记录。
  - heading: 二、现场图片
  - pictures: {of: attachments}
  - heading: 三、处理流程
  - process:
      - {title: 发现问题并隔离, when: 2026-11-02 10:30, by: 李敏, text: 整批 120 件已隔离。}
      - {title: 供应商整改, state: current}
      - {title: 复检, state: failed}
      - {title: 关闭, state: open}
  - table: {of: counts}
  - page_break: true
  - signatures: [{role: 质量部, name: 王建国, date: 2026-11-03}, {role: 生产部}, {role: 采购部}]
`))
	if err != nil {
		t.Fatal(err)
	}
	counts := &Table{Columns: []Column{{Key: "批次", Kind: Text}, {Key: "数量", Kind: Number}}, Rows: [][]any{{"20261015-07", n("120")}}}
	err = d.Bind(map[string]*Table{"counts": counts}, func(string) ([]Picture, error) {
		return []Picture{
			{Name: "a.jpg", Caption: "图1 泄漏位置", Data: photograph(t, corner(160, 120), 1)},
			{Name: "b.jpg", Caption: "图2 横放的手机", Data: photograph(t, corner(160, 120), 6)},
			{Name: "c.png", Caption: "图3 气孔", Data: pngOf(t, corner(100, 100))},
			{Name: "d.jpg", Caption: "图4 全景", Data: photograph(t, corner(300, 80), 3)},
			{Name: "坏.jpg", Caption: "图5", Data: []byte("\xff\xd8\xffgarbage")},
		}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestQualityPDF(t *testing.T) {
	t.Parallel()
	out := makePDF(t, qualityReport(t), Options{})
	if again := makePDF(t, qualityReport(t), Options{}); !bytes.Equal(out.Data, again.Data) {
		t.Error("equal input gives different bytes")
	}
	if len(out.Notes) != 1 || !strings.Contains(out.Notes[0], "坏.jpg: is broken") {
		t.Errorf("notes %q", out.Notes)
	}
	text := textOf(t, out.Data)
	for _, want := range []string{"质量问题报告", "气密性测试", "图2 横放的手机", "无法显示图片", "发现问题并隔离", "李敏", "20261015-07", "采购部", "王建国"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	red := 0
	page := pageOf(t, out.Data, "1")
	for y := range page.Bounds().Dy() {
		for x := range page.Bounds().Dx() {
			if r, g, b, _ := page.At(x, y).RGBA(); r > 0xE000 && g < 0x2000 && b < 0x2000 {
				red++
			}
		}
	}
	if red < 1000 {
		t.Errorf("the pictures are not there: %d red pixels", red)
	}
}

func TestQualityHTML(t *testing.T) {
	t.Parallel()
	page, err := HTML(t.Context(), qualityReport(t), "example.com", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Inline) != 4 || page.Inline[0].Type != "image/jpeg" || page.Inline[0].Name != "a.jpg" || len(page.Notes) != 1 {
		t.Errorf("%d pictures, notes %q", len(page.Inline), page.Notes)
	}
	for _, inline := range page.Inline {
		if !strings.Contains(page.HTML, `src="cid:`+inline.ContentID+`"`) {
			t.Errorf("%s is not shown", inline.ContentID)
		}
	}
	for _, want := range []string{"&lt;附图&gt; &amp; 记录", "处理流程", "●", "坏.jpg"} {
		if !strings.Contains(page.HTML, want) {
			t.Errorf("no %s in %s", want, page.HTML)
		}
	}
	for _, never := range []string{"<script", "<style", "class=", "http"} {
		if strings.Contains(page.HTML, never) {
			t.Errorf("there is %s", never)
		}
	}
}

func TestTableHTMLAndText(t *testing.T) {
	t.Parallel()
	table := &Table{Title: "<b>预算</b>", Columns: []Column{{Key: "d", Label: "部门", Kind: Text}, {Key: "a", Label: "金额", Kind: Money, Currency: "CNY", Warn: true}}, Rows: [][]any{
		{"<img src=x onerror=alert(1)>", n("-5")}, {"销售部", nil}, {"合计", n("1234567.5")},
	}, Roles: map[int]Role{2: Total}}
	html, err := TableHTML(table, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"&lt;b&gt;预算", "&lt;img src=x onerror=alert(1)&gt;", "&nbsp;", "color:#b91c1c", "¥1,234,567.50", "font-weight:bold"} {
		if !strings.Contains(html, want) {
			t.Errorf("no %s in %s", want, html)
		}
	}
	text, err := TableText(table, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := `<b>预算</b>

部门                                   金额
----------------------------  -------------
<img src=x onerror=alert(1)>         -¥5.00
销售部
----------------------------  -------------
合计                          ¥1,234,567.50
`
	if text != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
}

func TestDocumentMistakes(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]string{
		"titel: x":                                                           "unknown field",
		"blocks: [{heading: a, paragraph: b}]":                               "there are 2",
		"blocks: [{process: [{title: a, state: lost}]}]":                     "state is done",
		"orientation: round":                                                 "portrait or landscape",
		"blocks: [{pictures: {columns: 9}}]":                                 "columns of pictures",
		"blocks: [{table: {of: none}}]":                                      `no table "none"`,
		"blocks: [{chart: {kind: bar, category: a, series: [b], of: none}}]": `no table "none" for the chart`,
		"blocks: [{pictures: {of: none}}]":                                   `no pictures "none"`,
	} {
		d, err := DecodeDocument([]byte(spec))
		if err == nil {
			err = d.Bind(nil, nil)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", spec, err, want)
		}
	}
}

func FuzzPicture(f *testing.F) {
	f.Add(photograph(f, corner(16, 8), 6))
	f.Add(pngOf(f, corner(8, 8)))
	f.Add([]byte("GIF89a"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Picture{Data: data}.prepare(Limits{DecodedBytes: 1 << 20}.orDefault())
		if err == nil && (r.width < 1 || r.height < 1 || r.width > maxEdge || r.height > maxEdge) {
			t.Errorf("%d x %d", r.width, r.height)
		}
	})
}
