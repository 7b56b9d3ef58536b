package automail

import (
	"context"
	"fmt"
	"strings"
	"time"

	"heliograph/internal/journal"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

// settle works the outcome in and writes it down.
func (o *Outbox) settle(ctx context.Context, e journal.Entry, m *OutboxMessage, out outcome) (result queue.Result, done bool) {
	first := m.count(StateDelivered, StateRelayed) == 0
	o.apply(m, out)
	o.logAttempt(ctx, m, out)
	return o.write(ctx, e, m, first)
}

// write writes the message down with all that follows from its states in one transaction. first says that nobody had it before.
func (o *Outbox) write(ctx context.Context, e journal.Entry, m *OutboxMessage, first bool) (result queue.Result, done bool) {
	mirror := first && m.count(StateDelivered, StateRelayed) > 0 && !m.mirrored
	copied := mirror && m.Effect.Copy == CopyWanted
	row, note := o.ledgerRow(e, m)
	note = note && m.count(StatePending) > 0 // the end is noted at the end
	news := m.untold()
	err := o.commit(ctx, func(ctx context.Context, tx store.Querier) error {
		if note {
			if err := o.o.Journal.Note(ctx, tx, row); err != nil {
				return err
			}
		}
		if mirror {
			if err := o.o.Journal.Mirror(ctx, tx, m.Entry); err != nil {
				return err
			}
			m.mirrored = true
		}
		if copied {
			if err := o.addCopy(ctx, tx, m.Entry); err != nil {
				return err
			}
		}
		if err := suppressDead(ctx, tx, m, o.o.Now()); err != nil {
			return err
		}
		if err := save(ctx, tx, m); err != nil {
			return err
		}
		return o.tell(ctx, tx, m, news)
	})
	if err != nil {
		return o.later(ctx, e.ID, "outcome not written", err), false
	}
	for i := range m.Recipients {
		m.Recipients[i].changed = false
	}
	for _, r := range news {
		r.told = r.State
	}
	if mirror {
		o.o.Queue.Wake()
	}
	if err := o.writeNotices(context.WithoutCancel(ctx), e, m); err != nil {
		return o.later(ctx, e.ID, "notice not written", err), false
	}
	if m.count(StatePending) > 0 {
		return queue.Result{Action: queue.Snooze, At: m.NextTry, Reason: m.waitsFor()}, false
	}
	return queue.Result{}, true
}

// apply works the outcome of an attempt into the message, decides when to go on, and
// plans the notices that follow from it.
func (o *Outbox) apply(m *OutboxMessage, out outcome) {
	now := o.o.Now()
	expired := !now.Before(m.ExpiresAt)
	m.Attempts++
	next := now.Add(retryDelay(m.Attempts))
	if out.progress && out.crowded {
		next = now.Add(minRetry) // RFC 5321, 4.5.3.1.10: the rest at once, in a transaction of its own
	}
	if next.After(m.ExpiresAt) {
		next = m.ExpiresAt
	}
	next = later(next, now.Add(minRetry))
	if len(m.dotted()) > 0 {
		next = later(m.askedAt.Add(lookDelays[0]), now.Add(minRetry)) // before the others go on
	}
	for _, r := range m.pending() {
		r.changed = true
		r.Attempts++
		r.LastTry = now
		o.applyReply(r, out)
		if r.State == StatePending && expired && !r.dotted {
			r.State, r.Enhanced = StateFailed, "4.4.7" // RFC 3463, 3.5: delivery time expired
			o.metrics.recipients.WithLabelValues("expired").Inc()
		}
		r.NextTry = time.Time{}
		if r.State == StatePending {
			r.NextTry = next
			o.metrics.recipients.WithLabelValues("deferred").Inc()
		}
	}
	m.NextTry = time.Time{}
	if m.count(StatePending) > 0 {
		m.NextTry = next
	}
	o.planNotice(m, now)
}

// applyReply sets what the upstream said of one recipient.
func (o *Outbox) applyReply(r *OutboxRecipient, out outcome) {
	rep, said := out.replies[r.position]
	r.Remote = out.remote
	switch {
	case !said:
		// Trouble before anything was said of it.
		r.Code, r.Enhanced, r.Text = 0, "4.4.1", "no verdict"
		if out.trouble != nil {
			r.Text = clip(out.trouble.Error())
		}
		if r.dotted {
			r.Enhanced = "4.4.2"
		}
		if out.kind == outcomeInternal {
			r.Enhanced, r.Text = "4.3.0", "the message could not be read here"
		}
		return
	case rep.ours:
		r.Remote = ""
	}
	r.Code, r.Enhanced, r.Text = rep.code, rep.enhanced, clip(rep.text)
	switch {
	case rep.code < 300 && out.noDSN:
		r.State = StateRelayed
	case rep.code < 300:
		r.State = StateDelivered
	case rep.code >= 500 && !rep.retry:
		r.State = StateFailed
	}
	if r.State != StatePending {
		o.metrics.recipients.WithLabelValues(string(r.State)).Inc()
	}
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// waitsFor is the reason of the last deferral, for the job.
func (m *OutboxMessage) waitsFor() string {
	for _, r := range m.pending() {
		return fmt.Sprintf("%d pending: %s", len(m.pending()), strings.TrimSpace(fmt.Sprintf("%s %s", r.Enhanced, r.Text)))
	}
	return ""
}

// finish ends the life of a message of which nobody is pending. Each step may be
// repeated after a crash.
func (o *Outbox) finish(ctx context.Context, e journal.Entry, m *OutboxMessage) queue.Result {
	ctx = context.WithoutCancel(ctx)
	outcome := m.outcome()
	row, note := o.ledgerRow(e, m)
	fresh := m.FinishedAt.IsZero()
	if fresh {
		m.FinishedAt = o.o.Now()
	}
	m.Held = ""
	news := m.untold()
	late := !m.mirrored && m.count(StateDelivered, StateRelayed) > 0 // an operator says that it arrived
	err := o.commit(ctx, func(ctx context.Context, tx store.Querier) error {
		if note {
			if err := o.o.Journal.Note(ctx, tx, row); err != nil {
				return err
			}
		}
		switch {
		case late:
			if err := o.o.Journal.Mirror(ctx, tx, m.Entry); err != nil {
				return err
			}
			m.mirrored = true
		case !m.mirrored: // mirroring has settled it
			if err := o.o.Journal.Settle(ctx, tx, m.Entry); err != nil {
				return err
			}
		}
		if err := save(ctx, tx, m); err != nil {
			return err
		}
		return o.tell(ctx, tx, m, news)
	})
	if err != nil {
		return o.later(ctx, m.Entry, "end of the message not written", err)
	}
	if late {
		o.o.Queue.Wake()
	}
	doubleBounce := m.count(StateFailed) > 0 && m.ReversePath == "" && !m.dropped() && m.Effect.ID == ""
	if fresh {
		o.metrics.finished(m, o.o.Now(), doubleBounce)
		o.logEnd(ctx, m, outcome, doubleBounce)
	}
	return m.end(outcome, doubleBounce)
}

// outcome names the end of a message.
func (m *OutboxMessage) outcome() string {
	failed := m.count(StateFailed)
	switch {
	case m.count(StateUnknown) > 0:
		return "unknown"
	case m.dropped():
		return "dropped"
	case failed == len(m.Recipients) && failed > 0:
		return "bounced"
	case m.count(StateSuppressed) == len(m.Recipients):
		return "suppressed"
	}
	return "delivered"
}

// end is what becomes of the job of a message that is finished.
func (m *OutboxMessage) end(outcome string, doubleBounce bool) queue.Result {
	switch {
	case outcome == "unknown":
		return queue.Result{Action: queue.Discard, Reason: m.failure() + "; find out whether it arrived, then settle or retry it"}
	case outcome == "dropped":
		return queue.Result{Action: queue.Cancel, Reason: m.failure()}
	case doubleBounce:
		return queue.Result{Action: queue.Discard, Reason: "not delivered, and there is nobody to tell (null reverse path): " + m.failure()}
	case m.failure() != "":
		return queue.Result{Action: queue.Complete, Reason: outcome + ": " + m.failure()}
	}
	return queue.Result{Action: queue.Complete}
}

// dropped says whether an operator gave somebody up.
func (m *OutboxMessage) dropped() bool {
	for i := range m.Recipients {
		if m.Recipients[i].State == StateFailed && m.Recipients[i].action == actionDropped {
			return true
		}
	}
	return false
}

// failure names the first recipient's reason and how many there are.
func (m *OutboxMessage) failure() string {
	for _, kind := range []struct {
		state State
		words string
	}{{StateUnknown, "have an unknown verdict"}, {StateFailed, "failed"}, {StateSuppressed, "were suppressed"}} {
		for i := range m.Recipients {
			if r := &m.Recipients[i]; r.State == kind.state {
				return fmt.Sprintf("%d of %d recipients %s: %s", m.count(kind.state), len(m.Recipients), kind.words, r.diagnosis())
			}
		}
	}
	return ""
}

// diagnosis is the reply in one line.
func (r *OutboxRecipient) diagnosis() string {
	if r.Code == 0 {
		return strings.TrimSpace(r.Enhanced + " " + r.Text)
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s %s", r.Code, r.Enhanced, r.Text))
}

// ledgerRow says in the ledger that recipients failed, and that they did not after
// all when an operator made it run again.
func (o *Outbox) ledgerRow(e journal.Entry, m *OutboxMessage) (journal.LedgerRow, bool) {
	row := journal.LedgerRow{Entry: m.Entry, Account: e.Account, Target: ledgerTarget(m.Upstream), At: o.o.Now()}
	switch {
	case m.count(StateFailed, StateUnknown, StateSuppressed) > 0 && m.count(StatePending) == 0:
		row.State, row.Reason = journal.LedgerFailed, m.failure()
		return row, true
	case m.retried && m.count(StatePending) > 0:
		row.State, row.Reason = journal.LedgerPending, "retried: "+m.waitsFor()
		return row, true
	case m.retried:
		row.State, row.Reason = journal.LedgerCaptured, "accepted by the upstream after a retry"
		return row, true
	}
	return row, false
}

func ledgerTarget(upstream string) string { return "upstream:" + upstream }
