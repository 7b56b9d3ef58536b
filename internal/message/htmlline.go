package message

import (
	"strings"
	"unicode/utf8"
)

// text adds words; outside pre, runs of white space are one blank.
func (r *pageReader) text(s string) {
	if r.pre > 0 {
		r.preText(s)
		return
	}
	if s == "" {
		return
	}
	for i, word := range strings.FieldsFunc(s, asciiSpace) {
		word = visible(word)
		if (r.spaced || i > 0 || asciiSpace(rune(s[0]))) && r.row.Len() > 0 {
			r.row.WriteByte(' ')
			r.linkWord(" ")
		}
		r.spaced = false
		r.row.WriteString(word)
		r.linkWord(word)
	}
	if asciiSpace(rune(s[len(s)-1])) {
		r.spaced = true
	}
}

func (r *pageReader) preText(s string) {
	first := true
	s = strings.ReplaceAll(s, "\r\n", "\n")
	if r.preNew {
		s = strings.TrimPrefix(s, "\n")
	}
	r.preNew = false
	for row := range strings.SplitSeq(s, "\n") {
		if !first {
			if r.row.Len() == 0 {
				r.blank(true)
			}
			r.flush()
		}
		first = false
		r.row.WriteString(visible(row))
		r.linkWord(row)
	}
}

// asciiSpace is what HTML collapses; a no-break space is not.
func asciiSpace(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\r' || r == '\f' }

// visible drops what takes no room, and is there to pad a preview or to fool a filter.
func visible(s string) string {
	if !strings.ContainsAny(s, "\u200b\u2060\ufeff\u00ad\u034f") {
		return s
	}
	return strings.Map(func(c rune) rune {
		switch c {
		case '\u200b', '\u2060', '\ufeff', '\u00ad', '\u034f':
			return -1
		}
		return c
	}, s)
}

// flush ends the line that is being written.
func (r *pageReader) flush() {
	r.spaced = false
	if r.row.Len() == 0 {
		return
	}
	row := strings.TrimRight(strings.ReplaceAll(r.row.String(), "\u00a0", " "), " \t\u3000")
	r.row.Reset()
	if strings.Trim(row, " \t\u200c\u200d\u3000") == "" {
		r.blank(false)
		return
	}
	indent := r.indent
	if r.marker != "" {
		indent, r.marker = r.marker, ""
		row = strings.TrimLeft(row, " ")
	}
	r.add(textLine{text: indent + row})
}

// blank adds an empty line; one that is not hard is dropped beside another.
func (r *pageReader) blank(hard bool) {
	r.add(textLine{hard: hard})
}

func (r *pageReader) add(l textLine) {
	sink := r.sinks[len(r.sinks)-1]
	l.quote = min(r.quote, maxQuote)
	l.history = r.history > 0 || r.cutOff
	l.sign = r.sign > 0
	if n := len(*sink); l.text == "" && !l.hard && n > 0 && (*sink)[n-1].text == "" {
		last := &(*sink)[n-1]
		last.quote = min(last.quote, l.quote) // the empty line around a quotation is not quoted
		last.history = last.history && l.history
		last.sign = last.sign && l.sign
		return
	}
	r.size += len(l.text) + 2*l.quote + 1
	*sink = append(*sink, l)
}

// assemble writes the lines out.
func assemble(lines []textLine, cut bool) rendered {
	for len(lines) > 0 && lines[0].text == "" {
		lines = lines[1:]
	}
	for len(lines) > 0 && lines[len(lines)-1].text == "" {
		lines = lines[:len(lines)-1]
	}
	var text, own strings.Builder
	var sign []string
	differ := false
	for _, l := range lines {
		row := l.text
		if l.quote > 0 {
			row = strings.TrimRight(strings.Repeat("> ", l.quote)+row, " ")
		}
		text.WriteString(row + "\n")
		if l.history && l.quote == 0 && row != "" && cutLine(row) != forwardCut { // Gmail begins both kinds alike
			differ = true
			row = "> " + row
		}
		own.WriteString(row + "\n")
		if !l.history && l.quote == 0 && (l.sign || len(sign) > 0 && l.text == "") {
			sign = append(sign, l.text)
		} else if len(sign) > 0 && l.text != "" && !l.history && l.quote == 0 {
			sign = sign[:0] // words follow: it is not at the end
		}
	}
	out := rendered{text: strings.TrimRight(text.String(), "\n"), sign: collapse(sign), cut: cut}
	if out.own = out.text; differ {
		out.own = strings.TrimRight(own.String(), "\n")
	}
	return out
}

// linkTarget is what a link leads to; empty where people cannot follow it.
func linkTarget(href string) string {
	href = oneLine(href)
	for _, scheme := range []string{"http://", "https://", "mailto:", "tel:", "ftp://"} {
		if len(href) > len(scheme) && strings.EqualFold(href[:len(scheme)], scheme) {
			if scheme == "mailto:" {
				href, _, _ = strings.Cut(href[len(scheme):], "?")
			}
			return href
		}
	}
	return ""
}

// linkWord notes what a link says, as far as it can be its target.
func (r *pageReader) linkWord(s string) {
	if r.link == nil {
		return
	}
	r.link.shown = true
	if room := len(r.link.href) + 16 - r.link.words.Len(); room > 0 {
		if len(s) > room {
			for room > 0 && !utf8.RuneStart(s[room]) {
				room--
			}
			s = s[:room]
		}
		r.link.words.WriteString(s)
	}
}

// endLink writes the target behind the words, unless the words say it.
func (r *pageReader) endLink() {
	l := r.link
	r.link = nil
	if l == nil || !l.shown || l.href == "" || r.hidden > 0 {
		return
	}
	words := bareURL(strings.Join(strings.Fields(l.words.String()), ""))
	if bare := bareURL(l.href); strings.Contains(words, bare) || words != "" && strings.HasPrefix(l.href, "tel:") && digits(words) == digits(bare) {
		return
	}
	r.spaced = true
	r.text("<" + l.href + ">")
}

// bareURL is what two spellings of an address have in common.
func bareURL(s string) string {
	s = strings.ToLower(s)
	for _, prefix := range []string{"https://", "http://", "tel:", "www."} {
		s = strings.TrimPrefix(s, prefix)
	}
	return strings.TrimSuffix(s, "/")
}

// digits keeps those of a telephone number.
func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
}
