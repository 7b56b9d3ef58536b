package backfill_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/internal/journal/journaltest"
	"heliograph/internal/mailtest"
	"heliograph/proxy/backfill"

	"github.com/emersion/go-imap/v2"
)

const many = 1100

func TestBackfillFetchesAllOnceAndChangesNothing(t *testing.T) {
	t.Parallel()
	d := mailtest.Dovecot(t)
	deliver(t, d, 0, many)
	w := newWorld(t, dovecotUpstream(d), nil)
	before := holds(t, d, "INBOX")

	r := w.backfill(backfill.Request{}).ok(t)
	if c := r.Counts; c.Captured != many || c.Done() != many || r.Total != many || r.Missing() != 0 {
		t.Fatalf("the run says %+v of %d", c, r.Total)
	}
	w.same("INBOX", before)
	if after := holds(t, d, "INBOX"); !maps.Equal(before, after) {
		t.Error("the mailbox is not as it was before")
	}

	again := w.backfill(backfill.Request{}).ok(t)
	if again.Counts.Done() != 0 || again.Total != 0 {
		t.Errorf("a second run did %+v", again.Counts)
	}
	deliver(t, d, many, many+7)
	if more := w.backfill(backfill.Request{}).ok(t); more.Counts.Captured != 7 {
		t.Errorf("a third run did %+v, want 7 captured", more.Counts)
	}
	w.same("INBOX", holds(t, d, "INBOX"))
}

func TestBackfillStopsAndGoesOn(t *testing.T) {
	t.Parallel()
	d := mailtest.Dovecot(t)
	deliver(t, d, 0, 400)
	w := newWorld(t, dovecotUpstream(d), nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stop := func(ctx2 context.Context, req *backfill.Request, report func(backfill.Event)) (backfill.Result, error) {
		return w.runner.Backfill(ctx, req, report)
	}
	r := w.run(stop, backfill.Request{Rate: backfill.Rate{Messages: 500}}, func(e backfill.Event) {
		if e.Counts.Captured > 20 {
			cancel()
		}
	})
	if !errors.Is(r.err, context.Canceled) || r.Counts.Captured == 0 || r.Counts.Captured >= 400 {
		t.Fatalf("stopped after %+v with %v", r.Counts, r.err)
	}
	rest := w.backfill(backfill.Request{}).ok(t)
	if rest.Counts.Captured != 400-r.Counts.Captured {
		t.Errorf("the second run captured %d, want %d", rest.Counts.Captured, 400-r.Counts.Captured)
	}
	w.same("INBOX", holds(t, d, "INBOX"))
}

func TestBackfillSurvivesRestartOfTheServer(t *testing.T) {
	t.Parallel()
	d := mailtest.Dovecot(t)
	deliver(t, d, 0, 600)
	w := newWorld(t, dovecotUpstream(d), nil)
	restarted := make(chan struct{})
	once := false
	r := w.run(w.runner.Backfill, backfill.Request{Rate: backfill.Rate{Messages: 400}}, func(e backfill.Event) {
		if e.Counts.Captured > 50 && !once {
			once = true
			go func() {
				defer close(restarted)
				d.Stop()
				d.Start()
			}()
		}
	}).ok(t)
	<-restarted
	if r.Counts.Captured != 600 {
		t.Errorf("the run says %+v", r.Counts)
	}
	waited := false
	for _, e := range r.events {
		waited = waited || e.Kind == backfill.EventWait
	}
	if !waited {
		t.Error("the connection was not lost")
	}
	w.same("INBOX", holds(t, d, "INBOX"))
}

func TestBackfillOfFolders(t *testing.T) {
	t.Parallel()
	d := mailtest.Dovecot(t)
	c := client(t, d)
	for _, name := range []string{"客户/华东", "客户/AT&T 报价", "Projekte", "Trash", "Leer"} {
		must(t, c.Create(strings.ReplaceAll(name, "/", "."), nil).Wait())
	}
	put := func(mailbox string, n int, flags ...imap.Flag) {
		body := content(n, 2000)
		cmd := c.Append(mailbox, int64(len(body)), &imap.AppendOptions{Flags: flags, Time: time.Date(2026, 3, n, 8, 0, 0, 0, time.UTC)})
		_, err := cmd.Write(body)
		must(t, err)
		must(t, cmd.Close())
		_, err = cmd.Wait()
		must(t, err)
	}
	for n := 1; n <= 5; n++ {
		put("客户.华东", n)
		put("客户.AT&T 报价", 10+n)
	}
	put("Projekte", 20)
	put("Projekte", 21, imap.FlagDraft, imap.FlagSeen)
	put("Drafts", 22)
	put("Trash", 23)
	w := newWorld(t, dovecotUpstream(d), nil)

	dry := w.backfill(backfill.Request{All: true, DryRun: true}).ok(t)
	if dry.Total != 12 || dry.Counts.Done() != 0 || dry.row(t, "客户.华东").MissingBytes < 5*2000 {
		t.Errorf("the dry run says %+v", dry.Result)
	}
	for _, name := range []string{"Drafts", "Trash"} {
		if dry.row(t, name).Skipped == "" {
			t.Errorf("%s is not skipped", name)
		}
	}
	if r := w.backfill(backfill.Request{Mailboxes: []string{"Drafts"}}); r.err == nil || !strings.Contains(r.err.Error(), "not to be captured") {
		t.Errorf("backfill of Drafts: %v", r.err)
	}
	if r := w.backfill(backfill.Request{Mailboxes: []string{"客户.华北"}}); r.err == nil || !strings.Contains(r.err.Error(), "客户.华东") {
		t.Errorf("backfill of what is not there: %v", r.err)
	}

	// Days are those of the server's INTERNALDATE; Before is left out.
	march := func(day int) time.Time { return time.Date(2026, 3, day, 0, 0, 0, 0, time.UTC) }
	r := w.backfill(backfill.Request{Mailboxes: []string{"客户.华东"}, Since: march(2), Before: march(4)}).ok(t)
	if row := r.row(t, "客户.华东"); row.Captured != 2 || row.Messages != 2 {
		t.Errorf("two days of March: %+v", row)
	}
	if r = w.backfill(backfill.Request{All: true, Limit: 4}).ok(t); r.Counts.Done() != 4 || r.Total != 4 || r.Missing() == 0 {
		t.Errorf("with a limit of 4: %+v", r.Result)
	}
	r = w.backfill(backfill.Request{All: true}).ok(t)
	if row := r.row(t, "Projekte"); row.Excluded+row.Captured != 2 && row.Messages != 2 {
		t.Errorf("Projekte: %+v", row)
	}
	w.same("客户.华东", holds(t, d, "客户.华东"))
	w.same("客户.AT&T 报价", holds(t, d, "客户.AT&T 报价"))
	projekte := holds(t, d, "Projekte")
	for uid, h := range projekte {
		if strings.Contains(h.flags, `\Draft`) {
			delete(projekte, uid)
		}
	}
	w.same("Projekte", projekte)
	w.same("Drafts", nil)

	w.configure(func(c *config.Capture) { c.Policy = config.CaptureNone })
	if r := w.backfill(backfill.Request{}); r.err == nil || !strings.Contains(r.err.Error(), "capture.policy") {
		t.Errorf("with the policy none: %v", r.err)
	}
}

func TestOneRunPerAccount(t *testing.T) {
	t.Parallel()
	d := mailtest.Dovecot(t)
	deliver(t, d, 0, 300)
	w := newWorld(t, dovecotUpstream(d), nil)
	var second error
	w.run(w.runner.Backfill, backfill.Request{}, func(e backfill.Event) {
		if e.Kind == backfill.EventPlan {
			_, second = w.runner.Reconcile(t.Context(), &backfill.Request{Account: "LI@Example.com", Secret: []byte("x")}, func(backfill.Event) {})
		}
	}).ok(t)
	if !errors.Is(second, backfill.ErrBusy) {
		t.Errorf("a second run of the account: %v", second)
	}
	w.runner.Close()
	if r := w.backfill(backfill.Request{}); !errors.Is(r.err, backfill.ErrClosed) {
		t.Errorf("after Close: %v", r.err)
	}
}

func TestLoginRefusedByDovecot(t *testing.T) {
	t.Parallel()
	d := mailtest.Dovecot(t)
	w := newWorld(t, dovecotUpstream(d), nil)
	r := w.backfill(backfill.Request{Secret: []byte("wrong")})
	var refused *backfill.LoginError
	if !errors.As(r.err, &refused) || !strings.Contains(r.err.Error(), "check the password") || strings.Contains(r.err.Error(), "wrong") {
		t.Errorf("a wrong password: %v", r.err)
	}
	// A token where the server knows none is not even shown to it.
	if r := w.backfill(backfill.Request{Token: true}); !errors.As(r.err, &refused) || !strings.Contains(r.err.Error(), "does not offer XOAUTH2") {
		t.Errorf("a token: %v", r.err)
	}
}

func TestBackfillInAnyAlphabet(t *testing.T) {
	t.Parallel()
	d := mailtest.Dovecot(t)
	w := newWorld(t, dovecotUpstream(d), nil)
	u := mailtest.Users()[2] // whose password is no ASCII
	w.backfill(backfill.Request{Account: u.Name, Secret: []byte(u.Password)}).ok(t)
}

func TestMessagesVanishAndMailboxesAreNumberedAnew(t *testing.T) {
	t.Parallel()
	d := mailtest.Dovecot(t)
	c := client(t, d)
	must(t, c.Create("Alt", nil).Wait())
	fill := func(from, to int) {
		for n := from; n < to; n++ {
			body := content(n, 3000)
			cmd := c.Append("Alt", int64(len(body)), nil)
			_, err := cmd.Write(body)
			must(t, err)
			must(t, cmd.Close())
			_, err = cmd.Wait()
			must(t, err)
		}
	}
	fill(0, 120)
	w := newWorld(t, dovecotUpstream(d), nil)
	stage := 0
	r := w.run(w.runner.Backfill, backfill.Request{Mailboxes: []string{"Alt"}, Rate: backfill.Rate{Messages: 40}}, func(e backfill.Event) {
		if e.Kind != backfill.EventProgress || stage > 0 {
			return
		}
		stage++
		_, err := c.Select("Alt", nil).Wait()
		must(t, err)
		must(t, c.Store(imap.UIDSetNum(100, 101, 120), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close())
		must(t, c.Expunge().Close())
		must(t, c.Unselect().Wait())
	}).ok(t)
	if r.Counts.Gone != 3 || r.Counts.Captured != 117 || r.Counts.Failed != 0 {
		t.Errorf("with three messages that vanish: %+v %+v", r.Counts, r.Rows)
	}
	// The name stays, the mailbox is another.
	must(t, c.Delete("Alt").Wait())
	must(t, c.Create("Alt", nil).Wait())
	fill(0, 10)
	if r := w.backfill(backfill.Request{Mailboxes: []string{"Alt"}}).ok(t); r.Counts.Captured != 10 {
		t.Errorf("with a new UIDVALIDITY: %+v", r.Counts)
	}
}

func TestDailyBudget(t *testing.T) {
	t.Parallel()
	d := mailtest.Dovecot(t)
	deliver(t, d, 0, 400)
	w := newWorld(t, dovecotUpstream(d), nil)
	w.configure(func(c *config.Capture) { c.BytesPerDay = 4 << 20 })
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	done := errors.New("seen enough")
	work := func(_ context.Context, req *backfill.Request, report func(backfill.Event)) (backfill.Result, error) {
		return w.runner.Backfill(ctx, req, report)
	}
	r := w.run(work, backfill.Request{}, func(e backfill.Event) {
		if e.Kind == backfill.EventWait {
			cancel(done)
		}
	})
	var wait backfill.Event
	for _, e := range r.events { // one of progress may come behind it
		if e.Kind == backfill.EventWait {
			wait = e
		}
	}
	if !errors.Is(r.err, done) || r.Counts.Bytes < 3<<20 || r.Counts.Bytes > 5<<20 || !strings.Contains(wait.Text, "in a day") || time.Until(wait.Until) < time.Minute {
		t.Errorf("the run ended with %v after %d bytes; it waits for %+v", r.err, r.Counts.Bytes, wait)
	}
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	d := mailtest.Dovecot(t)
	deliver(t, d, 1, 90)
	disk := journaltest.NewDisk()
	var full atomic.Bool
	disk.Fail(func(op journaltest.Op) error {
		if full.Load() && (op.Kind == journaltest.Write || op.Kind == journaltest.Create) {
			return syscall.ENOSPC
		}
		return nil
	})
	w := newWorldOn(t, disk, dovecotUpstream(d), nil)
	w.backfill(backfill.Request{Limit: 10}).ok(t)
	full.Store(true)
	r := w.backfill(backfill.Request{})
	if !errors.Is(r.err, syscall.ENOSPC) || r.Counts.Captured > 70 || r.Counts.Failed+r.Counts.Gone > 0 {
		t.Errorf("with a full disk: %+v, %v", r.Counts, r.err)
	}
	full.Store(false)
	mailtest.Eventually(t, 20*time.Second, func() error { return w.backfill(backfill.Request{}).err })
	w.same("INBOX", holds(t, d, "INBOX"))
}
