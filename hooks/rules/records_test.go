package rules

import (
	"encoding/json"
	"strings"
	"testing"
)

// deals are the names of one type of records.
func deals() *RecordNames {
	return &RecordNames{
		Targets: map[string]Word{"builtin": {"builtin", "内置 CRM", "the built-in CRM"}},
		Objects: map[RecordType]RecordName{{"crm", "deals"}: {
			Word: Word{"deals", "商机", "deals"}, One: "deal",
			Fields: []FieldName{
				{Word: Word{"stage", "阶段", "stage"}, Values: []Word{{"won", "赢单", "won deal"}}}, {Word: Word{"amount", "金额", "amount"}}, {Word: Word{"close_on", "预计成交日期", "closing date"}},
			},
		}},
		Related: map[string]RecordType{"deal": {"crm", "deals"}},
	}
}

const won = `
id: won
name: won
owner: lead@example.com
trigger: {type: record, target: crm, object: deals, fields: [stage, amount], to: [won, lost]}
when: {all: [{field: record.amount, op: gt, value: 50000}, {field: change.fields.stage, op: changed_to, value: won}, {field: deal.close_on, op: is, value: "2026-03-05"}]}
steps:
  - {id: f, do: find_records, with: {target: crm, object: deals, where: [{field: stage, is: eq, value: won}]}}
  - id: e
    do: for_each
    with: {in: steps.f.records, as: d, steps: [{id: n, do: notify, with: {channel: team, title: "{{.d.amount}} {{.item.stage}} {{.steps.f.first.odd}}"}, when: {field: d.stage, op: is, value: won}}]}
  - {id: u, do: update_record, with: {fields: {stage: lost, odd: x}}}
  - {id: c, do: create_record, with: {target: crm, object: deals, fields: {stage: won}}}
`

func TestDescribeNamesRecords(t *testing.T) {
	t.Parallel()
	elsewhere := replace(won, "object: deals", "object: Opportunity")
	for _, c := range []struct {
		rule   string
		zh, en string
	}{
		{
			won,
			"当 crm 的商机变更，字段 阶段、金额 变为 赢单 或 lost，且 商机的金额 大于 50,000，且商机的阶段 变更为 赢单，且商机的预计成交日期 是 2026年3月5日：" +
				"查询 crm 的商机，然后对每个 查询记录 · 记录：通知 team（若 商机的阶段 是 赢单），然后更新字段 「odd」、阶段，然后在 crm 新建商机。",
			"When a deal of crm changes in stage, amount to won deal or lost and deal's amount is more than 50,000 and deal's stage changed to won deal and " +
				"deal's closing date is 5 March 2026: look up deals of crm, then for each of look up records · the records: tell team (if deal's stage is won deal), " +
				"then set “odd”, stage, then make a deal in crm.",
		},
		{
			elsewhere,
			"当 crm 的「Opportunity」变更，字段 「stage」、「amount」 变为 won 或 lost，且 记录「amount」 大于 50,000，且记录「stage」 变更为 won，且商机的预计成交日期 是 2026年3月5日：" +
				"查询 crm 的「Opportunity」，然后对每个 查询记录 · 记录：通知 team（若 当前项「stage」 是 won），然后更新字段 「odd」、「stage」，然后在 crm 新建「Opportunity」。",
			"When a record “Opportunity” of crm changes in “stage”, “amount” to won or lost and record “amount” is more than 50,000 and record “stage” changed to won and " +
				"deal's closing date is 5 March 2026: look up records “Opportunity” of crm, then for each of look up records · the records: tell team (if item “stage” is won), " +
				"then set “odd”, “stage”, then make a record “Opportunity” in crm.",
		},
	} {
		for lang, want := range map[Lang]string{Chinese: c.zh, English: c.en} {
			if got, err := Describe(parsed(t, c.rule), lang, deals()); err != nil || got != want {
				t.Errorf("%v\n%s\n%s", err, got, want)
			}
		}
	}
}

func TestLabelsNameRecords(t *testing.T) {
	t.Parallel()
	zh, en := Labels(parsed(t, won), Chinese, deals()), Labels(parsed(t, won), English, deals())
	for path, want := range map[string][2]string{
		"record.stage": {"商机的阶段", "deal's stage"}, "record.odd": {"记录「odd」", "record “odd”"}, "change.fields.stage.old": {"商机的阶段（原值）", "deal's stage before"},
		"steps.f.first.amount": {"商机的金额", "deal's amount"}, "steps.f.first.odd": {"查询记录 · 第一条记录「odd」", "look up records · the first record “odd”"}, "d.amount": {"商机的金额", "deal's amount"},
		"item.stage": {"商机的阶段", "deal's stage"}, "deal.amount": {"商机的金额", "deal's amount"},
	} {
		if zh(path) != want[0] || en(path) != want[1] {
			t.Errorf("%s is called %q, %q", path, zh(path), en(path))
		}
	}
}

func TestCompareNamesFields(t *testing.T) {
	t.Parallel()
	changes, err := Compare(parsed(t, won), parsed(t, replace(replace(won, "stage: lost", "stage: won"), "odd: x", "odd: y")), deals())
	if err != nil || len(changes) != 2 {
		t.Fatal(changes, err)
	}
	for i, want := range []string{"3 更新记录 › 字段 › 「odd」 修改：x → y", "3 更新记录 › 字段 › 阶段 修改：lost → won"} {
		if changes[i].Zh != want {
			t.Errorf("the change is told as %s", changes[i].Zh)
		}
	}
}

// TestExplanationsNameRecords also sees that names change nothing of what conditions mean, and that trials with the same names say the same.
func TestExplanationsNameRecords(t *testing.T) {
	t.Parallel()
	judge := func(called *RecordNames) string {
		o := trialOptions(t, testWorld{"record": map[string]any{"amount": "60,000.00", "stage": "won"}})
		o.Names = called
		trial, err := NewTrial([]Version{{Rule: "won", Number: 1, Body: parsed(t, replace(won, `, {field: deal.close_on, op: is, value: "2026-03-05"}`, ""))}}, o)
		if err != nil {
			t.Fatal(err)
		}
		ev := Event{Type: TypeRecord, Key: "c1", At: monday, Target: "crm", Object: "deals", Record: "1", Data: map[string]any{
			"change": map[string]any{"kind": recordChanged, "fields": map[string]any{"stage": map[string]any{"old": "lost", "new": "won"}}},
		}}
		list, err := trial.Judge(t.Context(), ev)
		if err != nil || len(list) != 1 || list[0].Why == nil {
			t.Fatalf("%+v, %v", list, err)
		}
		text, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		return list[0].Result + "\n" + list[0].Why.Text("zh") + list[0].Why.Text("en") + string(text)
	}
	named := judge(deals())
	for _, want := range []string{
		`✓ 商机的金额 大于 50,000 → 是（"60,000.00"）`, `✓ 商机的阶段 变更为 赢单 → 是（"lost" → 赢单）`,
	} {
		if !strings.Contains(named, want) {
			t.Errorf("not said: %s\n%s", want, named)
		}
	}
	if named != judge(deals()) {
		t.Error("the same question is answered with other bytes")
	}
	before, _, _ := strings.Cut(named, "\n")
	if plain := judge(nil); !strings.HasPrefix(plain, before+"\n") || !strings.Contains(plain, "记录「amount」 大于 50,000") {
		t.Errorf("without names: %s", plain)
	}
}
