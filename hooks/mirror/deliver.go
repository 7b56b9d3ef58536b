package mirror

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"heliograph/crmclient"
	"heliograph/internal/journal"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

// target is a Target with what its workers share.
type target struct {
	Target

	mu       sync.Mutex
	until    time.Time // guarded by mu: left alone until then
	why      string    // guarded by mu
	failures int       // guarded by mu: pauses in a row because of credentials or settings
}

const (
	minPause     = time.Minute // first wait of a target whose credentials or settings are wrong
	maxPause     = time.Hour
	ratePause    = 30 * time.Second // where a CRM asks to slow down but not for how long
	circuitPause = 30 * time.Second
	// settleTimeout is below the grace that the queue gives workers when they are to stop.
	settleTimeout = 8 * time.Second
)

// Run delivers until ctx ends and all workers have returned.
func (m *Mirror) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, t := range m.targets {
		g.Go(func() error {
			err := m.o.Queue.Work(ctx, queue.Worker{
				Kind:        Kind(t.Name),
				Concurrency: m.o.Workers,
				Handle:      func(ctx context.Context, j queue.Job) queue.Result { return m.work(ctx, t, j) },
			})
			if err != nil {
				return fmt.Errorf("delivering to %s: %w", t.Name, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// result is what became of one attempt.
type result struct {
	outcome string // label of the metric
	action  queue.Action
	at      time.Time
	state   string // of the delivery
	reason  string
	receipt crmclient.Receipt
}

// work makes one attempt and writes down what came of it.
func (m *Mirror) work(ctx context.Context, t *target, job queue.Job) queue.Result {
	began := time.Now()
	key := string(job.Payload)
	r, done := m.attempt(ctx, t, key, job)
	m.metrics.delivered(t.Name, r.outcome, began)
	if done {
		return queue.Result{Action: r.action, At: r.at, Reason: r.reason}
	}
	if r.state != deliveryMirrored {
		m.o.Logger.WarnContext(ctx, "not delivered", "target", t.Name, "message_key", key, "attempt", job.Attempt, "outcome", r.outcome, "error", r.reason)
	}
	return m.settle(ctx, t, key, job, r)
}

// attempt talks to the CRM. done means that there is nothing to write down.
func (m *Mirror) attempt(ctx context.Context, t *target, key string, job queue.Job) (r result, done bool) {
	if until, why := t.paused(m.o.Now()); !until.IsZero() {
		return result{outcome: "paused", action: queue.Snooze, at: until, state: deliveryPending, reason: "waits: " + why}, false
	}
	var state string
	err := m.o.Store.Reader().QueryRowContext(ctx, `SELECT state FROM deliveries WHERE message_key = $1 AND target = $2`, key, t.Name).Scan(&state)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return result{outcome: "dead", action: queue.Discard, reason: "no message has this key any more"}, true
	case err == nil && state == deliveryMirrored:
		return result{outcome: "duplicate", action: queue.Complete}, true
	}
	var receipt crmclient.Receipt
	if err == nil {
		limited, cancel := context.WithTimeoutCause(ctx, m.o.Timeout, fmt.Errorf("the target took longer than %v", m.o.Timeout))
		receipt, err = m.deliver(limited, t, key)
		cancel()
	}
	if err != nil && ctx.Err() != nil {
		return result{outcome: "stopped", action: queue.Snooze, reason: "stopped meanwhile"}, true
	}
	r = m.judge(t, job, err)
	r.receipt = receipt
	return r, false
}

// judge decides by the class of the error.
func (m *Mirror) judge(t *target, job queue.Job, err error) result {
	now := m.o.Now()
	if err == nil {
		m.works(t)
		return result{outcome: "mirrored", action: queue.Complete, state: deliveryMirrored}
	}
	class := crmclient.ClassOf(err)
	r := result{outcome: string(class), state: deliveryPending, reason: clip(err.Error())}
	after := crmclient.RetryAfter(err)
	switch {
	case class == crmclient.ClassDuplicate:
		m.works(t)
		r.action, r.state, r.reason = queue.Complete, deliveryMirrored, ""
	case errors.Is(err, crmclient.ErrCircuitOpen):
		r.outcome, r.action = "paused", queue.Snooze
		r.at = t.pause(now.Add(max(after, circuitPause)), r.reason)
	case class == crmclient.ClassRate:
		if after == 0 {
			after = ratePause
		}
		r.action = queue.Snooze
		r.at = t.pause(now.Add(after), r.reason)
	case class == crmclient.ClassAuth || class == crmclient.ClassConfiguration:
		r.action, r.reason = queue.Snooze, "failed: "+r.reason
		// The next to try is another message, lest one bad one keeps the target shut.
		r.at = t.trouble(now, r.reason).Add(minPause)
		m.metrics.paused.WithLabelValues(t.Name).Set(1)
	case class == crmclient.ClassPermanent:
		r.action, r.state = queue.Discard, deliveryFailed
	case job.MaxAttempts >= 0 && job.Attempt >= job.MaxAttempts:
		r.outcome, r.action, r.state = "dead", queue.Discard, deliveryFailed
		r.reason = fmt.Sprintf("gave up after %d attempts: %s", job.Attempt, r.reason)
	default:
		r.outcome, r.action = string(crmclient.ClassRetry), queue.Retry
		r.at = now.Add(max(queue.Backoff(job.Attempt), after))
	}
	return r
}

// settle writes the delivery, the ledger rows of all sightings and the job's result in one
// transaction. If that fails after a success, the job runs again and the CRM, which knows the key,
// makes no second record.
func (m *Mirror) settle(ctx context.Context, t *target, key string, job queue.Job, r result) queue.Result {
	now := m.o.Now()
	var received int64
	done := queue.Result{Job: job, Action: r.action, At: r.at, Reason: r.reason}
	// To be stopped now must not undo what the CRM has.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	err := m.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		var messageID string
		// The lock of record.
		err := tx.QueryRowContext(ctx, `UPDATE messages SET last_seen = last_seen WHERE key = $1 RETURNING message_id`, key).Scan(&messageID)
		if err != nil {
			return fmt.Errorf("message: %w", err)
		}
		err = tx.QueryRowContext(ctx, `
			UPDATE deliveries SET state = $3, reason = $4, remote_id = $5, url = $6, updated_at = $7
			WHERE message_key = $1 AND target = $2 RETURNING received_at`,
			key, t.Name, r.state, r.reason, r.receipt.RemoteID, r.receipt.URL, store.Micros(now)).Scan(&received)
		if err != nil {
			return fmt.Errorf("delivery: %w", err)
		}
		copies, err := sightings(ctx, tx, key)
		if err != nil {
			return fmt.Errorf("sightings: %w", err)
		}
		var rows []journal.LedgerRow
		for _, s := range copies {
			if s.excluded == "" {
				rows = append(rows, s.row(messageID, t.Name, ledgerState(r.state), r.reason, now))
			}
		}
		if err := m.o.Journal.Note(ctx, tx, rows...); err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
		return m.o.Queue.Finish(ctx, tx, done)
	})
	if err != nil {
		m.o.Logger.WarnContext(ctx, "delivery not written down", "target", t.Name, "message_key", key, "error", err)
		if errors.Is(err, queue.ErrFenced) {
			return done // which the queue refuses as well
		}
		return queue.Result{Action: queue.Retry, Reason: clip("writing the delivery down: " + err.Error())}
	}
	if r.state == deliveryMirrored {
		m.metrics.lag.WithLabelValues(t.Name).Observe(now.Sub(store.FromMicros(received)).Seconds())
	}
	m.o.Queue.Wake(job.Kind) // the next of the thread may go
	return queue.Result{Job: job, Action: queue.Settled}
}

// maxReason bounds what the ledger keeps of an error, in bytes.
const maxReason = 500

func clip(s string) string {
	if len(s) <= maxReason {
		return s
	}
	cut := maxReason
	for cut > 0 && s[cut]&0xc0 == 0x80 { // not in the middle of a character
		cut--
	}
	return s[:cut] + "…"
}

// paused returns until when the target is left alone; the zero time means it is not.
func (t *target) paused(now time.Time) (time.Time, string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Before(t.until) {
		return t.until, t.why
	}
	return time.Time{}, ""
}

// pause leaves the target alone for at least until then, and returns until when.
func (t *target) pause(until time.Time, why string) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	if until.After(t.until) {
		t.until, t.why = until, why
	}
	return t.until
}

// trouble pauses for a time that doubles with each failure. Failures of workers that were
// at it together count once.
func (t *target) trouble(now time.Time, why string) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !now.Before(t.until) {
		t.failures++
		t.until, t.why = now.Add(min(minPause<<min(t.failures-1, 10), maxPause)), why
	}
	return t.until
}

// works takes note that the target did what was asked.
func (m *Mirror) works(t *target) {
	m.metrics.paused.WithLabelValues(t.Name).Set(0)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failures, t.until, t.why = 0, time.Time{}, ""
}
