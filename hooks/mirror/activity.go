package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/hooks"
	"heliograph/internal/journal"
	"heliograph/internal/message"
)

// errGone says that no copy of the message is in the journal any more.
var errGone = &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the journal has no copy of this message any more"}

// built is an activity and what it was made of.
type built struct {
	activity *crmclient.Activity
	people   *people
	msg      *message.Message
	first    journal.Entry
}

// excludedError says that a message is not for a target, or not any more.
type excludedError struct {
	reason  string
	private bool // it is out of scope, so that what an earlier attempt may have told is to be taken back
}

// Error returns the reason, as the ledger has it.
func (e *excludedError) Error() string { return e.reason }

// heldError says that a message must wait: for a person to decide, or for the end of a pause.
type heldError struct {
	until  time.Time // zero means for heldPause, and then look again
	reason string
}

// Error returns the reason, as the ledger has it.
func (e *heldError) Error() string { return e.reason }

// build makes what a target may know of a message now. All rules are looked at again: hours may have passed since the
// message was captured.
func (m *Mirror) build(ctx context.Context, t *target, key string) (built, error) {
	all, err := m.stillInScope(ctx, key)
	if err != nil {
		return built{}, err
	}
	a, p, msg, first, err := m.activity(ctx, t, key, all)
	if err != nil {
		return built{}, err
	}
	if why := t.unwantedMail(a.Direction, msg); why != "" {
		return built{}, &excludedError{reason: why}
	}
	m.mask(t, a) // before anything is cut, lest half a number is left that nobody knows for one
	var link func(int, crmclient.Attachment) crmclient.AttachmentLeft
	if t.Deliver.Attachments.Policy == config.AttachLink && m.o.Links != nil && len(a.Attachments) > 0 {
		if link, err = m.o.Links.linker(ctx, t.Name, first.ID, t.Deliver.Attachments.LinkExpires.D()); err != nil {
			return built{}, err
		}
	}
	t.shape(a, link)
	return built{a, p, msg, first}, nil
}

// deliver writes one activity into one CRM, for which unknown are no contacts. digest stands for what an update may change in it.
func (m *Mirror) deliver(ctx context.Context, t *target, key string) (receipt crmclient.Receipt, digest string, unknown unmatched, err error) {
	b, err := m.build(ctx, t, key)
	if err != nil {
		return crmclient.Receipt{}, "", nil, err
	}
	if unknown, err = m.match(ctx, t, b.activity, b.people, b.msg, false); err != nil {
		return crmclient.Receipt{}, "", nil, err
	}
	if err := m.confirmScope(ctx, b.activity); err != nil {
		return crmclient.Receipt{}, "", nil, err
	}
	receipt, err = t.Client.LogEmail(ctx, b.activity)
	if err != nil {
		return crmclient.Receipt{}, "", nil, fmt.Errorf("logging the mail: %w", err)
	}
	m.learn(ctx, t, b)
	return receipt, digestOf(b.activity), unknown, nil
}

// learn hands on the signature of mail that came in, as the target may read it. That it cannot be kept does not keep
// the mail from the target: the next letter has it again.
func (m *Mirror) learn(ctx context.Context, t *target, b built) {
	if m.o.Learn == nil || b.msg.Automated || b.msg.Signature == "" || len(b.msg.From) != 1 {
		return
	}
	from := b.msg.From[0].Address
	if !slices.ContainsFunc(b.people.external, func(p crmclient.Person) bool { return p.Address == from }) {
		return
	}
	seen := &crmclient.Activity{Text: b.msg.Signature}
	m.o.Masking.Apply(t.Name, seen)
	if err := m.o.Learn(ctx, t.Name, from, seen.Text, b.first.Received); err != nil {
		m.o.Logger.WarnContext(ctx, "signature not learnt", "target", t.Name, "message_key", b.activity.Key, "error", err)
	}
}

// activity builds the activity from the first copy that the target may be told of and that is still there, and
// adds what the others know: accounts and blind copies.
func (m *Mirror) activity(ctx context.Context, t *target, key string, all copies) (_ *crmclient.Activity, _ *people, _ *message.Message, first journal.Entry, err error) {
	thread, err := m.threadOf(ctx, key)
	if err != nil {
		return nil, nil, nil, first, err
	}
	copies, err := t.toldOf(ctx, m.o.Store.Reader(), key, all)
	if err != nil {
		return nil, nil, nil, first, fmt.Errorf("reading sightings of %s: %w", key, err)
	}
	if len(copies) == 0 {
		return nil, nil, nil, first, &excludedError{reason: unwantedAccount}
	}
	a := &crmclient.Activity{Key: key, Thread: thread, Unconfirmed: true}
	var msg *message.Message
	var p people
	var parsed int
	for _, s := range copies {
		a.Sightings = append(a.Sightings, s.forCRM())
		a.Unconfirmed = a.Unconfirmed && s.unconfirmed
		if s.account != "" && !slices.Contains(a.Accounts, s.account) {
			a.Accounts = append(a.Accounts, s.account)
		}
		e, err := m.entry(ctx, s.entry)
		switch {
		case errors.Is(err, journal.ErrNotFound):
			continue
		case err != nil:
			return nil, nil, nil, first, fmt.Errorf("reading entry %s: %w", s.entry, err)
		case msg == nil:
			if msg, err = m.parsedAgain(ctx, m.event(e)); err != nil {
				return nil, nil, nil, first, err
			}
			first, p = e, m.people(e, msg)
		default:
			own, err := m.ownCopy(ctx, e, p.from, &parsed)
			if err != nil {
				return nil, nil, nil, first, err
			}
			p.bcc = append(p.bcc, blind(e, own, p.to, p.cc, p.bcc)...)
		}
	}
	if msg == nil {
		return nil, nil, nil, first, errGone
	}
	p.external = nil
	// Who keeps his copies back is an employee all the same, and must become no contact.
	var owners []string
	for _, s := range all.list {
		owners = append(owners, s.account)
	}
	p.classify(m.ours(owners...), byEmployee(first, p.from))
	m.fill(a, &p, msg, first)
	return a, &p, msg, first, nil
}

// threadOf returns the thread of a message as it is now.
func (m *Mirror) threadOf(ctx context.Context, key string) (thread string, err error) {
	var joined string
	q := m.o.Store.Reader()
	err = q.QueryRowContext(ctx, `SELECT thread, t.joined FROM messages m JOIN threads t ON t.id = m.thread WHERE m.key = $1`, key).Scan(&thread, &joined)
	if err != nil {
		return "", fmt.Errorf("reading message %s: %w", key, err)
	}
	if joined == "" {
		return thread, nil
	}
	threads, err := resolve(ctx, q, []string{joined})
	if err != nil {
		return "", err
	}
	return threads[0], nil
}

// maxOwnCopies bounds how many copies of one message are read for their Bcc field only.
const maxOwnCopies = 4

// ownCopy reads a further copy where it can name blind recipients that no other does: in the sender's mailbox.
func (m *Mirror) ownCopy(ctx context.Context, e journal.Entry, from crmclient.Person, parsed *int) (*message.Message, error) {
	own := e.Kind == journal.KindAppend || e.Kind.Mailbox() && strings.EqualFold(e.Account, from.Address)
	if !own || *parsed >= maxOwnCopies {
		return nil, nil //nolint:nilnil // there is nothing to learn
	}
	*parsed++
	return m.parsedAgain(ctx, m.event(e))
}

func (m *Mirror) event(e journal.Entry) hooks.Event {
	return hooks.Event{Entry: e, Body: func(ctx context.Context) (io.ReadCloser, error) { return m.o.Journal.Body(ctx, e) }}
}

// fill copies what the message says.
func (m *Mirror) fill(a *crmclient.Activity, p *people, msg *message.Message, e journal.Entry) {
	a.MessageID, a.Subject, a.Date = msg.MessageID, msg.Subject, msg.Date
	if a.Date.IsZero() {
		a.Date = sightingOf(e).date
	}
	a.Direction, a.From, a.To, a.CC, a.BCC = p.direction, p.from, p.to, p.cc, p.bcc
	a.Text, a.TextUnquoted, a.HTML = msg.Text, msg.Unquoted, msg.HTML
	a.Automated, a.Flags = msg.Automated, msg.Flags
	for i, f := range msg.Attachments {
		a.Attachments = append(a.Attachments, crmclient.Attachment{
			Name: f.Name, Type: f.Type, Size: f.Size, SHA256: f.SHA256, Inline: f.Inline,
			Open: func(ctx context.Context) (io.ReadCloser, error) {
				body, err := m.o.Journal.Body(ctx, e)
				if err != nil {
					return nil, fmt.Errorf("opening entry %s: %w", e.ID, err)
				}
				return message.OpenAttachment(body, i, parseOptions(e)), nil
			},
		})
	}
}
