package rules

import (
	"context"
	"slices"
	"strings"
	"time"
)

// What counts as the answer to a mail.
const (
	answeredByThread  = "thread"  // a later message of its thread in the other direction
	answeredByContact = "contact" // or any later one from or to the same person, as a fresh mail
)

// absenceTrigger fires when a message was not answered in time. The clock starts with the message; it does not matter who here answers.
type absenceTrigger struct {
	mailTrigger
	Within     offset `json:"within"`                // "4 business hours", "2 workdays", "36h"
	AnsweredBy string `json:"answered_by,omitempty"` // thread (the default) or contact
}

func (t *absenceTrigger) check(c *checker) {
	t.mailTrigger.check(c)
	c.offset("within", t.Within, true)
	c.oneOf("answered_by", t.AnsweredBy, "", answeredByThread, answeredByContact)
	if t.Direction == directionAny || t.Direction == directionInternal {
		c.problem("/direction", "an answer needs a direction: in or out", "无人回复需要指明方向：in 或 out")
	}
}

func (t *absenceTrigger) describe(l voice) string {
	within := t.Within.String(l.Lang)
	if t.AnsweredBy != answeredByContact {
		return t.mailTrigger.describe(l) + l.of(" and nobody has answered within ", "，且 ") + within + l.of("", " 内无人回复")
	}
	if t.Direction == directionOut {
		return t.mailTrigger.describe(l) + l.of(" and they have neither answered nor written anew within ", "，且 ") + within + l.of("", " 内对方既未回复也未另行来信")
	}
	return t.mailTrigger.describe(l) + l.of(" and nobody has answered or written to the sender anew within ", "，且 ") + within + l.of("", " 内既无人回复也无人另行去信")
}

// due is when the answer is late.
func (t *absenceTrigger) due(e *Event, cals calendars, name string) (time.Time, error) {
	return t.Within.apply(e.At, cals, name)
}

// awaits are the keys that a run waits for until somebody answers.
func (t *absenceTrigger) awaits(e *Event) []string {
	keys := []string{"thread:" + e.Thread}
	if t.AnsweredBy == answeredByContact {
		for _, a := range partners(e) {
			keys = append(keys, contactPrefix+a)
		}
	}
	return keys
}

// answered says whether the event's mail has an answer.
func (t *absenceTrigger) answered(ctx context.Context, s *scope) (bool, error) {
	last := "last_out"
	if s.event.text("mail", "direction") == directionOut {
		last = "last_in"
	}
	ok, err := s.after(ctx, "thread."+last, s.event.At)
	if ok || err != nil || t.AnsweredBy != answeredByContact {
		return ok, err
	}
	// When people wrote to each other is known by the clocks of mail servers: it is compared with when the mail came to be in its mailbox, which may be
	// long before the gateway saw it there.
	since := s.event.At
	if arrived, ok := asTime(s.event.fact("mail", "arrived"), s.cal); ok && arrived.Before(since) {
		since = arrived
	}
	return s.after(ctx, "correspondence."+last, since)
}

// after says whether a fact is a time after another; what is not known is none.
func (s *scope) after(ctx context.Context, path string, since time.Time) (bool, error) {
	v, err := s.Fact(ctx, path)
	if _, ok := asUnknown(err); ok {
		return false, nil
	}
	last, _ := asTime(v, s.cal) // in tests it is a text
	return last.After(since), err
}

// contactPrefix begins what runs wait for that look for any mail from or to somebody.
const contactPrefix = "contact:"

// maxPartners bounds the people of one mail who are looked at. A mail to more is a circular, to which a later mail to one of them is no answer.
const maxPartners = 20

// partners are the addresses outside from which an answer to a mail comes, or to which it goes: who wrote it and where it wants answers, or to whom it is.
func partners(e *Event) []string {
	others := "reply_to"
	if e.text("mail", "direction") == directionOut {
		others = "to"
	}
	return addresses(e.fact("mail", "correspondent"), e.fact("mail", others))
}

// concerned are the addresses outside from which a mail is, or to which it goes.
func concerned(e *Event) []string {
	if e.text("mail", "direction") == directionOut {
		return addresses(e.fact("mail", "correspondent"), e.fact("mail", "recipients"))
	}
	return addresses(e.fact("mail", "correspondent"), nil)
}

// addresses are those of one person and of a list of others, each once, at most maxPartners.
func addresses(first, others any) (out []string) {
	add := func(v any) {
		a, _ := v.(string)
		if a = strings.ToLower(a); a != "" && len(out) < maxPartners && !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	add(first)
	list, _ := others.([]any)
	for _, p := range list {
		if m, ok := p.(map[string]any); ok {
			add(m["address"])
		}
	}
	return out
}
