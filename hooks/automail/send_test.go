package automail_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
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

func TestSend(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		p := newProvider(t, nil)
		p.onRcpt = func(to string, _ int) error {
			if strings.HasPrefix(to, "nobody") {
				return refuse(550, smtp.EnhancedCode{5, 1, 1}, "no such user")
			}
			return nil
		}
		r := newRig(t, db, p.addr)
		mail := ruleMail("run-7/receipt", "bob@example.org", "nobody@example.org")
		id := r.sendRule(mail)
		m := r.rests(id)
		r.wantStates(m, "bob@example.org=delivered nobody@example.org=failed")
		r.wantJob(id, queue.StateCompleted)
		r.wantTold("run-7/receipt", "bob@example.org=delivered nobody@example.org=failed!")
		got := p.mails(service)
		if len(got) != 1 || got[0].body != string(mail.Message) {
			t.Fatalf("sent %+v", got)
		}
		if o := got[0].mailOpts; o.EnvelopeID != "run-7/receipt" || o.Return != "HDRS" {
			t.Errorf("MAIL had %+v", o)
		}
		if o := got[0].rcptOpts["bob@example.org"]; len(o.Notify) != 2 {
			t.Errorf("RCPT had %+v", o)
		}
		r.idle()
		if n := len(p.mails("")); n != 0 {
			t.Errorf("%d notices, the run is told instead", n)
		}
		e, err := r.journal.Entry(t.Context(), id)
		if err != nil || !e.Automated() || e.Automation.Rule != "receipt" || e.Automation.Run != "run-run-7/receipt" || e.Account != service {
			t.Errorf("the journal says %+v: %v", e.Envelope, err)
		}
		if !r.mirrored(id) {
			t.Error("the mirror was not asked")
		}
		if m.Effect.ID != "run-7/receipt" || m.Effect.Policy != automail.AtMostOnce || m.Effect.Sender != service {
			t.Errorf("the outbox says %+v", m.Effect)
		}
		f, ours, err := control(r).EffectOf(t.Context(), mail.MessageID)
		if err != nil || !ours || f.Entry != id {
			t.Errorf("the effect of the Message-ID is %+v: %v", f, err)
		}
		// Who does not exist is not written to again.
		again := r.rests(r.sendRule(ruleMail("run-8/receipt", "Nobody@example.org", "bob@example.org")))
		r.wantStates(again, "Nobody@example.org=suppressed bob@example.org=delivered")
		if list, err := r.box.List(t.Context(), automail.Filter{Finished: true, Run: "run-run-8/receipt"}); err != nil || len(list) != 1 {
			t.Errorf("the list of the run has %d: %v", len(list), err)
		}
	})
}

// Whatever a crash leaves of a Send, a repetition makes it one message.
func TestSendRepeated(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		p := newProvider(t, nil)
		r := newRig(t, db, p.addr)
		r.stop()
		// After the row of the effect.
		mail := ruleMail("a")
		first := r.sendRule(mail)
		r.exec(`DELETE FROM jobs`)
		r.exec(`DELETE FROM entries`)
		r.exec(`UPDATE outbox_effects SET queued_at = 0`)
		r.clock.advance(time.Minute) // which would give it another time
		second := r.sendRule(mail)
		if r.sent--; second != first {
			t.Errorf("the repetition made the entry %s, want %s", second, first)
		}
		// After the journal's record, before the mark.
		r.exec(`UPDATE outbox_effects SET queued_at = 0`)
		sent, err := r.box.Send(t.Context(), mail)
		if err != nil || sent.Entry != first || !sent.Repeated {
			t.Errorf("got %+v, %v", sent, err)
		}
		// With other words: the first one counts. And by many at a time.
		other := mail
		other.Message = bytes.ReplaceAll(mail.Message, []byte("Thank"), []byte("Curse"))
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if sent, err := r.box.Send(t.Context(), other); err != nil || sent.Entry != first {
					t.Errorf("got %+v, %v", sent, err)
				}
			})
		}
		all.Wait()
		r.open()
		r.wantStates(r.rests(first), "bob@example.org=delivered")
		r.idle()
		if got := p.mails(service); len(got) != 1 || !strings.Contains(got[0].body, "Thank") {
			t.Errorf("sent %d messages: %+v", len(got), got)
		}
		r.wantTold("a", "bob@example.org=delivered!")
	})
}

// The record is written twice before the index sees it: it is one entry all the same.
func TestSendRepeatedBeforeTheIndex(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	p := newProvider(t, nil)
	r := newRig(t, db, p.addr)
	mail := ruleMail("a")
	var id journal.ID
	for range 5 {
		sent, err := r.box.Send(t.Context(), mail)
		if err != nil {
			t.Fatal(err)
		}
		id = sent.Entry
		r.exec(`UPDATE outbox_effects SET queued_at = 0`)
	}
	r.sent++
	r.await("a job", func() bool { _, ok := r.job(id); return ok })
	r.wantStates(r.rests(id), "bob@example.org=delivered")
	r.idle()
	if n := len(p.mails(service)); n != 1 {
		t.Errorf("sent %d times", n)
	}
}

// An index that is built anew from the journal sends what is not sent yet as it was meant, and nothing twice.
func TestSendAfterTheDatabaseIsLost(t *testing.T) {
	t.Parallel()
	p := newProvider(t, nil)
	r := newRig(t, storetest.SQLite(t), p.addr)
	r.rests(r.sendRule(ruleMail("sent")))
	r.stop()
	waiting := ruleMail("waiting")
	waiting.NotBefore = r.clock.Now().Add(time.Hour)
	id := r.sendRule(waiting)
	if err := r.journal.Close(); err != nil {
		t.Fatal(err)
	}
	r.db = storetest.SQLite(t)
	r.queue = queue.Open(r.db, queue.Options{Now: r.clock.Now, Poll: 10 * time.Millisecond})
	t.Cleanup(r.queue.Close)
	r.journal = r.journalOf("test")
	r.sent = 1
	r.open()
	r.await("a job", func() bool { _, ok := r.job(id); return ok })
	if j, _ := r.job(id); !j.RunAt.Equal(waiting.NotBefore) {
		t.Errorf("it goes at %v, want %v", j.RunAt, waiting.NotBefore)
	}
	r.clock.advance(time.Hour)
	r.queue.Wake()
	m := r.rests(id)
	r.wantStates(m, "bob@example.org=delivered")
	if m.Effect.Run != "run-waiting" || m.Effect.Policy != automail.AtMostOnce || m.Effect.MessageID != waiting.MessageID {
		t.Errorf("the effect is %+v", m.Effect)
	}
	if sent, err := r.box.Send(t.Context(), waiting); err != nil || !sent.Repeated {
		t.Errorf("a repetition: %+v, %v", sent, err)
	}
	r.idle()
	if n := len(p.mails(service)); n != 2 {
		t.Errorf("%d messages were sent, want 2", n)
	}
}

func TestSendRefuses(t *testing.T) {
	t.Parallel()
	r := newRig(t, storetest.SQLite(t), newProvider(t, nil).addr)
	for name, change := range map[string]func(*automail.Mail){
		"no effect":               func(m *automail.Mail) { m.Effect = "" },
		"effect with a blank":     func(m *automail.Mail) { m.Effect = "a b" },
		"effect too long":         func(m *automail.Mail) { m.Effect = strings.Repeat("x", 101) },
		"no recipient":            func(m *automail.Mail) { m.Recipients = nil },
		"recipient no address":    func(m *automail.Mail) { m.Recipients = []string{"bob"} },
		"recipient with line end": func(m *automail.Mail) { m.Recipients = []string{"bob@example.org>\r\nRCPT TO:<eve@example.org"} },
		"recipient twice":         func(m *automail.Mail) { m.Recipients = []string{"bob@example.org", "Bob@Example.org"} },
		"bare LF":                 func(m *automail.Mail) { m.Message = append(m.Message, "x\ny\r\n"...) },
		"bare CR":                 func(m *automail.Mail) { m.Message = append(m.Message, "x\ry\r\n"...) },
		"NUL":                     func(m *automail.Mail) { m.Message = append(m.Message, "x\x00y\r\n"...) },
		"no line end":             func(m *automail.Mail) { m.Message = append(m.Message, 'x') },
		"other Message-ID":        func(m *automail.Mail) { m.MessageID = "other@example.com" },
		"no Message-ID":           func(m *automail.Mail) { m.MessageID = "" },
		"policy":                  func(m *automail.Mail) { m.Policy = "twice" },
		"reverse path":            func(m *automail.Mail) { m.ReversePath = "<a@b>" },
		"expires too early": func(m *automail.Mail) {
			m.NotBefore = time.Unix(2e9, 0)
			m.ExpiresAt = time.Unix(1e9, 0)
		},
	} {
		m := ruleMail("x")
		change(&m)
		if _, err := r.box.Send(t.Context(), m); !errors.Is(err, automail.ErrMail) {
			t.Errorf("%s: %v", name, err)
		}
	}
	stranger := ruleMail("x")
	stranger.Sender = "stranger@example.com"
	var nobody *automail.SenderError
	if _, err := r.box.Send(t.Context(), stranger); !errors.As(err, &nobody) || !strings.Contains(err.Error(), "outbox.senders") {
		t.Errorf("a sender that is not configured: %v", err)
	}
	if err := r.box.HasSender(t.Context(), "SERVICE@example.com"); err != nil {
		t.Error(err)
	}
	var n int
	if err := r.db.Reader().QueryRowContext(t.Context(), `SELECT count(*) FROM outbox_effects`).Scan(&n); err != nil || n != 0 {
		t.Errorf("%d effects were written down: %v", n, err)
	}
}

// Mail of a rule waits for its time, expires in its own time, and goes behind what somebody waits for.
func TestTimesAndRanks(t *testing.T) {
	t.Parallel()
	p := newProvider(t, nil)
	p.onMail = func(from string) error {
		if from == service {
			return refuse(451, smtp.EnhancedCode{4, 3, 0}, "later")
		}
		return nil
	}
	r := newRig(t, storetest.SQLite(t), p.addr)
	m := ruleMail("late")
	m.NotBefore, m.ExpiresAt, m.Bulk = r.clock.Now().Add(time.Hour), r.clock.Now().Add(2*time.Hour), true
	id := r.sendRule(m)
	if j, _ := r.job(id); j.Priority <= 10 || !j.RunAt.Equal(m.NotBefore) {
		t.Errorf("the job has the priority %d and runs at %v", j.Priority, j.RunAt)
	}
	r.clock.advance(30 * time.Minute)
	r.queue.Wake()
	if n := p.count(func(p *provider) int { return p.seen }); n != 0 {
		t.Error("it went before its time")
	}
	r.clock.advance(30 * time.Minute)
	r.queue.Wake()
	got := r.rests(id)
	for range 20 {
		if !got.FinishedAt.IsZero() {
			break
		}
		got = r.next(id)
	}
	r.wantStates(got, "bob@example.org=failed")
	if got.FinishedAt.After(m.ExpiresAt.Add(5*time.Second)) || len(p.mails("")) != 0 {
		t.Errorf("finished at %v with %d notices", got.FinishedAt, len(p.mails("")))
	}
	r.wantTold("late", "bob@example.org=failed!")
}

// The callback fails: nothing of the end is written, and it is tried again.
func TestCallbackFails(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		p := newProvider(t, nil)
		p.onRcpt = func(string, int) error { return refuse(550, smtp.EnhancedCode{5, 7, 1}, "no") }
		r := newRig(t, db, p.addr)
		r.stop()
		var mu sync.Mutex
		fail := true
		r.open(func(o *automail.Options) {
			o.Settled = func(ctx context.Context, tx store.Querier, s automail.Settlement) error {
				mu.Lock()
				defer mu.Unlock()
				if fail {
					return errors.New("not now")
				}
				return r.settled(ctx, tx, s)
			}
		})
		id := r.sendRule(ruleMail("a"))
		r.await("tried", func() bool { return p.count(func(p *provider) int { return p.seen }) > 0 })
		if m := show(t, r, id); m.Recipients[0].State != automail.StatePending {
			t.Errorf("the state is %s although the run knows nothing", m.Recipients[0].State)
		}
		mu.Lock()
		fail = false
		mu.Unlock()
		r.wantStates(r.rests(id), "bob@example.org=failed")
		r.wantTold("a", "bob@example.org=failed!")
	})
}

func TestSendWithLogin(t *testing.T) {
	t.Parallel()
	p := newProvider(t, nil)
	r := newRig(t, storetest.SQLite(t), p.addr)
	r.stop()
	r.open(setSender(func(s *config.Sender) { s.Password = config.NewSecret("secret"); s.BounceTag = true }))
	id := r.sendRule(ruleMail("a"))
	r.wantStates(r.rests(id), "bob@example.org=delivered")
	got := p.mails("service+hb-" + id.String() + "@example.com")
	if len(got) != 1 || got[0].user != service {
		t.Errorf("sent %+v", got)
	}
	// A login that is refused stops this account only, and loses nothing.
	r.stop()
	r.open(setSender(func(s *config.Sender) { s.Password = config.NewSecret("wrong") }))
	id = r.sendRule(ruleMail("b"))
	r.wantStates(r.rests(id), "bob@example.org=pending")
	r.wantStates(r.rests(r.send(text, "", rcpt("bob@example.org"))), "bob@example.org=delivered")
}
