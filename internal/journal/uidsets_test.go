package journal

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
	"heliograph/internal/uidset"
)

// simple is the ledger of a mailbox the long way.
type simple map[uint32]uidLabel

func (s simple) apply(c uidChange) {
	for uid := range c.set.All() {
		old, known := s[uid]
		switch {
		case known && old.state == UIDCaptured:
		case !c.undo:
			s[uid] = c.label
		case old.state == c.label.state:
			delete(s, uid)
		}
	}
}

const maxTestUID = 60

func randomChange(r *rand.Rand) uidChange {
	var c uidChange
	for range 1 + r.IntN(4) {
		first := 1 + r.Uint32N(maxTestUID)
		c.set.Add(first, min(first+r.Uint32N(4), maxTestUID))
	}
	labels := []uidLabel{{UIDCaptured, ""}, {UIDExcluded, "draft"}, {UIDExcluded, "folder"}, {UIDGone, ""}, {UIDFailed, "no"}}
	c.label = labels[r.IntN(len(labels))]
	c.undo = c.label.state != UIDCaptured && r.IntN(4) == 0
	return c
}

// TestRangesInTheDatabase makes random changes to several mailboxes and compares what the database and a ledger in
// memory say with a list of all UIDs.
func TestRangesInTheDatabase(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		seed := rand.Uint64()
		r := rand.New(rand.NewPCG(seed, 1))
		const boxes = 3
		var want [boxes]simple
		var memory [boxes]uidSets
		var keys [boxes]MailboxKey
		for i := range keys {
			want[i], keys[i] = simple{}, MailboxKey{"main", "wang@example.com", "INBOX", uint32(i + 1)}
		}
		for round := range 150 {
			var updates []mailboxUpdate
			for i, key := range keys {
				if r.IntN(2) == 0 {
					continue
				}
				u := mailboxUpdate{key: key, id: key.ID()}
				for range 1 + r.IntN(3) {
					c := randomChange(r)
					u.changes = append(u.changes, c)
					want[i].apply(c)
					memory[i].apply(c)
				}
				updates = append(updates, u)
			}
			err := db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
				return writeMailboxes(ctx, tx, time.Now(), updates)
			})
			if err != nil {
				t.Fatalf("seed %d, round %d: %v", seed, round, err)
			}
			for i, key := range keys {
				if err := compare(t.Context(), db, key, want[i], memory[i]); err != nil {
					t.Fatalf("seed %d, round %d, mailbox %d: %v", seed, round, i, err)
				}
			}
		}
	})
}

func compare(ctx context.Context, db *store.DB, key MailboxKey, want simple, memory uidSets) error {
	got := simple{}
	var last uidset.Range
	var label uidLabel
	var broken error
	err := eachRange(ctx, db.Reader(), key.ID(), func(r uidset.Range, l uidLabel) {
		if r.First > r.Last || r.First <= last.Last || r.First == last.Last+1 && l == label {
			broken = fmt.Errorf("range %v behind %v", r, last)
		}
		for uid := r.First; uid <= r.Last; uid++ {
			got[uid] = l
		}
		last, label = r, l
	})
	if err = errors.Join(err, broken); err != nil {
		return err
	}
	for uid := uint32(1); uid <= maxTestUID; uid++ {
		if got[uid] != want[uid] {
			return fmt.Errorf("UID %d is %v in the database, want %v", uid, got[uid], want[uid])
		}
		if _, known := want[uid]; memory.contain(uid) != known || known && !memory.has(want[uid].state, uid) {
			return fmt.Errorf("UID %d is %v, in memory it is not", uid, want[uid])
		}
	}
	return nil
}

func TestTakeKeepsWithinTheBudget(t *testing.T) {
	t.Parallel()
	m := &mailbox{}
	var all uidset.Set
	for i := range uint32(50) {
		all.Add(3*i+1, 3*i+1)
	}
	m.changes = []uidChange{{label: uidLabel{state: UIDGone}, set: uidset.Of(500)}, {label: uidLabel{state: UIDGone}, set: all.Clone()}}
	all.Add(500, 500)
	var got uidset.Set
	for left := true; left; {
		var taken []uidChange
		budget := 20
		if taken, left = m.take(&budget); budget < 0 {
			t.Fatalf("%d more ranges than allowed", -budget)
		}
		n := 0
		for _, c := range taken {
			n += len(c.set.Ranges())
			got.AddSet(c.set)
		}
		if n == 0 || n > 20 {
			t.Fatalf("%d ranges, want up to 20", n)
		}
	}
	if !got.Equal(all) {
		t.Errorf("took %v, want %v", got, all)
	}
}

// TestSettledSurvivesAFailureOfTheStore has a transaction fail half-way: what it took must go back to where it came from.
func TestSettledSurvivesAFailureOfTheStore(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	closed := make(chan struct{})
	r := &mailboxes{
		db: db, closed: closed, caughtUp: make(chan struct{}), kick: make(chan struct{}, 1),
		loaded: map[MailboxKey]*mailbox{}, dirty: map[*mailbox]struct{}{},
	}
	close(r.caughtUp)
	want := map[MailboxKey]uidset.Set{}
	for i := range uint32(8) {
		m, err := r.open(t.Context(), MailboxKey{Mailbox: "INBOX", UIDValidity: i + 1}, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		m.Settle(UIDGone, "", uidset.Of(100*i+1))
		m.Settle(UIDFailed, "no", uidset.Of(100*i+1)) // the later one counts
		want[m.Key()] = uidset.Of(100*i + 1)
	}
	rename := func(from, to string) {
		err := db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
			_, err := tx.ExecContext(ctx, "ALTER TABLE "+from+" RENAME TO "+to)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	rename("mailbox_uids", "elsewhere")
	if more, err := r.flush(t.Context()); err == nil || !more {
		t.Fatalf("more %v, %v", more, err)
	}
	rename("elsewhere", "mailbox_uids")
	if more, err := r.flush(t.Context()); err != nil || more {
		t.Fatalf("more %v, %v", more, err)
	}
	for key, set := range want {
		_, sets, _, err := readUIDs(t.Context(), db.Reader(), key.ID())
		if err != nil || len(sets) != 1 || sets[0].state != UIDFailed || !sets[0].Equal(set) {
			t.Errorf("mailbox %d: %+v, %v, want %v", key.UIDValidity, sets, err, set)
		}
	}
}

func TestIdleLedgersLeaveMemory(t *testing.T) {
	t.Parallel()
	r := &mailboxes{loaded: map[MailboxKey]*mailbox{}, dirty: map[*mailbox]struct{}{}}
	now := time.Now()
	add := func(name string, idle time.Duration, change func(*mailbox)) {
		m := &mailbox{all: r, key: MailboxKey{Mailbox: name}, idle: now.Add(-idle)}
		change(m)
		r.loaded[m.key] = m
	}
	nothing := func(*mailbox) {}
	add("held", 2*time.Hour, func(m *mailbox) { m.holds = 1 })
	add("fresh", time.Minute, nothing)
	add("idle", 6*time.Minute, nothing)
	add("not indexed", 6*time.Minute, func(m *mailbox) { m.unindexed = uidset.Of(1) })
	add("not written", 6*time.Minute, func(m *mailbox) { m.changes = []uidChange{{}} })
	add("just enrolled", 6*time.Minute, func(m *mailbox) { m.enrolled = true })
	add("never indexed", 2*time.Hour, func(m *mailbox) { m.unindexed = uidset.Of(1) })
	r.unload(now)
	for name, want := range map[string]bool{
		"held": true, "fresh": true, "idle": false, "not indexed": true, "not written": true, "just enrolled": true, "never indexed": false,
	} {
		if got := r.loaded[MailboxKey{Mailbox: name}] != nil; got != want {
			t.Errorf("%s: in memory %v, want %v", name, got, want)
		}
	}
}

// What is captured in a mailbox whose ledger is not in memory is known to whoever loads it before the index has it.
func TestCapturedBeforeTheLedgerIsLoaded(t *testing.T) {
	t.Parallel()
	key := MailboxKey{Mailbox: "Sent", UIDValidity: 1}
	r := &mailboxes{
		loaded: map[MailboxKey]*mailbox{}, dirty: map[*mailbox]struct{}{}, caughtUp: make(chan struct{}), closed: make(chan struct{}),
	}
	r.captured(key, 7)
	r.captured(key, 8)
	r.indexed([]mailboxUpdate{{key: key, changes: []uidChange{capturedUIDs(uidset.Of(8))}}})
	release, taken := r.reserve(key, 9)
	if taken {
		t.Error("nobody has it, and it is said to be taken")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // the database is away
	if _, err := r.hold(ctx, key); err == nil {
		t.Fatal("the ledger was loaded without its database")
	}
	m := &Mailbox{mailbox: &mailbox{all: r, key: key}}
	if m.Claim(9) {
		t.Error("claimed what is reserved")
	}
	release()
	release()
	if !m.Claim(9) || len(r.reserved) != 0 {
		t.Error("what was released cannot be claimed")
	}
	if got := r.recent[key].String(); got != "7" {
		t.Errorf("%q is remembered, want 7", got)
	}
}

// A session that was shown a message before the one that appends it had its answer keeps it, and the other one is told.
func TestReserveTellsWhoWasFaster(t *testing.T) {
	t.Parallel()
	key := MailboxKey{Mailbox: "INBOX", UIDValidity: 1}
	r := &mailboxes{loaded: map[MailboxKey]*mailbox{}}
	m := &Mailbox{mailbox: &mailbox{all: r, key: key}}
	other := &Mailbox{mailbox: m.mailbox}
	r.loaded[key] = m.mailbox
	if !m.Claim(7) {
		t.Fatal("a message of nobody cannot be claimed")
	}
	m.Captured(8)
	for uid, want := range map[uint32]bool{7: true, 8: true, 9: false} {
		release, taken := r.reserve(key, uid)
		if taken != want {
			t.Errorf("UID %d: taken %v, want %v", uid, taken, want)
		}
		if other.Claim(uid) {
			t.Errorf("UID %d: claimed what is reserved", uid)
		}
		release()
	}
}
