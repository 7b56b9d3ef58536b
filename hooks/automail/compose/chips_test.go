package compose_test

import (
	"encoding/json"
	"slices"
	"testing"

	"heliograph/hooks/automail/compose"
)

func TestChips(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ source, want string }{
		{"", `null`},
		{"您好 {{.contact.name}}！", `[{"kind":"text","text":"您好 "},{"kind":"field","path":"contact.name"},{"kind":"text","text":"！"}]`},
		{`{{.contact.name | default "您好"}}`, `[{"kind":"field","path":"contact.name","default":"您好"}]`},
		{`{{.x | default ""}}`, `[{"kind":"field","path":"x","default":""}]`},
		{`{{field "record.odd-name" | default "a\"b"}}`, `[{"kind":"field","path":"record.odd-name","default":"a\"b"}]`},
		{`{{ .x }}`, `[{"kind":"code","text":"{{ .x }}"}]`},
		{`{{.x | money "CNY"}}`, `[{"kind":"code","text":"{{.x | money \"CNY\"}}"}]`},
		{`{{if .x}}a{{end}}`, `[{"kind":"code","text":"{{if .x}}"},{"kind":"text","text":"a"},{"kind":"code","text":"{{end}}"}]`},
		{"{{/* }} */}}{{`}}`}}{{\"}}\"}}", "[{\"kind\":\"code\",\"text\":\"{{/* }} */}}\"},{\"kind\":\"code\",\"text\":\"{{`}}`}}\"},{\"kind\":\"code\",\"text\":\"{{\\\"}}\\\"}}\"}]"},
		{"a {{.x", `[{"kind":"code","text":"a {{.x"}]`},
		{`{{"{{"}}.x}}`, `[{"kind":"text","text":"{{.x}}"}]`},
	} {
		got, err := json.Marshal(compose.Chips(tt.source))
		if err != nil {
			t.Fatal(err)
		}
		plain := string(got)
		if plain != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.source, plain, tt.want)
		}
		if back, err := compose.FromChips(compose.Chips(tt.source)); err != nil || back != tt.source {
			t.Errorf("%q came back as %q, %v", tt.source, back, err)
		}
	}
}

// TestChipsRender sees that what is text in a chip is text in the mail, braces and all.
func TestChipsRender(t *testing.T) {
	t.Parallel()
	dash := "-"
	for _, tt := range []struct {
		chips []compose.Chip
		want  string
	}{
		{[]compose.Chip{{Kind: compose.ChipText, Text: "{"}, {Kind: compose.ChipField, Path: "mail.language"}, {Kind: compose.ChipText, Text: "}"}}, "{zh}"},
		{[]compose.Chip{{Kind: compose.ChipText, Text: "{{{"}, {Kind: compose.ChipText, Text: "{.x}}"}, {Kind: compose.ChipField, Path: "record.odd-name", Default: &dash}}, "{{{{.x}}奇"},
		{[]compose.Chip{{Kind: compose.ChipField, Path: "record.nope", Default: &dash}, {Kind: compose.ChipCode, Text: "{{.mail.language | upper}}"}}, "-ZH"},
	} {
		source, err := compose.FromChips(tt.chips)
		if err != nil {
			t.Fatal(err)
		}
		got, err := render(t, compose.Text, source)
		if err != nil || got != tt.want {
			t.Errorf("%s: got %q, %v, want %q", source, got, err, tt.want)
		}
	}
	for _, bad := range [][]compose.Chip{{{Kind: "x"}}, {{Kind: compose.ChipField}}} {
		if s, err := compose.FromChips(bad); err == nil {
			t.Errorf("%v gave %q", bad, s)
		}
	}
}

func FuzzChips(f *testing.F) {
	for _, s := range []string{"a{{.b}}c", "{{{.b}}", `{{"{{"}}`, `{{"{"}}{{.x}}`, `{{"{"}}{{"{{"}}`, "{{/*", `{{field "a" | default "b"}}`, "{{`", `{{"`, "{{.a.b.}}", "{{.1}}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		chips := compose.Chips(s)
		back, err := compose.FromChips(chips)
		if err != nil || back != s {
			t.Fatalf("%q came back as %q, %v: %+v", s, back, err, chips)
		}
		if slices.ContainsFunc(chips, func(c compose.Chip) bool { return c.Kind == compose.ChipCode }) {
			return
		}
		if p := compose.Check("x", compose.Text, s, compose.Options{}); p.Grave() && len(s) < 1000 && !slices.ContainsFunc(p, func(p compose.Problem) bool { return p.Code == "not_text" }) {
			t.Fatalf("%q is all text and fields, and has %v", s, p)
		}
	})
}
