package queue

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics counts what workers do and, when scraped, what waits.
type metrics struct {
	q        *Queue
	claims   *prometheus.CounterVec
	outcomes *prometheus.CounterVec
	handle   *prometheus.HistogramVec
	depth    *prometheus.Desc
	oldest   *prometheus.Desc

	mu    sync.Mutex
	stats []Stat    // guarded by mu: the last answer of Stats
	asked time.Time // guarded by mu: when
}

const (
	// statsAge is how long a count serves further scrapes.
	statsAge = 5 * time.Second
	// statsTimeout bounds a count, so that a slow database does not stop the scrape of the rest.
	statsTimeout = 3 * time.Second
)

func newMetrics(q *Queue) *metrics {
	return &metrics{
		q: q,
		claims: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "heliograph_queue_attempts_total",
			Help: "Jobs claimed, by kind.",
		}, []string{"kind"}),
		outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "heliograph_queue_outcomes_total",
			Help: "What became of attempts: complete, retry, snooze, discard, cancel, settled, fenced, expired, panic.",
		}, []string{"kind", "outcome"}),
		handle: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "heliograph_queue_handle_seconds",
			Help:    "Time that handlers took for one job.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 9), // 1 ms to 65 s
		}, []string{"kind"}),
		depth: prometheus.NewDesc("heliograph_queue_depth", "Jobs by kind and state (live and discarded ones).",
			[]string{"kind", "state"}, nil),
		oldest: prometheus.NewDesc("heliograph_queue_oldest_seconds", "Age of the oldest job by kind and state.",
			[]string{"kind", "state"}, nil),
	}
}

func (m *metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.claims, m.outcomes, m.handle, m}
}

func (m *metrics) register(r prometheus.Registerer, logger *slog.Logger) {
	if r == nil {
		return
	}
	for _, c := range m.collectors() {
		if err := r.Register(c); err != nil {
			logger.Error("queue metrics not registered", "error", err)
		}
	}
}

func (m *metrics) unregister(r prometheus.Registerer) {
	if r == nil {
		return
	}
	for _, c := range m.collectors() {
		r.Unregister(c)
	}
}

func (m *metrics) claimed(kind string, n int) { m.claims.WithLabelValues(kind).Add(float64(n)) }

func (m *metrics) outcome(kind, outcome string, n int) {
	m.outcomes.WithLabelValues(kind, outcome).Add(float64(n))
}

// Describe implements prometheus.Collector for the counts.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	ch <- m.depth
	ch <- m.oldest
}

// Collect implements prometheus.Collector: it counts the jobs, at most every few seconds.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if time.Since(m.asked) > statsAge {
		ctx, cancel := context.WithTimeout(context.Background(), statsTimeout)
		defer cancel()
		stats, err := m.q.Stats(ctx)
		if err != nil {
			ch <- prometheus.NewInvalidMetric(m.depth, err)
			return
		}
		m.stats, m.asked = stats, time.Now()
	}
	now := m.q.o.Now()
	for _, s := range m.stats {
		ch <- prometheus.MustNewConstMetric(m.depth, prometheus.GaugeValue, float64(s.Count), s.Kind, string(s.State))
		ch <- prometheus.MustNewConstMetric(m.oldest, prometheus.GaugeValue, max(0, now.Sub(s.Oldest).Seconds()), s.Kind, string(s.State))
	}
}
