package message

import (
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// keyText writes the words of a page as message keys count them. It is frozen: what it writes
// but for white space is part of each key, so people's text is made elsewhere, by pageReader.
type keyText struct {
	out    strings.Builder
	row    strings.Builder // the line being written
	blank  int             // empty lines at the end of out
	quote  int             // depth of blockquote
	pre    int
	lists  []int // per open list: -1 bullets, else the next number
	marker string
	hidden atom.Atom // inside an element that shows nothing, until it ends
	links  []string  // per open link: its target
	starts []int     // per open link: where its words begin in row
	space  bool      // white space is due before the next word
}

// keyHidden show none of their content.
var keyHidden = map[atom.Atom]bool{
	atom.Style: true, atom.Script: true, atom.Title: true, atom.Template: true, atom.Noscript: true,
	atom.Object: true, atom.Svg: true, atom.Math: true, atom.Iframe: true, atom.Select: true, atom.Textarea: true,
}

// keyBlocks begin and end a line; the value is whether an empty line sets them apart.
var keyBlocks = map[atom.Atom]bool{
	atom.P: true, atom.H1: true, atom.H2: true, atom.H3: true, atom.H4: true, atom.H5: true, atom.H6: true, atom.Blockquote: true,
	atom.Ul: false, atom.Ol: false, atom.Dl: false, atom.Table: false, atom.Pre: true, atom.Div: false, atom.Tr: false, atom.Li: false, atom.Dt: false,
	atom.Dd: false, atom.Section: false, atom.Article: false, atom.Header: false, atom.Footer: false, atom.Center: false, atom.Address: false,
	atom.Figure: false, atom.Figcaption: false, atom.Caption: false, atom.Body: false, atom.Html: false, atom.Form: false, atom.Fieldset: false,
}

// keyWords returns the words of a page with its marks of lists, links and quotes. It
// stops soon after limit bytes: quote marks can make more of a page than it was.
func keyWords(page string, limit int) string {
	t := &keyText{}
	z := html.NewTokenizer(strings.NewReader(page))
	z.SetMaxBuf(4 << 20)
	for t.out.Len() <= limit {
		switch z.Next() {
		case html.ErrorToken:
			t.line(false)
			return strings.Trim(t.out.String(), "\n")
		case html.TextToken:
			if t.hidden == 0 {
				t.text(string(z.Text()))
			}
		case html.StartTagToken:
			t.tag(z, true)
		case html.SelfClosingTagToken:
			t.tag(z, true)
		case html.EndTagToken:
			t.tag(z, false)
		}
	}
	return t.out.String()
}

func (t *keyText) tag(z *html.Tokenizer, start bool) {
	name, more := z.TagName()
	a := atom.Lookup(name)
	if t.hidden != 0 {
		if !start && a == t.hidden {
			t.hidden = 0
		}
		return
	}
	if start && keyHidden[a] {
		t.hidden = a
		return
	}
	attr := map[string]string(nil)
	if start && (a == atom.Img || a == atom.A) { // no other has any that counts
		attr = map[string]string{}
	}
	for attr != nil && more && len(attr) < 50 {
		var k, v []byte
		k, v, more = z.TagAttr()
		attr[string(k)] = string(v)
	}
	if apart, ok := keyBlocks[a]; ok {
		t.line(false)
		if a == atom.Blockquote && !start { // the empty line behind it is not quoted
			t.quote = max(t.quote-1, 0)
		}
		t.line(apart)
	}
	if start {
		t.open(a, attr)
	} else {
		t.close(a)
	}
}

func (t *keyText) open(a atom.Atom, attr map[string]string) {
	switch a {
	case atom.Br:
		t.line(t.row.Len() == 0) // alone in its line it is an empty one
	case atom.Hr:
		t.line(false)
		t.row.WriteString("----------")
		t.line(false)
	case atom.Blockquote:
		t.quote = min(t.quote+1, 10)
	case atom.Pre:
		t.pre++
	case atom.Ul:
		t.lists = append(t.lists, -1)
	case atom.Ol:
		t.lists = append(t.lists, 1)
	case atom.Li:
		t.item()
	case atom.Td, atom.Th:
		if strings.TrimSpace(t.row.String()) != "" {
			t.row.WriteString("\t")
			t.space = false
		}
	case atom.Img:
		if alt := oneLine(attr["alt"]); alt != "" {
			t.text("[" + alt + "]")
		}
	case atom.A:
		if len(t.links) < 100 {
			t.links, t.starts = append(t.links, oneLine(attr["href"])), append(t.starts, t.row.Len())
		}
	}
}

func (t *keyText) close(a atom.Atom) {
	switch a {
	case atom.Pre:
		t.pre = max(t.pre-1, 0)
	case atom.Ul, atom.Ol:
		t.lists = t.lists[:max(len(t.lists)-1, 0)]
	case atom.A:
		t.link()
	}
}

func (t *keyText) item() {
	t.marker = "- "
	if n := len(t.lists); n > 0 {
		if t.lists[n-1] > 0 {
			t.marker = itoa(t.lists[n-1]) + ". "
			t.lists[n-1]++
		}
		t.marker = strings.Repeat("  ", min(n-1, 10)) + t.marker
	}
}

// link writes the target behind the words, unless the words are the target.
func (t *keyText) link() {
	n := len(t.links)
	if n == 0 {
		return
	}
	href, from := t.links[n-1], t.starts[n-1]
	t.links, t.starts = t.links[:n-1], t.starts[:n-1]
	shown := ""
	if row := t.row.String(); from <= len(row) {
		shown = strings.TrimSpace(row[from:])
	}
	low := strings.ToLower(href)
	if len(shown) > len(href)+10 {
		shown = "" // they differ; do not fold megabytes to see it
	}
	if !strings.HasPrefix(low, "http://") && !strings.HasPrefix(low, "https://") && !strings.HasPrefix(low, "mailto:") {
		return
	}
	bare := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(low, "https://"), "http://"), "mailto:"), "/")
	words := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(strings.ToLower(shown), "https://"), "http://"), "/")
	if words == bare {
		return
	}
	t.text(" <" + href + ">")
}

// text adds words; outside pre, runs of white space are one blank.
func (t *keyText) text(s string) {
	if t.pre > 0 {
		rows := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
		for i, r := range rows {
			if i > 0 {
				t.line(false)
			}
			t.row.WriteString(r)
		}
		return
	}
	for i, word := range strings.FieldsFunc(s, asciiSpace) {
		if (t.space || i > 0 || asciiSpace(rune(s[0]))) && t.row.Len() > 0 && !strings.HasSuffix(t.row.String(), "\t") {
			t.row.WriteByte(' ')
		}
		t.space = false
		t.row.WriteString(word)
	}
	if s != "" && asciiSpace(rune(s[len(s)-1])) {
		t.space = true
	}
}

// line ends the line that is being written; apart adds an empty one.
func (t *keyText) line(apart bool) {
	row := strings.TrimRight(strings.ReplaceAll(t.row.String(), "\u00a0", " "), " \t")
	t.row.Reset()
	t.space = false
	clear(t.starts)
	if row != "" {
		t.out.WriteString(strings.Repeat("> ", t.quote) + t.marker + row + "\n")
		t.marker, t.blank = "", 0
	}
	if apart && t.blank == 0 && t.out.Len() > 0 {
		t.out.WriteString(strings.TrimRight(strings.Repeat("> ", t.quote), " ") + "\n")
		t.blank = 1
	}
}
