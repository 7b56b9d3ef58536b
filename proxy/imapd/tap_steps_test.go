package imapd_test

import (
	"fmt"
	"testing"

	"heliograph/internal/journal"
	"heliograph/internal/mailtest"
)

// selected selects a mailbox of so many messages, whose UIDs begin with 1 more than a hundred.
func (x *play) selected(exists int) {
	x.t.Helper()
	x.run(fmt.Sprintf(`
		c> s SELECT INBOX
		u< s SELECT INBOX
		u> * FLAGS (\Seen)
		c< * FLAGS (\Seen)
		u> * %[1]d EXISTS
		c< * %[1]d EXISTS
		u> * OK [UIDVALIDITY 7] valid
		c< * OK [UIDVALIDITY 7] valid
		u> * OK [UIDNEXT %[2]d] next
		c< * OK [UIDNEXT %[2]d] next
		u> s OK [READ-WRITE] selected
		c< s OK [READ-WRITE] selected`, exists, 101+exists))
	x.ledger("INBOX", 7)
}

// ledger waits until the mailbox is known to the journal.
func (x *play) ledger(mailbox string, validity uint32) {
	x.t.Helper()
	mailtest.Eventually(x.t, captureTime, func() error {
		all, err := x.w.journal.Mailboxes(x.t.Context(), journal.MailboxFilter{})
		must(x.t, err)
		for _, m := range all {
			if m.Account == x.account && m.Mailbox == mailbox && m.UIDValidity == validity {
				return nil
			}
		}
		return fmt.Errorf("the ledger of %s was not opened", mailbox)
	})
}

// touched lets the client read a piece of a message, so that we want the rest.
func (x *play) touched(seq int) {
	x.t.Helper()
	x.run(fmt.Sprintf(`
		c> t FETCH %[1]d (UID BODY.PEEK[]<0.1>)
		u< t FETCH %[1]d (UID BODY.PEEK[]<0.1>)
		u>= "* %[1]d FETCH (UID %[2]d BODY[]<0> {1}\r\nS)\r\nt OK done\r\n"
		c<= "* %[1]d FETCH (UID %[2]d BODY[]<0> {1}\r\nS)\r\nt OK done\r\n"`, seq, seq+100))
}

// ours is the command with which we ask for a message.
func ours(n, seq int) string {
	return fmt.Sprintf("u< heliograph%d FETCH %d (UID RFC822.SIZE INTERNALDATE BODY.PEEK[]<0.100>)\n", n, seq)
}

// stageMail is what the upstream holds under a UID; it fits into one chunk.
func stageMail(uid int) string { return fmt.Sprintf("Subject: mail %d\r\n\r\nbody\r\n", uid) }

// reply is the whole answer to ours.
func reply(n, seq int) string {
	m := stageMail(seq + 100)
	return fmt.Sprintf("u>= %q\n", fmt.Sprintf("* %d FETCH (UID %d RFC822.SIZE %d INTERNALDATE \"21-Nov-2026 10:00:00 +0800\" BODY[]<0> {%d}\r\n%s)\r\nheliograph%d OK done\r\n",
		seq, seq+100, len(m), len(m), m, n))
}

// touching is touched with something that the client says in the same breath, before which we say nothing.
func touching(seq int, next string) string {
	return fmt.Sprintf(`
		c>= %[3]q
		u<= %[3]q
		u>= "* %[1]d FETCH (UID %[2]d BODY[]<0> {1}\r\nS)\r\nt OK done\r\n"
		c<= "* %[1]d FETCH (UID %[2]d BODY[]<0> {1}\r\nS)\r\nt OK done\r\n"
	`, seq, seq+100, fmt.Sprintf("t FETCH %d (UID BODY.PEEK[]<0.1>)\r\n%s", seq, next))
}

// idling lets the client touch a message and go to IDLE.
func idling(seq int) string { return touching(seq, "i IDLE\r\n") + "u> + idling\nc< + idling\n" }

// fetches lets us fetch a message.
func fetches(n, seq int) string { return ours(n, seq) + reply(n, seq) }

// alive proves that the client and the upstream have got nothing else.
const alive = `
	c> z NOOP
	u< z NOOP
	u> z OK still here
	c< z OK still here
`

// idle is the beginning of the client's IDLE.
const idle = `
	c> i IDLE
	u< i IDLE
	u> + idling
	c< + idling
`

// has waits until exactly these messages of the account are captured, each once.
func (x *play) has(seqs ...int) {
	x.t.Helper()
	want := map[uint32]string{}
	for _, seq := range seqs {
		want[uint32(seq+100)] = stageMail(seq + 100)
	}
	x.holds(want)
}

func (x *play) holds(want map[uint32]string) {
	x.t.Helper()
	x.eventually(len(want))
	got := x.got()
	for uid, body := range want {
		if got[uid] != body {
			x.t.Fatalf("UID %d: %q is captured, want %q", uid, got[uid], body)
		}
	}
}

// got returns what is captured by UID. It fails when that is anything twice.
func (x *play) got() map[uint32]string {
	x.t.Helper()
	got := map[uint32]string{}
	entries, err := x.w.journal.Entries(x.t.Context(), journal.Filter{Account: x.account, State: journal.StateConfirmed})
	must(x.t, err)
	for _, e := range entries {
		uid := max(e.UID, e.Verdict.UID)
		if _, twice := got[uid]; twice {
			x.t.Errorf("UID %d is captured twice", uid)
		}
		got[uid] = string(readBody(x.t, x.w.journal, e))
	}
	return got
}

// ends waits until no session is left.
func (w *stage) ends(t *testing.T) {
	t.Helper()
	mailtest.Eventually(t, captureTime, func() error {
		if n := w.metric("heliograph_imap_sessions"); n != 0 {
			return fmt.Errorf("%v sessions are open", n)
		}
		return nil
	})
}

// eventually waits until so many messages of the account are captured.
func (x *play) eventually(n int) {
	x.t.Helper()
	mailtest.Eventually(x.t, captureTime, func() error {
		entries, err := x.w.journal.Entries(x.t.Context(), journal.Filter{Account: x.account, State: journal.StateConfirmed})
		must(x.t, err)
		if len(entries) != n {
			return fmt.Errorf("%d messages are captured, want %d", len(entries), n)
		}
		return nil
	})
}
