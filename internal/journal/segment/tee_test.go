package segment_test

import (
	"errors"
	"fmt"
	"testing"

	"heliograph/internal/journal/journaltest"
	"heliograph/internal/journal/segment"
)

// blocked is a log whose disk is in the middle of a sync that does not end before release is called.
func blocked(t *testing.T) (l *segment.Log, release func()) {
	t.Helper()
	disk := journaltest.NewDisk()
	l = open(t, segment.Options{Dir: "/log", FS: disk, Keys: segment.NewKeyring(), Sync: true})
	if err := put(t.Context(), l, id(1), nil, text(1, 1000)); err != nil { // the segment is there
		t.Fatal(err)
	}
	syncs, gate := make(chan struct{}, 100), make(chan struct{})
	disk.Fail(func(op journaltest.Op) error {
		if op.Kind == journaltest.Sync {
			syncs <- struct{}{}
			<-gate
		}
		return nil
	})
	sealed := make(chan error, 1)
	go func() { sealed <- put(t.Context(), l, id(2), nil, text(1, 1000)) }()
	<-syncs
	return l, func() {
		close(gate)
		if err := <-sealed; err != nil {
			t.Error(err)
		}
	}
}

func TestTeeDoesNotWait(t *testing.T) {
	t.Parallel()
	l, release := blocked(t)
	body := text(3, 128<<10) // does not shrink
	var tees []*segment.Writer
	total := 0
	var err error
	for n := 0; err == nil; n++ {
		if n%10 == 0 {
			w := l.Begin(id(10 + n))
			w.Tee()
			tees = append(tees, w)
		}
		if _, err = tees[len(tees)-1].Write(body); err == nil {
			total += len(body)
		}
		if total > 64<<20 {
			t.Fatal("a tee takes whatever comes")
		}
	}
	if !errors.Is(err, segment.ErrBehind) {
		t.Fatal(err)
	}
	if total < 4<<20 {
		t.Errorf("behind after %d bytes", total)
	}
	if _, err := tees[len(tees)-1].Write(body); !errors.Is(err, segment.ErrBehind) {
		t.Errorf("the error did not stay: %v", err)
	}
	for _, w := range tees {
		w.Abort()
	}
	// What the tees gave up is there for others, who see the same bodies as the disk goes on.
	w := l.Begin(id(3))
	w.Tee()
	for range 4<<20/len(body) - 1 {
		if _, err := w.Write(body); err != nil {
			t.Fatal(err)
		}
	}
	release()
	if err := w.Seal(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}

func TestTeeStoresWhatItTook(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 128 << 10, 128<<10 + 1, 3 << 20, 4_500_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			l, release := blocked(t)
			body := text(5, size)
			w := l.Begin(id(3))
			w.Tee()
			if _, err := w.Write(body[:size/2]); err != nil {
				t.Fatal(err)
			}
			if size < 4<<20 {
				if _, err := w.Write(body[size/2:]); err != nil {
					t.Fatal(err)
				}
				release()
			} else { // the disk comes back in the middle
				release()
				if _, err := w.Write(body[size/2:]); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Seal(t.Context(), []byte("meta")); err != nil {
				t.Fatal(err)
			}
			recs := all(t, l, segment.Position{})
			wantEntry(t, l, recs[len(recs)-1].Loc, []byte("meta"), body)
		})
	}
}
