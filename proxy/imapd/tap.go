package imapd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"heliograph/config"
	"heliograph/internal/journal"
	"heliograph/proxy/imapd/scan"
	"heliograph/proxy/socket"
)

const (
	// chunkBuffer is what is read at once. As cheap as a blind copy from about this size on.
	chunkBuffer = 128 << 10
	// maxHeld bounds the first part of a response line that waits for its rest. No line that
	// the tap may have to change or swallow is longer; what is, passes as it comes.
	maxHeld = 8 << 10
	// maxCommands bounds pipelined commands without an answer.
	maxCommands = 2000
	// maxCost bounds what is kept of them, in bytes: tags may be long, and so may names of mailboxes.
	maxCost = 1 << 20
	// maxLocal bounds our own replies that wait for the end of a response, in bytes.
	maxLocal = 16 << 10
	// parkAfter is how long nothing must come before a direction gives up its goroutine.
	parkAfter = 2 * time.Second
	// passTimeout ends a session whose peer takes nothing.
	passTimeout = 5 * time.Minute
)

var chunkPool = sync.Pool{New: func() any { b := make([]byte, chunkBuffer); return &b }}

// tap is a session after its login. Each direction has a goroutine while anything comes: it
// reads a chunk, scans it in place, and writes the same bytes on. What the scan finds moves one
// common state, guarded by mu; no write and no disk is waited for while it is held.
type tap struct {
	*session
	draining context.Context
	release  func() // of the connection
	undrain  func() bool

	down, up direction      // from the client, from the upstream
	toClient *socket.Writer // under writing
	toServer *socket.Writer // the client's goroutine, or whoever holds phase

	// writing is held by who writes to the client. It is taken before mu.
	writing sync.Mutex

	mu         sync.Mutex // guards all below
	free       *sync.Cond // the client's bytes may go on, or the session is over
	fromClient scan.Client
	fromServer scan.Server
	half       []byte    // the first part of a client's line, not yet sent on
	held       []byte    // the first part of an upstream's line, not yet passed on
	flowing    bool      // of an upstream's line a part was passed on, so that all of it must pass
	mid        bool      // a command was sent in part: a literal of it is to come
	stray      bool      // and it was answered already
	waiting    bool      // the client's goroutine holds bytes back
	cmds       []*issued // sent and not answered, oldest first
	cost       int       // of cmds
	local      []byte    // replies of our own that wait for the end of a response
	lastClient time.Time // when the client last sent anything
	leaving    bool      // the gateway is shutting down
	gone       bool      // the client is; what is under way may still end
	closed     bool      // and its connection is closed
	over       bool      // the session is; ended is the same for who does not hold mu
	left       int       // directions that have not ended
	why        error     // of the end

	policy    config.CaptureRule
	capturing bool
	box       *selected // the selected mailbox; nil while there is none
	uses      map[string]string
	uidOnly   bool // the session has no sequence numbers (RFC 9586)
	qresync   bool // flags come with their UID (RFC 7162, 3.2.4)
	ledgers   []*journal.Mailbox
	fetch     *scan.Fetch // the response that passes now; nil while the session is parked
	in        bool        // a FETCH response passes, and fetch reads it
	tee       *tee        // what the literal that passes now is copied to; nil for none
	whole     *tee        // the message of the FETCH response that passes
	budget    budget
	lingering *time.Timer
	sent      []copied // of the client's chunk, for the journal after the bytes were passed on
	seen      []copied // of the upstream's chunk
	out       [][]byte // pieces of a chunk that pass
	turn      interjection

	ended atomic.Bool
	work  sync.WaitGroup // goroutines besides the directions
}

// direction is one way of the bytes.
type direction struct {
	name   string
	conn   net.Conn
	reader *socket.Reader
	take   func(p []byte) error
	box    *[]byte // the buffer in use, of chunkPool
	get    func() []byte
	put    func([]byte)
	armed  time.Time    // when the read deadline was set last
	spot   *socket.Spot // where it is parked; guarded by mu
}

// pooled lets the direction take its buffers from the pool, without allocating for each chunk.
func (d *direction) pooled() {
	d.get = func() []byte {
		d.box = chunkPool.Get().(*[]byte)
		return *d.box
	}
	d.put = func([]byte) {
		chunkPool.Put(d.box)
		d.box = nil
	}
}

// tap starts the session after its login and returns: it goes on in goroutines of its own,
// so that the deep stacks of handshake and login are given back.
func (s *session) tap(context.Context) {
	t := &tap{session: s, draining: s.conn.Context(), release: s.conn.Hold(), left: 2}
	t.free = sync.NewCond(&t.mu)
	t.toClient, t.toServer = socket.NewWriter(s.conn, s.srv.timeouts.pass), socket.NewWriter(s.up, s.srv.timeouts.pass)
	t.down = direction{name: "client", conn: s.conn.Conn, reader: socket.NewReader(s.conn.Conn), take: t.takeClient}
	t.up = direction{name: "upstream", conn: s.up.Conn, reader: socket.NewReader(s.up.Conn), take: t.takeServer}
	t.down.pooled()
	t.up.pooled()
	t.learnCapabilities()
	t.rule()
	_ = s.conn.SetDeadline(time.Time{})
	_ = s.up.SetDeadline(time.Time{})
	t.undrain = context.AfterFunc(t.draining, t.leave)
	head, tail := s.clientBuffered, s.upBuffered
	s.clientBuffered, s.upBuffered = nil, nil
	s.conn.Go(func() { t.run(&t.up, tail) })
	s.conn.Go(func() { t.run(&t.down, head) })
}

// run moves one direction until it ends or is parked. head is what was read before.
func (t *tap) run(d *direction, head []byte) {
	finished := false
	defer func() {
		if !finished { // a panic: the server counts it and closes the client's connection
			t.end(d, errors.New("panic"))
		}
	}()
	var err error
	if len(head) > 0 {
		err = d.take(head)
	}
	for err == nil {
		var parked bool
		if parked, err = t.receive(d); parked {
			finished = true
			return
		}
	}
	finished = true
	t.end(d, err)
}

// receive waits for one chunk and passes it on. parked says that the direction gave up
// its goroutine; another one goes on when something comes.
func (t *tap) receive(d *direction) (parked bool, err error) {
	now := time.Now()
	if now.Sub(d.armed) > parkAfter/2 {
		d.armed = now
		_ = d.conn.SetReadDeadline(now.Add(parkAfter)) // a closed connection fails at the read
		if t.ended.Load() {                            // before that deadline was set
			return false, errOver
		}
	}
	buf, n, err := d.reader.Read(d.get, d.put)
	var failed error
	if n > 0 {
		failed = d.take(buf[:n])
		d.put(nil)
	}
	if failed != nil { // even if the other side's time is up: that is no reason to wait for this one
		return false, failed
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		d.armed = time.Time{}
		return t.park(d), nil
	}
	return false, err
}

// park gives the direction to the parking lot.
func (t *tap) park(d *direction) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return false
	}
	if !d.reader.Quiet() {
		return false
	}
	spot, ok := t.srv.lot.Park(d.conn, func() { t.conn.Do(func() { t.wake(d) }) })
	if ok {
		d.spot = spot
		t.shrink(d)
	}
	return ok
}

// shrink gives back what a parked direction has no use for.
func (t *tap) shrink(d *direction) {
	if d == &t.down {
		t.fromClient.Release()
		t.sent = nil
		return
	}
	t.fromServer.Release()
	t.seen, t.out = nil, nil
	if !t.in {
		t.fetch = nil
	}
}

// wake goes on with a parked direction.
func (t *tap) wake(d *direction) {
	t.mu.Lock()
	d.spot = nil
	t.mu.Unlock()
	t.run(d, nil)
}

// end notes that one direction is over, and brings the other to its end.
func (t *tap) end(d *direction, err error) {
	t.mu.Lock()
	if t.why == nil {
		t.why = fmt.Errorf("%s: %w", d.name, err)
	}
	if d == &t.down && t.linger(err) {
		t.left--
		t.kick()
		t.mu.Unlock()
		return
	}
	t.left--
	last := t.stop()
	t.mu.Unlock()
	if last {
		t.finish()
	}
}

// stop closes both connections, whose readers then fail. It reports whether both
// directions have ended. Callers hold mu.
func (t *tap) stop() (last bool) {
	first := !t.over
	t.over = true
	t.ended.Store(true)
	t.free.Broadcast()
	if first {
		for _, d := range []*direction{&t.down, &t.up} {
			if d.spot != nil && d.spot.Leave() {
				d.spot = nil
				t.left--
			}
		}
		_ = t.up.conn.Close()
		// The client's connection is closed by the server, which lets it read the last words.
		_ = t.down.conn.SetReadDeadline(time.Unix(1, 0))
	}
	return t.left == 0
}

// finish gives everything back when both directions have ended.
func (t *tap) finish() {
	t.undrain()
	t.mu.Lock()
	t.dropCaptures()
	t.leaveBox()
	t.stopTimers()
	why := t.why
	t.mu.Unlock()
	t.store(&t.seen)
	t.work.Wait()
	t.closeLedgers()
	t.log.Info("session ended", "reason", endReason(why))
	t.session.end()
	t.release()
}

// endReason is a short text for logs of why a session ended.
func endReason(err error) string {
	switch {
	case errors.Is(err, io.EOF):
		return "closed by the peer"
	case errors.Is(err, net.ErrClosed):
		return "closed"
	case err == nil:
		return "done"
	}
	return err.Error()
}

// leave begins the end of the session at the next quiet moment: the gateway is shutting down.
func (t *tap) leave() {
	t.mu.Lock()
	t.leaving = true
	t.mu.Unlock()
	t.farewell()
}

// The ends of a session that are neither side's.
var errSilent = errors.New("the mail server does not answer")

// errShutdown ends a session because the gateway stops.
var errShutdown = errors.New("the gateway is shutting down")

// farewell says goodbye if no command is under way.
func (t *tap) farewell() {
	t.writing.Lock()
	defer t.writing.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.leaving || t.over || !t.quiet() || !t.boundary() {
		return
	}
	t.bye(errShutdown)
}

// bye ends the session with a last word to the client. Callers hold writing and mu, at a boundary.
func (t *tap) bye(why error) {
	if !t.gone {
		_ = t.conn.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = t.conn.Write([]byte("* BYE [UNAVAILABLE] " + why.Error() + ", connect again\r\n")) // toClient would give it longer
	}
	t.abandon(why)
}

// abandon ends the session. Callers hold mu.
func (t *tap) abandon(why error) {
	t.why = why
	if t.stop() {
		go t.finish() // not under the locks
	}
}

// quiet says that the upstream owes nothing but the end of an IDLE, and that no command
// is sent in part. Callers hold mu.
func (t *tap) quiet() bool {
	return !t.mid && t.turn.phase == phaseNone && (len(t.cmds) == 0 || t.idling() != nil)
}

// boundary says that the client has been given whole responses only. Callers hold mu.
func (t *tap) boundary() bool {
	return t.fromServer.AtBoundary() || len(t.held) > 0 || t.turn.mine
}

// say gives the client a response of our own as soon as none of the upstream's is under way.
func (t *tap) say(text string) {
	t.writing.Lock()
	defer t.writing.Unlock()
	t.mu.Lock()
	t.local = append(t.local, text...)
	var now []byte
	if t.boundary() {
		now, t.local = t.local, nil
	}
	t.mu.Unlock()
	if now != nil {
		_, _ = t.toClient.Write(now) // a client that is gone shows at the read
	}
}

// send writes a command of our own. Only who moved phase may call it.
func (t *tap) send(b []byte) {
	if len(b) == 0 {
		return
	}
	if _, err := t.toServer.Write(b); err != nil {
		_ = t.up.conn.Close() // its reader ends the session
	}
}

// unknownAccount stands for whoever logged in by a mechanism that hides the name.
const unknownAccount = "unknown"

// rule finds the policy of the account. Mail of nobody in particular is not captured: whose it is decides
// what was captured already, and who may see it.
func (t *tap) rule() {
	t.policy = t.set.Capture.For(t.account)
	t.capturing = t.policy.Policy != config.CaptureNone && t.policy.Policy != "" && t.srv.opts.Journal != nil
	if t.capturing && t.account == unknownAccount {
		t.capturing = false
		t.srv.tap.lost("unknown_account")
		t.log.Warn("session is not captured: the login hides its user")
	}
	t.budget.Budget = t.target.Budget(t.srv.opts.Limiter, t.account, int64(t.set.Capture.BytesPerDay))
}

// paused says that nothing of the account is to be captured for now. What is wanted stays so.
func (t *tap) paused() bool { return t.srv.opts.Paused != nil && t.srv.opts.Paused(t.account) }

// chunk is how many bytes of a message are asked for at once.
func (t *tap) chunk() int64 {
	if n := int64(t.set.Capture.ChunkBytes); n > 0 {
		return n
	}
	return defaultChunk
}

// defaultChunk bounds how long a client's command waits for us: a fraction of a second on a slow line.
const defaultChunk = 256 << 10
