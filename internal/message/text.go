package message

import (
	"bytes"
	"html"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// combine joins what the parts of a multipart show.
func (p *parser) combine(mediaType string, kids []content) content {
	if mediaType == "multipart/alternative" {
		return choose(kids)
	}
	full := slices.DeleteFunc(slices.Clone(kids), func(c content) bool { return c.html == "" && strings.TrimSpace(c.text) == "" })
	if len(full) == 1 { // nothing to join, and perhaps nothing to render
		return full[0]
	}
	var out content
	anyHTML := false
	for i := range kids {
		anyHTML = anyHTML || kids[i].html != ""
		p.read(&kids[i])
	}
	var texts, owns, pages []string
	for _, k := range kids {
		if strings.TrimSpace(k.text) != "" {
			texts, owns, out.sign = append(texts, k.text), append(owns, k.own), k.sign
		}
		out.plain = out.plain || k.plain
		switch {
		case k.html != "":
			pages = append(pages, k.html)
		case anyHTML && strings.TrimSpace(k.text) != "":
			pages = append(pages, "<div>"+strings.ReplaceAll(html.EscapeString(k.text), "\n", "<br>\n")+"</div>")
		}
	}
	out.text, out.own = strings.Join(texts, "\n\n"), strings.Join(owns, "\n\n")
	out.html = strings.Join(pages, "\n<hr>\n")
	return out
}

// choose takes the plain text and the richest HTML of alternatives (RFC 2046, 5.1.4). A
// plain text that is empty says nothing, nor does one that asks for a better program: some
// send them beside a full page.
func choose(kids []content) content {
	var out content
	for _, k := range kids {
		if k.html != "" {
			out.html = k.html
		}
	}
	for _, k := range kids {
		if k.plain && strings.TrimSpace(k.text) != "" && !out.plain && (out.html == "" || !excuse(k.text)) {
			out.text, out.own, out.plain = k.text, k.own, true
		}
	}
	for i := len(kids) - 1; i >= 0 && !out.plain && out.text == ""; i-- {
		if !kids[i].plain || out.html == "" {
			out.text, out.own, out.sign = kids[i].text, kids[i].own, kids[i].sign
		}
	}
	return out
}

// maxExcuse in octets: longer texts say something.
const maxExcuse = 300

// excuse tells whether a plain text only says that there is HTML.
func excuse(text string) bool {
	if len(text) > maxExcuse {
		return false
	}
	low := strings.ToLower(text)
	return strings.Contains(low, "html") && slices.ContainsFunc([]string{"support", "view", "client", "browser", "enable", "支持", "查看", "客户端", "浏览器"},
		func(w string) bool { return strings.Contains(low, w) })
}

// read renders the HTML where it is all that there is to read.
func (p *parser) read(c *content) {
	switch {
	case c.text == "" && c.html != "" && !c.plain:
		r := readPage(mend(c.html), 2*p.o.MaxText)
		p.flagUnless(!r.cut, FlagTruncated)
		if r.text == "" { // a page that hides all it has
			r.text = keyWords(c.html, 2*p.o.MaxText)
			r.own = r.text
		}
		c.text, c.own, c.sign = r.text, r.own, r.sign
	case c.own == "":
		c.own = c.text
	}
}

// finish makes the texts of the message that people see.
func (p *parser) finish(m *Message, c content) {
	p.read(&c)
	m.Text = strings.TrimSpace(c.text)
	var ok bool
	m.HTML, ok = sanitize(c.html, 2*p.o.MaxText)
	p.flagUnless(ok, FlagTruncated)
	if m.Unquoted, ok = withoutHistory(c.own); !ok {
		m.Unquoted = m.Text
	}
	m.Signature = signatureOf(m.Unquoted, c.sign)
	m.Language = Language(strings.TrimSuffix(m.Unquoted, m.Signature)) // names and places are in another one
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
