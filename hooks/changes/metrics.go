package changes

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	polls  *prometheus.CounterVec
	events *prometheus.CounterVec
	echoes *prometheus.CounterVec
	wakes  *prometheus.CounterVec
	lastOK *prometheus.GaugeVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &metrics{
		polls:  counter("heliograph_changes_rounds_total", "Rounds of following an object of a target, by outcome (ok or an error class).", "target", "outcome"),
		events: counter("heliograph_changes_told_total", "Changes of records that were told, by kind (made, changed, deleted).", "target", "kind"),
		echoes: counter("heliograph_changes_echoes_total", "Changed fields that were not told because the gateway itself wrote them.", "target"),
		wakes:  counter("heliograph_changes_wakes_total", "Records that webhooks told of, by outcome (watched or ignored).", "target", "outcome"),
		lastOK: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "heliograph_changes_followed_timestamp_seconds", Help: "When a round of the target last ended well, in Unix time.",
		}, []string{"target"}),
	}
	if r != nil {
		r.MustRegister(m.polls, m.events, m.echoes, m.wakes, m.lastOK)
	}
	return m
}

func (m *metrics) polled(target, outcome string) {
	m.polls.WithLabelValues(target, outcome).Inc()
	if outcome == "ok" {
		m.lastOK.WithLabelValues(target).SetToCurrentTime()
	}
}

func (m *metrics) told(target string, kinds []string, own int) {
	for _, kind := range kinds {
		m.events.WithLabelValues(target, kind).Inc()
	}
	if own > 0 {
		m.echoes.WithLabelValues(target).Add(float64(own))
	}
}

func (m *metrics) woken(target string, watched bool) {
	outcome := "ignored"
	if watched {
		outcome = "watched"
	}
	m.wakes.WithLabelValues(target, outcome).Inc()
}
