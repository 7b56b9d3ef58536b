package watch_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/internal/journal"
	"heliograph/internal/mailtest"
	"heliograph/internal/store/storetest"
	"heliograph/internal/uidset"
	"heliograph/proxy/watch"

	"github.com/emersion/go-imap/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// TestNewMail sees mail within a second of its delivery, and nothing that was there before; flags do not change.
func TestNewMail(t *testing.T) {
	t.Parallel()
	d, _, up := dovecot(t)
	reg := prometheus.NewPedanticRegistry()
	w := newWorld(t, up, func(o *watch.Options) { o.Registerer = reg })
	w.enroll(support, "secret")
	c := program(t, d)
	put(t, c, "INBOX", 0, 3)
	w.watcher.Set([]config.Watch{entry(func(c *config.Watch) { c.Poll = config.Duration(time.Hour) })})
	w.until("INBOX", watch.StateIdle)
	best := time.Hour // of three: a busy machine may be late
	for i := range 3 {
		began := time.Now()
		put(t, c, "INBOX", 3+i, 4+i)
		w.entries("INBOX", i+1)
		best = min(best, time.Since(began))
	}
	if best > time.Second {
		t.Errorf("it took %v", best)
	}
	e := w.entries("INBOX", 3)[4]
	if e.Kind != journal.KindFetch || e.Account != support || e.Upstream != "main" || e.State != journal.StateConfirmed || e.InternalDate.IsZero() {
		t.Errorf("stored as %+v", e)
	}
	put(t, c, "INBOX", 6, 30)
	got := w.entries("INBOX", 27)
	there := holds(t, c, "INBOX", 4)
	same(t, got, there, w)
	for uid, h := range there {
		if h.flags != "[]" {
			t.Errorf("UID %d has the flags %s", uid, h.flags)
		}
	}
	if n := testutil.CollectAndCount(reg, "heliograph_watch_capture_seconds"); n != 1 {
		t.Errorf("%d histograms", n)
	}
	if row := w.until("INBOX", watch.StateIdle); row.Synced.IsZero() || row.Mail.IsZero() {
		t.Errorf("got %+v", row)
	}
	w.stop()
	rows, err := watch.List(t.Context(), w.db)
	must(t, err)
	if len(rows) != 1 || rows[0].State != watch.StateIdle || rows[0].Mail.IsZero() || rows[0].Node != "one" {
		t.Errorf("the store has %+v", rows)
	}
}

// TestAll captures old mail too, as backfill, and leaves out drafts and what is too large.
func TestAll(t *testing.T) {
	t.Parallel()
	d, _, up := dovecot(t)
	w := newWorld(t, up, nil)
	w.enroll(support, "secret")
	c := program(t, d)
	put(t, c, "INBOX", 0, 5) // 0 is large
	b := content(99, 100)
	cmd := c.Append("INBOX", int64(len(b)), &imap.AppendOptions{Flags: []imap.Flag{imap.FlagDraft}})
	_, err := cmd.Write(b)
	must(t, err)
	must(t, cmd.Close())
	_, err = cmd.Wait()
	must(t, err)
	w.watcher.Set([]config.Watch{entry(func(c *config.Watch) { c.Since, c.MaxMessage = config.WatchAll, 1<<20 })})
	w.entries("INBOX", 4)
	put(t, c, "INBOX", 5, 7)
	for uid, e := range w.entries("INBOX", 6) {
		if want := map[bool]journal.Kind{true: journal.KindBackfill, false: journal.KindFetch}[uid < 7]; e.Kind != want {
			t.Errorf("UID %d is %s, want %s", uid, e.Kind, want)
		}
	}
	mailtest.Eventually(t, 10*time.Second, func() error {
		if got := w.state("INBOX", 0, journal.UIDExcluded); got != "1,6" {
			return fmt.Errorf("excluded are %s", got)
		}
		return nil
	})
}

// TestWithoutIdle polls a server that does not offer IDLE.
func TestWithoutIdle(t *testing.T) {
	t.Parallel()
	d, p, up := dovecot(t)
	p.set(func() {
		p.change = func(b []byte) []byte { return bytes.ReplaceAll(b, []byte(" IDLE"), []byte(" EDLI")) }
	})
	w := newWorld(t, up, nil)
	w.enroll(support, "secret")
	w.watcher.Set([]config.Watch{entry()})
	w.until("INBOX", watch.StatePolling)
	c := program(t, d)
	put(t, c, "INBOX", 1, 3)
	same(t, w.entries("INBOX", 2), holds(t, c, "INBOX", 1), w)
}

// TestMailboxes watches more mailboxes than there are connections, by patterns, and never drafts.
func TestMailboxes(t *testing.T) {
	t.Parallel()
	d, p, up := dovecot(t)
	w := newWorld(t, up, nil)
	w.enroll(support, "secret")
	c := program(t, d)
	for _, name := range []string{"Orders", "Orders/北京", "Orders/Old"} {
		must(t, c.Create(strings.ReplaceAll(name, "/", "."), nil).Wait())
	}
	w.watcher.Set([]config.Watch{entry(func(c *config.Watch) { c.Mailboxes, c.Connections = []string{"inbox", "Orders*", "Draft*"}, 2 })})
	w.until("INBOX", watch.StateIdle)
	w.until("Orders.北京", watch.StatePolling)
	for i, name := range []string{"INBOX", "Orders", "Orders.北京", "Orders.Old"} {
		put(t, c, name, 10*i+1, 10*i+4)
		same(t, w.entries(name, 3), holds(t, c, name, 1), w)
	}
	if n := p.set(func() {}).count; n != 2 {
		t.Errorf("%d connections", n)
	}
	if rows := w.watcher.Rows(); len(rows) != 4 || w.watcher.Err() != nil {
		t.Errorf("got %+v", rows)
	}
}

// TestRestart stops Dovecot for a while. Mail that came meanwhile is captured, what was expunged meanwhile is gone.
func TestRestart(t *testing.T) {
	t.Parallel()
	d, p, up := dovecot(t)
	w := newWorld(t, up, nil)
	w.enroll(support, "secret")
	w.watcher.Set([]config.Watch{entry()})
	w.until("INBOX", watch.StateIdle)
	put(t, program(t, d), "INBOX", 1, 3)
	w.entries("INBOX", 2)
	d.Stop()
	w.until("INBOX", watch.StateWaiting)
	p.set(func() { p.refuse = true })
	d.Start()
	c := program(t, d)
	put(t, c, "INBOX", 3, 8)
	_, err := c.Select("INBOX", nil).Wait()
	must(t, err)
	must(t, c.Store(imap.UIDSetNum(4, 5), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close())
	must(t, c.Expunge().Close())
	p.set(func() { p.refuse = false })
	got := w.entries("INBOX", 5)
	delete(got, 1)
	delete(got, 2)
	same(t, got, holds(t, c, "INBOX", 3), w)
	mailtest.Eventually(t, 10*time.Second, func() error {
		if got := w.state("INBOX", 0, journal.UIDGone); got != "4:5" {
			return fmt.Errorf("gone are %q", got)
		}
		return nil
	})
}

// TestRenumbered lets the server number all messages anew. What came since the last look is captured, as backfill.
func TestRenumbered(t *testing.T) {
	t.Parallel()
	d, p, up := dovecot(t)
	w := newWorld(t, up, nil)
	w.enroll(support, "secret")
	old := program(t, d)
	b := content(50, 500)
	cmd := old.Append("INBOX", int64(len(b)), &imap.AppendOptions{Time: time.Now().AddDate(0, 0, -3)})
	_, err := cmd.Write(b)
	must(t, err)
	must(t, cmd.Close())
	_, err = cmd.Wait()
	must(t, err)
	w.watcher.Set([]config.Watch{entry()})
	w.until("INBOX", watch.StateIdle)
	must(t, storeKnows(t, w))
	p.set(func() { p.refuse = true })
	d.Stop()
	dir := d.Maildir(support)
	lists, err := filepath.Glob(filepath.Join(dir, "dovecot*"))
	must(t, err)
	for _, f := range lists {
		must(t, os.RemoveAll(f))
	}
	must(t, os.WriteFile(filepath.Join(dir, "dovecot-uidlist"), []byte("3 V424242 N10\n"), 0o600))
	d.Own(filepath.Join(dir, "dovecot-uidlist"))
	d.Start()
	c := program(t, d)
	put(t, c, "INBOX", 1, 2)
	p.set(func() { p.refuse = false })
	got := w.entries("INBOX", 1)
	if len(got) != 1 {
		t.Fatalf("got %d entries", len(got))
	}
	put(t, c, "INBOX", 2, 3)
	kinds := map[journal.Kind]int{}
	for _, e := range w.entries("INBOX", 2) {
		kinds[e.Kind]++
		if e.UIDValidity != 424242 {
			t.Errorf("UIDVALIDITY %d", e.UIDValidity)
		}
	}
	if kinds[journal.KindBackfill] != 1 || kinds[journal.KindFetch] != 1 {
		t.Errorf("got %v", kinds)
	}
}

// storeKnows waits until the store knows of the last look.
func storeKnows(t *testing.T, w *world) (err error) {
	mailtest.Eventually(t, 10*time.Second, func() error {
		rows, err := watch.List(t.Context(), w.db)
		if err == nil && (len(rows) == 0 || rows[0].Synced.IsZero()) {
			err = fmt.Errorf("the store has %+v", rows)
		}
		return err
	})
	return nil
}

// TestCuts cuts the connection at random while 500 messages come: each is captured once, as it is.
func TestCuts(t *testing.T) {
	t.Parallel()
	d, p, up := dovecot(t)
	w := newWorld(t, up, nil)
	w.enroll(support, "secret")
	w.watcher.Set([]config.Watch{entry()})
	w.until("INBOX", watch.StateIdle)
	c := program(t, d)
	r := rand.New(rand.NewPCG(1, 2))
	p.set(func() {
		p.after = func() int { // at times enough for the largest messages
			if r.IntN(4) == 0 {
				return 1_600_000 + r.IntN(1_000_000)
			}
			return 12_000 + r.IntN(150_000)
		}
	})
	for n := 1; n < 500; n += 50 {
		drop(t, d, n, n+50)
		w.entries("INBOX", n-1+25) // the next ones come while these are fetched
	}
	got := w.entries("INBOX", 500)
	same(t, got, holds(t, c, "INBOX", 1), w)
	n := p.set(func() {}).count
	if n < 5 {
		t.Errorf("only %d connections", n)
	}
	t.Logf("%d connections", n)
}

// TestHalfDead notices a connection on which nothing passes any more.
func TestHalfDead(t *testing.T) {
	t.Parallel()
	d, p, up := dovecot(t)
	w := newWorld(t, up, func(o *watch.Options) { watch.Patience(o, 200*time.Millisecond, 300*time.Millisecond) })
	w.enroll(support, "secret")
	w.watcher.Set([]config.Watch{entry(func(c *config.Watch) { c.Poll = config.Duration(time.Hour) })})
	w.until("INBOX", watch.StateIdle)
	p.set(func() { p.dead = true })
	w.until("INBOX", watch.StateWaiting)
	c := program(t, d)
	put(t, c, "INBOX", 1, 2)
	p.set(func() { p.dead = false })
	same(t, w.entries("INBOX", 1), holds(t, c, "INBOX", 1), w)
}

// TestPerson lets somebody else have claimed a message: it is not captured twice, and not forgotten.
func TestPerson(t *testing.T) {
	t.Parallel()
	d, _, up := dovecot(t)
	w := newWorld(t, up, nil)
	w.enroll(support, "secret")
	c := program(t, d)
	data, err := c.Select("INBOX", nil).Wait()
	must(t, err)
	key := journal.MailboxKey{Upstream: "main", Account: support, Mailbox: "INBOX", UIDValidity: data.UIDValidity}
	person, err := w.journal.OpenMailbox(t.Context(), key, 1)
	must(t, err)
	defer person.Close()
	for _, uid := range []uint32{1, 2} {
		if !person.Claim(uid) {
			t.Fatal("not claimed")
		}
	}
	w.watcher.Set([]config.Watch{entry()})
	w.until("INBOX", watch.StateIdle)
	put(t, c, "INBOX", 1, 4)
	if got := w.entries("INBOX", 1); len(got) != 1 || got[3].UID != 3 {
		t.Fatalf("got %+v", got)
	}
	person.Settle(journal.UIDExcluded, "private", uidset.Of(1))
	person.Release(2) // the person's program went away
	if got := w.entries("INBOX", 2); len(got) != 2 || got[2].UID != 2 {
		t.Fatalf("got %+v", got)
	}
}

// TestHandover has two nodes on one store. The first one stops, or loses its lease; the other one goes on, and nothing is
// captured twice.
func TestHandover(t *testing.T) {
	t.Parallel()
	d, p, up := dovecot(t)
	s := newShared(t, storetest.SQLite(t))
	one, two := newNode(t, "one", s, up, nil), newNode(t, "two", s, up, nil)
	one.enroll(support, "secret")
	c := program(t, d)
	one.watcher.Set([]config.Watch{entry()})
	one.until("INBOX", watch.StateIdle)
	two.watcher.Set([]config.Watch{entry()})
	two.until("INBOX", watch.StateStandby)
	put(t, c, "INBOX", 1, 60)
	if n := p.set(func() {}).count; n != 1 {
		t.Errorf("%d connections", n)
	}
	one.stop()
	put(t, c, "INBOX", 60, 90)
	two.until("INBOX", watch.StateIdle)
	put(t, c, "INBOX", 90, 120)
	same(t, two.entries("INBOX", 119), holds(t, c, "INBOX", 1), one, two)
}

// TestReload adds, changes and removes watches. The others keep their connections.
func TestReload(t *testing.T) {
	t.Parallel()
	users := []mailtest.User{{Name: support, Password: "secret"}, {Name: "orders@example.com", Password: "secret"}}
	d := mailtest.Dovecot(t, users...)
	p := newCutter(t, d.IMAPAddr)
	w := newWorld(t, plainUpstream(p.addr), nil)
	other := entry(func(c *config.Watch) { c.Address = users[1].Name })
	for _, u := range users {
		w.enroll(u.Name, u.Password)
	}
	states := func(want string) {
		t.Helper()
		mailtest.Eventually(t, 10*time.Second, func() error {
			got := ""
			for _, row := range w.watcher.Rows() {
				got += fmt.Sprintf("%s %s %s\n", row.Account, row.Mailbox, row.State)
			}
			if got != want {
				return fmt.Errorf("got %q, want %q", got, want)
			}
			return nil
		})
	}
	w.watcher.Set([]config.Watch{entry()})
	states("support@example.com INBOX idle\n")
	w.watcher.Set([]config.Watch{entry(), other})
	states("orders@example.com INBOX idle\nsupport@example.com INBOX idle\n")
	if n := p.set(func() {}).count; n != 2 {
		t.Errorf("%d connections", n)
	}
	other.Mailboxes = []string{"INBOX", "Sent"}
	w.watcher.Set([]config.Watch{entry(), other})
	states("orders@example.com INBOX idle\norders@example.com Sent idle\nsupport@example.com INBOX idle\n")
	if n := p.set(func() {}).count; n != 4 {
		t.Errorf("%d connections", n)
	}
	other.Mailboxes = []string{"Sent", "Nowhere"}
	w.watcher.Set([]config.Watch{other})
	states("orders@example.com Nowhere failed\norders@example.com Sent idle\n")
	if err := w.watcher.Err(); err == nil || !strings.Contains(err.Error(), "Nowhere") {
		t.Errorf("got %v", err)
	}
	mailtest.Eventually(t, 10*time.Second, func() error { // what is not watched any more is forgotten
		rows, err := watch.List(t.Context(), w.db)
		for _, row := range rows {
			if row.Account == support {
				err = fmt.Errorf("the store has %+v", row)
			}
		}
		return err
	})
}
