package imapd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"heliograph/config"
)

// Bounds on a client that has not logged in.
const (
	maxPreambleCommands = 64
	maxAuthFailures     = 5
)

// errGoodbye ends a session that has been answered in full.
var errGoodbye = errors.New("said goodbye")

// preamble is what a session keeps until the login.
type preamble struct {
	*session
	client   *patience
	in       *wire
	clientID []idField // the client's own words in ID, since TLS began
	failures int       // refused logins
}

// preamble speaks with the client until a login opened s.up. Then, and only then,
// it returns nil.
func (s *session) preamble(ctx context.Context) error {
	c := &patience{conn: s.conn, command: s.srv.timeouts.command, end: time.Now().Add(s.srv.timeouts.preamble)}
	p := &preamble{session: s, client: c, in: newWire(c, nil)}
	stop := context.AfterFunc(ctx, c.expire)
	err := p.run(ctx)
	if err != nil && !errors.Is(err, errGoodbye) {
		p.lastWords(ctx, err)
	}
	stop()
	s.clientBuffered = p.in.take()
	if err != nil {
		clear(s.clientBuffered)
		return err
	}
	// The tap has deadlines of its own. Should ctx have ended meanwhile, it will find out.
	return s.conn.SetDeadline(time.Time{})
}

func (p *preamble) run(ctx context.Context) error {
	if err := p.greet(ctx); err != nil {
		return err
	}
	r := &reader{in: p.in, ready: p.ready}
	for range maxPreambleCommands {
		p.client.idle(len(p.in.buffered()) > 0)
		c, err := r.read()
		if err == nil {
			err = p.command(ctx, c)
		} else if c.verb != "" {
			p.srv.metrics.command(c.verb)
		}
		c.wipe()
		if done, err := p.commandEnd(c, err); done || err != nil {
			return err
		}
	}
	p.srv.metrics.refused(refusedCommands)
	_ = p.say("* BYE too many commands without a login")
	return errors.New("too many commands before login")
}

// errLoggedIn is how a command says that the preamble is over.
var errLoggedIn = errors.New("logged in")

// commandEnd answers a command that could not be carried out.
func (p *preamble) commandEnd(c *command, err error) (done bool, _ error) {
	tag := c.tag
	if tag == "" {
		tag = "*"
	}
	switch {
	case errors.Is(err, errLoggedIn):
		return true, nil
	case err == nil, errors.Is(err, errAnswered):
		return false, nil
	case errors.Is(err, errSyntax), errors.Is(err, errStringSize):
		return false, p.say("%s BAD %s", tag, err)
	case framing(err):
		p.srv.metrics.refused(refusedFraming)
		_ = p.say("%s BAD %s", tag, err)
	}
	return false, err
}

// errHandshake leaves nobody who could read another word.
var errHandshake = errors.New("no TLS with the client")

// lastWords tells the client why its connection ends.
func (p *preamble) lastWords(ctx context.Context, err error) {
	_ = p.conn.SetWriteDeadline(time.Now().Add(goodbyeTimeout))
	switch {
	case errors.Is(err, errHandshake):
	case ctx.Err() != nil:
		_, _ = fmt.Fprint(p.conn, "* BYE the gateway is shutting down, connect again\r\n")
	case errors.Is(err, os.ErrDeadlineExceeded):
		p.srv.metrics.refused(refusedTimeout)
		_, _ = fmt.Fprint(p.conn, "* BYE timeout before login\r\n")
	case framing(err):
		_, _ = fmt.Fprint(p.conn, "* BYE the connection cannot go on after that\r\n")
	}
}

// say sends one line of our own.
func (p *preamble) say(format string, args ...any) error {
	return p.pass(fmt.Appendf(nil, format+"\r\n", args...))
}

// pass sends what is a line already.
func (p *preamble) pass(b []byte) error {
	if err := p.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	_, err := p.conn.Write(b)
	return err
}

// mayLogin reports whether a password may be said on this connection.
func (p *preamble) mayLogin() bool {
	return p.conn.TLSState() != nil || p.conn.Listener.AllowPlaintextAuth
}

// mayStartTLS reports whether STARTTLS is offered now.
func (p *preamble) mayStartTLS() bool {
	return p.conn.Listener.TLS == config.TLSStartTLS && p.conn.TLSState() == nil
}

// ready answers a client that waits with a literal.
func (p *preamble) ready(c *command) error {
	if c.verb == "LOGIN" && !p.mayLogin() {
		if err := p.refusePlaintext(c.tag); err != nil {
			return err
		}
		return errAnswered
	}
	p.client.asked()
	return p.say("+ OK")
}

func (p *preamble) refusePlaintext(tag string) error {
	p.srv.metrics.refused(refusedPlaintext)
	return p.say("%s NO [PRIVACYREQUIRED] logins need TLS", tag)
}

// greet begins the dialogue with what every upstream that this client may go to
// can do.
func (p *preamble) greet(ctx context.Context) error {
	caps, err := p.shown(ctx, inGreeting)
	if err != nil {
		return p.unavailable(err)
	}
	return p.say("* OK [CAPABILITY %s] ready", caps)
}

// unavailable ends a session of which not even the capabilities are known.
func (p *preamble) unavailable(err error) error {
	p.srv.metrics.upstreamError(err)
	p.log.Warn("upstream's capabilities are not known", "err", err)
	_ = p.say("* BYE [UNAVAILABLE] the mail server cannot be reached now, try again later (session %s)", p.conn.ID)
	return errGoodbye
}

// bare are the commands that take no arguments (RFC 9051, 6.1 and 6.2.1).
var bare = map[string]bool{"CAPABILITY": true, "NOOP": true, "LOGOUT": true, "STARTTLS": true}

// command answers one command.
func (p *preamble) command(ctx context.Context, c *command) error {
	p.srv.metrics.command(c.verb)
	if bare[c.verb] && len(strings.TrimSpace(string(c.args))) > 0 {
		return p.say("%s BAD %s takes no arguments", c.tag, c.verb)
	}
	switch c.verb {
	case "CAPABILITY":
		caps, err := p.shown(ctx, onDemand)
		if err != nil {
			return p.unavailable(err)
		}
		return p.say("* CAPABILITY %s\r\n%s OK CAPABILITY completed", caps, c.tag)
	case "NOOP":
		return p.say("%s OK NOOP completed", c.tag)
	case "LOGOUT":
		_ = p.say("* BYE logging out\r\n%s OK LOGOUT completed", c.tag)
		return errGoodbye
	case "ID":
		return p.id(ctx, c)
	case "STARTTLS":
		return p.startTLS(ctx, c)
	case "LOGIN":
		return p.login(ctx, c)
	case "AUTHENTICATE":
		return p.authenticate(ctx, c)
	}
	return p.say("%s BAD log in first", c.tag)
}

// startTLS upgrades the client's connection. What the client sent behind the
// command in clear is dropped with the session (CVE-2011-0411).
func (p *preamble) startTLS(ctx context.Context, c *command) error {
	switch {
	case p.conn.TLSState() != nil:
		return p.say("%s BAD TLS is active already", c.tag)
	case !p.mayStartTLS():
		return p.say("%s BAD STARTTLS is not offered here", c.tag)
	case len(p.in.buffered()) > 0:
		p.srv.metrics.refused(refusedInjection)
		p.log.Warn("bytes behind STARTTLS in clear were dropped")
		_ = p.say("%s BAD commands must not be pipelined behind STARTTLS", c.tag)
		_ = p.say("* BYE the connection cannot go on after that")
		return errors.New("bytes pipelined behind STARTTLS")
	}
	if err := p.say("%s OK begin TLS", c.tag); err != nil {
		return err
	}
	_ = p.conn.SetDeadline(time.Time{}) // the handshake has a time-out of its own
	if err := p.conn.StartTLS(ctx); err != nil {
		return fmt.Errorf("%w: %w", errHandshake, err)
	}
	p.clientID = nil // RFC 9051, 6.2.1: what was said in clear is forgotten
	return nil
}
