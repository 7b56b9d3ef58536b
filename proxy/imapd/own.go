package imapd

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"heliograph/internal/journal"
	"heliograph/internal/uidset"
	"heliograph/proxy/imapd/scan"
)

// isOwn says whether the FETCH response that has begun answers our command. What the server says
// unasked of the same message has neither a part of the body nor a UID alone.
func (t *tap) isOwn(ev *scan.Event) bool {
	f := t.fetch
	if t.turn.phase != phaseOurs || t.flowing { // what has passed in part is the client's
		return false
	}
	switch op := &t.turn.op; op.kind {
	case opExplore:
		return ev.Last && f.UID != 0 && !f.Touched && (t.uidOnly || op.ask.Contains(f.Seq))
	case opBody:
		m := t.turn.body
		if m == nil || f.Section != scan.SectionPartial && f.Section != scan.SectionWhole {
			return false
		}
		return f.Seq == op.seq || t.uidOnly && f.UID == m.uid
	}
	return false
}

// ownFetch takes one line of an answer to us. What it says besides of flags is for the client.
func (t *tap) ownFetch(ev *scan.Event) (action, []byte) {
	t.turn.mine = !ev.Last
	f := t.fetch
	if t.turn.op.kind == opBody {
		t.ownBody(ev)
	}
	if !ev.Last {
		return swallow, nil
	}
	t.in = false
	if t.turn.op.kind == opExplore {
		t.turn.op.tell(f.Seq, f.UID)
		t.concludeUIDNext(t.box, f.Seq, f.UID)
		t.box.learn(f.Seq, f.UID)
	}
	switch {
	case !f.HasFlags:
		return swallow, nil
	case t.uidOnly:
		return replace, fmt.Appendf(nil, "* %d UIDFETCH (%s)\r\n", f.UID, f.Kept())
	case t.qresync:
		return replace, fmt.Appendf(nil, "* %d FETCH (UID %d %s)\r\n", f.Seq, f.UID, f.Kept())
	}
	return replace, fmt.Appendf(nil, "* %d FETCH (%s)\r\n", f.Seq, f.Kept())
}

// tell notes the UID of a sequence number. What lies between the UIDs of two that follow each other is gone.
func (o *op) tell(seq, uid uint32) {
	before := uint32(0) // the UID of the message before, where that was told
	if seq == o.seq+1 {
		before = o.uid
	}
	if (seq == 1 || before != 0) && uid > before+1 {
		o.gone.Add(before+1, uid-1)
	}
	o.seq, o.uid = seq, uid
	o.told.Add(uid, uid)
}

// ownSearch takes the answer to our question for sequence numbers (RFC 9051, 7.3.3; the form of RFC 3501).
func (t *tap) ownSearch(r *scan.Response) bool {
	if t.turn.phase != phaseOurs || t.turn.op.kind != opLocate {
		return false
	}
	for _, word := range bytes.Fields(r.Rest) {
		if n := number(word); n != 0 && n <= t.box.exists {
			t.turn.op.told.Add(n, n)
		}
	}
	return true
}

// ownBody takes a line of a message that we fetch: what follows it is the next part of the body.
func (t *tap) ownBody(ev *scan.Event) {
	m, f := t.turn.body, t.fetch
	if m == nil {
		return
	}
	if m.tee == nil {
		m.tee = t.newTee(journal.KindFetch, wayInterject, m.box.name, m.box, max(f.Size, ev.Size))
		m.tee.env.UID, m.tee.claimed = m.uid, true
	}
	m.whole = m.whole || f.Section == scan.SectionWhole // a server that knows no pieces
	if !ev.Last {
		if m.fits(f, ev.Size, t.chunk()) {
			t.tee = m.tee
			if m.due == 0 {
				m.due = ev.Size
			}
		}
		return
	}
	if f.Size >= 0 {
		m.size = f.Size
	}
	m.none = f.Nil
	if len(f.Quoted) > 0 {
		m.part += int64(len(f.Quoted))
		m.copied += int64(len(f.Quoted))
		t.seen = append(t.seen, copied{tee: m.tee, data: bytes.Clone(f.Quoted)})
	}
	if len(f.InternalDate) > 0 {
		m.tee.env.InternalDate = internalDate(f.InternalDate)
	}
	m.draft = m.draft || f.HasFlags && f.HasFlag(`\Draft`)
	m.ok = f.UID == m.uid
}

// fits says whether the literal that follows is the piece that was asked for.
func (m *body) fits(f *scan.Fetch, size, chunk int64) bool {
	if !f.Literal || f.Decoded {
		return false
	}
	switch f.Section {
	case scan.SectionPartial:
		return f.Origin == uint64(m.offset) && size <= chunk
	case scan.SectionWhole:
		return m.offset == 0 && size <= maxMessage
	}
	return false
}

// internalDate reads a date-time (RFC 9051, 9), the zero time if it is none.
func internalDate(b []byte) time.Time {
	at, err := time.Parse("_2-Jan-2006 15:04:05 -0700", strings.Trim(string(b), `" `))
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}

// answered handles the tagged answer to our command, and goes on.
func (t *tap) answered(r *scan.Response) {
	t.turn.mine = false
	ok := r.Status == scan.StatusOK
	if r.Status == scan.StatusBad {
		t.srv.tap.lost("refused")
		t.log.Warn("mailbox is captured no further, the mail server refused a command", "answer", string(r.Rest))
		t.box.refused = true
		t.dropBody()
		t.back()
		return
	}
	switch {
	case t.turn.op.kind == opExplore:
		t.explored(ok)
	case t.turn.op.kind == opLocate:
		t.located(ok)
	case t.turn.body != nil:
		t.gotPart(ok, r)
	}
	if t.waiting && !t.gone {
		t.back()
		return
	}
	t.next()
}

// explored settles what is known to be gone.
func (t *tap) explored(ok bool) {
	b, op := t.box, &t.turn.op
	b.explore, b.touched = b.explore.Sub(op.ask), b.touched.Sub(op.ask)
	switch {
	case b.ledger == nil || !ok:
		return
	case t.uidOnly:
		b.arrivedUIDs(op.told)
		return
	}
	if op.seq == b.exists && op.uid != 0 && b.uidNext > op.uid+1 {
		op.gone.Add(op.uid+1, b.uidNext-1)
	}
	if floor := b.floor(); floor > 1 {
		op.gone.Remove(1, floor-1)
	}
	if b.touched.Empty() { // what was located is known now, or was not found
		op.gone.AddSet(b.locating)
		b.unplaced = b.unplaced.Sub(b.locating)
		b.locating = uidset.Set{}
	}
	b.settleGone(op.gone)
}

// located sees to it that the messages whose sequence numbers were found are known.
func (t *tap) located(ok bool) {
	b, op := t.box, &t.turn.op
	if !ok {
		b.unplaced = b.unplaced.Sub(op.ask)
		t.srv.tap.lost("not_found")
		return
	}
	if op.told.Empty() {
		b.unplaced = b.unplaced.Sub(op.ask)
		b.settleGone(op.ask)
		return
	}
	b.locating = op.ask
	b.touched.AddSet(op.told)
}

// gotPart judges a chunk. A message ends with the first chunk that is not full: what RFC822.SIZE
// says is wrong at some servers.
func (t *tap) gotPart(ok bool, r *scan.Response) {
	m := t.turn.body
	t.budget.allowance -= m.part
	switch {
	case !ok || !m.ok || m.none:
		t.dropBody()
		t.failed(m, ok, r)
	case m.draft:
		t.dropBody()
		t.exclude(m.box, m.uid, "draft")
	case m.copied != m.part || m.offset+m.part > maxMessage:
		t.dropBody()
		t.settleFailed(m, "the mail server sends what was not asked for")
	case m.part < t.chunk() || m.whole:
		t.gotAll(m)
	default:
		m.offset += m.part
	}
}

// gotAll ends a message. One that is not as long as RFC822.SIZE says is asked for again, since it may
// have been expunged in the middle; when it comes out the same, the server cannot count.
func (t *tap) gotAll(m *body) {
	b, size := m.box, m.offset+m.part
	if m.size >= 0 && size != m.size && b.sizes[m.uid] != size {
		t.srv.tap.lost("size")
		t.dropBody()
		if b.sizes == nil {
			b.sizes = map[uint32]int64{}
		}
		b.sizes[m.uid] = size
		b.want.Add(m.uid, m.uid)
		return
	}
	t.turn.body = nil
	t.seen = append(t.seen, copied{tee: m.tee, end: true})
}

// goneTime is how long the server has to say that a message is gone which it does not give out any more.
const goneTime = time.Second

// failed handles a chunk that did not come. A message that was expunged meanwhile is found out by
// EXPUNGE.
func (t *tap) failed(m *body, ok bool, r *scan.Response) {
	if m.box.failures == nil {
		m.box.failures = map[uint32]int{}
	}
	m.box.failures[m.uid]++
	if ok || r.HasCode("EXPUNGEISSUED") {
		t.srv.tap.lost("no_answer")
		if m.box.failures[m.uid] <= maxFailures { // else the next SELECT will tell
			m.box.doubt, m.box.until = true, time.Now().Add(goneTime)
		}
		return
	}
	if m.box.failures[m.uid] < maxFailures {
		m.box.want.Add(m.uid, m.uid)
		return
	}
	t.settleFailed(m, "the mail server refused it: "+clip(string(r.Rest)))
}

func (t *tap) settleFailed(m *body, why string) {
	t.srv.tap.lost("failed")
	t.log.Warn("message given up", "mailbox", m.box.name, "uid", m.uid, "reason", why)
	m.box.ledger.Settle(journal.UIDFailed, why, uidset.Of(m.uid))
}

// maxReason bounds what the ledger keeps of a server's words.
const maxReason = 200

func clip(s string) string {
	if len(s) > maxReason {
		s = strings.ToValidUTF8(s[:maxReason], "")
	}
	return s
}
