package watch_test

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/internal/journal"
	"heliograph/internal/mailtest"
	"heliograph/proxy/watch"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// The dialogue of a watch up to a place. Tags count from T1.
const (
	wireLogin = `
		S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR IDLE] hi
		C: T1 AUTHENTICATE PLAIN AHN1cHBvcnRAZXhhbXBsZS5jb20Ac2VjcmV0
		S: T1 OK [CAPABILITY IMAP4rev1 IDLE] in
	`
	wireExamine = `
		C: T2 EXAMINE INBOX
		S: * 0 EXISTS
		S: * OK [UIDVALIDITY 7] ok
		S: * OK [UIDNEXT 1] ok
		S: T2 OK [READ-ONLY] done
	`
	wireIdle = wireLogin + wireExamine + `
		C: T3 IDLE
		S: + idling
	`
	wireNews = wireIdle + `
		S: * 1 EXISTS
		S: * 1 RECENT
		C: DONE
		S: T3 OK done
		C: T4 UID SEARCH UID 1:*
		S: * SEARCH 1
		S: T4 OK done
		C: T5 UID FETCH 1 ({any})
		S: * 1 FETCH (UID 1 FLAGS (\Recent) INTERNALDATE " 1-Feb-2026 10:00:00 +0800" RFC822.SIZE 3)
		S: T5 OK done
		C: T6 UID FETCH 1 (UID BODY.PEEK[])
	`
	wireRefused = `
		S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR IDLE] hi
		C: T1 AUTHENTICATE PLAIN {any}
		S: T1 NO [AUTHENTICATIONFAILED] Invalid credentials
		-- hold
	`
	wireHold = "\n-- hold\n"
)

// wireWorld watches an upstream that plays scripts.
func wireWorld(t *testing.T, up config.Upstream, change func(*watch.Options), scripts ...string) *world {
	t.Helper()
	up.IMAP = plainUpstream(mailtest.Serve(t, nil, scripts...)).IMAP
	w := newWorld(t, up, change)
	w.enroll(support, "secret")
	w.watcher.Set([]config.Watch{entry(func(c *config.Watch) { c.Poll = config.Duration(time.Hour) })})
	return w
}

// seen waits until the watch of INBOX shows words in its detail.
func (w *world) seen(state watch.State, words string) {
	w.t.Helper()
	mailtest.Eventually(w.t, 10*time.Second, func() error {
		for _, row := range w.watcher.Rows() {
			if row.State == state && strings.Contains(row.Detail, words) {
				return nil
			}
		}
		return fmt.Errorf("no %s with %q in %+v", state, words, w.watcher.Rows())
	})
}

// broken waits until a line was counted as broken.
func (w *world) broken(reg *prometheus.Registry) {
	w.t.Helper()
	mailtest.Eventually(w.t, 10*time.Second, func() error {
		n, err := testutil.GatherAndCount(reg, "heliograph_watch_breaks_total")
		if err == nil && n == 0 {
			err = fmt.Errorf("no break was counted: %+v", w.watcher.Rows())
		}
		return err
	})
}

func TestWireSilence(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	w := wireWorld(t, config.Upstream{}, func(o *watch.Options) {
		o.Registerer = reg
		watch.Patience(o, 150*time.Millisecond, 300*time.Millisecond)
	}, wireIdle+`
		S: * OK Still here
		C: DONE
		S: T3 OK done
		C: T4 NOOP
		S: T4 OK done
		C: T5 UID SEARCH UID 1:*
		S: * SEARCH
		S: T5 OK done
		C: T6 IDLE
		S: + idling
		C: DONE
		-- hold
	`, wireIdle+wireHold)
	w.broken(reg)
	w.until("INBOX", watch.StateIdle)
	watchStops(t, w)
}

// watchStops ends a watch before its script wants more of it.
func watchStops(t *testing.T, w *world) {
	t.Helper()
	began := time.Now()
	w.stop()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the end took %v", took)
	}
}

func TestWireBodies(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script string
		want   string // the body
		failed bool
	}{
		"as it should be": {`
			S: * 1 FETCH (UID 1 BODY[] {3}
			S= "one)\r\n"
			S: T6 OK done
			C: T7 IDLE
			S: + idling`, "one", false},
		"twice, and others too": {`
			S: * 9 FETCH (UID 9 BODY[] "nine")
			S: * 1 FETCH (UID 1 BODY[] "one")
			S: * 1 FETCH (UID 1 BODY[] "two")
			S: * 1 FETCH (FLAGS (\Seen))
			S: T6 OK done
			C: T7 IDLE
			S: + idling`, "one", false},
		"larger than it was said": {`
			S: * 1 FETCH (UID 1 BODY[] "longer")
			S: T6 OK done
			C: T7 IDLE
			S: + idling`, "longer", false},
		"not at all": {`
			S: * 1 FETCH (UID 1 BODY[] NIL)
			S: T6 OK done
			C: T7 NOOP
			S: T7 OK done
			C: T8 UID SEARCH UID 1
			S: * SEARCH 1
			S: T8 OK done
			C: T9 IDLE
			S: + idling
			C: DONE
			S: T9 OK done
			C: T10 NOOP
			S: T10 OK done
			C: T11 UID SEARCH UID 2:*
			S: * SEARCH 1
			S: T11 OK done
			C: T12 UID FETCH 1 ({any})
			S: * 1 FETCH (UID 1 FLAGS () INTERNALDATE " 1-Feb-2026 10:00:00 +0800" RFC822.SIZE 3)
			S: T12 OK done
			C: T13 UID FETCH 1 (UID BODY.PEEK[])
			S: T13 NO the disk has a hole
			C: T14 NOOP
			S: T14 OK done
			C: T15 UID SEARCH UID 1
			S: * SEARCH 1
			S: T15 OK done
			C: T16 IDLE
			S: + idling
			C: DONE
			S: T16 OK done
			C: T17 NOOP
			S: T17 OK done
			C: T18 UID SEARCH UID 2:*
			S: * SEARCH 1
			S: T18 OK done
			C: T19 UID FETCH 1 ({any})
			S: T19 NO the disk has a hole
			C: T20 NOOP
			S: T20 OK done
			C: T21 UID SEARCH UID 1
			S: * SEARCH 1
			S: T21 OK done
			C: T22 IDLE
			S: + idling`, "", true},
		"gone": {`
			S: T6 OK [EXPUNGEISSUED] some are gone
			C: T7 NOOP
			S: * 1 EXPUNGE
			S: T7 OK done
			C: T8 UID SEARCH UID 1
			S: * SEARCH
			S: T8 OK done
			C: T9 IDLE
			S: + idling`, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := wireWorld(t, config.Upstream{}, nil, wireNews+c.script+wireHold)
			if c.want == "" {
				state := map[bool]journal.UIDState{true: journal.UIDFailed, false: journal.UIDGone}[c.failed]
				mailtest.Eventually(t, 10*time.Second, func() error {
					if got := w.state("INBOX", 7, state); got != "1" {
						return fmt.Errorf("%s are %q", state, got)
					}
					return nil
				})
				w.until("INBOX", watch.StateIdle)
				return
			}
			body, err := w.journal.Body(t.Context(), w.entries("INBOX", 1)[1])
			must(t, err)
			defer body.Close()
			var b bytes.Buffer
			_, err = b.ReadFrom(body)
			must(t, err)
			if b.String() != c.want {
				t.Errorf("got %q, want %q", b.String(), c.want)
			}
			w.until("INBOX", watch.StateIdle)
		})
	}
}

// TestWireBrakes: a provider that slows us down is left alone for a while.
func TestWireBrakes(t *testing.T) {
	t.Parallel()
	t.Run("BYE with a pause", func(t *testing.T) {
		t.Parallel()
		w := wireWorld(t, config.Upstream{}, nil, wireIdle+`
			S: * BYE [UNAVAILABLE] Request is throttled. Suggested Backoff Time: 1200 milliseconds
		`, wireIdle+wireHold)
		w.seen(watch.StateWaiting, "slows this mailbox down")
		began := time.Now()
		w.until("INBOX", watch.StateIdle)
		if took := time.Since(began); took < 500*time.Millisecond {
			t.Errorf("it came back after %v", took)
		}
	})
	for name, words := range map[string]string{
		"QQ":      "NO Login fail. Account is abnormal, service is not open, password is incorrect, login frequency limited, or system is busy",
		"Outlook": "BAD User is authenticated but not connected.",
		"Gmail":   "NO [ALERT] Too many simultaneous connections. (Failure)",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := wireWorld(t, config.Upstream{}, nil, strings.Replace(wireRefused, "NO [AUTHENTICATIONFAILED] Invalid credentials", words, 1))
			w.seen(watch.StateWaiting, "left alone until")
		})
	}
	t.Run("greeting", func(t *testing.T) {
		t.Parallel()
		w := wireWorld(t, config.Upstream{}, nil, "S: * BYE too much fail authentication")
		w.seen(watch.StateWaiting, "left alone until")
	})
}

// TestWireRefused: two tries, then the account waits until it is enrolled again.
func TestWireRefused(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	w := wireWorld(t, config.Upstream{}, func(o *watch.Options) { o.Registerer = reg }, wireRefused, wireRefused, wireIdle+wireHold)
	w.seen(watch.StateRefused, "heliograph account enroll support@example.com")
	mailtest.Eventually(t, 10*time.Second, func() error {
		want := `
			# HELP heliograph_watch_connections_total Connections to watched mailboxes by outcome: ok, grant (no credential), refused (login), slowed (by the provider), error.
			# TYPE heliograph_watch_connections_total counter
			heliograph_watch_connections_total{outcome="refused"} 2
		`
		return testutil.GatherAndCompare(reg, strings.NewReader(want), "heliograph_watch_connections_total")
	})
	if err := w.watcher.Err(); err == nil || !strings.Contains(err.Error(), "Invalid credentials") {
		t.Errorf("got %v", err)
	}
	w.enroll(support, "secret")
	w.until("INBOX", watch.StateIdle)
	must(t, w.watcher.Err())
}

func TestWireNotEnrolled(t *testing.T) {
	t.Parallel()
	up := plainUpstream(mailtest.Serve(t, nil, wireIdle+wireHold))
	w := newWorld(t, up, nil)
	w.watcher.Set([]config.Watch{entry(func(c *config.Watch) { c.Poll = config.Duration(time.Hour) })})
	w.seen(watch.StateRefused, "not enrolled")
	w.enroll(support, "secret")
	w.until("INBOX", watch.StateIdle)
}

// TestWireNetEase introduces itself, logs in without SASL, and does not trust IDLE.
func TestWireNetEase(t *testing.T) {
	t.Parallel()
	up := config.Upstream{Provider: "163"}
	up.IMAP = plainUpstream(mailtest.Serve(t, nil, `
		S: * OK [CAPABILITY IMAP4rev1 ID IDLE] Coremail
		C: T1 LOGIN "support@example.com" "secret"
		S: T1 OK [CAPABILITY IMAP4rev1 ID IDLE] in
		C: T2 ID ("name" "Heliograph" "version" "test" "vendor" "Heliograph")
		S: * ID NIL
		S: T2 OK done
		C: T3 EXAMINE INBOX
		S: * 0 EXISTS
		S: * OK [UIDVALIDITY 7] ok
		S: * OK [UIDNEXT 1] ok
		S: T3 OK [READ-ONLY] done
		C: T4 IDLE
		S: + idling
		C: DONE
		S: T4 OK done
		C: T5 NOOP
		S: T5 OK done
		C: T6 UID SEARCH UID 1:*
		S: * SEARCH
		S: T6 OK done
		C: T7 IDLE
		S: + idling
		S: * BYE enough for today
	`, `
		S: * OK [CAPABILITY IMAP4rev1 ID IDLE] Coremail
		C: T1 LOGIN "support@example.com" "secret"
		S: T1 OK [CAPABILITY IMAP4rev1 ID IDLE] in
		C: T2 ID ({any})
		S: T2 OK done
		C: T3 EXAMINE INBOX
		S: * 0 EXISTS
		S: * OK [UIDVALIDITY 7] ok
		S: * OK [UIDNEXT 1] ok
		S: T3 OK [READ-ONLY] done
		C: T4 IDLE
		S: + idling
		-- hold
	`)).IMAP
	reg := prometheus.NewRegistry()
	w := newWorld(t, up, func(o *watch.Options) { o.Registerer = reg })
	w.enroll(support, "secret")
	w.watcher.Set([]config.Watch{entry()})
	w.broken(reg)
	w.until("INBOX", watch.StateIdle) // it comes again
}

// TestWireLate captures a message that was numbered before it was shown, and counted as gone meanwhile.
func TestWireLate(t *testing.T) {
	t.Parallel()
	w := wireWorld(t, config.Upstream{}, nil, wireIdle+`
		S: * BYE later
	`, wireLogin+`
		C: T2 EXAMINE INBOX
		S: * 1 EXISTS
		S: * OK [UIDVALIDITY 7] ok
		S: * OK [UIDNEXT 3] ok
		S: T2 OK [READ-ONLY] done
		C: T3 UID SEARCH UID 1:*
		S: * SEARCH 1
		S: T3 OK done
		C: T4 UID FETCH 1 ({any})
		S: * 1 FETCH (UID 1 FLAGS () INTERNALDATE " 1-Feb-2026 10:00:00 +0800" RFC822.SIZE 3)
		S: T4 OK done
		C: T5 UID FETCH 1 (UID BODY.PEEK[])
		S: * 1 FETCH (UID 1 BODY[] "one")
		S: T5 OK done
		C: T6 IDLE
		S: + idling
		S: * 2 EXISTS
		C: DONE
		S: T6 OK done
		C: T7 UID SEARCH UID 2:*
		S: * SEARCH 2
		S: T7 OK done
		C: T8 UID FETCH 2 ({any})
		S: * 2 FETCH (UID 2 FLAGS () INTERNALDATE " 1-Feb-2026 10:00:00 +0800" RFC822.SIZE 3)
		S: T8 OK done
		C: T9 UID FETCH 2 (UID BODY.PEEK[])
		S: * 2 FETCH (UID 2 BODY[] "two")
		S: T9 OK done
		C: T10 IDLE
		S: + idling
	`+wireHold)
	w.entries("INBOX", 2)
	mailtest.Eventually(t, 10*time.Second, func() error {
		if got := w.state("INBOX", 7, journal.UIDGone); got != "" {
			return fmt.Errorf("gone are %q", got)
		}
		return nil
	})
}

// TestWireIdleBreaks polls a server whose IDLE is refused, or breaks twice.
func TestWireIdleBreaks(t *testing.T) {
	t.Parallel()
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		w := wireWorld(t, config.Upstream{}, nil, wireLogin+wireExamine+`
			C: T3 IDLE
			S: T3 NO not now
			C: T4 NOOP
			S: T4 OK done
			C: T5 UID SEARCH UID 1:*
			S: * SEARCH
			S: T5 OK done
			-- hold
		`)
		w.until("INBOX", watch.StatePolling)
	})
	t.Run("broken", func(t *testing.T) {
		t.Parallel()
		w := wireWorld(t, config.Upstream{}, nil, wireIdle, wireIdle, wireLogin+wireExamine+wireHold)
		w.until("INBOX", watch.StatePolling)
	})
}

// rude is a server that does as f says once it has logged the client in and opened the mailbox.
func rude(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	var work sync.WaitGroup
	work.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() {
				defer conn.Close()
				f(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		work.Wait()
	})
	return l.Addr().String()
}

// talk answers commands until one has no answer.
func talk(conn net.Conn, answers ...string) {
	buf := make([]byte, 4096)
	for _, a := range answers {
		if _, err := conn.Write([]byte(strings.ReplaceAll(a, "\n", "\r\n"))); err != nil {
			return
		}
		if _, err := conn.Read(buf); err != nil {
			return
		}
	}
}

// TestWireHostile: what a server says too much of, or nothing, ends the connection, and memory is bounded.
func TestWireHostile(t *testing.T) {
	t.Parallel()
	greet := []string{
		"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR IDLE] hi\n", "T1 OK [CAPABILITY IMAP4rev1 IDLE] in\n",
		"* 0 EXISTS\n* OK [UIDVALIDITY 7] ok\n* OK [UIDNEXT 1] ok\nT2 OK [READ-ONLY] done\n",
	}
	flood := func(conn net.Conn, begin string) {
		if _, err := conn.Write([]byte(begin)); err != nil {
			return
		}
		for junk := bytes.Repeat([]byte("x"), 64<<10); ; {
			if _, err := conn.Write(junk); err != nil {
				return
			}
		}
	}
	news := append(append([]string{}, greet...), "+ idling\n* 1 EXISTS\n", "T3 OK done\n", "* SEARCH 1\nT4 OK done\n",
		"* 1 FETCH (UID 1 FLAGS () INTERNALDATE \" 1-Feb-2026 10:00:00 +0800\" RFC822.SIZE 3)\nT5 OK done\n")
	for name, c := range map[string]struct {
		f      func(net.Conn)
		reason string
	}{
		"endless line in IDLE":    {func(conn net.Conn) { talk(conn, greet...); flood(conn, "+ idling\r\n* OK ") }, "flood"},
		"endless news in IDLE":    {func(conn net.Conn) { talk(conn, greet...); flood(conn, "+ idling\r\n* 1 FETCH (FLAGS (") }, "flood"},
		"endless answer to login": {func(conn net.Conn) { talk(conn, greet[0]); flood(conn, "* OK ") }, ""},
		"huge literal":            {func(conn net.Conn) { talk(conn, news...); flood(conn, "* 1 FETCH (UID 1 BODY[] {4000000000}\r\n") }, "flood"},
		"half a literal":          {func(conn net.Conn) { talk(conn, append(news, "* 1 FETCH (UID 1 BODY[] {3}\nx")...) }, "silent"},
		"silence after login":     {func(conn net.Conn) { talk(conn, append(greet[:2:2], "")...); _, _ = conn.Read(make([]byte, 9)) }, "silent"},
		"nonsense":                {func(conn net.Conn) { talk(conn, append(greet[:2:2], "T2 T2 T2 ((( {\n", "")...) }, "hung_up"},
		"BYE":                     {func(conn net.Conn) { talk(conn, append(greet[:2:2], "* BYE see you\n")...) }, "bye"},
		"too many UIDs": {func(conn net.Conn) {
			talk(conn, append(greet, "+ idling\n* 1 EXISTS\n", "T3 OK done\n", "* SEARCH 1:4294967295\nT4 OK done\n")...)
		}, "hung_up"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := prometheus.NewRegistry()
			w := newWorld(t, plainUpstream(rude(t, c.f)), func(o *watch.Options) {
				o.Registerer = reg
				watch.Patience(o, 300*time.Millisecond, 300*time.Millisecond)
			})
			w.enroll(support, "secret")
			w.watcher.Set([]config.Watch{entry(func(c *config.Watch) { c.Poll = config.Duration(time.Hour) })})
			mailtest.Eventually(t, 15*time.Second, func() error {
				families, err := reg.Gather()
				must(t, err)
				for _, f := range families {
					for _, m := range f.Metric {
						switch f.GetName() {
						case "heliograph_watch_breaks_total":
							if got := m.Label[0].GetValue(); c.reason != "" && got == c.reason {
								return nil
							}
						case "heliograph_watch_connections_total":
							if c.reason == "" && m.Label[0].GetValue() == "error" {
								return nil
							}
						}
					}
				}
				return fmt.Errorf("no break for %q: %+v", c.reason, w.watcher.Rows())
			})
			if list, err := w.journal.Entries(t.Context(), journal.Filter{}); err != nil || len(list) != 0 {
				t.Errorf("captured %+v, %v", list, err)
			}
			watchStops(t, w)
		})
	}
}

func TestBrakes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"Request is throttled. Suggested Backoff Time: 299961 milliseconds": 299961 * time.Millisecond,
		"suggested backoff time: 20 seconds":                                20 * time.Second,
		"Suggested Backoff Time: 9999999999 milliseconds":                   6 * time.Hour,
		"Account exceeded command or bandwidth limits. (Failure)":           2 * time.Hour,
		"[OVERQUOTA] slow":                                 2 * time.Hour,
		"User is authenticated but not connected.":         15 * time.Minute,
		"SELECT Unsafe Login. Please contact kefu@188.com": 15 * time.Minute,
		"MI:STC":              12 * time.Hour,
		"[THROTTLED] please":  time.Minute,
		"Invalid credentials": 0,
	} {
		if got, found := watch.BrakeOf(text); got != want || found != (want > 0) {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}

// FuzzLastWords: any split of what a server says gives the same last words, which are a part of it.
func FuzzLastWords(f *testing.F) {
	f.Add([]byte("* 1 EXISTS\r\n* BYE [UNAVAILABLE] see you\r\n"), 5)
	f.Add(bytes.Repeat([]byte("* BYE x\n"), 300), 700)
	f.Fuzz(func(t *testing.T, b []byte, at int) {
		if at < 0 || at > len(b) {
			return
		}
		one, two := watch.LastWords(b), watch.LastWords(b[:at], b[at:])
		if one != two || !strings.Contains(string(b), one) || len(one) > 1024 {
			t.Errorf("got %q and %q", one, two)
		}
		if pause, found := watch.BrakeOf(string(b)); found && (pause <= 0 || pause > 12*time.Hour) {
			t.Errorf("a pause of %v", pause)
		}
	})
}
