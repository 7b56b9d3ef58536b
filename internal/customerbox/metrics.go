package customerbox

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of the customer mailboxes. Every label has a closed set of values.
type metrics struct {
	sessions prometheus.Gauge
	logins   *prometheus.CounterVec
	messages prometheus.Counter
	bytes    prometheus.Counter
	failures *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "heliograph", Subsystem: "imap_customers", Name: name, Help: help}
	}
	m := &metrics{
		sessions: prometheus.NewGauge(prometheus.GaugeOpts(opts("sessions", "Sessions of customer mailboxes that are logged in."))),
		logins: prometheus.NewCounterVec(prometheus.CounterOpts(opts("logins_total",
			"Logins to customer mailboxes by outcome: ok, refused, limited, full, plaintext, upstream_error.")), []string{"outcome"}),
		messages: prometheus.NewCounter(prometheus.CounterOpts(opts("messages_total", "Messages of which something was fetched."))),
		bytes:    prometheus.NewCounter(prometheus.CounterOpts(opts("bytes_total", "Bytes of messages that were sent to readers."))),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts(opts("failures_total",
			"Requests that failed on our side, by what was not available: store, journal.")), []string{"reason"}),
	}
	if r == nil {
		return m, nil
	}
	for i, c := range m.all() {
		if err := r.Register(c); err != nil {
			for _, done := range m.all()[:i] {
				r.Unregister(done)
			}
			return nil, fmt.Errorf("registering metrics: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.sessions, m.logins, m.messages, m.bytes, m.failures}
}

func (m *metrics) unregister(r prometheus.Registerer) {
	if r == nil {
		return
	}
	for _, c := range m.all() {
		r.Unregister(c)
	}
}

func (m *metrics) login(outcome string) { m.logins.WithLabelValues(outcome).Inc() }
func (m *metrics) failed(reason string) { m.failures.WithLabelValues(reason).Inc() }
