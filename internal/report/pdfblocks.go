package report

// block draws one block.
func (s *sheet) block(b Block, index int) {
	switch {
	case b.Heading != "":
		s.heading(b, index)
	case b.Paragraph != "":
		s.text(b.Paragraph, margin, s.inner(), style{size: bodySize, ink: black})
		s.y += 2
	case len(b.Facts) > 0:
		s.facts(b.Facts)
	case b.Table != nil:
		s.table(b.Table.Data)
	case b.Chart != nil:
		s.chart(b.Chart)
	case b.Pictures != nil:
		s.picturesBlock(b.Pictures)
	case len(b.Process) > 0:
		s.process(b.Process)
	case len(b.Signatures) > 0:
		s.signatures(b.Signatures)
	case b.PageBreak:
		if s.y > topMargin {
			s.newPage()
		}
	}
}

func (s *sheet) heading(b Block, index int) {
	t := style{size: 13, bold: true, ink: blue}
	if b.Level == 2 {
		t = style{size: 11, bold: true, ink: black}
	}
	follows := 16.0 // a heading never stands alone at the foot of a page
	if index+1 < len(s.doc.Blocks) {
		follows = s.least(s.doc.Blocks[index+1])
	}
	s.y += 2
	s.need(t.lineHeight() + follows)
	s.text(b.Heading, margin, s.inner(), t)
	s.y++
}

// least is the height that the beginning of a block takes, about.
func (s *sheet) least(b Block) float64 {
	switch {
	case b.Chart != nil:
		return s.chartHeight(b.Chart)
	case b.Pictures != nil:
		return pictureHeight
	case b.Table != nil:
		return 26
	}
	return 16
}

// facts are two columns: labels, and values beside them.
func (s *sheet) facts(facts []Fact) {
	label := style{size: bodySize, ink: grey}
	widest := 0.0
	for _, f := range facts {
		text, _ := s.face.set(f.Label, false)
		widest = max(widest, s.measure(text, label))
	}
	widest = min(widest, s.inner()*0.35)
	x := margin + widest + 5
	for _, f := range facts {
		value := style{size: bodySize, ink: black}
		if f.Warn {
			value.ink, value.bold = red, true
		}
		labels, label := s.lines(f.Label, widest+0.1, label)
		values, value := s.lines(f.Value, s.width-margin-x, value)
		for i := range max(len(labels), len(values)) {
			s.need(label.lineHeight())
			if i < len(labels) {
				s.write(labels[i], margin, s.y, widest, label)
			}
			if i < len(values) {
				s.write(values[i], x, s.y, s.width-margin-x, value)
			}
			s.y += label.lineHeight()
		}
		s.y += 0.6
	}
	s.y += 2
}

// process draws steps along a line with a dot each.
func (s *sheet) process(steps []Step) {
	const dot, indent = 1.6, 8.0
	title := style{size: bodySize, bold: true, ink: black}
	small := style{size: 8.5, ink: grey}
	for i, step := range steps {
		s.need(title.lineHeight() + small.lineHeight() + 2)
		x, top := margin+dot+0.6, s.y
		page := s.pages
		when, _ := s.face.set(step.When, false)
		beside := s.measure(when, small)
		s.write(when, margin, s.y+0.5, s.inner(), style{size: small.size, ink: grey, align: "right"})
		t := title
		if step.State == "open" {
			t.ink = grey
		}
		s.text(step.Title, margin+indent, s.inner()-indent-beside-4, t)
		if step.By != "" {
			s.text(step.By, margin+indent, s.inner()-indent, small)
		}
		if step.Text != "" {
			s.text(step.Text, margin+indent, s.inner()-indent, style{size: 9.5, ink: black})
		}
		s.y += 2.5
		center := top + title.lineHeight()/2
		if i+1 < len(steps) && page == s.pages {
			s.rule(x, center+dot+0.8, x, s.y+title.lineHeight()/2-dot-0.8, paleGrey, 0.6)
		}
		if page == s.pages {
			s.dot(x, center, dot, step.State)
		} else { // the step ran over to the next page: its dot stands on the page where it began
			s.turnTo(page)
			s.dot(x, center, dot, step.State)
			s.turnTo(s.pages)
		}
	}
	s.y += 1.5
}

// dot marks a step: filled when done, a ring when open, with a cross when failed.
func (s *sheet) dot(x, y, radius float64, state string) {
	c := ink{22, 128, 84}
	mode := "F"
	switch state {
	case "current":
		c = ink{217, 119, 6}
	case "open":
		c, mode = grey, "D"
	case "failed":
		c = red
	}
	s.pdf.SetDrawColor(c[0], c[1], c[2])
	s.pdf.SetFillColor(c[0], c[1], c[2])
	s.pdf.SetLineWidth(0.5)
	s.pdf.Circle(x, y, radius, mode)
	d := radius * 0.45
	switch state {
	case "failed":
		s.rule(x-d, y-d, x+d, y+d, white, 0.4)
		s.rule(x-d, y+d, x+d, y-d, white, 0.4)
	case "", "done":
		s.rule(x-d*1.3, y, x-d*0.2, y+d, white, 0.4)
		s.rule(x-d*0.2, y+d, x+d*1.4, y-d, white, 0.4)
	}
}

// signatures are lines to sign on, three beside each other.
func (s *sheet) signatures(all []Signature) {
	const columns, gap, height = 3, 8.0, 22.0
	width := (s.inner() - gap*(columns-1)) / columns
	small := style{size: 8.5, ink: grey}
	s.y += 2
	for i, one := range all {
		if i%columns == 0 {
			s.need(height)
		}
		x := margin + float64(i%columns)*(width+gap)
		s.line(one.Name, x, s.y+6, width, style{size: 11, ink: black})
		s.rule(x, s.y+12.5, x+width, s.y+12.5, black, 0.2)
		s.line(one.Role, x, s.y+13.2, width, small)
		date := one.Date
		if date == "" {
			date = s.opts.word("日期：　　　　", "Date:                ")
		}
		text, _ := s.face.set(date, false)
		s.write(text, x, s.y+13.2, width, style{size: small.size, ink: grey, align: "right"})
		if i%columns == columns-1 || i == len(all)-1 {
			s.y += height
		}
	}
}
