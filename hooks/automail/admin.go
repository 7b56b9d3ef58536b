package automail

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"heliograph/internal/journal"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

// ErrUnknown says that the outbox does not know an entry, or no longer.
var ErrUnknown = errors.New("the message is not in the outbox")

// Filter selects messages for List. Empty fields select all.
type Filter struct {
	Finished    bool // those that have left the outbox; otherwise those that are in it
	Upstream    string
	ReversePath string     // exactly
	Before      journal.ID // only older ones: pass the last one's to page on
	Limit       int        // 0 means 100
}

const defaultLimit = 100

// List returns messages with their recipients, the newest first. Messages that no worker
// has looked at yet are not in it: they are jobs of the queue only.
func (o *Outbox) List(ctx context.Context, f Filter) (list []OutboxMessage, err error) {
	where, args := []string{"finished_at = 0"}, []any{}
	if f.Finished {
		where[0] = "finished_at <> 0"
	}
	arg := func(condition string, v any) {
		args = append(args, v)
		where = append(where, condition+" $"+strconv.Itoa(len(args)))
	}
	if f.Upstream != "" {
		arg("upstream =", f.Upstream)
	}
	if f.ReversePath != "" {
		arg("reverse_path =", f.ReversePath)
	}
	if f.Before != (journal.ID{}) {
		arg("entry <", f.Before.String())
	}
	if f.Limit <= 0 {
		f.Limit = defaultLimit
	}
	args = append(args, f.Limit)
	q := o.o.Store.Reader()
	rows, err := q.QueryContext(ctx, "SELECT "+messageColumns+" FROM outbox_messages WHERE "+strings.Join(where, " AND ")+
		" ORDER BY entry DESC LIMIT $"+strconv.Itoa(len(args)), args...)
	if err != nil {
		return nil, fmt.Errorf("listing the outbox: %w", err)
	}
	for rows.Next() {
		m, err := scanMessage(rows)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("listing the outbox: %w", err), rows.Close())
		}
		list = append(list, m)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, fmt.Errorf("listing the outbox: %w", err)
	}
	for i := range list {
		if list[i].Recipients, err = readRecipients(ctx, q, list[i].Entry); err != nil {
			return nil, fmt.Errorf("listing the outbox: %w", err)
		}
	}
	return list, nil
}

// Show returns one message. The error wraps ErrUnknown if there is none.
func (o *Outbox) Show(ctx context.Context, id journal.ID) (OutboxMessage, error) {
	m, err := readMessage(ctx, o.o.Store.Reader(), id)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrUnknown
	}
	return m, wrapStore("reading", id, err)
}

// Retry lets a message go on now: who is pending at once, and who has failed again,
// for the whole time from now until the message expires. The pause of its upstream
// ends too. The error wraps ErrUnknown if the message is not there or has nothing left to do.
func (o *Outbox) Retry(ctx context.Context, id journal.ID) error {
	now := o.o.Now()
	var upstream string
	err := o.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		m, err := readMessage(ctx, tx, id)
		if errors.Is(err, sql.ErrNoRows) || err == nil && m.count(StatePending, StateFailed) == 0 {
			return ErrUnknown
		}
		if err != nil {
			return err
		}
		upstream = m.Upstream
		if m.count(StateFailed) > 0 {
			return o.revive(ctx, tx, &m, now)
		}
		return nil
	})
	if err != nil {
		return wrapStore("retrying", id, err)
	}
	o.pace.succeeded(upstream)
	return o.runNow(ctx, id)
}

// revive makes failed recipients pending again.
func (o *Outbox) revive(ctx context.Context, tx store.Querier, m *OutboxMessage, now time.Time) error {
	expires := later(m.ExpiresAt, now.Add(o.o.Config.ExpireIn.D()))
	if _, err := tx.ExecContext(ctx, `
		UPDATE outbox_messages SET finished_at = 0, retried = 1, attempts = 0, next_try = $2, expires_at = $3 WHERE entry = $1`,
		m.Entry.String(), store.Micros(now), store.Micros(expires)); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `
		UPDATE outbox_recipients SET state = 'pending', next_try = $2 WHERE entry = $1 AND state = 'failed'`,
		m.Entry.String(), store.Micros(now)); err != nil {
		return err
	}
	return o.o.Journal.Note(ctx, tx, journal.LedgerRow{
		Entry: m.Entry, Target: ledgerTarget(m.Upstream), State: journal.LedgerPending, Reason: "tried again by the operator", At: now,
	})
}

// runNow makes the job of a message due, or gives it a new one.
func (o *Outbox) runNow(ctx context.Context, id journal.ID) error {
	jobs, err := o.o.Queue.List(ctx, queue.Filter{Kind: Kind, Key: id.String()})
	if err != nil {
		return err
	}
	live := false
	for _, j := range jobs {
		if !j.State.Live() {
			continue
		}
		live = true
		if _, err := o.o.Queue.Redrive(ctx, j.ID); err != nil {
			return err
		}
	}
	if !live {
		err := o.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
			_, err := o.o.Queue.Add(ctx, tx, queue.New{Kind: Kind, Key: id.String(), Payload: []byte(id.String()), MaxAttempts: -1})
			return err
		})
		if err != nil {
			return err
		}
	}
	o.o.Queue.Wake(Kind)
	return nil
}

// Drop gives a message up for who is still pending. The sender is not told; the reason is kept.
// An attempt that is just under way may still succeed. The error wraps ErrUnknown if there is no
// such message.
func (o *Outbox) Drop(ctx context.Context, id journal.ID, reason string) error {
	jobs, err := o.o.Queue.List(ctx, queue.Filter{Kind: Kind, Key: id.String()})
	if err != nil {
		return err
	}
	e, err := o.o.Journal.Entry(ctx, id)
	if errors.Is(err, journal.ErrNotFound) {
		err = ErrUnknown
	}
	if err != nil {
		return wrapStore("dropping", id, err)
	}
	if e.Kind != journal.KindQueue {
		return wrapStore("dropping", id, ErrUnknown)
	}
	if _, err := o.load(ctx, e); err != nil {
		return err
	}
	var ids []int64
	for _, j := range jobs {
		ids = append(ids, j.ID)
	}
	if _, err := o.o.Queue.Drop(ctx, reason, ids...); err != nil {
		return err
	}
	now := store.Micros(o.o.Now())
	err = o.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		if _, err := tx.ExecContext(ctx, `
			UPDATE outbox_recipients SET state = 'failed', code = 0, enhanced = '5.0.0', reply = $2, remote = '', next_try = 0
			WHERE entry = $1 AND state = 'pending'`, id.String(), clip("dropped: "+reason)); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `
			UPDATE outbox_messages SET finished_at = CASE WHEN finished_at = 0 THEN $2 ELSE finished_at END, next_try = 0, written = planned
			WHERE entry = $1`, id.String(), now); err != nil {
			return err
		}
		return o.o.Journal.Note(ctx, tx, journal.LedgerRow{
			Entry: id, Account: e.Account, Target: ledgerTarget(e.Upstream), State: journal.LedgerFailed, Reason: clip("dropped: " + reason), At: o.o.Now(),
		})
	})
	if err != nil {
		return wrapStore("dropping", id, err)
	}
	return o.o.Journal.Settle(id, "dropped")
}

// pruneAll forgets finished messages once an hour.
func (o *Outbox) pruneAll(ctx context.Context) {
	for {
		if n, err := o.prune(ctx); err != nil && ctx.Err() == nil {
			o.log.WarnContext(ctx, "finished messages not pruned", "err", err)
		} else if n > 0 {
			o.log.InfoContext(ctx, "finished messages pruned", "messages", n)
		}
		timer := time.NewTimer(pruneEvery)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// prune bounds what one transaction deletes: the rest goes an hour later.
func (o *Outbox) prune(ctx context.Context) (n int64, err error) {
	before := store.Micros(o.o.Now().Add(-retention))
	err = o.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		r, err := tx.ExecContext(ctx, `
			DELETE FROM outbox_messages WHERE entry IN (
				SELECT entry FROM outbox_messages WHERE finished_at <> 0 AND finished_at < $1 ORDER BY finished_at LIMIT 2000)`, before)
		if err != nil {
			return err
		}
		n, err = r.RowsAffected()
		return err
	})
	return n, err
}

// spread keeps messages that waited for the same moment from coming all at once.
func spread() time.Duration { return rand.N(2 * time.Second) }
