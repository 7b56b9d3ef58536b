package contacts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"heliograph/crmclient"
	"heliograph/internal/store"
)

// Bounds of one contact, whose content a CRM's users choose.
const (
	maxID        = 400    // bytes; the id is part of keys
	maxValue     = 2000   // bytes of a name or field
	maxFields    = 200    // a CRM's object may have hundreds
	maxAddresses = 200    // a distribution list that was made a contact
	maxPhones    = 50     // numbers
	maxSearch    = 20_000 // bytes of tokens
)

// stored is a contact as the tables have it.
type stored struct {
	crmclient.ContactRecord
	times      map[string]int64 // when each field got its value, in microseconds
	remoteAt   int64
	generation int64
	joinedInto string
	raw        string // the record as JSON
}

const storedColumns = `id, record, times, remote_at, generation, deleted, merged_into, joined_into`

func scanStored(scan func(...any) error) (*stored, error) {
	var s stored
	var id, times, into string
	var deleted bool
	if err := scan(&id, &s.raw, &times, &s.remoteAt, &s.generation, &deleted, &into, &s.joinedInto); err != nil {
		return nil, err
	}
	if err := errors.Join(unmarshal(s.raw, &s.ContactRecord), unmarshal(times, &s.times)); err != nil {
		return nil, fmt.Errorf("contact %s is damaged: %w", id, err)
	}
	s.ID, s.Deleted, s.MergedInto = id, deleted, into
	return &s, nil
}

// load reads the contacts that are there.
func load(ctx context.Context, q store.Querier, target string, ids []string) (map[string]*stored, error) {
	found := map[string]*stored{}
	for part := range slices.Chunk(ids, maxList) {
		a := args{target}
		rows, err := q.QueryContext(ctx, `SELECT `+storedColumns+` FROM contact_records WHERE target = $1 AND id IN (`+a.list(part)+`)`, a...)
		if err != nil {
			return nil, err
		}
		err = each(rows, func(scan func(...any) error) error {
			s, err := scanStored(scan)
			if err == nil {
				found[s.ID] = s
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// lock makes the transaction the only one that changes the contacts, until it ends.
func lock(ctx context.Context, tx store.Querier, target string, ids ...string) error {
	for part := range slices.Chunk(slices.Sorted(slices.Values(ids)), maxList) {
		a := args{target}
		if _, err := tx.ExecContext(ctx, `UPDATE contact_records SET seen_at = seen_at WHERE target = $1 AND id IN (`+a.list(part)+`)`, a...); err != nil {
			return err
		}
	}
	return nil
}

// apply stores contacts as the CRM tells them. pushed says that there are now values to be written to the CRM.
func (b *Book) apply(ctx context.Context, tx store.Querier, target string, generation int64, records []crmclient.ContactRecord) (pushed bool, err error) {
	ids := make([]string, 0, len(records))
	for _, r := range records {
		ids = append(ids, clip(r.ID, maxID))
	}
	if err := lock(ctx, tx, target, ids...); err != nil {
		return false, err
	}
	known, err := load(ctx, tx, target, ids)
	if err != nil {
		return false, err
	}
	valued, err := withValues(ctx, tx, target, ids)
	if err != nil {
		return false, err
	}
	now := store.Micros(b.o.Now())
	for _, r := range records {
		r = bounded(r)
		if r.ID == "" {
			return false, &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the CRM told of a contact without an id"}
		}
		old := known[r.ID]
		s, changed, err := b.put(ctx, tx, target, generation, r, old, now)
		if err != nil {
			return false, err
		}
		known[r.ID] = s
		if s == nil || !changed || !valued[r.ID] {
			continue
		}
		some, err := b.decide(ctx, tx, target, s)
		if err != nil {
			return false, err
		}
		pushed = pushed || some
	}
	return pushed, nil
}

// put stores one contact. old is nil where it was not known.
func (b *Book) put(ctx context.Context, tx store.Querier, target string, generation int64, r crmclient.ContactRecord, old *stored, now int64) (_ *stored, changed bool, err error) {
	if r.Deleted {
		s, err := b.bury(ctx, tx, target, generation, r, old, now)
		return s, true, err
	}
	raw, err := json.Marshal(r)
	if err != nil {
		return nil, false, err
	}
	s := &stored{ContactRecord: r, remoteAt: store.Micros(r.UpdatedAt), generation: generation, raw: string(raw), times: map[string]int64{}}
	if old != nil {
		s.joinedInto = old.joinedInto
		if !old.Deleted && old.raw == s.raw {
			if old.generation != generation {
				_, err = tx.ExecContext(ctx, `UPDATE contact_records SET generation = $3 WHERE target = $1 AND id = $2`, target, r.ID, generation)
			}
			s.times = old.times
			return s, false, err
		}
	}
	s.setTimes(old, now)
	times, err := json.Marshal(s.times)
	if err != nil {
		return nil, false, err
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO contact_records (target, id, record, times, remote_at, seen_at, generation, deleted, merged_into, joined_into, unchecked, search)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 0, '', '', 1, $8)
		ON CONFLICT (target, id) DO UPDATE SET record = excluded.record, times = excluded.times, remote_at = excluded.remote_at,
			seen_at = excluded.seen_at, generation = excluded.generation, deleted = 0, merged_into = '', unchecked = 1, search = excluded.search`,
		target, r.ID, s.raw, string(times), s.remoteAt, now, generation, b.searchText(&r))
	if err != nil {
		return nil, false, err
	}
	return s, true, b.putKeys(ctx, tx, target, &r)
}

// setTimes notes when each field got its value: now at the latest, and not earlier than it is known to have had another.
func (s *stored) setTimes(old *stored, now int64) {
	at := now
	if s.remoteAt > 0 {
		at = min(s.remoteAt, now)
	}
	names := []string{crmclient.FieldName, crmclient.FieldCompany}
	names = append(names, slices.Collect(maps.Keys(s.Fields))...)
	if old != nil {
		names = append(names, slices.Collect(maps.Keys(old.Fields))...) // one that was emptied has a time, too
	}
	for _, name := range names {
		if old != nil && old.Field(name) == s.Field(name) {
			if t, there := old.times[name]; there {
				s.times[name] = t
				continue
			}
		}
		s.times[name] = at
	}
}

// bury notes that a contact is no more. What it was stays readable. One that nobody knew is kept only if it leads to another.
func (b *Book) bury(ctx context.Context, tx store.Querier, target string, generation int64, r crmclient.ContactRecord, old *stored, now int64) (*stored, error) {
	if old == nil && r.MergedInto == "" {
		return nil, nil
	}
	s := &stored{ContactRecord: crmclient.ContactRecord{ID: r.ID}, raw: "{}", times: map[string]int64{}}
	if old != nil {
		*s = *old
	}
	s.Deleted, s.MergedInto, s.generation, s.remoteAt = true, r.MergedInto, generation, max(s.remoteAt, store.Micros(r.UpdatedAt))
	_, err := tx.ExecContext(ctx, `
		INSERT INTO contact_records (target, id, record, times, remote_at, seen_at, generation, deleted, merged_into, joined_into, unchecked, search)
		VALUES ($1, $2, '{}', '{}', $3, $4, $5, 1, $6, '', 0, '')
		ON CONFLICT (target, id) DO UPDATE SET remote_at = excluded.remote_at, seen_at = excluded.seen_at, generation = excluded.generation,
			deleted = 1, merged_into = excluded.merged_into, unchecked = 0`,
		target, r.ID, s.remoteAt, now, generation, r.MergedInto)
	if err != nil {
		return nil, err
	}
	return s, b.forget(ctx, tx, target, now, `= $2`, r.ID)
}

// sweep buries what a listing that has ended did not have.
func (b *Book) sweep(ctx context.Context, tx store.Querier, target string, generation int64) error {
	now := store.Micros(b.o.Now())
	err := b.forget(ctx, tx, target, now, `IN (SELECT id FROM contact_records WHERE target = $1 AND deleted = 0 AND generation < $2)`, generation)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `
		UPDATE contact_records SET deleted = 1, unchecked = 0, seen_at = $3 WHERE target = $1 AND deleted = 0 AND generation < $2`,
		target, generation, now)
	return err
}

// forget takes away what only contacts have that are there. which is a condition on the contact's id, with $2 for arg.
func (b *Book) forget(ctx context.Context, tx store.Querier, target string, now int64, which string, arg any) error {
	statements := []string{
		`DELETE FROM contact_keys WHERE target = $1 AND contact ` + which,
		`UPDATE contact_values SET push = 0 WHERE target = $1 AND push = 1 AND contact ` + which,
	}
	for _, query := range statements {
		if _, err := tx.ExecContext(ctx, query, target, arg); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, `
		UPDATE contact_conflicts SET state = 'gone', decided_at = $3 WHERE target = $1 AND state = 'open' AND contact `+which, target, arg, now)
	return err
}

// The kinds of keys.
const (
	keyAddress = "address"
	keyDomain  = "domain"
	keyPhone   = "phone"
	keyName    = "name"
)

type key struct{ kind, text string }

// keysOf returns what a contact is found by.
func (b *Book) keysOf(r *crmclient.ContactRecord) []key {
	var keys []key
	add := func(kind, text string) {
		if k := (key{kind, text}); text != "" && len(text) <= maxValue && !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	for _, a := range r.Addresses {
		add(keyAddress, addressKey(a))
		if strings.Contains(a, "@") {
			add(keyDomain, b.o.Domains.Of(a))
		}
	}
	for _, p := range r.Phones {
		if number, ok := Phone(p, b.o.Config.Region); ok {
			add(keyPhone, number)
		}
	}
	if name := nameKey(r.Name); name != "" && !isAddressOf(r.Name, r.Addresses) {
		if company := companyKey(r.Company); company != "" {
			add(keyName, name+"|"+company)
		}
	}
	return keys
}

// addressKey is the one spelling of an address that stands for all that mean the same everywhere.
func addressKey(address string) string { return crmclient.AddressPolicy{}.Canonical(address) }

func (b *Book) putKeys(ctx context.Context, tx store.Querier, target string, r *crmclient.ContactRecord) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM contact_keys WHERE target = $1 AND contact = $2`, target, r.ID); err != nil {
		return err
	}
	for _, k := range b.keysOf(r) {
		_, err := tx.ExecContext(ctx, `INSERT INTO contact_keys (target, kind, key, contact) VALUES ($1, $2, $3, $4)`, target, k.kind, k.text, r.ID)
		if err != nil {
			return err
		}
	}
	return nil
}

// searchText returns the tokens of a contact, each between blanks. Numbers are there as they are
// written and as they are dialled.
func (b *Book) searchText(r *crmclient.ContactRecord) string {
	parts := []string{r.Name, r.Company, r.Owner, r.Fields[crmclient.FieldTitle], strings.Join(r.Addresses, "\n")}
	for _, p := range r.Phones {
		parts = append(parts, p)
		if number, ok := Phone(p, b.o.Config.Region); ok {
			parts = append(parts, number, nationalDigits(number))
		}
	}
	tokens := store.Tokens(strings.Join(parts, "\n"))
	slices.Sort(tokens)
	tokens = slices.Compact(tokens)
	text := " " + strings.Join(tokens, " ") + " "
	if len(text) > maxSearch {
		text = clip(text, maxSearch) + " "
	}
	return text
}

// bounded returns the record as both databases can store it: clean text of bounded length.
func bounded(r crmclient.ContactRecord) crmclient.ContactRecord {
	r.ID, r.MergedInto = clip(r.ID, maxID), clip(r.MergedInto, maxID)
	for _, s := range []*string{&r.Kind, &r.Name, &r.Company, &r.Owner} {
		*s = clip(*s, maxValue)
	}
	r.Addresses = boundedList(r.Addresses, maxAddresses)
	r.Phones = boundedList(r.Phones, maxPhones)
	fields := make(map[string]string, min(len(r.Fields), maxFields))
	for _, name := range slices.Sorted(maps.Keys(r.Fields)) {
		if value := r.Fields[name]; value != "" && len(fields) < maxFields {
			fields[clip(name, maxID)] = clip(value, maxValue)
		}
	}
	r.Fields = fields
	r.UpdatedAt = store.FromMicros(store.Micros(r.UpdatedAt)) // in UTC, as precise as the tables
	return r
}

func boundedList(list []string, limit int) []string {
	out := make([]string, 0, min(len(list), limit))
	for _, s := range list[:min(len(list), limit)] {
		out = append(out, clip(s, maxValue))
	}
	return out
}

// clip makes text valid UTF-8 without NUL, which PostgreSQL refuses, of at most limit bytes.
func clip(s string, limit int) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
