package automail

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"heliograph/internal/store"
)

// scrapeTimeout bounds what a scrape asks of the store.
const scrapeTimeout = 2 * time.Second

// metrics of the outbox. The label upstream takes names of the configuration only.
type metrics struct {
	attempts   *prometheus.CounterVec
	recipients *prometheus.CounterVec
	notices    *prometheus.CounterVec
	doubled    prometheus.Counter
	internal   prometheus.Counter
	bounces    *prometheus.CounterVec
	copies     *prometheus.CounterVec
	duration   prometheus.Histogram
	depth      *depth
}

func newMetrics(o *Outbox) *metrics {
	m := &metrics{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "heliograph_outbox_attempts_total", Help: "Delivery attempts by upstream and outcome.",
		}, []string{"upstream", "outcome"}),
		recipients: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "heliograph_outbox_recipients_total", Help: "What attempts said of recipients: delivered, relayed, deferred, failed, expired; of rules' mail also unknown, bounced, suppressed.",
		}, []string{"outcome"}),
		notices: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "heliograph_outbox_notices_total", Help: "Delivery status notifications queued, by kind.",
		}, []string{"kind"}),
		doubled: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "heliograph_outbox_double_bounces_total", Help: "Messages with a null reverse path that failed: nobody was told.",
		}),
		internal: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "heliograph_outbox_internal_errors_total", Help: "Steps put off because of trouble in the store or the journal.",
		}),
		bounces: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "heliograph_outbox_bounces_total", Help: "Reports on rules' mail: permanent, transient, unmatched.",
		}, []string{"kind"}),
		copies: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "heliograph_outbox_copies_total", Help: "Copies of rules' mail in the mailboxes of sent mail: stored, found, provider, failed.",
		}, []string{"outcome"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "heliograph_outbox_delivery_seconds", Help: "Time from acceptance to the end of a message in the outbox.",
			Buckets: []float64{.1, .5, 1, 5, 30, 120, 600, 3600, 6 * 3600, 24 * 3600, 5 * 24 * 3600},
		}),
		depth: &depth{
			o:        o,
			messages: prometheus.NewDesc("heliograph_outbox_messages", "Messages in the outbox.", nil, nil),
			oldest:   prometheus.NewDesc("heliograph_outbox_oldest_seconds", "Age of the oldest message in the outbox; 0 when it is empty.", nil, nil),
		},
	}
	return m
}

func (m *metrics) attempt(upstream string, kind outcomeKind) {
	m.attempts.WithLabelValues(upstream, string(kind)).Inc()
}

func (m *metrics) finished(msg *OutboxMessage, now time.Time, doubleBounce bool) {
	m.duration.Observe(now.Sub(msg.QueuedAt).Seconds())
	if doubleBounce {
		m.doubled.Inc()
	}
}

func (m *metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.attempts, m.recipients, m.notices, m.doubled, m.internal, m.bounces, m.copies, m.duration, m.depth}
}

func (m *metrics) register(r prometheus.Registerer) error {
	if r == nil {
		return nil
	}
	var errs []error
	for _, c := range m.collectors() {
		errs = append(errs, r.Register(c))
	}
	if err := errors.Join(errs...); err != nil {
		m.unregister(r)
		return err
	}
	return nil
}

func (m *metrics) unregister(r prometheus.Registerer) {
	if r == nil {
		return
	}
	for _, c := range m.collectors() {
		r.Unregister(c)
	}
}

// depth asks the store at each scrape, so that it is true after a restart and for all nodes.
type depth struct {
	o                *Outbox
	messages, oldest *prometheus.Desc
}

func (d *depth) Describe(ch chan<- *prometheus.Desc) {
	ch <- d.messages
	ch <- d.oldest
}

func (d *depth) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	var n, oldest int64
	err := d.o.o.Store.Reader().QueryRowContext(ctx,
		`SELECT count(*), COALESCE(min(queued_at), 0) FROM outbox_messages WHERE finished_at = 0`).Scan(&n, &oldest)
	if err != nil {
		return // an absent value says it better than a wrong one
	}
	age := 0.0
	if oldest != 0 {
		age = max(0, d.o.o.Now().Sub(store.FromMicros(oldest)).Seconds())
	}
	ch <- prometheus.MustNewConstMetric(d.messages, prometheus.GaugeValue, float64(n))
	ch <- prometheus.MustNewConstMetric(d.oldest, prometheus.GaugeValue, age)
}
