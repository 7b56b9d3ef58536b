package automail_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"heliograph/config"
	"heliograph/hooks/automail"
	"heliograph/internal/journal"
	"heliograph/internal/mailtest"
	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

func TestDelivers(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		p := newProvider(t, nil)
		r := newRig(t, db, p.addr)
		id := r.send(text, "BODY=8BITMIME RET=HDRS ENVID=QQ314", rcpt("bob@example.org", "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;old@example.org"), rcpt("eve@example.org"))
		m := r.rests(id)
		r.wantStates(m, "bob@example.org=delivered eve@example.org=delivered")
		r.wantJob(id, queue.StateCompleted)
		got := p.mails(sender)
		if len(got) != 1 {
			t.Fatalf("%d messages were sent, want one to both", len(got))
		}
		if got[0].body != text {
			t.Errorf("sent %q, want %q", got[0].body, text)
		}
		if o := got[0].mailOpts; o.Return != "HDRS" || o.EnvelopeID != "QQ314" || o.Size != int64(len(text)) || o.Body != smtp.Body8BitMIME {
			t.Errorf("MAIL had %+v", o)
		}
		if o := got[0].rcptOpts["bob@example.org"]; !slices.Equal(o.Notify, []smtp.DSNNotify{"SUCCESS", "FAILURE"}) || o.OriginalRecipient != "old@example.org" {
			t.Errorf("RCPT had %+v", o)
		}
		if o := got[0].rcptOpts["eve@example.org"]; len(o.Notify) != 0 || o.OriginalRecipient != "" {
			t.Errorf("RCPT had %+v", o)
		}
		if !r.mirrored(id) {
			t.Error("the mirror was not asked")
		}
		if n := len(p.mails("")); n != 0 {
			t.Errorf("%d notices", n)
		}
		if m.FinishedAt.IsZero() || !m.NextTry.IsZero() || m.Attempts != 1 {
			t.Errorf("finished %v, next %v, attempts %d", m.FinishedAt, m.NextTry, m.Attempts)
		}
	})
}

// Varied messages arrive byte for byte.
func TestDeliversTheCorpusUnchanged(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(s *smtp.Server) { s.MaxLineLength = 1 << 20 })
	r := newRig(t, storetest.SQLite(t), p.addr)
	want := map[string]int{}
	for _, m := range mailtest.Corpus(1, 60) {
		body := string(m.Data)
		if !strings.HasSuffix(body, "\r\n") {
			body += "\r\n"
		}
		want[body]++
		r.send(body, "BODY=8BITMIME", rcpt("bob@example.org"))
	}
	r.await("all arrive", func() bool { return len(p.mails(sender)) >= 60 })
	r.idle()
	for _, m := range p.mails(sender) {
		want[m.body]--
	}
	for body, n := range want {
		if n != 0 {
			t.Errorf("a message arrived %d times too few: %.300q", n, body)
		}
	}
}

func TestLogsInOnce(t *testing.T) {
	t.Parallel()
	p := newProvider(t, nil)
	r := newRig(t, storetest.SQLite(t), p.addr)
	r.user, r.password = "relay@example.com", "secret"
	for range 3 {
		r.rests(r.send(text, "", rcpt("bob@example.org")))
	}
	got := p.mails(sender)
	if len(got) != 3 || got[2].user != "relay@example.com" {
		t.Fatalf("accepted %d, want 3 of relay@example.com: %+v", len(got), got)
	}
	if auths := p.count(func(p *provider) int { return p.auths }); auths != 1 {
		t.Errorf("logged in %d times for 3 messages one after the other, want once", auths)
	}
}

// A wrong password is the operator's trouble: nothing bounces.
func TestRefusedLoginWaits(t *testing.T) {
	t.Parallel()
	p := newProvider(t, nil)
	r := newRig(t, storetest.SQLite(t), p.addr)
	r.user, r.password = "relay@example.com", "wrong"
	id := r.send(text, "", rcpt("bob@example.org"))
	m := r.rests(id)
	r.wantStates(m, "bob@example.org=pending")
	r.stop()
	r.password = "secret"
	r.open()
	r.wantStates(r.next(id), "bob@example.org=delivered")
}

func TestRecipientsAreJudgedOneByOne(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		p := newProvider(t, nil)
		busy := true
		p.onRcpt = func(to string, _ int) error {
			switch {
			case to == "no@example.org":
				return refuse(550, smtp.EnhancedCode{5, 1, 1}, "no such user")
			case to == "busy@example.org" && busy:
				return refuse(451, smtp.EnhancedCode{4, 7, 1}, "greylisted")
			}
			return nil
		}
		r := newRig(t, db, p.addr)
		id := r.send(text, "RET=FULL ENVID=E1", rcpt("yes@example.org"), rcpt("no@example.org"), rcpt("busy@example.org"))
		m := r.rests(id)
		r.wantStates(m, "yes@example.org=delivered no@example.org=failed busy@example.org=pending")
		if !r.mirrored(id) {
			t.Error("accepted for one, and the mirror was not asked")
		}
		if wait := m.NextTry.Sub(r.clock.Now()); wait > time.Minute || wait < 50*time.Second {
			t.Errorf("the next attempt is in %v, want about a minute", wait)
		}
		dsn := r.notices(p, 1)[0]
		for _, want := range []string{
			"Action: failed", "Final-Recipient: rfc822; no@example.org", "Status: 5.1.1", "Diagnostic-Code: smtp; 550 5.1.1 no such user",
			"Remote-MTA: dns; 127.0.0.1", "Original-Envelope-Id: E1", "Content-Type: message/rfc822", "ten pieces",
		} {
			if !strings.Contains(dsn.body, want) {
				t.Errorf("the notice lacks %q:\n%s", want, dsn.body)
			}
		}
		if strings.Contains(dsn.body, "busy@") || strings.Contains(dsn.body, "yes@") {
			t.Errorf("the notice names others:\n%s", dsn.body)
		}
		if !slices.Equal(dsn.to, []string{sender}) || !slices.Equal(dsn.rcptOpts[sender].Notify, []smtp.DSNNotify{"NEVER"}) {
			t.Errorf("the notice went to %v with %+v", dsn.to, dsn.rcptOpts)
		}
		p.set(func(*provider) { busy = false })
		m = r.next(id)
		r.wantStates(m, "yes@example.org=delivered no@example.org=failed busy@example.org=delivered")
		r.wantJob(id, queue.StateCompleted)
		got := p.mails(sender)
		if len(got) != 2 || !slices.Equal(got[1].to, []string{"busy@example.org"}) {
			t.Errorf("sent again to more than the one: %+v", got)
		}
		r.notices(p, 1)
		rows, err := r.journal.Ledger(t.Context(), journal.LedgerFilter{Entry: id, Target: "upstream:main"})
		if err != nil || len(rows) != 1 || rows[0].State != journal.LedgerFailed || !strings.Contains(rows[0].Reason, "550 5.1.1 no such user") {
			t.Errorf("ledger says %+v, %v", rows, err)
		}
	})
}

func TestWarnsOnceAndExpires(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		p := newProvider(t, nil)
		p.onRcpt = func(to string, _ int) error {
			if to == sender {
				return nil
			}
			return refuse(451, smtp.EnhancedCode{4, 7, 1}, "greylisted")
		}
		r := newRig(t, db, p.addr, func(o *automail.Options) { o.Config.ExpireIn = config.Duration(24 * time.Hour) })
		began := r.clock.Now()
		id := r.send(text, "", rcpt("bob@example.org"), rcpt("quiet@example.org", "NOTIFY=NEVER"))
		m := r.rests(id)
		var waits []time.Duration
		warnedAt := time.Duration(0)
		for m.FinishedAt.IsZero() {
			waits = append(waits, m.NextTry.Sub(r.clock.Now()))
			if m.Warned && warnedAt == 0 {
				warnedAt = r.clock.Now().Sub(began)
			}
			m = r.next(id)
		}
		for i, minutes := range []int{1, 2, 5, 10, 20, 40, 80, 120, 120} {
			if want := time.Duration(minutes) * time.Minute; waits[i] > want || waits[i] < want*7/8 {
				t.Errorf("wait %d is %v, want about %v", i+1, waits[i], want)
			}
		}
		if warnedAt < 4*time.Hour || warnedAt > 6*time.Hour {
			t.Errorf("warned after %v, want 4 to 6 hours", warnedAt)
		}
		if lasted := m.FinishedAt.Sub(began); lasted != 24*time.Hour {
			t.Errorf("gave up after %v, want a day", lasted)
		}
		r.wantStates(m, "bob@example.org=failed quiet@example.org=failed")
		if m.Recipients[0].Enhanced != "4.4.7" {
			t.Errorf("status is %s, want 4.4.7", m.Recipients[0].Enhanced)
		}
		if r.mirrored(id) {
			t.Error("mirrored, though nobody took it")
		}
		dsns := r.notices(p, 2)
		for i, want := range []string{"Action: delayed", "Action: failed"} {
			if !strings.Contains(dsns[i].body, want) || strings.Contains(dsns[i].body, "quiet@") {
				t.Errorf("notice %d lacks %q, or names who wants none:\n%s", i+1, want, dsns[i].body)
			}
		}
		if !strings.Contains(dsns[0].body, "Will-Retry-Until: Thu, 05 Mar 2026 05:06:07 +0000") {
			t.Errorf("the warning does not say until when:\n%s", dsns[0].body)
		}
		if !strings.Contains(dsns[1].body, "Status: 4.4.7") || !strings.Contains(dsns[1].body, "451 4.4.7 greylisted") {
			t.Errorf("the notice does not say why:\n%s", dsns[1].body)
		}
	})
}

// What goes wrong on the way, at whichever step, costs a later attempt and no more.
func TestTroubleIsTemporary(t *testing.T) {
	t.Parallel()
	for name, disturb := range map[string]func(p *provider){
		"421 to MAIL": func(p *provider) {
			p.onMail = func(string) error { return refuse(421, smtp.EnhancedCode{4, 3, 2}, "shutting down") }
		},
		"421 to the second RCPT": func(p *provider) {
			p.onRcpt = func(_ string, before int) error {
				if before == 1 {
					return refuse(421, smtp.EnhancedCode{4, 3, 2}, "shutting down")
				}
				return nil
			}
		},
		"530 to MAIL": func(p *provider) {
			p.onMail = func(string) error { return refuse(530, smtp.EnhancedCode{5, 7, 0}, "authentication required") }
		},
		"451 to DATA": func(p *provider) {
			p.onData = func(*smtp.Conn, string, error) error { return refuse(451, smtp.EnhancedCode{4, 3, 0}, "try again") }
		},
		"gone before the verdict": func(p *provider) {
			p.onData = func(c *smtp.Conn, _ string, _ error) error { return hangUp(c) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, nil)
			disturb(p)
			r := newRig(t, storetest.SQLite(t), p.addr)
			id := r.send(text, "", rcpt("bob@example.org"), rcpt("eve@example.org"))
			r.wantStates(r.rests(id), "bob@example.org=pending eve@example.org=pending")
			p.set(func(p *provider) { p.onMail, p.onRcpt, p.onData = nil, nil, nil })
			r.wantStates(r.next(id), "bob@example.org=delivered eve@example.org=delivered")
			if n := len(p.mails(sender)); n != 1 {
				t.Errorf("accepted %d times, want once", n)
			}
			if n := len(p.mails("")); n != 0 {
				t.Errorf("%d notices, want none", n)
			}
		})
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	p := newProvider(t, nil)
	r := newRig(t, storetest.SQLite(t), "127.0.0.1:1")
	first := r.send(text, "", rcpt("bob@example.org"))
	m := r.rests(first)
	r.wantStates(m, "bob@example.org=pending")
	if m.Recipients[0].Enhanced != "4.4.1" || !strings.Contains(m.Recipients[0].Text, "refused") {
		t.Errorf("the reason is %s %s", m.Recipients[0].Enhanced, m.Recipients[0].Text)
	}
	// While the upstream is known to be away, others wait without an attempt.
	second := r.send(text, "", rcpt("bob@example.org"))
	if m := r.rests(second); m.Attempts != 0 {
		t.Errorf("%d attempts during the pause", m.Attempts)
	}
	_ = p
}

func TestUpstreamDropsMidMessage(t *testing.T) {
	t.Parallel()
	addr := mailtest.Serve(t, nil, "S: 220 mx ready\nC: EHLO {any}\nS: 250-mx\nS: 250-8BITMIME\nS: 250 DSN\nC: MAIL FROM:{any}\nS: 250 ok\nC: RCPT TO:{any}\nS: 250 ok\nC: DATA\nS: 354 go\nC: From: {any}\n-- reset\n")
	r := newRig(t, storetest.SQLite(t), addr)
	id := r.send(text+strings.Repeat("more and more of it, until the connection is found broken\r\n", 100000), "", rcpt("bob@example.org"))
	m := r.rests(id)
	r.wantStates(m, "bob@example.org=pending")
	r.wantJob(id, queue.StateScheduled)
}

func TestFinalRefusals(t *testing.T) {
	t.Parallel()
	for name, refusal := range map[string]func(p *provider, err error){
		"MAIL": func(p *provider, err error) {
			p.onMail = func(from string) error {
				if from == "" {
					return nil
				}
				return err
			}
		},
		"RCPT": func(p *provider, err error) {
			p.onRcpt = func(to string, _ int) error {
				if to == sender {
					return nil
				}
				return err
			}
		},
		"message": func(p *provider, err error) {
			p.onData = func(_ *smtp.Conn, body string, _ error) error {
				if strings.Contains(body, "multipart/report") {
					return nil
				}
				return err
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, nil)
			refusal(p, refuse(554, smtp.EnhancedCode{5, 7, 1}, "we do not like it"))
			r := newRig(t, storetest.SQLite(t), p.addr)
			id := r.send(text, "", rcpt("bob@example.org"), rcpt("eve@example.org"))
			m := r.rests(id)
			r.wantStates(m, "bob@example.org=failed eve@example.org=failed")
			if got := r.wantJob(id, queue.StateCompleted).LastError; !strings.HasPrefix(got, "bounced: 2 of 2 recipients failed: 554 5.7.1 we do not like it") {
				t.Errorf("the job says %q", got)
			}
			if r.mirrored(id) {
				t.Error("mirrored, though the upstream refused it")
			}
			if n := r.notices(p, 1); strings.Count(n[0].body, "Action: failed") != 2 {
				t.Errorf("one notice for both is wanted:\n%s", n[0].body)
			}
		})
	}
}

func TestTooLargeIsNotTried(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(s *smtp.Server) { s.MaxMessageBytes = 5000 })
	r := newRig(t, storetest.SQLite(t), p.addr)
	id := r.send(text+strings.Repeat("x\r\n", 2000), "RET=FULL", rcpt("bob@example.org", "NOTIFY=FAILURE"))
	m := r.rests(id)
	r.wantStates(m, "bob@example.org=failed")
	if got := m.Recipients[0]; got.Code != 552 || got.Enhanced != "5.3.4" {
		t.Errorf("the verdict is %d %s %s", got.Code, got.Enhanced, got.Text)
	}
	dsn := r.notices(p, 1)[0]
	if !strings.Contains(dsn.body, "Status: 5.3.4") || !strings.Contains(dsn.body, "text/rfc822-headers") {
		t.Errorf("the notice is:\n%s", dsn.body)
	}
	if n := p.count(func(p *provider) int { return p.seen }); n != 1 {
		t.Errorf("%d transactions were begun, want that of the notice", n)
	}
}

func TestRelayedIsReportedOnRequest(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(s *smtp.Server) { s.EnableDSN = false })
	r := newRig(t, storetest.SQLite(t), p.addr)
	id := r.send(text, "RET=FULL ENVID=E1", rcpt("bob@example.org", "NOTIFY=SUCCESS"), rcpt("eve@example.org"))
	r.wantStates(r.rests(id), "bob@example.org=relayed eve@example.org=relayed")
	dsn := r.notices(p, 1)[0]
	if !strings.Contains(dsn.body, "Action: relayed") || strings.Contains(dsn.body, "eve@") || strings.Contains(dsn.body, "ten pieces") {
		t.Errorf("the notice is:\n%s", dsn.body)
	}
}

func TestNeverMeansNever(t *testing.T) {
	t.Parallel()
	p := newProvider(t, nil)
	p.onRcpt = func(string, int) error { return refuse(550, smtp.EnhancedCode{5, 1, 1}, "no such user") }
	r := newRig(t, storetest.SQLite(t), p.addr)
	id := r.send(text, "", rcpt("bob@example.org", "NOTIFY=NEVER"), rcpt("eve@example.org", "NOTIFY=SUCCESS,DELAY"))
	r.wantStates(r.rests(id), "bob@example.org=failed eve@example.org=failed")
	r.idle()
	if seen := p.count(func(p *provider) int { return p.seen }); seen != 1 {
		t.Errorf("%d transactions, want the one: no notice", seen)
	}
}

func TestDoubleBounceIsADeadLetter(t *testing.T) {
	t.Parallel()
	p := newProvider(t, nil)
	p.onRcpt = func(string, int) error { return refuse(550, smtp.EnhancedCode{5, 1, 1}, "no such user") }
	r := newRig(t, storetest.SQLite(t), p.addr)
	id := r.sendFrom("", text, "", rcpt("bob@example.org"))
	r.rests(id)
	if got := r.wantJob(id, queue.StateDiscarded).LastError; !strings.Contains(got, "nobody to tell") || !strings.Contains(got, "550 5.1.1") {
		t.Errorf("the dead letter says %q", got)
	}
	r.idle()
	if seen := p.count(func(p *provider) int { return p.seen }); seen != 1 {
		t.Errorf("%d transactions, want the one", seen)
	}
	want := "# HELP heliograph_outbox_double_bounces_total Messages with a null reverse path that failed: nobody was told.\n" +
		"# TYPE heliograph_outbox_double_bounces_total counter\nheliograph_outbox_double_bounces_total 1\n"
	if err := testutil.GatherAndCompare(r.reg, strings.NewReader(want), "heliograph_outbox_double_bounces_total"); err != nil {
		t.Error(err)
	}
}

func TestTooManyRecipientsGoInRounds(t *testing.T) {
	t.Parallel()
	p := newProvider(t, nil)
	p.onRcpt = func(_ string, before int) error {
		if before >= 2 {
			return refuse(452, smtp.EnhancedCode{4, 5, 3}, "Too many recipients")
		}
		return nil
	}
	r := newRig(t, storetest.SQLite(t), p.addr)
	began := r.clock.Now()
	id := r.send(text, "", rcpt("a@example.org"), rcpt("b@example.org"), rcpt("c@example.org"), rcpt("d@example.org"), rcpt("e@example.org"))
	m := r.rests(id)
	for m.FinishedAt.IsZero() {
		m = r.next(id)
	}
	if took := r.clock.Now().Sub(began); took > 10*time.Second {
		t.Errorf("it took %v, want no backoff", took)
	}
	if n := len(p.mails(sender)); n != 3 {
		t.Errorf("%d transactions, want 3", n)
	}
}

func TestRateLimitPausesTheUpstream(t *testing.T) {
	t.Parallel()
	p := newProvider(t, nil)
	p.onMail = func(string) error {
		return refuse(451, smtp.EnhancedCode{4, 7, 0}, "sending rate exceeded, 发信频率过高")
	}
	r := newRig(t, storetest.SQLite(t), p.addr)
	first := r.rests(r.send(text, "", rcpt("bob@example.org")))
	if first.Attempts != 1 {
		t.Fatalf("%d attempts, want 1", first.Attempts)
	}
	second := r.send(text, "", rcpt("bob@example.org"))
	if m := r.rests(second); m.Attempts != 0 {
		t.Errorf("%d attempts during the pause, want none", m.Attempts)
	}
	j, _ := r.job(second)
	if wait := j.RunAt.Sub(r.clock.Now()); wait < time.Minute || wait > 2*time.Minute {
		t.Errorf("the second waits %v, want the minute of the pause and a little", wait)
	}
	p.set(func(p *provider) { p.onMail = nil })
	r.wantStates(r.next(second), "bob@example.org=delivered")
}
