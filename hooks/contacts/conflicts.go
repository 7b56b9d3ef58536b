package contacts

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/internal/store"
)

// The states of a conflict.
const (
	stateOpen       = "open"       // a person is asked
	stateCRM        = "crm"        // the CRM's value holds
	stateOther      = "other"      // the other value holds
	stateAgreed     = "agreed"     // both became the same by themselves
	stateSuperseded = "superseded" // one of the values was replaced before anybody decided
)

// maxConflicts bounds what is kept of one field of one contact. Whose signature changes more often than
// that is not learnt from any more.
const maxConflicts = 50

// ErrNoConflict says that there is no such conflict, or that it was decided.
var ErrNoConflict = errors.New("there is no such conflict, or it was decided")

// Conflict is a field of which the CRM and another source say different things.
type Conflict struct {
	ID        int64     `json:"id"`
	Target    string    `json:"target"`
	Contact   string    `json:"contact"`
	Name      string    `json:"name,omitempty"` // of the contact
	Field     string    `json:"field"`
	CRMValue  string    `json:"crm_value"`
	CRMAt     time.Time `json:"crm_at,omitzero"`
	Origin    string    `json:"origin"`
	Value     string    `json:"value"` // of the origin
	At        time.Time `json:"at"`
	State     string    `json:"state"` // open, crm, other, agreed, superseded, gone
	DecidedAt time.Time `json:"decided_at,omitzero"`
}

// conflict is a value against the CRM's.
type conflict struct {
	target, contact string
	value
	crm   string
	crmAt int64
}

// settle decides a conflict by the policy and keeps both values. wins says that the CRM is to get the other value.
func (b *Book) settle(ctx context.Context, tx store.Querier, c conflict) (wins bool, err error) {
	id, state, err := c.find(ctx, tx)
	if err != nil {
		return false, err
	}
	var verdict string
	switch {
	case b.o.Config.Conflicts != config.ConflictsAsk:
		verdict = stateCRM
		if b.compare(c.origin, c.at, string(config.OriginCRM), c.crmAt) > 0 {
			verdict = stateOther
		}
	case state == stateCRM || state == stateOther: // somebody decided just this
		return state == stateOther, nil
	default:
		verdict = stateOpen
	}
	if state == verdict {
		return verdict == stateOther, nil
	}
	if id != 0 && state == stateOpen {
		return verdict == stateOther, b.closeConflict(ctx, tx, c, verdict)
	}
	if err := b.closeConflict(ctx, tx, c, stateSuperseded); err != nil {
		return false, err
	}
	kept, err := b.keep(ctx, tx, c, verdict)
	// What is not kept must not be overwritten.
	return kept && verdict == stateOther, err
}

// find returns the last conflict between just these values.
func (c conflict) find(ctx context.Context, tx store.Querier) (id int64, state string, err error) {
	err = tx.QueryRowContext(ctx, `
		SELECT id, state FROM contact_conflicts
		WHERE target = $1 AND contact = $2 AND field = $3 AND origin = $4 AND value = $5 AND crm_value = $6 ORDER BY id DESC LIMIT 1`,
		c.target, c.contact, c.field, c.origin, c.text, c.crm).Scan(&id, &state)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return id, state, err
}

// closeConflict ends the open conflict of a field and source, if there is one.
func (b *Book) closeConflict(ctx context.Context, tx store.Querier, c conflict, state string) error {
	_, err := tx.ExecContext(ctx, `
		UPDATE contact_conflicts SET state = $5, decided_at = $6 WHERE target = $1 AND contact = $2 AND field = $3 AND origin = $4 AND state = 'open'`,
		c.target, c.contact, c.field, c.origin, state, store.Micros(b.o.Now()))
	return err
}

// keep stores a conflict, unless the field has too many.
func (b *Book) keep(ctx context.Context, tx store.Querier, c conflict, state string) (kept bool, err error) {
	decided := int64(0)
	if state != stateOpen {
		decided = store.Micros(b.o.Now())
	}
	r, err := tx.ExecContext(ctx, `
		INSERT INTO contact_conflicts (target, contact, field, origin, value, at, crm_value, crm_at, state, decided_at)
		SELECT $1, $2, $3, $4, $5, CAST($6 AS BIGINT), $7, CAST($8 AS BIGINT), $9, CAST($10 AS BIGINT)
		WHERE (SELECT COUNT(*) FROM contact_conflicts WHERE target = $1 AND contact = $2 AND field = $3) < $11`,
		c.target, c.contact, c.field, c.origin, c.text, c.at, c.crm, c.crmAt, state, decided, maxConflicts)
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n > 0, err
}

// Conflicts lists conflicts, the latest first: those that wait for a person, or all. An empty target means all targets.
func (b *Book) Conflicts(ctx context.Context, target string, all bool, limit int) ([]Conflict, error) {
	a := args{}
	query := `
		SELECT c.id, c.target, c.contact, c.field, c.origin, c.value, c.at, c.crm_value, c.crm_at, c.state, c.decided_at, COALESCE(r.record, '{}')
		FROM contact_conflicts c LEFT JOIN contact_records r ON r.target = c.target AND r.id = c.contact WHERE 1 = 1`
	if !all {
		query += ` AND c.state = 'open'`
	}
	if target != "" {
		query += ` AND c.target = ` + a.add(target)
	}
	rows, err := b.o.Store.Reader().QueryContext(ctx, query+` ORDER BY c.id DESC LIMIT `+a.add(limit), a...)
	if err != nil {
		return nil, fmt.Errorf("listing conflicts: %w", err)
	}
	var out []Conflict
	err = each(rows, func(scan func(...any) error) error {
		var c Conflict
		var record string
		var at, crmAt, decided int64
		err := scan(&c.ID, &c.Target, &c.Contact, &c.Field, &c.Origin, &c.Value, &at, &c.CRMValue, &crmAt, &c.State, &decided, &record)
		if err != nil {
			return err
		}
		c.At, c.CRMAt, c.DecidedAt = store.FromMicros(at), store.FromMicros(crmAt), store.FromMicros(decided)
		c.Name = nameIn(record)
		out = append(out, c)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing conflicts: %w", err)
	}
	return out, nil
}

// ResolveConflict decides an open conflict: the CRM's value stays, or the other one is written to the CRM.
func (b *Book) ResolveConflict(ctx context.Context, id int64, takeCRM bool) error {
	var c conflict
	err := b.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		var state string
		err := tx.QueryRowContext(ctx, `SELECT target, contact, field, origin, value, state FROM contact_conflicts WHERE id = $1`, id).
			Scan(&c.target, &c.contact, &c.field, &c.origin, &c.text, &state)
		if errors.Is(err, sql.ErrNoRows) || err == nil && state != stateOpen {
			return ErrNoConflict
		}
		if err != nil {
			return err
		}
		if err := lock(ctx, tx, c.target, c.contact); err != nil {
			return err
		}
		known, err := load(ctx, tx, c.target, []string{c.contact})
		if err != nil {
			return err
		}
		if known[c.contact] == nil || known[c.contact].Deleted {
			return ErrNoConflict
		}
		verdict := stateOther
		if takeCRM {
			verdict = stateCRM
		}
		r, err := tx.ExecContext(ctx, `UPDATE contact_conflicts SET state = $2, decided_at = $3 WHERE id = $1 AND state = 'open'`,
			id, verdict, store.Micros(b.o.Now()))
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, ErrNoConflict)
		}
		if takeCRM {
			return nil
		}
		return b.order(ctx, tx, c, known[c.contact].Field(c.field))
	})
	if err != nil {
		return fmt.Errorf("deciding conflict %d: %w", id, err)
	}
	if !takeCRM {
		b.o.Queue.Wake(WriteKind(c.target))
	}
	return nil
}

// ErrWritten says that the CRM has the other value by now.
var ErrWritten = errors.New("the CRM has taken the other value: change it there, or decide anew when the values differ again")

// ReopenConflict takes a person's decision back, as long as both values are as they were: a value that waits to be written to the CRM
// is not written any more.
func (b *Book) ReopenConflict(ctx context.Context, id int64) error {
	err := b.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		var c conflict
		var state string
		err := tx.QueryRowContext(ctx, `SELECT target, contact, field, origin, value, crm_value, state FROM contact_conflicts WHERE id = $1`, id).
			Scan(&c.target, &c.contact, &c.field, &c.origin, &c.text, &c.crm, &state)
		if errors.Is(err, sql.ErrNoRows) || err == nil && state != stateCRM && state != stateOther {
			return ErrNoConflict
		}
		if err != nil {
			return err
		}
		if err := lock(ctx, tx, c.target, c.contact); err != nil {
			return err
		}
		known, err := load(ctx, tx, c.target, []string{c.contact})
		if err != nil {
			return err
		}
		if s := known[c.contact]; s == nil || s.Deleted {
			return ErrNoConflict
		} else if s.Field(c.field) != c.crm {
			return ErrWritten
		}
		if state == stateOther {
			r, err := tx.ExecContext(ctx, `UPDATE contact_values SET push = 0 WHERE target = $1 AND contact = $2 AND field = $3 AND origin = $4 AND push = 1`,
				c.target, c.contact, c.field, c.origin)
			if err != nil {
				return err
			}
			if n, err := r.RowsAffected(); err != nil || n == 0 {
				return errors.Join(err, ErrWritten)
			}
		}
		_, err = tx.ExecContext(ctx, `UPDATE contact_conflicts SET state = 'open', decided_at = 0 WHERE id = $1`, id)
		if store.IsUnique(err) {
			return ErrNoConflict // another one of the field is open
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("reopening conflict %d: %w", id, err)
	}
	return nil
}

// order has the other value of a conflict written to the CRM, and no other of its field.
func (b *Book) order(ctx context.Context, tx store.Querier, c conflict, base string) error {
	_, err := tx.ExecContext(ctx, `
		UPDATE contact_values SET push = CASE WHEN origin = $4 THEN 1 ELSE 0 END, base = $5, refused = ''
		WHERE target = $1 AND contact = $2 AND field = $3`, c.target, c.contact, c.field, c.origin, base)
	if err != nil {
		return err
	}
	return b.addWrite(ctx, tx, c.target, writeOrder{Contact: c.contact})
}

// nameIn reads the name from a stored record; a damaged one has none.
func nameIn(record string) string {
	var r crmclient.ContactRecord
	if err := unmarshal(record, &r); err != nil {
		return ""
	}
	return r.Name
}
