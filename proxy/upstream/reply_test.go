package upstream_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"heliograph/proxy/upstream"
)

func TestReadReply(t *testing.T) {
	t.Parallel()
	long := "250 " + strings.Repeat("x", 9000) + "\r\n"
	for name, c := range map[string]struct {
		in   string
		code int
		raw  string // empty: an error
		text string
	}{
		"one line":                 {"250 ok\r\n", 250, "250 ok\r\n", "ok"},
		"no text":                  {"250\r\n", 250, "250\r\n", ""},
		"empty text":               {"250 \r\n", 250, "250 \r\n", ""},
		"several lines":            {"550-5.7.1 no\r\n550 5.7.1 really\r\n", 550, "550-5.7.1 no\r\n550 5.7.1 really\r\n", "5.7.1 no 5.7.1 really"},
		"only the first of two":    {"250 a\r\n251 b\r\n", 250, "250 a\r\n", "a"},
		"bare LF is kept":          {"250-a\n250 b\n", 250, "250-a\n250 b\n", "a b"},
		"8 bit is kept":            {"535 \xd3\xa7\xff\r\n", 535, "535 \xd3\xa7\xff\r\n", "ӧ?"},
		"longer than the buffer":   {long, 250, long, strings.Repeat("x", 9000)},
		"two digits":               {in: "25 ok\r\n"},
		"letters":                  {in: "2a0 ok\r\n"},
		"code 1xx":                 {in: "150 wait\r\n"},
		"code 600":                 {in: "600 what\r\n"},
		"neither space nor hyphen": {in: "2500 ok\r\n"},
		"code changes":             {in: "250-a\r\n550 b\r\n"},
		"empty line":               {in: "\r\n"},
		"http":                     {in: "HTTP/1.1 400 Bad Request\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := upstream.ReadReply(bufio.NewReader(strings.NewReader(c.in)))
			if (err != nil) != (c.raw == "") || err != nil && !errors.Is(err, upstream.ErrReply) {
				t.Fatalf("error %v, wanted raw %q", err, c.raw)
			}
			if got.Code != c.code || string(got.Raw) != c.raw || got.Text() != c.text {
				t.Errorf("got %d %q %q, want %d %q %q", got.Code, got.Raw, got.Text(), c.code, c.raw, c.text)
			}
		})
	}
}

func TestReadReplyEnds(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]error{"": io.EOF, "250 o": io.ErrUnexpectedEOF, "250-a\r\n": io.EOF} {
		if _, err := upstream.ReadReply(bufio.NewReader(strings.NewReader(in))); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", in, err, want)
		}
	}
}

// endless repeats a piece for ever and counts what was taken of it.
type endless struct {
	piece string
	taken int
}

func (e *endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		n += copy(p[n:], e.piece[(e.taken+n)%len(e.piece):])
	}
	e.taken += n
	return n, nil
}

func TestReadReplyIsBounded(t *testing.T) {
	t.Parallel()
	for _, piece := range []string{"250-a\r\n", "250-" + strings.Repeat("x", 1000) + "\r\n", "2"} {
		r := &endless{piece: piece}
		if _, err := upstream.ReadReply(bufio.NewReader(r)); !errors.Is(err, upstream.ErrReply) {
			t.Errorf("%.10q…: got %v, want ErrReply", piece, err)
		}
		if r.taken > 80<<10 {
			t.Errorf("%.10q…: read %d bytes", piece, r.taken)
		}
	}
}

func FuzzReadReply(f *testing.F) {
	for _, seed := range []string{"250 ok\r\n", "250-a\r\n250 b\r\n", "354\n", "250-a\r\n550 b\r\n", "421 4.3.2 \x00\r\nrest"} {
		f.Add([]byte(seed), 3)
	}
	f.Fuzz(func(t *testing.T, in []byte, split int) {
		whole, err1 := upstream.ReadReply(bufio.NewReader(bytes.NewReader(in)))
		at := min(max(split, 0), len(in))
		halves := io.MultiReader(bytes.NewReader(in[:at]), bytes.NewReader(in[at:]))
		split2, err2 := upstream.ReadReply(bufio.NewReaderSize(halves, 16))
		if (err1 == nil) != (err2 == nil) || whole.Code != split2.Code || !bytes.Equal(whole.Raw, split2.Raw) {
			t.Fatalf("split changes the result: %+v %v, %+v %v", whole, err1, split2, err2)
		}
		if err1 != nil {
			return
		}
		if !bytes.HasPrefix(in, whole.Raw) || whole.Code < 200 || whole.Code > 599 {
			t.Fatalf("got %d %q of %q", whole.Code, whole.Raw, in)
		}
	})
}
