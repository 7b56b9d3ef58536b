package builtin

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"heliograph/crmclient"
)

// changesKept is how many numbers back a cursor may be. The triggers of migration 0013 delete what is older.
const changesKept = 200_000

// changePage is how many changes are read at once.
const changePage = 200

// noted is a row of changes.
type noted struct {
	seq, id int64
	action  string
	old     string
	own     bool
}

// RecordChanges returns the records that changed after the cursor, each once in a page, with the values from before the first of
// these changes.
func (c *CRM) RecordChanges(ctx context.Context, name string, fields []string, cursor string) ([]crmclient.RecordChange, string, error) {
	o, err := c.object(name)
	if err != nil {
		return nil, "", err
	}
	var now int64
	if err := c.db.Reader().QueryRowContext(ctx, `SELECT seq FROM crm_contact_clock WHERE one = 1`).Scan(&now); err != nil {
		return nil, "", fmt.Errorf("changes of records: %w", err)
	}
	if cursor == "" {
		return nil, strconv.FormatInt(now, 10), nil
	}
	after, err := strconv.ParseInt(cursor, 10, 64)
	if err != nil || after > now || after < now-changesKept { // an older database was restored, or nobody asked for long
		return nil, "", fmt.Errorf("changes of records: %w", crmclient.ErrCursorExpired)
	}
	rows, err := c.db.Reader().QueryContext(ctx,
		`SELECT seq, record, action, old, own FROM crm_changes WHERE object = $1 AND seq > $2 ORDER BY seq LIMIT $3`, name, after, changePage)
	if err != nil {
		return nil, "", fmt.Errorf("changes of records: %w", err)
	}
	found, err := collect(rows, func(s scanner) (noted, error) {
		var n noted
		var own int64
		err := s.Scan(&n.seq, &n.id, &n.action, &n.old, &own)
		n.own = own == 1
		return n, err
	})
	if err != nil {
		return nil, "", fmt.Errorf("changes of records: %w", err)
	}
	if len(found) == 0 {
		return nil, strconv.FormatInt(max(now, after), 10), nil
	}
	changes, err := c.asTheyAre(ctx, o, fields, found)
	if err != nil {
		return nil, "", fmt.Errorf("changes of records: %w", err)
	}
	return changes, strconv.FormatInt(found[len(found)-1].seq, 10), nil
}

// asTheyAre reads the changed records.
func (c *CRM) asTheyAre(ctx context.Context, o object, fields []string, found []noted) ([]crmclient.RecordChange, error) {
	var ids []string
	for _, n := range found {
		if id := strconv.FormatInt(n.id, 10); !slices.Contains(ids, id) { // numbers need no quoting
			ids = append(ids, id)
		}
	}
	live, err := o.read(ctx, c.db.Reader(), nil, ` WHERE `+o.id+` IN (`+strings.Join(ids, ", ")+`)`)
	if err != nil {
		return nil, err
	}
	byID := make(map[string]*crmclient.RecordChange, len(ids))
	for _, r := range live {
		byID[r.ID] = &crmclient.RecordChange{Record: r, Own: true}
	}
	var out []crmclient.RecordChange
	for _, n := range found {
		change, there := byID[strconv.FormatInt(n.id, 10)]
		if !there {
			change = &crmclient.RecordChange{Record: crmclient.Record{Object: o.name, ID: strconv.FormatInt(n.id, 10)}, Deleted: true, Own: true}
			byID[change.ID] = change
		}
		change.Own = change.Own && n.own
		if n.action == "update" && change.Old == nil && !change.Deleted {
			if change.Old, err = o.formerValues(n.old, change.Fields); err != nil {
				return nil, err
			}
		}
	}
	if err := c.othersSince(ctx, o.name, found[len(found)-1].seq, ids, byID); err != nil {
		return nil, err
	}
	for _, id := range ids {
		change := byID[id]
		keepFields(change.Fields, fields)
		keepFields(change.Old, fields)
		out = append(out, *change)
	}
	return out, nil
}

// othersSince takes back that a change is our own where somebody else has changed the record behind the page: what was read as it
// is now holds that, too. It is asked after the records were read, so that nothing slips between.
func (c *CRM) othersSince(ctx context.Context, name string, seq int64, ids []string, byID map[string]*crmclient.RecordChange) error {
	rows, err := c.db.Reader().QueryContext(ctx, `SELECT DISTINCT record FROM crm_changes WHERE object = $1 AND seq > $2 AND own = 0
		AND record IN (`+strings.Join(ids, ", ")+`)`, name, seq)
	if err != nil {
		return err
	}
	others, err := collect(rows, func(s scanner) (int64, error) {
		var id int64
		err := s.Scan(&id)
		return id, err
	})
	for _, id := range others {
		byID[strconv.FormatInt(id, 10)].Own = false
	}
	return err
}

// formerValues returns the values of the columns that are others now.
func (o object) formerValues(old string, now map[string]any) (map[string]any, error) {
	var before map[string]any
	if err := crmclient.ExactJSON([]byte(old), &before); err != nil {
		return nil, err
	}
	o.toMajor(before)
	out := map[string]any{}
	for name, v := range before {
		if m, ok := v.(map[string]any); ok && len(m) == 0 {
			v = nil // no custom fields
		}
		if is, ok := now[name]; ok && !reflect.DeepEqual(is, v) {
			out[name] = v
		}
	}
	return out, nil
}

// keepFields drops what nobody asked for.
func keepFields(values map[string]any, fields []string) {
	for name := range values {
		if len(fields) > 0 && !slices.Contains(fields, name) {
			delete(values, name)
		}
	}
}
