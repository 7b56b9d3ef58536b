package mirror

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	messages   prometheus.Counter
	sightings  prometheus.Counter
	duplicates prometheus.Counter
	excluded   *prometheus.CounterVec
	masked     *prometheus.CounterVec
	joined     prometheus.Counter
	unclaimed  prometheus.Counter
	kin        *prometheus.CounterVec
	deliveries *prometheus.CounterVec
	lag        *prometheus.HistogramVec
	seconds    *prometheus.HistogramVec
	contacts   *prometheus.CounterVec
	paused     *prometheus.GaugeVec
	changes    *prometheus.CounterVec
	alarm      *prometheus.GaugeVec
	reviews    prometheus.Gauge
	waiting    prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		messages: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "heliograph_mirror_messages_total", Help: "Messages seen for the first time.",
		}),
		sightings: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "heliograph_mirror_sightings_total", Help: "Entries recorded as a copy of a message.",
		}),
		duplicates: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "heliograph_mirror_duplicates_total", Help: "Entries dropped because the same place in a mailbox was captured before.",
		}),
		excluded: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "heliograph_mirror_excluded_total", Help: "Sightings that were kept from all targets, by reason: sensitivity, subject-mark, rule, internal, opt-out, pause, own-list, veto.",
		}, []string{"reason"}),
		masked: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "heliograph_mirror_masked_total", Help: "Numbers and words hidden in what was about to go to a target, by kind; retries count again.",
		}, []string{"target", "kind"}),
		joined: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "heliograph_mirror_threads_joined_total", Help: "Threads that turned out to be part of another.",
		}),
		unclaimed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "heliograph_mirror_unclaimed_total", Help: "Entries recorded without a claim because another node held it for too long.",
		}),
		kin: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "heliograph_mirror_kin_total", Help: "New forms recognised as copies of known messages, by bond (strong, weak, list), and forms taken apart again (parted).",
		}, []string{"bond"}),
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "heliograph_mirror_deliveries_total",
			Help: "Attempts to deliver, by target and outcome (mirrored, duplicate, excluded, held, withdrawn, retry, rate, auth, configuration, permanent, dead, paused, stopped).",
		}, []string{"target", "outcome"}),
		lag: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "heliograph_mirror_lag_seconds", Help: "From the arrival of a message to its activity in the target.",
			Buckets: prometheus.ExponentialBuckets(0.05, 4, 11), // 50 ms to 14 h
		}, []string{"target"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "heliograph_mirror_delivery_seconds", Help: "Time one attempt to deliver took.",
			Buckets: prometheus.ExponentialBuckets(0.005, 3, 10), // 5 ms to 98 s
		}, []string{"target"}),
		contacts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "heliograph_mirror_contacts_created_total", Help: "Contacts created for unknown correspondents.",
		}, []string{"target"}),
		paused: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "heliograph_mirror_target_paused", Help: "1 while a target is left alone because its credentials or settings are wrong.",
		}, []string{"target"}),
		changes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "heliograph_mirror_changes_total",
			Help: "Attempts to update or withdraw what a target has, by target, change (update, withdraw) and outcome as of deliveries.",
		}, []string{"target", "change", "outcome"}),
		alarm: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "heliograph_target_alarm", Help: "1 while a target is past a threshold of its alarm (lag, failures, dead).",
		}, []string{"target", "kind"}),
	}
	m.reviews = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "heliograph_mirror_reviews_open", Help: "Unknown correspondents whom somebody has to decide on.",
	})
	m.waiting = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "heliograph_mirror_reviews_waiting_messages", Help: "Deliveries that wait for such decisions.",
	})
	if r != nil {
		r.MustRegister(m.reviews, m.waiting)
		r.MustRegister(m.messages, m.sightings, m.duplicates, m.excluded, m.masked, m.joined, m.unclaimed, m.kin, m.deliveries, m.lag, m.seconds, m.contacts, m.paused, m.changes, m.alarm)
	}
	return m
}

func (m *metrics) recorded(r recorded, s sighting) {
	if r.newMessage {
		m.messages.Inc()
	}
	if r.newSighting {
		m.sightings.Inc()
		if r.excluded != "" {
			m.excluded.WithLabelValues(string(r.excluded)).Inc()
		}
	}
	if r.duplicate {
		m.duplicates.Inc()
	}
	m.joined.Add(float64(r.joined))
	switch r.bond {
	case bondStrong:
		m.kin.WithLabelValues("strong").Inc()
	case bondWeak:
		m.kin.WithLabelValues("weak").Inc()
	case bondList:
		m.kin.WithLabelValues("list").Inc()
	}
	if r.again {
		m.kin.WithLabelValues("parted").Inc()
	}
}

func (m *metrics) changed(target, change, outcome string) {
	if outcome == "mirrored" {
		outcome = "done"
	}
	m.changes.WithLabelValues(target, change, outcome).Inc()
}

func (m *metrics) delivered(target, outcome string, began time.Time) {
	m.deliveries.WithLabelValues(target, outcome).Inc()
	m.seconds.WithLabelValues(target).Observe(time.Since(began).Seconds())
}
