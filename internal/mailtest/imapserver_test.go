package mailtest_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"

	"heliograph/internal/mailtest"
)

// converse logs a user in and says the lines, one after the other's answer. It
// returns all that the server said.
func converse(t *testing.T, conn net.Conn, user mailtest.User, lines ...string) string {
	t.Helper()
	br := bufio.NewReader(conn)
	var all strings.Builder
	until := func(prefix string) {
		t.Helper()
		for {
			line, err := br.ReadString('\n')
			all.WriteString(line)
			if err != nil {
				t.Fatalf("waiting for %q: %v after %s", prefix, err, all.String())
			}
			if strings.HasPrefix(line, prefix) {
				return
			}
		}
	}
	until("* OK")
	lines = append([]string{fmt.Sprintf("LOGIN %q %q", user.Name, user.Password)}, lines...)
	for i, line := range lines {
		tag := fmt.Sprintf("t%d ", i)
		if _, err := fmt.Fprintf(conn, "%s%s\r\n", tag, line); err != nil {
			t.Fatal(err)
		}
		until(tag)
	}
	return all.String()
}

func startTLS(t *testing.T, conn net.Conn, tc *tls.Config) net.Conn {
	t.Helper()
	br := bufio.NewReader(conn)
	greeting, err := br.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("s STARTTLS\r\n")); err != nil {
		t.Fatal(err)
	}
	if line, err := br.ReadString('\n'); err != nil || !strings.HasPrefix(line, "s OK") {
		t.Fatalf("%q %v", line, err)
	}
	secure := tls.Client(conn, tc)
	// What follows expects a greeting, which comes once only.
	return &greeted{Conn: secure, first: strings.NewReader(greeting)}
}

type greeted struct {
	net.Conn
	first *strings.Reader
}

func (g *greeted) Read(p []byte) (int, error) {
	if g.first.Len() > 0 {
		return g.first.Read(p)
	}
	return g.Conn.Read(p)
}

func TestIMAPServers(t *testing.T) {
	t.Parallel()
	servers := map[string]func(*testing.T) (mailtest.IMAPServer, string){
		"dovecot": func(t *testing.T) (mailtest.IMAPServer, string) {
			d := mailtest.DovecotWith(t, mailtest.DovecotOptions{Extensions: true})
			return d.IMAP(), "ACL COMPRESS=DEFLATE CONDSTORE LITERAL+ METADATA NOTIFY QRESYNC QUOTA URLAUTH"
		},
		"dovecot with mdbox": func(t *testing.T) (mailtest.IMAPServer, string) {
			d := mailtest.DovecotWith(t, mailtest.DovecotOptions{Mdbox: true})
			return d.IMAP(), "QRESYNC"
		},
		"cyrus": func(t *testing.T) (mailtest.IMAPServer, string) {
			c := mailtest.Cyrus(t)
			c.Stop()
			c.Start()
			return c.IMAPServer, "ACL COMPRESS=DEFLATE CONDSTORE METADATA OBJECTID QRESYNC QUOTA URLAUTH IDLE"
		},
		"courier": func(t *testing.T) (mailtest.IMAPServer, string) {
			c := mailtest.Courier(t)
			c.Stop()
			c.Start()
			return c.IMAPServer, "ACL IDLE QUOTA SORT UIDPLUS"
		},
	}
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, offered := start(t)
			plain := dial(t, "tcp", s.Addr)
			over := startTLS(t, dial(t, "tcp", s.Addr), s.Certs.Client())
			implicit := tls.Client(dial(t, "tcp", s.TLSAddr), s.Certs.Client())
			for i, conn := range []net.Conn{plain, over, implicit} {
				said := converse(t, conn, s.Users[i], "CAPABILITY", "SELECT INBOX", "LOGOUT")
				_, capabilities, _ := strings.Cut(said, "\r\n* CAPABILITY ")
				capabilities, _, _ = strings.Cut(capabilities, "\r\n")
				for atom := range strings.FieldsSeq(offered) {
					if !strings.Contains(" "+capabilities+" ", " "+atom+" ") {
						t.Errorf("connection %d: %s is not in %s", i, atom, capabilities)
					}
				}
				if !strings.Contains(said, "\r\nt2 OK") {
					t.Errorf("connection %d: %s", i, said)
				}
			}
		})
	}
}
