package config_test

import (
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"heliograph/config"
)

// connector has a field of every kind that a section may hold.
type connector struct {
	common  `yaml:",inline"`
	Names   []string          `yaml:"names"`
	Map     map[string]string `yaml:"map"`
	Any     map[string]any    `yaml:"any"`
	Wait    time.Duration     `yaml:"wait"`
	Every   config.Duration   `yaml:"every"`
	Ratio   float64           `yaml:"ratio"`
	Small   uint8             `yaml:"small"`
	On      bool              `yaml:"on"`
	Nested  *nested           `yaml:"nested"`
	List    []nested          `yaml:"list"`
	Net     netip.Prefix      `yaml:"net"`
	Addr    netip.Addr        `yaml:"addr"`
	Mode    config.TLSMode    `yaml:"mode"`
	Rest    config.Section    `yaml:"rest"`
	Ignored string            `yaml:"-"`
}

type common struct {
	Token config.Secret `yaml:"token"`
}

type nested struct {
	A int           `yaml:"a"`
	B config.Secret `yaml:"b"`
}

func TestSectionDecode(t *testing.T) {
	t.Parallel()
	section := config.NewSection(`
name: hook
type: sample
token: t0ken
names: [a, 12]
map: {X-Key: v}
any: {a: [1, 1.5, true, x, {b: c}, ~]}
wait: 1m30s
every: 7d
ratio: 0.5
small: 255
on: true
nested: {a: 1, b: s}
list: [{a: -2}, {a: 0x10}]
net: 10.1.2.3/8
addr: 2001:db8::1
mode: implicit
rest: {free: 1}
`)
	var got connector
	got.Ignored = "kept"
	if err := section.Decode(&got); err != nil {
		t.Fatal(err)
	}
	var rest struct {
		Free int `yaml:"free"`
	}
	if err := got.Rest.Decode(&rest); err != nil || rest.Free != 1 {
		t.Errorf("got rest %+v, %v, want 1", rest, err)
	}
	got.Rest = config.Section{}
	want := connector{
		common: common{Token: config.NewSecret("t0ken")}, Names: []string{"a", "12"}, Map: map[string]string{"X-Key": "v"},
		Any:  map[string]any{"a": []any{int64(1), 1.5, true, "x", map[string]any{"b": "c"}, nil}},
		Wait: 90 * time.Second, Every: config.Duration(7 * 24 * time.Hour), Ratio: 0.5, Small: 255, On: true,
		Nested: &nested{A: 1, B: config.NewSecret("s")}, List: []nested{{A: -2}, {A: 16}},
		Net: netip.MustParsePrefix("10.0.0.0/8"), Addr: netip.MustParseAddr("2001:db8::1"), Mode: config.TLSImplicit, Ignored: "kept",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestSectionKeepsDefaults(t *testing.T) {
	t.Parallel()
	for name, section := range map[string]config.Section{
		"zero": {}, "empty": config.NewSection(""), "comment": config.NewSection("# nothing\n"), "null": config.NewSection("~"),
		"key without a value": config.NewSection("wait:\ntoken:\n"), "reserved": config.NewSection("name: a\ntype: b\n"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := connector{Wait: time.Second}
			if err := section.Decode(&got); err != nil {
				t.Fatal(err)
			}
			if got.Wait != time.Second {
				t.Errorf("got %v, want the default", got.Wait)
			}
		})
	}
}

func TestSectionMistakes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, text, want string }{
		{"unknown key", "tokn: hunter2\n", `Did you mean "token"?`},
		{"not YAML", "a: [hunter2\n", "not valid YAML"},
		{"a list", "- hunter2\n", "keys with values are needed"},
		{"both forms", "token: hunter2\ntoken_file: x\n", "are both given"},
		{"missing file", "token_file: nowhere\n", "does not exist"},
		{"file of a list", "token_file: [hunter2]\n", "the name of a file is needed"},
		{"out of range", "small: 256\n", "256 is out of range"},
		{"negative", "small: -1\n", "-1 is out of range"},
		{"not a number", "ratio: hunter\n", "a number is needed"},
		{"text for a list", "names: a\n", "a list is needed"},
		{"list for text", "map: {a: [1]}\n", "a single value is needed"},
		{"bad address", "addr: nowhere\n", "not valid here"},
		{"nested", "list: [{a: 1}, {c: 2}]\n", "list[1].c: unknown key"},
		{"twice", "on: true\non: false\n", "given twice; the first is in line 1"},
		{"enum", "mode: ssl\n", "none, starttls or implicit"},
		{"secret in URL", "names: {a: 'https://hunter2@x'}\n", "a list is needed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := config.NewSection(test.text).Decode(&connector{})
			var list config.Errors
			if !errors.As(err, &list) {
				t.Fatalf("got %v, want config.Errors", err)
			}
			if got := err.Error(); !strings.Contains(got, test.want) || strings.Contains(got, canary) {
				t.Errorf("got:\n%s\nwant %q and no secret in it", got, test.want)
			}
		})
	}
}

func TestSectionDecodeNeedsAStruct(t *testing.T) {
	t.Parallel()
	for _, into := range []any{nil, connector{}, new(string), (*connector)(nil)} {
		if err := config.NewSection("").Decode(into); err == nil {
			t.Errorf("got no error for %T", into)
		}
	}
}

func TestSectionMistakePointsAtTheKey(t *testing.T) {
	t.Parallel()
	section := config.NewSection("on: true\nwait: 5s\n")
	err := section.Mistake("wait", "is too short", "Write 1m.")
	var list config.Errors
	if !errors.As(err, &list) || len(list) != 1 {
		t.Fatalf("got %v, want one mistake", err)
	}
	if got := list[0]; got.Line != 2 || got.Column != 7 || got.Path != "wait" || got.Remedy != "Write 1m." {
		t.Errorf("got %+v, want line 2, column 7", got)
	}
	if err := (config.Section{}).Mistake("url", "is missing", ""); !strings.Contains(err.Error(), "url: is missing") {
		t.Errorf("got %v for the empty section, want the key and the message", err)
	}
}

func TestDeepNestingIsRefused(t *testing.T) {
	t.Parallel()
	for _, sign := range []string{"[", "{a: ", "- ", "? ", "&a "} {
		_, err := config.Parse("x.yaml", []byte("a:\n "+strings.Repeat(sign, 20_000)))
		if err == nil || !strings.Contains(err.Error(), "nests too deep") {
			t.Errorf("got %.80v for many %q, want a mistake", err, sign)
		}
	}
}
