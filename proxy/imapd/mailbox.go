package imapd

import (
	"context"
	"math"
	"slices"
	"time"

	"heliograph/config"
	"heliograph/internal/journal"
	"heliograph/internal/uidset"
	"heliograph/proxy/imapd/scan"
)

// selected is the selected mailbox as the session's own data showed it.
type selected struct {
	name      string // UTF-8; INBOX in upper case; empty when it could not be read
	validity  uint32 // UIDVALIDITY, 0 unknown
	uidNext   uint32 // as SELECT said, 0 unknown
	exists    uint32
	entered   bool // SELECT was answered with OK
	uids      uidset.Map
	ledger    *journal.Mailbox // nil until it is loaded
	loading   bool             // the ledger was asked for
	asked     bool             // so was the last UID, where the server did not say UIDNEXT
	keep      bool             // the policy takes messages of this mailbox
	policy    config.CapturePolicy
	want      uidset.Set       // UIDs to be fetched
	busy      uidset.Set       // UIDs that are being captured
	unplaced  uidset.Set       // UIDs to be fetched whose sequence numbers are not known
	locating  uidset.Set       // those that the server was asked for
	doubt     bool             // something was expunged and nobody knows what
	top       uint32           // the highest UID that is known
	touched   uidset.Set       // sequence numbers that the client read in part and whose UID is not known
	explore   uidset.Set       // sequence numbers that may be new and whose UID is not known
	early     []*tee           // messages copied whole before the ledger was there
	orphans   []orphan         // messages copied whole that wait for their UID
	named     []*tee           // those that wait no longer
	arrived   time.Time        // when EXISTS last grew
	wantSince time.Time        // when there was last nothing to do
	refused   bool             // the upstream does not like our commands
	until     time.Time        // budget: nothing is fetched before
	pause     time.Duration    // the last one for the journal's sake
	failures  map[uint32]int   // refusals by UID
	sizes     map[uint32]int64 // bytes that came, by UID, where RFC822.SIZE says something else
}

// exploreWindow is how many messages are asked for their numbers at once, in at most exploreRanges ranges. The
// answer, and the command, stay below the length of a line that is looked at whole.
const (
	exploreWindow = 500
	exploreRanges = 200
)

// newBox is the mailbox of a SELECT.
func (t *tap) newBox(args []byte) *selected {
	name, _, ok := scan.Mailbox(args)
	if !ok {
		name = ""
	}
	return &selected{name: name}
}

// enterBox makes a mailbox the selected one.
func (t *tap) enterBox(b *selected) {
	t.box = b
	b.entered = true
	b.policy = t.policy.Policy
	b.keep = t.capturing && b.name != "" && b.validity != 0 && t.policy.Folders.Takes(b.name, t.specialUse(b.name))
	if b.keep && b.uidNext != 0 {
		t.openLedger(b)
	}
	b.wantSince = time.Now()
}

// concludeUIDNext finds out what a server did not say at SELECT, from the UID of the last message, which the client
// or we ask for.
func (t *tap) concludeUIDNext(b *selected, seq, uid uint32) {
	if b.entered && b.keep && b.uidNext == 0 && uid != 0 && uid != math.MaxUint32 && seq == b.exists {
		b.uidNext = uid + 1
		t.openLedger(b)
	}
}

// openLedger loads what is known of the selected mailbox.
func (t *tap) openLedger(b *selected) {
	b.loading = true
	key, uidNext := t.key(b.name, b.validity), b.uidNext
	t.work.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.draining), ledgerTimeout)
		defer cancel()
		ledger, err := t.srv.opts.Journal.OpenMailbox(ctx, key, uidNext)
		if err != nil {
			t.srv.tap.lost("ledger")
			t.log.Warn("mailbox is not captured, its ledger could not be read", "mailbox", key.Mailbox, "err", err)
		}
		t.ledgerLoaded(b, ledger)
	})
}

// ledgerLoaded goes on with a mailbox whose ledger was loaded, or with nil could not be.
func (t *tap) ledgerLoaded(b *selected, ledger *journal.Mailbox) {
	t.mu.Lock()
	early := b.early
	b.early, b.ledger, b.keep = nil, ledger, ledger != nil
	if ledger != nil {
		t.ledgers = append(t.ledgers, ledger)
		b.plan()
	}
	var whole []copied
	for _, c := range early {
		if ledger != nil && b.claimFor(c) {
			whole = append(whole, copied{tee: c, end: true})
		} else {
			c.close()
		}
	}
	t.kick()
	t.mu.Unlock()
	t.store(&whole)
}

// wants says whether the policy captures a message that the client reads.
func (b *selected) wants(uid uint32) bool {
	return b.policy != config.CaptureNew || uid >= b.floor()
}

// ledgerTimeout bounds the wait for a mailbox's ledger; the client waits for none of it.
const ledgerTimeout = 30 * time.Second

func (t *tap) key(name string, validity uint32) journal.MailboxKey {
	return journal.MailboxKey{Upstream: t.target.Name(), Account: t.account, Mailbox: name, UIDValidity: validity}
}

// leaveBox ends the selection. What is still wanted is found again when the mailbox is selected
// next, by whichever session of the account: new mail because it is missing, older mail because it is pending.
func (t *tap) leaveBox() {
	b := t.box
	t.box = nil
	t.dropBody()
	if b == nil || !b.keep {
		return
	}
	b.lose(0) // whose UID is not known now never gets one
	t.takeNamed(b)
}

// takeNamed sends the copies on that have waited for their UID.
func (t *tap) takeNamed(b *selected) {
	for _, c := range b.named {
		t.seen = append(t.seen, copied{tee: c, end: true})
	}
	b.named = nil
}

// closeLedgers gives the ledgers of the session's mailboxes back.
func (t *tap) closeLedgers() {
	for _, l := range t.ledgers {
		l.Close()
	}
	t.ledgers = nil
}

// floor is the lowest UID that is captured without having been read.
func (b *selected) floor() uint32 {
	if b.policy == config.CaptureAll {
		return 1
	}
	if since := b.ledger.Since(); since != 0 {
		return since
	}
	return math.MaxUint32 // it is not known what is new
}

// plan finds what came while nobody looked, and what was left pending.
func (b *selected) plan() {
	floor := b.floor()
	if b.wants(1) {
		b.remember(b.want)
		b.want.AddSet(b.ledger.Pending())
	} else {
		b.want.Remove(1, floor-1) // what was touched before the ledger was there
	}
	b.want = b.ledger.Missing(b.want)
	b.wantSince = time.Now()
	if b.uidNext <= floor {
		return
	}
	var all uidset.Set
	all.Add(floor, b.uidNext-1)
	missing := b.ledger.Missing(all)
	if missing.Empty() {
		return
	}
	if b.exists == 0 {
		b.ledger.Settle(journal.UIDGone, goneReason, missing)
		return
	}
	b.doubt = true                             // what is not found is gone
	k := b.uidNext - missing.Ranges()[0].First // no more messages than this are at or above the first
	b.explore.Add(max(1, b.exists-min(k, b.exists)+1), b.exists)
}

// setExists handles EXISTS (RFC 9051, 7.4.1).
func (b *selected) setExists(n uint32) {
	if b.entered && n > b.exists && b.keep {
		b.note()
		b.explore.Add(b.exists+1, n)
		b.arrived = time.Now()
	}
	b.exists = n
}

// note begins the time that something is wanted.
func (b *selected) note() {
	if b.idle() {
		b.wantSince = time.Now()
	}
}

// idle says that nothing is to be fetched.
func (b *selected) idle() bool {
	return !b.doubt && b.want.Empty() && b.explore.Empty() && b.touched.Empty() && b.unplaced.Empty()
}

// expunge handles EXPUNGE (RFC 9051, 7.5.1).
func (b *selected) expunge(seq uint32) {
	if seq == 0 || seq > b.exists { // then it is not known which message has which number
		b.lose(0)
		return
	}
	if uid, ok := b.uids.UID(seq); ok {
		b.goneUID(uid)
	} else {
		b.doubt = true
	}
	b.uids.Expunge(seq)
	b.shift(seq)
}

func (b *selected) shift(seq uint32) {
	if b.exists > 0 {
		b.exists--
	}
	for _, s := range []*uidset.Set{&b.explore, &b.touched} {
		*s = without(*s, seq)
	}
	for i := len(b.orphans) - 1; i >= 0; i-- {
		switch o := &b.orphans[i]; {
		case o.seq == seq:
			b.named = append(b.named, o.tee) // the UID will never be known
			b.orphans = slices.Delete(b.orphans, i, i+1)
		case o.seq > seq:
			o.seq--
		}
	}
}

// orphan is a message that was copied whole and whose UID the server has not told.
type orphan struct {
	seq uint32
	tee *tee
}

// maxOrphans bounds them: each may hold 128 KiB. The UIDs are asked for between two commands when there are askOrphans.
const (
	maxOrphans = 200
	askOrphans = 50
)

// adopt lets a copy wait for its UID, which is asked for.
func (b *selected) adopt(seq uint32, c *tee) {
	b.note()
	b.touched.Add(seq, seq)
	b.orphans = append(b.orphans, orphan{seq, c})
}

// identify gives a waiting copy its UID.
func (b *selected) identify(seq, uid uint32) {
	for i, o := range b.orphans {
		if o.seq != seq {
			continue
		}
		b.orphans = slices.Delete(b.orphans, i, i+1)
		o.tee.env.UID = uid
		if b.ledger != nil && !b.claimFor(o.tee) {
			o.tee.close()
		} else {
			b.named = append(b.named, o.tee)
		}
		return
	}
}

// without is s after the message seq was expunged: all behind it move down by one.
func without(s uidset.Set, seq uint32) uidset.Set {
	if s.Empty() || s.Max() < seq {
		return s
	}
	var out uidset.Set
	for _, r := range s.Ranges() {
		first, last := r.First, r.Last
		if first > seq {
			first--
		}
		if last >= seq {
			last--
		}
		if first <= last && last > 0 {
			out.Add(first, last)
		}
	}
	return out
}

// goneUID notes that a message is not in the mailbox any more.
func (b *selected) goneUID(uid uint32) {
	wanted := b.want.Contains(uid) || b.unplaced.Contains(uid)
	b.want.Remove(uid, uid)
	b.unplaced.Remove(uid, uid)
	if b.ledger != nil && !b.ledger.Final(uid) && (wanted || uid >= b.floor()) {
		b.ledger.Settle(journal.UIDGone, goneReason, uidset.Of(uid))
	}
}

const goneReason = "expunged before it was captured"

// maxVanished is up to how many UIDs of one response are followed one by one.
const maxVanished = 1000

// vanished handles VANISHED (RFC 7162, 3.2.10).
func (b *selected) vanished(rest []byte) {
	set, earlier, ok := scan.ParseVanished(rest)
	if !ok {
		return
	}
	if earlier { // they were gone before, and had no sequence number
		b.want, b.unplaced = b.want.Sub(set), b.unplaced.Sub(set)
		return
	}
	if set.Len() > maxVanished {
		b.lose(uint32(min(set.Len(), uint64(b.exists))))
		return
	}
	uids := slices.Collect(set.All())
	unknown := uint32(0)
	for _, uid := range slices.Backward(uids) {
		seq, ok := b.uids.Seq(uid)
		b.goneUID(uid)
		if ok {
			b.shift(seq)
		} else {
			unknown++
		}
	}
	b.uids.Vanished(set)
	if unknown > 0 {
		b.lose(unknown)
	}
}

// lose starts over with the numbers: which message has which is not known any more.
func (b *selected) lose(fewer uint32) {
	b.exists -= min(fewer, b.exists)
	b.uids.Reset()
	b.doubt = true
	b.touched = uidset.Set{}
	for _, o := range b.orphans {
		b.named = append(b.named, o.tee)
	}
	b.orphans = nil
	if !b.explore.Empty() && b.exists > 0 {
		first := b.explore.Ranges()[0].First
		b.explore = uidset.Set{}
		b.explore.Add(min(max(1, first-min(first-1, maxVanished)), b.exists), b.exists)
	}
}

// settleGone notes that messages are not in the mailbox any more.
func (b *selected) settleGone(set uidset.Set) {
	if gone := b.ledger.Missing(set); !gone.Empty() {
		b.ledger.Settle(journal.UIDGone, goneReason, gone)
	}
}

// missing returns what should have been captured and was not. Callers have the ledger.
func (b *selected) missing() (set uidset.Set) {
	if top := max(b.top, b.uidNext-min(b.uidNext, 1)); top >= b.floor() {
		set.Add(b.floor(), top)
	}
	if b.policy == config.CaptureSeen {
		set.AddSet(b.ledger.Pending())
	}
	return b.ledger.Missing(set).Sub(b.busy)
}

// arrivedUIDs takes new messages of a session without sequence numbers.
func (b *selected) arrivedUIDs(set uidset.Set) {
	if set.Empty() {
		return
	}
	b.uidNext = max(b.uidNext, set.Max()+1)
	if floor := b.floor(); floor > 1 {
		set.Remove(1, floor-1)
	}
	b.want.AddSet(b.ledger.Missing(set))
}

// learn notes the UID of a message, and whether it is wanted.
func (b *selected) learn(seq, uid uint32) {
	if seq == 0 || uid == 0 {
		return
	}
	b.uids.Learn(seq, uid)
	b.top = max(b.top, uid)
	b.identify(seq, uid)
	if b.ledger == nil {
		return
	}
	b.locating.Remove(uid, uid)
	if b.unplaced.Contains(uid) {
		b.unplaced.Remove(uid, uid)
		b.want.Add(uid, uid)
	}
	if !b.explore.Empty() && b.explore.Contains(seq) {
		b.explore.Remove(seq, seq)
		if uid >= b.floor() && !b.ledger.Final(uid) {
			b.want.Add(uid, uid)
		}
	}
	if !b.touched.Empty() && b.touched.Contains(seq) {
		b.touched.Remove(seq, seq)
		b.touch(seq, uid)
	}
}

// touch notes that the client has read of a message.
func (b *selected) touch(seq, uid uint32) {
	if !b.keep {
		return
	}
	if uid == 0 {
		uid, _ = b.uids.UID(seq)
	}
	if uid == 0 {
		b.note()
		b.touched.Add(seq, seq)
		return
	}
	if b.want.Contains(uid) || b.unplaced.Contains(uid) || b.busy.Contains(uid) || b.ledger != nil && (b.ledger.Final(uid) || !b.wants(uid)) {
		return
	}
	b.note()
	b.want.Add(uid, uid)
	if b.ledger != nil {
		b.remember(uidset.Of(uid))
	}
}

// remember notes older messages that the client has read in part. Nothing else tells that they are wanted.
func (b *selected) remember(set uidset.Set) {
	if floor := b.floor(); floor > 1 {
		if set = set.Clone(); floor != math.MaxUint32 {
			set.Remove(floor, math.MaxUint32)
		}
		if !set.Empty() {
			b.ledger.Settle(journal.UIDPending, "", set)
		}
	}
}

// claim takes the capture of a message on. It reports false when that is done or under way, here or
// in another session.
func (b *selected) claim(uid uint32) bool {
	if b.busy.Contains(uid) || !b.ledger.Claim(uid) {
		return false
	}
	b.busy.Add(uid, uid)
	return true
}

// claimFor claims the message of a copy that is here, before anything else fetches it. It reports false for one
// that is not needed. Callers have the ledger.
func (b *selected) claimFor(c *tee) bool {
	uid := c.env.UID
	if c.claimed || uid == 0 {
		return true
	}
	if !b.wants(uid) || !b.claim(uid) {
		return false
	}
	b.want.Remove(uid, uid)
	c.claimed = true
	return true
}

// release gives up what claim has taken on.
func (b *selected) release(uid uint32) {
	b.busy.Remove(uid, uid)
	b.ledger.Release(uid)
}
