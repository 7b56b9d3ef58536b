package watch

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"heliograph/config"
	"heliograph/internal/accounts"
	"heliograph/internal/uidset"
	"heliograph/proxy/upstream"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
)

const (
	// answerBytes bounds what a command may be answered besides the messages or names that it asks for, and what a server may
	// tell during one IDLE.
	answerBytes = 1 << 20
	// nameBytes, numberBytes and metaBytes are what a mailbox in a list, a UID and the description of a message may take.
	nameBytes   = 2 << 10
	numberBytes = 12
	metaBytes   = 64 << 10
	// maxFolders bounds the mailboxes of an account: more than anybody has.
	maxFolders = 10_000
	// logoutTime bounds the goodbye, for which nobody waits.
	logoutTime = 3 * time.Second
	// byeBytes is how much of what came last is kept, to find the server's last words.
	byeBytes = 1 << 10
)

// link is one connection, logged in. Its commands are used by one goroutine.
type link struct {
	conn    *meter
	client  *imapclient.Client
	caps    imap.CapSet
	news    chan struct{} // has one entry when the server told of messages
	silence time.Duration // how long the server may say nothing while a command runs
	since   time.Time
}

// dial connects. Its errors are *upstream.Error.
func dial(ctx context.Context, u *upstream.Upstream, silence time.Duration) (*link, upstream.Capabilities, error) {
	conn, err := u.DialIMAP(ctx, upstream.Client{})
	if err != nil {
		return nil, upstream.Capabilities{}, err
	}
	// imapclient begins with a greeting. It gets one with what the server said of itself under TLS, which the
	// greeting of a server with STARTTLS is not.
	greeting := "* OK [CAPABILITY " + conn.Capabilities.String() + "] ready\r\n"
	m := &meter{Conn: conn.Conn, early: io.MultiReader(strings.NewReader(greeting), bytes.NewReader(conn.Buffered)), heard: make(chan struct{}, 1)}
	m.budget.Store(answerBytes)
	l := &link{conn: m, news: make(chan struct{}, 1), silence: silence, since: time.Now()}
	l.client = imapclient.New(m, &imapclient.Options{UnilateralDataHandler: &imapclient.UnilateralDataHandler{
		Mailbox: func(d *imapclient.UnilateralDataMailbox) {
			if d.NumMessages != nil {
				l.tell()
			}
		},
	}})
	return l, conn.Capabilities, nil
}

// tell notes that there may be something new.
func (l *link) tell() {
	select {
	case l.news <- struct{}{}:
	default:
	}
}

// told reports whether there may be something new, once.
func (l *link) told() bool {
	select {
	case <-l.news:
		return true
	default:
		return false
	}
}

// login shows a credential. A refusal is an *imap.Error, and challenge what the server said before it.
func (l *link) login(ctx context.Context, u *upstream.Upstream, caps upstream.Capabilities, c accounts.Credential) (challenge []byte, err error) {
	proof, perr := u.Prove(c, caps.Mechanisms(), config.ProtocolIMAP)
	switch {
	case perr == nil:
		defer proof.Wipe()
		var client *prover
		if client, err = newProver(proof); err != nil {
			return nil, err
		}
		err = l.do(ctx, answerBytes, func() error { return l.client.Authenticate(client) })
		challenge = client.challenge
	case c.OAuth() || caps.Has("LOGINDISABLED"):
		return nil, perr
	default: // NetEase lists no mechanism for passwords
		err = l.do(ctx, answerBytes, func() error { return l.client.Login(c.User, c.Password).Wait() })
	}
	if err != nil {
		return challenge, err
	}
	// The capabilities may be others now (RFC 9051, 6.2), and asking for them may be a command.
	return nil, l.do(ctx, answerBytes, func() error { l.caps = l.client.Caps(); return nil })
}

// introduce sends ID (RFC 2971) to servers that know it: NetEase's refuse EXAMINE without. What they answer does not matter.
func (l *link) introduce(ctx context.Context, u *upstream.Upstream, version string) error {
	if !u.NeedsID() && !l.caps.Has(imap.CapID) {
		return nil
	}
	err := l.do(ctx, answerBytes, func() error {
		_, err := l.client.ID(&imap.IDData{Name: "Heliograph", Version: version, Vendor: "Heliograph"}).Wait()
		return err
	})
	if no := (*imap.Error)(nil); errors.As(err, &no) {
		return nil
	}
	return err
}

// canIdle reports whether the server offers IDLE.
func (l *link) canIdle() bool { return l.caps.Has(imap.CapIdle) || l.caps.Has(imap.CapIMAP4rev2) }

// do runs one command. The connection is closed when ctx ends, when the server says nothing for too long, or when it says
// more than budget bytes; err is then a *lostError.
func (l *link) do(ctx context.Context, budget int64, command func() error) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	l.conn.budget.Store(budget)
	quiet := time.AfterFunc(l.silence, func() { l.conn.fail(errSilent) })
	l.conn.patience.Store(&patience{quiet, l.silence})
	stop := context.AfterFunc(ctx, func() { l.conn.fail(context.Cause(ctx)) })
	err := command()
	stop()
	quiet.Stop()
	l.conn.patience.Store(nil)
	if no := (*imap.Error)(nil); err == nil || errors.As(err, &no) {
		return err
	}
	return l.lost(ctx, err)
}

// lost makes a *lostError of the end of the connection.
func (l *link) lost(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	switch cause := l.conn.cause.Load(); {
	case cause != nil:
		err = *cause
	case err == nil, errors.Is(err, net.ErrClosed), errors.Is(err, io.ErrUnexpectedEOF): // as imapclient tells of an end
		err = errHungUp
	}
	return &lostError{err: err, bye: l.conn.bye()}
}

// close ends the connection, with a goodbye where that makes sense, and waits for imapclient's reader.
func (l *link) close(polite bool) {
	if polite {
		ctx, cancel := context.WithTimeout(context.Background(), logoutTime)
		_ = l.do(ctx, answerBytes, func() error { return l.client.Logout().Wait() }) // nobody waits for the answer
		cancel()
	}
	_ = l.client.Close()
}

// folders lists the mailboxes that can be opened, with their special uses as config.Folders wants them.
func (l *link) folders(ctx context.Context) (map[string]string, error) {
	uses := map[string]string{}
	err := l.do(ctx, answerBytes+maxFolders*nameBytes, func() error {
		var o *imap.ListOptions
		if l.caps.Has(imap.CapSpecialUse) && l.caps.Has(imap.CapListExtended) {
			o = &imap.ListOptions{ReturnSpecialUse: true}
		}
		list := l.client.List("", "*", o)
		for d := list.Next(); d != nil; d = list.Next() {
			if len(uses) >= maxFolders || slices.Contains(d.Attrs, imap.MailboxAttrNoSelect) || slices.Contains(d.Attrs, imap.MailboxAttrNonExistent) {
				continue
			}
			attrs := make([]string, len(d.Attrs))
			for i, a := range d.Attrs {
				attrs[i] = string(a)
			}
			uses[fold(d.Mailbox)] = strings.Join(slices.DeleteFunc(attrs, func(a string) bool { return plainAttr[strings.ToLower(a)] }), " ")
		}
		return list.Close()
	})
	if err != nil {
		return nil, fmt.Errorf("list mailboxes: %w", err)
	}
	return uses, nil
}

// plainAttr are the attributes of RFC 9051, 7.3.1 that are no special uses.
var plainAttr = map[string]bool{
	`\haschildren`: true, `\hasnochildren`: true, `\noinferiors`: true, `\marked`: true, `\unmarked`: true, `\subscribed`: true, `\remote`: true,
}

// search returns the UIDs that meet the criteria. More than most is an error.
func (l *link) search(ctx context.Context, criteria *imap.SearchCriteria, most int) (found uidset.Set, err error) {
	var o *imap.SearchOptions
	if l.caps.Has(imap.CapESearch) || l.caps.Has(imap.CapIMAP4rev2) {
		o = &imap.SearchOptions{ReturnAll: true} // ranges instead of a number each
	}
	var data *imap.SearchData
	err = l.do(ctx, answerBytes+numberBytes*int64(most), func() (err error) {
		data, err = l.client.UIDSearch(criteria, o).Wait()
		return err
	})
	if err != nil {
		return found, err
	}
	uids, _ := data.All.(imap.UIDSet) // nil when there are none
	for _, r := range uids {
		found.Add(uint32(r.Start), uint32(r.Stop))
	}
	if found.Len() > uint64(most) {
		return uidset.Set{}, &lostError{err: fmt.Errorf("it found %d messages where at most %d can be", found.Len(), most)}
	}
	return found, nil
}

// fold writes INBOX as the ledger does: it is the one name without case (RFC 9051, 5.1).
func fold(name string) string {
	if strings.EqualFold(name, "INBOX") {
		return "INBOX"
	}
	return name
}

// imapSet is the same set as go-imap has it.
func imapSet(set uidset.Set) imap.UIDSet {
	var out imap.UIDSet
	for _, r := range set.Ranges() {
		out.AddRange(imap.UID(r.First), imap.UID(r.Last))
	}
	return out
}

// patience is how long a server may be silent.
type patience struct {
	timer *time.Timer
	each  time.Duration
}

// meter is a connection that counts what comes in.
type meter struct {
	net.Conn
	early    io.Reader // what was read before; nil once it is used up
	budget   atomic.Int64
	patience atomic.Pointer[patience]
	cause    atomic.Pointer[error] // why we closed it
	heard    chan struct{}         // has an entry when something came

	mu   sync.Mutex // guards tail
	tail []byte     // what came last
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
	if n == 0 {
		return n, err
	}
	if t := m.patience.Load(); t != nil {
		t.timer.Reset(t.each)
	}
	select {
	case m.heard <- struct{}{}:
	default:
	}
	m.keep(p[:n])
	if m.budget.Add(-int64(n)) < 0 {
		m.fail(errTooMuch)
		return 0, errTooMuch
	}
	return n, err
}

func (m *meter) keep(p []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(p) >= byeBytes {
		m.tail = append(m.tail[:0], p[len(p)-byeBytes:]...)
		return
	}
	if drop := len(m.tail) + len(p) - byeBytes; drop > 0 {
		m.tail = append(m.tail[:0], m.tail[drop:]...)
	}
	m.tail = append(m.tail, p...)
}

// bye returns the server's last words if these were a BYE (RFC 9051, 7.1.5).
func (m *meter) bye() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	lines := bytes.Split(bytes.TrimRight(m.tail, "\r\n"), []byte("\n"))
	for _, line := range slices.Backward(lines) {
		if len(line) > 6 && bytes.EqualFold(line[:6], []byte("* BYE ")) {
			return strings.TrimSpace(string(line[6:]))
		}
	}
	return ""
}

// fail closes the connection for a reason of ours.
func (m *meter) fail(why error) {
	m.cause.CompareAndSwap(nil, &why)
	_ = m.Conn.Close()
}

// prover says the responses of a proof.
type prover struct {
	mechanism string
	initial   []byte
	rest      [][]byte
	challenge []byte // in which the server says why it refuses
}

func newProver(p *upstream.Proof) (*prover, error) {
	c := &prover{mechanism: p.Mechanism}
	for _, r := range p.Responses {
		b, err := base64.StdEncoding.DecodeString(string(r))
		if err != nil {
			return nil, fmt.Errorf("prepare the login: %w", err)
		}
		c.rest = append(c.rest, b)
	}
	if p.Mechanism != sasl.Login { // which asks first
		c.initial, c.rest = c.rest[0], c.rest[1:]
	}
	return c, nil
}

// Start implements sasl.Client.
func (p *prover) Start() (mech string, ir []byte, err error) { return p.mechanism, p.initial, nil }

// Next implements sasl.Client. When all is said, a challenge tells why the server refuses; the answer to it is empty.
func (p *prover) Next(challenge []byte) ([]byte, error) {
	if len(p.rest) == 0 {
		p.challenge = slices.Clone(challenge)
		return []byte{}, nil
	}
	next := p.rest[0]
	p.rest = p.rest[1:]
	return next, nil
}

var _ sasl.Client = (*prover)(nil)
