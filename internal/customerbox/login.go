package customerbox

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"heliograph/internal/accounts"
	"heliograph/proxy/upstream"
)

const (
	// maxLoginCommands bounds what a client may say before it has logged in.
	maxLoginCommands = 20
	// maxLoginFailures ends a connection that guesses; the guard over all connections is limit.Failures.
	maxLoginFailures = 3
	// verifyTimeout bounds the login at the upstream, behind the greeting.
	verifyTimeout = 30 * time.Second
	// maxVerifyLines bounds what an upstream may say before it answers a login.
	maxVerifyLines = 200
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
	v, err := s.verify(ctx, f, user, password)
	switch {
	case err != nil:
		s.metrics.login("upstream_error")
		f.log.Warn("upstream not reached for a login", "err", err)
		if errors.Is(err, upstream.ErrNoUpstream) {
			return f.refuse("%s NO [AUTHENTICATIONFAILED] no mail server is configured for this user (session %s)", tag, f.conn.ID)
		}
		return f.refuse("%s NO [UNAVAILABLE] the mail server cannot be reached now, try again later (session %s)", tag, f.conn.ID)
	case !v.ok:
		if v.counts {
			s.metrics.login("refused")
			f.count(s.opts.Failures.Failed(ctx, ip, f.account))
		} else {
			s.metrics.login("upstream_error")
		}
		f.log.Info("login refused by the upstream")
		return f.refuse("%s NO %s", tag, v.text)
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

// verdict is what the upstream said to a login.
type verdict struct {
	ok     bool
	counts bool   // it is a failed guess, and no trouble of the server
	text   string // behind NO
}

// verify logs in at the user's upstream and out again.
func (s *Server) verify(ctx context.Context, f *front, user string, password []byte) (verdict, error) {
	target, err := s.current().Router.Route(f.conn.Listener.Upstream, f.conn.SNI(), user)
	if err != nil {
		return verdict{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, verifyTimeout, errors.New("the upstream did not answer the login in time"))
	defer cancel()
	switch account, err := target.Enrolled(ctx, user, password); {
	case errors.Is(err, accounts.ErrPassword):
		return verdict{counts: true, text: "[AUTHENTICATIONFAILED] the gateway password is wrong"}, nil
	case err != nil:
		return verdict{}, err
	case account != nil: // who was shut out at the provider is shut out here
		if err := target.TryIMAP(ctx, account); err != nil {
			f.log.Warn("an enrolled account cannot sign in", "account", f.account, "err", err)
			return verdict{text: "[AUTHENTICATIONFAILED] the provider does not let this account in: see heliograph account test"}, nil
		}
		return verdict{ok: true}, nil
	}
	conn, err := target.DialIMAP(ctx, upstream.Client{Addr: f.conn.Client(), TLS: f.conn.TLSState() != nil, Session: f.conn.ID})
	if err != nil {
		return verdict{}, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })
	defer stop()
	d := &dialogue{conn: conn, in: bufio.NewReaderSize(io.MultiReader(bytes.NewReader(conn.Buffered), conn), maxCommand)}
	v, err := d.login(user, password)
	if err != nil {
		return verdict{}, fmt.Errorf("login at upstream %s: %w", target.Name(), err)
	}
	if v.ok {
		_, _ = io.WriteString(conn, "q LOGOUT\r\n") // a courtesy
	}
	return v, nil
}

// dialogue is a login at an upstream.
type dialogue struct {
	conn *upstream.IMAPConn
	in   *bufio.Reader
}

// login uses LOGIN, or PLAIN where LOGIN is off or cannot carry the words.
func (d *dialogue) login(user string, password []byte) (verdict, error) {
	sasl := slices.Contains(d.conn.Capabilities.Mechanisms(), "PLAIN")
	if sasl && (d.conn.Capabilities.Has("LOGINDISABLED") || !quotable([]byte(user)) || !quotable(password)) {
		if _, err := io.WriteString(d.conn, "l AUTHENTICATE PLAIN\r\n"); err != nil {
			return verdict{}, err
		}
		v, goOn, err := d.answer()
		if err != nil || !goOn {
			return v, err
		}
		raw := slices.Concat([]byte{0}, []byte(user), []byte{0}, password)
		line := append(base64.StdEncoding.AppendEncode(nil, raw), "\r\n"...)
		clear(raw)
		v, err = d.ask(line)
		return v, err
	}
	line := slices.Concat([]byte("l LOGIN "), quote([]byte(user)), []byte(" "), quote(password), []byte("\r\n"))
	return d.ask(line)
}

// quotable tells whether a quoted string can carry b to any server.
func quotable(b []byte) bool {
	return !bytes.ContainsFunc(b, func(r rune) bool { return r < ' ' || r >= 0x7f })
}

func quote(b []byte) []byte {
	out := make([]byte, 0, 2*len(b)+2)
	out = append(out, '"')
	for _, x := range b {
		if x == '"' || x == '\\' {
			out = append(out, '\\')
		}
		out = append(out, x)
	}
	return append(out, '"')
}

// ask sends a line that holds the password and waits for the verdict.
func (d *dialogue) ask(line []byte) (verdict, error) {
	defer clear(line)
	if _, err := d.conn.Write(line); err != nil {
		return verdict{}, err
	}
	v, goOn, err := d.answer()
	if err == nil && goOn {
		err = errors.New("the upstream asks for more")
	}
	return v, err
}

// answer reads up to the tagged response, or to a request for more.
func (d *dialogue) answer() (v verdict, goOn bool, err error) {
	for range maxVerifyLines {
		raw, err := d.in.ReadSlice('\n')
		if err != nil {
			return v, false, err
		}
		line := strings.TrimRight(string(raw), "\r\n")
		if strings.HasPrefix(line, "+") {
			return v, true, nil
		}
		tag, rest, _ := strings.Cut(line, " ")
		word, text, _ := strings.Cut(rest, " ")
		switch {
		case tag != "l" && strings.EqualFold(word, "BYE"):
			return v, false, errors.New("the upstream said BYE")
		case tag != "l":
			continue
		case strings.EqualFold(word, "OK"):
			return verdict{ok: true}, false, nil
		}
		return verdict{counts: strings.EqualFold(word, "NO") && !troubled(text), text: cleanText(text)}, false, nil
	}
	return v, false, errors.New("the upstream did not answer the login")
}

// troubled tells whether a response code blames the server and not the password (RFC 5530, 3).
func troubled(text string) bool {
	upper := strings.ToUpper(text)
	return slices.ContainsFunc([]string{"[UNAVAILABLE]", "[INUSE]", "[LIMIT]", "[SERVERBUG]"}, func(code string) bool {
		return strings.HasPrefix(upper, code)
	})
}

// maxText is how much of the upstream's words is passed on.
const maxText = 400

// cleanText makes the upstream's words fit for our answer.
func cleanText(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f {
			return -1
		}
		return r
	}, text)
	if text == "" {
		return "[AUTHENTICATIONFAILED] login refused"
	}
	return text[:min(len(text), maxText)]
}
