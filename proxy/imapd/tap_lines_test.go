package imapd_test

import (
	"strings"
	"testing"

	"heliograph/config"
	"heliograph/internal/journal"
)

// LITERAL+ where it is not offered is in doubt, and so is what never was a line.
func TestWireFraming(t *testing.T) {
	t.Parallel()
	w := newStage(t, nil)
	for name, d := range map[string]struct{ sends, answer string }{
		"LITERAL+ that is not offered": {`p APPEND Sent {3+}\r\nabc\r\n`, "* BAD {any}"},
		"a bare LF":                    {`p NOOP\n`, "* BAD {any}"},
		"a NUL":                        {`p NO\x00OP\r\n`, "* BAD {any}"},
		"two braces":                   {`p APPEND Sent {3}}\r\n`, "* BAD {any}"},
		"a literal on NOOP":            {`p NOOP {3}\r\n`, "* BAD {any}"},
		"a literal on what is unknown": {`p XYZZY {3}\r\n`, "* BAD {any}"},
		"a line of 70,000 bytes":       {`p SEARCH ` + strings.Repeat("1,", 35_000) + `1\r\n`, "* BAD {any}"},
		"IDLE and not DONE":            {`p IDLE\r\nq NOOP\r\n`, "* BAD {any}"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := w.open(t, "IMAP4rev1 IDLE")
			x.run(`c>= "` + d.sends + `"`)
			x.run("c< " + d.answer)
			x.run("c< * BYE closing")
			if strings.HasPrefix(d.sends, "p IDLE") {
				x.run("u< p IDLE")
			}
			x.run("u< eof\nc< eof")
		})
	}
}

// The names of mailboxes, in all forms, and their UIDVALIDITY.
func TestWireMailboxes(t *testing.T) {
	t.Parallel()
	w := newStage(t, nil)
	const data = `
		u>= "* 1 EXISTS\r\n* OK [UIDVALIDITY 7] v\r\n* OK [UIDNEXT 10] n\r\ns OK [READ-WRITE] done\r\n"
		c<= "* 1 EXISTS\r\n* OK [UIDVALIDITY 7] v\r\n* OK [UIDNEXT 10] n\r\ns OK [READ-WRITE] done\r\n"
	`
	for name, d := range map[string]struct{ script, mailbox string }{
		"as a literal": {`
			c>= "s SELECT {5+}\r\nOther\r\n"
			u<= "s SELECT {5+}\r\nOther\r\n"` + data, "Other"},
		"as a literal that waits": {`
			c>= "s SELECT {7}\r\nTwo Wds\r\n"
			u< s SELECT {7}
			u> + go
			c< + go
			u<= "Two Wds\r\n"` + data, "Two Wds"},
		"in modified UTF-7": {`
			c> s SELECT "Entw&APw-rfe &- mehr"
			u< s SELECT "Entw&APw-rfe &- mehr"` + data, "Entwürfe & mehr"},
		"INBOX in lower case": {`
			c> s SELECT inbox (CONDSTORE)
			u< s SELECT inbox (CONDSTORE)` + data, "INBOX"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := w.open(t, stageCaps)
			x.run(d.script)
			x.ledger(d.mailbox, 7)
			x.run(alive)
		})
	}
	t.Run("another UIDVALIDITY", func(t *testing.T) {
		t.Parallel()
		x := w.open(t, stageCaps)
		x.selected(3)
		x.touched(2)
		x.run(fetches(1, 2))
		x.has(2)
		x.run(`
			c> s SELECT INBOX
			u< s SELECT INBOX
			u>= "* OK [CLOSED] x\r\n* 1 EXISTS\r\n* OK [UIDVALIDITY 8] v\r\n* OK [UIDNEXT 103] n\r\ns OK done\r\n"
			c<= "* OK [CLOSED] x\r\n* 1 EXISTS\r\n* OK [UIDVALIDITY 8] v\r\n* OK [UIDNEXT 103] n\r\ns OK done\r\n"`)
		x.ledger("INBOX", 8)
		x.run(`
			c> t FETCH 1 (UID BODY.PEEK[]<0.1>)
			u< t FETCH 1 (UID BODY.PEEK[]<0.1>)
			u>= "* 1 FETCH (UID 102 BODY[]<0> \"S\")\r\nt OK done\r\n"
			c<= "* 1 FETCH (UID 102 BODY[]<0> \"S\")\r\nt OK done\r\n"
			u< heliograph2 FETCH 1 (UID RFC822.SIZE INTERNALDATE BODY.PEEK[]<0.100>)
			u>= "* 1 FETCH (UID 102 RFC822.SIZE 5 BODY[]<0> {5}\r\nother)\r\nheliograph2 OK done\r\n"` + alive)
		x.eventually(2)
	})
	t.Run("no UIDNEXT", func(t *testing.T) {
		t.Parallel()
		x := w.open(t, stageCaps)
		x.run(`
			c> s SELECT INBOX
			u< s SELECT INBOX
			u>= "* 3 EXISTS\r\n* OK [UIDVALIDITY 7] v\r\ns OK done\r\n"
			c<= "* 3 EXISTS\r\n* OK [UIDVALIDITY 7] v\r\ns OK done\r\n"
			c> f UID FETCH 1:* (FLAGS)
			u< f UID FETCH 1:* (FLAGS)
			u>= "* 1 FETCH (UID 101 FLAGS ())\r\n* 2 FETCH (UID 102 FLAGS ())\r\n* 3 FETCH (UID 103 FLAGS ())\r\nf OK done\r\n"
			c<= "* 1 FETCH (UID 101 FLAGS ())\r\n* 2 FETCH (UID 102 FLAGS ())\r\n* 3 FETCH (UID 103 FLAGS ())\r\nf OK done\r\n"`)
		x.ledger("INBOX", 7)
		x.touched(2)
		x.run(fetches(1, 2) + alive)
		x.has(2)
	})
}

// Mail of nobody in particular is not captured: neither what the client reads whole, nor what it reads of, nor what comes.
func TestUnknownAccountIsNotCaptured(t *testing.T) {
	t.Parallel()
	w := newStage(t, func(s *staging) { s.capture.Policy = config.CaptureAll })
	x := w.begin(t, "GSSAPI", "AUTHENTICATE GSSAPI YIIC")
	x.run(`
		u>= "+ \r\n"
		u< YIIC
		u> + YIGZ
		c< + YIGZ
		c> BQQE
		u< BQQE
		u> a OK [CAPABILITY ` + stageCaps + `] in
		c< a OK {any}
		c> s SELECT INBOX
		u< s SELECT INBOX
		u>= "* 3 EXISTS\r\n* OK [UIDVALIDITY 7] valid\r\n* OK [UIDNEXT 104] next\r\ns OK selected\r\n"
		c<= "* 3 EXISTS\r\n* OK [UIDVALIDITY 7] valid\r\n* OK [UIDNEXT 104] next\r\ns OK selected\r\n"`)
	x.touched(2)
	x.run(`
		c> f FETCH 1 (UID BODY[])
		u< f FETCH 1 (UID BODY[])
		u>= "* 1 FETCH (UID 101 BODY[] {5}\r\nwhole)\r\nf OK done\r\n"
		c<= "* 1 FETCH (UID 101 BODY[] {5}\r\nwhole)\r\nf OK done\r\n"
		wait
		c> i IDLE
		u< i IDLE
		u>= "+ idling\r\n* 4 EXISTS\r\n"
		c<= "+ idling\r\n* 4 EXISTS\r\n"
		wait
		c> DONE
		u< DONE
		u> i OK done
		c< i OK done
		c> p APPEND Sent {4+}
		u< p APPEND Sent {4+}
		c> text
		u< text
		u> p OK done
		c< p OK done
		c> z LOGOUT
		u< z LOGOUT
		u> z OK gone
		c< z OK gone
		u close
		c< eof`)
	if entries, err := w.journal.Entries(t.Context(), journal.Filter{}); err != nil || len(entries) > 0 {
		t.Errorf("%d entries, %v", len(entries), err)
	}
	if n := w.metric("heliograph_imap_capture_setbacks_total", "reason", "unknown_account"); n != 1 {
		t.Errorf("%v sessions are counted as those of an unknown account", n)
	}
}
