package actions

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/mail"
	"net/url"
	"strconv"
	"time"

	"heliograph/crmclient"
	"heliograph/hooks/rules"
	"heliograph/internal/journal"
	"heliograph/internal/message"
	"heliograph/internal/notify"
	"heliograph/internal/store"
)

func number(n int) json.Number { return json.Number(strconv.Itoa(n)) }

// Perform implements rules.Performer.
func (a *Actions) Perform(ctx context.Context, e *rules.Effect) (map[string]any, error) {
	switch e.Kind {
	case rules.EffectMail:
		return a.mail(ctx, e)
	case rules.EffectNotify:
		return a.notify(ctx, e)
	case rules.EffectTicket:
		return a.ticket(ctx, e)
	case rules.EffectAssign:
		return a.assign(ctx, e)
	case rules.EffectCreate:
		return a.create(ctx, e)
	case rules.EffectUpdate:
		return a.update(ctx, e)
	case rules.EffectTag:
		return a.tag(ctx, e)
	case rules.EffectWebhook:
		return a.call(ctx, e)
	case rules.EffectAppend:
		return a.append(ctx, e)
	}
	return nil, rules.Permanent(fmt.Errorf("nobody here can do %s", e.Kind))
}

// notify posts into a chat. The channel may show a message twice after an unknown outcome, which is what colleagues can bear.
func (a *Actions) notify(ctx context.Context, e *rules.Effect) (map[string]any, error) {
	n := e.Notice
	c, ok := a.o.Channels[n.Channel]
	if !ok {
		return nil, rules.Permanent(fmt.Errorf("there is no notifier %q in the configuration", n.Channel))
	}
	m := notify.Message{Key: e.ID, Level: notify.Level(n.Level), Title: e.Title, Text: n.Text, Mentions: n.Mentions, To: n.To, At: e.At}
	for _, f := range n.Facts {
		m.Facts = append(m.Facts, notify.Fact{Name: f[0], Value: f[1]})
	}
	for _, l := range n.Links {
		m.Links = append(m.Links, notify.Link{Label: l[0], URL: l[1]})
	}
	return map[string]any{}, permanent(c.Send(ctx, m))
}

func ability[T any](a *Actions, target, what string) (T, error) {
	var none T
	c, err := a.client(target)
	if err != nil {
		return none, err
	}
	t, ok := crmclient.As[T](c)
	if !ok {
		return none, rules.Permanent(fmt.Errorf("target %s cannot %s", target, what))
	}
	return t, nil
}

func (a *Actions) ticket(ctx context.Context, e *rules.Effect) (map[string]any, error) {
	t := e.Ticket
	c, err := ability[crmclient.TicketCreator](a, t.Target, "make tickets")
	if err != nil {
		return nil, err
	}
	out := &crmclient.Ticket{
		Key: e.ID, Subject: t.Subject, Text: t.Text, Priority: t.Priority, Queue: t.Queue, Assignee: t.Assignee, Fields: t.Fields, Requester: personOf(t.Requester),
	}
	if contact, err := a.Contact(ctx, out.Requester.Address); err == nil {
		out.ContactID, _ = contact["id"].(string)
	}
	if t.Entry != "" {
		if out.MessageID, out.Files, err = a.filesOf(ctx, t.Entry); err != nil {
			return nil, err
		}
	}
	receipt, err := c.CreateTicket(ctx, out)
	if err != nil {
		return nil, permanent(err)
	}
	return map[string]any{"id": receipt.RemoteID, "url": text(receipt.URL)}, nil
}

func personOf(mailbox string) crmclient.Person {
	if p, err := mail.ParseAddress(mailbox); err == nil {
		return crmclient.Person{Name: p.Name, Address: p.Address}
	}
	return crmclient.Person{Address: mailbox}
}

// filesOf returns the Message-ID of a message and the files in it, to be read when they are asked for.
func (a *Actions) filesOf(ctx context.Context, entry string) (messageID string, files []crmclient.Attachment, err error) {
	m, open, err := a.parse(ctx, entry)
	if err != nil {
		return "", nil, err
	}
	for i, f := range m.Attachments {
		if f.Inline {
			continue
		}
		files = append(files, crmclient.Attachment{Name: f.Name, Type: f.Type, Size: f.Size, SHA256: f.SHA256, Open: func(ctx context.Context) (io.ReadCloser, error) {
			raw, err := open(ctx)
			if err != nil {
				return nil, err
			}
			return message.OpenAttachment(raw, i, message.Options{Salt: entry}), nil
		}})
	}
	return m.MessageID, files, nil
}

// parse reads a message of the journal.
func (a *Actions) parse(ctx context.Context, entry string) (*message.Message, func(context.Context) (io.ReadCloser, error), error) {
	id, err := journal.ParseID(entry)
	if err != nil {
		return nil, nil, rules.Permanent(err)
	}
	e, err := a.o.Journal.Entry(ctx, id)
	if errors.Is(err, journal.ErrNotFound) {
		return nil, nil, rules.Permanent(err)
	}
	if err != nil {
		return nil, nil, err
	}
	open := func(ctx context.Context) (io.ReadCloser, error) { return a.o.Journal.Body(ctx, e) }
	body, err := open(ctx)
	if err != nil {
		return nil, nil, err
	}
	m, err := message.Parse(body, message.Options{Salt: entry})
	return m, open, errors.Join(err, body.Close())
}

func (a *Actions) assign(ctx context.Context, e *rules.Effect) (map[string]any, error) {
	c, err := ability[crmclient.TicketAssigner](a, e.Ticket.Target, "assign tickets")
	if err != nil {
		return nil, err
	}
	return map[string]any{"id": e.Ticket.ID}, permanent(c.AssignTicket(ctx, e.Ticket.ID, e.Ticket.Assignee))
}

func (a *Actions) create(ctx context.Context, e *rules.Effect) (map[string]any, error) {
	c, err := ability[crmclient.RecordCreator](a, e.Record.Target, "make records")
	if err != nil {
		return nil, err
	}
	receipt, err := c.CreateRecord(ctx, e.Record.Object, e.ID, e.Record.Fields)
	if err != nil {
		return nil, permanent(err)
	}
	return map[string]any{"id": receipt.RemoteID, "url": text(receipt.URL)}, nil
}

func (a *Actions) update(ctx context.Context, e *rules.Effect) (map[string]any, error) {
	r := e.Record
	c, err := ability[crmclient.RecordUpdater](a, r.Target, "change records")
	if err != nil {
		return nil, err
	}
	err = a.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		return a.o.Changes.Wrote(ctx, tx, r.Target, r.Object, r.ID, r.Fields)
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{"id": r.ID}, permanent(c.UpdateRecord(ctx, r.Object, r.ID, r.Fields))
}

func (a *Actions) tag(ctx context.Context, e *rules.Effect) (map[string]any, error) {
	err := a.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		if err := rules.Suggest(ctx, tx, e.Tags.Message, e.Tags.Suggest, "rule "+e.Rule, e.At); err != nil {
			return err
		}
		return rules.SetTags(ctx, tx, e.Tags.Message, e.Tags.Add, e.Tags.Remove, "rule "+e.Rule, e.At)
	})
	return map[string]any{}, err
}

// callTimeout bounds one call of another system.
const callTimeout = 20 * time.Second

// call posts to another system, as Standard Webhooks say: the id is the effect's, so that a repetition can be told.
func (a *Actions) call(ctx context.Context, e *rules.Effect) (map[string]any, error) {
	to, err := crmclient.ParseURL(e.Webhook.URL)
	if err != nil {
		return nil, rules.Permanent(err)
	}
	body, err := json.Marshal(e.Webhook.Body)
	if err != nil {
		return nil, rules.Permanent(err)
	}
	key, err := a.secret(e.Webhook.Hook)
	if err != nil {
		return nil, err
	}
	t, err := a.transport(to)
	if err != nil {
		return nil, rules.Permanent(err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, errors.New("the other system did not answer in time"))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), bytes.NewReader(body))
	if err != nil {
		return nil, rules.Permanent(errors.New("the address of the webhook cannot be used"))
	}
	req.Header.Set("Content-Type", "application/json")
	crmclient.SignWebhook(req.Header, key, crmclient.WebhookID(e.ID), a.o.Now(), body)
	answer, err := t.Do(req)
	if err != nil {
		return nil, permanent(err)
	}
	out := map[string]any{"status": number(answer.Status)}
	var said any
	d := json.NewDecoder(bytes.NewReader(answer.Body))
	d.UseNumber()
	if len(answer.Body) <= 64<<10 && d.Decode(&said) == nil {
		out["answer"] = said
	}
	return out, nil
}

func (a *Actions) secret(name string) ([][]byte, error) {
	if name == "" {
		return nil, nil
	}
	for _, c := range a.o.Config.Calls {
		if c.Name == name {
			key, err := crmclient.WebhookKey(c.Secret.Reveal())
			if err != nil {
				return nil, rules.Permanent(fmt.Errorf("rules.calls %s: %w", name, err))
			}
			return [][]byte{key}, nil
		}
	}
	return nil, rules.Permanent(fmt.Errorf("there is no entry %q in rules.calls", name))
}

// transport returns the transport of a host; each has its own limits and circuit breaker.
func (a *Actions) transport(to *url.URL) (*crmclient.Transport, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	host := to.Scheme + "://" + to.Host
	if t, ok := a.calls[host]; ok {
		return t, nil
	}
	if len(a.calls) >= 200 {
		return nil, errors.New("rules call more than 200 hosts")
	}
	t, err := crmclient.NewTransport(crmclient.Options{
		Target: "rules", URL: &url.URL{Scheme: to.Scheme, Host: to.Host}, UserAgent: a.o.UserAgent, AllowPrivate: &a.o.Config.AllowPrivate, HidePath: true, NoRedirects: true,
		Logger: a.o.Logger,
	})
	if err == nil {
		a.calls[host] = t
	}
	return t, err
}
