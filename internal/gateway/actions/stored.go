package actions

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/hooks"
	"heliograph/hooks/automail/compose"
	"heliograph/hooks/changes"
	"heliograph/hooks/contacts"
	"heliograph/hooks/mirror"
	"heliograph/hooks/rules"
	"heliograph/internal/journal"
	"heliograph/internal/store"
)

// StoredOptions are what a Stored reads. Without Store it reads mail files only.
type StoredOptions struct {
	Store *store.DB
	// Body reads a message of the journal.
	Body func(ctx context.Context, e journal.Entry) (io.ReadCloser, error)
	Book *contacts.Book
	// Local are the targets that live in Store themselves, so that asking them opens no connection.
	Local    map[string]crmclient.Client
	Target   string // of contacts and companies
	Config   config.Rules
	Senders  []config.Sender
	Groups   map[string][]string // of accounts
	Internal func(address string) bool
	Signer   *compose.Signer // nil: signatures of causes are not checked
	Zone     *time.Location
}

// Stored is the World of a replay: what is stored, as of the time of the trial where that is kept (threads, watched fields of records). It asks no CRM,
// and what is not known without one is unknown. What a trial imagines to be written is seen by what comes later. It is not safe for concurrent use.
type Stored struct {
	a       *Actions
	o       StoredOptions
	now     func() time.Time
	records map[string]map[string]any // imagined fields, by target, object and id
	tags    map[string]map[string]bool
	dates   map[string]*rules.Dates // by target and object; nil: no rule looked at them

	file       func() (io.ReadCloser, error) // that FileEvent read last; nil before
	classifier *Classifier                   // nil until it is asked
}

var (
	_ rules.World    = (*Stored)(nil)
	_ rules.Clocked  = (*Stored)(nil)
	_ rules.Follower = (*Stored)(nil)
	_ rules.Dated    = (*Stored)(nil)
)

// NewStored returns a World of what is stored.
func NewStored(o StoredOptions) *Stored {
	if o.Internal == nil {
		o.Internal = func(string) bool { return false }
	}
	return &Stored{
		a: New(Options{
			Store: o.Store, Clients: o.Local, Target: o.Target, Book: o.Book, Config: o.Config, Senders: o.Senders, Groups: o.Groups, Internal: o.Internal,
			Signer: o.Signer, Zone: o.Zone,
		}),
		o: o, now: time.Now, records: map[string]map[string]any{}, tags: map[string]map[string]bool{}, dates: map[string]*rules.Dates{},
	}
}

// Clock implements rules.Clocked.
func (s *Stored) Clock(now func() time.Time) { s.now = now }

// Follow implements rules.Follower.
func (s *Stored) Follow(e *rules.Effect, output map[string]any) {
	switch e.Kind {
	case rules.EffectUpdate, rules.EffectCreate:
		id := e.Record.ID
		if id == "" {
			id, _ = output["id"].(string)
		}
		key := recordKey(e.Record.Target, e.Record.Object, id)
		if s.records[key] == nil {
			s.records[key] = map[string]any{}
		}
		maps.Copy(s.records[key], e.Record.Fields)
	case rules.EffectTag:
		set := s.tags[e.Tags.Message]
		if set == nil {
			set = map[string]bool{}
			s.tags[e.Tags.Message] = set
		}
		for _, t := range e.Tags.Add {
			set[t] = true
		}
		for _, t := range e.Tags.Remove {
			set[t] = false
		}
	}
}

func recordKey(target, object, id string) string { return target + "\x00" + object + "\x00" + id }

// asksNone is why a fact is unknown to a replay.
const asksNone = "a replay asks no CRM, and the gateway has not stored it"

// Mail implements rules.World.
func (s *Stored) Mail(ctx context.Context, entry string) (map[string]any, error) {
	id, err := journal.ParseID(entry)
	if err != nil {
		return nil, rules.Permanent(err)
	}
	e, err := journal.ReadEntry(ctx, s.o.Store.Reader(), id)
	if errors.Is(err, journal.ErrNotFound) {
		return nil, unknown("mail", "the message is not in the journal any more")
	}
	if err != nil {
		return nil, err
	}
	known, _, err := mirror.Identify(ctx, s.o.Store.Reader(), id)
	if err != nil {
		return nil, err
	}
	m, err := s.a.mailFacts(ctx, s.event(e), known)
	return m.facts, err
}

func (s *Stored) event(e journal.Entry) hooks.Event {
	return hooks.Event{Entry: e, Body: func(ctx context.Context) (io.ReadCloser, error) { return s.o.Body(ctx, e) }}
}

// Thread implements rules.World.
func (s *Stored) Thread(ctx context.Context, thread, message string) (map[string]any, error) {
	return threadFacts(ctx, s.o.Store, thread, message, s.now())
}

// Correspondence implements rules.World.
func (s *Stored) Correspondence(ctx context.Context, addresses []string) (map[string]any, error) {
	return correspondence(ctx, s.o.Store, addresses, s.now())
}

// Contact implements rules.World.
func (s *Stored) Contact(ctx context.Context, address string) (map[string]any, error) {
	if s.o.Target == "" {
		return nil, unknown("contact", "no CRM is configured")
	}
	address = strings.ToLower(address)
	found, complete, err := s.o.Book.Lookup(ctx, s.o.Target, []string{address})
	if err != nil {
		return nil, err
	}
	_, local := s.o.Local[s.o.Target]
	switch list := found[address]; {
	case len(list) > 0:
		return s.a.contactFacts(ctx, list[0])
	case local:
		return s.a.Contact(ctx, address)
	case complete:
		return nil, unknown("contact", "the CRM has nobody with the address")
	}
	return nil, unknown("contact", asksNone)
}

// Company implements rules.World.
func (s *Stored) Company(ctx context.Context, address string) (map[string]any, error) {
	if _, local := s.o.Local[s.o.Target]; local {
		return s.a.Company(ctx, address)
	}
	return nil, unknown("company", asksNone)
}

// Record implements rules.World. Fields that are watched, or were seen when a rule looked at dates, are as of the time of the trial, those of a
// local target besides as they are now.
func (s *Stored) Record(ctx context.Context, target, object, id string) (map[string]any, error) {
	past, known, err := changes.Past(ctx, s.o.Store.Reader(), target, object, id, s.now())
	if err != nil {
		return nil, err
	}
	var out map[string]any
	if _, local := s.o.Local[target]; local {
		if out, err = s.a.Record(ctx, target, object, id); err != nil && !unknowable(err) {
			return nil, err
		}
	}
	var looked map[string]any
	if dates, err := s.datesOf(ctx, target, object); err != nil {
		return nil, err
	} else if dates != nil {
		if looked, _, _, err = dates.Record(id, s.now()); err != nil {
			return nil, err
		}
	}
	imagined := s.records[recordKey(target, object, id)]
	if out == nil && looked == nil && !known && imagined == nil {
		return nil, unknown("record", asksNone)
	}
	if out == nil {
		out = recordFacts(target, crmclient.Record{ID: id, Object: object})
	}
	maps.Copy(out, looked)
	maps.Copy(out, past)
	maps.Copy(out, imagined)
	return out, nil
}

// Query implements rules.World.
func (s *Stored) Query(ctx context.Context, target, object string, where []rules.Selection, fields []string, limit int) ([]map[string]any, error) {
	if _, local := s.o.Local[target]; !local {
		return nil, unknown("records", asksNone)
	}
	return s.a.Query(ctx, target, object, where, fields, limit)
}

// Tags implements rules.World.
func (s *Stored) Tags(ctx context.Context, message string) ([]any, error) {
	var list []any
	if s.o.Store != nil {
		var err error
		if list, err = rules.Tags(ctx, s.o.Store.Reader(), message); err != nil {
			return nil, err
		}
	}
	set := map[string]bool{}
	for _, t := range list {
		if name, ok := t.(string); ok {
			set[name] = true
		}
	}
	maps.Copy(set, s.tags[message])
	out := []any{}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if set[name] {
			out = append(out, name)
		}
	}
	return out, nil
}

// Skipped is why a message is no event for rules.
type Skipped struct {
	Zh string `json:"zh"`
	En string `json:"en"`
}

func (s *Skipped) Error() string { return s.En }

// The reasons why messages are no events, as Hook.Handle has them.
var (
	skipBackfill    = &Skipped{"是补录的历史邮件", "it was fetched as old mail"}
	skipUnknown     = &Skipped{"镜像尚未处理", "the mirror has not looked at it"}
	skipPrivate     = &Skipped{"属于隐私范围，不处理", "it is private"}
	skipUnconfirmed = &Skipped{"不确定是否真正发出", "nobody knows whether it was really sent"}
	skipStale       = &Skipped{"第一次看到时已是旧邮件", "it was old when it was first seen in its mailbox"}
	skipGone        = &Skipped{"已不在邮件日志中", "it is not in the journal any more"}
	skipElsewhere   = &Skipped{"保存在另一台节点上", "it lies on another node"}
)

// MailEvent is what a stored message is to rules, with the time at which they were told: after the mirror had looked at it. A message that is no
// event is a *Skipped.
func (s *Stored) MailEvent(ctx context.Context, entry journal.ID) (ev rules.Event, told time.Time, err error) {
	e, err := journal.ReadEntry(ctx, s.o.Store.Reader(), entry)
	if errors.Is(err, journal.ErrNotFound) {
		return ev, told, skipGone
	}
	if err != nil {
		return ev, told, err
	}
	if e.Kind == journal.KindBackfill {
		return ev, told, skipBackfill
	}
	id, ok, err := mirror.Identify(ctx, s.o.Store.Reader(), entry)
	switch {
	case err != nil:
		return ev, told, err
	case !ok:
		return ev, told, skipUnknown
	case id.Private:
		return ev, told, skipPrivate
	case id.Unconfirmed:
		return ev, told, skipUnconfirmed
	}
	m, err := s.a.mailFacts(ctx, s.event(e), id)
	switch {
	case errors.Is(err, journal.ErrElsewhere):
		return ev, told, skipElsewhere
	case err != nil:
		return ev, told, err
	case stale(e, m.msg):
		return ev, told, skipStale
	}
	var seen int64
	if err := s.o.Store.Reader().QueryRowContext(ctx, `SELECT first_seen FROM messages WHERE key = $1`, id.Message).Scan(&seen); err != nil {
		return ev, told, fmt.Errorf("read the message of entry %s: %w", entry, err)
	}
	ev = mailEvent(e, id, m)
	if told = ev.At; store.FromMicros(seen).After(told) {
		told = store.FromMicros(seen)
	}
	return ev, told, nil
}

// Copies are the entries of a message in the journal by its key, the oldest first, at most 50.
func (s *Stored) Copies(ctx context.Context, key string) ([]journal.ID, error) {
	rows, err := s.o.Store.Reader().QueryContext(ctx, `SELECT entry FROM sightings WHERE message_key = $1 ORDER BY entry LIMIT 50`, key)
	if err != nil {
		return nil, err
	}
	return ids(rows)
}

// MessageKey is the key of the message that a Message-ID (without brackets) names; empty: there is none.
func (s *Stored) MessageKey(ctx context.Context, messageID string) (key string, err error) {
	err = s.o.Store.Reader().QueryRowContext(ctx, `SELECT key FROM messages WHERE message_id = $1 ORDER BY first_seen LIMIT 1`, messageID).Scan(&key)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return key, err
}

// ids reads rows of one entry each, and closes them.
func ids(rows *sql.Rows) (out []journal.ID, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		id, err := journal.ParseID(text)
		if err != nil {
			return nil, err
		}
		out = append(out, id)
	}
	return out, rows.Err()
}
