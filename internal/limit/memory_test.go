package limit_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"heliograph/internal/limit"
)

// TestMemoryIsBounded floods every kind of key.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	const keys = 640
	m := limit.NewMemory(limit.MemoryOptions{Keys: keys})
	g := gate{limit.NewFailures(m, 5), t}
	for i := range 20 * keys {
		name := fmt.Sprint(i)
		ip := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		allow(t, m, name, limit.Rate{Count: 5, Per: time.Hour}, 1)
		if ok, err := m.Claim(t.Context(), name, "me", time.Hour); !ok || err != nil {
			t.Fatal(ok, err)
		}
		g.fail(ip, name, 1)
		g.succeed(ip, name)
	}
	for kind, size := range m.Sizes() {
		if size > keys || size == 0 {
			t.Errorf("%s: %d keys, want some and at most %d", kind, size, keys)
		}
	}
}

// TestMemoryForgetsTheStalest: a key in use outlives a flood of others.
func TestMemoryForgetsTheStalest(t *testing.T) {
	t.Parallel()
	m := limit.NewMemory(limit.MemoryOptions{Keys: 64 * 8})
	rate := limit.Rate{Count: 2, Per: 24 * time.Hour}
	allow(t, m, "busy", rate, 2)
	for i := range 64 * 100 {
		allow(t, m, fmt.Sprint(i), rate, 1)
		if allow(t, m, "busy", rate, 1).Allowed {
			t.Fatalf("the key in use was forgotten after %d others", i)
		}
	}
}

// TestMemoryDropsWhatIsOver: keys without meaning are not kept when they are met again.
func TestMemoryDropsWhatIsOver(t *testing.T) {
	t.Parallel()
	c := newClock()
	m := limit.NewMemory(limit.MemoryOptions{Now: c.now})
	allow(t, m, "user", limit.Rate{Count: 1, Per: time.Second}, 1)
	c.advance(time.Minute)
	allow(t, m, "user", limit.Rate{Count: 1, Per: time.Second}, 0)
	if n := m.Sizes()["rates"]; n != 0 {
		t.Errorf("%d keys kept", n)
	}
}

func BenchmarkMemoryAllow(b *testing.B) {
	m := limit.NewMemory(limit.MemoryOptions{})
	rate := limit.Rate{Count: 1_000_000, Per: time.Second}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := m.Allow(b.Context(), "messages:li@example.com", rate, 1); err != nil {
				b.Fatal(err)
			}
		}
	})
}
