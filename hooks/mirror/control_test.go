package mirror_test

import (
	"context"
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

func TestRecordsTellWhereAMessageIs(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := open(t, db, oneTarget(newCRM()))
		w.start()
		first := w.submit(mail{account: "wang@example.com", recipients: to("li@customer.test"), raw: offer(1)})
		w.awaitStates("crm", "mirrored")
		second := w.submit(mail{account: "zhao@example.com", recipients: to("li@customer.test"), raw: offer(1)})
		inside := strings.ReplaceAll(offer(2), "li@customer.test", "zhao@example.com")
		other := w.submit(mail{account: "wang@example.com", recipients: to("zhao@example.com"), raw: inside})
		w.awaitStates("crm", "mirrored", "mirrored")
		w.eventually("internal mail is excluded", func() bool {
			return slices.Contains(w.states(""), "excluded: rule internal: everybody who took part is an employee")
		})
		got, err := mirror.Records(t.Context(), db.Reader(), first)
		if err != nil || len(got) != 1 || got[0].Target != "crm" || got[0].RemoteID == "" {
			t.Fatalf("got %+v, %v, want one record with an id", got, err)
		}
		copied, err := mirror.Records(t.Context(), db.Reader(), second)
		if err != nil || len(copied) != 1 || copied[0] != got[0] {
			t.Errorf("got %+v, %v for the other copy, want %+v", copied, err, got)
		}
		if internal, err := mirror.Records(t.Context(), db.Reader(), other); err != nil || len(internal) != 0 {
			t.Errorf("got %+v, %v for internal mail, want none", internal, err)
		}
	})
}

// Who gives a delivery up finds that in the ledger, for each copy, and may change their mind.
func TestDroppedDeliveryIsInTheLedger(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCRM()
		c.before = func(_ context.Context, n int) error {
			if n == 1 {
				return &crmclient.Error{Class: crmclient.ClassRetry, Message: "down", Status: 503}
			}
			return nil
		}
		w := open(t, db, oneTarget(c))
		w.start()
		w.submit(mail{account: "wang@example.com", recipients: to("li@customer.test"), raw: offer(1)})
		w.submit(mail{account: "zhao@example.com", recipients: to("li@customer.test"), raw: offer(1)})
		const down = "pending: logging the mail: down (status 503)"
		w.awaitStates("crm", down, down)
		jobs, err := w.queue.List(t.Context(), queue.Filter{Kind: mirror.Kind("crm")})
		if err != nil || len(jobs) != 1 {
			t.Fatalf("got %+v, %v, want one job", jobs, err)
		}
		if err := mirror.Drop(t.Context(), db, w.queue, jobs[0], "已电话联系"); err != nil {
			t.Fatal(err)
		}
		w.awaitStates("crm", "failed: dropped: 已电话联系", "failed: dropped: 已电话联系")
		if jobs, err = w.queue.List(t.Context(), queue.Filter{Kind: mirror.Kind("crm")}); err != nil || jobs[0].State != queue.StateCancelled {
			t.Fatalf("got %+v, %v, want a cancelled job", jobs, err)
		}
		if n, err := w.queue.Redrive(t.Context(), jobs[0].ID); n != 1 || err != nil {
			t.Fatalf("Redrive = %d, %v", n, err)
		}
		w.clock.forward(time.Minute)
		w.awaitStates("crm", "mirrored", "mirrored")
		// What is mirrored stays so.
		if err := mirror.Drop(t.Context(), db, w.queue, jobs[0], "too late"); err != nil {
			t.Fatal(err)
		}
		w.awaitStates("crm", "mirrored", "mirrored")
		if err := mirror.Drop(t.Context(), db, w.queue, queue.Job{Kind: "outbox"}, "wrong"); err == nil {
			t.Error("dropped a job that is no delivery")
		}
	})
}
