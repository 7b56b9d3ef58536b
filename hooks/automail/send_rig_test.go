package automail_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"heliograph/config"
	"heliograph/hooks/automail"
	"heliograph/internal/journal"
	"heliograph/internal/store"
	"heliograph/proxy/upstream"
)

// service is the account that rules of the tests send as.
const service = "service@example.com"

// ruleMail is a mail of the rule "receipt".
func ruleMail(effect string, to ...string) automail.Mail {
	if len(to) == 0 {
		to = []string{"bob@example.org"}
	}
	id := strings.ReplaceAll(effect, "/", ".") + "@example.com"
	return automail.Mail{
		Effect: effect, Rule: "receipt", Run: "run-" + effect, Sender: service, ReversePath: service, Recipients: to, MessageID: id,
		Message: fmt.Appendf(nil, "From: Service <%s>\r\nTo: <%s>\r\nSubject: receipt\r\nMessage-ID: <%s>\r\nAuto-Submitted: auto-generated\r\n\r\n.\r\nThank you.\r\n",
			service, strings.Join(to, ">, <"), id),
	}
}

// sendRule hands a mail over and returns its entry once the outbox knows of it.
func (r *rig) sendRule(m automail.Mail) journal.ID {
	r.t.Helper()
	sent, err := r.box.Send(r.t.Context(), m)
	if err != nil {
		r.t.Fatal(err)
	}
	if !sent.Repeated {
		r.sent++
	}
	r.await("a job of "+m.Effect, func() bool {
		_, ok := r.job(sent.Entry)
		return ok
	})
	return sent.Entry
}

// settled is the engine's callback. A transaction that runs again says the same again.
func (r *rig) settled(_ context.Context, _ store.Querier, s automail.Settlement) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = append(r.told, s)
	return nil
}

// wantTold compares what the run was told, as "bob@example.org=delivered …", each with "!" at the end when it is done.
func (r *rig) wantTold(effect string, want ...string) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	var got []string
	for _, s := range r.told {
		if s.Effect != effect {
			continue
		}
		var parts []string
		for _, x := range s.Recipients {
			parts = append(parts, x.Address+"="+string(x.State))
		}
		text := strings.Join(parts, " ")
		if s.Done {
			text += "!"
		}
		got = append(got, text)
		if s.Run != "run-"+effect || s.Rule != "receipt" {
			r.t.Errorf("%s was told as of run %q of rule %q", effect, s.Run, s.Rule)
		}
	}
	if !slices.Equal(got, want) {
		r.t.Errorf("the run of %s was told %q, want %q", effect, got, want)
	}
}

// via makes the outbox use another upstream section and starts it anew.
func (r *rig) via(up config.Upstream, settings ...setting) {
	r.t.Helper()
	r.stop()
	router, err := upstream.New([]config.Upstream{up}, upstream.Options{})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(router.Close)
	r.router = router
	r.open(settings...)
}

func setSender(change func(*config.Sender)) setting {
	return func(o *automail.Options) {
		o.Config.Senders = slices.Clone(o.Config.Senders)
		change(&o.Config.Senders[0])
	}
}

func control(r *rig) automail.Control {
	return automail.Control{Store: r.db, Queue: r.queue, Now: r.clock.Now}
}

func show(t *testing.T, r *rig, id journal.ID) automail.OutboxMessage {
	t.Helper()
	m, err := r.box.Show(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
