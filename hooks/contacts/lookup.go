package contacts

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"heliograph/crmclient"
	"heliograph/internal/store"
)

const (
	// maxList bounds the length of an IN list; both engines take far more.
	maxList = 400
	// maxChain bounds how many contacts stand for one another in a row.
	maxChain = 16
	// maxFound bounds how many contacts one address or domain gives: more are no person, and no company either.
	maxFound = 50
)

// args are the arguments of a query under construction.
type args []any

func (a *args) add(v any) string {
	*a = append(*a, v)
	return "$" + strconv.Itoa(len(*a))
}

func (a *args) list(values []string) string {
	if len(values) == 0 {
		return "NULL" // IN () is not SQL; IN (NULL) is never true
	}
	marks := make([]string, len(values))
	for i, v := range values {
		marks[i] = a.add(v)
	}
	return strings.Join(marks, ", ")
}

// each calls row for each row and closes rows.
func each(rows *sql.Rows, row func(scan func(...any) error) error) (err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Lookup returns the contacts of a target that have the addresses, by address as asked. Contacts that were
// merged are found as those that stand for them. complete says that an address that was not found is at no contact of
// the target: all contacts were listed, and the target told its changes not long ago. It asks only the
// store.
func (b *Book) Lookup(ctx context.Context, target string, addresses []string) (found map[string][]crmclient.Contact, complete bool, err error) {
	asked := map[string][]string{}
	for _, a := range addresses {
		if k := addressKey(a); k != "" {
			asked[k] = append(asked[k], a)
		}
	}
	// What was complete before the question is so for the answer.
	if complete, err = b.complete(ctx, target); err != nil {
		return nil, false, err
	}
	hits, err := b.byKey(ctx, target, keyAddress, slices.Sorted(maps.Keys(asked)))
	if err != nil {
		return nil, false, fmt.Errorf("looking up contacts: %w", err)
	}
	found = map[string][]crmclient.Contact{}
	for k, people := range hits {
		for _, address := range asked[k] {
			for _, s := range people {
				c := s.contact()
				c.Address = strings.ToLower(address)
				found[address] = append(found[address], c)
			}
		}
	}
	return found, complete, nil
}

// Domain returns contacts with addresses at a company's domain (as crmclient.CompanyDomains tells it), at most 50.
func (b *Book) Domain(ctx context.Context, target, domain string) ([]crmclient.Contact, error) {
	hits, err := b.byKey(ctx, target, keyDomain, []string{domain})
	if err != nil {
		return nil, fmt.Errorf("looking up contacts of a domain: %w", err)
	}
	var out []crmclient.Contact
	for _, s := range hits[domain] {
		c := s.contact()
		for _, a := range s.Addresses {
			if b.o.Domains.Of(a) == domain {
				c.Address = strings.ToLower(a)
				break
			}
		}
		out = append(out, c)
	}
	return out, nil
}

func (b *Book) complete(ctx context.Context, target string) (bool, error) {
	if t := b.targets[target]; t != nil && t.Local {
		return false, nil
	}
	s, err := readState(ctx, b.o.Store.Reader(), target)
	return !s.listedAt.IsZero() && !s.polledAt.IsZero() && b.o.Now().Sub(s.polledAt) <= b.o.Config.StaleAfter.D(), err
}

// contact is the record in the form that activities carry.
func (s *stored) contact() crmclient.Contact {
	c := crmclient.Contact{ID: s.ID, Kind: s.Kind, Name: s.Name, Company: s.Company, Owner: s.Owner}
	if len(s.Addresses) > 0 {
		c.Address = strings.ToLower(s.Addresses[0])
	}
	return c
}

// byKey returns the contacts with the keys, those that are left after merges, each once a key.
func (b *Book) byKey(ctx context.Context, target, kind string, keys []string) (map[string][]*stored, error) {
	hits := map[string][]string{}
	var ids []string
	for part := range slices.Chunk(keys, maxList) {
		a := args{target, kind}
		rows, err := b.o.Store.Reader().QueryContext(ctx, `
			SELECT key, contact FROM contact_keys WHERE target = $1 AND kind = $2 AND key IN (`+a.list(part)+`) ORDER BY key, contact`, a...)
		if err != nil {
			return nil, err
		}
		err = each(rows, func(scan func(...any) error) error {
			var k, id string
			err := scan(&k, &id)
			if len(hits[k]) < maxFound {
				hits[k] = append(hits[k], id)
				ids = append(ids, id)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	left, err := resolve(ctx, b.o.Store.Reader(), target, ids)
	if err != nil {
		return nil, err
	}
	out := map[string][]*stored{}
	for k, ids := range hits {
		for _, id := range ids {
			if s := left[id]; s != nil && !slices.Contains(out[k], s) {
				out[k] = append(out[k], s)
			}
		}
	}
	return out, nil
}

// Resolve returns the contact that stands for an id by now; false means that there is none.
func (b *Book) Resolve(ctx context.Context, target, id string) (crmclient.ContactRecord, bool, error) {
	left, err := resolve(ctx, b.o.Store.Reader(), target, []string{id})
	if s := left[id]; err == nil && s != nil {
		return s.ContactRecord, true, nil
	}
	return crmclient.ContactRecord{}, false, err
}

// Find returns the contacts that stand for ids by now, with the addresses and numbers of those that were merged into them, by
// the ids that were asked for. Ids without one are missing in the result.
func (b *Book) Find(ctx context.Context, target string, ids ...string) (map[string]Found, error) {
	left, err := resolve(ctx, b.o.Store.Reader(), target, ids)
	if err != nil {
		return nil, fmt.Errorf("finding contacts: %w", err)
	}
	out := map[string]Found{}
	now := map[string]bool{}
	for id, s := range left {
		if s != nil {
			out[id] = Found{Target: target, ContactRecord: s.ContactRecord}
			now[s.ID] = true
		}
	}
	for part := range slices.Chunk(slices.Sorted(maps.Keys(now)), maxList) {
		a := args{target}
		rows, err := b.o.Store.Reader().QueryContext(ctx, `SELECT DISTINCT joined_into FROM contact_records WHERE target = $1 AND joined_into IN (`+a.list(part)+`)`, a...)
		if err != nil {
			return nil, fmt.Errorf("finding contacts: %w", err)
		}
		united := map[string]bool{}
		err = each(rows, func(scan func(...any) error) error {
			var id string
			err := scan(&id)
			united[id] = true
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("finding contacts: %w", err)
		}
		for id, f := range out {
			if united[f.ID] {
				if err := b.unite(ctx, &f); err != nil {
					return nil, fmt.Errorf("finding contacts: %w", err)
				}
				out[id] = f
			}
		}
	}
	return out, nil
}

// resolve finds for each id the contact that stands for it; ids without one are missing in the result.
func resolve(ctx context.Context, q store.Querier, target string, ids []string) (map[string]*stored, error) {
	known := map[string]*stored{}
	missing := map[string]bool{}
	next := slices.Compact(slices.Sorted(slices.Values(ids)))
	for range maxChain {
		if len(next) == 0 {
			break
		}
		found, err := load(ctx, q, target, next)
		if err != nil {
			return nil, err
		}
		for _, id := range next {
			missing[id] = found[id] == nil
		}
		maps.Copy(known, found)
		next = next[:0]
		for _, s := range found {
			for _, id := range []string{s.MergedInto, s.joinedInto} {
				if _, seen := missing[id]; id != "" && !seen && !slices.Contains(next, id) {
					next = append(next, id)
				}
			}
		}
	}
	left := map[string]*stored{}
	for _, id := range ids {
		if s := stand(known, id, map[string]bool{}); s != nil {
			left[id] = s
		}
	}
	return left, nil
}

// stand follows the pointers of one contact. A pointer to nothing does not count, nor does one that leads back.
func stand(known map[string]*stored, id string, seen map[string]bool) *stored {
	s := known[id]
	if s == nil || seen[id] {
		return nil
	}
	seen[id] = true
	if s.Deleted {
		if s.MergedInto == "" {
			return nil
		}
		return stand(known, s.MergedInto, seen)
	}
	if s.joinedInto != "" {
		if left := stand(known, s.joinedInto, seen); left != nil {
			return left
		}
	}
	return s
}

// Found is a contact that a search found.
type Found struct {
	Target string `json:"target"`
	crmclient.ContactRecord
	Merged []string `json:"merged,omitempty"` // ids of contacts that this one stands for
}

// maxWords bounds the words of a search; each costs a comparison a contact.
const maxWords = 16

// Search returns contacts that have all the words in name, company, owner, title, addresses or numbers. A word
// of letters also finds what begins with it. An empty target means all; targets may be away.
func (b *Book) Search(ctx context.Context, target, text string, limit int) ([]Found, error) {
	words := store.Tokens(text)
	if len(words) == 0 {
		return nil, nil
	}
	a := args{}
	query := `SELECT target, ` + storedColumns + ` FROM contact_records WHERE deleted = 0`
	if target != "" {
		query += ` AND target = ` + a.add(target)
	}
	for _, w := range words[:min(len(words), maxWords)] {
		pattern := "% " + w + "%"
		if r, size := utf8.DecodeRuneInString(w); size == len(w) && r >= utf8.RuneSelf {
			pattern = "%" + w + "%" // one ideograph, somewhere in a pair
		}
		query += ` AND search LIKE ` + a.add(pattern)
	}
	rows, err := b.o.Store.Reader().QueryContext(ctx, query+` ORDER BY target, id LIMIT `+a.add(max(limit, 1)*2), a...)
	if err != nil {
		return nil, fmt.Errorf("searching contacts: %w", err)
	}
	type hit struct{ target, id string }
	var hits []hit
	byTarget := map[string][]string{}
	err = each(rows, func(scan func(...any) error) error {
		var h hit
		s, err := scanStored(func(into ...any) error { return scan(append([]any{&h.target}, into...)...) })
		if err == nil {
			h.id = s.ID
			hits = append(hits, h)
			byTarget[h.target] = append(byTarget[h.target], h.id)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("searching contacts: %w", err)
	}
	var out []Found
	taken := map[hit]bool{}
	left := map[string]map[string]*stored{}
	for name, ids := range byTarget {
		if left[name], err = resolve(ctx, b.o.Store.Reader(), name, ids); err != nil {
			return nil, fmt.Errorf("searching contacts: %w", err)
		}
	}
	for _, h := range hits {
		s := left[h.target][h.id]
		if s == nil || taken[hit{h.target, s.ID}] || len(out) == limit {
			continue
		}
		taken[hit{h.target, s.ID}] = true
		f := Found{Target: h.target, ContactRecord: s.ContactRecord}
		if err := b.unite(ctx, &f); err != nil {
			return nil, fmt.Errorf("searching contacts: %w", err)
		}
		out = append(out, f)
	}
	return out, nil
}

// unite adds the addresses and numbers of those that were merged into a contact here.
func (b *Book) unite(ctx context.Context, f *Found) error {
	level := []string{f.ID}
	for range maxChain {
		if len(level) == 0 {
			break
		}
		a := args{f.Target}
		rows, err := b.o.Store.Reader().QueryContext(ctx, `
			SELECT `+storedColumns+` FROM contact_records
			WHERE target = $1 AND deleted = 0 AND joined_into <> '' AND joined_into IN (`+a.list(level)+`) ORDER BY id LIMIT 100`, a...)
		if err != nil {
			return err
		}
		level = nil
		err = each(rows, func(scan func(...any) error) error {
			s, err := scanStored(scan)
			if err != nil || s.ID == f.ID || slices.Contains(f.Merged, s.ID) {
				return err
			}
			level = append(level, s.ID)
			f.Merged = append(f.Merged, s.ID)
			f.Addresses = union(f.Addresses, s.Addresses)
			f.Phones = union(f.Phones, s.Phones)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func union(a, b []string) []string {
	out := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
