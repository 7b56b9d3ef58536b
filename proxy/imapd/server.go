package imapd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"heliograph/config"
	"heliograph/internal/journal"
	"heliograph/internal/limit"
	"heliograph/internal/pace"
	"heliograph/proxy"
	"heliograph/proxy/socket"
	"heliograph/proxy/upstream"

	"github.com/prometheus/client_golang/prometheus"
)

// timeouts bound what waits for a peer; tests shorten them.
type timeouts struct {
	preamble time.Duration // from connect to login, in all
	command  time.Duration // from the first byte of a command or response of the client to its last
	answer   time.Duration // for one step of the upstream's login

	arrival time.Duration // that a client in IDLE has to fetch new mail itself
	ours    time.Duration // for the answer to a command of our own
	pass    time.Duration // for a peer to take what the other one says
}

// Time-outs before the login. RFC 9051, 5.4 allows a short one there. A person who
// is asked for a password while the connection is open has preambleTimeout.
const (
	preambleTimeout = 3 * time.Minute
	commandTimeout  = 30 * time.Second
	answerTimeout   = 25 * time.Second // a login ends in less than 30 s, whatever the upstream does
	writeTimeout    = 25 * time.Second
	goodbyeTimeout  = 5 * time.Second // for the last words
)

// Settings are what a reload may change; a session keeps those it began with.
type Settings struct {
	Router  *upstream.Router
	Limits  config.Limits
	Capture config.Capture
}

// Options are what the front stands on.
type Options struct {
	Settings Settings
	Journal  *journal.Journal
	Failures *limit.Failures // failed logins, shared with the other fronts
	Limiter  limit.Limiter   // rates per user
	Pace     *pace.Governor  // is told of messages; nil tells nobody
	// Paused tells whether mail of an account is not to be captured for now. It must not wait. Nil: none is.
	Paused     func(account string) bool
	Hostname   string       // in greetings, where a listener names none
	Logger     *slog.Logger // nil discards
	Registerer prometheus.Registerer
}

// Server serves the connections of IMAP listeners in proxy mode. It implements
// proxy.Handler.
type Server struct {
	opts     Options
	settings atomic.Pointer[Settings]
	metrics  *metrics
	log      *slog.Logger
	timeouts timeouts

	// What sessions share after their login.
	tap     *tapMetrics
	lot     *socket.Lot  // where they wait while nothing comes
	sealing atomic.Int64 // bytes of messages that wait for the disk
}

var _ proxy.Handler = (*Server)(nil)

// New returns a Server. Close must be called when its connections have ended.
func New(o Options) (*Server, error) {
	if o.Settings.Router == nil || o.Failures == nil {
		return nil, errors.New("an IMAP front needs a router and a guard of failed logins")
	}
	m, err := newMetrics(o.Registerer)
	if err != nil {
		return nil, err
	}
	lot, err := socket.NewLot()
	if err != nil {
		return nil, err
	}
	s := &Server{
		opts: o, metrics: m, log: o.Logger, lot: lot,
		timeouts: timeouts{
			preamble: preambleTimeout, command: commandTimeout, answer: answerTimeout, arrival: arrivalTime, ours: answerLimit,
			pass: passTimeout,
		},
	}
	s.tap = newTapMetrics(lot.Len)
	if err := s.tap.register(o.Registerer); err != nil {
		lot.Close()
		return nil, fmt.Errorf("register metric: %w", err)
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.settings.Store(&o.Settings)
	return s, nil
}

// Reload gives new sessions new settings.
func (srv *Server) Reload(set Settings) { srv.settings.Store(&set) }

// Close releases what sessions shared. Call it when all connections have ended.
func (srv *Server) Close() { srv.lot.Close() }

// ServeConn speaks with the client until it has logged in and leaves the session
// to the tap. When ctx ends, the session says BYE at the next moment at which no
// command is under way.
func (srv *Server) ServeConn(ctx context.Context, c *proxy.Conn) {
	s := &session{
		srv: srv, set: srv.settings.Load(), conn: c,
		log: srv.log.With("session", c.ID, "client", c.Client().Addr().String()),
	}
	srv.metrics.sessions.Inc()
	tapped := false
	defer func() {
		if !tapped {
			s.end()
		}
	}()
	if err := s.preamble(ctx); err != nil {
		s.log.Info("session ended before login", "reason", reason(err))
		return
	}
	tapped = true
	s.tap(ctx)
}
