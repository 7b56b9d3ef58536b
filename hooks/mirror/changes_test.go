package mirror_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"heliograph/crmclient"
	"heliograph/hooks/mirror"
	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// changes are what a CRM is told of mail that it has.
type changes struct {
	updates   int
	withdrawn []string
	// beforeChange may fail an update or a withdrawal before it has an effect, afterChange when it had it.
	beforeChange, afterChange func(what string) error
}

// UpdateEmail sets what a Client may change.
func (c *crm) UpdateEmail(_ context.Context, _ string, a *crmclient.Activity) (crmclient.Receipt, error) {
	c.mu.Lock()
	before, after := c.beforeChange, c.afterChange
	c.mu.Unlock()
	if before != nil {
		if err := before("update"); err != nil {
			return crmclient.Receipt{}, err
		}
	}
	c.mu.Lock()
	c.updates++
	known, ok := c.activities[a.Key]
	if ok {
		known.Accounts, known.Sightings, known.BCC, known.Thread, known.Unconfirmed = a.Accounts, a.Sightings, a.BCC, a.Thread, a.Unconfirmed
	}
	c.mu.Unlock()
	if !ok {
		return crmclient.Receipt{}, &crmclient.Error{Class: crmclient.ClassPermanent, Err: crmclient.ErrNoRecord}
	}
	if after != nil {
		return crmclient.Receipt{}, after("update")
	}
	return crmclient.Receipt{RemoteID: "r-" + a.Key}, nil
}

// WithdrawEmail deletes a record.
func (c *crm) WithdrawEmail(_ context.Context, _, key string) error {
	c.mu.Lock()
	before, after := c.beforeChange, c.afterChange
	c.mu.Unlock()
	if before != nil {
		if err := before("withdraw"); err != nil {
			return err
		}
	}
	c.mu.Lock()
	c.withdrawn = append(c.withdrawn, key)
	delete(c.activities, key)
	c.order = slices.DeleteFunc(c.order, func(k string) bool { return k == key })
	c.mu.Unlock()
	if after != nil {
		return after("withdraw")
	}
	return nil
}

// updated returns how often the CRM was told of changes.
func (c *crm) updated() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.updates
}

// accounts returns the owners of the only activity, sorted.
func (c *crm) accounts() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for _, a := range c.activities {
		out = append(out, a.Accounts...)
	}
	slices.Sort(out)
	return out
}

// plain is a CRM that can be told of mail once only.
type plain struct{ crmclient.Client }

func (w *office) withdraw(x mirror.Withdrawal) []mirror.Withdrawn {
	w.t.Helper()
	if x.Reason == "" {
		x.Reason = "private"
	}
	out, err := mirror.Withdraw(w.t.Context(), w.db, w.queue, x)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// jobs returns the jobs of a kind.
func (w *office) jobs(kind string) []queue.Job {
	w.t.Helper()
	jobs, err := w.queue.List(w.t.Context(), queue.Filter{Kind: kind, Limit: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	return jobs
}

// quiet tells whether nothing is due or under way at the CRM.
func quiet(w *office) bool {
	for _, kind := range []string{mirror.Kind("crm"), mirror.UpdateKind("crm"), mirror.WithdrawKind("crm")} {
		if slices.ContainsFunc(w.jobs(kind), func(j queue.Job) bool {
			return j.State == queue.StateRunning || j.State.Live() && !j.RunAt.After(w.clock.now())
		}) {
			return false
		}
	}
	return true
}

func colleague(i int) string { return fmt.Sprintf("colleague%d@example.com", i) }

func TestTenColleaguesMakeOneActivityAndOneUpdate(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCRM()
		w := open(t, db, oneTarget(c))
		w.start()
		w.submit(mail{account: "wang@example.com", recipients: to("li@customer.test"), raw: offer(1)})
		w.awaitStates("crm", "mirrored")
		want := []string{"mirrored"}
		for i := range 10 {
			w.submit(mail{account: colleague(i), recipients: to("li@customer.test"), raw: offer(1)})
			want = append(want, "mirrored")
		}
		w.awaitStates("crm", want...)
		w.clock.forward(time.Minute)
		w.eventually("the CRM knows all owners", func() bool { return len(c.accounts()) == 11 })
		if c.updated() != 1 || c.called() != 1 || len(c.logged()) != 1 {
			t.Errorf("%d updates, %d calls, %d activities, want one of each", c.updated(), c.called(), len(c.logged()))
		}
		// Another copy of somebody who has it adds nothing.
		w.submit(mail{account: colleague(3), recipients: to("li@customer.test"), raw: offer(1)})
		w.awaitStates("crm", append(want, "mirrored")...)
		w.clock.forward(time.Minute)
		w.eventually("nothing waits", func() bool { return quiet(w) })
		if c.updated() != 1 {
			t.Errorf("%d updates, want no second", c.updated())
		}
	})
}

func TestTargetThatCannotBeToldIsInTheLedger(t *testing.T) {
	t.Parallel()
	c := newCRM()
	w := open(t, storetest.SQLite(t), oneTarget(plain{c}))
	w.start()
	w.submit(mail{account: "wang@example.com", recipients: to("li@customer.test"), raw: offer(1)})
	w.awaitStates("crm", "mirrored")
	w.submit(mail{account: "zhao@example.com", recipients: to("li@customer.test"), raw: offer(1)})
	w.awaitStates("crm", "mirrored", "mirrored: seen after the target had it; the target cannot be told")
	w.withdraw(mirror.Withdrawal{MessageID: "offer-1@example.com"})
	const failed = "failed: could not be withdrawn: private: the target cannot take mail back; delete the record there by hand"
	w.awaitStates("crm", failed, failed)
}

// The CRM has the update, but the gateway dies before it knows.
func TestCrashBetweenAnUpdateAndItsEnd(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCRM()
		w := open(t, db, oneTarget(c))
		w.start()
		w.submit(mail{account: "wang@example.com", recipients: to("li@customer.test"), raw: offer(1)})
		w.awaitStates("crm", "mirrored")
		reached := make(chan struct{})
		c.mu.Lock()
		c.afterChange = func(string) error {
			c.mu.Lock()
			c.afterChange = nil
			c.mu.Unlock()
			close(reached)
			return &crmclient.Error{Class: crmclient.ClassRetry, Message: "the answer was lost"}
		}
		c.mu.Unlock()
		w.submit(mail{account: "zhao@example.com", recipients: to("li@customer.test"), raw: offer(1)})
		w.awaitStates("crm", "mirrored", "mirrored")
		w.clock.forward(time.Minute)
		<-reached
		w.reopen()
		w.start()
		w.clock.forward(time.Hour)
		w.eventually("nothing waits", func() bool { w.clock.forward(time.Second); return quiet(w) && c.updated() == 2 })
		if got := c.accounts(); !slices.Equal(got, []string{"wang@example.com", "zhao@example.com"}) || len(c.logged()) != 1 {
			t.Errorf("accounts %v of %d activities", got, len(c.logged()))
		}
		w.awaitStates("crm", "mirrored", "mirrored")
	})
}

func TestWithdrawnMailIsDeletedAndStaysAway(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCRM()
		w := open(t, db, oneTarget(c))
		w.start()
		w.submit(mail{account: "wang@example.com", recipients: to("li@customer.test"), raw: offer(1)})
		w.submit(mail{account: "wang@example.com", recipients: to("li@customer.test"), raw: offer(2)})
		w.awaitStates("crm", "mirrored", "mirrored")
		plan, err := mirror.PlanWithdrawal(t.Context(), db.Reader(), mirror.Withdrawal{MessageID: "offer-1@example.com"})
		if err != nil || len(plan) != 1 || plan[0].Step != mirror.StepDelete || plan[0].RemoteID == "" || len(c.logged()) != 2 {
			t.Fatalf("plan %+v, %v", plan, err)
		}
		for range 2 { // the second time there is nothing to do
			w.withdraw(mirror.Withdrawal{MessageID: "offer-1@example.com"})
			w.awaitStates("crm", "mirrored", "withdrawn: private")
		}
		w.submit(mail{account: "zhao@example.com", recipients: to("li@customer.test"), raw: offer(1)})
		w.awaitStates("crm", "mirrored", "withdrawn: private", "withdrawn: private")
		w.clock.forward(time.Hour)
		w.eventually("nothing waits", func() bool { return quiet(w) })
		if left := c.logged(); len(left) != 1 || left[0].MessageID != "offer-2@example.com" || len(c.withdrawn) != 1 {
			t.Errorf("%d activities are left, %d withdrawals", len(left), len(c.withdrawn))
		}
	})
}

func TestWithdrawingWhatWaits(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCRM()
		w := open(t, db, oneTarget(c))
		w.startHooks()
		w.submit(mail{account: "wang@example.com", recipients: to("li@customer.test"), raw: offer(1)})
		w.awaitStates("crm", "pending")
		if got := w.withdraw(mirror.Withdrawal{Address: "LI@customer.test"}); len(got) != 1 || got[0].Step != mirror.StepDrop {
			t.Errorf("steps %+v, want one drop", got)
		}
		w.run(w.mirror.Run)
		w.awaitStates("crm", "withdrawn: private")
		w.eventually("nothing waits", func() bool { return quiet(w) })
		if c.called() != 0 || len(c.withdrawn) != 0 {
			t.Errorf("%d deliveries, %d withdrawals, want none", c.called(), len(c.withdrawn))
		}
	})
}

// An account that leaves takes along what nobody else has.
func TestWithdrawingAnAccount(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCRM()
		w := open(t, db, oneTarget(c))
		w.start()
		w.submit(mail{account: "wang@example.com", recipients: to("li@customer.test"), raw: offer(1)})
		w.submit(mail{account: "zhao@example.com", recipients: to("li@customer.test"), raw: offer(1)})
		w.submit(mail{account: "zhao@example.com", recipients: to("li@customer.test"), raw: offer(2)})
		w.awaitStates("crm", "mirrored", "mirrored", "mirrored")
		w.clock.forward(time.Minute)
		w.eventually("nothing waits", func() bool { return quiet(w) })
		w.withdraw(mirror.Withdrawal{Account: "Zhao@example.com"})
		w.awaitStates("crm", "mirrored", "withdrawn: private", "withdrawn: private")
		w.eventually("only wang has mail", func() bool { return slices.Equal(c.accounts(), []string{"wang@example.com"}) })
		// Another copy in that mailbox changes nothing.
		w.submit(mail{account: "zhao@example.com", recipients: to("li@customer.test"), raw: offer(1)})
		gone := "withdrawn: private"
		w.awaitStates("crm", "mirrored", gone, gone, gone)
		w.clock.forward(time.Minute)
		w.eventually("nothing waits", func() bool { return quiet(w) })
		if got := c.accounts(); !slices.Equal(got, []string{"wang@example.com"}) {
			t.Errorf("accounts %v", got)
		}
	})
}

// A withdrawal that meets a delivery under way follows it, whether the delivery's end is known or not.
func TestWithdrawalRacesWithADelivery(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]bool{"answered": false, "answer lost": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				c := newCRM()
				entered, leave := make(chan struct{}), make(chan struct{})
				c.before = func(_ context.Context, n int) error {
					if n == 1 {
						close(entered)
						<-leave
					}
					return nil
				}
				c.after = func(context.Context, int) error {
					if lost {
						return &crmclient.Error{Class: crmclient.ClassRetry, Message: "the answer was lost"}
					}
					return nil
				}
				w := open(t, db, oneTarget(c))
				w.start()
				w.submit(mail{account: "wang@example.com", recipients: to("li@customer.test"), raw: offer(1)})
				<-entered
				w.withdraw(mirror.Withdrawal{MessageID: "offer-1@example.com"})
				w.eventually("the withdrawal waits", func() bool {
					w.clock.forward(time.Second)
					jobs, err := w.queue.List(t.Context(), queue.Filter{Kind: mirror.WithdrawKind("crm")})
					return err == nil && len(jobs) == 1 && strings.Contains(jobs[0].LastError, "under way")
				})
				close(leave)
				w.eventually("it is withdrawn", func() bool {
					w.clock.forward(time.Second)
					return slices.Equal(w.states("crm"), []string{"withdrawn: private"}) && quiet(w)
				})
				if len(c.logged()) != 0 || c.called() != 1 {
					t.Errorf("%d records survive %d deliveries", len(c.logged()), c.called())
				}
			})
		})
	}
}

func TestWithdrawalIsRetried(t *testing.T) {
	t.Parallel()
	c := newCRM()
	w := open(t, storetest.SQLite(t), oneTarget(c))
	w.start()
	w.submit(mail{account: "wang@example.com", recipients: to("li@customer.test"), raw: offer(1)})
	w.awaitStates("crm", "mirrored")
	fail := true
	c.mu.Lock()
	c.beforeChange = func(string) error {
		if fail {
			fail = false
			return &crmclient.Error{Class: crmclient.ClassRetry, Message: "down"}
		}
		return nil
	}
	c.mu.Unlock()
	w.withdraw(mirror.Withdrawal{MessageID: "offer-1@example.com"})
	w.awaitStates("crm", "mirrored: is being withdrawn: down")
	w.clock.forward(time.Minute)
	w.awaitStates("crm", "withdrawn: private")
	if len(c.logged()) != 0 {
		t.Error("the record is still there")
	}
}

func TestWithdrawalsThatMeanNothing(t *testing.T) {
	t.Parallel()
	w := open(t, storetest.SQLite(t), oneTarget(newCRM()))
	for name, x := range map[string]mirror.Withdrawal{
		"no reason":  {MessageID: "a"},
		"no message": {Reason: "x"},
		"two":        {MessageID: "a", Account: "b", Reason: "x"},
	} {
		if _, err := mirror.Withdraw(t.Context(), w.db, w.queue, x); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if got := w.withdraw(mirror.Withdrawal{MessageID: "nobody@knows"}); len(got) != 0 {
		t.Errorf("got %+v for an unknown message", got)
	}
}

// A mail whose thread turns out to be part of another is moved there.
func TestThreadsThatJoinMoveTheirActivities(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCRM()
		w := open(t, db, oneTarget(c))
		w.start()
		text := func(id, refs, subject string) string {
			return "Message-ID: <" + id + ">\nReferences: " + refs + "\nFrom: wang@example.com\nTo: li@customer.test\nSubject: " + subject + "\n\n" + id + "\n"
		}
		w.submit(mail{account: "wang@example.com", recipients: to("li@customer.test"), raw: text("a@x", "", "A")})
		w.awaitStates("crm", "mirrored")
		w.submit(mail{account: "wang@example.com", recipients: to("li@customer.test"), raw: text("b@x", "", "B")})
		w.awaitStates("crm", "mirrored", "mirrored")
		w.submit(mail{account: "wang@example.com", recipients: to("li@customer.test"), raw: text("c@x", "<a@x> <b@x>", "C")})
		w.awaitStates("crm", "mirrored", "mirrored", "mirrored")
		w.clock.forward(time.Minute)
		w.eventually("one thread", func() bool {
			threads := map[string]bool{}
			c.mu.Lock()
			defer c.mu.Unlock()
			for _, a := range c.activities {
				threads[a.Thread] = true
			}
			return len(threads) == 1
		})
		if c.updated() != 1 {
			t.Errorf("%d updates, want one", c.updated())
		}
	})
}
