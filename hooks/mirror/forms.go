package mirror

import (
	"context"
	"fmt"

	"heliograph/hooks"
	"heliograph/internal/message"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

// settleForm brings the form of a sighting up to date: a new one is given its place and its thread, a known one
// may lose its place by the way it was seen now. It returns the form as it is in the store afterwards.
func (m *Mirror) settleForm(ctx context.Context, tx store.Querier, s sighting, msg *message.Message, p people, read map[string]*message.Message, out *recorded) (form, error) {
	x := newForm(s, msg)
	f, err := m.relate(ctx, tx, &x)
	if err != nil {
		return x, fmt.Errorf("message: %w", err)
	}
	if f.self != nil && f.self.bond != bondLoose {
		gained := x.ways &^ f.self.ways
		x = *f.self
		if gained == 0 {
			return x, nil
		}
		return m.gain(ctx, tx, x, gained, out)
	}
	if out.newMessage = f.self == nil; !out.newMessage {
		ways := x.ways
		x = *f.self
		x.ways |= ways
	}
	k, err := f.kin(&x, msg, read)
	if err != nil {
		return x, err
	}
	x.joined, x.mate, x.bond, x.gap = "", "", bondNone, 0
	var seeds []string
	if k != nil {
		if k.evicted != "" {
			out.again = true
			if err := m.evict(ctx, tx, k.evicted, k.alone); err != nil {
				return x, fmt.Errorf("kinship: %w", err)
			}
		}
		x.joined, x.mate, x.bond, x.gap = k.joined, k.mate.key, k.bond, k.gap
		seeds = append(seeds, k.mate.thread)
		out.bond = k.bond
	}
	if x.thread, out.joined, err = m.thread(ctx, tx, s, msg, p, seeds); err != nil {
		return x, fmt.Errorf("thread: %w", err)
	}
	if out.newMessage {
		x.automated = msg.Automated || msg.Report != ""
		return x, m.insertForm(ctx, tx, &x, p)
	}
	return x, m.rejoin(ctx, tx, &x)
}

func (m *Mirror) insertForm(ctx context.Context, tx store.Querier, x *form, p people) error {
	r, err := tx.ExecContext(ctx, `
		INSERT INTO messages (key, message_id, thread, direction, sent_at, first_seen, last_seen, joined, mate, bond, gap, likeness, moment, ways, automated)
		VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT (key) DO NOTHING`,
		x.key, x.messageID, x.thread, string(p.direction), x.sentAt, store.Micros(m.o.Now()),
		x.joined, x.mate, int(x.bond), x.gap, x.likeness, x.moment, x.ways, number(x.automated))
	if err != nil {
		return fmt.Errorf("message: %w", err)
	}
	n, err := r.RowsAffected()
	if err == nil && n == 0 {
		err = errRaced
	}
	return err
}

// rejoin writes the new place of a form that had lost its own.
func (m *Mirror) rejoin(ctx context.Context, tx store.Querier, x *form) error {
	_, err := tx.ExecContext(ctx, `UPDATE messages SET joined = $2, mate = $3, bond = $4, gap = $5, ways = $6, thread = $7 WHERE key = $1`,
		x.key, x.joined, x.mate, int(x.bond), x.gap, x.ways, x.thread)
	if err == nil && x.joined != "" {
		_, err = tx.ExecContext(ctx, `UPDATE sightings SET message_key = $2 WHERE message_key = $1 AND form = $1`, x.key, x.joined)
	}
	if err != nil {
		return fmt.Errorf("kinship: %w", err)
	}
	return nil
}

// gain notes that a known form was seen in a way that it was not seen before. What was guessed
// must give way to what is known now: each form that was submitted is a message, and who has an exact copy has no weak one.
func (m *Mirror) gain(ctx context.Context, tx store.Querier, x form, gained int, out *recorded) (form, error) {
	x.ways |= gained
	if _, err := tx.ExecContext(ctx, `UPDATE messages SET ways = $2 WHERE key = $1`, x.key, x.ways); err != nil {
		return x, fmt.Errorf("message: %w", err)
	}
	if gained&(wayWire|wayKept) == 0 {
		return x, nil
	}
	all, err := members(ctx, tx, x.row(), allForms)
	if err != nil {
		return x, fmt.Errorf("kinship: %w", err)
	}
	leaver := ""
	for _, c := range all {
		if gained&wayWire != 0 && c.key != x.key && c.is(wayWire) {
			leaver = c.key
		}
	}
	if pair := relatives(all).weakPair(&x); leaver == "" && pair != nil && x.is(wayWire) && x.is(wayKept) {
		leaver = pair.key
	}
	out.again = leaver != ""
	switch {
	case leaver == "":
		return x, nil
	case leaver == x.key || x.joined != "" && gained&wayWire != 0:
		err = m.evict(ctx, tx, x.key, true)
		x.joined, x.mate, x.bond, x.gap = "", "", bondNone, 0
	default:
		err = m.evict(ctx, tx, leaver, false)
	}
	if err != nil {
		return x, fmt.Errorf("kinship: %w", err)
	}
	return x, nil
}

// evict takes a form, and the forms that are in the message because of it, out of the message that they joined. Alone, it
// becomes a message of its own, to which the others go with it; else all of them are looked at again. In both cases their
// entries are handled once more, which asks for what is to be delivered.
func (m *Mirror) evict(ctx context.Context, tx store.Querier, key string, alone bool) error {
	var row string
	if err := tx.QueryRowContext(ctx, `SELECT joined FROM messages WHERE key = $1`, key).Scan(&row); err != nil {
		return err
	}
	all, err := members(ctx, tx, row, allForms)
	if err != nil {
		return err
	}
	leaving := map[string]bool{key: true}
	for range all { // followers of followers
		for _, c := range all {
			if c.joined != "" && leaving[c.mate] {
				leaving[c.key] = true
			}
		}
	}
	for _, c := range all {
		if !leaving[c.key] {
			continue
		}
		to, query := c.key, `UPDATE messages SET joined = '', mate = '', bond = -1, gap = 0 WHERE key = $1`
		switch {
		case alone && c.key == key:
			query = `UPDATE messages SET joined = '', mate = '', bond = 0, gap = 0 WHERE key = $1`
		case alone:
			to, query = key, `UPDATE messages SET joined = $2 WHERE key = $1`
		}
		if err := m.leave(ctx, tx, row, c.key, to, query); err != nil {
			return err
		}
	}
	return nil
}

// leave moves the sightings of a form from one message to another and has their entries handled again.
func (m *Mirror) leave(ctx context.Context, tx store.Querier, row, key, to, query string) error {
	args := []any{key, to}
	if key == to {
		args = args[:1]
	}
	if _, err := tx.ExecContext(ctx, query, args...); err != nil {
		return err
	}
	entries, err := column(ctx, tx, `UPDATE sightings SET message_key = $3 WHERE message_key = $1 AND form = $2 RETURNING entry`, []any{row, key, to})
	if err != nil {
		return err
	}
	// Who was told of them as copies of that message is told that they are none.
	if err := m.changed(ctx, tx, row); err != nil {
		return err
	}
	jobs := make([]queue.New, len(entries))
	for i, entry := range entries {
		// The key is one that no job has: one that is about to end must not pass for this one.
		jobs[i] = queue.New{Kind: hooks.Kind(Name), Key: fmt.Sprintf("%s again %d", entry, m.o.Now().UnixNano()), Payload: []byte(entry)}
	}
	_, err = m.o.Queue.Add(ctx, tx, jobs...)
	return err
}
