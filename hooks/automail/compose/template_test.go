package compose_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"heliograph/hooks/automail/compose"
)

var shanghai = func() *time.Location {
	l, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		panic(err)
	}
	return l
}()

var options = compose.Options{
	Parts: compose.Parts{
		"footer": {Text: "-- \n{{.contact.owner}}", HTML: "<hr><p>{{.contact.owner}}</p>"},
		"item":   {Text: "* {{.name}}", HTML: "<li>{{.name}}</li>"},
		"loop":   {Text: `{{template "loop" .}}`, HTML: `{{template "loop" .}}`},
	},
	Fallbacks: map[string]string{"record.region": "未知地区"},
}

func render(t *testing.T, kind compose.Kind, source string) (string, error) {
	t.Helper()
	made, problems := compose.New("text", kind, source, options)
	if problems.Grave() {
		t.Fatalf("%s: %v", source, problems)
	}
	return made.Render(t.Context(), office(), compose.Limits{Zone: shanghai})
}

func TestRender(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		kind   compose.Kind
		source string
		want   string
	}{
		{compose.Text, "no fields { } }}", "no fields { } }}"},
		{compose.Text, "{{.mail.subject}}", "投诉: SO123 <b>"},
		{compose.Text, `{{.contact.name | default "您好"}}`, "您好"},
		{compose.Text, `{{default "您好" .contact.name}}`, "您好"},
		{compose.Text, `{{.contact.nothing | upper | default "x"}}`, "x"},
		{compose.Text, `{{.record.empty | default "空"}}{{.record.none | default "无"}}`, "空无"},
		{compose.Text, `{{.record.region}}`, "未知地区"},
		{compose.Text, `{{.record.金额 | money "CNY"}} {{money "JPY" .record.金额}} {{money "CHF" "-5"}} {{money "KWD" "1"}}`, "¥1,234,567.90 JP¥1,234,568 CHF -5.00 KWD 1.000"},
		{compose.Text, `{{.record.金额 | number}} {{number 1 "0.05"}} {{number 0 "-0.4"}}`, "1,234,567.895 0.1 0"},
		{compose.Text, `{{.record.金额 | plus 0.105}} {{.record.zero | minus 1}}`, "1234568 -1"},
		{compose.Text, `{{.mail.date}} {{.mail.date | date "长日期"}} {{.mail.date | date "long" "UTC"}}`, "2026-11-22 08:33 2026年11月22日 星期日 Sunday, November 22, 2026"},
		{compose.Text, `{{.mail.date | date "yyyy/MM/dd HH:mm"}} {{date "日期" .record.due}} {{.record.due | date "周"}}`, "2026/11/22 08:33 2026年12月1日 周二"},
		{compose.Text, `{{.mail.date | plus "3d" | date "iso"}} {{.mail.date | minus "90m" | date "time"}}`, "2026-11-25 07:03"},
		{compose.Text, `{{upper "ab"}}{{lower "AB"}}{{title "li lei o'neil"}}{{trim "  x "}}|{{cut 3 "一二三四"}}|{{cut 4 "一二三四"}}`, "ABabLi Lei O'neilx|一二…|一二三四"},
		{compose.Text, `{{.mail.tags | join "、"}} {{.mail.tags}} {{count .mail.tags}} {{first .mail.tags}} {{last .mail.tags}}`, "投诉、VIP 投诉, VIP 2 投诉 VIP"},
		{compose.Text, `{{.mail.tags | list}}`, "- 投诉\n- VIP"},
		{compose.Text, `{{(first .mail.to).address}} {{(last .mail.to).name}}`, "support@example.com "},
		{compose.Text, `{{range .mail.attachments}}{{.name}} ({{.size}});{{end}}`, "合同.pdf (12345);a<b>.png (7);"},
		{compose.Text, `{{range $i, $a := .mail.attachments}}{{$i}}={{$a.name}}/{{$.mail.language}} {{end}}`, "0=合同.pdf/zh 1=a<b>.png/zh "},
		{compose.Text, `{{range .record.none}}x{{else}}none{{end}}{{range .record.missing}}x{{else}}gone{{end}}`, "nonegone"},
		{compose.Text, `{{if .contact.name}}a{{else if .contact.kind}}b{{end}}{{if .record.zero}}c{{else}}d{{end}}`, "bd"},
		{compose.Text, `{{with .contact}}{{.kind}}:{{.name | default "-"}}{{end}}`, "person:-"},
		{compose.Text, `{{with $c := .mail.from}}{{$c.name}} {{.address}}{{end}}{{with .company}}x{{else}}no{{end}}`, "李雷 li@customer.testno"},
		{compose.Text, `{{if and .mail.subject (not .contact.name)}}y{{end}}{{if or .contact.name .x.y}}{{else}}z{{end}}`, "yz"},
		{compose.Text, `{{if eq .mail.language "zh"}}中{{end}}{{if gt .record.金额 1000}}big{{end}}{{if lt .record.金额 1}}small{{end}}{{if eq .record.zero "0.00"}}null{{end}}`, "中bignull"},
		{compose.Text, `{{if and .contact.level (eq .contact.level "VIP")}}{{else}}no{{end}}{{if or .mail.tags (eq .contact.level "VIP")}}yes{{end}}`, "noyes"},
		{compose.Text, `{{field "record.odd-name"}}{{field "record.nope" | default "-"}}`, "奇-"},
		{compose.Text, `{{.mail.from}}`, "李雷 <li@customer.test>"},
		{compose.Text, `{{.record._url | link "打开"}} {{link .record._url}}`, "打开 <https://crm.test/r/1?a=1&b=2> https://crm.test/r/1?a=1&b=2"},
		{compose.Text, `{{count .mail.attachments}} {{.mail.attachments | plural "file" "files"}} {{plural "day" "days" 1}}`, "2 files day"},
		{compose.Text, "{{.record.items | table \"name=品名\" \"qty=数量\"}}", "品名       数量\n---------  ----\n螺丝       10\nBolt <M4>"},
		{compose.Text, `{{/* a comment }} */}}{{template "footer" .}}{{range .mail.attachments}}{{template "item" .}}{{end}}{{template "footer" $}}`, "-- \nHan Meimei* 合同.pdf* a<b>.png-- \nHan Meimei"},
		{compose.Text, `{{.mail.text | nl2br}}`, "第一行\n<script>alert(1)</script>"},
		{compose.Line, "a\r\nBcc: x@y {{.mail.text}}", "a Bcc: x@y 第一行 <script>alert(1)</script>"},
		{compose.HTML, `<p title="{{.mail.subject}}">{{.mail.text}}</p>`, `<p title="投诉: SO123 &lt;b&gt;">` + "第一行\n&lt;script&gt;alert(1)&lt;/script&gt;</p>"},
		{compose.HTML, `{{.mail.text | nl2br}}`, "第一行<br>\n&lt;script&gt;alert(1)&lt;/script&gt;"},
		{compose.HTML, `<a href="{{.record._url}}">x</a><a href="{{.record.phone}}">t</a><a href="https://x.test/?q={{.mail.subject}}">s</a>`, `<a href="https://crm.test/r/1?a=1&amp;b=2">x</a><a href="tel:&#43;861012345678">t</a><a href="https://x.test/?q=%e6%8a%95%e8%af%89%3a%20SO123%20%3cb%3e">s</a>`},
		{compose.HTML, `{{.record.phone}}{{.record._url | link "打<开"}}`, `tel:&#43;861012345678<a href="https://crm.test/r/1?a=1&amp;b=2">打&lt;开</a>`},
		{compose.HTML, `{{.mail.tags | list}}`, "<ul><li>投诉</li><li>VIP</li></ul>"},
		{compose.HTML, `{{template "footer" .}}<ul>{{range .mail.attachments}}{{template "item" .}}{{end}}</ul>`, "<hr><p>Han Meimei</p><ul><li>合同.pdf</li><li>a&lt;b&gt;.png</li></ul>"},
		{compose.HTML, `<p {{if .contact.name}}class="a"{{else}}class="b"{{end}}><a href="{{if .record._url}}{{.record._url}}{{end}}">`, `<p class="b"><a href="https://crm.test/r/1?a=1&amp;b=2">`},
		{compose.HTML, `<p style="color:{{.mail.language}}">{{.mail.from.name}}</p>`, `<p style="color:zh">李雷</p>`},
	} {
		got, err := render(t, tt.kind, tt.source)
		if err != nil || got != tt.want {
			t.Errorf("%s\n got %q\nwant %q\n err %v", tt.source, got, tt.want, err)
		}
	}
}

func TestRenderTableInHTML(t *testing.T) {
	t.Parallel()
	got, err := render(t, compose.HTML, `{{table .record.items}}`)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{">name</th>", ">qty</th>", ">Bolt &lt;M4&gt;</td>", ">10</td>"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
}

// TestMissing sees that nothing that is missing is written as if it was there.
func TestMissing(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		kind         compose.Kind
		source, code string
		names        string
		line, column int
	}{
		{compose.Text, "您好，\n {{.contact.name}}", "missing_value", "contact.name", 2, 0},
		{compose.Text, "{{.contact.phone | upper}}", "missing_value", "contact.phone", 1, 0},
		{compose.HTML, "<p>{{.contact.phone}}</p>", "missing_value", "contact.phone", 1, 0},
		{compose.Text, `{{field "record.no-such"}}`, "missing_value", "record.no-such", 1, 0},
		{compose.Text, "{{range .mail.attachments}}{{.nope}}{{end}}", "missing_value", "nope", 1, 0},
		{compose.Text, "{{range .record.missing}}x{{end}}", "missing_value", "record.missing", 1, 0},
		{compose.Text, "{{range .mail.subject}}x{{end}}", "not_a_list", ".mail.subject", 1, 0},
		{compose.Text, "{{.mail.subject.Len}}", "missing_value", "mail.subject.Len", 1, 0},
		{compose.Text, "{{(first .mail.to).nope}}", "missing_value", "nope", 1, 0},
		{compose.Text, "{{.record}}", "not_text", "record", 1, 0},
		{compose.Text, `{{if gt .mail.subject 1}}x{{end}}`, "arguments", "gt", 1, 0},
		{compose.Text, `{{if eq .contact.level "VIP"}}x{{end}}`, "missing_value", "contact.level", 1, 0},
		{compose.Text, `{{if not (or (eq .contact.level "VIP") .contact.name)}}x{{end}}`, "missing_value", "contact.level", 1, 0},
		{compose.Text, `{{with gt .contact.level 1}}x{{end}}`, "missing_value", "contact.level", 1, 0},
		{compose.Text, `{{.mail.subject | money "CNY"}}`, "arguments", "money", 1, 0},
		{compose.Text, `{{.mail.subject | date "日期"}}`, "arguments", "date", 1, 0},
		{compose.HTML, `<a href="{{.record.evil}}">x</a>`, "unsafe_html", "href", 1, 0},
		{compose.HTML, `<img src="{{.record.evil}}">`, "unsafe_html", "src", 1, 0},
		{compose.HTML, `{{link .record.evil}}`, "arguments", "link", 1, 0},
	} {
		got, err := render(t, tt.kind, tt.source)
		var p compose.Problem
		var ps compose.Problems
		if errors.As(err, &ps) {
			p = ps[0]
		} else if !errors.As(err, &p) {
			t.Errorf("%s: got %q, %v, want a problem", tt.source, got, err)
			continue
		}
		if p.Code != tt.code || !strings.Contains(p.En, tt.names) || p.Zh == "" || tt.code == "missing_value" && (p.Line != tt.line || len(p.Suggestions) == 0 || !strings.Contains(p.Zh, "给它一个默认值")) {
			t.Errorf("%s: got %+v, want %s naming %s", tt.source, p, tt.code, tt.names)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		kind         compose.Kind
		source, code string
		line, column int
		suggests     string
	}{
		{compose.Text, "a\n你{{.mail.subject | uper}}", "unknown_function", 2, 20, "upper"},
		{compose.Text, "{{printf \"%s\" .mail.subject}}", "unknown_function", 1, 0, ""},
		{compose.Text, "{{.mail.subject | html}}", "unknown_function", 1, 0, ""},
		{compose.Text, "{{call .x}}", "unknown_function", 1, 0, ""},
		{compose.Text, "{{_fact 0}}", "unknown_function", 1, 0, ""},
		{compose.Text, "{{define \"x\"}}y{{end}}", "not_allowed", 1, 0, ""},
		{compose.Text, "{{block \"x\" .}}y{{end}}", "not_allowed", 1, 0, ""},
		{compose.Text, `{{template "foter" .}}`, "unknown_part", 1, 0, "footer"},
		{compose.Text, `{{template "loop" .}}`, "not_allowed", 1, 0, ""},
		{compose.Text, `{{template "footer" .mail}}`, "not_allowed", 1, 0, ""},
		{compose.Text, `{{$x := .mail.subject}}{{$x}}`, "not_allowed", 1, 0, ""},
		{compose.Text, `{{range $i, $x := .a}}{{$x = 1}}{{end}}`, "not_allowed", 1, 0, ""},
		{compose.Text, `{{range .a}}{{break}}{{end}}`, "not_allowed", 1, 0, ""},
		{compose.Text, `{{.mail.date.Format "2006"}}`, "not_allowed", 1, 0, ""},
		{compose.Text, `{{.mail.subject | .mail.date}}`, "not_allowed", 1, 0, ""},
		{compose.Text, `{{.}}`, "not_allowed", 1, 0, ""},
		{compose.Text, `{{$}}`, "not_allowed", 1, 0, ""},
		{compose.Text, `{{nil}}`, "not_allowed", 1, 0, ""},
		{compose.Text, `{{default upper .x}}`, "not_allowed", 1, 0, ""},
		{compose.Text, `{{.x | money "XYZQ"}}`, "arguments", 1, 0, ""},
		{compose.Text, `{{.x | date "foo"}}`, "arguments", 1, 0, ""},
		{compose.Text, `{{.x | date "日期" "Mars/Phobos"}}`, "arguments", 1, 0, ""},
		{compose.Text, `{{.x | default}}`, "arguments", 1, 0, ""},
		{compose.Text, `{{field .x}}`, "arguments", 1, 0, ""},
		{compose.Text, "ok\n{{.mail.subject", "syntax", 2, 0, ""},
		{compose.Text, "{{if .x}}a", "syntax", 1, 0, "{{end}}"},
		{compose.Text, "{{.record.odd-name}}", "syntax", 1, 0, `{{field "record.odd-name"}}`},
		{compose.Text, "{{.x | default “您好”}}", "syntax", 1, 0, `"…"`},
		{compose.Text, "{{}}", "syntax", 1, 0, ""},
		{compose.Text, "您好｛｛.contact.name｝｝", "full_width", 1, 3, "{{ }}"},
		{compose.Text, strings.Repeat("{{if .x}}", 50) + strings.Repeat("{{end}}", 50), "too_deep", 1, 0, ""},
		{compose.Text, strings.Repeat("{{.x}}", 6000), "too_long", 1, 0, ""},
		{compose.Text, "\x00", "not_text", 1, 0, ""},
		{compose.HTML, "<p>\n<script>var x = {{.x}}</script>", "unsafe_html", 2, 1, ""},
		{compose.HTML, `<a href="javascript:{{.x}}">`, "unsafe_html", 1, 1, ""},
		{compose.HTML, `<a href=" java&#10;script:alert(1)">`, "unsafe_html", 1, 1, ""},
		{compose.HTML, `<img src="data:text/html,x">`, "unsafe_html", 1, 1, ""},
		{compose.HTML, `<p onclick="{{.x}}">`, "unsafe_html", 1, 1, ""},
		{compose.HTML, `<iframe src="https://x.test">`, "unsafe_html", 1, 1, ""},
		{compose.HTML, `<meta http-equiv="refresh" content="0;url=https://x.test">`, "unsafe_html", 1, 1, ""},
		{compose.HTML, `<style>@import "https://x.test";</style>`, "unsafe_html", 1, 0, ""},
		{compose.HTML, `<p style="background:url(javascript:x)">`, "unsafe_html", 1, 1, ""},
		{compose.HTML, `<a href="{{if .x}}"{{end}}>`, "html_context", 1, 0, ""},
		{compose.HTML, `<p {{.x`, "syntax", 1, 0, ""},
		{compose.HTML, `<p {{.x}}="y">`, "unsafe_html", 1, 1, ""},
		{compose.HTML, strings.Repeat("<", 200_000), "unsafe_html", 1, 1, "&lt;"},
	} {
		got := compose.Check("text", tt.kind, tt.source, options)
		i := slices.IndexFunc(got, func(p compose.Problem) bool { return p.Code == tt.code })
		if i < 0 {
			t.Errorf("%.60s: got %+v, want %s", tt.source, got, tt.code)
			continue
		}
		p := got[i]
		if p.Line != tt.line || tt.column > 0 && p.Column != tt.column || tt.suggests != "" && !slices.Contains(p.Suggestions, tt.suggests) || p.Zh == "" || p.En == "" {
			t.Errorf("%.60s: got %+v, want %s at %d:%d suggesting %q", tt.source, p, tt.code, tt.line, tt.column, tt.suggests)
		}
	}
}

func TestKnownFields(t *testing.T) {
	t.Parallel()
	o := compose.Options{Known: []string{"mail.subject", "mail.from.address", "record.*"}}
	got := compose.Check("subject", compose.Line, "{{.mail.subjet}} {{.record.anything}} {{with .mail.from}}{{.address}}{{end}}", o)
	if len(got) != 1 || got[0].Code != "unknown_field" || !got[0].Warning || got.Grave() || !slices.Equal(got[0].Suggestions, []string{"mail.subject"}) {
		t.Errorf("got %+v", got)
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	made, problems := compose.New("x", compose.Text, `{{.a.b}}{{with .contact}}{{.name}}{{range .phones}}{{.number}}{{$.rule.id}}{{end}}{{end}}{{field "r.odd-x"}}{{(first .to).name}}{{template "footer" .}}`, options)
	want := []string{"a.b", "contact", "contact.name", "contact.owner", "contact.phones", "r.odd-x", "rule.id", "to"}
	if problems != nil || !slices.Equal(made.Paths(), want) {
		t.Errorf("got %v, %v, want %v", made.Paths(), problems, want)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	long := facts{"x": strings.Repeat("a", 1<<20), "l": make([]any, 200)}
	for _, tt := range []struct {
		source string
		l      compose.Limits
		want   error
	}{
		{"{{.x}}{{.x}}", compose.Limits{}, compose.ErrTooLong},
		{"{{.x}}", compose.Limits{Output: 100}, compose.ErrTooLong},
		{"{{range .l}}{{range $.l}}{{range $.l}}x{{end}}{{end}}{{end}}", compose.Limits{}, nil},
		{"{{range .l}}{{$.x | upper | cut 1}}{{end}}", compose.Limits{Time: time.Nanosecond}, compose.ErrTooSlow},
	} {
		made, problems := compose.New("x", compose.Text, tt.source, compose.Options{})
		if problems != nil {
			t.Fatal(problems)
		}
		_, err := made.Render(t.Context(), long, tt.l)
		if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.source, err, tt.want)
		}
	}
}

type broken struct{}

var errPassing = errors.New("the CRM does not answer")

func (broken) Fact(context.Context, string) (any, error) { return nil, errPassing }

func TestPassingTroubleIsNoProblem(t *testing.T) {
	t.Parallel()
	made, _ := compose.New("x", compose.Text, `{{.a | default "x"}}`, compose.Options{})
	if _, err := made.Render(t.Context(), broken{}, compose.Limits{}); !errors.Is(err, errPassing) {
		t.Errorf("got %v", err)
	}
}

func TestRenderConcurrently(t *testing.T) {
	t.Parallel()
	made, problems := compose.New("x", compose.HTML, `<p>{{.n}}</p>`, compose.Options{})
	if problems != nil {
		t.Fatal(problems)
	}
	for i := range 8 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			for range 20 {
				got, err := made.Render(t.Context(), facts{"n": fmt.Sprint(i)}, compose.Limits{})
				if want := fmt.Sprintf("<p>%d</p>", i); err != nil || got != want {
					t.Errorf("got %q, %v, want %q", got, err, want)
				}
			}
		})
	}
}
