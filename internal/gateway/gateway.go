package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"heliograph/config"
	"heliograph/hooks/archive"
	"heliograph/hooks/mirror"
	"heliograph/internal/accounts"
	"heliograph/internal/console"
	"heliograph/internal/customerbox"
	"heliograph/internal/journal"
	"heliograph/internal/journal/segment"
	"heliograph/internal/limit"
	"heliograph/internal/oauth"
	"heliograph/internal/pace"
	"heliograph/internal/pause"
	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/proxy"
	"heliograph/proxy/backfill"
	"heliograph/proxy/imapd"
	"heliograph/proxy/smtpd"
	"heliograph/proxy/upstream"
	"heliograph/proxy/watch"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Options are what the configuration file does not say.
type Options struct {
	Version string
	Logger  *slog.Logger // nil means none
	// ConfigFile is what the configuration was read from, for the console to change it; empty: it cannot.
	ConfigFile string
	// FS is the file layer of the journal; nil means the operating system's. Tests use it to break disks.
	FS segment.FS
	// Now is the clock of the journal, the queue, the rules and what they cause; nil means time.Now. Connections and logins keep the machine's.
	// Tests move it.
	Now func() time.Time
}

// Gateway is one running instance.
type Gateway struct {
	opts Options
	log  *slog.Logger
	cfg  *config.Config

	registry  *prometheus.Registry
	lock      *os.File
	store     *store.DB
	pace      *pace.Governor
	pauses    *pause.Book // what people want to be left alone
	queue     *queue.Queue
	limits    limit.Backend
	journal   *journal.Journal
	keys      *segment.Keyring
	tokens    *oauth.Keeper
	router    *swapRouter
	failures  *limit.Failures // one guard of logins for all fronts and for what the control socket is asked for
	smtp      *smtpd.Server
	machines  *smtpd.Queue        // nil without a listener of mode queue
	imap      *imapd.Server       // nil without an IMAP listener of mode proxy
	customers *customerbox.Server // nil without a listener of mode customers
	backfill  *backfill.Runner
	watch     *watch.Watcher
	proxy     *proxy.Server
	console   *console.Server
	desk      *desk
	archive   *archive.Archive
	links     atomic.Pointer[mirror.Links] // nil where there are none
	inbound   atomic.Pointer[inbound]
	// automation runs the rules.
	automation atomic.Pointer[automation]

	inForce atomic.Pointer[config.Config] // what cfg is, for those who must not wait for mu
	mu      sync.Mutex                    // guards workers and cfg, which Reload changes
	workers *workers
	serves  atomic.Bool // the listeners are open
	closers []closer    // in the order of their making
}

type closer struct {
	name  string
	close func(context.Context) error
}

// New builds all parts and opens what is durable, but serves nothing yet. What it opened
// before an error is closed again.
func New(ctx context.Context, cfg *config.Config, o Options) (g *Gateway, err error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	g = &Gateway{opts: o, log: o.Logger, cfg: cfg, registry: prometheus.NewRegistry()}
	if g.opts.Now == nil {
		g.opts.Now = time.Now
	}
	g.inForce.Store(cfg)
	built := g // the result is nil after an error
	defer func() {
		if err != nil {
			_ = built.closeAll(ctx) // err says more
		}
	}()
	g.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		buildInfo(o.Version),
	)
	for _, part := range []func(context.Context) error{
		g.openDataDir, g.openStore, g.openLimits, g.openJournal, g.openTokens, g.buildUpstreams, g.buildArchive, g.buildWorkers, g.buildFront, g.buildBackfill, g.buildWatch,
	} {
		if err := part(ctx); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// onClose remembers how to undo a part.
func (g *Gateway) onClose(name string, f func(context.Context) error) {
	g.closers = append(g.closers, closer{name, f})
}

func (g *Gateway) closeAll(ctx context.Context) error {
	var errs []error
	for i := len(g.closers) - 1; i >= 0; i-- {
		if err := g.closers[i].close(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", g.closers[i].name, err))
		}
	}
	g.closers = nil
	return errors.Join(errs...)
}

// Start serves. It fails when an address cannot be listened on.
func (g *Gateway) Start(ctx context.Context) error {
	g.mu.Lock()
	g.workers.start()
	g.mu.Unlock()
	if err := g.proxy.Start(ctx); err != nil { // mail first: the console takes a moment to build
		return err
	}
	if err := g.startConsole(ctx); err != nil {
		return err
	}
	g.serves.Store(true)
	g.startControl()
	g.startTrim()
	g.watch.Set(g.cfg.Watch)
	go g.router.learn() // fronts learn on demand as well; this only makes the first answer quick
	for i, l := range g.cfg.Listeners {
		g.log.Info("listening", "protocol", l.Protocol, "address", g.proxy.Addr(i).String(), "tls", string(l.TLS), "mode", string(l.Mode))
	}
	return nil
}

// Stop drains and ends everything. Sessions with a message under way may finish it until ctx ends.
func (g *Gateway) Stop(ctx context.Context) error {
	g.serves.Store(false)
	return g.closeAll(ctx)
}

// Addr is where listener i of the configuration listens.
func (g *Gateway) Addr(i int) net.Addr { return g.proxy.Addr(i) }

// ConsoleAddr is where the console listens.
func (g *Gateway) ConsoleAddr() net.Addr { return g.console.Addr() }

// Registry holds the metrics.
func (g *Gateway) Registry() *prometheus.Registry { return g.registry }

// Store is the database, for commands and tests that read it.
func (g *Gateway) Store() *store.DB { return g.store }

// Journal is the durable log, for commands and tests that read it.
func (g *Gateway) Journal() *journal.Journal { return g.journal }

// Queue is the work that is waiting, for commands and tests that read it.
func (g *Gateway) Queue() *queue.Queue { return g.queue }

func (g *Gateway) openDataDir(context.Context) error {
	if err := os.MkdirAll(g.cfg.DataDir, 0o700); err != nil {
		return fmt.Errorf("create data_dir: %w; create it and give it to the user that runs heliograph", err)
	}
	f, err := lockDir(filepath.Join(g.cfg.DataDir, "lock"))
	if err != nil {
		return fmt.Errorf("data_dir %s: %w", g.cfg.DataDir, err)
	}
	g.lock = f
	g.onClose("data_dir", func(context.Context) error { return f.Close() })
	return nil
}

func (g *Gateway) openStore(ctx context.Context) error {
	db, err := store.OpenLate(ctx, g.cfg.Store.URL.Reveal(), store.Options{Dir: g.cfg.DataDir, Logger: g.log, Registerer: g.registry})
	if err != nil {
		return err
	}
	g.store = db
	g.onClose("store", func(context.Context) error { return db.Close() })
	g.pace = pace.New()
	g.onClose("pace", func(context.Context) error { g.pace.Close(); return nil })
	g.watchPauses()
	g.queue = queue.Open(db, queue.Options{Now: g.opts.Now, Logger: g.log, Registerer: g.registry, Pace: g.pace})
	g.onClose("queue", func(context.Context) error { g.queue.Close(); return nil })
	return nil
}

// OpenStore opens the database of a configuration.
func OpenStore(ctx context.Context, cfg *config.Config, log *slog.Logger, r prometheus.Registerer) (*store.DB, error) {
	return store.Open(ctx, cfg.Store.URL.Reveal(), store.Options{Dir: cfg.DataDir, Logger: log, Registerer: r})
}

func (g *Gateway) openLimits(context.Context) error {
	b, err := limits(g.cfg.Redis, g.log, g.registry)
	if err != nil {
		return err
	}
	g.limits, g.failures = b, limit.NewFailures(b, g.cfg.Limits.LoginPerMinute)
	g.onClose("limits", func(context.Context) error { return b.Close() })
	return nil
}

func (g *Gateway) openJournal(ctx context.Context) error {
	node, err := nodeName(filepath.Join(g.cfg.DataDir, "node"))
	if err != nil {
		return err
	}
	keyFile := g.cfg.Journal.KeyFile
	if keyFile == "" {
		keyFile = filepath.Join(g.cfg.DataDir, "master.key")
	}
	j, err := journal.Open(ctx, journal.Options{
		Dir: filepath.Join(g.cfg.DataDir, "journal"), Store: g.store, Queue: g.queue, KeyFile: keyFile,
		Sync: g.cfg.Journal.Sync, UnconfirmedAfter: g.cfg.Journal.UnconfirmedAfter.D(), SegmentBytes: int64(g.cfg.Journal.SegmentBytes),
		Consumers: []string{mirror.Name}, Node: node, Pace: g.pace, Logger: g.log, Registerer: g.registry, FS: g.opts.FS, Now: g.opts.Now,
	})
	if err != nil {
		return err
	}
	g.journal = j
	g.onClose("journal", func(context.Context) error { return j.Close() })
	return nil
}

func (g *Gateway) openTokens(context.Context) error {
	keys, _, err := segment.LoadKeyring(keyFile(g.cfg))
	if err != nil {
		return err
	}
	k, err := OpenTokens(g.cfg, g.store, g.log, g.registry)
	if err != nil {
		return err
	}
	g.keys, g.tokens = keys, k
	g.onClose("tokens", func(context.Context) error { return k.Close() })
	return nil
}

// OpenTokens opens what is stored of access to CRMs and mail accounts, with the journal's key file. It must be closed.
func OpenTokens(cfg *config.Config, db *store.DB, log *slog.Logger, r prometheus.Registerer) (*oauth.Keeper, error) {
	keys, _, err := segment.LoadKeyring(keyFile(cfg))
	if err != nil {
		return nil, err
	}
	return oauth.NewKeeper(oauth.Options{Store: db, Sealer: keys, Logger: log, Registerer: r})
}

// keyFile is where the journal's master key is.
func keyFile(cfg *config.Config) string {
	if cfg.Journal.KeyFile != "" {
		return cfg.Journal.KeyFile
	}
	return filepath.Join(cfg.DataDir, "master.key")
}

// Accounts is the book of enrolled accounts in force.
func (g *Gateway) Accounts() *accounts.Book { return g.router.book.Load() }

func (g *Gateway) buildUpstreams(context.Context) error {
	g.router = &swapRouter{log: g.log, registerer: g.registry, open: func(cfg *config.Config) (*accounts.Book, error) {
		return accounts.Open(accounts.Options{Store: g.store, Keeper: g.tokens, Upstreams: cfg.Upstreams, Logger: g.log})
	}}
	if err := g.router.set(g.cfg); err != nil {
		return err
	}
	g.onClose("upstreams", func(context.Context) error { g.router.close(); return nil })
	return nil
}

// Upstream returns the router in force, for commands that probe it.
func (g *Gateway) Upstream() *upstream.Router { return g.router.get() }
