package mirror

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"heliograph/internal/journal"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

// What the ledger says of messages that meet the review queue.
const (
	reasonIgnored  = "decided in review: nothing is mirrored of "
	reasonReview   = "waits for review: unknown correspondent "
	reasonTooLate  = "a contact was decided on later; the target cannot be told"
	maxSuggestions = 3
)

// reviewError says that somebody has to decide before a message can be delivered.
type reviewError struct{ people []unknown }

// unknown is one of those who are to be decided on.
type unknown struct {
	subject, name string
	suggestions   []Suggestion
	asked         bool // the review is open already
}

// Error returns the reason, as the ledger has it.
func (e *reviewError) Error() string {
	if n := len(e.people) - 1; n > 0 {
		return fmt.Sprintf("%s%s and %d more", reasonReview, e.people[0].subject, n)
	}
	return reasonReview + e.people[0].subject
}

// decisions are those that concern a message.
type decisions struct {
	bySubject map[string]reviewed       // addresses, and domains with @ before them
	once      map[string]ReviewDecision // of this message only
}

type reviewed struct {
	state        ReviewState
	decision     ReviewDecision
	link, target string
}

// subjects are what a decision on somebody may be about: the address, its domain, and the domains above that.
func subjects(subject string) []string {
	domain := subject[strings.LastIndexByte(subject, '@')+1:]
	out := []string{subject, "@" + domain}
	base, err := publicsuffix.EffectiveTLDPlusOne(domain)
	for err == nil && domain != base {
		if _, domain, _ = strings.Cut(domain, "."); domain == "" {
			break
		}
		out = append(out, "@"+domain)
	}
	return out
}

// maxSubjects bounds one question to the database; a message has few correspondents, but it may have thousands.
const maxSubjects = 500

// decisions reads what was decided of the people of a message.
func (m *Mirror) decisions(ctx context.Context, q store.Querier, key string, people []*correspondent) (decisions, error) {
	var all []string
	for _, c := range people {
		all = append(all, subjects(c.subject)...)
	}
	return readDecisions(ctx, q, key, all)
}

func readDecisions(ctx context.Context, q store.Querier, key string, all []string) (d decisions, err error) {
	d = decisions{map[string]reviewed{}, map[string]ReviewDecision{}}
	for ; len(all) > 0 && err == nil; all = all[min(len(all), maxSubjects):] {
		err = d.read(ctx, q, all[:min(len(all), maxSubjects)])
	}
	if err != nil {
		return d, err
	}
	rows, err := q.QueryContext(ctx, `SELECT subject, decision FROM review_messages WHERE message_key = $1 AND decision <> ''`, key)
	if err != nil {
		return d, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var subject string
		var decision ReviewDecision
		if err := rows.Scan(&subject, &decision); err != nil {
			return d, err
		}
		d.once[subject] = decision
	}
	return d, rows.Err()
}

func (d decisions) read(ctx context.Context, q store.Querier, subjects []string) (err error) {
	marks, args := make([]string, len(subjects)), make([]any, len(subjects))
	for i, s := range subjects {
		marks[i], args[i] = "$"+strconv.Itoa(i+1), s
	}
	rows, err := q.QueryContext(ctx, `SELECT subject, state, decision, link, target FROM reviews WHERE subject IN (`+strings.Join(marks, ", ")+`)`, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var subject string
		var r reviewed
		if err := rows.Scan(&subject, &r.state, &r.decision, &r.link, &r.target); err != nil {
			return err
		}
		d.bySubject[subject] = r
	}
	return rows.Err()
}

// of returns the decision that holds for somebody in this message: on the address, then on this message, then on the domain.
// To skip somebody is decided for the messages that waited only.
func (d decisions) of(subject string) (ReviewDecision, bool) {
	all := subjects(subject)
	if r := d.bySubject[subject]; r.state == ReviewDecided && r.decision != DecideSkip && r.decision != "" {
		return r.decision, true
	}
	if once := d.once[subject]; once != "" {
		return once, true
	}
	for _, s := range all[1:] {
		if r := d.bySubject[s]; r.state == ReviewDecided && r.decision == DecideIgnore {
			return DecideIgnore, true
		}
	}
	return "", false
}

// ignoresAll tells whether nothing is to be mirrored of any of the people.
func (d decisions) ignoresAll(people []*correspondent) bool {
	for _, c := range people {
		if decision, _ := d.of(c.subject); decision != DecideIgnore {
			return false
		}
	}
	return true
}

// review returns the error that lets the message wait for decisions.
func (w *matching) review(ctx context.Context, wait []*correspondent, decided decisions) error {
	e := &reviewError{}
	for _, c := range wait {
		u := unknown{subject: c.subject, name: c.who.Name, asked: decided.bySubject[c.subject].state == ReviewOpen}
		if !u.asked {
			var err error
			if u.suggestions, err = w.suggest(ctx, c); err != nil {
				return err
			}
		}
		e.people = append(e.people, u)
	}
	return e
}

// wait writes down that a message waits, unless decisions were made meanwhile on all that it would wait for. It begins a transaction: see
// reviewLock.
func (m *Mirror) wait(ctx context.Context, tx store.Querier, target, key string, e *reviewError) (waits bool, err error) {
	if err := lockReviews(ctx, tx, m.o.Store.Dialect()); err != nil {
		return false, err
	}
	var all []string
	for _, u := range e.people {
		all = append(all, subjects(u.subject)...)
	}
	decided, err := readDecisions(ctx, tx, key, all)
	if err != nil {
		return false, fmt.Errorf("reading review decisions: %w", err)
	}
	var at int64
	if err := tx.QueryRowContext(ctx, `SELECT received_at FROM deliveries WHERE message_key = $1 AND target = $2`, key, target).Scan(&at); err != nil {
		return false, fmt.Errorf("delivery: %w", err)
	}
	for _, u := range e.people {
		if _, ok := decided.of(u.subject); ok {
			continue
		}
		waits = true
		if err := m.openReview(ctx, tx, u); err != nil {
			return false, fmt.Errorf("opening a review: %w", err)
		}
		_, err := tx.ExecContext(ctx, `
			INSERT INTO review_messages (subject, message_key, target, state, decision, at) VALUES ($1, $2, $3, $4, '', $5)
			ON CONFLICT (subject, message_key, target) DO UPDATE SET state = excluded.state, decision = ''`,
			u.subject, key, target, reviewWaiting, at)
		if err != nil {
			return false, fmt.Errorf("noting a message for review: %w", err)
		}
	}
	return waits, nil
}

func (m *Mirror) openReview(ctx context.Context, tx store.Querier, u unknown) error {
	text, err := json.Marshal(u.suggestions)
	if err != nil {
		panic(fmt.Sprintf("mirror: %T as JSON: %v", u.suggestions, err)) // strings and numbers can always be written
	}
	if u.suggestions == nil {
		text = []byte("[]")
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO reviews (subject, domain, name, first_seen, last_seen, state, decision, link, target, decided_at, suggestions)
		VALUES ($1, $2, $3, $4, $4, $5, '', '', '', 0, $6)
		ON CONFLICT (subject) DO UPDATE SET last_seen = excluded.last_seen, state = excluded.state, decision = '', decided_at = 0,
			name = CASE WHEN excluded.name = '' THEN reviews.name ELSE excluded.name END,
			suggestions = CASE WHEN $7 = 1 THEN reviews.suggestions ELSE excluded.suggestions END`,
		u.subject, u.subject[strings.LastIndexByte(u.subject, '@')+1:], clip(u.name), store.Micros(m.o.Now()), string(ReviewOpen), string(text), number(u.asked))
	return err
}

// noteUnmatched remembers that the target has a message without these people, so that a decision on them can be applied to it. It runs
// with what writes the delivery down.
func noteUnmatched(ctx context.Context, tx store.Querier, target, key string, people unmatched) error {
	for _, subject := range people { // sorted: all transactions lock in one order
		_, err := tx.ExecContext(ctx, `
			INSERT INTO review_messages (subject, message_key, target, state, decision, at)
			SELECT $1, d.message_key, d.target, $4, $5, d.received_at FROM deliveries d WHERE d.message_key = $2 AND d.target = $3
			ON CONFLICT (subject, message_key, target) DO NOTHING`,
			subject, key, target, reviewDone, string(DecideSkip))
		if err != nil {
			return fmt.Errorf("noting who is no contact: %w", err)
		}
	}
	return nil
}

const (
	// reviewPoll is how often decisions are looked for: another process may have made some.
	reviewPoll = time.Second
	// releaseMax bounds the messages that one look releases.
	releaseMax = 200
)

// releaseAll applies decisions until ctx ends.
func (m *Mirror) releaseAll(ctx context.Context) error {
	if !m.o.Matching.Reviews(m.o.Unmatched) {
		if err := m.closeReviews(ctx); err != nil && ctx.Err() == nil {
			m.o.Logger.WarnContext(ctx, "reviews not closed", "error", err)
		}
	}
	tick := time.NewTicker(reviewPoll)
	defer tick.Stop()
	counted := time.Time{}
	for {
		for _, t := range m.targets {
			for ctx.Err() == nil {
				n, err := m.release(ctx, t)
				if err != nil && ctx.Err() == nil {
					m.o.Logger.WarnContext(ctx, "review decisions not applied", "target", t.Name, "error", err)
				}
				if n < releaseMax {
					break
				}
			}
		}
		if time.Since(counted) > countReviewsEvery {
			counted = time.Now()
			m.countReviews(ctx)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// countReviewsEvery is how often the gauges of the queue are set.
const countReviewsEvery = 15 * time.Second

func (m *Mirror) countReviews(ctx context.Context) {
	var open, waiting int
	err := m.o.Store.Reader().QueryRowContext(ctx, `SELECT (SELECT COUNT(*) FROM reviews WHERE state = '`+string(ReviewOpen)+`'),
		(SELECT COUNT(*) FROM (SELECT DISTINCT target, message_key FROM review_messages WHERE state = '`+reviewWaiting+`') w)`).Scan(&open, &waiting)
	if err != nil {
		return // of the next time
	}
	m.metrics.reviews.Set(float64(open))
	m.metrics.waiting.Set(float64(waiting))
}

// closeReviews lets everything go that waits, when no policy wants reviews any more: what policy there is decides.
func (m *Mirror) closeReviews(ctx context.Context) error {
	return m.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		if err := lockReviews(ctx, tx, m.o.Store.Dialect()); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE review_messages SET state = $1 WHERE state = $2`, reviewDue, reviewWaiting); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE reviews SET state = $1, decided_at = $2 WHERE state = $3`,
			string(ReviewDecided), store.Micros(m.o.Now()), string(ReviewOpen))
		return err
	})
}

// release applies decisions to messages of one target, the oldest first, and returns to how many.
func (m *Mirror) release(ctx context.Context, t *target) (released int, err error) {
	keys, err := column(ctx, m.o.Store.Reader(), `
		SELECT message_key FROM (
			SELECT message_key, MIN(at) AS first FROM review_messages d WHERE d.state = '`+reviewDue+`' AND d.target = $1 AND NOT EXISTS (
				SELECT 1 FROM review_messages w WHERE w.state = '`+reviewWaiting+`' AND w.target = d.target AND w.message_key = d.message_key)
			GROUP BY message_key) r
		ORDER BY first, message_key LIMIT $2`, []any{t.Name, releaseMax})
	if err != nil {
		return 0, err
	}
	for _, key := range keys {
		err := m.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error { return m.releaseOne(ctx, tx, t, key) })
		if err != nil {
			return released, fmt.Errorf("message %s: %w", key, err)
		}
		released++
	}
	if released > 0 {
		m.o.Queue.Wake(Kind(t.Name))
	}
	return released, nil
}

// releaseOne applies the decisions on one message: what waits is delivered, what the target has is updated.
func (m *Mirror) releaseOne(ctx context.Context, tx store.Querier, t *target, key string) error {
	if err := lockReviews(ctx, tx, m.o.Store.Dialect()); err != nil {
		return err
	}
	counts := struct{ waiting, due, wanted int }{}
	err := tx.QueryRowContext(ctx, `
		SELECT COALESCE(SUM(CASE WHEN state = $3 THEN 1 ELSE 0 END), 0), COALESCE(SUM(CASE WHEN state = $4 THEN 1 ELSE 0 END), 0),
			COALESCE(SUM(CASE WHEN state = $4 AND decision NOT IN ($5, '') THEN 1 ELSE 0 END), 0)
		FROM review_messages WHERE message_key = $1 AND target = $2`, key, t.Name, reviewWaiting, reviewDue, string(DecideIgnore)).
		Scan(&counts.waiting, &counts.due, &counts.wanted)
	if err != nil || counts.waiting > 0 || counts.due == 0 {
		return err // another process was here
	}
	messageID, err := lockMessage(ctx, tx, m.o.Store.Dialect(), key)
	if errors.Is(err, sql.ErrNoRows) {
		_, err = tx.ExecContext(ctx, `DELETE FROM review_messages WHERE message_key = $1`, key)
		return err
	}
	if err != nil {
		return err
	}
	d, err := readDelivery(ctx, tx, key, t.Name)
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return fmt.Errorf("delivery: %w", err)
	case d.state == deliveryPending || d.state == deliveryExcluded && counts.wanted > 0:
		if err := m.deliverAgain(ctx, tx, t, key, messageID); err != nil {
			return err
		}
	case d.state == deliveryMirrored && t.updates():
		if err := m.wantUpdate(ctx, tx, t, key); err != nil {
			return fmt.Errorf("update: %w", err)
		}
	case d.state == deliveryMirrored && counts.wanted > 0:
		if err := m.noteAll(ctx, tx, t, key, messageID, journal.LedgerMirrored, reasonTooLate); err != nil {
			return err
		}
	}
	// What a later decision may change is kept.
	_, err = tx.ExecContext(ctx, `UPDATE review_messages SET state = $3 WHERE message_key = $1 AND target = $2 AND state = $4 AND decision IN ($5, $6)`,
		key, t.Name, reviewDone, reviewDue, string(DecideSkip), string(DecideIgnore))
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM review_messages WHERE message_key = $1 AND target = $2 AND state = $3`, key, t.Name, reviewDue)
	return err
}

// deliverAgain gives a delivery that waited, or that was not wanted, a job.
func (m *Mirror) deliverAgain(ctx context.Context, tx store.Querier, t *target, key, messageID string) error {
	_, err := tx.ExecContext(ctx, `UPDATE deliveries SET state = $3, reason = '', held = 0, updated_at = $4 WHERE message_key = $1 AND target = $2`,
		key, t.Name, deliveryPending, store.Micros(m.o.Now()))
	if err != nil {
		return fmt.Errorf("delivery: %w", err)
	}
	var thread string
	if err := tx.QueryRowContext(ctx, `SELECT thread FROM messages WHERE key = $1`, key).Scan(&thread); err != nil {
		return fmt.Errorf("thread: %w", err)
	}
	_, err = m.o.Queue.Add(ctx, tx, queue.New{
		Kind: Kind(t.Name), Key: key, OrderKey: thread, Payload: []byte(key), MaxAttempts: m.o.MaxAttempts, RunAt: t.due(m.o.Now()),
	})
	if err != nil {
		return err
	}
	return m.noteAll(ctx, tx, t, key, messageID, journal.LedgerPending, "")
}
