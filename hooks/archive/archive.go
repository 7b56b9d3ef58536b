// Package archive keeps what people list and find messages by, whatever CRM the company has: subject, the first words, who
// took part, names of attachments, and the words of all of it. Texts stay in the journal and are read again from there.
//
// The main idea: the database notes which messages changed (triggers on sightings and withdrawals fill archive_dirty), and Run
// works these notes off, the newest first, a few messages a transaction. So recording a mail costs the mirror one small row, a crash
// loses nothing, and to build all of it again is to note all messages. A message has a row here while one of its copies is in scope and was not
// taken back; what fell out of scope loses all that is here, words and people alike.
//
// A message's id is the time when it was sent, made unique. Both engines find words by it in the order of lists, so that
// a common word costs no more than a page. Whom a message belongs to is among its words (as a digest that no query can spell), so that
// a search by somebody who sees a few accounts only is one search and not many looks.
//
//   - archive.go: Options, Run, Rebuild
//   - draft.go: what is taken of a mail. tokens.go: its words, and those of a query
//   - write.go: one message written, changed or removed. talks.go: who wrote with whom, and when last
//   - search.go: lists. read.go: rows of pages, what is visible
//
// It knows no CRM and no contact: who a customer is, callers find out by package contacts.
package archive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"heliograph/crmclient"
	"heliograph/internal/journal"
	"heliograph/internal/message"
	"heliograph/internal/pace"
	"heliograph/internal/store"
)

const (
	// atOnce is how many messages a transaction takes: others wait for it on SQLite.
	atOnce = 16
	// maxBackoff bounds the wait before a message is looked at again that could not be read.
	maxBackoff = time.Hour
	// longestStep is how much of a step counts when mail needs the machine: more was spent waiting for the disk.
	longestStep = 100 * time.Millisecond
)

// Options configure New.
type Options struct {
	Store *store.DB
	// Journal is where texts are read. Nil: only lists are read.
	Journal *journal.Journal
	// Node is the journal's: what other nodes captured, they read. Empty: there are no others.
	Node string
	// Internal tells whether an address (lower case) is an employee's. Nil means nobody is.
	Internal func(address string) bool
	// Domains tells which domains are a company's. The zero value knows the well-known providers of mailboxes.
	Domains crmclient.CompanyDomains
	Poll    time.Duration // zero means 1 s
	// Rest is how long to rest after a full batch, as a multiple of what it took; zero means 1, so that filling an old
	// installation takes half of one processor at most. Negative: no rest.
	Rest   float64
	Pace   *pace.Governor // nil holds nothing back
	Now    func() time.Time
	Logger *slog.Logger
}

// Archive is the index. It may be used concurrently.
type Archive struct {
	o       Options
	domains crmclient.CompanyDomains
	drafts  *drafts
	wake    chan struct{}
}

// New returns an archive. It starts nothing.
func New(o Options) *Archive {
	if o.Internal == nil {
		o.Internal = func(string) bool { return false }
	}
	if o.Poll <= 0 {
		o.Poll = time.Second
	}
	if o.Rest == 0 {
		o.Rest = 1
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Archive{o: o, domains: o.Domains, drafts: newDrafts(), wake: make(chan struct{}, 1)}
}

// Offer gives a message that was parsed anyway, so that it need not be read again. It is cheap and never waits.
func (a *Archive) Offer(e journal.Entry, msg *message.Message) {
	a.drafts.put(e.ID, a.draft(e, msg))
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// Rebuild has all messages read and written again, in the background of whoever runs the archive. It can be called at any time.
func (a *Archive) Rebuild(ctx context.Context) error {
	return a.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM archive_dirty`); err != nil {
			return fmt.Errorf("noting all messages for the archive: %w", err)
		}
		for _, query := range []string{
			`INSERT INTO archive_dirty (message_key) SELECT key FROM archive_messages a WHERE NOT EXISTS (SELECT 1 FROM messages m WHERE m.key = a.key)`,
			`INSERT INTO archive_dirty (message_key) SELECT key FROM messages WHERE joined = '' ORDER BY first_seen`,
		} {
			if _, err := tx.ExecContext(ctx, query); err != nil {
				return fmt.Errorf("noting all messages for the archive: %w", err)
			}
		}
		return nil
	})
}

// Waiting returns how many messages are to be looked at.
func (a *Archive) Waiting(ctx context.Context) (n int, err error) {
	err = a.o.Store.Reader().QueryRowContext(ctx, `SELECT COUNT(*) FROM archive_dirty`).Scan(&n)
	return n, err
}

// Run keeps the archive until ctx ends.
func (a *Archive) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.wake:
			// What was offered is not committed yet. More comes with it, as a rule.
			timer.Reset(min(a.o.Poll, 100*time.Millisecond))
			continue
		case <-timer.C:
		}
		start := time.Now()
		var n int
		var err error
		if a.o.Pace.Do(ctx, longestStep, func() { n, err = a.Step(ctx) }) != nil {
			return nil // ctx ended
		}
		if err != nil && ctx.Err() == nil {
			a.o.Logger.Warn("archive: a batch failed", "err", err)
		}
		wait := a.o.Poll
		if err == nil && n == atOnce {
			wait = time.Duration(float64(time.Since(start)) * max(a.o.Rest, 0))
		}
		timer.Reset(wait)
	}
}

// note is a row of archive_dirty.
type note struct {
	seq      int64
	key      string
	failures int
}

// Step works off a few notes and returns how many there were. It may run beside another.
func (a *Archive) Step(ctx context.Context) (int, error) {
	notes, err := a.notes(ctx)
	if err != nil || len(notes) == 0 {
		return 0, err
	}
	var ready []prepared
	seen := map[string]int{}
	for _, n := range notes {
		if i, ok := seen[n.key]; ok {
			if i >= 0 {
				ready[i].notes = append(ready[i].notes, n.seq)
			}
			continue
		}
		p, err := a.prepare(ctx, n.key)
		if err != nil {
			seen[n.key] = -1
			if err := a.postpone(ctx, n, err); err != nil {
				return 0, err
			}
			continue
		}
		seen[n.key] = len(ready)
		p.notes = []int64{n.seq}
		ready = append(ready, p)
	}
	err = a.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		for i := range ready {
			if err := a.write(ctx, tx, &ready[i]); err != nil {
				return fmt.Errorf("archive: message %s: %w", ready[i].key, err)
			}
		}
		return nil
	})
	return len(notes), err
}

// notes reads the newest notes that are due, of what this node can read.
func (a *Archive) notes(ctx context.Context) (out []note, err error) {
	query := `SELECT seq, message_key, failures FROM archive_dirty d WHERE not_before <= $1`
	args := []any{store.Micros(a.o.Now())}
	if a.o.Node != "" {
		query += ` AND (NOT EXISTS (SELECT 1 FROM sightings s JOIN entries e ON e.id = s.entry WHERE s.message_key = d.message_key)
			OR EXISTS (SELECT 1 FROM sightings s JOIN entries e ON e.id = s.entry WHERE s.message_key = d.message_key AND e.node = $2))`
		args = append(args, a.o.Node)
	}
	rows, err := a.o.Store.Reader().QueryContext(ctx, query+` ORDER BY seq DESC LIMIT `+fmt.Sprint(atOnce), args...)
	if err != nil {
		return nil, fmt.Errorf("reading what the archive is to look at: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var n note
		if err := rows.Scan(&n.seq, &n.key, &n.failures); err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, rows.Err()
}

// postpone has a message looked at later.
func (a *Archive) postpone(ctx context.Context, n note, cause error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	wait := min(time.Second<<min(n.failures, 20), maxBackoff)
	a.o.Logger.Warn("archive: a message could not be read", "message_key", n.key, "again_in", wait, "err", cause)
	return a.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, `UPDATE archive_dirty SET failures = failures + 1, not_before = $2 WHERE seq = $1`, n.seq, store.Micros(a.o.Now().Add(wait)))
		return err
	})
}
