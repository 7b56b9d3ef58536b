package customerbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/prometheus/client_golang/prometheus"

	"heliograph/config"
	"heliograph/internal/journal"
	"heliograph/internal/limit"
	"heliograph/internal/store"
	"heliograph/proxy"
	"heliograph/proxy/upstream"
)

// Settings are the part of the configuration that a reload changes.
type Settings struct {
	Router    *upstream.Router // where employees have their mailboxes, and so their passwords
	Customers config.Customers
}

// Options are what a Server needs.
type Options struct {
	Settings   Settings
	Store      *store.DB
	Journal    *journal.Journal
	Failures   *limit.Failures
	Logger     *slog.Logger          // nil discards
	Registerer prometheus.Registerer // nil registers nothing
	// Poll is how often the store is asked for new mail while somebody has a mailbox open. Zero
	// means half a second.
	Poll time.Duration
}

const (
	// maxSessions bounds the readers of a node, each with a mailbox in memory; a company's
	// whole sales and service with a few connections each.
	maxSessions = 1024
	// maxSessionsOfReader is more than mail programs on a person's devices open together.
	maxSessionsOfReader = 32
	// maxRefreshing keeps hundreds of idle readers from asking the store all at once.
	maxRefreshing = 4
)

// Server is the handler of listeners of mode customers.
type Server struct {
	opts    Options
	log     *slog.Logger
	metrics *metrics
	boxes   *boxes
	pulse   *pulse
	imap    *imapserver.Server
	conns   *handover
	serving sync.WaitGroup
	// refreshing has room for those sessions that may read the store again at once after a beat.
	refreshing chan struct{}
	close      sync.Once
	ctx        context.Context // of all queries; ended by Close
	cancel     context.CancelFunc

	mu       sync.Mutex // guards all below
	settings Settings
	closed   bool
	sessions map[*front]struct{} // logged in
	readers  map[string]int      // their number by account
}

var _ proxy.Handler = (*Server)(nil)

// New makes a server. It opens no socket; Close must be called.
func New(o Options) (*Server, error) {
	if o.Store == nil || o.Journal == nil || o.Failures == nil || o.Settings.Router == nil {
		return nil, errors.New("customer mailboxes need a store, a journal, a login guard and upstreams")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Poll <= 0 {
		o.Poll = defaultPoll
	}
	m, err := newMetrics(o.Registerer)
	if err != nil {
		return nil, fmt.Errorf("customer mailboxes: %w", err)
	}
	s := &Server{
		opts: o, log: o.Logger, metrics: m, settings: o.Settings,
		boxes: newBoxes(o.Store), conns: &handover{conns: make(chan net.Conn), closed: make(chan struct{})},
		refreshing: make(chan struct{}, maxRefreshing), sessions: map[*front]struct{}{}, readers: map[string]int{},
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.pulse = newPulse(s.ctx, o.Store, o.Poll, o.Logger)
	s.imap = imapserver.New(&imapserver.Options{
		NewSession: newSession,
		Caps: imap.CapSet{
			imap.CapIMAP4rev1: {}, imap.CapNamespace: {}, imap.CapESearch: {}, imap.CapListExtended: {},
			imap.CapListStatus: {}, imap.CapChildren: {},
		},
		InsecureAuth: true, // the login is over when imapserver gets the connection
		Logger:       wireLog{o.Logger},
	})
	s.serving.Go(func() { _ = s.imap.Serve(s.conns) })
	return s, nil
}

// Close ends all sessions and what runs beside them. Connections end with it. It may be called more than once.
func (s *Server) Close() {
	s.close.Do(func() {
		s.mu.Lock()
		s.closed = true
		for f := range s.sessions {
			f.end("the server shuts down")
		}
		s.mu.Unlock()
		s.cancel()
		_ = s.conns.Close()
		s.serving.Wait()
		s.pulse.wait()
		s.metrics.unregister(s.opts.Registerer)
	})
}

// Reload puts new settings in force. Sessions of readers who see more or less by them are ended, since
// the mailboxes that they have open are others now; their programs connect again.
func (s *Server) Reload(settings Settings) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settings = settings
	for f := range s.sessions {
		if scopeOf(settings.Customers, f.account) != f.scope {
			f.end("what you may see has changed, please connect again")
		}
	}
}

func (s *Server) current() Settings {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settings
}

// ServeConn serves one connection: the login first, then the mailboxes.
func (s *Server) ServeConn(ctx context.Context, c *proxy.Conn) {
	f := newFront(s, c)
	stop := context.AfterFunc(ctx, func() { f.end("the server shuts down") })
	defer stop()
	if err := f.login(ctx); err != nil {
		s.log.Debug("customer mailbox session ended before the login", "session", c.ID, "err", err)
		return
	}
	defer s.leave(f)
	select {
	case s.conns.conns <- f:
	case <-s.conns.closed:
		return
	}
	<-f.done
}

// errFull and errMany say why a reader who may come in cannot.
var (
	errFull = errors.New("too many sessions on this server")
	errMany = errors.New("too many sessions of this user")
)

// enter makes a session of a connection whose login succeeded. After it comes leave.
func (s *Server) enter(f *front) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed || len(s.sessions) >= maxSessions:
		return errFull
	case s.readers[f.account] >= maxSessionsOfReader:
		return errMany
	}
	f.scope = scopeOf(s.settings.Customers, f.account)
	s.sessions[f] = struct{}{}
	s.readers[f.account]++
	s.metrics.sessions.Inc()
	return nil
}

func (s *Server) leave(f *front) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, f)
	if s.readers[f.account]--; s.readers[f.account] <= 0 {
		delete(s.readers, f.account)
	}
	s.metrics.sessions.Dec()
}

// scopeOf returns whose messages an account sees: its own, or (empty) all.
func scopeOf(c config.Customers, account string) string {
	if c.Scope == config.ScopeAll {
		return ""
	}
	for _, manager := range c.Managers {
		if upstream.Account(manager, "") == account {
			return ""
		}
	}
	return account
}

// handover is the listener from which imapserver takes connections that are logged in.
type handover struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (h *handover) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

func (h *handover) Close() error {
	h.once.Do(func() { close(h.closed) })
	return nil
}

func (h *handover) Addr() net.Addr { return &net.TCPAddr{} }

// wireLog takes imapserver's own words. It prints panics, which somebody must see, and
// clients that went away.
type wireLog struct{ log *slog.Logger }

func (w wireLog) Printf(format string, args ...any) {
	text := strings.TrimSpace(fmt.Sprintf(format, args...))
	if strings.HasPrefix(text, "panic") {
		w.log.Error("customer mailbox session panicked", "detail", text)
		return
	}
	w.log.Debug("customer mailbox session", "detail", text)
}
