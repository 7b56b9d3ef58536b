package scan_test

import (
	"bytes"
	"testing"

	"heliograph/proxy/imapd/scan"
)

// BenchmarkLiteral passes chunks in the middle of a literal.
func BenchmarkLiteral(b *testing.B) {
	var s scan.Server
	s.Next([]byte("* 5 FETCH (BODY[] {9000000000000000000}\r\n"))
	chunk := bytes.Repeat([]byte("x\r\n"), 128<<10/3)
	b.SetBytes(int64(len(chunk)))
	b.ReportAllocs()
	for b.Loop() {
		if ev, n := s.Next(chunk); ev.Kind != scan.Literal || n != len(chunk) {
			b.Fatal(ev, n)
		}
	}
}

// BenchmarkFetchLine frames and parses a small FETCH response.
func BenchmarkFetchLine(b *testing.B) {
	var s scan.Server
	var f scan.Fetch
	in := []byte("* 5 FETCH (UID 7 FLAGS (\\Seen))\r\n")
	b.ReportAllocs()
	for b.Loop() {
		ev, _ := s.Next(in)
		r := scan.ParseResponse(ev.Text)
		if !r.Is("FETCH") {
			b.Fatal(r)
		}
		if f.Begin(r.Number, r.Rest); f.UID != 7 || !f.Complete {
			b.Fatal(f)
		}
	}
}

// BenchmarkSplitLine puts a line together from two reads.
func BenchmarkSplitLine(b *testing.B) {
	var s scan.Server
	in := []byte("* 5 FETCH (UID 7 FLAGS (\\Seen))\r\n")
	b.ReportAllocs()
	for b.Loop() {
		s.Next(in[:20])
		if ev, _ := s.Next(in[20:]); ev.Kind != scan.Line {
			b.Fatal(ev)
		}
	}
}

// BenchmarkStatusLine frames and parses a tagged answer.
func BenchmarkStatusLine(b *testing.B) {
	var s scan.Server
	in := []byte("A0042 OK [READ-WRITE] Select completed (0.001 + 0.000 secs).\r\n")
	b.ReportAllocs()
	for b.Loop() {
		ev, _ := s.Next(in)
		if r := scan.ParseResponse(ev.Text); r.Status != scan.StatusOK {
			b.Fatal(r)
		}
	}
}

// BenchmarkLongLine frames a line of 128 KB, as SEARCH and BODYSTRUCTURE make them.
func BenchmarkLongLine(b *testing.B) {
	var s scan.Server
	in := append(append([]byte("* SEARCH"), bytes.Repeat([]byte(" 12345"), 128<<10/6)...), "\r\n"...)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if ev, n := s.Next(in); n != len(in) {
			b.Fatal(ev)
		}
	}
}

// BenchmarkCommand frames a command of the downstream.
func BenchmarkCommand(b *testing.B) {
	var c scan.Client
	in := []byte("A0042 UID FETCH 1:50 (FLAGS BODY.PEEK[HEADER.FIELDS (Subject From)])\r\n")
	b.ReportAllocs()
	for b.Loop() {
		if ev, _ := c.Next(in); ev.Command.Verb != "UID FETCH" {
			b.Fatal(ev)
		}
	}
}
