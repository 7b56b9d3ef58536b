package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// mailPart runs a mail store and, if asked for, a splice in front of it that ends TLS.
func mailPart(t *testing.T, keys *keyPair, spliced bool) (store, front *part) {
	t.Helper()
	if !spliced {
		store = runPart(t, spec{Part: partMail, Life: life, TLS: keys}, nil)
		return store, store
	}
	store = runPart(t, spec{Part: partMail, Life: life}, nil)
	return store, runPart(t, spec{Part: partSplice, Life: life, Upstream: store.addr, TLS: keys}, nil)
}

func (p *part) digest() string {
	p.t.Helper()
	if _, err := io.WriteString(p.in, askDigest+"\n"); err != nil {
		p.t.Fatal(err)
	}
	var st Status
	if err := p.out.Decode(&st); err != nil {
		p.t.Fatal(err)
	}
	return st.Digest
}

// Every kind of IMAP load runs by every way and is counted.
func TestIMAPLoadsAreCounted(t *testing.T) {
	t.Parallel()
	keys, err := newKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	for name, way := range map[string]struct {
		keys    *keyPair
		spliced bool
	}{"plain": {nil, false}, "tls": {keys, false}, "splice": {nil, true}, "tls splice": {keys, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, front := mailPart(t, way.keys, way.spliced)
			var stored int64
			for _, tr := range []traffic{
				{Kind: kindPrime, Clients: 1},
				{Kind: kindFetch, Clients: 3, Duration: 10 * time.Millisecond},
				{Kind: kindCommands, Clients: 2, Duration: 10 * time.Millisecond},
				{Kind: kindMix, Clients: 2, Size: 5000},
				{Kind: kindFresh, Clients: 2, Fresh: "a"},
				{Kind: kindFresh, Clients: 2, Fresh: "b", Duration: 10 * time.Millisecond},
				{Kind: kindFresh, Clients: 2, Fresh: "c", Duration: time.Hour, Most: 1000},
				{Kind: kindLogin, Clients: 2, Duration: 10 * time.Millisecond},
				{Kind: kindIdle, Clients: 40},
			} {
				tr.Address = front.addr
				if way.keys != nil {
					tr.CA = way.keys.CA
				}
				m, leave, err := tr.runIMAP(t.Context())
				if err != nil {
					t.Fatalf("%s: %v", tr.Kind, err)
				}
				if err := leave(); err != nil {
					t.Errorf("%s: leave: %v", tr.Kind, err)
				}
				stored += m.Stored
				least := map[Kind]int64{kindPrime: corpusSize, kindFetch: 300, kindCommands: 2, kindMix: 46, kindFresh: 200, kindLogin: 2, kindIdle: 40}[tr.Kind]
				if tr.Most > 0 && (m.Messages < tr.Most || m.Messages > tr.Most+200) {
					t.Errorf("did %d, want %d", m.Messages, tr.Most)
				}
				if m.Messages < least || tr.Duration == 0 && m.Messages != least || m.P50 > m.P99 || m.Elapsed <= 0 {
					t.Errorf("%s: %+v", tr.Kind, m)
				}
				if tr.Kind == kindPrime && m.Digest != store.digest() {
					t.Errorf("the client got %s, the store has %s", m.Digest, store.digest())
				}
			}
			if got := store.status().Messages; got != stored {
				t.Errorf("the store counted %d messages, the loads %d", got, stored)
			}
			if digest := store.digest(); !strings.HasPrefix(digest, fmt.Sprint(stored)+" messages ") {
				t.Errorf("digest %s of %d messages", digest, stored)
			}
		})
	}
}

// A message of a mailbox is the same whichever way it is asked for.
func TestMailStoreGivesTheSame(t *testing.T) {
	t.Parallel()
	store := newMailStore(nil)
	for _, mailbox := range []string{inbox, fresh + "x"} {
		f := openFolder(mailbox)
		for _, uid := range []uint32{1, 2, 199, 200, 201, f.size} {
			body := store.body(f, uid)
			if !bytes.Contains(body, idOf(nil, f.hash, uid)) || bytes.Contains(body, idPlace) {
				t.Fatalf("%s %d has no Message-ID of its own", mailbox, uid)
			}
			says := talk(t, store, fmt.Sprintf("a SELECT %[1]s\r\nb FETCH %[2]d (UID FLAGS BODY.PEEK[])\r\nc UID FETCH %[2]d (BODY[])\r\nd FETCH %[2]d BODY.PEEK[]<10.20>\r\ne UID FETCH %[2]d (RFC822.SIZE INTERNALDATE ENVELOPE)\r\n", mailbox, uid))
			for _, want := range []string{
				fmt.Sprintf("* %d EXISTS\r\n", f.size),
				fmt.Sprintf("* %[1]d FETCH (UID %[1]d FLAGS (\\Seen) BODY[] {%[2]d}\r\n%[3]s)\r\nb OK", uid, len(body), body),
				fmt.Sprintf("* %[1]d FETCH (UID %[1]d BODY[] {%[2]d}\r\n%[3]s)\r\nc OK", uid, len(body), body),
				fmt.Sprintf("* %d FETCH (BODY[]<10> {20}\r\n%s)\r\nd OK", uid, body[10:30]),
				fmt.Sprintf("* %[1]d FETCH (UID %[1]d RFC822.SIZE %[2]d INTERNALDATE ", uid, len(body)),
			} {
				if !strings.Contains(says, want) {
					t.Fatalf("%s %d: the answer lacks %.200q", mailbox, uid, want)
				}
			}
		}
	}
	var d1, d2 Digest
	a, b := store.body(openFolder(inbox), 1), store.body(openFolder(inbox), 2)
	for _, add := range []struct {
		to   *Digest
		body []byte
	}{{&d1, a}, {&d1, b}, {&d2, b}, {&d2, a}} {
		if err := add.to.Add(bytes.NewReader(add.body)); err != nil {
			t.Fatal(err)
		}
	}
	if d1.String() != d2.String() {
		t.Error("the order changes a digest")
	}
	if d2.add([32]byte{}); d1.String() == d2.String() {
		t.Error("another message does not change a digest")
	}
}

// talk sends lines to a store and returns all that it says.
func talk(t *testing.T, store *mailStore, lines string) string {
	t.Helper()
	c, s := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer s.Close()
		newMailSession(store, s).run()
	}()
	go func() { _, _ = io.WriteString(c, lines+"z LOGOUT\r\n") }()
	all, err := io.ReadAll(c)
	if err != nil {
		t.Error(err)
	}
	_ = c.Close()
	<-done
	return string(all)
}

func TestMailStoreAnswers(t *testing.T) {
	t.Parallel()
	store := newMailStore(nil)
	for lines, want := range map[string]string{
		"a CAPABILITY\r\n":                        "* CAPABILITY IMAP4rev1",
		"a LOGIN x y\r\n":                         "a OK [CAPABILITY",
		"a LOGIN {1}\r\nx {1+}\r\ny\r\n":          "+ go on\r\na OK [CAPABILITY",
		"a AUTHENTICATE PLAIN\r\nAAA=\r\n":        "+ \r\na OK [CAPABILITY",
		"a AUTHENTICATE PLAIN AAA=\r\n":           "a OK [CAPABILITY",
		"a ID NIL\r\n":                            "* ID NIL\r\na OK",
		"a NAMESPACE\r\n":                         "* NAMESPACE",
		"a LIST \"\" *\r\n":                       `"/" INBOX`,
		"a SELECT \"Other\"\r\n":                  "* 0 EXISTS",
		"a SELECT Other\r\nb FETCH 1 (UID)\r\n":   "b BAD",
		"a SELECT INBOX\r\nb FETCH x (UID)\r\n":   "b BAD",
		"a SELECT INBOX\r\nb FETCH 0 (UID)\r\n":   "b BAD",
		"a SELECT INBOX\r\nb FETCH 1 (X)\r\n":     "b BAD",
		"a SELECT INBOX\r\nb FETCH *,1 (UID)\r\n": "* 1000 FETCH (UID 1000)\r\n* 1 FETCH (UID 1)\r\nb OK",
		"a SELECT INBOX\r\nb FETCH 999:* UID\r\n": "* 999 FETCH (UID 999)\r\n* 1000 FETCH (UID 1000)\r\nb OK",
		"a APPEND Sent {3}\r\nabc\r\n":            "+ go on\r\na OK [APPENDUID",
		"a APPEND Sent (\\Seen) {3+}\r\nabc\r\n":  "a OK [APPENDUID",
		"a IDLE\r\nDONE\r\n":                      "+ idling\r\na OK",
		"a UID EXPUNGE 1\r\n":                     "a BAD",
		"a THREAD\r\n":                            "a BAD",
	} {
		if says := talk(t, store, lines); !strings.Contains(says, want) || !strings.HasSuffix(says, "* BYE\r\nz OK done\r\n") {
			t.Errorf("to %q it says %q", lines, says)
		}
	}
	if st, err := store.status(t.Context()); err != nil || st.Messages != 2 {
		t.Errorf("counted %d, %v; want the two that were appended", st.Messages, err)
	}
}

// A server that refuses, or gives something else, must fail the load.
func TestIMAPLoadFailsWhenRefused(t *testing.T) {
	t.Parallel()
	const in, box = "* OK hi\r\n", "b1 OK in\r\n"
	const selected = "* 500 EXISTS\r\nb2 OK\r\n"
	for name, c := range map[string]struct {
		kind    Kind
		answers []string
		want    string
	}{
		"greeting":  {kindFetch, []string{"* BYE no\r\n"}, "greeting"},
		"login":     {kindFetch, []string{in, "b1 NO [UNAVAILABLE]\r\n"}, "LOGIN"},
		"logins":    {kindLogin, []string{in, "b1 NO [UNAVAILABLE]\r\n"}, "LOGIN"},
		"empty":     {kindFetch, []string{in, box, "* 0 EXISTS\r\nb2 OK\r\n"}, "empty"},
		"wrong tag": {kindCommands, []string{in, box, selected, "b9 OK\r\n"}, "b9 OK"},
		"too few":   {kindFetch, []string{in, box, selected, "* 1 FETCH (BODY[] {2}\r\nab)\r\nb3 OK\r\n"}, "1 bodies of 100"},
		"short":     {kindFetch, []string{in, box, selected, "x\n"}, `"x\n"`},
		"append":    {kindMix, []string{in, box, selected, "b3 OK\r\n", "b4 NO\r\n"}, "NO"},
		"idle":      {kindIdle, []string{in, box, selected, "b3 NO\r\n"}, "NO"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := listen(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				done <- serve(ctx, l, func(_ context.Context, conn *net.TCPConn) { playWhole(conn, c.answers) })
			}()
			tr := traffic{Address: l.Addr().String(), Clients: 1, Size: 1000, Kind: c.kind}
			_, _, err = tr.runIMAP(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one about %s", err, c.want)
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// playWhole says each answer after another line of the client, the first at once.
func playWhole(c *net.TCPConn, answers []string) {
	r := bufio.NewReader(c)
	for i, a := range answers {
		if i > 0 {
			if _, err := r.ReadString('\n'); err != nil {
				return
			}
		}
		if _, err := io.WriteString(c, a); err != nil {
			return
		}
	}
	_, _ = io.Copy(io.Discard, r)
}
