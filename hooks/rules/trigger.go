package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// trigger is what a rule waits for, with its parameters.
type trigger interface {
	// keys are the index keys of events that can fit; an event is looked up by its own keys (eventKeys).
	keys() []string
	// fits says whether an event is one that the trigger waits for.
	fits(e *Event) bool
	check(c *checker)
	describe(l voice) string
}

// triggers is the table of triggers: a file each, and a line here.
var triggers = map[string]func() trigger{
	TypeMail:     func() trigger { return &mailTrigger{} },
	TypeAbsence:  func() trigger { return &absenceTrigger{} },
	TypeRecord:   func() trigger { return &recordTrigger{} },
	TypeSchedule: func() trigger { return &scheduleTrigger{} },
	TypeDeadline: func() trigger { return &deadlineTrigger{} },
	TypeWebhook:  func() trigger { return &webhookTrigger{} },
	TypeManual:   func() trigger { return &manualTrigger{} },
}

// parseTrigger reads the parameters of a trigger.
func parseTrigger(t Trigger) (trigger, error) {
	make, ok := triggers[t.Type]
	if !ok {
		return nil, fmt.Errorf("there is no trigger %q%s", t.Type, meant(t.Type, names(triggers)))
	}
	out := make()
	if len(t.With) > 0 {
		if err := decode(t.With, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func names[T any](table map[string]T) []string {
	var out []string
	for name := range table {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// eventKeys are the keys under which the index finds the rules that may fit an event: the most special first.
func eventKeys(e *Event) []string {
	switch e.Type {
	case TypeMail:
		keys := []string{"mail"}
		for _, account := range accountsOf(e) {
			keys = append(keys, "mail:"+account)
		}
		return keys
	case TypeRecord:
		return []string{"record:" + e.Target + "/" + e.Object}
	case TypeWebhook:
		return []string{"webhook:" + e.text("event", "_hook")}
	}
	return []string{"rule:" + e.Rule}
}

// accountsOf are the accounts that an event's mail was seen in.
func accountsOf(e *Event) []string {
	account := strings.ToLower(e.text("mail", "account"))
	if account == "" {
		return nil
	}
	return []string{account}
}

// index finds the published rules that an event may start, without looking at all of them.
type index struct {
	byKey map[string][]*compiled
	byID  map[string]*compiled
	mail  bool // some rule waits for mail
}

func newIndex(rules []*compiled) *index {
	x := &index{byKey: map[string][]*compiled{}, byID: map[string]*compiled{}}
	rules = slices.Clone(rules)
	slices.SortFunc(rules, func(a, b *compiled) int { return strings.Compare(a.rule.ID, b.rule.ID) })
	for i, r := range rules {
		r.place = i
		x.byID[r.rule.ID] = r
		for _, key := range append(r.trigger.keys(), "rule:"+r.rule.ID) {
			x.mail = x.mail || strings.HasPrefix(key, "mail")
			x.byKey[key] = append(x.byKey[key], r)
		}
	}
	return x
}

// match returns the rules that an event starts if their conditions hold, sorted by id.
func (x *index) match(e *Event) []*compiled {
	if e.Rule != "" {
		if r, ok := x.byID[e.Rule]; ok {
			return []*compiled{r}
		}
		return nil
	}
	var out []*compiled
	for _, key := range eventKeys(e) {
		for _, r := range x.byKey[key] {
			if r.trigger.fits(e) {
				out = append(out, r)
			}
		}
	}
	slices.SortFunc(out, func(a, b *compiled) int { return cmp.Compare(a.place, b.place) })
	return slices.Compact(out)
}
