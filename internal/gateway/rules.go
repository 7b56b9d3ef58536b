package gateway

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/builtin"
	"heliograph/hooks"
	"heliograph/hooks/automail"
	"heliograph/hooks/automail/compose"
	"heliograph/hooks/changes"
	"heliograph/hooks/contacts"
	"heliograph/hooks/mirror"
	"heliograph/hooks/rules"
	"heliograph/hooks/rules/condition"
	"heliograph/internal/calendar"
	"heliograph/internal/console"
	"heliograph/internal/gateway/actions"
	"heliograph/internal/journal"
	"heliograph/internal/message"
	"heliograph/internal/notify"
	"heliograph/internal/store"
	"heliograph/internal/tables"
)

// automation is what makes rules run; a reload builds it anew.
type automation struct {
	engine  *rules.Engine
	inlet   *actions.Inlet
	tokens  *automail.Tokens
	actions *actions.Actions
	hook    *actions.Hook
	bounces *automail.Bounces
}

// automationParts are those of the workers that rules reach the world with.
type automationParts struct {
	outbox   *automail.Outbox
	book     *contacts.Book
	changes  *changes.Watcher
	channels map[string]*notify.Channel
}

// newAutomation builds the rules' engine. The workers close what it opens.
func (g *Gateway) newAutomation(cfg *config.Config, w *workers, p automationParts) (*automation, error) {
	around, err := Surroundings(cfg)
	if err != nil {
		return nil, err
	}
	lists, err := readLists(cfg.Rules.Lists)
	if err != nil {
		return nil, err
	}
	o := actions.Options{
		Store: g.store, Journal: g.journal, Clients: w.clients, Target: ruleTarget(cfg), Book: p.book, Changes: p.changes, Outbox: p.outbox,
		Channels: p.channels, Config: cfg.Rules, Tables: ImportedTables(cfg), Senders: cfg.Outbox.Senders, Groups: cfg.Privacy.Groups, Policy: mirror.AddressPolicy(cfg.Matching), Internal: internalTo(cfg),
		PublicURL: cfg.Console.PublicURL, UserAgent: "Heliograph/" + g.opts.Version, Now: g.opts.Now, Logger: g.log,
	}
	o.Config.Related = relations(cfg)
	causes := g.keys.Derive("rules: cause")
	if o.Signer, err = compose.NewSigner(causes[0], causes[1:]...); err != nil {
		return nil, err
	}
	if o.Tokens, err = automail.NewTokens(g.keys.Derive("rules: unsubscribe")...); err != nil {
		return nil, err
	}
	classifier, err := actions.NewClassifier(actions.ClassifierOptions{
		Store: g.store, Config: cfg.Rules.Classifier, Masking: cfg.Privacy.Masking, Chat: true, UserAgent: o.UserAgent, Now: g.opts.Now, Logger: g.log,
	})
	if err != nil {
		return nil, err
	}
	w.closers = append(w.closers, named{"classifier", classifier})
	w.run = append(w.run, func(ctx context.Context) error {
		classifier.Run(ctx)
		return nil
	})
	o.Classifier = classifier
	a := actions.New(o)
	w.closers = append(w.closers, named{"rules", a})
	e := rules.New(rules.Options{
		Store: g.store, Queue: g.queue, World: a, Performer: a, Calendars: around.Calendars, Calendar: around.Calendar, Lists: lists,
		Roles: around.Roles, Names: RecordNames(cfg), PublicURL: cfg.Console.PublicURL, ApprovalKeys: g.keys.Derive("rules: approval"),
		Internal: o.Internal, Suppressed: suppressed(g.store), Watch: p.changes.Watch, Workers: cfg.Rules.Workers, Keep: cfg.Rules.Keep.D(),
		Now: g.opts.Now, Logger: g.log, Registerer: w.metrics,
	})
	for _, h := range append(slices.Clone(webhookSecrets(cfg)), callSecrets(cfg)...) {
		if _, err := crmclient.WebhookKey(h.secret); err != nil {
			return nil, fmt.Errorf("%s: %w", h.path, err)
		}
	}
	inlet := &actions.Inlet{Hooks: cfg.Rules.Webhooks, Engine: e, Now: g.opts.Now}
	return &automation{engine: e, inlet: inlet, tokens: o.Tokens, actions: a, hook: &actions.Hook{Actions: a, Engine: e}, bounces: automail.NewBounces(p.outbox)}, nil
}

// Surroundings are the names that rules may use with a configuration.
func Surroundings(cfg *config.Config) (rules.Surroundings, error) {
	s := rules.Surroundings{
		Targets: []string{}, Channels: []string{}, Hooks: []string{}, Groups: slices.AppendSeq([]string{}, maps.Keys(cfg.Privacy.Groups)), Roles: roles(cfg), NoLinks: cfg.Console.PublicURL == "", Calendar: cfg.Rules.Calendar,
		Sender: cfg.Rules.Sender,
	}
	for _, t := range cfg.Targets {
		s.Targets = append(s.Targets, t.Name)
	}
	for _, n := range cfg.Notifiers {
		s.Channels = append(s.Channels, n.Name)
	}
	for _, sender := range cfg.Outbox.Senders {
		s.Senders = append(s.Senders, sender.Address)
	}
	for _, h := range cfg.Rules.Webhooks {
		s.Hooks = append(s.Hooks, h.Name)
	}
	var err error
	s.Calendars, err = readCalendars(cfg.Rules.CalendarFiles)
	if err != nil {
		return s, err
	}
	if _, err := s.Calendars.Find(s.Calendar); err != nil {
		return s, fmt.Errorf("rules.calendar: %w", err)
	}
	return s, nil
}

// readCalendars reads calendars of the company's own; the built-in ones are there besides.
func readCalendars(files []string) (calendar.Set, error) {
	set, err := calendar.NewSet(nil)
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("rules.calendar_files: %w", err)
		}
		cal, err := calendar.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("rules.calendar_files: %s: %w", file, err)
		}
		set[cal.Name()] = cal
	}
	return set, nil
}

// relations are those of the configuration, and of the built-in CRM.
func relations(cfg *config.Config) []config.RuleRelation {
	out := slices.Clone(cfg.Rules.Related)
	for _, t := range cfg.Targets {
		if t.Name != ruleTarget(cfg) || t.Type != "builtin" {
			continue
		}
		for name, object := range map[string]string{"deal": builtin.ObjectDeals, "ticket": builtin.ObjectTickets} {
			if !slices.ContainsFunc(out, func(r config.RuleRelation) bool { return r.Name == name }) {
				out = append(out, config.RuleRelation{Name: name, Target: t.Name, Object: object, Field: "contact_id"})
			}
		}
	}
	return out
}

// ruleTarget is the CRM of rules that name none.
func ruleTarget(cfg *config.Config) string {
	if cfg.Rules.Target != "" || len(cfg.Targets) == 0 {
		return cfg.Rules.Target
	}
	return cfg.Targets[0].Name
}

// ruleLists are the named lists, with folded entries.
type ruleLists map[string]map[string]bool

var _ condition.Lists = ruleLists{}

// Has implements condition.Lists.
func (l ruleLists) Has(_ context.Context, list, entry string) (bool, error) {
	entries, ok := l[list]
	if !ok {
		return false, &condition.Unknown{Path: list, Reason: "there is no such list"}
	}
	return entries[entry], nil
}

func readLists(lists []config.RuleList) (ruleLists, error) {
	out := ruleLists{}
	for _, l := range lists {
		entries := map[string]bool{}
		for _, e := range l.Entries {
			entries[condition.Fold(e)] = true
		}
		if l.File != "" {
			f, err := os.Open(l.File)
			if err != nil {
				return nil, fmt.Errorf("rules.lists %s: %w", l.Name, err)
			}
			lines := bufio.NewScanner(f)
			for lines.Scan() {
				line, _, _ := strings.Cut(lines.Text(), "#")
				if line = strings.TrimSpace(line); line != "" {
					entries[condition.Fold(line)] = true
				}
			}
			err = lines.Err()
			_ = f.Close() // it was read only
			if err != nil {
				return nil, fmt.Errorf("rules.lists %s: %w", l.Name, err)
			}
		}
		out[l.Name] = entries
	}
	return out, nil
}

// suppressed tells the rules who must not get mail.
func suppressed(db *store.DB) func(ctx context.Context, list string, addresses []string) (map[string]string, error) {
	control := automail.Control{Store: db}
	return func(ctx context.Context, list string, addresses []string) (map[string]string, error) {
		found, err := control.Suppressed(ctx, list, addresses...)
		if err != nil || len(found) == 0 {
			return nil, err
		}
		out := map[string]string{}
		for address, s := range found {
			out[strings.ToLower(address)] = "no mail goes to " + address + ": " + string(s.Reason)
		}
		return out, nil
	}
}

// settled wakes the runs that wait for the verdict on a mail.
func (g *Gateway) settled(ctx context.Context, tx store.Querier, s automail.Settlement) error {
	a := g.automation.Load()
	if a == nil {
		return nil
	}
	return a.engine.Signal(ctx, tx, "effect:"+s.Effect)
}

// announce says which hooks look at a message once the mirror knows it.
func (g *Gateway) announce(e journal.Entry, msg *message.Message) []string {
	g.archive.Offer(e, msg)
	a := g.automation.Load()
	if a == nil || e.Kind == journal.KindBackfill {
		return nil
	}
	var names []string
	if a.engine.WantsMail() {
		names = append(names, actions.HookName)
	}
	if e.Kind.Mailbox() && (msg.Report != "" || msg.Automated) {
		names = append(names, a.bounces.Name())
	}
	return names
}

// hooksOf are the hooks besides the mirror.
func (a *automation) hooksOf() []hooks.Hook { return []hooks.Hook{a.hook, a.bounces} }

// secret is one of the configuration, with its place.
type secret struct{ path, secret string }

func webhookSecrets(cfg *config.Config) (out []secret) {
	for i, h := range cfg.Rules.Webhooks {
		out = append(out, secret{fmt.Sprintf("rules.webhooks[%d].secret", i), h.Secret.Reveal()})
	}
	return out
}

func callSecrets(cfg *config.Config) (out []secret) {
	for i, c := range cfg.Rules.Calls {
		out = append(out, secret{fmt.Sprintf("rules.calls[%d].secret", i), c.Secret.Reveal()})
	}
	return out
}

// events is the part of the console at which other systems start rules.
func (g *Gateway) events() *console.Events {
	return &console.Events{
		Failures: g.failures,
		Known: func(name string) bool {
			a := g.automation.Load()
			return a != nil && a.inlet.Known(name)
		},
		Receive: func(ctx context.Context, name string, d *crmclient.Delivery) error {
			a := g.automation.Load()
			if a == nil {
				return errors.New("the gateway is starting")
			}
			switch outcome, err := a.inlet.Receive(ctx, name, d); {
			case err != nil:
				return err
			case outcome == actions.Refused:
				return console.ErrNoEvent
			case outcome == actions.Unreadable:
				return console.ErrEvent
			}
			return nil
		},
	}
}

// unsubscribe is the part of the console at which people leave lists of automated mail.
func (g *Gateway) unsubscribe() *console.Unsubscribe {
	who := func(token string) (address, list string, err error) {
		a := g.automation.Load()
		if a == nil {
			return "", "", console.ErrNoEvent
		}
		return a.tokens.Verify(token)
	}
	return &console.Unsubscribe{Who: who, Leave: func(ctx context.Context, token string) error {
		address, list, err := who(token)
		if err != nil {
			return err
		}
		return automail.Control{Store: g.store}.Suppress(ctx, automail.Suppression{
			Address: address, List: list, Reason: automail.SuppressOptOut, Origin: "link in a mail", At: time.Now(),
		})
	}}
}

// ImportedTables are the tables that people import in the console.
func ImportedTables(cfg *config.Config) *tables.Shelf {
	return tables.Open(filepath.Join(cfg.DataDir, "tables"), nil)
}
