package transparency_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"heliograph/internal/journal"
	"heliograph/internal/mailtest"
)

// session is a plain IMAP session of a test, for what is not compared.
type session struct {
	*mailtest.IMAPConn

	t *testing.T
	n int
}

// open logs a user in.
func open(t *testing.T, dial func() (net.Conn, error), user mailtest.User) *session {
	t.Helper()
	conn, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	s := &session{IMAPConn: mailtest.NewIMAPConn(conn), t: t}
	t.Cleanup(func() { _ = s.Close() })
	if _, err := s.Response(); err != nil {
		t.Fatal(err)
	}
	s.say(fmt.Sprintf("LOGIN %q %q", user.Name, user.Password))
	return s
}

// say sends a command, which must succeed, and returns the untagged responses.
func (s *session) say(text string, more ...mailtest.IMAPArgument) []mailtest.IMAPResponse {
	s.t.Helper()
	s.n++
	tag := fmt.Sprintf("s%d", s.n)
	rs, err := s.Command(tag, append([]mailtest.IMAPArgument{{Text: text}}, more...)...)
	if err != nil {
		s.t.Fatalf("%s: %v", text, err)
	}
	if last := rs[len(rs)-1].String(); !strings.HasPrefix(last, tag+" OK") {
		s.t.Fatalf("%s: %s", text, last)
	}
	return rs[:len(rs)-1]
}

// fill stores messages in a mailbox.
func (s *session) fill(mailbox string, mails ...[]byte) {
	s.t.Helper()
	for _, m := range mails {
		s.n++
		tag := fmt.Sprintf("s%d", s.n)
		rs, err := s.Command(tag, mailtest.IMAPArgument{
			Text: fmt.Sprintf("APPEND %s {%d}", mailbox, len(m)), Literal: m, Waits: true,
		}, mailtest.IMAPArgument{})
		if last := rs[len(rs)-1].String(); err != nil || !strings.HasPrefix(last, tag+" OK") {
			s.t.Fatalf("APPEND: %v %s", err, last)
		}
	}
}

var (
	validityForm = regexp.MustCompile(`^\* OK \[UIDVALIDITY (\d+)\]`)
	uidForm      = regexp.MustCompile(`\bUID (\d+)`)
)

// read returns the messages of a mailbox that are no drafts, by UID, without changing them.
func (s *session) read(mailbox string) (validity uint32, mails map[uint32][]byte) {
	s.t.Helper()
	mails = make(map[uint32][]byte)
	for _, r := range s.say("EXAMINE " + mailbox) {
		if m := validityForm.FindStringSubmatch(r.String()); m != nil {
			validity = s.number(m[1])
		}
	}
	var uids string
	for _, r := range s.say("UID SEARCH UNDRAFT") {
		if list, ok := strings.CutPrefix(r.String(), "* SEARCH"); ok {
			uids = strings.Join(strings.Fields(list), ",")
		}
	}
	if uids == "" {
		return validity, mails
	}
	for _, r := range s.say("UID FETCH " + uids + " (UID BODY.PEEK[])") {
		if m := uidForm.FindStringSubmatch(r[0].Text + r[len(r)-1].Text); m != nil && r[0].Literal != nil {
			mails[s.number(m[1])] = r[0].Literal
		}
	}
	return validity, mails
}

func (s *session) number(text string) uint32 {
	s.t.Helper()
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		s.t.Fatal(err)
	}
	return uint32(n)
}

// awaitCaptured waits until the journal has all messages of a user's mailbox and
// checks that it has the server's bytes, each once; where the server rewrites what it is
// given, not of what was appended. Between two looks it calls nudge.
func (g *running) awaitCaptured(
	t *testing.T, direct func() (net.Conn, error), user mailtest.User, mailbox string, rewrites bool, nudge func(),
) {
	t.Helper()
	validity, want := open(t, direct, user).read(mailbox)
	var got map[uint32][]journal.Entry
	mailtest.Eventually(t, time.Minute, func() error {
		got = g.places(t, user, mailbox, validity)
		for uid := range want {
			if len(got[uid]) == 0 {
				nudge()
				return fmt.Errorf("%s: UID %d is not in the journal; it has %d of %d", mailbox, uid, len(got), len(want))
			}
		}
		return nil
	})
	for uid, entries := range got {
		mail, there := want[uid]
		if len(entries) > 1 {
			t.Errorf("%s: UID %d is in the journal %d times", mailbox, uid, len(entries))
			for _, e := range entries {
				t.Logf("%s %s %+v: %.200q", e.ID, e.Kind, e.Verdict, g.body(t, e))
			}
		}
		for _, e := range entries {
			if body := g.body(t, e); there && !bytes.Equal(body, mail) && (e.Kind != journal.KindAppend || !rewrites) {
				t.Errorf("%s: UID %d is in the journal (%s) with other bytes: %d, want %d", mailbox, uid, e.Kind, len(body), len(mail))
			}
		}
	}
	if len(want) == 0 {
		t.Errorf("%s is empty", mailbox)
	}
}

// places returns the journal's entries of a user's mailbox by UID.
func (g *running) places(t *testing.T, user mailtest.User, mailbox string, validity uint32) map[uint32][]journal.Entry {
	t.Helper()
	out := make(map[uint32][]journal.Entry)
	entries, err := g.Journal().Entries(t.Context(), journal.Filter{Account: user.Name, Limit: 100_000})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Mailbox == mailbox && e.UIDValidity == validity && e.State == journal.StateConfirmed {
			out[e.UID] = append(out[e.UID], e)
		}
	}
	return out
}

func (g *running) body(t *testing.T, e journal.Entry) []byte {
	t.Helper()
	b, err := g.Journal().Body(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	all, err := io.ReadAll(b)
	if err != nil {
		t.Fatal(err)
	}
	return all
}
