package upstream

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"heliograph/config"
)

func (u *Upstream) dialAuthenticated(ctx context.Context, c Client, user string, password config.Secret) (*SMTPConn, error) {
	conn, err := u.DialSMTP(ctx, c)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, u.smtp.timeout, errTimeout)
	defer cancel()
	done := guard(ctx, conn)
	s := &session{u: u, e: &u.smtp, conn: conn.Conn, br: bufio.NewReader(conn.Conn)}
	err = s.login(ctx, conn, user, password)
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

// auth sends the steps of a SASL exchange, each after a 334 (RFC 4954, 4).
func (s *session) auth(ctx context.Context, steps ...string) error {
	for i, step := range steps {
		reply, err := s.command(ctx, "AUTH", step)
		switch {
		case err != nil:
			return err
		case reply.Code == 235 && i == len(steps)-1:
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
