package actions

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"time"

	"heliograph/crmclient"
	"heliograph/hooks"
	"heliograph/hooks/mirror"
	"heliograph/hooks/rules"
	"heliograph/hooks/rules/condition"
	"heliograph/internal/journal"
	"heliograph/internal/store"
)

// Thread implements rules.World. Without a thread, message is the Message-ID of a mail of ours whose answer is waited for.
func (a *Actions) Thread(ctx context.Context, thread, message string) (map[string]any, error) {
	return threadFacts(ctx, a.o.Store, thread, message, time.Time{})
}

// threadFacts are the facts of a thread as they were at a time; the zero time is now.
func threadFacts(ctx context.Context, db *store.DB, thread, message string, when time.Time) (map[string]any, error) {
	f, at, ok, err := mirror.ThreadAsOf(ctx, db.Reader(), thread, message, when)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, unknown("thread", "no message of it was seen yet")
	}
	answer := f.LastIn
	if thread != "" {
		at, answer = f.FirstAt, f.LastAt
	}
	return map[string]any{
		"id": f.ID, "messages": number(f.Messages), "first_at": stamp(f.FirstAt), "last_at": stamp(f.LastAt),
		"last_in": stamp(f.LastIn), "last_out": stamp(f.LastOut), "replied": answer.After(at),
	}, nil
}

// Correspondence implements rules.World.
func (a *Actions) Correspondence(ctx context.Context, addresses []string) (map[string]any, error) {
	return correspondence(ctx, a.o.Store, addresses, time.Time{})
}

// correspondence is when people here and somebody outside last wrote to each other, as was known at a time; the zero time is now.
func correspondence(ctx context.Context, db *store.DB, addresses []string, when time.Time) (map[string]any, error) {
	talks, ok, err := mirror.TalksAsOf(ctx, db.Reader(), addresses, when)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, unknown("correspondence", "too much of the mail of that time was seen only later")
	}
	return map[string]any{"last_in": stamp(talks.LastIn), "last_out": stamp(talks.LastOut)}, nil
}

// Mail implements rules.World.
func (a *Actions) Mail(ctx context.Context, entry string) (map[string]any, error) {
	id, err := journal.ParseID(entry)
	if err != nil {
		return nil, rules.Permanent(err)
	}
	e, err := a.o.Journal.Entry(ctx, id)
	if errors.Is(err, journal.ErrNotFound) {
		return nil, unknown("mail", "the message is not in the journal any more")
	}
	if err != nil {
		return nil, err
	}
	known, _, err := mirror.Identify(ctx, a.o.Store.Reader(), id)
	if err != nil {
		return nil, err
	}
	m, err := a.mailFacts(ctx, hooks.Event{Entry: e, Body: func(ctx context.Context) (io.ReadCloser, error) { return a.o.Journal.Body(ctx, e) }}, known)
	return m.facts, err
}

// stamp is a time as a fact: nil where there is none.
func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}

// unknowable says that an error is no trouble, but an answer: nobody can tell.
func unknowable(err error) bool {
	var u *condition.Unknown
	return errors.As(err, &u)
}

func unknown(path, format string, args ...any) error {
	return &condition.Unknown{Path: path, Reason: fmt.Sprintf(format, args...)}
}

// client returns the client of a target.
func (a *Actions) client(target string) (crmclient.Client, error) {
	c, ok := a.o.Clients[target]
	if !ok {
		return nil, rules.Permanent(fmt.Errorf("there is no target %q in the configuration", target))
	}
	return c, nil
}

// Contact implements rules.World. What the gateway knows itself is asked first, the CRM only where that is not all.
func (a *Actions) Contact(ctx context.Context, address string) (map[string]any, error) {
	if a.o.Target == "" {
		return nil, unknown("contact", "no CRM is configured")
	}
	address = strings.ToLower(address)
	found, complete, err := a.o.Book.Lookup(ctx, a.o.Target, []string{address})
	if err != nil {
		return nil, err
	}
	list := found[address]
	if len(list) == 0 && !complete {
		c, err := a.client(a.o.Target)
		if err != nil {
			return nil, err
		}
		if list, err = c.FindContacts(ctx, []string{address}); err != nil {
			return nil, err
		}
	}
	if len(list) == 0 {
		return nil, unknown("contact", "the CRM has nobody with the address")
	}
	return a.contactFacts(ctx, list[0])
}

func (a *Actions) contactFacts(ctx context.Context, c crmclient.Contact) (map[string]any, error) {
	out := map[string]any{
		"id": c.ID, "kind": c.Kind, "address": c.Address, "name": text(c.Name), "company": text(c.Company), "owner": text(c.Owner), "target": a.o.Target,
		"title": nil, "phone": nil, "mobile": nil, "fields": map[string]any{},
	}
	record, ok, err := a.o.Book.Resolve(ctx, a.o.Target, c.ID)
	if err != nil || !ok {
		return out, err
	}
	fields := map[string]any{}
	for name, v := range record.Fields {
		fields[name] = text(v)
	}
	out["fields"] = fields
	for _, name := range []string{crmclient.FieldTitle, crmclient.FieldPhone, crmclient.FieldMobile} {
		out[name] = text(record.Fields[name])
	}
	return out, nil
}

// text is a text as a fact: nil where the CRM has none.
func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// Company implements rules.World.
func (a *Actions) Company(ctx context.Context, address string) (map[string]any, error) {
	domain := crmclient.NewCompanyDomains(nil).Of(address)
	if domain == "" {
		return nil, unknown("company", "the domain of the address belongs to no company")
	}
	c, err := a.client(a.o.Target)
	if err != nil {
		return nil, unknown("company", "no CRM is configured")
	}
	finder, ok := crmclient.As[crmclient.CompanyFinder](c)
	if !ok {
		return map[string]any{"domain": domain, "name": nil, "id": nil, "owner": nil}, nil
	}
	company, ok, err := finder.FindCompany(ctx, domain)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, unknown("company", "the CRM has no company with the domain")
	}
	return map[string]any{"id": company.ID, "name": text(company.Name), "domain": domain, "owner": text(company.Owner)}, nil
}

// Record implements rules.World.
func (a *Actions) Record(ctx context.Context, target, object, id string) (map[string]any, error) {
	c, err := a.client(target)
	if err != nil {
		return nil, err
	}
	reader, ok := crmclient.As[crmclient.RecordReader](c)
	if !ok {
		return nil, unknown("record", "records of target %s cannot be read", target)
	}
	record, err := reader.ReadRecord(ctx, object, id)
	if errors.Is(err, crmclient.ErrNoRecord) {
		return nil, unknown("record", "the record is not there any more")
	}
	if err != nil {
		return nil, permanent(err)
	}
	return recordFacts(target, record), nil
}

func recordFacts(target string, r crmclient.Record) map[string]any {
	out := maps.Clone(r.Fields)
	if out == nil {
		out = map[string]any{}
	}
	out["_id"], out["_object"], out["_target"], out["_url"] = r.ID, r.Object, target, text(r.URL)
	return out
}

// Query implements rules.World.
func (a *Actions) Query(ctx context.Context, target, object string, where []rules.Selection, fields []string, limit int) ([]map[string]any, error) {
	c, err := a.client(target)
	if err != nil {
		return nil, err
	}
	querier, ok := crmclient.As[crmclient.RecordQuerier](c)
	if !ok {
		return nil, unknown("records", "records of target %s cannot be searched", target)
	}
	q := crmclient.Query{Object: object, Fields: fields}
	for _, s := range where {
		q.Where = append(q.Where, crmclient.Condition{Field: s.Field, Is: crmclient.Comparison(s.Is), Value: s.Value})
	}
	var out []map[string]any
	for cursor := ""; ; {
		page, next, err := querier.QueryRecords(ctx, q, cursor)
		if err != nil {
			return nil, permanent(err)
		}
		for _, r := range page {
			if len(out) == limit {
				return nil, rules.Permanent(fmt.Errorf("more than %d records of %s fit; narrow the query", limit, object))
			}
			out = append(out, recordFacts(target, r))
		}
		if next == "" {
			return out, nil
		}
		if cursor = next; len(page) == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
}

// Tags implements rules.World.
func (a *Actions) Tags(ctx context.Context, message string) ([]any, error) {
	return rules.Tags(ctx, a.o.Store.Reader(), message)
}
