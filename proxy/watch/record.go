package watch

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"heliograph/internal/journal"
	"heliograph/internal/store"

	"github.com/prometheus/client_golang/prometheus"
)

// State says how it stands with a watched mailbox.
type State string

// The states of a mailbox.
const (
	StateConnecting State = "connecting" // on the way there
	StateIdle       State = "idle"       // the server tells of new mail
	StatePolling    State = "polling"    // it is looked at from time to time
	StateWaiting    State = "waiting"    // the provider or its server wants to be left alone for a while
	StateRefused    State = "refused"    // the login was refused: somebody must act
	StateFailed     State = "failed"     // the mailbox cannot be opened: somebody must act
	StateStandby    State = "standby"    // another node watches
)

// states are all of them, for metrics.
var states = []State{StateConnecting, StateIdle, StatePolling, StateWaiting, StateRefused, StateFailed, StateStandby}

// Row is what there is to say about one watched mailbox.
type Row struct {
	Account  string    `json:"account"`
	Mailbox  string    `json:"mailbox"` // as it is configured while it is not known better
	Upstream string    `json:"upstream"`
	State    State     `json:"state"`
	Detail   string    `json:"detail,omitempty"` // what is wrong, and what to do
	Node     string    `json:"node,omitempty"`
	Changed  time.Time `json:"changed,omitzero"` // since when the state holds
	Synced   time.Time `json:"synced,omitzero"`  // when nothing was left to do
	Mail     time.Time `json:"mail,omitzero"`    // when a message was captured last
}

// place names a row.
type place struct{ account, mailbox string }

// record keeps the rows, and brings them into the store.
type record struct {
	db      *store.DB
	node    string
	metrics *metrics

	mu    sync.Mutex // guards the fields below
	rows  map[place]*Row
	dirty map[place]bool
	drops map[place]bool // are to go from the store
}

func newRecord(db *store.DB, node string, m *metrics) *record {
	return &record{db: db, node: node, metrics: m, rows: map[place]*Row{}, dirty: map[place]bool{}, drops: map[place]bool{}}
}

// set puts the mailboxes of an account into a state. Mailboxes that have no row get one.
func (r *record) set(account, upstream string, mailboxes []string, state State, detail string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range mailboxes {
		at := place{account, name}
		row := r.rows[at]
		if row == nil {
			row = &Row{Account: account, Mailbox: name}
			r.rows[at] = row
			delete(r.drops, at)
		}
		if row.State == state && row.Detail == detail && row.Upstream == upstream {
			continue
		}
		if row.State != state {
			row.Changed = time.Now()
		}
		row.Upstream, row.State, row.Detail, row.Node = upstream, state, detail, r.node
		r.dirty[at] = true
	}
}

// keep drops the rows of an account's other mailboxes.
func (r *record) keep(account string, mailboxes []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for at := range r.rows {
		if at.account == account && !slices.Contains(mailboxes, at.mailbox) {
			delete(r.rows, at)
			delete(r.dirty, at)
			r.drops[at] = true
		}
	}
}

// synced notes that nothing was left to do in a mailbox, and whether mail came.
func (r *record) synced(account, mailbox string, mail bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := place{account, mailbox}
	row := r.rows[at]
	if row == nil {
		return
	}
	now := time.Now()
	// Often enough for who reads it; and each write costs the disk a sync.
	if mail || now.Sub(row.Synced) > time.Minute {
		r.dirty[at] = true
	}
	row.Synced = now
	if mail {
		row.Mail = now
	}
}

// list returns the rows, sorted.
func (r *record) list() []Row {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]Row, 0, len(r.rows))
	for _, row := range r.rows {
		list = append(list, *row)
	}
	slices.SortFunc(list, compareRows)
	return list
}

func compareRows(a, b Row) int {
	return cmp.Or(strings.Compare(a.Account, b.Account), strings.Compare(a.Mailbox, b.Mailbox))
}

// run writes what changed, until ctx ends and once more then.
func (r *record) run(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_ = r.flush(ctx) // what could not be written is written with the next tick
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
			defer cancel()
			_ = r.flush(last) // the next node writes its own
			return
		}
	}
}

// flushTime bounds the last write at the end.
const flushTime = 2 * time.Second

// flush writes what changed. A node that stands by writes nothing: what another one says is newer.
func (r *record) flush(ctx context.Context) error {
	r.mu.Lock()
	var rows []Row
	for at := range r.dirty {
		if row := r.rows[at]; row != nil && row.State != StateStandby {
			rows = append(rows, *row)
		}
	}
	clear(r.dirty)
	drops := r.drops
	r.drops = map[place]bool{}
	r.mu.Unlock()
	if len(rows) == 0 && len(drops) == 0 {
		return nil
	}
	slices.SortFunc(rows, compareRows)
	err := r.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		for at := range drops {
			if _, err := tx.ExecContext(ctx, `DELETE FROM watches WHERE account = $1 AND mailbox = $2`, at.account, at.mailbox); err != nil {
				return err
			}
		}
		for _, row := range rows {
			if _, err := tx.ExecContext(ctx, `INSERT INTO watches (account, mailbox, upstream, synced_at, mail_at, state, detail, node, changed_at)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (account, mailbox) DO UPDATE SET upstream = $3,
				synced_at = CASE WHEN watches.synced_at > $4 THEN watches.synced_at ELSE $4 END,
				mail_at = CASE WHEN watches.mail_at > $5 THEN watches.mail_at ELSE $5 END, state = $6, detail = $7, node = $8, changed_at = $9`,
				row.Account, row.Mailbox, row.Upstream, micros(row.Synced), micros(row.Mail), string(row.State), row.Detail, row.Node, micros(row.Changed)); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, row := range rows {
		r.dirty[place{row.Account, row.Mailbox}] = true
	}
	for at := range drops {
		if r.rows[at] == nil {
			r.drops[at] = true
		}
	}
	return fmt.Errorf("write the state of watched mailboxes: %w", err)
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return store.Micros(t)
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return store.FromMicros(us)
}

// forget deletes what is stored of accounts that are not watched any more, so that a later watch begins anew.
func (r *record) forget(ctx context.Context, watched map[string]bool) error {
	rows, err := List(ctx, r.db)
	if err != nil {
		return err
	}
	gone := map[string]bool{}
	for _, row := range rows {
		if !watched[row.Account] {
			gone[row.Account] = true
		}
	}
	if len(gone) == 0 {
		return nil
	}
	err = r.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		for account := range gone {
			if _, err := tx.ExecContext(ctx, `DELETE FROM watches WHERE account = $1`, account); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("forget mailboxes that are not watched any more: %w", err)
	}
	return nil
}

// List returns what is stored of all watched mailboxes, sorted by account and name.
func List(ctx context.Context, db *store.DB) (list []Row, err error) {
	rows, err := db.Reader().QueryContext(ctx, `SELECT account, mailbox, upstream, state, detail, node, changed_at, synced_at, mail_at FROM watches ORDER BY account, mailbox`)
	if err != nil {
		return nil, fmt.Errorf("list watched mailboxes: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var row Row
		var changed, synced, mail int64
		if err := rows.Scan(&row.Account, &row.Mailbox, &row.Upstream, &row.State, &row.Detail, &row.Node, &changed, &synced, &mail); err != nil {
			return nil, fmt.Errorf("list watched mailboxes: %w", err)
		}
		row.Changed, row.Synced, row.Mail = fromMicros(changed), fromMicros(synced), fromMicros(mail)
		list = append(list, row)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list watched mailboxes: %w", err)
	}
	return list, nil
}

// mark is where a watch began.
type mark struct {
	since   uint32    // the first UID that is new mail
	renewed bool      // the messages were numbered anew since the last look
	synced  time.Time // when that was
}

// begin notes where the watch of a mailbox begins, or returns where it began. next is the UID that the next message gets.
func (r *record) begin(ctx context.Context, key journal.MailboxKey, next uint32) (m mark, err error) {
	err = r.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		var validity, since, synced int64
		row := tx.QueryRowContext(ctx, `SELECT uidvalidity, since, synced_at FROM watches WHERE account = $1 AND mailbox = $2 AND upstream = $3`, key.Account, key.Mailbox, key.Upstream)
		switch err := row.Scan(&validity, &since, &synced); {
		case err != nil && !errors.Is(err, sql.ErrNoRows):
			return err
		case err == nil && validity == int64(key.UIDValidity) && since > 0:
			m = mark{since: uint32(since)}
			return nil
		}
		m = mark{since: next, renewed: validity != 0, synced: fromMicros(synced)}
		_, err := tx.ExecContext(ctx, `INSERT INTO watches (account, mailbox, upstream, uidvalidity, since, began_at) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (account, mailbox) DO UPDATE SET upstream = $3, uidvalidity = $4, since = $5, began_at = $6`,
			key.Account, key.Mailbox, key.Upstream, int64(key.UIDValidity), int64(next), store.Micros(time.Now()))
		return err
	})
	if err != nil {
		return mark{}, fmt.Errorf("note where the watch of %s begins: %w", key.Mailbox, err)
	}
	return m, nil
}

// metrics count what watches do. Every label has a closed set of values.
type metrics struct {
	mailboxes   *prometheus.Desc
	messages    *prometheus.CounterVec
	bytes       prometheus.Counter
	connections *prometheus.CounterVec
	breaks      *prometheus.CounterVec
	noticed     *prometheus.CounterVec
	seconds     prometheus.Histogram
}

func newMetrics(r prometheus.Registerer, rows func() []Row) *metrics {
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "heliograph", Subsystem: "watch", Name: name, Help: help}
	}
	vec := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts(opts(name, help)), []string{label})
	}
	m := &metrics{
		mailboxes: prometheus.NewDesc("heliograph_watch_mailboxes",
			"Watched mailboxes by state: connecting, idle, polling, waiting, refused, failed, standby.", []string{"state"}, nil),
		messages: vec("messages_total", "Messages of watched mailboxes by what became of them: captured, excluded, gone, failed.", "outcome"),
		bytes:    prometheus.NewCounter(prometheus.CounterOpts(opts("bytes_total", "Bytes of messages that were fetched from watched mailboxes."))),
		connections: vec("connections_total",
			"Connections to watched mailboxes by outcome: ok, grant (no credential), refused (login), slowed (by the provider), error.", "outcome"),
		breaks:  vec("breaks_total", "Ends of connections to watched mailboxes by reason: hung_up, silent, bye, flood, slowed, store, refused, other.", "reason"),
		noticed: vec("noticed_total", "New mail by how it was noticed: told (by the server), looked (by a look of our own).", "by"),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "heliograph", Subsystem: "watch", Name: "capture_seconds",
			Help:    "Time from the notice of new mail to its durable copy.",
			Buckets: []float64{0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60},
		}),
	}
	if r != nil {
		r.MustRegister(m.messages, m.bytes, m.connections, m.breaks, m.noticed, m.seconds, &gauge{m.mailboxes, rows})
	}
	return m
}

// gauge counts the rows of each state when it is asked.
type gauge struct {
	desc *prometheus.Desc
	rows func() []Row
}

// Describe implements prometheus.Collector.
func (g *gauge) Describe(ch chan<- *prometheus.Desc) { ch <- g.desc }

// Collect implements prometheus.Collector.
func (g *gauge) Collect(ch chan<- prometheus.Metric) {
	n := map[State]int{}
	for _, row := range g.rows() {
		n[row.State]++
	}
	for _, s := range states {
		ch <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, float64(n[s]), string(s))
	}
}
