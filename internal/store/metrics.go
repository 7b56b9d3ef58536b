package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// metrics are counted whether or not anyone registers them.
type metrics struct {
	latency prometheus.Histogram
	group   prometheus.Histogram
	errors  *prometheus.CounterVec
	retries prometheus.Counter
}

func newMetrics() *metrics {
	return &metrics{
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "heliograph_store_write_seconds",
			Help:    "Time from asking for a write transaction to its durable end.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2.5, 12), // 0.1 ms to 2.4 s
		}),
		group: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "heliograph_store_commit_group_size",
			Help:    "Write transactions that shared one commit (SQLite only).",
			Buckets: prometheus.ExponentialBuckets(1, 2, 8), // 1 to 128
		}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "heliograph_store_write_errors_total",
			Help: "Write transactions that ended in an error, by class.",
		}, []string{"class"}),
		retries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "heliograph_store_write_retries_total",
			Help: "Write transactions that were run again.",
		}),
	}
}

// register registers the metrics on r, if there is one, and returns what
// takes them off again.
func (m *metrics) register(r prometheus.Registerer, d Dialect, pool *sql.DB) (context.CancelFunc, error) {
	if r == nil {
		return func() {}, nil
	}
	all := []prometheus.Collector{m.latency, m.group, m.errors, m.retries, collectors.NewDBStatsCollector(pool, string(d))}
	stop := func() {
		for _, c := range all {
			r.Unregister(c)
		}
	}
	var err error
	for _, c := range all {
		err = errors.Join(err, r.Register(c))
	}
	return stop, err
}

func (m *metrics) observe(took time.Duration, err error) {
	m.latency.Observe(took.Seconds())
	if err != nil {
		m.errors.WithLabelValues(class(err)).Inc()
	}
}
