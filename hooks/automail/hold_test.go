package automail_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"heliograph/hooks/automail"
	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

func TestHolds(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		p := newProvider(t, nil)
		r := newRig(t, db, p.addr)
		c := control(r)
		all := automail.Scope{Kind: automail.HoldAll}
		if err := c.Hold(t.Context(), all, "too much mail", "li@example.com"); err != nil {
			t.Fatal(err)
		}
		id := r.sendRule(ruleMail("a"))
		m := r.rests(id)
		r.wantStates(m, "bob@example.org=pending")
		if !strings.Contains(m.Held, "too much mail") || p.count(func(p *provider) int { return p.conns }) != 0 {
			t.Errorf("held is %q", m.Held)
		}
		if list, err := c.List(t.Context(), automail.Filter{Held: true, Rule: "receipt"}); err != nil || len(list) != 1 {
			t.Errorf("%d are listed as held: %v", len(list), err)
		}
		// Machines' mail is none of it.
		r.wantStates(r.rests(r.send(text, "", rcpt("bob@example.org"))), "bob@example.org=delivered")
		if holds, err := c.Holds(t.Context()); err != nil || len(holds) != 1 || holds[0].Origin != "li@example.com" {
			t.Errorf("holds are %+v: %v", holds, err)
		}
		if err := c.Release(t.Context(), all); err != nil {
			t.Fatal(err)
		}
		m = r.rests(id)
		r.wantStates(m, "bob@example.org=delivered")
		if m.Held != "" {
			t.Errorf("held is %q after all", m.Held)
		}
		if err := c.Release(t.Context(), all); !errors.Is(err, automail.ErrUnknown) {
			t.Errorf("released twice: %v", err)
		}
		// A domain holds its recipients only.
		domain := automail.Scope{Kind: automail.HoldDomain, Name: "Example.NET"}
		if err := c.Hold(t.Context(), domain, "they complain", "li"); err != nil {
			t.Fatal(err)
		}
		id = r.sendRule(ruleMail("b", "bob@example.org", "eve@example.net"))
		r.wantStates(r.rests(id), "bob@example.org=delivered eve@example.net=pending")
		r.wantTold("b", "bob@example.org=delivered eve@example.net=pending")
		m = r.next(id)
		r.wantStates(m, "bob@example.org=delivered eve@example.net=pending")
		if !strings.Contains(m.Held, "they complain") {
			t.Errorf("held is %q", m.Held)
		}
		if n, err := c.DropHeld(t.Context(), domain, "no more"); err != nil || n != 1 {
			t.Errorf("dropped %d: %v", n, err)
		}
		r.wantStates(r.rests(id), "bob@example.org=delivered eve@example.net=failed")
		r.wantTold("b", "bob@example.org=delivered eve@example.net=pending", "bob@example.org=delivered eve@example.net=failed!")
		r.wantJob(id, queue.StateCancelled)
		// A rule.
		if err := c.Hold(t.Context(), automail.Scope{Kind: automail.HoldRule, Name: "receipt"}, "wrong text", "li"); err != nil {
			t.Fatal(err)
		}
		late := ruleMail("c")
		late.ExpiresAt = r.clock.Now().Add(5 * time.Minute)
		id = r.sendRule(late)
		r.wantStates(r.rests(id), "bob@example.org=pending")
		other := ruleMail("d")
		other.Rule = "other"
		r.wantStates(r.rests(r.sendRule(other)), "bob@example.org=delivered")
		m = r.next(id) // to its end
		r.wantStates(m, "bob@example.org=failed")
		if !strings.Contains(m.Recipients[0].Text, "wrong text") {
			t.Errorf("it failed with %q", m.Recipients[0].Text)
		}
		for _, s := range []automail.Scope{{Kind: "x"}, {Kind: automail.HoldRule}, {Kind: automail.HoldDomain, Name: "a@b"}, {Kind: automail.HoldAll, Name: "x"}} {
			if err := c.Hold(t.Context(), s, "", ""); err == nil {
				t.Errorf("held %+v", s)
			}
		}
	})
}

func TestSuppression(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		p := newProvider(t, nil)
		r := newRig(t, db, p.addr)
		c := control(r)
		err := c.Suppress(t.Context(),
			automail.Suppression{Address: "Bob@Example.org", List: "news", Reason: automail.SuppressOptOut, Origin: "link"},
			automail.Suppression{Address: "eve@example.org", Reason: automail.SuppressOptOut, Detail: "by telephone", Origin: "li"},
			automail.Suppression{Address: "gone@example.org", Reason: automail.SuppressBounce, Origin: "effect x"})
		if err != nil {
			t.Fatal(err)
		}
		found, err := c.Suppressed(t.Context(), "news", "BOB@example.org", "eve@example.org", "zoe@example.org")
		if err != nil || len(found) != 2 || found["bob@example.org"].List != "news" || !found["eve@example.org"].At.Equal(r.clock.Now()) {
			t.Errorf("found %+v: %v", found, err)
		}
		if found, err = c.Suppressed(t.Context(), "invoices", "bob@example.org"); err != nil || len(found) != 0 {
			t.Errorf("found %+v: %v", found, err)
		}
		news := ruleMail("news", "bob@example.org", "eve@example.org", "zoe@example.org")
		news.List = "news"
		m := r.rests(r.sendRule(news))
		r.wantStates(m, "bob@example.org=suppressed eve@example.org=suppressed zoe@example.org=delivered")
		if !strings.Contains(m.Recipients[1].Text, "by telephone") {
			t.Errorf("the reason is %q", m.Recipients[1].Text)
		}
		r.wantTold("news", "bob@example.org=suppressed eve@example.org=suppressed zoe@example.org=pending",
			"bob@example.org=suppressed eve@example.org=suppressed zoe@example.org=delivered!")
		needed := ruleMail("invoice", "eve@example.org", "gone@example.org")
		needed.Essential = true
		r.wantStates(r.rests(r.sendRule(needed)), "eve@example.org=delivered gone@example.org=suppressed")
		if err := c.Unsuppress(t.Context(), "EVE@example.org", ""); err != nil {
			t.Fatal(err)
		}
		if err := c.Unsuppress(t.Context(), "eve@example.org", ""); !errors.Is(err, automail.ErrUnknown) {
			t.Errorf("taken off twice: %v", err)
		}
		list, err := c.Suppressions(t.Context(), "example_org", 10)
		if err != nil || len(list) != 0 {
			t.Errorf("a wildcard finds %+v: %v", list, err)
		}
		if list, err = c.Suppressions(t.Context(), "example.org", 10); err != nil || len(list) != 2 {
			t.Errorf("the list is %+v: %v", list, err)
		}
		id := r.sendRule(ruleMail("gone", "gone@example.org"))
		r.wantStates(r.rests(id), "gone@example.org=suppressed")
		r.wantJob(id, queue.StateCompleted)
		if err := c.Suppress(t.Context(), automail.Suppression{Address: "nobody"}); err == nil {
			t.Error("suppressed what is no address")
		}
	})
}
