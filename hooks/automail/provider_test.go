package automail_test

import (
	"errors"
	"io"
	"log"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// mail is one message that a provider accepted.
type mail struct {
	from     string
	mailOpts smtp.MailOptions
	to       []string
	rcptOpts map[string]smtp.RcptOptions
	body     string
	user     string
}

// provider is an upstream whose answers a test decides on. Unset functions accept.
type provider struct {
	addr string

	mu     sync.Mutex // guards all below
	onMail func(from string) error
	onRcpt func(to string, before int) error
	// onData gets the whole message; err is what reading it gave. Returning nil accepts.
	onData func(c *smtp.Conn, body string, err error) error
	got    []mail
	seen   int // MAIL commands
	broken int // messages that did not come whole
	auths  int
	conns  int
}

// newProvider starts a server on the loopback. change adjusts what it offers.
func newProvider(t *testing.T, change func(*smtp.Server)) *provider {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{addr: l.Addr().String()}
	s := smtp.NewServer(p)
	s.Domain = "mx.example.org"
	s.AllowInsecureAuth = true
	s.EnableSMTPUTF8, s.EnableDSN = true, true
	s.ReadTimeout, s.WriteTimeout = 10*time.Second, 10*time.Second
	s.ErrorLog = log.New(io.Discard, "", 0)
	if change != nil {
		change(s)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
	return p
}

func (p *provider) set(change func(*provider)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p)
}

// mails returns what was accepted from this sender.
func (p *provider) mails(from string) []mail {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []mail
	for _, m := range p.got {
		if m.from == from {
			list = append(list, m)
		}
	}
	return list
}

func (p *provider) count(what func(*provider) int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return what(p)
}

func (p *provider) NewSession(c *smtp.Conn) (smtp.Session, error) {
	p.set(func(p *provider) { p.conns++ })
	return &providerSession{p: p, c: c}, nil
}

type providerSession struct {
	p    *provider
	c    *smtp.Conn
	user string
	m    mail
}

var _ smtp.AuthSession = (*providerSession)(nil)

func (s *providerSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *providerSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if password != "secret" {
			return smtp.ErrAuthFailed
		}
		s.p.set(func(p *provider) { p.auths++ })
		s.user = user
		return nil
	}), nil
}

func (s *providerSession) Reset()        { s.m = mail{} }
func (s *providerSession) Logout() error { return nil }

func (s *providerSession) Mail(from string, o *smtp.MailOptions) error {
	s.p.mu.Lock()
	decide := s.p.onMail
	s.p.seen++
	s.p.mu.Unlock()
	if decide != nil {
		if err := decide(from); err != nil {
			return err
		}
	}
	s.m = mail{from: from, mailOpts: *o, rcptOpts: map[string]smtp.RcptOptions{}, user: s.user}
	return nil
}

func (s *providerSession) Rcpt(to string, o *smtp.RcptOptions) error {
	s.p.mu.Lock()
	decide := s.p.onRcpt
	s.p.mu.Unlock()
	if decide != nil {
		if err := decide(to, len(s.m.to)); err != nil {
			return err
		}
	}
	s.m.to = append(s.m.to, to)
	s.m.rcptOpts[to] = *o
	return nil
}

func (s *providerSession) Data(r io.Reader) error {
	body, err := io.ReadAll(r)
	s.p.mu.Lock()
	decide := s.p.onData
	s.p.mu.Unlock()
	if decide != nil {
		if err := decide(s.c, string(body), err); err != nil {
			return err
		}
	}
	if err != nil {
		s.p.set(func(p *provider) { p.broken++ })
		return err
	}
	m := s.m
	m.body = string(body)
	s.p.set(func(p *provider) { p.got = append(p.got, m) })
	return nil
}

func refuse(code int, enhanced smtp.EnhancedCode, text string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: text}
}

var errHangUp = errors.New("hung up")

// hangUp closes the connection without a word.
func hangUp(c *smtp.Conn) error {
	_ = c.Conn().Close()
	return errHangUp
}
