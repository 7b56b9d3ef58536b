package journal_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"heliograph/internal/journal"
	"heliograph/internal/journal/journaltest"
	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
	"heliograph/internal/uidset"
)

// childRound says in which round a child process captures mailboxes; without it, it takes submissions.
const childRound = "HELIOGRAPH_TEST_JOURNAL_ROUND"

var sentBox = journal.MailboxKey{Upstream: "main", Account: "user1@example.com", Mailbox: "Sent", UIDValidity: 9}

// captureChild captures messages as fast as it can until it is killed, and prints what is on record then.
func captureChild(dir string) {
	fail := func(err error) {
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
	}
	ctx := context.Background()
	round, err := strconv.Atoi(os.Getenv(childRound))
	fail(err)
	db, err := store.Open(ctx, "sqlite", store.Options{Dir: dir})
	fail(err)
	j, err := journal.Open(ctx, journal.Options{
		Dir: filepath.Join(dir, "journal"), Store: db, Queue: queue.Open(db, queue.Options{}),
		Consumers: []string{"mirror"}, SegmentBytes: 1 << 20, UnconfirmedAfter: time.Hour,
	})
	fail(err)
	m, err := j.OpenMailbox(ctx, inbox, uint32(1000*round+1))
	fail(err)
	fmt.Println("since", m.Since())
	var work []uint32
	missing := m.Missing(rangeOf(1, 100_000))
	for uid := range missing.All() {
		work = append(work, uid)
	}
	put := func(change func(*journal.Envelope), n uint32) *journal.Pending {
		env := envelope(1)
		change(env)
		env.Session = strconv.Itoa(int(n % 50))
		p := j.BeginTee(env)
		_, err := p.Write(wire(int(n % 50)))
		fail(err)
		fail(p.Seal(ctx, env))
		return p
	}
	var sent atomic.Uint32
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for n := w; ; n += 4 {
				switch uid := work[n]; {
				case n%10 == 9:
					m.Settle(journal.UIDGone, "", uidset.Of(uid))
				case n%4 == 3:
					uid := uint32(1000*round) + sent.Add(1)
					p := put(stored(sentBox), uid)
					p.Commit(journal.Verdict{UIDValidity: sentBox.UIDValidity, UID: uid})
					fmt.Println("appended", uid)
				default:
					put(seen(journal.KindFetch, inbox, uid), uid)
					fmt.Println("fetched", uid)
				}
			}
		})
	}
	wg.Wait()
}

// TestKilledWhileCapturing kills a process again and again and compares the sets with the entries.
func TestKilledWhileCapturing(t *testing.T) {
	t.Parallel()
	const rounds = 8
	dir := t.TempDir()
	var fetched uidset.Set
	for round := range rounds {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childVariable+"="+dir, childRound+"="+strconv.Itoa(round))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			what, number, _ := strings.Cut(lines.Text(), " ")
			uid, _ := strconv.Atoi(number)
			switch what {
			case "since":
				if uid != 1 {
					t.Errorf("round %d: since %d, want 1", round, uid)
				}
			case "fetched":
				if fetched.Contains(uint32(uid)) {
					t.Errorf("round %d: UID %d captured again", round, uid)
				}
				fetched.Add(uint32(uid), uint32(uid))
			case "error":
				t.Errorf("round %d: %s", round, lines.Text())
			}
			if n == 3+round*37%101 { // somewhere in the middle of its work
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait() // killed
	}
	o := journal.Options{
		Dir: filepath.Join(dir, "journal"), KeyFile: filepath.Join(dir, "master.key"), Consumers: []string{"mirror"}, UnconfirmedAfter: time.Hour,
	}
	b := start(t, storetest.Open(t, "sqlite", dir), o)
	b.settled()
	b.wantSets(fetched)
	b.close()
	b = start(t, storetest.SQLite(t), o)
	b.settled()
	b.wantSets(fetched)
}

// settled waits until the index has read the log.
func (b *bench) settled() {
	b.t.Helper()
	b.open(journal.MailboxKey{Mailbox: "none"}, 0)
}

// wantSets compares the captured UIDs with the entries of the mailboxes and with what must be there.
func (b *bench) wantSets(atLeast uidset.Set) {
	b.t.Helper()
	entries, err := b.j.Entries(b.t.Context(), journal.Filter{Limit: 100_000})
	if err != nil {
		b.t.Fatal(err)
	}
	there := map[journal.MailboxKey]*uidset.Set{inbox: {}, sentBox: {}}
	for _, e := range entries {
		var n int
		if _, err := fmt.Sscan(e.Session, &n); err != nil {
			b.t.Fatal(err)
		}
		b.wantBody(e, wire(n))
		if e.UID == 0 { // its verdict is lost
			continue
		}
		if there[e.Place()].Contains(e.UID) {
			b.t.Errorf("UID %d of %s has two entries", e.UID, e.Mailbox)
		}
		there[e.Place()].Add(e.UID, e.UID)
	}
	states, err := b.j.Mailboxes(b.t.Context(), journal.MailboxFilter{})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, s := range states {
		if got := s.Sets[journal.UIDCaptured]; !got.Equal(*there[s.MailboxKey]) {
			b.t.Errorf("%s: captured %v, entries of %v", s.Mailbox, got, *there[s.MailboxKey])
		}
		delete(there, s.MailboxKey)
		if lost := atLeast.Sub(s.Sets[journal.UIDCaptured]); s.MailboxKey == inbox && !lost.Empty() {
			b.t.Errorf("sealed but not there: %v", lost)
		}
	}
	for key, set := range there {
		if !set.Empty() {
			b.t.Errorf("no ledger of %s", key.Mailbox)
		}
	}
}

// sealedUID is the note that the entry of a UID is durable, enrolledNote that the mailbox is enrolled.
type (
	sealedUID    uint32
	enrolledNote struct{}
)

func TestPowerCutsWhileCapturing(t *testing.T) {
	t.Parallel()
	disk := journaltest.NewDisk()
	o := journal.Options{
		Dir: "/journal", KeyFile: filepath.Join(t.TempDir(), "key"), FS: disk,
		SegmentBytes: 64 << 10, UnconfirmedAfter: time.Hour,
	}
	b := start(t, storetest.SQLite(t), o)
	m := b.open(inbox, 42)
	disk.Note(enrolledNote{})
	put := func(n int, change func(*journal.Envelope)) *journal.Pending {
		env := envelope(1)
		change(env)
		env.Session = strconv.Itoa(n)
		p := b.j.BeginTee(env)
		_, err := p.Write(wire(n))
		if err = errors.Join(err, p.Seal(t.Context(), env)); err != nil {
			t.Fatal(err)
		}
		return p
	}
	for n := range 30 {
		uid := uint32(42 + n)
		if n%3 == 2 {
			put(10*n, stored(sentBox)).Commit(journal.Verdict{UIDValidity: sentBox.UIDValidity, UID: uid})
			continue
		}
		if !m.Claim(uid) {
			t.Fatalf("no claim for %d", uid)
		}
		put(10*n, seen(journal.KindFetch, inbox, uid))
		m.Captured(uid)
		disk.Note(sealedUID(uid))
	}
	b.close()
	db := storetest.SQLite(t)
	cuts := 0
	for cut := range disk.Cuts {
		if cuts++; cuts%3 != 0 { // package segment tests every cut
			continue
		}
		t.Run(fmt.Sprintf("cut %d before %v", cut.N, cut.Next), func(t *testing.T) {
			o := o
			o.FS = cut.Disk(journaltest.LoseSome, 1)
			wipe(t, db)
			b := start(t, db, o)
			b.settled()
			var sealed uidset.Set
			for _, note := range cut.Notes {
				switch note := note.(type) {
				case sealedUID:
					sealed.Add(uint32(note), uint32(note))
				case enrolledNote:
					if since := b.open(inbox, 99).Since(); since != 42 {
						t.Errorf("since %d, want 42", since)
					}
				}
			}
			b.wantSets(sealed)
		})
	}
	if cuts < 60 {
		t.Errorf("only %d power cuts", cuts)
	}
}
