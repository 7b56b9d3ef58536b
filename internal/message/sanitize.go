package message

import (
	"bytes"
	"regexp"
	"strings"
	"sync"

	"github.com/microcosm-cc/bluemonday"
)

// plainValue is what the value of a style may be: no quotes, backslashes or comments, and no
// function but those of colours, so that nothing in it can name an address.
const plainValue = `(?:[#%.,\w -]|rgba?\([\d.,% ]+\))+`

// policy is what is left of a page: structure, simple styles, links, and pictures
// that came with the mail. Nothing in it loads anything from anywhere.
//
// Styles are cleaned before (cleanStyle) and only matched here: the parser of styles that
// bluemonday has takes exponential time on some.
var policy = sync.OnceValue(func() *bluemonday.Policy {
	p := bluemonday.NewPolicy()
	p.AllowElements("p", "div", "span", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "b", "strong", "i", "em", "u", "s", "strike", "del",
		"ins", "sub", "sup", "small", "big", "code", "pre", "tt", "kbd", "samp", "blockquote", "ul", "ol", "li", "dl", "dt", "dd", "center", "font",
		"table", "thead", "tbody", "tfoot", "tr", "td", "th", "caption", "figure", "figcaption", "address", "article", "section", "header", "footer")
	p.AllowAttrs("align", "valign").Matching(regexp.MustCompile(`^[A-Za-z]{1,20}$`)).OnElements("p", "div", "td", "th", "tr", "table", "h1", "h2", "h3")
	p.AllowAttrs("colspan", "rowspan").Matching(bluemonday.Integer).OnElements("td", "th")
	p.AllowAttrs("border", "cellpadding", "cellspacing").Matching(bluemonday.Integer).OnElements("table")
	p.AllowAttrs("width", "height").Matching(bluemonday.NumberOrPercent).OnElements("table", "td", "th", "img")
	p.AllowAttrs("color").Matching(regexp.MustCompile(`^#?[0-9A-Za-z]{1,20}$`)).OnElements("font")
	p.AllowAttrs("start").Matching(bluemonday.Integer).OnElements("ol")
	p.AllowAttrs("style").Matching(regexp.MustCompile(`^(?:[a-z-]{1,30}: ` + plainValue + `(?:; |$))+$`)).Globally()
	p.AllowAttrs("hidden").Matching(regexp.MustCompile(`^(hidden)?$`)).Globally()
	p.AllowAttrs("href").OnElements("a")
	p.AllowAttrs("src").Matching(regexp.MustCompile(`^(?i)cid:[^\s"'<>]+$`)).OnElements("img")
	p.AllowAttrs("alt", "title").OnElements("img", "a")
	p.AllowURLSchemes("http", "https", "mailto", "tel", "cid")
	p.RequireParseableURLs(true)
	p.RequireNoFollowOnLinks(true)
	p.RequireNoReferrerOnLinks(true)
	p.AddTargetBlankToFullyQualifiedLinks(true)
	p.SkipElementsContent("style", "script", "title") // what else is no words, prepare has taken away
	return p
})

// styles are the properties that are kept: how words look, and what is hidden.
var styles = map[string]bool{
	"color": true, "background-color": true, "font-weight": true, "font-style": true, "text-decoration": true, "text-align": true,
	"font-size": true, "vertical-align": true, "white-space": true, "text-indent": true, "line-height": true, "list-style-type": true,
	"margin": true, "margin-left": true, "margin-top": true, "margin-right": true, "margin-bottom": true,
	"padding": true, "padding-left": true, "padding-top": true, "padding-right": true, "padding-bottom": true,
	"border": true, "border-left": true, "border-top": true, "border-right": true, "border-bottom": true, "border-collapse": true,
	"background": true, "opacity": true, "display": true, "visibility": true,
}

var plainStyle = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^` + plainValue + `$`) })

// maxStyle bounds a style attribute; programs write a few hundred bytes.
const maxStyle = 4 << 10

// cleanStyle keeps the harmless declarations of a style attribute. Whatever is not plain words
// and numbers is dropped, also a colour somebody made hard to read.
func cleanStyle(s string) string {
	var out strings.Builder
	eachStyle(s, func(name, value string) {
		switch {
		case !styles[name] || !plainStyle().MatchString(value):
			return
		case name == "display" && value != "none" && value != "block" && value != "inline":
			return
		case (strings.HasPrefix(name, "margin") || name == "text-indent") && strings.Contains(value, "-"):
			return // would lay words over others
		}
		if out.Len() > 0 {
			out.WriteString("; ")
		}
		out.WriteString(name + ": " + value)
	})
	return out.String()
}

// eachStyle calls f with each declaration of a style attribute, in lower case.
func eachStyle(s string, f func(name, value string)) {
	if len(s) > maxStyle {
		return
	}
	for d := range strings.SplitSeq(strings.ToLower(s), ";") {
		name, value, ok := strings.Cut(d, ":")
		if ok {
			f(strings.TrimSpace(name), strings.Join(strings.Fields(strings.TrimSuffix(strings.TrimSpace(value), "!important")), " "))
		}
	}
}

// maxGrowth is how many times longer a page may get: "&" becomes "&amp;", and links get the
// attributes that keep the place they are opened in from what they lead to.
const maxGrowth = 6

// sanitize makes a page of a stranger one that may be shown, of about limit bytes at most;
// whole tells whether that is all of it.
func sanitize(page string, limit int) (clean string, whole bool) {
	if page == "" {
		return "", true
	}
	clean = strings.TrimSpace(policy().Sanitize(prepare(page)))
	if len(clean) <= limit {
		return clean, true
	}
	cut := min(limit/maxGrowth, len(page))
	if tag := strings.LastIndexByte(page[:cut], '<'); tag > strings.LastIndexByte(page[:cut], '>') {
		cut = tag
	}
	return strings.TrimSpace(policy().Sanitize(prepare(strings.ToValidUTF8(page[:cut], "")))), false
}

// mayHaveStyle spares most tags being taken apart.
func mayHaveStyle(tag []byte) bool {
	for i := bytes.IndexAny(tag, "yY"); i >= 2 && i+2 < len(tag); {
		if bytes.EqualFold(tag[i-2:i+3], []byte("style")) {
			return true
		}
		next := bytes.IndexAny(tag[i+1:], "yY")
		if next < 0 {
			return false
		}
		i += 1 + next
	}
	return false
}

// maxAttributes of one tag are looked at.
const maxAttributes = 50
