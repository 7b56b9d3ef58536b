package report

import (
	"bytes"
	"fmt"
	"math"

	"codeberg.org/go-pdf/fpdf"
)

// pictureHeight is the most that a picture takes of the height of a page, in millimetres; more when it stands alone in its row.
const pictureHeight = 75.0

// picturesBlock puts pictures beside each other in rows.
func (s *sheet) picturesBlock(p *Pictures) {
	columns := p.Columns
	if columns == 0 {
		columns = min(2, max(1, len(p.Data)))
	}
	const gap = 6.0
	width := (s.inner() - gap*float64(columns-1)) / float64(columns)
	highest := pictureHeight
	if columns == 1 {
		highest = 120
	}
	for from := 0; from < len(p.Data); from += columns {
		if err := s.ctx.Err(); err != nil {
			s.fail(err)
		}
		if s.err != nil {
			return
		}
		s.pictureRow(p.Data[from:min(from+columns, len(p.Data))], width, gap, highest)
	}
	s.y++
}

// placed is a picture with its place in the row.
type placed struct {
	ready         *ready
	reason        string // why it is not shown
	width, height float64
	caption       []string
}

func (s *sheet) pictureRow(row []Picture, width, gap, highest float64) {
	captionStyle := style{size: 8.5, ink: grey, align: "center"}
	all := make([]placed, len(row))
	height := 0.0
	for i, p := range row {
		s.pictures++
		one := placed{width: width, height: 30}
		prepared, err := p.prepare(s.opts.Limits)
		if err != nil {
			one.reason = p.complaint(err, s.opts)
			s.notes = append(s.notes, one.reason)
		} else {
			one.ready = prepared
			ratio := math.Min(width/float64(prepared.width), highest/float64(prepared.height))
			ratio = math.Min(ratio, 25.4/72) // no coarser than 72 dots per inch
			one.width, one.height = ratio*float64(prepared.width), ratio*float64(prepared.height)
		}
		one.caption, _ = s.lines(p.Caption, width, captionStyle)
		if len(one.caption) > 4 {
			one.caption = append(one.caption[:3], s.cut(one.caption[3]+one.caption[4], width, captionStyle))
		}
		height = math.Max(height, one.height+1.5+float64(len(one.caption))*captionStyle.lineHeight())
		all[i] = one
	}
	s.need(height)
	for i, one := range all {
		x := margin + float64(i)*(width+gap)
		s.place(one, x, width, s.pictures-len(all)+i)
		for n, line := range one.caption {
			s.write(line, x, s.y+one.height+1+float64(n)*captionStyle.lineHeight(), width, captionStyle)
		}
	}
	s.y += height + 2.5
}

// complaint says what is wrong with a picture, for the box in its place.
func (p Picture) complaint(err error, o Options) string {
	name := p.Name
	if name == "" {
		name = o.word("图片", "picture")
	}
	return fmt.Sprintf("%s: %v", shorten(name, 80), err)
}

// place draws a picture, or a box with the reason why there is none.
func (s *sheet) place(one placed, x, width float64, number int) {
	if one.ready == nil {
		s.pdf.SetDrawColor(grey[0], grey[1], grey[2])
		s.pdf.SetLineWidth(0.2)
		y := s.y
		s.pdf.Rect(x, y, width, one.height, "D")
		t := style{size: 8.5, ink: red, align: "center"}
		lines, t := s.lines(s.opts.word("无法显示图片\n", "This picture cannot be shown\n")+one.reason, width-6, t)
		if len(lines) > 5 {
			lines = append(lines[:4], s.cut(lines[4]+lines[5], width-6, t))
		}
		y += (one.height - float64(len(lines))*t.lineHeight()) / 2
		for _, line := range lines {
			s.write(line, x+3, y, width-6, t)
			y += t.lineHeight()
		}
		return
	}
	name := fmt.Sprintf("picture-%d", number)
	options := fpdf.ImageOptions{ImageType: one.ready.format}
	s.pdf.RegisterImageOptionsReader(name, options, bytes.NewReader(one.ready.data))
	s.pdf.ImageOptions(name, x+(width-one.width)/2, s.y, one.width, one.height, false, options, 0, "")
}
