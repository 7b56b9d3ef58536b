package rest

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

const document = `{"code":0,"data":{"items":[{"id":"a","v":{"n":1}},{"id":"b","v":{"n":2.0},"gone":true},{"id":null}],"next":"c/2","odd key":"x","q'\"":1},
	"emails":[{"type":"work","value":"w@x"},{"type":"home","value":"h@x"}],"报价":"中"}`

func decodeDocument(t testing.TB, text string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestPath(t *testing.T) {
	t.Parallel()
	root := decodeDocument(t, document)
	for path, want := range map[string]string{
		"$.code":                            `[0]`,
		"$.data.items[0].id":                `["a"]`,
		"$.data.items[-1].id":               `[null]`,
		"$.data.items[*].id":                `["a","b",null]`,
		"$.data.items[7]":                   `[]`,
		"$['data']['odd key']":              `["x"]`,
		`$["data"]["q'\""]`:                 `[1]`,
		`$['data']['q\'"']`:                 `[1]`,
		"$.emails[?@.type == 'home'].value": `["h@x"]`,
		"$.emails[?@.type!='home'].value":   `["w@x"]`,
		"$.data.items[?@.v.n == 2].id":      `["b"]`,
		"$.data.items[?@.v['n']==1.0].id":   `["a"]`,
		"$.data.items[?@.gone].id":          `["b"]`,
		"$.data.items[?@.gone==true].id":    `["b"]`,
		"$.data.items[?@.id == null].id":    `[null]`,
		"$.报价":                              `["中"]`,
		"$.data.items.id":                   `[]`,
		"$.code.x":                          `[]`,
		"$.emails[*].*":                     `["work","w@x","home","h@x"]`,
		"$.data.items[ 1 ].id":              `["b"]`,
		"$.nothing[*]":                      `[]`,
	} {
		p, err := parsePath(path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		got := p.Select(root)
		if got == nil {
			got = []any{}
		}
		b, _ := encodeJSON(got)
		if string(b) != want {
			t.Errorf("%s: got %s, want %s", path, b, want)
		}
	}
}

func TestPathMistakes(t *testing.T) {
	t.Parallel()
	for _, path := range []string{
		"", "data", "$.", "$..a", "$[", "$[]", "$['a'", "$['a]", "$[1,2]", "$[1:2]", "$[01]", "$[-0]", "$.a b", "$[?]", "$[?@.a==]", "$[?@.a==x]",
		"$[?@.*==1]", "$[?@.a[?@.b]]", "$[99999999999]", "$['\\x']", "$" + strings.Repeat(".a", maxSelect+1), "$." + strings.Repeat("a", maxPath),
	} {
		if p, err := parsePath(path); err == nil {
			t.Errorf("%q was taken: %+v", path, p)
		}
	}
}

func TestExtractors(t *testing.T) {
	t.Parallel()
	at := place{item: decodeDocument(t, document), header: map[string][]string{"Location": {"https://x/y/77"}}, scope: testScope()}
	for text, want := range map[string]string{
		"$.data.next":                            "c/2",
		"$.data.items[0].v.n | text":             "1",
		`$['data']['next'] | prefix "|" | upper`: "|C/2",
		"$.emails[?@.type == 'x | y'] | count":   "0",
		"header:Location | last_segment":         "77",
		"header:X-None":                          "",
		"contact":                                "contact",
		"n{{ number }}":                          "n12.50",
	} {
		e, err := parseExtractor(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, err := e.text(at); err != nil || got != want {
			t.Errorf("%s: got %q, %v; want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"$.a | nope", "$.a | lower }}", "header:a b", "$.a |", "{{"} {
		if _, err := parseExtractor(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestNextLink(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]string{
		`<https://x/?page=2>; rel="next"`:                            "https://x/?page=2",
		`<https://x/?p=1>; rel="prev", <https://x/?p=3>; rel="next"`: "https://x/?p=3",
		`<a>; title="x, y; rel=\"next\""; rel=prev , <b>;rel=next;x`: "b",
		`<a>; rel="last next"`:                                       "a",
		`<a>; REL = "NEXT"`:                                          "a",
		`<a>`:                                                        "",
		`<a; rel=next`:                                               "",
		`<a>; rel="ne`:                                               "",
		``:                                                           "",
		`<a>; rel=first; rel=next`:                                   "",
	} {
		if got := nextLink([]string{field}); got != want {
			t.Errorf("%s: got %q, want %q", field, got, want)
		}
	}
}

// FuzzPath: neither parsing nor selecting panics, and a path that is taken is taken again from its own text.
func FuzzPath(f *testing.F) {
	for _, p := range []string{"$.a[0]['b'][*]", "$[?@.a == 'x'].b", "$.data.items[-1]", "$.报价", `$["a\""]`} {
		f.Add(p, document)
	}
	f.Fuzz(func(t *testing.T, path, doc string) {
		p, err := parsePath(path)
		if err != nil {
			return
		}
		if _, err := parsePath(p.String()); err != nil {
			t.Errorf("%q is not taken again: %v", path, err)
		}
		d := json.NewDecoder(bytes.NewReader([]byte(doc)))
		d.UseNumber()
		var v any
		if d.Decode(&v) == nil {
			p.Select(v)
		}
	})
}

// FuzzLink: reading Link fields ends and never panics.
func FuzzLink(f *testing.F) {
	f.Add(`<a>; title="x, y; rel=\"next\""; rel=prev , <b>;rel=next;x`)
	f.Fuzz(func(_ *testing.T, field string) { nextLink([]string{field}) })
}
