package mirror_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"heliograph/crmclient"
	"heliograph/hooks/mirror"
	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// A person pauses a target: what comes waits, and goes when the target is resumed.
func TestPausedTargetGetsNothing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCRM()
		o := oneTarget(c)
		var paused atomic.Bool
		paused.Store(true)
		o.Paused = func(string) (string, bool, time.Time) { return "maintenance", paused.Load(), time.Time{} }
		w := open(t, db, o)
		w.start()
		w.submit(mail{account: "wang@example.com", recipients: to("li@customer.test"), raw: offer(1)})
		w.awaitStates("crm", "pending: waits: paused by a person: maintenance")
		if s := w.mirror.Targets(); len(s) != 1 || s[0].State != mirror.TargetPaused || s[0].Reason != "maintenance" || c.called() != 0 {
			t.Errorf("status %+v, %d calls", s, c.called())
		}
		paused.Store(false)
		if n, err := mirror.Go(t.Context(), w.queue, "crm"); err != nil || n != 1 {
			t.Fatalf("Go = %d, %v", n, err)
		}
		w.awaitStates("crm", "mirrored")
		if s := w.mirror.Targets(); s[0].State != mirror.TargetOK {
			t.Errorf("status %+v", s)
		}
	})
}

// A dead letter of one target goes to another, once.
func TestSendTo(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		bad, good := newCRM(), newCRM()
		bad.before = func(context.Context, int) error {
			return &crmclient.Error{Class: crmclient.ClassPermanent, Message: "never"}
		}
		o := oneTarget(bad)
		w := open(t, db, o)
		w.start()
		w.submit(mail{account: "wang@example.com", recipients: to("li@customer.test"), raw: offer(1)})
		w.eventually("it is a dead letter", func() bool {
			s := w.states("crm")
			return len(s) == 1 && strings.HasPrefix(s[0], "failed: ")
		})
		w.stop()
		w.options.Targets = append(w.options.Targets, mirror.Target{Name: "other", Client: good})
		w.reopen()
		w.start()
		jobs, err := w.queue.List(t.Context(), queue.Filter{Kind: mirror.Kind("crm")})
		if err != nil || len(jobs) != 1 {
			t.Fatal(jobs, err)
		}
		if _, err := mirror.SendTo(t.Context(), db, w.queue, jobs[0], "crm", "", 0); !errors.Is(err, mirror.ErrNoDelivery) {
			t.Errorf("to itself: %v", err)
		}
		key, err := mirror.SendTo(t.Context(), db, w.queue, jobs[0], "other", "wrong system", 0)
		if err != nil || key != string(jobs[0].Payload) {
			t.Fatal(key, err)
		}
		w.awaitStates("other", "mirrored")
		w.awaitStates("crm", "failed: dropped: sent to other instead: wrong system")
		if _, err := mirror.SendTo(t.Context(), db, w.queue, jobs[0], "other", "", 0); !errors.Is(err, mirror.ErrHasIt) {
			t.Errorf("again: %v", err)
		}
		if good.count() != 1 {
			t.Errorf("%d activities", good.count())
		}
	})
}
