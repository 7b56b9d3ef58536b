package smtpd

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"heliograph/internal/journal"
	"heliograph/proxy"
	"heliograph/proxy/socket"

	"github.com/emersion/go-smtp"
)

// maxHops is where a message that carries this many Received fields is in a loop (RFC 5321, 6.3).
const maxHops = 50

// Queue serves listeners in queue mode: it accepts mail of machines durably, and the
// outbox delivers it. The protocol is go-smtp's; around it stand the guards that
// go-smtp 0.25 leaves to its caller, each with a test: a message cut off inside BDAT LAST,
// bare CR and LF, NUL and raw 8-bit in addresses, and parameters of STARTTLS.
// It implements proxy.Handler.
type Queue struct {
	front *Server // settings, metrics, and the preamble until STARTTLS
	smtp  *smtp.Server
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

var _ proxy.Handler = (*Queue)(nil)

// NewQueue returns a handler that shares front's settings, limits and metrics.
func NewQueue(front *Server) *Queue {
	q := &Queue{front: front, conns: make(chan net.Conn), done: make(chan struct{})}
	s := smtp.NewServer(smtp.BackendFunc(q.session))
	s.Domain = front.opts.Hostname
	s.MaxLineLength = maxCommandLine
	s.MaxMessageBytes = int64(front.opts.Settings.Limits.MessageBytes)
	s.MaxRecipients = front.opts.Settings.Limits.Recipients
	s.ReadTimeout, s.WriteTimeout = clientTimeout, writeTimeout
	s.EnableSMTPUTF8, s.EnableDSN = true, true
	s.ErrorLog = slog.NewLogLogger(front.log.Handler(), slog.LevelWarn)
	q.smtp = s
	go func() { _ = s.Serve(q) }()
	return q
}

// Close ends all sessions.
func (q *Queue) Close() error {
	q.once.Do(func() { close(q.done) })
	if err := q.smtp.Close(); err != nil && !errors.Is(err, smtp.ErrServerClosed) {
		return err
	}
	return nil
}

// Accept hands go-smtp the connections that ServeConn was given.
func (q *Queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.done:
		return nil, net.ErrClosed
	}
}

// Addr is there for net.Listener; the real listeners are proxy's.
func (q *Queue) Addr() net.Addr { return &net.TCPAddr{} }

// ServeConn runs one session.
func (q *Queue) ServeConn(ctx context.Context, c *proxy.Conn) {
	s := &session{
		srv: q.front, set: *q.front.settings.Load(), conn: c,
		log: q.front.log.With("session", c.ID, "client", c.Client().Addr().String()),
		in:  newInbound(c, q.front.timeouts.preamble), out: socket.NewWriter(c, writeTimeout),
	}
	defer s.in.release()
	q.front.metrics.sessions.Inc()
	defer q.front.metrics.sessions.Dec()
	if !s.trusted() && c.Listener.ClientCAFile == "" {
		q.front.metrics.refused("relay")
		s.log.Warn("queueing refused: its network is not trusted")
		_ = s.say("554 5.7.1 %s this network may not queue mail here", s.hostname())
		return
	}
	g := &guarded{Conn: c, session: s, closed: make(chan struct{})}
	if s.mustStartTLS() {
		if err := s.preamble(ctx); err != nil || c.TLSState() == nil {
			return
		}
		g.greeted = true
	}
	stop := context.AfterFunc(ctx, g.leave)
	defer stop()
	select {
	case q.conns <- g:
		<-g.closed
	case <-q.done:
	case <-ctx.Done():
	}
}

// guarded is the connection as go-smtp sees it.
type guarded struct {
	net.Conn
	session *session
	greeted bool        // our preamble has greeted: go-smtp's greeting is dropped
	broken  atomic.Bool // the client is gone: what it was sending is not whole
	busy    atomic.Bool // a message is under way
	leaving atomic.Bool
	once    sync.Once
	closed  chan struct{}
}

func (g *guarded) Read(b []byte) (int, error) {
	if g.leaving.Load() && !g.busy.Load() {
		_ = g.Conn.SetReadDeadline(past)
	}
	n, err := g.Conn.Read(b)
	if err != nil && n == 0 {
		g.broken.Store(true)
	}
	return n, err
}

func (g *guarded) Write(b []byte) (int, error) {
	if g.greeted {
		g.greeted = false
		return len(b), nil
	}
	return g.Conn.Write(b)
}

func (g *guarded) Close() error {
	err := g.Conn.Close()
	g.once.Do(func() { close(g.closed) })
	return err
}

func (g *guarded) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(g.session.conn.Client())
}

// leave ends the session when no message is under way.
func (g *guarded) leave() {
	g.leaving.Store(true)
	if !g.busy.Load() {
		_ = g.SetReadDeadline(past)
	}
}

// session begins a session for go-smtp.
func (q *Queue) session(c *smtp.Conn) (smtp.Session, error) {
	g, ok := c.Conn().(*guarded)
	if !ok {
		return nil, fmt.Errorf("connection of type %T", c.Conn())
	}
	if !g.session.trusted() {
		q.front.metrics.refused("relay")
		return nil, &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "relay access denied"}
	}
	return &queueSession{q: q, g: g, helo: c.Hostname()}, nil
}

// queueSession is one session of a machine.
type queueSession struct {
	q    *Queue
	g    *guarded
	helo string
	env  journal.Envelope
}

func (s *queueSession) Reset() {
	s.env = journal.Envelope{}
	s.g.busy.Store(false)
}

// Logout has nothing to undo.
func (s *queueSession) Logout() error { return nil }

func (s *queueSession) Mail(from string, o *smtp.MailOptions) error {
	if err := checkAddress(from, o.UTF8); err != nil {
		return err
	}
	x := s.g.session
	if d := x.rate("messages", x.set.Limits.MessagesPerHour); !d.Allowed {
		return refusal(450, smtp.EnhancedCode{4, 7, 1}, fmt.Sprintf("too many messages, try again in %d seconds", seconds(d.RetryAfter)))
	}
	s.env = journal.Envelope{ReversePath: from, MailParams: mailParams(o)}
	s.g.busy.Store(true)
	return nil
}

func (s *queueSession) Rcpt(to string, o *smtp.RcptOptions) error {
	utf8 := strings.Contains(s.env.MailParams, "SMTPUTF8")
	if err := checkAddress(to, utf8); err != nil {
		return err
	}
	x := s.g.session
	if d := x.rate("recipients", x.set.Limits.RecipientsPerHour); !d.Allowed {
		return refusal(452, smtp.EnhancedCode{4, 7, 1}, fmt.Sprintf("too many recipients, try again in %d seconds", seconds(d.RetryAfter)))
	}
	s.env.Recipients = append(s.env.Recipients, journal.Recipient{Address: to, Params: rcptParams(o), Code: 250})
	return nil
}

// Data accepts a message: 250 means that it is on disk. There is no policy of delivering
// without a copy here, because the copy is what gets delivered.
func (s *queueSession) Data(r io.Reader) error {
	defer s.g.busy.Store(false)
	x, start := s.g.session, time.Now()
	env := s.env
	env.ID = journal.NewID(start)
	env.Kind, env.Received = journal.KindQueue, start.UTC()
	env.Session, env.Listener, env.Upstream = x.conn.ID, x.conn.Listener.Address, x.conn.Listener.Upstream
	env.Account = strings.ToLower(x.conn.Listener.User)
	env.ClientIP, env.Helo = x.conn.Client().Addr().String(), s.helo
	entry := s.q.front.opts.Journal.Begin(&env)
	size, err := s.store(entry, &env, r)
	if err != nil {
		entry.Discard(err.Error())
		x.log.Warn("message not queued", "err", err)
		return err
	}
	entry.Commit(journal.Verdict{Code: 250, Text: "queued", At: time.Now().UTC()})
	s.q.front.metrics.queued(size)
	x.log.Info("message queued", "entry", env.ID.String(), "bytes", size, "recipients", len(env.Recipients))
	return &smtp.SMTPError{Code: 250, EnhancedCode: smtp.EnhancedCode{2, 0, 0}, Message: "queued as " + env.ID.String()}
}

// store copies the message into the journal and makes it durable.
func (s *queueSession) store(entry *journal.Pending, env *journal.Envelope, r io.Reader) (int64, error) {
	head := s.trace(env)
	if _, err := entry.Write(head); err != nil {
		return 0, s.noRoom(err)
	}
	box := dataPool.Get().(*[]byte)
	defer dataPool.Put(box)
	clean := lineCleaner{refuseBareLF: s.g.session.conn.Listener.BareLF == "refuse"}
	size, hops := int64(len(head)), hopCounter{}
	for {
		n, err := r.Read(*box)
		p, cerr := clean.next((*box)[:n], errors.Is(err, io.EOF))
		if cerr != nil {
			s.q.front.metrics.refused("framing")
			return size, refusal(550, smtp.EnhancedCode{5, 6, 0}, cerr.Error())
		}
		if hops.count(p) > maxHops {
			return size, refusal(554, smtp.EnhancedCode{5, 4, 6}, "too many hops: the message is in a loop")
		}
		if _, werr := entry.Write(p); werr != nil {
			return size, s.noRoom(werr)
		}
		size += int64(len(p))
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return size, err
		}
	}
	if s.g.broken.Load() { // go-smtp takes the end of the connection inside BDAT LAST for the end of the message
		return size, errors.New("the client vanished inside the message")
	}
	env.Size = size
	ctx, cancel := context.WithTimeoutCause(context.Background(), sealTimeout, errSealSlow)
	defer cancel()
	if err := entry.Seal(ctx, env); err != nil {
		return size, s.noRoom(err)
	}
	return size, nil
}

// trace is the Received field of this hop (RFC 5321, 4.4).
func (s *queueSession) trace(env *journal.Envelope) []byte {
	with := "ESMTP"
	if state := s.g.session.conn.TLSState(); state != nil {
		with = "ESMTPS (" + tls.VersionName(state.Version) + ")"
	}
	return fmt.Appendf(nil, "Received: from %s ([%s])\r\n\tby %s with %s id %s;\r\n\t%s\r\n",
		visible(s.helo), env.ClientIP, s.g.session.hostname(), with, env.ID, env.Received.Format(time.RFC1123Z))
}

// noRoom is the answer when the journal cannot take the message.
func (s *queueSession) noRoom(err error) error {
	s.g.session.log.Error("journal does not take mail", "err", err)
	return refusal(451, smtp.EnhancedCode{4, 3, 0},
		fmt.Sprintf("the mail cannot be queued now, try again later (session %s)", s.g.session.conn.ID))
}

func refusal(code int, enhanced smtp.EnhancedCode, text string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: text}
}

// checkAddress refuses what go-smtp lets through.
func checkAddress(address string, utf8 bool) error {
	if strings.ContainsFunc(address, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return refusal(501, smtp.EnhancedCode{5, 1, 7}, "control character in the address")
	}
	if !utf8 && !asciiOnly([]byte(address)) {
		return refusal(553, smtp.EnhancedCode{5, 6, 7}, "a non-ASCII address needs SMTPUTF8 (RFC 6531)")
	}
	return nil
}

// visible keeps a peer's word from breaking out of the field it is put into.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f || r == '(' || r == ')' || r == ';' {
			return '?'
		}
		return r
	}, s)
}

// lineCleaner makes every line end CRLF, refuses a bare CR, and keeps a CR at the end of
// a part until it knows what follows.
type lineCleaner struct {
	refuseBareLF bool
	heldCR       bool
	out          []byte
}

func (c *lineCleaner) next(p []byte, last bool) ([]byte, error) {
	c.out = c.out[:0]
	for _, b := range p {
		switch {
		case c.heldCR && b != '\n':
			return nil, errBareCR
		case b == '\r':
			c.heldCR = true
			continue
		case b == '\n' && !c.heldCR && c.refuseBareLF:
			return nil, errBareLF
		case b == '\n':
			c.out = append(c.out, "\r\n"...)
			c.heldCR = false
			continue
		}
		c.out = append(c.out, b)
	}
	if last && c.heldCR {
		return nil, errBareCR
	}
	return c.out, nil
}

// hopCounter counts the Received fields of a header.
type hopCounter struct {
	line []byte // beginning of the current line
	done bool   // past the header
	hops int
}

func (h *hopCounter) count(p []byte) int {
	for l := range bytes.Lines(p) {
		if h.done {
			return h.hops
		}
		h.line = append(h.line, l[:min(len(l), 16-min(len(h.line), 16))]...)
		if l[len(l)-1] != '\n' {
			break
		}
		if len(h.line) >= 9 && strings.EqualFold(string(h.line[:9]), "received:") {
			h.hops++
		}
		h.done = len(bytes.TrimRight(h.line, "\r\n")) == 0
		h.line = h.line[:0]
	}
	return h.hops
}

// mailParams writes the ESMTP parameters of MAIL that the outbox must pass on.
func mailParams(o *smtp.MailOptions) string {
	var p []string
	if o.Body != "" {
		p = append(p, "BODY="+string(o.Body))
	}
	if o.UTF8 {
		p = append(p, "SMTPUTF8")
	}
	if o.Return != "" {
		p = append(p, "RET="+string(o.Return))
	}
	if o.EnvelopeID != "" {
		p = append(p, "ENVID="+xtext(o.EnvelopeID))
	}
	return strings.Join(p, " ")
}

// rcptParams does the same for RCPT.
func rcptParams(o *smtp.RcptOptions) string {
	var p []string
	if len(o.Notify) > 0 {
		words := make([]string, len(o.Notify))
		for i, n := range o.Notify {
			words[i] = string(n)
		}
		p = append(p, "NOTIFY="+strings.Join(words, ","))
	}
	if o.OriginalRecipient != "" {
		p = append(p, "ORCPT="+string(o.OriginalRecipientType)+";"+xtext(o.OriginalRecipient))
	}
	return strings.Join(p, " ")
}

// xtext encodes a parameter's value (RFC 3461, 4).
func xtext(s string) string {
	var sb strings.Builder
	for _, c := range []byte(s) {
		if c < '!' || c > '~' || c == '+' || c == '=' {
			fmt.Fprintf(&sb, "+%02X", c)
		} else {
			sb.WriteByte(c)
		}
	}
	return sb.String()
}
