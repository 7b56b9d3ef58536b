package segment

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// The values of the label kind of heliograph_journal_failures_total.
const (
	failCreate  = "create"  // a segment could not be created
	failWrite   = "write"   // a segment could not be written
	failSync    = "sync"    // a segment could not be synced
	failTimeout = "timeout" // a message waited too long for the disk
	failMessage = "message" // a message was not stored, for any other reason
	failMark    = "mark"    // a mark was dropped
	failLost    = "lost"    // a message that nobody waited for did not reach the disk
)

type metrics struct {
	append      prometheus.Histogram
	syncs       prometheus.Histogram
	bytes       prometheus.Counter
	failures    *prometheus.CounterVec
	corruptions prometheus.Counter
	segments    prometheus.Gauge
	writable    prometheus.Gauge
}

// latencies spans a fast NVMe disk (0.1 ms) to a disk that is about to time out.
var latencies = prometheus.ExponentialBuckets(0.0001, 2, 17)

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		append: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "heliograph_journal_append_seconds", Buckets: latencies,
			Help: "Time from the end of a message to its copy being stored.",
		}),
		syncs: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "heliograph_journal_sync_seconds", Buckets: latencies,
			Help: "Time of one sync of the journal's disk, shared by all messages that wait.",
		}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "heliograph_journal_written_bytes_total", Help: "Bytes written to journal segments, compressed and encrypted.",
		}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "heliograph_journal_failures_total", Help: "Failures of the journal's disk by kind.",
		}, []string{"kind"}),
		corruptions: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "heliograph_journal_corruptions_total", Help: "Unreadable places found in journal segments.",
		}),
		segments: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "heliograph_journal_segments", Help: "Journal segments on disk.",
		}),
		writable: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "heliograph_journal_writable", Help: "1 while the journal can be written, else 0.",
		}),
	}
	for _, kind := range []string{failCreate, failWrite, failSync, failTimeout, failMessage, failMark, failLost} {
		m.failures.WithLabelValues(kind)
	}
	if r != nil {
		r.MustRegister(m.collectors()...)
	}
	return m
}

func (m *metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.append, m.syncs, m.bytes, m.failures, m.corruptions, m.segments, m.writable}
}

func (m *metrics) unregister(r prometheus.Registerer) {
	if r == nil {
		return
	}
	for _, c := range m.collectors() {
		r.Unregister(c)
	}
}

// failureKind is the label of an error of Seal.
func failureKind(err error) string {
	if errors.Is(err, ErrTimeout) || errors.Is(err, context.DeadlineExceeded) {
		return failTimeout
	}
	return failMessage
}
