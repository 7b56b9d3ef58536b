package journal

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"heliograph/internal/journal/segment"
)

// The reasons why a message passed without a copy.
const (
	GapDiskFull = "disk_full"
	GapIO       = "io"        // writing or syncing failed
	GapTimeout  = "timeout"   // the disk was too slow
	GapTooLarge = "too_large" // more than an entry can hold
	GapClosed   = "closed"    // the journal was shutting down
	GapOther    = "other"
)

// GapReason returns the reason for Gap that fits an error of a Pending.
func GapReason(err error) string {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return GapDiskFull
	case errors.Is(err, segment.ErrTimeout), errors.Is(err, ErrBehind), errors.Is(err, context.DeadlineExceeded):
		return GapTimeout
	case errors.Is(err, segment.ErrTooLarge):
		return GapTooLarge
	case errors.Is(err, segment.ErrClosed):
		return GapClosed
	case errors.As(err, new(syscall.Errno)), errors.Is(err, segment.ErrFailed):
		return GapIO
	}
	return GapOther
}

// Gap counts a message that was passed on without a copy. A reason that is none of
// the constants counts as GapOther.
func (j *Journal) Gap(reason string) {
	switch reason {
	case GapDiskFull, GapIO, GapTimeout, GapTooLarge, GapClosed:
	default:
		reason = GapOther
	}
	j.metrics.gaps.WithLabelValues(reason).Inc()
}

// statsAge is how old the figures of a scrape may be: counting takes the database some work.
const statsAge = 15 * time.Second

type metrics struct {
	gaps       *prometheus.CounterVec
	indexed    prometheus.Counter
	failures   prometheus.Counter
	lag        prometheus.GaugeFunc
	entries    *entryCollector
	mailboxes  prometheus.GaugeFunc
	ledger     prometheus.Counter // writes that failed
	dropped    prometheus.Counter
	registerer prometheus.Registerer
}

func newMetrics(j *Journal, r prometheus.Registerer) *metrics {
	m := &metrics{
		gaps: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "heliograph_journal_gap_total", Help: "Messages that were passed on without a copy in the journal.",
		}, []string{"reason"}),
		indexed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "heliograph_journal_indexed_total", Help: "Entries and marks that were brought into the index.",
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "heliograph_journal_index_failures_total", Help: "Failed attempts to bring the index up to date; they are repeated.",
		}),
		lag: prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "heliograph_journal_index_lag_seconds", Help: "For how long the index has been behind the journal.",
		}, func() float64 { return j.lag().Seconds() }),
		entries: &entryCollector{journal: j, desc: prometheus.NewDesc("heliograph_journal_entries",
			"Entries in the index by state.", []string{"state"}, nil)},
		mailboxes: prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "heliograph_imap_ledger_mailboxes", Help: "Mailboxes whose ledger is in memory.",
		}, func() float64 { return float64(j.mailboxes.count()) }),
		ledger: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "heliograph_imap_ledger_failures_total", Help: "Failed attempts to write what sessions settled; they are repeated.",
		}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "heliograph_imap_ledger_dropped_total", Help: "Settled sets that were not kept because the mailbox has too many.",
		}),
		registerer: r,
	}
	for _, reason := range []string{GapDiskFull, GapIO, GapTimeout, GapTooLarge, GapClosed, GapOther} {
		m.gaps.WithLabelValues(reason)
	}
	if r != nil {
		r.MustRegister(m.collectors()...)
	}
	return m
}

func (m *metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.gaps, m.indexed, m.failures, m.lag, m.entries, m.mailboxes, m.ledger, m.dropped}
}

func (m *metrics) unregister() {
	if m.registerer == nil {
		return
	}
	for _, c := range m.collectors() {
		m.registerer.Unregister(c)
	}
}

// entryCollector counts entries when it is scraped, but not too often.
type entryCollector struct {
	journal *Journal
	desc    *prometheus.Desc

	mu    sync.Mutex // guards the fields below
	at    time.Time
	stats Stats
}

func (c *entryCollector) Describe(ch chan<- *prometheus.Desc) { ch <- c.desc }

func (c *entryCollector) Collect(ch chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.at) > statsAge {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		stats, err := c.journal.Stats(ctx)
		if err != nil {
			return // the store's own metrics tell of its trouble
		}
		c.stats, c.at = stats, now
	}
	for _, state := range []State{StateSealed, StateConfirmed, StateUnconfirmed} {
		ch <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, float64(c.stats.Entries[state]), string(state))
	}
}
