package imapd

import "github.com/prometheus/client_golang/prometheus"

// tapMetrics are the counters of sessions after their login.
type tapMetrics struct {
	messages    *prometheus.CounterVec
	bytes       *prometheus.CounterVec
	losses      *prometheus.CounterVec
	interjected prometheus.Counter
	held        prometheus.Histogram
	parked      prometheus.GaugeFunc
}

func newTapMetrics(parked func() int) *tapMetrics {
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "heliograph", Subsystem: "imap", Name: name, Help: help}
	}
	vec := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts(opts(name, help)), []string{label})
	}
	return &tapMetrics{
		messages: vec("captured_messages_total", "Messages captured by way: tee (the client read it whole), interject (by commands of our own), append.", "way"),
		bytes:    vec("captured_bytes_total", "Bytes of captured messages by way.", "way"),
		losses: vec("capture_setbacks_total", "What kept a message from being captured at once, by reason: journal, journal_behind, ledger, budget, "+
			"silence, refused, failed, size, no_answer, not_found, foreign_tag, unknown_account.", "reason"),
		interjected: prometheus.NewCounter(prometheus.CounterOpts(opts("interjected_commands_total", "Commands of our own on clients' sessions."))),
		held: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "heliograph", Subsystem: "imap", Name: "command_wait_seconds",
			Help:    "How long a client's command waited for a command of our own.",
			Buckets: []float64{0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 30},
		}),
		parked: prometheus.NewGaugeFunc(prometheus.GaugeOpts(opts("parked_connections", "Connections that wait without a goroutine.")),
			func() float64 { return float64(parked()) }),
	}
}

func (m *tapMetrics) register(r prometheus.Registerer) error {
	if r == nil {
		return nil
	}
	for _, c := range []prometheus.Collector{m.messages, m.bytes, m.losses, m.interjected, m.held, m.parked} {
		if err := r.Register(c); err != nil {
			return err
		}
	}
	return nil
}

func (m *tapMetrics) captured(way string, size int64) {
	m.messages.WithLabelValues(way).Inc()
	m.bytes.WithLabelValues(way).Add(float64(size))
}

func (m *tapMetrics) lost(reason string) { m.losses.WithLabelValues(reason).Inc() }
