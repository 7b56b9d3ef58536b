package automation_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/hooks/automail"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api/automation"
	"heliograph/internal/journal"
	"heliograph/internal/queue"
	"heliograph/internal/sandbox"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
	"heliograph/proxy/upstream"
)

const service = "service@example.com"

// post is an outbox that sends at a mail provider.
type post struct {
	*rig
	box      *automail.Outbox
	provider *sandbox.Provider
}

func newPost(t *testing.T, db *store.DB) *post {
	t.Helper()
	p := &post{rig: newRig(t, db)}
	var err error
	if p.provider, err = sandbox.Start(t.Context(), sandbox.Options{Domain: "example.com", AllowPlaintextAuth: true, Users: []sandbox.User{{Address: service, Password: "secret"}}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.provider.Close() })
	dir := t.TempDir()
	j, err := journal.Open(t.Context(), journal.Options{
		Dir: filepath.Join(dir, "journal"), KeyFile: filepath.Join(dir, "key"), Store: db, Queue: p.queue, Sync: config.SyncAlways, Consumers: []string{"mirror"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	router, err := upstream.New([]config.Upstream{{
		Name: "main", Default: true, SMTP: config.Endpoint{Address: p.provider.SMTPAddr, TLS: config.TLSNone, Timeout: config.Duration(5 * time.Second)},
	}}, upstream.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(router.Close)
	p.box, err = automail.New(automail.Options{
		Store: db, Queue: p.queue, Journal: j, Router: func() *upstream.Router { return router },
		Identity: func(string) (string, string, config.Secret, string) {
			return "main", "", config.Secret{}, "gw.example.com"
		},
		Config: config.Outbox{
			Workers: 2, ExpireIn: expireIn, WarnIn: config.Duration(4 * time.Hour), AutomatedShare: 50,
			Senders: []config.Sender{{Address: service, Upstream: "main", Password: config.NewSecret("secret")}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- p.box.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		p.box.Close()
	})
	return p
}

// mail has a rule send a mail, which waits because all mail of rules is held, and returns its path.
func (p *post) mail(effect string) (path string) {
	p.t.Helper()
	p.hold("all", "wait for all")
	id := effect + "@example.com"
	sent, err := p.box.Send(p.t.Context(), automail.Mail{
		Effect: effect, Rule: "receipt", Run: "run-" + effect, Sender: service, ReversePath: service, Recipients: []string{"bob@customer.example"}, MessageID: id,
		Message: fmt.Appendf(nil, "From: <%s>\r\nTo: <bob@customer.example>\r\nSubject: %s\r\nMessage-ID: <%s>\r\n\r\nThank you.\r\n", service, effect, id),
	})
	if err != nil {
		p.t.Fatal(err)
	}
	path = "/api/v1/outbox/" + sent.Entry.String()
	p.waits(path, "wait for all")
	return path
}

func (p *post) hold(scope, reason string) {
	p.t.Helper()
	p.admin.Post("/api/v1/holds", map[string]any{"scope": scope, "reason": reason}).Is(200)
}

func (p *post) release() {
	p.t.Helper()
	p.admin.Post("/api/v1/holds/release", map[string]any{"scope": "all"}).Is(200)
}

// waits waits until a message is held for a reason, and its job is put off: what is released while the job runs is only seen when it runs again.
func (p *post) waits(path, reason string) {
	p.t.Helper()
	p.becomes(path, "it is held: "+reason, func(m automation.OutboxMessage) bool {
		jobs, err := p.queue.List(p.t.Context(), queue.Filter{Kind: automail.Kind, Key: entryOf(path), State: queue.StateScheduled})
		if err != nil {
			p.t.Fatal(err)
		}
		return len(jobs) == 1 && strings.Contains(m.Held, reason)
	})
}

// becomes waits until a message is as it should be.
func (p *post) becomes(path, what string, is func(automation.OutboxMessage) bool) (m automation.OutboxMessage) {
	p.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	patience := time.NewTimer(30 * time.Second)
	defer patience.Stop()
	for {
		m = automation.OutboxMessage{}
		if a := p.admin.Get(path); a.Status == 200 {
			if a.JSON(200, &m); is(m) {
				return m
			}
		}
		select {
		case <-tick.C:
		case <-patience.C:
			p.t.Fatalf("waiting in vain: %s: %+v", what, m)
		}
	}
}

func state(s automation.RecipientState) func(automation.OutboxMessage) bool {
	return func(m automation.OutboxMessage) bool {
		return len(m.Recipients) == 1 && m.Recipients[0].State == s && (s == automation.RecipientStatePending) == m.FinishedAt.IsZero()
	}
}

func (p *post) exec(query string, args ...any) {
	p.t.Helper()
	err := p.db.Write(p.t.Context(), func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, query, args...)
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

func entryOf(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// A message is held by itself, seen by whom it concerns, and goes when it is released.
func TestOneMessageIsHeld(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		p := newPost(t, db)
		path := p.mail("one")
		var m automation.OutboxMessage
		p.admin.Get(path).JSON(200, &m)
		if !m.Automated || m.Rule != "receipt" || m.Sender != service || m.HeldItself || !m.CanChange || m.Hidden || m.Recipients[0].Address != "bob@customer.example" {
			t.Errorf("the admin sees %+v", m)
		}
		m = automation.OutboxMessage{}
		p.api.As(caller(access.Auditor, "audit@example.com", access.ScopeAll)).Get(path).JSON(200, &m)
		if !m.Hidden || m.CanChange {
			t.Errorf("an auditor sees %+v", m)
		}
		owner := p.api.As(caller(access.Manager, "m@example.com", access.ScopeTeam, service))
		other := p.api.As(caller(access.Manager, "o@example.com", access.ScopeTeam, "li@example.com"))
		owner.Get(path).Is(200)
		other.Get(path).Problem(404, "no_message")
		because := map[string]any{"reason": "not this one", "arrived": true}
		for _, verb := range []string{"/hold", "/release", "/send", "/cancel", "/settle"} {
			other.Post(path+verb, because).Problem(404, "no_message")
			p.admin.Post("/api/v1/outbox/nonsense"+verb, because).Problem(404, "no_message")
		}
		p.admin.Post(path+"/release", nil).Problem(409, "nothing_left")
		owner.Post(path+"/hold", map[string]any{"reason": " "}).Problem(422, "missing")
		m = automation.OutboxMessage{}
		owner.Post(path+"/hold", because).JSON(200, &m)
		if !m.HeldItself {
			t.Errorf("held it is %+v", m)
		}
		p.release()
		p.waits(path, "not this one")
		if sent := p.provider.World(); len(sent) != 0 {
			t.Errorf("sent were %+v", sent)
		}
		m = automation.OutboxMessage{}
		owner.Post(path+"/release", nil).JSON(200, &m)
		if m.HeldItself {
			t.Errorf("released it is %+v", m)
		}
		p.becomes(path, "it is sent", state(automation.RecipientStateDelivered))
		if sent := p.provider.World(); len(sent) != 1 || sent[0].To[0] != "bob@customer.example" {
			t.Errorf("sent were %+v", sent)
		}
		for _, verb := range []string{"/hold", "/release", "/send", "/cancel", "/settle"} {
			p.admin.Post(path+verb, because).Problem(409, "nothing_left")
		}
		if acts := p.api.Acts("holdOutboxMessage"); len(acts) == 0 || !acts[len(acts)-1].Change {
			t.Errorf("on record: %+v", acts)
		}
	})
}

// What was given up can be sent after all, with all its time before it.
func TestMessageIsGivenUpAndSent(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		p := newPost(t, db)
		path := p.mail("two")
		p.admin.Post(path+"/cancel", map[string]any{"reason": " "}).Problem(422, "missing")
		var m automation.OutboxMessage
		p.admin.Post(path+"/cancel", map[string]any{"reason": "wrong price"}).JSON(200, &m)
		if r := m.Recipients[0]; r.State != automation.RecipientStateFailed || !strings.Contains(r.Reply, "wrong price (admin@example.com") {
			t.Errorf("given up it is %+v", m)
		}
		p.becomes(path, "it is over", state(automation.RecipientStateFailed))
		p.release()
		p.exec(`UPDATE outbox_messages SET expires_at = $2 WHERE entry = $1`, entryOf(path), store.Micros(time.Now().Add(-time.Hour)))
		before := time.Now()
		p.admin.Post(path+"/send", nil).JSON(200, &m)
		if m.ExpiresAt.Before(before.Add(expireIn.D() - time.Minute)) {
			t.Errorf("it is tried until %v", m.ExpiresAt)
		}
		p.becomes(path, "it is sent", state(automation.RecipientStateDelivered))
		if sent := p.provider.World(); len(sent) != 1 {
			t.Errorf("sent were %+v", sent)
		}
	})
}

// Whose verdict was lost is said to have it, or not.
func TestMessageIsSettled(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		p := newPost(t, db)
		for arrived, want := range map[bool]automation.RecipientState{true: automation.RecipientStateDelivered, false: automation.RecipientStateFailed} {
			path := p.mail(fmt.Sprint("settled-", arrived))
			said := map[string]any{"arrived": arrived, "reason": "asked the customer"}
			p.admin.Post(path+"/settle", said).Problem(409, "nothing_left") // it is pending
			p.admin.Post(path+"/cancel", map[string]any{"reason": "test"}).Is(200)
			p.becomes(path, "it is over", state(automation.RecipientStateFailed))
			p.exec(`UPDATE outbox_recipients SET state = 'unknown', told = 'unknown' WHERE entry = $1`, entryOf(path))
			p.admin.Post(path+"/settle", map[string]any{"arrived": arrived, "reason": " "}).Problem(422, "missing")
			var m automation.OutboxMessage
			p.admin.Post(path+"/settle", said).JSON(200, &m)
			if r := m.Recipients[0]; r.State != want || !strings.Contains(r.Reply, "asked the customer (admin@example.com") {
				t.Errorf("settled it is %+v", m)
			}
			p.becomes(path, "it is over again", state(want))
		}
		if sent := p.provider.World(); len(sent) != 0 {
			t.Errorf("sent were %+v", sent)
		}
	})
}
