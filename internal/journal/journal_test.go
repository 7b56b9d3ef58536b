package journal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"heliograph/internal/journal"
	"heliograph/internal/journal/journaltest"
	"heliograph/internal/journal/segment"
	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		child()
		return
	}
	storetest.Main(m)
}

// bench is a journal under test with what belongs to it.
type bench struct {
	t     testing.TB
	o     journal.Options
	j     *journal.Journal
	queue *queue.Queue
}

// start opens a journal on db. Calling it again with the same options is a restart.
func start(t testing.TB, db *store.DB, o journal.Options) *bench {
	t.Helper()
	b := &bench{t: t, queue: queue.Open(db, queue.Options{})}
	if o.Dir == "" {
		dir := t.TempDir()
		o.Dir, o.KeyFile = filepath.Join(dir, "journal"), filepath.Join(dir, "master.key")
	}
	o.Store, o.Queue = db, b.queue
	if o.Consumers == nil {
		o.Consumers = []string{"mirror", "rules"}
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = 1 << 20
	}
	var err error
	if b.j, err = journal.Open(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	b.o = o
	t.Cleanup(b.close)
	return b
}

func (b *bench) close() {
	if err := b.j.Close(); err != nil {
		b.t.Errorf("close: %v", err)
	}
}

func envelope(n int) *journal.Envelope {
	return &journal.Envelope{
		Kind: journal.KindSubmission, Account: fmt.Sprintf("user%d@example.com", n%3), Upstream: "main",
		ReversePath: "a@example.com", Recipients: []journal.Recipient{{Address: "b@example.org", Code: 250}}, DotStuffed: true,
	}
}

func wire(n int) []byte {
	return fmt.Appendf(nil, "Subject: mail %d\r\n\r\n..dot\r\n...\r\n%s\r\n", n, strings.Repeat("text ", n*100))
}

func plain(n int) []byte {
	return fmt.Appendf(nil, "Subject: mail %d\r\n\r\n.dot\r\n..\r\n%s\r\n", n, strings.Repeat("text ", n*100))
}

// seal stores an entry and leaves the verdict open.
func (b *bench) seal(n int, change func(*journal.Envelope)) (*journal.Pending, journal.ID) {
	b.t.Helper()
	env := envelope(n)
	if change != nil {
		change(env)
	}
	p := b.j.Begin(env)
	if _, err := p.Write(wire(n)); err != nil {
		b.t.Fatal(err)
	}
	if err := p.Seal(b.t.Context(), env); err != nil {
		b.t.Fatal(err)
	}
	return p, env.ID
}

var accepted = journal.Verdict{Code: 250, Text: "2.0.0 queued as 1"}

func asQueue(e *journal.Envelope) { e.Kind = journal.KindQueue }

// until calls f until it returns "", and fails with what it returned last.
func until(t testing.TB, f func() string) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		complaint := f()
		if complaint == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(complaint)
		}
		<-time.After(3 * time.Millisecond)
	}
}

// untilState waits until the index knows the entry in that state.
func (b *bench) untilState(id journal.ID, want journal.State) (e journal.Entry) {
	b.t.Helper()
	until(b.t, func() string {
		var err error
		if e, err = b.j.Entry(b.t.Context(), id); err != nil {
			return err.Error()
		}
		if e.State != want {
			return fmt.Sprintf("entry is %s, want %s", e.State, want)
		}
		return ""
	})
	return e
}

// untilRefused waits until the ledger says that the entry was refused.
func (b *bench) untilRefused(id journal.ID) (row journal.LedgerRow) {
	b.t.Helper()
	until(b.t, func() string {
		rows, err := b.j.Ledger(b.t.Context(), journal.LedgerFilter{Entry: id, State: journal.LedgerRefused})
		if err != nil || len(rows) != 1 {
			return fmt.Sprintf("ledger: %v, %v", rows, err)
		}
		row = rows[0]
		return ""
	})
	return row
}

// jobs returns kind and key of all jobs, sorted.
func (b *bench) jobs() []string {
	b.t.Helper()
	all, err := b.queue.List(b.t.Context(), queue.Filter{Limit: 10_000})
	if err != nil {
		b.t.Fatal(err)
	}
	var names []string
	for _, job := range all {
		if string(job.Payload) != job.Key {
			b.t.Errorf("job %s has payload %q", job.Key, job.Payload)
		}
		names = append(names, job.Kind+" "+job.Key)
	}
	slices.Sort(names)
	return names
}

func (b *bench) wantJobs(want ...string) {
	b.t.Helper()
	slices.Sort(want)
	if got := b.jobs(); !slices.Equal(got, want) {
		b.t.Errorf("jobs\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func consumers(id journal.ID) []string {
	return []string{"hook:mirror " + id.String(), "hook:rules " + id.String()}
}

func (b *bench) wantBody(e journal.Entry, want []byte) {
	b.t.Helper()
	r, err := b.j.Body(b.t.Context(), e)
	if err != nil {
		b.t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil {
		b.t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		b.t.Errorf("body %.100q, want %.100q", got, want)
	}
}

func TestCommitted(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := start(t, db, journal.Options{})
		p, id := b.seal(1, func(e *journal.Envelope) {
			e.Recipients[0].Reply = "\xb2\xe2\x00" // GB2312 and NUL, as providers send them
			e.Account = "user1@example.com"
		})
		p.Commit(accepted)
		p.Commit(journal.Verdict{Code: 550})
		p.Discard("too late")
		e := b.untilState(id, journal.StateConfirmed)
		if e.Verdict.Code != 250 || e.Verdict.Text != accepted.Text || e.Verdict.At.IsZero() ||
			e.Account != "user1@example.com" || e.Size != int64(len(wire(1))) || len(e.Recipients) != 1 {
			t.Errorf("entry %+v", e)
		}
		b.wantBody(e, plain(1))
		b.wantJobs(consumers(id)...)
		rows, err := b.j.Ledger(t.Context(), journal.LedgerFilter{Account: "user1@example.com"})
		if err != nil || len(rows) != 1 || rows[0].State != journal.LedgerCaptured || rows[0].Entry != id || rows[0].Reason != "" {
			t.Errorf("ledger %+v, %v", rows, err)
		}
		stats, err := b.j.Stats(t.Context())
		if err != nil || stats.Entries[journal.StateConfirmed] != 1 {
			t.Errorf("stats %+v, %v", stats, err)
		}
	})
}

func TestDiscardedLeavesOnlyALedgerRow(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := start(t, db, journal.Options{})
		same, id1 := b.seal(1, nil)
		same.Discard("550 5.7.1 no")
		later, id2 := b.seal(2, nil)
		b.untilState(id2, journal.StateSealed) // in the index before the verdict
		later.Discard("552 5.2.2 full")
		for id, reason := range map[journal.ID]string{id1: "550 5.7.1 no", id2: "552 5.2.2 full"} {
			if row := b.untilRefused(id); row.Reason != reason || row.Account == "" {
				t.Errorf("ledger row %+v", row)
			}
			if _, err := b.j.Entry(t.Context(), id); !errors.Is(err, journal.ErrNotFound) {
				t.Errorf("entry of a refused message: %v", err)
			}
		}
		b.wantJobs()
	})
}

func TestDiscardBeforeSealLeavesNothing(t *testing.T) {
	t.Parallel()
	b := start(t, storetest.SQLite(t), journal.Options{})
	env := envelope(1)
	p := b.j.Begin(env)
	if _, err := p.Write(wire(1)); err != nil {
		t.Fatal(err)
	}
	p.Discard("client vanished")
	if err := p.Seal(t.Context(), env); err == nil {
		t.Error("sealed after discard")
	}
	second, id := b.seal(2, nil)
	second.Commit(accepted)
	b.untilState(id, journal.StateConfirmed)
	rows, err := b.j.Ledger(t.Context(), journal.LedgerFilter{})
	if err != nil || len(rows) != 1 {
		t.Errorf("ledger %+v, %v", rows, err)
	}
}

func TestUnconfirmed(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := start(t, db, journal.Options{UnconfirmedAfter: 20 * time.Millisecond})
		lost, id := b.seal(1, nil)
		lost.Close()
		b.untilState(id, journal.StateUnconfirmed)
		b.wantJobs(consumers(id)...)
		b.close()

		b = start(t, db, b.o)
		if err := db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error { return b.j.Confirm(ctx, tx, id) }); err != nil {
			t.Fatal(err)
		}
		b.untilState(id, journal.StateConfirmed)
		second, id2 := b.seal(2, nil)
		second.Commit(accepted)
		b.untilState(id2, journal.StateConfirmed)
		b.wantJobs(append(consumers(id), consumers(id2)...)...)
	})
}

func TestLateVerdicts(t *testing.T) {
	t.Parallel()
	var later atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	b := start(t, storetest.SQLite(t), journal.Options{UnconfirmedAfter: 10 * time.Millisecond, Now: now})
	// Neither has closed its entry: the journal waits for them as long as an upstream may take, and longer.
	yes, id1 := b.seal(1, nil)
	no, id2 := b.seal(2, nil)
	closed, id3 := b.seal(3, nil)
	closed.Close()
	b.untilState(id3, journal.StateUnconfirmed)
	for _, id := range []journal.ID{id1, id2} {
		if e, err := b.j.Entry(t.Context(), id); err != nil || e.State != journal.StateSealed {
			t.Errorf("entry of a session that lives: %v, %v", e.State, err)
		}
	}
	later.Store(int64(2 * time.Hour))
	b.untilState(id1, journal.StateUnconfirmed)
	b.untilState(id2, journal.StateUnconfirmed)
	yes.Commit(accepted)
	no.Discard("554 5.6.0 no")
	b.untilState(id1, journal.StateConfirmed)
	b.untilRefused(id2)
	b.wantJobs(slices.Concat(consumers(id1), consumers(id2), consumers(id3))...) // those of id2 will not find it
	if _, err := b.j.Entry(t.Context(), id2); !errors.Is(err, journal.ErrNotFound) {
		t.Errorf("refused entry: %v", err)
	}
}

func TestRebuiltFromTheLog(t *testing.T) {
	t.Parallel()
	b := start(t, storetest.SQLite(t), journal.Options{UnconfirmedAfter: time.Hour})
	type want struct {
		n     int
		state journal.State
	}
	wants := map[journal.ID]want{}
	var jobs []string
	for n := range 30 {
		p, id := b.seal(n, nil)
		switch n % 3 {
		case 0:
			p.Commit(accepted)
			wants[id] = want{n, journal.StateConfirmed}
			jobs = append(jobs, consumers(id)...)
		case 1:
			p.Discard("550 no")
		case 2:
			p.Close()
			wants[id] = want{n, journal.StateSealed}
		}
	}
	// What the outbox has done must not be done again.
	var queued []journal.ID
	for range 3 {
		p, id := b.seal(1, asQueue)
		p.Commit(accepted)
		b.untilState(id, journal.StateConfirmed)
		queued = append(queued, id)
		wants[id] = want{1, journal.StateConfirmed}
	}
	outbox := func(id journal.ID) string { return "outbox " + id.String() }
	b.wantJobs(append(slices.Clone(jobs), outbox(queued[0]), outbox(queued[1]), outbox(queued[2]))...)
	err := b.o.Store.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
		return errors.Join(b.j.Mirror(ctx, tx, queued[1]), b.j.Settle(ctx, tx, queued[2]))
	})
	if err != nil {
		t.Fatal(err)
	}
	b.close()

	b = start(t, storetest.SQLite(t), b.o) // a new database
	last, id := b.seal(1, nil)
	last.Commit(accepted)
	b.untilState(id, journal.StateConfirmed)
	wants[id] = want{1, journal.StateConfirmed}
	entries, err := b.j.Entries(t.Context(), journal.Filter{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != len(wants) {
		t.Errorf("%d entries, want %d", len(entries), len(wants))
	}
	for _, e := range entries {
		if e.State != wants[e.ID].state {
			t.Errorf("entry %d is %s, want %s", wants[e.ID].n, e.State, wants[e.ID].state)
		}
		b.wantBody(e, plain(wants[e.ID].n))
	}
	jobs = append(append(jobs, consumers(id)...), outbox(queued[0]))
	b.wantJobs(append(jobs, consumers(queued[1])...)...)
}

func TestStoreAwayCostsNoMail(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	b := start(t, db, journal.Options{})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	var ids []journal.ID
	for n := range 10 {
		p, id := b.seal(n, nil)
		p.Commit(accepted)
		ids = append(ids, id)
	}
	until(t, func() string {
		if stats, _ := b.j.Stats(t.Context()); stats.Lag == 0 {
			return "the index does not say that it is behind"
		}
		return ""
	})
	o := b.o
	b.close()
	b = start(t, storetest.SQLite(t), o)
	for n, id := range ids {
		b.wantBody(b.untilState(id, journal.StateConfirmed), plain(n))
	}
}

func TestMissingKeyFileIsNoReasonForANewKey(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	b := start(t, db, journal.Options{})
	p, _ := b.seal(1, nil)
	p.Commit(accepted)
	b.close()
	if err := os.Remove(b.o.KeyFile); err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(t.Context(), b.o)
	if err == nil {
		_ = j.Close()
		t.Fatal("opened without the key")
	}
	if !strings.Contains(err.Error(), b.o.KeyFile) || !strings.Contains(err.Error(), "backup") {
		t.Errorf("unclear error: %v", err)
	}
	if _, err := os.Stat(b.o.KeyFile); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a new key was made: %v", err)
	}
}

func TestGapReason(t *testing.T) {
	t.Parallel()
	disk := journaltest.NewDisk()
	disk.Limit(1)
	b := start(t, storetest.SQLite(t), journal.Options{Dir: "/journal", KeyFile: filepath.Join(t.TempDir(), "key"), FS: disk})
	env := envelope(1)
	p := b.j.Begin(env)
	_, err := p.Write(wire(1))
	if err == nil || journal.GapReason(err) != journal.GapDiskFull {
		t.Errorf("reason %q of %v", journal.GapReason(err), err)
	}
	p.Commit(accepted)
	for _, c := range []struct {
		err  error
		want string
	}{
		{segment.ErrTimeout, journal.GapTimeout},
		{segment.ErrFailed, journal.GapIO},
		{segment.ErrClosed, journal.GapClosed},
		{segment.ErrTooLarge, journal.GapTooLarge},
		{errors.New("x"), journal.GapOther},
	} {
		if got := journal.GapReason(fmt.Errorf("sealing: %w", c.err)); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
	disk.Limit(0)
	until(t, func() string {
		if err := b.j.Err(); err != nil {
			return err.Error()
		}
		return ""
	})
}
