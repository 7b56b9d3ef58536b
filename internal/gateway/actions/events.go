package actions

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"heliograph/config"
	"heliograph/hooks"
	"heliograph/hooks/automail/compose"
	"heliograph/hooks/changes"
	"heliograph/hooks/mirror"
	"heliograph/hooks/rules"
	"heliograph/internal/journal"
	"heliograph/internal/message"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

const (
	// patience is how long an entry waits for the mirror to find out which message it is.
	patience = 15 * time.Minute
	// oldMail is how old a message may be that is seen in a mailbox for the first time. Older ones start no rule: somebody reads old mail, or a program
	// copies folders.
	oldMail = 48 * time.Hour
)

// Hook offers each message to the rules. It is the consumer "rules" of the journal.
type Hook struct {
	Actions *Actions
	Engine  *rules.Engine
}

// HookName is what the hook is called in queue and ledger.
const HookName = "rules"

// Name implements hooks.Hook.
func (*Hook) Name() string { return HookName }

// Handle implements hooks.Hook.
func (h *Hook) Handle(ctx context.Context, e hooks.Event) hooks.Outcome {
	if e.Entry.Kind == journal.KindBackfill {
		return hooks.Done()
	}
	a := h.Actions
	id, ok, err := mirror.Identify(ctx, a.o.Store.Reader(), e.Entry.ID)
	switch {
	case err != nil:
		return hooks.Retry(err, 0)
	case !ok && a.o.Now().Sub(e.Entry.SealedAt) < patience:
		return hooks.Outcome{Action: queue.Snooze, Err: errors.New("the mirror has not looked at it yet"), After: 200 * time.Millisecond}
	case !ok:
		return hooks.Dead(errors.New("the mirror never looked at it"))
	case id.Private || id.Unconfirmed:
		return hooks.Done()
	}
	m, err := a.mailFacts(ctx, e, id)
	if err != nil {
		return hooks.Retry(err, 0)
	}
	if stale(e.Entry, m.msg) {
		return hooks.Done()
	}
	if r := replyIn(e.Entry, id, m); r != nil {
		if _, err := h.Engine.Answer(ctx, r); err != nil {
			return hooks.Retry(err, 0)
		}
	}
	if err := h.Engine.Offer(ctx, mailEvent(e.Entry, id, m)); err != nil {
		return hooks.Retry(err, 0)
	}
	return hooks.Done()
}

// stale says that a message in a mailbox is old.
func stale(e journal.Entry, msg *message.Message) bool {
	at := e.InternalDate
	if at.IsZero() {
		at = msg.Date
	}
	return e.Kind.Mailbox() && !at.IsZero() && e.Received.Sub(at) > oldMail
}

// readMail is a message as rules see it.
type readMail struct {
	msg   *message.Message
	facts map[string]any // the value of "mail"
	// answerable says that a person wrote it, as far as can be told.
	answerable bool
	depth      int // how many rules led to it, of this gateway or another; 0: none
}

// mailFacts reads a message and says what rules can know of it.
func (a *Actions) mailFacts(ctx context.Context, e hooks.Event, id mirror.Identity) (readMail, error) {
	body, err := e.Body(ctx)
	if err != nil {
		return readMail{}, err
	}
	msg, err := message.Parse(body, message.Options{Salt: e.Entry.ID.String(), NullReturnPath: e.Entry.ReversePath == "" && !e.Entry.Kind.Mailbox()})
	if err := errors.Join(err, body.Close()); err != nil {
		return readMail{}, fmt.Errorf("read entry %s: %w", e.Entry.ID, err)
	}
	again, err := e.Body(ctx)
	if err != nil {
		return readMail{}, err
	}
	header, err := compose.ReadHeader(again)
	if err := errors.Join(err, again.Close()); err != nil {
		return readMail{}, fmt.Errorf("read the header of entry %s: %w", e.Entry.ID, err)
	}
	verdict := compose.Judge(compose.Received{
		Header: header, Message: msg, ReversePath: e.Entry.ReversePath, Enveloped: !e.Entry.Kind.Mailbox(), Own: a.own(), Signer: a.o.Signer,
		Mine: a.mine(e.Entry, id, msg),
	})
	m := readMail{msg: msg, facts: a.facts(e.Entry, id, msg, verdict), answerable: verdict.Answerable}
	if verdict.Cause != nil {
		m.depth = max(verdict.Cause.Depth, 1)
	} else if e.Entry.Automated() {
		m.depth = 1
	}
	return m, nil
}

// mine are the addresses that a mail which came in can be meant for: the account's, those that rules send as, and all of the company among those that it
// names, since employees have other addresses than their accounts'. A mail that names none of them came by a list or as a blind copy. Of other mail nobody
// asks.
func (a *Actions) mine(e journal.Entry, id mirror.Identity, msg *message.Message) []string {
	_, domain, ok := strings.Cut(strings.ToLower(e.Account), "@")
	if id.Direction != "inbound" || !ok {
		return nil
	}
	out := append(a.own(), e.Account)
	for _, p := range append(append([]message.Address{}, msg.To...), msg.CC...) {
		if strings.HasSuffix(p.Address, "@"+domain) || a.o.Internal != nil && a.o.Internal(p.Address) {
			out = append(out, p.Address)
		}
	}
	return out
}

// facts is the value of "mail", as hooks/rules/condition lists it.
func (a *Actions) facts(e journal.Entry, id mirror.Identity, msg *message.Message, v compose.Verdict) map[string]any {
	var files []any
	for _, f := range msg.Attachments {
		files = append(files, map[string]any{"name": f.Name, "type": f.Type, "size": number(int(f.Size)), "inline": f.Inline, "sha256": f.SHA256})
	}
	var refs []any
	for _, r := range msg.ThreadIDs() {
		refs = append(refs, r)
	}
	date := msg.Date
	if date.IsZero() {
		date = e.Received
	}
	out := map[string]any{
		"subject": msg.Subject, "text": msg.Text, "unquoted": msg.Unquoted, "html": msg.HTML, "language": msg.Language, "date": date, "arrived": arrived(e),
		"message_id": msg.MessageID, "in_reply_to": msg.InReplyTo, "references": orEmpty(refs), "attachments": orEmpty(files),
		"from": nil, "to": persons(msg.To), "cc": persons(msg.CC), "reply_to": persons(msg.ReplyTo),
		"recipients": persons(append(append([]message.Address{}, msg.To...), msg.CC...)),
		"direction":  directions[id.Direction], "account": e.Account, "groups": a.groups(e.Account), "mailbox": e.Mailbox, "upstream": e.Upstream,
		"automated": msg.Automated || !v.Answerable && v.Has("auto_submitted"), "bulk": msg.Bulk, "tags": []any{}, "key": id.Message, "entry": e.ID.String(),
		"not_answerable": "", "signature": msg.Signature, "list_id": msg.ListID,
	}
	if len(msg.From) > 0 {
		out["from"] = person(msg.From[0])
	}
	if !v.Answerable && len(v.Reasons) > 0 {
		out["not_answerable"] = v.Reasons[0].Zh + " / " + v.Reasons[0].En
	}
	out["correspondent"] = a.correspondent(id, msg)
	return out
}

// arrived is when a message came to be where it is, by the clock of the server that has it.
func arrived(e journal.Entry) time.Time {
	if e.Kind.Mailbox() && !e.InternalDate.IsZero() && e.InternalDate.Before(e.Received) {
		return e.InternalDate
	}
	return e.Received
}

// groups are the names of the groups that an account is in.
func (a *Actions) groups(account string) []any {
	out := []any{}
	for _, name := range slices.Sorted(maps.Keys(a.o.Groups)) {
		if slices.ContainsFunc(a.o.Groups[name], func(p string) bool { return config.MatchesAccount(p, strings.ToLower(account)) }) {
			out = append(out, name)
		}
	}
	return out
}

// directions are the words of rules for those of CRMs.
var directions = map[string]string{"inbound": "in", "outbound": "out", "internal": "internal"}

// correspondent is the person outside whom the message is from or to.
func (a *Actions) correspondent(id mirror.Identity, msg *message.Message) any {
	if id.Direction == "inbound" && len(msg.From) > 0 {
		return msg.From[0].Address
	}
	for _, p := range append(append([]message.Address{}, msg.To...), msg.CC...) {
		if a.o.Internal == nil || !a.o.Internal(p.Address) {
			return p.Address
		}
	}
	return nil
}

func orEmpty(list []any) []any {
	if list == nil {
		return []any{}
	}
	return list
}

func persons(list []message.Address) []any {
	out := make([]any, 0, len(list))
	for _, a := range list {
		out = append(out, person(a))
	}
	return out
}

func person(a message.Address) map[string]any {
	_, domain, _ := strings.Cut(a.Address, "@")
	return map[string]any{"address": a.Address, "name": a.Name, "domain": domain}
}

// mailEvent is what a message is to rules. All copies of it are one event for each account, so that a rule on a mailbox fires for the copy that
// lies there; that the rule fires once follows from the run's name.
func mailEvent(e journal.Entry, id mirror.Identity, m readMail) rules.Event {
	return rules.Event{
		Type: rules.TypeMail, Key: id.Message, At: e.Received, Entry: e.ID.String(), Message: id.Message, Thread: id.Thread, Title: m.msg.Subject,
		Automated: m.msg.Automated || m.msg.Report != "" || m.depth > 0, Depth: m.depth, Data: map[string]any{"mail": m.facts},
	}
}

// RecordEvents gives the changes of records to the rules, until ctx ends.
func (h *Hook) RecordEvents(ctx context.Context) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		for {
			n, err := h.Actions.o.Changes.Consume(ctx, HookName, 200, func(ctx context.Context, tx store.Querier, list []changes.Change) error {
				var events []rules.Event
				for _, c := range list {
					events = append(events, recordEvent(c))
				}
				return h.Engine.PostTx(ctx, tx, events...)
			})
			if err != nil && ctx.Err() == nil {
				h.Actions.o.Logger.Warn("changes of records cannot be read; they are again in a second", "err", err)
			}
			if n == 0 || err != nil {
				break
			}
			h.Engine.Wake()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// recordEvent is what the change of a record is to rules.
func recordEvent(c changes.Change) rules.Event {
	fields := map[string]any{}
	for name, v := range c.Fields {
		fields[name] = map[string]any{"old": v.Old, "new": v.New}
	}
	return rules.Event{
		Type: rules.TypeRecord, Key: fmt.Sprintf("change %d", c.Seq), At: c.SeenAt, Target: c.Target, Object: c.Object, Record: c.ID,
		Title: c.Object + " " + c.ID,
		Data:  map[string]any{"change": map[string]any{"kind": c.Kind, "by": text(c.By), "fields": fields, "url": text(c.URL)}},
	}
}
