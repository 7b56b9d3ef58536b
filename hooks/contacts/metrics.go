package contacts

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	syncs      *prometheus.CounterVec
	syncedAt   *prometheus.GaugeVec
	records    *prometheus.GaugeVec
	conflicts  *prometheus.GaugeVec
	duplicates *prometheus.GaugeVec
	writes     *prometheus.CounterVec
	merges     *prometheus.CounterVec
	learnt     *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{"target"})
	}
	m := &metrics{
		syncs:      counter("heliograph_contacts_syncs_total", "Rounds of following the contacts of a target, by outcome (ok or an error class).", "target", "outcome"),
		syncedAt:   gauge("heliograph_contacts_synced_timestamp_seconds", "When the target last had nothing newer, in Unix time; 0 means not since the listing began."),
		records:    gauge("heliograph_contacts_records", "Contacts that are known of a target."),
		conflicts:  gauge("heliograph_contacts_conflicts_open", "Conflicts between the target and other sources that wait for a person."),
		duplicates: gauge("heliograph_contacts_duplicates_proposed", "Pairs of contacts that may be one person and wait for a person."),
		writes:     counter("heliograph_contacts_writes_total", "Attempts to change a contact in a target, by outcome (written, changed, gone or an error class).", "target", "outcome"),
		merges:     counter("heliograph_contacts_merges_total", "Contacts that were made one because they have the same address.", "target"),
		learnt:     counter("heliograph_contacts_values_learnt_total", "Values of fields that other sources than the target told, by origin.", "target", "origin"),
	}
	if r != nil {
		r.MustRegister(m.syncs, m.syncedAt, m.records, m.conflicts, m.duplicates, m.writes, m.merges, m.learnt)
	}
	return m
}

func (m *metrics) synced(target, outcome string) { m.syncs.WithLabelValues(target, outcome).Inc() }

// count brings the gauges of a target up to date.
func (b *Book) count(ctx context.Context, target string) {
	var records, conflicts, duplicates, polled int64
	err := b.o.Store.Reader().QueryRowContext(ctx, `
		SELECT (SELECT COUNT(*) FROM contact_records WHERE target = $1 AND deleted = 0),
			(SELECT COUNT(*) FROM contact_conflicts WHERE target = $1 AND state = 'open'),
			(SELECT COUNT(*) FROM contact_duplicates WHERE target = $1 AND state = 'proposed'),
			COALESCE((SELECT polled_at FROM contact_syncs WHERE target = $1), 0)`, target).
		Scan(&records, &conflicts, &duplicates, &polled)
	if err != nil {
		b.o.Logger.WarnContext(ctx, "contacts not counted", "target", target, "error", err)
		return
	}
	b.metrics.records.WithLabelValues(target).Set(float64(records))
	b.metrics.conflicts.WithLabelValues(target).Set(float64(conflicts))
	b.metrics.duplicates.WithLabelValues(target).Set(float64(duplicates))
	b.metrics.syncedAt.WithLabelValues(target).Set(float64(polled) / 1e6)
}
