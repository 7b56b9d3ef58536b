package rules

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"heliograph/internal/queue"
	"heliograph/internal/store"
)

// Approvals holds what people are asked, and takes their decisions. It needs nothing but the store, so that it serves beside a running gateway: the
// run goes on within a second.
type Approvals struct {
	db    *store.DB
	queue *queue.Queue
	now   func() time.Time
}

// NewApprovals returns the approvals of a database. now may be nil.
func NewApprovals(db *store.DB, q *queue.Queue, now func() time.Time) *Approvals {
	if now == nil {
		now = time.Now
	}
	return &Approvals{db: db, queue: q, now: now}
}

// ApprovalFilter chooses approvals. Empty fields choose all.
type ApprovalFilter struct {
	Open   bool   // only those that can be decided
	Person string // who is, or was, asked
	Rule   string
	Closed bool // only those that cannot be decided any more, or that Person has decided
	Mine   bool // with Open: only those that Person has not decided
	// Team are addresses, in lower case: only those that one of them is asked, caused, or has the mail of which the run is about. nil: all.
	Team   []string
	Before time.Time // only those asked before, or at the same time with an id behind After: pass the last one's AskedAt and ID to page on
	After  string
	Limit  int // at most; zero means 50
}

// List returns approvals, those first that were asked last, and whether there are more.
func (b *Approvals) List(ctx context.Context, f ApprovalFilter) (list []Approval, more bool, err error) {
	if f.Limit <= 0 {
		f.Limit = 50
	}
	args := []any{
		oneIf(f.Open), store.Micros(b.now()), addressIn(f.Person), f.Limit + 1, f.Rule, oneIf(f.Closed), oneIf(f.Mine), store.Micros(f.Before), f.After,
	}
	with, concerned, team := concerns(f.Team, len(args))
	rows, err := b.db.Reader().QueryContext(ctx, with+`
		SELECT a.id FROM rule_approvals a JOIN rule_runs r ON r.id = a.run
		WHERE `+concerned+` AND ($1 = 0 OR a.state = 'open' AND a.expires_at > $2 AND r.state IN ('running', 'waiting'))
		AND ($3 = '' OR EXISTS (SELECT 1 FROM rule_approvers p WHERE p.approval = a.id AND p.person = $3))
		AND ($5 = '' OR a.rule = $5)
		AND ($6 = 0 OR a.state <> 'open' OR a.expires_at <= $2 OR r.state NOT IN ('running', 'waiting')
			OR EXISTS (SELECT 1 FROM rule_approvers p WHERE p.approval = a.id AND p.person = $3 AND p.decision <> ''))
		AND ($7 = 0 OR EXISTS (SELECT 1 FROM rule_approvers p WHERE p.approval = a.id AND p.person = $3 AND p.decision = ''))
		AND (a.asked_at < $8 OR a.asked_at = $8 AND a.id > $9 OR $8 = 0)
		ORDER BY a.asked_at DESC, a.id LIMIT $4`, append(args, team...)...)
	if err != nil {
		return nil, false, err
	}
	ids, err := texts(rows)
	if err != nil {
		return nil, false, err
	}
	if more = len(ids) > f.Limit; more {
		ids = ids[:f.Limit]
	}
	for _, id := range ids {
		a, err := readApproval(ctx, b.db.Reader(), id)
		if errors.Is(err, ErrNoApproval) { // removed meanwhile
			continue
		}
		if err != nil {
			return nil, false, err
		}
		list = append(list, *a)
	}
	return list, more, nil
}

// concerns is the condition that an approval concerns one of a team, as in ApprovalFilter, with what goes before the query. Its placeholders are
// those behind the first ones.
func concerns(team []string, first int) (with, condition string, args []any) {
	if team == nil {
		return "", "1 = 1", nil
	}
	if len(team) == 0 {
		return "", "1 = 0", nil
	}
	var rows []string
	for _, address := range team {
		quoted, err := json.Marshal(address) // as it stands in the list of initiators
		if err != nil {
			panic(err) // a text
		}
		args = append(args, address, string(quoted))
		rows = append(rows, fmt.Sprintf("($%d, $%d)", first+len(args)-1, first+len(args)))
	}
	return "WITH team (address, quoted) AS (VALUES " + strings.Join(rows, ", ") + ")", `EXISTS (SELECT 1 FROM team t WHERE t.address = r.account
		OR replace(a.initiators, t.quoted, '') <> a.initiators
		OR EXISTS (SELECT 1 FROM rule_approvers p WHERE p.approval = a.id AND p.person = t.address)
		OR r.message <> '' AND EXISTS (SELECT 1 FROM sightings s WHERE s.message_key = r.message AND lower(s.account) = t.address))`, args
}

// Concerns tells whether an approval is one of those that a team sees (ApprovalFilter).
func (b *Approvals) Concerns(ctx context.Context, id string, team []string) (bool, error) {
	with, concerned, args := concerns(team, 1)
	var n int
	err := b.db.Reader().QueryRowContext(ctx, with+`
		SELECT count(*) FROM rule_approvals a JOIN rule_runs r ON r.id = a.run WHERE a.id = $1 AND `+concerned, append([]any{id}, args...)...).Scan(&n)
	return n > 0, err
}

// Open counts what a person can decide now.
func (b *Approvals) Open(ctx context.Context, person string) (n int, err error) {
	err = b.db.Reader().QueryRowContext(ctx, `
		SELECT count(*) FROM rule_approvals a JOIN rule_runs r ON r.id = a.run JOIN rule_approvers p ON p.approval = a.id
		WHERE a.state = 'open' AND a.expires_at > $1 AND r.state IN ('running', 'waiting') AND p.person = $2 AND p.decision = ''`,
		store.Micros(b.now()), addressIn(person)).Scan(&n)
	return n, err
}

// Firsts counts the first mails of a version that were approved, and those that wait.
func (b *Approvals) Firsts(ctx context.Context, rule string, version int) (approved, open int, err error) {
	var yes, wait sql.NullInt64
	err = b.db.Reader().QueryRowContext(ctx, `
		SELECT sum(CASE WHEN state = 'approved' THEN 1 ELSE 0 END), sum(CASE WHEN state = 'open' THEN 1 ELSE 0 END)
		FROM rule_firsts WHERE rule = $1 AND version = $2`, rule, version).Scan(&yes, &wait)
	return int(yes.Int64), int(wait.Int64), err
}

// Get returns an approval.
func (b *Approvals) Get(ctx context.Context, id string) (Approval, error) {
	a, err := readApproval(ctx, b.db.Reader(), id)
	if err != nil {
		return Approval{}, fmt.Errorf("approval %.64q: %w", id, err)
	}
	return *a, nil
}

// Vote takes a decision. It counts once, and the run goes on as soon as enough have decided.
func (b *Approvals) Vote(ctx context.Context, id string, v Vote) (Approval, error) {
	return b.change(ctx, id, func(a *Approval) error { return a.vote(v, b.now()) })
}

// Delegate hands a vote over. The run asks the other person then.
func (b *Approvals) Delegate(ctx context.Context, id string, d Delegation) (Approval, error) {
	return b.change(ctx, id, func(a *Approval) error { return a.delegate(d, b.now()) })
}

func (b *Approvals) change(ctx context.Context, id string, do func(*Approval) error) (Approval, error) {
	a, err := changeApproval(ctx, b.db, b.queue, id, true, do)
	if err != nil {
		return Approval{}, err
	}
	return *a, nil
}

// ByToken returns the approval that a link leads to, and the person whose link it is. It is ErrNoApproval for a token that nobody has, and
// ErrApprovalChanged where the link was made for something else than is there now.
func (b *Approvals) ByToken(ctx context.Context, token string) (Approval, Approver, error) {
	if len(token) != 43 { // 256 bits in base64
		return Approval{}, Approver{}, ErrNoApproval
	}
	hash := tokenHash(token)
	var id string
	err := b.db.Reader().QueryRowContext(ctx, `SELECT approval FROM rule_approvers WHERE token_hash = $1`, hash).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return Approval{}, Approver{}, ErrNoApproval
	}
	if err != nil {
		return Approval{}, Approver{}, err
	}
	a, err := readApproval(ctx, b.db.Reader(), id)
	if err != nil {
		return Approval{}, Approver{}, err
	}
	for _, p := range a.Approvers {
		if subtle.ConstantTimeCompare([]byte(p.tokenHash), []byte(hash)) != 1 {
			continue
		}
		if !same(p.tokenShows, a.Hash) || !same(hashShown(a.ID, a.shown), a.Hash) {
			return Approval{}, Approver{}, ErrApprovalChanged
		}
		return *a, p, nil
	}
	return Approval{}, Approver{}, ErrNoApproval
}

// VoteByToken is Vote for the person whose link it is.
func (b *Approvals) VoteByToken(ctx context.Context, token string, v Vote) (Approval, error) {
	a, p, err := b.ByToken(ctx, token)
	if err != nil {
		return a, err
	}
	v.Person = p.Person
	return b.Vote(ctx, a.ID, v)
}

// DelegateByToken is Delegate for the person whose link it is.
func (b *Approvals) DelegateByToken(ctx context.Context, token string, d Delegation) (Approval, error) {
	a, p, err := b.ByToken(ctx, token)
	if err != nil {
		return a, err
	}
	d.From = p.Person
	return b.Delegate(ctx, a.ID, d)
}
