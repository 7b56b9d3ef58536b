package extract

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// maxWork bounds the search of one mail. The unit of work is about a nanosecond, but it is counted and not measured: the same mail gives
// the same result on any machine.
const maxWork = 120_000_000

// search is the work on one mail.
type search struct {
	mail      Mail
	documents map[Source]*document
	work      int
	truncated bool
}

// found is a candidate with what orders it.
type found struct {
	Candidate
	rank int // the way in which it was found: smaller is better
}

// The ways, from the best.
const (
	byLabel = iota
	byWeakLabel
	byTable
	byPattern
	byKind
)

func (s *search) run(specs Specs) Result {
	r := Result{Fields: map[string]Field{}}
	for _, name := range slices.Sorted(maps.Keys(specs)) {
		spec := specs[name]
		p, err := spec.compile()
		if err != nil {
			continue
		}
		if list := s.field(&spec, p); len(list) > 0 {
			r.Fields[name] = Field{Candidates: list, all: spec.All && spec.Table == nil}
		} else if spec.Required {
			r.Missing = append(r.Missing, name)
		}
	}
	r.Truncated = s.truncated
	return r
}

// sources are where a field is looked for; those after `last` only where the ones before hold nothing.
func (s *search) sources(spec *Spec, p *program) (list []Source, fallback []Source) {
	switch {
	case len(p.sources) > 0:
		return p.sources, nil
	case spec.Table != nil:
		return []Source{FromHTML}, []Source{FromUnquoted}
	}
	return []Source{FromSubject, FromUnquoted}, []Source{FromHTML}
}

func (s *search) field(spec *Spec, p *program) []Candidate {
	list, fallback := s.sources(spec, p)
	all := s.inSources(list, spec, p)
	for _, source := range fallback {
		if len(all) == 0 {
			all = s.inSources([]Source{source}, spec, p)
		}
	}
	if !spec.All {
		slices.SortStableFunc(all, func(a, b found) int {
			if a.Confidence != b.Confidence {
				return strings.Compare(string(a.Confidence), string(b.Confidence)) // certain before likely
			}
			return a.rank - b.rank
		})
	} else if len(all) > 0 { // a list is of one kind of evidence, in the order of the text
		best := slices.MinFunc(all, func(a, b found) int { return a.rank - b.rank }).rank
		all = slices.DeleteFunc(all, func(f found) bool { return f.rank != best })
	}
	out := make([]Candidate, 0, min(len(all), maxCandidates))
	seen := map[string]bool{}
	for _, f := range all {
		key := valueKey(f.Value)
		if seen[key] || len(out) == maxCandidates {
			continue
		}
		seen[key] = true
		out = append(out, f.Candidate)
	}
	return out
}

func valueKey(v any) string {
	if t, ok := v.(time.Time); ok {
		return t.Format(time.RFC3339)
	}
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(data)
}

func (s *search) inSources(sources []Source, spec *Spec, p *program) []found {
	var all []found
	for _, source := range sources {
		d := s.document(source)
		if d.text == "" {
			continue
		}
		if spec.Table != nil {
			all = append(all, s.rows(d, spec, p)...)
			continue
		}
		labelled := s.labelled(d, spec, p)
		all = append(all, labelled...)
		switch {
		case p.pattern != nil && len(labelled) == 0:
			all = append(all, s.patterned(d, spec, p)...)
		case p.pattern == nil && len(p.labels) == 0:
			all = append(all, s.ofKind(d, spec)...)
		}
	}
	return all
}

// document prepares a part of the mail, once.
func (s *search) document(source Source) *document {
	if d, ok := s.documents[source]; ok {
		s.truncated = s.truncated || d.truncated
		return d
	}
	var text string
	var markup bool // not all of it is in text
	switch source {
	case FromSubject:
		text = strings.NewReplacer("\r", "", "\n", " ").Replace(s.mail.Subject)
	case FromUnquoted:
		text = s.mail.Unquoted
	case FromText:
		text = s.mail.Text
	case FromHTML:
		text, markup = markupText(s.mail.HTML)
	case FromAttachments:
		text = strings.Join(s.mail.Attachments, "\n")
	}
	d, truncated := newDocument(source, text)
	d.truncated = markup || truncated
	s.truncated = s.truncated || d.truncated
	s.documents[source] = d
	return d
}

// afford tells whether there is room for more work.
func (s *search) afford(work int) bool {
	s.work += work
	if s.work > maxWork {
		s.truncated = true
		return false
	}
	return true
}

// reader reads the kinds of a spec in this mail.
func (s *search) reader(spec *Spec) *reader {
	r := &reader{search: s, date: s.mail.Date, language: s.mail.Language, currency: spec.Currency, region: spec.Region, order: spec.DateOrder}
	if r.region == "" && strings.HasPrefix(r.language, "zh") {
		r.region = "CN"
	}
	return r
}

// patterned finds the pattern anywhere.
func (s *search) patterned(d *document, spec *Spec, p *program) []found {
	var all []found
	s.chunks(d, p.cost, func(start int, text string) bool {
		for _, m := range p.pattern.FindAllStringSubmatchIndex(text, maxCandidates) {
			from, to := group(m)
			if from == to {
				continue
			}
			c, ok := s.typed(d, spec, start+from, start+to)
			if !ok {
				continue
			}
			c.Why = "the pattern fits"
			rank := byPattern
			if len(p.labels) > 0 {
				c.Confidence, c.Why = Likely, "the pattern fits, but not beside a label"
			}
			all = append(all, found{c, rank})
		}
		return len(all) < maxCandidates
	})
	return all
}

// group is the first group of a match, or all of it.
func group(m []int) (from, to int) {
	if len(m) > 2 && m[2] >= 0 {
		return m[2], m[3]
	}
	return m[0], m[1]
}

// typed reads a part of the text as the spec's kind.
func (s *search) typed(d *document, spec *Spec, from, to int) (Candidate, bool) {
	text := d.text[from:to]
	c := Candidate{Value: text, Text: text, Source: d.source, Offset: from, Confidence: Certain}
	if spec.Kind == "" || spec.Kind == KindText {
		return c, text != ""
	}
	h, ok := s.reader(spec).read(spec.Kind, text)
	if !ok {
		return c, false
	}
	c.Value, c.Ambiguous = h.value, h.ambiguous
	if h.likely || h.ambiguous {
		c.Confidence = Likely
	}
	return c, true
}

// ofKind finds a kind anywhere.
func (s *search) ofKind(d *document, spec *Spec) []found {
	var all []found
	r := s.reader(spec)
	s.chunks(d, 0, func(start int, text string) bool {
		for _, h := range r.find(spec.Kind, text, false) {
			all = append(all, found{Candidate{
				Value: h.value, Text: text[h.start:h.end], Source: d.source, Offset: start + h.start,
				Confidence: Likely, Why: "looks like " + string(spec.Kind) + why(h), Ambiguous: h.ambiguous,
			}, byKind})
		}
		return len(all) < maxCandidates
	})
	return all
}

func why(h hit) string {
	if h.why == "" {
		return ""
	}
	return ": " + h.why
}

// maxChunk is what a pattern or kind sees at once. What goes over the end of a longer paragraph is not found.
const maxChunk = 8 << 10

// chunks hands out the text in whole lines as far as they fit.
func (s *search) chunks(d *document, cost int, do func(start int, text string) bool) {
	for i := 0; i < len(d.lines); {
		start, end := d.lines[i].start, d.lines[i].end
		for i++; i < len(d.lines) && d.lines[i].end-start <= maxChunk; i++ {
			end = d.lines[i].end
		}
		for start < end {
			part, _ := head(d.text[start:end], maxChunk)
			if part == "" { // no character begins here
				part = d.text[start:end]
			}
			if !s.afford(len(part)*cost) || !do(start, part) {
				return
			}
			start += len(part)
		}
	}
}

// rows reads the tables that have the wanted columns.
func (s *search) rows(d *document, spec *Spec, p *program) []found {
	var list []any
	text, offset := "", 0
	for _, t := range d.tables {
		row, places := t.heading(p.columns)
		if places == nil {
			continue
		}
		for _, cells := range t.rows[row+1:] {
			if m := s.row(cells, p, places, t.rows[row], spec); len(m) > 0 && len(list) < maxRows {
				if len(list) == 0 {
					offset = t.rows[row][0].offset
				}
				last := cells[len(cells)-1]
				text = d.text[offset:max(offset, last.offset+len(last.text))]
				list = append(list, m)
			}
		}
		if len(list) > 0 && !spec.All {
			break
		}
	}
	if len(list) == 0 {
		return nil
	}
	text, _ = head(text, maxEvidence)
	return []found{{Candidate{Value: list, Text: text, Source: d.source, Offset: offset, Confidence: Certain, Why: "a table with these headings"}, byTable}}
}

// row is the values of a row by column, empty for one that adds up others.
func (s *search) row(cells []cell, p *program, places map[string]int, headings []cell, spec *Spec) map[string]any {
	if len(cells) == 0 || isSum(cells) {
		return nil
	}
	m := map[string]any{}
	r := s.reader(spec)
	for _, c := range p.columns {
		i, ok := places[c.name]
		if !ok || i >= len(cells) || cells[i].text == "" {
			continue
		}
		text, _ := head(cells[i].text, maxEvidence)
		if c.kind == "" || c.kind == KindText {
			m[c.name] = strings.Trim(text, "*")
			continue
		}
		if c.kind == KindAmount { // 单价（万元）
			text += moneyOfHeading(headings[i].text, text)
		}
		if h, ok := r.read(c.kind, text); ok {
			m[c.name] = h.value
		}
	}
	return m
}
