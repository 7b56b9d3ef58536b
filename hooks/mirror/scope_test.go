package mirror_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/hooks/mirror"
	"heliograph/hooks/mirror/scope"
	"heliograph/internal/journal"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// scoped are options of an office with rules and with employees that have a choice.
func scoped(t *testing.T, db *store.DB, c crmclient.Client, p config.Privacy) (mirror.Options, *scope.Choices) {
	t.Helper()
	choices := scope.NewChoices(db, nil)
	s, err := scope.New(scope.Options{Privacy: p, Choices: choices})
	if err != nil {
		t.Fatal(err)
	}
	o := oneTarget(c)
	o.Scope = s
	return o, choices
}

func marked(extra string) string {
	return extra + "From: Wang <wang@example.com>\nTo: li@acme.test\nSubject: Results\nMessage-ID: <r-1@example.com>\n" +
		"Date: Fri, 20 Nov 2026 09:30:00 +0000\n\nfindings 4711\n"
}

func TestScopeKeepsPrivateMailHere(t *testing.T) {
	t.Parallel()
	privacy := config.Privacy{
		Sensitivity: []string{"private"}, SubjectMarks: []string{"[private]"},
		Rules: []config.PrivacyRule{{Name: "doctors", Action: config.PrivacyExclude, Participants: []string{"*@clinic.test"}}},
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCRM()
		o, _ := scoped(t, db, c, privacy)
		w := open(t, db, o)
		w.start()
		for name, tt := range map[string]struct{ raw, reason string }{
			"sensitivity": {marked("Sensitivity: Private\n"), "rule sensitivity: the Sensitivity field says so"},
			"subject":     {strings.Replace(marked(""), "Results", "［PRIVATE］ results", 1), "rule subject-mark: the subject has one of its marks"},
			"participant": {strings.Replace(marked(""), "li@acme.test", "li@acme.test, dr@clinic.test", 1), "rule doctors: a participant is on its list"},
		} {
			id := w.submit(mail{account: "wang@example.com", recipients: to("li@acme.test"), raw: strings.ReplaceAll(tt.raw, "r-1@", name+"@")})
			w.eventually(name, func() bool { return slices.Contains(w.states(""), "excluded: "+tt.reason) })
			if n := c.called(); n != 0 {
				t.Errorf("%s: the CRM was called %d times for entry %s", name, n, id)
			}
		}
	})
}

// A copy that shows that the message is private keeps those back that were in scope, and those that come later.
func TestScopeVetoHoldsForAllCopies(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCRM()
		o, _ := scoped(t, db, c, config.Privacy{Sensitivity: []string{"private"}})
		w := open(t, db, o)
		w.startHooks() // nothing is delivered yet
		copies := []mail{
			{account: "wang@example.com", recipients: to("li@acme.test"), raw: marked("")},
			{account: "wang@example.com", recipients: to("li@acme.test"), raw: marked("Sensitivity: private\n")},
			{account: "wang@example.com", recipients: to("li@acme.test"), raw: marked("X-Later: 1\n")},
		}
		for i, one := range copies {
			w.submit(one)
			w.eventually("recorded", func() bool { return len(excluded(w.states(""))) == i && len(w.states("crm")) == 1 })
		}
		w.run(w.mirror.Run)
		w.eventually("all copies are excluded", func() bool {
			return len(excluded(w.states(""))) == 3 && len(excluded(w.states("crm"))) == 1
		})
		if n := c.called(); n != 0 {
			t.Errorf("the CRM was called %d times", n)
		}
	})
}

func excluded(states []string) []string {
	return slices.DeleteFunc(slices.Clone(states), func(s string) bool { return !strings.HasPrefix(s, "excluded: ") })
}

// That one employee opted out keeps no colleague's copy back, and the CRM does not learn that he has one.
func TestScopeOptOutConcernsOnlyOwnCopies(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCRM()
		o, choices := scoped(t, db, c, config.Privacy{})
		if err := choices.Set(t.Context(), "Zhao@Partner.test", scope.Choice{Kind: scope.ChoiceOptOut}); err != nil {
			t.Fatal(err)
		}
		o.Unmatched = config.UnmatchedCreate
		w := open(t, db, o)
		w.startHooks()
		raw := "From: li@acme.test\nTo: wang@example.com, zhao@partner.test\nSubject: Hello\nMessage-ID: <h-1@acme.test>\nDate: Fri, 20 Nov 2026 09:30:00 +0000\n\nhello\n"
		for _, account := range []string{"zhao@partner.test", "wang@example.com"} {
			w.submit(mail{account: account, kind: "relay", reverse: "li@acme.test", recipients: to("wang@example.com", "zhao@partner.test"), raw: raw})
		}
		w.eventually("both are recorded", func() bool { return len(w.states("")) == 2 && len(w.states("crm")) >= 1 })
		w.run(w.mirror.Run)
		w.eventually("one is mirrored", func() bool { return slices.Contains(w.states("crm"), "mirrored") })
		a := c.logged()[0]
		if !slices.Equal(a.Accounts, []string{"wang@example.com"}) || len(a.Sightings) != 1 || a.Sightings[0].Account != "wang@example.com" {
			t.Errorf("got accounts %q and sightings %+v", a.Accounts, a.Sightings)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, p := range c.created {
			if p.Address == "zhao@partner.test" {
				t.Error("the employee who opted out became a contact")
			}
		}
	})
}

// A pause that came before a delivery began holds, and what it kept back is not mirrored when it ends.
func TestScopePauseHoldsForWhatIsPending(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCRM()
		o, _ := scoped(t, db, c, config.Privacy{})
		w := open(t, db, o)
		w.startHooks()
		w.submit(mail{account: "wang@example.com", recipients: to("li@acme.test"), raw: marked("")})
		w.awaitStates("crm", "pending")
		other := scope.NewChoices(db, nil) // another process
		pause := scope.Choice{Kind: scope.ChoicePause, Until: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)}
		if err := other.Set(t.Context(), "wang@example.com", pause); err != nil {
			t.Fatal(err)
		}
		w.run(w.mirror.Run)
		w.awaitStates("crm", "excluded: rule pause: the employee paused mirroring until 2100-01-01T00:00:00Z")
		if err := other.Unset(t.Context(), "wang@example.com", pause); err != nil {
			t.Fatal(err)
		}
		if _, err := o.Scope.Generation(t.Context()); err != nil { // else the pause may be remembered for a second
			t.Fatal(err)
		}
		w.submit(mail{account: "wang@example.com", recipients: to("li@acme.test"), raw: strings.Replace(marked(""), "r-1@", "r-2@", 1)})
		w.eventually("the next is mirrored", func() bool { return slices.Contains(w.states("crm"), "mirrored") })
		if got := c.logged(); len(got) != 1 || got[0].MessageID != "r-2@example.com" {
			t.Errorf("got %d activities", len(got))
		}
	})
}

// recorder writes down all that a CRM is told, and what was forbidden at the moment that the gateway began the delivery.
type recorder struct {
	*crm
	mu   sync.Mutex
	sent [][]byte // guarded by mu
}

func (r *recorder) hear(what any) {
	text, err := json.Marshal(what)
	if err != nil {
		panic(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = append(r.sent, text)
}

func (r *recorder) FindContacts(ctx context.Context, addresses []string) ([]crmclient.Contact, error) {
	r.hear(addresses)
	return r.crm.FindContacts(ctx, addresses)
}

func (r *recorder) CreateContact(ctx context.Context, p crmclient.Person, owner string) (crmclient.Contact, error) {
	r.hear([]any{p, owner})
	return r.crm.CreateContact(ctx, p, owner)
}

func (r *recorder) LogEmail(ctx context.Context, a *crmclient.Activity) (crmclient.Receipt, error) {
	b := *a
	b.Attachments = nil // has functions
	r.hear(b)
	return r.crm.LogEmail(ctx, a)
}

func (r *recorder) heard(needle string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.sent, func(b []byte) bool { return bytes.Contains(b, []byte(needle)) })
}

// Mail of three employees is delivered while pauses come and go. What is submitted while its owner pauses must never be heard of,
// nor what waits when a pause begins that is never lifted.
func TestScopeNoByteOfExcludedMailLeaves(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := &recorder{crm: newCRM()}
		o, choices := scoped(t, db, r, config.Privacy{SubjectMarks: []string{"[private]"}})
		o.Unmatched = config.UnmatchedCreate
		w := open(t, db, o)
		w.start()
		secret, public := []string{}, []string{}
		send := func(account string, n int, private bool) {
			word := fmt.Sprintf("w%dx%s", n, account[:2])
			subject := "News " + word
			if private {
				subject = "[private] " + subject
			}
			w.submit(mail{account: account, recipients: to(word + "@acme.test"), raw: "From: " + account + "\nTo: " + word + "@acme.test\nSubject: " + subject +
				"\nMessage-ID: <" + word + "@example.com>\nDate: Fri, 20 Nov 2026 09:30:00 +0000\n\n" + word + "\n"})
		}
		pause := scope.Choice{Kind: scope.ChoicePause}
		accounts := []string{"an@example.com", "bo@example.com", "cy@example.com"}
		for n := range 8 {
			for i, account := range accounts {
				paused := (n+i)%3 == 0
				if paused {
					if err := choices.Set(t.Context(), account, pause); err != nil {
						t.Fatal(err)
					}
				}
				private := n%4 == 1
				word := fmt.Sprintf("w%dx%s", n, account[:2])
				send(account, n, private)
				w.eventually("it is recorded", func() bool { return w.has(word+"@example.com", paused || private) })
				if paused || private {
					secret = append(secret, word)
				} else {
					public = append(public, word)
				}
				if paused {
					if err := choices.Unset(t.Context(), account, pause); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		for _, word := range public {
			// A pause may have come before its delivery; then it stays here.
			w.eventually("it is settled", func() bool { return w.final(word + "@example.com") })
		}
		for _, word := range secret {
			if r.heard(word) {
				t.Errorf("the CRM heard of %s", word)
			}
		}
		if !slices.ContainsFunc(public, r.heard) {
			t.Error("nothing was delivered at all")
		}
	})
}

// has reports whether a message is recorded, as excluded or as in scope.
func (w *office) has(messageID string, excluded bool) bool {
	w.t.Helper()
	rows, err := w.journal.Ledger(w.t.Context(), journal.LedgerFilter{MessageID: messageID})
	if err != nil {
		w.t.Fatal(err)
	}
	return slices.ContainsFunc(rows, func(r journal.LedgerRow) bool {
		return excluded && r.Target == "" && r.State == journal.LedgerExcluded || !excluded && r.Target == "crm"
	})
}

// final reports whether a message was mirrored or excluded.
func (w *office) final(messageID string) bool {
	w.t.Helper()
	rows, err := w.journal.Ledger(w.t.Context(), journal.LedgerFilter{MessageID: messageID, Target: "crm"})
	if err != nil {
		w.t.Fatal(err)
	}
	return slices.ContainsFunc(rows, func(r journal.LedgerRow) bool {
		return r.State == journal.LedgerExcluded || r.State == journal.LedgerMirrored
	})
}

// A pause in the time that the target takes to find contacts holds: the activity is not sent.
func TestScopePauseWhileContactsAreFound(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := &slowFinder{crm: newCRM(), asked: make(chan struct{}), answer: make(chan struct{})}
		o, choices := scoped(t, db, c, config.Privacy{})
		w := open(t, db, o)
		w.start()
		w.submit(mail{account: "wang@example.com", recipients: to("li@acme.test"), raw: marked("")})
		<-c.asked
		if err := choices.Set(t.Context(), "wang@example.com", scope.Choice{Kind: scope.ChoiceOptOut}); err != nil {
			t.Fatal(err)
		}
		close(c.answer)
		w.awaitStates("crm", "excluded: rule opt-out: the employee opted out")
		if n := c.called(); n != 0 {
			t.Errorf("the CRM got %d activities", n)
		}
	})
}

type slowFinder struct {
	*crm
	once          sync.Once
	asked, answer chan struct{}
}

func (c *slowFinder) FindContacts(ctx context.Context, addresses []string) ([]crmclient.Contact, error) {
	c.once.Do(func() { close(c.asked) })
	<-c.answer
	return c.crm.FindContacts(ctx, addresses)
}

func TestMaskedBeforeItLeaves(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCRM()
		o, _ := scoped(t, db, c, config.Privacy{})
		var err error
		if o.Masking, err = scope.NewMasking([]config.Masking{{Kinds: []config.MaskKind{config.MaskPhone}}}); err != nil {
			t.Fatal(err)
		}
		w := open(t, db, o)
		w.start()
		w.submit(mail{account: "wang@example.com", recipients: to("li@acme.test"), raw: strings.Replace(marked(""), "4711", "13812345678", 1)})
		w.awaitStates("crm", "mirrored")
		if a := c.logged()[0]; a.Text != "findings 138****5678\n" && a.Text != "findings 138****5678" {
			t.Errorf("got text %q", a.Text)
		}
	})
}
