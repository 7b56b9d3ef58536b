package builtin

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"heliograph/crmclient"
	"heliograph/internal/store"
)

// pageSize is how many contacts a page of a listing or of changes has.
const pageSize = 500

// touched notes that contacts changed. Its number is taken under a lock that is held until the
// commit, so that changes become visible in their order also on PostgreSQL. Condition is on the contacts, with
// $2 for arg.
func touched(ctx context.Context, tx store.Querier, condition string, arg any) error {
	seq, err := nextChange(ctx, tx)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE crm_contacts SET changed_seq = $1 WHERE `+condition, seq, arg)
	return err
}

func nextChange(ctx context.Context, tx store.Querier) (seq int64, err error) {
	err = tx.QueryRowContext(ctx, `UPDATE crm_contact_clock SET seq = seq + 1 WHERE one = 1 RETURNING seq`).Scan(&seq)
	return seq, err
}

// ListContacts returns a page of all contacts in the order of their ids.
func (c *CRM) ListContacts(ctx context.Context, cursor string) ([]crmclient.ContactRecord, string, error) {
	after := int64(0)
	if cursor != "" {
		var err error
		if after, err = strconv.ParseInt(cursor, 10, 64); err != nil {
			return nil, "", fmt.Errorf("list contacts: %w", crmclient.ErrCursorExpired)
		}
	}
	found, err := c.records(ctx, `p.id > $1 ORDER BY p.id LIMIT $2`, after, pageSize)
	if err != nil {
		return nil, "", fmt.Errorf("list contacts: %w", err)
	}
	next := ""
	if len(found) == pageSize {
		next = strconv.FormatInt(found[len(found)-1].ID, 10)
	}
	return recordsOf(found), next, nil
}

// change is a place in the sequence of changes: several contacts may share a number.
type change struct{ seq, id int64 }

func (g change) String() string { return fmt.Sprintf("%d.%d", g.seq, g.id) }

func parseChange(cursor string) (g change, ok bool) {
	seq, id, ok := strings.Cut(cursor, ".")
	var errs [2]error
	g.seq, errs[0] = strconv.ParseInt(seq, 10, 64)
	g.id, errs[1] = strconv.ParseInt(id, 10, 64)
	return g, ok && errs[0] == nil && errs[1] == nil
}

// ContactChanges returns what changed after the cursor.
func (c *CRM) ContactChanges(ctx context.Context, cursor string) ([]crmclient.ContactRecord, string, error) {
	var now int64
	if err := c.db.Reader().QueryRowContext(ctx, `SELECT seq FROM crm_contact_clock WHERE one = 1`).Scan(&now); err != nil {
		return nil, "", fmt.Errorf("changes of contacts: %w", err)
	}
	if cursor == "" {
		return nil, change{now, 1<<63 - 1}.String(), nil
	}
	at, ok := parseChange(cursor)
	if !ok || at.seq > now { // an older database was restored
		return nil, "", fmt.Errorf("changes of contacts: %w", crmclient.ErrCursorExpired)
	}
	places, gone, err := c.changesAfter(ctx, at)
	if err != nil {
		return nil, "", fmt.Errorf("changes of contacts: %w", err)
	}
	if len(places) == 0 {
		return nil, cursor, nil
	}
	ids := make([]string, 0, len(places))
	for _, p := range places {
		ids = append(ids, strconv.FormatInt(p.id, 10)) // numbers need no quoting
	}
	live, err := c.records(ctx, `p.id IN (`+strings.Join(ids, ", ")+`)`)
	if err != nil {
		return nil, "", fmt.Errorf("changes of contacts: %w", err)
	}
	byID := map[int64]crmclient.ContactRecord{}
	maps.Copy(byID, gone)
	for i, r := range recordsOf(live) {
		byID[live[i].ID] = r
	}
	out := make([]crmclient.ContactRecord, 0, len(places))
	for _, p := range places {
		// One that vanished between the two questions comes again as a tombstone.
		if r, there := byID[p.id]; there {
			out = append(out, r)
		}
	}
	return out, places[len(places)-1].String(), nil
}

// changesAfter returns the next places, and the contacts that are no more.
func (c *CRM) changesAfter(ctx context.Context, at change) ([]change, map[int64]crmclient.ContactRecord, error) {
	gone := map[int64]crmclient.ContactRecord{}
	rows, err := c.db.Reader().QueryContext(ctx, `
		SELECT changed_seq, id, -1, 0 FROM crm_contacts WHERE changed_seq > $1 OR changed_seq = $1 AND id > $2
		UNION ALL
		SELECT changed_seq, id, merged_into, deleted_at FROM crm_contact_tombstones WHERE changed_seq > $1 OR changed_seq = $1 AND id > $2
		ORDER BY 1, 2 LIMIT $3`, at.seq, at.id, pageSize)
	if err != nil {
		return nil, nil, err
	}
	places, err := collect(rows, func(row scanner) (change, error) {
		var g change
		var into, when int64
		err := row.Scan(&g.seq, &g.id, &into, &when)
		if into >= 0 {
			r := crmclient.ContactRecord{ID: strconv.FormatInt(g.id, 10), Deleted: true, UpdatedAt: store.FromMicros(when)}
			if into > 0 {
				r.MergedInto = strconv.FormatInt(into, 10)
			}
			gone[g.id] = r
		}
		return g, err
	})
	return places, gone, err
}

// records reads contacts whole.
func (c *CRM) records(ctx context.Context, condition string, args ...any) ([]Contact, error) {
	rows, err := c.db.Reader().QueryContext(ctx, contactQuery+` WHERE `+condition, args...)
	if err != nil {
		return nil, err
	}
	found, err := collect(rows, scanContact)
	if err != nil {
		return nil, err
	}
	for part := range slices.Chunk(found, maxPlaceholders) {
		if err := fillAddresses(ctx, c.db.Reader(), part); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func recordsOf(found []Contact) []crmclient.ContactRecord {
	out := make([]crmclient.ContactRecord, len(found))
	for i := range found {
		out[i] = found[i].record()
	}
	return out
}

// record is the contact as other parts of the gateway see contacts of any CRM.
func (p *Contact) record() crmclient.ContactRecord {
	r := crmclient.ContactRecord{
		ID: strconv.FormatInt(p.ID, 10), Kind: p.Kind, Name: p.Name, Company: p.Company, Owner: p.Owner,
		Addresses: p.Addresses, Fields: map[string]string{}, UpdatedAt: p.Updated,
	}
	for name, value := range map[string]string{crmclient.FieldTitle: p.Title, crmclient.FieldPhone: p.Phone, crmclient.FieldMobile: p.Mobile} {
		if value != "" {
			r.Fields[name] = value
		}
	}
	for _, number := range []string{p.Mobile, p.Phone} {
		if number != "" && !slices.Contains(r.Phones, number) {
			r.Phones = append(r.Phones, number)
		}
	}
	return r
}
