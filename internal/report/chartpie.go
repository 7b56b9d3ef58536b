package report

import (
	"math"

	"codeberg.org/go-pdf/fpdf"
)

// pie draws slices from twelve o'clock on, clockwise, the largest first, with a legend of names, amounts and parts.
func (s *sheet) pie(p *plot, bottom float64) {
	values := p.series[0].values
	total := sum(values)
	if total <= 0 {
		return
	}
	radius := math.Min((bottom-s.y-4)/2, 34)
	x, y := margin+radius+8, s.y+radius+2
	start := 0.0
	for i, v := range values {
		end := start + 2*math.Pi*v/total
		s.slice(x, y, radius, start, end, palette[i])
		if share := v / total; share >= 0.06 {
			middle := (start + end) / 2
			label := axisNumber(math.Round(share*100), 1, 1) + "%"
			t := style{size: 8.5, bold: true, ink: white, align: "center"}
			s.line(label, x+radius*0.66*math.Sin(middle)-10, y-radius*0.66*math.Cos(middle)-t.lineHeight()/2, 20, t)
		}
		start = end
	}
	s.pieLegend(p, x+radius+14, y, total)
}

// slice draws one sector as a polygon with sides too short to see.
func (s *sheet) slice(x, y, radius, start, end float64, c ink) {
	steps := max(2, int(math.Ceil((end-start)/(math.Pi/90))))
	points := []fpdf.PointType{{X: x, Y: y}}
	for i := range steps + 1 {
		angle := start + (end-start)*float64(i)/float64(steps)
		points = append(points, fpdf.PointType{X: x + radius*math.Sin(angle), Y: y - radius*math.Cos(angle)})
	}
	s.pdf.SetFillColor(c[0], c[1], c[2])
	s.pdf.SetDrawColor(white[0], white[1], white[2])
	s.pdf.SetLineWidth(0.4)
	s.pdf.Polygon(points, "FD")
}

func (s *sheet) pieLegend(p *plot, x, middle, total float64) {
	t := style{size: 9, ink: black}
	values := p.series[0].values
	row := t.lineHeight() + 1.4
	y := middle - row*float64(len(values))/2
	for i, v := range values {
		s.fill(x, y+1.1, 3, 2.4, palette[i])
		amount := s.opts.show(number(p.series[0].exact[i]), p.series[0].column)
		part := axisNumber(100*v/total, 0.1, 1) + "%"
		end := s.width - margin
		s.line(part, end-16, y, 16, style{size: 9, ink: black, align: "right"})
		s.line(amount, end-54, y, 36, style{size: 9, ink: grey, align: "right"})
		s.line(p.categories[i], x+5, y, end-56-x-5, t)
		y += row
	}
}
