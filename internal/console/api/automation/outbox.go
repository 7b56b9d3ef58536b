package automation

import (
	"context"
	"errors"
	"strings"

	"heliograph/hooks/automail"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
	"heliograph/internal/journal"
)

// seen is what the caller sees of the outbox; nil: all of it.
func seen(v view) *automail.Seen {
	if v.accounts == nil {
		return nil
	}
	return &automail.Seen{Accounts: v.accounts, Others: v.others}
}

// ListOutbox lists mail on its way out.
func (p *Part) ListOutbox(ctx context.Context, request ListOutboxRequestObject) (ListOutboxResponseObject, error) {
	q, v := request.Params, viewOf(access.From(ctx))
	limit := api.PageLimit(q.Limit)
	f := automail.Filter{
		Finished: q.Finished, State: automail.State(q.State), Held: q.Held, Rule: q.Rule, Run: q.Run, Automated: q.Automated, Copy: automail.CopyState(q.Copy),
		Recipient: q.Recipient, Scope: seen(v), Limit: limit + 1,
	}
	var last string
	if more, err := api.DecodeCursor(q.Cursor, &last); err != nil {
		return nil, err
	} else if more {
		if f.Before, err = journal.ParseID(last); err != nil {
			return nil, api.Invalid("bad_cursor", "the cursor is not one of this list").Because(err)
		}
	}
	list, err := p.outbox.List(ctx, f)
	if err != nil {
		return nil, err
	}
	out := OutboxList{Items: []OutboxMessage{}}
	if len(list) > limit {
		list = list[:limit]
		if out.Next, err = api.EncodeCursor(list[limit-1].Entry.String()); err != nil {
			return nil, err
		}
	}
	words, err := p.outboxWords(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range list {
		out.Items = append(out.Items, words.message(v, m))
	}
	return ListOutbox200JSONResponse(out), nil
}

// outboxWords are what messages of the outbox are shown with.
type outboxWords struct {
	p     *Part
	ctx   context.Context // of one request
	names map[string]string
	held  map[string]bool // entries that are held themselves
}

func (p *Part) outboxWords(ctx context.Context) (*outboxWords, error) {
	w := &outboxWords{p: p, ctx: ctx, held: map[string]bool{}}
	var err error
	if w.names, err = p.ruleNames(ctx); err != nil {
		return nil, err
	}
	holds, err := p.outbox.Holds(ctx)
	for _, h := range holds {
		if h.Kind == automail.HoldMessage {
			w.held[h.Name] = true
		}
	}
	return w, err
}

// ruleNames are the names of rules by id.
func (p *Part) ruleNames(ctx context.Context) (map[string]string, error) {
	list, err := p.book.List(ctx)
	out := map[string]string{}
	for _, s := range list {
		out[s.ID] = s.Rule.Name
	}
	return out, err
}

func (w *outboxWords) message(v view, m automail.OutboxMessage) OutboxMessage {
	e := m.Effect
	out := OutboxMessage{
		Entry: m.Entry.String(), Automated: e.ID != "", From: m.ReversePath, Sender: e.Sender, Upstream: m.Upstream, Rule: e.Rule, RuleName: w.names[e.Rule], Run: e.Run,
		Effect: e.ID, MessageId: e.MessageID, List: e.List, Policy: OutboxMessagePolicy(e.Policy), QueuedAt: m.QueuedAt, NotBefore: e.NotBefore, ExpiresAt: m.ExpiresAt,
		NextTry: m.NextTry, FinishedAt: m.FinishedAt, Attempts: m.Attempts, Held: m.Held, HeldItself: w.held[m.Entry.String()], Copy: CopyState(e.Copy),
		CopyReason: e.CopyText, Recipients: []OutboxRecipient{}, Hidden: v.hidden,
	}
	open := false
	for _, r := range m.Recipients {
		open = open || r.State == automail.StatePending || r.State == automail.StateFailed || r.State == automail.StateUnknown || r.State == automail.StateSuppressed
		out.Recipients = append(out.Recipients, OutboxRecipient{
			Address: r.Address, State: RecipientState(r.State), Code: r.Code, Enhanced: r.Enhanced, Reply: r.Text, Server: r.Remote, Attempts: r.Attempts,
			LastTry: r.LastTry, NextTry: r.NextTry,
		})
	}
	out.CanChange = open && v.May(access.OutboxWrite)
	if !v.hidden && e.ID != "" {
		out.Subject = w.subject(e.ID)
	}
	return out
}

// subject is that of a mail of a rule, as the run noted it; empty where the run is not there any more.
func (w *outboxWords) subject(effect string) (title string) {
	row := w.p.o.Store.Reader().QueryRowContext(w.ctx, `SELECT title FROM rule_effects WHERE id = $1`, effect)
	if row.Scan(&title) != nil {
		return ""
	}
	return title
}

// seenMessage finds a message of the outbox that the caller may see.
func (p *Part) seenMessage(ctx context.Context, entry string) (automail.OutboxMessage, error) {
	missing := api.NotFound("no_message", "the outbox has no such message")
	id, err := journal.ParseID(entry)
	if err != nil {
		return automail.OutboxMessage{}, missing.Because(err)
	}
	m, err := p.outbox.Show(ctx, id)
	if errors.Is(err, automail.ErrUnknown) {
		return m, missing.Because(err)
	}
	if err != nil {
		return m, err
	}
	v := viewOf(access.From(ctx))
	if v.accounts == nil {
		return m, nil
	}
	if m.Effect.ID == "" {
		return m, missing
	}
	found, err := p.outbox.List(ctx, automail.Filter{Finished: !m.FinishedAt.IsZero(), Run: m.Effect.Run, Scope: seen(v), Limit: 1000})
	for _, f := range found {
		if f.Entry == m.Entry {
			return m, err
		}
	}
	return automail.OutboxMessage{}, errors.Join(err, missing)
}

// GetOutboxMessage shows a message with the reports about it.
func (p *Part) GetOutboxMessage(ctx context.Context, request GetOutboxMessageRequestObject) (GetOutboxMessageResponseObject, error) {
	out, err := p.outboxMessage(ctx, request.Entry)
	if err != nil {
		return nil, err
	}
	return GetOutboxMessage200JSONResponse(out), nil
}

func (p *Part) outboxMessage(ctx context.Context, entry string) (OutboxMessage, error) {
	m, err := p.seenMessage(ctx, entry)
	if err != nil {
		return OutboxMessage{}, err
	}
	words, err := p.outboxWords(ctx)
	if err != nil {
		return OutboxMessage{}, err
	}
	out := words.message(viewOf(access.From(ctx)), m)
	if m.Effect.ID == "" {
		return out, nil
	}
	bounces, err := p.outbox.Bounces(ctx, automail.BounceFilter{Entry: m.Entry})
	for _, b := range bounces {
		out.Bounces = append(out.Bounces, bounceOf(b))
	}
	return out, err
}

func bounceOf(b automail.BounceRow) Bounce {
	return Bounce{
		Rule: b.Rule, Run: b.Run, Entry: b.Entry.String(), Report: b.Report, Recipient: b.Recipient, Action: b.Action, Status: b.Status, Diagnostic: b.Diagnostic,
		Reporter: b.Reporter, Permanent: b.Permanent, At: b.At,
	}
}

// ListBounces lists reports about mail of rules.
func (p *Part) ListBounces(ctx context.Context, request ListBouncesRequestObject) (ListBouncesResponseObject, error) {
	q, v := request.Params, viewOf(access.From(ctx))
	limit := api.PageLimit(q.Limit)
	f := automail.BounceFilter{Rule: q.Rule, Permanent: q.Permanent, Recipient: q.Recipient, Scope: seen(v), Limit: limit + 1}
	if _, err := api.DecodeCursor(q.Cursor, &f.Before, &f.After); err != nil {
		return nil, err
	}
	list, err := p.outbox.Bounces(ctx, f)
	if err != nil {
		return nil, err
	}
	out := BounceList{Items: []Bounce{}}
	if len(list) > limit {
		list = list[:limit]
		last := list[limit-1]
		if out.Next, err = api.EncodeCursor(last.At, [3]string{last.Report, last.Effect, last.Recipient}); err != nil {
			return nil, err
		}
	}
	for _, b := range list {
		out.Items = append(out.Items, bounceOf(b))
	}
	return ListBounces200JSONResponse(out), nil
}

// ListSuppressions lists whom rules send no mail.
func (p *Part) ListSuppressions(ctx context.Context, request ListSuppressionsRequestObject) (ListSuppressionsResponseObject, error) {
	q := request.Params
	limit := api.PageLimit(q.Limit)
	f := automail.SuppressionFilter{Contains: q.Search, Reason: automail.SuppressReason(q.Reason), Limit: limit + 1}
	if _, err := api.DecodeCursor(q.Cursor, &f.Before, &f.After); err != nil {
		return nil, err
	}
	list, err := p.outbox.SuppressionPage(ctx, f)
	if err != nil {
		return nil, err
	}
	out := SuppressionList{Items: []Suppression{}}
	if len(list) > limit {
		list = list[:limit]
		last := list[limit-1]
		if out.Next, err = api.EncodeCursor(last.At, [2]string{last.Address, last.List}); err != nil {
			return nil, err
		}
	}
	for _, s := range list {
		out.Items = append(out.Items, suppressionOf(s))
	}
	return ListSuppressions200JSONResponse(out), nil
}

func suppressionOf(s automail.Suppression) Suppression {
	return Suppression{Address: s.Address, List: s.List, Reason: SuppressReason(s.Reason), Detail: s.Detail, Origin: s.Origin, At: s.At}
}

// AddSuppression keeps an address from mail of rules.
func (p *Part) AddSuppression(ctx context.Context, request AddSuppressionRequestObject) (AddSuppressionResponseObject, error) {
	b := request.Body
	if !strings.Contains(b.Address, "@") {
		return nil, api.Invalid("bad_address", "this is not a mail address", api.Field{Pointer: "/address", Detail: "a mail address"})
	}
	s := automail.Suppression{Address: strings.ToLower(strings.TrimSpace(b.Address)), List: b.List, Reason: automail.SuppressReason(b.Reason), Detail: b.Detail, Origin: who(access.From(ctx)), At: p.o.Now()}
	if s.Reason == "" {
		s.Reason = automail.SuppressOperator
	}
	if err := p.outbox.Suppress(ctx, s); err != nil {
		return nil, err
	}
	return AddSuppression201JSONResponse(suppressionOf(s)), nil
}

// RemoveSuppression lets an address get mail of rules again.
func (p *Part) RemoveSuppression(ctx context.Context, request RemoveSuppressionRequestObject) (RemoveSuppressionResponseObject, error) {
	err := p.outbox.Unsuppress(ctx, request.Address, request.Params.List)
	if errors.Is(err, automail.ErrUnknown) {
		return nil, api.NotFound("not_suppressed", "the address is not on this list").Because(err)
	}
	if err != nil {
		return nil, err
	}
	return RemoveSuppression204Response{}, nil
}
