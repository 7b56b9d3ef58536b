package mirror

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"heliograph/crmclient"
	"heliograph/internal/journal"
	"heliograph/internal/message"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

// WithdrawKind is the kind of the queue jobs that take mail back from a target.
func WithdrawKind(target string) string { return "withdraw:" + target }

// Withdrawal says which mail is to be taken back. One of the first four says which messages; Key and Account together mean an
// employee's copies of one message.
type Withdrawal struct {
	Key       string // of one message
	MessageID string // without brackets; messages that share it go together
	// Account is an employee's: mail that others have too stays, but no longer as this employee's.
	Account string
	Address string // a correspondent's
	Target  string // empty: all
	Reason  string // required; it is in the ledger
}

// WithdrawStep is what is done about one message at one target.
type WithdrawStep string

// The steps.
const (
	StepDelete WithdrawStep = "delete" // the target may have it, and is asked to delete it
	StepDrop   WithdrawStep = "drop"   // it was not sent yet, and will not be
	StepUpdate WithdrawStep = "update" // others have it too: only the account goes
	StepAvoid  WithdrawStep = "avoid"  // the target does not have it, and will not get it
)

// Withdrawn is a message at a target.
type Withdrawn struct {
	Key       string
	MessageID string
	Target    string // empty: no target has it
	RemoteID  string
	Step      WithdrawStep
}

// PlanWithdrawal returns what Withdraw would do now. It changes nothing, and needs nothing but the store.
func PlanWithdrawal(ctx context.Context, q store.Querier, w Withdrawal) ([]Withdrawn, error) {
	keys, err := w.messages(ctx, q)
	if err != nil {
		return nil, err
	}
	var out []Withdrawn
	for _, key := range keys {
		steps, err := w.plan(ctx, q, key)
		if err != nil {
			return nil, fmt.Errorf("looking at message %s: %w", key, err)
		}
		out = append(out, steps...)
	}
	return out, nil
}

// Withdraw takes mail back, message by message: what waits is dropped, what targets have is deleted by jobs of the
// running gateway, and what is seen again later stays away. It is idempotent, and needs nothing but the store, so that
// it serves beside a running gateway.
func Withdraw(ctx context.Context, db *store.DB, q *queue.Queue, w Withdrawal) ([]Withdrawn, error) {
	if w.Reason = clip(strings.TrimSpace(w.Reason)); w.Reason == "" {
		return nil, errors.New("withdrawing mail needs a reason")
	}
	keys, err := w.messages(ctx, db.Reader())
	if err != nil {
		return nil, err
	}
	var out []Withdrawn
	for _, key := range keys {
		var steps []Withdrawn
		var drop []int64
		err := db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
			messageID, err := lockMessage(ctx, tx, db.Dialect(), key)
			if err != nil {
				return err
			}
			if steps, err = w.plan(ctx, tx, key); err != nil {
				return err
			}
			drop, err = w.apply(ctx, tx, q, messageID, steps)
			return err
		})
		if err != nil {
			return out, fmt.Errorf("withdrawing message %s: %w", key, err)
		}
		// What is claimed meanwhile sees that it is withdrawn.
		if _, err := q.Drop(ctx, reasonWithdrawn+w.Reason, drop...); err != nil {
			return out, err
		}
		out = append(out, steps...)
	}
	q.Wake()
	return out, nil
}

// messages returns the keys of the messages that are meant, sorted.
func (w Withdrawal) messages(ctx context.Context, q store.Querier) ([]string, error) {
	given := 0
	for _, s := range []string{w.Key, w.MessageID, w.Account, w.Address} {
		if s != "" {
			given++
		}
	}
	if given != 1 && (given != 2 || w.Key == "" || w.Account == "") {
		return nil, errors.New("withdrawing mail needs one of message, account and address")
	}
	var query, arg string
	switch {
	case w.Key != "":
		query, arg = `SELECT key FROM messages WHERE key = $1`, w.Key
	case w.MessageID != "":
		query, arg = `SELECT key FROM messages WHERE message_id = $1 AND message_id <> '' ORDER BY key`, w.MessageID
	case w.Account != "":
		query, arg = `SELECT DISTINCT message_key FROM sightings s WHERE account = $1
			AND (excluded = '' OR EXISTS (SELECT 1 FROM deliveries d WHERE d.message_key = s.message_key)) ORDER BY message_key`, strings.ToLower(w.Account)
	default:
		query, arg = `SELECT message_key FROM correspondents WHERE address = $1 ORDER BY message_key`, message.NormalizeAddress(w.Address)
	}
	keys, err := column(ctx, q, query, []any{arg})
	if err != nil {
		return nil, fmt.Errorf("looking for the messages to withdraw: %w", err)
	}
	return keys, nil
}

// plan returns what is to be done about one message.
func (w Withdrawal) plan(ctx context.Context, q store.Querier, key string) ([]Withdrawn, error) {
	var messageID string
	if err := q.QueryRowContext(ctx, `SELECT message_id FROM messages WHERE key = $1`, key).Scan(&messageID); err != nil {
		return nil, err
	}
	targets, err := column(ctx, q, `SELECT target FROM deliveries WHERE message_key = $1 ORDER BY target`, []any{key})
	if err != nil {
		return nil, err
	}
	stones, err := readTombstones(ctx, q, key)
	if err != nil {
		return nil, err
	}
	var out []Withdrawn
	for _, target := range targets {
		if w.Target != "" && w.Target != target {
			continue
		}
		d, err := readDelivery(ctx, q, key, target)
		if err != nil {
			return nil, err
		}
		step := Withdrawn{Key: key, MessageID: messageID, Target: target, RemoteID: d.remoteID}
		if step.Step, err = w.step(ctx, q, key, target, d, stones); err != nil {
			return nil, err
		}
		if step.Step != "" {
			out = append(out, step)
		}
	}
	if len(targets) == 0 {
		if _, gone := stones.find(w.Target, strings.ToLower(w.Account)); !gone {
			out = append(out, Withdrawn{Key: key, MessageID: messageID, Step: StepAvoid})
		}
	}
	return out, nil
}

func (w Withdrawal) step(ctx context.Context, q store.Querier, key, target string, d delivery, stones tombstones) (WithdrawStep, error) {
	if d.state == deliveryWithdrawing || d.state == deliveryWithdrawn {
		return "", nil // which was asked for before
	}
	if w.Account != "" {
		account := strings.ToLower(w.Account)
		if _, gone := stones.find(target, account); gone {
			return "", nil
		}
		copies, err := shown(ctx, q, key, target)
		if err != nil {
			return "", err
		}
		others := slices.ContainsFunc(copies, func(s sighting) bool {
			_, gone := stones.find(target, s.account)
			return s.account != account && !gone
		})
		switch {
		case others && !slices.ContainsFunc(copies, func(s sighting) bool { return s.account == account }):
			return "", nil
		case others:
			return StepUpdate, nil
		}
	}
	if d.state != deliveryPending {
		return StepDelete, nil
	}
	// Only a job that nobody ever claimed has certainly told the target nothing.
	var claims sql.NullInt64
	err := q.QueryRowContext(ctx, `SELECT MAX(fence) FROM jobs WHERE kind = $1 AND key = $2`, Kind(target), key).Scan(&claims)
	if err != nil {
		return "", err
	}
	if claims.Valid && claims.Int64 == 0 {
		return StepDrop, nil
	}
	return StepDelete, nil
}

// shown returns the sightings of a message that a target was told of, or is to be, as the ledger has it.
func shown(ctx context.Context, q store.Querier, key, target string) ([]sighting, error) {
	copies, err := sightings(ctx, q, key)
	if err != nil {
		return nil, err
	}
	var out []sighting
	for _, s := range copies {
		// The ledger knows: what fell out of scope later may be at the target all the same.
		rows, err := journal.ReadLedger(ctx, q, journal.LedgerFilter{Entry: s.entry, Target: target})
		if err != nil {
			return nil, err
		}
		if len(rows) > 0 && rows[0].State != journal.LedgerExcluded {
			out = append(out, s)
		}
	}
	return out, nil
}

// The beginnings of reasons: of jobs that are dropped, and in the ledger while a target still has the mail.
const (
	reasonWithdrawn   = "withdrawn: "
	reasonWithdrawing = "is being withdrawn: "
)

// apply writes the steps down and returns the jobs that are not needed any more.
func (w Withdrawal) apply(ctx context.Context, tx store.Querier, q *queue.Queue, messageID string, steps []Withdrawn) (drop []int64, err error) {
	now := time.Now()
	for _, s := range steps {
		account, stoneAt := "", w.Target
		if s.Step == StepUpdate {
			account, stoneAt = strings.ToLower(w.Account), s.Target
		} else if w.Account != "" {
			stoneAt = s.Target // others may have it at another target
			if s.Step == StepAvoid {
				account = strings.ToLower(w.Account) // and others may have it where no target does
			}
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO withdrawals (message_key, target, account, reason, at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
			s.Key, stoneAt, account, w.Reason, store.Micros(now))
		if err != nil {
			return nil, err
		}
		if s.Target == "" {
			continue
		}
		state, ledger, reason := "", journal.LedgerWithdrawn, w.Reason
		var job queue.New
		switch s.Step {
		case StepDelete:
			state, ledger, reason = deliveryWithdrawing, "", reasonWithdrawing+w.Reason
			job = queue.New{Kind: WithdrawKind(s.Target), Key: s.Key, Payload: []byte(s.Key)}
		case StepDrop:
			state = deliveryWithdrawn
			jobs, err := q.List(ctx, queue.Filter{Kind: Kind(s.Target), Key: s.Key})
			if err != nil {
				return nil, err
			}
			for _, j := range jobs {
				if j.State.Live() && j.State != queue.StateRunning {
					drop = append(drop, j.ID)
				}
			}
		case StepUpdate:
			job = queue.New{Kind: UpdateKind(s.Target), Key: s.Key, Payload: []byte(s.Key)}
		}
		_, err = tx.ExecContext(ctx, `
			UPDATE deliveries SET state = CASE WHEN $3 = '' THEN state ELSE $3 END, reason = CASE WHEN $3 = '' THEN reason ELSE $4 END,
				wanted = wanted + 1, updated_at = $5 WHERE message_key = $1 AND target = $2`, s.Key, s.Target, state, reason, store.Micros(now))
		if err != nil {
			return nil, err
		}
		if job.Kind != "" {
			if _, err := q.Add(ctx, tx, job); err != nil {
				return nil, err
			}
		}
		if err := noteShown(ctx, tx, s.Key, messageID, s.Target, account, ledger, reason, now); err != nil {
			return nil, err
		}
	}
	return drop, nil
}

// noteShown writes into the ledger what becomes of the sightings that a target was told of: of all, or of those of one
// account. An empty state keeps the one there is.
func noteShown(ctx context.Context, tx store.Querier, key, messageID, target, account string, state journal.LedgerState, reason string, now time.Time) error {
	copies, err := shown(ctx, tx, key, target)
	if err != nil {
		return err
	}
	var rows []journal.LedgerRow
	for _, s := range copies {
		if account != "" && s.account != account {
			continue
		}
		row := s.row(messageID, target, state, reason, now)
		if state == "" {
			before, err := journal.ReadLedger(ctx, tx, journal.LedgerFilter{Entry: s.entry, Target: target})
			if err != nil {
				return err
			}
			row.State = before[0].State // shown found it
		}
		rows = append(rows, row)
	}
	return journal.WriteLedger(ctx, tx, rows...)
}

// tombstone keeps a message, or an account's copies of it, from a target, or from all.
type tombstone struct{ target, account, reason string }

type tombstones []tombstone

// find returns why the target must not learn of a copy that an account has.
func (list tombstones) find(target, account string) (reason string, found bool) {
	for _, s := range list {
		if (s.target == "" || s.target == target) && (s.account == "" || s.account == account) {
			return s.reason, true
		}
	}
	return "", false
}

func readTombstones(ctx context.Context, q store.Querier, key string) (out tombstones, err error) {
	rows, err := q.QueryContext(ctx, `SELECT target, account, reason FROM withdrawals WHERE message_key = $1 ORDER BY account, target`, key)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var s tombstone
		if err := rows.Scan(&s.target, &s.account, &s.reason); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

// withdrawalFollows sees to it that a message which is withdrawn while it is delivered does not stay at the target.
func (m *Mirror) withdrawalFollows(ctx context.Context, tx store.Querier, t *target, key string, receipt crmclient.Receipt) error {
	_, err := tx.ExecContext(ctx, `
		UPDATE deliveries SET state = $3, remote_id = CASE WHEN $4 = '' THEN remote_id ELSE $4 END, url = CASE WHEN $5 = '' THEN url ELSE $5 END
		WHERE message_key = $1 AND target = $2`, key, t.Name, deliveryWithdrawing, receipt.RemoteID, receipt.URL)
	if err != nil {
		return fmt.Errorf("delivery: %w", err)
	}
	_, err = m.o.Queue.Add(ctx, tx, queue.New{Kind: WithdrawKind(t.Name), Key: key, Payload: []byte(key), MaxAttempts: m.o.MaxAttempts})
	return err
}

func (m *Mirror) withdrawAgain(ctx context.Context, t *target, key string) error {
	err := m.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		if _, err := lockMessage(ctx, tx, m.o.Store.Dialect(), key); err != nil {
			return err
		}
		return m.withdrawalFollows(ctx, tx, t, key, crmclient.Receipt{})
	})
	if err != nil {
		return fmt.Errorf("asking to withdraw: %w", err)
	}
	m.o.Queue.Wake(WithdrawKind(t.Name))
	return nil
}

// withdrawWait is how long a withdrawal lets a delivery or update go on that was under way before it.
const withdrawWait = time.Second

// cannotWithdraw is the reason for a target without crmclient.ActivityWithdrawer.
const cannotWithdraw = "the target cannot take mail back; delete the record there by hand"

// workWithdrawal makes one attempt to withdraw a message and writes down what came of it.
func (m *Mirror) workWithdrawal(ctx context.Context, t *target, job queue.Job) queue.Result {
	key := string(job.Payload)
	if until, why := m.paused(t); !until.IsZero() {
		return queue.Result{Action: queue.Snooze, At: until, Reason: "waits: " + why}
	}
	d, err := readDelivery(ctx, m.o.Store.Reader(), key, t.Name)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return queue.Result{Action: queue.Cancel, Reason: "no message has this key any more"}
	case err != nil:
		return queue.Result{Action: queue.Retry, Reason: clip(err.Error())}
	case d.state != deliveryWithdrawing:
		return queue.Result{Action: queue.Complete}
	}
	// What is claimed from now on sees the state and tells the target nothing.
	for _, kind := range []string{Kind(t.Name), UpdateKind(t.Name)} {
		running, err := m.o.Queue.List(ctx, queue.Filter{Kind: kind, Key: key, State: queue.StateRunning, Limit: 1})
		if err != nil {
			return queue.Result{Action: queue.Retry, Reason: clip(err.Error())}
		}
		if len(running) > 0 {
			return queue.Result{Action: queue.Snooze, At: m.o.Now().Add(withdrawWait), Reason: "waits for a delivery that is under way"}
		}
	}
	limited, cancel := context.WithTimeoutCause(ctx, m.o.Timeout, fmt.Errorf("the target took longer than %v", m.o.Timeout))
	err = &crmclient.Error{Class: crmclient.ClassPermanent, Message: cannotWithdraw}
	withdrawer, able := crmclient.As[crmclient.ActivityWithdrawer](t.Client)
	if able {
		err = withdrawer.WithdrawEmail(limited, d.remoteID, key)
	}
	cancel()
	if err != nil && ctx.Err() != nil {
		return queue.Result{Action: queue.Snooze, Reason: "stopped meanwhile"}
	}
	r := m.judge(t, job, err)
	m.metrics.changed(t.Name, "withdraw", r.outcome)
	return m.settleWithdrawal(ctx, t, key, job, r)
}

func (m *Mirror) settleWithdrawal(ctx context.Context, t *target, key string, job queue.Job, r result) queue.Result {
	done := queue.Result{Job: job, Action: r.action, At: r.at, Reason: r.reason}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	err := m.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		messageID, err := lockMessage(ctx, tx, m.o.Store.Dialect(), key)
		if err != nil {
			return err
		}
		stones, err := readTombstones(ctx, tx, key)
		if err != nil {
			return err
		}
		reason, _ := stones.find(t.Name, "")
		state, ledger := deliveryWithdrawing, journal.LedgerState("")
		switch r.action {
		case queue.Complete:
			state, ledger = deliveryWithdrawn, journal.LedgerWithdrawn
		case queue.Discard:
			ledger, reason = journal.LedgerFailed, "could not be withdrawn: "+reason+": "+r.reason
		default:
			reason = reasonWithdrawing + r.reason
		}
		_, err = tx.ExecContext(ctx, `UPDATE deliveries SET state = $3, reason = $4, updated_at = $5 WHERE message_key = $1 AND target = $2`,
			key, t.Name, state, clip(reason), store.Micros(m.o.Now()))
		if err != nil {
			return fmt.Errorf("delivery: %w", err)
		}
		if err := noteShown(ctx, tx, key, messageID, t.Name, "", ledger, clip(reason), m.o.Now()); err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
		return m.o.Queue.Finish(ctx, tx, done)
	})
	if res, failed := m.unwritten(ctx, "withdrawal", t, key, done, err); failed {
		return res
	}
	return queue.Result{Job: job, Action: queue.Settled}
}
