package office

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"heliograph/internal/mailtest"
)

const password = "secret"

// provider is the office's mail provider: Dovecot over maildirs, and an SMTP server that puts mail into them.
type provider struct {
	t       *testing.T
	dovecot *mailtest.DovecotServer
	smtp    string // host:port

	mu     sync.Mutex
	serial int
	tried  map[string]int      // attempts by Message-ID
	copies map[string]sentCopy // by Message-ID
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{t: t, tried: map[string]int{}, copies: map[string]sentCopy{}}
	var users []mailtest.User
	for n := range employees {
		users = append(users, mailtest.User{Name: employee(n), Password: password})
	}
	p.dovecot = mailtest.Dovecot(t, users...)
	for _, u := range users {
		for _, box := range []string{"", ".Sent", ".Projects"} {
			dir := filepath.Join(p.dovecot.Maildir(u.Name), box)
			for _, sub := range []string{"cur", "new", "tmp"} {
				if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
					t.Fatal(err)
				}
			}
		}
		p.dovecot.Own(p.dovecot.Maildir(u.Name))
	}
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &session{p: p, conn: c.Conn()}, nil
	}))
	server.Domain, server.AllowInsecureAuth = "mail.office.test", true
	server.ErrorLog = log.New(io.Discard, "", 0) // a killed gateway is no news here
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.smtp = l.Addr().String()
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		_ = server.Close() // its connections end with it
		if err := <-done; err != nil && !errors.Is(err, smtp.ErrServerClosed) {
			t.Errorf("the provider: %v", err)
		}
	})
	return p
}

// put stores a message in a maildir; an empty box is the INBOX.
func (p *provider) put(user, box string, raw []byte) error {
	p.mu.Lock()
	p.serial++
	name := fmt.Sprintf("%d.%06d.office", time.Now().Unix(), p.serial)
	p.mu.Unlock()
	dir := filepath.Join(p.dovecot.Maildir(user), box)
	tmp := filepath.Join(dir, "tmp", name)
	if err := os.WriteFile(tmp, raw, 0o600); err != nil {
		return err
	}
	p.dovecot.Own(tmp)
	return os.Rename(tmp, filepath.Join(dir, "new", name))
}

// deliver brings a letter to those who have a mailbox here.
func (p *provider) deliver(from string, to []string, raw []byte) error {
	for _, a := range to {
		if !strings.HasSuffix(a, "@"+domain) {
			continue
		}
		head := fmt.Sprintf("Return-Path: <%s>\r\nReceived: from x (x [192.0.2.1]) by mail.office.test for <%s>;\r\n %s\r\n",
			from, a, time.Now().Format(time.RFC1123Z))
		if err := p.put(a, "", append([]byte(head), raw...)); err != nil {
			return err
		}
	}
	return nil
}

// session is one SMTP connection.
type session struct {
	p    *provider
	conn net.Conn
	from string
	to   []string
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, _, given string) error {
		if given != password {
			return smtp.ErrAuthFailed
		}
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.from, s.to = from, nil
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }

var messageID = regexp.MustCompile(`(?i)message-id: <([^>]*)>`)

// Data refuses some letters at the first attempt, and drops the connection of some when it has taken them.
func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	found := messageID.FindSubmatch(raw)
	if found == nil {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: "no Message-ID"}
	}
	id := string(found[1])
	s.p.mu.Lock()
	s.p.tried[id]++
	first, kept := s.p.tried[id] == 1, s.p.copies[id]
	s.p.mu.Unlock()
	h := fnv.New32a()
	_, _ = io.WriteString(h, id)
	fate := h.Sum32() % 100
	if first && fate < 3 {
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "try again later"}
	}
	if err := s.p.deliver(s.from, s.to, raw); err != nil {
		return err
	}
	if first && fate >= 97 {
		_ = s.conn.Close() // taken, but the sender will not know
		return nil
	}
	return s.p.keep(s.from, id, kept, raw)
}

// keep stores the provider's own copy of what was sent.
func (p *provider) keep(from, id string, kind sentCopy, raw []byte) error {
	switch kind {
	case providerCopy:
		raw = append([]byte("X-Provider-Copy: yes\r\nX-Mailer: office\r\n"), raw...)
	case renamedCopy:
		raw = bytes.Replace(raw, []byte("<"+id+">"), []byte("<renamed."+id+">"), 1)
	default:
		return nil
	}
	return p.put(from, ".Sent", raw)
}
