package imapd

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"heliograph/proxy/imapd/scan"
	"heliograph/proxy/upstream"
)

// maxMechanism is the longest name of a SASL mechanism (RFC 4422, 3.1), and room.
const maxMechanism = 40

// attempt is one login under way.
type attempt struct {
	*preamble
	tag     string
	mech    string // of SASL, upper case; LOGIN for the command LOGIN too
	user    string // login name, as sent
	account string // whose mailbox it is
	d       *dialogue
}

// login handles LOGIN (RFC 9051, 6.2.3), whose strings may be passwords in any form.
func (p *preamble) login(ctx context.Context, c *command) error {
	if len(c.tokens) != 2 || isList(c.tokens[0]) || isList(c.tokens[1]) {
		return p.say("%s BAD LOGIN takes a user name and a password", c.tag)
	}
	if !p.mayLogin() {
		return p.refusePlaintext(c.tag)
	}
	a := &attempt{preamble: p, tag: c.tag, mech: "LOGIN"}
	if a.named("LOGIN", c.tokens[0].value); a.user == "" {
		p.srv.metrics.login(loginRefused)
		return p.say("%s NO [AUTHENTICATIONFAILED] no mail server knows a user of that name", c.tag)
	}
	if done, err := a.signIn(ctx, func() ([]byte, error) { return bytes.Clone(c.tokens[1].value), nil }); done {
		return err
	}
	if ok, err := a.open(ctx); !ok {
		return err
	}
	if a.d.up.TLSState() == nil && p.caps.Has("LOGINDISABLED") {
		a.hangUp()
		return p.say("%s NO [PRIVACYREQUIRED] the mail server takes no password without TLS (session %s)", c.tag, p.conn.ID)
	}
	verdict, err := a.d.login(ctx, c.parts)
	return a.settle(ctx, verdict, err)
}

func isList(t token) bool { return t.kind == opening || t.kind == closing }

// named takes the user from a decoded response of a mechanism.
func (a *attempt) named(mech string, response []byte) {
	if authz, authc, ok := upstream.Username(mech, response); ok {
		a.user, a.account = authc, authz
		if a.account == "" {
			a.account = authc
		}
	}
}

// learn takes the user from a response in base64.
func (a *attempt) learn(response []byte) {
	if string(response) == "=" { // an initial response of no bytes (RFC 9051, 6.2.2)
		response = nil
	}
	b := make([]byte, base64.StdEncoding.DecodedLen(len(response)))
	defer clear(b)
	if n, err := base64.StdEncoding.Decode(b, response); err == nil { // else the upstream will say so
		a.named(a.mech, b[:n])
	}
}

// authenticate handles AUTHENTICATE (RFC 9051, 6.2.2; RFC 4959). The account is
// taken from what the client says first, which chooses the upstream; from there on
// both sides' lines pass unread.
func (p *preamble) authenticate(ctx context.Context, c *command) error {
	name, initial, has := bytes.Cut(bytes.TrimRight(c.args, " "), []byte(" "))
	mech := strings.ToUpper(string(name))
	switch {
	case !validVerb(bytes.ReplaceAll(name, []byte("_"), nil)) || len(name) > maxMechanism:
		return p.say("%s BAD AUTHENTICATE takes a mechanism", c.tag)
	case has && !isBase64(initial) && string(initial) != "=":
		return p.say("%s BAD the initial response is not base64", c.tag)
	case !p.mayLogin():
		return p.refusePlaintext(c.tag)
	case strings.HasSuffix(mech, "-PLUS"): // bound to a TLS session that ends here
		return p.say("%s NO [CANNOT] channel binding is not possible through this gateway", c.tag)
	}
	a := &attempt{preamble: p, tag: c.tag, mech: mech}
	x := &exchange{attempt: a, name: name}
	defer func() { clear(x.first); clear(x.second) }()
	if has {
		x.first, x.initial = initial, true
		a.learn(initial)
	} else if challenge, first := clientFirst(mech); first {
		if err := x.prompt(challenge); err != nil {
			return err
		}
		if string(x.first) == "*" {
			p.srv.metrics.login(loginCancelled)
			return p.say("%s BAD authentication cancelled", c.tag)
		}
	}
	done, err := a.signIn(ctx, x.passwordOf)
	if string(x.second) == "*" {
		p.srv.metrics.login(loginCancelled)
		return p.say("%s BAD authentication cancelled", c.tag)
	}
	if done {
		return err
	}
	if ok, err := a.open(ctx); !ok {
		return err
	}
	verdict, err := x.run(ctx)
	if errors.Is(err, errAnswered) {
		a.hangUp()
		return nil
	}
	return a.settle(ctx, verdict, err)
}

// clientFirst tells the mechanisms in which the client speaks first, and the
// challenge that asks it to.
func clientFirst(mech string) (challenge string, ok bool) {
	switch {
	case mech == "LOGIN":
		return base64.StdEncoding.EncodeToString([]byte("Username:")), true
	case mech == "PLAIN", mech == "XOAUTH2", mech == "OAUTHBEARER", mech == "EXTERNAL", strings.HasPrefix(mech, "SCRAM-"):
		return "", true
	}
	return "", false
}

// open finds the upstream of the user and connects, unless the user must wait. It
// reports false when the client has been answered.
func (a *attempt) open(ctx context.Context) (ok bool, err error) {
	if limited, err := a.limited(ctx); limited {
		return false, err
	}
	target, err := a.set.Router.Route(a.conn.Listener.Upstream, a.conn.SNI(), a.account)
	if err != nil {
		return false, a.unreached(err)
	}
	return a.reach(ctx, target)
}

// reach connects to an upstream. It reports false when the client has been answered.
func (a *attempt) reach(ctx context.Context, target *upstream.Upstream) (ok bool, err error) {
	a.d = newDialogue(a.preamble, a.tag)
	if err := a.d.dial(ctx, target); err != nil {
		return false, a.unreached(err)
	}
	return true, nil
}

// unreached tells the client that there is no upstream for it.
func (a *attempt) unreached(err error) error {
	a.hangUp()
	a.srv.metrics.login(loginBroken)
	a.srv.metrics.upstreamError(err)
	a.log.Warn("upstream not reached for a login", "err", err)
	var e *upstream.Error
	switch {
	case a.d != nil && a.d.bye: // the client has read the upstream's own words
		return errGoodbye
	case errors.Is(err, upstream.ErrNoUpstream):
		return a.say("%s NO [AUTHENTICATIONFAILED] no mail server is configured for this user (session %s)", a.tag, a.conn.ID)
	case errors.As(err, &e) && byeText(e.Bye) != "":
		return a.say("%s NO %s", a.tag, byeText(e.Bye))
	}
	return a.say("%s NO [UNAVAILABLE] the mail server cannot be reached now, try again later (session %s)", a.tag, a.conn.ID)
}

// byeText is what a server said with BYE, if it may stand in a line of ours.
func byeText(bye []byte) string {
	text := string(bye)
	if len(text) < 4 || !strings.EqualFold(text[:4], "BYE ") || strings.ContainsAny(text, "\x00\r\n") {
		return ""
	}
	if text = text[4:]; !strings.HasPrefix(text, "[") {
		text = "[UNAVAILABLE] " + text
	}
	return text
}

// limited answers a login that must wait because too many have failed. It never
// reaches the upstream, to which the gateway would look like an attacker.
func (a *attempt) limited(ctx context.Context) (bool, error) {
	wait, err := a.srv.opts.Failures.Check(ctx, a.conn.Client().Addr(), a.counted())
	if err != nil || wait <= 0 {
		return false, nil // the guard cannot decide: the login stands
	}
	a.srv.metrics.login(loginLimited)
	a.log.Warn("login refused before it was forwarded", "reason", "too many failures", "wait", wait.String())
	return true, a.say("%s NO [LIMIT] too many failed logins, try again in %d seconds", a.tag, int(wait.Seconds())+1)
}

// counted is the name that failures are counted for. Those that named nobody count
// for their own address, or a stranger could lock out all who log in without a name.
func (a *attempt) counted() string {
	if a.user == "" {
		return "nobody at " + a.conn.Client().Addr().String()
	}
	return a.user
}

// clientInfo is what the upstream may be told of the client.
func (s *session) clientInfo() upstream.Client {
	c := upstream.Client{Addr: s.conn.Client(), TLS: s.conn.TLSState() != nil, Session: s.conn.ID}
	if local, ok := s.conn.TCP().LocalAddr().(*net.TCPAddr); ok {
		at := local.AddrPort()
		c.Local = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	}
	return c
}

// hangUp gives the upstream up. The next login gets another connection.
func (a *attempt) hangUp() {
	if a.d != nil {
		a.d.close()
	}
	if a.up != nil {
		_ = a.up.Close()
		a.up, a.target = nil, nil
	}
}

// settle passes the upstream's last word on and counts it. It returns errLoggedIn
// when the session may begin.
func (a *attempt) settle(ctx context.Context, v answer, err error) error {
	var broken *upstreamError
	switch {
	case errors.As(err, &broken):
		return a.lost(broken)
	case err != nil: // it is the client that is gone, or wrong
		a.hangUp()
		return err
	case v.status != scan.StatusOK:
		return a.refused(ctx, v)
	}
	if a.target.NeedsID() {
		if err := a.d.tellID(ctx); err != nil {
			return a.lost(err)
		}
	}
	a.session.account = upstream.Account(a.account, "")
	if a.session.account == "" {
		a.session.account = unknownAccount // a mechanism that hides its user, such as GSSAPI
	}
	a.count(a.srv.opts.Failures.Succeeded(ctx, a.conn.Client().Addr(), a.counted()))
	a.srv.metrics.login(loginOK)
	a.session.log = a.log.With("account", a.session.account, "upstream", a.target.Name())
	a.log.Info("logged in", "mechanism", a.mech)
	if a.upBuffered, err = a.d.release(); err != nil {
		return err
	}
	if err := a.pass(hideCapabilities(v.line)); err != nil {
		return err
	}
	return errLoggedIn
}

// lost answers a client whose login the upstream left without an answer.
func (a *attempt) lost(err error) error {
	said := a.d.bye
	a.hangUp()
	a.srv.metrics.login(loginBroken)
	a.srv.metrics.upstreamError(err)
	a.log.Warn("login without an answer of the upstream", "err", err)
	if said { // the client has read the upstream's own words
		return errGoodbye
	}
	return a.say("%s NO [UNAVAILABLE] the mail server did not answer the login, try again later (session %s)", a.tag, a.conn.ID)
}

// noGuess are the response codes of a NO that says nothing of the password
// (RFC 9051, 7.1; RFC 2221).
var noGuess = map[string]bool{
	"UNAVAILABLE": true, "INUSE": true, "LIMIT": true, "SERVERBUG": true, "CONTACTADMIN": true,
	"PRIVACYREQUIRED": true, "CANNOT": true, "REFERRAL": true, "CLIENTBUG": true,
}

// refused passes a refusal of the upstream on.
func (a *attempt) refused(ctx context.Context, v answer) error {
	outcome := loginTemporary
	if v.status == scan.StatusNo && !noGuess[v.code] {
		outcome = loginRefused
		a.failures++
		a.count(a.srv.opts.Failures.Failed(ctx, a.conn.Client().Addr(), a.counted()))
	}
	said := a.d.bye
	a.hangUp()
	a.srv.metrics.login(outcome)
	a.log.Info("login refused by the upstream", "mechanism", a.mech, "status", v.status)
	if err := a.pass(hideCapabilities(v.line)); err != nil {
		return err
	}
	if said {
		return errGoodbye
	}
	if a.failures >= maxAuthFailures {
		_ = a.say("* BYE too many failed logins")
		return fmt.Errorf("%d failed logins", a.failures)
	}
	return nil
}

// count reports that the login guard could not count: the login stands all the same.
func (a *attempt) count(err error) {
	if err != nil {
		a.log.Warn("login not counted", "err", err)
	}
}
