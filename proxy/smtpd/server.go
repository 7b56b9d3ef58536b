package smtpd

import (
	"context"
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

// timeouts bound what waits for the client; tests shorten them.
type timeouts struct {
	preamble time.Duration // from connect to login, in all
	client   time.Duration // between two bytes of the client
}

// Time-outs. Those of RFC 5321, 4.5.3.2 are minima for patience with a peer; ours
// towards the upstream are a little longer, so that a client gives up first.
const (
	preambleTimeout = 5 * time.Minute
	clientTimeout   = 5 * time.Minute
	verdictTimeout  = 11 * time.Minute
	writeTimeout    = 5 * time.Minute
	authTimeout     = time.Minute // for one step of the upstream's login
	drainTimeout    = time.Minute // to read the rest of a message that we refuse
	// A client must send a message at slowRate bytes a second after slowGrace.
	slowGrace = 10 * time.Minute
	slowRate  = 128
)

// Bounds on what a peer may do.
const (
	maxPreambleCommands = 64  // before login
	maxIdleCommands     = 200 // in a row without a message (endless NOOP, RSET …)
	maxAuthRounds       = 16
	maxAuthFailures     = 5
	maxAuthLine         = 12288 // RFC 4954, 4
	maxReply            = 64 << 10
	maxOutstanding      = 2000 // pipelined commands without a reply
)

// Settings are what a reload may change; a session keeps those it began with.
type Settings struct {
	Router    *upstream.Router
	Limits    config.Limits
	OnFailure config.FailureMode
}

// Options are what the front stands on.
type Options struct {
	Settings Settings
	Journal  *journal.Journal
	Limiter  limit.Limiter   // rates per user
	Failures *limit.Failures // failed logins
	Pace     *pace.Governor  // is told of messages; nil tells nobody
	// Paused tells whether mail that an account submits is not to be captured for now. It must not wait. Nil: none is.
	Paused     func(account string) bool
	Hostname   string // in greetings, where a listener names none
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Server serves the connections of SMTP listeners in proxy and relay mode.
// It implements proxy.Handler.
type Server struct {
	opts     Options
	settings atomic.Pointer[Settings]
	metrics  *metrics
	log      *slog.Logger
	timeouts timeouts
}

var _ proxy.Handler = (*Server)(nil)

// New returns a Server.
func New(o Options) *Server {
	s := &Server{opts: o, metrics: newMetrics(o.Registerer), log: o.Logger, timeouts: timeouts{preambleTimeout, clientTimeout}}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.settings.Store(&o.Settings)
	return s
}

// Reload gives new sessions new settings.
func (srv *Server) Reload(set Settings) { srv.settings.Store(&set) }

// ServeConn runs one session until either side is done. When ctx ends, the session
// says 421 at the next moment at which no message is under way.
func (srv *Server) ServeConn(ctx context.Context, c *proxy.Conn) {
	s := &session{
		srv: srv, set: *srv.settings.Load(), conn: c,
		log: srv.log.With("session", c.ID, "client", c.Client().Addr().String()),
		in:  newInbound(c, srv.timeouts.preamble),
		out: socket.NewWriter(c, writeTimeout),
	}
	srv.metrics.sessions.Inc()
	defer srv.metrics.sessions.Dec()
	defer s.close()
	switch err := s.preamble(ctx); {
	case err != nil:
		s.log.Info("session ended before login", "reason", reason(err))
	case s.ready():
		s.tap(ctx)
	}
}
