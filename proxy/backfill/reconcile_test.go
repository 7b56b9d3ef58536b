package backfill_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/internal/journal"
	"heliograph/internal/mailtest"
	"heliograph/internal/uidset"
	"heliograph/proxy/backfill"
)

func TestReconcileFindsAndClosesGaps(t *testing.T) {
	t.Parallel()
	d := mailtest.Dovecot(t)
	deliver(t, d, 0, 30)
	w := newWorld(t, dovecotUpstream(d), nil)

	// Nothing was ever captured: all is older, and looking does not begin it.
	for range 2 {
		r := w.reconcile(backfill.Request{Fix: true}).ok(t)
		if row := r.row(t, "INBOX"); row.Messages != 30 || row.Older != 30 || row.Missing != 0 || row.Captured != 0 {
			t.Fatalf("before capture: %+v", row)
		}
	}
	w.backfill(backfill.Request{Limit: 20}).ok(t) // which enrols the mailbox
	deliver(t, d, 30, 60)
	before := holds(t, d, "INBOX")
	row := w.reconcile(backfill.Request{}).ok(t).row(t, "INBOX")
	if row.Messages != 60 || row.Captured != 20 || row.Older != 10 || row.Missing != 30 ||
		!slices.Equal(row.FirstMissing, []uint32{31, 32, 33, 34, 35, 36, 37, 38, 39, 40}) {
		t.Errorf("with gaps: %+v", row)
	}
	w.configure(func(c *config.Capture) { c.Policy = config.CaptureAll })
	if row = w.reconcile(backfill.Request{}).ok(t).row(t, "INBOX"); row.Missing != 40 || row.Older != 0 {
		t.Errorf("with the policy all: %+v", row)
	}
	w.configure(func(c *config.Capture) { c.Policy = config.CaptureNew })
	r := w.reconcile(backfill.Request{Fix: true}).ok(t)
	if row = r.row(t, "INBOX"); row.Missing != 0 || row.Older != 10 || row.Captured != 50 || r.Missing() != 0 {
		t.Errorf("after closing them: %+v", row)
	}
	w.backfill(backfill.Request{}).ok(t)
	if row = w.reconcile(backfill.Request{}).ok(t).row(t, "INBOX"); row.Missing+row.Older != 0 || row.Captured != 60 {
		t.Errorf("after the rest: %+v", row)
	}
	w.same("INBOX", before)
}

func TestReconcileTriesAgainWhatFailed(t *testing.T) {
	t.Parallel()
	fail := wireList + wireOpen(3, 2, 7) + wireOpen(5, 2, 7) + wireMeta(7, 2, 3, "") + `
		C: T8 UID FETCH 1:2 (UID BODY.PEEK[]<0.262144>)
		S: * 1 FETCH (UID 1 BODY[]<0> "one")
		S: T8 NO no
		C: T9 UID FETCH 2 (UID BODY.PEEK[]<0.262144>)
		S: T9 NO the disk has a hole
		C: T10 NOOP
		S: T10 OK done
		C: T11 UID SEARCH UID 2
		S: * SEARCH 2
		S: T11 OK done
	` + wireEnd
	again := wireList + wireOpen(3, 2, 7) + wireOpen(5, 2, 7) + `
		C: T7 UID FETCH 2 ({any})
		S: * 2 FETCH (UID 2 FLAGS () INTERNALDATE " 1-Feb-2026 10:00:00 +0800" RFC822.SIZE 3)
		S: T7 OK done
		C: T8 UID FETCH 2 (UID BODY.PEEK[]<0.262144>)
		S: * 2 FETCH (UID 2 BODY[]<0> "two")
		S: T8 OK done
	` + wireEnd
	w := wireWorld(t, fail, wireList+wireOpen(3, 2, 7)+wireEnd, again)
	w.backfill(backfill.Request{}).ok(t)
	w.settled(journal.UIDFailed, 1)
	row := w.reconcile(backfill.Request{}).ok(t).row(t, "INBOX")
	if row.Failed != 1 || row.Captured != 1 || row.Missing != 0 {
		t.Errorf("with a failed message: %+v", row)
	}
	row = w.reconcile(backfill.Request{Fix: true}).ok(t).row(t, "INBOX")
	if row.Failed != 0 || row.Captured != 2 || row.Missing != 0 {
		t.Errorf("after trying again: %+v", row)
	}
	if got := w.bodies(2); got != "one two" {
		t.Errorf("captured %q", got)
	}
}

// settled waits until the store has n UIDs of a state.
func (w *world) settled(state journal.UIDState, n uint64) {
	w.t.Helper()
	mailtest.Eventually(w.t, 30*time.Second, func() error {
		list, err := w.journal.Mailboxes(w.t.Context(), journal.MailboxFilter{})
		var all uidset.Set
		for _, m := range list {
			all.AddSet(m.Sets[state])
		}
		if err == nil && all.Len() != n {
			err = fmt.Errorf("%d UIDs are %s, want %d", all.Len(), state, n)
		}
		return err
	})
}

func TestReconcileSkipsWhatCannotBeOpened(t *testing.T) {
	t.Parallel()
	w := wireWorld(t, wireLogin+`
		C: T2 LIST "" "*"
		S: * LIST () "/" INBOX
		S: * LIST () "/" Shared
		S: * LIST () "/" "&UXZO1mWHTvZZOQ-"
		S: * LIST (\NoSelect) "/" Parent
		S: T2 OK done
	`+wireOpen(3, 0, 7)+`
		C: T5 EXAMINE "Shared"
		S: T5 NO [NOPERM] not yours
		C: T6 EXAMINE "&UXZO1mWHTvZZOQ-"
		S: * 3 EXISTS
		S: T6 OK [READ-ONLY] done
	`+wireEnd)
	r := w.reconcile(backfill.Request{All: true}).ok(t)
	if row := r.row(t, "Shared"); !strings.Contains(row.Skipped, "not yours") {
		t.Errorf("refused: %+v", row)
	}
	if row := r.row(t, "其他文件夹"); !strings.Contains(row.Skipped, "UIDVALIDITY") {
		t.Errorf("without UIDVALIDITY: %+v", row)
	}
	if len(r.Rows) != 3 {
		t.Errorf("rows: %+v", r.Rows)
	}
}
