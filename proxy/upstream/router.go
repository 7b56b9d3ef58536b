package upstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/idna"

	"heliograph/config"
	"heliograph/internal/accounts"
)

// Options are what a Router needs besides the upstreams' sections.
type Options struct {
	Logger     *slog.Logger          // nil discards
	Registerer prometheus.Registerer // nil registers nothing
	Now        func() time.Time      // nil is time.Now
	Hostname   string                // our name in EHLO where we speak for no client; empty is the machine's
	// Services are those that Refresh and Probe ask: "smtp", "imap". Nil means all
	// that an upstream has; a service that no listener speaks may be behind a
	// firewall for good reason.
	Services []string
	// Accounts are those that the gateway may sign in for; nil: none.
	Accounts *accounts.Book
}

// Router chooses the upstream of a user and owns what runs behind them:
// refreshes of capabilities and idle connections.
type Router struct {
	list     []*Upstream
	byName   map[string]*Upstream
	byDomain map[string]*Upstream
	fallback *Upstream // the default, or the only one; may be nil

	now      func() time.Time
	hostname string
	services []string
	accounts *accounts.Book
	log      *slog.Logger

	ctx    context.Context // of everything that runs in the background
	cancel context.CancelFunc
	work   sync.WaitGroup
	mu     sync.Mutex // guards closed, so that work begins before Close waits or not at all
	closed bool
}

// New makes a router over the upstreams, reading the authority files that they
// name. It opens no connection. Close must be called.
func New(cfgs []config.Upstream, o Options) (*Router, error) {
	m, err := newMetrics(o.Registerer)
	if err != nil {
		return nil, err
	}
	r := &Router{byName: map[string]*Upstream{}, byDomain: map[string]*Upstream{}, now: o.Now, hostname: o.Hostname, services: o.Services, accounts: o.Accounts, log: o.Logger}
	if r.now == nil {
		r.now = time.Now
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.hostname == "" {
		if r.hostname, err = os.Hostname(); err != nil || !validHelo(r.hostname) {
			r.hostname = "localhost"
		}
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	var errs []error
	for _, c := range cfgs {
		u, err := newUpstream(r, c, m)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, r.add(u))
	}
	if len(r.list) == 1 {
		r.fallback = r.list[0]
	}
	if err := errors.Join(errs...); err != nil {
		r.cancel()
		return nil, err
	}
	return r, nil
}

func (r *Router) add(u *Upstream) error {
	if r.byName[u.cfg.Name] != nil {
		return fmt.Errorf("two upstreams are called %q", u.cfg.Name)
	}
	r.byName[u.cfg.Name] = u
	r.list = append(r.list, u)
	for _, d := range u.cfg.Domains {
		d = normalDomain(d)
		if there := r.byDomain[d]; there != nil && there != u {
			return fmt.Errorf("domain %s belongs to upstream %s and to %s", d, there.cfg.Name, u.cfg.Name)
		}
		r.byDomain[d] = u
	}
	if u.cfg.Default {
		if r.fallback != nil {
			return fmt.Errorf("upstreams %s and %s both say default: true", r.fallback.cfg.Name, u.cfg.Name)
		}
		r.fallback = u
	}
	return nil
}

// Close ends what runs in the background and closes idle connections.
// Connections that are in use stay open. Close is idempotent.
func (r *Router) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.cancel()
	for _, u := range r.list {
		u.pool.close()
	}
	r.work.Wait()
}

// background runs f in a goroutine that Close waits for. It reports false, and
// does nothing, after Close.
func (r *Router) background(f func(ctx context.Context)) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.work.Go(func() { f(r.ctx) })
	return true
}

// Refresh learns the capabilities of all upstreams, at the same time, and waits
// for them. The error joins those of the upstreams that could not be reached;
// for these the last known capabilities stay in force.
func (r *Router) Refresh(ctx context.Context) error {
	errs := make([]error, len(r.list))
	var wg sync.WaitGroup
	for i, u := range r.list {
		wg.Go(func() { errs[i] = u.Refresh(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Upstreams returns all upstreams in the order of the configuration.
func (r *Router) Upstreams() []*Upstream { return slices.Clone(r.list) }

// Route returns the upstream that a user's mail goes to. fixed is the upstream
// that the listener names, sni the server name of the client's TLS handshake,
// user the name that the client logs in with; each may be empty. The listener
// decides first, then the domain of the user, then the server name, then the
// upstream marked default or the only one. The error wraps ErrNoUpstream.
func (r *Router) Route(fixed, sni, user string) (*Upstream, error) {
	if fixed != "" {
		if u := r.byName[fixed]; u != nil {
			return u, nil
		}
		return nil, fmt.Errorf("%w: the listener's upstream %q does not exist", ErrNoUpstream, fixed)
	}
	domain := userDomain(user)
	if u := r.byDomain[domain]; u != nil && domain != "" {
		return u, nil
	}
	if u := r.bySNI(sni); u != nil {
		return u, nil
	}
	if r.fallback != nil {
		return r.fallback, nil
	}
	if domain == "" {
		return nil, fmt.Errorf("%w: the user name has no domain, and no upstream is the default", ErrNoUpstream)
	}
	return nil, fmt.Errorf("%w: domain %q belongs to no upstream, and none is the default", ErrNoUpstream, domain)
}

// Candidates returns the upstreams that a not yet known user of a listener may
// go to: what EHLO offers before the login is what these have in common.
func (r *Router) Candidates(fixed, sni string) []*Upstream {
	if fixed != "" {
		if u := r.byName[fixed]; u != nil {
			return []*Upstream{u}
		}
		return nil
	}
	if u := r.bySNI(sni); u != nil {
		return []*Upstream{u}
	}
	return slices.Clone(r.list)
}

// serviceLabels are the first labels that mail hosts usually have before the
// domain of their users.
var serviceLabels = []string{"smtp.", "mail.", "imap.", "submission."}

func (r *Router) bySNI(sni string) *Upstream {
	if sni == "" {
		return nil
	}
	sni = normalDomain(sni)
	if u := r.byDomain[sni]; u != nil {
		return u
	}
	for _, label := range serviceLabels {
		if rest, ok := strings.CutPrefix(sni, label); ok && r.byDomain[rest] != nil {
			return r.byDomain[rest]
		}
	}
	return nil
}

// userDomain returns the normal form of what follows the last @, or empty.
func userDomain(user string) string {
	i := strings.LastIndexByte(user, '@')
	if i < 0 {
		return ""
	}
	return normalDomain(user[i+1:])
}

// normalDomain returns a domain in lower case and in the ASCII form of
// internationalised names (RFC 5891), without a final dot. What is no valid
// name is only put into lower case.
func normalDomain(d string) string {
	d = strings.ToLower(strings.TrimSuffix(strings.TrimSpace(d), "."))
	if ascii, err := idna.Lookup.ToASCII(d); err == nil {
		return ascii
	}
	return d
}
