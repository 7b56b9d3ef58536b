package message

import (
	"bytes"
	"html"
	"strings"
	"unicode"
	"unicode/utf8"
)

// combine joins what the parts of a multipart show.
func combine(mediaType string, kids []content) content {
	if mediaType == "multipart/alternative" {
		return choose(kids)
	}
	var out content
	anyHTML := false
	for _, k := range kids {
		anyHTML = anyHTML || k.html != ""
	}
	var texts, pages []string
	for _, k := range kids {
		if strings.TrimSpace(k.text) != "" {
			texts = append(texts, k.text)
		}
		out.plain = out.plain || k.plain
		switch {
		case k.html != "":
			pages = append(pages, k.html)
		case anyHTML && strings.TrimSpace(k.text) != "":
			pages = append(pages, "<div>"+strings.ReplaceAll(html.EscapeString(k.text), "\n", "<br>\n")+"</div>")
		}
	}
	out.text = strings.Join(texts, "\n\n")
	out.html = strings.Join(pages, "\n<hr>\n")
	return out
}

// choose takes the plain text and the richest HTML of alternatives (RFC 2046, 5.1.4). A
// plain text that is empty says nothing: some programs send it beside a full page.
func choose(kids []content) content {
	var out content
	for _, k := range kids {
		if k.html != "" {
			out.html = k.html
		}
		if k.plain && strings.TrimSpace(k.text) != "" && !out.plain {
			out.text, out.plain = k.text, true
		}
	}
	for i := len(kids) - 1; i >= 0 && out.text == ""; i-- {
		out.text = kids[i].text
	}
	return out
}

// finish makes the parts of the message that people see.
func (p *parser) finish(c content) (text, page string) {
	return strings.TrimSpace(strings.Trim(c.text, "\n")), sanitize(c.html)
}

// tidy gives text one kind of line end and drops blanks at line ends, which nobody sees.
func tidy(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	s = strings.ReplaceAll(s, "\r", "\n")
	rows := strings.Split(s, "\n")
	for i, r := range rows {
		rows[i] = strings.TrimRight(r, " \t\u00a0")
	}
	return strings.Trim(strings.Join(rows, "\n"), "\n")
}

// squeeze removes all white space: how the key sees text.
func squeeze(s string) string {
	var out strings.Builder
	out.Grow(len(s))
	from := 0 // of a run without white space
	for i, r := range s {
		if r > ' ' && r < 0x80 || r > ' ' && !unicode.IsSpace(r) && r != 0xfeff && r != 0x200b {
			continue
		}
		if i > from {
			out.WriteString(s[from:i])
		}
		_, n := utf8.DecodeRuneInString(s[i:])
		from = i + n
	}
	out.WriteString(s[from:])
	return out.String()
}

// unflow joins the lines that format=flowed cut (RFC 3676, 4). Quoted lines are joined
// with lines of the same depth only; a signature line stands alone.
func unflow(s string, params map[string]string) string {
	if !strings.EqualFold(params["format"], "flowed") {
		return s
	}
	delsp := strings.EqualFold(params["delsp"], "yes")
	var out strings.Builder
	open, openDepth := false, 0
	for i, row := range strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n") {
		depth := len(row) - len(strings.TrimLeft(row, ">"))
		body := row[depth:]
		body = strings.TrimPrefix(body, " ") // space-stuffed
		if open && (depth != openDepth || body == "-- ") {
			open = false
		}
		if !open {
			if i > 0 {
				out.WriteByte('\n')
			}
			if depth > 0 {
				out.WriteString(strings.Repeat(">", depth) + " ")
			}
		}
		open, openDepth = strings.HasSuffix(body, " ") && body != "-- ", depth
		if open && delsp {
			body = body[:len(body)-1]
		}
		out.WriteString(body)
	}
	return out.String()
}

// metaCharset finds the charset that a page names itself.
func metaCharset(b []byte) string {
	b = bytes.ToLower(b[:min(len(b), 2048)])
	_, after, ok := bytes.Cut(b, []byte("charset="))
	if !ok {
		return ""
	}
	after = bytes.TrimLeft(after, "\"' ")
	n := bytes.IndexAny(after, "\"' />;")
	if n < 0 || n > 40 {
		return ""
	}
	return string(after[:n])
}
