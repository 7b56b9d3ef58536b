package segment_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"heliograph/internal/journal/segment"
)

// sizes around every border: nothing, one buffer, one chunk, several.
var sizes = []int{0, 1, 100, 5000, 128<<10 - 1, 128 << 10, 128<<10 + 1, 256 << 10, 256<<10 + 1, 3_000_000}

func TestEntriesSurviveReopening(t *testing.T) {
	t.Parallel()
	o := segment.Options{Dir: t.TempDir(), Keys: segment.NewKeyring(), Sync: true}
	l := open(t, o)
	for i, size := range sizes {
		for seed := range 2 {
			n := 2*i + seed
			if err := put(t.Context(), l, id(n), fmt.Append(nil, "meta ", n), text(uint64(n), size)); err != nil {
				t.Fatal(err)
			}
		}
	}
	check := func() {
		t.Helper()
		recs := all(t, l, segment.Position{})
		if len(recs) != 2*len(sizes) {
			t.Fatalf("%d records, want %d", len(recs), 2*len(sizes))
		}
		for n, rec := range recs {
			size := sizes[n/2]
			if rec.ID != id(n) || rec.Size != int64(size) || string(rec.Meta) != fmt.Sprint("meta ", n) {
				t.Errorf("record %d: id %x, size %d, meta %q", n, rec.ID, rec.Size, rec.Meta)
			}
			wantEntry(t, l, rec.Loc, fmt.Append(nil, "meta ", n), text(uint64(n), size))
		}
	}
	check()
	for range 3 {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = open(t, o)
		check()
	}
	files, err := filepath.Glob(filepath.Join(o.Dir, "*.seg"))
	if err != nil || len(files) != 2 {
		t.Errorf("%d segments after three idle starts, want the full one and the current one", len(files))
	}
}

func TestTailFollows(t *testing.T) {
	t.Parallel()
	l := open(t, segment.Options{Dir: t.TempDir(), Keys: segment.NewKeyring(), SegmentBytes: 1 << 20, Sync: true})
	const writers, each = 8, 20
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				n := w*each + i
				if err := put(t.Context(), l, id(n), nil, text(uint64(n), 1000+n*2000)); err != nil {
					t.Error(err)
					return
				}
				if err := l.Mark(id(n), segment.KindCommit, []byte("250 ok")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	tail := l.Tail(segment.Position{})
	defer func() { _ = tail.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	sealed := map[[16]byte]segment.Location{}
	for marks := 0; marks < writers*each; {
		rec, err := tail.Next(ctx)
		if err != nil {
			if err := l.Wait(ctx, tail.Position()); err != nil {
				t.Fatal(err)
			}
			continue
		}
		switch rec.Kind {
		case segment.KindEntry:
			sealed[rec.ID] = rec.Loc
		case segment.KindCommit:
			if _, ok := sealed[rec.ID]; !ok {
				t.Fatalf("mark of %x came before its entry", rec.ID)
			}
			if string(rec.Meta) != "250 ok" {
				t.Fatalf("payload %q", rec.Meta)
			}
			marks++
		}
	}
	wg.Wait()
	for n := range writers * each {
		wantEntry(t, l, sealed[id(n)], nil, text(uint64(n), 1000+n*2000))
	}
	// From the middle.
	recs := all(t, l, segment.Position{})
	for _, i := range []int{0, 1, len(recs) / 2, len(recs) - 2} {
		if rest := all(t, l, recs[i].Next); len(rest) != len(recs)-i-1 {
			t.Errorf("%d records behind the %d. of %d", len(rest), i+1, len(recs))
		}
	}
}

func TestMarkAloneBecomesDurable(t *testing.T) {
	t.Parallel()
	for _, sync := range []bool{true, false} {
		l := open(t, segment.Options{Dir: t.TempDir(), Keys: segment.NewKeyring(), Sync: sync})
		if err := put(t.Context(), l, id(1), nil, []byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := l.Mark(id(1), segment.KindDiscard, nil); err != nil {
			t.Fatal(err)
		}
		tail := l.Tail(segment.Position{})
		for kind := segment.Kind(0); kind != segment.KindDiscard; {
			if err := l.Wait(t.Context(), tail.Position()); err != nil {
				t.Fatal(err)
			}
			if rec, err := tail.Next(t.Context()); err == nil {
				kind = rec.Kind
			}
		}
		if err := tail.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestAbortedEntryIsAbsent(t *testing.T) {
	t.Parallel()
	l := open(t, segment.Options{Dir: t.TempDir(), Keys: segment.NewKeyring(), Sync: true})
	w := l.Begin(id(1))
	if _, err := w.Write(text(2, 1<<20)); err != nil {
		t.Fatal(err)
	}
	w.Abort()
	if err := w.Seal(t.Context(), nil); !errors.Is(err, segment.ErrClosed) {
		t.Errorf("seal after abort: %v", err)
	}
	if err := put(t.Context(), l, id(2), nil, nil); err != nil {
		t.Fatal(err)
	}
	if recs := all(t, l, segment.Position{}); len(recs) != 1 || recs[0].ID != id(2) {
		t.Errorf("records: %v", recs)
	}
}

func TestSecondProcessIsKeptOut(t *testing.T) {
	t.Parallel()
	o := segment.Options{Dir: t.TempDir(), Keys: segment.NewKeyring()}
	open(t, o)
	if l, err := segment.Open(o); err == nil {
		_ = l.Close()
		t.Error("the same log was opened twice")
	}
}

func TestWrongKeyIsRefused(t *testing.T) {
	t.Parallel()
	o := segment.Options{Dir: t.TempDir(), Keys: segment.NewKeyring(), Sync: true}
	l := open(t, o)
	if err := put(t.Context(), l, id(1), nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	o.Keys = segment.NewKeyring()
	if l, err := segment.Open(o); !errors.Is(err, segment.ErrNoKey) {
		if err == nil {
			_ = l.Close()
		}
		t.Errorf("open with another key: %v", err)
	}
}

func TestKeyring(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sub", "master.key")
	k, created, err := segment.LoadKeyring(path)
	if err != nil || !created {
		t.Fatalf("created %v, %v", created, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	o := segment.Options{Dir: t.TempDir(), Keys: k, Sync: true}
	l := open(t, o)
	if err := put(t.Context(), l, id(1), []byte("m"), []byte("old")); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}

	// A newer key is put in front; the old one still opens what it sealed.
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "other")
	if _, _, err := segment.LoadKeyring(other); err != nil {
		t.Fatal(err)
	}
	newer, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(newer, old...), 0o600); err != nil {
		t.Fatal(err)
	}
	if o.Keys, created, err = segment.LoadKeyring(path); err != nil || created {
		t.Fatalf("created %v, %v", created, err)
	}
	l = open(t, o)
	if err := put(t.Context(), l, id(2), []byte("m"), []byte("new")); err != nil {
		t.Fatal(err)
	}
	recs := all(t, l, segment.Position{})
	wantEntry(t, l, recs[0].Loc, []byte("m"), []byte("old"))
	wantEntry(t, l, recs[1].Loc, []byte("m"), []byte("new"))

	for name, change := range map[string]func() error{
		"readable by others": func() error { return os.Chmod(path, 0o640) },
		"empty":              func() error { return os.WriteFile(path, nil, 0o600) },
		"typing error":       func() error { old[len(old)-10] ^= 1; return os.WriteFile(path, old, 0o600) },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if _, _, err := segment.LoadKeyring(path); err == nil {
			t.Errorf("a key file that is %s was loaded", name)
		}
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
