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
	Rule, Run   string     // of rules' mail
	Held        bool       // only those that wait although they are due
	State       State      // only those with a recipient in this state
	Automated   *bool      // mail of rules only, or that of machines only
	Copy        CopyState  // only with this state of the sender's copy
	Recipient   string     // only to an address that contains it
	Scope       *Seen      // nil: all
	Before      journal.ID // only older ones: pass the last one's to page on
	Limit       int        // 0 means 100
}

const defaultLimit = 100

// Control is what an operator can do to an outbox. It needs the store only, so that it
// works beside a running gateway, and without one for what is to happen later.
type Control struct {
	Store    *store.DB
	Queue    *queue.Queue
	ExpireIn time.Duration    // how long Retry tries what had failed; zero means until it expires as it was
	Now      func() time.Time // nil is time.Now
}

func (o *Outbox) control() Control {
	return Control{Store: o.o.Store, Queue: o.o.Queue, ExpireIn: o.o.Config.ExpireIn.D(), Now: o.o.Now}
}

// List is Control.List.
func (o *Outbox) List(ctx context.Context, f Filter) ([]OutboxMessage, error) {
	return o.control().List(ctx, f)
}

// Show is Control.Show.
func (o *Outbox) Show(ctx context.Context, id journal.ID) (OutboxMessage, error) {
	return o.control().Show(ctx, id)
}

// Retry is Control.Retry, and ends a pause of the message's upstream.
func (o *Outbox) Retry(ctx context.Context, id journal.ID) error {
	c := o.control()
	m, err := c.Show(ctx, id)
	if err != nil {
		return err
	}
	o.pace.succeeded(m.Upstream)
	return c.Retry(ctx, id)
}

// Drop is Control.Drop.
func (o *Outbox) Drop(ctx context.Context, id journal.ID, reason string) error {
	return o.control().Drop(ctx, id, reason)
}

func (c Control) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}

// List returns messages with their recipients, the newest first. Messages that no worker
// has looked at yet are not in it: they are jobs of the queue only.
func (c Control) List(ctx context.Context, f Filter) (list []OutboxMessage, err error) {
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
	if f.Rule != "" {
		arg("effect IN (SELECT effect FROM outbox_effects WHERE rule =", f.Rule)
		where[len(where)-1] += ")"
	}
	if f.Run != "" {
		arg("effect IN (SELECT effect FROM outbox_effects WHERE run =", f.Run)
		where[len(where)-1] += ")"
	}
	if f.Held {
		where = append(where, "held <> ''")
	}
	if f.State != "" {
		arg("entry IN (SELECT entry FROM outbox_recipients WHERE state =", string(f.State))
		where[len(where)-1] += ")"
	}
	if f.Before != (journal.ID{}) {
		arg("entry <", f.Before.String())
	}
	q := &query{where: where, args: args}
	f.more(q)
	where, args = q.where, q.args
	if f.Limit <= 0 {
		f.Limit = defaultLimit
	}
	args = append(args, f.Limit)
	if list, err = readMessages(ctx, c.Store.Reader(), strings.Join(where, " AND ")+" ORDER BY entry DESC LIMIT $"+strconv.Itoa(len(args)), args...); err != nil {
		return nil, fmt.Errorf("listing the outbox: %w", err)
	}
	return list, nil
}

// more adds what an operator rarely asks for.
func (f *Filter) more(q *query) {
	switch {
	case f.Automated == nil:
	case *f.Automated:
		q.and("effect <> ''")
	default:
		q.and("effect = ''")
	}
	if f.Copy != "" {
		q.and("effect IN (SELECT effect FROM outbox_effects WHERE copy = ?)", string(f.Copy))
	}
	if f.Recipient != "" {
		q.and(`entry IN (SELECT entry FROM outbox_recipients WHERE lower(recipient) LIKE ? ESCAPE '\')`, holding(f.Recipient))
	}
	if f.Scope != nil {
		f.Scope.of(q, "effect")
	}
}

func readMessages(ctx context.Context, q store.Querier, where string, args ...any) (list []OutboxMessage, err error) {
	rows, err := q.QueryContext(ctx, "SELECT "+messageColumns+" FROM outbox_messages WHERE "+where, args...)
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		m, err := scanMessage(rows)
		if err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		list = append(list, m)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	for i := range list {
		if list[i].Effect.ID != "" {
			if list[i].Effect, err = readEffect(ctx, q, list[i].Effect.ID); err != nil {
				return nil, err
			}
		}
		if list[i].Recipients, err = readRecipients(ctx, q, list[i].Entry); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Show returns one message. The error wraps ErrUnknown if there is none.
func (c Control) Show(ctx context.Context, id journal.ID) (OutboxMessage, error) {
	m, err := readMessage(ctx, c.Store.Reader(), id)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrUnknown
	}
	return m, wrapStore("reading", id, err)
}

// Retry lets a message go on now: who is pending at once, and who has failed, was suppressed, or whose verdict was lost, again,
// with all its time before it. The error wraps ErrUnknown if the message is not there or has nothing left to do.
func (c Control) Retry(ctx context.Context, id journal.ID) error {
	now := store.Micros(c.now())
	err := c.change(ctx, id, []State{StatePending, StateFailed, StateUnknown, StateSuppressed}, func(ctx context.Context, tx store.Querier, m *OutboxMessage) error {
		expires := later(m.ExpiresAt, c.now().Add(c.ExpireIn))
		if _, err := tx.ExecContext(ctx, `
			UPDATE outbox_messages SET finished_at = 0, retried = 1, attempts = 0, next_try = $2, expires_at = $3 WHERE entry = $1`,
			id.String(), now, store.Micros(expires)); err != nil {
			return err
		}
		// Whose verdict is still looked for stays so: it may have arrived.
		_, err := tx.ExecContext(ctx, `
			UPDATE outbox_recipients SET state = 'pending', next_try = $2, notice_action = '', dotted = 0, told = ''
			WHERE entry = $1 AND state IN ('failed', 'unknown', 'suppressed')`, id.String(), now)
		return err
	})
	return wrapStore("retrying", id, err)
}

// Settle says what became of those whose verdict was lost, for who has found out. The error wraps ErrUnknown if there is nobody.
func (c Control) Settle(ctx context.Context, id journal.ID, arrived bool, reason string) error {
	state, code, enhanced := StateFailed, 0, "5.0.0"
	if arrived {
		state, code, enhanced = StateDelivered, 250, "2.0.0"
	}
	err := c.change(ctx, id, []State{StateUnknown}, func(ctx context.Context, tx store.Querier, _ *OutboxMessage) error {
		if _, err := tx.ExecContext(ctx, `UPDATE outbox_messages SET finished_at = 0 WHERE entry = $1`, id.String()); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `
			UPDATE outbox_recipients SET state = $2, code = $3, enhanced = $4, reply = $5, dotted = 0 WHERE entry = $1 AND state = 'unknown'`,
			id.String(), string(state), code, enhanced, clip("settled by an operator: "+reason))
		return err
	})
	return wrapStore("settling", id, err)
}

// Drop gives a message up for who is still pending. The sender is not told, the run of a rule is; the reason is kept. An
// attempt that is just under way may still succeed. The error wraps ErrUnknown if nobody is
// pending.
func (c Control) Drop(ctx context.Context, id journal.ID, reason string) error {
	err := c.change(ctx, id, []State{StatePending}, func(ctx context.Context, tx store.Querier, _ *OutboxMessage) error {
		_, err := tx.ExecContext(ctx, `
			UPDATE outbox_recipients SET state = 'failed', code = 0, enhanced = '5.0.0', reply = $2, remote = '', next_try = 0, notice_action = $3, dotted = 0
			WHERE entry = $1 AND state = 'pending'`, id.String(), clip("dropped: "+reason), actionDropped)
		return err
	})
	return wrapStore("dropping", id, err)
}

// change changes a message and makes its job due. A message without recipients in one of the states is none to it.
func (c Control) change(ctx context.Context, id journal.ID, states []State, do func(context.Context, store.Querier, *OutboxMessage) error) error {
	jobs, err := c.Queue.List(ctx, queue.Filter{Kind: Kind, Key: id.String()})
	if err != nil {
		return err
	}
	err = c.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		m, err := readMessage(ctx, tx, id)
		if errors.Is(err, sql.ErrNoRows) || err == nil && m.count(states...) == 0 {
			return ErrUnknown
		}
		if err != nil {
			return err
		}
		if err := do(ctx, tx, &m); err != nil {
			return err
		}
		// Does nothing while there is a live job.
		_, err = c.Queue.Add(ctx, tx, queue.New{Kind: Kind, Key: id.String(), Payload: []byte(id.String()), MaxAttempts: -1, Priority: m.Effect.Priority})
		return err
	})
	if err != nil {
		return err
	}
	for _, j := range jobs {
		switch {
		case j.State.Live():
			_, err = c.Queue.Redrive(ctx, j.ID)
		case j.State == queue.StateDiscarded: // the new job goes on in its place
			_, err = c.Queue.Drop(ctx, "taken up again by the operator", j.ID)
		}
		if err != nil {
			return err
		}
	}
	c.Queue.Wake(Kind)
	return nil
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

// prune bounds what one transaction deletes: the rest goes an hour later. Effects stay longer than their messages: they are what keeps a
// repeated step from sending again, and bounces come late.
func (o *Outbox) prune(ctx context.Context) (n int64, err error) {
	now := o.o.Now()
	before, long := store.Micros(now.Add(-retention)), store.Micros(now.Add(-effectRetention))
	err = o.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		r, err := tx.ExecContext(ctx, `
			DELETE FROM outbox_messages WHERE entry IN (
				SELECT entry FROM outbox_messages WHERE finished_at <> 0 AND finished_at < $1 ORDER BY finished_at LIMIT 2000)`, before)
		if err != nil {
			return err
		}
		if n, err = r.RowsAffected(); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `
			DELETE FROM outbox_effects WHERE effect IN (
				SELECT e.effect FROM outbox_effects e LEFT JOIN outbox_messages m ON m.entry = e.entry
				WHERE e.created_at < $1 AND m.entry IS NULL ORDER BY e.created_at LIMIT 2000)`, long); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM outbox_bounces WHERE at < $1`, long)
		return err
	})
	return n, err
}

// spread keeps messages that waited for the same moment from coming all at once.
func spread() time.Duration { return rand.N(2 * time.Second) }
