package imapd

import (
	"context"
	"errors"
	"io"
	"time"

	"heliograph/proxy/imapd/scan"
	"heliograph/proxy/upstream"
)

// linger lets what is under way end after the client has left: answers to a client that only stopped sending,
// and captures. It reports whether the session goes on. Callers hold mu.
func (t *tap) linger(err error) bool {
	if t.over || t.leaving || t.gone || t.mid || len(t.half) > 0 {
		return false
	}
	owing := errors.Is(err, io.EOF) && len(t.cmds) > 0 && t.idling() == nil
	if !owing && !t.hasWork() {
		return false
	}
	t.gone = true
	t.lingering = time.AfterFunc(t.srv.timeouts.pass, func() { _ = t.up.conn.Close() }) // lest it never answers
	t.hangUp()
	return true
}

// hangUp closes the client's side of a session that lingers, once nothing is owed to it. Callers hold mu.
func (t *tap) hangUp() {
	if !t.gone || t.closed || len(t.cmds) > 0 && t.idling() == nil {
		return
	}
	t.closed = true
	_ = t.conn.Close()
	t.lingering.Stop()
	t.lingering = time.AfterFunc(lingerTime, func() { _ = t.up.conn.Close() })
}

// finished says that a session without client has nothing left to do. Callers hold mu.
func (t *tap) finished() bool {
	return t.closed && t.quiet() && (!t.hasWork() || t.box.until.After(time.Now()))
}

// learnCapabilities tells the scanner which literals a client may send.
func (t *tap) learnCapabilities() {
	t.fromClient.Offer(t.caps.Has)
	t.caps = upstream.Capabilities{} // nothing else needs them, and there are many sessions
}

// capabilities follows what the upstream says that it can do.
func (t *tap) capabilities(r *scan.Response) {
	switch {
	case r.Is("CAPABILITY"):
		t.caps = upstream.ParseCapabilities(r.Rest)
	case r.HasCode("CAPABILITY"):
		t.caps = upstream.ParseCapabilities(r.CodeArgs)
	default:
		return
	}
	t.learnCapabilities()
}

const (
	// budgetTimeout bounds the question for a part of the budget.
	budgetTimeout = 5 * time.Second
	// budgetPause is how long a session waits when the budget cannot be asked.
	budgetPause = time.Minute
)

// budget is what the session may fetch on its own account.
type budget struct {
	upstream.Budget
	allowance int64 // bytes
	asking    bool
}

// afford says whether a chunk may be fetched now; if not, it asks for more.
func (t *tap) afford() bool {
	if !t.budget.Limited() || t.budget.allowance > 0 {
		return true
	}
	if t.budget.asking {
		return false
	}
	t.budget.asking = true
	t.box.until = time.Now().Add(budgetTimeout)
	t.work.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.draining), budgetTimeout)
		defer cancel()
		bytes, again, err := t.budget.Take(ctx)
		t.mu.Lock()
		defer t.mu.Unlock()
		t.budget.asking = false
		wait := time.Duration(0)
		switch {
		case err != nil:
			wait = budgetPause
		case bytes == 0:
			wait = max(again, time.Second)
			t.srv.tap.lost("budget")
		}
		t.budget.allowance += bytes
		if t.box != nil {
			t.box.until = time.Now().Add(wait)
			t.kick()
		}
	})
	return false
}
