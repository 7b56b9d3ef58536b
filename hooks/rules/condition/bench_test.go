package condition_test

import (
	"encoding/json"
	"testing"
	"time"

	"heliograph/hooks/rules/condition"
)

const fiveLeaves = `{"all": [
	{"field": "mail.subject", "op": "contains_any", "value": ["投诉", "complaint"]},
	{"field": "mail.from.address", "op": "matches_address", "value": ["example.com", "vip@example.org"]},
	{"not": {"field": "mail.automated", "op": "is", "value": true}},
	{"field": "record.amount", "op": "gt", "value": 100000},
	{"any": [{"field": "record.level", "op": "is", "value": "VIP"}, {"field": "mail.text", "op": "matches", "value": "SO\\d+"}]}
]}`

func benchmark(b *testing.B, source string, run func(p *condition.Program, facts condition.Facts, o condition.Options) (condition.Truth, error)) {
	var n condition.Node
	if err := json.Unmarshal([]byte(source), &n); err != nil {
		b.Fatal(err)
	}
	p, err := condition.Compile(&n)
	if err != nil {
		b.Fatal(err)
	}
	facts := condition.NewMemo(&world{tree: complaint()})
	o := condition.Options{Now: noon, Zone: shanghai, CELTime: time.Minute}
	b.ReportAllocs()
	for b.Loop() {
		if got, err := run(p, facts, o); err != nil || got != condition.True {
			b.Fatal(got, err)
		}
	}
}

// BenchmarkEvaluate is the claim: five leaves with facts that are known cost under 20 µs, the explanation included.
func BenchmarkEvaluate(b *testing.B) {
	explained := func(p *condition.Program, facts condition.Facts, o condition.Options) (condition.Truth, error) {
		x, err := p.Evaluate(b.Context(), facts, o)
		return x.Result, err
	}
	b.Run("explained", func(b *testing.B) { benchmark(b, fiveLeaves, explained) })
	b.Run("bare", func(b *testing.B) {
		benchmark(b, fiveLeaves, func(p *condition.Program, facts condition.Facts, o condition.Options) (condition.Truth, error) {
			t, _, err := p.Test(b.Context(), facts, o)
			return t, err
		})
	})
	b.Run("cel", func(b *testing.B) {
		benchmark(b, `{"cel": "record.amount * 2 > 100000 && mail.subject.contains('投诉')"}`, explained)
	})
}
