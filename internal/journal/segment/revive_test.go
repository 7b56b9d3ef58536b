package segment_test

import (
	"sync"
	"syscall"
	"testing"
	"time"

	"heliograph/internal/journal/journaltest"
	"heliograph/internal/journal/segment"
)

// What was not acknowledged, and is not there after one recovery, is not there after the
// next either: also when the only word on the end of its segment stands in the header of
// one without records.
func TestNothingComesBackLater(t *testing.T) {
	t.Parallel()
	disk := journaltest.NewDisk()
	o := segment.Options{Dir: "/log", FS: disk, Keys: segment.NewKeyring(), SegmentBytes: 1 << 20, Sync: true}
	l := open(t, o)
	var mu sync.Mutex
	syncs, broken := map[string]int{}, true
	disk.Fail(func(op journaltest.Op) error {
		mu.Lock()
		defer mu.Unlock()
		if op.Kind == journaltest.Truncate {
			return syscall.EIO // else what was not acknowledged would be cut off
		}
		if op.Kind != journaltest.Sync {
			return nil
		}
		syncs[op.Name]++
		// The first sync of a file is that of its header.
		if broken && syncs[op.Name] > 1 {
			return syscall.EIO
		}
		return nil
	})
	mu.Lock()
	broken = false
	mu.Unlock()
	if err := put(t.Context(), l, id(1), meta(1), text(1, size(1))); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	broken = true
	mu.Unlock()
	for n := 2; n <= 3; n++ { // each ends a segment; the second of them has no records then
		if err := put(t.Context(), l, id(n), meta(n), text(uint64(n), size(n))); err == nil {
			t.Fatalf("entry %d was acknowledged", n)
		}
		for deadline := time.Now().Add(10 * time.Second); len(disk.Names()) < n && time.Now().Before(deadline); {
			<-time.After(time.Millisecond)
		}
	}
	mu.Lock()
	broken = false
	mu.Unlock()
	if err := put(t.Context(), l, id(4), meta(4), text(4, size(4))); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for round := range 4 {
		if n := check(t, o, []any{1, 4}); n != 2 {
			t.Fatalf("opened %d times: %d entries, want 2", round+1, n)
		}
	}
}
