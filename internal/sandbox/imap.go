package sandbox

import (
	"bytes"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
	"github.com/emersion/go-sasl"
)

func (p *Provider) newIMAP(cert *Certificate) *imapserver.Server {
	return imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return &imapSession{provider: p}, nil, nil
		},
		// LITERAL+ stays off, so that few clients send literals without asking first.
		Caps: imap.CapSet{
			imap.CapIMAP4rev1:    {},
			imap.CapNamespace:    {},
			imap.CapUIDPlus:      {},
			imap.CapESearch:      {},
			imap.CapListExtended: {},
			imap.CapListStatus:   {},
			imap.CapMove:         {},
			imap.CapStatusSize:   {},
			imap.CapChildren:     {},
		},
		TLSConfig:    cert.Config(),
		InsecureAuth: p.options.AllowPlaintextAuth,
		Logger:       wireLog{p.logger},
	})
}

// imapSession is one client. UserSession is nil before the login.
type imapSession struct {
	*imapmemserver.UserSession
	provider *Provider
}

var (
	_ imapserver.SessionIMAP4rev2 = (*imapSession)(nil)
	_ imapserver.SessionSASL      = (*imapSession)(nil)
)

func (s *imapSession) Login(user, password string) error {
	key := strings.ToLower(user)
	box, ok := s.provider.boxes[key]
	if !ok || s.provider.options.Token != nil {
		return imapserver.ErrAuthFailed
	}
	if err := box.Login(key, password); err != nil {
		return err
	}
	s.UserSession = imapmemserver.NewUserSession(box)
	return nil
}

func (s *imapSession) AuthenticateMechanisms() []string { return s.provider.mechanisms() }

func (s *imapSession) Authenticate(mech string) (sasl.Server, error) {
	return s.provider.authenticator(mech, func(user string) error {
		s.UserSession = imapmemserver.NewUserSession(s.provider.boxes[user])
		return nil
	}, imapserver.ErrAuthFailed)
}

// idleRound is how long a client in IDLE may wait for what came while the memory server was not listening yet.
const idleRound = 100 * time.Millisecond

// Idle tells what happens in the mailbox until stop is closed. The memory server says "+" before it listens, and tells
// nothing of what came in between; so it is asked again, in rounds.
func (s *imapSession) Idle(w *imapserver.UpdateWriter, stop <-chan struct{}) error {
	for {
		if err := s.Poll(w, true); err != nil {
			return err
		}
		round, done := make(chan struct{}), make(chan error, 1)
		go func() { done <- s.UserSession.Idle(w, round) }()
		timer := time.NewTimer(idleRound)
		ended := false
		select {
		case <-timer.C:
		case <-stop:
			ended = true
		}
		timer.Stop()
		close(round)
		if err := <-done; err != nil || ended {
			return err
		}
	}
}

// literal is a message as the memory server wants it.
type literal struct {
	*bytes.Reader
}

func newLiteral(data []byte) imap.LiteralReader { return literal{bytes.NewReader(data)} }

func (l literal) Size() int64 { return l.Reader.Size() }
