package imapd_test

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"heliograph/proxy/imapd"
)

const (
	floodBytes = 16 << 20 // of one line or literal
	floodLines = 2 << 20  // of many lines
	// floodHeap is what a session may keep of a flood: some buffers, and sets of limited size.
	floodHeap = 12 << 20
)

// heap is what is in use.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what pools hold is given back at the second one
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// flood is n bytes of pieces.
func flood(n int, piece func(i int) string) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		b.WriteString(piece(i))
	}
	return b.Bytes()
}

// same is the same piece again and again.
func same(piece string) func(int) string { return func(int) string { return piece } }

// reaches writes to one peer and wants the other to get the same.
func (x *play) reaches(from, to *peer, b []byte) {
	x.t.Helper()
	sent := make(chan error, 1)
	go func() {
		_, err := from.conn.Write(b)
		sent <- err
	}()
	got := make([]byte, 64<<10)
	for rest := b; len(rest) > 0; {
		n, err := to.in.Read(got[:min(len(got), len(rest))])
		if err != nil {
			x.t.Fatalf("after %d of %d bytes: %v", len(b)-len(rest), len(b), err)
		}
		if !bytes.Equal(got[:n], rest[:n]) {
			x.t.Fatalf("other bytes arrive after %d", len(b)-len(rest))
		}
		rest = rest[n:]
	}
	must(x.t, <-sent)
}

// What an upstream floods the client with reaches it, and does not stay here. Not parallel: the heap is measured.
func TestHostileUpstreamFloods(t *testing.T) {
	w := newStage(t, func(s *staging) { s.arrival = time.Hour })
	for _, f := range []struct {
		name  string
		bytes []byte
	}{
		{"an endless line", flood(floodBytes, same("* XYZZY and so on, without an end"))},
		{"an endless FETCH", append([]byte("* 1 FETCH (FLAGS ("), flood(floodBytes, same("$keyword "))...)},
		{"an endless tagged answer", append([]byte("q OK ["), flood(floodBytes, same("no end "))...)},
		{"a literal bomb", append([]byte("* 1 FETCH (UID 101 BODY[] {4294967295}\r\n"), flood(floodBytes, same("boom "))...)},
		{"a literal bomb in BODYSTRUCTURE", append([]byte("* 1 FETCH (BODYSTRUCTURE {9223372036854775807}\r\n"), flood(floodBytes, same("boom "))...)},
		{"a literal of no size", append([]byte("* 1 FETCH (UID 101 BODY[] {99999999999999999999}\r\n"), flood(floodBytes, same("boom "))...)},
		{"many literals", flood(floodLines, same("* LIST () \"/\" {1}\r\nx\r\n"))},
		{"many EXISTS", flood(floodLines, func(i int) string { return fmt.Sprintf("* %d EXISTS\r\n", i) })},
		{"EXISTS of all sizes", flood(floodLines, func(i int) string { return fmt.Sprintf("* %d EXISTS\r\n", uint32(i)*2654435761) })},
		{"EXPUNGE of nothing", flood(floodLines, same("* 0 EXPUNGE\r\n"))},
		{"EXPUNGE of what is not there", flood(floodLines, func(i int) string { return fmt.Sprintf("* %d EXPUNGE\r\n", 4294967295-i) })},
		{"a SEARCH of 16 MB", append([]byte("* SEARCH"), flood(floodBytes, func(i int) string { return fmt.Sprintf(" %d", i) })...)},
		{"messages with gaps between their UIDs", append([]byte("* 4294967295 EXISTS\r\n"), flood(floodLines, func(i int) string { return fmt.Sprintf("* %d FETCH (UID %d ENVELOPE NIL)\r\n", i+1, 1000+2*i) })...)},
		{"messages without UIDs", append([]byte("* 4294967295 EXISTS\r\n"), flood(floodLines, func(i int) string { return fmt.Sprintf("* %d FETCH (ENVELOPE NIL)\r\n", 2*i+1) })...)},
		{"whole messages without UIDs", append([]byte("* 4294967295 EXISTS\r\n"), flood(60_000, func(i int) string { return fmt.Sprintf("* %d FETCH (BODY[] {3}\r\nabc)\r\n", 2*i+1) })...)},
		{"drafts", flood(floodLines, func(i int) string { return fmt.Sprintf("* %d FETCH (UID %d FLAGS (\\Draft))\r\n", i+1, 1000+2*i) })},
		{"VANISHED", flood(floodLines/8, func(i int) string { return fmt.Sprintf("* VANISHED %d:%d,%d\r\n", i, i+9, 2*i) })},
		{"VANISHED of all", flood(floodLines, same("* VANISHED 1:4294967295\r\n"))},
		{"VANISHED (EARLIER)", flood(floodLines, func(i int) string { return fmt.Sprintf("* VANISHED (EARLIER) %d\r\n", 2*i+1) })},
		{"answers to nobody", flood(floodLines, func(i int) string { return fmt.Sprintf("heliograph%d OK done\r\n", i+100) })},
		{"continuations", flood(floodLines, same("+ go on\r\n"))},
		{"mailboxes for drafts", flood(floodLines, func(i int) string { return fmt.Sprintf("* LIST (\\Drafts) \"/\" box%d\r\n", i) })},
		{"capabilities", flood(floodLines, func(i int) string { return fmt.Sprintf("* CAPABILITY IMAP4rev1 X%d\r\n", i) })},
		{"other numbers at any time", flood(floodLines, func(i int) string { return fmt.Sprintf("* OK [UIDVALIDITY %d] x\r\n* OK [UIDNEXT %d] x\r\n", i, i) })},
	} {
		t.Run(f.name, func(t *testing.T) {
			x := w.open(t, stageCaps)
			x.selected(3)
			before := heap()
			x.reaches(x.u, x.c, f.bytes)
			if grown := heap() - before; grown > floodHeap {
				t.Errorf("%d KiB stay in memory", grown>>10)
			}
			runtime.KeepAlive(f.bytes)
			x.run("u close\nc< eof")
		})
	}
}

// An upstream that says nothing, or no end of things, in answer to us is left in time: the client waits.
func TestHostileAnswersToUs(t *testing.T) {
	t.Parallel()
	w := newStage(t, func(s *staging) { s.ours = 2 * time.Second })
	endless := func(head, piece string) func(*play) {
		return func(x *play) {
			must(x.t, x.u.write(head))
			for {
				if _, err := io.WriteString(x.u.conn, strings.Repeat(piece, 1+4096/len(piece))); err != nil {
					return
				}
			}
		}
	}
	talks := map[string]bool{"a literal of 4 GB": true, "a literal of 8 EB": true, "a line behind it": true, "chunks without an end": true}
	for name, f := range map[string]func(*play){
		"silence":               func(*play) {},
		"half a line":           func(x *play) { must(x.t, x.u.write("* 2 FETCH (UID 102 BO")) },
		"half a literal":        func(x *play) { must(x.t, x.u.write("* 2 FETCH (UID 102 BODY[]<0> {50}\r\nSubject:")) },
		"a literal of 4 GB":     endless("* 2 FETCH (UID 102 BODY[]<0> {4294967295}\r\n", "boom "),
		"a literal of 8 EB":     endless("* 2 FETCH (UID 102 BODY[]<0> {9223372036854775807}\r\n", "boom "),
		"a line behind it":      endless("* 2 FETCH (UID 102 BODY[]<0> {1}\r\nx FLAGS (", "$keyword "),
		"chunks without an end": endless("", "* 2 FETCH (UID 102 BODY[]<0> {5}\r\nabcde)\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := w.open(t, stageCaps)
			x.selected(3)
			x.touched(2)
			x.run(ours(1, 2) + "c> n NOOP")
			f(x)
			got, err := io.ReadAll(x.c.in)
			// While the upstream goes on talking the last word may not get through.
			if want := "* BYE [UNAVAILABLE] the mail server does not answer, connect again\r\n"; err != nil || string(got) != want && (string(got) != "" || !talks[name]) {
				t.Errorf("the client got %.200q, %v", got, err)
			}
			x.holds(nil)
		})
	}
}

// A slow line is no silence: as long as the message comes, the session goes on.
func TestSlowChunk(t *testing.T) {
	t.Parallel()
	const piece, pieces, patience = imapd.ProgressBytes, 6, 2 * time.Second
	w := newStage(t, func(s *staging) { s.ours, s.capture.ChunkBytes = patience, 2*pieces*piece })
	x := w.open(t, stageCaps)
	x.selected(3)
	x.touched(2)
	message := bytes.Repeat([]byte("a line of 16 b\r\n"), pieces*piece/16)
	x.run(fmt.Sprintf(`
		u< heliograph1 FETCH 2 (UID RFC822.SIZE INTERNALDATE BODY.PEEK[]<0.%d>)
		c> n NOOP
		u>= "* 2 FETCH (UID 102 RFC822.SIZE %d BODY[]<0> {%[2]d}\r\n"`, 2*len(message), len(message)))
	tick := time.NewTicker(patience / 2)
	defer tick.Stop()
	for part := range slices.Chunk(message, piece) {
		must(t, x.u.write(string(part)))
		<-tick.C
	}
	x.run(`
		u>= ")\r\nheliograph1 OK done\r\n"
		u< n NOOP
		u> n OK done
		c< n OK done`)
	x.holds(map[uint32]string{102: string(message)})
}

// No answer makes us store what is not the message, and none of them harms the session.
func TestWrongAnswersToUs(t *testing.T) {
	t.Parallel()
	w := newStage(t, nil)
	const more = "heliograph1 OK done\\r\\n\"\n"
	for name, d := range map[string]string{
		"another UID":             `u>= "* 2 FETCH (UID 103 BODY[]<0> {3}\r\nabc)\r\n` + more,
		"no UID":                  `u>= "* 2 FETCH (BODY[]<0> {3}\r\nabc)\r\n` + more,
		"a longer piece":          `u>= "* 2 FETCH (UID 102 BODY[]<0> {200}\r\n` + strings.Repeat("x", 200) + `)\r\n` + more,
		"a piece of the middle":   `u>= "* 2 FETCH (UID 102 BODY[]<50> {3}\r\nabc)\r\n` + more,
		"another sequence number": `u>= "* 3 FETCH (UID 102 BODY[]<0> {3}\r\nabc)\r\n` + more + `c<= "* 3 FETCH (UID 102 BODY[]<0> {3}\r\nabc)\r\n"`,
		"a header":                `u>= "* 2 FETCH (UID 102 BODY[HEADER] {3}\r\nabc)\r\n` + more + `c<= "* 2 FETCH (UID 102 BODY[HEADER] {3}\r\nabc)\r\n"`,
		"our tag before the data": `u>= "` + more + `u>= "* 2 FETCH (UID 102 BODY[]<0> {3}\r\nabc)\r\n"
			c<= "* 2 FETCH (UID 102 BODY[]<0> {3}\r\nabc)\r\n"`,
		"our tag twice":     `u>= "heliograph1 OK a\r\n` + more + `c< heliograph1 OK done`,
		"our next tag":      `u>= "heliograph2 OK a\r\n` + more + `c< heliograph2 OK a`,
		"the client's tags": `u>= "t OK a\r\nz OK b\r\n` + more + `c<= "t OK a\r\nz OK b\r\n"`,
		"a continuation":    `u>= "+ go on\r\n` + more + `c<= "+ go on\r\n"`,
		"it ends in a line": `u>= "* 2 FETCH (UID 102 BODY[]<0> {3}\r\nabc\r\n` + more,
		"flags too long to hold before it": `u>= "* 2 FETCH (FLAGS (` + strings.Repeat("$keyword ", 20_000) + `$x) UID 102 BODY[]<0> {3}\r\nabc)\r\n` + more +
			`c<= "* 2 FETCH (FLAGS (` + strings.Repeat("$keyword ", 20_000) + `$x) UID 102 BODY[]<0> {3}\r\nabc)\r\n"`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := w.open(t, stageCaps)
			x.selected(3)
			x.touched(2)
			x.run(ours(1, 2) + d + "\nauto\nc> z NOOP\nc< z OK done\nc close")
			x.served.Wait() // then all is sealed or given up
			x.only(2)
		})
	}
}

// only wants that what is captured, if anything, is this message as it is.
func (x *play) only(seq int) {
	x.t.Helper()
	for uid, body := range x.got() {
		if uid != uint32(seq+100) || body != stageMail(seq+100) {
			x.t.Errorf("captured as UID %d: %q", uid, body)
		}
	}
}

// What a client floods its own session with does not stay here. Not parallel: the heap is measured.
func TestHostileClientFloods(t *testing.T) {
	w := newStage(t, nil)
	long := strings.Repeat("t", 60_000)
	for _, f := range []struct {
		name    string
		piece   func(i int) string
		n       int
		prepare string
	}{
		{"100,000 commands", func(i int) string { return fmt.Sprintf("c%d NOOP\r\n", i) }, 100_000, ""},
		{"long tags", func(i int) string { return fmt.Sprintf("c%d%s NOOP\r\n", i, long) }, 1000, ""},
		{"long names", func(i int) string { return fmt.Sprintf("c%d SELECT \"%s\"\r\n", i, long) }, 1000, ""},
		{"COMPRESS in the middle of an answer", func(i int) string { return fmt.Sprintf("c%d COMPRESS DEFLATE\r\n", i) }, 200_000, `
			u>= "* 1 FETCH (ENVELOPE ({5}\r\nab"
			c<= "* 1 FETCH (ENVELOPE ({5}\r\nab"`},
		{"lines that are no commands", same("\r\n"), 200_000, ""},
		{"messages", func(i int) string { return fmt.Sprintf("c%d APPEND Sent {20000+}\r\n%s\r\n", i, long[:20_000]) }, 1000, ""},
	} {
		t.Run(f.name, func(t *testing.T) {
			x := w.open(t, stageCaps)
			x.selected(3)
			x.run(f.prepare)
			var b bytes.Buffer
			for i := range f.n {
				b.WriteString(f.piece(i))
			}
			before := heap()
			// The upstream reads and says nothing. What the gateway and the kernel do not take stays with the client.
			done := make(chan struct{})
			go func() {
				defer close(done)
				_, _ = io.Copy(io.Discard, x.u.in)
			}()
			must(t, x.c.conn.SetWriteDeadline(time.Now().Add(time.Second)))
			_, _ = x.c.conn.Write(b.Bytes())
			if grown := heap() - before; grown > floodHeap {
				t.Errorf("%d KiB stay in memory", grown>>10)
			}
			runtime.KeepAlive(&b)
			x.run("c close")
			_ = x.u.conn.Close()
			<-done
		})
	}
}

// As many commands as a client likes to send at once are answered.
func TestManyCommandsAtOnce(t *testing.T) {
	t.Parallel()
	w := newStage(t, nil)
	x := w.open(t, stageCaps)
	x.selected(3)
	x.touched(2)
	x.run("auto")
	const n = 100_000
	sent := make(chan error, 1)
	go func() {
		var b bytes.Buffer
		for i := range n {
			fmt.Fprintf(&b, "c%d NOOP\r\n", i)
		}
		sent <- x.c.write(b.String())
	}()
	for i := range n {
		must(t, x.c.want(fmt.Appendf(nil, "c%d OK done\r\n", i)))
	}
	must(t, <-sent)
	x.has(2)
}

// A client that takes nothing is left, with what it was sent.
func TestClientThatReadsNothing(t *testing.T) {
	t.Parallel()
	w := newStage(t, func(s *staging) { s.pass = time.Second })
	x := w.open(t, stageCaps)
	x.selected(3)
	block := bytes.Repeat([]byte("* OK there is more\r\n"), 10_000)
	for sent := 0; ; sent += len(block) {
		if _, err := x.u.conn.Write(block); err != nil {
			break
		}
		if sent > math.MaxInt32 {
			t.Fatal("the gateway takes everything")
		}
	}
	x.run("c close")
}

// A client that stops in the middle of a line keeps nothing from being captured.
func TestHalfLineThenArrivals(t *testing.T) {
	t.Parallel()
	w := newStage(t, nil)
	x := w.open(t, stageCaps)
	x.selected(3)
	x.touched(2)
	x.run(`c>= "n SEARCH SUBJECT \"he"` + "\n" + fetches(1, 2) + `
		u> * 4 EXISTS
		c< * 4 EXISTS
		auto`)
	x.has(2, 4)
	x.run(`
		c>= "llo\"\r\n"
		c< n OK done`)
}

// Whatever state the client leaves in, the upstream sees no whole command that the client did not send, and what
// was wanted is captured if it can be.
func TestClientLeaves(t *testing.T) {
	t.Parallel()
	w := newStage(t, nil)
	for name, d := range map[string]struct {
		script string
		has    []int
	}{
		"in IDLE":                       {idling(2) + "c close\nauto", []int{2}},
		"in IDLE before it is answered": {touching(2, "i IDLE\r\n") + "c close\nu> + idling\nauto", []int{2}},
		"with a command under way":      {touching(2, "n NOOP\r\n") + "c close\nu> n OK done\n" + fetches(1, 2) + "u< eof", []int{2}},
		"after LOGOUT": {touching(2, "n LOGOUT\r\n") + `
			u>= "* BYE bye\r\nn OK done\r\n"
			c<= "* BYE bye\r\nn OK done\r\n"
			u close
			c< eof`, nil},
		"in the middle of APPEND":    {touching(2, "p APPEND Sent {10+}\r\nSubj") + "c close\nu< eof", nil},
		"at the last line of APPEND": {touching(2, "p APPEND Sent {4+}\r\nSubj") + "c close\nu< eof", nil},
		"within the last line of APPEND": {`
			c>= "p APPEND Sent {4+}\r\nSubj\r"
			u<= "p APPEND Sent {4+}\r\nSubj"
			c close
			u< eof`, nil},
		"before the literal of APPEND": {touching(2, "p APPEND Sent {4}\r\n") + "c close\nu< eof", nil},
		"within a line":                {`c>= "n NO"` + "\nc close\nu< eof", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := w.open(t, stageCaps)
			x.selected(3)
			x.run(d.script)
			x.has(d.has...)
		})
	}
	for name, script := range map[string]string{
		"in a quiet moment": "c close\n" + fetches(1, 2) + "u< eof",
		"while we fetch":    ours(1, 2) + "c close\n" + reply(1, 2) + "u< eof",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := w.open(t, stageCaps)
			x.selected(3)
			x.touched(2)
			x.run(script)
			x.has(2)
		})
	}
}

// What could not be captured is owed to the next session.
func TestClientComesBack(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]struct{ script, rest string }{
		"in the middle of our answer": {touching(2, "") + ours(1, 2), `
			u>= "* 2 FETCH (UID 102 RFC822.SIZE 27 BODY[]<0> {27}\r\nSubject:"
			u close
			c< eof`},
		"in the middle of a whole message": {"", `
			c> f FETCH 2 (UID BODY.PEEK[])
			u< f FETCH 2 (UID BODY.PEEK[])
			u>= "* 2 FETCH (UID 102 BODY[] {27}\r\nSubject:"
			c<= "* 2 FETCH (UID 102 BODY[] {27}\r\nSubject:"
			u close
			c< eof`},
		"in the middle of an APPEND that the client gives up": {touching(2, "p APPEND Sent {10+}\r\nSubj"), "c close\nu< eof"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newStage(t, nil)
			x := w.open(t, stageCaps)
			x.selected(3)
			x.run(d.script + d.rest)
			w.ends(t)
			x = w.open(t, stageCaps)
			x.selected(3)
			x.run("auto")
			x.has(2)
		})
	}
}

// A client that has gone does not keep a session open whose upstream never answers.
func TestUpstreamSilentWhenTheClientHasGone(t *testing.T) {
	t.Parallel()
	w := newStage(t, func(s *staging) { s.pass = time.Second })
	x := w.open(t, stageCaps)
	x.selected(3)
	x.run(touching(2, "n NOOP\r\n") + "c close\nu< eof")
	w.ends(t)
}
