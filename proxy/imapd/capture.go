package imapd

import (
	"bytes"
	"context"
	"sync"
	"time"

	"heliograph/internal/journal"
	"heliograph/internal/uidset"
	"heliograph/proxy/imapd/scan"
)

// The ways by which a message gets into the journal; labels of a metric.
const (
	wayTee       = "tee"       // whole, as the client read it
	wayInterject = "interject" // by commands of our own
	wayAppend    = "append"    // as the client stored it
)

const (
	// maxSealing bounds the memory of messages that wait for the disk, in bytes. More are let go and
	// fetched later.
	maxSealing = 2 << 20
	// sealCost is the most that one of them holds: what is longer is on the disk already.
	sealCost = 128 << 10
	// sealTimeout bounds how long one of them waits.
	sealTimeout = time.Minute
	// maxMessage bounds what one message may claim to be. No mail server takes so much.
	maxMessage = 1 << 30
)

// tee is the copy of one message on its way to the journal. Only the goroutine whose bytes it
// copies touches it, until it is sealed.
type tee struct {
	env     journal.Envelope
	way     string
	box     *selected     // of a fetch
	done    chan struct{} // closed when it is sealed or was let go; only if ended
	claimed bool          // of a fetch: its UID is claimed
	ended   bool          // of APPEND: all of it was sent on; guarded by mu of the tap

	mu      sync.Mutex       // guards the fields below
	pending *journal.Pending // nil when it was let go
	size    int64            // bytes so far
}

// write copies bytes. It reports false when the copy is or has been let go.
func (c *tee) write(p []byte) (ok bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending == nil || len(p) == 0 {
		return c.pending != nil, nil
	}
	if _, err := c.pending.Write(p); err != nil {
		c.pending.Close()
		c.pending = nil
		return false, err
	}
	c.size += int64(len(p))
	return true, nil
}

// close lets the copy go, unless it is sealed. It may be called of none.
func (c *tee) close() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending != nil {
		c.pending.Close()
		c.pending = nil
	}
}

// take hands the pending entry to who seals it; nil if it was let go.
func (c *tee) take() *journal.Pending {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pending
}

// copied are bytes of a chunk that go to the journal after they were passed on. The last of a
// message has end.
type copied struct {
	tee  *tee
	data []byte
	end  bool
}

// newTee begins the copy of a message that is size bytes long.
func (t *tap) newTee(kind journal.Kind, way, mailbox string, box *selected, size int64) *tee {
	c := &tee{way: way, box: box, done: make(chan struct{})}
	c.env = journal.Envelope{
		ID: journal.NewID(time.Now()), Kind: kind, Account: t.account, Upstream: t.target.Name(),
		Listener: t.conn.Listener.Address, Session: t.conn.ID, ClientIP: t.conn.Client().Addr().String(),
		Mailbox: mailbox, Size: size,
	}
	if box != nil {
		c.env.UIDValidity = box.validity
	}
	c.pending = t.srv.opts.Journal.BeginTee(&c.env)
	t.srv.opts.Pace.Mail()
	return c
}

// store brings what was copied of a chunk to the journal. It never waits for the disk.
func (t *tap) store(list *[]copied) {
	for _, c := range *list {
		ok, err := c.tee.write(c.data)
		if err != nil {
			t.srv.tap.lost("journal_behind")
		}
		switch {
		case !c.end:
		case !ok:
			t.letGo(c.tee)
		case t.mayseal(c.tee):
			t.seal(c.tee)
		}
	}
	clear(*list)
	*list = (*list)[:0]
}

// mayseal says whether a copy that is whole is to be sealed now. One whose mailbox's ledger is not loaded yet waits
// for that; one that is not needed is let go.
func (t *tap) mayseal(c *tee) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := c.box
	switch {
	case b == nil || c.claimed || c.env.UID == 0:
		return true
	case b.ledger == nil && b.keep:
		b.early = append(b.early, c)
		return false
	case b.ledger != nil && b.claimFor(c):
		return true
	}
	c.close()
	return false
}

// seal makes a whole copy durable, without keeping anybody waiting.
func (t *tap) seal(c *tee) {
	cost := min(c.size, sealCost)
	if t.srv.sealing.Add(cost) > maxSealing {
		t.srv.sealing.Add(-cost)
		t.srv.tap.lost("journal_behind")
		t.letGo(c)
		return
	}
	t.work.Go(func() {
		defer t.srv.sealing.Add(-cost)
		ctx, cancel := context.WithTimeout(context.Background(), sealTimeout)
		defer cancel()
		p := c.take()
		if p == nil {
			t.letGo(c)
			return
		}
		if err := p.Seal(ctx, &c.env); err != nil {
			t.srv.tap.lost("journal")
			t.log.Warn("message not captured yet, its copy could not be stored", "mailbox", c.env.Mailbox, "uid", c.env.UID, "err", err)
			t.letGo(c)
			return
		}
		t.srv.tap.captured(c.way, c.env.Size)
		if c.env.Kind == journal.KindFetch {
			p.Close()
			t.sealed(c)
		}
		close(c.done)
	})
}

// letGo gives a copy up. A message that is in a mailbox stays wanted.
func (t *tap) letGo(c *tee) {
	c.close()
	close(c.done)
	if c.box == nil || c.env.UID == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	b := c.box
	b.release(c.env.UID)
	b.touch(0, c.env.UID)
	if t.box != b {
		return
	}
	if now := time.Now(); now.After(b.until) { // not for each of many at once
		if t.srv.opts.Journal.Err() == nil { // it is only behind
			b.pause = 0
		}
		b.pause = min(max(letGoPause, 2*b.pause), maxLetGoPause)
		b.until = now.Add(b.pause)
	}
	t.kick()
}

// How long the journal is left alone when it could not take a message; twice as long each time while it
// cannot be written, since every try costs the mail server a message.
const (
	letGoPause    = 2 * time.Second
	maxLetGoPause = time.Minute
)

// sealed notes that a message is captured.
func (t *tap) sealed(c *tee) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c.box.busy.Remove(c.env.UID, c.env.UID)
	c.box.pause = 0
}

// fetched draws the conclusions of one line of a FETCH response that is the client's.
func (t *tap) fetched(ev *scan.Event) {
	box, sure := t.current()
	f := t.fetch
	if !sure {
		t.in = false
		return
	}
	if !ev.Last {
		if f.Section == scan.SectionWhole && f.Literal && !f.Decoded && t.whole == nil && ev.Size <= maxMessage {
			t.whole = t.teeFetch(box, f, ev.Size)
			t.tee = t.whole
		}
		return
	}
	t.in = false
	whole := t.whole
	t.whole = nil
	box.learn(f.Seq, f.UID)
	t.concludeUIDNext(box, f.Seq, f.UID)
	uid := f.UID
	if uid == 0 {
		uid, _ = box.uids.UID(f.Seq)
	}
	if uid != 0 && box.keep && f.HasFlags && f.HasFlag(`\Draft`) {
		t.exclude(box, uid, "draft")
	}
	switch {
	case whole != nil:
		t.teed(box, whole, f.Seq, uid)
	case f.Touched:
		box.touch(f.Seq, uid)
	}
}

// teed ends the copy of a message. One whose UID is not known waits for it.
func (t *tap) teed(box *selected, c *tee, seq, uid uint32) {
	if uid == 0 && seq != 0 {
		box.adopt(seq, c)
		return
	}
	c.env.UID = uid
	if box.ledger != nil && !box.claimFor(c) {
		c.close()
		return
	}
	t.seen = append(t.seen, copied{tee: c, end: true})
}

// exclude settles a message that is not to be captured.
func (t *tap) exclude(box *selected, uid uint32, why string) {
	box.want.Remove(uid, uid)
	if box.ledger != nil && !box.ledger.Final(uid) {
		box.ledger.Settle(journal.UIDExcluded, why, uidset.Of(uid))
	}
}

// teeFetch begins the copy of a message that the client reads whole, unless it is here already.
func (t *tap) teeFetch(box *selected, f *scan.Fetch, size int64) *tee {
	if !box.keep || box.ledger == nil && (!box.loading || len(box.early) >= maxOrphans) || len(box.orphans) >= maxOrphans {
		return nil // it counts as touched
	}
	if t.paused() {
		return nil
	}
	uid := f.UID
	if uid == 0 {
		uid, _ = box.uids.UID(f.Seq)
	}
	if f.HasFlags && f.HasFlag(`\Draft`) {
		return nil
	}
	if box.ledger != nil && uid != 0 && (!box.wants(uid) || !box.claim(uid)) {
		return nil
	}
	c := t.newTee(journal.KindFetch, wayTee, box.name, box, size)
	c.env.UID, c.claimed = uid, box.ledger != nil && uid != 0
	return c
}

// dropCaptures gives up what passes when the session ends.
func (t *tap) dropCaptures() {
	if c := t.whole; c != nil && c.env.UID != 0 { // the client has read a part of it
		if c.claimed {
			c.box.release(c.env.UID)
		}
		c.box.touch(0, c.env.UID)
	}
	t.whole.close()
	t.whole, t.tee = nil, nil
	for i, cmd := range t.cmds {
		if cmd.appends != nil {
			sent := !t.mid || t.stray || i < len(t.cmds)-1
			cmd.appends.drop(t, sent)
		}
	}
}

// appending is an APPEND under way.
type appending struct {
	mailbox string
	parts   bool   // CATENATE: the server puts the message together (RFC 4469)
	list    []*tee // its messages, nil where one is not captured
	cur     *tee   // whose literal passes
}

// maxAppends bounds the messages of one MULTIAPPEND that are captured (RFC 3502).
const maxAppends = 1000

// appendLine looks at a line of an APPEND: the literal that it announces may be a message.
func (t *tap) appendLine(cmd *issued, ev *scan.Event) {
	if cmd.kind != commandAppend || ev.Last || !t.capturing || t.paused() {
		return
	}
	fragment := ev.Text
	if cmd.appends == nil {
		name, rest, ok := scan.Mailbox(cmd.args)
		if !ok || len(bytes.TrimSpace(rest)) == 0 {
			return // the literal is the name
		}
		cmd.appends = &appending{mailbox: name}
		fragment = rest
	}
	a := cmd.appends
	a.cur = nil
	if a.parts = a.parts || bytes.Contains(bytes.ToUpper(fragment), []byte("CATENATE (")); a.parts || len(a.list) >= maxAppends {
		return
	}
	// A message in a literal8 may be stored in another form (RFC 3516, 4.4); it is fetched from the mailbox.
	draft := bytes.Contains(bytes.ToUpper(fragment), []byte(`\DRAFT`))
	if !ev.Binary && ev.Size <= maxMessage && !draft && t.policy.Folders.Takes(a.mailbox, t.specialUse(a.mailbox)) {
		a.cur = t.newTee(journal.KindAppend, wayAppend, a.mailbox, nil, ev.Size)
	}
	a.list = append(a.list, a.cur)
}

// literal takes bytes of a literal, and reports whether they are of a message.
func (a *appending) literal(t *tap, p []byte, done bool) bool {
	if a.cur != nil {
		a.cur.ended = done
		t.sent = append(t.sent, copied{a.cur, p, done})
	}
	if done {
		a.cur = nil
	}
	return true
}

// drop gives the messages up: the session is over. Of a command that was sent in full it is not known what became.
func (a *appending) drop(t *tap, sent bool) {
	for _, c := range a.list {
		if c == nil || !c.ended {
			c.close()
			continue
		}
		t.work.Go(func() {
			<-c.done // it is being sealed
			switch p := c.take(); {
			case p == nil:
			case sent:
				p.Close()
			default:
				p.Discard("the client left in the middle of it")
			}
		})
	}
}

// appended gives the messages of an APPEND their verdict.
func (t *tap) appended(cmd *issued, r *scan.Response, ok bool) {
	a := cmd.appends
	if a == nil {
		return
	}
	v := journal.Verdict{Text: string(r.Rest), At: time.Now()}
	var uids []uint32
	if ok {
		v.Code = verdictOK
		v.UIDValidity, uids = appendUID(r)
	}
	for i, c := range a.list {
		if c == nil || !c.ended { // refused before its literal
			c.close()
			continue
		}
		v := v
		if v.UIDValidity != 0 && len(uids) == len(a.list) {
			v.UID = uids[i]
		} else {
			v.UIDValidity = 0
		}
		release, taken := t.claimAppended(a.mailbox, v)
		if taken { // the place has its entry; that the client stored the message is worth one all the same
			v.UID, v.UIDValidity = 0, 0
		}
		t.work.Go(func() {
			<-c.done
			p := c.take()
			switch {
			case p == nil:
				release()
			case ok:
				p.Commit(v)
				release()
			default:
				p.Discard("the mail server refused it: " + clip(v.Text))
			}
		})
	}
}

// claimAppended keeps sessions from fetching what the client has just stored. It reports taken when one does or did.
func (t *tap) claimAppended(mailbox string, v journal.Verdict) (release func(), taken bool) {
	if v.UID == 0 {
		return func() {}, false
	}
	done, taken := t.srv.opts.Journal.Reserve(t.key(mailbox, v.UIDValidity), v.UID)
	return func() {
		done()
		t.mu.Lock()
		defer t.mu.Unlock()
		if b := t.box; b != nil && b.keep && b.name == mailbox && b.validity == v.UIDValidity {
			b.touch(0, v.UID) // unless it is captured
			t.kick()
		}
	}, taken
}

// verdictOK stands for OK where SMTP has its code.
const verdictOK = 250

// appendUID reads the code APPENDUID (RFC 4315, 3): the UIDVALIDITY and the UIDs in order.
func appendUID(r *scan.Response) (validity uint32, uids []uint32) {
	if !r.HasCode("APPENDUID") {
		return 0, nil
	}
	first, rest, _ := bytes.Cut(r.CodeArgs, []byte{' '})
	set, err := uidset.Parse(string(rest))
	if err != nil || set.Len() > maxAppends {
		return 0, nil
	}
	for uid := range set.All() {
		uids = append(uids, uid)
	}
	return number(first), uids
}
