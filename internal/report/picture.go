package report

import (
	"bytes"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"math"
)

// maxEdge is the longer side of a picture in a document, in pixels: 90 mm in print at some 400 dots per inch.
const maxEdge = 1400

// ready is a picture that can be put on a page: upright, scaled, without metadata (which tell where a phone was).
type ready struct {
	data          []byte
	format        string // jpeg or png
	width, height int    // in pixels
}

// format is one kind of picture that can be read.
type format struct {
	name   string
	starts func(data []byte) bool
	decode func(io.Reader) (image.Image, error)
	config func(io.Reader) (image.Config, error)
}

var formats = []format{
	{"jpeg", func(d []byte) bool { return bytes.HasPrefix(d, []byte("\xff\xd8\xff")) }, jpeg.Decode, jpeg.DecodeConfig},
	{"png", func(d []byte) bool { return bytes.HasPrefix(d, []byte("\x89PNG\r\n\x1a\n")) }, png.Decode, png.DecodeConfig},
	{"gif", func(d []byte) bool { return bytes.HasPrefix(d, []byte("GIF8")) }, gif.Decode, gif.DecodeConfig},
}

// prepare decodes a picture within bounds, turns it upright as its EXIF orientation says, scales it down, and encodes it anew.
func (p Picture) prepare(l Limits) (*ready, error) {
	f, err := recognise(p.Data)
	if err != nil {
		return nil, err
	}
	config, err := f.config(bytes.NewReader(p.Data))
	if err != nil {
		return nil, wrong("is broken: %w", err)
	}
	scan := exif{orientation: 1}
	if f.name == "jpeg" {
		scan = readEXIF(p.Data)
	}
	if err := decodedSize(f.name, config, scan.progressive, l.DecodedBytes); err != nil {
		return nil, err
	}
	decoded, err := f.decode(bytes.NewReader(p.Data))
	if err != nil {
		return nil, wrong("is broken: %w", err)
	}
	upright := scan.turn(shrink(decoded, maxEdge))
	return encode(upright, f.name)
}

// recognise tells the format by the first bytes, not by the name.
func recognise(data []byte) (format, error) {
	for _, f := range formats {
		if f.starts(data) {
			return f, nil
		}
	}
	switch {
	case len(data) == 0:
		return format{}, wrong("is empty")
	case len(data) > 12 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WEBP":
		return format{}, wrong("is a WebP picture; JPEG, PNG and GIF can be shown")
	case len(data) > 12 && string(data[4:8]) == "ftyp":
		return format{}, wrong("is a HEIC or AVIF picture or a film; JPEG, PNG and GIF can be shown")
	}
	return format{}, wrong("is no picture that can be shown; JPEG, PNG and GIF can")
}

// decodedSize refuses pictures that would take too much memory, before they do: a few kilobytes of PNG can be gigabytes.
func decodedSize(name string, c image.Config, progressive bool, limit int) error {
	perPixel := 4
	switch {
	case name == "gif":
		perPixel = 1
	case progressive: // all coefficients are kept until the end, four bytes each
		perPixel = 15
	case name == "jpeg":
		perPixel = 3
	case c.ColorModel == color.RGBA64Model || c.ColorModel == color.NRGBA64Model || c.ColorModel == color.Gray16Model:
		perPixel = 8
	}
	if c.Width <= 0 || c.Height <= 0 {
		return wrong("has no size")
	}
	most := limit / perPixel
	if c.Width > most/c.Height {
		return wrong("is too large: %d x %d pixels, at most %d million are allowed for this format", c.Width, c.Height, most/1_000_000)
	}
	return nil
}

// shrink scales a picture down by averaging, so that its longer side is at most edge. Transparent parts become white.
func shrink(m image.Image, edge int) *image.RGBA {
	b := m.Bounds()
	scale := math.Max(1, math.Max(float64(b.Dx()), float64(b.Dy()))/float64(edge))
	width, height := max(1, int(float64(b.Dx())/scale)), max(1, int(float64(b.Dy())/scale))
	out := image.NewRGBA(image.Rect(0, 0, width, height))
	mean := generalMean(m)
	if y, ok := m.(*image.YCbCr); ok {
		mean = lumaMean(y)
	}
	for y := range height {
		y0, y1 := b.Min.Y+y*b.Dy()/height, b.Min.Y+(y+1)*b.Dy()/height
		for x := range width {
			x0, x1 := b.Min.X+x*b.Dx()/width, b.Min.X+(x+1)*b.Dx()/width
			out.SetRGBA(x, y, mean(x0, y0, max(x1, x0+1), max(y1, y0+1)))
		}
	}
	return out
}

// generalMean averages a rectangle of any picture, over white.
func generalMean(m image.Image) func(x0, y0, x1, y1 int) color.RGBA {
	return func(x0, y0, x1, y1 int) color.RGBA {
		var r, g, b, n uint64
		for y := y0; y < y1; y++ {
			for x := x0; x < x1; x++ {
				cr, cg, cb, ca := m.At(x, y).RGBA()
				rest := uint64(0xFFFF - ca)
				r, g, b, n = r+uint64(cr)+rest, g+uint64(cg)+rest, b+uint64(cb)+rest, n+1
			}
		}
		return color.RGBA{R: byte(r / n >> 8), G: byte(g / n >> 8), B: byte(b / n >> 8), A: 255}
	}
}

// lumaMean averages a rectangle of a JPEG before its colours are converted, which is several times as fast.
func lumaMean(m *image.YCbCr) func(x0, y0, x1, y1 int) color.RGBA {
	return func(x0, y0, x1, y1 int) color.RGBA {
		var luma, cb, cr, n uint64
		for y := y0; y < y1; y++ {
			for x := x0; x < x1; x++ {
				c := m.COffset(x, y)
				luma, cb, cr, n = luma+uint64(m.Y[m.YOffset(x, y)]), cb+uint64(m.Cb[c]), cr+uint64(m.Cr[c]), n+1
			}
		}
		r, g, b := color.YCbCrToRGB(byte(luma/n), byte(cb/n), byte(cr/n))
		return color.RGBA{R: r, G: g, B: b, A: 255}
	}
}

// encode writes drawings as PNG, and photographs, and what gets large as PNG, as JPEG.
func encode(m *image.RGBA, from string) (*ready, error) {
	r := &ready{format: "png", width: m.Bounds().Dx(), height: m.Bounds().Dy()}
	var b bytes.Buffer
	if from != "jpeg" {
		if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, m); err != nil {
			return nil, wrong("encode: %w", err)
		}
		if r.data = b.Bytes(); len(r.data) < 300<<10 {
			return r, nil
		}
		b = bytes.Buffer{}
	}
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 86}); err != nil {
		return nil, wrong("encode: %w", err)
	}
	r.data, r.format = b.Bytes(), "jpeg"
	return r, nil
}
