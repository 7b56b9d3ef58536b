package condition_test

import (
	"encoding/json"
	"flag"
	"os"
	"testing"

	"heliograph/hooks/rules/condition"
)

var update = flag.Bool("update", false, "write the golden files")

const story = `{"all": [
	{"field": "mail.subject", "op": "contains_any", "value": ["投诉", "complaint"]},
	{"not": {"field": "mail.automated", "op": "is", "value": true}},
	{"some": "mail.attachments", "where": {"all": [
		{"field": "item.name", "op": "ends_with", "value": [".xlsx", ".pdf"]},
		{"field": "item.size", "op": "gt", "value": 1000000}
	]}},
	{"count": "mail.to", "where": {"field": "item.address", "op": "matches_address", "value": "heliograph.example"}, "op": "ge", "value": 2},
	{"field": "mail.text", "op": "contains", "value": "请尽快处理"},
	{"field": "mail.date", "op": "within", "value": {"last": "2h"}},
	{"field": "record.amount", "op": "between", "value": [100000, {"fact": "record.limit"}]},
	{"any": [{"field": "company.level", "op": "is", "value": "A"}, {"field": "record.stage", "op": "changed_to", "value": "已成交"}]},
	{"cel": "record.amount > 5"}
]}`

// TestGolden shows what people read; -update writes it anew.
func TestGolden(t *testing.T) {
	t.Parallel()
	n := node(t, story)
	x, err := condition.Evaluate(t.Context(), n, &world{tree: complaint()}, options())
	if err != nil {
		t.Fatal(err)
	}
	stored, err := json.MarshalIndent(x, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{
		"explanation.zh.txt": x.Text("zh"),
		"explanation.en.txt": x.Text("en"),
		"explanation.json":   string(stored) + "\n",
		"description.txt":    condition.Describe(n, "zh") + "\n" + condition.Describe(n, "en") + "\n",
	} {
		path := "testdata/" + name
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s is\n%s\nwant\n%s", name, got, want)
		}
	}
}
