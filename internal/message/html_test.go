package message_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"heliograph/internal/message"
)

// pageOf parses a mail that is one HTML page.
func pageOf(tb testing.TB, page string, o message.Options) *message.Message {
	tb.Helper()
	return parse(tb, "Content-Type: text/html; charset=utf-8\r\n\r\n"+page, o)
}

var (
	safeElements = strings.Fields("html head body p div span br hr h1 h2 h3 h4 h5 h6 b strong i em u s strike del ins sub sup small big code pre tt kbd samp blockquote " +
		"ul ol li dl dt dd center font table thead tbody tfoot tr td th caption figure figcaption address article section header footer a img colgroup")
	safeAttributes = strings.Fields("align valign colspan rowspan border cellpadding cellspacing width height color start style hidden href src alt title rel target")
	safeLink       = regexp.MustCompile(`^(?i)(https?|mailto|tel|cid):`)
	safeStyle      = regexp.MustCompile(`^(?:[a-z-]+: (?:[#%.,\w -]|rgba?\([\d.,% ]+\))+(?:; |$))+$`)
)

// checkSafe reads a page as a browser does and finds what could run, load or lead astray.
func checkSafe(tb testing.TB, page string) {
	tb.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		tb.Fatal(err)
	}
	for n := range root.Descendants() {
		switch n.Type {
		case html.CommentNode:
			tb.Errorf("comment %q in %q", n.Data, page)
		case html.ElementNode:
			if !slices.Contains(safeElements, n.Data) || n.Namespace != "" {
				tb.Errorf("element %s %s in %q", n.Namespace, n.Data, page)
			}
			for _, a := range n.Attr {
				ok := slices.Contains(safeAttributes, a.Key)
				switch a.Key {
				case "href":
					ok = safeLink.MatchString(a.Val)
				case "src":
					ok = strings.HasPrefix(strings.ToLower(a.Val), "cid:")
				case "style":
					ok = safeStyle.MatchString(a.Val)
				}
				if !ok {
					tb.Errorf("attribute %s=%q in %q", a.Key, a.Val, page)
				}
			}
		}
	}
}

// attacks are of the kinds that the OWASP cheat sheets list; none may leave anything that acts.
var attacks = []string{
	`<script>alert(1)</script>`, `<SCRIPT SRC=//evil.test/x.js></SCRIPT>`, `<scr<script>ipt>alert(1)</scr</script>ipt>`, `<script/x>alert(1)</script>`,
	"<scr\x00ipt>alert(1)</scr\x00ipt>", `<<script>alert(1);//<</script>`, `<script src="http://evil.test/?<b>">`, `<script>/* --></script><p>x`,
	`<img src=x onerror=alert(1)>`, `<img src="javascript:alert(1)">`, "<img src=\"java\tscript:alert(1)\">", "<img src=\"java\nscript:alert(1)\">",
	`<img src=&#106;&#97;&#118;&#97;&#115;&#99;&#114;&#105;&#112;&#116;&#58;alert(1)>`, `<img src="&#x6A&#x61&#x76&#x61&#x73&#x63&#x72&#x69&#x70&#x74&#x3A;alert(1)">`,
	`<img """><script>alert(1)</script>">`, `<img src="http://evil.test/track.gif">`, `<img src="//evil.test/x">`, `<img srcset="http://evil.test/a 1x, http://evil.test/b 2x">`,
	`<img src="cid:a&quot; onerror=&quot;alert(1)">`, `<img src='cid:a"onerror=alert(1) x="'>`, `<img src="data:image/svg+xml,<svg onload=alert(1)>">`, `<img dynsrc="http://evil.test/a" lowsrc="http://evil.test/b">`,
	`<a href="javascript:alert(1)">x</a>`, `<a href=" javascript:alert(1)">x</a>`, "<a href=\"\x01javascript:alert(1)\">x</a>", `<a href="jav&#x09;ascript:alert(1)">x</a>`, `<a href="JaVaScRiPt:alert(1)">x</a>`,
	`<a href="vbscript:msgbox(1)">x</a>`, `<a href="data:text/html;base64,PHNjcmlwdD4=">x</a>`, `<a href="file:///etc/passwd">x</a>`, `<a href="//evil.test">x</a>`, `<a href="/relative">x</a>`,
	`<a href="http://a" onmouseover="alert(1)">x</a>`, `<a href='http://a"onclick="alert(1)'>x</a>`, `<a ping="http://evil.test" href="http://a">x</a>`, `<a href="https://good.test" target="_self" style="position:fixed;top:0;left:0;width:100%;height:100%">x</a>`,
	`<body onload=alert(1) background="http://evil.test/b">x`, `<div style="background:url(http://evil.test/a)">x</div>`, `<div style="background-image:\75\72\6c(http://evil.test/a)">x</div>`,
	`<div style="color:red;background:u/**/rl(http://evil.test)">x</div>`, `<div style="width: expression(alert(1))">x</div>`, `<div style="color:ex/*x*/pression(alert(1))">x</div>`, `<div style="-moz-binding:url(http://evil.test/x.xml#a)">x</div>`,
	`<div style="behavior: url(evil.htc)">x</div>`, `<div style='color:red"onclick="alert(1)'>x</div>`, `<div style="color:&quot;red;&#x5c;">x</div>`, `<div style="list-style:url(javascript:alert(1))">x</div>`, `<div style="font-family:'</style><script>alert(1)</script>'">x</div>`,
	`<div style="color:red" style="background:url(http://evil.test)">x</div>`, `<style>@import'http://evil.test/s.css';</style>`, `<style>li{list-style-image:url("javascript:alert(1)")}</style>x`, `<link rel=stylesheet href="http://evil.test/s.css">`,
	`<meta http-equiv=refresh content="0;url=javascript:alert(1)">`, `<base href="javascript:alert(1);//">`, `<iframe src="javascript:alert(1)"></iframe>`, `<iframe srcdoc="<script>alert(1)</script>">`, `<frameset><frame src="http://evil.test"></frameset>`,
	`<object data="http://evil.test/x.swf"></object>`, `<embed src="data:image/svg+xml;base64,PHN2Zz4=">`, `<applet code=x></applet>`, `<svg onload=alert(1)>`, `<svg><script>alert(1)</script></svg>`, `<svg><a xlink:href="javascript:alert(1)"><text>x</text></a></svg>`,
	`<svg><style><img src=x onerror=alert(1)></style></svg>`, `<svg></p><style><a id="</style><img src=1 onerror=alert(1)>">`, `<math><mtext></p><table><mglyph><style><img src=x onerror=alert(1)>`, `<math><maction actiontype="statusline#http://evil.test" xlink:href="javascript:alert(1)">x`,
	`<form action="http://evil.test"><input type=image src="http://evil.test/i"><button formaction="javascript:alert(1)">x</button></form>`, `<isindex action="javascript:alert(1)" type=image>`, `<input autofocus onfocus=alert(1)>`, `<keygen autofocus onfocus=alert(1)>`,
	`<video poster="http://evil.test/p"><source src=x onerror=alert(1)></video>`, `<audio src=x onerror=alert(1)>`, `<details open ontoggle=alert(1)>x</details>`, `<marquee onstart=alert(1)>x</marquee>`, `<xss id=x onfocus=alert(1) tabindex=1>x</xss>`,
	`<table background="javascript:alert(1)"><td background="http://evil.test">x</table>`, `<p align="left&quot; onclick=alert(1)">x</p>`, `<font color="red;background:url(http://evil.test)">x</font>`, `<!--[if gte IE 4]><script>alert(1)</script><![endif]-->`, `<!--><img src=x onerror=alert(1)>-->`, `<!--<img src="--><img src=x onerror=alert(1)//">`,
	`<comment><img src="</comment><img src=x onerror=alert(1)//">`, `<noscript><p title="</noscript><img src=x onerror=alert(1)>">`, `<title><img src="</title><img src=x onerror=alert(1)>">`, `<textarea><img src="</textarea><img src=x onerror=alert(1)>">`, `<xmp><img src="</xmp><img src=x onerror=alert(1)>"></xmp>`, `<noembed><img src="</noembed><img src=x onerror=alert(1)>">`,
	`<plaintext><img src=x onerror=alert(1)>`, `<template><script>alert(1)</script></template>`, `<portal src="http://evil.test">`, `<?xml version="1.0"?><?import namespace="t" ?><p>x`, `<![CDATA[<img src=x onerror=alert(1)>]]>`, `<select><option><img src=x onerror=alert(1)></select>`,
	`<div id="__proto__" name="cookie" class="modal">x</div>`, `<p contenteditable autofocus onfocus=alert(1)>x</p>`, `<p/onclick=alert(1)/x>x`, "<img/src='x'\x0conerror=alert(1)>", `<a href="https://a" rel="opener">x</a>`, `<img usemap="#m"><map name=m><area href="javascript:alert(1)"></map>`,
	`<p style="color:rgb(1,2,3);color:rgba(url(http://evil.test))">x</p>`, `<p style="margin:-999px;display:flex">x</p>`, `<dialog open>x</dialog>`, `<p hidden="until-found" onbeforematch=alert(1)>x`, `<a href="http:javascript:alert(1)">x</a>`, `<a href="http://[::1">x</a>`,
}

func TestAttacksLeaveNothing(t *testing.T) {
	t.Parallel()
	for _, a := range attacks {
		m := pageOf(t, "<p>before</p>"+a, message.Options{})
		checkSafe(t, m.HTML)
		if strings.Contains(m.HTML, "evil.test") && !strings.Contains(m.HTML, "&lt;") {
			t.Errorf("%s leaves %s", a, m.HTML)
		}
		if !strings.Contains(m.HTML, "before") || !strings.Contains(m.Text, "before") {
			t.Errorf("%s: the words before it are lost: %q %q", a, m.HTML, m.Text)
		}
	}
	for _, between := range []string{"", "<p>", "<!--", "\"'>", "</style></script></svg></math>"} {
		checkSafe(t, pageOf(t, strings.Join(attacks, between), message.Options{}).HTML)
	}
}

// Words behind what is opened and never closed, or closed and never opened, are words; those in what is closed are not.
func TestUnclosedElementsKeepWords(t *testing.T) {
	t.Parallel()
	for _, before := range []string{
		`<iframe src="https://evil.test/">`, `<IFRAME>`, `<object data="https://evil.test/x">`, `<object><object></object>`, `<embed src="https://evil.test/x">`,
		`<svg>`, `<svg/>`, `<math>`, `<template>`, `<select><option>`, `<textarea>`, `<title>`, `<noscript>`, `<xml>`, `</object><object></object>`,
		`</iframe><iframe></iframe>`, `<object><iframe></object>`, `<iframe><iframe><iframe>`, `<<object></object>object>`, `<object><svg></object>`,
		`</title></script><script>x()</script>`, `<iframe><style>p{color:red}</style>`, `<textarea></textareas>`, `<noscript></noscript`,
	} {
		m := pageOf(t, "<p>before</p>"+before+`<p style="position: fixed; color: red">after</p><p>end</p>`, message.Options{})
		checkSafe(t, m.HTML)
		if !strings.Contains(m.HTML, ">after<") || !strings.Contains(m.HTML, ">end<") {
			t.Errorf("%s: words are lost: %s", before, m.HTML)
		}
		if strings.Contains(m.HTML, "position") || strings.Contains(m.HTML, "evil.test") {
			t.Errorf("%s leaves %s", before, m.HTML)
		}
		if !strings.Contains(m.Text, "after") || !strings.Contains(m.Text, "end") {
			t.Errorf("%s: the text lost words: %q", before, m.Text)
		}
	}
	m := pageOf(t, `<p>a</p><object>o1</object><object><svg>o2</svg></object><iframe>o3</iframe><select><option>o4</select><script>o5</script><p>b</p><style>o6`, message.Options{})
	if strings.Contains(m.HTML, "o1") || strings.ContainsAny(m.HTML, "123456") || !strings.Contains(m.HTML, "<p>b</p>") {
		t.Errorf("what is no words: %s", m.HTML)
	}
}

// What a page says is kept beside what it does.
func TestSanitizedKeepsWords(t *testing.T) {
	t.Parallel()
	m := pageOf(t, `<html><head><title>t</title><meta charset=utf-8><body><form><p style="COLOR: Red !important; text-align:center">Words</p></form><table width="100%"><tr><td colspan=2 style="padding: 2px 4px">cell</table><img src="cid:a@b" alt="logo" width=10>`+
		`<a href="https://example.com/?a=1&amp;b=2">link</a><p style="display:none">pre</p>`, message.Options{})
	for _, want := range []string{
		`<p style="color: red; text-align: center">Words</p>`, `<table width="100%"><tr><td colspan="2" style="padding: 2px 4px">cell`, `<img src="cid:a@b" alt="logo" width="10">`,
		`<a href="https://example.com/?a=1&amp;b=2" rel="nofollow noreferrer noopener" target="_blank">link</a>`, `<p style="display: none">pre</p>`,
	} {
		if !strings.Contains(m.HTML, want) {
			t.Errorf("%s lacks %s", m.HTML, want)
		}
	}
	if strings.Contains(m.Text, "pre") || strings.Contains(m.HTML, "<title") {
		t.Errorf("%q %q", m.Text, m.HTML)
	}
}

// The text for people may change; what keys are made of may not.
func TestKeysSeeThePageAsEver(t *testing.T) {
	t.Parallel()
	m := parse(t, "From: a@example.com\r\nDate: Mon, 4 Mar 2024 09:15:00 +0800\r\nMessage-ID: <a@b>\r\nContent-Type: text/html\r\n\r\n"+
		`<div style="display:none">pre</div><ol><li>one<li>two</ol><table><tr><td>a<td>b</table><a href="https://example.com/x">link</a><blockquote>q</blockquote><hr><pre>x`+"\n\n"+`y</pre><img alt="alt">`, message.Options{})
	if want := "m1-b9b3cd66753c0a126bf58136230b02353f9b5431b4363d84132b6ef6da1bdba1"; m.Key != want {
		t.Errorf("key %s, want %s", m.Key, want)
	}
}

// pathological are pages whose cost must grow with their size and not with its square.
var pathological = map[string]func(n int) string{
	"open tables":  func(n int) string { return strings.Repeat("<table><tr><td>", n) },
	"table rows":   func(n int) string { return "<table>" + strings.Repeat("<tr><td>a<td>b", n) },
	"nested cells": func(n int) string { return strings.Repeat("<table><tr><td>x<td>", 30) + strings.Repeat("y<br>", n) },
	"wide cells":   func(n int) string { return "<table><tr>" + strings.Repeat("<td colspan=20>", n) + "x</table>" },
	"open blocks":  func(n int) string { return strings.Repeat("<div><p>", n) },
	"open inlines": func(n int) string { return strings.Repeat("<b><i><span>a", n) },
	"stray ends":   func(n int) string { return strings.Repeat("<div>", 190) + strings.Repeat("</span></td></ul>", n) },
	"links":        func(n int) string { return strings.Repeat("<a href=https://example.com/x>", n) },
	"long link": func(n int) string {
		return "<a href=https://e/" + strings.Repeat("x", n) + ">" + strings.Repeat("y ", n)
	},
	"lists":          func(n int) string { return strings.Repeat("<ul><li>a", n) },
	"items":          func(n int) string { return "<ol>" + strings.Repeat("<li>", n) },
	"quotes":         func(n int) string { return strings.Repeat("<blockquote>", n) + strings.Repeat("a<br>", n) },
	"styles":         func(n int) string { return `<p style="` + strings.Repeat("color:red;", n) + `">` },
	"style comments": func(n int) string { return strings.Repeat(`<p style="`+strings.Repeat("/*", 400)+`">`, n/800+1) },
	"decorations": func(n int) string {
		return strings.Repeat(`<p style="text-decoration:`+strings.Repeat("initial ", 60)+`x">`, n/480+1)
	},
	"classes":          func(n int) string { return `<p class="` + strings.Repeat("a ", n) + `">` },
	"comments":         func(n int) string { return strings.Repeat("<!--", n) },
	"bogus":            func(n int) string { return strings.Repeat("<", n) + strings.Repeat("&", n) },
	"pre":              func(n int) string { return "<pre>" + strings.Repeat("\n", n) },
	"breaks":           func(n int) string { return strings.Repeat("<br>", n) },
	"no-break spaces":  func(n int) string { return strings.Repeat("&nbsp;", n) },
	"history":          func(n int) string { return strings.Repeat(`<div id=isReplyContent>a</div>`, n) },
	"unclosed raw":     func(n int) string { return strings.Repeat("<textarea><title>", n) },
	"skipped elements": func(n int) string { return strings.Repeat("<svg><math>", n) },
}

// Text is at most a few times its page, and its allocations grow with it.
func TestPathologicalPages(t *testing.T) {
	for name, page := range pathological {
		t.Run(name, func(t *testing.T) {
			cost := func(n int) float64 {
				raw := page(n)
				return float64(allocated(func() {
					if m := pageOf(t, raw, message.Options{MaxText: 1 << 20}); len(m.Text) > 3<<20 || len(m.HTML) > 3<<20 {
						t.Errorf("%d bytes of text, %d of HTML", len(m.Text), len(m.HTML))
					}
				}))
			}
			const n = 3_000
			cost(n) // what is made once
			if small, large := cost(n), cost(4*n); large > 8*small+1<<20 {
				t.Errorf("%.0f bytes allocated, and %.0f for four times the page", small, large)
			}
		})
	}
}

func TestHTMLIsBounded(t *testing.T) {
	t.Parallel()
	const room = 10_000
	for _, page := range []string{"&<p>", "<a href=http://x>", "'", "<p style=color:red>", "é"} {
		m := pageOf(t, "<b>head</b>"+strings.Repeat(page, room/len(page)), message.Options{MaxText: room})
		if len(m.HTML) > 2*room+100 || !strings.HasPrefix(m.HTML, "<b>head</b>") {
			t.Errorf("%q: %d bytes of HTML that begins %.40q", page, len(m.HTML), m.HTML)
		}
		checkSafe(t, m.HTML)
	}
}

func FuzzHTML(f *testing.F) {
	for _, a := range attacks {
		f.Add(a)
	}
	for _, page := range pathological {
		f.Add(page(5))
	}
	f.Fuzz(func(t *testing.T, page string) {
		const room = 16 << 10
		m := pageOf(t, page, message.Options{MaxText: room})
		if slices.Contains(m.Flags, message.FlagUnparsed) {
			t.Fatal("a panic was caught")
		}
		checkSafe(t, m.HTML)
		if len(m.Text) > 4*room || len(m.HTML) > 3*room {
			t.Fatalf("%d bytes of text, %d of HTML", len(m.Text), len(m.HTML))
		}
		subsequence(t, m.Unquoted, m.Text)
	})
}
