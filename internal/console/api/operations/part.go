package operations

import (
	"context"
	_ "embed" // the document
	"log/slog"
	"sync"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/hooks/contacts"
	"heliograph/hooks/mirror"
	"heliograph/internal/accounts"
	"heliograph/internal/console/api"
	"heliograph/internal/notify"
	"heliograph/internal/oauth"
	"heliograph/internal/pause"
	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/proxy/backfill"
	"heliograph/proxy/upstream"
	"heliograph/proxy/watch"
)

//go:embed openapi.gen.json
var document []byte

// Options are what the part works with. Store, Queue, Pauses, Config, Contacts and Node are required; without the others their
// operations answer 503, or leave their figures out. The functions return what is in force now, and may be called concurrently.
type Options struct {
	Store   *store.DB
	Queue   *queue.Queue
	Pauses  *pause.Book
	Tokens  *oauth.Keeper
	Node    string // of the data directory
	Host    string
	Version string
	Now     func() time.Time // nil means time.Now
	Logger  *slog.Logger     // nil discards

	Config   func() *config.Config
	Contacts func() *contacts.Book
	Accounts func() *accounts.Book
	Router   func() *upstream.Router
	Clients  func() map[string]crmclient.Client // of targets
	Targets  func() []mirror.TargetStatus       // as this process sees them
	Meters   func(ctx context.Context, target string) []RateMeter
	Sessions func() (smtp, imap int, ok bool)
	// Health tells what is right and what is wrong with this node: listeners, journal, certificates, space.
	Health func(ctx context.Context) []Health
	// Channel opens a notifier of the configuration; who gets it closes it.
	Channel    func(config.Notifier) (*notify.Channel, error)
	Runner     Runner
	CheckWatch func(ctx context.Context, w config.Watch) ([]watch.Finding, error)
	// Audit is told of enrolments that employees make by a link; nil: nobody is.
	Audit api.Recorder
	// Names tells the names of people by their addresses; nil: nobody's is known.
	Names func(ctx context.Context) (map[string]string, error)
}

// Runner fetches what was not captured. It may be called concurrently; the end of ctx ends a run.
type Runner interface {
	Backfill(ctx context.Context, req *backfill.Request, report func(backfill.Event)) (backfill.Result, error)
	Reconcile(ctx context.Context, req *backfill.Request, report func(backfill.Event)) (backfill.Result, error)
}

// Health is one thing that was looked at.
type Health struct {
	Name     string
	Level    Level
	Optional bool // mail flows without it
	Detail   string
	Remedy   string
	// Kind says that a person has to do something, as of Attention; empty: only the check tells.
	Kind AttentionKind
	At   time.Time // since when, or until when it is well; zero: unknown
}

// RateMeter is a limit of a target.
type RateMeter struct {
	Name        string
	Limit, Used int
	Per         time.Duration
	ResetsAt    time.Time
}

// Part serves the operations. It must be closed, which ends what it has begun.
type Part struct {
	o      Options
	log    *slog.Logger
	ctx    context.Context // of what goes on after a request
	cancel context.CancelFunc
	work   sync.WaitGroup
	runs   runs
	flows  flows
}

var _ StrictServerInterface = (*Part)(nil)

// New returns a Part. What it does by itself begins with Run.
func New(o Options) *Part {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	p := &Part{o: o, log: o.Logger, runs: runs{live: map[string]context.CancelFunc{}}, flows: flows{open: map[string]*flow{}}}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// Close ends runs and flows of enrolments, and waits for them.
func (p *Part) Close() {
	p.cancel()
	p.work.Wait()
}

// API describes the part.
func (p *Part) API() api.Part {
	return api.Part{Name: "operations", Document: document, Mount: func(mux api.Mux, e api.Errors) {
		strict := NewStrictHandlerWithOptions(p, nil, StrictHTTPServerOptions{RequestErrorHandlerFunc: e.Request, ResponseErrorHandlerFunc: e.Response})
		HandlerWithOptions(strict, StdHTTPServerOptions{BaseRouter: mux, ErrorHandlerFunc: e.Request})
	}}
}

// Run tells that the node is alive and counts figures over time, until ctx ends.
func (p *Part) Run(ctx context.Context) error {
	n := node{p: p, started: p.o.Now()}
	tick := time.NewTicker(beat)
	defer tick.Stop()
	defer n.goodbye()
	var counted time.Time
	for {
		if err := n.beat(ctx); err != nil && ctx.Err() == nil {
			p.log.WarnContext(ctx, "no sign of life in the store", "err", err)
		}
		if now := p.o.Now(); now.Sub(counted) >= countEvery {
			if err := p.Count(ctx); err != nil && ctx.Err() == nil {
				p.log.WarnContext(ctx, "figures over time not counted; the next time counts them", "err", err)
			}
			counted = now
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func unavailable(what string) error {
	return api.Unavailable("not_here", what+" is not available on this node", "Ask a node that runs the whole gateway.")
}

func stamp(us int64) time.Time { return store.FromMicros(us) }
