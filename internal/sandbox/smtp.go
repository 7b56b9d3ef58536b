package sandbox

import (
	"bytes"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// smtpTimeout is what RFC 5321, 4.5.3.2 wants of a server.
const smtpTimeout = 5 * time.Minute

func (p *Provider) newSMTP(cert *Certificate) *smtp.Server {
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		return &smtpSession{provider: p}, nil
	}))
	s.Domain = "localhost"
	s.TLSConfig = cert.Config()
	s.AllowInsecureAuth = p.options.AllowPlaintextAuth
	s.MaxMessageBytes = p.options.MessageBytes
	s.MaxRecipients = 100
	s.ReadTimeout = smtpTimeout
	s.WriteTimeout = smtpTimeout
	s.EnableSMTPUTF8 = true
	s.EnableBINARYMIME = true
	s.EnableDSN = true
	s.ErrorLog = wireLog{p.logger}
	return s
}

// smtpSession is one client. BDAT runs Data beside the other methods, hence the lock.
type smtpSession struct {
	provider *Provider
	user     string

	mu     sync.Mutex // guards all below
	from   string
	to     []string
	binary bool
}

var _ smtp.AuthSession = (*smtpSession)(nil)

func (s *smtpSession) AuthMechanisms() []string { return s.provider.mechanisms() }

func (s *smtpSession) Auth(mech string) (sasl.Server, error) {
	return s.provider.authenticator(mech, func(user string) error {
		s.user = user
		return nil
	}, smtp.ErrAuthFailed)
}

func (s *smtpSession) Mail(from string, o *smtp.MailOptions) error {
	if s.user == "" {
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "Authentication required"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.from, s.binary = from, o != nil && o.Body == smtp.BodyBinaryMIME
	return nil
}

func (s *smtpSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if !s.provider.takes(to) {
		return &smtp.SMTPError{
			Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1},
			Message: fmt.Sprintf("<%s>: Recipient address rejected: User unknown", to),
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.to = append(s.to, to)
	return nil
}

func (s *smtpSession) Data(r io.Reader) error {
	s.mu.Lock()
	m := Message{User: s.user, From: s.from, To: append([]string(nil), s.to...)}
	binary := s.binary
	s.mu.Unlock()

	data, err := io.ReadAll(r) // the server bounds it by MaxMessageBytes
	if err != nil {
		return err // the library's own, with the code for the client
	}
	if !binary && bareLine(data) {
		// RFC 5321, 2.3.8: CR and LF only together. A gateway must not pass them on.
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 5, 2}, Message: "Bare CR or LF in the message"}
	}
	m.Data = data
	id, err := s.provider.accept(m)
	if err != nil {
		s.provider.logger.Error("message not stored", "error", err)
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "Local error"}
	}
	// The library takes a reply of any code for an error.
	return &smtp.SMTPError{Code: 250, EnhancedCode: smtp.EnhancedCode{2, 0, 0}, Message: "Ok: queued as " + id}
}

func (s *smtpSession) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.from, s.to, s.binary = "", nil, false
}

func (s *smtpSession) Logout() error { return nil }

// bareLine reports a CR or LF that is not part of a CRLF.
func bareLine(data []byte) bool {
	pairs := bytes.Count(data, []byte("\r\n"))
	return bytes.Count(data, []byte("\r")) != pairs || bytes.Count(data, []byte("\n")) != pairs
}

// authenticator returns the server side of a mechanism. then is called with the
// user's key on success; denied is the error of a wrong user or password.
func (p *Provider) authenticator(mech string, then func(user string) error, denied error) (sasl.Server, error) {
	check := func(user, password string) error {
		key := strings.ToLower(user)
		want, known := p.passwords[key]
		if same := subtle.ConstantTimeCompare([]byte(want), []byte(password)) == 1; !same || !known {
			return denied
		}
		return then(key)
	}
	switch {
	case !slices.Contains(p.mechanisms(), mech):
		return nil, smtp.ErrAuthUnknownMechanism
	case mech == mechXOAUTH2:
		return &xoauth2Server{check: func(user, token string) error {
			if key := strings.ToLower(user); p.boxes[key] != nil && p.options.Token(key, token) {
				return then(key)
			}
			return denied
		}}, nil
	case mech == sasl.Plain:
		return sasl.NewPlainServer(func(identity, user, password string) error {
			if identity != "" && !strings.EqualFold(identity, user) {
				return denied
			}
			return check(user, password)
		}), nil
	default:
		return &loginServer{check: check}, nil
	}
}

// loginServer is the server side of LOGIN, which has no RFC.
type loginServer struct {
	check func(user, password string) error
	step  int
	user  string
}

func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	l.step++
	switch {
	case l.step == 1 && response == nil:
		return []byte("Username:"), false, nil
	case l.step == 1, l.step == 2 && l.user == "":
		l.step, l.user = 2, string(response)
		return []byte("Password:"), false, nil
	case l.step == 3:
		return nil, true, l.check(l.user, string(response))
	default:
		return nil, false, errors.New("unexpected client response")
	}
}

// wireLog takes the libraries' log lines, which are about single connections.
type wireLog struct{ logger *slog.Logger }

func (w wireLog) Printf(format string, v ...any) {
	w.logger.Debug("sandbox connection", "detail", fmt.Sprintf(format, v...))
}

func (w wireLog) Println(v ...any) {
	w.logger.Debug("sandbox connection", "detail", fmt.Sprint(v...))
}
