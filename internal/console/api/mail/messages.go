package mail

import (
	"context"
	"fmt"
	"strings"

	"heliograph/hooks/archive"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
	"heliograph/internal/store"
)

// ListMessages lists and finds messages.
func (p *Part) ListMessages(ctx context.Context, r ListMessagesRequestObject) (ListMessagesResponseObject, error) {
	q := r.Params
	f := archive.Filter{
		Scope: scopeOf(access.From(ctx)), Words: value(q.Q), From: lower(q.From), To: lower(q.To), Account: lower(q.Account),
		Direction: string(value(q.Direction)), Since: value(q.Since), Until: value(q.Until), HasFiles: q.HasAttachment, Attachment: value(q.Attachment),
		Automated: q.Automated, Thread: value(q.Thread), Tag: value(q.Tag), State: string(value(q.State)), Target: value(q.Target),
	}
	if q.Customer != nil {
		c, err := p.customer(ctx, f.Scope, *q.Customer)
		if err != nil {
			return nil, err
		}
		if len(c.subjects()) == 0 {
			return ListMessages200JSONResponse(MessageList{Items: []MessageSummary{}}), nil
		}
		f.Persons, f.Domains = c.addresses, c.domains()
	}
	switch person, domain := lower(q.Person), lower(q.Domain); {
	case q.Customer != nil && (person != "" || domain != ""):
		return nil, api.Invalid("one_of", "customer cannot be combined with person and domain", api.Field{Pointer: "customer", Detail: "one of customer, person and domain"})
	case person != "" && domain != "":
		return nil, api.Invalid("one_of", "person cannot be combined with domain", api.Field{Pointer: "person", Detail: "one of customer, person and domain"})
	case person != "":
		f.Persons = []string{person}
	case domain != "":
		f.Domains = []string{domain}
	}
	if f.Target != "" && f.State == "" {
		return nil, api.Invalid("state_missing", "target needs state", api.Field{Pointer: "state", Detail: "which state at the target", Remedy: "Add state."})
	}
	page, err := p.page(ctx, f, q.Cursor, q.Limit)
	return ListMessages200JSONResponse(page), err
}

// page is a page of a search.
func (p *Part) page(ctx context.Context, f archive.Filter, cursor *string, limit *int) (MessageList, error) {
	var before int64
	if _, err := api.DecodeCursor(value(cursor), &before); err != nil {
		return MessageList{}, err
	}
	found, next, err := p.o.Archive.Search(ctx, f, before, api.PageLimit(value(limit)))
	if err != nil {
		return MessageList{}, err
	}
	list := MessageList{}
	if list.Items, err = p.summaries(ctx, found); err != nil {
		return list, err
	}
	list.Next, err = nextOf(next != 0, next)
	return list, err
}

// GetThread lists a thread.
func (p *Part) GetThread(ctx context.Context, r GetThreadRequestObject) (GetThreadResponseObject, error) {
	var after int64
	if _, err := api.DecodeCursor(value(r.Params.Cursor), &after); err != nil {
		return nil, err
	}
	id, err := p.threadNow(ctx, r.Id)
	if err != nil {
		return nil, err
	}
	found, next, err := p.o.Archive.Thread(ctx, scopeOf(access.From(ctx)), id, after, api.PageLimit(value(r.Params.Limit)))
	if err != nil {
		return nil, err
	}
	if len(found) == 0 && after == 0 {
		return nil, api.NotFound("no_thread", "there is no such thread")
	}
	out := Thread{Id: id}
	if out.Items, err = p.summaries(ctx, found); err != nil {
		return nil, err
	}
	out.Next, err = nextOf(next != 0, next)
	return GetThread200JSONResponse(out), err
}

// maxJoins bounds how often a thread turned out to be another.
const maxJoins = 50

// threadNow returns the thread that a thread turned out to be.
func (p *Part) threadNow(ctx context.Context, id string) (string, error) {
	for range maxJoins {
		var joined string
		err := p.each(ctx, `SELECT joined FROM threads WHERE id = $1`, []any{id}, func(scan func(...any) error) error { return scan(&joined) })
		if err != nil {
			return "", fmt.Errorf("reading thread %s: %w", id, err)
		}
		if joined == "" {
			break
		}
		id = joined
	}
	return id, nil
}

// summaries adds to messages what others know of them.
func (p *Part) summaries(ctx context.Context, found []archive.Summary) ([]MessageSummary, error) {
	out := make([]MessageSummary, 0, len(found))
	keys := make([]string, 0, len(found))
	for i := range found {
		keys = append(keys, found[i].Key)
	}
	tags, err := p.tags(ctx, keys)
	if err != nil {
		return nil, err
	}
	deliveries, err := p.deliveries(ctx, keys)
	if err != nil {
		return nil, err
	}
	m, err := maskOf(access.From(ctx))
	if err != nil {
		return nil, err
	}
	for i := range found {
		s := &found[i]
		one := MessageSummary{
			Key: s.Key, MessageId: some(s.MessageID), Subject: m.text(s.Subject), Preview: m.text(s.Preview), SentAt: s.SentAt.UTC(),
			Direction: Direction(s.Direction), Thread: s.Thread, Size: s.Size, Attachments: m.names(s.Files), AttachmentCount: &s.Attachments,
			People: refs(s.People), PeopleCount: &s.PeopleCount, Accounts: append([]string{}, s.Accounts...), Flags: flags(s.Automated, s.Unconfirmed, false),
		}
		if len(tags[s.Key]) > 0 {
			list := tags[s.Key]
			one.Tags = &list
		}
		if len(deliveries[s.Key]) > 0 {
			list := deliveries[s.Key]
			one.Deliveries = &list
		}
		out = append(out, one)
	}
	return out, nil
}

func flags(automated, unconfirmed, withdrawn bool) *Flags {
	f := Flags{Automated: some(automated), Unconfirmed: some(unconfirmed), Withdrawn: some(withdrawn)}
	if f == (Flags{}) {
		return nil
	}
	return &f
}

func refs(people []archive.Person) []PersonRef {
	out := make([]PersonRef, 0, len(people))
	for _, who := range people {
		ref := PersonRef{Name: some(who.Name), Address: who.Address, Role: Role(who.Role), Internal: some(who.Internal)}
		if !who.Internal && strings.Contains(who.Address, "@") {
			ref.Customer = some(customerID(idAddress, who.Address))
		}
		out = append(out, ref)
	}
	return out
}

// tags returns the tags of messages, sorted, by their keys.
func (p *Part) tags(ctx context.Context, keys []string) (map[string][]string, error) {
	out := map[string][]string{}
	if len(keys) == 0 {
		return out, nil
	}
	in, args := archive.In(keys)
	err := p.each(ctx, `SELECT message_key, tag FROM message_tags WHERE message_key IN (`+in+`) ORDER BY message_key, tag`, args, func(scan func(...any) error) error {
		var key, tag string
		err := scan(&key, &tag)
		out[key] = append(out[key], tag)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading tags: %w", err)
	}
	return out, nil
}

// deliveries returns what targets made of messages, by their keys.
func (p *Part) deliveries(ctx context.Context, keys []string) (map[string][]Delivery, error) {
	out := map[string][]Delivery{}
	if len(keys) == 0 {
		return out, nil
	}
	in, args := archive.In(keys)
	err := p.each(ctx, `SELECT message_key, target, state, reason, remote_id, url, received_at, updated_at FROM deliveries WHERE message_key IN (`+in+`)
		ORDER BY message_key, target`, args, func(scan func(...any) error) error {
		var key, reason, remote, url string
		var received, updated int64
		var d Delivery
		if err := scan(&key, &d.Target, &d.State, &reason, &remote, &url, &received, &updated); err != nil {
			return err
		}
		d.Reason, d.RemoteId, d.Url = some(reason), some(remote), link(url)
		d.ReceivedAt, d.UpdatedAt = when(store.FromMicros(received)), store.FromMicros(updated).UTC()
		out[key] = append(out[key], d)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading deliveries: %w", err)
	}
	return out, nil
}
