package upstream_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/internal/mailtest"
	"heliograph/proxy/upstream"
)

// clock is a time that the test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

const (
	offersDSN      = "S: 220 mx\nC: EHLO gw.example.net\nS: 250-mx\nS: 250 DSN\nC: QUIT\n-- eof"
	offersCHUNKING = "S: 220 mx\nC: EHLO gw.example.net\nS: 250-mx\nS: 250 CHUNKING\nC: QUIT\n-- eof"
	isBusy         = "S: 421 busy\n-- eof"
)

func scripted(t *testing.T, c *clock, scripts ...string) *upstream.Upstream {
	t.Helper()
	addr := mailtest.Serve(t, nil, scripts...)
	return newUpstreamWith(t, config.Upstream{Name: "main", SMTP: plain(addr)}, upstream.Options{Now: c.Now})
}

func TestExtensionsAreLearntOnceForAll(t *testing.T) {
	t.Parallel()
	u := scripted(t, newClock(), offersDSN)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if ext, err := u.SMTPExtensions(t.Context()); err != nil || !ext.Has("DSN") {
				t.Errorf("got %+v, %v", ext, err)
			}
		})
	}
	wg.Wait()
}

func TestExtensionsAreRenewedInTheBackground(t *testing.T) {
	t.Parallel()
	c := newClock()
	u := scripted(t, c, offersDSN, isBusy, offersCHUNKING)
	has := func(name string) {
		t.Helper()
		if ext, err := u.SMTPExtensions(t.Context()); err != nil || !ext.Has(name) {
			t.Errorf("got %+v, %v, want %s", ext, err, name)
		}
	}
	has("DSN")
	c.advance(9 * time.Minute)
	has("DSN") // still fresh, asks nobody
	c.advance(2 * time.Minute)
	has("DSN") // stale; meets the busy answer in the background
	if err := u.Refresh(t.Context()); err == nil {
		// Joined the attempt under way, or it was over and this one learnt.
		has("CHUNKING")
		return
	}
	has("DSN") // the last known answer survives
	c.advance(time.Minute)
	has("DSN")
	mailtest.Eventually(t, 10*time.Second, func() error {
		if ext, err := u.SMTPExtensions(t.Context()); err != nil || !ext.Has("CHUNKING") {
			return errors.New("CHUNKING is not learnt")
		}
		return nil
	})
}

func TestExtensionsNeverLearnt(t *testing.T) {
	t.Parallel()
	c := newClock()
	u := scripted(t, c, isBusy, offersDSN)
	for range 3 { // one attempt: the clock stands still
		var e *upstream.Error
		if _, err := u.SMTPExtensions(t.Context()); !errors.As(err, &e) || e.Class != upstream.ClassBusy {
			t.Fatalf("got %v", err)
		}
	}
	c.advance(3 * time.Second)
	if ext, err := u.SMTPExtensions(t.Context()); err != nil || !ext.Has("DSN") {
		t.Errorf("got %+v, %v", ext, err)
	}
}

func TestExtensionsOfASlowUpstream(t *testing.T) {
	t.Parallel()
	u := scripted(t, newClock(), "S: 220 mx\n-- hold")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := u.SMTPExtensions(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestDialTeachesCapabilities(t *testing.T) {
	t.Parallel()
	u := scripted(t, newClock(), "S: 220 mx\nC: EHLO pc\nS: 250-mx\nS: 250 DSN\n-- eof")
	dial(t, u, upstream.Client{Helo: "pc"})
	if ext, err := u.SMTPExtensions(t.Context()); err != nil || !ext.Has("DSN") {
		t.Errorf("got %+v, %v", ext, err)
	}
}

func TestClosedRouterLearnsNothing(t *testing.T) {
	t.Parallel()
	r := router(t, section("a", false))
	r.Close()
	if _, err := r.Upstreams()[0].SMTPExtensions(t.Context()); err == nil {
		t.Error("no error")
	}
}
