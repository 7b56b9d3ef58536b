package mirror

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"heliograph/internal/message"
	"heliograph/internal/store"
)

const (
	// maxRefs bounds how many ids one message ties together; its nearest count.
	maxRefs = 50
	// subjectWindow is how long a subject with the same people means the same thread.
	subjectWindow = 30 * 24 * time.Hour
	// threadLock is the PostgreSQL advisory lock under which threads are joined.
	threadLock = 0x68656c696f // "helio"
)

// thread finds or opens the thread of a new message. seeds are the threads that it belongs to in any case. Two messages that
// arrive at once and name the same id meet at the unique key of thread_refs: the second waits, misses a row that it
// wanted to insert, looks again, and joins. joined counts threads that became one.
func (m *Mirror) thread(ctx context.Context, tx store.Querier, s sighting, msg *message.Message, p people, seeds []string) (id string, joined int, err error) {
	refs := references(msg)
	hash, reply := subjectHash(msg, p)
	found, missing, err := threadsOf(ctx, tx, refs)
	if err != nil {
		return "", 0, err
	}
	if len(seeds) > 0 {
		if seeds, err = resolve(ctx, tx, seeds); err != nil {
			return "", 0, err
		}
		found = unite(found, seeds)
	}
	// Who names ids says what is answered; a subject must not tie what they do not.
	if len(found) == 0 && reply && msg.ThreadIndex == "" && len(msg.ThreadIDs()) == 0 {
		if found, err = threadOfSubject(ctx, tx, hash, s.date); err != nil {
			return "", 0, err
		}
	}
	own := "t" + s.entry.String() // sorts by time: when threads join, the oldest stays
	if len(found) == 0 {
		if _, err := tx.ExecContext(ctx, `INSERT INTO threads (id, created_at, joined) VALUES ($1, $2, '')`, own, store.Micros(m.o.Now())); err != nil {
			return "", 0, err
		}
		found = []string{own}
	}
	if found, err = claimRefs(ctx, tx, refs, missing, found); err != nil {
		return "", 0, err
	}
	id = found[0]
	if len(found) > 1 {
		if id, err = m.join(ctx, tx, found); err != nil {
			return "", 0, err
		}
	}
	if hash != "" {
		_, err = tx.ExecContext(ctx, `
			INSERT INTO thread_subjects (hash, thread, seen_at) VALUES ($1, $2, $3)
			ON CONFLICT (hash) DO UPDATE SET thread = excluded.thread, seen_at = excluded.seen_at
			WHERE excluded.seen_at >= thread_subjects.seen_at`, hash, id, store.Micros(s.date))
	}
	return id, len(found) - 1, err
}

// references returns what ties the message to others, sorted, so that transactions lock in
// one order.
func references(msg *message.Message) []string {
	ids := msg.ThreadIDs()
	ids = ids[:min(len(ids), maxRefs)]
	if msg.MessageID != "" {
		ids = append(ids, msg.MessageID)
	}
	if msg.ThreadIndex != "" {
		ids = append(ids, "thread-index:"+msg.ThreadIndex)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// subjectHash stands for the subject and the correspondents. reply tells whether the subject
// says that it answers something. There is no hash without a subject or correspondents.
func subjectHash(msg *message.Message, p people) (hash string, reply bool) {
	base, reply := message.BaseSubject(msg.Subject)
	if base == "" || len(p.external) == 0 {
		return "", false
	}
	sum := sha256.Sum256([]byte(base + "\n" + strings.Join(p.addresses(), "\n")))
	return hex.EncodeToString(sum[:]), reply
}

// claimRefs names the first of the found threads for all refs that have none, and returns what is found now.
func claimRefs(ctx context.Context, tx store.Querier, refs, missing, found []string) ([]string, error) {
	if len(missing) == 0 {
		return found, nil
	}
	rows := make([]string, len(missing))
	args := []any{found[0]}
	for i, ref := range missing {
		args = append(args, ref)
		rows[i] = "($" + strconv.Itoa(i+2) + ", $1)"
	}
	r, err := tx.ExecContext(ctx, `INSERT INTO thread_refs (ref, thread) VALUES `+strings.Join(rows, ", ")+` ON CONFLICT (ref) DO NOTHING`, args...)
	if err != nil {
		return nil, err
	}
	if n, err := r.RowsAffected(); err != nil || n == int64(len(missing)) {
		return found, err
	}
	// Another message brought one of the ids meanwhile.
	again, _, err := threadsOf(ctx, tx, refs)
	return unite(found, again), err
}

// threadsOf returns the threads that any of the refs belong to, sorted, each as what it
// has become, and the refs that belong to none.
func threadsOf(ctx context.Context, tx store.Querier, refs []string) (threads, missing []string, err error) {
	if len(refs) == 0 {
		return nil, nil, nil
	}
	marks := make([]string, len(refs))
	args := make([]any, len(refs))
	for i, ref := range refs {
		marks[i], args[i] = "$"+strconv.Itoa(i+1), ref
	}
	rows, err := tx.QueryContext(ctx, `SELECT ref, thread, joined FROM thread_refs JOIN threads ON id = thread WHERE ref IN (`+strings.Join(marks, ", ")+`)`, args...)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var chained []string // of a transaction that joined them meanwhile
	for rows.Next() {
		var ref, thread, joined string
		if err := rows.Scan(&ref, &thread, &joined); err != nil {
			return nil, nil, err
		}
		if i, ok := slices.BinarySearch(refs, ref); ok {
			marks[i] = ""
		}
		if joined == "" {
			threads = append(threads, thread)
		} else {
			chained = append(chained, joined)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, nil, err
	}
	for i, mark := range marks {
		if mark != "" {
			missing = append(missing, refs[i])
		}
	}
	if len(chained) > 0 {
		if chained, err = resolve(ctx, tx, unite(chained)); err != nil {
			return nil, nil, err
		}
	}
	return unite(threads, chained), missing, nil
}

// column returns the only column of a query. Its rows are closed when it returns, as the
// transaction's next query wants.
func column(ctx context.Context, q store.Querier, query string, args []any) (out []string, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

func threadOfSubject(ctx context.Context, tx store.Querier, hash string, at time.Time) ([]string, error) {
	var id string
	// Old messages come after new ones when mailboxes are read for the first time.
	err := tx.QueryRowContext(ctx, `SELECT thread FROM thread_subjects WHERE hash = $1 AND seen_at BETWEEN $2 AND $3`,
		hash, store.Micros(at.Add(-subjectWindow)), store.Micros(at.Add(subjectWindow))).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return resolve(ctx, tx, []string{id})
}

// maxJoins bounds the chain of threads that became others.
const maxJoins = 100

// resolve follows joins and returns each thread once, sorted.
func resolve(ctx context.Context, q store.Querier, ids []string) ([]string, error) {
	var out []string
	for _, id := range ids {
		for range maxJoins {
			var joined string
			if err := q.QueryRowContext(ctx, `SELECT joined FROM threads WHERE id = $1`, id).Scan(&joined); err != nil {
				return nil, fmt.Errorf("thread %s: %w", id, err)
			}
			if joined == "" {
				break
			}
			id = joined
		}
		out = append(out, id)
	}
	return unite(out), nil
}

func unite(lists ...[]string) []string {
	out := slices.Concat(lists...)
	slices.Sort(out)
	return slices.Compact(out)
}

// join makes all threads one: the oldest. On PostgreSQL joins run one after the
// other, so that no two of them make a ring.
func (m *Mirror) join(ctx context.Context, tx store.Querier, ids []string) (string, error) {
	if m.o.Store.Dialect() == store.Postgres {
		if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, threadLock); err != nil {
			return "", err
		}
	}
	ids, err := resolve(ctx, tx, ids)
	if err != nil {
		return "", err
	}
	for _, id := range ids[1:] {
		if err := m.rethread(ctx, tx, id); err != nil {
			return "", err
		}
		for _, query := range []string{
			`UPDATE threads SET joined = $1 WHERE id = $2`,
			`UPDATE thread_refs SET thread = $1 WHERE thread = $2`,
			`UPDATE messages SET thread = $1 WHERE thread = $2`,
		} {
			if _, err := tx.ExecContext(ctx, query, ids[0], id); err != nil {
				return "", err
			}
		}
	}
	return ids[0], nil
}
