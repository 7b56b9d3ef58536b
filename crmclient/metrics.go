package crmclient

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type transportMetrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	circuit  *prometheus.GaugeVec
}

// newTransportMetrics registers the metrics once per registerer; all targets share them.
func newTransportMetrics(r prometheus.Registerer, target string) (*transportMetrics, error) {
	m := &transportMetrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "heliograph_crm_requests_total",
			Help: "HTTP requests to CRMs by target and outcome: ok, an error class, or circuit_open for those that were not sent.",
		}, []string{"target", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "heliograph_crm_request_seconds",
			Help:    "Time of HTTP requests to CRMs, with waiting for a slot and for the rate limit.",
			Buckets: []float64{.01, .03, .1, .3, 1, 3, 10, 30},
		}, []string{"target"}),
		circuit: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "heliograph_crm_circuit_state",
			Help: "Circuit breaker of a target: 0 closed, 1 half-open, 2 open.",
		}, []string{"target"}),
	}
	var err error
	if m.requests, err = register(r, m.requests); err != nil {
		return nil, err
	}
	if m.seconds, err = register(r, m.seconds); err != nil {
		return nil, err
	}
	if m.circuit, err = register(r, m.circuit); err != nil {
		return nil, err
	}
	m.circuit.WithLabelValues(target).Set(float64(breakerClosed))
	return m, nil
}

// register returns the collector that is registered under this name, which may be an earlier one.
func register[C prometheus.Collector](r prometheus.Registerer, c C) (C, error) {
	if r == nil {
		return c, nil
	}
	err := r.Register(c)
	var already prometheus.AlreadyRegisteredError
	if errors.As(err, &already) {
		if old, ok := already.ExistingCollector.(C); ok {
			return old, nil
		}
	}
	if err != nil {
		return c, fmt.Errorf("register metrics of the CRM transport: %w", err)
	}
	return c, nil
}
