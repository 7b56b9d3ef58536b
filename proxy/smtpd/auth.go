package smtpd

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"heliograph/proxy/upstream"
)

// errCancelled says that the client gave up a login with "*" before an upstream was asked.
var errCancelled = errors.New("login cancelled")

// errLimited says that the client was told to wait, in the middle of a login.
var errLimited = errors.New("login limited")

// auth handles one AUTH command (RFC 4954), which is still buffered with n bytes.
// The account is taken from what the client says first, which chooses the upstream;
// from there on both sides' lines pass unread. A refusal by the upstream is answered
// and is no error.
func (s *session) auth(ctx context.Context, n int) error {
	command := bytes.Clone(s.in.buffered()[:n])
	s.in.wipe(n)
	defer clear(command)
	_, args, _ := bytes.Cut(bytes.TrimRight(command, "\r\n \t"), []byte{' '})
	name, initial, _ := bytes.Cut(bytes.TrimSpace(args), []byte{' '})
	mech, initial := strings.ToUpper(string(name)), bytes.TrimSpace(initial)
	switch {
	case s.relay():
		return s.say("503 5.5.1 AUTH is not used on this listener")
	case s.conn.TLSState() == nil && !s.conn.Listener.AllowPlaintextAuth:
		return s.say("530 5.7.0 must issue a STARTTLS command first")
	case s.helo == "":
		return s.say("503 5.5.1 EHLO first")
	case mech == "":
		return s.say("501 5.5.4 AUTH needs a mechanism")
	case strings.HasSuffix(mech, "-PLUS"): // bound to a TLS channel that ends here
		return s.say("504 5.5.4 channel binding is not possible through this gateway")
	}
	x := &exchange{s: s, mech: mech, command: command}
	if len(initial) > 0 {
		x.response = initial
		x.learn(initial)
	} else if prompt, first := clientFirst(mech); first {
		if err := x.prompt(prompt); err != nil {
			if errors.Is(err, errCancelled) {
				return s.say("501 5.0.0 authentication cancelled")
			}
			return err
		}
	}
	return x.run(ctx)
}

// clientFirst tells the mechanisms in which the client speaks first, and the
// challenge that asks it to.
func clientFirst(mech string) (prompt string, ok bool) {
	switch {
	case mech == "LOGIN":
		return base64.StdEncoding.EncodeToString([]byte("Username:")), true
	case mech == "PLAIN", mech == "XOAUTH2", mech == "OAUTHBEARER", mech == "EXTERNAL", strings.HasPrefix(mech, "SCRAM-"):
		return "", true
	}
	return "", false
}

// exchange is one login under way.
type exchange struct {
	s       *session
	mech    string
	command []byte // the AUTH line as it came
	first   []byte // the client's first response, with CRLF, when it was asked for
	second  []byte // its second one, likewise
	user    string // login name, as sent
	account string // whose mailbox it is
	// response is the client's first response in base64, wherever it came; it is wiped with command or first.
	response []byte
}

// learn takes the user from a response in base64.
func (x *exchange) learn(response []byte) {
	b := make([]byte, base64.StdEncoding.DecodedLen(len(response)))
	defer clear(b)
	n, err := base64.StdEncoding.Decode(b, response)
	if err != nil {
		return // the upstream will say so
	}
	if authz, authc, ok := upstream.Username(x.mech, b[:n]); ok {
		x.user, x.account = authc, authz
		if x.account == "" {
			x.account = authc
		}
	}
}

// prompt asks the client for its first response in the upstream's place.
func (x *exchange) prompt(challenge string) error {
	if err := x.s.say("334 %s", challenge); err != nil {
		return err
	}
	l, err := x.s.in.readLine(maxAuthLine)
	if err != nil {
		return err
	}
	x.first = append([]byte(nil), l...)
	x.s.in.wipe(len(l))
	text := bytes.TrimRight(x.first, "\r\n")
	if string(text) == "*" {
		return errCancelled
	}
	x.response = text
	x.learn(text)
	return nil
}

// run chooses the upstream, connects and relays the login.
func (x *exchange) run(ctx context.Context) error {
	s := x.s
	defer func() { clear(x.first); clear(x.second) }()
	if limited, err := x.limited(ctx); limited {
		return err
	}
	if done, err := x.signIn(ctx); done {
		return err
	}
	if done, err := x.reach(ctx); done {
		return err
	}
	reply, err := x.relay(ctx)
	if errors.Is(err, errLimited) {
		_ = s.up.Close() // it waits for a response that will not come
		s.up = nil
		return nil
	}
	if err != nil {
		s.srv.metrics.login("upstream_error")
		_ = s.say("421 4.4.2 the connection to the mail server was lost during login (session %s)", s.conn.ID)
		return fmt.Errorf("relay login: %w", err)
	}
	return x.settle(ctx, reply)
}

// reach connects, or tells the client why that cannot be.
func (x *exchange) reach(ctx context.Context) (done bool, _ error) {
	s := x.s
	err := x.connect(ctx)
	if err == nil {
		return false, nil
	}
	s.srv.metrics.login("upstream_error")
	s.srv.metrics.upstreamError(err)
	s.log.Warn("upstream not reached for a login", "err", err)
	if errors.Is(err, upstream.ErrNoUpstream) {
		return true, s.say("535 5.7.8 no mail server is configured for this user (session %s)", s.conn.ID)
	}
	return true, s.say("454 4.4.1 the mail server cannot be reached now, try again later (session %s)", s.conn.ID)
}

// limited answers a login that must wait because too many have failed.
func (x *exchange) limited(ctx context.Context) (bool, error) {
	s := x.s
	wait, err := s.srv.opts.Failures.Check(ctx, s.conn.Client().Addr(), x.counted())
	if err != nil || wait <= 0 {
		return false, nil // the guard cannot decide: the login stands
	}
	s.srv.metrics.login("limited")
	s.log.Warn("login refused before it was forwarded", "reason", "too many failures", "wait", wait.String())
	return true, s.say("454 4.7.0 too many failed logins, try again in %d seconds", int(wait.Seconds())+1)
}

// counted is the name that failures are counted for. Those that named nobody count
// for their own address, or a stranger could lock out all who log in without a name.
func (x *exchange) counted() string {
	if x.user == "" {
		return "nobody at " + x.s.conn.Client().Addr().String()
	}
	return x.user
}

// connect opens the upstream of the user, or keeps the one of an earlier try.
func (x *exchange) connect(ctx context.Context) error {
	s := x.s
	target, err := s.set.Router.Route(s.conn.Listener.Upstream, s.conn.SNI(), x.account)
	if err != nil {
		return err
	}
	if s.up != nil && s.target == target {
		return nil
	}
	if s.up != nil {
		_ = s.up.Close()
		s.up = nil
	}
	up, err := target.DialSMTP(ctx, s.clientInfo())
	if err != nil {
		return err
	}
	s.attach(target, up)
	return nil
}

// clientInfo is what the upstream may be told of the client.
func (s *session) clientInfo() upstream.Client {
	return upstream.Client{Addr: s.conn.Client(), Helo: s.helo, TLS: s.conn.TLSState() != nil}
}

// attach makes up the session's upstream connection.
func (s *session) attach(target *upstream.Upstream, up *upstream.SMTPConn) {
	s.target, s.up = target, up
	s.upIn = bufio.NewReaderSize(io.MultiReader(bytes.NewReader(up.Buffered), up), 4096)
}

// relay passes the lines of the login both ways until the upstream's last word, or
// until the user turns out to be one who must wait: then it returns errLimited.
func (x *exchange) relay(ctx context.Context) (upstream.Reply, error) {
	s := x.s
	ask := func(l []byte) (upstream.Reply, error) {
		_ = s.up.SetDeadline(time.Now().Add(authTimeout))
		defer func() { _ = s.up.SetDeadline(time.Time{}) }()
		if _, err := s.up.Write(l); err != nil {
			return upstream.Reply{}, err
		}
		return upstream.ReadReply(s.upIn)
	}
	reply, err := ask(x.command)
	if err != nil {
		return reply, err
	}
	for _, known := range [][]byte{x.first, x.second} { // the client has answered these challenges already
		if known != nil && reply.Code == 334 {
			if reply, err = ask(known); err != nil {
				return reply, err
			}
		}
	}
	for range maxAuthRounds {
		if reply.Code != 334 {
			return reply, nil
		}
		if _, err := s.out.Write(reply.Raw); err != nil {
			return reply, err
		}
		l, err := s.in.readLine(maxAuthLine)
		if err != nil {
			return reply, err
		}
		// Where the client spoke first, what comes now is its password, whether its name could
		// be read or not.
		if _, first := clientFirst(x.mech); x.user == "" && !first {
			x.learn(bytes.TrimRight(l, "\r\n"))
			if err := x.mayGoOn(ctx); err != nil {
				s.in.wipe(len(l))
				return reply, err
			}
		}
		reply, err = ask(l)
		s.in.wipe(len(l))
		if err != nil {
			return reply, err
		}
	}
	return reply, errors.New("login takes too many rounds")
}

// mayGoOn stops a user whose name came only now if he must wait.
func (x *exchange) mayGoOn(ctx context.Context) error {
	if x.user == "" {
		return nil
	}
	limited, err := x.limited(ctx)
	if limited && err == nil {
		err = errLimited
	}
	return err
}

// settle passes the upstream's last word on and counts it.
func (x *exchange) settle(ctx context.Context, reply upstream.Reply) error {
	s := x.s
	ip := s.conn.Client().Addr()
	if reply.Code == 235 {
		s.account = upstream.Account(x.account, "")
		if s.account == "" {
			s.account = "unknown" // a mechanism that hides its user, such as GSSAPI
		}
		x.count(s.srv.opts.Failures.Succeeded(ctx, ip, x.counted()))
		s.srv.metrics.login("ok")
		s.log = s.log.With("account", s.account, "upstream", s.target.Name())
		s.log.Info("logged in", "mechanism", x.mech)
		_, err := s.out.Write(reply.Raw)
		return err
	}
	outcome := "temporary"
	if reply.Code/100 == 5 && reply.Code != 501 && reply.Code != 504 { // syntax and mechanism are no guesses
		outcome = "refused"
		s.failures++
		x.count(s.srv.opts.Failures.Failed(ctx, ip, x.counted()))
	}
	s.srv.metrics.login(outcome)
	s.log.Info("login refused by the upstream", "mechanism", x.mech, "code", reply.Code)
	if _, err := s.out.Write(reply.Raw); err != nil {
		return err
	}
	if reply.Code == 421 || s.failures >= maxAuthFailures {
		if reply.Code != 421 {
			_ = s.say("421 4.7.0 too many failed logins, closing")
		}
		return errors.New("login failed")
	}
	return nil
}

// count reports that the login guard could not count: the login stands all the same.
func (x *exchange) count(err error) {
	if err != nil {
		x.s.log.Warn("login not counted", "err", err)
	}
}
