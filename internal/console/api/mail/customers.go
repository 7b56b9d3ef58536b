package mail

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"heliograph/crmclient"
	"heliograph/hooks/archive"
	"heliograph/hooks/contacts"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
	"heliograph/internal/store"
)

// maxFound bounds what a search for customers looks through.
const maxFound = 200

// ListCustomers lists customers: those with mail first, then those without.
func (p *Part) ListCustomers(ctx context.Context, r ListCustomersRequestObject) (ListCustomersResponseObject, error) {
	c := access.From(ctx)
	q := customerQuery{
		scope: scopeOf(c), account: lower(r.Params.Account), text: strings.TrimSpace(value(r.Params.Q)), companies: value(r.Params.Kind) == Company,
		known: r.Params.Known, limit: api.PageLimit(value(r.Params.Limit)),
	}
	var err error
	if q.mask, err = maskOf(c); err != nil {
		return nil, err
	}
	var out CustomerList
	if q.text != "" {
		out, err = p.findCustomers(ctx, &q, value(r.Params.Cursor))
	} else {
		out, err = p.listCustomers(ctx, &q, value(r.Params.Cursor))
	}
	return ListCustomers200JSONResponse(out), err
}

// customerQuery says which customers are meant.
type customerQuery struct {
	scope     []string
	account   string
	text      string
	companies bool
	known     *bool
	limit     int
	mask      mask
}

func (q *customerQuery) wants(known bool) bool { return q.known == nil || *q.known == known }

// place is where a page begins. Silent is behind all who have mail.
type place struct {
	Silent  bool   `json:"s,omitempty"`
	At      int64  `json:"a,omitempty"`
	Subject string `json:"u"`
	Target  string `json:"t,omitempty"`
}

// maxRounds bounds how often more is read for one page, where many are left out.
const maxRounds = 5

func (p *Part) listCustomers(ctx context.Context, q *customerQuery, cursor string) (CustomerList, error) {
	out := CustomerList{Items: []CustomerSummary{}}
	var at place
	if _, err := api.DecodeCursor(cursor, &at); err != nil {
		return out, err
	}
	for range maxRounds {
		if at.Silent || len(out.Items) >= q.limit {
			break
		}
		f := archive.TalkFilter{Scope: q.scope, Account: q.account, Companies: q.companies, Limit: q.limit - len(out.Items) + 1}
		if at.Subject != "" {
			f.Before, f.Subject = store.FromMicros(at.At), at.Subject
		}
		talks, err := p.o.Archive.Talks(ctx, f)
		if err != nil {
			return out, err
		}
		more := len(talks) == f.Limit
		if more {
			talks = talks[:len(talks)-1]
		}
		items, err := p.described(ctx, q, talks)
		if err != nil {
			return out, err
		}
		out.Items = append(out.Items, items...)
		if !more {
			at = place{Silent: true}
			break
		}
		last := talks[len(talks)-1]
		at = place{At: store.Micros(last.LastAt), Subject: last.Subject}
	}
	more := true
	if at.Silent {
		var err error
		if at, more, err = p.silent(ctx, q, at, &out); err != nil {
			return out, err
		}
	}
	var err error
	out.Next, err = nextOf(more, at)
	return out, err
}

// described makes customers of those who wrote with us. Somebody with several addresses is told of at the one that was used last.
func (p *Part) described(ctx context.Context, q *customerQuery, talks []archive.Talk) ([]CustomerSummary, error) {
	if q.companies {
		return p.companies(ctx, q, talks)
	}
	people, err := p.contactsAt(ctx, subjects(talks))
	if err != nil {
		return nil, err
	}
	var all []string
	for _, f := range people {
		all = append(all, lowered(f.Addresses)...)
	}
	others, err := p.talksOf(ctx, q, all)
	if err != nil {
		return nil, err
	}
	var out []CustomerSummary
	for _, t := range talks {
		f, known := people[t.Subject]
		if !q.wants(known) {
			continue
		}
		s := CustomerSummary{Id: customerID(idAddress, t.Subject), Kind: Person, Name: cmp.Or(t.Name, t.Subject), Addresses: []string{t.Subject}}
		if known {
			first := true
			for _, a := range lowered(f.Addresses) {
				o, there := others[a]
				if !there || a == t.Subject {
					continue
				}
				if o.LastAt.After(t.LastAt) || o.LastAt.Equal(t.LastAt) && a > t.Subject {
					first = false // this one stands there already
				}
				t.Messages += o.Messages
				t.LastIn, t.LastOut = latest(t.LastIn, o.LastIn), latest(t.LastOut, o.LastOut)
			}
			if !first {
				continue
			}
			s = personOf(&f, t.Name, q.mask)
		}
		s.Messages, s.LastAt, s.LastIn, s.LastOut = t.Messages, when(t.LastAt), when(t.LastIn), when(t.LastOut)
		out = append(out, s)
	}
	return out, nil
}

func subjects(talks []archive.Talk) []string {
	out := make([]string, len(talks))
	for i, t := range talks {
		out[i] = t.Subject
	}
	return out
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func lowered(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = strings.ToLower(s)
	}
	return out
}

// talksOf returns what the caller sees of talks with addresses.
func (p *Part) talksOf(ctx context.Context, q *customerQuery, addresses []string) (map[string]archive.Talk, error) {
	out := map[string]archive.Talk{}
	for part := range slices.Chunk(slices.Compact(slices.Sorted(slices.Values(addresses))), maxFound) {
		talks, err := p.o.Archive.Talks(ctx, archive.TalkFilter{Scope: q.scope, Account: q.account, Subjects: part})
		if err != nil {
			return nil, err
		}
		for _, t := range talks {
			out[t.Subject] = t
		}
	}
	return out, nil
}

// personOf is a contact as a customer.
func personOf(f *contacts.Found, name string, m mask) CustomerSummary {
	s := CustomerSummary{
		Id: customerID(idContact, f.Target, f.ID), Kind: Person, Name: cmp.Or(f.Name, name), Addresses: append([]string{}, lowered(f.Addresses)...),
		Company: some(f.Company), Owner: some(f.Owner), Title: some(f.Fields[crmclient.FieldTitle]), Known: some(true),
	}
	if s.Name == "" {
		s.Name = f.ID
		if len(s.Addresses) > 0 {
			s.Name = s.Addresses[0]
		}
	}
	s.Name = m.text(archive.Plain(s.Name))
	return s
}

// contactsAt returns the contacts with addresses, of the first target that has one.
func (p *Part) contactsAt(ctx context.Context, addresses []string) (map[string]contacts.Found, error) {
	out := map[string]contacts.Found{}
	if p.o.Contacts() == nil {
		return out, nil
	}
	for _, target := range p.o.Targets() {
		var missing []string
		for _, a := range addresses {
			if _, ok := out[a]; !ok {
				missing = append(missing, a)
			}
		}
		if len(missing) == 0 {
			break
		}
		found, _, err := p.o.Contacts().Lookup(ctx, target, missing)
		if err != nil {
			return nil, err
		}
		ids := map[string]string{}
		for a, list := range found {
			if len(list) > 0 {
				ids[a] = list[0].ID
			}
		}
		full, err := p.o.Contacts().Find(ctx, target, slices.Sorted(maps.Values(ids))...)
		if err != nil {
			return nil, err
		}
		for a, id := range ids {
			if f, ok := full[id]; ok {
				out[a] = f
			}
		}
	}
	return out, nil
}

// companies makes customers of domains.
func (p *Part) companies(ctx context.Context, q *customerQuery, talks []archive.Talk) ([]CustomerSummary, error) {
	var out []CustomerSummary
	for _, t := range talks {
		domain := strings.TrimPrefix(t.Subject, "@")
		name, owner, err := p.companyAt(ctx, domain)
		if err != nil {
			return nil, err
		}
		if !q.wants(name != "") {
			continue
		}
		out = append(out, CustomerSummary{
			Id: customerID(idDomain, domain), Kind: Company, Name: cmp.Or(name, domain), Addresses: []string{}, Domain: &domain, Owner: some(owner), Known: some(name != ""),
			Messages: t.Messages, LastAt: when(t.LastAt), LastIn: when(t.LastIn), LastOut: when(t.LastOut),
		})
	}
	return out, nil
}

// companyAt returns what CRMs call the company of a domain; empty where none knows.
func (p *Part) companyAt(ctx context.Context, domain string) (name, owner string, err error) {
	if p.o.Contacts() == nil {
		return "", "", nil
	}
	for _, target := range p.o.Targets() {
		list, err := p.o.Contacts().Domain(ctx, target, domain)
		if err != nil {
			return "", "", err
		}
		for _, c := range list {
			if c.Company != "" {
				return archive.Plain(c.Company), c.Owner, nil
			}
			name = domain // somebody there is known
		}
	}
	return name, owner, nil
}

// silent appends contacts with whom there is no mail that the caller sees.
func (p *Part) silent(ctx context.Context, q *customerQuery, at place, out *CustomerList) (place, bool, error) {
	left := q.limit - len(out.Items)
	if q.companies || !q.wants(true) || q.account != "" || p.o.Contacts() == nil {
		return at, false, nil
	}
	args := []any{at.Target, at.Subject}
	whose := `t.account = ''`
	if q.scope != nil {
		in := "NULL"
		for _, a := range q.scope {
			args = append(args, a)
			in += ", $" + strconv.Itoa(len(args))
		}
		whose = `t.account IN (` + in + `)`
	}
	args = append(args, left+1)
	byTarget := map[string][]string{}
	type ref struct{ target, id string }
	var refs []ref
	err := p.each(ctx, `SELECT r.target, r.id FROM contact_records r WHERE r.deleted = 0 AND r.joined_into = '' AND r.merged_into = '' AND (r.target, r.id) > ($1, $2)
		AND NOT EXISTS (SELECT 1 FROM contact_keys k JOIN archive_talks t ON t.subject = k.key WHERE k.target = r.target AND k.contact = r.id AND k.kind = 'address' AND `+whose+`)
		ORDER BY r.target, r.id LIMIT $`+strconv.Itoa(len(args)), args, func(scan func(...any) error) error {
		var one ref
		err := scan(&one.target, &one.id)
		refs = append(refs, one)
		return err
	})
	if err != nil {
		return at, false, fmt.Errorf("reading contacts: %w", err)
	}
	more := len(refs) > left
	refs = refs[:min(len(refs), left)]
	for _, one := range refs {
		byTarget[one.target] = append(byTarget[one.target], one.id)
	}
	full := map[ref]contacts.Found{}
	for target, ids := range byTarget {
		found, err := p.o.Contacts().Find(ctx, target, ids...)
		if err != nil {
			return at, false, err
		}
		for id, f := range found {
			full[ref{target, id}] = f
		}
	}
	for _, one := range refs {
		at = place{Silent: true, Target: one.target, Subject: one.id}
		if f, ok := full[one]; ok {
			out.Items = append(out.Items, personOf(&f, "", q.mask))
		}
	}
	return at, more, nil
}

// findCustomers finds by words. What is found at all is bounded; the cursor counts.
func (p *Part) findCustomers(ctx context.Context, q *customerQuery, cursor string) (CustomerList, error) {
	out := CustomerList{Items: []CustomerSummary{}}
	var skip int
	if _, err := api.DecodeCursor(cursor, &skip); err != nil {
		return out, err
	}
	talks, err := p.o.Archive.Talks(ctx, archive.TalkFilter{Scope: q.scope, Account: q.account, Companies: q.companies, Match: strings.ToLower(q.text), Limit: maxFound})
	if err != nil {
		return out, err
	}
	var silent []CustomerSummary
	if p.o.Contacts() != nil {
		found, err := p.o.Contacts().Search(ctx, "", q.text, maxFound)
		if err != nil {
			return out, err
		}
		if talks, silent, err = p.withContacts(ctx, q, talks, found); err != nil {
			return out, err
		}
	}
	items, err := p.described(ctx, q, talks)
	if err != nil {
		return out, err
	}
	items = append(items, silent...)
	skip = max(0, min(skip, len(items)))
	end := min(skip+q.limit, len(items))
	out.Items = append(out.Items, items[skip:end]...)
	out.Next, err = nextOf(end < len(items), end)
	return out, err
}

// withContacts adds the talks of contacts that were found, and returns those without any.
func (p *Part) withContacts(ctx context.Context, q *customerQuery, talks []archive.Talk, found []contacts.Found) ([]archive.Talk, []CustomerSummary, error) {
	var want []string
	for _, f := range found {
		for _, a := range lowered(f.Addresses) {
			if q.companies {
				if domain := p.o.Domains.Of(a); domain != "" {
					want = append(want, "@"+domain)
				}
				continue
			}
			want = append(want, a)
		}
	}
	theirs, err := p.talksOf(ctx, q, want)
	if err != nil {
		return nil, nil, err
	}
	there := map[string]bool{}
	for _, t := range talks {
		there[t.Subject] = true
	}
	for _, t := range theirs {
		if !there[t.Subject] {
			talks = append(talks, t)
		}
	}
	slices.SortFunc(talks, func(a, b archive.Talk) int {
		return cmp.Or(b.LastAt.Compare(a.LastAt), strings.Compare(b.Subject, a.Subject))
	})
	var silent []CustomerSummary
	for _, f := range found {
		wrote := slices.ContainsFunc(lowered(f.Addresses), func(a string) bool { _, ok := theirs[a]; return ok })
		if !q.companies && !wrote && q.account == "" && q.wants(true) {
			silent = append(silent, personOf(&f, "", q.mask))
		}
	}
	return talks, silent, nil
}
