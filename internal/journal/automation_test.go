package journal

import (
	"path/filepath"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// A rule's message is the outbox's from the moment it is sealed, with its own time and rank; written twice, it is one.
func TestAutomatedEntry(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		q := queue.Open(db, queue.Options{})
		defer q.Close()
		dir := t.TempDir()
		open := func() *Journal {
			j, err := Open(t.Context(), Options{
				Dir: filepath.Join(dir, "journal"), KeyFile: filepath.Join(dir, "key"), Store: db, Queue: q, Sync: config.SyncAlways, SegmentBytes: 1 << 20, Consumers: []string{"mirror"},
			})
			if err != nil {
				t.Fatal(err)
			}
			return j
		}
		j := open()
		later := time.Now().Add(time.Hour).Truncate(time.Microsecond).UTC()
		id := NewID(time.Now())
		for _, body := range []string{"first", "second", "third"} { // before the index can know of the first
			env := Envelope{ID: id, Kind: KindQueue, Recipients: []Recipient{{Address: "b@example.org", Code: 250}}, Automation: Automation{Effect: "e", Rule: "r", Priority: 20, NotBefore: later}}
			p := j.Begin(&env)
			if _, err := p.Write([]byte(body)); err != nil {
				t.Fatal(err)
			}
			if err := p.Seal(t.Context(), &env); err != nil {
				t.Fatal(err)
			}
			p.Close() // says nothing about the message
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		jobs, err := q.List(t.Context(), queue.Filter{Kind: OutboxKind})
		if err != nil || len(jobs) != 1 || jobs[0].Priority != 20 || !jobs[0].RunAt.Equal(later) {
			t.Fatalf("jobs are %+v: %v", jobs, err)
		}
		j = open()
		defer func() { _ = j.Close() }()
		e, err := j.Entry(t.Context(), id)
		if err != nil || e.State != StateConfirmed || !e.Automated() || e.Automation.Rule != "r" {
			t.Errorf("the entry is %+v: %v", e, err)
		}
		if e.Size != int64(len("first")) {
			t.Errorf("the entry has %d bytes: it is not the first", e.Size)
		}
		if plain := (Envelope{Kind: KindQueue}); plain.Automated() || plain.decided() {
			t.Error("a machine's mail counts as a rule's")
		}
	})
}
