package segment_test

import (
	"syscall"
	"testing"

	"heliograph/internal/journal/journaltest"
	"heliograph/internal/journal/segment"
)

// A mark that was waited for survives a power cut at the next moment.
func TestMarkNowIsDurable(t *testing.T) {
	t.Parallel()
	disk := journaltest.NewDisk()
	o := segment.Options{Dir: "/log", FS: disk, Keys: segment.NewKeyring(), SegmentBytes: 1 << 20, Sync: true}
	l := open(t, o)
	if err := put(t.Context(), l, id(1), meta(1), text(1, size(1))); err != nil {
		t.Fatal(err)
	}
	if err := l.MarkNow(t.Context(), id(1), segment.KindDiscard, meta(1)); err != nil {
		t.Fatal(err)
	}
	disk.Note(1)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	cuts := 0
	for cut := range disk.Cuts {
		if len(cut.Notes) == 0 {
			continue
		}
		cuts++
		o.FS = cut.Disk(journaltest.LoseAll, 1)
		l := open(t, o)
		recs := all(t, l, segment.Position{})
		if len(recs) != 2 || recs[0].Kind != segment.KindEntry || recs[1].Kind != segment.KindDiscard {
			t.Errorf("cut %d: records %+v", cut.N, recs)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if cuts == 0 {
		t.Error("no cut behind the mark")
	}
}

// On a disk that fails it becomes an ordinary mark, which the next segment takes.
func TestMarkNowOnBadDisk(t *testing.T) {
	t.Parallel()
	disk := journaltest.NewDisk()
	l := open(t, segment.Options{Dir: "/log", FS: disk, Keys: segment.NewKeyring(), SegmentBytes: 1 << 20, Sync: true})
	if err := put(t.Context(), l, id(1), meta(1), text(1, size(1))); err != nil {
		t.Fatal(err)
	}
	failed := false
	disk.Fail(func(op journaltest.Op) error {
		if op.Kind == journaltest.Sync && !failed {
			failed = true
			return syscall.EIO
		}
		return nil
	})
	if err := l.MarkNow(t.Context(), id(1), segment.KindDiscard, meta(1)); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	kinds := map[segment.Kind]int{}
	for _, rec := range all(t, l, segment.Position{}) {
		kinds[rec.Kind]++
	}
	if kinds[segment.KindEntry] != 1 || kinds[segment.KindDiscard] != 1 || !failed {
		t.Errorf("records of each kind: %v, the disk failed: %v", kinds, failed)
	}
}
