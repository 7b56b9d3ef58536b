package automail_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"testing"

	"heliograph/hooks"
	"heliograph/hooks/automail"
	"heliograph/internal/journal"
	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// report reads a report of testdata, about another Message-ID.
func report(t *testing.T, name, messageID string) []byte {
	t.Helper()
	raw, err := os.ReadFile("testdata/bounces/" + name + ".eml")
	if err != nil {
		t.Fatal(err)
	}
	return bytes.ReplaceAll(raw, []byte("e1@example.com"), []byte(messageID))
}

func bounceOf(t *testing.T, raw []byte) automail.Bounce {
	t.Helper()
	b, ok, err := automail.ParseBounce(bytes.NewReader(raw))
	if err != nil || !ok {
		t.Fatalf("no bounce: %v", err)
	}
	return b
}

func TestBounced(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		p := newProvider(t, nil)
		r := newRig(t, db, p.addr)
		mail := ruleMail("a", "bob@customer.test", "eve@customer.test")
		id := r.sendRule(mail)
		r.rests(id)
		// A delay changes nothing.
		f, ours, err := r.box.Bounced(t.Context(), "r0", bounceOf(t, report(t, "delayed_gmail", mail.MessageID)))
		if err != nil || !ours || f.ID != "a" {
			t.Errorf("a delay: %+v %v %v", f, ours, err)
		}
		r.wantStates(show(t, r, id), "bob@customer.test=delivered eve@customer.test=delivered")
		bounce := bounceOf(t, report(t, "failed_gmail", mail.MessageID))
		for range 3 { // it is seen in three mailboxes
			if _, ours, err = r.box.Bounced(t.Context(), "r1", bounce); err != nil || !ours {
				t.Errorf("ours %v: %v", ours, err)
			}
		}
		m := show(t, r, id)
		r.wantStates(m, "bob@customer.test=bounced eve@customer.test=delivered")
		if !strings.Contains(m.Recipients[0].Text, "does not exist") || m.Recipients[0].Enhanced != "5.1.1" {
			t.Errorf("it bounced with %+v", m.Recipients[0])
		}
		r.wantTold("a", "bob@customer.test=delivered eve@customer.test=delivered!", "bob@customer.test=bounced eve@customer.test=delivered!")
		if s, err := control(r).Suppressed(t.Context(), "", "bob@customer.test", "eve@customer.test"); err != nil || len(s) != 1 || s["bob@customer.test"].Reason != automail.SuppressBounce {
			t.Errorf("suppressed are %+v: %v", s, err)
		}
		rows, err := r.journal.Ledger(t.Context(), journal.LedgerFilter{Entry: id, Target: "upstream:main"})
		if err != nil || len(rows) != 1 || !strings.Contains(rows[0].Reason, "bounced") {
			t.Errorf("the ledger says %+v: %v", rows, err)
		}
		// By ENVID, whatever else it says; refused as spam is no reason to suppress.
		envid := ruleMail("run-7/receipt", "other@customer.test", "third@customer.test")
		r.rests(r.sendRule(envid))
		byEnvelope := bounceOf(t, report(t, "failed_postfix", "unknown@elsewhere.test"))
		byEnvelope.Recipients[0].Address, byEnvelope.Recipients[0].Status = "third@customer.test", "5.7.1"
		byEnvelope.Recipients[0].Original = ""
		if f, ours, err := r.box.Bounced(t.Context(), "r2", byEnvelope); err != nil || !ours || f.ID != "run-7/receipt" {
			t.Errorf("by ENVID: %+v %v %v", f, ours, err)
		}
		if s, err := control(r).Suppressed(t.Context(), "", "third@customer.test"); err != nil || len(s) != 0 {
			t.Errorf("suppressed are %+v: %v", s, err)
		}
		// A stranger's Message-ID, and somebody whom we did not write to.
		if _, ours, err := r.box.Bounced(t.Context(), "r3", bounceOf(t, report(t, "failed_qmail", "unknown@elsewhere.test"))); err != nil || ours {
			t.Errorf("a stranger's: %v %v", ours, err)
		}
		forged := bounce
		forged.Recipients = []automail.BouncedRecipient{{Address: "zoe@customer.test", Action: "failed", Status: "5.1.1", Permanent: true}}
		if _, ours, err := r.box.Bounced(t.Context(), "r4", forged); err != nil || ours {
			t.Errorf("about somebody else: %v %v", ours, err)
		}
		if s, err := control(r).Suppressed(t.Context(), "", "zoe@customer.test"); err != nil || len(s) != 0 {
			t.Errorf("suppressed are %+v: %v", s, err)
		}
		// By the tag.
		tagged := ruleMail("tagged", "bob2@customer.test")
		id = r.sendRule(tagged)
		r.rests(id)
		raw := bytes.ReplaceAll(report(t, "failed_tagged", ""), []byte("06d5bv9t0400000000000000a0"), []byte(id.String()))
		if f, ours, err := r.box.Bounced(t.Context(), "r5", bounceOf(t, raw)); err != nil || !ours || f.ID != "tagged" {
			t.Errorf("by the tag: %+v %v %v", f, ours, err)
		}
		r.wantStates(show(t, r, id), "bob2@customer.test=bounced") // it was forwarded to another address, and is the only one
	})
}

// A report settles a lost verdict, too: the upstream had the message.
func TestBounceOfALostVerdict(t *testing.T) {
	t.Parallel()
	p := newProvider(t, nil)
	hangUpBehind(p)
	r := newRig(t, storetest.SQLite(t), p.addr)
	r.withIMAP(p.addr, &mailboxes{})
	mail := ruleMail("a", "bob@customer.test")
	id := r.sendRule(mail)
	r.wantStates(r.rests(id), "bob@customer.test=pending")
	if _, ours, err := r.box.Bounced(t.Context(), "r1", bounceOf(t, report(t, "failed_exim", mail.MessageID))); err != nil || !ours {
		t.Fatalf("ours %v: %v", ours, err)
	}
	m := r.next(id)
	r.wantStates(m, "bob@customer.test=bounced")
	r.wantJob(id, queue.StateCompleted)
	r.wantTold("a", "bob@customer.test=bounced!")
}

func TestBouncesHook(t *testing.T) {
	t.Parallel()
	p := newProvider(t, nil)
	r := newRig(t, storetest.SQLite(t), p.addr)
	hook := automail.NewBounces(r.box)
	mail := ruleMail("a", "bob@customer.test")
	id := r.sendRule(mail)
	r.rests(id)
	opened := 0
	handle := func(kind journal.Kind, raw []byte) {
		t.Helper()
		e := hooks.Event{
			Entry: journal.Entry{Envelope: journal.Envelope{ID: journal.NewID(r.clock.Now()), Kind: kind}},
			Body: func(context.Context) (io.ReadCloser, error) {
				opened++
				return io.NopCloser(bytes.NewReader(raw)), nil
			},
		}
		if out := hook.Handle(t.Context(), e); out.Action != queue.Complete || out.Err != nil {
			t.Errorf("the hook says %+v", out)
		}
	}
	if hook.Name() != "bounces" {
		t.Errorf("the hook is called %s", hook.Name())
	}
	bounce := report(t, "failed_qq", mail.MessageID)
	bounce = bytes.ReplaceAll(bounce, []byte("\r\n"), []byte("\n"))
	for _, kind := range []journal.Kind{journal.KindBackfill, journal.KindAppend, journal.KindQueue, journal.KindSubmission} {
		handle(kind, bounce)
	}
	if opened != 0 {
		t.Errorf("opened %d messages that cannot be reports", opened)
	}
	handle(journal.KindFetch, []byte("From: bob@customer.test\r\nSubject: hello\r\n\r\nbob@customer.test\r\n"))
	handle(journal.KindFetch, report(t, "none_vacation", mail.MessageID))
	handle(journal.KindFetch, nil)
	r.wantStates(show(t, r, id), "bob@customer.test=delivered")
	handle(journal.KindFetch, bounce)
	r.wantStates(show(t, r, id), "bob@customer.test=bounced")
	handle(journal.KindFetch, bytes.Repeat([]byte("X-Long: postmaster\r\n"), 1<<17))
}
