package proxy

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// The reasons for refusing a connection, as the label reason.
const (
	refusedTotal    = "limit_total"
	refusedPerIP    = "limit_ip"
	refusedHeader   = "proxy_header"
	refusedDraining = "draining"
)

// metrics has labels from the configuration and from constants only: protocol
// and listener (the configured address), reason and class.
type metrics struct {
	open         *prometheus.GaugeVec
	accepted     *prometheus.CounterVec
	refused      *prometheus.CounterVec
	acceptErrors *prometheus.CounterVec
	handshakes   *prometheus.CounterVec
	panics       *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	labels := []string{"protocol", "listener"}
	with := func(more string) []string { return append(labels[:2:2], more) }
	m := &metrics{
		open: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "heliograph_connections", Help: "Open client connections.",
		}, labels),
		accepted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "heliograph_connections_accepted_total", Help: "Client connections given to a protocol front.",
		}, labels),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "heliograph_connections_refused_total", Help: "Client connections refused before the protocol began, by reason.",
		}, with("reason")),
		acceptErrors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "heliograph_accept_errors_total", Help: "Errors of accept, such as too many open files.",
		}, labels),
		handshakes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "heliograph_tls_handshake_failures_total", Help: "Failed TLS handshakes with clients, by class.",
		}, with("class")),
		panics: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "heliograph_handler_panics_total", Help: "Connections that ended in a panic.",
		}, labels),
	}
	if r == nil {
		return m, nil
	}
	var errs []error
	m.open = register(r, m.open, &errs)
	m.accepted = register(r, m.accepted, &errs)
	m.refused = register(r, m.refused, &errs)
	m.acceptErrors = register(r, m.acceptErrors, &errs)
	m.handshakes = register(r, m.handshakes, &errs)
	m.panics = register(r, m.panics, &errs)
	return m, errors.Join(errs...)
}

// register adds c to r, or returns the like of it that is there already, so
// that a second server in the process counts on.
func register[C prometheus.Collector](r prometheus.Registerer, c C, errs *[]error) C {
	err := r.Register(c)
	var there prometheus.AlreadyRegisteredError
	if errors.As(err, &there) {
		if same, ok := there.ExistingCollector.(C); ok {
			return same
		}
	}
	if err != nil {
		*errs = append(*errs, fmt.Errorf("register metric: %w", err))
	}
	return c
}
