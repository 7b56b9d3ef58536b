package upstream

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	// staleAfter is when known capabilities are asked for again. Providers change
	// them in maintenance windows, not by the minute.
	staleAfter = 10 * time.Minute
	// retryAfter is the pause between attempts to learn from an upstream that is
	// away, so that clients who knock meanwhile do not make a flood of it.
	retryAfter = 2 * time.Second
)

// capabilities is what an upstream is known to offer.
type capabilities struct {
	mu      sync.Mutex // guards all below
	ext     Extensions
	known   bool
	at      time.Time // when ext was learnt
	pending *attempt  // at most one at a time
	failed  error     // of the last attempt; nil after a success
	tried   time.Time // when the last attempt ended
}

// attempt is one question to the upstream that any number wait for.
type attempt struct {
	done chan struct{}
	err  error // valid when done is closed
}

func (c *capabilities) learnt(ext Extensions, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ext, c.known, c.at = ext, true, now
	c.failed, c.tried = nil, now
}

// SMTPExtensions returns what the upstream offered on its last encrypted EHLO.
// Known answers come at once; one that is older than ten minutes is renewed in
// the background. An upstream that is away keeps its last known answer; the
// error, an *Error, is only for one that has never answered.
func (u *Upstream) SMTPExtensions(ctx context.Context) (Extensions, error) {
	now := u.router.now()
	u.caps.mu.Lock()
	if u.caps.known {
		ext := u.caps.ext
		if now.Sub(u.caps.at) >= staleAfter && now.Sub(u.caps.tried) >= retryAfter {
			u.ask()
		}
		u.caps.mu.Unlock()
		return ext, nil
	}
	if u.caps.failed != nil && now.Sub(u.caps.tried) < retryAfter {
		err := u.caps.failed
		u.caps.mu.Unlock()
		return Extensions{}, err
	}
	a := u.ask()
	u.caps.mu.Unlock()
	if err := a.wait(ctx); err != nil {
		return Extensions{}, err
	}
	u.caps.mu.Lock()
	defer u.caps.mu.Unlock()
	return u.caps.ext, nil
}

// Refresh asks the upstream now and waits for the answer.
func (u *Upstream) Refresh(ctx context.Context) error {
	u.caps.mu.Lock()
	a := u.ask()
	u.caps.mu.Unlock()
	return a.wait(ctx)
}

func (a *attempt) wait(ctx context.Context) error {
	select {
	case <-a.done:
		return a.err
	case <-ctx.Done():
		return fmt.Errorf("learn capabilities: %w", context.Cause(ctx))
	}
}

// ask joins the attempt under way or starts one. The caller holds caps.mu.
func (u *Upstream) ask() *attempt {
	if u.caps.pending != nil {
		return u.caps.pending
	}
	a := &attempt{done: make(chan struct{})}
	u.caps.pending = a
	if !u.router.background(func(ctx context.Context) { u.learn(ctx, a) }) {
		u.caps.pending = nil
		a.err = fmt.Errorf("learn capabilities of %s: the router is closed", u.cfg.Name)
		close(a.done)
	}
	return a
}

func (u *Upstream) learn(ctx context.Context, a *attempt) {
	conn, err := u.DialSMTP(ctx, Client{})
	if err == nil {
		u.caps.learnt(conn.Ext, u.router.now())
		quit(conn)
	}
	u.caps.mu.Lock()
	if err != nil && u.caps.known {
		// Nobody may be waiting: clients go on with what is known.
		u.log.Warn("capabilities of the upstream could not be renewed", "error", err)
	}
	u.caps.pending = nil
	u.caps.failed, u.caps.tried = err, u.router.now()
	u.caps.mu.Unlock()
	a.err = err
	close(a.done)
}

// quitTimeout bounds the goodbye, which nobody waits for.
const quitTimeout = 2 * time.Second

// quit says goodbye and closes, without waiting for the answer.
func quit(conn *SMTPConn) {
	if err := conn.SetDeadline(time.Now().Add(quitTimeout)); err == nil {
		_, _ = io.WriteString(conn, "QUIT\r\n")
	}
	_ = conn.Close()
}
