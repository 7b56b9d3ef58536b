package automation

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/mail"
	"strings"

	"heliograph/hooks/rules"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
)

// who names the caller in histories.
func who(c *access.Caller) string { return c.Person.Email + " (console)" }

// described is what a rule does, in words; nothing for one that does not compile.
func described(r rules.Rule, called *rules.RecordNames) Words {
	zh, err := rules.Describe(r, rules.Chinese, called)
	if err != nil {
		return Words{}
	}
	en, err := rules.Describe(r, rules.English, called)
	if err != nil {
		return Words{}
	}
	return Words{Zh: zh, En: en}
}

// wordsOf translates words that there may be.
func wordsOf(p *rules.Phrase) Words {
	if p == nil {
		return Words{}
	}
	return Words{Zh: p.Zh, En: p.En}
}

func triggerOf(r rules.Rule, called *rules.RecordNames) Trigger {
	zh, en := rules.TriggerWords(r.Trigger.Type)
	if flow := rules.Draw(r, called); len(flow.Nodes) > 0 {
		zh, en = flow.Nodes[0].Zh, flow.Nodes[0].En
	}
	return Trigger{Type: r.Trigger.Type, Label: Words{Zh: zh, En: en}}
}

// bodyOf is a rule as data.
func bodyOf(r rules.Rule) (RuleBody, error) {
	text, err := json.Marshal(r)
	return text, err
}

// readRule reads a rule that came with a request.
func readRule(body RuleBody) (rules.Rule, error) {
	r, err := rules.Parse(body)
	if err != nil {
		problem := syntaxProblem(body, err)
		return r, api.Invalid("rule_unreadable", problem.Text.En, api.Field{Pointer: "/rule" + problem.Pointer, Code: problem.Code, Detail: problem.Text.En})
	}
	return r, nil
}

// ruleError is what the store says, for people.
func ruleError(id string, err error) error {
	var invalid *rules.InvalidError
	switch {
	case errors.Is(err, rules.ErrNoRule):
		return api.NotFound("no_rule", fmt.Sprintf("there is no rule %.80s, or not this version of it", id)).Because(err)
	case errors.Is(err, rules.ErrConflict):
		return api.Fail(412, "changed_meanwhile", "somebody changed this meanwhile", "Read it again, and repeat your change if it is still wanted.").Because(err)
	case errors.As(err, &invalid):
		return invalidRule(invalid.Problems)
	}
	return err
}

// invalidRule says what keeps a rule from being published.
func invalidRule(problems []rules.Problem) error {
	var fields []api.Field
	for _, p := range problems {
		if !p.Warning {
			fields = append(fields, api.Field{Pointer: p.Path, Code: codeOf(p), Detail: p.En, Remedy: p.Suggestion})
		}
	}
	return api.Invalid("rule_invalid", "the rule has mistakes and cannot be published", fields...)
}

// plain makes JSON values of what Go code has, so that numbers keep their digits.
func plain(v any) (map[string]any, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return decodeObject(text)
}

func decodeObject(text []byte) (out map[string]any, err error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return out, d.Decode(&out)
}

// person reads a mailbox.
func person(box string) MailPerson {
	if a, err := mail.ParseAddress(box); err == nil {
		return MailPerson{Address: a.Address, Name: a.Name}
	}
	return MailPerson{Address: box}
}

func people(boxes []string) (out []MailPerson) {
	for _, b := range boxes {
		out = append(out, person(b))
	}
	return out
}

// rows are names and values.
func rows(list [][2]string) []NameValue {
	out := []NameValue{}
	for _, r := range list {
		out = append(out, NameValue{Name: r[0], Value: r[1]})
	}
	return out
}

// list is a list that is never null.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

// needed tells whether a text is more than blanks.
func needed(pointer, text string) error {
	if strings.TrimSpace(text) == "" {
		return api.Invalid("missing", "a text is missing", api.Field{Pointer: pointer, Code: "missing", Detail: "it must not be empty"})
	}
	return nil
}
