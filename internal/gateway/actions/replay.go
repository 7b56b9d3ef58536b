package actions

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"heliograph/hooks"
	"heliograph/hooks/changes"
	"heliograph/hooks/mirror"
	"heliograph/hooks/rules"
	"heliograph/internal/journal"
	"heliograph/internal/message"
	"heliograph/internal/store"
)

const (
	// pageSize is how many events are fetched at once.
	pageSize = 500
	// idSlack is how far the time in an entry's id may be from that at which the message was received.
	idSlack = 24 * time.Hour
)

// Past are the events of a time, as far as they are stored: messages and changes of records, in the order in which rules were told of them.
type Past struct {
	s        *Stored
	from, to time.Time

	entries   []journal.ID
	after     journal.ID // the last entry that was fetched
	moreMail  bool
	mail      *Told // the next message
	list      []changes.Change
	seq       int64
	moreDiffs bool
	// Skipped counts messages that are no events for rules, by the reason.
	Skipped map[string]int
}

// Told is an event with the time at which rules are told of it.
type Told struct {
	At    time.Time
	Event rules.Event
}

// Past returns the events from a time up to another one, which does not belong to it.
func (s *Stored) Past(ctx context.Context, from, to time.Time) (*Past, error) {
	seq, err := changes.Since(ctx, s.o.Store.Reader(), from)
	if err != nil {
		return nil, err
	}
	return &Past{s: s, from: from, to: to, after: journal.NewID(from.Add(-idSlack)), seq: seq, moreMail: true, moreDiffs: true, Skipped: map[string]int{}}, nil
}

// Next returns the next event, or io.EOF behind the last one.
func (p *Past) Next(ctx context.Context) (Told, error) {
	if err := p.fillMail(ctx); err != nil {
		return Told{}, err
	}
	if err := p.fillChanges(ctx); err != nil {
		return Told{}, err
	}
	switch {
	case p.mail == nil && len(p.list) == 0:
		return Told{}, io.EOF
	case len(p.list) == 0 || p.mail != nil && !p.mail.At.After(p.list[0].SeenAt):
		out := *p.mail
		p.mail = nil
		return out, nil
	}
	c := p.list[0]
	p.list = p.list[1:]
	return Told{c.SeenAt, recordEvent(c)}, nil
}

// fillMail finds the next message.
func (p *Past) fillMail(ctx context.Context) error {
	for p.mail == nil {
		if len(p.entries) == 0 {
			if !p.moreMail {
				return nil
			}
			if err := p.page(ctx); err != nil {
				return err
			}
			continue
		}
		id := p.entries[0]
		p.entries = p.entries[1:]
		ev, told, err := p.s.MailEvent(ctx, id)
		var skipped *Skipped
		switch {
		case errors.As(err, &skipped):
			p.Skipped[skipped.En]++
		case err != nil:
			return fmt.Errorf("read a stored message: %w", err)
		default:
			p.mail = &Told{told, ev}
		}
	}
	return nil
}

// page fetches the next entries of the time.
func (p *Past) page(ctx context.Context) error {
	rows, err := p.s.o.Store.Reader().QueryContext(ctx, fmt.Sprintf(`
		SELECT id FROM entries WHERE id > $1 AND id < $2 AND received >= $3 AND received < $4 ORDER BY id LIMIT %d`, pageSize),
		p.after.String(), journal.NewID(p.to.Add(idSlack)).String(), store.Micros(p.from), store.Micros(p.to))
	if err != nil {
		return fmt.Errorf("list stored messages: %w", err)
	}
	if p.entries, err = ids(rows); err != nil {
		return fmt.Errorf("list stored messages: %w", err)
	}
	p.moreMail = len(p.entries) == pageSize
	if n := len(p.entries); n > 0 {
		p.after = p.entries[n-1]
	}
	return nil
}

func (p *Past) fillChanges(ctx context.Context) error {
	if len(p.list) > 0 || !p.moreDiffs {
		return nil
	}
	var err error
	if p.list, err = changes.Read(ctx, p.s.o.Store.Reader(), p.seq, pageSize); err != nil {
		return fmt.Errorf("list changes of records: %w", err)
	}
	p.moreDiffs = len(p.list) == pageSize
	for i, c := range p.list {
		p.seq = c.Seq
		if !c.SeenAt.Before(p.to) {
			p.list, p.moreDiffs = p.list[:i], false
			break
		}
	}
	return nil
}

// FileOptions say of a mail file what its bytes do not.
type FileOptions struct {
	Account   string    // whose copy it is; empty: the first colleague among its people
	Mailbox   string    // where it lies; empty: it is on its way through SMTP
	Direction string    // in, out or internal; empty: as its people say
	Received  time.Time // zero: the date in the message
	ID        string    // tells files apart
}

// fileEntry stands for the entry of a mail file, which lies in no journal.
const fileEntry = "file"

// FileEvent is what a mail file is to rules. open is called twice.
func (s *Stored) FileEvent(ctx context.Context, open func() (io.ReadCloser, error), o FileOptions) (rules.Event, error) {
	body, err := open()
	if err != nil {
		return rules.Event{}, err
	}
	msg, err := message.Parse(body, message.Options{Salt: o.ID})
	if err := errors.Join(err, body.Close()); err != nil {
		return rules.Event{}, err
	}
	id := mirror.Identity{Message: msg.Key, Thread: msg.Key}
	id.Direction = s.direction(msg)
	for crm, name := range directions {
		if name == o.Direction {
			id.Direction = crm
		}
	}
	e := journal.Entry{Envelope: journal.Envelope{Kind: journal.KindSubmission, Account: o.Account, Mailbox: o.Mailbox, Received: o.Received}}
	if len(msg.From) > 0 {
		e.ReversePath = msg.From[0].Address
	}
	if o.Mailbox != "" {
		e.Kind = journal.KindFetch
	}
	if e.Account == "" {
		e.Account = s.account(msg, id.Direction)
	}
	if e.Received.IsZero() {
		e.Received = msg.Date
	}
	if e.Received.IsZero() {
		return rules.Event{}, errors.New("the message has no date")
	}
	m, err := s.a.mailFacts(ctx, hooks.Event{Entry: e, Body: func(context.Context) (io.ReadCloser, error) { return open() }}, id)
	if err != nil {
		return rules.Event{}, err
	}
	ev := mailEvent(e, id, m)
	ev.Entry, s.file = fileEntry, open // its words come with the event
	return ev, nil
}

// direction is that of a message, by its people.
func (s *Stored) direction(msg *message.Message) string {
	if len(msg.From) == 0 || !s.o.Internal(msg.From[0].Address) {
		return "inbound"
	}
	for _, p := range append(append([]message.Address{}, msg.To...), msg.CC...) {
		if !s.o.Internal(p.Address) {
			return "outbound"
		}
	}
	return "internal"
}

// account is whose copy a message most likely is.
func (s *Stored) account(msg *message.Message, direction string) string {
	people := append(append([]message.Address{}, msg.To...), msg.CC...)
	if direction != "inbound" {
		people = append(append([]message.Address{}, msg.From...), people...)
	}
	for _, p := range people {
		if s.o.Internal(p.Address) {
			return p.Address
		}
	}
	if len(msg.To) > 0 && direction == "inbound" {
		return msg.To[0].Address
	}
	return ""
}
