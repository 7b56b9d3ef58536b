package automail_test

import (
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// A crash after the states were committed and before the job was finished: nothing is
// sent again.
func TestCrashBeforeTheEndOfTheJob(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		p := newProvider(t, nil)
		r := newRig(t, db, p.addr)
		id := r.send(text, "", rcpt("bob@example.org"))
		r.rests(id)
		r.stop()
		r.exec(`UPDATE outbox_messages SET finished_at = 0 WHERE entry = $1`, id.String())
		r.again(id)
		r.open()
		m := r.rests(id)
		r.wantStates(m, "bob@example.org=delivered")
		r.wantJob(id, queue.StateCompleted)
		if m.FinishedAt.IsZero() {
			t.Error("the message is not finished")
		}
		if n := len(p.mails(sender)); n != 1 {
			t.Errorf("sent %d times, want once", n)
		}
	})
}

// A crash after the notice was in the journal, and before the mark that it is; and one before it
// was there: in both cases the sender gets one.
func TestCrashAroundTheNotice(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		p := newProvider(t, nil)
		p.onRcpt = func(to string, _ int) error {
			if to == sender {
				return nil
			}
			return refuse(550, smtp.EnhancedCode{5, 1, 1}, "no such user")
		}
		r := newRig(t, db, p.addr)
		id := r.send(text, "", rcpt("bob@example.org"))
		r.rests(id)
		r.notices(p, 1)
		r.stop()
		r.exec(`UPDATE outbox_messages SET finished_at = 0, written = 0 WHERE entry = $1`, id.String())
		r.again(id)
		r.open()
		r.wantStates(r.rests(id), "bob@example.org=failed")
		r.notices(p, 1)

		// The states are there, the plan is there, the notice is not.
		r.stop()
		second := r.send(text, "", rcpt("eve@example.org"))
		now := r.clock.Now().UnixMicro()
		r.exec(`INSERT INTO outbox_messages (entry, upstream, reverse_path, queued_at, expires_at, next_try, finished_at, attempts, warned,
			mirrored, retried, planned, planned_at, written) VALUES ($1, 'main', $2, $3, $4, 0, 0, 1, 0, 0, 0, 1, $3, 0)`,
			second.String(), sender, now, now+1e12)
		r.exec(`INSERT INTO outbox_recipients (entry, position, recipient, params, state, code, enhanced, reply, remote, attempts,
			last_try, next_try, notice, notice_action) VALUES ($1, 0, 'eve@example.org', '', 'failed', 550, '5.1.1', 'gone', 'mx', 1, $2, 0, 1, 'failed')`,
			second.String(), now)
		r.open()
		r.rests(second)
		if n := r.notices(p, 2)[1]; !strings.Contains(n.body, "eve@example.org") {
			t.Errorf("the second notice is:\n%s", n.body)
		}
		for _, m := range p.mails(sender) {
			t.Errorf("sent to %v", m.to)
		}
	})
}

// A stop while the upstream thinks about a message that is completely sent waits for
// the verdict: otherwise the message would go twice.
func TestStopWaitsForTheVerdict(t *testing.T) {
	t.Parallel()
	p := newProvider(t, nil)
	thinking, proceed := make(chan struct{}), make(chan struct{})
	p.onData = func(*smtp.Conn, string, error) error {
		close(thinking)
		<-proceed
		return nil
	}
	r := newRig(t, storetest.SQLite(t), p.addr)
	id := r.send(text, "", rcpt("bob@example.org"))
	<-thinking
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		r.stop()
	}()
	// The stop has reached the outbox when it claims no new message.
	select {
	case <-stopped:
		t.Error("stopped without the verdict")
	case <-time.After(300 * time.Millisecond):
	}
	close(proceed)
	<-stopped
	p.set(func(p *provider) { p.onData = nil })
	r.open()
	r.wantStates(r.rests(id), "bob@example.org=delivered")
	r.wantJob(id, queue.StateCompleted)
	if n := len(p.mails(sender)); n != 1 {
		t.Errorf("sent %d times, want once", n)
	}
}

// A stop while the message is being sent breaks it off: the upstream must not take
// what it has for the whole.
func TestStopBreaksATransferOff(t *testing.T) {
	t.Parallel()
	p := newProvider(t, nil)
	begun := make(chan struct{}, 8)
	r := newRig(t, storetest.SQLite(t), p.addr)
	p.onMail = func(string) error {
		begun <- struct{}{}
		return nil
	}
	block := make(chan struct{})
	p.onRcpt = func(string, int) error {
		<-block
		return nil
	}
	id := r.send(text, "", rcpt("bob@example.org"))
	<-begun
	r.stop() // returns although the upstream does not answer
	close(block)
	m, err := r.box.Show(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	r.wantStates(m, "bob@example.org=pending")
	if m.Attempts != 0 {
		t.Errorf("a stop counts as %d attempts", m.Attempts)
	}
	p.set(func(p *provider) { p.onRcpt, p.onMail = nil, nil })
	r.open()
	r.wantStates(r.rests(id), "bob@example.org=delivered")
	if n := len(p.mails(sender)); n != 1 {
		t.Errorf("sent %d times, want once", n)
	}
}
