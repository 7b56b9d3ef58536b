package customerbox_test

import (
	"fmt"
	"strings"
	"testing"

	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// wire is a mailbox name in modified UTF-7 (RFC 3501, 5.1.3).
const acmeWire = `"Customers/&Tgptdw--&gn5RS3xz- &ZwmWUFFsU,g-"`

func TestDialogue(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, nil)
		w.fill()
		w.as(chef, `
			C: a LIST "" ""
			S: * LIST (\Noselect) "/" ""
			S: a OK LIST completed
			C: b LIST "" %
			S: * LIST (\Noselect \HasChildren) "/" "Customers"
			S: * LIST (\HasNoChildren) "/" INBOX
			S: * LIST (\Noselect \HasChildren) "/" "Tickets"
			S: b OK LIST completed
			C: c LIST "Customers/" *
			S: * LIST (\HasNoChildren) "/" "Customers/Zoe"
			S: * LIST (\HasNoChildren) "/" `+acmeWire+`
			S: c OK LIST completed
			C: d LSUB "" "Cust*/Z%"
			S: * LSUB (\HasNoChildren \Subscribed) "/" "Customers/Zoe"
			S: d OK LSUB completed
			C: d LIST (SUBSCRIBED) "" "*" RETURN (CHILDREN)
			S: * LIST (\Noselect \HasChildren \Subscribed) "/" "Customers"
			S: * LIST (\HasNoChildren \Subscribed) "/" "Customers/Zoe"
			S: * LIST (\HasNoChildren \Subscribed) "/" `+acmeWire+`
			S: * LIST (\HasNoChildren \Subscribed) "/" INBOX
			S: * LIST (\Noselect \HasChildren \Subscribed) "/" "Tickets"
			S: d OK LIST completed
			C: d LIST "" `+strings.Repeat("*%", 600)+`q
			S: d OK LIST completed
			C: d LIST "" `+strings.Repeat("*x", 600)+`
			S: d NO [LIMIT] the pattern is too long
			C: e LIST "" *Zoe RETURN (SUBSCRIBED STATUS (MESSAGES UIDNEXT UNSEEN RECENT))
			S: * LIST (\HasNoChildren \Subscribed) "/" "Customers/Zoe"
			S: * STATUS "Customers/Zoe" (MESSAGES 1 UIDNEXT 2 UNSEEN 0 RECENT 0)
			S: e OK LIST completed
			C: f STATUS `+acmeWire+` (MESSAGES UIDNEXT)
			S: * STATUS `+acmeWire+` (MESSAGES 2 UIDNEXT 3)
			S: f OK STATUS completed
			C: g STATUS inbox (MESSAGES UIDVALIDITY SIZE)
			S: g BAD {any}
			C: h ENABLE UTF8=ACCEPT
			S: * ENABLED
			S: h OK nothing to enable
			C: h STATUS "Customers/Zoe" (UIDVALIDITY MESSAGES)
			S: * STATUS "Customers/Zoe" (MESSAGES 1 UIDVALIDITY {any})
			S: h OK STATUS completed
			C: h NAMESPACE
			S: * NAMESPACE (("" "/")) NIL NIL
			S: h OK NAMESPACE completed
			C: i SELECT `+acmeWire+`
			S: * 2 EXISTS
			S: * 0 RECENT
			S: * OK [UIDVALIDITY {any}] UIDs valid
			S: * OK [UIDNEXT 3] Predicted next UID
			S: * FLAGS (\Seen)
			S: * OK [PERMANENTFLAGS ()] Permanent flags
			S: i OK [READ-ONLY] EXAMINE completed
			C: j FETCH 1:* (UID FLAGS)
			S: * 1 FETCH (UID 1 FLAGS (\Seen))
			S: * 2 FETCH (UID 2 FLAGS (\Seen))
			S: j OK FETCH completed
			C: k SELECT "Customers/nobody"
			S: * OK [CLOSED] Previous mailbox is now closed
			S: k NO [NONEXISTENT] there is no such mailbox, or you may not see it
			C: l FETCH 1 FLAGS
			S: l BAD {any}
			C: m SELECT Customers
			S: m NO [CANNOT] this mailbox only holds others
			C: n EXAMINE INBOX
			S: * 0 EXISTS
			S: * 0 RECENT
			S: * OK [UIDVALIDITY 1] UIDs valid
			S: * OK [UIDNEXT 1] Predicted next UID
			S: * FLAGS (\Seen)
			S: * OK [PERMANENTFLAGS ()] Permanent flags
			S: n OK [READ-ONLY] EXAMINE completed
			C: o UID FETCH 1:* FLAGS
			S: o OK UID FETCH completed
			C: p CLOSE
			S: p OK CLOSE completed
			C: q LOGOUT
			S: * BYE Logging out
			S: q OK LOGOUT completed
			-- eof`)
	})
}

func TestNothingCanBeChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t), nil)
	w.fill()
	const refused = "NO [NOPERM] customer mailboxes are read-only"
	script := []string{
		`C: s SELECT Customers/Zoe`, `S: * 1 EXISTS`, `S: * 0 RECENT`, `S: * OK [UIDVALIDITY {any}] UIDs valid`,
		`S: * OK [UIDNEXT 2] Predicted next UID`, `S: * FLAGS (\Seen)`, `S: * OK [PERMANENTFLAGS ()] Permanent flags`,
		`S: s OK [READ-ONLY] EXAMINE completed`,
	}
	for i, command := range []string{
		`STORE 1 +FLAGS (\Deleted)`, `UID STORE 1 FLAGS.SILENT (\Seen)`, `EXPUNGE`, `UID EXPUNGE 1`, `COPY 1 INBOX`, `UID COPY 1 Customers/Zoe`,
		`MOVE 1 INBOX`, `UID MOVE 1 INBOX`, `CREATE Customers/New`, `DELETE Customers/Zoe`, `RENAME Customers/Zoe Zoe`, `UNSUBSCRIBE Customers/Zoe`,
		`APPEND INBOX {5}`, `APPEND Customers/Zoe (\Seen) "17-Nov-2026 10:00:00 +0000" {100000}`, `APPEND INBOX {5+}` + "\nC: hello",
	} {
		if strings.HasSuffix(command, "{100000}") {
			script = append(script, fmt.Sprintf("C: c%d %s", i, command), fmt.Sprintf("S: c%d NO [TOOBIG] {any}", i))
			continue
		}
		script = append(script, fmt.Sprintf("C: c%d %s", i, command), fmt.Sprintf("S: c%d %s", i, refused))
	}
	script = append(script,
		`C: x SUBSCRIBE Customers/Zoe`, `S: x OK SUBSCRIBE completed`,
		`C: y FETCH 1 (FLAGS BODY[TEXT]<0.5>)`, `S: * 1 FETCH (FLAGS (\Seen) BODY[TEXT]<0> {5}`, `S: Shall)`, `S: y OK FETCH completed`,
		`C: z CLOSE`, `S: z OK CLOSE completed`,
	)
	w.as(bert, strings.Join(script, "\n"))
	if got := subjects(t, w.login(bert, nil), "Customers/Zoe"); len(got) != 1 {
		t.Errorf("afterwards there are %q", got)
	}
}

// imapserver beta.8 runs the bytes of a literal as commands that it does not take, or that stands where it expects none. No byte
// of a literal may ever be one here.
func TestLiteralsAreNeverCommands(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t), nil)
	const gone = "S: * BYE the rest cannot be told apart from commands\n-- eof"
	big := strings.Repeat("x", 5000)
	for name, script := range map[string]string{
		"too large unasked": `C= "a SELECT {5000+}\r\n` + big + `\r\nb CREATE evil\r\n"
			S: a BAD literals sent unasked are limited to 4096 bytes` + "\n" + gone,
		"append too large unasked": `C= "a APPEND INBOX {5000+}\r\n` + big + `"
			S: a BAD literals sent unasked are limited to 4096 bytes` + "\n" + gone,
		"too large": `C: a SELECT {5000}
			S: a NO [TOOBIG] literals are limited to 4096 bytes here
			C: b NOOP
			S: b OK NOOP completed`,
		"where none belongs": `C= "a NOOP {13+}\r\nb CREATE evil\r\nc NOOP\r\n"
			S: a BAD {any}
			S: c OK NOOP completed`,
		"of an unknown command": `C= "a XYZZY {13+}\r\nb CREATE evil\r\nc NOOP\r\n"
			S: a BAD {any}
			S: c OK NOOP completed`,
		"behind a mistake": `C= "a SEARCH FOO {13+}\r\nb CREATE evil\r\nc NOOP\r\n"
			S: a NO {any}
			S: c OK NOOP completed`,
		"with a line break": `C= "a SELECT {15+}\r\nb CREATE evil\r\n\r\nc NOOP\r\n"
			S: a BAD no line breaks in this place
			S: c OK NOOP completed`,
		"as a tag":     `C= "{1+}\r\nx NOOP\r\n"` + "\nS: * BAD a command begins with its tag\n" + gone,
		"as a verb":    `C= "a {4+}\r\nNOOP\r\n"` + "\nS: a BAD behind the tag stands a command\n" + gone,
		"no size":      `C= "a SELECT {}\r\nx\r\n"` + "\nS: a BAD this is not the size of a literal\n" + gone,
		"a bad size":   `C= "a SELECT {1x}\r\nx\r\n"` + "\nS: a BAD this is not the size of a literal\n" + gone,
		"a huge size":  `C= "a SELECT {99999999999+}\r\nx\r\n"` + "\nS: a BAD this is not the size of a literal\n" + gone,
		"not the end":  `C= "a SELECT {1} x\r\nx\r\n"` + "\nS: a BAD this is not the size of a literal\n" + gone,
		"in quotes":    `C: a SELECT "{5+}"` + "\nS: a NO [NONEXISTENT] {any}\nC: b NOOP\nS: b OK NOOP completed",
		"open quotes":  `C= "a SELECT \"x\r\nb CREATE evil\"\r\n"` + "\nS: a BAD a quoted string has no end\n" + gone,
		"bad escape":   `C= "a SELECT \"\\x\"\r\n"` + "\nS: a BAD a backslash escapes quotes and backslashes only\n" + gone,
		"bare LF":      `C= "a NOOP\nb CREATE evil\r\n"` + "\nS: * BAD lines end in CRLF and have no CR, LF or NUL within\n" + gone,
		"bare CR":      `C= "a NOOP\rb CREATE evil\r\n"` + "\nS: * BAD lines end in CRLF and have no CR, LF or NUL within\n" + gone,
		"NUL":          `C= "a NOOP\x00\r\n"` + "\nS: * BAD lines end in CRLF and have no CR, LF or NUL within\n" + gone,
		"NUL within":   `C= "a SELECT {1+}\r\n\x00\r\nb NOOP\r\n"` + "\nS: a BAD no line breaks in this place\nS: b OK NOOP completed",
		"endless line": `C= "a SELECT ` + strings.Repeat("x", 40000) + `"` + "\nS: * BAD the command is too long\n" + gone,
		"many":         `C= "a SEARCH ` + strings.Repeat(`TEXT {4000+}\r\n`+big[:4000]+` `, 9) + `\r\n"` + "\nS: a BAD the command is too long\n" + gone,
		"IDLE not DONE": `C= "a IDLE\r\nb CREATE evil\r\n"
			S: + idling
			S: * BYE DONE ends IDLE
			S: a OK IDLE completed
			-- eof`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := *w
			w.t = t
			w.as(anna, script)
		})
	}
}
