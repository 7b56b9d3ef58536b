package condition_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"heliograph/hooks/rules/condition"
)

// operatorCase is one leaf about the world of complaint().
type operatorCase struct{ field, op, value, want string }

var textCases = []operatorCase{
	{"mail.subject", "is", `"关于投诉:订单 so10086 晚到"`, "true"}, // full-width colon, letter case
	{"mail.subject", "is", `"别的"`, "false"},
	{"mail.subject", "is_not", `"别的"`, "true"},
	{"mail.subject", "contains", `"投诉"`, "true"},
	{"mail.subject", "contains", `"ｓｏ１００８６"`, "true"},
	{"mail.subject", "contains", `"退货"`, "false"},
	{"mail.subject", "contains", `{"fact": "record.level"}`, "false"},
	{"mail.subject", "contains", `{"fact": "record.nothing"}`, "unknown"},
	{"mail.subject", "contains_any", `["退货", "投诉"]`, "true"},
	{"mail.subject", "contains_any", `[]`, "false"},
	{"mail.subject", "contains_any", `[{"fact": "record.nothing"}, "投诉"]`, "true"},
	{"mail.subject", "contains_any", `[{"fact": "record.nothing"}, "退货"]`, "unknown"},
	{"mail.subject", "contains_any", `{"fact": "mail.tags"}`, "true"}, // a fact that is a list: its elements
	{"mail.subject", "contains_all", `["订单", "投诉"]`, "true"},
	{"mail.subject", "contains_all", `["订单", "退货"]`, "false"},
	{"mail.subject", "contains_all", `[{"fact": "record.nothing"}, "退货"]`, "false"},
	{"mail.subject", "contains_all", `[{"fact": "record.nothing"}, "投诉"]`, "unknown"},
	{"mail.subject", "not_contains", `["退货"]`, "true"},
	{"mail.subject", "not_contains", `["投诉"]`, "false"},
	{"mail.bulk", "not_contains", `"x"`, "true"}, // nil: an empty text
	{"mail.subject", "starts_with", `["投诉", "关于"]`, "true"},
	{"mail.subject", "starts_with", `"投诉"`, "false"},
	{"mail.subject", "ends_with", `"晚到"`, "true"},
	{"mail.subject", "ends_with", `"关于"`, "false"},
	{"mail.tags", "starts_with", `"vi"`, "true"}, // one element
	{"mail.subject", "matches", `"SO\\d{5}"`, "true"},
	{"mail.subject", "matches", `"so\\d{5}"`, "false"}, // patterns see the case
	{"mail.subject", "matches", `"投诉：订单"`, "true"},     // as it is
	{"mail.subject", "matches", `"投诉:订单"`, "true"},     // and in NFKC
	{"mail.text", "matches", `"^您好"`, "true"},
	{"mail.tags", "contains", `"vip"`, "true"},
	{"mail.tags", "contains", `"VI"`, "false"}, // elements, not parts of them
	{"mail.tags", "contains_all", `["VIP", "投诉"]`, "true"},
	{"mail.tags", "is", `["vip", "投诉"]`, "true"}, // in any order
	{"mail.tags", "is", `"VIP"`, "false"},
	{"mail.nothing", "contains", `"x"`, "unknown"},
	{"mail.nothing", "not_contains", `"x"`, "unknown"},
	{"mail.attachments", "starts_with", `"x"`, "unknown"}, // objects have no text
	{"mail.language", "language_is", `"zh"`, "true"},
	{"mail.language", "language_is", `["en", "zh_CN"]`, "true"},
	{"mail.language", "language_is", `"z"`, "false"},
	{"mail.language", "language_is", `"zh-TW"`, "false"},
	{"mail.nothing", "language_is", `"zh"`, "unknown"},
	{"record.level", "is", `"vip"`, "true"},
	{"record.owner", "is", `"x"`, "false"},
	{"record.owner", "is", `""`, "true"}, // nil and empty are alike
	{"record.客户级别", "is", `"a"`, "true"},
}

var numberCases = []operatorCase{
	{"record.amount", "is", `120000.1`, "true"}, // exact: not the nearest double
	{"record.amount", "is", `120000.1000000000000000001`, "false"},
	{"record.amount", "is", `"120,000.10"`, "true"},
	{"record.amount", "is_not", `120000.10`, "false"},
	{"record.price", "gt", `1200`, "true"}, // a text that is an amount
	{"record.price", "is", `1200.5`, "true"},
	{"record.price", "lt", `"￥1,200.51"`, "true"},
	{"record.price", "lt", `"0.12万元"`, "false"},
	{"record.amount", "gt", `{"fact": "record.limit"}`, "true"},
	{"record.amount", "gt", `{"fact": "record.nothing"}`, "unknown"},
	{"record.amount", "ge", `120000.1`, "true"},
	{"record.amount", "le", `120000.1`, "true"},
	{"record.amount", "lt", `120000.1`, "false"},
	{"record.amount", "between", `[100000, 120000.1]`, "true"},
	{"record.amount", "between", `[{"fact": "record.nothing"}, 5]`, "false"},
	{"record.amount", "between", `[{"fact": "record.nothing"}, 500000]`, "unknown"},
	{"record.owner", "gt", `5`, "unknown"},    // nil has no order
	{"record.stage", "gt", `5`, "unknown"},    // not a number
	{"record.stage", "is", `5`, "false"},      // an open fact that is another thing
	{"record.amount", "is", `"x"`, "false"},   // the same
	{"mail.tags", "gt", `5`, "unknown"},       // a list
	{"record.nothing", "lt", `5`, "unknown"},  // unknown
	{"mail.automated", "is", `false`, "true"}, // bools
	{"mail.automated", "is", `"否"`, "true"},   // in words
	{"mail.automated", "is", `true`, "false"}, //
	{"mail.bulk", "is", `true`, "false"},      // nil is not true
	{"mail.bulk", "is_not", `true`, "true"},   //
	{"mail.nothing", "is", `true`, "unknown"}, //
	{"mail.automated", "is", `"vielleicht"`, "unknown"},
}

var timeCases = []operatorCase{
	{"mail.date", "within", `{"last": "2h"}`, "true"},
	{"mail.date", "within", `{"last": "1h"}`, "false"},
	{"mail.date", "within", `{"next": "2h"}`, "false"},
	{"mail.date", "within", `{"last": "2h", "next": "1d"}`, "true"},
	{"mail.date", "within", `{"last": "90m", "business": true}`, "true"},
	{"record.due", "within", `{"last": "3d"}`, "true"},
	{"record.due", "within", `{"last": "15h", "business": true}`, "false"}, // two whole days and three hours
	{"record.due", "within", `{"last": "21h", "business": true}`, "true"},
	{"record.due", "older_than", `"2d"`, "true"},
	{"record.due", "older_than", `"3d"`, "false"},
	{"record.due", "older_than", `{"age": "21h", "business": true}`, "true"},
	{"record.due", "older_than", `{"age": "22h", "business": true}`, "false"},
	{"record.owner", "older_than", `"2d"`, "unknown"},
	{"record.stage", "older_than", `"2d"`, "unknown"},
	{"record.nothing", "within", `{"last": "2h"}`, "unknown"},
	{"mail.date", "before", `"now"`, "true"},
	{"mail.date", "before", `"today"`, "false"}, // it is today
	{"mail.date", "after", `"yesterday"`, "true"},
	{"mail.date", "after", `"2026-03-04"`, "false"},
	{"mail.date", "is", `"2026-03-04"`, "true"}, // that day
	{"mail.date", "is", `"2026-03-04T02:30:00Z"`, "true"},
	{"mail.date", "after", `"2026-03-04T02:29:59Z"`, "true"}, // zones
	{"mail.date", "after", `"2026-03-04 10:29"`, "true"},     // of the evaluation
	{"mail.date", "lt", `"2026年3月5日"`, "true"},
	{"mail.date", "between", `["2026-03-04", "2026-03-04"]`, "true"},
	{"record.due", "before", `"today"`, "true"},
	{"record.due", "before", `{"fact": "mail.date"}`, "true"},
	{"record.due", "before", `{"fact": "record.stage"}`, "unknown"},
	{"mail.date", "on_workday", `null`, "true"},
	{"mail.date", "on_workday", `false`, "false"},
	{"mail.date", "in_business_hours", `true`, "true"},
	{"record.due", "in_business_hours", `true`, "false"}, // midnight
	{"record.owner", "on_workday", `null`, "unknown"},
}

var otherCases = []operatorCase{
	{"mail.from.address", "matches_address", `"*@example.com"`, "true"},
	{"mail.from.address", "matches_address", `"example.com"`, "true"},
	{"mail.from.address", "matches_address", `"li@EXAMPLE.com"`, "true"},
	{"mail.from.address", "matches_address", `"ample.com"`, "false"},
	{"mail.from.address", "matches_address", `["other.example", "han@example.com"]`, "false"},
	{"mail.from", "matches_address", `"example.com"`, "true"}, // the object
	{"mail.from.domain", "matches_address", `"example.com"`, "true"},
	{"mail.to", "matches_address", `"boss@heliograph.example"`, "true"}, // one of them
	{"mail.cc", "matches_address", `"boss@heliograph.example"`, "false"},
	{"mail.nothing", "matches_address", `"example.com"`, "unknown"},
	{"mail.from", "matches_address", `{"list": "partners"}`, "true"},
	{"mail.from", "matches_address", `{"any": ["a@b.example"], "list": "vip"}`, "false"},
	{"mail.from", "matches_address", `{"list": "nothing"}`, "unknown"},
	{"mail.from", "matches_address", `{"any": "com.example"}`, "false"},
	{"record.level", "in_list", `["普通", "vip"]`, "true"},
	{"record.level", "in_list", `["a","b","c","d","e","f","g","h","VIP","j"]`, "true"},
	{"record.level", "not_in_list", `["a","b","c","d","e","f","g","h","i","j"]`, "true"},
	{"record.level", "in_list", `"levels"`, "true"},
	{"record.level", "in_list", `{"list": "vip"}`, "false"},
	{"record.level", "in_list", `{"list": "nothing"}`, "unknown"},
	{"record.level", "in_list", `{"fact": "mail.tags"}`, "true"},
	{"record.amount", "in_list", `[1, 120000.1]`, "true"},
	{"mail.tags", "in_list", `["普通", "VIP"]`, "true"}, // one element
	{"record.owner", "in_list", `["x"]`, "false"},
	{"record.nothing", "not_in_list", `["x"]`, "unknown"},
	{"mail.cc", "is_empty", `null`, "true"},
	{"mail.to", "is_empty", `null`, "false"},
	{"record.owner", "is_empty", `null`, "true"},
	{"record.owner", "is_not_empty", `null`, "false"},
	{"record.nothing", "is_empty", `null`, "unknown"},
	{"record.owner", "exists", `null`, "false"},
	{"record.level", "exists", `null`, "true"},
	{"record.level", "exists", `false`, "false"},
	{"record.nothing", "exists", `null`, "unknown"},
	{"record.owner", "known", `null`, "true"},
	{"record.nothing", "known", `null`, "false"},
	{"record.nothing", "known", `false`, "true"},
	{"record.stage", "changed", `null`, "true"},
	{"record.amount", "changed", `null`, "false"}, // not touched
	{"record.note", "changed", `null`, "false"},   // the same when folded
	{"record.owner", "changed", `null`, "unknown"},
	{"record.stage", "changed_to", `"已成交"`, "true"},
	{"record.stage", "changed_to", `"谈判"`, "false"},
	{"record.stage", "changed_from", `"谈判"`, "true"},
	{"change.fields.stage", "changed_from", `"已成交"`, "false"},
	{"record.stage", "changed_from_to", `{"from": "谈判", "to": "已成交"}`, "true"},
	{"record.stage", "changed_from_to", `{"from": "谈判", "to": "失败"}`, "false"},
	{"record.owner", "changed_to", `"李四"`, "false"},   // whatever it was
	{"record.owner", "changed_to", `"王芳"`, "unknown"}, // or it was that before
}

func options() condition.Options {
	return condition.Options{
		Now: noon, Zone: shanghai, Calendar: office{}, CELTime: time.Minute,
		Lists: lists{"vip": {"boss@heliograph.example"}, "partners": {"*@example.com"}, "levels": {"vip", "普通"}},
	}
}

func TestOperators(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for name, cases := range map[string][]operatorCase{"text": textCases, "number": numberCases, "time": timeCases, "other": otherCases} {
		for _, c := range cases {
			seen[c.op] = true
			t.Run(fmt.Sprintf("%s/%s_%s_%s", name, c.field, c.op, c.value), func(t *testing.T) {
				t.Parallel()
				source := fmt.Sprintf(`{"field": %q, "op": %q, "value": %s}`, c.field, c.op, c.value)
				x, err := condition.Evaluate(t.Context(), node(t, source), &world{tree: complaint()}, options())
				if err != nil {
					t.Fatal(err)
				}
				if x.Result.String() != c.want {
					t.Errorf("got %s, want %s: %s", x.Result, c.want, x.EN)
				}
				if unknown := len(x.Unknown) > 0; unknown != (c.want == "unknown") {
					t.Errorf("unknown facts: %v", x.Unknown)
				}
			})
		}
	}
	for _, o := range condition.Operators() {
		if !seen[o.Name] {
			t.Errorf("no case for %s", o.Name)
		}
	}
}

func TestTypesOfSchema(t *testing.T) {
	t.Parallel()
	schema := condition.Standard().With(
		condition.Fact{Path: "record.price", Type: condition.TypeMoney},
		condition.Fact{Path: "record.stage", Type: condition.TypeNumber},
		condition.Fact{Path: "record.due", Type: condition.TypeTime},
	)
	for _, c := range []operatorCase{
		{"record.price", "is", `"1200.50 CNY"`, "true"}, // both are texts
		{"record.stage", "is", `"5"`, "unknown"},        // it should be a number and is none
		{"record.due", "is", `"2026/3/2"`, "true"},
	} {
		p, err := schema.Compile(node(t, fmt.Sprintf(`{"field": %q, "op": %q, "value": %s}`, c.field, c.op, c.value)))
		if err != nil {
			t.Fatal(err)
		}
		if got, _, err := p.Test(t.Context(), &world{tree: complaint()}, options()); err != nil || got.String() != c.want {
			t.Errorf("%v: got %s, %v", c, got, err)
		}
	}
}

func TestSubdomains(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ address, value, want string }{
		{"a@mail.example.com", `"example.com"`, "false"},
		{"a@mail.example.com", `{"any": ["example.com"], "subdomains": true}`, "true"},
		{"a@example.com", `{"any": ["example.com"], "subdomains": true}`, "true"},
		{"a@badexample.com", `{"any": ["example.com"], "subdomains": true}`, "false"},
		{"a@mail.example.com", `{"any": ["*@example.com"], "subdomains": true}`, "false"}, // exactly this domain
		{"a@mail.example.com", `"*.example.com"`, "true"},
		{"a@example.com", `"*.example.com"`, "false"},
		{"Li <a@example.com>", `"example.com"`, "true"},
		{"a@bücher.example", `"xn--bcher-kva.example"`, "true"},
		{"", `"example.com"`, "false"},
		{"a@deep.mail.example.com", `{"list": "partners", "subdomains": true}`, "true"},
		{"a@mail.example.com", `{"list": "partners"}`, "false"},
	} {
		o := options()
		o.Lists = lists{"partners": {"example.com"}}
		facts := &world{tree: map[string]any{"mail": map[string]any{"account": c.address}}}
		x, err := condition.Evaluate(t.Context(), node(t, `{"field": "mail.account", "op": "matches_address", "value": `+c.value+`}`), facts, o)
		if err != nil || x.Result.String() != c.want {
			t.Errorf("%s of %s: got %s, %v; want %s", c.address, c.value, x.Result, err, c.want)
		}
	}
}

func TestWithoutHelp(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		`{"field": "mail.date", "op": "on_workday"}`:                                                 "business calendar",
		`{"field": "mail.from", "op": "matches_address", "value": {"list": "vip"}}`:                  "no lists",
		`{"field": "mail.date", "op": "older_than", "value": {"age": "1h", "business": true}}`:       "business calendar",
		`{"field": "time.before", "op": "in_business_hours"}`:                                        "",
		`{"field": "mail.attachments", "op": "contains", "value": {"fact": "mail.nothing"}}`:         "there is none",
		`{"some": "mail.attachments", "where": {"field": "item.nothing", "op": "is", "value": "x"}}`: "no such field",
	} {
		x, err := condition.Evaluate(t.Context(), node(t, source), &world{tree: complaint()}, condition.Options{Now: noon})
		if err != nil || x.Result != condition.Unsure || len(x.Unknown) != 1 || !strings.Contains(x.Unknown[0].EN, want) {
			t.Errorf("%s: %s %v %v", source, x.Result, x.Unknown, err)
		}
	}
}

func TestPassingErrors(t *testing.T) {
	t.Parallel()
	away := errors.New("the CRM is away")
	for _, source := range []string{
		`{"field": "record.amount", "op": "gt", "value": 5}`,
		`{"field": "mail.subject", "op": "is", "value": {"fact": "record.amount"}}`,
		`{"some": "record.amount", "where": {"field": "item", "op": "is", "value": 5}}`,
		`{"cel": "true || record.amount > 5"}`,
		`{"cel": "record.amount > 5 || true"}`,
		`{"field": "record.stage", "op": "changed"}`,
	} {
		facts := &world{tree: complaint(), broken: map[string]error{"record.amount": away, "change.fields": away}}
		_, err := condition.Evaluate(t.Context(), node(t, source), facts, options())
		if source == `{"cel": "true || record.amount > 5"}` {
			if err != nil { // not asked at all
				t.Errorf("%s: %v", source, err)
			}
			continue
		}
		if !errors.Is(err, away) {
			t.Errorf("%s: got %v", source, err)
		}
	}
	_, err := condition.Evaluate(t.Context(), node(t, `{"field": "mail.subject", "op": "in_list", "value": "broken"}`), &world{tree: complaint()}, options())
	if !errors.Is(err, errLists) {
		t.Errorf("lists: got %v", err)
	}
	if _, err = condition.Evaluate(t.Context(), node(t, `{"field": "mail.date", "op": "older_than", "value": "1d"}`), &world{tree: complaint()}, condition.Options{}); err == nil {
		t.Error("an age without a clock gives no error")
	}
	if _, err = condition.Evaluate(t.Context(), node(t, `{"field": "mail.date", "op": "before", "value": "now"}`), &world{tree: complaint()}, condition.Options{}); err == nil {
		t.Error("now without a clock gives no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = condition.Evaluate(ctx, node(t, `{"cel": "mail.tags.exists(t, t == 'x')"}`), &world{tree: complaint()}, options()); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that ended: %v", err)
	}
}

func TestAskedOnceAndInOrder(t *testing.T) {
	t.Parallel()
	facts := &world{tree: complaint()}
	source := `{"all": [
		{"field": "mail.subject", "op": "contains", "value": "投诉"},
		{"any": [{"field": "mail.subject", "op": "contains", "value": "订单"}, {"field": "company.size", "op": "gt", "value": 5}]},
		{"field": "mail.automated", "op": "is", "value": true},
		{"field": "company.level", "op": "is", "value": "A"}
	]}`
	x, err := condition.Evaluate(t.Context(), node(t, source), facts, options())
	if err != nil || x.Result != condition.False {
		t.Fatal(x.Result, err)
	}
	if got := strings.Join(facts.asked, " "); got != "mail.subject mail.automated" {
		t.Errorf("asked: %s", got)
	}
	if !x.Children[3].Skipped || !x.Children[1].Children[1].Skipped || x.Children[2].Skipped {
		t.Errorf("skipped nodes are wrong:\n%s", x.Text("en"))
	}
}

func TestEqual(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b any
		want bool
	}{
		{"ＶＩＰ", "vip ", true},
		{json.Number("1.0"), json.Number("1"), true},
		{json.Number("1"), "1.00", true},
		{nil, "", true},
		{nil, "x", false},
		{noon, noon.UTC(), true},
		{noon, noon.Add(1), false},
		{true, "是", true},
		{[]any{"a", "B"}, []any{"b", "a"}, true},
		{[]any{"a"}, "A", true},
		{map[string]any{"a": "X"}, map[string]any{"a": "x"}, true},
		{map[string]any{"a": "X"}, map[string]any{"b": "x"}, false},
		{"已成交", "已成交", true},
	} {
		if condition.Equal(c.a, c.b) != c.want || condition.Equal(c.b, c.a) != c.want {
			t.Errorf("Equal(%v, %v) is not %v", c.a, c.b, c.want)
		}
	}
}
