package rules

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"heliograph/internal/queue"
	"heliograph/internal/store"
)

func (d *database) openApproval(ctx context.Context, a *Approval, first int) (got slot, err error) {
	err = d.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		if got, err = takeSlot(ctx, tx, a, first); err != nil || got != slotOpened {
			return err
		}
		return insertApproval(ctx, tx, a)
	})
	return got, err
}

// takeSlot counts one of the first mails of a version. Those that were refused leave their place to others, and so do those whose run has ended.
func takeSlot(ctx context.Context, tx store.Querier, a *Approval, first int) (slot, error) {
	if first <= 0 {
		return slotOpened, nil
	}
	if _, err := tx.ExecContext(ctx, `UPDATE rules SET held = held WHERE id = $1`, a.Rule); err != nil { // one after the other
		return "", err
	}
	var known, approved, open int
	err := tx.QueryRowContext(ctx, `
		SELECT COALESCE(SUM(CASE WHEN f.effect = $3 THEN 1 ELSE 0 END), 0), COALESCE(SUM(CASE WHEN f.state = 'approved' THEN 1 ELSE 0 END), 0),
			COALESCE(SUM(CASE WHEN f.state = 'open' AND r.state IN ('running', 'waiting') THEN 1 ELSE 0 END), 0)
		FROM rule_firsts f LEFT JOIN rule_runs r ON r.id = f.run WHERE f.rule = $1 AND f.version = $2`, a.Rule, a.Version, a.ID).Scan(&known, &approved, &open)
	switch {
	case err != nil:
		return "", err
	case known > 0:
		return slotOpened, nil
	case approved >= first:
		return slotFree, nil
	case approved+open >= first:
		return slotFull, nil
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO rule_firsts (rule, version, effect, run, state) VALUES ($1, $2, $3, $4, 'open')`, a.Rule, a.Version, a.ID, a.Run)
	return slotOpened, err
}

func insertApproval(ctx context.Context, tx store.Querier, a *Approval) error {
	shown, err := json.Marshal(a.Shown)
	if err != nil {
		return err
	}
	initiators, err := json.Marshal(a.Initiators)
	if err != nil {
		return err
	}
	res, err := tx.ExecContext(ctx, `
		INSERT INTO rule_approvals (id, kind, run, path, rule, version, need, shown, hash, initiators, comment, state, asked_at, expires_at, decided_at, changes)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 0, 0) ON CONFLICT (id) DO NOTHING`,
		a.ID, string(a.Kind), a.Run, a.Path, a.Rule, a.Version, a.Need, string(shown), hashShown(a.ID, string(shown)), string(initiators), oneIf(a.NeedsComment),
		string(a.State), store.Micros(a.AskedAt), store.Micros(a.ExpiresAt))
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return err
	}
	return writeApprovers(ctx, tx, a)
}

func oneIf(b bool) int {
	if b {
		return 1
	}
	return 0
}

func writeApprovers(ctx context.Context, tx store.Querier, a *Approval) error {
	for _, p := range a.Approvers {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO rule_approvers (approval, position, person, name, escalated, from_person, asked_at, nonce, token_hash, token_shows, decision, comment, via, decided_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
			ON CONFLICT (approval, position) DO UPDATE SET token_hash = $9, token_shows = $10, decision = $11, comment = $12, via = $13, decided_at = $14`,
			a.ID, p.Position, p.Person, p.Name, oneIf(p.Escalated), p.From, store.Micros(p.AskedAt), p.nonce, p.tokenHash, p.tokenShows,
			string(p.Decision), p.Comment, p.Via, store.Micros(p.DecidedAt))
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *database) approval(ctx context.Context, id string) (*Approval, error) {
	a, err := readApproval(ctx, d.db.Reader(), id)
	if errors.Is(err, ErrNoApproval) {
		return nil, nil //nolint:nilnil // that there is none is an answer
	}
	return a, err
}

func (d *database) changeApproval(ctx context.Context, id string, change func(*Approval) error) (*Approval, error) {
	return changeApproval(ctx, d.db, d.queue, id, false, change)
}

// changeApproval changes an approval in one transaction, and wakes those who wait for it: the mails behind the first ones, and with wake the run.
func changeApproval(ctx context.Context, db *store.DB, q *queue.Queue, id string, wake bool, change func(*Approval) error) (a *Approval, err error) {
	err = db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		// Who changes the row holds it until the end: of two who decide at once the second sees what the first did.
		res, err := tx.ExecContext(ctx, `UPDATE rule_approvals SET changes = changes + 1 WHERE id = $1`, id)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, ErrNoApproval)
		}
		if a, err = readApproval(ctx, tx, id); err != nil {
			return err
		}
		before := a.State
		if err := change(a); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE rule_approvals SET state = $2, decided_at = $3 WHERE id = $1`, id, string(a.State), store.Micros(a.DecidedAt))
		if err != nil {
			return err
		}
		if err := writeApprovers(ctx, tx, a); err != nil {
			return err
		}
		if a.Kind == ApprovalMail && a.State != before {
			if err := noteFirst(ctx, tx, q, a); err != nil {
				return err
			}
		}
		if !wake {
			return nil
		}
		return rouse(ctx, tx, q, a.Run)
	})
	if err != nil {
		return nil, err
	}
	q.Wake(runKind)
	return a, nil
}

// noteFirst writes down what became of one of the first mails, and wakes those behind it.
func noteFirst(ctx context.Context, tx store.Querier, q *queue.Queue, a *Approval) error {
	if _, err := tx.ExecContext(ctx, `UPDATE rule_firsts SET state = $4 WHERE rule = $1 AND version = $2 AND effect = $3`, a.Rule, a.Version, a.ID, string(a.State)); err != nil {
		return err
	}
	_, err := signal(ctx, tx, q, firstsKey(a.Rule, a.Version))
	return err
}

const approvalColumns = `a.id, a.kind, a.run, a.path, a.rule, a.version, a.need, a.shown, a.hash, a.initiators, a.comment, a.state, a.asked_at, a.expires_at, a.decided_at, r.state`

// readApproval reads an approval with its people.
func readApproval(ctx context.Context, q store.Querier, id string) (*Approval, error) {
	var a Approval
	var kind, initiators, state, run string
	var comment int
	var asked, expires, decided int64
	row := q.QueryRowContext(ctx, `SELECT `+approvalColumns+` FROM rule_approvals a JOIN rule_runs r ON r.id = a.run WHERE a.id = $1`, id)
	err := row.Scan(&a.ID, &kind, &a.Run, &a.Path, &a.Rule, &a.Version, &a.Need, &a.shown, &a.Hash, &initiators, &comment, &state, &asked, &expires, &decided, &run)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNoApproval
	}
	if err != nil {
		return nil, err
	}
	a.Kind, a.State, a.NeedsComment, a.RunEnded = ApprovalKind(kind), ApprovalState(state), comment != 0, RunState(run).Final()
	a.AskedAt, a.ExpiresAt, a.DecidedAt = store.FromMicros(asked), store.FromMicros(expires), store.FromMicros(decided)
	if err := json.Unmarshal([]byte(a.shown), &a.Shown); err != nil {
		return nil, fmt.Errorf("approval %s: %w", id, err)
	}
	if err := json.Unmarshal([]byte(initiators), &a.Initiators); err != nil {
		return nil, fmt.Errorf("approval %s: %w", id, err)
	}
	a.Approvers, err = readApprovers(ctx, q, id)
	return &a, err
}

func readApprovers(ctx context.Context, q store.Querier, id string) (list []Approver, err error) {
	rows, err := q.QueryContext(ctx, `
		SELECT position, person, name, escalated, from_person, asked_at, nonce, token_hash, token_shows, decision, comment, via, decided_at
		FROM rule_approvers WHERE approval = $1 ORDER BY position`, id)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var p Approver
		var escalated int
		var decision string
		var asked, decided int64
		if err := rows.Scan(&p.Position, &p.Person, &p.Name, &escalated, &p.From, &asked, &p.nonce, &p.tokenHash, &p.tokenShows, &decision, &p.Comment, &p.Via, &decided); err != nil {
			return nil, err
		}
		p.Escalated, p.Decision, p.AskedAt, p.DecidedAt = escalated != 0, ApprovalState(decision), store.FromMicros(asked), store.FromMicros(decided)
		list = append(list, p)
	}
	return list, rows.Err()
}
