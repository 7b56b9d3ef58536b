package rules

import (
	"slices"
	"testing"
)

const groupRule = `
id: groups
name: 销售组来信
owner: lead@example.com
trigger: {type: mail, groups: [sales], accounts: [boss@example.com]}
steps: [{id: a, do: notify, with: {channel: news, title: '{{.mail.account}}'}}]
tests: [{name: 组内, event: {mail: {subject: x}}, fires: true}]
`

// TestMailTriggersByGroup: accounts of the groups and those that are named start the rule, and no others; the same where nobody answers.
func TestMailTriggersByGroup(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"mail": groupRule, "absence": replace(groupRule, "type: mail,", "type: absence, within: 4 business hours,")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			byGroup(t, text)
		})
	}
}

func byGroup(t *testing.T, text string) {
	t.Helper()
	for account, c := range map[string]struct {
		groups []any
		fires  bool
	}{
		"li@example.com": {[]any{"all", "sales"}, true}, "Boss@example.com": {[]any{}, true}, "wang@example.com": {[]any{"all"}, false}, "x@example.com": {nil, false},
	} {
		trial := newTrial(t, trialOptions(t, testWorld{}), text)
		ev := mailIn("m", "x")
		mail := ev.Data["mail"].(map[string]any)
		mail["account"], mail["groups"] = account, c.groups
		feed(t, trial, ev)
		if err := trial.Until(t.Context(), monday.AddDate(0, 0, 3)); err != nil {
			t.Fatal(err)
		}
		if effects := trial.Result().Effects["notify shadow"]; (effects > 0) != c.fires {
			t.Errorf("mail of %s in groups %v has %d effects, want some: %t", account, c.groups, effects, c.fires)
		}
	}
	rule, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range RunTests(t.Context(), rule, Surroundings{Calendar: "cn"}) {
		t.Error(p)
	}
	if problems := Check(rule, Surroundings{Groups: []string{"sale"}}); !slices.ContainsFunc(problems, func(p Problem) bool { return p.Path == "/trigger/groups/0" && p.Suggestion == "sale" }) {
		t.Errorf("the check says %v, want that there is no such group", problems)
	}
}

// TestTheDesignerKnowsGroups: both triggers of mail have the field.
func TestTheDesignerKnowsGroups(t *testing.T) {
	t.Parallel()
	for _, kind := range TriggerKinds() {
		if kind.Name != TypeMail && kind.Name != TypeAbsence {
			continue
		}
		if !slices.ContainsFunc(kind.Params, func(p Param) bool { return p.Name == "groups" && p.Type == "texts" }) {
			t.Errorf("%s has the parameters %+v, want groups among them", kind.Name, kind.Params)
		}
	}
}
