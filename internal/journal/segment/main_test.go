package segment_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"heliograph/internal/journal/segment"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// id returns the n-th id.
func id(n int) (b [16]byte) {
	binary.BigEndian.PutUint64(b[8:], uint64(n))
	return b
}

// texts remembers what text returned: making it takes longer than storing it.
var texts sync.Map

// text returns size bytes that look like a mail: some compress well, some do not.
func text(seed uint64, size int) []byte {
	key := [2]uint64{seed, uint64(size)}
	if b, ok := texts.Load(key); ok {
		return b.([]byte)
	}
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, size)
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for i := range b {
		if seed%2 == 0 {
			b[i] = letters[r.IntN(len(letters))]
		} else {
			b[i] = byte(r.Uint32())
		}
	}
	texts.Store(key, b)
	return b
}

func open(t testing.TB, o segment.Options) *segment.Log {
	t.Helper()
	l, err := segment.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Logf("close: %v", err) // a test that breaks the disk expects this
		}
	})
	return l
}

// put stores one entry through several writes.
func put(ctx context.Context, l *segment.Log, id [16]byte, meta, body []byte) error {
	w := l.Begin(id)
	defer w.Abort()
	for len(body) > 0 {
		n := min(len(body), 40_000)
		if _, err := w.Write(body[:n]); err != nil {
			return err
		}
		body = body[n:]
	}
	return w.Seal(ctx, meta)
}

// all returns everything that is durable from pos on.
func all(t testing.TB, l *segment.Log, pos segment.Position) []segment.Record {
	t.Helper()
	tail := l.Tail(pos)
	defer func() {
		if err := tail.Close(); err != nil {
			t.Error(err)
		}
	}()
	var recs []segment.Record
	for {
		rec, err := tail.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return recs
		}
		if err != nil {
			t.Fatal(err)
		}
		recs = append(recs, rec)
	}
}

func wantEntry(t testing.TB, l *segment.Log, loc segment.Location, meta, body []byte) {
	t.Helper()
	gotMeta, r, err := l.Read(loc)
	if err != nil {
		t.Fatalf("entry at %s: %v", loc, err)
	}
	got := make([]byte, len(body)+1)
	n, err := io.ReadFull(r, got)
	if !errors.Is(err, io.ErrUnexpectedEOF) && (!errors.Is(err, io.EOF) || len(body) > 0) {
		t.Fatalf("entry at %s: body does not end after %d bytes: %v", loc, n, err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(gotMeta, meta) {
		t.Fatalf("entry at %s: meta %q, want %q", loc, gotMeta, meta)
	}
	if !bytes.Equal(got[:n], body) {
		t.Fatalf("entry at %s: body of %d bytes differs from the %d that were written", loc, n, len(body))
	}
}

// retry calls f until it succeeds.
func retry(t testing.TB, f func() error) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		<-time.After(5 * time.Millisecond)
	}
}
