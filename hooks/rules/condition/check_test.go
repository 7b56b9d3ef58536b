package condition_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"heliograph/hooks/rules/condition"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, trigger, source, at, code, suggestion string
	}{
		{"typo", "mail", `{"field": "mail.sbject", "op": "is", "value": "x"}`, "/field", "path", "mail.subject"},
		{"typo in the root", "mail", `{"all": [{"field": "mial.subject", "op": "is", "value": "x"}]}`, "/all/0/field", "path", "mail.subject"},
		{"typo in an element", "mail", `{"some": "mail.attachments", "where": {"field": "item.sise", "op": "gt", "value": 1}}`, "/some/../where/field", "path", "item.size"},
		{"typo in a value", "mail", `{"field": "mail.subject", "op": "is", "value": {"fact": "mail.txt"}}`, "/value", "path", "mail.text"},
		{"typo in an expression", "mail", `{"cel": "mail.subjct == 'x'"}`, "/cel", "path", "mail.subject"},
		{"trigger", "schedule", `{"field": "mail.subject", "op": "is", "value": "x"}`, "/field", "trigger", ""},
		{"trigger of an expression", "schedule", `{"cel": "record.amount > 5"}`, "/cel", "trigger", ""},
		{"trigger of a change", "mail", `{"field": "record.stage", "op": "changed"}`, "/field", "trigger", ""},
		{"operator", "mail", `{"field": "mail.subject", "op": "contain", "value": "x"}`, "/op", "operator", "contains"},
		{"operator and type", "mail", `{"field": "mail.subject", "op": "gt", "value": 5}`, "/op", "operator", ""},
		{"operator and list", "mail", `{"field": "mail.to", "op": "before", "value": "now"}`, "/op", "operator", ""},
		{"operator of a count", "mail", `{"count": "mail.to", "op": "contains", "value": 5}`, "/op", "operator", ""},
		{"value of a count", "mail", `{"count": "mail.to", "op": "ge", "value": "x"}`, "/value", "value", ""},
		{"pattern", "mail", `{"field": "mail.subject", "op": "matches", "value": "a("}`, "/value", "pattern", ""},
		{"long pattern", "mail", `{"field": "mail.subject", "op": "matches", "value": "` + strings.Repeat("a", 1001) + `"}`, "/value", "pattern", ""},
		{"number", "mail", `{"field": "thread.messages", "op": "gt", "value": "viele"}`, "/value", "value", ""},
		{"time", "mail", `{"field": "mail.date", "op": "before", "value": "morgen"}`, "/value", "value", ""},
		{"bool", "mail", `{"field": "mail.automated", "op": "is", "value": "perhaps"}`, "/value", "value", ""},
		{"no order", "record", `{"field": "record.x", "op": "gt", "value": "abc"}`, "/value", "value", ""},
		{"missing value", "mail", `{"field": "mail.subject", "op": "is"}`, "/value", "value", ""},
		{"value too many", "mail", `{"field": "mail.subject", "op": "is_empty", "value": 5}`, "/value", "value", ""},
		{"pair", "record", `{"field": "record.x", "op": "between", "value": [1]}`, "/value", "value", ""},
		{"window", "mail", `{"field": "mail.date", "op": "within", "value": "3d"}`, "/value", "value", ""},
		{"window without unit", "mail", `{"field": "mail.date", "op": "within", "value": {"last": "3"}}`, "/value/last", "value", ""},
		{"days of business time", "mail", `{"field": "mail.date", "op": "older_than", "value": {"age": "3d", "business": true}}`, "/value", "value", ""},
		{"address", "mail", `{"field": "mail.from", "op": "matches_address", "value": ["a@b.example", "no pattern"]}`, "/value/1", "value", ""},
		{"not a list", "mail", `{"some": "mail.subject", "where": {"all": []}}`, "/some", "value", ""},
		{"name of an element", "mail", `{"some": "mail.to", "as": "mail", "where": {"field": "item.name", "op": "is", "value": "x"}}`, "/as", "value", ""},
		{"change of what", "record", `{"field": "contact.name", "op": "changed"}`, "/field", "path", ""},
		{"path", "record", `{"field": "record..x", "op": "is", "value": 1}`, "/field", "path", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			problems := condition.Check(node(t, c.source), nil, c.trigger)
			at := strings.ReplaceAll(c.at, "/some/../", "/")
			i := slices.IndexFunc(problems, func(p condition.Problem) bool { return p.At == at && p.Code == c.code })
			if i < 0 {
				t.Fatalf("got %+v", problems)
			}
			p := problems[i]
			if p.Severity != condition.Wrong || p.Suggestion != c.suggestion || p.ZH == "" || p.EN == "" {
				t.Errorf("got %+v", p)
			}
		})
	}
}

func TestNeverAndAlways(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		`{"any": []}`: "never",
		`{"all": [{"field": "record.a", "op": "is", "value": "x"}, {"field": "record.a", "op": "is", "value": "y"}]}`:                          "never",
		`{"all": [{"field": "record.a", "op": "is", "value": "x"}, {"all": [{"field": "record.a", "op": "is", "value": "y"}]}]}`:               "never",
		`{"all": [{"field": "record.a", "op": "is", "value": "x"}, {"not": {"field": "record.a", "op": "is", "value": "Ｘ"}}]}`:                 "never",
		`{"all": [{"field": "record.a", "op": "lt", "value": 5}, {"field": "record.a", "op": "gt", "value": 5}]}`:                              "never",
		`{"all": [{"field": "record.a", "op": "before", "value": "2026-01-01"}, {"field": "record.a", "op": "after", "value": "2026-01-01"}]}`: "never",
		`{"all": [{"field": "record.a", "op": "is_empty"}, {"field": "record.a", "op": "gt", "value": 5}]}`:                                    "never",
		`{"all": [{"field": "record.a", "op": "in_list", "value": ["x", "y"]}, {"field": "record.a", "op": "is", "value": "z"}]}`:              "never",
		`{"field": "record.a", "op": "between", "value": [5, 4]}`:                                                                              "never",
		`{"field": "mail.direction", "op": "is", "value": "inn"}`:                                                                              "never",
		`{"count": "mail.to", "op": "lt", "value": 0}`:                                                                                         "never",
		`{"some": "mail.to", "where": {"any": []}}`:                                                                                            "never",
		`{"all": [{"field": "record.a", "op": "is", "value": "x"}, {"any": []}]}`:                                                              "never",
		`{"any": [{"field": "record.a", "op": "is", "value": "x"}, {"field": "record.a", "op": "is_not", "value": "x"}]}`:                      "always",
		`{"any": [{"field": "record.a", "op": "lt", "value": 5}, {"field": "record.a", "op": "ge", "value": 3}]}`:                              "always",
		`{"any": [{"all": []}, {"field": "record.a", "op": "is", "value": "x"}]}`:                                                              "always",
		`{"count": "mail.to", "op": "ge", "value": 0}`:                                                                                         "always",
		`{"field": "mail.subject", "op": "contains", "value": " "}`:                                                                            "always",
		`{"all": []}`: "",
		`{"all": [{"field": "record.a", "op": "lt", "value": 5}, {"field": "record.a", "op": "gt", "value": 4}]}`:                                       "",
		`{"all": [{"field": "record.a", "op": "ge", "value": 5}, {"field": "record.a", "op": "le", "value": 5}]}`:                                       "",
		`{"all": [{"field": "mail.tags", "op": "contains", "value": "x"}, {"field": "mail.tags", "op": "contains", "value": "y"}]}`:                     "",
		`{"all": [{"field": "mail.date", "op": "after", "value": "yesterday"}, {"field": "mail.date", "op": "before", "value": "now"}]}`:                "",
		`{"any": [{"field": "record.a", "op": "is", "value": "x"}, {"field": "record.a", "op": "is", "value": "y"}]}`:                                   "",
		`{"all": [{"field": "record.a", "op": "is", "value": {"fact": "record.b"}}, {"field": "record.a", "op": "is", "value": {"fact": "record.c"}}]}`: "",
		fiveLeaves: "",
		story:      "",
	} {
		problems := condition.Check(node(t, source), nil, "")
		if want == "" && len(problems) > 0 || want != "" && !slices.ContainsFunc(problems, func(p condition.Problem) bool { return p.Code == want && p.Severity == condition.Warning }) {
			t.Errorf("%s: want %q, got %+v", source, want, problems)
		}
	}
}

// TestNeverIsNever runs random conditions that the check calls constant.
func TestNeverIsNever(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := drawTree(t, 3, false)
		result, _ := run(t, n)
		for _, p := range condition.Check(n, nil, "") {
			if p.At == "" && (p.Code == "never" && result == condition.True || p.Code == "always" && result == condition.False) {
				t.Fatalf("%s is %s, but: %s", text(n), result, p.EN)
			}
		}
	})
}

func TestPaths(t *testing.T) {
	t.Parallel()
	n := node(t, `{"all": [
		{"field": "record.stage", "op": "changed_to", "value": "x"},
		{"field": "record.amount", "op": "between", "value": [1, {"fact": "record.limit"}]},
		{"some": "mail.to", "as": "a", "where": {"any": [{"field": "item.name", "op": "is", "value": {"fact": "contact.name"}}, {"cel": "a.name == company.name"}]}},
		{"cel": "record['客户级别'] == 'A' && has(mail.subject) && item.x == 1"}
	]}`)
	want := "change.fields.stage company.name contact.name item.x mail.subject mail.to record.amount record.limit record.客户级别"
	if got := strings.Join(condition.Paths(n), " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestSchema(t *testing.T) {
	t.Parallel()
	s := condition.Standard().With(condition.Fact{Path: "record.lines", Type: condition.TypeList, ZH: "明细", EN: "lines"}, condition.Fact{Path: "record.amount", Type: condition.TypeMoney, ZH: "金额", EN: "amount"})
	for path, want := range map[string]condition.Type{
		"mail.subject": condition.TypeText, "mail.to[]": condition.TypeAddress, "mail.attachments[].size": condition.TypeNumber,
		"record.lines[].qty": condition.TypeOpen, "record.amount": condition.TypeMoney, "record.any.thing": condition.TypeOpen, "record": condition.TypeObject,
		"event.a.b[].c": condition.TypeOpen, "mail.nothing": "", "mail.attachments[].nothing": "", "nothing": "", "change.fields.stage.old": condition.TypeOpen,
	} {
		f, ok := s.Lookup(path)
		if ok != (want != "") || f.Type != want {
			t.Errorf("%s: %v %v, want %s", path, f.Type, ok, want)
		}
	}
	for _, f := range s.Facts() {
		if f.ZH == "" || f.EN == "" {
			t.Errorf("%s has no labels", f.Path)
		}
	}
	n := node(t, `{"field": "record.amount", "op": "ge", "value": 100000}`)
	if got := s.Describe(n, "zh") + "; " + s.Describe(n, "en"); got != "金额 不小于 100,000; amount is at least 100,000" {
		t.Errorf("described as %s", got)
	}
	if condition.Standard().Describe(n, "zh") == s.Describe(n, "zh") {
		t.Error("With changed the standard schema")
	}
}

// Values that have names are said by them, wherever they stand.
func TestDescribeNamesValues(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ node, zh, en string }{
		{`{"field": "mail.direction", "op": "is", "value": "IN"}`, "邮件方向 是 来信", "direction is received"},
		{`{"field": "change.kind", "op": "in_list", "value": ["made", "changed"]}`, "变更方式 在列表中 新建、变更", "kind of change is in the list made, changed"},
		{`{"field": "mail.subject", "op": "is", "value": "in"}`, "主题 是 in", "subject is in"},
		{`{"field": "mail.direction", "op": "is", "value": "sideways"}`, "邮件方向 是 sideways", "direction is sideways"},
	} {
		n := node(t, c.node)
		if zh, en := condition.Describe(n, "zh"), condition.Describe(n, "en"); zh != c.zh || en != c.en {
			t.Errorf("%s is said as %q and %q, want %q and %q", c.node, zh, en, c.zh, c.en)
		}
	}
}
