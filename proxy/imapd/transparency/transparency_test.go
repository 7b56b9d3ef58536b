package transparency_test

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"heliograph/internal/mailtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is one IMAP server with what its sessions differ in.
type server struct {
	mailtest.IMAPServer

	prefix    string // of personal mailboxes
	delimiter string
	quotaRoot string
	// prepare puts what the script expects into a user's mailboxes.
	prepare func(t *testing.T, user mailtest.User)
	// rewrites says that the server stores other bytes than it is given. Then the journal
	// has those that were given.
	rewrites bool
	// least is how many commands the script must have for it.
	least int
}

// play says the script to the server, or to what stands before it.
func (s *server) play(t *testing.T, dial func() (net.Conn, error), user mailtest.User) []mailtest.Exchange {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "session.imap"))
	if err != nil {
		t.Fatal(err)
	}
	script, err := mailtest.ParseIMAPScript(string(text))
	if err != nil {
		t.Fatal(err)
	}
	if s.prepare != nil {
		s.prepare(t, user)
	}
	offered := s.capabilities(t, user)
	p := mailtest.IMAPPlay{
		Dial: dial, User: user, Server: s.Name, Bytes: messages(),
		Offers: func(name string) bool { return offered[name] },
		Names: map[string]string{
			"P": s.prefix, "D": s.delimiter, "QUOTAROOT": s.quotaRoot, "OTHER": "other@example.com", "USERURL": strings.ReplaceAll(user.Name, "@", "%40"),
			"SASL": base64.StdEncoding.EncodeToString([]byte("\x00" + user.Name + "\x00" + user.Password)),
		},
	}
	all := p.Run(script)
	if testing.Verbose() {
		for _, e := range all {
			for _, r := range e.Responses {
				t.Logf("%d: %s: %.200s", e.Line, e.Step, r)
			}
		}
	}
	if last := all[len(all)-1]; last.Err != nil {
		t.Errorf("line %d: %s: %v after %q", last.Line, last.Step, last.Err, last.Responses)
	}
	if p.Commands < s.least {
		t.Errorf("%d commands, want %d at least", p.Commands, s.least)
	}
	t.Logf("%s: %d commands", s.Name, p.Commands)
	return all
}

// capabilities asks the server itself what it offers after the login.
func (s *server) capabilities(t *testing.T, user mailtest.User) map[string]bool {
	t.Helper()
	offered := make(map[string]bool)
	for _, r := range open(t, s.direct, user).say("CAPABILITY") {
		if list, ok := strings.CutPrefix(r.String(), "* CAPABILITY "); ok {
			for atom := range strings.FieldsSeq(list) {
				offered[atom] = true
			}
		}
	}
	return offered
}

func (s *server) direct() (net.Conn, error) {
	return tls.Dial("tcp", s.TLSAddr, s.Certs.Client())
}

// users have names of one length, so that nothing that counts bytes differs.
func users() []mailtest.User {
	return []mailtest.User{
		{Name: "user-a@example.com", Password: "pass word"},
		{Name: "user-b@example.com", Password: "pass word"},
		{Name: "user-c@example.com", Password: "pass word"},
		{Name: "user-d@example.com", Password: "pass word"},
		{Name: "other@example.com", Password: "pass word"},
	}
}

func servers() map[string]func(t *testing.T) *server {
	return map[string]func(t *testing.T) *server{
		"dovecot": func(t *testing.T) *server {
			d := mailtest.DovecotWith(t, mailtest.DovecotOptions{Users: users(), Extensions: true})
			return &server{
				IMAPServer: d.IMAP(), delimiter: ".", quotaRoot: "User quota", least: 150,
				prepare: func(t *testing.T, user mailtest.User) { many(t, d, user.Name) },
			}
		},
		"cyrus": func(t *testing.T) *server {
			return &server{IMAPServer: mailtest.Cyrus(t, users()...).IMAPServer, delimiter: "/", quotaRoot: "INBOX", least: 150}
		},
		"courier": func(t *testing.T) *server {
			return &server{IMAPServer: mailtest.Courier(t, users()...).IMAPServer, prefix: "INBOX.", delimiter: ".", quotaRoot: "ROOT", least: 150, rewrites: true}
		},
	}
}

// The mailbox Many has so many messages, and UIDs so long, that the answer to a SEARCH
// is a line of more than 64 KB.
const (
	manyMessages = 6200
	manyFirstUID = 4_000_000_001
)

// many fills Many with links to one small message.
func many(t *testing.T, d *mailtest.DovecotServer, user string) {
	t.Helper()
	dir := filepath.Join(d.Maildir(user), ".Many")
	for _, sub := range []string{"", "cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	uids := fmt.Sprintf("3 V1772000000 N%d\n", manyFirstUID)
	if err := os.WriteFile(filepath.Join(dir, "dovecot-uidlist"), []byte(uids), 0o600); err != nil {
		t.Fatal(err)
	}
	first := filepath.Join(dir, "cur", "1772000000.M0.test,S=14,W=17:2,S")
	if err := os.WriteFile(first, []byte("Subject: t\n\nt\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := 1; i < manyMessages; i++ {
		if err := os.Link(first, filepath.Join(dir, "cur", fmt.Sprintf("%d.M%d.test,S=14,W=17:2,S", 1_772_000_000+i, i))); err != nil {
			t.Fatal(err)
		}
	}
	d.Own(d.Maildir(user))
}

// TestTransparency says the same to each server itself and through the gateway, with
// capture off and on. That two runs without the gateway differ in nothing is the proof
// that the comparison compares.
func TestTransparency(t *testing.T) {
	t.Parallel()
	for name, start := range servers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			none, all := startGateway(t, s.IMAPServer, "none"), startGateway(t, s.IMAPServer, "all")
			var runs [4][]mailtest.Exchange
			var wg sync.WaitGroup
			for i, dial := range []func() (net.Conn, error){s.direct, s.direct, none.dial, all.dial} {
				wg.Go(func() { runs[i] = s.play(t, dial, s.Users[i]) })
			}
			wg.Wait()
			t.Run("direct", func(t *testing.T) { compare(t, runs[0], runs[1], nil) })
			t.Run("capture none", func(t *testing.T) { compare(t, runs[0], runs[2], documented) })
			t.Run("capture all", func(t *testing.T) { compare(t, runs[0], runs[3], documented) })
			t.Run("captured", func(t *testing.T) {
				user := s.Users[3]
				c := open(t, all.dial, user)
				for _, mailbox := range []string{s.prefix + "Work", "INBOX"} {
					c.say("SELECT " + mailbox)
					c.say("UID FETCH 1:* FLAGS") // Courier tells no UIDNEXT
					all.awaitCaptured(t, s.direct, user, mailbox, s.rewrites, func() { c.say("NOOP") })
				}
			})
		})
	}
}
