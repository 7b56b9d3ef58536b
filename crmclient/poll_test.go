package crmclient

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"testing"
	"time"
)

func TestPollCursor(t *testing.T) {
	t.Parallel()
	const layout = time.DateTime
	c := NewPollCursor(layout)
	steps := []struct {
		id, at, value string
		news          bool
	}{
		{"1", "2026-01-01 00:00:10", "a", true},
		{"1", "2026-01-01 00:00:10", "a", false},
		{"1", "2026-01-01 00:00:10", "b", true}, // again within the second
		{"2", "2026-01-01 00:00:08", "a", true}, // a transaction that ended late
		{"2", "2026-01-01 00:00:08", "a", false},
		{"1", "2026-01-01 00:01:00", "b", true},
	}
	for i, s := range steps {
		if got := c.Tell(s.id, s.at, map[string]any{"v": s.value}); got != s.news {
			t.Errorf("step %d: news %v", i, got)
		}
		again, err := ParsePollCursor(c.String(), layout)
		if err != nil {
			t.Fatal(err)
		}
		c = again
	}
	from := c.From(layout, 5*time.Second)
	if from != "2026-01-01 00:00:55" {
		t.Errorf("from %s", from)
	}
	if c.Forget(from); len(c.Told) != 1 {
		t.Errorf("%v is remembered", c.Told)
	}
	for _, bad := range []string{"", "x", "{}", `{"since":"soon","told":{}}`} {
		if _, err := ParsePollCursor(bad, layout); !errors.Is(err, ErrCursorExpired) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestBase64Body(t *testing.T) {
	t.Parallel()
	content := bytes.Repeat([]byte("报价单\x00"), 50_000)
	r := Base64Body(`{"f":"`, `"}`, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"f":"` + base64.StdEncoding.EncodeToString(content) + `"}`; string(got) != want {
		t.Errorf("%d bytes, want %d", len(got), len(want))
	}
	broken := errors.New("the file is gone")
	if _, err := io.ReadAll(Base64Body("", "", func(io.Writer) error { return broken })); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	// A reader that gives up ends the writer.
	done := make(chan struct{})
	r = Base64Body("", "", func(w io.Writer) error {
		defer close(done)
		for {
			if _, err := w.Write(content); err != nil {
				return err
			}
		}
	})
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	<-done
}
