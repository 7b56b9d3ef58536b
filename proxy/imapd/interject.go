package imapd

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"time"

	"heliograph/internal/uidset"
)

// phase says who may send commands.
type phase uint8

const (
	phaseNone      phase = iota // the client
	phaseLeaving                // we ended the client's IDLE and wait for the answer to that
	phaseOurs                   // a command of ours is under way
	phaseReturning              // we sent IDLE again and wait for its "+"
)

const (
	// quietTime is how long the client must have been silent before we say something: programs send
	// their commands in bursts.
	quietTime = 50 * time.Millisecond
	// arrivalTime is how long a client in IDLE has to fetch new mail itself, which costs nothing.
	arrivalTime = time.Second
	// hurryTime is after what a client that never falls silent is interrupted, between two commands.
	hurryTime = 2 * time.Second
	// hurryAgain is after what such a client is interrupted again while anything is left.
	hurryAgain = 250 * time.Millisecond
	// answerLimit ends a session whose upstream does not answer us: the client is kept waiting. On a slow line
	// a chunk may take longer, as long as progressBytes of it come in each such time.
	answerLimit   = 30 * time.Second
	progressBytes = 4 << 10
	// lingerTime is how long captures go on when the client is gone.
	lingerTime = time.Minute
	// maxFailures is how often a message is asked for in one session.
	maxFailures = 2
)

// interjection is the state of our own commands on the client's session.
type interjection struct {
	phase   phase
	tag     []byte
	count   int
	command []byte // to be sent when mu is free
	op      op
	body    *body // the message under way, over several turns
	mine    bool  // the FETCH response that passes is the answer to op
	timer   *time.Timer
	armed   bool
	watch   *time.Timer
	came    int64 // bytes of the chunk under way that had come when watch was set last
}

// op is one command of ours.
type op struct {
	kind opKind
	ask  uidset.Set // explore: sequence numbers; locate: UIDs
	told uidset.Set // explore: UIDs; locate: sequence numbers
	gone uidset.Set // explore: UIDs between those that were told
	seq  uint32     // explore: the last that was told; body: the message's
	uid  uint32     // explore: the last that was told
}

type opKind uint8

const (
	opNone    opKind = iota
	opExplore        // learn the UIDs of sequence numbers
	opLocate         // learn the sequence numbers of UIDs
	opBody
)

// body is a message that is fetched in chunks.
type body struct {
	box    *selected
	uid    uint32
	offset int64 // bytes that are here
	part   int64 // bytes of the chunk under way
	copied int64 // those of them that went to the journal
	due    int64 // bytes of the first literal that fits; only they count as progress
	tee    *tee
	size   int64 // RFC822.SIZE, -1 while it is not known
	ok     bool  // the answer was for it
	whole  bool  // the server sent all of it at once
	none   bool  // the answer was NIL: it is not there any more
	draft  bool
}

// hasWork says that something is to be fetched of the selected mailbox.
func (t *tap) hasWork() bool {
	b := t.box
	if b == nil || !b.keep || b.refused || t.paused() {
		return false
	}
	if b.ledger == nil {
		return !b.loading && !b.asked && b.exists > 0
	}
	return !b.idle() || t.turn.body != nil
}

// kick sees to it that work is begun at a good moment.
func (t *tap) kick() {
	if t.over || t.turn.armed || !t.hasWork() || !t.quiet() {
		return
	}
	now := time.Now()
	wait := t.lastClient.Add(quietTime).Sub(now)
	if t.idling() != nil {
		wait = t.box.arrived.Add(t.srv.timeouts.arrival).Sub(now)
	}
	if now.Sub(t.box.wantSince) > hurryTime || t.gone {
		wait = 0
	}
	wait = max(wait, t.box.until.Sub(now), 0)
	t.turn.armed = true
	if t.turn.timer == nil {
		t.turn.timer = time.AfterFunc(wait, t.fire)
		return
	}
	t.turn.timer.Reset(wait)
}

// fire begins our turn if the moment is good.
func (t *tap) fire() {
	t.mu.Lock()
	t.turn.armed = false
	if t.over || !t.hasWork() || !t.quiet() || t.waiting {
		t.mu.Unlock()
		return
	}
	now := time.Now()
	if t.box.until.After(now) || t.idling() == nil && !t.gone && now.Sub(t.lastClient) < quietTime && now.Sub(t.box.wantSince) < hurryTime {
		t.kick()
		t.mu.Unlock()
		return
	}
	t.begin()
	command := t.turn.command
	t.turn.command = nil
	t.mu.Unlock()
	t.send(command)
}

// begin takes our turn.
func (t *tap) begin() {
	if idle := t.idling(); idle != nil {
		t.turn.phase = phaseLeaving
		t.turn.command = []byte("DONE\r\n")
		t.watch()
		return
	}
	t.next()
}

// identify asks for the UIDs of messages that were copied without, before the client leaves their mailbox:
// it may never come back to them.
func (t *tap) identify() bool {
	b := t.box
	if b == nil || len(b.orphans) == 0 || b.refused || t.turn.phase != phaseNone || len(t.cmds) > 0 || !t.explore(b, b.touched) {
		return false
	}
	t.turn.phase = phaseOurs
	t.watch()
	return true
}

// watch gives the upstream its time to answer.
func (t *tap) watch() {
	t.turn.came = 0
	t.rewatch()
}

func (t *tap) rewatch() {
	if t.turn.watch == nil {
		t.turn.watch = time.AfterFunc(t.srv.timeouts.ours, t.overdue)
		return
	}
	t.turn.watch.Reset(t.srv.timeouts.ours)
}

// progressed says that the upstream sends what we asked for, though slowly. No upstream can go on so for ever: it counts
// only what fits the chunk.
func (t *tap) progressed() bool {
	m := t.turn.body
	if t.turn.phase != phaseOurs || t.turn.op.kind != opBody || m == nil {
		return false
	}
	came := min(m.copied, m.due)
	if came-t.turn.came < progressBytes {
		return false
	}
	t.turn.came = came
	return true
}

// overdue ends a session whose upstream keeps us, and so the client, waiting.
func (t *tap) overdue() {
	writing := t.writing.TryLock() // else the client does not listen
	if writing {
		defer t.writing.Unlock()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.turn.phase == phaseNone || t.over {
		return
	}
	if t.progressed() {
		t.rewatch()
		return
	}
	t.srv.tap.lost("silence")
	if writing && t.boundary() {
		t.bye(errSilent)
		return
	}
	t.abandon(errSilent)
}

func (t *tap) stopTimers() {
	for _, timer := range []*time.Timer{t.turn.timer, t.turn.watch, t.lingering} {
		if timer != nil {
			timer.Stop()
		}
	}
}

// doneLeaving handles the end of the upstream's IDLE, which the client does not see.
func (t *tap) doneLeaving() {
	t.cmds[0].idling = false
	if t.gone {
		t.cmds = t.cmds[:0]
	}
	if t.waiting && !t.gone {
		t.back()
		return
	}
	t.next()
}

// next sends our next command, or ends our turn.
func (t *tap) next() {
	if t.pick() {
		t.turn.phase = phaseOurs
		t.watch()
		return
	}
	t.back()
}

// back ends our turn: the client's IDLE is begun anew, or its bytes may go on.
func (t *tap) back() {
	if !t.gone && len(t.cmds) == 1 && t.cmds[0].kind == commandIdle && !t.cmds[0].ending {
		t.turn.phase = phaseReturning
		t.turn.command = []byte(t.cmds[0].tag + " IDLE\r\n")
		t.watch()
		return
	}
	t.yielded()
}

// returned handles the "+" of the IDLE that we began anew.
func (t *tap) returned() {
	t.cmds[0].idling = true
	t.yielded()
}

func (t *tap) yielded() {
	t.turn.phase = phaseNone
	if t.turn.watch != nil {
		t.turn.watch.Stop()
	}
	if t.box != nil && t.box.idle() {
		t.box.wantSince = time.Time{}
	} else if t.box != nil {
		t.box.wantSince = time.Now().Add(hurryAgain - hurryTime)
	}
	t.free.Broadcast()
}

// pick chooses and renders our next command.
func (t *tap) pick() bool {
	b := t.box
	if !t.hasWork() || t.leaving || b.until.After(time.Now()) || !t.afford() {
		return false
	}
	t.turn.op = op{}
	if b.ledger == nil { // the server has not said UIDNEXT
		b.asked = true
		return t.explore(b, uidset.Of(b.exists))
	}
	if (t.turn.body == nil || len(b.orphans) > 0) && t.explore(b, b.explore, b.touched) {
		return true
	}
	for t.turn.body == nil && !b.want.Empty() {
		t.choose(b)
	}
	if t.turn.body == nil {
		return t.locate(b)
	}
	return t.renderBody(b) || t.pick()
}

// explore asks for the UIDs of the sequence numbers in sets, the highest first.
func (t *tap) explore(b *selected, sets ...uidset.Set) bool {
	var all uidset.Set
	for _, s := range sets {
		all.AddSet(s)
	}
	if b.exists == 0 {
		b.explore, b.touched = uidset.Set{}, uidset.Set{}
		return false
	}
	all.Remove(b.exists+1, math.MaxUint32)
	if all.Empty() {
		b.explore.Remove(b.exists+1, math.MaxUint32)
		b.touched.Remove(b.exists+1, math.MaxUint32)
		return false
	}
	if t.uidOnly { // there are no sequence numbers (RFC 9586); only arrivals are explored
		t.turn.op = op{kind: opExplore, ask: all}
		t.own("UID FETCH %d:* (UID)", max(b.uidNext, 1))
		return true
	}
	t.turn.op = op{kind: opExplore, ask: highest(all)}
	t.own("FETCH %s (UID)", t.turn.op.ask)
	return true
}

// locate asks for the sequence numbers of messages that are wanted. By SEARCH, because the answer to UID FETCH
// may come with an EXPUNGE that the client does not expect (RFC 9051, 7.5.1).
func (t *tap) locate(b *selected) bool {
	if t.uidOnly {
		b.doubt, b.unplaced = false, uidset.Set{}
		return false
	}
	if b.doubt {
		b.doubt = false
		b.unplaced.AddSet(b.missing())
	}
	if b.unplaced.Empty() {
		return false
	}
	t.turn.op = op{kind: opLocate, ask: highest(b.unplaced)}
	t.own("SEARCH UID %s", t.turn.op.ask)
	return true
}

// highest returns what of a set fits one command, from the top.
func highest(s uidset.Set) (top uidset.Set) {
	ranges := s.Ranges()
	left := uint32(exploreWindow)
	for i := len(ranges) - 1; i >= 0 && left > 0 && len(ranges)-i <= exploreRanges; i-- {
		r := ranges[i]
		n := min(left, r.Last-r.First+1)
		top.Add(r.Last-n+1, r.Last)
		left -= n
	}
	return top
}

// own renders a command of ours.
func (t *tap) own(format string, args ...any) {
	t.turn.count++
	t.turn.tag = strconv.AppendInt(append(t.turn.tag[:0], ownTag...), int64(t.turn.count), 10)
	t.turn.command = fmt.Appendf(append(bytes.Clone(t.turn.tag), ' '), format+"\r\n", args...)
	t.srv.tap.interjected.Inc()
}

// choose takes the newest message that is wanted.
func (t *tap) choose(b *selected) {
	uid := b.want.Max()
	b.want.Remove(uid, uid)
	if _, ok := b.uids.Seq(uid); !ok && !t.uidOnly {
		b.unplaced.Add(uid, uid)
		return
	}
	if b.claim(uid) {
		t.turn.body = &body{box: b, uid: uid, size: -1}
	}
}

// renderBody asks for the next chunk of the message under way.
func (t *tap) renderBody(b *selected) bool {
	m := t.turn.body
	seq, ok := b.uids.Seq(m.uid)
	if !ok && !t.uidOnly || m.box != b {
		t.dropBody()
		b.unplaced.Add(m.uid, m.uid)
		return false
	}
	m.part, m.copied, m.due, m.ok, m.none, m.whole = 0, 0, 0, false, false, false
	t.turn.op = op{kind: opBody, seq: seq}
	items := "UID"
	if m.offset == 0 {
		items = "UID RFC822.SIZE INTERNALDATE"
	}
	verb, number := "FETCH", seq
	if t.uidOnly {
		verb, number = "UID FETCH", m.uid
	}
	t.own("%s %d (%s BODY.PEEK[]<%d.%d>)", verb, number, items, m.offset, t.chunk())
	return true
}

// dropBody gives up the message under way.
func (t *tap) dropBody() {
	m := t.turn.body
	if m == nil {
		return
	}
	t.turn.body = nil
	m.box.release(m.uid)
	m.tee.close()
}
