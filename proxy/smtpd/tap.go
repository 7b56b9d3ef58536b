package smtpd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"heliograph/proxy/socket"
	"heliograph/proxy/upstream"
)

// expectation is a command whose reply is outstanding, or a reply of our own that
// must wait for its turn.
type expectation struct {
	kind  expectKind
	txn   *transaction // of MAIL, the end of DATA, BDAT
	rcpt  string       // address of RCPT
	param string       // its parameters
	local string       // our own reply, with CRLF
}

type expectKind uint8

const (
	expectOther expectKind = iota
	expectMail
	expectRcpt
	expectData
	expectVerdict // the final dot, or BDAT LAST
	expectChunk   // BDAT without LAST, as the client sent it
	expectPiece   // BDAT that we made; its reply is ours to keep
	expectReset   // RSET
	expectHello   // EHLO or HELO, which reset too
	expectQuit
	expectLocal
)

// dataGate is the upstream's answer to DATA.
type dataGate uint8

const (
	gateWaiting dataGate = iota
	gateOpen             // 354
	gateShut             // anything else
)

// tap is a session after its login: one goroutine reads the client, one the
// upstream. What they share is guarded by mu.
type tap struct {
	*session
	upOut *socket.Writer
	outMu sync.Mutex // one reply at a time to the client

	mu      sync.Mutex
	changed *sync.Cond    // queue got shorter, gate moved, or the upstream is gone
	queue   []expectation // replies outstanding, in order
	since   time.Time     // when the first of them began to wait
	gate    dataGate
	active  *transaction // the last MAIL that the upstream accepted, until its end
	gone    bool         // nothing more comes from the upstream
	leaving bool         // the gateway is shutting down

	dropped  atomic.Bool // we closed the upstream on purpose
	recycled atomic.Bool // the upstream connection is wanted for another client
	cur      *transaction
	idle     int // commands in a row without a message
}

// tap runs both directions until the session is over.
func (s *session) tap(ctx context.Context) {
	t := &tap{session: s, upOut: socket.NewWriter(s.up, writeTimeout)}
	t.changed = sync.NewCond(&t.mu)
	s.in.idle.timeout = s.srv.timeouts.client
	s.in.idle.revive()
	stop := context.AfterFunc(ctx, t.leave)
	defer stop()

	done := make(chan struct{})
	var crash any // of the other goroutine; the server recovers from it in this one
	go func() {
		defer close(done)
		defer func() {
			if v := recover(); v != nil {
				crash = fmt.Errorf("panic while reading the upstream: %v\n%s", v, debug.Stack())
				t.lose()
				_ = t.conn.Close()
			}
		}()
		t.fromUpstream()
	}()
	err := t.fromClient()
	t.awaitVerdict(err)
	if !t.recycle(err) {
		t.drop()
	}
	<-done
	if crash != nil {
		panic(crash)
	}
	if t.recycled.Load() {
		_ = t.up.SetDeadline(time.Time{}) // a connection that fails is found out by the pool
		t.target.Release(t.up)
		t.up = nil
	}
	t.abandon("session ended")
	if err != nil && !errors.Is(err, errGoodbye) && !errors.Is(err, net.ErrClosed) {
		s.log.Info("session ended", "reason", reason(err))
	}
}

// drop closes the connection to the upstream, so that a message under way is never completed.
func (t *tap) drop() {
	t.dropped.Store(true)
	_ = t.up.Close()
}

// leave begins the end of the session at the next quiet moment.
func (t *tap) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.leaving = true
	t.hurry()
}

// hurry wakes the client's reader when the session may end now. Callers hold mu.
func (t *tap) hurry() {
	if t.leaving && t.quiet() {
		t.in.idle.expire()
	}
}

// quiet says that no command and no message is under way. Callers hold mu.
func (t *tap) quiet() bool { return len(t.queue) == 0 && t.active == nil }

// fill reads from the client. The end of the gateway interrupts it only when it is quiet.
func (t *tap) fill() error {
	for {
		err := t.in.fill()
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		t.mu.Lock()
		leaving, quiet := t.leaving, t.quiet()
		t.mu.Unlock()
		if !leaving {
			t.answer("421 4.4.2 %s timeout, closing", t.hostname())
			return err
		}
		if quiet {
			t.answer("421 4.3.2 %s is shutting down, try again", t.hostname())
			return errGoodbye
		}
		t.in.idle.revive()
	}
}

// push queues what the upstream will reply to, before it is sent. It waits while too
// many replies are outstanding.
func (t *tap) push(e ...expectation) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.queue) > maxOutstanding && !t.gone {
		t.changed.Wait()
	}
	if t.gone {
		return errUpstreamGone
	}
	if len(t.queue) == 0 {
		t.since = time.Now()
	}
	t.queue = append(t.queue, e...)
	return nil
}

// forward sends command lines, whose replies are e, to the upstream.
func (t *tap) forward(lines []byte, e ...expectation) error {
	if err := t.push(e...); err != nil {
		return err
	}
	_, err := t.upOut.Write(lines)
	return err
}

// reply gives our own answer to a command, in its turn.
func (t *tap) reply(text string) error {
	t.mu.Lock()
	if len(t.queue) > 0 {
		t.queue = append(t.queue, expectation{kind: expectLocal, local: text + "\r\n"})
		t.mu.Unlock()
		return nil
	}
	t.mu.Unlock()
	return t.write([]byte(text + "\r\n"))
}

// answer says something to the client out of turn.
func (t *tap) answer(format string, args ...any) {
	t.outMu.Lock()
	defer t.outMu.Unlock()
	_ = t.say(format, args...)
}

func (t *tap) write(b []byte) error {
	t.outMu.Lock()
	defer t.outMu.Unlock()
	_, err := t.out.Write(b)
	return err
}

// awaitVerdict lets the upstream finish what it has in full: the client may be gone,
// but the journal must learn what became of its message.
func (t *tap) awaitVerdict(err error) {
	if errors.Is(err, errDropUpstream) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for !t.gone && t.owed(errors.Is(err, errGoodbye)) {
		t.changed.Wait()
	}
}

// owed says that a verdict is outstanding or, with all, any reply. Callers hold mu.
func (t *tap) owed(all bool) bool {
	for _, e := range t.queue {
		if all || e.kind == expectVerdict {
			return true
		}
	}
	return false
}

// abandon discards an entry that never got to its end.
func (t *tap) abandon(why string) {
	if t.cur != nil {
		t.cur.discard(why)
		t.cur = nil
	}
}

// fromUpstream passes replies to the client until the upstream closes.
func (t *tap) fromUpstream() {
	err := t.replies()
	owing := t.lose()
	if t.dropped.Load() || t.recycled.Load() {
		return
	}
	if owing && !errors.Is(err, errGoodbye) {
		t.srv.metrics.upstreamError(&upstream.Error{Class: upstream.ClassProtocol, Err: err})
		t.log.Warn("upstream lost with replies outstanding", "err", err)
		t.answer("421 4.4.2 %s the connection to the mail server was lost, try again (session %s)", t.hostname(), t.conn.ID)
	}
	_ = t.conn.Close() // the upstream has closed, so do we
}

// lose notes that nothing more comes from the upstream, and says whether it owed something.
func (t *tap) lose() (owing bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.gone = true
	owing = len(t.queue) > 0
	for _, e := range t.queue {
		if e.kind == expectVerdict {
			e.txn.leave() // its fate is unknown
		}
	}
	t.queue = nil
	t.changed.Broadcast()
	return owing
}

// replies reads until the connection ends.
func (t *tap) replies() error {
	in := newInbound(t.up, verdictTimeout)
	defer in.release()
	head, _ := t.upIn.Peek(t.upIn.Buffered())
	in.w = copy(*in.box, head)
	t.upIn = nil
	for {
		if err := t.deliver(in); err != nil {
			return err
		}
		err := in.fill()
		if t.recycled.Load() {
			return errRecycled
		}
		if errors.Is(err, os.ErrDeadlineExceeded) && !t.overdue() {
			in.idle.revive()
			continue
		}
		if err != nil {
			return err
		}
	}
}

// overdue says that the upstream has owed a reply for too long.
func (t *tap) overdue() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.queue) > 0 && time.Since(t.since) >= verdictTimeout/2
}

// deliver passes on all whole replies that are buffered, in as few writes as may be.
func (t *tap) deliver(in *inbound) error {
	// Held over the batch: a reply leaves the queue before it is written, and one of our
	// own must not overtake it.
	t.outMu.Lock()
	defer t.outMu.Unlock()
	run := 0 // bytes of in that are to go out
	flush := func() {
		if run > 0 {
			_, _ = t.out.Write(in.buffered()[:run]) // a client that is gone does not stop the verdict
			in.use(run)
			run = 0
		}
	}
	defer flush()
	for {
		n, code, err := splitReply(in.buffered()[run:])
		if err != nil || n == 0 {
			return err
		}
		text := in.buffered()[run : run+n]
		e, solicited := t.head()
		if !solicited {
			run += n
			continue
		}
		own, swallow, quit := t.settle(e, code, text)
		switch {
		case swallow || own != nil:
			flush()
			in.use(n)
			if own != nil {
				_, _ = t.out.Write(own)
			}
		default:
			run += n
		}
		if local := t.pop(); local != nil {
			flush()
			_, _ = t.out.Write(local)
		}
		if quit {
			return errGoodbye
		}
	}
}

// head returns the command that the next reply belongs to.
func (t *tap) head() (expectation, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.queue) == 0 {
		return expectation{}, false
	}
	return t.queue[0], true
}

// pop takes the answered command off the queue, and returns our own replies that
// stood behind it.
func (t *tap) pop() (local []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 1
	for n < len(t.queue) && t.queue[n].kind == expectLocal {
		local = append(local, t.queue[n].local...)
		n++
	}
	t.queue = t.queue[:copy(t.queue, t.queue[n:])]
	t.since = time.Now()
	t.changed.Broadcast()
	t.hurry()
	return local
}
