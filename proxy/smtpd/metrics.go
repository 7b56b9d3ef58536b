package smtpd

import (
	"errors"
	"time"

	"heliograph/proxy/upstream"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the counters of the SMTP front. Every label has a closed set of values.
type metrics struct {
	sessions  prometheus.Gauge
	logins    *prometheus.CounterVec
	commands  *prometheus.CounterVec
	messages  *prometheus.CounterVec
	bytes     prometheus.Counter
	refusals  *prometheus.CounterVec
	upstreams *prometheus.CounterVec
	seal      prometheus.Histogram
	verdict   prometheus.Histogram
}

func newMetrics(r prometheus.Registerer) *metrics {
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "heliograph", Subsystem: "smtp", Name: name, Help: help}
	}
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts(opts(name, help)), labels)
	}
	hist := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "heliograph", Subsystem: "smtp", Name: name, Help: help,
			Buckets: prometheus.ExponentialBuckets(0.0005, 4, 10), // 0.5 ms to 2 min
		})
	}
	m := &metrics{
		sessions:  prometheus.NewGauge(prometheus.GaugeOpts(opts("sessions", "SMTP sessions that are open."))),
		logins:    vec("logins_total", "Logins by outcome: ok, refused, temporary, limited, upstream_error.", "outcome"),
		commands:  vec("commands_total", "Commands of clients by verb.", "verb"),
		messages:  vec("messages_total", "Messages by outcome (accepted, refused, deferred) and listener mode.", "outcome", "mode"),
		bytes:     prometheus.NewCounter(prometheus.CounterOpts(opts("message_bytes_total", "Bytes of messages that were passed on."))),
		refusals:  vec("refusals_total", "What the gateway itself refused: framing, starttls_injection, size, recipients, messages, relay.", "reason"),
		upstreams: vec("upstream_errors_total", "Failures of upstreams by class.", "class"),
		seal:      hist("seal_seconds", "Time a message waits until its copy is durable."),
		verdict:   hist("verdict_seconds", "Time the upstream takes to answer a whole message."),
	}
	if r != nil {
		r.MustRegister(m.sessions, m.logins, m.commands, m.messages, m.bytes, m.refusals, m.upstreams, m.seal, m.verdict)
	}
	return m
}

func (m *metrics) login(outcome string)   { m.logins.WithLabelValues(outcome).Inc() }
func (m *metrics) refused(reason string)  { m.refusals.WithLabelValues(reason).Inc() }
func (m *metrics) sealed(d time.Duration) { m.seal.Observe(d.Seconds()) }

// command counts a command; verbs outside the closed set are "other".
func (m *metrics) command(verb string) {
	if verb == "" {
		verb = "other"
	}
	m.commands.WithLabelValues(verb).Inc()
}

func (m *metrics) message(outcome string, relay bool, size int64, wait time.Duration) {
	mode := "proxy"
	if relay {
		mode = "relay"
	}
	m.messages.WithLabelValues(outcome, mode).Inc()
	m.bytes.Add(float64(size))
	if wait > 0 {
		m.verdict.Observe(wait.Seconds())
	}
}

// queued counts a message that a queue listener accepted.
func (m *metrics) queued(size int64) {
	m.messages.WithLabelValues("accepted", "queue").Inc()
	m.bytes.Add(float64(size))
}

func (m *metrics) upstreamError(err error) {
	class := "other"
	var e *upstream.Error
	if errors.As(err, &e) {
		class = string(e.Class)
	}
	m.upstreams.WithLabelValues(class).Inc()
}
