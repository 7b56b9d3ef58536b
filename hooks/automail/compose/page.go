package compose

import (
	htmltemplate "html/template"
	"regexp"
	"strings"

	"golang.org/x/net/html"
)

// Trusted makes a page a value that HTML templates put in as it is. It is for what our own writers of tables and documents made, who
// escaped what strangers wrote; never for what a mail, a CRM or a template's author brings. Stored and read again, the value is plain text.
func Trusted(page string) any { return htmltemplate.HTML(page) }

// schemes are those that a link or picture in a mail may have.
var schemes = map[string]bool{"http": true, "https": true, "mailto": true, "tel": true, "cid": true}

// scheme returns the scheme that a browser would see: it skips white space and control characters before and within.
func scheme(url string) (name string, has bool) {
	bare := strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f || r == 0xa0 || unsafeRune(r) {
			return -1
		}
		return r
	}, url)
	i := strings.IndexAny(bare, ":/?#")
	if i < 0 || bare[i] != ':' {
		return "", false
	}
	return strings.ToLower(bare[:i]), true
}

// safeURL says whether a link may lead there. What has no scheme leads nowhere in a mail, and harms nobody.
func safeURL(url string) bool {
	name, has := scheme(url)
	return !has || schemes[name]
}

// ownScheme says whether the text is an address that we allow and html/template does not know.
func ownScheme(url string) bool {
	if len(url) > 2000 || strings.ContainsFunc(url, func(r rune) bool { return r <= ' ' || strings.ContainsRune(`"'<>\`+"`", r) || unsafeRune(r) }) {
		return false
	}
	low := strings.ToLower(url[:min(len(url), 4)])
	return low == "tel:" || low == "cid:"
}

// urlAttributes hold addresses.
var urlAttributes = map[string]bool{
	"href": true, "src": true, "action": true, "formaction": true, "background": true, "poster": true, "cite": true, "data": true, "longdesc": true,
	"usemap": true, "xlink:href": true, "lowsrc": true, "dynsrc": true, "ping": true, "codebase": true, "classid": true, "archive": true, "profile": true, "manifest": true,
}

// barredElements run code, load pages, ask for input or change what addresses mean. Mail programs drop or block them.
var barredElements = map[string]bool{
	"script": true, "iframe": true, "frame": true, "frameset": true, "object": true, "embed": true, "applet": true, "base": true, "form": true, "input": true,
	"button": true, "select": true, "textarea": true, "link": true, "svg": true, "math": true, "template": true, "noscript": true, "portal": true, "audio": true, "video": true, "xml": true,
}

// checkPage looks at a page as it is to be sent.
func checkPage(name, page string) Problems {
	var problems Problems
	eachTag(page, func(offset int, tag string, attrs []html.Attribute, text string) {
		zh, en := badTag(tag, attrs, text)
		if zh == "" || len(problems) >= 20 {
			return
		}
		p := Problem{Template: name, Code: "unsafe_html", Zh: zh, En: en}
		p.Line, p.Column = place(page, offset)
		problems = append(problems, p)
	})
	return problems
}

// maxStray bounds what makes html/template take quadratic time.
const maxStray = 500

var strayOpen = regexp.MustCompile(`<(?:[^a-zA-Z/!]|$)`)

// checkSource looks at the HTML of a template, with its actions taken for words.
func checkSource(name, source string) Problems {
	if n := len(strayOpen.FindAllStringIndex(source, maxStray+1)); n > maxStray {
		p := Problem{Template: name, Line: 1, Column: 1, Code: "unsafe_html", Zh: "不属于标签的 < 过多，请写成 &lt;", En: "too many < that begin no tag; write &lt;", Suggestions: []string{"&lt;"}}
		return Problems{p}
	}
	return checkPage(name, blankActions(source))
}

// blank stands for an octet of an action where a source is looked at; no author has it.
const blank = '\x1a'

// blankActions puts a blank for each octet of an action that writes something, and a space for those of others, so that offsets stay.
func blankActions(source string) string {
	out := []byte(source)
	for _, a := range actions(source) {
		fill := byte(blank)
		if silentAction.MatchString(source[a[0]:a[1]]) {
			fill = ' '
		}
		for i := a[0]; i < a[1]; i++ {
			if out[i] != '\n' {
				out[i] = fill
			}
		}
	}
	return string(out)
}

var silentAction = regexp.MustCompile(`^\{\{-?\s*(/\*|(if|else|end|with|range|template)\b)`)

// eachTag calls f with each tag, and with the text of style elements.
func eachTag(page string, f func(offset int, tag string, attrs []html.Attribute, text string)) {
	z := html.NewTokenizer(strings.NewReader(page))
	offset, style := 0, false
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			return
		}
		size := len(z.Raw())
		switch kind {
		case html.StartTagToken, html.SelfClosingTagToken:
			t := z.Token()
			f(offset, t.Data, t.Attr, "")
			style = t.Data == "style" && kind == html.StartTagToken
		case html.TextToken:
			if style {
				f(offset, "", nil, string(z.Text()))
			}
		case html.EndTagToken:
			style = false
		}
		offset += size
	}
}

func badTag(tag string, attrs []html.Attribute, style string) (zh, en string) {
	if tag == "" {
		return badStyle(style)
	}
	if barredElements[tag] {
		return "邮件中不能使用 <" + tag + ">", "<" + tag + "> is not allowed in mails"
	}
	for _, a := range attrs {
		key := strings.ToLower(a.Key)
		switch {
		case strings.ContainsRune(key, blank) && !strings.ContainsRune(tag, blank):
			return "字段不能作为 HTML 属性名", "a field cannot be the name of an attribute"
		case strings.HasPrefix(key, "on"):
			return "邮件中不能使用属性 " + key, "the attribute " + key + " is not allowed in mails"
		case key == "http-equiv" && !strings.EqualFold(a.Val, "content-type") && !strings.EqualFold(a.Val, "x-ua-compatible"):
			return "邮件中不能使用 http-equiv=" + a.Val, "http-equiv=" + a.Val + " is not allowed in mails"
		case key == "srcdoc" || key == "srcset" || key == "imagesrcset":
			return "邮件中不能使用属性 " + key, "the attribute " + key + " is not allowed in mails"
		case key == "style":
			if zh, en := badStyle(a.Val); zh != "" {
				return zh, en
			}
		case urlAttributes[key] && strings.HasPrefix(strings.TrimSpace(a.Val), string(blank)): // what the field gives is looked at when it is known
		case urlAttributes[key] && (!safeURL(a.Val) || strings.Contains(a.Val, "#ZgotmplZ")):
			return "链接地址不安全，只能用 http、https、mailto、tel、cid（" + tag + " " + key + "）", "an unsafe address; only http, https, mailto, tel and cid are allowed (" + tag + " " + key + ")"
		}
	}
	return "", ""
}

// badStyle looks for what loads or runs something.
func badStyle(css string) (zh, en string) {
	low := strings.ToLower(css)
	bad := func(word string) (string, string) {
		return "样式中不能使用 " + word, word + " is not allowed in styles"
	}
	for _, word := range []string{"@import", "expression(", "javascript:", "behavior:", "-moz-binding", `\`} {
		if strings.Contains(low, word) {
			return bad(word)
		}
	}
	for rest := low; ; {
		_, after, found := strings.Cut(rest, "url(")
		if !found {
			return "", ""
		}
		if address := strings.Trim(after[:min(len(after), 100)], " \t\r\n\"'"); !safeURL(address) || strings.HasPrefix(address, "data:") {
			return bad("url(" + address[:min(len(address), 10)] + ")")
		}
		rest = after
	}
}
