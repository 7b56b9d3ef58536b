package imapd

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"heliograph/config"
	"heliograph/internal/accounts"
	"heliograph/proxy/imapd/scan"
	"heliograph/proxy/upstream"
)

// signIn serves a client that says a gateway password: the password is checked here, and the gateway signs in at the upstream with what the
// account's owner gave it. It reports false for all other logins, which pass through.
func (a *attempt) signIn(ctx context.Context, password func() ([]byte, error)) (done bool, err error) {
	target, err := a.set.Router.Route(a.conn.Listener.Upstream, a.conn.SNI(), a.account)
	if err != nil || a.user == "" || a.account != a.user || !target.TakesPasswords(a.mech) {
		return false, nil
	}
	said, err := password()
	defer clear(said)
	if err != nil || !accounts.IsPassword(said) {
		return err != nil, err
	}
	if limited, err := a.limited(ctx); limited {
		return true, err
	}
	account, err := target.Enrolled(ctx, a.user, said)
	switch {
	case errors.Is(err, accounts.ErrPassword):
		line := fmt.Appendf(nil, "%s NO [AUTHENTICATIONFAILED] the gateway password is wrong, or this account is not enrolled\r\n", a.tag)
		a.d = newDialogue(a.preamble, a.tag)
		return true, a.refused(ctx, answer{status: scan.StatusNo, code: "AUTHENTICATIONFAILED", line: line})
	case err != nil:
		a.srv.metrics.login(loginBroken)
		a.log.Warn("an enrolled account cannot be looked up", "err", err)
		return true, a.say("%s NO [UNAVAILABLE] the gateway cannot check this login now, try again later (session %s)", a.tag, a.conn.ID)
	case account == nil:
		return false, nil
	}
	return true, a.asEnrolled(ctx, target, account)
}

// passwordOf returns the password in the client's responses of an AUTHENTICATE; for that of LOGIN it has to ask.
func (x *exchange) passwordOf() ([]byte, error) {
	response := x.first
	if x.mech == "LOGIN" {
		if err := x.say("+ %s", base64.StdEncoding.EncodeToString([]byte("Password:"))); err != nil {
			return nil, err
		}
		var err error
		if x.second, err = x.response(); err != nil {
			return nil, err
		}
		response = x.second
	}
	b := make([]byte, base64.StdEncoding.DecodedLen(len(response)))
	n, err := base64.StdEncoding.Decode(b, response)
	if err != nil {
		clear(b)
		return nil, nil // the upstream will say so
	}
	b = b[:n]
	if x.mech == "PLAIN" {
		defer clear(b)
		return bytes.Clone(b[bytes.LastIndexByte(b, 0)+1:]), nil
	}
	return b, nil
}

// asEnrolled signs an account in at the upstream. A token that was withdrawn before its time is replaced once.
func (a *attempt) asEnrolled(ctx context.Context, target *upstream.Upstream, account *accounts.Account) error {
	for try := 0; ; try++ {
		credential, err := account.Credential(ctx)
		if err != nil {
			text, temporary := upstream.SignInTrouble(account.Address, err)
			return a.stuck(text, temporary, err)
		}
		if ok, err := a.reach(ctx, target); !ok {
			return err
		}
		v, failure, err := a.prove(ctx, credential)
		var unable *upstream.Error
		switch {
		case errors.As(err, &unable):
			a.hangUp()
			return a.stuck("the provider offers no way to sign in with what is stored of this account", false, err)
		case err != nil:
			return a.settle(ctx, v, err)
		case v.status == scan.StatusOK:
			credential.Accept()
			return a.settle(ctx, v, nil)
		case v.status != scan.StatusNo || noGuess[v.code] || notConnected(v.line):
			return a.letDown(v)
		}
		a.hangUp()
		credential.Reject(ctx)
		if try == 0 && credential.OAuth() {
			continue
		}
		return a.stuck(upstream.RefusedGrant(account.Address, credential, failure), false, fmt.Errorf("the upstream said %.200q", bytes.TrimSpace(v.line)))
	}
}

// notConnected tells Outlook's answer to a good token whose mailbox it does not open: IMAP is switched off there, a permission is missing,
// or it is busy. Another token helps nothing.
func notConnected(line []byte) bool {
	return bytes.Contains(bytes.ToLower(line), []byte("authenticated but not connected"))
}

// letDown passes a refusal on that says nothing of the grant.
func (a *attempt) letDown(v answer) error {
	said := a.d.bye
	a.hangUp()
	a.srv.metrics.login(loginTemporary)
	a.log.Warn("an enrolled account is not let in", "account", upstream.Account(a.account, ""), "status", v.status, "code", v.code)
	if err := a.pass(hideCapabilities(v.line)); err != nil {
		return err
	}
	if said {
		return errGoodbye
	}
	return nil
}

// stuck answers a login whose password was right, so that it counts as no guess.
func (a *attempt) stuck(text string, temporary bool, err error) error {
	a.log.Warn("an enrolled account cannot sign in", "account", upstream.Account(a.account, ""), "err", err)
	if temporary {
		a.srv.metrics.login(loginTemporary)
		return a.say("%s NO [UNAVAILABLE] %s (session %s)", a.tag, text, a.conn.ID)
	}
	a.srv.metrics.login(loginRefused)
	if err := a.say("%s NO [AUTHENTICATIONFAILED] %s", a.tag, text); err != nil {
		return err
	}
	if a.failures++; a.failures >= maxAuthFailures {
		_ = a.say("* BYE too many failed logins")
		return fmt.Errorf("%d failed logins", a.failures)
	}
	return nil
}

// prove shows a credential to the upstream and returns its last word.
func (a *attempt) prove(ctx context.Context, c accounts.Credential) (v answer, failure upstream.Failure, err error) {
	proof, err := a.target.Prove(c, a.caps.Mechanisms(), config.ProtocolIMAP)
	if err != nil && !c.OAuth() && !a.caps.Has("LOGINDISABLED") && quotable([]byte(c.User)) && quotable([]byte(c.Password)) {
		v, err = a.sendLogin(ctx, c) // NetEase lists no mechanism for passwords
		return v, failure, err
	}
	if err != nil {
		return v, failure, err
	}
	defer proof.Wipe()
	rest := proof.Responses[1:]
	x := &exchange{attempt: a, name: []byte(proof.Mechanism), first: proof.Responses[0], initial: proof.Initial() != nil}
	v, _, err = x.begin(ctx)
	for range maxAuthRounds {
		if err != nil || v.status != continuation {
			return v, failure, err
		}
		var next []byte // empty: the end of an exchange in which the server told why it refuses (RFC 7628, 3.2.3)
		if len(rest) > 0 {
			next, rest = rest[0], rest[1:]
		} else if f, ok := upstream.ParseFailure([]byte(strings.TrimPrefix(string(v.line), "+"))); ok {
			failure = f
		}
		v, err = x.send(ctx, next)
	}
	return v, failure, &upstreamError{errContinuation}
}

// sendLogin shows a password by the command LOGIN (RFC 9051, 6.2.3).
func (a *attempt) sendLogin(ctx context.Context, c accounts.Credential) (answer, error) {
	line := scan.AppendQuoted(fmt.Appendf(nil, "%s LOGIN ", a.tag), []byte(c.User))
	line = append(scan.AppendQuoted(append(line, ' '), []byte(c.Password)), "\r\n"...)
	defer clear(line)
	v, err := a.d.ask(ctx, line)
	if err == nil && v.status == continuation {
		err = &upstreamError{errContinuation}
	}
	return v, err
}
