package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"

	"heliograph/config"
)

// SMTPConn is a connection to an upstream that is past greeting, TLS and EHLO.
// The next byte that the server sends is unread: a front may put its own buffer
// on it, after the bytes in Buffered.
type SMTPConn struct {
	net.Conn
	Ext      Extensions
	Greeting string // text of the server's greeting
	Buffered []byte // bytes that the server sent unasked; normally empty

	key  poolKey // of DialAuthenticated; zero otherwise
	idle *time.Timer
}

// TLSState returns the state of the encryption towards the upstream, nil for a
// plain connection.
func (c *SMTPConn) TLSState() *tls.ConnectionState { return tlsState(c.Conn) }

// maxHelo bounds the name that a client may give for EHLO: the longest domain
// is 255 octets (RFC 5321, 4.5.3.1.2).
const maxHelo = 255

// DialSMTP opens a connection and brings it to where a transaction or AUTH may
// begin. Errors are of type *Error. The time-out of the upstream's section
// bounds it all; on the connection that is returned there is no deadline.
func (u *Upstream) DialSMTP(ctx context.Context, c Client) (*SMTPConn, error) {
	var conn *SMTPConn
	err := u.dial(ctx, &u.smtp, c, func(ctx context.Context, s *session) (err error) {
		conn, err = s.open(ctx, c)
		return err
	})
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// open speaks SMTP up to the point where a transaction may begin.
func (s *session) open(ctx context.Context, c Client) (*SMTPConn, error) {
	conn := &SMTPConn{}
	greeting, err := s.greeting(ctx)
	if err != nil {
		return nil, err
	}
	conn.Greeting = greeting
	helo := c.Helo
	if !validHelo(helo) {
		helo = s.u.router.hostname
	}
	ext, esmtp, err := s.hello(ctx, helo)
	if err != nil {
		return nil, err
	}
	if s.e.cfg.TLS == config.TLSStartTLS {
		if err := s.startTLS(ctx, ext); err != nil {
			return nil, err
		}
		// What was said in the clear is forgotten (RFC 3207, 4.2).
		if ext, esmtp, err = s.hello(ctx, helo); err != nil {
			return nil, err
		}
	}
	told := false
	if s.e.cfg.ForwardClient == config.ForwardXCLIENT && c.Addr.IsValid() {
		if told, err = s.xclient(ctx, c, ext); err != nil {
			return nil, err
		}
	}
	if told {
		// XCLIENT takes the session back to its greeting.
		if conn.Greeting, err = s.greeting(ctx); err != nil {
			return nil, err
		}
		if ext, esmtp, err = s.hello(ctx, helo); err != nil {
			return nil, err
		}
	}
	if esmtp && s.e.cfg.ForwardClient != config.ForwardXCLIENT && s.e.cfg.ForwardClient != config.ForwardPROXY {
		s.u.ext.learnt(ext)
	}
	conn.Conn, conn.Ext = s.conn, ext
	conn.Buffered = s.buffered()
	return conn, nil
}

func (s *session) greeting(ctx context.Context) (string, error) {
	reply, err := s.read(ctx, "read greeting")
	if err != nil {
		return "", err
	}
	if reply.Code != 220 {
		return "", s.u.refusedBy(s.e, reply, "the connection")
	}
	return reply.Text(), nil
}

// hello says EHLO, or HELO to a server that does not know EHLO
// (RFC 5321, 4.1.4); esmtp tells which.
func (s *session) hello(ctx context.Context, name string) (ext Extensions, esmtp bool, err error) {
	reply, err := s.command(ctx, "EHLO", "EHLO "+name)
	if err != nil {
		return Extensions{}, false, err
	}
	if reply.Code == 250 {
		return extensionsOf(reply), true, nil
	}
	if !reply.Permanent() {
		return Extensions{}, false, s.u.refusedBy(s.e, reply, "EHLO")
	}
	if reply, err = s.command(ctx, "HELO", "HELO "+name); err != nil {
		return Extensions{}, false, err
	}
	if reply.Code != 250 {
		return Extensions{}, false, s.u.refusedBy(s.e, reply, "HELO")
	}
	return Extensions{Domain: extensionsOf(reply).Domain}, false, nil
}

// startTLS upgrades the connection or fails; there is no third way.
func (s *session) startTLS(ctx context.Context, ext Extensions) error {
	if !ext.Has("STARTTLS") {
		return s.u.fail(s.e, ClassTLS, errNoSTARTTLS)
	}
	reply, err := s.command(ctx, "STARTTLS", "STARTTLS")
	if err != nil {
		return err
	}
	if reply.Code != 220 {
		out := s.u.fail(s.e, ClassTLS, errors.New("STARTTLS was refused"))
		// The client did not ask for TLS to the upstream: a 5xx is not for its mail.
		if reply.Temporary() {
			out.Reply = &reply
		}
		return out
	}
	if s.br.Buffered() > 0 {
		return s.u.fail(s.e, ClassTLS, errInjection)
	}
	return s.handshake(ctx)
}

// command sends one line and reads its reply. Errors name the verb and never
// the line, which may be a secret.
func (s *session) command(ctx context.Context, verb, line string) (Reply, error) {
	if _, err := io.WriteString(s.conn, line+"\r\n"); err != nil {
		return Reply{}, s.u.broken(ctx, s.e, "send "+verb, err)
	}
	return s.read(ctx, verb)
}

func (s *session) read(ctx context.Context, doing string) (Reply, error) {
	reply, err := ReadReply(s.br)
	if err != nil {
		return Reply{}, s.u.broken(ctx, s.e, doing, err)
	}
	return reply, nil
}

// validHelo reports whether a client's name may be repeated in a command line.
func validHelo(name string) bool {
	if name == "" || len(name) > maxHelo {
		return false
	}
	for i := range len(name) {
		if name[i] <= ' ' || name[i] > '~' {
			return false
		}
	}
	return true
}
