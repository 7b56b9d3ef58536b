package mirror

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"heliograph/crmclient"
	"heliograph/internal/store"
)

// ReviewDecision is what is to become of somebody whom a CRM does not know.
type ReviewDecision string

// The decisions.
const (
	DecideContact ReviewDecision = "contact" // add a contact
	DecideLead    ReviewDecision = "lead"    // add a lead
	DecideLink    ReviewDecision = "link"    // it is a contact that the CRM has
	DecideSkip    ReviewDecision = "skip"    // mirror what waits without a contact, and ask again
	DecideIgnore  ReviewDecision = "ignore"  // mirror nothing that is exchanged with nobody else, for ever

	// DecideAsk forgets what was decided, so that the next mail asks again. What was done with earlier mail stays.
	DecideAsk ReviewDecision = "ask"

	decisionNone ReviewDecision = "none" // nothing, and nobody is to be asked: a machine
)

// ReviewState tells whether somebody has decided.
type ReviewState string

// The states of a review.
const (
	ReviewOpen    ReviewState = "open"
	ReviewDecided ReviewState = "decided"
)

// The states of a message of somebody unknown, in review_messages.
const (
	reviewWaiting = "waiting"
	reviewDue     = "due"  // there is a decision, which is to be applied
	reviewDone    = "done" // it was applied, and another one may be later
)

// Review is what is known of somebody whom a CRM did not know.
type Review struct {
	Subject     string // a canonical address, or @ and a domain in ASCII
	Name        string // as the person was last called
	State       ReviewState
	Decision    ReviewDecision // empty while open
	Link        string         // id of the contact, with DecideLink
	Target      string         // that Link belongs to; empty means any
	FirstSeen   time.Time
	LastSeen    time.Time
	DecidedAt   time.Time
	Waiting     int // messages
	Suggestions []Suggestion
}

// Suggestion is who somebody may be.
type Suggestion struct {
	Target  string `json:"target"`
	Kind    string `json:"kind"` // company, or that of the contact
	ID      string `json:"id"`
	Name    string `json:"name,omitempty"`
	Address string `json:"address,omitempty"`
	Company string `json:"company,omitempty"`
	Percent int    `json:"percent"` // how alike the names are; 100 for a company, which is found by its domain
}

// ReviewFilter selects reviews. Zero fields select all.
type ReviewFilter struct {
	State   ReviewState
	Subject string // exactly this one
	Limit   int    // 0 means 50
}

const defaultReviews = 50

// Reviews returns reviews, those first that were seen last, and whether there are more. It needs nothing but the
// store, so that it serves beside a running gateway.
func Reviews(ctx context.Context, q store.Querier, f ReviewFilter) (_ []Review, more bool, err error) {
	if f.Limit <= 0 {
		f.Limit = defaultReviews
	}
	var where []string
	var args []any
	for _, c := range []struct{ column, value string }{{"state", string(f.State)}, {"subject", f.Subject}} {
		if c.value != "" {
			args = append(args, c.value)
			where = append(where, c.column+" = $"+strconv.Itoa(len(args)))
		}
	}
	query := `SELECT subject, name, state, decision, link, target, first_seen, last_seen, decided_at, suggestions,
		(SELECT COUNT(DISTINCT message_key) FROM review_messages m WHERE m.subject = reviews.subject AND m.state = '` + reviewWaiting + `')
		FROM reviews`
	if len(where) > 0 {
		query += ` WHERE ` + strings.Join(where, " AND ")
	}
	args = append(args, f.Limit+1)
	rows, err := q.QueryContext(ctx, query+` ORDER BY last_seen DESC, subject LIMIT $`+strconv.Itoa(len(args)), args...)
	if err != nil {
		return nil, false, fmt.Errorf("reading reviews: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var out []Review
	for rows.Next() {
		var r Review
		var first, last, decided int64
		var suggestions string
		if err := rows.Scan(&r.Subject, &r.Name, &r.State, &r.Decision, &r.Link, &r.Target, &first, &last, &decided, &suggestions, &r.Waiting); err != nil {
			return nil, false, fmt.Errorf("reading reviews: %w", err)
		}
		r.FirstSeen, r.LastSeen, r.DecidedAt = store.FromMicros(first), store.FromMicros(last), store.FromMicros(decided)
		if err := json.Unmarshal([]byte(suggestions), &r.Suggestions); err != nil {
			return nil, false, fmt.Errorf("suggestions for %s: %w", r.Subject, err)
		}
		out = append(out, r)
	}
	return out[:min(len(out), f.Limit)], len(out) > f.Limit, rows.Err()
}

// ReviewMessage is one message of somebody unknown.
type ReviewMessage struct {
	Key       string
	MessageID string
	Direction crmclient.Direction
	Target    string
	Waits     bool
	At        time.Time // when it was captured
}

// ReviewMessages returns the messages of a subject that wait or that a later decision would apply to, the latest first.
func ReviewMessages(ctx context.Context, q store.Querier, subject string, limit int) (_ []ReviewMessage, err error) {
	rows, err := q.QueryContext(ctx, `
		SELECT r.message_key, m.message_id, m.direction, r.target, r.state, r.at FROM review_messages r JOIN messages m ON m.key = r.message_key
		WHERE r.subject = $1 ORDER BY r.at DESC, r.message_key, r.target LIMIT $2`, subject, limit)
	if err != nil {
		return nil, fmt.Errorf("reading messages of %s: %w", subject, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var out []ReviewMessage
	for rows.Next() {
		var m ReviewMessage
		var state string
		var at int64
		if err := rows.Scan(&m.Key, &m.MessageID, &m.Direction, &m.Target, &state, &at); err != nil {
			return nil, fmt.Errorf("reading messages of %s: %w", subject, err)
		}
		m.Waits, m.At = state == reviewWaiting, store.FromMicros(at)
		out = append(out, m)
	}
	return out, rows.Err()
}

// Decision says what is to become of a subject.
type Decision struct {
	Subject string // a canonical address (AddressPolicy), or for DecideIgnore and DecideAsk also @ and a domain in ASCII
	As      ReviewDecision
	Link    string // id of the contact, with DecideLink
	Target  string // that has the contact; empty means any
}

func (d Decision) check() error {
	local, domain, ok := strings.Cut(d.Subject, "@")
	known := slices.Contains([]ReviewDecision{DecideContact, DecideLead, DecideLink, DecideSkip, DecideIgnore, DecideAsk}, d.As)
	switch {
	case !ok || domain == "":
		return fmt.Errorf("%q is no address", d.Subject)
	case local == "" && d.As != DecideIgnore && d.As != DecideAsk:
		return fmt.Errorf("a whole domain can only be ignored")
	case !known:
		return fmt.Errorf("%q is no decision", d.As)
	case (d.As == DecideLink) != (d.Link != ""):
		return errors.New("a contact is named with the decision link, and with no other")
	}
	return nil
}

// Decide writes decisions down, all or none, and returns to how many messages they apply that wait or were
// mirrored without the contact. A running gateway applies them within a second; one that does not run does when it starts. It
// needs nothing but the store. Deciding again replaces the decision.
func Decide(ctx context.Context, db *store.DB, decisions ...Decision) (messages int, err error) {
	for _, d := range decisions {
		if err := d.check(); err != nil {
			return 0, fmt.Errorf("deciding: %w", err)
		}
	}
	err = db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		messages = 0
		if err := lockReviews(ctx, tx, db.Dialect()); err != nil {
			return err
		}
		for _, d := range decisions {
			n, err := d.write(ctx, tx)
			if err != nil {
				return fmt.Errorf("%s: %w", d.Subject, err)
			}
			messages += n
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("deciding: %w", err)
	}
	return messages, nil
}

// reviewLock is the PostgreSQL advisory lock under which messages begin to wait and decisions are made: so that none
// begins to wait for a decision that is just being made. Who takes it takes it before the lock of a message.
const reviewLock = 0x726576696577 // "review"

func lockReviews(ctx context.Context, tx store.Querier, d store.Dialect) error {
	if d != store.Postgres {
		return nil
	}
	if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(reviewLock)); err != nil {
		return fmt.Errorf("locking reviews: %w", err)
	}
	return nil
}

// write stores the decision and makes it due for messages.
func (d Decision) write(ctx context.Context, tx store.Querier) (messages int, err error) {
	now := store.Micros(time.Now())
	domain := d.Subject[strings.LastIndexByte(d.Subject, '@')+1:]
	if d.As == DecideAsk {
		return 0, d.forget(ctx, tx, domain)
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO reviews (subject, domain, name, first_seen, last_seen, state, decision, link, target, decided_at, suggestions)
		VALUES ($1, $2, '', $3, $3, $4, $5, $6, $7, $3, '[]')
		ON CONFLICT (subject) DO UPDATE SET state = excluded.state, decision = excluded.decision, link = excluded.link,
			target = excluded.target, decided_at = excluded.decided_at`,
		d.Subject, domain, now, string(ReviewDecided), string(d.As), d.Link, d.Target)
	if err != nil {
		return 0, err
	}
	var r sql.Result
	switch {
	case strings.HasPrefix(d.Subject, "@"):
		return d.writeDomain(ctx, tx, domain, now)
	case d.As == DecideSkip: // what was decided otherwise stays
		r, err = tx.ExecContext(ctx, `UPDATE review_messages SET state = $3, decision = $2 WHERE subject = $1 AND state = $4`,
			d.Subject, string(d.As), reviewDue, reviewWaiting)
	case d.As == DecideIgnore: // what was mirrored stays: taking it back is another command
		r, err = tx.ExecContext(ctx, `UPDATE review_messages SET state = $3, decision = $2 WHERE subject = $1 AND state IN ($3, $4)`,
			d.Subject, string(d.As), reviewDue, reviewWaiting)
	default:
		r, err = tx.ExecContext(ctx, `UPDATE review_messages SET state = $3, decision = $2 WHERE subject = $1`,
			d.Subject, string(d.As), reviewDue)
	}
	if err != nil {
		return 0, err
	}
	n, err := r.RowsAffected()
	return int(n), err
}

// forget takes a decision back; with that on a domain go those that it made on addresses there.
func (d Decision) forget(ctx context.Context, tx store.Querier, domain string) error {
	if strings.HasPrefix(d.Subject, "@") {
		_, err := tx.ExecContext(ctx, `
			DELETE FROM reviews WHERE state = $2 AND decision = $3 AND (domain = $4 OR domain LIKE $5 ESCAPE '\')
				AND decided_at = (SELECT decided_at FROM reviews r WHERE r.subject = $1)`,
			d.Subject, string(ReviewDecided), string(DecideIgnore), domain, belowDomain(domain))
		return err
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM reviews WHERE subject = $1 AND state = $2`, d.Subject, string(ReviewDecided))
	return err
}

// belowDomain is a pattern for the domains below one.
func belowDomain(domain string) string {
	return `%.` + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(domain)
}

// writeDomain applies the decision to those of the domain, and of the domains below it, of whom nothing was decided.
func (d Decision) writeDomain(ctx context.Context, tx store.Querier, domain string, now int64) (messages int, err error) {
	below := belowDomain(domain)
	r, err := tx.ExecContext(ctx, `
		UPDATE review_messages SET state = $3, decision = $4 WHERE state = $5 AND subject IN (
			SELECT subject FROM reviews WHERE state = $6 AND (domain = $1 OR domain LIKE $2 ESCAPE '\'))`,
		domain, below, reviewDue, string(d.As), reviewWaiting, string(ReviewOpen))
	if err != nil {
		return 0, err
	}
	n, err := r.RowsAffected()
	if err != nil {
		return 0, err
	}
	_, err = tx.ExecContext(ctx, `
		UPDATE reviews SET state = $3, decision = $4, decided_at = $5 WHERE state = $6 AND (domain = $1 OR domain LIKE $2 ESCAPE '\')`,
		domain, below, string(ReviewDecided), string(d.As), now, string(ReviewOpen))
	return int(n), err
}
