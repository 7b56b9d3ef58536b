package automail_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"heliograph/config"
	"heliograph/hooks/automail"
	"heliograph/internal/journal"
	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// mailboxes answers for the mailbox of the sender.
type mailboxes struct {
	found atomic.Bool
	fails atomic.Bool
	asked atomic.Int64
}

func (m *mailboxes) Find(context.Context, *automail.Account, string) (bool, error) {
	m.asked.Add(1)
	if m.fails.Load() {
		return false, errors.New("the mail server is away")
	}
	return m.found.Load(), nil
}

func (m *mailboxes) Store(context.Context, *automail.Account, string, int64, func() (io.ReadCloser, error)) (bool, error) {
	return true, nil
}

// withIMAP gives the upstream of a rig an IMAP server, which these mailboxes stand for.
func (r *rig) withIMAP(addr string, boxes automail.Mailboxes, settings ...setting) {
	r.t.Helper()
	end := config.Endpoint{Address: addr, TLS: config.TLSNone, Timeout: config.Duration(5 * time.Second)}
	r.via(config.Upstream{Name: "main", Default: true, SMTP: end, IMAP: end}, append(settings, func(o *automail.Options) { o.Mailboxes = boxes })...)
}

// hangUpBehind accepts messages and says nothing.
func hangUpBehind(p *provider) (taken *atomic.Int64) {
	taken = &atomic.Int64{}
	p.set(func(p *provider) {
		p.onData = func(c *smtp.Conn, _ string, err error) error {
			if err == nil {
				taken.Add(1)
			}
			return hangUp(c)
		}
	})
	return taken
}

// The upstream takes the message, and its answer is lost. It is not sent again; the sender's mailbox tells.
func TestLostVerdictIsLookedUp(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		p := newProvider(t, nil)
		taken := hangUpBehind(p)
		boxes := &mailboxes{}
		r := newRig(t, db, p.addr)
		r.withIMAP(p.addr, boxes)
		id := r.sendRule(ruleMail("a"))
		m := r.rests(id)
		r.wantStates(m, "bob@example.org=pending")
		if boxes.asked.Load() != 0 || !m.NextTry.After(r.clock.Now()) {
			t.Errorf("asked %d times at once, next at %v", boxes.asked.Load(), m.NextTry)
		}
		boxes.fails.Store(true)
		r.wantStates(r.next(id), "bob@example.org=pending")
		boxes.fails.Store(false)
		boxes.found.Store(true)
		r.wantStates(r.next(id), "bob@example.org=delivered")
		r.wantJob(id, queue.StateCompleted)
		r.wantTold("a", "bob@example.org=delivered!")
		if taken.Load() != 1 || !r.mirrored(id) || boxes.asked.Load() != 2 {
			t.Errorf("sent %d times, mirrored %v, asked %d times", taken.Load(), r.mirrored(id), boxes.asked.Load())
		}
	})
}

// It is not found: a person decides, and what was decided is told.
func TestLostVerdictStaysUnknown(t *testing.T) {
	t.Parallel()
	p := newProvider(t, nil)
	taken := hangUpBehind(p)
	r := newRig(t, storetest.SQLite(t), p.addr)
	r.withIMAP(p.addr, &mailboxes{})
	var ids []journal.ID
	for _, effect := range []string{"retried", "arrived", "lost"} {
		id := r.sendRule(ruleMail(effect))
		m := r.rests(id)
		for range 5 {
			if m.FinishedAt.IsZero() {
				m = r.next(id)
			}
		}
		r.wantStates(m, "bob@example.org=unknown")
		r.wantTold(effect, "bob@example.org=unknown!")
		j := r.wantJob(id, queue.StateDiscarded)
		if !strings.Contains(j.LastError, "settle or retry") || !strings.Contains(m.Recipients[0].Text, "was not found") {
			t.Errorf("the dead letter says %q, the recipient %q", j.LastError, m.Recipients[0].Text)
		}
		if r.mirrored(id) {
			t.Error("mirrored although nobody knows")
		}
		ids = append(ids, id)
	}
	if n := taken.Load(); n != 3 {
		t.Errorf("sent %d times, want 3", n)
	}
	if n := len(p.mails("")); n != 0 {
		t.Errorf("%d notices", n)
	}
	rows, err := r.journal.Ledger(t.Context(), journal.LedgerFilter{Entry: ids[0], Target: "upstream:main"})
	if err != nil || len(rows) != 1 || rows[0].State != journal.LedgerFailed || !strings.Contains(rows[0].Reason, "unknown verdict") {
		t.Errorf("the ledger says %+v: %v", rows, err)
	}
	if list, err := r.box.List(t.Context(), automail.Filter{Finished: true, State: automail.StateUnknown}); err != nil || len(list) != 3 {
		t.Errorf("%d are listed as unknown: %v", len(list), err)
	}
	p.set(func(p *provider) { p.onData = nil })
	c := control(r)
	if err := r.box.Retry(t.Context(), ids[0]); err != nil {
		t.Fatal(err)
	}
	r.wantStates(r.rests(ids[0]), "bob@example.org=delivered")
	r.wantTold("retried", "bob@example.org=unknown!", "bob@example.org=delivered!")
	if err := c.Settle(t.Context(), ids[1], true, "the customer has it"); err != nil {
		t.Fatal(err)
	}
	r.wantStates(r.rests(ids[1]), "bob@example.org=delivered")
	r.wantTold("arrived", "bob@example.org=unknown!", "bob@example.org=delivered!")
	if !r.mirrored(ids[1]) {
		t.Error("what arrived is not mirrored")
	}
	if err := c.Settle(t.Context(), ids[2], false, "the customer says so"); err != nil {
		t.Fatal(err)
	}
	r.wantStates(r.rests(ids[2]), "bob@example.org=failed")
	r.wantTold("lost", "bob@example.org=unknown!", "bob@example.org=failed!")
	if err := c.Settle(t.Context(), ids[2], true, ""); !errors.Is(err, automail.ErrUnknown) {
		t.Errorf("settled twice: %v", err)
	}
	if n := len(p.mails(service)); n != 1 {
		t.Errorf("sent %d times after all, want the retried one", n)
	}
}

// Where nobody can look, it is unknown at once.
func TestLostVerdictWithoutMailbox(t *testing.T) {
	t.Parallel()
	p := newProvider(t, nil)
	hangUpBehind(p)
	r := newRig(t, storetest.SQLite(t), p.addr)
	id := r.sendRule(ruleMail("a"))
	if m := r.rests(id); m.FinishedAt.IsZero() {
		m = r.next(id)
		r.wantStates(m, "bob@example.org=unknown")
	}
}

// Alarms go at least once, as machines' mail does.
func TestLostVerdictOfAnAlarm(t *testing.T) {
	t.Parallel()
	p := newProvider(t, nil)
	taken := hangUpBehind(p)
	r := newRig(t, storetest.SQLite(t), p.addr)
	m := ruleMail("a")
	m.Policy = automail.AtLeastOnce
	id := r.sendRule(m)
	r.wantStates(r.rests(id), "bob@example.org=pending")
	p.set(func(p *provider) { p.onData = nil })
	r.wantStates(r.next(id), "bob@example.org=delivered")
	if n := taken.Load() + int64(len(p.mails(service))); n != 2 {
		t.Errorf("sent %d times", n)
	}
}

// What asks people goes at least once, and is looked for before it goes again: over a crash between the final dot and its verdict they get it once
// where its copy is found, and otherwise again with the same Message-ID.
func TestLostVerdictOfAQuestion(t *testing.T) {
	t.Parallel()
	for name, arrived := range map[string]bool{"arrived": true, "lost": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, db *store.DB) { lostQuestion(t, db, arrived) })
		})
	}
}

func lostQuestion(t *testing.T, db *store.DB, arrived bool) {
	t.Helper()
	p := newProvider(t, nil)
	taken := hangUpBehind(p)
	boxes := &mailboxes{}
	boxes.found.Store(arrived)
	r := newRig(t, db, p.addr)
	r.withIMAP(p.addr, boxes)
	m := ruleMail("question")
	m.Policy = automail.AtLeastOnce
	id := r.sendRule(m)
	r.wantStates(r.rests(id), "bob@example.org=pending")
	p.set(func(p *provider) { p.onData = nil })
	r.withIMAP(p.addr, boxes) // a new process, which knows that the dot went out
	for range 5 {
		if last := r.rests(id); !last.FinishedAt.IsZero() {
			break
		}
		r.next(id)
	}
	r.wantStates(r.rests(id), "bob@example.org=delivered")
	r.wantTold(m.Effect, "bob@example.org=delivered!")
	again, want := p.mails(service), 1
	if arrived {
		want = 0
	}
	if taken.Load() != 1 || len(again) != want || boxes.asked.Load() != 1 {
		t.Errorf("sent %d times and %d times more, looked for %d times", taken.Load(), len(again), boxes.asked.Load())
	}
	for _, a := range again {
		if !strings.Contains(a.body, "Message-ID: <"+m.MessageID+">") {
			t.Errorf("it goes again as\n%s", a.body)
		}
	}
}

// A verdict that came is final, also a refusal behind the final dot.
func TestVerdictBehindTheDot(t *testing.T) {
	t.Parallel()
	p := newProvider(t, nil)
	var code atomic.Int64
	code.Store(451)
	p.onData = func(*smtp.Conn, string, error) error {
		if c := int(code.Load()); c != 0 {
			return refuse(c, smtp.EnhancedCode{c / 100, 3, 0}, "no")
		}
		return nil
	}
	r := newRig(t, storetest.SQLite(t), p.addr)
	id := r.sendRule(ruleMail("later"))
	r.wantStates(r.rests(id), "bob@example.org=pending")
	code.Store(0)
	r.wantStates(r.next(id), "bob@example.org=delivered")
	code.Store(554)
	r.wantStates(r.rests(r.sendRule(ruleMail("never"))), "bob@example.org=failed")
}

// The steps of an attempt, and a crash behind each of them.
func TestCrashOfAnAttempt(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		p := newProvider(t, nil)
		boxes := &mailboxes{}
		r := newRig(t, db, p.addr)
		r.withIMAP(p.addr, boxes)
		for name, c := range map[string]struct {
			state string // what the crash left
			found bool
			want  string
			sent  int
		}{
			"before the mark":                        {"UPDATE outbox_messages SET attempts = 0 WHERE entry = $1", false, "delivered", 1},
			"between mark and dot":                   {"UPDATE outbox_recipients SET dotted = 1 WHERE entry = $1", false, "unknown", 0},
			"between dot and verdict":                {"UPDATE outbox_recipients SET dotted = 1 WHERE entry = $1", true, "delivered", 0},
			"the verdict is written, not the end":    {"UPDATE outbox_recipients SET state = 'delivered', told = 'delivered' WHERE entry = $1", false, "delivered", 0},
			"the refusal is written, nobody told":    {"UPDATE outbox_recipients SET state = 'failed' WHERE entry = $1", false, "failed", 0},
			"unknown is written, the job goes on":    {"UPDATE outbox_recipients SET state = 'unknown', told = 'unknown' WHERE entry = $1", false, "unknown", 0},
			"suppressed is written, the job goes on": {"UPDATE outbox_recipients SET state = 'suppressed' WHERE entry = $1", false, "suppressed", 0},
		} {
			boxes.found.Store(c.found)
			before := len(p.mails(service))
			// The message is held once, so that its rows are there; then comes the crash.
			if err := control(r).Hold(t.Context(), automail.Scope{Kind: automail.HoldAll}, "test", "test"); err != nil {
				t.Fatal(err)
			}
			effect := strings.ReplaceAll(name, " ", "-")
			id := r.sendRule(ruleMail(effect))
			r.rests(id)
			r.stop()
			r.exec(c.state, id.String())
			r.exec(`UPDATE outbox_messages SET asked_at = $2 WHERE entry = $1`, id.String(), r.clock.Now().UnixMicro())
			if err := control(r).Release(t.Context(), automail.Scope{Kind: automail.HoldAll}); err != nil {
				t.Fatal(err)
			}
			r.withIMAP(p.addr, boxes)
			m := r.rests(id)
			for range 5 {
				if m.FinishedAt.IsZero() {
					m = r.next(id)
				}
			}
			if got := states(m); got != "bob@example.org="+c.want {
				t.Errorf("%s: %s, want %s", name, got, c.want)
			}
			if n := len(p.mails(service)) - before; n != c.sent {
				t.Errorf("%s: sent %d times, want %d", name, n, c.sent)
			}
			told := []string{"bob@example.org=" + c.want + "!"}
			if strings.Contains(c.state, "told =") {
				told = nil
			}
			r.wantTold(effect, told...)
		}
	})
}
