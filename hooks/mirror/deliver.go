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
	until    time.Time             // guarded by mu: left alone until then
	since    time.Time             // guarded by mu: when that began
	why      string                // guarded by mu
	cause    TargetState           // guarded by mu
	failures int                   // guarded by mu: pauses in a row because of credentials or settings
	bad      int                   // guarded by mu: failed attempts in a row
	alarms   [len(alarmKinds)]bool // of who holds Mirror.watching
	known    [len(alarmKinds)]bool // what people were told; of the same
}

const (
	minPause     = time.Minute // first wait of a target whose credentials or settings are wrong
	maxPause     = time.Hour
	ratePause    = 30 * time.Second // where a CRM asks to slow down but not for how long
	circuitPause = 30 * time.Second
	// settleTimeout is below the grace that the queue gives workers when they are to stop.
	settleTimeout = 8 * time.Second
)

// heldPause is how long a message is left alone that waits for somebody, where nobody says for how long.
const heldPause = 10 * time.Minute

// Run delivers, updates and withdraws until ctx ends and all workers have returned.
func (m *Mirror) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, t := range m.targets {
		for _, w := range []struct {
			kind   string
			many   int
			handle func(context.Context, *target, queue.Job) queue.Result
		}{
			{Kind(t.Name), m.o.Workers, m.work},
			{UpdateKind(t.Name), 1, m.workUpdate},
			{WithdrawKind(t.Name), 1, m.workWithdrawal},
		} {
			g.Go(func() error {
				err := m.o.Queue.Work(ctx, queue.Worker{
					Kind:        w.kind,
					Concurrency: w.many,
					Handle:      func(ctx context.Context, j queue.Job) queue.Result { return w.handle(ctx, t, j) },
				})
				if err != nil {
					return fmt.Errorf("working %s: %w", w.kind, err)
				}
				return nil
			})
		}
	}
	g.Go(func() error { return m.watch(ctx) })
	g.Go(func() error { return m.releaseAll(ctx) })
	return g.Wait()
}

// result is what became of one attempt.
type result struct {
	outcome string // label of the metric
	action  queue.Action
	at      time.Time
	state   string // of the delivery
	reason  string
	held    bool // a person or a pause keeps it waiting
	private bool // it is out of scope
	receipt crmclient.Receipt
	wanted  int64  // delivery.wanted as of the attempt
	digest  string // of what the target was told
	review  *reviewError
	unknown unmatched // people whom the target has no contact for
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
	if r.state == deliveryPending && !r.held || r.state == deliveryFailed {
		m.o.Logger.WarnContext(ctx, "not delivered", "target", t.Name, "message_key", key, "attempt", job.Attempt, "outcome", r.outcome, "error", r.reason)
	}
	return m.settle(ctx, t, key, job, r)
}

// attempt talks to the CRM. done means that there is nothing to write down.
func (m *Mirror) attempt(ctx context.Context, t *target, key string, job queue.Job) (r result, done bool) {
	if until, why := m.paused(t); !until.IsZero() {
		return result{outcome: "paused", action: queue.Snooze, at: until, state: deliveryPending, reason: "waits: " + why}, false
	}
	d, err := readDelivery(ctx, m.o.Store.Reader(), key, t.Name)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return result{outcome: "dead", action: queue.Discard, reason: "no message has this key any more"}, true
	case err == nil && d.state == deliveryMirrored:
		return result{outcome: "duplicate", action: queue.Complete}, true
	case err == nil && (d.state == deliveryWithdrawing || d.state == deliveryWithdrawn):
		if job.Fence > 1 { // an attempt before this one may have been cut off when the target had it
			err = m.withdrawAgain(ctx, t, key)
		}
		if err == nil {
			return result{outcome: "withdrawn", action: queue.Cancel, reason: "withdrawn"}, true
		}
	}
	if err == nil {
		limited, cancel := context.WithTimeoutCause(ctx, m.o.Timeout, fmt.Errorf("the target took longer than %v", m.o.Timeout))
		r.receipt, r.digest, r.unknown, err = m.deliver(limited, t, key)
		cancel()
	}
	if err != nil && ctx.Err() != nil {
		return result{outcome: "stopped", action: queue.Snooze, reason: "stopped meanwhile"}, true
	}
	judged := m.judge(t, job, err)
	judged.receipt, judged.digest, judged.unknown, judged.wanted = r.receipt, r.digest, r.unknown, d.wanted
	return judged, false
}

// judge decides by the class of the error.
func (m *Mirror) judge(t *target, job queue.Job, err error) result {
	now := m.o.Now()
	if err == nil {
		m.works(t)
		return result{outcome: "mirrored", action: queue.Complete, state: deliveryMirrored}
	}
	var excluded *excludedError
	var held *heldError
	var review *reviewError
	switch {
	case errors.As(err, &review):
		// The job ends, and a decision adds another: what waits for a person holds up neither workers nor the thread.
		return result{outcome: "review", action: queue.Complete, state: deliveryPending, reason: clip(review.Error()), held: true, review: review}
	case errors.As(err, &excluded):
		return result{outcome: "excluded", action: queue.Complete, state: deliveryExcluded, reason: clip(excluded.reason), private: excluded.private}
	case errors.As(err, &held):
		at := held.until
		if !at.After(now) {
			at = now.Add(heldPause)
		}
		return result{outcome: "held", action: queue.Snooze, at: at, state: deliveryPending, reason: clip(held.reason), held: true}
	}
	r := m.judgeFailure(t, job, err, now)
	if r.state != deliveryMirrored && r.outcome != "paused" && r.outcome != string(crmclient.ClassRate) {
		t.mu.Lock()
		t.bad++
		t.mu.Unlock()
	}
	return r
}

func (m *Mirror) judgeFailure(t *target, job queue.Job, err error, now time.Time) result {
	class := crmclient.ClassOf(err)
	r := result{outcome: string(class), state: deliveryPending, reason: clip(err.Error())}
	after := crmclient.RetryAfter(err)
	switch {
	case class == crmclient.ClassDuplicate:
		m.works(t)
		r.action, r.state, r.reason = queue.Complete, deliveryMirrored, ""
	case errors.Is(err, crmclient.ErrCircuitOpen):
		r.outcome, r.action = "paused", queue.Snooze
		r.at = t.pause(now, now.Add(max(after, circuitPause)), TargetCircuit, r.reason)
	case class == crmclient.ClassRate:
		if after == 0 {
			after = ratePause
		}
		r.action = queue.Snooze
		r.at = t.pause(now, now.Add(after), TargetSlow, r.reason)
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
	var recalled []string
	done := queue.Result{Job: job, Action: r.action, At: r.at, Reason: r.reason}
	// To be stopped now must not undo what the CRM has.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	err := m.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		if r.review != nil {
			waits, err := m.wait(ctx, tx, t.Name, key, r.review)
			if err != nil {
				return err
			}
			if !waits {
				return m.o.Queue.Finish(ctx, tx, queue.Result{Job: job, Action: queue.Snooze, Reason: "decided meanwhile"})
			}
		}
		messageID, err := lockMessage(ctx, tx, m.o.Store.Dialect(), key)
		if err != nil {
			return err
		}
		d, err := readDelivery(ctx, tx, key, t.Name)
		if err != nil {
			return fmt.Errorf("delivery: %w", err)
		}
		if d.state == deliveryWithdrawing || d.state == deliveryWithdrawn {
			if err := m.withdrawalFollows(ctx, tx, t, key, r.receipt); err != nil {
				return err
			}
			return m.o.Queue.Finish(ctx, tx, queue.Result{Job: job, Action: queue.Cancel, Reason: "withdrawn"})
		}
		if m.lostPrivate(t, r, job.Attempt) {
			if _, err := m.recallFrom(ctx, tx, t, key, messageID, r.reason, d.remoteID); err != nil {
				return err
			}
			recalled = []string{t.Name}
			return m.o.Queue.Finish(ctx, tx, queue.Result{Job: job, Action: queue.Cancel, Reason: r.reason})
		}
		// What an earlier attempt wrote, and a later one found, need not say what was seen between them.
		stale := r.state == deliveryMirrored && d.wanted > 0 && (job.Fence > 1 || r.receipt.Duplicate || r.outcome == string(crmclient.ClassDuplicate))
		if stale {
			r.digest = ""
		}
		err = tx.QueryRowContext(ctx, `
			UPDATE deliveries SET state = $3, reason = $4, updated_at = $7, told = $8, digest = $9, held = $10,
				remote_id = CASE WHEN $5 = '' THEN remote_id ELSE $5 END, url = CASE WHEN $6 = '' THEN url ELSE $6 END
			WHERE message_key = $1 AND target = $2 RETURNING received_at`,
			key, t.Name, r.state, r.reason, r.receipt.RemoteID, r.receipt.URL, store.Micros(now), r.wanted, r.digest, number(r.held)).Scan(&received)
		if err != nil {
			return fmt.Errorf("delivery: %w", err)
		}
		if r.state == deliveryMirrored {
			if err := noteUnmatched(ctx, tx, t.Name, key, r.unknown); err != nil {
				return err
			}
		}
		if r.state == deliveryMirrored && (stale || d.wanted > r.wanted) {
			if err := m.addUpdate(ctx, tx, t, key); err != nil {
				return fmt.Errorf("update: %w", err)
			}
		}
		if err := m.noteAll(ctx, tx, t, key, messageID, ledgerState(r.state), r.reason); err != nil {
			return err
		}
		return m.o.Queue.Finish(ctx, tx, done)
	})
	if res, failed := m.unwritten(ctx, "delivery", t, key, done, err); failed {
		return res
	}
	if r.state == deliveryMirrored {
		m.metrics.lag.WithLabelValues(t.Name).Observe(now.Sub(store.FromMicros(received)).Seconds())
	}
	m.wakeWithdrawals(recalled)
	m.o.Queue.Wake(job.Kind) // the next of the thread may go
	return queue.Result{Job: job, Action: queue.Settled}
}

// unwritten returns what becomes of a job whose outcome could not be written down: it runs again, unless it is
// somebody else's by now. failed is false where err is nil.
func (m *Mirror) unwritten(ctx context.Context, what string, t *target, key string, done queue.Result, err error) (_ queue.Result, failed bool) {
	if err == nil {
		return queue.Result{}, false
	}
	m.o.Logger.WarnContext(ctx, what+" not written down", "target", t.Name, "message_key", key, "error", err)
	if errors.Is(err, queue.ErrFenced) {
		return done, true // which the queue refuses as well
	}
	return queue.Result{Action: queue.Retry, Reason: clip("writing the " + what + " down: " + err.Error())}, true
}

// lockMessage locks a message as record does, and returns its Message-ID. SQLite has one writer anyway.
func lockMessage(ctx context.Context, tx store.Querier, d store.Dialect, key string) (messageID string, err error) {
	query := `SELECT message_id FROM messages WHERE key = $1`
	if d == store.Postgres {
		query += ` FOR UPDATE`
	}
	if err := tx.QueryRowContext(ctx, query, key).Scan(&messageID); err != nil {
		return "", fmt.Errorf("message: %w", err)
	}
	return messageID, nil
}

// noteAll writes the state of a message at a target into the ledger, for each sighting that the target is told of.
func (m *Mirror) noteAll(ctx context.Context, tx store.Querier, t *target, key, messageID string, state journal.LedgerState, reason string) error {
	copies, err := t.told(ctx, tx, key)
	if err != nil {
		return fmt.Errorf("sightings: %w", err)
	}
	var rows []journal.LedgerRow
	for _, s := range copies {
		rows = append(rows, s.row(messageID, t.Name, state, reason, m.o.Now()))
	}
	if err := m.o.Journal.Note(ctx, tx, rows...); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}

// told returns the sightings of a message that the target may know of, the oldest first.
func (t *target) told(ctx context.Context, q store.Querier, key string) ([]sighting, error) {
	c, err := readCopies(ctx, q, key, "")
	if err != nil {
		return nil, err
	}
	return t.toldOf(ctx, q, key, c)
}

// toldOf does the same for sightings that were read already.
func (t *target) toldOf(ctx context.Context, q store.Querier, key string, c copies) (out []sighting, err error) {
	var stones tombstones
	if c.withdrawn {
		if stones, err = readTombstones(ctx, q, key); err != nil {
			return nil, err
		}
	}
	for _, s := range c.list {
		_, gone := stones.find(t.Name, s.account)
		if s.excluded == "" && !gone && t.Deliver.Mail.TakesAccount(s.account) {
			out = append(out, s)
		}
	}
	return out, nil
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
func (t *target) pause(now, until time.Time, cause TargetState, why string) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	if until.After(t.until) {
		t.until, t.why, t.since, t.cause = until, why, now, cause
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
		t.until, t.why, t.since, t.cause = now.Add(min(minPause<<min(t.failures-1, 10), maxPause)), why, now, TargetTrouble
	}
	return t.until
}

// works takes note that the target did what was asked.
func (m *Mirror) works(t *target) {
	m.metrics.paused.WithLabelValues(t.Name).Set(0)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failures, t.bad, t.until, t.why = 0, 0, time.Time{}, ""
}
