package console

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"heliograph/crmclient"
	"heliograph/internal/limit"
)

// Events takes what other systems tell, to start rules: POST /events/{name}.
type Events struct {
	// Receive checks a delivery and keeps it durably before it returns nil. ErrNoEvent says that there is no such name or that the signature is
	// wrong, ErrEvent that it cannot be read; all else means that the system is to deliver again. It may run concurrently.
	Receive func(ctx context.Context, name string, d *crmclient.Delivery) error
	// Known says whether there is a name, for metrics.
	Known func(name string) bool
	// Failures slow down who sends wrong signatures. Nil means nobody is.
	Failures *limit.Failures
}

// The errors of Events.Receive that are answered as such.
var (
	ErrNoEvent = errors.New("no such event, or the signature is wrong")
	ErrEvent   = errors.New("the event cannot be read")
)

// maxEvent bounds the body of an event.
const maxEvent = 1 << 20

// events serves POST /events/{name}.
type events struct {
	Events
	gate hooks // bounds, slows down guessers
	log  *slog.Logger
	done *prometheus.CounterVec
}

// serveEvents adds the handler of events, where there is somebody who takes them.
func (s *Server) serveEvents(mux *http.ServeMux) {
	if s.options.Events == nil {
		return
	}
	e := &events{
		Events: *s.options.Events, log: s.logger,
		gate: hooks{Hooks: Hooks{Failures: s.options.Events.Failures}, log: s.logger, busy: make(chan struct{}, maxDeliveries)},
		done: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "heliograph_rule_events_total",
			Help: "Events that other systems told rules, by name (empty: none that there is) and outcome (taken, refused, blocked, unreadable, busy, failed).",
		}, []string{"name", "outcome"}),
	}
	if s.options.Registerer != nil {
		s.options.Registerer.MustRegister(e.done)
	}
	mux.Handle("POST /events/{name}", e)
}

// ServeHTTP takes one event.
func (e *events) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	outcome := e.serve(w, r, name)
	if !e.Known(name) {
		name = ""
	}
	e.done.WithLabelValues(name, outcome).Inc()
}

func (e *events) serve(w http.ResponseWriter, r *http.Request, name string) (outcome string) {
	select {
	case e.gate.busy <- struct{}{}:
		defer func() { <-e.gate.busy }()
	default:
		return again(w, "busy")
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), deliveryTime, errors.New("the event took too long"))
	defer cancel()
	from := remote(r)
	if e.gate.blocked(ctx, w, from) {
		return "blocked"
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxEvent))
	if err != nil {
		http.Error(w, "the event is too large, or was cut short", http.StatusRequestEntityTooLarge)
		return "unreadable"
	}
	err = e.Receive(ctx, name, &crmclient.Delivery{Method: r.Method, URL: r.URL, Header: r.Header, Body: body})
	switch {
	case errors.Is(err, ErrNoEvent):
		e.gate.failed(ctx, from)
		http.Error(w, errNoHook, http.StatusNotFound)
		return "refused"
	case errors.Is(err, ErrEvent):
		http.Error(w, err.Error(), http.StatusBadRequest)
		return "unreadable"
	case err != nil:
		e.log.WarnContext(ctx, "event not kept", "name", name, "err", err)
		return again(w, "failed")
	}
	w.WriteHeader(http.StatusAccepted)
	return "taken"
}
