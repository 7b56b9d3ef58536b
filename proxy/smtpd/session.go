package smtpd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"heliograph/config"
	"heliograph/proxy"
	"heliograph/proxy/socket"
	"heliograph/proxy/upstream"
)

// errGoodbye ends a session that has been answered in full.
var errGoodbye = errors.New("said goodbye")

// session is one connection of a client.
type session struct {
	srv  *Server
	set  Settings
	conn *proxy.Conn
	log  *slog.Logger
	in   *inbound
	out  *socket.Writer

	helo    string
	account string // who logged in
	target  *upstream.Upstream
	up      *upstream.SMTPConn
	upIn    *bufio.Reader // of up, until the tap takes over
	pooled  bool          // up belongs to target's pool

	commands, failures int
}

func (s *session) close() {
	s.in.release()
	if s.up != nil {
		_ = s.up.Close()
	}
}

// relay says that machines use this listener, without a login.
func (s *session) relay() bool { return s.conn.Listener.Mode == config.ModeRelay }

func (s *session) hostname() string {
	if h := s.conn.Listener.Hostname; h != "" {
		return h
	}
	return s.srv.opts.Hostname
}

// say sends one reply line of our own.
func (s *session) say(format string, args ...any) error {
	_, err := fmt.Fprintf(s.out, format+"\r\n", args...)
	return err
}

// preamble speaks with the client until a login (or, on a relay listener, the first
// message) opened s.up. It returns nil without that after a QUIT.
func (s *session) preamble(ctx context.Context) error {
	stop := context.AfterFunc(ctx, s.in.idle.expire)
	defer stop()
	deadline := time.Now().Add(s.srv.timeouts.preamble)
	if err := s.say("220 %s ESMTP", s.hostname()); err != nil {
		return err
	}
	for !s.ready() {
		l, err := s.in.readLine(maxAuthLine)
		if err != nil || time.Now().After(deadline) {
			return s.preambleEnd(ctx, err)
		}
		if s.commands++; s.commands > maxPreambleCommands {
			_ = s.say("421 4.7.0 %s too many commands without a login, closing", s.hostname())
			return errors.New("too many commands before login")
		}
		err = s.preambleCommand(ctx, l)
		if errors.Is(err, errGoodbye) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ready says that the preamble has done its part.
func (s *session) ready() bool {
	switch s.conn.Listener.Mode {
	case config.ModeQueue:
		return s.conn.TLSState() != nil
	case config.ModeRelay:
		return s.up != nil
	}
	return s.up != nil && s.account != ""
}

// preambleEnd tells the client why its connection ends.
func (s *session) preambleEnd(ctx context.Context, err error) error {
	_ = s.conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
	switch {
	case ctx.Err() != nil:
		_ = s.say("421 4.3.2 %s is shutting down, try again", s.hostname())
		return ctx.Err()
	case err == nil, errors.Is(err, os.ErrDeadlineExceeded):
		_ = s.say("421 4.4.2 %s timeout before login, closing", s.hostname())
		return os.ErrDeadlineExceeded
	case errors.Is(err, errLineTooLong), errors.Is(err, errLineBareLF), errors.Is(err, errLineControl):
		_ = s.say("500 5.5.2 %s", err)
	}
	return err
}

// preambleCommand answers one command before the tap; errGoodbye ends the session.
func (s *session) preambleCommand(ctx context.Context, l []byte) error {
	c, _ := parseCommand(l)
	s.srv.metrics.command(c.verb)
	if c.verb == "AUTH" {
		return s.auth(ctx, len(l))
	}
	if c.verb == "MAIL" && s.relay() {
		// The line stays buffered: it is the first that the tap passes on.
		return s.openRelay(ctx)
	}
	s.in.use(len(l))
	if len(l) > maxCommandLine {
		return s.say("500 5.5.2 line too long")
	}
	switch c.verb {
	case "EHLO", "HELO":
		return s.greet(ctx, c)
	case "STARTTLS":
		return s.startTLS(ctx, c)
	case "NOOP", "RSET":
		return s.say("250 2.0.0 OK")
	case "QUIT":
		_ = s.say("221 2.0.0 %s closing", s.hostname())
		return errGoodbye
	case "HELP":
		return s.say("214 2.0.0 this is a mail gateway; log in with the account of your mail provider")
	case "":
		return s.say("500 5.5.2 command not recognised")
	}
	if s.mustStartTLS() {
		return s.say("530 5.7.0 must issue a STARTTLS command first")
	}
	if s.relay() {
		return s.say("503 5.5.1 MAIL first")
	}
	return s.say("530 5.7.0 authentication required")
}

func (s *session) mustStartTLS() bool {
	return s.conn.Listener.TLS == config.TLSStartTLS && s.conn.TLSState() == nil && !s.conn.Listener.AllowPlaintextAuth
}

// greet answers EHLO with what the upstream of this listener offers.
func (s *session) greet(ctx context.Context, c command) error {
	name, _, _ := strings.Cut(c.args, " ")
	if name == "" {
		return s.say("501 5.5.4 %s needs a host name", c.verb)
	}
	s.helo = name
	if c.verb == "HELO" {
		return s.say("250 %s", s.hostname())
	}
	if s.conn.Listener.Mode == config.ModeQueue { // go-smtp says the rest when TLS is on
		_, err := s.out.Write(helloReply([]string{s.hostname(), "STARTTLS", "ENHANCEDSTATUSCODES"}))
		return err
	}
	ext, err := s.extensions(ctx)
	if err != nil {
		s.srv.metrics.upstreamError(err)
		s.log.Warn("upstream's extensions are not known", "err", err)
		_ = s.say("421 4.4.1 %s the mail server cannot be reached now, try again later (session %s)", s.hostname(), s.conn.ID)
		return err
	}
	_, err = s.out.Write(helloReply(append([]string{s.hostname()}, s.downstream(ext)...)))
	return err
}

// extensions are what every upstream that this client may go to offers.
func (s *session) extensions(ctx context.Context) (upstream.Extensions, error) {
	var all []upstream.Extensions
	var lastErr error
	for _, u := range s.set.Router.Candidates(s.conn.Listener.Upstream, s.conn.SNI()) {
		ext, err := u.SMTPExtensions(ctx)
		if err != nil {
			lastErr = err
			continue
		}
		all = append(all, ext)
	}
	if len(all) == 0 {
		if lastErr == nil {
			lastErr = errors.New("no upstream for this listener")
		}
		return upstream.Extensions{}, lastErr
	}
	return upstream.Common(all...), nil
}

// downstream is what of ext the client is shown now.
func (s *session) downstream(ext upstream.Extensions) []string {
	l := s.conn.Listener
	secure := s.conn.TLSState() != nil
	lines := ext.Downstream(secure, l.TLS == config.TLSStartTLS && !secure, l.AllowPlaintextAuth, int64(s.set.Limits.MessageBytes))
	shown := lines[:0]
	for _, x := range lines {
		keyword, _, _ := strings.Cut(strings.ToUpper(x), " ")
		switch {
		case denied[keyword]:
		case s.relay() && (keyword == "AUTH" || strings.HasPrefix(keyword, "AUTH=")):
		default:
			shown = append(shown, x)
		}
	}
	return shown
}

// startTLS upgrades the client's connection. What the client sent behind the
// command in clear is dropped (RFC 3207, 4.2; CVE-2011-0411).
func (s *session) startTLS(ctx context.Context, c command) error {
	switch {
	case s.conn.Listener.TLS != config.TLSStartTLS:
		return s.say("502 5.5.1 STARTTLS is not offered here")
	case s.conn.TLSState() != nil:
		return s.say("503 5.5.1 TLS is active already")
	case c.args != "":
		return s.say("501 5.5.4 STARTTLS takes no parameters")
	}
	if len(s.in.buffered()) > 0 {
		s.srv.metrics.refused("starttls_injection")
		s.log.Warn("bytes behind STARTTLS in clear were dropped")
		_ = s.say("503 5.5.1 commands must not be pipelined behind STARTTLS")
		return errors.New("bytes pipelined behind STARTTLS")
	}
	if err := s.say("220 2.0.0 ready to start TLS"); err != nil {
		return err
	}
	if err := s.conn.StartTLS(ctx); err != nil {
		return fmt.Errorf("TLS handshake: %w", err)
	}
	s.helo = "" // RFC 3207, 4.2: what was said before is forgotten
	return nil
}

// reason is a short text for logs of why a session ended.
func reason(err error) string {
	switch {
	case err == nil:
		return "done"
	case errors.Is(err, io.EOF):
		return "client closed the connection"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "timeout"
	}
	return err.Error()
}
