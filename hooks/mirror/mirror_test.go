package mirror_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/hooks/mirror"
	"heliograph/internal/journal"
	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// offer is a mail from wang to li with another Message-ID and Date for each n.
func offer(n int) string {
	return fmt.Sprintf("Message-ID: <offer-%d@example.com>\nDate: Mon, 4 Mar 2024 09:15:%02d +0800\nFrom: Wang Fang <wang@example.com>\n"+
		"To: Li Lei <li@customer.test>\nSubject: Offer\nContent-Type: text/plain; charset=utf-8\n\n报价见附件。\n", n, n%60)
}

func TestSeenThreeTimesDeliveredOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCRM("li@customer.test")
		w := open(t, db, oneTarget(c))
		w.startHooks()
		for _, account := range []string{"wang@example.com", "zhao@example.com", "sun@example.com"} {
			w.submit(mail{account: account, recipients: to("li@customer.test"), raw: offer(1)})
		}
		w.awaitStates("crm", "pending", "pending", "pending")
		w.run(w.mirror.Run)
		w.awaitStates("crm", "mirrored", "mirrored", "mirrored")
		// One more when all is done.
		w.submit(mail{account: "late@example.com", recipients: to("li@customer.test"), raw: offer(1)})
		w.awaitStates("crm", "mirrored", "mirrored", "mirrored", "mirrored")
		if c.called() != 1 || len(c.logged()) != 1 {
			t.Fatalf("%d calls, %d activities, want one", c.called(), len(c.logged()))
		}
		a := c.logged()[0]
		accounts := slices.Sorted(slices.Values(a.Accounts))
		if len(a.Sightings) != 3 || !slices.Equal(accounts, []string{"sun@example.com", "wang@example.com", "zhao@example.com"}) {
			t.Errorf("sightings %+v, accounts %v", a.Sightings, accounts)
		}
		if a.Direction != crmclient.Outbound || a.Text != "报价见附件。" || a.MessageID != "offer-1@example.com" || a.From.Name != "Wang Fang" ||
			len(a.Contacts) != 1 || a.Contacts[0].ID != "c-li@customer.test" || a.Unconfirmed || a.Automated || a.Thread == "" {
			t.Errorf("activity %+v", a)
		}
	})
}

func TestSameWordsTwiceAreTwo(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCRM()
		w := open(t, db, oneTarget(c))
		w.start()
		w.submit(mail{account: "wang@example.com", recipients: to("li@customer.test"), raw: offer(1)})
		w.submit(mail{account: "wang@example.com", recipients: to("li@customer.test"), raw: offer(2)})
		w.awaitStates("crm", "mirrored", "mirrored")
		if len(c.logged()) != 2 {
			t.Errorf("%d activities, want 2", len(c.logged()))
		}
	})
}

func TestBlindCopiesComeFromTheEnvelope(t *testing.T) {
	t.Parallel()
	c := newCRM()
	w := open(t, storetest.SQLite(t), oneTarget(c))
	w.startHooks()
	rcpt := append(to("LI@customer.test", "boss@example.com"), journal.Recipient{Address: "gone@customer.test", Code: 550, Reply: "no"})
	w.submit(mail{account: "wang@example.com", recipients: rcpt, raw: offer(1)})
	w.submit(mail{account: "wang@example.com", recipients: to("secret@customer.test"), raw: offer(1)}) // the client sent it in two transactions
	w.awaitStates("crm", "pending", "pending")
	w.run(w.mirror.Run)
	w.awaitStates("crm", "mirrored", "mirrored")
	var bcc []string
	for _, p := range c.logged()[0].BCC {
		bcc = append(bcc, p.Address)
	}
	if !slices.Equal(bcc, []string{"boss@example.com", "secret@customer.test"}) {
		t.Errorf("bcc %v", bcc)
	}
}

func TestAttachmentsAreReadFromTheJournal(t *testing.T) {
	t.Parallel()
	c := newCRM()
	w := open(t, storetest.SQLite(t), oneTarget(c))
	w.start()
	w.submit(mail{account: "wang@example.com", recipients: to("li@customer.test"), raw: "Message-ID: <att@x>\nFrom: wang@example.com\nTo: li@customer.test\n" +
		"Content-Type: multipart/mixed; boundary=b\n\n--b\n\n..two dots\n--b\nContent-Type: application/pdf; name=a.pdf\nContent-Transfer-Encoding: base64\n\nJVBERg==\n--b--\n"})
	w.awaitStates("crm", "mirrored")
	a := c.logged()[0]
	if a.Text != "..two dots" || len(a.Attachments) != 1 {
		t.Fatalf("activity %+v", a)
	}
	for range 2 {
		r, err := a.Attachments[0].Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if sum := sha256.Sum256(b); err != nil || string(b) != "%PDF" || hex.EncodeToString(sum[:]) != a.Attachments[0].SHA256 {
			t.Errorf("attachment %q, %v", b, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestUnconfirmedIsMarked(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCRM()
		w := open(t, db, oneTarget(c))
		w.start()
		w.submit(mail{account: "wang@example.com", recipients: to("li@customer.test"), raw: offer(1), unsure: true})
		// A crash ends the session that waits for the verdict.
		w.reopen()
		w.start()
		w.awaitStates("crm", "mirrored")
		if a := c.logged()[0]; !a.Unconfirmed {
			t.Errorf("activity %+v is not marked", a)
		}
	})
}

func TestDirectionsAndScope(t *testing.T) {
	t.Parallel()
	inbound := "Message-ID: <in@customer.test>\nFrom: li@customer.test\nTo: wang@example.com\nSubject: a\n\nx\n"
	inside := "Message-ID: <in@example.com>\nFrom: wang@example.com\nTo: zhao@example.com\nSubject: a\n\nx\n"
	for _, tt := range []struct {
		name     string
		mode     config.InternalMode
		mail     mail
		target   []string // ledger rows of the target
		excluded []string // of no target
		want     crmclient.Direction
	}{
		{"inbound by relay", "", mail{kind: journal.KindRelay, reverse: "li@customer.test", recipients: to("wang@example.com"), raw: inbound}, []string{"mirrored"}, nil, crmclient.Inbound},
		{"a login makes it ours", "", mail{account: "wang", reverse: "wang@private.test", recipients: to("li@customer.test"), raw: strings.ReplaceAll(offer(1), "wang@example.com", "wang@private.test")}, []string{"mirrored"}, nil, crmclient.Outbound},
		{"internal stays", "", mail{account: "wang@example.com", recipients: to("zhao@example.com"), raw: inside}, []string{}, []string{"excluded: rule internal: everybody who took part is an employee"}, ""},
		{"internal by wish", config.InternalMirror, mail{account: "wang@example.com", recipients: to("zhao@example.com"), raw: inside}, []string{"mirrored"}, nil, crmclient.Internal},
		{"a blind customer makes it external", "", mail{account: "wang@example.com", recipients: to("zhao@example.com", "li@customer.test"), raw: inside}, []string{"mirrored"}, nil, crmclient.Outbound},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newCRM()
			o := oneTarget(c)
			o.InternalMail = tt.mode
			w := open(t, storetest.SQLite(t), o)
			w.start()
			w.submit(tt.mail)
			for _, s := range tt.excluded {
				w.eventually(s, func() bool { return slices.Contains(w.states(""), s) })
			}
			w.awaitStates("crm", tt.target...)
			if logged := c.logged(); tt.want != "" && logged[0].Direction != tt.want || tt.want == "" && len(logged) > 0 {
				t.Errorf("logged %+v, want direction %q", logged, tt.want)
			}
		})
	}
}

func TestExcludedCopyDoesNotHideAnother(t *testing.T) {
	t.Parallel()
	c := newCRM()
	w := open(t, storetest.SQLite(t), oneTarget(c))
	w.start()
	raw := "Message-ID: <b@example.com>\nDate: Mon, 4 Mar 2024 09:15:00 +0800\nFrom: wang@example.com\nTo: zhao@example.com\nSubject: a\n\nx\n"
	w.submit(mail{account: "wang@example.com", recipients: to("zhao@example.com"), raw: raw})
	w.eventually("excluded", func() bool {
		return slices.Contains(w.states(""), "excluded: rule internal: everybody who took part is an employee")
	})
	w.submit(mail{account: "wang@example.com", recipients: to("li@customer.test"), raw: raw}) // the blind copy, in a transaction of its own
	w.awaitStates("crm", "mirrored")
}

func TestRubbishIsMirroredWithAFlag(t *testing.T) {
	t.Parallel()
	c := newCRM()
	w := open(t, storetest.SQLite(t), oneTarget(c))
	w.start()
	w.submit(mail{account: "wang@example.com", recipients: to("li@customer.test"), raw: "\x00\xff\xfe no header \x01\nat all\n"})
	w.submit(mail{account: "wang@example.com", recipients: to("li@customer.test"), raw: ""})
	w.awaitStates("crm", "mirrored", "mirrored")
	for _, a := range c.logged() {
		if !slices.Contains(a.Flags, "header") || a.From.Address != "wang@example.com" || a.Date.IsZero() || len(a.BCC) != 1 {
			t.Errorf("activity %+v", a)
		}
	}
}

func TestErrorClasses(t *testing.T) {
	t.Parallel()
	fail := func(class crmclient.Class, after time.Duration, times int) func(context.Context, int) error {
		return func(_ context.Context, n int) error {
			if n > times {
				return nil
			}
			return fmt.Errorf("posting: %w", &crmclient.Error{Class: class, Message: "trouble", RetryAfter: after})
		}
	}
	for _, tt := range []struct {
		name    string
		before  func(context.Context, int) error
		waiting string // ledger row while it waits
		forward time.Duration
		calls   int
	}{
		{"retry", fail(crmclient.ClassRetry, 0, 1), "pending: logging the mail: posting: trouble", 2 * time.Second, 2},
		{"retry after", fail(crmclient.ClassRetry, time.Hour, 1), "pending: logging the mail: posting: trouble", time.Hour, 2},
		{"rate", fail(crmclient.ClassRate, 10*time.Minute, 1), "pending: logging the mail: posting: trouble", 10 * time.Minute, 2},
		{"auth", fail(crmclient.ClassAuth, 0, 1), "pending: failed: logging the mail: posting: trouble", 2 * time.Minute, 2},
		{"configuration", fail(crmclient.ClassConfiguration, 0, 1), "pending: failed: logging the mail: posting: trouble", 2 * time.Minute, 2},
		{"unclassified", func(_ context.Context, n int) error {
			if n == 1 {
				return errors.New("odd")
			}
			return nil
		}, "pending: logging the mail: odd", 2 * time.Second, 2},
		{"circuit", func(_ context.Context, n int) error {
			if n == 1 {
				return &crmclient.Error{Class: crmclient.ClassRetry, Message: "not sent", Err: crmclient.ErrCircuitOpen}
			}
			return nil
		}, "pending: logging the mail: not sent", 31 * time.Second, 2},
		{"duplicate", fail(crmclient.ClassDuplicate, 0, 1), "mirrored", 0, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newCRM()
			c.before = tt.before
			w := open(t, storetest.SQLite(t), oneTarget(c))
			w.start()
			w.submit(mail{account: "wang@example.com", recipients: to("li@customer.test"), raw: offer(1)})
			w.awaitStates("crm", tt.waiting)
			w.clock.forward(tt.forward)
			w.awaitStates("crm", "mirrored")
			if c.called() != tt.calls {
				t.Errorf("%d calls, want %d", c.called(), tt.calls)
			}
		})
	}
}

func TestWrongCredentialsLoseNothing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCRM()
		fixed := make(chan struct{})
		c.before = func(context.Context, int) error {
			select {
			case <-fixed:
				return nil
			default:
				return &crmclient.Error{Class: crmclient.ClassAuth, Message: "token expired", Status: 401}
			}
		}
		o := oneTarget(c)
		o.MaxAttempts, o.Workers = 2, 1
		w := open(t, db, o)
		w.start()
		for n := range 3 {
			w.submit(mail{account: "wang@example.com", recipients: to("li@customer.test"), raw: offer(n)})
		}
		// Half a day of failures: many more than MaxAttempts, few enough not to look like an attack.
		w.eventually("all wait", func() bool {
			s := w.states("crm")
			return len(s) == 3 && !slices.Contains(s, "pending")
		})
		for range 12 {
			before := c.called()
			w.clock.forward(time.Hour + 2*time.Minute)
			w.eventually("another try", func() bool { return c.called() > before })
			w.eventually("all wait again", func() bool { return idle(w) })
		}
		if c.called() > 12*4+4 {
			t.Errorf("%d calls with bad credentials", c.called())
		}
		for _, s := range w.states("crm") {
			if !strings.HasPrefix(s, "pending: ") || !strings.Contains(s, "token expired (status 401)") {
				t.Errorf("ledger says %q", s)
			}
		}
		close(fixed)
		w.clock.forward(2 * time.Hour)
		w.awaitStates("crm", "mirrored", "mirrored", "mirrored")
	})
}

// idle tells whether no delivery runs or is due.
func idle(w *office) bool {
	jobs, err := w.queue.List(w.t.Context(), queue.Filter{Kind: mirror.Kind("crm")})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, j := range jobs {
		if j.State == queue.StateRunning || j.State == queue.StateAvailable || j.State != queue.StateCompleted && !j.RunAt.After(w.clock.now()) {
			return false
		}
	}
	return true
}

func TestDeadLettersAndRedrive(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCRM()
		c.before = func(_ context.Context, n int) error {
			switch n {
			case 1:
				return &crmclient.Error{Class: crmclient.ClassPermanent, Message: "too long", Status: 422}
			case 2, 3:
				return &crmclient.Error{Class: crmclient.ClassRetry, Message: "down", Status: 503}
			}
			return nil
		}
		o := oneTarget(c)
		o.MaxAttempts = 2
		w := open(t, db, o)
		w.start()
		w.submit(mail{account: "wang@example.com", recipients: to("li@customer.test"), raw: offer(1)})
		w.awaitStates("crm", "failed: logging the mail: too long (status 422)")
		w.submit(mail{account: "zhao@example.com", recipients: to("li@customer.test"), raw: offer(1)})
		w.awaitStates("crm", "failed: logging the mail: too long (status 422)", "failed: logging the mail: too long (status 422)")
		redrive(w)
		w.eventually("first retry", func() bool { return c.called() == 2 && idle(w) || len(c.logged()) > 0 })
		w.clock.forward(time.Minute)
		w.awaitStates("crm", "failed: gave up after 2 attempts: logging the mail: down (status 503)", "failed: gave up after 2 attempts: logging the mail: down (status 503)")
		redrive(w)
		w.awaitStates("crm", "mirrored", "mirrored")
		if len(c.logged()) != 1 {
			t.Errorf("%d activities", len(c.logged()))
		}
	})
}

func redrive(w *office) {
	w.t.Helper()
	jobs, err := w.queue.List(w.t.Context(), queue.Filter{Kind: mirror.Kind("crm"), State: queue.StateDiscarded})
	if err != nil || len(jobs) != 1 {
		w.t.Fatalf("dead letters %+v, %v; want one", jobs, err)
	}
	if n, err := w.queue.Redrive(w.t.Context(), jobs[0].ID); n != 1 || err != nil {
		w.t.Fatalf("Redrive = %d, %v", n, err)
	}
}

func TestCrashAfterTheCRMHasIt(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCRM()
		written := make(chan struct{})
		c.after = func(ctx context.Context, n int) error {
			if n > 1 {
				return nil
			}
			close(written)
			<-ctx.Done() // the process dies before the answer is here
			return ctx.Err()
		}
		w := open(t, db, oneTarget(c))
		w.start()
		w.submit(mail{account: "wang@example.com", recipients: to("li@customer.test"), raw: offer(1)})
		<-written
		w.reopen()
		w.awaitStates("crm", "pending")
		w.start()
		w.awaitStates("crm", "mirrored")
		if c.called() != 2 || len(c.logged()) != 1 {
			t.Errorf("%d calls, %d activities; want the same key twice", c.called(), len(c.logged()))
		}
	})
}

func TestStuckTargetHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	stuck, fine := newCRM(), newCRM()
	stuck.before = func(ctx context.Context, _ int) error {
		<-ctx.Done()
		return ctx.Err()
	}
	w := open(t, storetest.SQLite(t), mirror.Options{Targets: []mirror.Target{{Name: "stuck", Client: stuck}, {Name: "fine", Client: fine}}})
	w.start()
	var want []string
	for n := range 10 {
		w.submit(mail{account: "wang@example.com", recipients: to("li@customer.test"), raw: offer(n)})
		want = append(want, "mirrored")
	}
	w.awaitStates("fine", want...)
	w.eventually("the stuck one was tried", func() bool { return stuck.called() > 0 })
	if len(stuck.logged()) != 0 {
		t.Error("the stuck target is not stuck")
	}
}

func TestTimeoutIsARetry(t *testing.T) {
	t.Parallel()
	c := newCRM()
	c.after = func(ctx context.Context, n int) error {
		if n > 1 {
			return nil
		}
		<-ctx.Done()
		return context.Cause(ctx)
	}
	o := oneTarget(c)
	o.Timeout = 100 * time.Millisecond
	w := open(t, storetest.SQLite(t), o)
	w.start()
	w.submit(mail{account: "wang@example.com", recipients: to("li@customer.test"), raw: offer(1)})
	w.awaitStates("crm", "pending: logging the mail: the target took longer than 100ms")
	w.clock.forward(time.Minute)
	w.awaitStates("crm", "mirrored")
	if len(c.logged()) != 1 {
		t.Errorf("%d activities", len(c.logged()))
	}
}

func TestUnknownCorrespondents(t *testing.T) {
	t.Parallel()
	from := func(sender, more string) string {
		return "Message-ID: <u@x>\nFrom: " + sender + "\nTo: wang@example.com, other@customer.test\n" + more + "Subject: a\n\nx\n"
	}
	relay := func(raw string) mail {
		return mail{kind: journal.KindRelay, reverse: "x@customer.test", recipients: to("wang@example.com"), raw: raw}
	}
	for _, tt := range []struct {
		name    string
		policy  config.UnmatchedMode
		mail    mail
		created string
		owner   string
	}{
		{"skip", config.UnmatchedSkip, relay(from("li@customer.test", "")), "", ""},
		{"people outside", config.UnmatchedCreate, relay(from("li@customer.test", "")), "li@customer.test other@customer.test", "wang@example.com"},
		{"no reply address", config.UnmatchedCreate, relay(from("No-Reply@customer.test", "")), "other@customer.test", "wang@example.com"},
		{"list", config.UnmatchedCreate, relay(from("li@customer.test", "List-Id: <a.b>\n")), "", ""},
		{"machine", config.UnmatchedCreate, relay(from("li@customer.test", "Auto-Submitted: auto-replied\n")), "", ""},
		{"known ones are not", config.UnmatchedCreate, relay(from("known@customer.test", "")), "other@customer.test", "wang@example.com"},
		{"blind copy", config.UnmatchedCreate, mail{account: "wang@example.com", recipients: to("li@customer.test", "hidden@customer.test", "boss@example.com"), raw: offer(1)}, "hidden@customer.test li@customer.test", "wang@example.com"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newCRM("known@customer.test")
			o := oneTarget(c)
			o.Unmatched = tt.policy
			w := open(t, storetest.SQLite(t), o)
			w.start()
			w.submit(tt.mail)
			w.awaitStates("crm", "mirrored")
			var created []string
			for _, p := range c.created {
				created = append(created, p.Address)
			}
			slices.Sort(created)
			if got := strings.Join(created, " "); got != tt.created {
				t.Errorf("created %q, want %q", got, tt.created)
			}
			for _, owner := range c.owners {
				if owner != tt.owner {
					t.Errorf("owner %q, want %q", owner, tt.owner)
				}
			}
		})
	}
}

func TestContactTroubleKeepsTheMail(t *testing.T) {
	t.Parallel()
	c := newCRM()
	c.createErr = &crmclient.Error{Class: crmclient.ClassPermanent, Message: "name is required", Status: 400}
	o := oneTarget(c)
	o.Unmatched = config.UnmatchedCreate
	w := open(t, storetest.SQLite(t), o)
	w.start()
	w.submit(mail{account: "wang@example.com", recipients: to("li@customer.test"), raw: offer(1)})
	w.awaitStates("crm", "mirrored")
}
