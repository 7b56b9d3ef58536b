package condition_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"heliograph/hooks/rules/condition"
)

const allKinds = `{"all":[` +
	`{"any":[{"field":"mail.subject","op":"contains_any","value":["投诉","<b>"]},{"not":{"field":"mail.automated","op":"is","value":true}}]},` +
	`{"some":"mail.attachments","as":"a","where":{"field":"a.size","op":"gt","value":100000.10}},` +
	`{"every":"mail.to","where":{"field":"item.domain","op":"is","value":"example.com"}},` +
	`{"none":"mail.cc","where":{"field":"item","op":"is_empty"}},` +
	`{"count":"mail.to","op":"ge","value":2},` +
	`{"field":"mail.date","op":"within","value":{"business":true,"last":"3h"}},` +
	`{"field":"record.amount","op":"gt","value":{"fact":"record.limit"}},` +
	`{"field":"record.n","op":"is","value":12345678901234567890.12345678901},` +
	`{"cel":"size(mail.to) > 2"}]}`

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	n := node(t, allKinds)
	direct, err := n.MarshalJSON() // json.Marshal would escape <
	if got := string(direct); err != nil || got != allKinds {
		t.Errorf("JSON comes back as\n%s\nnot\n%s", got, allKinds)
	}
	written, err := yaml.Marshal(n)
	if err != nil {
		t.Fatal(err)
	}
	var back condition.Node
	if err := yaml.Unmarshal(written, &back); err != nil {
		t.Fatalf("%v\n%s", err, written)
	}
	if !reflect.DeepEqual(&back, n) {
		t.Errorf("YAML comes back as\n%s\nfrom\n%s", text(&back), written)
	}
	if !strings.Contains(string(written), "12345678901234567890.12345678901\n") {
		t.Errorf("the number is not written as it is:\n%s", written)
	}
	var inside struct {
		When *condition.Node `yaml:"when"`
	}
	source := "when:\n  all:\n  - {field: mail.subject, op: is, value: 0x1F}\n  - field: record.code\n    op: is_not\n    value: \"007\"\n  - {field: record.x, op: lt, value: 100000000000000000.05}\n"
	if err := yaml.UnmarshalWithOptions([]byte(source), &inside, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	if got := text(inside.When); got != `{"all":[{"field":"mail.subject","op":"is","value":31},{"field":"record.code","op":"is_not","value":"007"},{"field":"record.x","op":"lt","value":100000000000000000.05}]}` {
		t.Errorf("from YAML: %s", got)
	}
}

func TestDecodeMistakes(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"not":`, 40) + `{"all":[]}` + strings.Repeat(`}`, 40)
	wide := `{"all":[` + strings.TrimSuffix(strings.Repeat(`{"all":[]},`, 600), ",") + `]}`
	for source, want := range map[string]string{
		`{}`:                                 "one of the keys",
		`[]`:                                 "an object",
		`{"all": {}}`:                        "at /all: a list",
		`{"all": [{"any": [5]}]}`:            "at /all/0/any/0: a condition is an object",
		`{"all": [], "any": []}`:             "do not go together",
		`{"field": "a"}`:                     "op is missing",
		`{"field": "a", "op": "is", "x": 1}`: `unknown key "x"`,
		`{"field": 5, "op": "is"}`:           "a text is wanted",
		`{"field": "", "op": "is"}`:          "empty",
		`{"some": "a"}`:                      "where is missing",
		`{"not": null}`:                      "at /not",
		`{"count": "a", "op": "ge"}`:         "value is missing",
		`{"all": [], "all": []}`:             "twice",
		`{"cel": ""}`:                        "empty",
		`{"all": []} x`:                      "",
		`{"field": "a", "op": "is", "value": 1e999}`:                               "",
		`{"field": "a", "op": "is", "value": [[[[[1]]]]]}`:                         "deeper",
		`{"field": "a", "op": "is", "value": "` + strings.Repeat("x", 5000) + `"}`: "5000 bytes",
		deep: "deeper",
		wide: "more than 500 nodes",
	} {
		var n condition.Node
		if err := json.Unmarshal([]byte(source), &n); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: got %v, want %s", source, err, want)
		}
	}
	for source, want := range map[string]string{
		"all: []\nall: []":                           "",
		"field: a\nop: is\nvalue: .inf":              "",
		"all: &x []":                                 "anchor",
		"field: a\nop: is\nvalue: !!binary aGFsbG8=": "tag",
	} {
		var n condition.Node
		if err := yaml.Unmarshal([]byte(source), &n); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", source, err, want)
		}
	}
	if _, err := condition.Decode(map[string]any{"field": "a", "op": "is", "value": struct{}{}}); err == nil {
		t.Error("a struct is taken for a value")
	}
	if _, err := condition.Compile(nil); err == nil {
		t.Error("no condition compiles")
	}
	if _, err := condition.Compile(&condition.Node{Kind: condition.All, Nodes: []*condition.Node{nil}}); err == nil {
		t.Error("an empty node compiles")
	}
}

// FuzzDecode: whatever is read comes back the same, compiles or not, and never panics when it is checked, described and run.
func FuzzDecode(f *testing.F) {
	f.Add(allKinds)
	f.Add(fiveLeaves)
	f.Add(`{"cel":"record['a'].b == 1 || has(mail.x)"}`)
	f.Add(`{"count":"mail.to","as":"x","where":{"field":"x.name","op":"matches","value":"a+"},"op":"between","value":[1,{"fact":"record.n"}]}`)
	f.Add(`{"field":"record.stage","op":"changed_from_to","value":{"from":1,"to":"b"}}`)
	f.Add(`{"field":"mail.from","op":"matches_address","value":{"any":["a@b.example"],"list":"vip","subdomains":true}}`)
	f.Fuzz(func(t *testing.T, source string) {
		var n condition.Node
		if err := json.Unmarshal([]byte(source), &n); err != nil {
			return
		}
		written := text(&n)
		var back condition.Node
		if err := json.Unmarshal([]byte(written), &back); err != nil {
			t.Fatalf("%s does not read again: %v", written, err)
		}
		if again := text(&back); again != written {
			t.Fatalf("%s comes back as %s", written, again)
		}
		problems := condition.Check(&n, nil, "mail")
		_, _ = condition.Describe(&n, "zh"), condition.Describe(&n, "en")
		condition.Paths(&n)
		p, err := condition.Compile(&n)
		if err != nil {
			for _, problem := range problems {
				if problem.Severity == condition.Wrong {
					return
				}
			}
			t.Fatalf("%s does not compile (%v), and the check finds nothing", written, err)
		}
		x, err := p.Evaluate(t.Context(), &world{tree: complaint()}, options())
		if err != nil && !errors.Is(err, errLists) {
			t.Fatalf("%s: %v", written, err)
		}
		if err == nil && x.Text("zh") == "" {
			t.Fatalf("%s has no explanation", written)
		}
	})
}

// FuzzCEL: an expression that compiles gives a result and no panic.
func FuzzCEL(f *testing.F) {
	for _, source := range []string{
		`record.amount * 2 > 5 && mail.to.exists(a, a.name == "x")`, `has(record.x) ? record["y"] : 1 / 0 > 2`, `number(mail.subject) - 1 < fold("A").size()`,
		`{"a": record.amount}["a"] > 3`, `mail.tags.map(x, x + "1").filter(y, y != "a").size() > 1`, `matches_address(mail.from, ["*@a.example"])`,
	} {
		f.Add(source)
	}
	f.Fuzz(func(t *testing.T, source string) {
		n := &condition.Node{Kind: condition.CEL, CEL: source}
		p, err := condition.Compile(n)
		if err != nil {
			if len(condition.Check(n, nil, "")) == 0 {
				t.Fatalf("%q does not compile (%v), and the check finds nothing", source, err)
			}
			return
		}
		if _, err := p.Evaluate(t.Context(), &world{tree: complaint()}, options()); err != nil {
			t.Fatalf("%q: %v", source, err)
		}
	})
}
