package imapd_test

import (
	"fmt"
	"strings"
	"testing"
)

// dialogues are what both sides see, byte for byte, once a mailbox of three messages is selected: nothing was
// captured before, and the second message is wanted.
var dialogues = map[string]struct {
	script string
	has    []int // sequence numbers of the messages that are captured in the end
}{
	"a quiet moment": {fetches(1, 2) + alive, []int{2}},
	"a message that is new in a quiet moment": {fetches(1, 2) + `
		c> n NOOP
		u< n NOOP
		u> * 4 EXISTS
		c< * 4 EXISTS
		u> n OK done
		c< n OK done
		u< heliograph2 FETCH 4 (UID)
		u>= "* 4 FETCH (UID 104)\r\nheliograph2 OK done\r\n"
		` + fetches(3, 4) + alive, []int{2, 4}},
	"IDLE": {fetches(1, 2) + idle + `
		u> * 4 EXISTS
		c< * 4 EXISTS
		u< DONE
		u> i OK idle is over
		u< heliograph2 FETCH 4 (UID)
		u>= "* 4 FETCH (UID 104)\r\nheliograph2 OK done\r\n"
		` + fetches(3, 4) + `
		u< i IDLE
		u> + idling again
		u> * 5 EXISTS
		c< * 5 EXISTS
		u< DONE
		u> i OK idle is over
		u< heliograph4 FETCH 5 (UID)
		u>= "* 5 FETCH (UID 105)\r\nheliograph4 OK done\r\n"
		` + fetches(5, 5) + `
		u< i IDLE
		u> + idling again
		c> DONE
		u< DONE
		u> i OK the end
		c< i OK the end
		` + alive, []int{2, 4, 5}},
	"a command that comes meanwhile": {ours(1, 2) + `
		c> n NOOP
		` + reply(1, 2) + `
		u< n NOOP
		u> n OK done
		c< n OK done
		` + alive, []int{2}},
	"pipelined commands and an APPEND that come meanwhile": {ours(1, 2) + `
		c>= "n NOOP\r\nm APPEND Drafts {3+}\r\nabc\r\no CHECK\r\n"
		` + reply(1, 2) + `
		u<= "n NOOP\r\nm APPEND Drafts {3+}\r\nabc\r\no CHECK\r\n"
		u>= "n OK done\r\nm OK done\r\no OK done\r\n"
		c<= "n OK done\r\nm OK done\r\no OK done\r\n"
		` + alive, []int{2}},
	"half a command that came before": {`
		c>= "n NO"
		` + fetches(1, 2) + `
		c>= "OP\r\n"
		u< n NOOP
		u> n OK done
		c< n OK done
		` + alive, []int{2}},
	"DONE that comes while we leave": {fetches(1, 2) + idle + `
		u> * 4 EXISTS
		c< * 4 EXISTS
		u< DONE
		c> DONE
		u> i OK done
		auto
		c< i OK done
		c> z NOOP
		c< z OK done`, []int{2, 4}},
	"DONE that comes while we fetch": {fetches(1, 2) + idle + `
		u> * 4 EXISTS
		c< * 4 EXISTS
		u< DONE
		u> i OK done
		u< heliograph2 FETCH 4 (UID)
		c> DONE
		u>= "* 4 FETCH (UID 104)\r\nheliograph2 OK done\r\n"
		auto
		c< i OK done
		c> z NOOP
		c< z OK done`, []int{2, 4}},
	"DONE that comes while we return": {fetches(1, 2) + idle + `
		u> * 4 EXISTS
		c< * 4 EXISTS
		u< DONE
		u> i OK done
		u< heliograph2 FETCH 4 (UID)
		u>= "* 4 FETCH (UID 104)\r\nheliograph2 OK done\r\n"
		` + fetches(3, 4) + `
		u< i IDLE
		c> DONE
		u> + idling
		u< DONE
		u> i OK done
		c< i OK done
		` + alive, []int{2, 4}},
	"what comes unasked among our answers": {ours(1, 2) + `
		u>= "* 5 EXISTS\r\n* 2 RECENT\r\n* 2 FETCH (UID 102 RFC822.SIZE 27 INTERNALDATE \"21-Nov-2026 10:00:00 +0800\" BODY[]<0> {27}\r\nSubject: mail 102\r\n\r\nbody\r\n)\r\n"
		u>= "* 3 FETCH (FLAGS (\\Answered))\r\n* FLAGS (\\Seen $Work)\r\n* OK [PERMANENTFLAGS ()] more\r\nheliograph1 OK done\r\n"
		c<= "* 5 EXISTS\r\n* 2 RECENT\r\n* 3 FETCH (FLAGS (\\Answered))\r\n* FLAGS (\\Seen $Work)\r\n* OK [PERMANENTFLAGS ()] more\r\n"
		u< heliograph2 FETCH 4:5 (UID)
		u>= "* 4 FETCH (UID 104)\r\n* 5 FETCH (UID 105)\r\nheliograph2 OK done\r\n"
		` + fetches(3, 5) + fetches(4, 4) + alive, []int{2, 4, 5}},
	"flags that the server adds to our answer": {ours(1, 2) + `
		u>= "* 2 FETCH (UID 102 RFC822.SIZE 27 INTERNALDATE \"21-Nov-2026 10:00:00 +0800\" BODY[]<0> {27}\r\nSubject: mail 102\r\n\r\nbody\r\n FLAGS (\\Seen $Work) MODSEQ (17))\r\nheliograph1 OK done\r\n"
		c< * 2 FETCH (FLAGS (\Seen $Work) MODSEQ (17))
		` + alive, []int{2}},
	"flags that the server adds to our answer, with QRESYNC": {fetches(1, 2) + `
		c> n ENABLE QRESYNC
		u< n ENABLE QRESYNC
		u>= "* ENABLED QRESYNC\r\nn OK done\r\n* 4 EXISTS\r\n"
		c<= "* ENABLED QRESYNC\r\nn OK done\r\n* 4 EXISTS\r\n"
		u< heliograph2 FETCH 4 (UID)
		u>= "* 4 FETCH (UID 104 FLAGS (\\Flagged) MODSEQ (18))\r\nheliograph2 OK done\r\n"
		c< * 4 FETCH (UID 104 FLAGS (\Flagged) MODSEQ (18))
		` + fetches(3, 4) + alive, []int{2, 4}},
	"an expunge in IDLE while we leave": {fetches(1, 2) + idle + `
		u> * 4 EXISTS
		c< * 4 EXISTS
		u< DONE
		u>= "* 1 EXPUNGE\r\ni OK over\r\n"
		c< * 1 EXPUNGE
		u< heliograph2 FETCH 3 (UID)
		u>= "* 3 FETCH (UID 104)\r\nheliograph2 OK done\r\n"
		u< heliograph3 FETCH 3 (UID RFC822.SIZE INTERNALDATE BODY.PEEK[]<0.100>)
		u>= "* 3 FETCH (UID 104 RFC822.SIZE 27 INTERNALDATE \"21-Nov-2026 10:00:00 +0800\" BODY[]<0> {27}\r\nSubject: mail 104\r\n\r\nbody\r\n)\r\nheliograph3 OK done\r\n"
		u< i IDLE
		u> + idling
		c> DONE
		u< DONE
		u> i OK the end
		c< i OK the end
		` + alive, []int{2, 4}},
	"an expunge of the message under way": {idling(2) + `
		u< DONE
		u> i OK over
		` + ours(1, 2) + `
		u>= "* 2 EXPUNGE\r\nheliograph1 NO [EXPUNGEISSUED] it is gone\r\n"
		c< * 2 EXPUNGE
		u< i IDLE
		u> + idling
		c> DONE
		u< DONE
		u> i OK the end
		c< i OK the end
		` + alive, nil},
	"NO twice":        {ours(1, 2) + "u> heliograph1 NO not now\n" + ours(2, 2) + "u> heliograph2 NO never\n" + alive, nil},
	"BAD":             {ours(1, 2) + "u> heliograph1 BAD what\n" + alive, nil},
	"OK without data": {ours(1, 2) + "u> heliograph1 OK done\n" + alive, nil},
	"NIL":             {ours(1, 2) + `u>= "* 2 FETCH (UID 102 BODY[]<0> NIL)\r\nheliograph1 OK done\r\n"` + alive, nil},
	"a quoted message": {ours(1, 2) + `
		u>= "* 2 FETCH (UID 102 RFC822.SIZE 3 BODY[]<0> \"a\\\"b\")\r\nheliograph1 OK done\r\n"
		` + alive, []int{-2}},
	"BYE": {ours(1, 2) + `
		u> * BYE maintenance
		c< * BYE maintenance
		u close
		c< eof`, nil},
	"a close": {ours(1, 2) + "u close\nc< eof", nil},
	"a close in the middle of our answer": {ours(1, 2) + `
		u>= "* 2 FETCH (UID 102 BODY[]<0> {100}\r\nSubj"
		u close
		c< eof`, nil},
	"IDLE refused the second time": {fetches(1, 2) + idle + `
		u> * 4 EXISTS
		c< * 4 EXISTS
		u< DONE
		u> i OK over
		u< heliograph2 FETCH 4 (UID)
		u>= "* 4 FETCH (UID 104)\r\nheliograph2 OK done\r\n"
		` + fetches(3, 4) + `
		u< i IDLE
		u> i NO not again
		c< i NO not again
		` + alive, []int{2, 4}},
	"IDLE refused the second time, with DONE under way": {fetches(1, 2) + idle + `
		u> * 4 EXISTS
		c< * 4 EXISTS
		u< DONE
		u> i OK over
		u< heliograph2 FETCH 4 (UID)
		u>= "* 4 FETCH (UID 104)\r\nheliograph2 OK done\r\n"
		` + fetches(3, 4) + `
		u< i IDLE
		c> DONE
		u> i BAD not again
		c< i BAD not again
		u< DONE
		u> DONE BAD no such command
		c< DONE BAD no such command
		` + alive, []int{2, 4}},
	"IDLE that the upstream ends": {fetches(1, 2) + idle + `
		u> i OK long enough
		c< i OK long enough
		` + alive, []int{2}},
	"our DONE refused": {idling(2) + `
		u< DONE
		u> i NO trouble
		c< i NO trouble
		` + fetches(1, 2) + alive, []int{2}},
	"IDLE refused at once": {fetches(1, 2) + `
		c> i IDLE
		u< i IDLE
		u> i BAD what
		c< i BAD what
		` + alive, []int{2}},
	"commands behind an IDLE that is not answered yet": {fetches(1, 2) + `
		c>= "i IDLE\r\nDONE\r\nn NOOP\r\n"
		u<= "i IDLE\r\nDONE\r\nn NOOP\r\n"
		u>= "+ idling\r\ni OK done\r\nn OK done\r\n"
		c<= "+ idling\r\ni OK done\r\nn OK done\r\n"
		` + alive, []int{2}},
	"a literal that waits for the upstream": {fetches(1, 2) + `
		c>= "p APPEND Sent {3}\r\nabc\r\n"
		u< p APPEND Sent {3}
		u> + go on
		c< + go on
		u<= "abc\r\n"
		u> p OK stored
		c< p OK stored
		` + alive, []int{2, 0}},
	"a literal that the upstream refuses": {fetches(1, 2) + `
		c>= "p APPEND Sent {6}\r\n"
		u< p APPEND Sent {6}
		u> p NO over quota
		c< p NO over quota
		c>= "q NOOP\r\n"
		u< q NOOP
		u> q OK done
		c< q OK done
		` + alive, []int{2}},
	"an empty line": {fetches(1, 2) + `
		c>= "\r\n"
		u<= "\r\n"
		u> * BAD what
		c< * BAD what
		` + idle + `
		u> * 4 EXISTS
		c< * 4 EXISTS
		u< DONE
		u> i OK over
		u< heliograph2 FETCH 4 (UID)
		u>= "* 4 FETCH (UID 104)\r\nheliograph2 OK done\r\n"
		` + fetches(3, 4) + `
		u< i IDLE
		u> + idling
		c> DONE
		u< DONE
		u> i OK the end
		c< i OK the end
		` + alive, []int{2, 4}},
	"what ends at the gateway": {fetches(1, 2) + `
		c> n COMPRESS DEFLATE
		c< n BAD COMPRESS is not available here
		c> o unauthenticate
		c< o BAD UNAUTHENTICATE is not available here
		c> p STARTTLS
		c< p BAD STARTTLS is not available here
		` + alive, []int{2}},
	"what ends at the gateway in the middle of an answer": {fetches(1, 2) + `
		c> n FETCH 3 (UID ENVELOPE)
		u< n FETCH 3 (UID ENVELOPE)
		u>= "* 3 FETCH (UID 103 ENVELOPE ({5}\r\nab"
		c<= "* 3 FETCH (UID 103 ENVELOPE ({5}\r\nab"
		c> m COMPRESS DEFLATE
		u>= "cde))\r\nn OK done\r\n"
		c<= "cde))\r\nn OK done\r\nm BAD COMPRESS is not available here\r\n"
		` + fetches(2, 3) + alive, []int{2, 3}},
	"a literal that is refused while it flows": {fetches(1, 2) + `
		c>= "p APPEND Sent {2000+}\r\nSubject: a\r\n"
		u<= "p APPEND Sent {2000+}\r\nSubject: a\r\n"
		u> p NO over quota
		c< p NO over quota
		u>= "* 4 EXISTS\r\n* 1 FETCH (FLAGS ())\r\n"
		c<= "* 4 EXISTS\r\n* 1 FETCH (FLAGS ())\r\n"
		wait
		c>= "` + strings.Repeat("x", 1988) + `\r\nq NOOP\r\n"
		u<= "` + strings.Repeat("x", 1988) + `\r\nq NOOP\r\n"
		u> q OK done
		c< q OK done
		auto
		c> z NOOP
		c< z OK done`, []int{2, 4}},
	"a draft": {ours(1, 2) + `
		u>= "* 2 FETCH (UID 102 FLAGS (\\Draft) BODY[]<0> {27}\r\nSubject: mail 102\r\n\r\nbody\r\n)\r\nheliograph1 OK done\r\n"
		c< * 2 FETCH (FLAGS (\Draft))
		` + alive, nil},
	"capabilities in pieces": {fetches(1, 2) + `
		c> n CAPABILITY
		u< n CAPABILITY
		u>= "* CAPABILITY IMAP4rev1 COMP"
		u>= "RESS=DEFLATE IDLE UNAUTHENT"
		u>= "ICATE STARTTLS X\r\nn OK [CAPABILITY IMAP4rev1 STARTTLS IDLE] done\r\n"
		c<= "* CAPABILITY IMAP4rev1 IDLE X\r\nn OK [CAPABILITY IMAP4rev1 IDLE] done\r\n"
		` + alive, []int{2}},
	"NOTIFY": {fetches(1, 2) + `
		c> n NOTIFY SET (selected (MessageNew (UID FLAGS) MessageExpunge FlagChange)) (subscribed (MessageNew MessageExpunge))
		u< n NOTIFY SET (selected (MessageNew (UID FLAGS) MessageExpunge FlagChange)) (subscribed (MessageNew MessageExpunge))
		u>= "n OK done\r\n* STATUS Lists (MESSAGES 5 UIDNEXT 9)\r\n* 1 EXPUNGE\r\n* 3 EXISTS\r\n* 3 FETCH (UID 104 FLAGS (\\Recent))\r\n"
		c<= "n OK done\r\n* STATUS Lists (MESSAGES 5 UIDNEXT 9)\r\n* 1 EXPUNGE\r\n* 3 EXISTS\r\n* 3 FETCH (UID 104 FLAGS (\\Recent))\r\n"
		u< heliograph2 FETCH 3 (UID RFC822.SIZE INTERNALDATE BODY.PEEK[]<0.100>)
		u>= "* 3 FETCH (UID 104 RFC822.SIZE 27 INTERNALDATE \"21-Nov-2026 10:00:00 +0800\" BODY[]<0> {27}\r\nSubject: mail 104\r\n\r\nbody\r\n)\r\nheliograph2 OK done\r\n"
		` + alive, []int{2, 4}},
	"UIDONLY": {fetches(1, 2) + `
		c> n ENABLE UIDONLY
		u< n ENABLE UIDONLY
		u>= "* ENABLED UIDONLY\r\nn OK done\r\n"
		c<= "* ENABLED UIDONLY\r\nn OK done\r\n"
		c> o UID FETCH 101,103 (BODY.PEEK[])
		u< o UID FETCH 101,103 (BODY.PEEK[])
		u>= "* 101 UIDFETCH (BODY[] {27}\r\nSubject: mail 101\r\n\r\nbody\r\n)\r\n* VANISHED 102\r\n* 103 UIDFETCH (BODY[] {27}\r\nSubject: mail 103\r\n\r\nbody\r\n)\r\no OK done\r\n"
		c<= "* 101 UIDFETCH (BODY[] {27}\r\nSubject: mail 101\r\n\r\nbody\r\n)\r\n* VANISHED 102\r\n* 103 UIDFETCH (BODY[] {27}\r\nSubject: mail 103\r\n\r\nbody\r\n)\r\no OK done\r\n"
		` + alive, []int{1, 2, 3}},
	"VANISHED": {fetches(1, 2) + `
		c> n ENABLE QRESYNC
		u< n ENABLE QRESYNC
		u>= "* ENABLED QRESYNC\r\nn OK done\r\n"
		c<= "* ENABLED QRESYNC\r\nn OK done\r\n"
		c> o UID FETCH 1:* (FLAGS BODY.PEEK[]<0.1>)
		u< o UID FETCH 1:* (FLAGS BODY.PEEK[]<0.1>)
		u>= "* 1 FETCH (UID 101 FLAGS () BODY[]<0> \"S\")\r\n* VANISHED 102\r\n* 2 FETCH (UID 103 FLAGS () BODY[]<0> \"S\")\r\no OK done\r\n"
		c<= "* 1 FETCH (UID 101 FLAGS () BODY[]<0> \"S\")\r\n* VANISHED 102\r\n* 2 FETCH (UID 103 FLAGS () BODY[]<0> \"S\")\r\no OK done\r\n"
		u< heliograph2 FETCH 2 (UID RFC822.SIZE INTERNALDATE BODY.PEEK[]<0.100>)
		u>= "* 2 FETCH (UID 103 RFC822.SIZE 27 INTERNALDATE \"21-Nov-2026 10:00:00 +0800\" BODY[]<0> {27}\r\nSubject: mail 103\r\n\r\nbody\r\n)\r\nheliograph2 OK done\r\n"
		` + fetches(3, 1) + alive, []int{1, 2, 3}},
	"the old mailbox while a new one is selected": {fetches(1, 2) + `
		c> o SELECT Other
		u< o SELECT Other
		u>= "* 1 FETCH (UID 101 BODY[] {27}\r\nSubject: mail 101\r\n\r\nbody\r\n)\r\n* 3 EXPUNGE\r\n* OK [CLOSED] the old one is closed\r\n* 1 EXISTS\r\n* OK [UIDVALIDITY 8] v\r\n* OK [UIDNEXT 10] n\r\no OK [READ-WRITE] done\r\n"
		c<= "* 1 FETCH (UID 101 BODY[] {27}\r\nSubject: mail 101\r\n\r\nbody\r\n)\r\n* 3 EXPUNGE\r\n* OK [CLOSED] the old one is closed\r\n* 1 EXISTS\r\n* OK [UIDVALIDITY 8] v\r\n* OK [UIDNEXT 10] n\r\no OK [READ-WRITE] done\r\n"
		ledger Other 8
		c> p FETCH 1 (UID BODY.PEEK[])
		u< p FETCH 1 (UID BODY.PEEK[])
		u>= "* 1 FETCH (UID 5 BODY[] {3}\r\nabc)\r\np OK done\r\n"
		c<= "* 1 FETCH (UID 5 BODY[] {3}\r\nabc)\r\np OK done\r\n"
		` + alive, []int{2, -5}},
	"the old mailbox without CLOSED": {fetches(1, 2) + `
		c> o EXAMINE Other
		u< o EXAMINE Other
		u>= "* 3 EXPUNGE\r\n* 1 EXISTS\r\n* OK [UIDVALIDITY 8] v\r\n* OK [UIDNEXT 10] n\r\no OK [READ-ONLY] done\r\n"
		c<= "* 3 EXPUNGE\r\n* 1 EXISTS\r\n* OK [UIDVALIDITY 8] v\r\n* OK [UIDNEXT 10] n\r\no OK [READ-ONLY] done\r\n"
		ledger Other 8
		c> p FETCH 1 (UID BODY.PEEK[])
		u< p FETCH 1 (UID BODY.PEEK[])
		u>= "* 1 FETCH (UID 5 BODY[] {3}\r\nabc)\r\np OK done\r\n"
		c<= "* 1 FETCH (UID 5 BODY[] {3}\r\nabc)\r\np OK done\r\n"
		` + alive, []int{2, -5}},
	"a mailbox that cannot be selected": {fetches(1, 2) + `
		c> o SELECT Nowhere
		u< o SELECT Nowhere
		u>= "* OK [CLOSED] closed\r\no NO no such mailbox\r\n"
		c<= "* OK [CLOSED] closed\r\no NO no such mailbox\r\n"
		` + alive, []int{2}},
	"a response with no known form": {fetches(1, 2) + `
		u>= "* 2 FETCH UID\r\n* 99999999999 FETCH (UID 1)\r\n* \r\n*\r\nwhat is this\r\n* XYZZY (a {3}\r\nabc)\r\n+ \r\n* 3 FETCH (\r\n"
		c<= "* 2 FETCH UID\r\n* 99999999999 FETCH (UID 1)\r\n* \r\n*\r\nwhat is this\r\n* XYZZY (a {3}\r\nabc)\r\n+ \r\n* 3 FETCH (\r\n"
		` + alive, []int{2}},
}

func TestWire(t *testing.T) {
	t.Parallel()
	w := newStage(t, nil)
	t.Run("dialogues", func(t *testing.T) {
		for name, d := range dialogues {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				x := w.open(t, stageCaps)
				x.selected(3)
				if !strings.HasPrefix(d.script, touching(2, "i")[:40]) {
					x.touched(2)
				}
				x.run(d.script)
				want := map[uint32]string{}
				for _, seq := range d.has {
					switch seq {
					case 0: // of an APPEND without a UID
						want[0] = "abc"
					case -2:
						want[102] = `a"b`
					case -5:
						want[5] = "abc"
					default:
						want[uint32(seq+100)] = stageMail(seq + 100)
					}
				}
				x.holds(want)
			})
		}
	})
}

// Every byte of the upstream comes by itself: nothing of what is ours shows, and nothing of what is not is lost.
func TestWireByteByByte(t *testing.T) {
	t.Parallel()
	w := newStage(t, func(s *staging) { s.records = true })
	x := w.open(t, stageCaps)
	x.selected(3)
	x.touched(2)
	x.run(ours(1, 2))
	m := stageMail(102)
	for _, b := range []byte(fmt.Sprintf("* 4 EXISTS\r\n* 2 FETCH (UID 102 RFC822.SIZE %d INTERNALDATE \"21-Nov-2026 10:00:00 +0800\" BODY[]<0> {%d}\r\n%s FLAGS (\\Seen) MODSEQ (5))\r\n"+
		"* 1 FETCH (FLAGS ())\r\nheliograph1 OK done\r\n", len(m), len(m), m)) {
		must(t, x.u.write(string(b)))
	}
	x.run(`
		c<= "* 4 EXISTS\r\n* 2 FETCH (FLAGS (\\Seen) MODSEQ (5))\r\n* 1 FETCH (FLAGS ())\r\n"
		u< heliograph2 FETCH 4 (UID)
		u>= "* 4 FETCH (UID 104)\r\nheliograph2 OK done\r\n"
		` + fetches(3, 4) + alive)
	x.has(2, 4)
}

// A message that takes several chunks.
func TestWireChunks(t *testing.T) {
	t.Parallel()
	w := newStage(t, nil)
	m := "Subject: " + strings.Repeat("long ", 50) + "\r\n\r\nbody\r\n"
	x := w.open(t, stageCaps)
	x.selected(3)
	x.touched(2)
	for off, n := 0, 1; off < len(m); n++ {
		part, items := m[off:min(off+100, len(m))], ""
		if off == 0 {
			items = " RFC822.SIZE INTERNALDATE"
		}
		x.run(fmt.Sprintf("u< heliograph%d FETCH 2 (UID%s BODY.PEEK[]<%d.100>)", n, items, off))
		x.run(fmt.Sprintf("u>= %q", fmt.Sprintf("* 2 FETCH (UID 102 BODY[]<%d> {%d}\r\n%s)\r\nheliograph%d OK done\r\n", off, len(part), part, n)))
		off += len(part)
	}
	x.run(alive)
	x.holds(map[uint32]string{102: m})
}

// Lines of any length pass as they are.
func TestWireLongLines(t *testing.T) {
	t.Parallel()
	w := newStage(t, func(s *staging) { s.records = true })
	x := w.open(t, stageCaps)
	x.selected(3)
	x.touched(2)
	x.run(fetches(1, 2))
	for _, size := range []int{8 << 10, 8<<10 + 1, 20_000, 64 << 10, 64<<10 + 1, 200_000} {
		long := strings.Repeat("x", size)
		for _, line := range []string{
			"* SEARCH " + strings.Repeat("1 ", size/2),
			"* 2 FETCH (UID 102 BODYSTRUCTURE (\"" + long + "\"))",
			"* OK [X-" + long + "] text",
			"* LIST () \"/\" \"" + long + "\"",
			"* 3 FETCH (FLAGS (" + long + ") UID 103)",
		} {
			must(t, x.u.write(line[:100]))
			must(t, x.u.write(line[100:]+"\r\n"))
			must(t, x.c.want([]byte(line+"\r\n")))
		}
	}
	x.run(alive)
	// The same with an answer to us: what the server says besides is for the client, however long.
	x.touched(3)
	flags, m := strings.Repeat("$keyword ", 3000)+"$last", stageMail(103)
	x.run(ours(2, 3))
	must(t, x.u.write(fmt.Sprintf("* 3 FETCH (UID 103 RFC822.SIZE %d BODY[]<0> {%d}\r\n%s FLAGS (%s", len(m), len(m), m, flags)))
	must(t, x.u.write("))\r\nheliograph2 OK done\r\n"))
	must(t, x.c.want([]byte("* 3 FETCH (FLAGS ("+flags+"))\r\n")))
	x.run(alive)
	x.has(2, 3)
}
