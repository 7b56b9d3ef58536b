package gateway

import (
	"context"
	"errors"
	"strings"

	"heliograph/hooks/rules"
	"heliograph/internal/gateway/actions"
)

// ErrNothingKnown says that nobody knows a message, event or run.
var ErrNothingKnown = errors.New("it is neither a message that the journal has, nor an event that rules were told of")

// Answer is what rules said to one event.
type Answer struct {
	Event  rules.Event
	Looked bool             // a rule looked at it at the time
	Note   *actions.Skipped // why no rule looks at it, or that it is not stored any more
	Rules  []rules.Verdict
}

// Why says what rules said to the events that a Message-ID, an entry of the journal, an event's key or a run means. What is not written down is
// worked out from what is stored.
func (o *Offline) Why(ctx context.Context, which string) (out []Answer, err error) {
	mail, err := o.World().Find(ctx, which)
	if err != nil {
		return nil, err
	}
	which = strings.Trim(strings.TrimSpace(which), "<>")
	if mail != nil && mail.Key != "" {
		which = mail.Key
	}
	q := o.stored.Store.Reader()
	told, err := rules.ReadEvents(ctx, q, which)
	if err != nil {
		return nil, err
	}
	if run, err := rules.ReadRun(ctx, q, which); err == nil && len(told) == 0 {
		told = []rules.Told{{Event: run.Event}}
	}
	if mail != nil && !mailAmong(told) {
		ev := mail.Event
		if mail.Skipped != nil {
			ev = rules.Event{Type: rules.TypeMail, Key: mail.Key, Entry: mail.Entry.String(), At: mail.Entry.Time()}
		}
		told = append(told, rules.Told{Event: ev})
	}
	if len(told) == 0 {
		return nil, ErrNothingKnown
	}
	for _, t := range told {
		a, err := o.answer(ctx, t, mail)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

func mailAmong(told []rules.Told) bool {
	for _, t := range told {
		if t.Event.Type == rules.TypeMail {
			return true
		}
	}
	return false
}

// answer is what rules said to one event. mail is the message that it is about, where that was found already.
func (o *Offline) answer(ctx context.Context, told rules.Told, mail *actions.Found) (Answer, error) {
	a := Answer{Event: told.Event, Looked: len(told.Decided) > 0}
	ev := told.Event
	if ev.Type == rules.TypeMail && ev.Data == nil {
		if mail == nil {
			var err error
			if mail, err = o.World().Find(ctx, ev.Entry); err != nil {
				return a, err
			}
		}
		switch {
		case mail == nil:
			a.Note = &actions.Skipped{Zh: "邮件已不再保存", En: "the message is not stored any more"}
		case mail.Skipped != nil:
			a.Note = mail.Skipped
		default:
			ev = mail.Event
		}
	} else if mail != nil && mail.Skipped != nil && ev.Type == rules.TypeMail {
		a.Note = mail.Skipped
	}
	if a.Note != nil && !a.Looked { // no rule is asked about it
		ev.Data = nil
	}
	var err error
	a.Rules, err = rules.NewBook(o.stored.Store, nil).Why(ctx, ev, told.Decided, o.Trial(o.World()))
	for _, v := range a.Rules {
		a.Looked = a.Looked || v.Run != nil
	}
	return a, err
}
