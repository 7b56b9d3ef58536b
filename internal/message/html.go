package message

import (
	"strconv"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// rendered is a page as people read it.
type rendered struct {
	text string // lines end in LF
	own  string // text with "> " before the lines that the page itself calls history
	sign string // the lines that the page itself calls a signature
	cut  bool   // the page went on
}

// textLine is one line of a rendered page.
type textLine struct {
	text    string
	quote   int  // depth of quotation, shown as "> "
	hard    bool // an empty line that stays, also beside another one
	history bool
	sign    bool
}

// pageReader renders a page in one pass over its tokens. It keeps a bounded stack of the
// elements that are open, and mends what authors leave open as far as it bears on the text:
// a browser's tree would be exact, and can cost quadratic time.
type pageReader struct {
	limit   int // bytes of text, at which reading stops
	size    int
	stack   []element
	skipped int // elements that are open above a full stack
	sinks   []*[]textLine
	row     strings.Builder // the line being written
	spaced  bool            // the row ends in white space that shows only if words follow
	indent  string          // of each line: what lists want
	marker  string          // replaces indent in the first line of an item
	link    *pageLink
	tables  int
	tiny    bool // letters have no size
	hidden  int  // how many open elements are so, likewise below
	pre     int
	preNew  bool // a line end that follows is not shown
	quote   int
	history int
	sign    int
	cutOff  bool              // all that follows is history
	attr    map[string]string // of the tag being read
	styles  styleRoles
}

// readAttributes are the attributes that bear on the text.
var readAttributes = func() map[string]string {
	m := map[string]string{}
	for _, name := range []string{"hidden", "style", "id", "data-marker", "class", "type", "width", "height", "alt", "value", "start", "href", "colspan"} {
		m[name] = name
	}
	return m
}()

// The bounds of pageReader. Mail nests tables and divs to about 40.
const (
	maxOpen   = 200
	maxTables = 20
	maxQuote  = 10
	maxIndent = 40
)

// element is one that is open.
type element struct {
	atom    atom.Atom
	name    string // where there is no atom
	role    role
	indent  string // to go back to, and tiny
	tiny    bool
	number  int // of the next item; bullets when negative
	letters bool
	table   *pageTable
	cell    *pageCell
}

// pageLink is the link being read.
type pageLink struct {
	href  string
	words strings.Builder // no more than can equal href
	shown bool            // something to click was written
}

// readPage renders a page; it stops soon after limit bytes of text.
func readPage(page string, limit int) rendered {
	var lines []textLine
	r := &pageReader{limit: limit, sinks: []*[]textLine{&lines}, attr: map[string]string{}, styles: styleRoles{}}
	z := html.NewTokenizer(strings.NewReader(page))
	z.SetMaxBuf(4 << 20)
	for r.size <= limit {
		switch kind := z.Next(); kind {
		case html.ErrorToken:
			r.popTo(0)
			r.flush()
			return assemble(lines, false)
		case html.TextToken:
			if r.hidden == 0 && !r.tiny {
				r.text(string(z.Text()))
			}
		case html.StartTagToken, html.SelfClosingTagToken, html.EndTagToken:
			r.tag(z, kind != html.EndTagToken)
		}
	}
	r.popTo(0)
	r.flush()
	return assemble(lines, true)
}

// voids have no content and no end.
var voids = map[atom.Atom]bool{
	atom.Br: true, atom.Hr: true, atom.Img: true, atom.Input: true, atom.Meta: true, atom.Link: true, atom.Base: true, atom.Col: true,
	atom.Area: true, atom.Wbr: true, atom.Source: true, atom.Embed: true, atom.Param: true, atom.Track: true,
}

// blocks begin and end a line; the value is whether an empty line sets them apart.
var blocks = map[atom.Atom]bool{
	atom.P: true, atom.H1: true, atom.H2: true, atom.H3: true, atom.H4: true, atom.H5: true, atom.H6: true, atom.Blockquote: true,
	atom.Ul: false, atom.Ol: false, atom.Dl: false, atom.Table: false, atom.Pre: true, atom.Div: false, atom.Tr: false, atom.Li: false, atom.Dt: false,
	atom.Dd: false, atom.Section: false, atom.Article: false, atom.Header: false, atom.Footer: false, atom.Center: false, atom.Address: false,
	atom.Figure: false, atom.Figcaption: false, atom.Caption: false, atom.Body: false, atom.Html: false, atom.Form: false, atom.Fieldset: false,
	atom.Td: false, atom.Th: false, atom.Tbody: false, atom.Thead: false, atom.Tfoot: false, atom.Details: false, atom.Summary: false, atom.Main: false, atom.Nav: false, atom.Aside: false,
}

func (r *pageReader) tag(z *html.Tokenizer, start bool) {
	raw, more := z.TagName()
	a := atom.Lookup(raw)
	name := ""
	if a == 0 {
		name = string(raw)
	}
	if !start {
		if a == atom.Br { // </br> is one
			r.br()
		} else {
			r.end(a, name)
		}
		return
	}
	attr := r.attr
	clear(attr)
	for n := 0; more && n < maxAttributes; n++ {
		var k, v []byte
		k, v, more = z.TagAttr()
		name, read := readAttributes[string(k)]
		if !read {
			continue
		}
		if _, twice := attr[name]; !twice {
			attr[name] = string(v)
		}
	}
	if voids[a] {
		if r.hidden == 0 {
			r.void(a, attr)
		}
		return
	}
	r.begin(element{atom: a, name: name, role: r.styles.roleOf(a, name, attr)}, attr)
}

func (r *pageReader) void(a atom.Atom, attr map[string]string) {
	switch a {
	case atom.Br:
		r.br()
	case atom.Hr:
		r.flush()
		if attr["id"] == "stopSpelling" { // what Hotmail writes above the history
			r.cutOff = true
			return
		}
		r.row.WriteString("----------")
		r.flush()
	case atom.Img:
		tiny := attr["width"] == "1" || attr["height"] == "1" || attr["width"] == "0" || attr["height"] == "0"
		if tiny || r.styles.roleOf(a, "", attr).hidden {
			return
		}
		if r.link != nil {
			r.link.shown = true
		}
		if alt := oneLine(attr["alt"]); alt != "" {
			r.text("[" + alt + "]")
		}
	case atom.Input:
		if kind := strings.ToLower(attr["type"]); kind == "submit" || kind == "button" {
			r.text(oneLine(attr["value"]))
		}
	}
}

// br ends a line; alone in its line it is an empty one.
func (r *pageReader) br() {
	if r.hidden > 0 {
		return
	}
	if r.row.Len() == 0 {
		r.blank(false)
	}
	r.flush()
}

// begin opens an element.
func (r *pageReader) begin(e element, attr map[string]string) {
	if len(r.stack) >= maxOpen {
		r.skipped++
		if _, block := blocks[e.atom]; block && r.hidden == 0 {
			r.flush()
		}
		return
	}
	if apart, block := blocks[e.atom]; block {
		r.mend(e.atom)
		if r.hidden == 0 {
			r.flush()
			if apart && !e.role.tight {
				r.blank(false)
			}
		}
	}
	e.indent, e.tiny = r.indent, r.tiny
	if e.role.sized {
		r.tiny = e.role.tiny
	}
	r.roles(e.role, 1)
	switch e.atom {
	case atom.Pre:
		r.preNew = true
	case atom.Ul:
		e.number = -1
	case atom.Ol:
		e.number = max(toInt(attr["start"], 1), 0)
		e.letters = strings.EqualFold(attr["type"], "a")
	case atom.Li:
		r.item(attr)
	case atom.Dd:
		r.deeper("  ")
	case atom.A:
		r.endLink()
		if r.hidden == 0 && attr["href"] != "" {
			r.link = &pageLink{href: linkTarget(attr["href"])}
		}
	case atom.Table:
		r.beginTable(&e)
	case atom.Td, atom.Th:
		r.beginCell(&e, attr)
	}
	r.stack = append(r.stack, e)
	if e.role.cut {
		r.cutOff = true
	}
}

// mend closes what the block a ends without saying so.
func (r *pageReader) mend(a atom.Atom) {
	inner := func(stop ...atom.Atom) int { // the innermost that a ends, unless one of stop is nearer
		for i := len(r.stack) - 1; i >= 0; i-- {
			b := r.stack[i].atom
			if b == a || (a == atom.Td || a == atom.Th) && (b == atom.Td || b == atom.Th) || (a == atom.Dt || a == atom.Dd) && (b == atom.Dt || b == atom.Dd) {
				return i
			}
			for _, s := range stop {
				if b == s {
					return -1
				}
			}
		}
		return -1
	}
	at := -1
	switch a {
	case atom.Li:
		at = inner(atom.Ul, atom.Ol, atom.Td, atom.Th, atom.Table, atom.Blockquote)
	case atom.Dt, atom.Dd:
		at = inner(atom.Dl, atom.Td, atom.Th, atom.Table, atom.Blockquote)
	case atom.Td, atom.Th:
		at = inner(atom.Tr, atom.Table)
	case atom.Tr:
		at = inner(atom.Table)
	}
	if at >= 0 {
		r.popTo(at)
		return
	}
	for i := len(r.stack) - 1; i >= 0; i-- { // a paragraph ends where another block begins
		if r.stack[i].atom == atom.P {
			r.popTo(i)
			return
		}
		if _, block := blocks[r.stack[i].atom]; block {
			return
		}
	}
}

// end closes an element that is open, and what is open in it. Words within words do not end
// blocks, and blocks do not end cells.
func (r *pageReader) end(a atom.Atom, name string) {
	if r.skipped > 0 {
		r.skipped--
		return
	}
	_, block := blocks[a]
	for i := len(r.stack) - 1; i >= 0; i-- {
		e := &r.stack[i]
		if e.atom == a && e.name == name {
			r.popTo(i)
			return
		}
		_, wall := blocks[e.atom]
		if wall && !block && name == "" {
			return
		}
		if e.atom == atom.Table && a != atom.Body && a != atom.Html || (e.cell != nil) && a != atom.Table && a != atom.Tr && a != atom.Tbody && a != atom.Td && a != atom.Th {
			return
		}
	}
}

// popTo closes the elements from i on.
func (r *pageReader) popTo(i int) {
	for len(r.stack) > i {
		e := r.stack[len(r.stack)-1]
		r.stack = r.stack[:len(r.stack)-1]
		apart, block := blocks[e.atom]
		if block && r.hidden == 0 {
			r.flush()
		}
		if e.atom == atom.A {
			r.endLink()
		}
		r.roles(e.role, -1)
		if e.cell != nil {
			r.endCell(&e)
		}
		if e.table != nil {
			r.endTable(e.table)
		}
		r.indent, r.tiny = e.indent, e.tiny
		if e.atom == atom.Li {
			r.marker = ""
		}
		if block && r.hidden == 0 && apart && !e.role.tight {
			r.blank(false)
		}
	}
}

func (r *pageReader) roles(o role, n int) {
	add := func(is bool, to *int) {
		if is {
			*to += n
		}
	}
	add(o.hidden, &r.hidden)
	add(o.pre, &r.pre)
	add(o.quote, &r.quote)
	add(o.history, &r.history)
	add(o.sign, &r.sign)
}

// item begins an item of the innermost list.
func (r *pageReader) item(attr map[string]string) {
	marker := "- "
	for i := len(r.stack) - 1; i >= 0; i-- {
		l := &r.stack[i]
		if l.atom == atom.Ul || l.atom == atom.Table {
			break
		}
		if l.atom == atom.Ol {
			l.number = max(toInt(attr["value"], l.number), 0)
			if marker = strconv.Itoa(l.number) + ". "; l.letters && l.number >= 1 && l.number <= 26 {
				marker = string(rune('a'+l.number-1)) + ". "
			}
			l.number++
			break
		}
	}
	r.marker = r.indent + marker
	r.deeper(strings.Repeat(" ", len(marker)))
}

func (r *pageReader) deeper(by string) {
	if len(r.indent)+len(by) <= maxIndent {
		r.indent += by
	}
}

// toInt reads a number of an attribute.
func toInt(s string, otherwise int) int {
	if n, err := strconv.Atoi(strings.TrimSpace(s)); err == nil && n > -1e6 && n < 1e6 {
		return n
	}
	return otherwise
}
