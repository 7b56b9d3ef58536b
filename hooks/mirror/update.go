package mirror

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"heliograph/crmclient"
	"heliograph/internal/journal"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

// UpdateKind is the kind of the queue jobs that tell a target what became known of a message since it got it.
func UpdateKind(target string) string { return "update:" + target }

// defaultDebounce gathers what ten colleagues who get one mail add to it.
const defaultDebounce = 5 * time.Second

// reasonUntold is in the ledger for sightings of which a target that cannot be updated will not learn.
const reasonUntold = "seen after the target had it; the target cannot be told"

// updates tells whether the target can change what it was told.
func (t *target) updates() bool {
	_, ok := crmclient.As[crmclient.ActivityUpdater](t.Client)
	return ok
}

// wantUpdate notes that there is more to say of a message than the target was told, and asks for the update if it was
// told at all. While a delivery is under way, its end asks.
func (m *Mirror) wantUpdate(ctx context.Context, tx store.Querier, t *target, key string) error {
	if !t.updates() {
		return nil
	}
	var state string
	err := tx.QueryRowContext(ctx, `UPDATE deliveries SET wanted = wanted + 1 WHERE message_key = $1 AND target = $2 RETURNING state`,
		key, t.Name).Scan(&state)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil || state != deliveryMirrored {
		return err
	}
	return m.addUpdate(ctx, tx, t, key)
}

func (m *Mirror) addUpdate(ctx context.Context, tx store.Querier, t *target, key string) error {
	at := m.o.Now().Add(m.o.Debounce)
	if due := t.due(at); !due.IsZero() {
		at = due
	}
	_, err := m.o.Queue.Add(ctx, tx, queue.New{Kind: UpdateKind(t.Name), Key: key, Payload: []byte(key), MaxAttempts: m.o.MaxAttempts, RunAt: at})
	return err
}

// changed asks all targets that have a message for an update.
func (m *Mirror) changed(ctx context.Context, tx store.Querier, keys ...string) error {
	for _, key := range keys {
		for _, t := range m.targets {
			if err := m.wantUpdate(ctx, tx, t, key); err != nil {
				return fmt.Errorf("asking for an update of %s: %w", t.Name, err)
			}
		}
	}
	return nil
}

// maxRethreaded bounds how many messages of a thread that becomes part of another have their activities updated, the newest
// first: what is older than that nobody looks for in a thread.
const maxRethreaded = 500

// rethread asks for updates of the messages of a thread that is about to become part of another.
func (m *Mirror) rethread(ctx context.Context, tx store.Querier, thread string) error {
	if !slices.ContainsFunc(m.targets, (*target).updates) {
		return nil
	}
	keys, err := column(ctx, tx, fmt.Sprintf(`SELECT key FROM messages WHERE thread = $1 ORDER BY first_seen DESC, key LIMIT %d`, maxRethreaded), []any{thread})
	if err != nil {
		return err
	}
	slices.Sort(keys) // all transactions lock in one order
	return m.changed(ctx, tx, keys...)
}

// digestOf stands for all that an update may change.
func digestOf(a *crmclient.Activity) string {
	type told struct {
		Accounts, BCC []string
		Thread        string
		Unconfirmed   bool
		Contacts      []string
	}
	t := told{Accounts: slices.Sorted(slices.Values(a.Accounts)), Thread: a.Thread, Unconfirmed: a.Unconfirmed}
	for _, p := range a.BCC {
		t.BCC = append(t.BCC, p.Address)
	}
	slices.Sort(t.BCC)
	for _, k := range a.Contacts {
		t.Contacts = append(t.Contacts, k.Kind+" "+k.ID)
	}
	text, err := json.Marshal(t)
	if err != nil {
		panic(fmt.Sprintf("mirror: %T as JSON: %v", t, err)) // strings and a bool can always be written
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// delivery is the row of a message at a target.
type delivery struct {
	state, reason, remoteID, url, digest string
	wanted, told                         int64
}

func readDelivery(ctx context.Context, q store.Querier, key, target string) (d delivery, err error) {
	err = q.QueryRowContext(ctx, `
		SELECT state, reason, remote_id, url, digest, wanted, told FROM deliveries WHERE message_key = $1 AND target = $2`, key, target).
		Scan(&d.state, &d.reason, &d.remoteID, &d.url, &d.digest, &d.wanted, &d.told)
	return d, err
}

// workUpdate makes one attempt to update a target and writes down what came of it.
func (m *Mirror) workUpdate(ctx context.Context, t *target, job queue.Job) queue.Result {
	key := string(job.Payload)
	if until, why := m.paused(t); !until.IsZero() {
		return queue.Result{Action: queue.Snooze, At: until, Reason: "waits: " + why}
	}
	d, err := readDelivery(ctx, m.o.Store.Reader(), key, t.Name)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return queue.Result{Action: queue.Cancel, Reason: "no message has this key any more"}
	case err == nil && (d.state != deliveryMirrored || !t.updates()):
		return queue.Result{Action: queue.Complete} // what is still to be delivered will say all
	}
	digest := d.digest
	if err == nil {
		limited, cancel := context.WithTimeoutCause(ctx, m.o.Timeout, fmt.Errorf("the target took longer than %v", m.o.Timeout))
		digest, err = m.update(limited, t, key, d)
		cancel()
	}
	if err != nil && ctx.Err() != nil {
		return queue.Result{Action: queue.Snooze, Reason: "stopped meanwhile"}
	}
	var excluded *excludedError
	if errors.As(err, &excluded) { // what must not leave any more is not told either
		digest, err = d.digest, nil
	}
	gone := errors.Is(err, crmclient.ErrNoRecord)
	if gone {
		err = nil // somebody deleted it there, and is not to be corrected
	}
	r := m.judge(t, job, err)
	if gone {
		r.reason = "the record is not in the target any more"
	}
	m.metrics.changed(t.Name, "update", r.outcome)
	return m.settleUpdate(ctx, t, key, job, r, d, digest)
}

// update tells the target what changed, if anything did.
func (m *Mirror) update(ctx context.Context, t *target, key string, d delivery) (digest string, err error) {
	b, err := m.build(ctx, t, key)
	if err != nil {
		return "", err
	}
	if _, err := m.match(ctx, t, b.activity, b.people, b.msg, true); err != nil {
		return "", err
	}
	if digest = digestOf(b.activity); digest == d.digest {
		return digest, nil
	}
	updater, ok := crmclient.As[crmclient.ActivityUpdater](t.Client)
	if !ok {
		return d.digest, nil
	}
	if err := m.confirmScope(ctx, b.activity); err != nil {
		return "", err
	}
	if _, err := updater.UpdateEmail(ctx, d.remoteID, b.activity); err != nil {
		return "", fmt.Errorf("updating the activity: %w", err)
	}
	return digest, nil
}

// settleUpdate writes the outcome of an update. What came to be known meanwhile asks for one more.
func (m *Mirror) settleUpdate(ctx context.Context, t *target, key string, job queue.Job, r result, before delivery, digest string) queue.Result {
	done := queue.Result{Job: job, Action: r.action, At: r.at, Reason: r.reason}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	err := m.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		done = queue.Result{Job: job, Action: r.action, At: r.at, Reason: r.reason}
		messageID, err := lockMessage(ctx, tx, m.o.Store.Dialect(), key)
		if err != nil {
			return err
		}
		now, err := readDelivery(ctx, tx, key, t.Name)
		if err != nil {
			return fmt.Errorf("delivery: %w", err)
		}
		switch {
		case now.state != deliveryMirrored: // it is being withdrawn
		case r.action == queue.Complete:
			_, err := tx.ExecContext(ctx, `UPDATE deliveries SET told = $3, digest = $4 WHERE message_key = $1 AND target = $2`,
				key, t.Name, before.wanted, digest)
			if err != nil {
				return fmt.Errorf("delivery: %w", err)
			}
			if now.wanted > before.wanted {
				done.Action, done.At, done.Reason = queue.Snooze, cmp.Or(t.due(m.o.Now()), m.o.Now().Add(m.o.Debounce)), "more was seen meanwhile"
			}
			if err := m.noteAll(ctx, tx, t, key, messageID, journal.LedgerMirrored, r.reason); err != nil {
				return err
			}
		default:
			if err := m.noteAll(ctx, tx, t, key, messageID, journal.LedgerMirrored, "the update is not done: "+r.reason); err != nil {
				return err
			}
		}
		return m.o.Queue.Finish(ctx, tx, done)
	})
	if res, failed := m.unwritten(ctx, "update", t, key, done, err); failed {
		return res
	}
	return queue.Result{Job: job, Action: queue.Settled}
}
