package rules

import "time"

// absenceTrigger fires when a message was not answered in time. The clock starts with the message; what counts as the answer is
// a later message of the thread in the other direction, by whomever.
type absenceTrigger struct {
	mailTrigger
	Within offset `json:"within"` // "4 business hours", "2 workdays", "36h"
}

func (t *absenceTrigger) check(c *checker) {
	t.mailTrigger.check(c)
	c.offset("within", t.Within, true)
	if t.Direction == directionAny || t.Direction == directionInternal {
		c.problem("/direction", "an answer needs a direction: in or out", "无人回复需要指明方向：in 或 out")
	}
}

func (t *absenceTrigger) describe(l voice) string {
	return t.mailTrigger.describe(l) + l.of(" and nobody has answered within ", "，且 ") + t.Within.String(l.Lang) + l.of("", " 内无人回复")
}

// due is when the answer is late.
func (t *absenceTrigger) due(e *Event, cals calendars, name string) (time.Time, error) {
	return t.Within.apply(e.At, cals, name)
}
