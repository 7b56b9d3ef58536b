package mirror_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/hooks/mirror"
	"heliograph/hooks/mirror/scope"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

var sensitive = config.Privacy{Sensitivity: []string{"private"}}

// A copy that shows that a message is private takes it back from the target that has it.
func TestPrivateMailIsTakenBack(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCRM()
		o, _ := scoped(t, db, c, sensitive)
		w := open(t, db, o)
		w.start()
		w.submit(mail{account: "wang@example.com", recipients: to("li@acme.test"), raw: marked("")})
		w.awaitStates("crm", "mirrored")
		w.submit(mail{account: "wang@example.com", recipients: to("li@acme.test"), raw: marked("Sensitivity: private\n")})
		const gone = "private: rule sensitivity: the Sensitivity field says so"
		w.awaitStates("crm", "withdrawn: "+gone)
		if n := c.count(); n != 0 {
			t.Errorf("the CRM has %d activities, want none", n)
		}
		w.submit(mail{account: "wang@example.com", recipients: to("li@acme.test"), raw: marked("X-Later: 1\n")})
		w.eventually("the third copy stays here", func() bool { return len(excluded(w.states(""))) == 2 })
		w.settled()
		if n := c.count(); n != 0 {
			t.Errorf("the CRM has %d activities after another copy, want none", n)
		}
	})
}

// What cannot be taken back, or is not to be, stays, and the ledger says so.
func TestPrivateMailThatStays(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*mirror.Options, *crm)
		want   string
	}{
		"the target cannot": {
			func(o *mirror.Options, c *crm) { o.Targets[0].Client = plain{c} },
			"mirrored: the target cannot take mail back, delete the record there by hand: rule sensitivity: the Sensitivity field says so",
		},
		"the setting is off": {func(o *mirror.Options, _ *crm) { o.KeepVetoed = true }, "mirrored"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, c := storetest.SQLite(t), newCRM()
			o, _ := scoped(t, db, c, sensitive)
			tt.change(&o, c)
			w := open(t, db, o)
			w.start()
			w.submit(mail{account: "wang@example.com", recipients: to("li@acme.test"), raw: marked("")})
			w.awaitStates("crm", "mirrored")
			w.submit(mail{account: "wang@example.com", recipients: to("li@acme.test"), raw: marked("Sensitivity: private\n")})
			w.awaitStates("crm", tt.want)
			if n := c.count(); n != 1 {
				t.Errorf("the CRM has %d activities, want 1", n)
			}
		})
	}
}

// A rule that came after a message was mirrored takes it back when the message is looked at again.
func TestLaterRuleTakesBack(t *testing.T) {
	t.Parallel()
	db, c := storetest.SQLite(t), newCRM()
	o, _ := scoped(t, db, c, config.Privacy{})
	o.Debounce = time.Millisecond
	w := open(t, db, o)
	w.start()
	w.submit(mail{account: "wang@example.com", recipients: to("li@acme.test"), raw: marked("")})
	w.awaitStates("crm", "mirrored")
	w.stop()
	next, _ := scoped(t, db, c, config.Privacy{Rules: []config.PrivacyRule{
		{Name: "acme", Action: config.PrivacyExclude, Participants: []string{"*@acme.test"}},
	}})
	w.options.Scope = next.Scope
	w.reopen()
	w.start()
	w.submit(mail{account: "zhao@example.com", recipients: to("li@acme.test"), raw: marked("")})
	w.awaitStates("crm", "withdrawn: private: rule acme: a participant is on its list")
	if n := c.count(); n != 0 {
		t.Errorf("the CRM has %d activities, want none", n)
	}
}

// The answer to the first attempt was lost, and before the second the employee opted out: the target is asked to delete what it may have.
func TestPrivateMailOfALostAnswer(t *testing.T) {
	t.Parallel()
	db, c := storetest.SQLite(t), newCRM()
	o, choices := scoped(t, db, c, config.Privacy{})
	c.after = func(ctx context.Context, n int) error {
		if err := choices.Set(ctx, "wang@example.com", scope.Choice{Kind: scope.ChoiceOptOut}); err != nil {
			return err
		}
		return errors.New("the connection broke")
	}
	w := open(t, db, o)
	w.start()
	w.submit(mail{account: "wang@example.com", recipients: to("li@acme.test"), raw: marked("")})
	w.eventually("the first attempt", func() bool { return c.called() == 1 })
	w.eventually("it is taken back", func() bool {
		w.clock.forward(time.Minute)
		return c.count() == 0 && len(w.jobs(mirror.WithdrawKind("crm"))) == 1
	})
	w.eventually("all is quiet", func() bool { return quiet(w) })
	if got := w.states("crm"); len(got) != 1 || !strings.HasPrefix(got[0], "excluded: rule opt-out") {
		t.Errorf("ledger: got %q", got)
	}
}

// What a stranger makes of a real mail and marks as private must not keep the real one from the CRM, whichever comes first.
func TestForgedCopiesVetoNothing(t *testing.T) {
	t.Parallel()
	secret := func(m *words) { m.more += "Sensitivity: private\n" }
	outside := base().with(func(m *words) { m.from, m.to = "Li <li@customer.test>", "wang@example.com, zhao@example.com" })
	for name, tt := range map[string]struct {
		real   []sight
		forged sight
		held   bool // the forged one keeps the real one here after all
	}{
		"a list's copy of mail from outside": {
			[]sight{kept("a", "wang@example.com", "INBOX", 1, 0, outside)},
			kept("b", "zhao@example.com", "INBOX", 1, time.Second, outside.with(list).with(secret)), false,
		},
		"a list's copy of an employee's mail": {
			[]sight{sent("a", 0, base())},
			kept("b", "zhao@example.com", "INBOX", 1, time.Second, base().with(list).with(secret)), false,
		},
		"a weak copy of an employee's mail": {
			[]sight{sent("a", 0, base())},
			kept("b", "zhao@example.com", "INBOX", 1, time.Second, base().with(replaced("x")).with(func(m *words) { m.date = clockTime(time.Second) }).with(secret)), false,
		},
		"the same mail of an employee": {
			[]sight{sent("a", 0, base())},
			kept("b", "zhao@example.com", "INBOX", 1, time.Second, base().with(secret)), false,
		},
		// Who has all of a mail from outside, to the last letter, is its sender or one of those who got it.
		"the same mail from outside": {
			[]sight{kept("a", "wang@example.com", "INBOX", 1, 0, outside)},
			kept("b", "zhao@example.com", "INBOX", 1, time.Second, outside.with(secret)), true,
		},
		"the sender's own copy": {
			[]sight{kept("a", "zhao@example.com", "INBOX", 1, 0, base())},
			kept("b", "wang@example.com", "Sent", 1, time.Second, base().with(secret)), true,
		},
	} {
		for _, forgedFirst := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, first %v", name, forgedFirst), func(t *testing.T) {
				t.Parallel()
				db, c := storetest.SQLite(t), newCRM()
				o, _ := scoped(t, db, c, sensitive)
				o.Debounce = time.Millisecond
				w := open(t, db, o)
				w.start()
				all := append([]sight{tt.forged}, tt.real...)
				if !forgedFirst {
					slices.Reverse(all)
				}
				for i, s := range all {
					w.see(s)
					w.eventually("it is seen", func() bool { return len(w.partition()) == i+1 })
					w.settled()
				}
				w.eventually("all is quiet", func() bool { return quiet(w) })
				var told []crmclient.Sighting
				for _, a := range c.logged() {
					told = append(told, a.Sightings...)
				}
				want := 1
				if tt.held {
					want = 0
				}
				if len(told) != want {
					t.Errorf("the CRM was told of %d copies %+v, want %d; ledger %q", len(told), told, want, w.states("crm"))
				}
			})
		}
	}
}
