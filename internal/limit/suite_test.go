package limit_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"heliograph/internal/limit"
	"heliograph/internal/mailtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// home is one backend under test with a clock that the test moves.
type home struct {
	limit.Backend
	advance func(d time.Duration)
}

// clock is a clock that stands still until it is moved.
type clock struct{ micros atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.micros.Store(time.Now().UnixMicro())
	return c
}

func (c *clock) now() time.Time          { return time.UnixMicro(c.micros.Load()) }
func (c *clock) advance(d time.Duration) { c.micros.Add(d.Microseconds()) }

// each runs f over all backends, each fresh.
func each(t *testing.T, f func(t *testing.T, h home)) {
	t.Helper()
	homes := map[string]func(t *testing.T) home{
		"memory":    newMemory,
		"miniredis": newMiniredis,
		"redis":     newRealRedis,
	}
	for name, open := range homes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, open(t))
		})
	}
}

func newMemory(*testing.T) home {
	c := newClock()
	return home{limit.NewMemory(limit.MemoryOptions{Now: c.now}), c.advance}
}

func newMiniredis(t *testing.T) home {
	c := newClock()
	m := miniredis.RunT(t)
	return home{openRedis(t, m.Addr(), c.now), func(d time.Duration) {
		c.advance(d)
		m.FastForward(d)
	}}
}

func newRealRedis(t *testing.T) home {
	c := newClock()
	return home{openRedis(t, mailtest.Redis(t).Addr, c.now), c.advance}
}

// openRedis returns a backend that fails the test if the server was not the one
// that answered.
func openRedis(t *testing.T, addr string, now func() time.Time) *limit.Redis {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	r, err := limit.NewRedis(limit.RedisOptions{Address: addr, Now: now, Timeout: 5 * time.Second, Registerer: reg})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if n := redisErrors(t, reg); n != 0 {
			t.Errorf("%v calls were answered by the fallback", n)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func allow(t *testing.T, l limit.Limiter, key string, r limit.Rate, n int) limit.Decision {
	t.Helper()
	d, err := l.Allow(t.Context(), key, r, n)
	if err != nil {
		t.Fatalf("Allow(%q): %v", key, err)
	}
	return d
}

func TestRate(t *testing.T) {
	t.Parallel()
	hourly := limit.Rate{Count: 60, Per: time.Hour, Burst: 3}
	each(t, func(t *testing.T, h home) {
		steps := []struct {
			name    string
			advance time.Duration
			n       int
			want    limit.Decision
		}{
			{"a look costs nothing", 0, 0, limit.Decision{Allowed: true, Remaining: 3}},
			{"first", 0, 1, limit.Decision{Allowed: true, Remaining: 2}},
			{"all or nothing", 0, 3, limit.Decision{RetryAfter: time.Minute, Remaining: 2}},
			{"two at once", 0, 2, limit.Decision{Allowed: true, Remaining: 0}},
			{"full", 0, 1, limit.Decision{RetryAfter: time.Minute}},
			{"nearly", time.Minute - time.Microsecond, 1, limit.Decision{RetryAfter: time.Microsecond}},
			{"one came free", time.Microsecond, 1, limit.Decision{Allowed: true}},
			{"more than the burst", 0, 4, limit.Decision{RetryAfter: -1}},
			{"a long rest fills no more than the burst", 24 * time.Hour, 0, limit.Decision{Allowed: true, Remaining: 3}},
		}
		for _, s := range steps {
			h.advance(s.advance)
			if got := allow(t, h, "user", hourly, s.n); got != s.want {
				t.Fatalf("%s: got %+v, want %+v", s.name, got, s.want)
			}
		}
	})
}

func TestRateKeysAreApart(t *testing.T) {
	t.Parallel()
	once := limit.Rate{Count: 1, Per: time.Hour}
	long := strings.Repeat("x", 100_000)
	each(t, func(t *testing.T, h home) {
		for _, key := range []string{"a", "b", "", "用户", long + "1", long + "2"} {
			if !allow(t, h, key, once, 1).Allowed {
				t.Errorf("the first of a key of %d bytes is refused", len(key))
			}
			if allow(t, h, key, once, 1).Allowed {
				t.Errorf("the second of a key of %d bytes is allowed", len(key))
			}
		}
	})
}

func TestRateZeroMeansNoLimit(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, h home) {
		for range 1000 {
			if !allow(t, h, "user", limit.Rate{Per: time.Hour}, 100).Allowed {
				t.Fatal("refused without a limit")
			}
		}
	})
}

func TestRateLowered(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, h home) {
		allow(t, h, "user", limit.Rate{Count: 3600, Per: time.Hour}, 3600)
		d := allow(t, h, "user", limit.Rate{Count: 60, Per: time.Hour}, 1)
		if d.Allowed || d.Remaining != 0 || d.RetryAfter <= 0 || d.RetryAfter > time.Hour {
			t.Errorf("after the rate was lowered: %+v", d)
		}
	})
}

func TestRateUnderConcurrency(t *testing.T) {
	t.Parallel()
	const workers, tries, count = 16, 40, 100
	each(t, func(t *testing.T, h home) {
		var allowed atomic.Int64
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for range tries {
					if d, err := h.Allow(t.Context(), "user", limit.Rate{Count: count, Per: 24 * time.Hour}, 1); err != nil {
						t.Error(err)
					} else if d.Allowed {
						allowed.Add(1)
					}
				}
			})
		}
		wg.Wait()
		if got := allowed.Load(); got != count {
			t.Errorf("%d allowed at once, want %d", got, count)
		}
	})
}

func TestClaim(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, h home) {
		ctx := t.Context()
		claim := func(owner string, want bool) {
			t.Helper()
			if got, err := h.Claim(ctx, "entry", owner, time.Hour); err != nil || got != want {
				t.Fatalf("Claim by %s: %v, %v, want %v", owner, got, err, want)
			}
		}
		extend := func(owner string, want bool) {
			t.Helper()
			if got, err := h.Extend(ctx, "entry", owner, time.Hour); err != nil || got != want {
				t.Fatalf("Extend by %s: %v, %v, want %v", owner, got, err, want)
			}
		}
		release := func(owner string) {
			t.Helper()
			if err := h.Release(ctx, "entry", owner); err != nil {
				t.Fatal(err)
			}
		}
		extend("a", false)
		release("a")
		claim("a", true)
		claim("b", false)
		claim("a", true) // a repeat after a lost answer
		extend("b", false)
		extend("a", true)
		release("b")
		claim("b", false)
		release("a")
		extend("a", false)
		claim("b", true)
	})
}

func TestClaimExpires(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, h home) {
		ctx := t.Context()
		if ok, err := h.Claim(ctx, "entry", "a", 300*time.Millisecond); !ok || err != nil {
			t.Fatal(ok, err)
		}
		mailtest.Eventually(t, 10*time.Second, func() error {
			h.advance(20 * time.Millisecond)
			if ok, err := h.Claim(ctx, "entry", "b", time.Hour); !ok || err != nil {
				return fmt.Errorf("b has it: %v, %w", ok, errors.Join(err))
			}
			return nil
		})
		if ok, err := h.Extend(ctx, "entry", "a", time.Hour); ok || err != nil {
			t.Errorf("a extends what it has lost: %v, %v", ok, err)
		}
	})
}

func TestClaimHasOneWinner(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, h home) {
		var won atomic.Int64
		var wg sync.WaitGroup
		for i := range 32 {
			wg.Go(func() {
				if ok, err := h.Claim(t.Context(), "entry", fmt.Sprint(i), time.Hour); err != nil {
					t.Error(err)
				} else if ok {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("%d owners", won.Load())
		}
	})
}

var (
	office   = netip.MustParseAddr("192.0.2.1")
	stranger = netip.MustParseAddr("203.0.113.9")
)

// gate is a login guard whose errors fail the test.
type gate struct {
	*limit.Failures
	t *testing.T
}

func (g gate) check(ip netip.Addr, user string) time.Duration {
	g.t.Helper()
	wait, err := g.Check(g.t.Context(), ip, user)
	if err != nil {
		g.t.Fatal(err)
	}
	return wait
}

func (g gate) want(ip netip.Addr, user string, want time.Duration) {
	g.t.Helper()
	if got := g.check(ip, user); got != want {
		g.t.Fatalf("%s at %s waits %s, want %s", user, ip, got, want)
	}
}

func (g gate) fail(ip netip.Addr, user string, times int) {
	g.t.Helper()
	for range times {
		if err := g.Failed(g.t.Context(), ip, user); err != nil {
			g.t.Fatal(err)
		}
	}
}

func (g gate) succeed(ip netip.Addr, user string) {
	g.t.Helper()
	if err := g.Succeeded(g.t.Context(), ip, user); err != nil {
		g.t.Fatal(err)
	}
}

func eachGate(t *testing.T, perMinute int, f func(t *testing.T, h home, g gate)) {
	t.Helper()
	each(t, func(t *testing.T, h home) {
		f(t, h, gate{limit.NewFailures(h, perMinute), t})
	})
}

func TestFailuresDelayGrowsAndIsBounded(t *testing.T) {
	t.Parallel()
	eachGate(t, 3, func(t *testing.T, h home, g gate) {
		g.fail(office, "li@example.com", 3)
		g.want(office, "li@example.com", 0)
		var total time.Duration
		for _, want := range []int{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900} {
			g.fail(office, "li@example.com", 1)
			wait := time.Duration(want) * time.Second
			g.want(office, "li@example.com", wait)
			g.want(office, "LI@Example.COM", wait)
			h.advance(wait - time.Microsecond)
			g.want(office, "li@example.com", time.Microsecond)
			h.advance(time.Microsecond)
			g.want(office, "li@example.com", 0)
			total += wait
		}
		// All is forgiven in the end: 3 + 11 failures at 20 s each.
		h.advance(14 * 20 * time.Second)
		g.fail(office, "li@example.com", 3)
		g.want(office, "li@example.com", 0)
	})
}

func TestFailuresAtTheFreeRateAreNotDelayed(t *testing.T) {
	t.Parallel()
	eachGate(t, 6, func(t *testing.T, h home, g gate) {
		for range 100 {
			g.fail(office, "phone@example.com", 1)
			g.want(office, "phone@example.com", 0)
			h.advance(10 * time.Second)
		}
	})
}

func TestFailuresCountByAddressAndByUser(t *testing.T) {
	t.Parallel()
	eachGate(t, 2, func(t *testing.T, _ home, g gate) {
		for i := range 3 { // one address tries many users
			g.fail(stranger, fmt.Sprintf("user%d@example.com", i), 1)
		}
		g.want(stranger, "new@example.com", time.Second)
		g.want(office, "new@example.com", 0)
		for i := range 3 { // many addresses try one user
			g.fail(netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), "boss@example.com", 1)
		}
		g.want(office, "boss@example.com", time.Second)
	})
}

func TestFailuresKnowIPv6ByItsNetwork(t *testing.T) {
	t.Parallel()
	eachGate(t, 1, func(t *testing.T, _ home, g gate) {
		g.fail(netip.MustParseAddr("2001:db8:1:2::1"), "a@example.com", 1)
		g.fail(netip.MustParseAddr("2001:db8:1:2:ffff:ffff:ffff:ffff%eth0"), "b@example.com", 1)
		g.want(netip.MustParseAddr("2001:db8:1:2:3::"), "c@example.com", time.Second)
		g.want(netip.MustParseAddr("2001:db8:1:3::1"), "c@example.com", 0)
		g.fail(netip.MustParseAddr("::ffff:192.0.2.1"), "d@example.com", 1)
		g.fail(office, "e@example.com", 1)
		g.want(office, "f@example.com", time.Second)
	})
}

func TestFailuresSuccessForgivesTheUserNotTheAddress(t *testing.T) {
	t.Parallel()
	eachGate(t, 2, func(t *testing.T, _ home, g gate) {
		g.fail(office, "li@example.com", 3)
		g.succeed(office, "li@example.com")
		g.want(office, "li@example.com", 0)
		g.want(stranger, "li@example.com", 0)
		g.want(office, "wang@example.com", time.Second)
	})
}

func TestFailuresKnownPlaceIsNotLockedOutByOthers(t *testing.T) {
	t.Parallel()
	eachGate(t, 2, func(t *testing.T, _ home, g gate) {
		g.succeed(office, "li@example.com")
		g.fail(office, "colleague@example.com", 10) // behind the same NAT
		g.fail(stranger, "li@example.com", 10)      // guesses at his name
		g.want(office, "li@example.com", 0)
		if g.check(office, "new@example.com") == 0 || g.check(stranger, "li@example.com") == 0 {
			t.Error("the others are not delayed")
		}
		// A mail program that polls does not help the guesser.
		g.succeed(office, "li@example.com")
		if g.check(stranger, "li@example.com") == 0 {
			t.Error("a success at the known place forgave the stranger")
		}
		// His own failures there count, and there alone.
		g.fail(office, "li@example.com", 3)
		g.want(office, "li@example.com", time.Second)
		g.succeed(office, "li@example.com")
		g.want(office, "li@example.com", 0)
	})
}

func TestFailuresWithoutLimit(t *testing.T) {
	t.Parallel()
	eachGate(t, 0, func(t *testing.T, _ home, g gate) {
		g.fail(office, "li@example.com", 100)
		g.succeed(office, "li@example.com")
		g.want(office, "li@example.com", 0)
	})
}
