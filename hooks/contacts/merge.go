package contacts

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"heliograph/crmclient"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

// The errors that callers of Merge and Undo act on.
var (
	// ErrNoContact says that there is no such contact, or no more.
	ErrNoContact = errors.New("there is no such contact")
	// ErrSame says that the two are one already.
	ErrSame = errors.New("they are one contact already")
	// ErrNoMerge says that there is no such merge, or that it was undone.
	ErrNoMerge = errors.New("there is no such merge, or it was undone")
	// ErrMergedInCRM says that the CRM has merged the contacts as well, which cannot be undone from here.
	ErrMergedInCRM = errors.New("the CRM was asked to merge the contacts as well: undo it there")
)

// The states of a merge at the CRM.
const (
	crmNot   = 0
	crmAsk   = 1 // the job is waiting
	crmAsked = 2 // whatever came of it
)

// Merge is one merge.
type Merge struct {
	ID        int64                     `json:"id"`
	Target    string                    `json:"target"`
	Survivor  string                    `json:"survivor"`
	Other     string                    `json:"other"`
	Before    []crmclient.ContactRecord `json:"before"` // the survivor and the other, as they were
	Automatic bool                      `json:"automatic"`
	InCRM     bool                      `json:"in_crm"`
	At        time.Time                 `json:"at"`
	UndoneAt  time.Time                 `json:"undone_at,omitzero"`
}

// Merge makes other part of survivor, and returns the number to undo it by. Both stay as they are;
// whoever looks for other finds survivor. Only if the configuration says so the CRM is asked to merge them, too.
func (b *Book) Merge(ctx context.Context, target, survivor, other string) (id int64, err error) {
	err = b.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		var err error
		id, err = b.merge(ctx, tx, target, survivor, other, false)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("merging contacts: %w", err)
	}
	b.o.Queue.Wake(WriteKind(target))
	return id, nil
}

func (b *Book) merge(ctx context.Context, tx store.Querier, target, survivor, other string, automatic bool) (id int64, err error) {
	if err := lock(ctx, tx, target, survivor, other); err != nil {
		return 0, err
	}
	left, err := resolve(ctx, tx, target, []string{survivor, other})
	if err != nil {
		return 0, err
	}
	keep, gone := left[survivor], left[other]
	switch {
	case keep == nil:
		return 0, fmt.Errorf("%w: %s", ErrNoContact, survivor)
	case gone == nil:
		return 0, fmt.Errorf("%w: %s", ErrNoContact, other)
	case keep.ID == gone.ID:
		return 0, ErrSame
	}
	if err := lock(ctx, tx, target, keep.ID, gone.ID); err != nil {
		return 0, err
	}
	before, err := json.Marshal([]crmclient.ContactRecord{keep.ContactRecord, gone.ContactRecord})
	if err != nil {
		return 0, err
	}
	r, err := tx.ExecContext(ctx, `UPDATE contact_records SET joined_into = $3 WHERE target = $1 AND id = $2 AND deleted = 0 AND joined_into = $4`,
		target, gone.ID, keep.ID, gone.joinedInto)
	if err != nil {
		return 0, err
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return 0, errors.Join(err, fmt.Errorf("%w: %s", ErrNoContact, gone.ID))
	}
	crm := crmNot
	if b.o.Config.MergeInCRM {
		crm = crmAsk
	}
	now := store.Micros(b.o.Now())
	err = tx.QueryRowContext(ctx, `
		INSERT INTO contact_merges (target, survivor, other, before, automatic, in_crm, merged_at, undone_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 0) RETURNING id`, target, keep.ID, gone.ID, string(before), flag(automatic), crm, now).Scan(&id)
	if err != nil {
		return 0, err
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO contact_duplicates (target, a, b, score, reason, state, found_at) VALUES ($1, $2, $3, 100, 'merged by a person', $4, $5)
		ON CONFLICT (target, a, b) DO UPDATE SET state = excluded.state`, target, min(keep.ID, gone.ID), max(keep.ID, gone.ID), pairMerged, now)
	if err != nil || crm == crmNot {
		return id, err
	}
	return id, b.addWrite(ctx, tx, target, writeOrder{Contact: keep.ID, Merge: id})
}

// Undo makes two contacts of one again, and returns the merge.
func (b *Book) Undo(ctx context.Context, id int64) (Merge, error) {
	var m Merge
	err := b.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		var err error
		// The lock of the merge: its job changes it before it asks the CRM.
		if _, err := tx.ExecContext(ctx, `UPDATE contact_merges SET in_crm = in_crm WHERE id = $1`, id); err != nil {
			return err
		}
		if m, err = readMerge(ctx, tx, id); err != nil {
			return err
		}
		if m.InCRM {
			return ErrMergedInCRM
		}
		if !m.UndoneAt.IsZero() {
			return ErrNoMerge
		}
		m.UndoneAt = b.o.Now()
		if _, err := tx.ExecContext(ctx, `UPDATE contact_merges SET undone_at = $2 WHERE id = $1`, id, store.Micros(m.UndoneAt)); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE contact_records SET joined_into = '' WHERE target = $1 AND id = $2 AND joined_into = $3`, m.Target, m.Other, m.Survivor)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE contact_duplicates SET state = $4 WHERE target = $1 AND a = $2 AND b = $3`,
			m.Target, min(m.Survivor, m.Other), max(m.Survivor, m.Other), pairUndone)
		return err
	})
	if err != nil {
		return m, fmt.Errorf("undoing merge %d: %w", id, err)
	}
	return m, nil
}

const mergeColumns = `id, target, survivor, other, before, automatic, in_crm, merged_at, undone_at`

func scanMerge(scan func(...any) error) (Merge, error) {
	var m Merge
	var before string
	var crm int
	var at, undone int64
	if err := scan(&m.ID, &m.Target, &m.Survivor, &m.Other, &before, &m.Automatic, &crm, &at, &undone); err != nil {
		return m, err
	}
	m.InCRM, m.At, m.UndoneAt = crm == crmAsked, store.FromMicros(at), store.FromMicros(undone)
	return m, unmarshal(before, &m.Before)
}

func readMerge(ctx context.Context, q store.Querier, id int64) (Merge, error) {
	m, err := scanMerge(q.QueryRowContext(ctx, `SELECT `+mergeColumns+` FROM contact_merges WHERE id = $1`, id).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNoMerge
	}
	return m, err
}

// Merges lists merges, the latest first. An empty target means all.
func (b *Book) Merges(ctx context.Context, target string, limit int) ([]Merge, error) {
	a := args{}
	query := `SELECT ` + mergeColumns + ` FROM contact_merges`
	if target != "" {
		query += ` WHERE target = ` + a.add(target)
	}
	rows, err := b.o.Store.Reader().QueryContext(ctx, query+` ORDER BY id DESC LIMIT `+a.add(limit), a...)
	if err != nil {
		return nil, fmt.Errorf("listing merges: %w", err)
	}
	var out []Merge
	err = each(rows, func(scan func(...any) error) error {
		m, err := scanMerge(scan)
		out = append(out, m)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing merges: %w", err)
	}
	return out, nil
}

// mergeJob asks the CRM to merge what was merged here, unless that was undone meanwhile.
func (b *Book) mergeJob(ctx context.Context, t *target, id int64) (queue.Result, error) {
	if t.merger == nil {
		return queue.Result{Action: queue.Cancel, Reason: "the target merges no contacts"}, nil
	}
	var m Merge
	err := b.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		// From here on it cannot be undone.
		if _, err := tx.ExecContext(ctx, `UPDATE contact_merges SET in_crm = $2 WHERE id = $1 AND undone_at = 0`, id, crmAsked); err != nil {
			return err
		}
		var err error
		m, err = readMerge(ctx, tx, id)
		return err
	})
	if errors.Is(err, ErrNoMerge) || err == nil && !m.InCRM {
		return queue.Result{Action: queue.Cancel, Reason: "undone meanwhile"}, nil
	}
	if err != nil {
		return queue.Result{}, err
	}
	limited, cancel := b.ask(ctx)
	defer cancel()
	if err := t.merger.MergeContacts(limited, m.Survivor, m.Other); err != nil {
		return queue.Result{}, err
	}
	b.poke(ctx, t.Name)
	return queue.Result{Action: queue.Complete}, nil
}

func flag(set bool) int {
	if set {
		return 1
	}
	return 0
}

// Merged returns one merge.
func (b *Book) Merged(ctx context.Context, id int64) (Merge, error) {
	return readMerge(ctx, b.o.Store.Reader(), id)
}
