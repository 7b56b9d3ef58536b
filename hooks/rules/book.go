package rules

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"heliograph/internal/store"
)

// State says what a rule does at present.
type State string

// The states of a rule.
const (
	StateDraft  State = "draft"  // no version is in force yet
	StateLive   State = "live"   // it acts
	StateShadow State = "shadow" // it runs, and what it would do outside is written down only
	StateOff    State = "off"
)

// Summary is a rule with what is in force of it.
type Summary struct {
	ID        string    `json:"id"`
	State     State     `json:"state"`
	Version   int       `json:"version,omitempty"` // in force; 0: none
	Latest    int       `json:"latest,omitempty"`  // the newest version
	Draft     bool      `json:"draft,omitempty"`   // somebody works on a next version
	Held      string    `json:"held,omitempty"`    // why nothing of it is done at present
	UpdatedAt time.Time `json:"updated_at"`
	UpdatedBy string    `json:"updated_by,omitempty"`
	Rule      Rule      `json:"rule"` // the version in force, or else the draft
}

// Version is an immutable version of a rule.
type Version struct {
	Rule   string    `json:"rule"`
	Number int       `json:"number"`
	Body   Rule      `json:"body"`
	Note   string    `json:"note,omitempty"`
	MadeAt time.Time `json:"made_at"`
	MadeBy string    `json:"made_by,omitempty"`
}

var (
	// ErrNoRule says that there is no such rule or version.
	ErrNoRule = errors.New("there is no such rule")
	// ErrConflict says that somebody else changed the rule meanwhile.
	ErrConflict = errors.New("the rule was changed meanwhile; look at it again")
)

// InvalidError holds what keeps a rule from being published.
type InvalidError struct{ Problems []Problem }

func (e *InvalidError) Error() string {
	var lines []string
	for _, p := range e.Problems {
		if !p.Warning {
			lines = append(lines, p.String())
		}
	}
	return "the rule cannot be published: " + strings.Join(lines, "; ")
}

// Book holds the rules with their versions. It needs nothing but the store, so that it serves beside a running gateway, whose nodes notice
// within a second.
type Book struct {
	db     *store.DB
	now    func() time.Time
	called *RecordNames // for explanations of an Engine
}

// NewBook returns the book in a database. now may be nil.
func NewBook(db *store.DB, now func() time.Time) *Book {
	if now == nil {
		now = time.Now
	}
	return &Book{db: db, now: now}
}

// SaveDraft keeps a rule that somebody works on. It may have mistakes, but must have a valid id.
func (b *Book) SaveDraft(ctx context.Context, r Rule, by string) error {
	if !validName(r.ID) {
		return fmt.Errorf("a rule needs an id of lower-case letters, digits and hyphens, not %q", r.ID)
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return b.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO rules (id, state, version, latest, draft, held, updated_at, updated_by) VALUES ($1, 'draft', 0, 0, $2, '', $3, $4)
			ON CONFLICT (id) DO UPDATE SET draft = $2, updated_at = $3, updated_by = $4`, r.ID, string(text), store.Micros(b.now()), by)
		return err
	})
}

// Publish makes a rule its next version and puts it in force, in the given state (live or shadow). It checks the rule, and all live rules
// together, first; mistakes are an *InvalidError. after is the newest version that the author knew; -1 takes any.
func (b *Book) Publish(ctx context.Context, r Rule, state State, after int, note, by string, around Surroundings) (version int, warnings []Problem, err error) {
	if state != StateLive && state != StateShadow {
		return 0, nil, fmt.Errorf("a rule is published as live or shadow, not %q", state)
	}
	live, err := b.inForce(ctx)
	if err != nil {
		return 0, nil, err
	}
	problems := append(Check(r, around), cycles(r, live)...)
	for _, p := range problems {
		if !p.Warning {
			return 0, nil, &InvalidError{problems}
		}
	}
	if failed := RunTests(ctx, r, around); len(failed) > 0 {
		return 0, nil, &InvalidError{failed}
	}
	text, err := json.Marshal(r)
	if err != nil {
		return 0, nil, err
	}
	err = b.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		version, err = publish(ctx, tx, r.ID, string(text), state, after, note, by, store.Micros(b.now()))
		return err
	})
	return version, problems, err
}

func publish(ctx context.Context, tx store.Querier, id, text string, state State, after int, note, by string, now int64) (version int, err error) {
	_, err = tx.ExecContext(ctx, `
		INSERT INTO rules (id, state, version, latest, draft, held, updated_at, updated_by) VALUES ($1, 'draft', 0, 0, '', '', $2, $3)
		ON CONFLICT (id) DO NOTHING`, id, now, by)
	if err != nil {
		return 0, err
	}
	err = tx.QueryRowContext(ctx, `
		UPDATE rules SET state = $2, version = latest + 1, latest = latest + 1, draft = '', updated_at = $3, updated_by = $4
		WHERE id = $1 AND ($5 < 0 OR latest = $5) RETURNING version`, id, string(state), now, by, after).Scan(&version)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, ErrConflict
	}
	if err != nil {
		return 0, err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO rule_versions (rule, version, body, note, made_at, made_by) VALUES ($1, $2, $3, $4, $5, $6)`, id, version, text, note, now, by)
	if err != nil {
		return 0, err
	}
	return version, tick(ctx, tx)
}

// tick tells all nodes that rules changed.
func tick(ctx context.Context, tx store.Querier) error {
	_, err := tx.ExecContext(ctx, `UPDATE rule_clock SET tick = tick + 1 WHERE one = 1`)
	return err
}

// SetState turns a rule off, or the version that is in force (version 0) or an older one on: that is a rollback. Runs that have begun go on with
// theirs.
func (b *Book) SetState(ctx context.Context, id string, state State, version int, by string) error {
	switch state {
	case StateLive, StateShadow, StateOff:
	default:
		return fmt.Errorf("a rule is live, shadow or off, not %q", state)
	}
	return b.change(ctx, `
		UPDATE rules SET state = $2, version = CASE WHEN $3 > 0 THEN $3 ELSE version END, updated_at = $4, updated_by = $5
		WHERE id = $1 AND (version > 0 OR $3 > 0) AND ($3 = 0 OR EXISTS (SELECT 1 FROM rule_versions v WHERE v.rule = $1 AND v.version = $3))`,
		id, string(state), version, store.Micros(b.now()), by)
}

// Hold keeps a rule (or all, where id is empty) from doing anything until it is released with an empty reason. What has to be done
// meanwhile waits.
func (b *Book) Hold(ctx context.Context, id, reason, by string) error {
	if id == "" {
		return b.change(ctx, `UPDATE rule_clock SET held = $1 WHERE one = 1`, reason)
	}
	return b.change(ctx, `UPDATE rules SET held = $2, updated_at = $3, updated_by = $4 WHERE id = $1`, id, reason, store.Micros(b.now()), by)
}

func (b *Book) change(ctx context.Context, query string, args ...any) error {
	return b.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		res, err := tx.ExecContext(ctx, query, args...)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, ErrNoRule)
		}
		return tick(ctx, tx)
	})
}

// List returns all rules, sorted by id.
func (b *Book) List(ctx context.Context) (list []Summary, err error) {
	return b.summaries(ctx, `1 = 1`)
}

// Get returns a rule.
func (b *Book) Get(ctx context.Context, id string) (Summary, error) {
	list, err := b.summaries(ctx, `r.id = $1`, id)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("rule %s: %w", id, ErrNoRule)
	}
	if err != nil {
		return Summary{}, err
	}
	return list[0], nil
}

func (b *Book) summaries(ctx context.Context, where string, args ...any) (list []Summary, err error) {
	rows, err := b.db.Reader().QueryContext(ctx, `
		SELECT r.id, r.state, r.version, r.latest, r.draft, r.held, r.updated_at, r.updated_by, COALESCE(v.body, '')
		FROM rules r LEFT JOIN rule_versions v ON v.rule = r.id AND v.version = r.version WHERE `+where+` ORDER BY r.id`, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var s Summary
		var state, draft, body string
		var updated int64
		if err := rows.Scan(&s.ID, &state, &s.Version, &s.Latest, &draft, &s.Held, &updated, &s.UpdatedBy, &body); err != nil {
			return nil, err
		}
		s.State, s.Draft, s.UpdatedAt = State(state), draft != "", store.FromMicros(updated)
		if body == "" {
			body = draft
		}
		if err := decode([]byte(body), &s.Rule); err != nil {
			return nil, fmt.Errorf("rule %s: %w", s.ID, err)
		}
		list = append(list, s)
	}
	return list, rows.Err()
}

// held says why nothing of a rule is done at present; empty: it is.
func (b *Book) held(ctx context.Context, id string) (string, error) {
	var rule, all string
	err := b.db.Reader().QueryRowContext(ctx, `SELECT r.held, c.held FROM rules r JOIN rule_clock c ON c.one = 1 WHERE r.id = $1`, id).Scan(&rule, &all)
	if all != "" {
		rule = all
	}
	return rule, err
}

// Draft returns what somebody works on; false where nobody does.
func (b *Book) Draft(ctx context.Context, id string) (r Rule, ok bool, err error) {
	var draft string
	err = b.db.Reader().QueryRowContext(ctx, `SELECT draft FROM rules WHERE id = $1`, id).Scan(&draft)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return r, false, fmt.Errorf("rule %s: %w", id, ErrNoRule)
	case err != nil || draft == "":
		return r, false, err
	}
	return r, true, decode([]byte(draft), &r)
}

// Discard forgets what somebody works on. A rule that was never in force is none without it: Delete removes that.
func (b *Book) Discard(ctx context.Context, id, by string) error {
	return b.change(ctx, `UPDATE rules SET draft = '', updated_at = $2, updated_by = $3 WHERE id = $1 AND latest > 0`, id, store.Micros(b.now()), by)
}

// Versions returns the versions of a rule, the newest first.
func (b *Book) Versions(ctx context.Context, id string) (list []Version, err error) {
	rows, err := b.db.Reader().QueryContext(ctx, `SELECT version, body, note, made_at, made_by FROM rule_versions WHERE rule = $1 ORDER BY version DESC`, id)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		v := Version{Rule: id}
		var body string
		var made int64
		if err := rows.Scan(&v.Number, &body, &v.Note, &made, &v.MadeBy); err != nil {
			return nil, err
		}
		v.MadeAt = store.FromMicros(made)
		if err := decode([]byte(body), &v.Body); err != nil {
			return nil, fmt.Errorf("rule %s version %d: %w", id, v.Number, err)
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

// Version returns one version of a rule; 0 is the one in force.
func (b *Book) Version(ctx context.Context, id string, number int) (Version, error) {
	v := Version{Rule: id}
	var body string
	var made int64
	err := b.db.Reader().QueryRowContext(ctx, `
		SELECT v.version, v.body, v.note, v.made_at, v.made_by FROM rule_versions v JOIN rules r ON r.id = v.rule
		WHERE v.rule = $1 AND v.version = CASE WHEN $2 > 0 THEN $2 ELSE r.version END`, id, number).Scan(&v.Number, &body, &v.Note, &made, &v.MadeBy)
	if errors.Is(err, sql.ErrNoRows) {
		return v, fmt.Errorf("rule %s version %d: %w", id, number, ErrNoRule)
	}
	if err != nil {
		return v, err
	}
	v.MadeAt = store.FromMicros(made)
	return v, decode([]byte(body), &v.Body)
}

// Delete removes a rule that is off or a draft, with its versions. Its runs stay.
func (b *Book) Delete(ctx context.Context, id string) error {
	return b.change(ctx, `DELETE FROM rules WHERE id = $1 AND state IN ('off', 'draft')`, id)
}

// InForce returns the versions of the rules that are live or in shadow.
func (b *Book) InForce(ctx context.Context) ([]Version, error) {
	list, err := b.summaries(ctx, `r.state IN ('live', 'shadow')`)
	if err != nil {
		return nil, err
	}
	var out []Version
	for _, s := range list {
		out = append(out, Version{Rule: s.ID, Number: s.Version, Body: s.Rule})
	}
	return out, nil
}

// inForce compiles the rules that are live or in shadow.
func (b *Book) inForce(ctx context.Context) ([]*compiled, error) {
	var held string
	if err := b.db.Reader().QueryRowContext(ctx, `SELECT held FROM rule_clock WHERE one = 1`).Scan(&held); err != nil {
		return nil, err
	}
	list, err := b.summaries(ctx, `r.state IN ('live', 'shadow')`)
	if err != nil {
		return nil, err
	}
	var out []*compiled
	var broken []error
	for _, s := range list {
		c, err := compileNamed(s.Rule, s.Version, Mode(s.State), b.called)
		if err != nil { // an older program published it, or a newer one
			broken = append(broken, fmt.Errorf("rule %s version %d: %w", s.ID, s.Version, err))
			continue
		}
		c.held = s.Held
		if held != "" {
			c.held = held
		}
		out = append(out, c)
	}
	return out, errors.Join(broken...)
}

// live holds the rules in force, and looks for changes.
type live struct {
	book  *Book
	one   sync.Mutex // one at a time reads them
	tick  atomic.Int64
	index atomic.Pointer[index]
}

// refresh reads the rules again if one changed. Rules that this program cannot read are in the error; the others are in force.
func (l *live) refresh(ctx context.Context) (changed bool, err error) {
	var tick int64
	if err := l.book.db.Reader().QueryRowContext(ctx, `SELECT tick FROM rule_clock WHERE one = 1`).Scan(&tick); err != nil {
		return false, err
	}
	if l.index.Load() != nil && l.tick.Load() == tick {
		return false, nil
	}
	l.one.Lock()
	defer l.one.Unlock()
	if l.index.Load() != nil && l.tick.Load() >= tick {
		return false, nil
	}
	rules, err := l.book.inForce(ctx)
	if rules == nil && err != nil {
		return false, err
	}
	l.index.Store(newIndex(rules))
	l.tick.Store(tick)
	return true, err
}
