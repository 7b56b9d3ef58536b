package contacts

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"heliograph/crmclient"
	"heliograph/internal/store"
)

const (
	// maxBlock is how many contacts may share a key that still says something: a switchboard's number is no person's.
	maxBlock = 20
	// checkBatch is how many contacts one transaction looks for duplicates of.
	checkBatch = 50
	// proposeAt is the score, in percent, from which a person is asked.
	proposeAt = 70
)

// The states of a pair.
const (
	pairProposed = "proposed"
	pairMerged   = "merged"
	pairUndone   = "undone" // somebody said that they are two; never proposed again
)

// Duplicate is a pair of contacts that may be one person.
type Duplicate struct {
	Target string                  `json:"target"`
	A      crmclient.ContactRecord `json:"a"`
	B      crmclient.ContactRecord `json:"b"`
	Score  int                     `json:"score"` // percent
	Reason string                  `json:"reason"`
}

// check looks for duplicates of all contacts of a target that changed since the last time.
func (b *Book) check(ctx context.Context, target string) error {
	for {
		more := false
		err := b.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
			var err error
			more, err = b.checkSome(ctx, tx, target)
			return err
		})
		if err != nil {
			return fmt.Errorf("looking for duplicates at %s: %w", target, err)
		}
		if !more {
			return nil
		}
	}
}

func (b *Book) checkSome(ctx context.Context, tx store.Querier, target string) (more bool, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT id FROM contact_records WHERE target = $1 AND unchecked = 1 ORDER BY id LIMIT $2`, target, checkBatch)
	if err != nil {
		return false, err
	}
	var ids []string
	err = each(rows, func(scan func(...any) error) error {
		var id string
		err := scan(&id)
		ids = append(ids, id)
		return err
	})
	if err != nil || len(ids) == 0 {
		return false, err
	}
	if err := lock(ctx, tx, target, ids...); err != nil {
		return false, err
	}
	known, err := load(ctx, tx, target, ids)
	if err != nil {
		return false, err
	}
	for _, id := range ids {
		if err := b.checkOne(ctx, tx, target, known[id]); err != nil {
			return false, err
		}
	}
	a := args{target}
	_, err = tx.ExecContext(ctx, `UPDATE contact_records SET unchecked = 0 WHERE target = $1 AND id IN (`+a.list(ids)+`)`, a...)
	return len(ids) == checkBatch, err
}

func (b *Book) checkOne(ctx context.Context, tx store.Querier, target string, s *stored) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM contact_duplicates WHERE target = $1 AND state = $2 AND (a = $3 OR b = $3)`, target, pairProposed, s.ID)
	if err != nil {
		return err
	}
	others, err := b.sharing(ctx, tx, target, s)
	if err != nil || len(others) == 0 {
		return err
	}
	left, err := resolve(ctx, tx, target, append(slices.Clone(others), s.ID))
	if err != nil {
		return err
	}
	known, err := load(ctx, tx, target, others)
	if err != nil {
		return err
	}
	for _, id := range others {
		one, two, other := left[s.ID], left[id], known[id]
		if one == nil || two == nil || other == nil || one.ID == two.ID {
			continue
		}
		score, reason, exact := b.score(&s.ContactRecord, &other.ContactRecord)
		if score < proposeAt && !exact {
			continue
		}
		if err := b.pair(ctx, tx, target, one, two, score, reason, exact); err != nil {
			return err
		}
		// What was merged just now must not be merged a second time.
		if left, err = resolve(ctx, tx, target, append(slices.Clone(others), s.ID)); err != nil {
			return err
		}
	}
	return nil
}

// sharing returns the contacts that share a key which says something.
func (b *Book) sharing(ctx context.Context, tx store.Querier, target string, s *stored) ([]string, error) {
	var others []string
	for _, k := range b.keysOf(&s.ContactRecord) {
		if k.kind == keyDomain {
			continue // colleagues
		}
		rows, err := tx.QueryContext(ctx, `
			SELECT contact FROM contact_keys WHERE target = $1 AND kind = $2 AND key = $3 AND contact <> $4 ORDER BY contact LIMIT $5`,
			target, k.kind, k.text, s.ID, maxBlock+1)
		if err != nil {
			return nil, err
		}
		var block []string
		err = each(rows, func(scan func(...any) error) error {
			var id string
			err := scan(&id)
			block = append(block, id)
			return err
		})
		if err != nil {
			return nil, err
		}
		if len(block) <= maxBlock {
			others = union(others, block)
		}
	}
	return others, nil
}

// score says how likely two contacts are one person, in percent, and why. exact means that they have an address in
// common, which only one person has.
func (b *Book) score(x, y *crmclient.ContactRecord) (percent int, reason string, exact bool) {
	shared := map[string]bool{}
	mobile := false
	mine := b.keysOf(x)
	for _, k := range b.keysOf(y) {
		if slices.Contains(mine, k) {
			shared[k.kind] = true
			mobile = mobile || k.kind == keyPhone && isMobile(k.text)
		}
	}
	var reasons []string
	note := func(points int, why string) {
		percent += points
		reasons = append(reasons, why)
	}
	if shared[keyAddress] {
		note(100, "same address")
	}
	switch {
	case mobile:
		note(55, "same mobile number")
	case shared[keyPhone]:
		note(35, "same phone number")
	}
	switch alike := likeness(x.Name, y.Name); {
	case alike >= 0.99:
		note(45, "same name")
	case alike >= 0.8:
		note(35, "similar name")
	}
	switch {
	case companyKey(x.Company) != "" && companyKey(x.Company) == companyKey(y.Company):
		note(30, "same company")
	case shared[keyDomain]:
		note(25, "same company domain")
	}
	return min(percent, 100), strings.Join(reasons, ", "), shared[keyAddress]
}

// pair merges two contacts or proposes it, unless that was undone once.
func (b *Book) pair(ctx context.Context, tx store.Querier, target string, x, y *stored, score int, reason string, exact bool) error {
	low, high := min(x.ID, y.ID), max(x.ID, y.ID)
	r, err := tx.ExecContext(ctx, `
		INSERT INTO contact_duplicates (target, a, b, score, reason, state, found_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (target, a, b) DO UPDATE SET score = excluded.score, reason = excluded.reason
		WHERE contact_duplicates.state = $6`, target, low, high, score, reason, pairProposed, store.Micros(b.o.Now()))
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 || !exact || !b.o.Config.AutoMerge {
		return err
	}
	if richness(&y.ContactRecord) > richness(&x.ContactRecord) || richness(&y.ContactRecord) == richness(&x.ContactRecord) && y.ID < x.ID {
		x, y = y, x
	}
	_, err = b.merge(ctx, tx, target, x.ID, y.ID, true)
	if err == nil {
		b.metrics.merges.WithLabelValues(target).Inc()
	}
	return err
}

// richness is how much a contact tells, so that the better one stays.
func richness(r *crmclient.ContactRecord) int {
	n := len(r.Addresses) + len(r.Phones) + len(r.Fields)
	for _, s := range []string{r.Name, r.Company, r.Owner} {
		if s != "" {
			n++
		}
	}
	return n
}

// Duplicates lists pairs that were found and not merged, the likeliest first. An empty target means all.
func (b *Book) Duplicates(ctx context.Context, target string, limit int) ([]Duplicate, error) {
	a := args{pairProposed}
	query := `
		SELECT d.target, d.a, d.b, d.score, d.reason FROM contact_duplicates d
		JOIN contact_records x ON x.target = d.target AND x.id = d.a AND x.deleted = 0 AND x.joined_into = ''
		JOIN contact_records y ON y.target = d.target AND y.id = d.b AND y.deleted = 0 AND y.joined_into = ''
		WHERE d.state = $1`
	if target != "" {
		query += ` AND d.target = ` + a.add(target)
	}
	rows, err := b.o.Store.Reader().QueryContext(ctx, query+` ORDER BY d.score DESC, d.target, d.a, d.b LIMIT `+a.add(limit), a...)
	if err != nil {
		return nil, fmt.Errorf("listing duplicates: %w", err)
	}
	var out []Duplicate
	err = each(rows, func(scan func(...any) error) error {
		var d Duplicate
		err := scan(&d.Target, &d.A.ID, &d.B.ID, &d.Score, &d.Reason)
		out = append(out, d)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing duplicates: %w", err)
	}
	for i := range out {
		d := &out[i]
		known, err := load(ctx, b.o.Store.Reader(), d.Target, []string{d.A.ID, d.B.ID})
		if err != nil {
			return nil, fmt.Errorf("listing duplicates: %w", err)
		}
		for _, r := range []*crmclient.ContactRecord{&d.A, &d.B} {
			if s := known[r.ID]; s != nil {
				*r = s.ContactRecord
			}
		}
	}
	return out, nil
}

// ErrNoPair says that there is no such pair, or that it has another state by now.
var ErrNoPair = errors.New("there is no such pair of contacts, or somebody decided on it meanwhile")

// Dismiss says that the two contacts of a proposed pair are two people: they are not proposed again.
func (b *Book) Dismiss(ctx context.Context, target, x, y string) error {
	return b.turnPair(ctx, target, x, y, pairProposed, pairUndone)
}

// Restore takes back what Dismiss said.
func (b *Book) Restore(ctx context.Context, target, x, y string) error {
	return b.turnPair(ctx, target, x, y, pairUndone, pairProposed)
}

func (b *Book) turnPair(ctx context.Context, target, x, y, from, to string) error {
	err := b.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		r, err := tx.ExecContext(ctx, `UPDATE contact_duplicates SET state = $5 WHERE target = $1 AND a = $2 AND b = $3 AND state = $4`,
			target, min(x, y), max(x, y), from, to)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, ErrNoPair)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("deciding on a pair of contacts: %w", err)
	}
	return nil
}
