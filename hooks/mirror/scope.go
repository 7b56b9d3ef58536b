package mirror

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"heliograph/crmclient"
	"heliograph/hooks/mirror/scope"
	"heliograph/internal/journal"
	"heliograph/internal/message"
	"heliograph/internal/store"
)

// Scoper decides what may leave. Its methods may run concurrently. An error is temporary: the decision is made later.
type Scoper interface {
	// Decide says what becomes of one copy of a message.
	Decide(ctx context.Context, f *scope.Facts) (scope.Decision, error)
	// Generation names all that decides. While it is the same, what was included stays so; what any process changed before
	// the call is in it.
	Generation(ctx context.Context) (string, error)
}

var _ Scoper = (*scope.Scope)(nil)

// errScopeChanged says that something fell out of scope while a delivery was being made.
var errScopeChanged = &crmclient.Error{Class: crmclient.ClassRetry, Message: "what may leave changed meanwhile"}

// facts is what the rules look at.
func facts(e journal.Entry, msg *message.Message, p people) *scope.Facts {
	f := &scope.Facts{
		Account: e.Account, Mailbox: e.Mailbox, Direction: p.direction, Subject: msg.Subject, Sensitivity: msg.Sensitivity,
		Protection: msg.Protection, Bulk: msg.Bulk, Automated: msg.Automated, ListID: msg.ListID, Size: e.Size, Attachments: msg.Attachments,
	}
	for _, list := range [][]message.Address{msg.From, msg.Sender, msg.ReplyTo} {
		for _, a := range list {
			f.From = append(f.From, a.Address)
		}
	}
	if p.from.Address != "" && !slices.Contains(f.From, p.from.Address) {
		f.From = append(f.From, p.from.Address)
	}
	for _, list := range [][]crmclient.Person{p.to, p.cc, p.bcc, persons(msg.BCC)} {
		for _, who := range list {
			f.To = append(f.To, who.Address)
		}
	}
	return f
}

// decide says whether a sighting is in scope.
func (m *Mirror) decide(ctx context.Context, s *sighting, e journal.Entry, msg *message.Message, p people) error {
	d, err := m.o.Scope.Decide(ctx, facts(e, msg, p))
	if err != nil {
		return fmt.Errorf("deciding on entry %s: %w", s.entry, err)
	}
	s.excluded, s.rule, s.veto, s.vetoAll, s.decided = "", "", false, false, d.Generation
	if !d.Include {
		s.excluded, s.rule, s.veto = clip(d.Reason()), d.Kind, d.Message
		m.weigh(s, p.from.Address)
	}
	return nil
}

// stillInScope looks at the message again, for rules and choices that came since its sightings were recorded, and returns its
// copies. What fell out of scope is written down as excluded; where nothing is left the error is an *excludedError. It only narrows.
func (m *Mirror) stillInScope(ctx context.Context, key string) (copies, error) {
	generation, err := m.o.Scope.Generation(ctx)
	if err != nil {
		return copies{}, err
	}
	q := m.o.Store.Reader()
	c, err := readCopies(ctx, q, key, "")
	if err != nil {
		return c, err
	}
	var v vetoes
	if c.vetoed {
		if v, err = readVetoes(ctx, q, key); err != nil {
			return c, err
		}
	}
	var in []sighting
	again := false
	for _, s := range c.list {
		if s.excluded != "" {
			continue
		}
		in = append(in, s)
		again = again || s.was != generation || v.of(s.form) != ""
	}
	if !again && len(in) > 0 {
		return c, nil // as always, but when something changed
	}
	if err := m.decideAgain(ctx, key, in, generation, v); err != nil {
		return c, err
	}
	if err := m.narrow(ctx, key, in); err != nil {
		return c, fmt.Errorf("writing down what fell out of scope of %s: %w", key, err)
	}
	for _, s := range in {
		if s.excluded == "" {
			return readCopies(ctx, q, key, "")
		}
	}
	return c, m.outOfScope(ctx, key)
}

// maxReread bounds how many copies of one message are parsed again. What the others' headers differ in does not count then.
const maxReread = 100

// decideAgain fills in what keeps the copies here now.
func (m *Mirror) decideAgain(ctx context.Context, key string, copies []sighting, generation string, v vetoes) error {
	var msg *message.Message
	var p people
	read := 0
	for i := range copies {
		s := &copies[i]
		if v.of(s.form) != "" || s.was == generation {
			continue
		}
		e, err := m.o.Journal.Entry(ctx, s.entry)
		switch {
		case errors.Is(err, journal.ErrNotFound): // the choices of its owner hold all the same
			e = journal.Entry{Envelope: journal.Envelope{ID: s.entry, Kind: s.kind, Account: s.account, Mailbox: s.mailbox}}
			if msg == nil {
				msg = &message.Message{}
			}
		case err != nil:
			return fmt.Errorf("reading entry %s: %w", s.entry, err)
		case read < maxReread:
			read++
			if msg, err = parse(ctx, m.event(e)); err != nil {
				return err
			}
			p = m.people(e, msg)
		}
		if err := m.decide(ctx, s, e, msg, p); err != nil {
			return err
		}
		if !s.veto {
			continue
		}
		by := s.form
		if s.vetoAll {
			by = ""
		}
		v.add(by, s.excluded)
		if err := v.load(ctx, m.o.Store.Reader(), key); err != nil {
			return err
		}
	}
	for i := range copies {
		s := &copies[i]
		if by := v.of(s.form); by != "" && s.excluded == "" {
			s.excluded, s.rule = clip(reasonVeto+by), scope.KindVeto
		}
	}
	return nil
}

// narrow writes down which copies fell out of scope, and under which generation the others stay in it.
func (m *Mirror) narrow(ctx context.Context, key string, copies []sighting) error {
	now := m.o.Now()
	var recalled []string
	err := m.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		messageID, err := lockMessage(ctx, tx, m.o.Store.Dialect(), key)
		if err != nil {
			return err
		}
		open, had, err := targetsOf(ctx, tx, key)
		if err != nil {
			return err
		}
		var rows []journal.LedgerRow
		for _, s := range copies {
			if s.excluded == "" && s.decided == "" {
				continue // which stays as it was decided
			}
			if s.excluded == "" {
				if _, err := tx.ExecContext(ctx, `UPDATE sightings SET decided = $2 WHERE entry = $1 AND excluded = ''`, s.entry.String(), s.decided); err != nil {
					return err
				}
				continue
			}
			if s.veto {
				if err := writeVeto(ctx, tx, s, key, store.Micros(now)); err != nil {
					return err
				}
			}
			if _, err := tx.ExecContext(ctx, `UPDATE sightings SET excluded = $2 WHERE entry = $1 AND excluded = ''`, s.entry.String(), s.excluded); err != nil {
				return err
			}
			for _, target := range open {
				rows = append(rows, s.row(messageID, target, journal.LedgerExcluded, s.excluded, now))
			}
			if !had {
				rows = append(rows, s.row(messageID, "", journal.LedgerExcluded, s.excluded, now))
			}
		}
		if err := m.o.Journal.Note(ctx, tx, rows...); err != nil {
			return err
		}
		recalled, err = m.recall(ctx, tx, key, messageID)
		return err
	})
	if err != nil {
		return err
	}
	m.wakeWithdrawals(recalled)
	for _, s := range copies {
		if s.excluded != "" {
			m.metrics.excluded.WithLabelValues(string(s.rule)).Inc()
		}
	}
	return nil
}

// targetsOf returns the targets that do not have the message, and whether others have it.
func targetsOf(ctx context.Context, tx store.Querier, key string) (open []string, had bool, err error) {
	open, err = column(ctx, tx, `SELECT target FROM deliveries WHERE message_key = $1 AND state IN ('pending', 'failed', 'excluded') AND remote_id = ''
		ORDER BY target`, []any{key})
	if err != nil {
		return nil, false, err
	}
	var n int
	err = tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM deliveries WHERE message_key = $1`, key).Scan(&n)
	return open, n > len(open), err
}

// outOfScope returns the error for a message of which no copy is in scope.
func (m *Mirror) outOfScope(ctx context.Context, key string) error {
	var reason string
	err := m.o.Store.Reader().QueryRowContext(ctx, `SELECT excluded FROM sightings WHERE message_key = $1 AND excluded <> '' ORDER BY entry LIMIT 1`, key).Scan(&reason)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("reading sightings of %s: %w", key, err)
	}
	return &excludedError{reason: reason, private: true}
}

// confirmScope is the last look before an activity leaves, after the time that other calls took. Where one of its sightings fell
// out of scope the activity is made anew.
func (m *Mirror) confirmScope(ctx context.Context, a *crmclient.Activity) error {
	c, err := m.stillInScope(ctx, a.Key)
	if err != nil {
		return err
	}
	in := map[string]bool{}
	for _, s := range c.list {
		in[s.entry.String()] = s.excluded == ""
	}
	for _, s := range a.Sightings {
		if !in[s.Entry] {
			return errScopeChanged
		}
	}
	return nil
}

// mask hides what the target must not read.
func (m *Mirror) mask(t *target, a *crmclient.Activity) {
	for kind, n := range m.o.Masking.Apply(t.Name, a) {
		m.metrics.masked.WithLabelValues(t.Name, kind).Add(float64(n))
	}
}
