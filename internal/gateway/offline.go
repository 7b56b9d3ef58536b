package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/catalog"
	"heliograph/hooks/automail/compose"
	"heliograph/hooks/contacts"
	"heliograph/hooks/rules"
	"heliograph/internal/gateway/actions"
	"heliograph/internal/journal"
	"heliograph/internal/journal/segment"
	"heliograph/internal/store"
)

// Offline is what rules are tried with where no gateway runs, or beside one: it reads the store and opens no connection to anything else.
type Offline struct {
	Around rules.Surroundings
	lists  ruleLists
	names  *rules.RecordNames
	stored actions.StoredOptions
}

// NewOffline returns what a configuration has for trying rules. Without a store only mail files can be looked at. It must be closed.
func NewOffline(cfg *config.Config, db *store.DB) (*Offline, error) {
	o := &Offline{names: RecordNames(cfg), stored: actions.StoredOptions{
		Store: db, Target: ruleTarget(cfg), Config: cfg.Rules, Senders: cfg.Outbox.Senders, Groups: cfg.Privacy.Groups, Internal: internalTo(cfg), Local: map[string]crmclient.Client{},
	}}
	var err error
	if o.Around, err = Surroundings(cfg); err != nil {
		return nil, err
	}
	if o.lists, err = readLists(cfg.Rules.Lists); err != nil {
		return nil, err
	}
	if o.stored.Signer, err = causeSigner(keyFile(cfg)); err != nil {
		return nil, err
	}
	if db == nil {
		return o, nil
	}
	o.stored.Body, err = bodies(cfg)
	if err != nil {
		return nil, err
	}
	o.stored.Book = contacts.New(contacts.Options{Store: db, Config: cfg.Contacts, Domains: crmclient.NewCompanyDomains(cfg.Matching.FreeMailDomains)})
	for _, t := range cfg.Targets {
		if t.Type != "builtin" { // all others are reached over the network
			continue
		}
		c, err := catalog.New(t, catalog.Deps{Store: db})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("target %s: %w", t.Name, err), o.Close())
		}
		o.stored.Local[t.Name] = c
	}
	return o, nil
}

// Close ends what the targets hold.
func (o *Offline) Close() error {
	var errs []error
	for _, c := range o.stored.Local {
		if closer, ok := c.(io.Closer); ok {
			errs = append(errs, closer.Close())
		}
	}
	return errors.Join(errs...)
}

// World returns a World of what is stored, which knows nothing of what others imagined.
func (o *Offline) World() *actions.Stored { return actions.NewStored(o.stored) }

// Trial are the options of a trial with a World.
func (o *Offline) Trial(w rules.World) rules.TrialOptions {
	return rules.TrialOptions{World: w, Calendars: o.Around.Calendars, Calendar: o.Around.Calendar, Lists: o.lists, Internal: o.stored.Internal, Roles: o.Around.Roles, Names: o.names}
}

// causeSigner checks who caused a mail. It makes no key where there is none.
func causeSigner(file string) (*compose.Signer, error) {
	if _, err := os.Stat(file); err != nil {
		return nil, nil //nolint:nilerr,nilnil // without the key no signature is ours
	}
	keys, _, err := segment.LoadKeyring(file)
	if err != nil {
		return nil, err
	}
	causes := keys.Derive("rules: cause")
	return compose.NewSigner(causes[0], causes[1:]...)
}

// bodies reads messages of the journal of this node.
func bodies(cfg *config.Config) (func(context.Context, journal.Entry) (io.ReadCloser, error), error) {
	text, err := os.ReadFile(filepath.Join(cfg.DataDir, "node"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read the node's name: %w", err)
	}
	node, dir, keys := strings.TrimSpace(string(text)), filepath.Join(cfg.DataDir, "journal"), keyFile(cfg)
	return func(_ context.Context, e journal.Entry) (io.ReadCloser, error) {
		if node != "" && e.Node != node {
			return nil, fmt.Errorf("body of entry %s: %w (%s)", e.ID, journal.ErrElsewhere, e.Node)
		}
		return journal.ReadBody(dir, keys, e)
	}, nil
}
