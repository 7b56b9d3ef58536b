// Package sandbox is a mail provider in one process: an SMTP submission server
// and an IMAP server over the same mailboxes in memory, with TLS from an
// authority of its own. `heliograph demo` and tests put it where the company's
// provider would be.
//
// The main idea: it behaves like a provider as far as a mail program sees it
// (login, Sent and Drafts folders, delivery into INBOX, refusals with codes) and
// keeps every message byte for byte as it arrived, so that a test can compare.
// Mail to domains that are not its own goes nowhere: it is accepted and kept as
// "the world's".
//
// It is no mail server. Nothing survives it, passwords are compared as they
// are, no trace header is added, and it does not promise what its libraries get
// wrong: go-smtp hands a message over as whole when the client vanishes inside
// `BDAT n LAST`, and imapserver runs the bytes of a refused non-synchronizing
// literal as commands. Bare CR and LF, which go-smtp lets through, are refused
// here. What must be proven against a peer that gets these right is proven
// against Postfix and Dovecot.
package sandbox

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
	"github.com/emersion/go-smtp"
)

// User is one mailbox.
type User struct {
	Address  string // login and address in one
	Password string
}

// Options are the settings of a Provider.
type Options struct {
	// Domain is the provider's own. A recipient there who is no user is refused.
	Domain string
	Users  []User
	// MessageBytes is the largest message taken; zero means 50 MiB.
	MessageBytes int64
	// AllowPlaintextAuth lets clients log in without TLS, for tests.
	AllowPlaintextAuth bool
	// Token, where it is, makes the provider take no passwords but OAuth 2.0 access tokens, by XOAUTH2: it says whether a token is
	// good for a user.
	Token  func(user, token string) bool
	Logger *slog.Logger // nil means none
}

// Message is one message that was accepted.
type Message struct {
	ID   string   // as told in the reply: "queued as ID"
	User string   // who submitted it; empty for Deliver
	From string   // envelope
	To   []string // envelope, all recipients
	Data []byte   // as it arrived, dots undone
	At   time.Time
}

// Provider is a running sandbox.
type Provider struct {
	SMTPAddr  string // submission with STARTTLS, host:port on 127.0.0.1
	SMTPSAddr string // submission over TLS
	IMAPAddr  string // IMAP with STARTTLS
	IMAPSAddr string // IMAP over TLS
	// CAPEM is the authority that signed the certificate for localhost, 127.0.0.1 and ::1.
	CAPEM []byte

	options   Options
	logger    *slog.Logger
	passwords map[string]string
	boxes     map[string]*imapmemserver.User
	conns     tracker
	smtp      *smtp.Server
	imap      *imapserver.Server
	serving   sync.WaitGroup
	listeners []net.Listener
	closeOnce sync.Once
	closeErr  error

	mu        sync.Mutex // guards all below
	delivered map[string][]Message
	world     []Message
	all       []Message
}

// defaultMessageBytes is what most providers take.
const defaultMessageBytes = 50 << 20

// Start starts a provider on free ports of 127.0.0.1. It runs until Close or
// until ctx ends.
func Start(ctx context.Context, o Options) (*Provider, error) {
	if o.Domain == "" {
		return nil, errors.New("sandbox: no domain")
	}
	if o.MessageBytes <= 0 {
		o.MessageBytes = defaultMessageBytes
	}
	cert, err := NewCertificate("localhost", "127.0.0.1", "::1")
	if err != nil {
		return nil, err
	}
	p := &Provider{
		CAPEM:     cert.CAPEM,
		options:   o,
		logger:    o.Logger,
		passwords: make(map[string]string),
		boxes:     make(map[string]*imapmemserver.User),
		delivered: make(map[string][]Message),
	}
	if p.logger == nil {
		p.logger = slog.New(slog.DiscardHandler)
	}
	for _, u := range o.Users {
		if err := p.addUser(u); err != nil {
			return nil, fmt.Errorf("add user %s: %w", u.Address, err)
		}
	}
	p.smtp = p.newSMTP(cert)
	p.imap = p.newIMAP(cert)
	if err := p.listen(ctx, cert); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	// Left in place by Close: when ctx ends it finds nothing to do.
	context.AfterFunc(ctx, func() {
		if err := p.Close(); err != nil {
			p.logger.Warn("sandbox did not close cleanly", "error", err)
		}
	})
	return p, nil
}

// folders are what a new mailbox has. Programs know them by their names: the
// memory server cannot mark them as RFC 6154 wants.
var folders = []string{"INBOX", "Sent", "Drafts", "Junk", "Trash"}

func (p *Provider) addUser(u User) error {
	key := strings.ToLower(u.Address)
	if !strings.HasSuffix(key, "@"+strings.ToLower(p.options.Domain)) {
		return fmt.Errorf("not an address of %s", p.options.Domain)
	}
	if _, twice := p.passwords[key]; twice {
		return errors.New("listed twice")
	}
	box := imapmemserver.NewUser(key, u.Password)
	for _, folder := range folders {
		if err := box.Create(folder, nil); err != nil {
			return fmt.Errorf("create %s: %w", folder, err)
		}
		if err := box.Subscribe(folder); err != nil {
			return fmt.Errorf("subscribe %s: %w", folder, err)
		}
	}
	p.passwords[key] = u.Password
	p.boxes[key] = box
	return nil
}

func (p *Provider) listen(ctx context.Context, cert *Certificate) error {
	var lc net.ListenConfig
	for _, s := range []struct {
		addr  *string
		tls   bool
		serve func(net.Listener) error
	}{
		{&p.SMTPAddr, false, p.smtp.Serve},
		{&p.SMTPSAddr, true, p.smtp.Serve},
		{&p.IMAPAddr, false, p.imap.Serve},
		{&p.IMAPSAddr, true, p.imap.Serve},
	} {
		l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		*s.addr = l.Addr().String()
		p.listeners = append(p.listeners, l)
		l = p.conns.listener(l)
		if s.tls {
			l = cert.listener(l)
		}
		p.serving.Go(func() {
			if err := s.serve(l); err != nil && !errors.Is(err, net.ErrClosed) {
				p.logger.Error("sandbox listener ended", "error", err)
			}
		})
	}
	return nil
}

// Close stops the servers and cuts all connections. It may be called again.
func (p *Provider) Close() error {
	p.closeOnce.Do(func() {
		p.conns.close()
		// The servers close only the listeners that they have begun to serve.
		for _, l := range p.listeners {
			p.closeErr = errors.Join(p.closeErr, ignoreClosed(l.Close()))
		}
		p.closeErr = errors.Join(p.closeErr, ignoreClosed(p.smtp.Close()), ignoreClosed(p.imap.Close()))
		p.serving.Wait()
		p.conns.wait()
	})
	return p.closeErr
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Messages returns what was delivered into a user's INBOX, oldest first. Nil
// for someone who is no user.
func (p *Provider) Messages(user string) []Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Message(nil), p.delivered[strings.ToLower(user)]...)
}

// World returns what was accepted for recipients elsewhere, oldest first.
func (p *Provider) World() []Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Message(nil), p.world...)
}

// Accepted returns every message that was accepted, once each, oldest first.
func (p *Provider) Accepted() []Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Message(nil), p.all...)
}

// ErrNoUser says that an address of the provider's domain is no user's.
var ErrNoUser = errors.New("no such user")

// Deliver puts a message into the users' INBOXes as if it came from outside.
func (p *Provider) Deliver(from string, to []string, data []byte) error {
	for _, rcpt := range to {
		if !p.takes(rcpt) {
			return fmt.Errorf("deliver to %s: %w", rcpt, ErrNoUser)
		}
	}
	_, err := p.accept(Message{From: from, To: to, Data: data})
	return err
}

// takes reports whether mail for rcpt is accepted.
func (p *Provider) takes(rcpt string) bool {
	rcpt = strings.ToLower(rcpt)
	_, isUser := p.passwords[rcpt]
	return isUser || !strings.HasSuffix(rcpt, "@"+strings.ToLower(p.options.Domain))
}

func (p *Provider) accept(m Message) (id string, err error) {
	m.ID, m.At = strings.ToUpper(rand.Text()[:12]), time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	seen := make(map[string]bool)
	outside := false
	for _, rcpt := range m.To {
		rcpt = strings.ToLower(rcpt)
		box, isUser := p.boxes[rcpt]
		if !isUser {
			outside = true
			continue
		}
		if seen[rcpt] {
			continue
		}
		seen[rcpt] = true
		if _, err := box.Append("INBOX", newLiteral(m.Data), &imap.AppendOptions{Time: m.At}); err != nil {
			return "", fmt.Errorf("append to the INBOX of %s: %w", rcpt, err)
		}
		p.delivered[rcpt] = append(p.delivered[rcpt], m)
	}
	if outside {
		p.world = append(p.world, m)
	}
	p.all = append(p.all, m)
	p.logger.Info("message accepted", "id", m.ID, "recipients", len(m.To), "bytes", len(m.Data))
	return m.ID, nil
}
