package automail

import (
	"context"
	"database/sql"
	"errors"
	"io"

	"heliograph/internal/journal"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

// CopyKind is the kind of the jobs that store a copy of a sent message in its sender's mailbox. They are added in the transaction in which
// the message counts as sent, and whatever becomes of them sends nothing.
const CopyKind = "outbox-copy"

const (
	copyWorkers  = 2
	copyAttempts = 15 // with backoff, more than half a day
)

func (o *Outbox) addCopy(ctx context.Context, tx store.Querier, id journal.ID) error {
	_, err := o.o.Queue.Add(ctx, tx, queue.New{Kind: CopyKind, Key: id.String(), Payload: []byte(id.String()), MaxAttempts: copyAttempts})
	return err
}

// handleCopy stores one copy. It looks for the Message-ID first, so that a repetition makes no second one.
func (o *Outbox) handleCopy(ctx context.Context, job queue.Job) queue.Result {
	id, err := journal.ParseID(string(job.Payload))
	if err != nil {
		return queue.Result{Action: queue.Discard, Reason: err.Error()}
	}
	e, err := o.o.Journal.Entry(ctx, id)
	if errors.Is(err, journal.ErrNotFound) {
		return queue.Result{Action: queue.Discard, Reason: "the message is not in the journal"}
	}
	if err != nil {
		return queue.Result{Action: queue.Retry, Reason: err.Error()}
	}
	f, err := readEffect(ctx, o.o.Store.Reader(), e.Automation.Effect)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return queue.Result{Action: queue.Cancel, Reason: "the effect is not known any more"}
	case err != nil:
		return queue.Result{Action: queue.Retry, Reason: err.Error()}
	case f.Copy != CopyWanted && f.Copy != CopyFailed:
		return queue.Result{Action: queue.Complete, Reason: string(f.Copy)}
	}
	state, err := o.storeCopy(ctx, e, f)
	if ctx.Err() != nil {
		return queue.Result{Action: queue.Snooze, Reason: "stopped"}
	}
	var none *NoSentError
	var nobody *SenderError
	final := errors.As(err, &none) || errors.As(err, &nobody)
	switch {
	case errors.Is(err, journal.ErrElsewhere):
		return queue.Result{Action: queue.Snooze, At: o.o.Now().Add(elsewhereDelay + spread()), Reason: err.Error()}
	case err != nil && !final && job.Attempt < job.MaxAttempts:
		o.log.WarnContext(ctx, "the copy of a sent message waits", "entry", id.String(), "attempt", job.Attempt, "err", err)
		return queue.Result{Action: queue.Retry, Reason: clip(err.Error())}
	case err != nil:
		o.log.ErrorContext(ctx, "the copy of a sent message was given up", "entry", id.String(), "err", err)
		state = CopyFailed
	}
	reason := ""
	if err != nil {
		reason = clip(err.Error())
	}
	if err := o.noteCopy(ctx, f.ID, state, reason); err != nil {
		return queue.Result{Action: queue.Retry, Reason: err.Error()}
	}
	o.metrics.copies.WithLabelValues(string(state)).Inc()
	if state == CopyFailed {
		return queue.Result{Action: queue.Discard, Reason: reason}
	}
	return queue.Result{Action: queue.Complete}
}

func (o *Outbox) storeCopy(ctx context.Context, e journal.Entry, f Effect) (CopyState, error) {
	who, err := o.sender(ctx, f.Sender)
	if err != nil {
		return "", err
	}
	if preset, _ := presetOf(who.up); preset.StoresSent {
		return CopyProvider, nil
	}
	if !who.up.HasIMAP() {
		return "", &NoSentError{who.address}
	}
	stored, err := o.o.Mailboxes.Store(ctx, who, f.MessageID, e.Size, func() (io.ReadCloser, error) { return o.o.Journal.Body(ctx, e) })
	switch {
	case err != nil:
		return "", err
	case stored:
		return CopyStored, nil
	}
	return CopyFound, nil
}

func (o *Outbox) noteCopy(ctx context.Context, effect string, state CopyState, reason string) error {
	return o.commit(ctx, func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, `UPDATE outbox_effects SET copy = $2, copy_reason = $3, copied_at = $4 WHERE effect = $1`,
			effect, string(state), reason, store.Micros(o.o.Now()))
		return err
	})
}
