package rules

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestTimeRunsOut(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		with string
		told string
	}{
		"as if refused":   {``, "refused"},
		"neither of both": {`, on_expire: approve-never`, "expired"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onDesk(t, func(t *testing.T, d *desk) {
				a := d.ask(`approvers: [cfo@example.com, vp@example.com], expires: 24h` + tc.with)
				d.must(d.vote(a, "vp@example.com", ApprovalApproved, ""))
				d.after(23 * time.Hour)
				d.wantTold()
				d.clock.add(time.Hour) // the time is over, and the run has not seen it yet
				if err := d.vote(a, "cfo@example.com", ApprovalApproved, ""); !errors.Is(err, ErrApprovalExpired) {
					t.Errorf("too late: %v, want ErrApprovalExpired", err)
				}
				d.after(time.Minute)
				d.wantTold(tc.told)
				if out := d.runs()[0].Steps[0].Output; out["expired"] != true {
					t.Errorf("the step gave %v, want that it says so", out)
				}
				if err := d.vote(a, "cfo@example.com", ApprovalApproved, ""); !errors.Is(err, ErrApprovalExpired) {
					t.Errorf("later still: %v, want ErrApprovalExpired", err)
				}
			})
		})
	}
}

func TestWorkdays(t *testing.T) {
	t.Parallel()
	onDesk(t, func(t *testing.T, d *desk) {
		d.clock.add(4 * 24 * time.Hour) // Friday
		a := d.ask(`approvers: [cfo@example.com], expires: 2 workdays`)
		if got := a.ExpiresAt.Sub(a.AskedAt); got < 3*24*time.Hour {
			t.Errorf("two workdays from a Friday end after %s", got)
		}
	})
}

func TestRemindersAndEscalation(t *testing.T) {
	t.Parallel()
	onDesk(t, func(t *testing.T, d *desk) {
		a := d.ask(`approvers: [cfo@example.com, vp@example.com], expires: 24h, remind_every: 10h, on_expire: escalate, escalate_to: [boss@example.com, clerk@example.com]`)
		count := func(want map[string]int) {
			t.Helper()
			for who, n := range want {
				if got := len(d.mails(who + "@example.com")); got != n {
					t.Errorf("at %s %s has %d mails, want %d", d.clock.Now().Sub(a.AskedAt), who, got, n)
				}
			}
		}
		count(map[string]int{"cfo": 1, "vp": 1, "boss": 0})
		d.must(d.vote(a, "vp@example.com", ApprovalApproved, ""))
		d.after(10 * time.Hour)
		count(map[string]int{"cfo": 2, "vp": 1, "boss": 0})
		if subject := d.mails("cfo@example.com")[1].Mail.Subject; !strings.Contains(subject, "催办") {
			t.Errorf("the reminder is called %q", subject)
		}
		d.after(14*time.Hour + time.Minute) // over a reminder and the escalation: both once
		count(map[string]int{"cfo": 3, "vp": 1, "boss": 1, "clerk": 0})
		d.wantTold()
		d.must(d.vote(a, "boss@example.com", ApprovalApproved, "")) // alone, though cfo has not decided
		d.wantTold("approved")

		a = d.again("clerk@example.com")
		d.after(25 * time.Hour)
		d.must(d.vote(a, "boss@example.com", ApprovalRefused, "no"))
		d.wantTold("approved", "refused boss@example.com: no")

		d.again("clerk@example.com")
		d.after(25 * time.Hour)
		d.after(24 * time.Hour)
		d.wantTold("approved", "refused boss@example.com: no", "expired")
	})
}

func TestEscalationBeforeTheEnd(t *testing.T) {
	t.Parallel()
	onDesk(t, func(t *testing.T, d *desk) {
		a := d.ask(`approvers: [cfo@example.com], expires: 24h, escalate_after: 4h, escalate_to: ['role:board']`)
		d.after(4 * time.Hour)
		got, err := d.book.Get(t.Context(), a.ID)
		d.must(err)
		if len(got.Approvers) != 3 || !got.Approvers[2].Escalated || got.Approvers[0].Escalated {
			t.Fatalf("asked are %+v, want cfo as before, and vp and boss besides", got.Approvers)
		}
		d.must(d.vote(a, "cfo@example.com", ApprovalApproved, ""))
		d.wantTold("approved")
	})
}

func TestWithoutLinks(t *testing.T) {
	t.Parallel()
	onDesk(t, func(t *testing.T, d *desk) {
		d.e.publicURL = ""
		a := d.ask(`approvers: [cfo@example.com], expires: 48h`)
		if text := d.mails("cfo@example.com")[0].Mail.Text; !strings.Contains(text, "heliograph approval decide "+a.ID+" --as cfo@example.com --approve\n") || strings.Contains(text, "http") {
			t.Errorf("the mail does not say how to decide:\n%s", text)
		}
	})
}

func TestMailTroubleKeepsNobodyFromDeciding(t *testing.T) {
	t.Parallel()
	onDesk(t, func(t *testing.T, d *desk) {
		d.out.fail = func(e *Effect) error {
			if e.Mail != nil && e.Recipients[0] == "cfo@example.com" {
				return errors.New("the outbox is away")
			}
			return nil
		}
		a := d.ask(`approvers: [cfo@example.com, vp@example.com], need: 1, expires: 48h`)
		d.must(d.vote(a, "vp@example.com", ApprovalApproved, ""))
		d.wantTold("approved")
		a = d.again("clerk@example.com")
		d.out.fail = nil
		d.after(2 * time.Minute)
		if n := len(d.mails("cfo@example.com")); n != 1 {
			t.Errorf("cfo got %d mails after the trouble, want one", n)
		}
		d.must(d.vote(a, "cfo@example.com", ApprovalApproved, ""))
		d.out.fail = func(*Effect) error { return Permanent(errors.New("there is no sender")) }
		if _, err := d.e.Start(t.Context(), "order", "x@example.com", Event{}); err != nil {
			t.Fatal(err)
		}
		d.pump()
		last := d.runs()[len(d.runs())-1]
		if last.State != RunFailed || !strings.Contains(last.Reason, "there is no sender") {
			t.Errorf("nobody could be asked, and the run is %s: %s", last.State, last.Reason)
		}
	})
}

func TestAnEndedRunTakesNoDecision(t *testing.T) {
	t.Parallel()
	onDesk(t, func(t *testing.T, d *desk) {
		a := d.ask(`approvers: [cfo@example.com], expires: 48h`)
		d.must(Cancel(t.Context(), d.db, d.clock.Now(), a.Run, "a mistake"))
		if err := d.vote(a, "cfo@example.com", ApprovalApproved, ""); !errors.Is(err, ErrApprovalEnded) {
			t.Errorf("got %v, want ErrApprovalEnded", err)
		}
		if list, _, err := d.book.List(t.Context(), ApprovalFilter{Open: true}); err != nil || len(list) != 0 {
			t.Errorf("still open: %v, %v", list, err)
		}
		if list, _, err := d.book.List(t.Context(), ApprovalFilter{Person: "CFO@example.com"}); err != nil || len(list) != 1 {
			t.Errorf("of the person: %v, %v", list, err)
		}
	})
}

func TestShadowAsksNobody(t *testing.T) {
	t.Parallel()
	onDesk(t, func(t *testing.T, d *desk) {
		d.publishAs(replace(orderRule, "ASK", `approvers: ['role:finance'], expires: 48h`), StateShadow)
		if _, err := d.e.Start(t.Context(), "order", "clerk@example.com", Event{}); err != nil {
			t.Fatal(err)
		}
		d.pump()
		d.wantEffects()
		run := d.runs()[0]
		if run.State != RunDone || run.Steps[0].Output["decision"] != "approved" || run.Steps[0].Output["imagined"] != true || len(run.Effects) != 4 {
			t.Errorf("the run is %s with %v and %d effects", run.State, run.Steps[0].Output, len(run.Effects))
		}
		if list, _, err := d.book.List(t.Context(), ApprovalFilter{}); err != nil || len(list) != 0 {
			t.Errorf("somebody is asked: %v, %v", list, err)
		}
	})
}
