package operations

import (
	"context"
	"encoding/json"
	"errors"

	"heliograph/crmclient"
	"heliograph/hooks/contacts"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
)

// readConflicts reads those that the caller sees.
func (p *Part) readConflicts(ctx context.Context, where string, a args, limit int) ([]Conflict, error) {
	query := `SELECT f.id, f.target, f.contact, f.field, f.origin, f.value, f.at, f.crm_value, f.crm_at, f.state, f.decided_at, COALESCE(r.record, '{}')
		FROM contact_conflicts f LEFT JOIN contact_records r ON r.target = f.target AND r.id = f.contact WHERE ` + where + withContact(ctx, &a, "f.target", "f.contact")
	c := access.From(ctx)
	out := []Conflict{}
	err := p.rows(ctx, query+` ORDER BY f.id DESC LIMIT `+a.add(limit), a, func(scan func(...any) error) error {
		var f Conflict
		var record string
		var at, crmAt, decided int64
		if err := scan(&f.Id, &f.Target, &f.Contact, &f.Field, &f.Origin, &f.Value, &at, &f.CrmValue, &crmAt, &f.State, &decided, &record); err != nil {
			return err
		}
		f.At, f.CrmAt, f.DecidedAt = stamp(at), stamp(crmAt), stamp(decided)
		var r crmclient.ContactRecord
		if json.Unmarshal([]byte(record), &r) == nil { // a damaged one has no name
			f.Name = r.Name
		}
		if isNumber(f.Field) && (c == nil || c.Masked("phone")) {
			f.Value, f.CrmValue = "•••", "•••"
		}
		out = append(out, f)
		return nil
	})
	return out, err
}

func isNumber(field string) bool {
	return field == crmclient.FieldPhone || field == crmclient.FieldMobile
}

// ListConflicts lists conflicts.
func (p *Part) ListConflicts(ctx context.Context, r ListConflictsRequestObject) (ListConflictsResponseObject, error) {
	var a args
	where := `1 = 1`
	if r.Params.State != ListConflictsParamsStateAll {
		where += ` AND f.state = 'open'`
	}
	if r.Params.Target != "" {
		where += ` AND f.target = ` + a.add(r.Params.Target)
	}
	if r.Params.Contact != "" {
		where += ` AND f.contact = ` + a.add(r.Params.Contact)
	}
	var before int64
	if more, err := api.DecodeCursor(r.Params.Cursor, &before); err != nil {
		return nil, err
	} else if more {
		where += ` AND f.id < ` + a.add(before)
	}
	limit := api.PageLimit(r.Params.Limit)
	list, err := p.readConflicts(ctx, where, a, limit+1)
	if err != nil {
		return nil, err
	}
	out := ListConflicts200JSONResponse{Items: list}
	if len(list) > limit {
		out.Items = list[:limit]
		out.Next, err = api.EncodeCursor(list[limit-1].Id)
	}
	return out, err
}

var errNoConflict = api.NotFound("no_conflict", "there is no such conflict")

func (p *Part) conflict(ctx context.Context, id int64) (Conflict, error) {
	var a args
	where := `f.id = ` + a.add(id)
	list, err := p.readConflicts(ctx, where, a, 1)
	if err == nil && len(list) == 0 {
		err = errNoConflict
	}
	if err != nil {
		return Conflict{}, err
	}
	return list[0], nil
}

// DecideConflicts decides conflicts, each by itself.
func (p *Part) DecideConflicts(ctx context.Context, r DecideConflictsRequestObject) (DecideConflictsResponseObject, error) {
	out := DecideConflicts200JSONResponse{Failed: []Skipped{}}
	var names []string
	for _, d := range r.Body.Decisions {
		c, err := p.conflict(ctx, d.Id)
		if err == nil {
			names = append(names, c.Name)
			err = p.o.Contacts().ResolveConflict(ctx, d.Id, d.Take == ConflictDecisionTakeCrm)
		}
		switch e := new(api.Error); {
		case err == nil:
			out.Decided++
		case errors.Is(err, contacts.ErrNoConflict):
			out.Failed = append(out.Failed, Skipped{Id: d.Id, Reason: "it was decided meanwhile"})
		case errors.As(err, &e):
			out.Failed = append(out.Failed, Skipped{Id: d.Id, Reason: e.Detail})
		default:
			return nil, err
		}
	}
	nameContacts(ctx, names...)
	api.Note(ctx, "decided", out.Decided)
	return out, nil
}

// UndoConflict takes a decision back.
func (p *Part) UndoConflict(ctx context.Context, r UndoConflictRequestObject) (UndoConflictResponseObject, error) {
	before, err := p.conflict(ctx, r.Id)
	if err != nil {
		return nil, err
	}
	nameContacts(ctx, before.Name)
	err = p.o.Contacts().ReopenConflict(ctx, r.Id)
	switch {
	case errors.Is(err, contacts.ErrWritten):
		return nil, api.Conflict("written_to_crm", contacts.ErrWritten.Error(), "Change it in the CRM.")
	case errors.Is(err, contacts.ErrNoConflict):
		return nil, api.Conflict("not_decided", "nobody decided this, or the values are not what they were", "Look at it again.")
	case err != nil:
		return nil, err
	}
	c, err := p.conflict(ctx, r.Id)
	return UndoConflict200JSONResponse(c), err
}
