package automail_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/hooks"
	"heliograph/hooks/automail"
	"heliograph/internal/journal"
	"heliograph/internal/limit"
	"heliograph/internal/queue"
	"heliograph/internal/store/storetest"
)

func withBudget(r *rig, change func(*config.Sender)) []setting {
	l := limit.NewMemory(limit.MemoryOptions{Now: r.clock.Now})
	return []setting{func(o *automail.Options) { o.Limiter = l }, setSender(change)}
}

// Of 40 a minute rules have 20, spread over it; what a person sends lessens them.
func TestBudget(t *testing.T) {
	t.Parallel()
	p := newProvider(t, nil)
	r := newRig(t, storetest.SQLite(t), p.addr)
	r.stop()
	r.open(withBudget(r, func(s *config.Sender) { s.PerMinute = 40 })...)
	var ids []journal.ID
	for i := range 10 {
		ids = append(ids, r.sendRule(ruleMail(fmt.Sprint("m", i))))
	}
	rest := func() {
		for _, id := range ids {
			r.rests(id)
		}
	}
	rest()
	if n := len(p.mails(service)); n != 2 {
		t.Errorf("%d went at once, want a burst of 2", n)
	}
	waiting := 0
	for _, id := range ids {
		if m := show(t, r, id); m.FinishedAt.IsZero() {
			waiting++
			if !strings.Contains(m.Held, "budget of "+service) || m.Attempts != 0 {
				t.Errorf("held is %q after %d attempts", m.Held, m.Attempts)
			}
		}
	}
	if waiting != 8 {
		t.Errorf("%d wait, want 8", waiting)
	}
	for range 12 {
		r.clock.advance(3 * time.Second)
		r.queue.Wake()
		rest()
	}
	if n := len(p.mails(service)); n < 8 || n > 10 {
		t.Errorf("%d went in 36 s, want about 10", n)
	}
	// Machines' mail has no budget of this kind.
	r.wantStates(r.rests(r.send(text, "", rcpt("bob@example.org"))), "bob@example.org=delivered")
}

func TestBudgetOfTheOwner(t *testing.T) {
	t.Parallel()
	p := newProvider(t, nil)
	r := newRig(t, storetest.SQLite(t), p.addr)
	r.stop()
	r.open(withBudget(r, func(s *config.Sender) { s.PerHour = 100 })...)
	hook := automail.NewBounces(r.box)
	own := journal.Envelope{Kind: journal.KindSubmission, Account: strings.ToUpper(service)}
	for i := range 98 {
		own.Recipients = append(own.Recipients, rcpt(fmt.Sprintf("c%d@example.org", i)))
	}
	if out := hook.Handle(t.Context(), hooks.Event{Entry: journal.Entry{Envelope: own}}); out.Action != queue.Complete {
		t.Fatalf("the hook says %+v", out)
	}
	two := r.rests(r.sendRule(ruleMail("a", "a@example.org", "b@example.org")))
	r.wantStates(two, "a@example.org=delivered b@example.org=delivered")
	id := r.sendRule(ruleMail("b"))
	m := r.rests(id)
	if !strings.Contains(m.Held, "with its owner's own mail") {
		t.Errorf("held is %q", m.Held)
	}
	r.wantStates(r.next(id), "bob@example.org=delivered")
}

// One of many leaves room for one that somebody waits for.
func TestBudgetOfBulk(t *testing.T) {
	t.Parallel()
	p := newProvider(t, nil)
	r := newRig(t, storetest.SQLite(t), p.addr)
	r.stop()
	r.open(withBudget(r, func(s *config.Sender) { s.PerDay = 200 })...) // a burst of 10
	var ids []journal.ID
	for i := range 8 {
		m := ruleMail(fmt.Sprint("bulk", i))
		m.Bulk = true
		ids = append(ids, r.sendRule(m))
	}
	for _, id := range ids {
		r.rests(id)
	}
	if n := len(p.mails(service)); n != 5 {
		t.Errorf("%d of many went at once, want 5", n)
	}
	r.wantStates(r.rests(r.sendRule(ruleMail("single"))), "bob@example.org=delivered")
}
