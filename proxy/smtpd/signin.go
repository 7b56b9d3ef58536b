package smtpd

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"

	"heliograph/config"
	"heliograph/internal/accounts"
	"heliograph/proxy/upstream"
)

// signIn serves a client that says a gateway password: the password is checked here, and the gateway signs in at the upstream with what the
// account's owner gave it. It reports false for all other logins, which pass through. What LOGIN needed to find out is kept in x.second.
func (x *exchange) signIn(ctx context.Context) (done bool, err error) {
	s := x.s
	target, err := s.set.Router.Route(s.conn.Listener.Upstream, s.conn.SNI(), x.account)
	if err != nil || x.user == "" || x.account != x.user || !target.TakesPasswords(x.mech) {
		return false, nil
	}
	password, err := x.password()
	defer clear(password)
	if err != nil {
		if errors.Is(err, errCancelled) {
			err = s.say("501 5.0.0 authentication cancelled")
		}
		return true, err
	}
	account, err := target.Enrolled(ctx, x.user, password)
	switch {
	case errors.Is(err, accounts.ErrPassword):
		return true, x.settle(ctx, ownReply(535, "5.7.8", "the gateway password is wrong, or this account is not enrolled"))
	case err != nil:
		s.srv.metrics.login("upstream_error")
		s.log.Warn("an enrolled account cannot be looked up", "err", err)
		return true, s.say("454 4.3.0 the gateway cannot check this login now, try again later (session %s)", s.conn.ID)
	case account == nil:
		return false, nil
	}
	return true, x.asEnrolled(ctx, account)
}

// password returns the password of the exchange, for which LOGIN has to ask.
func (x *exchange) password() ([]byte, error) {
	if x.mech == "PLAIN" {
		b := make([]byte, base64.StdEncoding.DecodedLen(len(x.response)))
		defer clear(b)
		n, err := base64.StdEncoding.Decode(b, x.response)
		if err != nil {
			return nil, nil
		}
		return bytes.Clone(b[bytes.LastIndexByte(b[:n], 0)+1 : n]), nil
	}
	if err := x.s.say("334 %s", base64.StdEncoding.EncodeToString([]byte("Password:"))); err != nil {
		return nil, err
	}
	l, err := x.s.in.readLine(maxAuthLine)
	if err != nil {
		return nil, err
	}
	x.second = bytes.Clone(l)
	x.s.in.wipe(len(l))
	text := bytes.TrimRight(x.second, "\r\n")
	if string(text) == "*" {
		return nil, errCancelled
	}
	b := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(b, text)
	if err != nil {
		return nil, nil // the upstream will say so
	}
	return b[:n], nil
}

// ownReply is a reply of the gateway's in the place of the upstream's.
func ownReply(code int, enhanced, text string) upstream.Reply {
	return upstream.Reply{Code: code, Raw: fmt.Appendf(nil, "%d %s %s\r\n", code, enhanced, text)}
}

// asEnrolled signs an account in at the upstream. A token that was withdrawn before its time is replaced once.
func (x *exchange) asEnrolled(ctx context.Context, account *accounts.Account) error {
	s := x.s
	for try := 0; ; try++ {
		credential, err := account.Credential(ctx)
		if err != nil {
			text, temporary := upstream.SignInTrouble(account.Address, err)
			return x.stuck(text, temporary, err)
		}
		if done, err := x.reach(ctx); done {
			return err
		}
		reply, failure, err := x.prove(credential)
		var refused *upstream.Error
		switch {
		case errors.As(err, &refused):
			x.hangUp()
			return x.stuck("the provider offers no way to sign in with what is stored of this account", false, err)
		case err != nil:
			s.srv.metrics.login("upstream_error")
			_ = s.say("421 4.4.2 the connection to the mail server was lost during login (session %s)", s.conn.ID)
			return fmt.Errorf("sign in: %w", err)
		case reply.Code == 235:
			credential.Accept()
			return x.settle(ctx, reply)
		case !reply.Permanent(): // its own words say when to come again
			x.hangUp()
			return x.settle(ctx, reply)
		}
		x.hangUp()
		credential.Reject(ctx)
		if try == 0 && credential.OAuth() {
			continue
		}
		return x.stuck(upstream.RefusedGrant(account.Address, credential, failure), false, fmt.Errorf("code %d: %.200q", reply.Code, reply.Text()))
	}
}

// hangUp gives the upstream up. The next login gets another connection.
func (x *exchange) hangUp() {
	if x.s.up != nil {
		_ = x.s.up.Close()
		x.s.up = nil
	}
}

// stuck answers a login whose password was right, so that it counts as no guess.
func (x *exchange) stuck(text string, temporary bool, err error) error {
	s := x.s
	s.log.Warn("an enrolled account cannot sign in", "account", upstream.Account(x.account, ""), "err", err)
	if temporary {
		s.srv.metrics.login("temporary")
		return s.say("454 4.7.0 %s (session %s)", text, s.conn.ID)
	}
	s.srv.metrics.login("refused")
	if s.failures++; s.failures >= maxAuthFailures {
		_ = s.say("421 4.7.0 %s", text)
		return errors.New("login failed")
	}
	return s.say("535 5.7.8 %s", text)
}

// prove shows a credential to the upstream and returns its last word.
func (x *exchange) prove(c accounts.Credential) (reply upstream.Reply, failure upstream.Failure, err error) {
	s := x.s
	proof, err := s.target.Prove(c, s.up.Ext.Mechanisms(), config.ProtocolSMTP)
	if err != nil {
		return reply, failure, err
	}
	defer proof.Wipe()
	ask := func(parts ...[]byte) (upstream.Reply, error) {
		l := append(bytes.Join(parts, []byte(" ")), "\r\n"...)
		defer clear(l)
		_ = s.up.SetDeadline(time.Now().Add(authTimeout))
		defer func() { _ = s.up.SetDeadline(time.Time{}) }()
		if _, err := s.up.Write(l); err != nil {
			return upstream.Reply{}, err
		}
		return upstream.ReadReply(s.upIn)
	}
	first, rest := [][]byte{[]byte("AUTH"), []byte(proof.Mechanism)}, slices.Clone(proof.Responses)
	if initial := proof.Initial(); initial != nil {
		first, rest = append(first, initial), rest[1:]
	}
	if reply, err = ask(first...); err != nil {
		return reply, failure, err
	}
	for range maxAuthRounds {
		if reply.Code != 334 {
			return reply, failure, nil
		}
		var next []byte // empty: the end of an exchange in which the server told why it refuses (RFC 7628, 3.2.3)
		if len(rest) > 0 {
			next, rest = rest[0], rest[1:]
		} else if f, ok := upstream.ParseFailure([]byte(reply.Text())); ok {
			failure = f
		}
		if reply, err = ask(next); err != nil {
			return reply, failure, err
		}
	}
	return reply, failure, errors.New("login takes too many rounds")
}
