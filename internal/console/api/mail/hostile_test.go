package mail_test

import (
	"encoding/base64"
	"mime"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"heliograph/internal/console/api/mail"
	"heliograph/internal/store/storetest"
)

// tiny is a picture of one pixel.
const tiny = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

// hostilePages are pages that want to run or fetch something, each in its own way.
var hostilePages = map[string]string{
	"scripts":   `<script>alert(1)</script><ScRiPt src=//evil.example/x></sCrIpT><p onclick="alert(1)" onload=alert(1)>words</p><body onload=alert(1)>`,
	"links":     `<a href="javascript:alert(1)">a</a><a href=" java&#10;script:alert(1)">b</a><a href="data:text/html,<script>1</script>">c</a><a href="vbscript:x">d</a><a href="https://ok.example/">words</a>`,
	"pictures":  `<img src="https://evil.example/t.gif"><img src=//evil.example/t.gif><img srcset="https://evil.example/2x 2x"><img src="cid:pic"><img src="cid:svg"><img src="cid:loop"><img src=x onerror=alert(1)><image href="//evil.example/">words`,
	"svg":       `<svg onload=alert(1)><script>alert(1)</script><use href="https://evil.example/#x"/></svg><math><mtext><img src=x onerror=alert(1)></mtext></math>words`,
	"css":       `<style>@import url(https://evil.example/x.css);body{background:url(https://evil.example/)}</style><div style="background:url(https://evil.example/t.gif)">words</div><div style="width:expression(alert(1))">a</div><div style="background:u\72l(//evil.example)">b</div><link rel=stylesheet href=https://evil.example/x.css><div style="color: red">c</div>`,
	"frames":    `<p>words</p><iframe src=https://evil.example></iframe><object data=https://evil.example></object><embed src=https://evil.example><form action=https://evil.example><input name=a></form><meta http-equiv=refresh content="0;url=https://evil.example"><base href=https://evil.example/><video src=https://evil.example></video>words`,
	"table":     `<table background="https://evil.example/t.gif"><tr><td background="//evil.example/">words</td></tr></table><noscript><p title="</noscript><img src=x onerror=alert(1)>"></noscript>`,
	"unclosed":  `<div><p style="color: red" title="<script>alert(1)</script>">words<!-- <script>alert(1)</script> --><!--[if mso]><script>alert(1)</script><![endif]-->`,
	"deep":      strings.Repeat("<div><blockquote>", 20_000) + "words" + strings.Repeat("</blockquote></div>", 20_000),
	"ten MB":    "words" + strings.Repeat(`<p style="color: red" onclick=alert(1)>0123456789</p>`, 10<<20/52),
	"xlink":     `<a xlink:href="javascript:alert(1)" href="//evil.example/x">words</a><animate attributeName=href values=javascript:alert(1) />`,
	"templates": `<template><img src=x onerror=alert(1)></template><textarea></textarea><title><img src=x onerror=alert(1)></title>words`,
}

func hostileMail(page string) string {
	var b strings.Builder
	b.WriteString("From: \"<script>alert(1)</script>\" <evil@evil.example>\nTo: Anna <anna@corp.example>\nSubject: <img src=x onerror=alert(1)> \"><script>alert(1)</script>\n" +
		"Date: Mon, 2 Nov 2026 10:00:00 +0800\nMessage-ID: <1@evil.example>\nMIME-Version: 1.0\nContent-Type: multipart/related; boundary=b\n\n--b\nContent-Type: text/html; charset=utf-8\n\n")
	for i := 0; i < len(page); i += 900 { // lines have an end
		b.WriteString(page[i:min(i+900, len(page))])
		if len(page) > 900 {
			b.WriteString(" \n")
		}
	}
	for _, part := range []struct{ id, kind, content, name string }{
		{"pic", "image/png", tiny, "../../etc/passwd\u202egnp.exe"},
		{"svg", "image/svg+xml", base64.StdEncoding.EncodeToString([]byte(`<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`)), `<script>alert(1)</script>.svg`},
		{"loop", "image/png", base64.StdEncoding.EncodeToString([]byte(`<img src="cid:loop">`)), `C:\dir\"; filename=x.html; a="`},
	} {
		name := mime.QEncoding.Encode("utf-8", part.name)
		b.WriteString("\n--b\nContent-Type: " + part.kind + "\nContent-ID: <" + part.id + ">\nContent-Transfer-Encoding: base64\nContent-Disposition: attachment; filename*=utf-8''" +
			url.PathEscape(part.name) + "\nX-Name: " + name + "\n\n" + part.content)
	}
	b.WriteString("\n--b--\n")
	return b.String()
}

// harmlessAttributes are all that a page may have.
var harmlessAttributes = regexp.MustCompile(`^(align|valign|colspan|rowspan|border|cellpadding|cellspacing|width|height|color|start|alt|title|hidden|style|rel|target|href|src|charset|name|content)$`)

// checkPage fails the test where anything of a page runs or is fetched.
func checkPage(t *testing.T, page string) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	list := []*html.Node{root}
	for len(list) > 0 {
		n := list[len(list)-1]
		list = list[:len(list)-1]
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			list = append(list, c)
		}
		if n.Type == html.CommentNode {
			t.Errorf("a comment: %q", n.Data)
		}
		if n.Type != html.ElementNode {
			continue
		}
		switch n.Data {
		case "script", "iframe", "object", "embed", "form", "input", "link", "base", "svg", "math", "video", "template", "noscript", "textarea", "title":
			t.Errorf("an element %s", n.Data)
		case "style":
			if n.Parent.Data != "head" || strings.Contains(n.FirstChild.Data, "url") || strings.Contains(n.FirstChild.Data, "@") {
				t.Errorf("a style %q", n.FirstChild.Data)
			}
		}
		for _, a := range n.Attr {
			value := strings.ToLower(a.Val)
			switch {
			case !harmlessAttributes.MatchString(a.Key):
				t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
			case a.Key == "src" && (n.Data != "img" || !strings.HasPrefix(value, "data:image/png;base64,")),
				a.Key == "href" && (n.Data != "a" || value != "/link#https:%2f%2fok.example%2f"),
				a.Key == "style" && (strings.Contains(value, "url") || strings.Contains(value, "expression") || strings.Contains(value, `\`)),
				n.Data == "meta" && a.Key == "content" && value != "no-referrer":
				t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
			}
		}
	}
}

func TestHostileMail(t *testing.T) {
	t.Parallel()
	w := open(t, storetest.SQLite(t))
	anna := w.server.As(agent("anna@corp.example"))
	uid := uint32(0)
	for name, page := range hostilePages {
		uid++
		raw := strings.Replace(hostileMail(page), "<1@", "<"+strings.ReplaceAll(name, " ", "")+"@", 1)
		_, key := w.find("anna@corp.example", uid, raw)
		a := anna.Get("/api/v1/messages/" + key + "/html")
		if name == "deep" && a.Status == 404 { // package message shows its words only
			var m mail.Message
			if anna.Get("/api/v1/messages/"+key).JSON(200, &m); len(m.Text) != 1 || !strings.Contains(m.Text[0].Text, "words") {
				t.Errorf("%s: %+v", name, m.Text)
			}
			continue
		}
		if a.Status != 200 {
			t.Fatalf("%s: %d %s", name, a.Status, a.Body)
		}
		if got := a.Header.Get("Content-Security-Policy"); !strings.HasPrefix(got, "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'") {
			t.Errorf("%s: policy %q", name, got)
		}
		if a.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(string(a.Body), "words") {
			t.Errorf("%s: %v %.200s", name, a.Header, a.Body)
		}
		checkPage(t, string(a.Body))
		if name == "pictures" && strings.Count(string(a.Body), "data:image/png;base64,") != 1 {
			t.Errorf("%s: %s", name, a.Body)
		}
	}

	var list mail.MessageList
	anna.Get("/api/v1/messages?q=evil").JSON(200, &list)
	if len(list.Items) != len(hostilePages) {
		t.Fatalf("%d messages", len(list.Items))
	}
	at := "/api/v1/messages/" + list.Items[0].Key
	var m mail.Message
	anna.Get(at).JSON(200, &m)
	for i, want := range []string{`passwdgnp.exe`, `script>.svg`, ""} {
		if i < 2 && m.Attachments[i].Name != want {
			t.Errorf("attachment %d is called %q", i, m.Attachments[i].Name)
		}
		a := anna.Get(at + "/attachments/" + string(rune('0'+i))).Is(200)
		kind, params, err := mime.ParseMediaType(a.Header.Get("Content-Disposition"))
		if err != nil || kind != "attachment" || strings.ContainsAny(params["filename"], "/\\\u202e\"<>") || params["filename"] == "" {
			t.Errorf("%q is %q %q, %v", a.Header.Get("Content-Disposition"), kind, params, err)
		}
		if a.Header.Get("Content-Type") != "application/octet-stream" || a.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(a.Header.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%v", a.Header)
		}
	}
	anna.Get(at+"/attachments/3").Problem(404, "no_attachment")
	w.server.As(agent("ben@corp.example")).Get(at+"/html").Problem(404, "no_message")
	_, plain := w.submit("anna@corp.example", answer, "li@kunde.example")
	anna.Get("/api/v1/messages/"+plain+"/html").Problem(404, "no_html")
}
