package automail_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/hooks/automail"
	"heliograph/internal/accounts"
	"heliograph/internal/journal/segment"
	"heliograph/internal/mailtest"
	"heliograph/internal/oauth"
	"heliograph/internal/queue"
	"heliograph/internal/sandbox"
	"heliograph/internal/store/storetest"
)

// sandboxOf starts a provider with one mailbox, and returns it as an upstream.
func sandboxOf(t *testing.T, token func(user, token string) bool) (*sandbox.Provider, config.Upstream) {
	t.Helper()
	p, err := sandbox.Start(t.Context(), sandbox.Options{Domain: "example.com", Users: []sandbox.User{{Address: service, Password: "secret"}}, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, p.CAPEM, 0o600); err != nil {
		t.Fatal(err)
	}
	end := func(addr string) config.Endpoint {
		return config.Endpoint{Address: addr, TLS: config.TLSImplicit, CAFile: ca, ServerName: "localhost", Timeout: config.Duration(10 * time.Second)}
	}
	return p, config.Upstream{Name: "main", Default: true, SMTP: end(p.SMTPSAddr), IMAP: end(p.IMAPSAddr)}
}

func withPassword(s *config.Sender) { s.Password = config.NewSecret("secret") }

// copied waits for the end of the copy of an effect.
func (r *rig) copied(effect string, want automail.CopyState) automail.Effect {
	r.t.Helper()
	var f automail.Effect
	r.await("the copy of "+effect, func() bool {
		var err error
		if f, err = control(r).Effect(r.t.Context(), effect); err != nil {
			r.t.Fatal(err)
		}
		return f.Copy != automail.CopyWanted
	})
	if f.Copy != want {
		r.t.Errorf("the copy is %s (%s), want %s", f.Copy, f.CopyText, want)
	}
	return f
}

// A copy goes to the mailbox of sent mail once, however often it is asked for.
func TestCopyInSent(t *testing.T) {
	t.Parallel()
	p, up := sandboxOf(t, nil)
	r := newRig(t, storetest.SQLite(t), "127.0.0.1:1")
	r.via(up, setSender(withPassword))
	m := ruleMail("a")
	m.Copy = true
	id := r.sendRule(m)
	r.wantStates(r.rests(id), "bob@example.org=delivered")
	r.copied("a", automail.CopyStored)
	r.exec(`UPDATE outbox_effects SET copy = 'wanted'`)
	r.exec(`UPDATE jobs SET state = 'available', run_at = 0, finished_at = NULL WHERE kind = $1`, automail.CopyKind)
	r.queue.Wake()
	r.copied("a", automail.CopyFound)
	if n := len(p.World()); n != 1 {
		t.Errorf("%d messages were sent", n)
	}
	// The copy can be found when a verdict is lost.
	r.exec(`UPDATE outbox_messages SET finished_at = 0, asked_at = $1`, r.clock.Now().Add(-time.Hour).UnixMicro())
	r.exec(`UPDATE outbox_recipients SET state = 'pending', dotted = 1, told = ''`)
	r.again(id)
	r.wantStates(r.rests(id), "bob@example.org=delivered")
	if n := len(p.World()); n != 1 {
		t.Errorf("%d messages were sent", n)
	}
	// A mailbox that is not there is no reason to send again.
	r.stop()
	r.open(setSender(withPassword), setSender(func(s *config.Sender) { s.SentFolder = "nowhere" }))
	lost := ruleMail("b")
	lost.Copy = true
	id = r.sendRule(lost)
	r.wantStates(r.rests(id), "bob@example.org=delivered")
	job := func() queue.Job {
		jobs, err := r.queue.List(t.Context(), queue.Filter{Kind: automail.CopyKind, Key: id.String()})
		if err != nil || len(jobs) != 1 {
			t.Fatalf("%d jobs: %v", len(jobs), err)
		}
		return jobs[0]
	}
	r.await("the copy failed once", func() bool { return job().State == queue.StateRetryable })
	if n := len(p.World()); n != 2 {
		t.Errorf("%d messages were sent", n)
	}
}

// Providers that store what they send get no copy from us.
func TestCopyOfTheProvider(t *testing.T) {
	t.Parallel()
	_, up := sandboxOf(t, nil)
	up.Provider = "gmail"
	r := newRig(t, storetest.SQLite(t), "127.0.0.1:1")
	r.via(up, setSender(withPassword))
	m := ruleMail("a")
	m.Copy = true
	r.wantStates(r.rests(r.sendRule(m)), "bob@example.org=delivered")
	r.copied("a", automail.CopyProvider)
}

// With a real Dovecot, which marks its mailbox of sent mail or not.
func TestCopyOnDovecot(t *testing.T) {
	t.Parallel()
	d := mailtest.Dovecot(t)
	u := mailtest.Users()[0]
	p := newProvider(t, nil)
	r := newRig(t, storetest.SQLite(t), p.addr)
	r.via(config.Upstream{
		Name: "main", Default: true, SMTP: config.Endpoint{Address: p.addr, TLS: config.TLSNone, Timeout: config.Duration(5 * time.Second)},
		IMAP: config.Endpoint{Address: d.IMAPAddr, TLS: config.TLSNone, Timeout: config.Duration(5 * time.Second)},
	}, setSender(func(s *config.Sender) { s.Address = u.Name }))
	m := ruleMail("a")
	m.Sender, m.Copy = u.Name, true
	// No password: nothing can be stored, and what was sent stays sent.
	id := r.sendRule(m)
	r.wantStates(r.rests(id), "bob@example.org=delivered")
	r.stop()
	r.open(setSender(func(s *config.Sender) { s.Address, s.SentFolder = u.Name, "Sent" }), withIMAPLogin(u.Name, u.Password))
	r.exec(`UPDATE jobs SET state = 'available', run_at = 0, finished_at = NULL WHERE kind = $1`, automail.CopyKind)
	r.queue.Wake()
	r.copied("a", automail.CopyStored)
}

// withIMAPLogin lets the mailboxes see another account than SMTP: the scripted provider offers logins for one password only.
func withIMAPLogin(user, password string) setting {
	return func(o *automail.Options) {
		o.Config.Senders[0].User, o.Config.Senders[0].Password = user, config.NewSecret(password)
	}
}

// An enrolled employee's account needs no section of its own: with an app password, and with a token that is replaced when it is refused.
func TestSendAsEnrolledAccount(t *testing.T) {
	t.Parallel()
	p, up := sandboxOf(t, nil)
	up.SignIn = config.SignInEnrolled
	r := newRig(t, storetest.SQLite(t), "127.0.0.1:1")
	keeper, err := oauth.NewKeeper(oauth.Options{Store: r.db, Sealer: segment.NewKeyring()})
	if err != nil {
		t.Fatal(err)
	}
	book, err := accounts.Open(accounts.Options{Store: r.db, Keeper: keeper, Upstreams: []config.Upstream{up}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(book.Close(), keeper.Close()); err != nil {
			t.Error(err)
		}
	})
	enrolled := func(o *automail.Options) { o.Config.Senders, o.Accounts = nil, book }
	r.via(up, enrolled)
	m := ruleMail("a")
	m.Copy = true
	var nobody *automail.SenderError
	if _, err := r.box.Send(t.Context(), m); !errors.As(err, &nobody) {
		t.Errorf("before the enrolment: %v", err)
	}
	enroll := func(password string) {
		if _, err := book.Enroll(t.Context(), accounts.Enrolment{Address: service, Upstream: "main", Login: service}, accounts.Given{Password: password}, false); err != nil {
			t.Fatal(err)
		}
	}
	enroll("secret")
	r.wantStates(r.rests(r.sendRule(m)), "bob@example.org=delivered")
	if got := p.World(); len(got) != 1 || got[0].User != service || string(got[0].Data) != string(m.Message) {
		t.Errorf("sent %+v", got)
	}
	r.copied("a", automail.CopyStored)
	enroll("changed")
	id := r.sendRule(ruleMail("b"))
	held := r.rests(id)
	r.wantStates(held, "bob@example.org=pending")
	enroll("secret")
	r.wantStates(r.next(id), "bob@example.org=delivered")
}
