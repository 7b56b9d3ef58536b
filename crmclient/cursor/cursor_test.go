package cursor_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/cursor"
)

type place struct {
	Object string      `json:"o"`
	Seen   cursor.Seen `json:"n,omitempty"`
}

func TestCursor(t *testing.T) {
	t.Parallel()
	at := place{Object: "客户"}
	if !at.Seen.News("1", time.UnixMilli(7)) || at.Seen.News("1", time.UnixMilli(7)) || !at.Seen.News("1", time.UnixMilli(8)) {
		t.Error("each change of a record is news once")
	}
	text := cursor.Encode(at)
	if strings.ContainsAny(text, "+/=\n ") {
		t.Errorf("%q does not pass everywhere", text)
	}
	var got place
	if err := cursor.Decode(text, &got); err != nil || got.Object != at.Object || got.Seen.News("1", time.UnixMilli(8)) {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, bad := range []string{"%", "eyJ", cursor.Encode("a text"), strings.Repeat("A", 1<<20)} {
		if err := cursor.Decode(bad, &got); !errors.Is(err, crmclient.ErrCursorExpired) {
			t.Errorf("%.20q: got %v", bad, err)
		}
	}
}

func TestSeen(t *testing.T) {
	t.Parallel()
	var s cursor.Seen
	for i := range 400 {
		s.News(strconv.Itoa(i), time.UnixMilli(int64(400-i)))
	}
	s.Forget(2)
	if len(s) != 300 || s.News("0", time.UnixMilli(400)) || !s.News("399", time.UnixMilli(1)) {
		t.Errorf("got %d, want the newest 300", len(s))
	}
}
