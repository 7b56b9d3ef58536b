// Package console is the HTTP server for those who run the gateway: /metrics for
// Prometheus, /livez and /readyz for supervisors.
//
// The main idea: liveness says that the process runs and nothing more, so that
// no outage elsewhere gets it restarted; readiness says whether it can take mail,
// check by check. Checks come as a function, so the package knows nothing of
// what it reports on.
//
// What people see and do in a browser is the API below /api/ (package api and its parts, which ask for a login) and the
// pages that call it (package ui). What this package itself serves has no login and shows no mail, no names and no secrets, but for the
// files behind links that are signed (files.go), which strangers may ask for through a reverse proxy. CRMs call /hooks/{target} through one,
// too (hooks.go): deliveries are signed, and only wake what reads the CRM again. People decide what rules ask them at
// /approve/{token} (approve.go): whoever has the token sees the question. Its address
// is meant for loopback or the operators' network.
package console

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Check is the state of one part of the gateway.
type Check struct {
	Name string
	Err  error // nil means well; its text is shown to whoever asks
	// Optional checks are listed but do not make the gateway unready: mail flows
	// without them.
	Optional bool
}

// Options are the settings of a Server.
type Options struct {
	Address  string // host:port; port 0 chooses one
	Gatherer prometheus.Gatherer
	// Ready answers with all checks. It may take as long as its context lives, and
	// runs once per request. Nil means always ready.
	Ready   func(ctx context.Context) []Check
	Version string
	// Files finds the file of a token, and answers with ErrNoFile or ErrFileGone where there is none. It may run concurrently. Nil
	// serves no files.
	Files func(ctx context.Context, token string) (*File, error)
	// Hooks takes the deliveries of CRMs. Nil serves none.
	Hooks *Hooks
	// Events takes what other systems tell rules, Unsubscribe who wants no more mail of rules. Nil serves none.
	Events      *Events
	Unsubscribe *Unsubscribe
	// Approvals shows what people are asked to decide, and takes their decisions. Nil serves none.
	Approvals *Approvals
	// API is what the console does, below /api/. Nil serves none.
	API http.Handler
	// UI is the console in a browser: all paths that nothing else has. Nil shows a list of what is served.
	UI http.Handler
	// Onboarding tells mail programs their settings, at the paths that it lists. Nil serves none.
	Onboarding *Onboarding
	Logger     *slog.Logger          // nil means none
	Registerer prometheus.Registerer // nil: metrics are not registered
}

// Onboarding is what mail programs ask for their settings.
type Onboarding struct {
	Patterns []string // of http.ServeMux
	Handler  http.Handler
}

// The time-outs of the server. Scraping is the slowest request there is.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second
	writeTimeout  = 60 * time.Second
	idleTimeout   = 2 * time.Minute
	readyTimeout  = 5 * time.Second
	headerBytes   = 16 << 10
)

// Server is a running console.
type Server struct {
	options Options
	logger  *slog.Logger
	http    *http.Server
	addr    net.Addr
	done    chan struct{}
}

// Start listens and serves until Close.
func Start(ctx context.Context, o Options) (*Server, error) {
	s := &Server{options: o, logger: o.Logger, done: make(chan struct{})}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	if o.Gatherer == nil {
		return nil, errors.New("console: no gatherer")
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", o.Address)
	if err != nil {
		return nil, fmt.Errorf("listen for the console: %w", err)
	}
	s.addr = l.Addr()
	s.http = &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerBytes,
		ErrorLog:          slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug),
	}
	go func() {
		defer close(s.done)
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.logger.Error("console ended", "error", err)
		}
	}()
	return s, nil
}

// Addr returns the address that the server listens on.
func (s *Server) Addr() net.Addr { return s.addr }

// Close stops listening and waits for running requests until ctx ends; then it
// cuts them off. It may be called again.
func (s *Server) Close(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("drain the console: %w", err), s.http.Close())
	}
	<-s.done
	return err
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.options.Gatherer, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(s.logger.Handler(), slog.LevelWarn),
		// One broken collector must not hide the others.
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: 10,
		Timeout:             writeTimeout / 2,
	}))
	mux.HandleFunc("GET /livez", s.live)
	mux.HandleFunc("GET /readyz", s.ready)
	if s.options.UI != nil {
		mux.Handle("/", s.options.UI)
	} else {
		mux.HandleFunc("GET /{$}", s.index)
	}
	if s.options.API != nil {
		mux.Handle("/api/", s.options.API)
	}
	if on := s.options.Onboarding; on != nil {
		for _, pattern := range on.Patterns {
			mux.Handle(pattern, on.Handler)
		}
	}
	s.serveFiles(mux)
	s.serveHooks(mux)
	s.serveApprovals(mux)
	s.serveEvents(mux)
	s.serveUnsubscribe(mux)
	return protect(mux)
}

// protect sets the header fields that keep browsers from doing more than show.
func protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		// For browsers that know nothing of frame-ancestors; the others go by that alone. The API shows HTML of mails in frames of our own pages.
		if strings.HasPrefix(r.URL.Path, "/api/") {
			h.Set("X-Frame-Options", "SAMEORIGIN")
		} else {
			h.Set("X-Frame-Options", "DENY")
		}
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}
