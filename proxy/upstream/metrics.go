package upstream

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics has the label upstream (names of the configuration), protocol, and
// classes from closed sets.
type metrics struct {
	dials    *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	tls      *prometheus.CounterVec
	poolIdle *prometheus.GaugeVec
	reuse    *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		dials: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "heliograph_upstream_dials_total", Help: "Connections opened to upstreams, by outcome: ok or the class of the error.",
		}, []string{"upstream", "protocol", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "heliograph_upstream_dial_seconds", Help: "Time from connect to where a login may begin.",
			Buckets: []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"upstream", "protocol"}),
		tls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "heliograph_upstream_tls_handshakes_total", Help: "TLS handshakes with upstreams, by whether a session was resumed.",
		}, []string{"upstream", "protocol", "resumed"}),
		poolIdle: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "heliograph_upstream_pool_idle", Help: "Authenticated connections kept for the next message.",
		}, []string{"upstream"}),
		reuse: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "heliograph_upstream_pool_requests_total", Help: "Requests for an authenticated connection, by result: reused, new, failed.",
		}, []string{"upstream", "result"}),
	}
	if r == nil {
		return m, nil
	}
	var errs []error
	m.dials = register(r, m.dials, &errs)
	m.seconds = register(r, m.seconds, &errs)
	m.tls = register(r, m.tls, &errs)
	m.poolIdle = register(r, m.poolIdle, &errs)
	m.reuse = register(r, m.reuse, &errs)
	return m, errors.Join(errs...)
}

// register adds c to r, or returns the like of it that is there already: after
// a reload the new router counts on.
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

func (m *metrics) dialled(upstream, protocol string, took time.Duration, err error) {
	outcome := "ok"
	var e *Error
	switch {
	case errors.As(err, &e):
		outcome = string(e.Class)
	case err != nil:
		outcome = string(ClassNetwork)
	default:
		m.seconds.WithLabelValues(upstream, protocol).Observe(took.Seconds())
	}
	m.dials.WithLabelValues(upstream, protocol, outcome).Inc()
}

func (m *metrics) resumed(upstream, protocol string, resumed bool) {
	m.tls.WithLabelValues(upstream, protocol, strconv.FormatBool(resumed)).Inc()
}
