package rules

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// maxBatch bounds a batch.
const maxBatch = 5000

// batchSend sends a mail to each element of a list, each alone, every person once. What the list is, is fixed when it begins; templates find the
// element under item. One whose mail cannot be made or sent does not hold up the others: steps.ID.sent, .skipped, .blocked, .failed count,
// and steps.ID.mails says what became of each.
type batchSend struct {
	In    string `json:"in"`              // path of a fact that is a list
	Limit int    `json:"limit,omitempty"` // more elements are an error; 500 if zero, 5,000 at most
	sendMail
}

func (b *batchSend) compile(c *compiler) error {
	switch {
	case b.In == "":
		return errors.New("batch_send needs a list")
	case b.Limit < 0 || b.Limit > maxBatch:
		return fmt.Errorf("limit is between 1 and %d", maxBatch)
	case len(b.CC)+len(b.BCC) > 0:
		return errors.New("cc and bcc of a batch would get a copy of each mail: use a send_mail of its own")
	}
	if b.Limit == 0 {
		b.Limit = 500
	}
	b.Bulk = true
	return b.sendMail.compile(c)
}

func (b *batchSend) run(x *exec) (outcome, error) {
	items, err := (&forEach{In: b.In, Limit: b.Limit}).items(x)
	if err != nil {
		return outcome{}, err
	}
	t := &tally{counts: map[string]int{}, mails: []any{}, seen: map[string]bool{}}
	for i, item := range items {
		if time.Since(x.began) > turn {
			return b.pause(x, t, waiting(x.e.now()))
		}
		walker := *x.walker
		walker.facts = x.facts.with("", item)
		one := *x
		one.walker = &walker
		out, err := b.one(&one, i, item, t)
		if err != nil {
			return outcome{}, err
		}
		if out.state == StepWaiting {
			return b.pause(x, t, out)
		}
	}
	x.facts.fresh()
	return done(t.output(len(items))), nil
}

// pause keeps the counts for people to see; what is done already is known by its effects.
func (b *batchSend) pause(x *exec, t *tally, out outcome) (outcome, error) {
	return out, x.remember("progress", t.progress())
}

// The ends of one mail of a batch.
const (
	batchSent    = "sent"
	batchSkipped = "skipped"
	batchBlocked = "blocked"
	batchFailed  = "failed"
)

// one sends the mail of one element. Its effect has the element's number, so that a repetition finds it again.
func (b *batchSend) one(x *exec, i int, item any, t *tally) (outcome, error) {
	to, err := b.recipient(x)
	switch {
	case err != nil && temporary(err):
		return outcome{}, err
	case err != nil:
		t.add(batchFailed, item, "", map[string]any{"reason": err.Error()})
		return done(nil), nil
	case to == "":
		t.add(batchSkipped, item, "", map[string]any{"reason": "it has no address"})
		return done(nil), nil
	case t.seen[addressIn(to)]:
		t.add(batchSkipped, item, to, map[string]any{"reason": "the address had its mail already"})
		return done(nil), nil
	}
	t.seen[addressIn(to)] = true
	if row := x.effect[effectID(x.run.ID, x.path, i)]; row != nil && row.State != EffectPending {
		t.settled(item, to, row)
		return done(nil), nil
	}
	out, err := b.send(x, i, to)
	var ours *ledgerError
	if err != nil && (errors.As(err, &ours) || temporary(err) || x.Err() != nil) {
		return outcome{}, err
	}
	if out.state == StepWaiting {
		return out, nil
	}
	if row := x.effect[effectID(x.run.ID, x.path, i)]; row != nil {
		t.settled(item, to, row)
	} else {
		t.add(batchFailed, item, to, map[string]any{"reason": fmt.Sprint(err)})
	}
	return done(nil), nil
}

// recipient is the one mailbox that the element's mail goes to; empty: it names none.
func (b *batchSend) recipient(x *exec) (string, error) {
	list, err := b.To.render(x)
	if err != nil || len(list) == 0 {
		return "", err
	}
	if len(list) > 1 {
		return "", Permanent(fmt.Errorf("%d recipients: each mail of a batch goes to one", len(list)))
	}
	return list[0], nil
}

func (b *batchSend) send(x *exec, i int, to string) (outcome, error) {
	m, err := b.mail(x)
	if err != nil {
		return outcome{}, err
	}
	m.To = []string{to}
	return x.act(i, &Effect{Kind: EffectMail, Title: m.Subject, Mail: m, Recipients: []string{addressIn(to)}})
}

// tally counts what became of the mails of a batch.
type tally struct {
	counts map[string]int
	mails  []any
	seen   map[string]bool
}

func (t *tally) add(state string, item any, to string, more map[string]any) {
	t.counts[state]++
	entry := map[string]any{"state": state, "to": addressIn(to), "item": item, "message_id": nil, "reason": nil}
	for k, v := range more {
		entry[k] = v
	}
	t.mails = append(t.mails, entry)
}

// settled counts a mail by its effect.
func (t *tally) settled(item any, to string, row *EffectRow) {
	more := map[string]any{}
	if row.MessageID != "" {
		more["message_id"] = row.MessageID
	}
	if row.Reason != "" {
		more["reason"] = row.Reason
	}
	state := batchSent
	switch row.State {
	case EffectBlocked:
		state = batchBlocked
	case EffectFailed:
		state = batchFailed
	case EffectDone, EffectShadow, EffectPending:
	}
	t.add(state, item, to, more)
}

func (t *tally) progress() map[string]any {
	out := map[string]any{}
	for _, state := range []string{batchSent, batchSkipped, batchBlocked, batchFailed} {
		out[state] = json.Number(strconv.Itoa(t.counts[state]))
	}
	return out
}

func (t *tally) output(items int) map[string]any {
	out := t.progress()
	out["count"], out["mails"] = json.Number(strconv.Itoa(items)), slices.Clip(t.mails)
	return out
}

func (b *batchSend) check(c *checker) {
	c.fact("in", b.In)
	b.sendMail.check(c)
}

func (b *batchSend) describe(l voice) string {
	return l.of("send mail to each of ", "逐一发邮件给 ") + l.fact(b.In) + l.of(": ", "：") + l.words(b.Subject.source)
}
