package rules

import (
	"encoding/json"
	"strings"
	"testing"
)

const quote = `
id: quote
name: 报价审批
owner: lead@example.com
trigger: {type: mail, direction: out}
when: {all: [{field: mail.subject, op: contains, value: 报价}, {not: {field: mail.subject, op: starts_with, value: 'Re:'}}]}
steps:
  - {id: ok, do: approve, with: {approvers: [lead@example.com], title: '发出：{{.mail.subject}}', text: 请确认价格, expires: 2 workdays}}
  - id: way
    do: branch
    with:
      cases:
        - when: {field: steps.ok.decision, op: is, value: approved}
          steps: [{id: send, do: send_mail, with: {to: [a@example.com], subject: 报价, text: 已通过审批。}}]
        - when: {field: steps.ok.expired, op: is, value: true}
          steps: [{id: late, do: notify, with: {channel: team, title: 已超时}}]
      else: [{id: no, do: stop}]
`

// said are the changes that lead from a rule to another one, a line each.
func said(t *testing.T, before, after string) (zh, en string) {
	t.Helper()
	a, b := parsed(t, before), parsed(t, after)
	changes, err := Compare(a, b, nil)
	if err != nil {
		t.Fatal(err)
	}
	var zhs, ens []string
	for _, c := range changes {
		zhs, ens = append(zhs, c.Pointer+" "+c.Zh), append(ens, c.Pointer+" "+c.En)
	}
	return strings.Join(zhs, "\n"), strings.Join(ens, "\n")
}

func parsed(t *testing.T, text string) Rule {
	t.Helper()
	r, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCompareSaysWhatChanged(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ old, new, zh, en string }{
		"a text in a case of a branch": {
			"text: 已通过审批。", "text: 已通过审批，详见附件。",
			"/steps/1/with/cases/0/steps/0/with/text 2 分支 › 情况 1 › 1 发邮件 › 正文 修改：已通过审批。 → 已通过审批，详见附件。",
			"/steps/1/with/cases/0/steps/0/with/text 2 go one of several ways › case 1 › 1 send a mail › text changed: 已通过审批。 → 已通过审批，详见附件。",
		},
		"a step more in a case": {
			"text: 已通过审批。}}]", "text: 已通过审批。}}, {id: done, do: stop}]",
			"/steps/1/with/cases/0/steps/1 2 分支 › 情况 1 › 2 结束 新增",
			"/steps/1/with/cases/0/steps/1 2 go one of several ways › case 1 › 2 end the run added",
		},
		"a condition of a case": {
			"value: approved", "value: refused",
			"/steps/1/with/cases/0/when 2 分支 › 情况 1 › 条件 修改：审批 · 决定 是 已批准 → 审批 · 决定 是 已拒绝",
			"/steps/1/with/cases/0/when 2 go one of several ways › case 1 › condition changed: ask people to approve · decision is approved → ask people to approve · decision is refused",
		},
		"a case less": {
			"        - when: {field: steps.ok.expired, op: is, value: true}\n          steps: [{id: late, do: notify, with: {channel: team, title: 已超时}}]\n", "",
			"/steps/1/with/cases/1 2 分支 › 情况 2 删除",
			"/steps/1/with/cases/1 2 go one of several ways › case 2 removed",
		},
		"another step where no case holds": {
			"else: [{id: no, do: stop}]", "else: [{id: no, do: stop}, {id: say, do: notify, with: {channel: team, title: 未通过}}]",
			"/steps/1/with/else/1 2 分支 › 否则 › 2 发送群聊通知 新增",
			"/steps/1/with/else/1 2 go one of several ways › otherwise › 2 tell people in a chat added",
		},
		"a rule that asks before anything else": {
			"when: {all: [{field: mail.subject, op: contains, value: 报价}, {not: {field: mail.subject, op: starts_with, value: 'Re:'}}]}\n", "guards: {per_recipient: {count: 2, per: 24h}}\n",
			"/guards/per_recipient 限额 › 每个收件人的限额 新增：24h 内 2 次\n/when 条件 删除：主题 包含 报价，且并非（主题 开头是 Re:）",
			"/guards/per_recipient guards › what one person gets added: 2 per 24h\n/when condition removed: subject contains 报价 and not (subject starts with Re:)",
		},
		"a test of the condition less": {
			", {not: {field: mail.subject, op: starts_with, value: 'Re:'}}]", "]",
			"/when/all/1 条件 删除：并非（主题 开头是 Re:）",
			"/when/all/1 condition removed: not (subject starts with Re:)",
		},
		"a test of the condition otherwise": {
			"value: 报价}", "value: 合同}",
			"/when/all/0 条件 修改：主题 包含 报价 → 主题 包含 合同",
			"/when/all/0 condition changed: subject contains 报价 → subject contains 合同",
		},
		"a field in a text": {
			"发出：{{.mail.subject}}", "发出：{{.mail.from.address}}",
			"/steps/0/with/title 1 审批 › 标题 修改：发出：‹主题› → 发出：‹发件地址›",
			"/steps/0/with/title 1 ask people to approve › title changed: 发出：‹subject› → 发出：‹sender's address›",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			zh, en := said(t, quote, replace(quote, c.old, c.new))
			if zh != c.zh || en != c.en {
				t.Errorf("is told as\n%s\n%s\nand not as\n%s\n%s", zh, en, c.zh, c.en)
			}
		})
	}
}

func TestCompareKeepsWholeWordsAndValues(t *testing.T) {
	t.Parallel()
	changes, err := Compare(parsed(t, quote), parsed(t, replace(replace(quote, "value: approved", "value: refused"), "发出：{{.mail.subject}}", "核对{{.mail.subject}}")), nil)
	if err != nil || len(changes) != 2 {
		t.Fatal(changes, err)
	}
	title, when := changes[0], changes[1]
	if title.Before != "发出：{{.mail.subject}}" || title.After != "核对{{.mail.subject}}" || title.AfterWords == nil || *title.AfterWords != (Phrase{"核对‹主题›", "核对‹subject›"}) {
		t.Errorf("the title: %+v", title)
	}
	if when.BeforeWords == nil || when.BeforeWords.Zh != "审批 · 决定 是 已批准" {
		t.Errorf("the condition: %+v", when)
	}
}

func TestCompareTellsAnotherOrderOnce(t *testing.T) {
	t.Parallel()
	a := "{id: one, do: stop}"
	b := "{id: two, do: notify, with: {channel: team, title: x}}"
	rule := "id: r\nname: r\nowner: lead@example.com\ntrigger: {type: mail}\nsteps: [" + a + ", " + b + "]\n"
	zh, en := said(t, rule, replace(rule, a+", "+b, b+", "+a))
	if zh != "/steps 调整顺序 步骤：发送群聊通知、结束" || en != "/steps steps in another order: tell people in a chat, end the run" {
		t.Error(zh, en)
	}
}

func TestDescribeNamesWhatATemplateShows(t *testing.T) {
	t.Parallel()
	rule := parsed(t, replace(quote, "subject: 报价, text", `subject: '报价 {{.steps.ok.by | join "、"}} {{/* x */}}{{field "mail.from.name" | default "客户"}}{{if .mail.cc}}!{{end}}', text`))
	for lang, want := range map[Lang]string{
		Chinese: "发出邮件时，且 主题 包含 报价，且并非（主题 开头是 Re:）：请 lead@example.com（全部同意） 审批 发出：‹主题›，然后若审批 · 决定 是 已批准：" +
			"发邮件给 a@example.com：报价 ‹审批 · 决定人› ‹发件人姓名›‹…›!‹…›；若是审批 · 已超时：通知 team；否则：结束。",
		English: "When mail is sent and subject contains 报价 and not (subject starts with Re:): ask lead@example.com (all of them) to approve 发出：‹subject›, " +
			"then if ask people to approve · decision is approved: send mail to a@example.com: 报价 ‹ask people to approve · who decided› ‹sender's name›‹…›!‹…›; " +
			"if ask people to approve · nobody decided in time is true: tell team; otherwise: stop.",
	} {
		if got, err := Describe(rule, lang, nil); err != nil || got != want {
			t.Errorf("%v\n%s\n%s", err, got, want)
		}
	}
}

// A draft may have mistakes, tens of thousands of them.
func TestCompareOfLongListsIsBounded(t *testing.T) {
	t.Parallel()
	long := func(element string) Rule {
		cases := strings.TrimSuffix(strings.Repeat(element+",", 40_000), ",")
		return Rule{ID: "r", Name: "r", Trigger: Trigger{Type: TypeMail}, Steps: []Step{{ID: "b", Do: "branch", With: json.RawMessage(`{"cases":[` + cases + `]}`)}}}
	}
	changes, err := Compare(long(`{"a":1}`), long(`{"b":1}`), nil)
	if err != nil || len(changes) != 1 || changes[0].Pointer != "/steps/0/with/cases" {
		t.Errorf("%d changes, %v", len(changes), err)
	}
}
