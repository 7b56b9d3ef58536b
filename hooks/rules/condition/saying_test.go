package condition_test

import (
	"encoding/json"
	"testing"
	"time"

	"heliograph/hooks/rules/condition"
)

// TestExplainedValues looks at how an explanation says what a fact was.
func TestExplainedValues(t *testing.T) {
	facts := &world{tree: map[string]any{
		"record": map[string]any{
			"amount": json.Number("1234567.50"), "company_id": json.Number("1234567"), "close_on": "2026-03-05", "seen": time.Date(2026, 3, 5, 2, 30, 0, 0, time.UTC),
			"posted": "2026-03-05T02:30:00Z", "stages": []any{"won", "other"}, "none": nil, "title": "2026", "open": true,
		},
		"mail": map[string]any{"direction": "in", "subject": "2026-03-05"},
	}}
	stages := []condition.ValueName{{Value: "won", ZH: "赢单", EN: "won deal"}}
	s := condition.Standard().Called(condition.Fact{Path: "record.stages", Type: condition.TypeOpen, ZH: "阶段", EN: "stages", Names: stages})
	for _, c := range []struct{ node, zh, en string }{
		{`{"field":"record.amount","op":"gt","value":50000}`, "记录「amount」 大于 50,000 → 是（1,234,567.50）", "record “amount” is more than 50,000 → yes (1,234,567.50)"},
		{`{"field":"record.company_id","op":"is","value":50000}`, "记录「company_id」 是 50000 → 否（1234567）", "record “company_id” is 50000 → no (1234567)"},
		{`{"field":"record.close_on","op":"is","value":"2026-03-06"}`, "记录「close_on」 是 2026年3月6日 → 否（2026年3月5日）", "record “close_on” is 6 March 2026 → no (5 March 2026)"},
		{`{"field":"record.seen","op":"is","value":"2026-03-05T10:30:00+08:00"}`, "记录「seen」 是 2026年3月5日 10:30 (UTC+08:00) → 是（2026年3月5日 10:30）", "record “seen” is 5 March 2026, 10:30 (UTC+08:00) → yes (5 March 2026, 10:30)"},
		{`{"field":"record.posted","op":"is","value":{"fact":"record.seen"}}`, "记录「posted」 是 记录「seen」 → 是（2026年3月5日 10:30；记录「seen」 = 2026年3月5日 10:30）", "record “posted” is record “seen” → yes (5 March 2026, 10:30; record “seen” = 5 March 2026, 10:30)"},
		{`{"field":"record.stages","op":"is","value":["won"]}`, `阶段 是 赢单 → 否（赢单、"other"）`, `stages is won deal → no (won deal, "other")`},
		{`{"field":"record.none","op":"is","value":"x"}`, "记录「none」 是 x → 否（空）", "record “none” is x → no (empty)"},
		{`{"field":"record.title","op":"is","value":"2026"}`, `记录「title」 是 2026 → 是（"2026"）`, `record “title” is 2026 → yes ("2026")`},
		{`{"field":"record.open","op":"is","value":true}`, "记录「open」 是 “是” → 是", "record “open” is true → yes"},
		{`{"field":"mail.direction","op":"is","value":"out"}`, "邮件方向 是 去信 → 否（来信）", "direction is sent → no (received)"},
		{`{"field":"mail.subject","op":"is","value":"2026-03-05"}`, `主题 是 2026-03-05 → 是（"2026-03-05"）`, `subject is 2026-03-05 → yes ("2026-03-05")`},
	} {
		p, err := s.Compile(node(t, c.node))
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.Evaluate(t.Context(), facts, condition.Options{Zone: shanghai})
		if err != nil {
			t.Fatal(err)
		}
		if got.ZH != c.zh || got.EN != c.en {
			t.Errorf("%s is explained as\n%s\n%s\nwant\n%s\n%s", c.node, got.ZH, got.EN, c.zh, c.en)
		}
	}
}
