package mirror

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"heliograph/internal/journal"
	"heliograph/internal/message"
	"heliograph/internal/store"
)

// Identity is what the mirror found out about an entry.
type Identity struct {
	Message   string // message key, which all copies share
	Thread    string
	Direction string // as in crmclient.Activity
	// Excluded is why the message is not mirrored; empty: it is in scope. Private says that its owner does not want it to be looked at.
	Excluded string
	Private  bool
	// Unconfirmed says that nobody knows whether the message was really sent.
	Unconfirmed bool
}

// Identify returns what the mirror found out about an entry; false while it has not looked at it.
func Identify(ctx context.Context, q store.Querier, entry journal.ID) (id Identity, ok bool, err error) {
	err = q.QueryRowContext(ctx, `
		SELECT m.key, m.thread, m.direction, s.excluded, s.unconfirmed FROM sightings s JOIN messages m ON m.key = s.message_key WHERE s.entry = $1`,
		entry.String()).Scan(&id.Message, &id.Thread, &id.Direction, &id.Excluded, &id.Unconfirmed)
	if errors.Is(err, sql.ErrNoRows) {
		return id, false, nil
	}
	id.Private = id.Excluded != "" && !strings.HasPrefix(id.Excluded, "rule internal:")
	return id, err == nil, err
}

// ThreadFacts are what is known of a thread.
type ThreadFacts struct {
	ID       string
	Messages int
	// When its messages were first seen; zero: never. In and Out are those from outside and to the outside, without those of
	// machines: a receipt or an absence note is no answer.
	FirstAt, LastAt, LastIn, LastOut time.Time
}

// ThreadOf returns what is known of a thread, by its id or by the Message-ID (without brackets) of one of its messages; false where there is none.
// at is when that message was seen, if it was named.
func ThreadOf(ctx context.Context, q store.Querier, thread, messageID string) (f ThreadFacts, at time.Time, ok bool, err error) {
	return ThreadAsOf(ctx, q, thread, messageID, time.Time{})
}

// ThreadAsOf is ThreadOf as it was at a time: messages that were first seen later do not count. The zero time is now.
func ThreadAsOf(ctx context.Context, q store.Querier, thread, messageID string, when time.Time) (f ThreadFacts, at time.Time, ok bool, err error) {
	end := int64(math.MaxInt64)
	if !when.IsZero() {
		end = store.Micros(when)
	}
	if thread == "" {
		var seen int64
		err := q.QueryRowContext(ctx, `SELECT thread, first_seen FROM messages WHERE message_id = $1 AND first_seen <= $2 ORDER BY first_seen LIMIT 1`, messageID, end).Scan(&thread, &seen)
		if errors.Is(err, sql.ErrNoRows) {
			return f, at, false, nil
		}
		if err != nil {
			return f, at, false, err
		}
		at = store.FromMicros(seen)
	}
	ids, err := resolve(ctx, q, []string{thread})
	if errors.Is(err, sql.ErrNoRows) { // it was forgotten
		return f, at, false, nil
	}
	if err != nil {
		return f, at, false, err
	}
	f.ID = ids[0]
	var first, last, in, out sql.NullInt64
	err = q.QueryRowContext(ctx, `
		SELECT count(*), min(first_seen), max(first_seen), max(CASE WHEN direction = 'inbound' AND automated = 0 THEN first_seen END),
			max(CASE WHEN direction = 'outbound' AND automated = 0 THEN first_seen END)
		FROM messages WHERE thread = $1 AND first_seen <= $2`, f.ID, end).Scan(&f.Messages, &first, &last, &in, &out)
	if err != nil || f.Messages == 0 {
		return f, at, false, err
	}
	f.FirstAt, f.LastAt, f.LastIn, f.LastOut = store.FromMicros(first.Int64), store.FromMicros(last.Int64), store.FromMicros(in.Int64), store.FromMicros(out.Int64)
	return f, at, true, nil
}

// Talks are when people here and somebody outside last wrote to each other, whatever the thread; zero: never. What machines wrote does not count, and of
// what is kept out of all targets nobody knows.
type Talks struct{ LastIn, LastOut time.Time }

// maxLooked bounds the messages that a look into the past passes over, which had been sent by then and were seen only later, as by a backfill.
const maxLooked = 1000

// talksQuery finds the last messages in which an address ($1) has a part ($2), sent up to a time ($3).
const talksQuery = `SELECT sent_at, seen_at FROM correspondents WHERE address = $1 AND part = $2 AND part <> '' AND sent_at <= $3 ORDER BY sent_at DESC LIMIT `

// TalksAsOf returns when people here and those with the addresses last wrote to each other, as was known at a time; the zero time is now. ok is false
// where too many messages were seen later to tell.
func TalksAsOf(ctx context.Context, q store.Querier, addresses []string, when time.Time) (t Talks, ok bool, err error) {
	for _, address := range addresses {
		for part, last := range map[string]*time.Time{partWrote: &t.LastIn, partGot: &t.LastOut} {
			at, ok, err := lastTalk(ctx, q, message.NormalizeAddress(address), part, when)
			if err != nil || !ok {
				return t, false, err
			}
			if at.After(*last) {
				*last = at
			}
		}
	}
	return t, true, nil
}

func lastTalk(ctx context.Context, q store.Querier, address, part string, when time.Time) (at time.Time, ok bool, err error) {
	end, limit := int64(math.MaxInt64), 1
	if !when.IsZero() {
		end, limit = store.Micros(when), maxLooked
	}
	rows, err := q.QueryContext(ctx, talksQuery+strconv.Itoa(limit), address, part, end)
	if err != nil {
		return at, false, fmt.Errorf("who wrote to whom: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	n := 0
	for ; rows.Next(); n++ {
		var sent, seen int64
		if err := rows.Scan(&sent, &seen); err != nil {
			return at, false, err
		}
		if seen <= end {
			return store.FromMicros(sent), true, nil
		}
	}
	return at, n < limit, rows.Err()
}
