package segment_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"heliograph/internal/journal/journaltest"
	"heliograph/internal/journal/segment"
)

// recorded returns a disk with two segments of ten entries each, and their records.
func recorded(t testing.TB, keys *segment.Keyring) (*journaltest.Disk, []segment.Record) {
	t.Helper()
	disk := journaltest.NewDisk()
	o := segment.Options{Dir: "/log", FS: disk, Keys: keys, SegmentBytes: 512 << 10, Sync: true}
	for start := range 2 {
		l := open(t, o)
		for i := range 10 {
			n := start*10 + i
			if err := put(t.Context(), l, id(n), meta(n), text(uint64(n), 5000)); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	l := open(t, o)
	recs := all(t, l, segment.Position{})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return disk, recs
}

const corruptions = "heliograph_journal_corruptions_total"

// TestDamageIsReportedAndSkipped damages one record, in the middle of the first segment and
// of the last, in each part of it.
func TestDamageIsReportedAndSkipped(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		at     int64 // in the record
		absent bool  // from the index, else only its body cannot be read
	}{
		{"header", 5, true}, {"length", 9, true}, {"wrapped key", 50, true}, {"metadata", 115, true}, {"body", 3000, false},
	} {
		for _, victim := range []int{4, 14} {
			t.Run(fmt.Sprint(c.name, " of ", victim), func(t *testing.T) {
				t.Parallel()
				keys := segment.NewKeyring()
				disk, recs := recorded(t, keys)
				loc := recs[victim].Loc
				if victim > 10 { // nothing states any more where the last segment ends
					if err := disk.Remove("/log/0000000003.seg"); err != nil {
						t.Fatal(err)
					}
				}
				disk.Damage(fmt.Sprintf("/log/%010d.seg", loc.Segment), func(b []byte) { b[loc.Offset+c.at] ^= 0x10 })
				registry := prometheus.NewPedanticRegistry()
				l := open(t, segment.Options{Dir: "/log", FS: disk, Keys: keys, SegmentBytes: 512 << 10, Sync: true, Registerer: registry})
				found := map[[16]byte]bool{}
				for _, rec := range all(t, l, segment.Position{}) {
					found[rec.ID] = true
					n := int(rec.ID[15])
					if n == victim {
						_, r, err := l.Read(rec.Loc)
						if err == nil {
							_, err = io.Copy(io.Discard, r)
						}
						if !errors.Is(err, segment.ErrDamaged) {
							t.Errorf("reading the damaged entry: %v", err)
						}
						continue
					}
					wantEntry(t, l, rec.Loc, meta(n), text(uint64(n), 5000))
				}
				for n := range 20 {
					if want := n != victim || !c.absent; found[id(n)] != want {
						t.Errorf("entry %d there: %v", n, !want)
					}
				}
				want := "# HELP heliograph_journal_corruptions_total Unreadable places found in journal segments.\n" +
					"# TYPE heliograph_journal_corruptions_total counter\n" + corruptions + " 1\n"
				if !c.absent {
					return // found when it is read, not before
				}
				if err := testutil.GatherAndCompare(registry, bytes.NewBufferString(want), corruptions); err != nil {
					t.Error(err)
				}
				if err := put(t.Context(), l, id(99), nil, nil); err != nil {
					t.Errorf("mail is refused because of old damage: %v", err)
				}
			})
		}
	}
}

func TestChunksCannotBeSwapped(t *testing.T) {
	t.Parallel()
	keys := segment.NewKeyring()
	disk := journaltest.NewDisk()
	o := segment.Options{Dir: "/log", FS: disk, Keys: keys, SegmentBytes: 2 << 20, Sync: true}
	l := open(t, o)
	const chunk = 128 << 10
	if err := put(t.Context(), l, id(1), nil, text(1, 5*chunk)); err != nil { // does not compress: chunks of one size
		t.Fatal(err)
	}
	rec := all(t, l, segment.Position{})[0]
	disk.Damage("/log/0000000001.seg", func(b []byte) {
		record := int(rec.Loc.Offset-64) / 4
		first, second := b[64:64+record], b[64+record:64+2*record]
		tmp := bytes.Clone(first)
		copy(first, second)
		copy(second, tmp)
	})
	_, r, err := l.Read(rec.Loc)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, r); !errors.Is(err, segment.ErrDamaged) || n != 0 {
		t.Errorf("%d bytes of a body with swapped chunks: %v", n, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestSlowDiskBlocksNobodyForEver(t *testing.T) {
	t.Parallel()
	disk := journaltest.NewDisk()
	l := open(t, segment.Options{Dir: "/log", FS: disk, Keys: segment.NewKeyring(), SegmentBytes: 4 << 20, Sync: true, Timeout: 100 * time.Millisecond})
	release := make(chan struct{})
	disk.Fail(func(op journaltest.Op) error {
		if op.Kind == journaltest.Sync || op.Kind == journaltest.Write {
			<-release
		}
		return nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := put(ctx, l, id(1), nil, nil); !errors.Is(err, segment.ErrTimeout) {
		t.Errorf("small message: %v", err)
	}
	if err := put(ctx, l, id(2), nil, text(1, 3_000_000)); !errors.Is(err, segment.ErrTimeout) {
		t.Errorf("large message: %v", err)
	}
	if err := l.Mark(id(1), segment.KindCommit, nil); err != nil {
		t.Errorf("mark: %v", err)
	}
	close(release)
	retry(t, func() error { return put(ctx, l, id(3), nil, nil) })
}

func TestBackgroundSync(t *testing.T) {
	t.Parallel()
	disk := journaltest.NewDisk()
	o := segment.Options{Dir: "/log", FS: disk, Keys: segment.NewKeyring(), SegmentBytes: 1 << 20}
	l := open(t, o)
	for n := range 5 {
		if err := put(t.Context(), l, id(n), meta(n), text(uint64(n), size(n))); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Wait(t.Context(), segment.Position{Segment: 1, Offset: 64}); err != nil {
		t.Fatal(err)
	}
	for n := range 5 {
		disk.Note(n)
	}
	retry(t, func() error {
		if n := len(all(t, l, segment.Position{})); n != 5 {
			return fmt.Errorf("%d durable entries, want 5", n)
		}
		return nil
	})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for cut := range disk.Cuts { // what is there is whole, at any time
		o.FS = cut.Disk(journaltest.LoseSome, 3)
		check(t, o, nil)
	}
}

// FuzzSegment opens logs whose files hold anything: there is no panic, what can be read is
// what was written, and the log takes new messages.
func FuzzSegment(f *testing.F) {
	keys := segment.NewKeyring()
	disk, recs := recorded(f, keys)
	f.Add([]byte{}, []byte{}, uint16(0))
	f.Add([]byte("HELIOSEG"), []byte{0, 0, 0, 70, 1}, uint16(9000))
	f.Add(bytes.Repeat([]byte{1}, 300), []byte{0, 0, 20, 70, 1, 0, 0, 60, 9, 255}, uint16(0))
	f.Fuzz(func(t *testing.T, raw, edits []byte, cut uint16) {
		d := disk.Copy()
		d.Damage("/log/0000000001.seg", func(b []byte) {
			for ; len(edits) >= 5; edits = edits[5:] {
				b[int(binary.BigEndian.Uint32(edits))%len(b)] ^= edits[4]
			}
		})
		if cut > 0 {
			if err := d.Truncate("/log/0000000002.seg", int64(cut)); err != nil {
				t.Fatal(err)
			}
		}
		third, err := d.Create("/log/0000000099.seg")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := third.WriteAt(raw, 0); err != nil {
			t.Fatal(err)
		}
		l, err := segment.Open(segment.Options{Dir: "/log", FS: d, Keys: keys, SegmentBytes: 256 << 10, Sync: true})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		for _, rec := range all(t, l, segment.Position{}) {
			n := int(rec.ID[15])
			if rec.ID != id(n) || n >= len(recs) || !bytes.Equal(rec.Meta, meta(n)) {
				t.Fatalf("record %x that nobody wrote", rec.ID)
			}
			_, r, err := l.Read(rec.Loc)
			if err != nil {
				continue
			}
			if got, err := io.ReadAll(r); err == nil && !bytes.Equal(got, text(uint64(n), 5000)) {
				t.Fatalf("entry %d reads as something else", n)
			}
			_ = r.Close()
		}
		if err := put(t.Context(), l, id(500), nil, nil); err != nil {
			t.Fatal(err)
		}
	})
}
