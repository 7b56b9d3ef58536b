package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"

	"heliograph/config"
)

// IMAPConn is a connection to an upstream's IMAP server that is past greeting
// and TLS, in the not authenticated state. The next byte that the server sends
// is unread, after the bytes in Buffered.
type IMAPConn struct {
	net.Conn
	Greeting     []byte       // the line of the server's greeting, without its line end
	Capabilities Capabilities // before the login, said under TLS where there is TLS
	Buffered     []byte       // bytes that the server sent unasked; normally empty
}

// TLSState returns the state of the encryption towards the upstream, nil for a
// plain connection.
func (c *IMAPConn) TLSState() *tls.ConnectionState { return tlsState(c.Conn) }

// DialIMAP opens a connection and brings it to where a login may begin. Errors
// are of type *Error; that of a server which turned us away with BYE carries
// its words. The time-out of the upstream's section bounds it all; on the
// connection that is returned there is no deadline.
func (u *Upstream) DialIMAP(ctx context.Context, c Client) (*IMAPConn, error) {
	var conn *IMAPConn
	err := u.dial(ctx, &u.imap, c, func(ctx context.Context, s *session) (err error) {
		conn, err = (&imapDialogue{session: s, left: maxBeforeLogin}).open(ctx, c)
		return err
	})
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// learnIMAP is how facts is filled: a connection of our own that asks for all that
// a server tells without a login.
func (u *Upstream) learnIMAP(ctx context.Context) (IMAPFacts, error) {
	var facts IMAPFacts
	var conn net.Conn
	err := u.dial(ctx, &u.imap, Client{}, func(ctx context.Context, s *session) error {
		d := &imapDialogue{session: s, left: maxBeforeLogin}
		opened, err := d.open(ctx, Client{})
		if err != nil {
			return err
		}
		conn, facts.Greeting = opened.Conn, opened.Capabilities
		if facts.Capabilities, err = d.whole(ctx); err != nil {
			return err
		}
		if facts.Capabilities.Has("ID") {
			facts.ID, err = d.id(ctx, "NIL")
		}
		return err
	})
	if err != nil {
		return IMAPFacts{}, err
	}
	goodbye(conn, "hg LOGOUT\r\n")
	return facts, nil
}

// imapDialogue speaks IMAP up to the login.
type imapDialogue struct {
	*session
	left    int // bytes that the server may still send
	tag     int
	caps    Capabilities
	known   bool // caps were said on the connection as it is now
	greeted bool // and it was the greeting that said them
}

func (d *imapDialogue) open(ctx context.Context, c Client) (*IMAPConn, error) {
	greeting, err := d.greeting(ctx)
	if err != nil {
		return nil, err
	}
	if d.e.cfg.TLS == config.TLSStartTLS {
		if err := d.startTLS(ctx); err != nil {
			return nil, err
		}
	}
	if err := d.capability(ctx); err != nil {
		return nil, err
	}
	if d.e.cfg.ForwardClient == config.ForwardID && c.Addr.IsValid() {
		if err := d.forward(ctx, c); err != nil {
			return nil, err
		}
	}
	d.u.facts.amend(d.compare)
	return &IMAPConn{Conn: d.conn, Greeting: greeting, Capabilities: d.caps, Buffered: d.buffered()}, nil
}

// compare brings what is known of the server up to date, and reports whether more
// must be asked for that. Where nothing is new, thousands of sessions share one list.
func (d *imapDialogue) compare(known *IMAPFacts) (stale bool) {
	list, other := &known.Capabilities, &known.Greeting
	if d.greeted {
		list, other = other, list
	}
	same := slices.Equal(list.atoms, other.atoms)
	switch forward := d.e.cfg.ForwardClient; {
	case slices.Equal(list.atoms, d.caps.atoms):
		d.caps = *list
	case forward != config.ForwardNone && forward != "":
		// What a server shows to a client that it knows is for that client only.
	case same:
		*list, *other = d.caps, d.caps
	default: // the other list will have changed too, but how?
		*list = d.caps
		return true
	}
	return false
}

// greeting takes OK and nothing else. PREAUTH (RFC 9051, 7.1.4) would make the
// session somebody's whose login we never saw, and before STARTTLS it is how an
// attacker keeps a client from encrypting.
func (d *imapDialogue) greeting(ctx context.Context) ([]byte, error) {
	r, err := d.read(ctx, "read greeting")
	switch {
	case err != nil:
		return nil, err
	case r.tag != untagged:
		return nil, d.u.fail(d.e, ClassProtocol, fmt.Errorf("%w: %.40q is no greeting", ErrReply, r.line))
	case r.word == "PREAUTH" && d.e.cfg.TLS == config.TLSStartTLS:
		return nil, d.u.fail(d.e, ClassTLS, errPreauth)
	case r.word == "PREAUTH":
		return nil, d.u.fail(d.e, ClassProtocol, errPreauth)
	case r.word == "BYE":
		return nil, d.bye(r)
	case r.word != "OK":
		return nil, d.u.fail(d.e, ClassProtocol, fmt.Errorf("%w: %.40q is no greeting", ErrReply, r.line))
	}
	d.greeted = d.known
	return r.line, nil
}

// startTLS upgrades the connection or fails; there is no third way.
func (d *imapDialogue) startTLS(ctx context.Context) error {
	if err := d.capability(ctx); err != nil {
		return err
	}
	if !d.caps.Has("STARTTLS") {
		return d.u.fail(d.e, ClassTLS, errNoSTARTTLS)
	}
	r, err := d.command(ctx, "STARTTLS", "", nil)
	switch {
	case err != nil:
		return err
	case r.word != "OK":
		return d.u.fail(d.e, ClassTLS, errors.New("STARTTLS was refused"))
	case d.br.Buffered() > 0:
		return d.u.fail(d.e, ClassTLS, errInjection)
	}
	// What was said in the clear is forgotten (RFC 9051, 6.2.1).
	d.caps, d.known, d.greeted = Capabilities{}, false, false
	return d.handshake(ctx)
}

// capability asks for the capabilities unless the server has told them.
func (d *imapDialogue) capability(ctx context.Context) error {
	if d.known {
		return nil
	}
	r, err := d.command(ctx, "CAPABILITY", "", nil)
	switch {
	case err != nil:
		return err
	case r.word != "OK" || !d.known:
		return d.u.fail(d.e, ClassProtocol, fmt.Errorf("%w: CAPABILITY was answered with %.40q", ErrReply, r.line))
	}
	return nil
}

// whole returns the answer to CAPABILITY, which may list more than the greeting. A
// server that gives none has told all that it tells.
func (d *imapDialogue) whole(ctx context.Context) (Capabilities, error) {
	if d.greeted {
		r, err := d.command(ctx, "CAPABILITY", "", nil)
		if err != nil {
			return Capabilities{}, err
		}
		if r.word != "OK" {
			d.u.log.Warn("the server refused CAPABILITY", "address", d.e.cfg.Address)
		}
	}
	return d.caps, nil
}

// forward tells the server who the client is, in the way of Dovecot's
// login_trusted_networks. A server that does not want to know costs us that
// knowledge in its log, not the mail.
func (d *imapDialogue) forward(ctx context.Context, c Client) error {
	if !d.caps.Has("ID") {
		d.u.log.Warn("forward_client is id, but the server does not offer ID", "address", d.e.cfg.Address)
		return nil
	}
	_, err := d.id(ctx, forwardedID(c))
	return err
}

// id sends ID (RFC 2971) and returns the parameters of the server's, nil if it
// told none.
func (d *imapDialogue) id(ctx context.Context, params string) (theirs []byte, err error) {
	r, err := d.command(ctx, "ID", " "+params, func(r imapResponse) {
		if r.word == "ID" {
			theirs = r.rest
		}
	})
	if err == nil && r.word != "OK" {
		d.u.log.Warn("the server refused ID", "address", d.e.cfg.Address)
		return nil, nil
	}
	return theirs, err
}

// maxSessionName is how much of a session's name is forwarded: what Dovecot keeps
// of one (LOGIN_MAX_SESSION_ID_LEN).
const maxSessionName = 64

// forwardedID are the parameters of ID that tell a server who the client is.
func forwardedID(c Client) string {
	params := []string{
		`"x-originating-ip"`, strconv.Quote(plainAddr(c.Addr.Addr())),
		`"x-originating-port"`, strconv.Quote(strconv.Itoa(int(c.Addr.Port()))),
	}
	if c.Local.IsValid() {
		params = append(params,
			`"x-connected-ip"`, strconv.Quote(plainAddr(c.Local.Addr())),
			`"x-connected-port"`, strconv.Quote(strconv.Itoa(int(c.Local.Port()))))
	}
	if validHelo(c.Session) && len(c.Session) <= maxSessionName && !strings.ContainsAny(c.Session, `"\`) {
		params = append(params, `"x-session-id"`, `"`+c.Session+`"`)
	}
	return "(" + strings.Join(params, " ") + ")"
}

// command sends a command and reads up to its tagged response. each is called
// with every untagged one. Errors name the verb and never the arguments.
func (d *imapDialogue) command(ctx context.Context, verb, args string, each func(imapResponse)) (imapResponse, error) {
	d.tag++
	tag := "hg" + strconv.Itoa(d.tag)
	if _, err := io.WriteString(d.conn, tag+" "+verb+args+"\r\n"); err != nil {
		return imapResponse{}, d.u.broken(ctx, d.e, "send "+verb, err)
	}
	for {
		r, err := d.read(ctx, verb)
		switch {
		case err != nil:
			return imapResponse{}, err
		case r.tag == tag && slices.Contains([]string{"OK", "NO", "BAD"}, r.word):
			return r, nil
		case r.tag != untagged:
			return imapResponse{}, d.u.fail(d.e, ClassProtocol, fmt.Errorf("%w: %.40q answers nothing that we asked", ErrReply, r.line))
		case r.word == "BYE":
			return imapResponse{}, d.bye(r)
		case each != nil:
			each(r)
		}
	}
}

// bye makes an *Error of a server that turns us away.
func (d *imapDialogue) bye(r imapResponse) *Error {
	class := ClassGreeting
	// RFC 5530, 3: these say that another time may do.
	if slices.Contains([]string{"UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG"}, r.code) {
		class = ClassBusy
	}
	out := d.u.fail(d.e, class, errors.New("the server said BYE"))
	out.Bye = r.line[len(untagged)+1:]
	return out
}
