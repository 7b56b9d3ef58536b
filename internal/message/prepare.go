package message

import (
	"bytes"
	"strings"

	"golang.org/x/net/html"
)

// wordless are elements whose content is no words of the mail. Those that are never closed are taken for mistakes, but for scripts and styles:
// else whoever writes one <object> into a mail keeps all that follows from those who look at it here.
var wordless = map[string]bool{
	"style": true, "script": true, "title": true, "object": true, "svg": true, "math": true, "template": true, "noscript": true, "iframe": true,
	"select": true, "textarea": true, "xml": true,
}

// code are wordless elements that are none either way.
var code = map[string]bool{"script": true, "style": true}

// raw are wordless elements in which tags are text.
var raw = map[string]bool{"script": true, "style": true, "title": true, "noscript": true, "iframe": true, "textarea": true}

// gap stands where a tag was taken away, so that what was around it makes no new one.
const gap = "<!---->"

// prepare returns the page with its style attributes cleaned and without wordless elements. Its cost grows with the page's size.
func prepare(page string) string { return withoutWordless(page, true) }

// mend returns the page without wordless elements if one of them may be left open, and as it is otherwise, which is nearly always.
func mend(page string) string {
	low := strings.ToLower(page)
	for name := range wordless {
		if !code[name] && strings.Count(low, "<"+name) > strings.Count(low, "</"+name+">") {
			return withoutWordless(page, false)
		}
	}
	return page
}

func withoutWordless(page string, restyle bool) string {
	p := preparer{page: page, styles: restyle, open: map[string]int{}, closes: map[string]int{}, cleaned: map[string]string{}}
	p.z = html.NewTokenizer(strings.NewReader(page))
	p.out.Grow(len(page))
	for {
		kind := p.z.Next()
		if kind == html.ErrorToken {
			break
		}
		from := p.out.Len()
		p.out.Write(p.z.Raw()) // before the parts of the tag are taken out of it in place
		p.at += p.out.Len() - from
		switch kind {
		case html.StartTagToken, html.SelfClosingTagToken:
			p.start(from, kind == html.SelfClosingTagToken)
		case html.EndTagToken:
			if name, _ := p.z.TagName(); wordless[string(name)] {
				p.out.Truncate(from)
				p.end(string(name))
			}
		}
	}
	for _, e := range p.inside {
		if code[e.name] {
			p.out.Truncate(min(p.out.Len(), e.from))
			break // what is in it is gone, too
		}
	}
	return p.out.String()
}

// preparer is a page on its way.
type preparer struct {
	page    string
	styles  bool // are cleaned
	z       *html.Tokenizer
	at      int // in page
	out     bytes.Buffer
	inside  []opened          // wordless ones that are open
	open    map[string]int    // how many of each name
	closes  map[string]int    // where the next end of each raw element is; the page's length if there is none
	cleaned map[string]string // styles: programs write the same one over and over
}

// opened is an element that is open, and where in the output it began.
type opened struct {
	name string
	from int
}

// start looks at a tag that was written at from.
func (p *preparer) start(from int, selfClosing bool) {
	tag := p.out.Bytes()[from:]
	name, more := p.z.TagName()
	if !wordless[string(name)] {
		if p.styles && mayHaveStyle(tag) {
			p.restyle(from, string(name), more)
		}
		return
	}
	n := string(name)
	p.out.Truncate(from)
	p.out.WriteString(gap)
	switch {
	case raw[n] && !code[n] && !p.closed(n):
		p.z.NextIsNotRawText()
	case raw[n] || !selfClosing:
		p.inside = append(p.inside, opened{n, from})
		p.open[n]++
	}
}

// closed tells whether a raw element ends somewhere behind this place.
func (p *preparer) closed(name string) bool {
	if next, known := p.closes[name]; !known || next < p.at {
		p.closes[name] = len(p.page)
		for i := p.at; ; {
			next := strings.Index(p.page[i:], "</")
			if next < 0 {
				break
			}
			i += next + 2
			if end := i + len(name); end < len(p.page) && strings.EqualFold(p.page[i:end], name) && strings.IndexByte(" \n\r\t\f/>", p.page[end]) >= 0 {
				p.closes[name] = i - 2
				break
			}
		}
	}
	return p.closes[name] < len(p.page)
}

// end closes an element with all that is in it.
func (p *preparer) end(name string) {
	p.out.WriteString(gap)
	if p.open[name] == 0 {
		return // it closes nothing
	}
	for {
		last := p.inside[len(p.inside)-1]
		p.inside = p.inside[:len(p.inside)-1]
		p.open[last.name]--
		if last.name == name {
			p.out.Truncate(last.from)
			p.out.WriteString(gap)
			return
		}
	}
}

// restyle writes the tag at from again with its style cleaned, if it has one.
func (p *preparer) restyle(from int, name string, more bool) {
	var tag bytes.Buffer
	tag.WriteString("<" + name)
	styled := false
	for n := 0; more && n < maxAttributes; n++ {
		var k, v []byte
		k, v, more = p.z.TagAttr()
		value := string(v)
		if string(k) == "style" {
			styled = true
			clean, known := p.cleaned[value]
			if !known {
				clean = cleanStyle(value)
				p.cleaned[value] = clean
			}
			if value = clean; value == "" {
				continue
			}
		}
		tag.WriteString(" " + string(k) + `="` + html.EscapeString(value) + `"`)
	}
	if styled || more {
		p.out.Truncate(from)
		tag.WriteString(">")
		p.out.Write(tag.Bytes())
	}
}
