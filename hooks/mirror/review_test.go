package mirror_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/hooks/mirror"
	"heliograph/internal/journal"
	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// leadCRM is a crm with leads, ids and companies.
type leadCRM struct {
	*crm
	companies map[string]crmclient.Company
	placed    map[string]string
}

func newLeadCRM(known ...string) *leadCRM {
	return &leadCRM{newCRM(known...), map[string]crmclient.Company{}, map[string]string{}}
}

func (c *leadCRM) CreateLead(ctx context.Context, p crmclient.Person, owner string) (crmclient.Contact, error) {
	k, err := c.CreateContact(ctx, p, owner)
	c.mu.Lock()
	defer c.mu.Unlock()
	k.Kind = crmclient.KindLead
	c.contacts[p.Address] = k
	return k, err
}

func (c *leadCRM) ContactByID(_ context.Context, id string) (crmclient.Contact, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.contacts {
		if k.ID == id {
			return k, true, nil
		}
	}
	return crmclient.Contact{}, false, nil
}

func (c *leadCRM) FindCompany(_ context.Context, domain string) (crmclient.Company, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	found, ok := c.companies[domain]
	return found, ok, nil
}

func (c *leadCRM) PlaceContact(_ context.Context, contact, company string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.placed[contact] = company
	return nil
}

// SuggestContacts returns all there are.
func (c *leadCRM) SuggestContacts(context.Context, crmclient.Person, int) ([]crmclient.Contact, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []crmclient.Contact
	for _, k := range c.contacts {
		out = append(out, k)
	}
	return out, nil
}

func reviewing(c crmclient.Client) mirror.Options {
	o := oneTarget(c)
	o.Unmatched = config.UnmatchedReview
	o.Matching = config.Matching{PlusTags: config.PlusStrip}
	return o
}

func (w *office) decide(as mirror.ReviewDecision, subjects ...string) int {
	w.t.Helper()
	var all []mirror.Decision
	for _, s := range subjects {
		d := mirror.Decision{Subject: s, As: as}
		if as == mirror.DecideLink {
			d.Link = "c-known@customer.test"
		}
		all = append(all, d)
	}
	n, err := mirror.Decide(w.t.Context(), w.db, all...)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// reviews returns "subject state waiting" of each.
func (w *office) reviews() []string {
	w.t.Helper()
	found, _, err := mirror.Reviews(w.t.Context(), w.db.Reader(), mirror.ReviewFilter{})
	if err != nil {
		w.t.Fatal(err)
	}
	out := []string{}
	for _, r := range found {
		out = append(out, fmt.Sprintf("%s %s %d", r.Subject, r.State, r.Waiting))
	}
	slices.Sort(out)
	return out
}

// note is a mail to the given people, answering another in the same thread.
func note(id, subject string, people ...string) string {
	return "Message-ID: <" + id + "@example.com>\nReferences: <root@example.com>\nDate: Mon, 4 Mar 2024 09:15:00 +0800\nFrom: wang@example.com\nTo: " +
		strings.Join(people, ", ") + "\nSubject: " + subject + "\n\n" + id + "\n"
}

const waits = "pending: waits for review: unknown correspondent "

func TestDecisionsOnUnknownPeople(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		as      mirror.ReviewDecision
		subject string
		states  []string
		contact string // of the message that waited
		next    string // ledger row of another message
	}{
		{mirror.DecideContact, "li@new.test", []string{"mirrored", "mirrored"}, "contact n-li@new.test", "mirrored"},
		{mirror.DecideLead, "li@new.test", []string{"mirrored", "mirrored"}, "lead n-li@new.test", "mirrored"},
		{mirror.DecideLink, "li@new.test", []string{"mirrored", "mirrored"}, "contact c-known@customer.test", "mirrored"},
		{mirror.DecideSkip, "li@new.test", []string{"mirrored", "mirrored"}, "", waits + "li@new.test"},
		{mirror.DecideIgnore, "li@new.test", []string{"excluded: decided in review: nothing is mirrored of li@new.test", "mirrored"}, "", "excluded: decided in review: nothing is mirrored of li@new.test"},
		{mirror.DecideIgnore, "@new.test", []string{"excluded: decided in review: nothing is mirrored of li@new.test", "mirrored"}, "", "excluded: decided in review: nothing is mirrored of li@new.test"},
	} {
		t.Run(string(tt.as)+" "+tt.subject, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				c := newLeadCRM("known@customer.test")
				w := open(t, db, reviewing(c))
				w.start()
				w.submit(mail{account: "wang@example.com", recipients: to("li+x@new.test"), raw: note("a", "hello", "Li Lei <Li+x@new.test>")})
				w.awaitStates("crm", waits+"li@new.test")
				// What waits holds up nobody: another message of the thread, by the one worker.
				w.submit(mail{account: "wang@example.com", recipients: to("known@customer.test"), raw: note("b", "again", "known@customer.test")})
				w.awaitStates("crm", waits+"li@new.test", "mirrored")
				if got := w.reviews(); !slices.Equal(got, []string{"li@new.test open 1"}) {
					t.Errorf("reviews %q", got)
				}
				w.eventually("nothing is in the queue", func() bool {
					jobs, err := w.queue.List(t.Context(), queue.Filter{})
					return err == nil && !slices.ContainsFunc(jobs, func(j queue.Job) bool { return j.State.Live() })
				})
				w.decide(tt.as, tt.subject)
				w.awaitStates("crm", tt.states...)
				got := ""
				for _, a := range c.logged() {
					if a.MessageID == "a@example.com" && len(a.Contacts) == 1 {
						got = a.Contacts[0].Kind + " " + a.Contacts[0].ID
					}
				}
				if got != tt.contact {
					t.Errorf("contact %q, want %q", got, tt.contact)
				}
				w.submit(mail{account: "wang@example.com", recipients: to("li@new.test"), raw: note("c", "later", "li@new.test")})
				w.awaitStates("crm", append(slices.Clone(tt.states), tt.next)...)
			})
		})
	}
}

func TestMessageWaitsForAllUnknownPeople(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newLeadCRM()
		w := open(t, db, reviewing(c))
		w.start()
		w.submit(mail{account: "wang@example.com", recipients: to("a@new.test", "b@new.test"), raw: note("a", "hello", "a@new.test", "b@new.test", "no-reply@new.test")})
		w.awaitStates("crm", waits+"a@new.test and 1 more")
		w.decide(mirror.DecideContact, "a@new.test")
		w.eventually("one waits", func() bool { return slices.Contains(w.reviews(), "b@new.test open 1") })
		w.decide(mirror.DecideIgnore, "b@new.test")
		w.awaitStates("crm", "mirrored")
		a := c.logged()[0]
		if len(a.Contacts) != 1 || a.Contacts[0].ID != "n-a@new.test" {
			t.Errorf("contacts %+v", a.Contacts)
		}
	})
}

// A crash after the decision and before what it lets go: the decision is in the store, and a new process applies it.
func TestCrashBetweenDecisionAndRelease(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newLeadCRM()
		w := open(t, db, reviewing(c))
		w.start()
		for i := range 3 {
			w.submit(mail{account: "wang@example.com", recipients: to("li@new.test"), raw: note(fmt.Sprint(i), "hello", "li@new.test")})
		}
		w.awaitStates("crm", waits+"li@new.test", waits+"li@new.test", waits+"li@new.test")
		w.stop()
		if n := w.decide(mirror.DecideContact, "li@new.test"); n != 3 {
			t.Errorf("decided on %d messages, want 3", n)
		}
		w.awaitStates("crm", waits+"li@new.test", waits+"li@new.test", waits+"li@new.test")
		w.reopen()
		w.start()
		w.awaitStates("crm", "mirrored", "mirrored", "mirrored")
		if len(c.logged()) != 3 || len(c.created) != 1 || c.called() != 3 {
			t.Errorf("%d activities, %d calls, created %v", len(c.logged()), c.called(), c.created)
		}
	})
}

func TestDecisionIsAppliedToThePast(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c, old := newLeadCRM(), newLeadCRM()
		o := reviewing(c)
		o.Unmatched = config.UnmatchedSkip
		o.Targets = append(o.Targets, mirror.Target{Name: "old", Client: plain{old}})
		w := open(t, db, o)
		w.start()
		w.submit(mail{account: "wang@example.com", recipients: to("li@new.test"), raw: note("a", "hello", "li@new.test")})
		w.awaitStates("crm", "mirrored")
		w.awaitStates("old", "mirrored")
		if a := c.logged()[0]; len(a.Contacts) != 0 {
			t.Fatalf("contacts %+v", a.Contacts)
		}
		if n := w.decide(mirror.DecideContact, "li@new.test"); n != 2 {
			t.Errorf("decided on %d, want 2", n)
		}
		w.eventually("the update is there", func() bool {
			w.clock.forward(10e9)
			return c.updated() == 1
		})
		w.awaitStates("old", "mirrored: a contact was decided on later; the target cannot be told")
		if len(c.created) != 1 || c.called() != 1 {
			t.Errorf("created %v, %d calls", c.created, c.called())
		}
	})
}

func TestIgnoredMailComesBack(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newLeadCRM()
		w := open(t, db, reviewing(c))
		w.start()
		w.submit(mail{account: "wang@example.com", recipients: to("li@new.test"), raw: note("a", "hello", "li@new.test")})
		w.awaitStates("crm", waits+"li@new.test")
		w.decide(mirror.DecideIgnore, "@new.test")
		w.awaitStates("crm", "excluded: decided in review: nothing is mirrored of li@new.test")
		w.decide(mirror.DecideContact, "li@new.test")
		w.awaitStates("crm", "mirrored")
		if got := w.reviews(); !slices.Equal(got, []string{"@new.test decided 0", "li@new.test decided 0"}) {
			t.Errorf("reviews %q", got)
		}
	})
}

// A decision that is taken back is asked for again with the next mail; what was done by it stays.
func TestDecisionIsForgotten(t *testing.T) {
	t.Parallel()
	for _, subject := range []string{"li@new.test", "@new.test"} {
		t.Run(subject, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				w := open(t, db, reviewing(newLeadCRM()))
				w.start()
				w.submit(mail{account: "wang@example.com", recipients: to("li@new.test"), raw: note("a", "hello", "li@new.test")})
				w.awaitStates("crm", waits+"li@new.test")
				w.decide(mirror.DecideIgnore, subject)
				const ignored = "excluded: decided in review: nothing is mirrored of li@new.test"
				w.awaitStates("crm", ignored)
				w.decide(mirror.DecideIgnore, "kim@new.test")
				w.decide(mirror.DecideAsk, subject)
				if got := w.reviews(); !slices.Equal(got, []string{"kim@new.test decided 0"}) {
					t.Errorf("reviews %q, want that of kim only", got)
				}
				w.submit(mail{account: "wang@example.com", recipients: to("li@new.test"), raw: note("b", "later", "li@new.test")})
				w.awaitStates("crm", ignored, waits+"li@new.test")
			})
		})
	}
}

// When no policy wants reviews any more, what waits is delivered as the new one says.
func TestChangeOfPolicyFreesWhatWaits(t *testing.T) {
	t.Parallel()
	c := newLeadCRM()
	w := open(t, storetest.SQLite(t), reviewing(c))
	w.start()
	w.submit(mail{account: "wang@example.com", recipients: to("li@new.test"), raw: note("a", "hello", "li@new.test")})
	w.awaitStates("crm", waits+"li@new.test")
	w.options.Unmatched = config.UnmatchedLead
	w.reopen()
	w.start()
	w.awaitStates("crm", "mirrored")
	if a := c.logged()[0]; len(a.Contacts) != 1 || a.Contacts[0].Kind != crmclient.KindLead {
		t.Errorf("contacts %+v", a.Contacts)
	}
}

func TestSuggestions(t *testing.T) {
	t.Parallel()
	c := newLeadCRM("stranger@other.test")
	c.contacts["lei@old.test"] = crmclient.Contact{ID: "7", Kind: "contact", Address: "lei@old.test", Name: "LI, Lei"}
	c.companies["new.test"] = crmclient.Company{ID: "3", Name: "New Ltd", Domain: "new.test"}
	w := open(t, storetest.SQLite(t), reviewing(c))
	w.start()
	w.submit(mail{account: "wang@example.com", recipients: to("li@mail.new.test"), raw: note("a", "hello", "Lei Li <li@mail.new.test>")})
	w.awaitStates("crm", waits+"li@mail.new.test")
	found, more, err := mirror.Reviews(t.Context(), w.db.Reader(), mirror.ReviewFilter{State: mirror.ReviewOpen, Subject: "li@mail.new.test"})
	if err != nil || more || len(found) != 1 {
		t.Fatalf("got %+v, %t, %v", found, more, err)
	}
	want := []mirror.Suggestion{
		{Target: "crm", Kind: "contact", ID: "7", Name: "LI, Lei", Address: "lei@old.test", Percent: 100},
		{Target: "crm", Kind: "company", ID: "3", Name: "New Ltd", Percent: 100},
	}
	if r := found[0]; !slices.Equal(r.Suggestions, want) || r.Name != "Lei Li" || r.FirstSeen.IsZero() {
		t.Errorf("got %+v", r)
	}
	messages, err := mirror.ReviewMessages(t.Context(), w.db.Reader(), "li@mail.new.test", 10)
	if err != nil || len(messages) != 1 || messages[0].MessageID != "a@example.com" || !messages[0].Waits || messages[0].At.IsZero() {
		t.Errorf("messages %+v, %v", messages, err)
	}
}

func TestDecisionsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	for _, d := range []mirror.Decision{
		{},
		{Subject: "li", As: mirror.DecideSkip},
		{Subject: "@new.test", As: mirror.DecideContact},
		{Subject: "li@new.test", As: "perhaps"},
		{Subject: "li@new.test", As: mirror.DecideLink},
		{Subject: "li@new.test", As: mirror.DecideSkip, Link: "7"},
		{Subject: "li@", As: mirror.DecideIgnore},
	} {
		if _, err := mirror.Decide(t.Context(), db, mirror.Decision{Subject: "good@new.test", As: mirror.DecideIgnore}, d); err == nil {
			t.Errorf("%+v was taken", d)
		}
	}
	if found, _, err := mirror.Reviews(t.Context(), db.Reader(), mirror.ReviewFilter{}); err != nil || len(found) != 0 {
		t.Errorf("got %+v, %v: half of it was written", found, err)
	}
}

// Whatever the order of arrivals, decisions and restarts, each message is mirrored once with the right contacts, or ignored.
func TestReviewInAnyOrder(t *testing.T) {
	t.Parallel()
	for range 3 {
		seed := rand.Uint64()
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, db *store.DB) { reviewInAnyOrder(t, db, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func reviewInAnyOrder(t *testing.T, db *store.DB, r *rand.Rand) {
	c := newLeadCRM()
	w := open(t, db, reviewing(c))
	w.start()
	run := fmt.Sprintf("%x", r.Uint32())
	fate := map[string]mirror.ReviewDecision{} // the last on each
	var people []string
	for i := range 6 {
		who := fmt.Sprintf("p%d@%s.test", i, run)
		people = append(people, who)
		fate[who] = []mirror.ReviewDecision{mirror.DecideContact, mirror.DecideLead, mirror.DecideIgnore}[i%3]
	}
	mails := map[string][]string{}
	var steps []func()
	for i := range 12 {
		id := fmt.Sprintf("m%d-%s", i, run)
		to1, to2 := people[r.IntN(len(people))], people[r.IntN(len(people))]
		mails[id+"@example.com"] = []string{to1, to2}
		steps = append(steps, func() {
			w.submit(mail{account: "wang@example.com", recipients: to(to1, to2), raw: note(id, id, to1, to2)})
		})
	}
	for _, who := range people {
		steps = append(steps, func() { w.decide(fate[who], who) })
	}
	for range 2 {
		steps = append(steps, func() { w.reopen(); w.start() })
	}
	r.Shuffle(len(steps), func(i, k int) { steps[i], steps[k] = steps[k], steps[i] })
	for _, step := range steps {
		step()
	}
	settled := func() bool {
		states := w.statesOf(mails)
		return len(states) == len(mails) && !slices.ContainsFunc(states, func(s string) bool { return strings.HasPrefix(s, "pending") })
	}
	w.eventually("all is settled", settled)
	logged := map[string]*crmclient.Activity{}
	for _, a := range c.logged() {
		if logged[a.MessageID] != nil {
			t.Errorf("%s is there twice", a.MessageID)
		}
		logged[a.MessageID] = a
	}
	for id, who := range mails {
		want := map[string]bool{}
		for _, p := range who {
			if fate[p] != mirror.DecideIgnore {
				want[string(fate[p])+" n-"+p] = true
			}
		}
		a := logged[id]
		if (a == nil) != (len(want) == 0) {
			t.Errorf("%s with %v: mirrored is %t", id, who, a != nil)
		}
		if a == nil {
			continue
		}
		for _, k := range a.Contacts {
			if !want[k.Kind+" "+k.ID] {
				t.Errorf("%s: unwanted contact %+v", id, k)
			}
			delete(want, k.Kind+" "+k.ID)
		}
		if len(want) > 0 {
			t.Errorf("%s: no contact for %v", id, want)
		}
	}
}

// statesOf returns the states of messages at the target.
func (w *office) statesOf(mails map[string][]string) (out []string) {
	w.t.Helper()
	rows, err := w.journal.Ledger(w.t.Context(), journal.LedgerFilter{Limit: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range rows {
		if _, mine := mails[r.MessageID]; mine && r.Target == "crm" {
			out = append(out, string(r.State)+": "+r.Reason)
		}
	}
	return out
}
