package customerbox

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"strings"

	"heliograph/proxy/upstream"
)

const (
	// maxLoginCommands bounds what a client may say before it has logged in.
	maxLoginCommands = 20
	// maxLoginFailures ends a connection that guesses; the guard over all connections is limit.Failures.
	maxLoginFailures = 3
)

// capabilities are those after the login: what imapserver and the front can do. UTF8=ACCEPT is not among them, see feed.
const capabilities = "IMAP4rev1 SASL-IR LITERAL- UNSELECT IDLE NAMESPACE ESEARCH LIST-EXTENDED LIST-STATUS CHILDREN ID"

var (
	errGone     = errors.New("logged out")
	errCommands = errors.New("too many commands before the login")
)

// mayLogin tells whether a password may be sent as the connection is now.
func (f *front) mayLogin() bool {
	return f.conn.TLSState() != nil || f.conn.Listener.AllowPlaintextAuth
}

// offers are the capabilities before the login.
func (f *front) offers() string {
	offers := "IMAP4rev1 SASL-IR LITERAL- ID"
	if f.conn.CanStartTLS() {
		offers += " STARTTLS"
	}
	if f.mayLogin() {
		return offers + " AUTH=PLAIN"
	}
	return offers + " LOGINDISABLED"
}

// login serves the client until it has logged in, which a nil error says.
func (f *front) login(ctx context.Context) error {
	if err := f.say("* OK [CAPABILITY %s] customer mailboxes ready", f.offers()); err != nil {
		return err
	}
	failures := 0
	for range maxLoginCommands {
		c, err := f.next(loginPatience)
		if err != nil {
			f.farewell(err)
			return err
		}
		done, err := f.preLogin(ctx, c)
		clear(c.line)
		if done || err != nil && !errors.Is(err, errRefused) {
			return err
		}
		if err != nil {
			failures++
		}
		if failures >= maxLoginFailures {
			_ = f.say("* BYE too many failed logins")
			return err
		}
	}
	_ = f.say("* BYE %s", errCommands)
	return errCommands
}

// preLogin carries out one command.
func (f *front) preLogin(ctx context.Context, c command) (done bool, err error) {
	switch c.verb {
	case "CAPABILITY":
		return false, f.say("* CAPABILITY %s\r\n%s OK CAPABILITY completed", f.offers(), c.tag)
	case "ID":
		return false, f.say("* ID NIL\r\n%s OK ID completed", c.tag)
	case "NOOP":
		return false, f.say("%s OK NOOP completed", c.tag)
	case "LOGOUT":
		_ = f.say("* BYE see you\r\n%s OK LOGOUT completed", c.tag)
		return false, errGone
	case "STARTTLS":
		return false, f.startTLS(ctx, c)
	case "LOGIN", "AUTHENTICATE":
		user, password, err := f.credentials(c)
		defer clear(password)
		if err != nil || user == "" {
			return false, err
		}
		err = f.enter(ctx, c.tag, user, password)
		return err == nil, err
	default:
		return false, f.say("%s BAD log in first", c.tag)
	}
}

// startTLS begins encryption. What the client sent behind the command is refused with it (RFC 9051, 6.2.1): it
// was sent in the clear, and may be an attacker's.
func (f *front) startTLS(ctx context.Context, c command) error {
	switch {
	case !f.conn.CanStartTLS() || len(c.line) != c.args:
		return f.say("%s BAD STARTTLS is not possible here", c.tag)
	case f.in.r < f.in.w:
		_ = f.say("%s BAD nothing may follow STARTTLS\r\n* BYE closing", c.tag)
		return errors.New("bytes behind STARTTLS")
	}
	if err := f.say("%s OK begin TLS now", c.tag); err != nil {
		return err
	}
	if err := f.conn.StartTLS(ctx); err != nil {
		return err
	}
	f.in = newInput(f.conn.Conn)
	return nil
}

// credentials reads user and password. Where they are none, the client has its answer and user is empty.
func (f *front) credentials(c command) (user string, password []byte, err error) {
	if !f.mayLogin() {
		f.srv.metrics.login("plaintext")
		return "", nil, f.say("%s NO [PRIVACYREQUIRED] passwords are taken under TLS only", c.tag)
	}
	args, ok := c.strings()
	if c.verb == "LOGIN" {
		if !ok || len(args) != 2 || len(args[0]) == 0 {
			return "", nil, f.say("%s BAD LOGIN takes a user and a password", c.tag)
		}
		return string(args[0]), args[1], nil
	}
	switch {
	case !ok || len(args) == 0 || len(args) > 2:
		return "", nil, f.say("%s BAD AUTHENTICATE takes a mechanism", c.tag)
	case !strings.EqualFold(string(args[0]), "PLAIN"):
		return "", nil, f.say("%s NO [CANNOT] only PLAIN is known here", c.tag)
	case len(args) == 1:
		if err := f.say("+ "); err != nil {
			return "", nil, err
		}
		line, err := f.in.line(nil)
		if err != nil {
			return "", nil, err
		}
		args = append(args, line)
	}
	defer clear(args[1])
	user, password, ok = plain(args[1])
	if !ok {
		return "", nil, f.say("%s BAD this is no response of PLAIN", c.tag)
	}
	return user, password, nil
}

// plain reads a response of the mechanism PLAIN (RFC 4616). To act as somebody else is not possible.
func plain(b64 []byte) (user string, password []byte, ok bool) {
	raw := make([]byte, base64.StdEncoding.DecodedLen(len(b64)))
	defer clear(raw)
	n, err := base64.StdEncoding.Decode(raw, b64)
	if err != nil {
		return "", nil, false
	}
	parts := bytes.Split(raw[:n], []byte{0})
	// A line break would end the command that carries the words to the upstream.
	if len(parts) != 3 || len(parts[1]) == 0 || bytes.ContainsAny(raw[:n], "\r\n") ||
		len(parts[0]) > 0 && !bytes.Equal(parts[0], parts[1]) {
		return "", nil, false
	}
	return string(parts[1]), bytes.Clone(parts[2]), true
}

// errRefused says that the password is wrong.
var errRefused = errors.New("login refused")

// enter asks the employee's own upstream about the password, and lets the reader in. The client has its answer,
// whatever is returned.
func (f *front) enter(ctx context.Context, tag, user string, password []byte) error {
	s, ip := f.srv, f.conn.Client().Addr()
	f.account = upstream.Account(user, "")
	if wait, err := s.opts.Failures.Check(ctx, ip, f.account); err == nil && wait > 0 {
		s.metrics.login("limited")
		f.log.Warn("login refused before it was forwarded", "reason", "too many failures", "wait", wait.String())
		return f.refuse("%s NO [LIMIT] too many failed logins, try again in %d seconds", tag, int(wait.Seconds())+1)
	}
	v, err := Verify(ctx, s.current().Router, Login{
		User: user, Password: password, Upstream: f.conn.Listener.Upstream, SNI: f.conn.SNI(), Client: f.conn.Client(), TLS: f.conn.TLSState() != nil, Session: f.conn.ID, Logger: f.log,
	})
	switch {
	case err != nil:
		s.metrics.login("upstream_error")
		f.log.Warn("upstream not reached for a login", "err", err)
		if errors.Is(err, upstream.ErrNoUpstream) {
			return f.refuse("%s NO [AUTHENTICATIONFAILED] no mail server is configured for this user (session %s)", tag, f.conn.ID)
		}
		return f.refuse("%s NO [UNAVAILABLE] the mail server cannot be reached now, try again later (session %s)", tag, f.conn.ID)
	case !v.OK:
		if v.Counts {
			s.metrics.login("refused")
			f.count(s.opts.Failures.Failed(ctx, ip, f.account))
		} else {
			s.metrics.login("upstream_error")
		}
		f.log.Info("login refused by the upstream")
		return f.refuse("%s NO %s", tag, v.Text)
	}
	f.count(s.opts.Failures.Succeeded(ctx, ip, f.account))
	if err := s.enter(f); err != nil {
		s.metrics.login("full")
		f.log.Warn("customer mailboxes are full", "account", f.account, "err", err)
		return f.refuse("%s NO [LIMIT] %s", tag, err)
	}
	s.metrics.login("ok")
	f.log = f.log.With("account", f.account)
	f.log.Info("logged in to customer mailboxes", "all", f.scope == "")
	if err := f.say("%s OK [CAPABILITY %s] logged in", tag, capabilities); err != nil {
		s.leave(f)
		return err
	}
	return nil
}

func (f *front) refuse(format string, args ...any) error {
	if err := f.say(format, args...); err != nil {
		return err
	}
	return errRefused
}

// count reports that the login guard could not count: the login stands all the same.
func (f *front) count(err error) {
	if err != nil {
		f.log.Warn("login not counted", "err", err)
	}
}
