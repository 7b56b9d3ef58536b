package compose_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"heliograph/hooks/automail/compose"
)

func TestSet(t *testing.T) {
	t.Parallel()
	set := compose.Set{
		Name: "welcome", From: "客服 <support@example.com>", To: "{{.contact.name}} <{{.contact.address}}>", CC: "{{.mail.to}}", Subject: "收到：{{.mail.subject}}",
		HTML: `<p>{{.contact.name}}，您好</p>{{template "footer" .}}`, Fallbacks: map[string]string{"contact.name": "客户"},
	}
	made, problems := compose.Compile(set, options)
	if problems != nil {
		t.Fatal(problems)
	}
	if want := []string{"contact.address", "contact.name", "contact.owner", "mail.subject", "mail.to"}; !slices.Equal(made.Paths(), want) {
		t.Errorf("got %v", made.Paths())
	}
	got, err := made.Render(t.Context(), office(), compose.Limits{}, compose.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	if got.To[0].String() != "客户 <li@customer.test>" || len(got.CC) != 2 || got.Subject != "收到：投诉: SO123 <b>" || !strings.HasPrefix(got.Text, "客户，您好\n") || got.From[0].Name != "客服" {
		t.Errorf("got %+v", got)
	}
	if _, err := made.Render(t.Context(), office(), compose.Limits{}, compose.Policy{Own: []string{"support@example.com"}}); !errors.Is(err, compose.ErrOwnSender) {
		t.Errorf("got %v", err)
	}
	if _, err := made.Render(t.Context(), broken{}, compose.Limits{}, compose.Policy{}); !errors.Is(err, errPassing) {
		t.Errorf("got %v", err)
	}
}

func TestPreview(t *testing.T) {
	t.Parallel()
	set := compose.Set{To: "{{.mail.from}}", Subject: "{{.contact.phone}}", Text: "{{.mail.language}} {{.mail.nope | uper}}", HTML: "<p>{{.mail.language}}"}
	got, err := compose.Preview(t.Context(), set, office(), options, compose.Limits{}, compose.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	codes := func() []string {
		var out []string
		for _, p := range got.Problems {
			out = append(out, p.Template+" "+p.Code)
		}
		return out
	}
	if got.Sendable() || !slices.Equal(codes(), []string{"text unknown_function", "subject missing_value"}) || got.To[0].Address != "li@customer.test" || got.HTML != "<p>zh" || got.Text != "zh" {
		t.Errorf("got %v, %+v", codes(), got)
	}
	got, err = compose.Preview(t.Context(), compose.Set{To: "no-reply@x.test", Text: "x"}, office(), options, compose.Limits{}, compose.Policy{})
	if err != nil || got.Sendable() || !slices.Equal(codes(), []string{"to recipients"}) {
		t.Errorf("got %v, %v", codes(), err)
	}
	got, err = compose.Preview(t.Context(), compose.Set{To: "{{.mail.from}}", Text: "{{.mail.text}}"}, office(), options, compose.Limits{Output: 12}, compose.Policy{})
	if err != nil || !slices.Equal(codes(), []string{"text limit"}) {
		t.Errorf("got %v, %v", codes(), err)
	}
	got, err = compose.Preview(t.Context(), compose.Set{To: "{{.mail.from}}", Text: "ok"}, office(), options, compose.Limits{}, compose.Policy{})
	if err != nil || !got.Sendable() || got.Text != "ok" {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err = compose.Preview(t.Context(), compose.Set{}, office(), options, compose.Limits{}, compose.Policy{}); err != nil || got.Sendable() {
		t.Errorf("an empty set: got %+v, %v", got, err)
	}
}

// hostile are values that try to become more than text.
var hostile = []string{
	`"><script>alert(1)</script>`, `' onmouseover='alert(1)`, `javascript:alert(1)`, ` jAvAscript&#58;alert(1)`, "java\nscript:alert(1)", "data:text/html,<script>", `</style><script>`, `expression(alert(1))`, `url(javascript:x)`,
	"\x00<script>", "]]><!--", "--><script>", "`-alert(1)-`", "{{.secret}}", "tel:1\" onclick=\"x", "cid:x'y", "vbscript:x", "//evil.test", "tel:+86 1", "cid:a`b", "\u2028", "<", "&", "tel:1",
}

var places = []string{
	`<p>{{.x}}</p>`, `<p title="{{.x}}">y</p>`, `<p title='{{.x}}'>y</p>`, `<p title={{.x}}>y</p>`, `<a href="{{.x}}">y</a>`, `<a href={{.x}}>y</a>`, `<a href="https://e.test/{{.x}}?q={{.x}}#{{.x}}">y</a>`, `<img src="{{.x}}" alt="{{.x}}">`, `<a href="tel:{{.x}}">y</a>`,
	`<p style="color:{{.x}}">y</p>`, `<p style="{{.x}}">y</p>`, `<style>p{color:{{.x}}}</style>`, `<!-- {{.x}} --><p>y`, `<textarea>`, `<title>{{.x}}</title>`, `{{.x | nl2br}}`, `{{list .l}}`, `{{table .t}}`, `{{.x | link "a" | default "b"}}`, `{{link .x "https://e.test/"}}`,
	`<td background="{{.x}}">`, `<p {{.x}}>y</p>`, `<{{.x}}>`,
}

// TestNothingBecomesMarkup puts hostile values in all places that there are in HTML: either the template is refused, or the mail, or
// no tag or attribute is there that the author did not write.
func TestNothingBecomesMarkup(t *testing.T) {
	t.Parallel()
	for _, source := range places {
		made, _ := compose.New("html", compose.HTML, source, compose.Options{})
		if made == nil {
			continue
		}
		want, err := made.Render(t.Context(), stranger("plain"), compose.Limits{})
		if err != nil && !strings.Contains(source, "link") {
			t.Errorf("%s: %v", source, err)
		}
		for _, v := range hostile {
			got, err := made.Render(t.Context(), stranger(v), compose.Limits{})
			if err != nil {
				continue
			}
			if g, w := strings.ReplaceAll(shape(got), "<br>", ""), shape(want); g != w && want != "" {
				t.Errorf("%s with %q: %s\n got %s\nwant %s", source, v, got, g, w)
			}
		}
	}
}

func stranger(v string) facts {
	return facts{"x": v, "l": []any{v, v}, "t": []any{m{"a": v}}}
}

// shape is a page without its words: tags, names of attributes, and the schemes of addresses that are not safe.
func shape(page string) string {
	var b strings.Builder
	z := html.NewTokenizer(strings.NewReader(page))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return b.String()
		case html.StartTagToken, html.SelfClosingTagToken:
			tok := z.Token()
			b.WriteString("<" + tok.Data)
			for _, a := range tok.Attr {
				b.WriteString(" " + a.Key)
				low := strings.ToLower(strings.TrimSpace(a.Val))
				if (a.Key == "href" || a.Key == "src" || a.Key == "background") && (strings.HasPrefix(low, "javascript:") || strings.HasPrefix(low, "data:") || strings.HasPrefix(low, "vbscript:")) || a.Key == "style" && strings.Contains(low, "javascript") {
					b.WriteString("!" + low)
				}
			}
			b.WriteString(">")
		case html.EndTagToken:
			b.WriteString("</" + z.Token().Data + ">")
		}
	}
}

// FuzzTemplate parses and renders any template over a stranger's value: it ends, within its bounds, and is refused or gives clean text.
func FuzzTemplate(f *testing.F) {
	for _, source := range places {
		f.Add(source, `"><script>`, true)
	}
	for _, source := range []string{
		`{{range $i, $x := .l}}{{$i}}{{$x}}{{else}}{{end}}`, `{{with $y := .t}}{{(first $y).a | upper}}{{end}}`, `{{if eq .x "a"}}b{{else if .n}}c{{end}}`, `{{.x | default (join "," .l)}}`, `{{template "footer" .}}`,
		`{{money "CNY" "1e30"}}{{number "1e-50"}}{{date "日期" "2026-01-01"}}{{plus 1 2}}`, `{{field "a-b" | cut 3 | title}}`, `{{define "a"}}{{template "a"}}{{end}}`, `{{- /* x */ -}}`, `{{count (split .x)}}`,
	} {
		f.Add(source, "a", false)
	}
	o := compose.Options{Parts: compose.Parts{"footer": {Text: "{{.x}}", HTML: "<b>{{.x}}</b>"}}}
	f.Fuzz(func(t *testing.T, source, value string, page bool) {
		if len(source) > 2000 {
			return
		}
		kind := compose.Text
		if page {
			kind = compose.HTML
		}
		made, problems := compose.New("f", kind, source, o)
		if (made == nil) != problems.Grave() {
			t.Fatalf("%q: %v, %v", source, made, problems)
		}
		if made == nil {
			for _, p := range problems {
				if p.Zh == "" || p.En == "" || p.Line < 1 || p.Column < 1 {
					t.Fatalf("%q: %+v", source, p)
				}
			}
			return
		}
		got, err := made.Render(t.Context(), stranger(value), compose.Limits{Output: 64 << 10, Loops: 100})
		if err != nil {
			return
		}
		again, err := made.Render(t.Context(), stranger(value), compose.Limits{Output: 64 << 10, Loops: 100})
		if err != nil || again != got {
			t.Fatalf("%q: two renderings differ: %q, %q, %v", source, got, again, err)
		}
		if len(got) > 64<<10 || strings.Contains(got, "<no value>") && !strings.Contains(source+value, "no value") {
			t.Fatalf("%q: got %q", source, got)
		}
		if low := strings.ToLower(got); page && (strings.Contains(low, "<script") && strings.Contains(shape(got), "<script")) {
			t.Fatalf("%q: got %q", source, got)
		}
	})
}
