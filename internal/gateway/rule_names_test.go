package gateway

import (
	"testing"

	"heliograph/config"
	"heliograph/hooks/rules"
)

// TestRecordNames looks at what a rule on the built-in CRM and one on another system say.
func TestRecordNames(t *testing.T) {
	t.Parallel()
	cfg := &config.Config{Targets: []config.Target{{Name: "builtin", Type: "builtin"}, {Name: "sales", Type: "hubspot"}}}
	for _, c := range []struct{ target, zh, en string }{
		{
			"builtin", "当 内置 CRM 的商机变更，字段 阶段 变为 赢单，且 商机的金额 大于 100,000，且商机的阶段 不是 输单：更新字段 备注。",
			"When a deal of the built-in CRM changes in stage to won and deal's amount is more than 100,000 and deal's stage is not lost: set note.",
		},
		{
			"sales", "当 sales 的「deals」变更，字段 「stage」 变为 won，且 记录「amount」 大于 100,000，且商机的阶段 不是 输单：更新字段 「note」。",
			"When a record “deals” of sales changes in “stage” to won and record “amount” is more than 100,000 and deal's stage is not lost: set “note”.",
		},
	} {
		r, err := rules.Parse([]byte("id: r\nname: r\nowner: a@example.com\ntrigger: {type: record, target: " + c.target + ", object: deals, fields: [stage], to: [won]}\n" +
			"when: {all: [{field: record.amount, op: gt, value: 100000}, {field: deal.stage, op: is_not, value: lost}]}\nsteps: [{id: u, do: update_record, with: {fields: {note: x}}}]\n"))
		if err != nil {
			t.Fatal(err)
		}
		for lang, want := range map[rules.Lang]string{rules.Chinese: c.zh, rules.English: c.en} {
			if got, err := rules.Describe(r, lang, RecordNames(cfg)); err != nil || got != want {
				t.Errorf("%v\n%s\nwant\n%s", err, got, want)
			}
		}
	}
}
