package limit_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"heliograph/internal/limit"
	"heliograph/internal/mailtest"
)

const (
	callTimeout = 150 * time.Millisecond
	// bound is what one call may take at most: its own timeout and room for a busy
	// machine under the race detector.
	bound = 3 * time.Second
)

func newRedis(t *testing.T, o limit.RedisOptions) *limit.Redis {
	t.Helper()
	o.Timeout = cmp.Or(o.Timeout, callTimeout)
	r, err := limit.NewRedis(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func redisErrors(t *testing.T, g prometheus.Gatherer) float64 {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "heliograph_limit_redis_errors_total" {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatal("heliograph_limit_redis_errors_total is not there")
	return 0
}

// all calls each method once and returns how long the slowest took.
func all(ctx context.Context, b limit.Backend, key string) (slowest time.Duration, err error) {
	rate := limit.Rate{Count: 1_000_000, Per: time.Hour}
	guard := limit.NewFailures(b, 5)
	calls := []func() error{
		func() error {
			d, err := b.Allow(ctx, key, rate, 1)
			if err == nil && !d.Allowed {
				err = errors.New("refused far below the rate")
			}
			return err
		},
		func() error {
			ok, err := b.Claim(ctx, key, "me", time.Minute)
			if err == nil && !ok {
				err = errors.New("nobody else has the claim")
			}
			return err
		},
		func() error { _, err := b.Extend(ctx, key, "me", time.Minute); return err },
		func() error { return b.Release(ctx, key, "me") },
		func() error { return guard.Failed(ctx, stranger, key) },
		func() error { return guard.Succeeded(ctx, office, key) },
		func() error {
			wait, err := guard.Check(ctx, office, key)
			if err == nil && wait != 0 {
				err = fmt.Errorf("a known place waits %s", wait)
			}
			return err
		},
	}
	for i, call := range calls {
		began := time.Now()
		if e := call(); e != nil {
			err = errors.Join(err, fmt.Errorf("call %d: %w", i, e))
		}
		slowest = max(slowest, time.Since(began))
	}
	return slowest, err
}

// TestRedisDiesInUse kills the server under load, twice, and starts it again.
func TestRedisDiesInUse(t *testing.T) {
	t.Parallel()
	server := mailtest.Redis(t)
	reg := prometheus.NewPedanticRegistry()
	r := newRedis(t, limit.RedisOptions{Address: server.Addr, Registerer: reg})

	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				slowest, err := all(t.Context(), r, fmt.Sprintf("worker%d-%d", w, i))
				if err != nil {
					t.Errorf("a caller saw the outage: %v", err)
					return
				}
				if slowest > bound {
					t.Errorf("a call took %s", slowest)
					return
				}
			}
		})
	}
	before := redisErrors(t, reg)
	for range 2 {
		server.Stop()
		mailtest.Eventually(t, 10*time.Second, func() error {
			if r.Up() {
				return errors.New("the outage goes unnoticed")
			}
			return nil
		})
		if now := redisErrors(t, reg); now <= before {
			t.Errorf("errors counted: %v, before %v", now, before)
		} else {
			before = now
		}
		server.Start()
		mailtest.Eventually(t, 20*time.Second, func() error {
			if !r.Up() {
				return errors.New("the server is back and not used")
			}
			return nil
		})
	}
	cancel()
	wg.Wait()
}

// TestRedisThatHangs has a server that takes connections and says nothing: the
// first calls cost their timeout, all others nothing.
func TestRedisThatHangs(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	reg := prometheus.NewPedanticRegistry()
	r := newRedis(t, limit.RedisOptions{Address: l.Addr().String(), Registerer: reg})
	for i := range 50 {
		slowest, err := all(t.Context(), r, fmt.Sprint(i))
		if err != nil {
			t.Fatal(err)
		}
		if slowest > bound {
			t.Fatalf("a call took %s", slowest)
		}
	}
	if n := redisErrors(t, reg); n < 1 || n > 10 {
		t.Errorf("%v calls waited for the server, want a few of 350", n)
	}
	if n, err := testutil.GatherAndCount(reg, "heliograph_limit_redis_up"); n != 1 || err != nil {
		t.Errorf("heliograph_limit_redis_up: %d, %v", n, err)
	}
	if r.Up() {
		t.Error("a silent server counts as up")
	}
	if err := r.Ping(t.Context()); err == nil {
		t.Error("Ping says nothing of the silent server")
	}
}

// TestRedisThatRefuses covers servers that answer with errors.
func TestRedisThatRefuses(t *testing.T) {
	t.Parallel()
	m := miniredis.RunT(t)
	r := newRedis(t, limit.RedisOptions{Address: m.Addr()})
	for _, words := range []string{
		"LOADING Redis is loading the dataset in memory",
		"OOM command not allowed when used memory > 'maxmemory'.",
		"READONLY You can't write against a read only replica.",
		"NOAUTH Authentication required.",
	} {
		m.SetError(words)
		if _, err := all(t.Context(), r, words); err != nil {
			t.Errorf("%s: %v", words, err)
		}
		if r.Up() {
			t.Errorf("%s: counts as up", words)
		}
		m.SetError("")
		mailtest.Eventually(t, 20*time.Second, func() error {
			if _, err := all(t.Context(), r, words); err != nil {
				return err
			}
			if !r.Up() {
				return errors.New("the server is well again and not used")
			}
			return nil
		})
	}
}

// TestRedisForgetsScripts is what a restart or SCRIPT FLUSH does.
func TestRedisForgetsScripts(t *testing.T) {
	t.Parallel()
	server := mailtest.Redis(t)
	reg := prometheus.NewPedanticRegistry()
	r, err := limit.NewRedis(limit.RedisOptions{Address: server.Addr, Registerer: reg, Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for range 3 {
		if err := r.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := all(t.Context(), r, "user"); err != nil {
			t.Fatal(err)
		}
	}
	if n := redisErrors(t, reg); n != 0 {
		t.Errorf("%v errors", n)
	}
}

// TestLimitsHoldDuringAnOutage: in the process they are still limits.
func TestLimitsHoldDuringAnOutage(t *testing.T) {
	t.Parallel()
	r := newRedis(t, limit.RedisOptions{Address: net.JoinHostPort("127.0.0.1", fmt.Sprint(mailtest.FreePort(t)))})
	rate := limit.Rate{Count: 2, Per: time.Hour}
	for i, want := range []bool{true, true, false} {
		if d := allow(t, r, "user", rate, 1); d.Allowed != want {
			t.Errorf("mail %d: %+v, want allowed %v", i, d, want)
		}
	}
	g := gate{limit.NewFailures(r, 2), t}
	g.fail(stranger, "li@example.com", 3)
	if g.check(stranger, "li@example.com") == 0 {
		t.Error("no delay after failed logins")
	}
	if ok, err := r.Claim(t.Context(), "entry", "a", time.Minute); !ok || err != nil {
		t.Error(ok, err)
	}
	if ok, err := r.Claim(t.Context(), "entry", "b", time.Minute); ok || err != nil {
		t.Error("claimed twice", ok, err)
	}
}

// TestCallerWhoLeaves: a cancelled context is no outage and no error.
func TestCallerWhoLeaves(t *testing.T) {
	t.Parallel()
	r := newRedis(t, limit.RedisOptions{Address: miniredis.RunT(t).Addr(), Timeout: 30 * time.Second}) // a slow machine is no outage here
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := all(ctx, r, "user"); err != nil {
		t.Error(err)
	}
	if !r.Up() {
		t.Error("a caller who left opened the circuit")
	}
}

// TestServerClock uses the servers' own clocks, as in production.
func TestServerClock(t *testing.T) {
	t.Parallel()
	addrs := map[string]string{"miniredis": miniredis.RunT(t).Addr(), "redis": mailtest.Redis(t).Addr}
	for name, addr := range addrs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := limit.NewRedis(limit.RedisOptions{Address: addr, Timeout: 5 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			rate := limit.Rate{Count: 5, Per: time.Second, Burst: 1}
			if d := allow(t, r, "user", rate, 1); !d.Allowed {
				t.Fatalf("the first: %+v", d)
			}
			mailtest.Eventually(t, 10*time.Second, func() error {
				d, err := r.Allow(t.Context(), "user", rate, 1)
				if err == nil && !d.Allowed {
					if d.RetryAfter <= 0 || d.RetryAfter > 200*time.Millisecond {
						t.Errorf("retry after %s", d.RetryAfter)
					}
					err = errors.New("still refused")
				}
				return err
			})
			g := gate{limit.NewFailures(r, 1), t}
			g.fail(stranger, "li@example.com", 3)
			if wait := g.check(stranger, "li@example.com"); wait <= 0 || wait > 2*time.Second {
				t.Errorf("after the second failure too many: wait %s", wait)
			}
			if !r.Up() {
				t.Error("the server was away")
			}
		})
	}
}
