package upstream

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"heliograph/config"
	"heliograph/internal/accounts"
)

// dialAuthenticated logs a fixed identity in: with its own password, or for an enrolled account with what it gave us.
func (u *Upstream) dialAuthenticated(ctx context.Context, c Client, user string, password config.Secret) (*SMTPConn, error) {
	account, err := u.Enrolled(ctx, user, []byte(password.Reveal()))
	if err != nil {
		return nil, u.fail(&u.smtp, ClassAuth, err)
	}
	if account == nil {
		return u.dialLogin(ctx, c, func(ctx context.Context, s *session, conn *SMTPConn) error { return s.login(ctx, conn, user, password) })
	}
	for try := 0; ; try++ {
		credential, err := account.Credential(ctx)
		if err != nil {
			return nil, u.fail(&u.smtp, ClassAuth, err)
		}
		conn, err := u.dialLogin(ctx, c, func(ctx context.Context, s *session, conn *SMTPConn) error { return s.signIn(ctx, conn, credential) })
		var e *Error
		switch refused := errors.As(err, &e) && e.Class == ClassAuth && e.Reply != nil && e.Reply.Permanent(); {
		case err == nil:
			credential.Accept()
			return conn, nil
		case refused:
			credential.Reject(ctx)
			if try == 0 && credential.OAuth() { // it may have been withdrawn before its time
				continue
			}
		}
		return nil, err
	}
}

func (u *Upstream) dialLogin(ctx context.Context, c Client, login func(context.Context, *session, *SMTPConn) error) (*SMTPConn, error) {
	conn, err := u.DialSMTP(ctx, c)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, u.smtp.timeout, errTimeout)
	defer cancel()
	done := guard(ctx, conn)
	s := &session{u: u, e: &u.smtp, conn: conn.Conn, br: bufio.NewReader(conn.Conn)}
	err = login(ctx, s, conn)
	if late := done(); err == nil && late != nil {
		err = u.broken(ctx, &u.smtp, "AUTH", late)
	}
	if err == nil && s.br.Buffered() > 0 {
		err = u.fail(&u.smtp, ClassProtocol, errors.New("bytes behind the reply to AUTH"))
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// login proves the fixed identity with the first of PLAIN and LOGIN that the
// server offers.
func (s *session) login(ctx context.Context, conn *SMTPConn, user string, password config.Secret) error {
	if conn.TLSState() == nil && s.e.cfg.TLS != config.TLSNone {
		return s.u.fail(s.e, ClassAuth, errPlaintext)
	}
	encode := base64.StdEncoding.EncodeToString
	mechanisms := conn.Ext.Mechanisms()
	switch {
	case slices.Contains(mechanisms, "PLAIN"): // RFC 4616
		return s.auth(ctx, "AUTH PLAIN "+encode([]byte("\x00"+user+"\x00"+password.Reveal())))
	case slices.Contains(mechanisms, "LOGIN"):
		return s.auth(ctx, "AUTH LOGIN", encode([]byte(user)), encode([]byte(password.Reveal())))
	default:
		return s.u.fail(s.e, ClassAuth, errMechanism)
	}
}

// signIn shows a credential of an enrolled account.
func (s *session) signIn(ctx context.Context, conn *SMTPConn, c accounts.Credential) error {
	if conn.TLSState() == nil && s.e.cfg.TLS != config.TLSNone {
		return s.u.fail(s.e, ClassAuth, errPlaintext)
	}
	proof, err := s.u.Prove(c, conn.Ext.Mechanisms(), config.ProtocolSMTP)
	if err != nil {
		return err
	}
	defer proof.Wipe()
	steps := []string{"AUTH " + proof.Mechanism}
	rest := proof.Responses
	if initial := proof.Initial(); initial != nil {
		steps[0] += " " + string(initial)
		rest = rest[1:]
	}
	for _, r := range rest {
		steps = append(steps, string(r))
	}
	if c.OAuth() {
		steps = append(steps, "") // ends an exchange in which the server tells why it refuses (RFC 7628, 3.2.3)
	}
	return s.auth(ctx, steps...)
}

// auth sends the steps of a SASL exchange, each after a 334 (RFC 4954, 4).
func (s *session) auth(ctx context.Context, steps ...string) error {
	for i, step := range steps {
		reply, err := s.command(ctx, "AUTH", step)
		switch {
		case err != nil:
			return err
		case reply.Code == 235 && (i == len(steps)-1 || steps[i+1] == ""):
			return nil
		case reply.Code == 334 && i < len(steps)-1:
		case reply.Temporary() || reply.Permanent():
			out := s.u.fail(s.e, ClassAuth, fmt.Errorf("the login was refused with %d", reply.Code))
			out.Reply = &reply
			return out
		default:
			return s.u.fail(s.e, ClassProtocol, fmt.Errorf("unexpected code %d to AUTH", reply.Code))
		}
	}
	return nil
}
