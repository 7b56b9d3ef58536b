package rest

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

func testScope() scope {
	s := newScope(map[string]any{
		"subject": "Re: 报价单 \"42\" </b>", "empty": "", "nothing": nil, "number": json.Number("12.50"), "yes": true,
		"date": time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), "addresses": []any{"a@x.example", "b@Y.example"},
		"people":  []any{map[string]any{"name": "Li", "address": "li@x.example"}, map[string]any{"name": "O'Hara \\", "address": ""}},
		"content": []byte("\x00\xffbytes"), "object": map[string]any{"b": "2", "a": json.Number("1")},
	}, nil)
	s.tables = map[string]map[string]any{"t": {"true": "ja", "12.50": int64(7), "*": "sonst"}, "u": {"x": "y"}}
	return s
}

func TestTemplateText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                    "",
		"plain }} text":                       "plain }} text",
		"{{subject}}!":                        "Re: 报价单 \"42\" </b>!",
		"{{ subject | cut 5 }}":               "Re: …",
		"{{ subject | cut_bytes 6 }}":         "Re:…",
		"{{ subject | escape_html }}":         "Re: 报价单 &#34;42&#34; &lt;/b&gt;",
		"{{ subject | json }}":                `"Re: 报价单 \"42\" </b>"`,
		"{{ subject | url }}":                 "Re%3A+%E6%8A%A5%E4%BB%B7%E5%8D%95+%2242%22+%3C%2Fb%3E",
		"{{ subject | csv }}":                 `"Re: 报价单 ""42"" </b>"`,
		`{{ empty | default "none" }}`:        "none",
		`{{ nothing | default "x" | upper }}`: "X",
		"{{ date }}":                          "2026-03-04T05:06:07Z",
		`{{ date | date "datetime" "Asia/Shanghai" }}`: "2026-03-04 13:06:07",
		`{{ date | date "unix_ms" }}`:                  "1772600767000",
		`{{ date | seconds_later -7 }}`:                "2026-03-04T05:06:00Z",
		"{{ addresses }}":                              "a@x.example, b@Y.example",
		`{{ addresses | lower | join ";" }}`:           "a@x.example;b@y.example",
		"{{ addresses | first | local_part }}":         "a",
		"{{ addresses.1 | domain }}":                   "Y.example",
		"{{ addresses | count }}":                      "2",
		`{{ people | pluck "address" }}`:               "li@x.example",
		"{{ people.0.name }}":                          "Li",
		`{{ people.1.name | backslash "'" }}`:          `O\'Hara \\`,
		`{{ people.1.name | double "'" }}`:             `O''Hara \`,
		"{{ people.7.name }}{{ people.x }}":            "",
		`{{ "a" | prefix "<" | suffix ">" }}`:          "<a>",
		`{{ "{{" }}`:                                   "{{",
		`{{ "a\"\\\n\t" }}`:                            "a\"\\\n\t",
		`{{ yes | lookup "t" }}`:                       "ja",
		`{{ subject | lookup "t" }}`:                   "sonst",
		`{{ number | number }}`:                        "12.50",
		`{{ yes | boolean "Y" "N" }}`:                  "Y",
		`{{ empty | boolean }}`:                        "false",
		`{{ "a b" | replace " " "_" }}`:                "a_b",
		`{{ "x, y" | split "," | join "|" }}`:          "x|y",
		"{{ content | base64 }}":                       "AP9ieXRlcw==",
		"{{ object | json }}":                          `{"a":1,"b":"2"}`,
		`{{ "http://x/a/12" | last_segment }}`:         "12",
		`{{ "x" | sha256 | cut 9 }}`:                   "2d711642…",
		`{{ "a<b&" | xml }}`:                           "a&lt;b&amp;",
		"{{ empty | optional }}":                       "",
		"{{ \"a\n b\" | one_line }}":                   "a b",
	} {
		tpl, err := parseTemplate(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, err := tpl.text(testScope()); err != nil || got != want {
			t.Errorf("%s: got %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestTemplateMistakes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"{{":                                            "name of a value is missing",
		"{{ }}":                                         "name of a value is missing",
		"{{ subject":                                    "not closed",
		"{{ subject subject }}":                         "parted by |",
		"{{ subject | nope }}":                          `unknown transform "nope"`,
		"{{ subject | cut }}":                           "cut needs a number",
		"{{ subject | cut 0 }}":                         "not a number from 1",
		"{{ subject | cut \"x\" }}":                     "not a number from 1",
		"{{ subject | cut 1 2 }}":                       "cut needs a number",
		`{{ subject | default "x }}`:                    "not closed",
		`{{ subject | default "\x" }}`:                  "is not known",
		`{{ date | date "nonsense" }}`:                  "is not a format",
		`{{ date | date "date" "Mars/Phobos" }}`:        "is not a time zone",
		`{{ date | boolean "x" }}`:                      "both texts or none",
		`{{ x | split "" }}`:                            "empty",
		`{{ x | replace "" "a" }}`:                      "empty",
		"{{ subject | }}":                               "name of a transform is missing",
		strings.Repeat("{{ a }}", maxParts+1):           "more than",
		"{{ a" + strings.Repeat(" | lower", 17) + " }}": "more than",
		strings.Repeat("x", maxTemplate+1):              "longer than",
		"\xff":                                          "UTF-8",
	} {
		if _, err := parseTemplate(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got %v, want %q", text, err, want)
		}
	}
}

func TestTemplateErrors(t *testing.T) {
	t.Parallel()
	s := testScope()
	s.values["long"] = strings.Repeat("x", maxOutput)
	for _, text := range []string{
		"{{ object }}", `{{ subject | number }}`, `{{ subject | lookup "u" }}`, `{{ subject | lookup "none" }}`, "{{ long }}{{ long }}", `{{ subject | date "date" }}`,
	} {
		tpl, err := parseTemplate(text)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := tpl.text(s); err == nil {
			t.Errorf("%s: got %.40q, want an error", text, out)
		}
	}
	tpl, _ := parseTemplate(`{{ subject | lookup "u" }}`)
	if _, err := tpl.text(s); !errors.Is(err, errNoLookup) {
		t.Errorf("got %v, want errNoLookup", err)
	}
}

func TestTree(t *testing.T) {
	t.Parallel()
	tree := map[string]any{
		"text": "{{ subject }}", "mixed": "n={{ number }}", "number": "{{ number }}", "list": "{{ addresses }}", "fixed": int64(3), "null": nil,
		"gone": "{{ empty | optional }}", "kept": "{{ empty }}", "bytes": "{{ content }}", "time": "{{ date }}",
		"people": map[string]any{"$each": "people", "$item": map[string]any{"n": "{{ item.name }}", "a": "{{ item.address | optional }}"}},
		"fields": map[string]any{"$each": "object", "$key": "f_{{ item.name }}", "$item": map[string]any{"value": "{{ item.value }}"}},
		"merged": map[string]any{"$merge": []any{map[string]any{"a": "x", "c": "{{ yes }}"}, "{{ object }}"}},
	}
	n, err := compileTree(tree, 0)
	if err != nil {
		t.Fatal(err)
	}
	v, err := n.build(testScope())
	if err != nil {
		t.Fatal(err)
	}
	got, err := encodeJSON(v)
	const want = `{"bytes":"AP9ieXRlcw==","fields":{"f_a":{"value":1},"f_b":{"value":"2"}},"fixed":3,"kept":"","list":["a@x.example","b@Y.example"],` +
		`"merged":{"a":1,"b":"2","c":true},"mixed":"n=12.50","null":null,"number":12.50,"people":[{"a":"li@x.example","n":"Li"},{"n":"O'Hara \\"}],` +
		`"text":"Re: 报价单 \"42\" </b>","time":"2026-03-04T05:06:07Z"}`
	if err != nil || string(got) != want {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
}

func TestTreeMistakes(t *testing.T) {
	t.Parallel()
	deep := any("x")
	for range maxTreeDepth + 2 {
		deep = []any{deep}
	}
	for name, tree := range map[string]any{
		"no item": map[string]any{"$each": "people"}, "no each": map[string]any{"$item": "x"}, "more": map[string]any{"$each": "people", "$item": "x", "b": 1},
		"merge": map[string]any{"$merge": "x"}, "depth": deep, "template": []any{"{{ }}"}, "each": map[string]any{"$each": 1, "$item": "x"},
	} {
		if _, err := compileTree(tree, 0); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// FuzzTemplate: parsing never panics; a JSON leaf stays one JSON value whatever it is given, and a path segment one segment.
func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"{{ subject }}", `a{{ subject | cut 3 | default "x\"" }}b`, `{{ "{{" }}`, "{{ addresses | join \", \" }}", `{{ date | date "unix" }}`} {
		f.Add(s, "value")
	}
	f.Add("{{ subject }}", `"},{"x":"`)
	f.Add("{{ subject }}", "../..?a=b#c%2F")
	f.Fuzz(func(t *testing.T, text, value string) {
		tpl, err := parseTemplate(text)
		if err != nil {
			return
		}
		s := testScope()
		s.values["subject"] = value
		out, err := leafNode{tpl}.build(s)
		if err != nil {
			return
		}
		if !isOmitted(out) {
			b, err := encodeJSON(out)
			if err != nil || !json.Valid(b) {
				t.Errorf("%q: not JSON: %q, %v", text, b, err)
			}
		}
		segment, err := escapeSegment(value)
		if err == nil && (strings.ContainsAny(segment, "/?#\r\n") || segment == ".." || segment == ".") {
			t.Errorf("segment %q of %q", segment, value)
		}
	})
}
