package jiandaoyun

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
	"heliograph/internal/limit"
)

// Client is a connection to the forms of one company.
type Client struct {
	cfg       Config
	base      string // of the API, without a slash at its end
	url       *url.URL
	deps      crmclient.Deps
	maps      mappings
	byName    map[string]Form
	transport *crmclient.Transport
	pace      map[string]crmclient.RateLimiter
	members   *members
	echo      *echo
	turns     crmclient.Turns // one at a time on a key, between looking it up and writing
	log       *slog.Logger
	now       func() time.Time

	mu      sync.Mutex // guards those below
	schemas map[string]*schema
	spent   map[string]int // transaction ids that are used up, by object and key
	uploads map[string]*crmclient.Transport
}

var (
	_ crmclient.Client             = (*Client)(nil)
	_ crmclient.Checker            = (*Client)(nil)
	_ crmclient.Capped             = (*Client)(nil)
	_ crmclient.ActivityUpdater    = (*Client)(nil)
	_ crmclient.ActivityWithdrawer = (*Client)(nil)
)

// New builds a client, without using the network.
func New(cfg Config, d crmclient.Deps) (crmclient.Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	u, err := crmclient.ParseURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	c := &Client{
		cfg: cfg, base: cfg.URL, url: u, deps: d, byName: cfg.forms(), log: d.Logger, now: d.Clock,
		echo: newEcho(), schemas: map[string]*schema{}, spent: map[string]int{}, uploads: map[string]*crmclient.Transport{},
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.log = c.log.With("target", d.Target)
	if c.maps, err = cfg.mappings(); err != nil {
		return nil, err
	}
	c.members = newMembers(c)
	c.limiters(d)
	o := crmclient.Options{
		NoRedirects: true, Headers: map[string]string{"Authorization": "Bearer " + cfg.APIKey.Reveal()},
		Secrets: []string{cfg.PushSecret.Reveal()},
	}
	if d.Limit != nil {
		o.RateLimiter = d.Limit("company", limit.Rate{Count: companyRate, Per: time.Second})
	}
	if c.transport, err = d.Transport(cfg.Settings, o); err != nil {
		return nil, err
	}
	return c.able(), nil
}

// Close closes idle connections.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	errs := []error{c.transport.Close()}
	for _, t := range c.uploads {
		errs = append(errs, t.Close())
	}
	return errors.Join(errs...)
}

// maxSubject is how long a subject may be. The vendor tells no limit; mail programs rarely send more than 200 characters.
const maxSubject = 2000

// Caps returns the limits of the section. The vendor tells none for texts.
func (c *Client) Caps() crmclient.Caps {
	return crmclient.Caps{
		SubjectRunes: maxSubject, TextRunes: c.cfg.TextRunes, AttachmentBytes: c.cfg.MaxFileBytes, Attachments: maxTokens,
	}
}

// form returns the form of a name in the section, or of two ids with a slash between them.
func (c *Client) form(object string) (Form, bool) {
	if f, ok := c.byName[object]; ok {
		return f, true
	}
	app, entry, ok := strings.Cut(object, "/")
	return Form{app, entry}, ok && objectID.MatchString(app) && objectID.MatchString(entry)
}

// objectOf returns the name of a form by its ids.
func (c *Client) objectOf(f Form) string {
	for _, name := range c.objects() {
		if c.byName[name] == f {
			return name
		}
	}
	return f.AppID + "/" + f.EntryID
}

// objects returns the names of all forms, sorted.
func (c *Client) objects() []string {
	var names []string
	for name := range c.byName {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// with runs f with the widgets of a form, and once more with fresh ones if the form seems to have changed since they were read.
func (c *Client) with(ctx context.Context, object string, f func(*schema) error) error {
	start := c.now()
	s, err := c.schemaOf(ctx, object)
	if err != nil {
		return err
	}
	err = f(s)
	outdated := crmclient.ClassOf(err) == crmclient.ClassConfiguration || hasCode(err, 1, 3005, 17017, 17032, 17034)
	if !outdated || !s.fetched.Before(start) {
		return err
	}
	c.forget(object)
	if s, err = c.schemaOf(ctx, object); err != nil {
		return err
	}
	return f(s)
}

// mappings are the field mappings of the section.
type mappings struct {
	activity, ticket mapping
	contacts, leads  mapping
}

// mapping is one field mapping.
type mapping struct {
	*fieldmap.Map
	key      string
	given    fieldmap.Fields // of the section: these must be in the form
	defaults fieldmap.Fields // these may be missing in the form
	sources  map[string][]string
}

func newMapping(key string, sources fieldmap.Sources, defaults, given fieldmap.Fields) (mapping, error) {
	m, err := fieldmap.New(key, sources, defaults, given)
	if err != nil {
		return mapping{}, err
	}
	out := mapping{Map: m, key: key, given: given, defaults: defaults, sources: map[string][]string{}}
	for name, f := range defaults {
		out.sources[name] = append([]string{f.From}, f.Or...)
	}
	for name, f := range given {
		out.sources[name] = append([]string{f.From}, f.Or...)
	}
	return out, nil
}

// values fills the widgets of a form that a mapping names, from some of the sources only if only is given. Widgets that a default names and
// the form does not have are left out.
func (c *Client) values(ctx context.Context, s *schema, m mapping, v fieldmap.Values, only []string) (map[string]wrapped, error) {
	got, err := m.Apply(v)
	if err != nil {
		return nil, err
	}
	out := map[string]wrapped{}
	for _, name := range m.Names() {
		value, ok := got[name]
		if !ok || only != nil && !shareAny(m.sources[name], only) {
			continue
		}
		w, there := s.find(name)
		if !there {
			if _, must := m.given[name]; !must {
				continue
			}
			_, err := s.need(name)
			return nil, err
		}
		x, err := c.encode(ctx, w, value)
		if err != nil {
			return nil, err
		}
		if x != nil {
			out[w.Name] = wrapped{x}
		}
	}
	return out, nil
}

func shareAny(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}
