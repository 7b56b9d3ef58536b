package scope

import (
	"fmt"
	"slices"
	"strings"

	"heliograph/config"
	"heliograph/crmclient"
)

// The names of the rules that are there unasked. They stand in the ledger.
const (
	ruleSensitivity = "sensitivity"
	ruleSubjectMark = "subject-mark"
	ruleInternal    = "internal"
)

// condition is one thing that a rule asks. why tells what was found, in words without anything of the message.
type condition struct {
	yes, no string
	holds   func(f *Facts) bool
}

type rule struct {
	name       string
	kind       Kind
	include    bool
	message    bool // excludes the message, not only the copy
	conditions []condition
}

// policy is the company's rules in their order.
type policy struct{ rules []rule }

// compile puts the rules in order.
func compile(c config.Privacy, internal config.InternalMode) (*policy, error) {
	p := &policy{}
	if len(c.Sensitivity) > 0 {
		p.rules = append(p.rules, rule{name: ruleSensitivity, kind: KindSensitivity, message: true, conditions: []condition{sensitivity(c.Sensitivity)}})
	}
	if len(c.SubjectMarks) > 0 {
		p.rules = append(p.rules, rule{name: ruleSubjectMark, kind: KindSubjectMark, message: true, conditions: []condition{subject(c.SubjectMarks)}})
	}
	for _, r := range c.Rules {
		one, err := compileRule(r, c.Groups)
		if err != nil {
			return nil, fmt.Errorf("rule %s: %w", r.Name, err)
		}
		p.rules = append(p.rules, one)
	}
	p.rules = append(p.rules, rule{
		name: ruleInternal, kind: KindInternal, include: internal == config.InternalMirror,
		conditions: []condition{{
			yes: "everybody who took part is an employee", no: "somebody outside took part",
			holds: func(f *Facts) bool { return f.Direction == crmclient.Internal },
		}},
	})
	return p, nil
}

// about says what a condition looks at.
type about bool

const (
	theCopy    about = false
	theMessage about = true
)

// builder gathers the conditions of a rule.
type builder struct {
	conditions []condition
	message    bool // all are about the message
}

func (b *builder) add(given bool, a about, c condition) {
	if !given {
		return
	}
	b.conditions = append(b.conditions, c)
	b.message = b.message && bool(a)
}

func compileRule(r config.PrivacyRule, groups map[string][]string) (rule, error) {
	accounts := slices.Clone(r.Accounts)
	for _, g := range r.Groups {
		members, there := groups[g]
		if !there {
			return rule{}, fmt.Errorf("there is no group %q", g)
		}
		accounts = append(accounts, members...)
	}
	b := &builder{message: true}
	b.add(len(r.Accounts)+len(r.Groups) > 0, theCopy, owner(accounts))
	b.add(len(r.Folders) > 0, theCopy, condition{
		"the copy is in one of its folders", "the copy is in none of its folders", func(f *Facts) bool { return inFolder(r.Folders, f) },
	})
	b.add(len(r.Directions) > 0, theCopy, condition{
		"the direction is one of its directions", "the direction is another", func(f *Facts) bool { return slices.Contains(r.Directions, string(f.Direction)) },
	})
	b.add(len(r.Sensitivity) > 0, theMessage, sensitivity(r.Sensitivity))
	b.add(len(r.SubjectMarks) > 0, theMessage, subject(r.SubjectMarks))
	b.people(r)
	b.add(len(r.Protection) > 0, theMessage, condition{
		"the message is protected so", "the message is not protected so", func(f *Facts) bool { return protected(r.Protection, f.Protection) },
	})
	b.add(len(r.Attachments) > 0, theMessage, condition{
		"an attachment is of its types", "no attachment is of its types", func(f *Facts) bool { return attached(r.Attachments, f.Attachments) },
	})
	b.machines(r)
	b.add(r.LargerThan > 0, theCopy, condition{
		"the message is larger than " + r.LargerThan.String(), "the message is not larger than " + r.LargerThan.String(),
		func(f *Facts) bool { return f.Size > int64(r.LargerThan) },
	})
	out := rule{name: r.Name, kind: KindRule, include: r.Action == config.PrivacyInclude, conditions: b.conditions}
	out.message = !out.include && (r.Covers == config.CoverMessage || r.Covers == "" && b.message)
	return out, nil
}

// people adds the conditions on who took part.
func (b *builder) people(r config.PrivacyRule) {
	var from, to, all addressSet
	from.add(r.From...)
	to.add(r.To...)
	all.add(r.Participants...)
	all.add(r.Listed...)
	b.add(len(r.From) > 0, theMessage, condition{"the sender is on its list", "the sender is not on its list", func(f *Facts) bool { return from.any(f.From) }})
	b.add(len(r.To) > 0, theMessage, condition{"a recipient is on its list", "no recipient is on its list", func(f *Facts) bool { return to.any(f.To) }})
	b.add(len(r.Participants) > 0 || r.ListFile != "" || len(r.Listed) > 0, theMessage, condition{
		"a participant is on its list", "no participant is on its list", func(f *Facts) bool { return all.any(f.From, f.To) },
	})
}

// machines adds the conditions on what lists and machines send.
func (b *builder) machines(r config.PrivacyRule) {
	b.add(len(r.Lists) > 0, theCopy, condition{
		"it came over one of its lists", "it came over none of its lists", func(f *Facts) bool {
			return f.ListID != "" && slices.ContainsFunc(r.Lists, func(p string) bool { return config.MatchesWildcard(p, f.ListID) })
		},
	})
	flag := func(want *bool, has func(*Facts) bool, yes, no string) {
		if want == nil {
			return
		}
		c := condition{yes, no, has}
		if !*want {
			c = condition{no, yes, func(f *Facts) bool { return !has(f) }}
		}
		b.add(true, theCopy, c)
	}
	flag(r.Bulk, func(f *Facts) bool { return f.Bulk || f.ListID != "" }, "it was sent to many", "it was not sent to many")
	flag(r.Automated, func(f *Facts) bool { return f.Automated }, "a machine wrote it", "no machine wrote it")
}

func owner(accounts []string) condition {
	exact := map[string]bool{}
	for _, a := range accounts {
		exact[strings.ToLower(a)] = true
	}
	return condition{"the copy is of one of its accounts", "the copy is of another account", func(f *Facts) bool {
		account := strings.ToLower(f.Account)
		if account == "" {
			return false
		}
		_, domain, _ := strings.Cut(account, "@")
		return exact[account] || domain != "" && exact["*@"+domain]
	}}
}

func sensitivity(values []string) condition {
	return condition{"the Sensitivity field says so", "the Sensitivity field does not say so", func(f *Facts) bool {
		// Some programs write "Company Confidential"; RFC 2156 has the hyphen.
		have := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(f.Sensitivity)), " ", "-")
		return have != "" && slices.Contains(values, have)
	}}
}

func subject(texts []string) condition {
	marks := newMarks(texts)
	return condition{"the subject has one of its marks", "the subject has none of its marks", func(f *Facts) bool { return markIn(marks, f.Subject) }}
}

// decide returns what the first rule that matches says. steps, unless it is nil, gets each rule looked at.
func (p *policy) decide(f *Facts, steps *[]Step) Decision {
	for i := range p.rules {
		r := &p.rules[i]
		matched, why := r.match(f)
		if steps != nil {
			*steps = append(*steps, Step{Rule: r.name, Action: actionOf(r.include), Matched: matched, Why: why})
		}
		if matched {
			return Decision{Include: r.include, Rule: r.name, Kind: r.kind, Why: why, Message: r.message}
		}
	}
	return Decision{Include: true, Kind: KindDefault, Why: "no rule excludes it"}
}

func actionOf(include bool) string {
	if include {
		return string(config.PrivacyInclude)
	}
	return string(config.PrivacyExclude)
}

// match asks all conditions; the first that does not hold says why not.
func (r *rule) match(f *Facts) (bool, string) {
	for i := range r.conditions {
		if c := &r.conditions[i]; !c.holds(f) {
			return false, c.no
		}
	}
	if len(r.conditions) == 1 {
		return true, r.conditions[0].yes
	}
	words := make([]string, len(r.conditions))
	for i := range r.conditions {
		words[i] = r.conditions[i].yes
	}
	return true, strings.Join(words, ", and ")
}
