package automail_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"heliograph/hooks/automail"
	"heliograph/internal/journal"
	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

func TestListShowRetryDrop(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		p := newProvider(t, nil)
		p.onRcpt = func(to string, _ int) error {
			switch to {
			case "busy@example.org":
				return refuse(450, smtp.EnhancedCode{4, 2, 1}, "busy")
			case "no@example.org":
				return refuse(550, smtp.EnhancedCode{5, 1, 1}, "no such user")
			}
			return nil
		}
		r := newRig(t, db, p.addr)
		waiting := r.send(text, "", rcpt("busy@example.org"))
		dropped := r.send(text, "", rcpt("busy@example.org"), rcpt("bob@example.org"))
		bounced := r.send(text, "", rcpt("no@example.org", "NOTIFY=NEVER"))
		for _, id := range []journal.ID{waiting, dropped, bounced} {
			r.rests(id)
		}
		r.idle()
		wantList(t, r, automail.Filter{}, dropped, waiting)
		wantList(t, r, automail.Filter{Before: dropped, Upstream: "main", ReversePath: sender}, waiting)
		wantList(t, r, automail.Filter{Upstream: "other"})
		wantList(t, r, automail.Filter{Finished: true}, bounced)

		if err := r.box.Drop(t.Context(), dropped, "wrong price list"); err != nil {
			t.Fatal(err)
		}
		m := r.rests(dropped)
		r.wantStates(m, "busy@example.org=failed bob@example.org=delivered")
		if m.Recipients[0].Text != "dropped: wrong price list" || m.FinishedAt.IsZero() {
			t.Errorf("after the drop: %+v", m)
		}
		r.wantJob(dropped, queue.StateCancelled)

		p.set(func(p *provider) { p.onRcpt = nil })
		for _, id := range []journal.ID{waiting, bounced} {
			if err := r.box.Retry(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			r.await("retried", func() bool {
				m, err := r.box.Show(t.Context(), id)
				return err == nil && !m.FinishedAt.IsZero() && m.Recipients[0].State == automail.StateDelivered
			})
			r.rests(id)
		}
		rows, err := r.journal.Ledger(t.Context(), journal.LedgerFilter{Entry: bounced, Target: "upstream:main"})
		if err != nil || len(rows) == 0 || rows[0].State != journal.LedgerCaptured {
			t.Errorf("the ledger says %+v, %v", rows, err)
		}
		wantList(t, r, automail.Filter{})
		if n := len(p.mails("")); n != 0 {
			t.Errorf("%d notices, want none: the operator was the one to decide", n)
		}
	})
}

func wantList(t *testing.T, r *rig, f automail.Filter, want ...journal.ID) {
	t.Helper()
	list, err := r.box.List(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != len(want) {
		t.Fatalf("List(%+v) has %d messages, want %d", f, len(list), len(want))
	}
	for i, m := range list {
		if m.Entry != want[i] || len(m.Recipients) == 0 {
			t.Errorf("List(%+v)[%d] is %s with %d recipients, want %s", f, i, m.Entry, len(m.Recipients), want[i])
		}
	}
}

func TestUnknownMessages(t *testing.T) {
	t.Parallel()
	r := newRig(t, storetest.SQLite(t), newProvider(t, nil).addr)
	id := journal.NewID(time.Now())
	_, showErr := r.box.Show(t.Context(), id)
	for name, err := range map[string]error{"show": showErr, "retry": r.box.Retry(t.Context(), id), "drop": r.box.Drop(t.Context(), id, "x")} {
		if !errors.Is(err, automail.ErrUnknown) {
			t.Errorf("%s: %v, want ErrUnknown", name, err)
		}
	}
	delivered := r.send(text, "", rcpt("bob@example.org"))
	r.rests(delivered)
	if err := r.box.Retry(t.Context(), delivered); !errors.Is(err, automail.ErrUnknown) {
		t.Errorf("retry of a delivered message: %v, want ErrUnknown", err)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	p := newProvider(t, nil)
	p.onRcpt = func(string, int) error { return refuse(450, smtp.EnhancedCode{4, 2, 1}, "busy") }
	r := newRig(t, storetest.SQLite(t), p.addr)
	id := r.send(text, "", rcpt("bob@example.org"))
	r.rests(id)
	r.clock.advance(30 * time.Second)
	want := `
# HELP heliograph_outbox_attempts_total Delivery attempts by upstream and outcome.
# TYPE heliograph_outbox_attempts_total counter
heliograph_outbox_attempts_total{outcome="deferred",upstream="main"} 1
# HELP heliograph_outbox_messages Messages in the outbox.
# TYPE heliograph_outbox_messages gauge
heliograph_outbox_messages 1
# HELP heliograph_outbox_oldest_seconds Age of the oldest message in the outbox; 0 when it is empty.
# TYPE heliograph_outbox_oldest_seconds gauge
heliograph_outbox_oldest_seconds 30
`
	if err := testutil.GatherAndCompare(r.reg, strings.NewReader(want), "heliograph_outbox_attempts_total", "heliograph_outbox_messages", "heliograph_outbox_oldest_seconds"); err != nil {
		t.Error(err)
	}
	problems, err := testutil.GatherAndLint(r.reg)
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
}
