package segment_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"heliograph/internal/journal/journaltest"
	"heliograph/internal/journal/segment"
)

// size of the n-th entry of the workload: mostly small, some of several chunks.
func size(n int) int {
	switch n % 12 {
	case 3:
		return 270_000
	case 6:
		return 128<<10 + n
	}
	return 150 * (n % 100)
}

func meta(n int) []byte { return fmt.Append(nil, "meta of ", n) }

// work writes entries from several goroutines and notes those that were acknowledged.
func work(ctx context.Context, disk *journaltest.Disk, l *segment.Log, first, writers, each int) {
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				n := first + i*writers + w
				if err := put(ctx, l, id(n), meta(n), text(uint64(n), size(n))); err != nil {
					continue // the disk failed, as the test wanted
				}
				disk.Note(n)
				_ = l.Mark(id(n), segment.KindCommit, meta(n)) // as above
			}
		})
	}
	wg.Wait()
}

// check opens the log on disk and requires that each acknowledged entry is there, and
// whole, and that each other one that is there is whole. It returns how many there are.
func check(t *testing.T, o segment.Options, acknowledged []any) (entries int) {
	t.Helper()
	l, err := segment.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
	}()
	there := map[int]bool{}
	for _, rec := range all(t, l, segment.Position{}) {
		n := int(rec.ID[14])<<8 | int(rec.ID[15])
		if rec.Kind != segment.KindEntry {
			if !there[n] {
				t.Fatalf("mark of %d without its entry", n)
			}
			continue
		}
		if there[n] {
			t.Fatalf("entry %d is there twice", n)
		}
		there[n] = true
		wantEntry(t, l, rec.Loc, meta(n), text(uint64(n), size(n)))
	}
	for _, n := range acknowledged {
		if !there[n.(int)] {
			t.Fatalf("entry %d was acknowledged and is gone", n)
		}
	}
	return len(there)
}

// checkAndGoOn checks, appends and checks again, so that what recovery did is
// itself recovered.
func checkAndGoOn(t *testing.T, o segment.Options, acknowledged []any) {
	t.Helper()
	before := check(t, o, acknowledged)
	l, err := segment.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }() // closed below unless something fails
	const n = 60_001
	if err := put(t.Context(), l, id(n), meta(n), text(n, size(n))); err != nil {
		t.Fatalf("append after recovery: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if after := check(t, o, append(acknowledged[:len(acknowledged):len(acknowledged)], n)); after != before+1 {
		t.Fatalf("%d entries, then one more, then %d", before, after)
	}
}

// cutEverywhere cuts the power at every operation of the record of disk.
func cutEverywhere(t *testing.T, disk *journaltest.Disk, o segment.Options) {
	t.Helper()
	cuts := 0
	for cut := range disk.Cuts {
		other := []journaltest.Loss{journaltest.LoseAll, journaltest.KeepAll}[cut.N%2]
		for i, loss := range []journaltest.Loss{other, journaltest.LoseSome} {
			after := cut.Disk(loss, uint64(i))
			o.FS = after
			where := fmt.Sprintf("cut %d before %v, %s %d", cut.N, cut.Next, loss, i)
			if !t.Run(where, func(t *testing.T) {
				checkAndGoOn(t, o, cut.Notes)
				if cut.N%15 != 0 || i != 1 {
					return
				}
				// Power cuts come in series: cut at every operation of the recovery too.
				for again := range after.Cuts {
					o := o
					o.FS = again.Disk(journaltest.LoseSome, uint64(cut.N))
					check(t, o, append(cut.Notes[:len(cut.Notes):len(cut.Notes)], again.Notes...))
				}
			}) {
				return
			}
			cuts++
		}
	}
	if cuts < 80 {
		t.Errorf("only %d power cuts: the workload does too little", cuts)
	}
}

func TestPowerCuts(t *testing.T) {
	t.Parallel()
	disk := journaltest.NewDisk()
	o := segment.Options{Dir: "/log", FS: disk, Keys: segment.NewKeyring(), SegmentBytes: 192 << 10, Sync: true}
	for start := range 2 {
		l := open(t, o)
		work(t.Context(), disk, l, start*100, 4, 6)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	cutEverywhere(t, disk, o)
}

// TestPowerCutsOnBadDisk does the same while writes and syncs fail now and then.
func TestPowerCutsOnBadDisk(t *testing.T) {
	t.Parallel()
	disk := journaltest.NewDisk()
	o := segment.Options{Dir: "/log", FS: disk, Keys: segment.NewKeyring(), SegmentBytes: 192 << 10, Sync: true}
	l := open(t, o)
	var count atomic.Int64
	disk.Fail(func(op journaltest.Op) error {
		n := count.Add(1)
		if op.Kind == journaltest.Sync && n%7 == 0 || op.Kind == journaltest.Write && n%11 == 0 {
			return syscall.EIO
		}
		return nil
	})
	// While the log cannot be written, appends fail at once and nothing happens on the disk:
	// how much one round does depends on the moments of the failures.
	total := 0
	for deadline := time.Now().Add(30 * time.Second); disk.Ops() < 100 && time.Now().Before(deadline); total += 40 {
		work(t.Context(), disk, l, total, 4, 10)
		for l.Err() != nil && time.Now().Before(deadline) {
			<-time.After(5 * time.Millisecond)
		}
	}
	disk.Fail(nil)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	acknowledged := 0
	for cut := range disk.Cuts {
		acknowledged = len(cut.Notes)
	}
	if acknowledged == 0 || acknowledged == total {
		t.Fatalf("%d of %d entries were acknowledged on a bad disk", acknowledged, total)
	}
	cutEverywhere(t, disk, o)
}

func TestFailedSyncIsNotRetried(t *testing.T) {
	t.Parallel()
	disk := journaltest.NewDisk()
	o := segment.Options{Dir: "/log", FS: disk, Keys: segment.NewKeyring(), SegmentBytes: 1 << 20, Sync: true}
	l := open(t, o)
	if err := put(t.Context(), l, id(1), meta(1), text(1, size(1))); err != nil {
		t.Fatal(err)
	}
	disk.Note(1)
	var broken string
	disk.Fail(func(op journaltest.Op) error {
		if op.Kind == journaltest.Sync && broken == "" {
			broken = op.Name
			return syscall.EIO
		}
		if op.Name == broken && (op.Kind == journaltest.Sync || op.Kind == journaltest.Write) {
			t.Errorf("%v on the segment whose sync failed", op)
		}
		return nil
	})
	if err := l.Mark(id(1), segment.KindCommit, meta(1)); err != nil {
		t.Fatal(err)
	}
	if err := put(t.Context(), l, id(2), meta(2), text(2, size(2))); !errors.Is(err, syscall.EIO) {
		t.Fatalf("seal with a failing sync: %v", err)
	}
	// The next segment takes over at once, and with it the mark.
	retry(t, func() error { return put(t.Context(), l, id(3), meta(3), text(3, size(3))) })
	disk.Note(3)
	var kinds []segment.Kind
	for _, rec := range all(t, l, segment.Position{}) {
		kinds = append(kinds, rec.Kind)
		if rec.ID == id(2) {
			t.Error("an entry whose sync failed is in the log")
		}
	}
	if fmt.Sprint(kinds) != fmt.Sprint([]segment.Kind{segment.KindEntry, segment.KindCommit, segment.KindEntry}) &&
		fmt.Sprint(kinds) != fmt.Sprint([]segment.Kind{segment.KindEntry, segment.KindEntry, segment.KindCommit}) {
		t.Errorf("kinds %v: want both entries and the mark", kinds)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for cut := range disk.Cuts {
		o.FS = cut.Disk(journaltest.LoseSome, 7)
		check(t, o, cut.Notes)
	}
}

func TestChunksInFailedSegmentFailTheirEntry(t *testing.T) {
	t.Parallel()
	disk := journaltest.NewDisk()
	l := open(t, segment.Options{Dir: "/log", FS: disk, Keys: segment.NewKeyring(), SegmentBytes: 1 << 20, Sync: true})
	w := l.Begin(id(1))
	defer w.Abort()
	if _, err := w.Write(text(1, 400_000)); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	disk.Fail(func(op journaltest.Op) (err error) {
		if op.Kind == journaltest.Sync {
			once.Do(func() { err = syscall.EIO })
		}
		return err
	})
	if err := put(t.Context(), l, id(2), nil, nil); !errors.Is(err, syscall.EIO) {
		t.Fatalf("seal with a failing sync: %v", err)
	}
	if err := w.Seal(t.Context(), nil); err == nil {
		t.Error("an entry with chunks in the failed segment was acknowledged")
	}
}

func TestDiskFullHeals(t *testing.T) {
	t.Parallel()
	disk := journaltest.NewDisk()
	disk.Limit(8 << 20)
	o := segment.Options{Dir: "/log", FS: disk, Keys: segment.NewKeyring(), SegmentBytes: 2 << 20, Sync: true}
	l := open(t, o)
	var err error
	stored := 0
	for ; err == nil && stored < 200; stored++ {
		err = put(t.Context(), l, id(stored), meta(stored), text(1, 100_000))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("full disk: %v after %d entries", err, stored)
	}
	stored--
	if err := put(t.Context(), l, id(1000), nil, nil); !errors.Is(err, syscall.ENOSPC) || !errors.Is(l.Err(), syscall.ENOSPC) {
		t.Errorf("the second error is not clear: %v, %v", err, l.Err())
	}
	disk.Limit(0)
	retry(t, l.Err) // heals although nobody writes
	if err := put(t.Context(), l, id(1001), nil, nil); err != nil {
		t.Errorf("after space came back: %v", err)
	}
	if got := len(all(t, l, segment.Position{})); got != stored+1 {
		t.Errorf("%d entries, want %d", got, stored+1)
	}
}

func TestOpenOnFullDisk(t *testing.T) {
	t.Parallel()
	disk := journaltest.NewDisk()
	disk.Limit(1)
	l := open(t, segment.Options{Dir: "/log", FS: disk, Keys: segment.NewKeyring(), SegmentBytes: 1 << 20, Sync: true})
	if err := put(t.Context(), l, id(1), nil, nil); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("full disk: %v", err)
	}
	disk.Limit(0)
	retry(t, l.Err)
	if err := put(t.Context(), l, id(1), nil, nil); err != nil {
		t.Error(err)
	}
}
