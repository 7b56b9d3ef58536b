package mirror

import (
	"context"
	"errors"
	"fmt"
	"time"

	"heliograph/internal/journal"
	"heliograph/internal/message"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

// The states of a delivery.
const (
	deliveryPending     = "pending"
	deliveryMirrored    = "mirrored"
	deliveryFailed      = "failed"
	deliveryExcluded    = "excluded"    // not for this target, as it turned out
	deliveryWithdrawing = "withdrawing" // the target may still have it
	deliveryWithdrawn   = "withdrawn"
)

func ledgerState(delivery string) journal.LedgerState {
	switch delivery {
	case deliveryMirrored:
		return journal.LedgerMirrored
	case deliveryFailed:
		return journal.LedgerFailed
	case deliveryExcluded:
		return journal.LedgerExcluded
	case deliveryWithdrawing, deliveryWithdrawn:
		return journal.LedgerWithdrawn
	}
	return journal.LedgerPending
}

// sight is a sighting with what decides who is told of it.
type sight struct {
	sighting
	thread string
	msg    *message.Message
	people people
	adds   bool // something that those who know the message already do not know yet
	stones tombstones
}

// requestAll asks each target to be told of a sighting, and returns those that got a job.
func (m *Mirror) requestAll(ctx context.Context, tx store.Querier, thread string, s sighting, msg *message.Message, p people, found recorded) (added []string, err error) {
	v := sight{sighting: s, thread: thread, msg: msg, people: p}
	if err := m.noteCorrespondents(ctx, tx, msg, s, p); err != nil {
		return nil, fmt.Errorf("correspondents: %w", err)
	}
	if !found.newMessage {
		if v.stones, err = readTombstones(ctx, tx, msg.Key); err != nil {
			return nil, fmt.Errorf("withdrawals: %w", err)
		}
		if v.adds, err = adds(ctx, tx, s, p, msg.Key, found.newSighting); err != nil {
			return nil, fmt.Errorf("sightings: %w", err)
		}
	}
	for _, t := range m.targets {
		ok, err := m.request(ctx, tx, t, v)
		if err != nil {
			return nil, fmt.Errorf("delivery to %s: %w", t.Name, err)
		}
		if ok {
			added = append(added, t.Name)
		}
	}
	return added, nil
}

// noteCorrespondents remembers who took part, so that an address can be taken back later, and who wrote or got it when, so that it is known when
// people last wrote to each other.
func (m *Mirror) noteCorrespondents(ctx context.Context, tx store.Querier, msg *message.Message, s sighting, p people) error {
	now := store.Micros(m.o.Now())
	for _, address := range p.addresses() { // sorted: all transactions lock in one order
		_, err := tx.ExecContext(ctx, `
			INSERT INTO correspondents (address, message_key, part, sent_at, seen_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
			address, msg.Key, p.part(address, msg), min(store.Micros(s.date), now), now)
		if err != nil {
			return err
		}
	}
	return nil
}

// adds tells whether the sighting may know more than those before it: another owner, blind recipients, a verdict.
func adds(ctx context.Context, tx store.Querier, s sighting, p people, key string, isNew bool) (bool, error) {
	if !isNew || len(p.bcc) > 0 {
		return true, nil
	}
	var same, unsure int
	err := tx.QueryRowContext(ctx, `
		SELECT COALESCE(SUM(CASE WHEN account = $2 THEN 1 ELSE 0 END), 0), COALESCE(SUM(unconfirmed), 0)
		FROM sightings WHERE message_key = $1 AND entry <> $3 AND excluded = ''`, key, s.account, s.entry.String()).Scan(&same, &unsure)
	return same == 0 && s.account != "" || unsure > 0, err
}

// request asks for one delivery unless somebody has, and puts its state into the ledger.
func (m *Mirror) request(ctx context.Context, tx store.Querier, t *target, v sight) (added bool, err error) {
	now := m.o.Now()
	note := func(state journal.LedgerState, reason string) error {
		return m.o.Journal.Note(ctx, tx, v.row(v.msg.MessageID, t.Name, state, reason, now))
	}
	if why, gone := v.stones.find(t.Name, v.account); gone {
		return false, note(journal.LedgerWithdrawn, why)
	}
	if why := t.unwanted(v); why != "" {
		return false, note(journal.LedgerExcluded, why)
	}
	r, err := tx.ExecContext(ctx, `
		INSERT INTO deliveries (message_key, target, state, reason, remote_id, url, received_at, updated_at)
		VALUES ($1, $2, $3, '', '', '', $4, $5) ON CONFLICT (message_key, target) DO NOTHING`,
		v.msg.Key, t.Name, deliveryPending, store.Micros(v.at), store.Micros(now))
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	if err != nil {
		return false, err
	}
	if n == 1 {
		return true, errors.Join(m.addJob(ctx, tx, t, v, now), note(journal.LedgerPending, ""))
	}
	var state, reason string
	err = tx.QueryRowContext(ctx, `SELECT state, reason FROM deliveries WHERE message_key = $1 AND target = $2`, v.msg.Key, t.Name).Scan(&state, &reason)
	switch {
	case err != nil:
		return false, err
	case state == deliveryExcluded:
		// Perhaps this copy is for the target. What leaves is looked at again before it is sent.
		_, err := tx.ExecContext(ctx, `UPDATE deliveries SET state = $3, reason = '', wanted = wanted + 1 WHERE message_key = $1 AND target = $2`,
			v.msg.Key, t.Name, deliveryPending)
		if err != nil {
			return false, err
		}
		return true, errors.Join(m.addJob(ctx, tx, t, v, now), note(journal.LedgerPending, ""))
	case v.adds:
		if state == deliveryMirrored && !t.updates() {
			reason = reasonUntold
		}
		if err := m.wantUpdate(ctx, tx, t, v.msg.Key); err != nil {
			return false, err
		}
	}
	return false, note(ledgerState(state), reason)
}

func (m *Mirror) addJob(ctx context.Context, tx store.Querier, t *target, v sight, now time.Time) error {
	_, err := m.o.Queue.Add(ctx, tx, queue.New{
		Kind: Kind(t.Name), Key: v.msg.Key, OrderKey: v.thread, Payload: []byte(v.msg.Key), MaxAttempts: m.o.MaxAttempts, RunAt: t.due(now),
	})
	return err
}
