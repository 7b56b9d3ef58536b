package automail_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"heliograph/config"
	"heliograph/hooks/automail"
	"heliograph/internal/journal"
	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/proxy/upstream"
)

const (
	patience = 20 * time.Second
	sender   = "erp@example.com"
	text     = "From: erp@example.com\r\nTo: bob@example.org\r\nSubject: order\r\n\r\n.\r\n..two\r\nten pieces\r\n"
)

// clock stands still unless it is moved.
type clock struct{ at atomic.Int64 }

func (c *clock) Now() time.Time          { return time.UnixMicro(c.at.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.at.Add(d.Microseconds()) }

// rig is an outbox over a real journal, store and queue.
type rig struct {
	t       *testing.T
	clock   *clock
	dir     string
	db      *store.DB
	queue   *queue.Queue
	journal *journal.Journal
	router  *upstream.Router
	reg     *prometheus.Registry
	box     *automail.Outbox
	stop    func()

	sent           int
	user, password string

	mu   sync.Mutex // guards told
	told []automail.Settlement
}

type setting func(*automail.Options)

// newRig starts an outbox that sends to the upstream at addr.
func newRig(t *testing.T, db *store.DB, addr string, settings ...setting) *rig {
	t.Helper()
	r := &rig{t: t, clock: &clock{}, dir: t.TempDir(), db: db, reg: prometheus.NewRegistry()}
	r.clock.at.Store(time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC).UnixMicro())
	r.queue = queue.Open(db, queue.Options{Now: r.clock.Now, Poll: 10 * time.Millisecond})
	t.Cleanup(r.queue.Close)
	r.journal = r.journalOf("test")
	var err error
	r.router, err = upstream.New([]config.Upstream{{
		Name: "main", Default: true,
		SMTP: config.Endpoint{Address: addr, TLS: config.TLSNone, Timeout: config.Duration(5 * time.Second)},
	}}, upstream.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.router.Close)
	r.open(settings...)
	return r
}

// journalOf opens the journal of a node, closed when the test ends.
func (r *rig) journalOf(node string) *journal.Journal {
	r.t.Helper()
	j, err := journal.Open(r.t.Context(), journal.Options{
		Dir: filepath.Join(r.dir, node, "journal"), Store: r.db, Queue: r.queue, KeyFile: filepath.Join(r.dir, node+".key"),
		Sync: config.SyncAlways, UnconfirmedAfter: time.Hour, SegmentBytes: 64 << 20, Consumers: []string{"mirror"}, Node: node,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = j.Close() })
	return j
}

// open makes and runs an outbox; it is stopped when the test ends or before.
func (r *rig) open(settings ...setting) {
	r.t.Helper()
	o := automail.Options{
		Store: r.db, Queue: r.queue, Journal: r.journal, Registerer: r.reg, Now: r.clock.Now,
		Router: func() *upstream.Router { return r.router },
		Identity: func(string) (string, string, config.Secret, string) {
			return "main", r.user, config.NewSecret(r.password), "gw.example.net"
		},
		Config: config.Outbox{
			Workers: 4, ExpireIn: config.Duration(5 * 24 * time.Hour), WarnIn: config.Duration(4 * time.Hour), AutomatedShare: 50,
			Senders: []config.Sender{{Address: service, Upstream: "main"}},
		},
		Settled: r.settled,
	}
	for _, s := range settings {
		s(&o)
	}
	var err error
	if r.box, err = automail.New(o); err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan error, 1)
	go func() { done <- r.box.Run(ctx) }()
	box, stopped := r.box, false
	r.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			r.t.Errorf("run: %v", err)
		}
		box.Close()
	}
	r.t.Cleanup(r.stop)
}

// send queues a message as the listener does, and returns its id.
func (r *rig) send(body, params string, to ...journal.Recipient) journal.ID {
	r.t.Helper()
	return r.sendFrom(sender, body, params, to...)
}

func (r *rig) sendFrom(from, body, params string, to ...journal.Recipient) journal.ID {
	r.t.Helper()
	env := journal.Envelope{
		ID: journal.NewID(time.Now()), Kind: journal.KindQueue, Upstream: "main", Listener: ":2525", Session: "s1", ClientIP: "192.0.2.1",
		ReversePath: from, MailParams: params, Recipients: to, Received: r.clock.Now(), Size: int64(len(body)),
	}
	p := r.journal.Begin(&env)
	if _, err := p.Write([]byte(body)); err != nil {
		r.t.Fatal(err)
	}
	if err := p.Seal(r.t.Context(), &env); err != nil {
		r.t.Fatal(err)
	}
	p.Commit(journal.Verdict{Code: 250, Text: "queued", At: r.clock.Now()})
	r.sent++
	return env.ID
}

func rcpt(address string, params ...string) journal.Recipient {
	return journal.Recipient{Address: address, Params: strings.Join(params, " "), Code: 250}
}

// await polls until the condition holds.
func (r *rig) await(what string, ok func() bool) {
	r.t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			r.t.Fatalf("%s: not after %v", what, patience)
		}
		<-tick.C
	}
}

// job returns the newest job of a message.
func (r *rig) job(id journal.ID) (queue.Job, bool) {
	r.t.Helper()
	jobs, err := r.queue.List(r.t.Context(), queue.Filter{Kind: automail.Kind, Key: id.String(), Limit: 1})
	if err != nil {
		r.t.Fatal(err)
	}
	if len(jobs) == 0 {
		return queue.Job{}, false
	}
	return jobs[0], true
}

// rests waits until the message needs nothing more now, and returns what is known of it.
func (r *rig) rests(id journal.ID) automail.OutboxMessage {
	r.t.Helper()
	r.await("message "+id.String()+" rests", func() bool {
		j, ok := r.job(id)
		return ok && (!j.State.Live() || j.State == queue.StateScheduled && j.RunAt.After(r.clock.Now()))
	})
	m, err := r.box.Show(r.t.Context(), id)
	if err != nil {
		r.t.Fatal(err)
	}
	return m
}

// next moves the clock to the message's next attempt and waits for its end.
func (r *rig) next(id journal.ID) automail.OutboxMessage {
	r.t.Helper()
	r.idle() // moving the clock would end the leases of what runs
	j, _ := r.job(id)
	r.clock.advance(j.RunAt.Sub(r.clock.Now()))
	r.queue.Wake()
	return r.rests(id)
}

// notices waits until n notices have reached the sender.
func (r *rig) notices(p *provider, n int) []mail {
	r.t.Helper()
	r.await("notices", func() bool { return len(p.mails("")) >= n })
	r.idle()
	list := p.mails("")
	if len(list) != n {
		r.t.Fatalf("%d notices were sent, want %d", len(list), n)
	}
	return list
}

// idle waits until no job of the outbox can run, nor comes from a notice that the journal has
// not indexed yet.
func (r *rig) idle() {
	r.t.Helper()
	r.await("outbox is idle", func() bool {
		jobs, err := r.queue.List(r.t.Context(), queue.Filter{Kind: automail.Kind, Limit: 1000})
		if err != nil {
			r.t.Fatal(err)
		}
		entries := map[string]bool{}
		for _, j := range jobs {
			entries[j.Key] = true
			if j.State.Live() && !(j.State == queue.StateScheduled && j.RunAt.After(r.clock.Now())) {
				return false
			}
		}
		var written int
		if err := r.db.Reader().QueryRowContext(r.t.Context(), `SELECT COALESCE(sum(written), 0) FROM outbox_messages`).Scan(&written); err != nil {
			r.t.Fatal(err)
		}
		return len(entries) == r.sent+written
	})
}

// states writes the states of recipients as "bob@example.org=delivered …".
func states(m automail.OutboxMessage) string {
	var parts []string
	for _, r := range m.Recipients {
		parts = append(parts, r.Address+"="+string(r.State))
	}
	return strings.Join(parts, " ")
}

func (r *rig) wantStates(m automail.OutboxMessage, want string) {
	r.t.Helper()
	if got := states(m); got != want {
		r.t.Errorf("states are %s, want %s", got, want)
	}
}

func (r *rig) wantJob(id journal.ID, want queue.State) queue.Job {
	r.t.Helper()
	j, ok := r.job(id)
	if !ok || j.State != want {
		r.t.Errorf("the job is %s (%s), want %s", j.State, j.LastError, want)
	}
	return j
}

// mirrored says whether the mirror was asked to take the message.
func (r *rig) mirrored(id journal.ID) bool {
	r.t.Helper()
	jobs, err := r.queue.List(r.t.Context(), queue.Filter{Kind: "hook:mirror", Key: id.String()})
	if err != nil {
		r.t.Fatal(err)
	}
	return len(jobs) > 0
}

// again gives a finished message another job, as after a crash before the end was written.
func (r *rig) again(id journal.ID) {
	r.t.Helper()
	err := r.db.Write(r.t.Context(), func(ctx context.Context, tx store.Querier) error {
		added, err := r.queue.Add(ctx, tx, queue.New{Kind: automail.Kind, Key: id.String(), Payload: []byte(id.String())})
		if err == nil && added != 1 {
			err = errors.New("there is a job already")
		}
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.queue.Wake()
}

func (r *rig) exec(query string, args ...any) {
	r.t.Helper()
	err := r.db.Write(r.t.Context(), func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, query, args...)
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
}
