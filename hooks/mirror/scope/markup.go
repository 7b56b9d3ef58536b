package scope

import (
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// inline are the elements inside of which a line of text goes on: a number may begin before and end behind them. All
// others end it.
var inline = map[atom.Atom]bool{
	atom.A: true, atom.B: true, atom.Strong: true, atom.I: true, atom.Em: true, atom.U: true, atom.S: true, atom.Strike: true, atom.Del: true,
	atom.Ins: true, atom.Sub: true, atom.Sup: true, atom.Small: true, atom.Big: true, atom.Code: true, atom.Tt: true, atom.Kbd: true,
	atom.Samp: true, atom.Span: true, atom.Font: true, atom.Mark: true, atom.Wbr: true,
}

// page is HTML in pieces: those of texts can be changed.
type page struct {
	pieces []string
	run    []int           // pieces of the line of text that is being gathered
	words  strings.Builder // what it says
	starts []int           // where each piece of run begins in words
}

// markup masks a page: its text, across inline elements, and the attributes that are text or call a number. Other tags and all
// addresses of pages stay byte for byte.
func (p *maskPolicy) markup(s string, counts Counts) string {
	z := html.NewTokenizer(strings.NewReader(s))
	doc := &page{}
	for {
		kind := z.Next()
		raw := string(z.Raw())
		switch kind {
		case html.ErrorToken:
			doc.pieces = append(doc.pieces, raw)
			p.finish(doc, counts)
			return strings.Join(doc.pieces, "")
		case html.TextToken:
			doc.run, doc.starts = append(doc.run, len(doc.pieces)), append(doc.starts, doc.words.Len())
			doc.words.Write(z.Text())
		case html.StartTagToken, html.SelfClosingTagToken, html.EndTagToken:
			t := z.Token()
			if !inline[t.DataAtom] {
				p.finish(doc, counts)
			}
			if kind != html.EndTagToken && p.attributes(&t, counts) {
				raw = t.String()
			}
		}
		doc.pieces = append(doc.pieces, raw)
	}
}

// finish masks a line of text that has come to its end.
func (p *maskPolicy) finish(doc *page, counts Counts) {
	words := doc.words.String()
	spans := p.find(words, counts)
	for k, piece := range doc.run {
		from, to := doc.starts[k], len(words)
		if k+1 < len(doc.starts) {
			to = doc.starts[k+1]
		}
		for len(spans) > 0 && spans[0].end <= from {
			spans = spans[1:]
		}
		var mine []span
		for _, h := range spans {
			if h.start >= to {
				break
			}
			mine = append(mine, span{max(h.start, from) - from, min(h.end, to) - from})
		}
		if len(mine) > 0 { // else the bytes stay as they were
			doc.pieces[piece] = html.EscapeString(hide(words[from:to], mine))
		}
	}
	doc.run, doc.starts = doc.run[:0], doc.starts[:0]
	doc.words.Reset()
}

// attributes masks those that people read, and the numbers and addresses that links call.
func (p *maskPolicy) attributes(t *html.Token, counts Counts) (changed bool) {
	for i := range t.Attr {
		a := &t.Attr[i]
		scheme, _, _ := strings.Cut(strings.ToLower(a.Val), ":")
		call := a.Key == "href" && (scheme == "tel" || scheme == "sms" || scheme == "mailto")
		if !call && a.Key != "alt" && a.Key != "title" {
			continue
		}
		if masked := p.text(a.Val, counts); masked != a.Val {
			a.Val, changed = masked, true
		}
	}
	return changed
}
