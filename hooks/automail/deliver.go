package automail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/emersion/go-smtp"

	"heliograph/config"
	"heliograph/internal/journal"
	"heliograph/proxy/upstream"
)

// outcomeKind is a metric label.
type outcomeKind string

// How attempts end.
const (
	outcomeDelivered   outcomeKind = "delivered"   // for all that were pending
	outcomePartly      outcomeKind = "partly"      // for some
	outcomeFailed      outcomeKind = "failed"      // for good, for all
	outcomeDeferred    outcomeKind = "deferred"    // 4xx
	outcomeRate        outcomeKind = "rate"        // 4xx because we send too much
	outcomeUnreachable outcomeKind = "unreachable" // no connection, or it broke
	outcomeUnknown     outcomeKind = "unknown"     // it broke behind the final dot, and the message goes at most once
	outcomeInternal    outcomeKind = "internal"    // our own trouble
	outcomeElsewhere   outcomeKind = "elsewhere"   // the message lies on another node
	outcomeStopped     outcomeKind = "stopped"     // the program ends
)

// outcome is what came of one attempt.
type outcome struct {
	kind     outcomeKind
	remote   string        // name of the server
	replies  map[int]reply // by position of the recipient
	trouble  error         // why there is no reply for some
	noDSN    bool          // the upstream does not know DSN
	progress bool          // somebody was delivered to
	crowded  bool          // somebody has to wait only because there were too many recipients
}

// reply is a verdict on one recipient.
type reply struct {
	code     int
	enhanced string
	text     string
	ours     bool // not the upstream's words
	retry    bool // a 5xx that is not the message's fault
}

// ourReply is a refusal that we decide on, with the code that a server would use.
func ourReply(code int, enhanced, text string) reply {
	return reply{code: code, enhanced: enhanced, text: text, ours: true}
}

// toReply reads the upstream's refusal.
func toReply(e *smtp.SMTPError) reply {
	r := reply{code: e.Code, text: strings.Join(strings.Fields(strings.ToValidUTF8(e.Message, "?")), " ")}
	if c := e.EnhancedCode; c != smtp.NoEnhancedCode && c[0] == e.Code/100 {
		r.enhanced = fmt.Sprintf("%d.%d.%d", c[0], c[1], c[2])
	} else {
		r.enhanced = strconv.Itoa(e.Code/100) + ".0.0"
	}
	return r
}

// route is the way out for the mail of one listener, or of one account that rules send as.
type route struct {
	up       *upstream.Upstream
	user     string
	password config.Secret
	host     string
	who      *Account // nil for a listener's
}

// route finds the way. Only an operator can mend an error here.
func (o *Outbox) route(ctx context.Context, e journal.Entry) (*route, error) {
	name, user, password, host := o.o.Identity(e.Listener)
	if e.Automated() {
		who, err := o.sender(ctx, e.Automation.Sender)
		if err != nil {
			return nil, err
		}
		return &route{up: who.up, host: hostname(host), who: who}, nil
	}
	if name == "" {
		name = e.Upstream
	}
	up, err := o.o.Router().Route(name, "", user)
	if err != nil {
		return nil, err
	}
	return &route{up: up, user: user, password: password, host: hostname(host)}, nil
}

func (r *route) dial(ctx context.Context) (*upstream.SMTPConn, error) {
	client := upstream.Client{Helo: r.host}
	if r.who != nil {
		return r.who.dialSMTP(ctx, client)
	}
	if r.user == "" {
		return r.up.DialSMTP(ctx, client)
	}
	conn, _, err := r.up.DialAuthenticated(ctx, client, r.user, r.password)
	return conn, err
}

// remote is the upstream's name in notices: what it calls itself, or what we call it.
func (r *route) remote(conn *upstream.SMTPConn) string {
	if d := conn.Ext.Domain; strings.Contains(d, ".") && printable(d) { // some greet with "Hello" in its place
		return d
	}
	if host, _, err := net.SplitHostPort(r.up.Config().SMTP.Address); err == nil {
		return host
	}
	return r.up.Name()
}

// attempt sends the message to all pending recipients in one transaction.
func (o *Outbox) attempt(ctx context.Context, r *route, e journal.Entry, m *OutboxMessage) outcome {
	// Before the upstream is troubled: is the message there?
	body, err := o.o.Journal.Body(ctx, e)
	if errors.Is(err, journal.ErrElsewhere) {
		return outcome{kind: outcomeElsewhere, trouble: err}
	}
	if err != nil {
		return outcome{kind: outcomeInternal, trouble: err}
	}
	defer func() { _ = body.Close() }() // only read
	conn, err := r.dial(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return outcome{kind: outcomeStopped, trouble: err}
		}
		return outcome{kind: outcomeUnreachable, remote: "", trouble: err}
	}
	t := &transaction{
		o: o, conn: conn, entry: e, message: m, body: body, params: parseMail(e.MailParams),
		out: outcome{remote: r.remote(conn), replies: map[int]reply{}, noDSN: !conn.Ext.Has("DSN")},
	}
	reusable := t.run(ctx, m.pending())
	if reusable && ctx.Err() == nil {
		r.up.Release(conn)
	} else {
		_ = conn.Close()
	}
	t.conclude(ctx, m)
	return t.out
}

// transaction is one MAIL, its RCPTs and the message.
type transaction struct {
	o       *Outbox
	conn    *upstream.SMTPConn
	entry   journal.Entry
	message *OutboxMessage
	body    io.Reader
	params  mailParams
	client  *smtp.Client
	out     outcome
	ours    error // trouble of our own
	rate    bool  // the upstream asks us to slow down
}

// errOutOfStep says that the server talks when it should listen: most likely it says goodbye.
var errOutOfStep = errors.New("the server sent bytes unasked")

// run speaks to the upstream. It reports whether the connection is between transactions
// afterwards; if not it must be closed, and no final dot has been sent for
// a message that is not whole.
func (t *transaction) run(ctx context.Context, pending []*OutboxRecipient) (reusable bool) {
	ready, err := t.check(ctx, pending)
	if err != nil {
		t.ours = err
		return true
	}
	if len(ready) == 0 {
		return true
	}
	if len(t.conn.Buffered) > 0 {
		t.out.trouble = errOutOfStep
		return false
	}
	// Until the final dot is out, a stop breaks the transaction off. go-smtp sets
	// deadlines of its own, so only closing is sure to wake it.
	stop := context.AfterFunc(ctx, func() { _ = t.conn.Close() })
	defer stop()
	if t.client, err = newClient(t.conn); err != nil {
		t.out.trouble = err
		return false
	}
	if err := t.client.Mail(t.entry.ReversePath, t.mailOptions()); err != nil {
		return t.refused(err, ready)
	}
	accepted, usable := t.recipients(ready)
	if !usable {
		return false
	}
	if len(accepted) == 0 {
		return t.reset()
	}
	data, err := t.client.Data()
	if err != nil {
		return t.refused(err, accepted)
	}
	if err := t.send(data); err != nil {
		// Closing data would send the final dot: only the connection is closed.
		_ = t.conn.Close()
		return false
	}
	return t.verdict(ctx, stop, data, accepted)
}

// send copies the message into the DATA phase.
func (t *transaction) send(data io.Writer) error {
	src := &source{Reader: t.body}
	n, err := io.Copy(data, src)
	switch {
	case src.err != nil:
		t.ours = src.err
		return src.err
	case err != nil:
		t.out.trouble = fmt.Errorf("sending the message: %w", err)
		return err
	case n != t.entry.Size:
		t.ours = fmt.Errorf("the journal gave %d of %d bytes", n, t.entry.Size)
		return t.ours
	}
	return nil
}

// verdict sends the final dot and waits for what the upstream says, even through a stop.
func (t *transaction) verdict(ctx context.Context, stop func() bool, data *smtp.DataCommand, accepted []*OutboxRecipient) (reusable bool) {
	if !stop() {
		t.out.trouble = context.Cause(ctx)
		return false
	}
	if err := t.mark(ctx, accepted); err != nil {
		t.ours = err
		_ = t.conn.Close() // without the final dot
		return false
	}
	var done atomic.Bool
	var timer atomic.Pointer[time.Timer]
	stopLate := context.AfterFunc(ctx, func() {
		timer.Store(time.AfterFunc(verdictGrace, func() {
			if !done.Load() {
				_ = t.conn.Close()
			}
		}))
	})
	said, err := data.CloseWithResponse()
	done.Store(true)
	stopLate()
	if late := timer.Load(); late != nil {
		late.Stop()
	}
	if err != nil {
		return t.refused(err, accepted)
	}
	text := strings.Join(strings.Fields(strings.ToValidUTF8(said.StatusText, "?")), " ")
	enhanced, rest := splitEnhanced(text)
	for _, r := range accepted {
		r.dotted = false
		t.out.replies[r.position] = reply{code: 250, enhanced: enhanced, text: rest}
	}
	t.out.progress = true
	return true
}

// splitEnhanced takes the status code off a 250's text; 2.0.0 stands for none.
func splitEnhanced(text string) (enhanced, rest string) {
	word, rest, _ := strings.Cut(text, " ")
	if strings.HasPrefix(word, "2.") && strings.Count(word, ".") == 2 && !strings.ContainsFunc(word, func(r rune) bool { return r != '.' && (r < '0' || r > '9') }) {
		return word, rest
	}
	return "2.0.0", text
}

// recipients sends the RCPTs. usable is false when the connection is lost.
func (t *transaction) recipients(ready []*OutboxRecipient) (accepted []*OutboxRecipient, usable bool) {
	for _, r := range ready {
		err := t.client.Rcpt(r.Address, t.rcptOptions(r))
		if err == nil {
			accepted = append(accepted, r)
			continue
		}
		var said *smtp.SMTPError
		if !errors.As(err, &said) || said.Code == 421 {
			// Nothing was sent yet, so those already accepted are not either.
			t.refused(err, ready)
			return nil, false
		}
		rep := toReply(said)
		if tooManyRecipients(rep) {
			rep.retry = true
			t.out.crowded = true
		}
		t.note(r, rep)
	}
	return accepted, true
}

// tooManyRecipients is about those before, not about this one. RFC 5321, 4.5.3.1.10: 452, and 552
// of older servers.
func tooManyRecipients(r reply) bool {
	if r.code != 452 && r.code != 552 {
		return false
	}
	return strings.HasSuffix(r.enhanced, ".5.3") || strings.Contains(strings.ToLower(r.text), "too many recipients")
}

// refused notes an error for each of these recipients, and reports whether the
// connection can go on.
func (t *transaction) refused(err error, list []*OutboxRecipient) (reusable bool) {
	var said *smtp.SMTPError
	if !errors.As(err, &said) {
		t.out.trouble = err
		return false
	}
	rep := toReply(said)
	// The login is the operator's affair: no mail bounces over it.
	rep.retry = rep.code == 530 || rep.code == 534 || rep.code == 535 || rep.code == 538
	for _, r := range list {
		if _, decided := t.out.replies[r.position]; !decided || rep.code == 421 {
			t.note(r, rep)
		}
	}
	if rep.code == 421 { // RFC 5321, 3.8: the server closes now
		t.out.trouble = err
		return false
	}
	return t.reset()
}

func (t *transaction) note(r *OutboxRecipient, rep reply) {
	t.rate = t.rate || asksToSlowDown(rep)
	r.dotted = false
	t.out.replies[r.position] = rep
}

// reset ends a transaction that came to nothing.
func (t *transaction) reset() bool { return t.client.Reset() == nil }

// conclude names the outcome.
func (t *transaction) conclude(ctx context.Context, m *OutboxMessage) {
	delivered, failed, pending := 0, 0, 0
	for _, r := range m.pending() {
		switch rep, said := t.out.replies[r.position]; {
		case said && rep.code < 300:
			delivered++
		case said && rep.code >= 500 && !rep.retry:
			failed++
		default:
			pending++
		}
	}
	switch {
	case t.ours != nil && ctx.Err() == nil:
		t.out.kind, t.out.trouble = outcomeInternal, t.ours
	case delivered == 0 && pending > 0 && ctx.Err() != nil:
		t.out.kind = outcomeStopped
	case len(m.dotted()) > 0:
		t.out.kind = outcomeUnknown
	case t.rate:
		t.out.kind = outcomeRate
	case delivered > 0 && failed+pending == 0:
		t.out.kind = outcomeDelivered
	case delivered > 0:
		t.out.kind = outcomePartly
	case pending == 0:
		t.out.kind = outcomeFailed
	case t.out.trouble != nil:
		t.out.kind = outcomeUnreachable
	default:
		t.out.kind = outcomeDeferred
	}
}

func (t *transaction) mailOptions() *smtp.MailOptions {
	return &smtp.MailOptions{
		Size: t.entry.Size, UTF8: t.params.utf8,
		Return: t.params.ret, EnvelopeID: t.params.envID, // left out by the client where DSN is not offered
	}
}

func (t *transaction) rcptOptions(r *OutboxRecipient) *smtp.RcptOptions {
	p := parseRcpt(r.Params)
	return &smtp.RcptOptions{Notify: p.notify, OriginalRecipientType: p.origType, OriginalRecipient: p.orig}
}
