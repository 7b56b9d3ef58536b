package automail

import (
	"context"
	"errors"
	"fmt"
	"time"

	"heliograph/internal/journal"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

// lookDelays is when the sender's mailbox is asked for a message whose verdict was lost, counted from its final dot: a provider
// that stores what it sends may take a while. After the last one the verdict counts as unknown.
var lookDelays = []time.Duration{30 * time.Second, 3 * time.Minute, 15 * time.Minute}

// errTaken says that another worker is at the same step: our lease was lost.
var errTaken = errors.New("another worker sends this message")

// mark commits that the final dot is about to go out, so that after a crash it is known that the message may have been sent. Only
// mail that goes at most once pays for it, and that of rules of which a copy can be looked for.
func (t *transaction) mark(ctx context.Context, accepted []*OutboxRecipient) error {
	if t.message.Effect.Policy != AtMostOnce && !t.o.looksFirst(ctx, t.message) {
		return nil
	}
	now := t.o.o.Now()
	err := t.o.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		for _, r := range accepted {
			done, err := tx.ExecContext(ctx, `UPDATE outbox_recipients SET dotted = 1 WHERE entry = $1 AND position = $2 AND state = 'pending' AND dotted = 0`,
				t.entry.ID.String(), r.position)
			if err != nil {
				return err
			}
			if n, err := done.RowsAffected(); err != nil || n != 1 {
				return errors.Join(errTaken, err)
			}
		}
		_, err := tx.ExecContext(ctx, `UPDATE outbox_messages SET asked_at = $2, looks = 0 WHERE entry = $1`, t.entry.ID.String(), store.Micros(now))
		return err
	})
	if err != nil {
		return fmt.Errorf("marking that it is about to be sent: %w", err)
	}
	t.message.askedAt, t.message.looks = now, 0
	for _, r := range accepted {
		r.dotted = true
	}
	return nil
}

// dotted returns those whose verdict was lost.
func (m *OutboxMessage) dotted() (list []*OutboxRecipient) {
	for i := range m.Recipients {
		if r := &m.Recipients[i]; r.State == StatePending && r.dotted {
			list = append(list, r)
		}
	}
	return list
}

// looksFirst says whether a message that goes at least once is looked for before it goes again, so that people get it once where that can be told.
func (o *Outbox) looksFirst(ctx context.Context, m *OutboxMessage) bool {
	if m.Effect.ID == "" || m.Effect.Policy != AtLeastOnce {
		return false
	}
	who, err := o.sender(ctx, m.Effect.Sender)
	return err == nil && who.up.HasIMAP()
}

// maxLooks is how often a copy is looked for: once of what goes again if there is none, as somebody waits for it.
func (m *OutboxMessage) maxLooks() int {
	if m.Effect.Policy == AtLeastOnce {
		return 1
	}
	return len(lookDelays)
}

// resolve finds out what became of a message whose verdict was lost. One that goes at most once is never sent again by itself. done is true when
// nothing keeps the others from being tried.
func (o *Outbox) resolve(ctx context.Context, e journal.Entry, m *OutboxMessage) (result queue.Result, done bool) {
	found, why := false, ""
	who, err := o.sender(ctx, m.Effect.Sender)
	switch {
	case err != nil:
		why = err.Error()
	case m.count(StateDelivered, StateRelayed, StateBounced) > 0:
		why = "a copy would say nothing, as the message was sent to others before" // whose copy has the same Message-ID
	case !who.up.HasIMAP():
		why = "the upstream " + who.up.Name() + " has no IMAP server, so the sender's mailbox could not be asked"
	default:
		if due := m.askedAt.Add(lookDelays[min(m.looks, len(lookDelays)-1)]); o.o.Now().Before(due) {
			return queue.Result{Action: queue.Snooze, At: due, Reason: "the verdict was lost, its copy is looked for"}, false
		}
		found, err = o.o.Mailboxes.Find(ctx, who, m.Effect.MessageID)
		if ctx.Err() != nil {
			return queue.Result{Action: queue.Snooze, Reason: "stopped"}, false
		}
		m.looks++
		why = "its copy was not found in the mailbox of the sender"
		if err != nil {
			why = "the sender's mailbox could not be asked: " + err.Error()
		}
		if !found && m.looks < m.maxLooks() {
			return o.lookAgain(ctx, m, why)
		}
	}
	first := m.count(StateDelivered, StateRelayed) == 0
	o.resolved(m, found, why)
	o.log.WarnContext(ctx, "a lost verdict was looked for", "entry", m.Entry.String(), "effect", m.Effect.ID, "found", found, "why", why)
	if result, done = o.write(ctx, e, m, first); done {
		return result, true
	}
	return result, false
}

// resolved works in what was found out.
func (o *Outbox) resolved(m *OutboxMessage, found bool, why string) {
	now := o.o.Now()
	lost, next := clip("the verdict was lost when the message was completely sent; "+why), now
	for _, r := range m.dotted() {
		r.changed, r.dotted, r.NextTry, r.LastTry = true, false, time.Time{}, now
		switch {
		case found:
			r.State, r.Code, r.Enhanced, r.Text = StateDelivered, 0, "2.0.0", "the verdict was lost, but the message is in the sender's mailbox"
		case m.Effect.Policy == AtLeastOnce: // it stays pending, and goes again as after any failed attempt
			next = later(now, m.askedAt.Add(retryDelay(m.Attempts)))
			r.NextTry, r.Code, r.Enhanced, r.Text = next, 0, "4.4.2", lost
			continue
		default:
			r.State, r.Code, r.Enhanced, r.Text = StateUnknown, 0, "4.4.2", lost
		}
		o.metrics.recipients.WithLabelValues(string(r.State)).Inc()
	}
	m.NextTry = time.Time{}
	if m.count(StatePending) > 0 {
		m.NextTry = next
	}
}

func (o *Outbox) lookAgain(ctx context.Context, m *OutboxMessage, why string) (queue.Result, bool) {
	m.NextTry = m.askedAt.Add(lookDelays[m.looks])
	err := o.commit(ctx, func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, `UPDATE outbox_messages SET looks = $2, next_try = $3 WHERE entry = $1`, m.Entry.String(), m.looks, store.Micros(m.NextTry))
		return err
	})
	if err != nil {
		return o.later(ctx, m.Entry, "look not written", err), false
	}
	return queue.Result{Action: queue.Snooze, At: m.NextTry, Reason: clip(why)}, false
}
