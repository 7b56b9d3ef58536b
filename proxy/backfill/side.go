package backfill

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"heliograph/proxy/upstream"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
)

const (
	// silence is how long a server may say nothing while a command runs. SEARCH in a mailbox of a million
	// messages takes some servers minutes.
	silence = 5 * time.Minute
	// logoutTimeout bounds the goodbye, for which nobody waits.
	logoutTimeout = 5 * time.Second
	// answerBytes bounds what a command may be answered besides the messages or names that it asks for.
	answerBytes = 1 << 20
	// nameBytes and numberBytes are what a mailbox in a list and a UID may take.
	nameBytes   = 2 << 10
	numberBytes = 12
)

// side is one connection, logged in.
type side struct {
	conn   *meter
	client *imapclient.Client
}

// LoginError says that the upstream refused the credentials. It is not tried again.
type LoginError struct {
	Account string
	Text    string // the upstream's words
	Remedy  string
	Tried   bool // the credentials were shown to the server
}

// Error says what happened and what to do.
func (e *LoginError) Error() string {
	return fmt.Sprintf("the mail server refused the login of %s: %s; it is not tried again, because mail servers lock accounts over failed logins: %s",
		e.Account, e.Text, e.Remedy)
}

// dial connects and logs in. Its error is a *LoginError where the credentials were refused.
func dial(ctx context.Context, u *upstream.Upstream, req *Request) (*side, error) {
	conn, err := u.DialIMAP(ctx, upstream.Client{})
	if err != nil {
		return nil, err
	}
	// imapclient begins with a greeting. It gets one with what the server said of itself under TLS, which the
	// greeting of a server with STARTTLS is not.
	greeting := "* OK [CAPABILITY " + conn.Capabilities.String() + "] ready\r\n"
	m := &meter{Conn: conn.Conn, early: io.MultiReader(strings.NewReader(greeting), bytes.NewReader(conn.Buffered))}
	s := &side{conn: m, client: imapclient.New(m, &imapclient.Options{})}
	if err := s.begin(ctx, u, conn.Capabilities, req); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// begin logs in, and introduces us to servers that want it (NetEase refuses EXAMINE without).
func (s *side) begin(ctx context.Context, u *upstream.Upstream, caps upstream.Capabilities, req *Request) error {
	if err := s.login(ctx, u, caps, req); err != nil {
		return err
	}
	if !u.NeedsID() {
		return nil
	}
	return s.do(ctx, answerBytes, func() error {
		_, err := s.client.ID(&imap.IDData{Name: "heliograph"}).Wait()
		return err
	})
}

func (s *side) login(ctx context.Context, u *upstream.Upstream, caps upstream.Capabilities, req *Request) error {
	var no *imap.Error
	refused := func(text, remedy string) error {
		if hint := hintOf(u); hint != "" {
			remedy += "; " + hint
		}
		return &LoginError{Account: req.Account, Text: text, Remedy: remedy, Tried: no != nil}
	}
	var last []byte // the server's challenge, in which XOAUTH2 says why it refuses
	err := s.do(ctx, answerBytes, func() error {
		switch {
		case req.Token && !caps.Has("AUTH=XOAUTH2"):
			return errNoXOAUTH2
		case req.Token:
			return s.client.Authenticate(&xoauth2{user: req.Account, token: req.Secret, challenge: &last})
		case caps.Has("AUTH=PLAIN"): // takes passwords in any alphabet
			return s.client.Authenticate(&plain{user: req.Account, password: req.Secret})
		case caps.Has("LOGINDISABLED"):
			return errNoPassword
		}
		return s.client.Login(req.Account, string(req.Secret)).Wait()
	})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errNoXOAUTH2):
		return refused("it does not offer XOAUTH2", "use a password, without --token")
	case errors.Is(err, errNoPassword):
		return refused("it takes no passwords", "use an OAuth2 access token with --token")
	case !errors.As(err, &no):
		return fmt.Errorf("login: %w", err)
	case temporary(no):
		return fmt.Errorf("login: %w", &trouble{no})
	case len(last) > 0:
		return refused(quote(no.Text)+" "+quote(string(last)), "get a new access token, with the scope for IMAP")
	case req.Token:
		return refused(quote(no.Text), "get a new access token, with the scope for IMAP")
	}
	return refused(quote(no.Text), "check the password, and that IMAP is switched on for this account")
}

var (
	errNoXOAUTH2  = errors.New("the server does not offer XOAUTH2")
	errNoPassword = errors.New("the server takes no passwords")
)

// hintOf is what the provider's preset says on logins, as the end of a sentence.
func hintOf(u *upstream.Upstream) string {
	c := u.Config()
	preset, _ := c.Preset()
	return strings.TrimSuffix(preset.Hint, ".")
}

// quote makes words of a server fit into a line.
func quote(text string) string {
	const most = 300 // as much as explains; the rest is decoration
	text = strings.ToValidUTF8(text, "�")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return fmt.Sprintf("%q", text)
}

// temporary reports whether a refusal may pass by itself (RFC 5530, and what Gmail and Exchange say).
func temporary(no *imap.Error) bool {
	switch no.Code {
	case imap.ResponseCodeUnavailable, imap.ResponseCodeInUse, imap.ResponseCodeServerBug, imap.ResponseCodeLimit, "THROTTLED", "OVERQUOTA":
		return true
	}
	return false
}

// trouble is a refusal that may pass: it is answered as a lost connection is.
type trouble struct{ no *imap.Error }

func (t *trouble) Error() string { return quote(t.no.Text) }

// do runs one command. The connection is closed when ctx ends, when the server says nothing for too
// long, or when it says more than budget bytes; err is then not an *imap.Error.
func (s *side) do(ctx context.Context, budget int64, command func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.conn.budget.Store(budget)
	quiet := time.AfterFunc(silence, func() { s.conn.fail(errSilent) })
	s.conn.quiet.Store(quiet)
	stop := context.AfterFunc(ctx, func() { s.conn.fail(context.Cause(ctx)) })
	err := command()
	stop()
	quiet.Stop()
	s.conn.quiet.Store(nil)
	var no *imap.Error
	if err == nil || errors.As(err, &no) {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	switch cause := s.conn.cause.Load(); {
	case cause != nil:
		err = *cause
	case errors.Is(err, net.ErrClosed), errors.Is(err, io.ErrUnexpectedEOF): // as imapclient tells of an end
		err = errHungUp
	}
	return &lostError{err}
}

// lostError says that the connection is of no use any more.
type lostError struct{ err error }

func (e *lostError) Error() string { return "connection lost: " + e.err.Error() }
func (e *lostError) Unwrap() error { return e.err }

var (
	errSilent  = fmt.Errorf("the mail server said nothing for %v", silence)
	errHungUp  = errors.New("the mail server hung up")
	errTooMuch = errors.New("the mail server sent far more than was asked for")
)

// logout says goodbye and closes.
func (s *side) logout() {
	ctx, cancel := context.WithTimeout(context.Background(), logoutTimeout)
	defer cancel()
	_ = s.do(ctx, answerBytes, func() error { return s.client.Logout().Wait() })
	s.close()
}

// close closes the connection and waits for imapclient's reader.
func (s *side) close() { _ = s.client.Close() }

// folders lists the mailboxes that can be opened, with their special uses as config.Folders wants them.
func (s *side) folders(ctx context.Context) (map[string]string, error) {
	uses := map[string]string{}
	err := s.do(ctx, answerBytes+maxMailboxes*nameBytes, func() error {
		var o *imap.ListOptions
		if caps := s.client.Caps(); caps.Has(imap.CapSpecialUse) && caps.Has(imap.CapListExtended) {
			o = &imap.ListOptions{ReturnSpecialUse: true}
		}
		list := s.client.List("", "*", o)
		for d := list.Next(); d != nil; d = list.Next() {
			if len(uses) < maxMailboxes && !slices.Contains(d.Attrs, imap.MailboxAttrNoSelect) && !slices.Contains(d.Attrs, imap.MailboxAttrNonExistent) {
				uses[d.Mailbox] = specialUses(d.Attrs)
			}
		}
		return list.Close()
	})
	if err != nil {
		return nil, fmt.Errorf("list mailboxes: %w", err)
	}
	return uses, nil
}

// specialUses picks the attributes of RFC 6154, 2 and RFC 8457.
func specialUses(attrs []imap.MailboxAttr) string {
	known := []imap.MailboxAttr{
		imap.MailboxAttrAll, imap.MailboxAttrArchive, imap.MailboxAttrDrafts, imap.MailboxAttrFlagged,
		imap.MailboxAttrJunk, imap.MailboxAttrSent, imap.MailboxAttrTrash, imap.MailboxAttrImportant,
	}
	var uses []string
	for _, a := range attrs {
		if slices.ContainsFunc(known, func(k imap.MailboxAttr) bool { return strings.EqualFold(string(k), string(a)) }) {
			uses = append(uses, string(a))
		}
	}
	return strings.Join(uses, " ")
}

// meter is a connection that counts what comes in.
type meter struct {
	net.Conn
	early  io.Reader // what was read before; nil once it is used up
	budget atomic.Int64
	quiet  atomic.Pointer[time.Timer]
	cause  atomic.Pointer[error] // why we closed it
}

// Read implements net.Conn. It is called by one goroutine, imapclient's reader.
func (m *meter) Read(p []byte) (int, error) {
	if m.early != nil {
		if n, err := m.early.Read(p); n > 0 && err == nil {
			return n, nil
		}
		m.early = nil
	}
	n, err := m.Conn.Read(p)
	if t := m.quiet.Load(); t != nil && n > 0 {
		t.Reset(silence)
	}
	if m.budget.Add(-int64(n)) < 0 {
		m.fail(errTooMuch)
		return 0, errTooMuch
	}
	return n, err
}

// fail closes the connection for a reason of ours.
func (m *meter) fail(why error) {
	m.cause.CompareAndSwap(nil, &why)
	_ = m.Conn.Close()
}

// plain is the mechanism PLAIN (RFC 4616).
type plain struct {
	user     string
	password []byte
}

// Start implements sasl.Client.
func (p *plain) Start() (string, []byte, error) {
	return sasl.Plain, slices.Concat([]byte("\x00"+p.user+"\x00"), p.password), nil
}

// Next implements sasl.Client.
func (*plain) Next([]byte) ([]byte, error) { return nil, sasl.ErrUnexpectedServerChallenge }

// xoauth2 is the mechanism of Google and Microsoft.
type xoauth2 struct {
	user      string
	token     []byte
	challenge *[]byte
}

// Start implements sasl.Client.
func (x *xoauth2) Start() (string, []byte, error) {
	return "XOAUTH2", slices.Concat([]byte("user="+x.user+"\x01auth=Bearer "), x.token, []byte("\x01\x01")), nil
}

// Next implements sasl.Client. The server says why it refuses, and refuses once we have taken note.
func (x *xoauth2) Next(challenge []byte) ([]byte, error) {
	*x.challenge = slices.Clone(challenge)
	return []byte{}, nil
}

var (
	_ sasl.Client = (*plain)(nil)
	_ sasl.Client = (*xoauth2)(nil)
)
