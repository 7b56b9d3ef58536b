package limit_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"heliograph/internal/limit"
)

// TestGoAndLuaDecideAlike drives the Go and the Lua side of each algorithm with
// one clock and one random history: all answers must be equal.
func TestGoAndLuaDecideAlike(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T) home{"miniredis": newMiniredis, "redis": newRealRedis} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClock()
			memory := limit.NewMemory(limit.MemoryOptions{Now: c.now})
			other := open(t)
			// The homes began at different moments; only the distances count.
			advance := func(d time.Duration) {
				c.advance(d)
				other.advance(d)
			}
			round := 0
			rapid.Check(t, func(r *rapid.T) {
				round++
				compareHistories(t, r, memory, other, advance, fmt.Sprint(round))
			})
		})
	}
}

func compareHistories(t *testing.T, r *rapid.T, a, b limit.Backend, advance func(time.Duration), round string) {
	rate := limit.Rate{
		Count: rapid.IntRange(1, 5000).Draw(r, "count"),
		// Well above the time that a run takes, since the server's expiry follows its own clock.
		Per:   time.Duration(rapid.Int64Range(int64(time.Hour), int64(48*time.Hour)).Draw(r, "per")),
		Burst: rapid.IntRange(0, 50).Draw(r, "burst"),
	}
	perMinute := rapid.IntRange(1, 20).Draw(r, "per minute")
	fa, fb := limit.NewFailures(a, perMinute), limit.NewFailures(b, perMinute)
	ctx := t.Context()
	for range rapid.IntRange(1, 40).Draw(r, "steps") {
		ip := netip.AddrFrom4([4]byte{10, 0, 0, byte(rapid.IntRange(0, 1).Draw(r, "ip"))})
		user := round + rapid.SampledFrom([]string{"x", "y"}).Draw(r, "user")
		switch rapid.IntRange(0, 4).Draw(r, "what") {
		case 0:
			n := rapid.IntRange(0, 60).Draw(r, "n")
			da, errA := a.Allow(ctx, user, rate, n)
			db, errB := b.Allow(ctx, user, rate, n)
			if da != db || errA != nil || errB != nil {
				r.Fatalf("Allow %d of %+v: Go %+v, Lua %+v (%v, %v)", n, rate, da, db, errA, errB)
			}
		case 1, 2:
			if errA, errB := fa.Failed(ctx, ip, user), fb.Failed(ctx, ip, user); errA != nil || errB != nil {
				r.Fatal(errA, errB)
			}
		case 3:
			if rapid.IntRange(0, 9).Draw(r, "rarely") == 0 {
				if errA, errB := fa.Succeeded(ctx, ip, user), fb.Succeeded(ctx, ip, user); errA != nil || errB != nil {
					r.Fatal(errA, errB)
				}
			}
		case 4:
			advance(time.Duration(rapid.Int64Range(0, int64(2*time.Minute)).Draw(r, "advance")).Truncate(time.Microsecond))
		}
		wa, errA := fa.Check(ctx, ip, user)
		wb, errB := fb.Check(ctx, ip, user)
		if wa != wb || errA != nil || errB != nil {
			r.Fatalf("Check: Go %s, Lua %s (%v, %v)", wa, wb, errA, errB)
		}
	}
}
