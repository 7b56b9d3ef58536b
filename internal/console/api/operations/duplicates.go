package operations

import (
	"context"
	"errors"
	"slices"
	"strings"

	"heliograph/crmclient"
	"heliograph/hooks/contacts"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
)

// recordOf shows a contact; numbers are left out where they are hidden from the caller.
func recordOf(ctx context.Context, r crmclient.ContactRecord) ContactRecord {
	out := ContactRecord{Id: r.ID, Kind: r.Kind, Name: r.Name, Title: r.Fields[crmclient.FieldTitle], Company: r.Company, Owner: r.Owner, Addresses: r.Addresses, Phones: r.Phones, ChangedAt: r.UpdatedAt}
	c := access.From(ctx)
	if c == nil || c.Masked("phone") {
		out.Phones = nil
	}
	if c == nil || c.Masked("address") {
		out.Addresses = nil
	}
	return out
}

// record reads a contact as the copy has it.
func (p *Part) record(ctx context.Context, target, id string) (ContactRecord, error) {
	r, found, err := p.o.Contacts().Resolve(ctx, target, id)
	if err != nil || !found {
		return ContactRecord{Id: id}, err
	}
	return recordOf(ctx, r), nil
}

// ListDuplicates lists pairs.
func (p *Part) ListDuplicates(ctx context.Context, r ListDuplicatesRequestObject) (ListDuplicatesResponseObject, error) {
	a := args{map[ListDuplicatesParamsState]string{"": "proposed", Proposed: "proposed", Dismissed: "undone"}[r.Params.State]}
	query := `SELECT d.target, d.a, d.b, d.score, d.reason FROM contact_duplicates d
		JOIN contact_records x ON x.target = d.target AND x.id = d.a AND x.deleted = 0 AND x.joined_into = ''
		JOIN contact_records y ON y.target = d.target AND y.id = d.b AND y.deleted = 0 AND y.joined_into = ''
		WHERE d.state = $1`
	if r.Params.Target != "" {
		query += ` AND d.target = ` + a.add(r.Params.Target)
	}
	query += withContact(ctx, &a, "d.target", "d.a", "d.b")
	var score int
	var target, x, y string
	if more, err := api.DecodeCursor(r.Params.Cursor, &score, &target, &x, &y); err != nil {
		return nil, err
	} else if more {
		s := a.add(score)
		query += ` AND (d.score < ` + s + ` OR d.score = ` + s + ` AND (d.target, d.a, d.b) > (` + a.add(target) + `, ` + a.add(x) + `, ` + a.add(y) + `))`
	}
	limit := api.PageLimit(r.Params.Limit)
	out := ListDuplicates200JSONResponse{Items: []Duplicate{}}
	err := p.rows(ctx, query+` ORDER BY d.score DESC, d.target, d.a, d.b LIMIT `+a.add(limit+1), a, func(scan func(...any) error) error {
		var d Duplicate
		err := scan(&d.Target, &d.A.Id, &d.B.Id, &d.Score, &d.Reason)
		out.Items = append(out.Items, d)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(out.Items) > limit {
		out.Items = out.Items[:limit]
		last := out.Items[limit-1]
		if out.Next, err = api.EncodeCursor(last.Score, last.Target, last.A.Id, last.B.Id); err != nil {
			return nil, err
		}
	}
	for i := range out.Items {
		d := &out.Items[i]
		if d.A, err = p.record(ctx, d.Target, d.A.Id); err != nil {
			return nil, err
		}
		if d.B, err = p.record(ctx, d.Target, d.B.Id); err != nil {
			return nil, err
		}
	}
	return out, nil
}

var errNoContact = api.NotFound("no_contact", "there is no such contact")

// MergeContacts makes two contacts one.
func (p *Part) MergeContacts(ctx context.Context, r MergeContactsRequestObject) (MergeContactsResponseObject, error) {
	b := *r.Body
	if seen, err := p.seesContact(ctx, b.Target, b.Survivor, b.Other); err != nil || !seen {
		return nil, firstOf(err, errNoContact)
	}
	if err := p.noteContacts(ctx, b.Target, b.Survivor, b.Other); err != nil {
		return nil, err
	}
	id, err := p.o.Contacts().Merge(ctx, b.Target, b.Survivor, b.Other)
	switch {
	case errors.Is(err, contacts.ErrNoContact):
		return nil, errNoContact
	case errors.Is(err, contacts.ErrSame):
		return nil, api.Conflict("same_contact", "they are one contact already", "")
	case err != nil:
		return nil, err
	}
	m, err := p.merge(ctx, id)
	return MergeContacts201JSONResponse(m), err
}

// noteContacts puts on record which contacts it is about, and how they are called now.
func (p *Part) noteContacts(ctx context.Context, target string, ids ...string) error {
	api.Note(ctx, "target", target)
	api.Note(ctx, "contacts", strings.Join(ids, ", "))
	var names []string
	for _, id := range ids {
		r, found, err := p.o.Contacts().Resolve(ctx, target, id)
		if err != nil {
			return err
		}
		if found {
			names = append(names, r.Name)
		}
	}
	nameContacts(ctx, names...)
	return nil
}

// nameContacts puts names on record, each once.
func nameContacts(ctx context.Context, names ...string) {
	names = slices.DeleteFunc(names, func(name string) bool { return name == "" })
	slices.Sort(names)
	api.Named(ctx, strings.Join(slices.Compact(names), ", "))
}

func (p *Part) turnPair(ctx context.Context, b Pair, do func(ctx context.Context, target, x, y string) error) error {
	if seen, err := p.seesContact(ctx, b.Target, b.A, b.B); err != nil || !seen {
		return firstOf(err, errNoContact)
	}
	if err := p.noteContacts(ctx, b.Target, b.A, b.B); err != nil {
		return err
	}
	err := do(ctx, b.Target, b.A, b.B)
	if errors.Is(err, contacts.ErrNoPair) {
		return api.Conflict("no_pair", contacts.ErrNoPair.Error(), "Look at the list again.")
	}
	return err
}

// DismissDuplicate says that they are two.
func (p *Part) DismissDuplicate(ctx context.Context, r DismissDuplicateRequestObject) (DismissDuplicateResponseObject, error) {
	return DismissDuplicate204Response{}, p.turnPair(ctx, *r.Body, p.o.Contacts().Dismiss)
}

// RestoreDuplicate takes that back.
func (p *Part) RestoreDuplicate(ctx context.Context, r RestoreDuplicateRequestObject) (RestoreDuplicateResponseObject, error) {
	return RestoreDuplicate204Response{}, p.turnPair(ctx, *r.Body, p.o.Contacts().Restore)
}

// ListMerges lists merges.
func (p *Part) ListMerges(ctx context.Context, r ListMergesRequestObject) (ListMergesResponseObject, error) {
	var a args
	query := `SELECT m.id FROM contact_merges m WHERE 1 = 1`
	if r.Params.Target != "" {
		query += ` AND m.target = ` + a.add(r.Params.Target)
	}
	query += withContact(ctx, &a, "m.target", "m.survivor", "m.other")
	var before int64
	if more, err := api.DecodeCursor(r.Params.Cursor, &before); err != nil {
		return nil, err
	} else if more {
		query += ` AND m.id < ` + a.add(before)
	}
	limit := api.PageLimit(r.Params.Limit)
	var ids []int64
	err := p.rows(ctx, query+` ORDER BY m.id DESC LIMIT `+a.add(limit+1), a, func(scan func(...any) error) error {
		var id int64
		err := scan(&id)
		ids = append(ids, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := ListMerges200JSONResponse{Items: []Merge{}}
	if len(ids) > limit {
		ids = ids[:limit]
		if out.Next, err = api.EncodeCursor(ids[limit-1]); err != nil {
			return nil, err
		}
	}
	for _, id := range ids {
		m, err := p.merge(ctx, id)
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, m)
	}
	return out, nil
}

var errNoMerge = api.NotFound("no_merge", "there is no such merge, or it was undone")

// merge reads one that the caller sees.
func (p *Part) merge(ctx context.Context, id int64) (Merge, error) {
	m, err := p.o.Contacts().Merged(ctx, id)
	if errors.Is(err, contacts.ErrNoMerge) {
		return Merge{}, errNoMerge
	}
	if err != nil {
		return Merge{}, err
	}
	if seen, err := p.seesContact(ctx, m.Target, m.Survivor, m.Other); err != nil || !seen {
		return Merge{}, firstOf(err, errNoMerge)
	}
	return mergeOf(ctx, m), nil
}

func mergeOf(ctx context.Context, m contacts.Merge) Merge {
	out := Merge{Id: m.ID, Target: m.Target, Survivor: m.Survivor, Other: m.Other, Before: []ContactRecord{}, Automatic: m.Automatic, InCrm: m.InCRM, At: m.At, UndoneAt: m.UndoneAt}
	for _, r := range m.Before {
		out.Before = append(out.Before, recordOf(ctx, r))
	}
	return out
}

// UndoMerge makes two contacts of one again.
func (p *Part) UndoMerge(ctx context.Context, r UndoMergeRequestObject) (UndoMergeResponseObject, error) {
	before, err := p.merge(ctx, r.Id)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, c := range before.Before {
		names = append(names, c.Name)
	}
	nameContacts(ctx, names...)
	m, err := p.o.Contacts().Undo(ctx, r.Id)
	switch {
	case errors.Is(err, contacts.ErrMergedInCRM):
		return nil, api.Conflict("merged_in_crm", "the CRM was asked to merge the contacts as well", "Undo it there.")
	case errors.Is(err, contacts.ErrNoMerge):
		return nil, errNoMerge
	case err != nil:
		return nil, err
	}
	return UndoMerge200JSONResponse(mergeOf(ctx, m)), nil
}
