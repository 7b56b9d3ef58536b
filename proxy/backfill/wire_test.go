package backfill_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/internal/mailtest"
	"heliograph/proxy/backfill"
)

// The dialogue of a run up to a place. Tags count from T1.
const (
	wireLogin = `
		S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] hi
		C: T1 AUTHENTICATE PLAIN AGxpQGV4YW1wbGUuY29tAGNvcnJlY3QgaG9yc2U=
		S: T1 OK [CAPABILITY IMAP4rev1] in
	`
	wireList = wireLogin + `
		C: T2 LIST "" "*"
		S: * LIST (\HasNoChildren) "/" INBOX
		S: T2 OK done
	`
	wireEnd = `
		C: {any} LOGOUT
		S: * BYE see you
		-- eof
	`
)

// wireOpen opens the INBOX in which messages 1 to n are, with tags from tag on.
func wireOpen(tag, n, validity int) string {
	all := ""
	for i := range n {
		all += fmt.Sprintf(" %d", i+1)
	}
	return fmt.Sprintf(`
		C: T%d EXAMINE INBOX
		S: * %d EXISTS
		S: * OK [UIDVALIDITY %d] ok
		S: * OK [UIDNEXT %d] ok
		S: T%d OK [READ-ONLY] done
		C: T%d UID SEARCH ALL
		S: * SEARCH%s
		S: T%d OK done
	`, tag, n, validity, n+1, tag, tag+1, all, tag+1)
}

// wireMeta describes messages 1 to n, each of size octets.
func wireMeta(tag, n, size int, flags string) string {
	s := fmt.Sprintf("C: T%d UID FETCH %s\n", tag, map[bool]string{true: "1", false: fmt.Sprintf("1:%d", n)}[n == 1]+" ({any})")
	for i := range n {
		s += fmt.Sprintf("S: * %d FETCH (UID %d FLAGS (%s) INTERNALDATE \" 1-Feb-2026 10:00:00 +0800\" RFC822.SIZE %d)\n", i+1, i+1, flags, size)
	}
	return s + fmt.Sprintf("S: T%d OK done\n", tag)
}

// wireWorld has an upstream that plays scripts.
func wireWorld(t *testing.T, scripts ...string) *world {
	t.Helper()
	return newWorld(t, config.Upstream{IMAP: config.Endpoint{
		Address: mailtest.Serve(t, nil, scripts...), TLS: config.TLSNone, Timeout: config.Duration(10 * time.Second),
	}}, nil)
}

func TestWire(t *testing.T) {
	t.Parallel()
	begin := wireList + wireOpen(3, 3, 7) + wireOpen(5, 3, 7)
	one := wireList + wireOpen(3, 1, 7) + wireOpen(5, 1, 7)
	for name, c := range map[string]struct {
		script string
		want   backfill.Counts
		bodies string // of the entries, in the order of their UIDs
		fail   string // part of the words for what failed
	}{
		"the server gives all that is asked": {
			begin + wireMeta(7, 3, 3, "") + `
			C: T8 UID FETCH 1:3 (UID BODY.PEEK[]<0.262144>)
			S: * 1 FETCH (UID 1 BODY[]<0> "one")
			S: * 2 FETCH (UID 2 BODY[]<0> {3}
			S= "two)\r\n"
			S: * 4 EXISTS
			S: * 3 FETCH (FLAGS (\Seen))
			S: * 3 FETCH (UID 3 BODY[]<0> "333")
			S: T8 OK done
			`, backfill.Counts{Captured: 3, Bytes: 9}, "one two 333", "",
		},
		"it refuses one of them": {
			begin + wireMeta(7, 3, 3, "") + `
			C: T8 UID FETCH 1:3 (UID BODY.PEEK[]<0.262144>)
			S: * 1 FETCH (UID 1 BODY[]<0> "one")
			S: * 3 FETCH (UID 3 BODY[]<0> "333")
			S: T8 NO something is wrong
			C: T9 UID FETCH 2 (UID BODY.PEEK[]<0.262144>)
			S: T9 NO the disk has a hole
			C: T10 NOOP
			S: T10 OK done
			C: T11 UID SEARCH UID 2
			S: * SEARCH 2
			S: T11 OK done
			`, backfill.Counts{Captured: 2, Failed: 1, Bytes: 6}, "one 333", "the disk has a hole",
		},
		"one is gone when it is asked for": {
			begin + wireMeta(7, 3, 3, "") + `
			C: T8 UID FETCH 1:3 (UID BODY.PEEK[]<0.262144>)
			S: * 1 FETCH (UID 1 BODY[]<0> "one")
			S: * 2 FETCH (UID 2 BODY[]<0> NIL)
			S: * 3 FETCH (UID 3 BODY[]<0> "333")
			S: T8 OK [EXPUNGEISSUED] some are gone
			C: T9 UID FETCH 2 (UID BODY.PEEK[]<0.262144>)
			S: T9 OK [EXPUNGEISSUED] some are gone
			C: T10 NOOP
			S: * 2 EXPUNGE
			S: T10 OK done
			C: T11 UID SEARCH UID 2
			S: * SEARCH
			S: T11 OK done
			`, backfill.Counts{Captured: 2, Gone: 1, Bytes: 6}, "one 333", "",
		},
		"it has no content": {
			one + wireMeta(7, 1, 3, "") + `
			C: T8 UID FETCH 1 (UID BODY.PEEK[]<0.262144>)
			S: * 1 FETCH (UID 1 BODY[]<0> NIL)
			S: T8 OK done
			C: T9 UID FETCH 1 (UID BODY.PEEK[]<0.262144>)
			S: * 1 FETCH (UID 1 BODY[]<0> "")
			S: T9 OK done
			C: T10 NOOP
			S: T10 OK done
			C: T11 UID SEARCH UID 1
			S: * SEARCH 1
			S: T11 OK done
			`, backfill.Counts{Failed: 1}, "", "gives no content",
		},
		"a message is empty": {
			one + wireMeta(7, 1, 0, "") + `
			C: T8 UID FETCH 1 (UID BODY.PEEK[]<0.262144>)
			S: * 1 FETCH (UID 1 BODY[]<0> NIL)
			S: T8 OK done
			C: T9 UID FETCH 1 (UID BODY.PEEK[]<0.262144>)
			S: * 1 FETCH (UID 1 BODY[]<0> NIL)
			S: T9 OK done
			`, backfill.Counts{Excluded: 1}, "", "",
		},
		"drafts": {
			one + wireMeta(7, 1, 3, `\Seen \Draft`), backfill.Counts{Excluded: 1}, "", "",
		},
		"it takes no notice of parts": {
			one + wireMeta(7, 1, 3, "") + `
			C: T8 UID FETCH 1 (UID BODY.PEEK[]<0.262144>)
			S: * 1 FETCH (UID 1 BODY[] "all")
			S: T8 OK done
			`, backfill.Counts{Captured: 1, Bytes: 3}, "all", "",
		},
		"it told a size that is too small": {
			one + wireMeta(7, 1, 3, "") + `
			C: T8 UID FETCH 1 (UID BODY.PEEK[]<0.262144>)
			S: * 1 FETCH (UID 1 BODY[]<0> "longer")
			S: T8 OK done
			`, backfill.Counts{Captured: 1, Bytes: 6}, "longer", "",
		},
		"it told a size that is too large": {
			one + wireMeta(7, 1, 9, "") + `
			C: T8 UID FETCH 1 (UID BODY.PEEK[]<0.262144>)
			S: * 1 FETCH (UID 1 BODY[]<0> "short")
			S: T8 OK done
			C: T9 UID FETCH 1 (UID BODY.PEEK[]<0.262144>)
			S: * 1 FETCH (UID 1 BODY[]<0> "short")
			S: T9 OK done
			C: T10 UID FETCH 1 (UID BODY.PEEK[]<5.262144>)
			S: * 1 FETCH (UID 1 BODY[]<5> "")
			S: T10 OK done
			`, backfill.Counts{Captured: 1, Bytes: 5}, "short", "",
		},
		"it gives less than a chunk at a time": {
			one + wireMeta(7, 1, 9, "") + `
			C: T8 UID FETCH 1 (UID BODY.PEEK[]<0.262144>)
			S: * 1 FETCH (UID 1 BODY[]<0> "part")
			S: T8 OK done
			C: T9 UID FETCH 1 (UID BODY.PEEK[]<0.262144>)
			S: * 1 FETCH (UID 1 BODY[]<0> "part")
			S: T9 OK done
			C: T10 UID FETCH 1 (UID BODY.PEEK[]<4.262144>)
			S: * 1 FETCH (UID 1 BODY[]<4> "-more")
			S: T10 OK done
			`, backfill.Counts{Captured: 1, Bytes: 9}, "part-more", "",
		},
		"it gives another part than was asked for": {
			one + wireMeta(7, 1, 9, "") + `
			C: T8 UID FETCH 1 (UID BODY.PEEK[]<0.262144>)
			S: * 1 FETCH (UID 1 BODY[]<5> "rest")
			S: T8 OK done
			C: T9 UID FETCH 1 (UID BODY.PEEK[]<0.262144>)
			S: * 1 FETCH (UID 1 BODY[]<5> "rest")
			S: T9 OK done
			C: T10 NOOP
			S: T10 OK done
			C: T11 UID SEARCH UID 1
			S: * SEARCH 1
			S: T11 OK done
			`, backfill.Counts{Failed: 1}, "", "gives no content",
		},
		"it numbers the mailbox anew": {
			wireList + wireOpen(3, 3, 7) + wireOpen(5, 1, 8) + wireMeta(7, 1, 3, "") + `
			C: T8 UID FETCH 1 (UID BODY.PEEK[]<0.262144>)
			S: * 1 FETCH (UID 1 BODY[]<0> "new")
			S: T8 OK done
			`, backfill.Counts{Captured: 1, Bytes: 3}, "new", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := wireWorld(t, c.script+wireEnd)
			r := w.backfill(backfill.Request{}).ok(t)
			if r.Counts != c.want {
				t.Errorf("got %+v, want %+v", r.Counts, c.want)
			}
			if got := w.bodies(c.want.Captured); got != c.bodies {
				t.Errorf("got bodies %q, want %q", got, c.bodies)
			}
			if words := fmt.Sprint(r.Rows[0].Failures); !strings.Contains(words, c.fail) || c.fail == "" && words != "[]" {
				t.Errorf("failed with the words %s, want %q", words, c.fail)
			}
		})
	}
}

// bodies returns the n bodies of the INBOX in the order of their UIDs.
func (w *world) bodies(n int) string {
	w.t.Helper()
	byUID := w.entries("INBOX", n)
	var all []string
	for _, uid := range slices.Sorted(func(yield func(uint32) bool) {
		for uid := range byUID {
			if !yield(uid) {
				return
			}
		}
	}) {
		body, err := w.journal.Body(w.t.Context(), byUID[uid])
		must(w.t, err)
		b, err := io.ReadAll(body)
		must(w.t, err)
		must(w.t, body.Close())
		all = append(all, string(b))
	}
	return strings.Join(all, " ")
}

func TestOneMessageThatEndsTheConnection(t *testing.T) {
	t.Parallel()
	open := wireList + wireOpen(3, 2, 7) + wireOpen(5, 2, 7)
	again := wireLogin + wireOpen(2, 2, 7)
	bad := `
		C: T%d UID FETCH 1:2 ({any})
		S: * 1 FETCH (UID 1 FLAGS () INTERNALDATE "no date" RFC822.SIZE 3)
		-- eof`
	alone := `
		C: T%d UID FETCH 1 ({any})
		S: * 1 FETCH (UID 1 FLAGS () INTERNALDATE "no date" RFC822.SIZE 3)
		-- eof`
	w := wireWorld(t,
		open+fmt.Sprintf(bad, 7), again+fmt.Sprintf(alone, 4), again+fmt.Sprintf(alone, 4), again+fmt.Sprintf(alone, 4),
		wireLogin+wireOpen(2, 2, 7)+`
		C: T4 UID FETCH 2 ({any})
		S: * 2 FETCH (UID 2 FLAGS () INTERNALDATE " 1-Feb-2026 10:00:00 +0800" RFC822.SIZE 3)
		S: T4 OK done
		C: T5 UID FETCH 2 (UID BODY.PEEK[]<0.262144>)
		S: * 2 FETCH (UID 2 BODY[]<0> "two")
		S: T5 OK done
		`+wireEnd)
	r := w.backfill(backfill.Request{}).ok(t)
	if want := (backfill.Counts{Captured: 1, Failed: 1, Bytes: 3}); r.Counts != want {
		t.Errorf("got %+v, want %+v", r.Counts, want)
	}
	if got := w.bodies(1); got != "two" {
		t.Errorf("captured %q", got)
	}
}

func TestConnectionLostInABody(t *testing.T) {
	t.Parallel()
	w := wireWorld(t,
		wireList+wireOpen(3, 2, 7)+wireOpen(5, 2, 7)+wireMeta(7, 2, 5, "")+`
		C: T8 UID FETCH 1:2 (UID BODY.PEEK[]<0.262144>)
		S: * 1 FETCH (UID 1 BODY[]<0> "first")
		S: * 2 FETCH (UID 2 BODY[]<0> {5}
		S= "sec"
		-- reset`,
		wireLogin+wireOpen(2, 2, 7)+`
		C: T4 UID FETCH 2 ({any})
		S: * 2 FETCH (UID 2 FLAGS () INTERNALDATE " 1-Feb-2026 10:00:00 +0800" RFC822.SIZE 5)
		S: T4 OK done
		C: T5 UID FETCH 2 (UID BODY.PEEK[]<0.262144>)
		S: * 2 FETCH (UID 2 BODY[]<0> "secnd")
		S: T5 OK done
		`+wireEnd)
	w.backfill(backfill.Request{}).ok(t)
	if got := w.bodies(2); got != "first secnd" {
		t.Errorf("captured %q", got)
	}
}

func TestListThatBreaksTheRules(t *testing.T) {
	t.Parallel()
	bad := wireLogin + `
		C: T2 LIST "" "*"
		S: * LIST () "/" "&nonsense"
		-- eof`
	w := wireWorld(t, bad, bad, bad, wireLogin+wireOpen(2, 0, 7)+wireOpen(4, 0, 7)+wireEnd)
	w.backfill(backfill.Request{}).ok(t)
	w = wireWorld(t, bad, bad, bad)
	if r := w.backfill(backfill.Request{All: true}); r.err == nil || !strings.Contains(r.err.Error(), "--mailbox") {
		t.Errorf("all mailboxes: %v", r.err)
	}
}

func TestLogins(t *testing.T) {
	t.Parallel()
	const code = "S: * OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 LOGINDISABLED] hi\n"
	refused := `
		S: * OK [CAPABILITY IMAP4rev1] hi
		C: T1 LOGIN "li@example.com" "correct horse"
		S: T1 NO [AUTHENTICATIONFAILED] not you
		-- eof`
	for name, c := range map[string]struct {
		script string
		token  bool
		final  bool   // a *LoginError
		want   string // in the error
	}{
		"password refused": {refused, false, true, `"not you"`},
		"no passwords at all": {
			code + "-- eof", false, true, "with --token",
		},
		"token refused": {
			code + `
			C: T1 AUTHENTICATE XOAUTH2
			S: + 
			C: dXNlcj1saUBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciBjb3JyZWN0IGhvcnNlAQE=
			S: + eyJzdGF0dXMiOiI0MDAifQ==
			C: =
			S: T1 NO expired
			-- eof`, true, true, `{\"status\":\"400\"}`,
		},
		"server busy": {
			`
			S: * OK [CAPABILITY IMAP4rev1] hi
			C: T1 LOGIN "li@example.com" "correct horse"
			S: T1 NO [UNAVAILABLE] in a minute
			-- eof`, false, false, "in a minute",
		},
		"server hangs up": {
			`
			S: * OK [CAPABILITY IMAP4rev1] hi
			C: T1 LOGIN "li@example.com" "correct horse"
			-- reset`, false, false, "login: connection lost",
		},
		"no greeting": {"S: * BYE not today\n-- eof", false, false, "not today"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := wireWorld(t, c.script) // which fails the test over a second connection
			r := w.backfill(backfill.Request{Token: c.token})
			var login *backfill.LoginError
			if r.err == nil || errors.As(r.err, &login) != c.final || !strings.Contains(r.err.Error(), c.want) || strings.Contains(r.err.Error(), "horse") {
				t.Errorf("got %v", r.err)
			}
		})
	}
	t.Run("too many failures", func(t *testing.T) {
		t.Parallel()
		w := wireWorld(t, refused, refused, refused, refused)
		for range 4 {
			if r := w.backfill(backfill.Request{}); r.err == nil {
				t.Fatal("no error")
			}
		}
		if r := w.backfill(backfill.Request{}); r.err == nil || !strings.Contains(r.err.Error(), "too many failed logins") {
			t.Errorf("got %v", r.err)
		}
	})
}

func TestServersThatWantID(t *testing.T) {
	t.Parallel()
	w := newWorld(t, config.Upstream{Provider: "163", IMAP: config.Endpoint{
		Address: mailtest.Serve(t, nil, wireLogin+`
		C: T2 ID ("name" "heliograph")
		S: * ID ("name" "imap")
		S: T2 OK done
		C: T3 LIST "" "*"
		S: * LIST () "/" INBOX
		S: T3 OK done
		`+wireOpen(4, 0, 7)+wireOpen(6, 0, 7)+wireEnd), TLS: config.TLSNone, Timeout: config.Duration(10 * time.Second),
	}}, nil)
	w.backfill(backfill.Request{}).ok(t)
}

// A server that says more and more is cut off; memory stays as it is.
func TestEndlessAnswer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		line := []byte("* OK " + strings.Repeat("x", 1000) + "\r\n")
		_, err = io.WriteString(conn, "* OK [CAPABILITY IMAP4rev1] hi\r\n")
		if err == nil {
			_, err = conn.Read(make([]byte, 1000)) // the login
		}
		for err == nil {
			_, err = conn.Write(line)
		}
	}()
	w := newWorld(t, config.Upstream{IMAP: config.Endpoint{Address: l.Addr().String(), TLS: config.TLSNone, Timeout: config.Duration(10 * time.Second)}}, nil)
	r := w.backfill(backfill.Request{})
	must(t, l.Close())
	<-done
	if r.err == nil || !strings.Contains(r.err.Error(), "far more than was asked for") {
		t.Errorf("got %v", r.err)
	}
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	w := wireWorld(t)
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, req := range map[string]backfill.Request{
		"no account":     {Account: " "},
		"injection":      {Account: "a\r\nb"},
		"all and some":   {All: true, Mailboxes: []string{"INBOX"}},
		"no name":        {Mailboxes: []string{""}},
		"a name of two":  {Mailboxes: []string{"a\nb"}},
		"negative limit": {Limit: -1},
		"empty range":    {Since: day, Before: day},
	} {
		t.Run(name, func(t *testing.T) {
			if r := w.backfill(req); r.err == nil {
				t.Error("no error")
			}
		})
	}
}
