package segment_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"go.uber.org/goleak"

	"heliograph/internal/journal/segment"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// id returns the n-th id.
func id(n int) (b [16]byte) {
	binary.BigEndian.PutUint64(b[8:], uint64(n))
	return b
}

// text returns size bytes that look like a mail: some compress well, some do not.
func text(seed uint64, size int) []byte {
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

func read(l *segment.Log, loc segment.Location) (meta, body []byte, err error) {
	meta, r, err := l.Read(loc)
	if err != nil {
		return nil, nil, err
	}
	body, err = io.ReadAll(r)
	return meta, body, errors.Join(err, r.Close())
}

func wantEntry(t testing.TB, l *segment.Log, loc segment.Location, meta, body []byte) {
	t.Helper()
	gotMeta, gotBody, err := read(l, loc)
	if err != nil {
		t.Fatalf("entry at %s: %v", loc, err)
	}
	if !bytes.Equal(gotMeta, meta) {
		t.Fatalf("entry at %s: meta %q, want %q", loc, gotMeta, meta)
	}
	if !bytes.Equal(gotBody, body) {
		t.Fatalf("entry at %s: body of %d bytes differs from the %d that were written", loc, len(gotBody), len(body))
	}
}
