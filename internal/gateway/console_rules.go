package gateway

import (
	"bytes"
	"context"
	"io"
	"strings"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/builtin"
	"heliograph/hooks/rules"
	rulesapi "heliograph/internal/console/api/automation"
	"heliograph/internal/gateway/actions"
	"heliograph/internal/store"
)

// RuleBench is what the console's part for rules asks of the gateway.
type RuleBench struct {
	Store *store.DB
	// Config is the configuration in force.
	Config func() *config.Config
	// Client is the client of a target; nil: there is none.
	Client func(target string) crmclient.Client
}

var _ rulesapi.Gateway = RuleBench{}

// Names implements rulesapi.Gateway.
func (b RuleBench) Names() (rulesapi.Names, error) {
	cfg := b.Config()
	around, err := Surroundings(cfg)
	if err != nil {
		return rulesapi.Names{}, err
	}
	lists, err := readLists(cfg.Rules.Lists)
	if err != nil {
		return rulesapi.Names{}, err
	}
	n := rulesapi.Names{Around: around, Internal: internalTo(cfg), Target: ruleTarget(cfg), Lists: map[string]int{}}
	for name, entries := range lists {
		n.Lists[name] = len(entries)
	}
	for _, c := range cfg.Rules.Calls {
		n.Calls = append(n.Calls, c.Name)
	}
	for _, t := range cfg.Rules.Tables {
		n.Tables = append(n.Tables, t.Name)
	}
	for _, t := range cfg.Targets {
		n.Targets = append(n.Targets, b.target(cfg, t.Name, t.Type))
	}
	return n, nil
}

// target is what is known of a target without asking it.
func (b RuleBench) target(cfg *config.Config, name, kind string) rulesapi.Target {
	t := rulesapi.Target{Name: name, Type: kind}
	if b.Client != nil {
		if c := b.Client(name); c != nil {
			_, t.Describes = crmclient.As[crmclient.Describer](c)
			_, t.Tickets = crmclient.As[crmclient.TicketCreator](c)
		}
	}
	if kind == "builtin" {
		for _, o := range builtin.ObjectNames() {
			t.Objects = append(t.Objects, rulesapi.Object{Name: o.Name, Zh: o.Zh, En: o.En})
		}
	}
	for _, r := range relations(cfg) {
		known := false
		for _, o := range t.Objects {
			known = known || o.Name == r.Object
		}
		if !known && (r.Target == name || r.Target == "" && name == ruleTarget(cfg)) {
			t.Objects = append(t.Objects, rulesapi.Object{Name: r.Object})
		}
	}
	return t
}

// RecordNames implements rulesapi.Gateway.
func (b RuleBench) RecordNames() *rules.RecordNames { return RecordNames(b.Config()) }

// Fields implements rulesapi.Gateway.
func (b RuleBench) Fields(ctx context.Context, target, object string) ([]crmclient.Field, error) {
	if b.Client == nil {
		return nil, rulesapi.ErrNoFields
	}
	d, ok := crmclient.As[crmclient.Describer](b.Client(target))
	if !ok {
		return nil, rulesapi.ErrNoFields
	}
	return d.DescribeObject(ctx, object)
}

// Bench implements rulesapi.Gateway.
func (b RuleBench) Bench(context.Context) (rulesapi.Bench, error) {
	o, err := NewOffline(b.Config(), b.Store)
	if err != nil {
		return nil, err
	}
	return &ruleBench{o}, nil
}

// ruleBench is what rules are tried with.
type ruleBench struct{ *Offline }

// Stored implements rulesapi.Bench.
func (b *ruleBench) Stored() rules.TrialOptions { return b.Trial(b.World()) }

// Given implements rulesapi.Bench.
func (b *ruleBench) Given(facts map[string]any) rules.TrialOptions {
	return b.Trial(rules.Given(facts))
}

// Find implements rulesapi.Bench.
func (b *ruleBench) Find(ctx context.Context, which string) (*rulesapi.Message, error) {
	found, err := b.World().Find(ctx, which)
	if err != nil || found == nil {
		return nil, err
	}
	out := &rulesapi.Message{Event: found.Event}
	if found.Skipped != nil {
		out.Skipped = &rulesapi.Words{Zh: found.Skipped.Zh, En: found.Skipped.En}
		out.Event = rules.Event{Type: rules.TypeMail, Key: found.Key, Message: found.Key, Entry: found.Entry.String(), At: found.Entry.Time()}
	}
	out.Account, err = b.account(ctx, found.Entry.String())
	return out, err
}

// account is whose copy an entry is.
func (b *ruleBench) account(ctx context.Context, entry string) (account string, err error) {
	if entry == "" {
		return "", nil
	}
	rows, err := b.stored.Store.Reader().QueryContext(ctx, `SELECT account FROM entries WHERE id = $1`, entry)
	if err != nil {
		return "", err
	}
	defer func() { _ = rows.Close() }() // read to the end, or of no use
	for rows.Next() {
		if err := rows.Scan(&account); err != nil {
			return "", err
		}
	}
	return strings.ToLower(account), rows.Err()
}

// File implements rulesapi.Bench.
func (b *ruleBench) File(ctx context.Context, eml []byte, o rulesapi.File) (rules.Event, error) {
	return b.World().FileEvent(ctx, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(eml)), nil }, actions.FileOptions{
		Account: strings.ToLower(o.Account), Mailbox: o.Mailbox, Direction: o.Direction, Received: o.At, ID: "uploaded",
	})
}

// Past implements rulesapi.Bench.
func (b *ruleBench) Past(ctx context.Context, since, until time.Time) (rulesapi.Past, error) {
	p, err := b.World().Past(ctx, since, until)
	if err != nil {
		return nil, err
	}
	return rulePast{p}, nil
}

// rulePast are the events of a time.
type rulePast struct{ *actions.Past }

// Next implements rulesapi.Past.
func (p rulePast) Next(ctx context.Context) (time.Time, rules.Event, error) {
	told, err := p.Past.Next(ctx)
	return told.At, told.Event, err
}

// Skipped implements rulesapi.Past.
func (p rulePast) Skipped() map[string]int { return p.Past.Skipped }

// Why implements rulesapi.Bench.
func (b *ruleBench) Why(ctx context.Context, which string) ([]rulesapi.Answer, error) {
	list, err := b.Offline.Why(ctx, which)
	if err != nil {
		if err == ErrNothingKnown { //nolint:errorlint // it is ours, and wrapped by nobody
			return nil, nil
		}
		return nil, err
	}
	var out []rulesapi.Answer
	for _, a := range list {
		one := rulesapi.Answer{Event: a.Event, Looked: a.Looked, Rules: a.Rules}
		if a.Note != nil {
			one.Note = &rulesapi.Words{Zh: a.Note.Zh, En: a.Note.En}
		}
		if one.Account, err = b.account(ctx, a.Event.Entry); err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}
