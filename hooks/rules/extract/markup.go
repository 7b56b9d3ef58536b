package extract

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Bounds of HTML: a page needs many bytes for few words, but a mail for people has less than this.
const (
	maxMarkup = 512 << 10
	maxTokens = 100_000
	maxDepth  = 200
	maxSpan   = 20 // cells that one stands for
)

// markupText makes text of HTML: blocks become lines, cells are parted by tabs. Quoted history is left out unless there is nothing else.
func markupText(page string) (text string, truncated bool) {
	page, truncated = head(page, maxMarkup)
	m := markup{z: html.NewTokenizer(strings.NewReader(page)), skipQuotes: true}
	m.z.SetMaxBuf(maxMarkup)
	text = m.read()
	if strings.TrimSpace(text) == "" && m.quoted {
		m = markup{z: html.NewTokenizer(strings.NewReader(page))}
		m.z.SetMaxBuf(maxMarkup)
		text = m.read()
	}
	return text, truncated || m.truncated
}

type markup struct {
	z          *html.Tokenizer
	b          []byte
	open       []opened
	hidden     int   // open elements that are not shown, or are history
	rows       []row // open, the innermost last
	skipQuotes bool
	quoted     bool // there is history
	truncated  bool
	gap        bool // a space is due
}

// row is an open row of a table. Until it is over nobody knows whether its cells are data or hold the whole page: a break within a cell
// is softBreak until then.
type row struct {
	start int // in the text
	cells int
	pad   int // empty cells that are due before the next
	open  bool
}

const softBreak = '\v'

type opened struct {
	name   atom.Atom
	hidden bool
}

var unseen = map[atom.Atom]bool{atom.Script: true, atom.Style: true, atom.Head: true, atom.Title: true, atom.Template: true, atom.Noscript: true, atom.Svg: true}

var blocks = map[atom.Atom]bool{
	atom.P: true, atom.Div: true, atom.Tr: true, atom.Table: true, atom.Li: true, atom.Ul: true, atom.Ol: true, atom.H1: true, atom.H2: true,
	atom.H3: true, atom.H4: true, atom.H5: true, atom.H6: true, atom.Blockquote: true, atom.Pre: true, atom.Hr: true, atom.Section: true,
	atom.Article: true, atom.Dt: true, atom.Dd: true, atom.Thead: true, atom.Tbody: true, atom.Caption: true,
}

var void = map[atom.Atom]bool{
	atom.Br: true, atom.Hr: true, atom.Img: true, atom.Input: true, atom.Meta: true, atom.Link: true, atom.Col: true, atom.Wbr: true, atom.Area: true, atom.Base: true,
}

func (m *markup) read() string {
	for range maxTokens {
		switch m.z.Next() {
		case html.ErrorToken:
			m.truncated = m.truncated || !errors.Is(m.z.Err(), io.EOF)
			return string(m.b)
		case html.TextToken:
			if m.hidden == 0 {
				m.write(string(m.z.Text()))
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			m.start()
		case html.EndTagToken:
			name, _ := m.z.TagName()
			m.end(atom.Lookup(name))
		}
		if len(m.b) > maxSource {
			break
		}
	}
	m.truncated = true
	return string(m.b)
}

// write adds words; space of any kind is one space.
func (m *markup) write(s string) {
	for len(s) > 0 {
		trimmed := strings.TrimLeft(s, " \t\r\n\u00a0")
		if len(trimmed) < len(s) {
			m.gap = true
			s = trimmed
			continue
		}
		end := strings.IndexAny(s, " \t\r\n\u00a0")
		if end < 0 {
			end = len(s)
		}
		if m.gap && len(m.b) > 0 && !m.atBreak() {
			m.b = append(m.b, ' ')
		}
		m.gap = false
		m.b = append(m.b, strings.ReplaceAll(s[:end], string(softBreak), " ")...)
		s = s[end:]
	}
}

func (m *markup) atBreak() bool {
	return len(m.b) == 0 || strings.IndexByte("\n\t\v", m.b[len(m.b)-1]) >= 0
}

// breakLine ends a line, or within a cell what may be one.
func (m *markup) breakLine() {
	m.gap = false
	if m.inCell() {
		m.b = append(m.b, softBreak)
	} else {
		m.b = append(m.b, '\n')
	}
}

func (m *markup) newline() {
	if m.gap = false; len(m.b) > 0 && m.b[len(m.b)-1] != '\n' && m.b[len(m.b)-1] != softBreak {
		m.breakLine()
	}
}

func (m *markup) hardBreak() {
	if m.gap = false; len(m.b) > 0 && m.b[len(m.b)-1] != '\n' {
		m.b = append(m.b, '\n')
	}
}

func (m *markup) inCell() bool {
	n := len(m.rows)
	return n > 0 && m.rows[n-1].open && m.rows[n-1].cells > 0
}

// endRow settles the breaks of the innermost row: in a line with cells they are spaces.
func (m *markup) endRow() {
	n := len(m.rows)
	if n == 0 || !m.rows[n-1].open {
		return
	}
	m.rows[n-1].open = false
	lines := bytes.Split(m.b[m.rows[n-1].start:], []byte{'\n'})
	for _, l := range lines {
		to := byte('\n')
		if bytes.IndexByte(l, '\t') >= 0 {
			to = ' '
		}
		for i, c := range l {
			if c == softBreak {
				l[i] = to
			}
		}
	}
	m.newline()
}

func (m *markup) start() {
	raw, hasAttributes := m.z.TagName()
	name := atom.Lookup(raw)
	hide, span := unseen[name], 1
	if hasAttributes {
		h, s := m.attributes(name)
		hide, span = hide || h, s
	}
	if m.skipQuotes && name == atom.Blockquote {
		hide, m.quoted = true, true
	}
	m.layout(name, span)
	if void[name] {
		return
	}
	if len(m.open) >= maxDepth {
		return
	}
	m.open = append(m.open, opened{name, hide})
	if hide {
		m.hidden++
	}
}

// layout breaks lines and cells.
func (m *markup) layout(name atom.Atom, span int) {
	n := len(m.rows)
	switch {
	case m.hidden > 0:
	case name == atom.Table && n < maxDepth: // a table in a cell: the outer one is layout
		m.hardBreak()
		m.rows = append(m.rows, row{})
	case name == atom.Tr && n > 0:
		m.endRow()
		m.rows[n-1] = row{start: len(m.b), open: true}
	case (name == atom.Td || name == atom.Th) && n > 0:
		r := &m.rows[n-1]
		if r.cells > 0 {
			m.b = append(m.b, bytes.Repeat([]byte{'\t'}, 1+r.pad)...)
		}
		r.cells, r.pad = r.cells+1, span-1
		m.gap = false
	case name == atom.Br:
		m.breakLine()
	case blocks[name]:
		m.newline()
	}
}

var historyClasses = []string{"gmail_quote", "moz-cite-prefix", "yahoo_quoted", "gmail_attr", "divRplyFwdMsg", "appendonsend", "mail_quote_", "ntes_quote", "ntes-mailcache", "protonmail_quote", "foxmail_quote", "qmbox_quote"}

func (m *markup) attributes(name atom.Atom) (hide bool, span int) {
	span = 1
	for more := true; more; {
		var key, value []byte
		key, value, more = m.z.TagAttr()
		switch string(key) {
		case "style":
			v := strings.ReplaceAll(strings.ToLower(string(value)), " ", "")
			hide = hide || strings.Contains(v, "display:none") || strings.Contains(v, "mso-hide:all")
		case "hidden":
			hide = true
		case "class", "id":
			for _, c := range historyClasses {
				if m.skipQuotes && strings.Contains(string(value), c) {
					hide, m.quoted = true, true
				}
			}
		case "colspan":
			if name == atom.Td || name == atom.Th {
				n := 0
				for _, c := range value[:min(len(value), 3)] {
					n = n*10 + int(c-'0')
				}
				span = min(max(n, 1), maxSpan)
			}
		}
	}
	return hide, span
}

func (m *markup) end(name atom.Atom) {
	at := len(m.open) - 1
	for at >= 0 && m.open[at].name != name {
		at--
	}
	if at < 0 {
		return
	}
	for _, o := range m.open[at:] { // those that were never closed are closed with it
		if o.hidden {
			m.hidden--
		}
	}
	m.open = m.open[:at]
	if m.hidden > 0 {
		return
	}
	switch n := len(m.rows); {
	case name == atom.Tr:
		m.endRow()
	case name == atom.Table && n > 0:
		m.endRow()
		m.rows = m.rows[:n-1]
		m.hardBreak()
	case blocks[name]:
		m.newline()
	}
}
