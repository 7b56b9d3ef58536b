package rules

import "strings"

// Lang is a language for people.
type Lang string

// The languages.
const (
	English Lang = "en"
	Chinese Lang = "zh"
)

// of chooses the text of the language.
func (l Lang) of(en, zh string) string {
	if l == Chinese {
		return zh
	}
	return en
}

// in is of where there is something to say.
func (l Lang) in(en, zh, about string) string {
	if about == "" {
		return ""
	}
	return l.of(en, zh)
}

// Describe says in one sentence what a rule does, with what people call records; nil: as their systems do. The rule must compile.
func Describe(r Rule, l Lang, called *RecordNames) (string, error) {
	c, err := compile(r, 0, Live)
	if err != nil {
		return "", err
	}
	v := newVoice(r, l, called)
	text := c.trigger.describe(v)
	if r.When != nil {
		text += l.of(" and ", "，且 ") + v.condition(r.When)
	}
	return text + l.of(": ", "：") + describeSteps(c.steps, v) + l.of(".", "。"), nil
}

func describeSteps(steps []*step, l voice) string {
	var parts []string
	for _, s := range steps {
		part := s.action.describe(l)
		if s.Step.When != nil {
			part += l.of(" (if ", "（若 ") + l.condition(s.Step.When) + l.of(")", "）")
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, l.of(", then ", "，然后"))
}

// String is the offset in a language.
func (o offset) String(l Lang) string { return o.Text(string(l)) }

// abs is the length of the offset in a language.
func (o offset) abs(l Lang) string {
	positive := o.Offset
	positive.N = max(positive.N, -positive.N)
	return positive.Text(string(l))
}

// negative says that the offset goes back.
func (o offset) negative() bool { return o.N < 0 }
