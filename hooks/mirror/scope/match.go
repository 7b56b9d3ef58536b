package scope

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
	"golang.org/x/text/width"

	"heliograph/config"
	"heliograph/internal/message"
)

// addressSet is any number of addresses and domains; to look one up costs a few map accesses.
type addressSet struct {
	addresses, domains, above map[string]bool // above: domains whose subdomains are meant
}

func (s *addressSet) add(patterns ...string) {
	if s.addresses == nil {
		s.addresses, s.domains, s.above = map[string]bool{}, map[string]bool{}, map[string]bool{}
	}
	for _, p := range patterns {
		kind, value, ok := config.ParsePattern(p)
		switch {
		case !ok: // the configuration was checked, and choices are
		case kind == config.PatternAddress:
			s.addresses[value] = true
		case kind == config.PatternDomain:
			s.domains[value] = true
		case kind == config.PatternSubdomains:
			s.above[value] = true
		}
	}
}

func (s *addressSet) empty() bool { return len(s.addresses)+len(s.domains)+len(s.above) == 0 }

// has looks an address up, also without its +tag: mail to li+home@example.com is mail to li@example.com.
func (s *addressSet) has(address string) bool {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return false
	}
	local, domain := strings.ToLower(address[:at]), asciiDomain(strings.ToLower(address[at+1:]))
	if s.domains[domain] || s.addresses[local+"@"+domain] {
		return true
	}
	if base, _, tagged := strings.Cut(local, "+"); tagged && s.addresses[base+"@"+domain] {
		return true
	}
	if len(s.above) == 0 {
		return false
	}
	for rest := domain; ; {
		_, above, more := strings.Cut(rest, ".")
		if !more {
			return false
		}
		if s.above[above] {
			return true
		}
		rest = above
	}
}

func (s *addressSet) any(lists ...[]string) bool {
	for _, list := range lists {
		if slices.ContainsFunc(list, s.has) {
			return true
		}
	}
	return false
}

func asciiDomain(domain string) string {
	for i := range len(domain) {
		if domain[i] >= 0x80 {
			if ascii, err := idna.Lookup.ToASCII(domain); err == nil {
				return ascii
			}
			break
		}
	}
	return domain
}

// mark is a text that people put into subjects.
type mark struct {
	text  string // folded
	start bool   // only where the subject begins
}

func newMark(text string) mark {
	text, start := strings.CutPrefix(text, "^")
	return mark{text: fold(text), start: start}
}

func newMarks(texts []string) []mark {
	var out []mark
	for _, t := range texts {
		if m := newMark(t); m.text != "" {
			out = append(out, m)
		}
	}
	return out
}

// markIn reports whether a subject holds one of the marks.
func markIn(marks []mark, subject string) bool {
	if len(marks) == 0 {
		return false
	}
	whole := fold(subject)
	base, _ := message.BaseSubject(whole)
	for _, m := range marks {
		if m.start && (strings.HasPrefix(base, m.text) && ends(base, len(m.text), m.text) || strings.HasPrefix(whole, m.text) && ends(whole, len(m.text), m.text)) {
			return true
		}
		if !m.start && holds(whole, m.text) {
			return true
		}
	}
	return false
}

// holds reports whether text holds a mark that is not a part of a longer word: #private is not in #privateer.
func holds(text, mark string) bool {
	for from := 0; ; {
		i := strings.Index(text[from:], mark)
		if i < 0 {
			return false
		}
		i += from
		begins := i == 0 || !wordByte(text[i-1]) || !wordByte(mark[0])
		if begins && ends(text, i+len(mark), mark) {
			return true
		}
		from = i + 1
	}
}

// ends reports whether a word ends where the mark does, if it ends in a letter.
func ends(text string, at int, mark string) bool {
	return at == len(text) || !wordByte(text[at]) || !wordByte(mark[len(mark)-1])
}

// wordByte is about ASCII only: Chinese has no blanks between words.
func wordByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
}

// fold makes capitals, full-width forms and white space the same, and takes invisible characters out.
func fold(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, width.Fold.String(s))
	return strings.Join(strings.Fields(s), " ")
}

// inFolder reports whether the copy was seen in one of the folders.
func inFolder(patterns []string, f *Facts) bool {
	return f.Mailbox != "" && slices.ContainsFunc(patterns, func(p string) bool {
		return config.MatchesFolder(p, f.Mailbox, f.SpecialUse)
	})
}

// protected reports whether a protection is one of those named.
func protected(names []string, p message.Protection) bool {
	if p == "" {
		return false
	}
	return slices.ContainsFunc(names, func(name string) bool {
		return name == string(p) || strings.HasSuffix(string(p), "-"+name)
	})
}

// attached reports whether a file is of one of the types: media types, or the ends of names.
func attached(types []string, files []message.Attachment) bool {
	return slices.ContainsFunc(files, func(a message.Attachment) bool {
		return slices.ContainsFunc(types, func(t string) bool {
			if strings.Contains(t, "/") {
				return config.MatchesWildcard(t, a.Type)
			}
			return strings.HasSuffix(fold(a.Name), fold(t))
		})
	})
}
