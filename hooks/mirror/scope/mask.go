package scope

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"heliograph/config"
	"heliograph/crmclient"
)

// Masking hides parts of what targets get. It may be used concurrently. The nil Masking hides nothing.
type Masking struct{ policies []*maskPolicy }

// maskPolicy is one entry of privacy.masking.
type maskPolicy struct {
	targets, fields []string
	numbers         map[config.MaskKind]bool
	email           bool
	patterns        []maskPattern
}

type maskPattern struct {
	name        string
	re          *regexp.Regexp
	first, last int // characters that stay
}

// Counts say how often something was masked, by kind; a company's own patterns are kinds by their names.
type Counts map[string]int

// NewMasking compiles privacy.masking.
func NewMasking(list []config.Masking) (*Masking, error) {
	m := &Masking{}
	for i, c := range list {
		p := &maskPolicy{targets: c.Targets, numbers: map[config.MaskKind]bool{}}
		for _, f := range c.Fields {
			p.fields = append(p.fields, string(f))
		}
		for _, k := range c.Kinds {
			if k == config.MaskEmail {
				p.email = true
			} else {
				p.numbers[k] = true
			}
		}
		for _, one := range c.Patterns {
			re, err := regexp.Compile(one.Match)
			if err != nil {
				return nil, fmt.Errorf("privacy.masking[%d]: pattern %s: %w", i, one.Name, err)
			}
			p.patterns = append(p.patterns, maskPattern{one.Name, re, one.KeepFirst, one.KeepLast})
		}
		m.policies = append(m.policies, p)
	}
	return m, nil
}

// Apply masks what a target must not read in an activity, and returns what it found. Text that spans lines, and what is inside of
// attachments, stays as it is.
func (m *Masking) Apply(target string, a *crmclient.Activity) Counts {
	counts := Counts{}
	if m == nil {
		return counts
	}
	for _, p := range m.policies {
		if len(p.targets) > 0 && !slices.Contains(p.targets, target) {
			continue
		}
		if p.has(config.MaskSubject) {
			a.Subject = p.text(a.Subject, counts)
		}
		if p.has(config.MaskText) {
			a.Text = p.text(a.Text, counts)
			a.TextUnquoted = p.text(a.TextUnquoted, Counts{}) // the same again
		}
		if p.has(config.MaskHTML) && a.HTML != "" {
			a.HTML = p.markup(a.HTML, Counts{}) // the same again
		}
		if p.has(config.MaskAttachments) {
			a.Attachments = slices.Clone(a.Attachments)
			for i := range a.Attachments {
				a.Attachments[i].Name = p.text(a.Attachments[i].Name, counts)
			}
		}
	}
	return counts
}

func (p *maskPolicy) has(field config.MaskField) bool {
	return len(p.fields) == 0 || slices.Contains(p.fields, string(field))
}

// text returns a text with stars for what is hidden: one for each character, so that it never grows.
func (p *maskPolicy) text(s string, counts Counts) string { return hide(s, p.find(s, counts)) }

// emails matches addresses as people write them. A star is no part of one, so that nothing is masked twice.
var emails = regexp.MustCompile(`[A-Za-z0-9][A-Za-z0-9._%+-]*@[A-Za-z0-9][A-Za-z0-9-]*(?:\.[A-Za-z0-9-]+)+`)

// find returns what to hide, in order and apart.
func (p *maskPolicy) find(s string, counts Counts) []span {
	var spans []span
	if len(p.numbers) > 0 {
		findNumbers(s, p.numbers, func(kind config.MaskKind, at span) {
			counts[string(kind)]++
			spans = append(spans, at)
		})
	}
	if p.email && strings.Contains(s, "@") {
		for _, loc := range emails.FindAllStringIndex(s, -1) {
			at := loc[0] + strings.IndexByte(s[loc[0]:loc[1]], '@')
			begin := loc[0]
			if at-begin > 1 { // the first letter stays
				begin++
			}
			counts[string(config.MaskEmail)]++
			spans = append(spans, span{begin, at})
		}
	}
	for _, pattern := range p.patterns {
		for _, loc := range pattern.re.FindAllStringIndex(s, -1) {
			if at, any := pattern.hidden(s, loc[0], loc[1]); any {
				counts[pattern.name]++
				spans = append(spans, at)
			}
		}
	}
	return merge(spans)
}

// hidden returns what is hidden of a match: all but its first and last characters.
func (p *maskPattern) hidden(s string, start, end int) (span, bool) {
	for range p.first {
		_, size := utf8.DecodeRuneInString(s[start:end])
		start += size
	}
	for range p.last {
		_, size := utf8.DecodeLastRuneInString(s[start:end])
		end -= size
	}
	return span{start, end}, start < end && strings.Trim(s[start:end], "*") != ""
}

// merge sorts spans and makes one of those that overlap.
func merge(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return a.start - b.start })
	out := spans[:0]
	for _, s := range spans {
		if n := len(out); n > 0 && s.start <= out[n-1].end {
			out[n-1].end = max(out[n-1].end, s.end)
			continue
		}
		out = append(out, s)
	}
	return out
}

// hide puts a star for each character of the spans.
func hide(s string, spans []span) string {
	if len(spans) == 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	from := 0
	for _, h := range spans {
		b.WriteString(s[from:h.start])
		b.WriteString(strings.Repeat("*", utf8.RuneCountInString(s[h.start:h.end])))
		from = h.end
	}
	b.WriteString(s[from:])
	return b.String()
}
