package condition_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"heliograph/hooks/rules/condition"
)

var ctx = context.Background()

func quoted(expression string) string {
	out, _ := json.Marshal(map[string]string{"cel": expression})
	return string(out)
}

func TestCEL(t *testing.T) {
	t.Parallel()
	for expression, want := range map[string]string{
		`mail.subject.contains("投诉")`:                                        "true",
		`record["客户级别"] == "A"`:                                              "true",
		`record.amount * 2 > 200000`:                                         "true",
		`record.amount + 1 == 120001.1`:                                      "true",
		`-record.amount < 0 && 2 * record.limit == 200000`:                   "true",
		`number(record.price) * 2 == 2401`:                                   "true",
		`number(mail.subject) > 0`:                                           "unknown",
		`fold(record.level) == "vip"`:                                        "true",
		`matches_address(mail.from, "example.com")`:                          "true",
		`matches_address(mail.from.address, ["a.example", "*@example.com"])`: "true",
		`matches_address(mail.from.address, "not a pattern")`:                "unknown",
		`mail.attachments.exists(a, a.size > 1000000)`:                       "true",
		`mail.attachments.map(a, a.size).exists(s, s + 1 > 5000000)`:         "true",
		`[1, 2].exists(x, x + 1 == 3)`:                                       "true", // whole numbers stay so
		`size(mail.attachments) + 1 == 3`:                                    "true",
		`mail.attachments[0].name == "照片.JPG"`:                               "true",
		`mail.attachments.exists(mail, mail.size > 5)`:                       "true", // a local name hides the fact
		`mail.date > timestamp("2026-03-04T02:00:00Z")`:                      "true",
		`mail.date.getHours("+08:00") == 10`:                                 "true",
		`record.nothing == 1`:                                                "unknown",
		`record.nothing == 1 || record.amount > 5`:                           "true",
		`record.amount > 5 || record.nothing == 1`:                           "true",
		`record.nothing == 1 && false`:                                       "false",
		`record.nothing.exists(x, x == 1)`:                                   "unknown",
		`has(record.nothing)`:                                                "false",
		`has(record.owner)`:                                                  "false", // known to be missing
		`has(record.amount) && has(mail.attachments[0].name)`:                "true",
		`has(record.nothing) ? record.nothing > 5 : true`:                    "true",
		`record.owner == null`:                                               "true",
		`record.stage > 5`:                                                   "unknown", // a text
		`record.amount`:                                                      "unknown", // not true or false
		`mail.attachments[7].name == "x"`:                                    "unknown",
		`1 / (size(mail.cc)) > 0`:                                            "unknown",
		`change.fields.stage.new == "已成交"`:                                   "true",
		`mail.subject.matches("SO[0-9]+")`:                                   "true",
	} {
		x, err := condition.Evaluate(t.Context(), node(t, quoted(expression)), &world{tree: complaint()}, options())
		if err != nil || x.Result.String() != want {
			t.Errorf("%s: got %s, %v; want %s\n%s", expression, x.Result, err, want, x.Text("en"))
		}
	}
}

func TestCELAsksOnlyWhatItNeeds(t *testing.T) {
	t.Parallel()
	facts := &world{tree: complaint()}
	x, err := condition.Evaluate(t.Context(), node(t, quoted(`mail.automated || record.amount > 5 || company.size > 3`)), facts, options())
	if err != nil || x.Result != condition.True {
		t.Fatal(x.Result, err)
	}
	if got := strings.Join(facts.asked, " "); got != "mail.automated record.amount" {
		t.Errorf("asked: %s", got)
	}
	if !strings.Contains(x.ZH, "record.amount = 120000.10") {
		t.Errorf("the explanation does not show the facts: %s", x.ZH)
	}
}

func TestCELMistakes(t *testing.T) {
	t.Parallel()
	for expression, want := range map[string]string{
		`mial.subject == "x"`:            `line 1, column 1: undeclared reference to 'mial'`,
		"true &&\n  (mail.subject == ":   "line 2",
		`size(mail.to)`:                  "gives int",
		`"a" + 1 == "b"`:                 "no matching overload",
		`@fact(0) == 1`:                  "line 1",
		`mail.subject.matches("(")`:      "",
		`record[""] == 1`:                "not a path",
		`nosuch(mail.subject)`:           "undeclared reference to 'nosuch'",
		strings.Repeat("(", 200):         "",
		strings.Repeat("a+", 2000) + "a": "",
		`"` + strings.Repeat("x", 4095):  "",
		`[1,2].exists(x, mail.nix == x`:  "",
	} {
		var n condition.Node
		if err := json.Unmarshal([]byte(quoted(expression)), &n); err != nil {
			continue // beyond the bounds
		}
		_, err := condition.Compile(&n)
		if expression == `mail.subject.matches("(")` {
			continue // may be found when it runs
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", expression, err, want)
		}
		problems := condition.Check(&n, nil, "mail")
		if len(problems) == 0 || problems[0].At != "/cel" || problems[0].Severity != condition.Wrong {
			t.Errorf("%s: problems %+v", expression, problems)
		}
	}
	p := condition.Check(node(t, quoted("true ||\n  mial.subject == 'x'")), nil, "mail")
	if len(p) != 1 || p[0].Line != 2 || p[0].Column != 3 || p[0].Suggestion != "mail" {
		t.Errorf("place and suggestion: %+v", p)
	}
}

// slow are facts that take longer than an expression may.
type slow struct{ condition.Facts }

func (s slow) Fact(ctx context.Context, path string) (any, error) {
	timer := time.NewTimer(30 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-timer.C:
		return s.Facts.Fact(ctx, path)
	}
}

func TestCELTime(t *testing.T) {
	t.Parallel()
	o := options()
	o.CELTime = time.Nanosecond
	list := quoted(`event.list.all(a, event.list.all(b, a + b >= 0.0))`)
	facts := &world{tree: map[string]any{"event": map[string]any{"list": numbers(300)}}}
	if x, err := condition.Evaluate(t.Context(), node(t, list), facts, o); err == nil || x.Result != condition.Unsure {
		t.Errorf("an expression without time: %s, %v", x.Result, err)
	}
	o.CELTime = 20 * time.Second
	x, err := condition.Evaluate(t.Context(), node(t, quoted(`record.amount > 5 && record.limit > 5`)), slow{&world{tree: complaint()}}, o)
	if err != nil || x.Result != condition.True {
		t.Errorf("slow facts: %s, %v", x.Result, err)
	}
	c, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := condition.Evaluate(c, node(t, list), facts, options()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func numbers(n int) []any {
	out := make([]any, n)
	for i := range out {
		out[i] = json.Number("1")
	}
	return out
}

func TestConcurrent(t *testing.T) {
	t.Parallel()
	p, err := condition.Compile(node(t, `{"all": [`+fiveLeaves+`, `+quoted(`record.amount > 5 && mail.attachments.exists(a, a.size > 5)`)+
		`, {"some": "mail.attachments", "where": {"field": "item.size", "op": "gt", "value": 5}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	memo := condition.NewMemo(&world{tree: complaint()})
	want, err := p.Evaluate(t.Context(), memo, options())
	if err != nil || want.Result != condition.True {
		t.Fatal(want.Text("en"), err)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 20 {
				if got, err := p.Evaluate(t.Context(), memo, options()); err != nil || got.Text("zh") != want.Text("zh") {
					t.Errorf("got %s, %v", got.Text("zh"), err)
				}
			}
		})
	}
	group.Wait()
}

func TestMistakesOfExpressionsAreForPeople(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"size(mail.attachments) >": "表达式第 1 行第 25 列有误：表达式不完整 / line 1, column 25: the expression is not complete",
		"mail.subject ) == 1":      "表达式第 1 行第 14 列有误：此处写法不对：')' / line 1, column 14: this does not fit here: ')'",
	} {
		problems := condition.Check(&condition.Node{Kind: condition.CEL, CEL: source}, nil, "mail")
		if len(problems) != 1 || problems[0].ZH+" / "+problems[0].EN != want {
			t.Errorf("%s: %+v", source, problems)
		}
	}
}
