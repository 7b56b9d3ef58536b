package gateway

import (
	"runtime"
	"testing"
	"time"
)

func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		live, other uint64
		want        int64
	}{{0, 0, smallHeap}, {5 << 20, 2 << 20, smallHeap}, {12 << 20, 8 << 20, 20<<20 + leastGarbage + headroom}, {100 << 20, 10 << 20, 160<<20 + headroom}} {
		if got := memoryLimit(c.live, c.other); got != c.want {
			t.Errorf("limit of %d and %d is %d, want %d", c.live, c.other, got, c.want)
		}
	}
	if live, other := memoryInUse(); live == 0 && other == 0 {
		t.Error("the runtime tells nothing of its memory")
	}
}

func TestAfterEachGC(t *testing.T) {
	t.Parallel()
	ran := make(chan struct{}, 100)
	afterEachGC(func() {
		select {
		case ran <- struct{}{}:
		default:
		}
	})
	for i := range 3 {
		runtime.GC()
		select {
		case <-ran:
		case <-time.After(10 * time.Second):
			t.Fatalf("nothing ran after collection %d", i+1)
		}
	}
}
