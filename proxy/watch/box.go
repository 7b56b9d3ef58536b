package watch

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"heliograph/config"
	"heliograph/internal/journal"
	"heliograph/internal/uidset"

	"github.com/emersion/go-imap/v2"
)

const (
	// describeAtOnce is how many messages one command asks flags, dates and sizes of.
	describeAtOnce = 200
	// ledgerTimeout is how long a ledger may take to open: until the index has read what a crash left, and the database is there.
	ledgerTimeout = 2 * time.Minute
	// maxTries is how often a message may be refused before it is given up; maxLosses how often the connection may be lost with
	// it. That may be chance, so it is more: and a message that failed waits for all others.
	maxTries  = 3
	maxLosses = 10
	// arrivals is how many messages may come between two commands; a server that tells of more than it has lies.
	arrivals = 100_000
	// overlap is how far clocks of servers may be apart: what came so shortly before the last look may not have been seen by it.
	overlap = 10 * time.Minute
)

// box is one watched mailbox. One line at a time uses it.
type box struct {
	*account

	name     string
	ledger   *journal.Mailbox // nil until it was opened
	validity uint32
	since    uint32         // the first UID that is new mail; what is below starts no rule
	next     uint32         // UIDs from it on were not seen yet
	uidNext  uint32         // what the server said at the last look of the number of the next message
	hidden   uidset.Set     // were numbered and not shown at the last look: they count as gone, unless they show up
	late     int            // looks that are left for them
	open     uidset.Set     // are there, and to be brought to an end
	tries    map[uint32]int // that failed
	whole    time.Time      // when all was last looked at
	mail     bool           // something was captured since the last note
	atOnce   int            // of descriptions; less after a loss
	ends     int            // messages that came to an end
}

// message is what FETCH says of one without its body.
type message struct {
	uid   uint32
	size  int64 // RFC822.SIZE, which some servers only estimate
	date  time.Time
	draft bool
}

func (b *box) close() {
	if b.ledger != nil {
		b.ledger.Close()
		b.ledger = nil
	}
}

// enter opens the mailbox read-only, with its ledger, and finds what is to be done in it.
func (b *box) enter(ctx context.Context, l *link) error {
	var data *imap.SelectData
	err := l.do(ctx, answerBytes, func() (err error) {
		data, err = l.client.Select(b.name, &imap.SelectOptions{ReadOnly: true}).Wait() // EXAMINE
		return err
	})
	var no *imap.Error
	switch {
	case errors.As(err, &no) && !passing(no):
		return &boxError{"the mail server refuses to open it: " + quote(no.Text)}
	case err != nil:
		return fmt.Errorf("open %s: %w", b.name, err)
	case data.UIDValidity == 0:
		return &boxError{"the mail server gives its messages no lasting numbers (UIDVALIDITY)"}
	}
	l.told() // this look sees it
	next := uint32(data.UIDNext)
	if next == 0 { // a server that does not tell (RFC 9051, 6.3.2 makes it)
		if next, err = b.last(ctx, l); err != nil {
			return err
		}
	}
	if b.ledger != nil && b.validity != data.UIDValidity {
		b.close()
	}
	var renewed mark
	if b.ledger == nil {
		if renewed, err = b.begin(ctx, data.UIDValidity, next); err != nil {
			return err
		}
	}
	if err := b.survey(ctx, l, next, int(data.NumMessages)); err != nil {
		return err
	}
	if renewed.renewed && b.cfg.Since != config.WatchAll {
		if err := b.catchUp(ctx, l, renewed.synced); err != nil {
			return err
		}
	}
	b.whole = time.Now()
	return nil
}

// last returns the UID after the last message.
func (b *box) last(ctx context.Context, l *link) (uint32, error) {
	found, err := l.search(ctx, &imap.SearchCriteria{UID: []imap.UIDSet{{imap.UIDRange{Start: 0, Stop: 0}}}}, 1) // "*"
	if err != nil {
		return 0, fmt.Errorf("search %s: %w", b.name, err)
	}
	return found.Max() + 1, nil
}

// begin opens the ledger, and finds where the watch began.
func (b *box) begin(ctx context.Context, validity, next uint32) (mark, error) {
	key := b.key(b.name, validity)
	opening, cancel := context.WithTimeout(ctx, ledgerTimeout)
	defer cancel()
	m, err := b.w.record.begin(opening, key, next)
	if err == nil {
		b.ledger, err = b.w.opts.Journal.OpenMailbox(opening, key, next)
	}
	if err != nil {
		b.ledger = nil
		return m, &storeError{err}
	}
	b.log.Info("watch of a mailbox begins", "mailbox", b.name, "uidvalidity", validity, "since", m.since)
	b.validity, b.since, b.next, b.uidNext, b.late = validity, m.since, 0, 0, 0
	b.hidden = uidset.Set{}
	b.open = uidset.Set{}
	clear(b.tries)
	if m.renewed {
		b.log.Warn("the mail server numbered the messages of a watched mailbox anew: what came since the last look is captured, and starts no rule",
			"mailbox", b.name, "uidvalidity", validity)
	}
	return m, nil
}

// low is the first UID that is wanted.
func (b *box) low() uint32 {
	if b.cfg.Since == config.WatchAll {
		return 1
	}
	return b.since
}

// survey compares what is there with the ledger, and with what the store knows of other nodes.
func (b *box) survey(ctx context.Context, l *link, next uint32, exists int) error {
	var found uidset.Set
	low := b.low()
	if exists > 0 && low < math.MaxUint32 {
		var err error
		if found, err = b.above(ctx, l, low, exists+arrivals); err != nil {
			return err
		}
	}
	known, err := b.stored(ctx, b.ledger.Key())
	if err != nil {
		return &storeError{err}
	}
	// Gone, says the ledger, and yet there: some servers show late what they have numbered.
	b.ledger.Reopen(journal.UIDGone, known.Sets[journal.UIDGone].Intersect(found))
	b.open = b.elsewhere(known, b.ledger.Missing(found))
	var gone uidset.Set
	if next > b.since { // of new mail only: what was there before may be hidden by a window of the provider
		gone.Add(b.since, next-1)
	}
	gone = b.ledger.Missing(gone.Sub(found))
	b.settle(journal.UIDGone, goneReason, gone)
	b.next, b.uidNext = max(low, found.Max()+1), next
	b.hide(gone)
	return nil
}

// looksForLate is how often a mailbox is looked into again for messages that were numbered and not shown: another program may be just about to store them.
const looksForLate = 3

// hide remembers the messages at the end that a look has found to be gone, and that may only be late.
func (b *box) hide(gone uidset.Set) {
	b.late = max(0, b.late-1)
	gone.Remove(1, b.next-1)
	if !gone.Empty() {
		b.hidden, b.late = gone, looksForLate
	}
}

const goneReason = "expunged before it was captured"

// elsewhere takes away what another node has brought to an end.
func (b *box) elsewhere(known journal.MailboxState, open uidset.Set) uidset.Set {
	for _, state := range []journal.UIDState{journal.UIDCaptured, journal.UIDExcluded, journal.UIDFailed} {
		open = open.Sub(known.Sets[state])
	}
	return open
}

// above returns the UIDs from low on.
func (b *box) above(ctx context.Context, l *link, low uint32, most int) (uidset.Set, error) {
	found, err := l.search(ctx, &imap.SearchCriteria{UID: []imap.UIDSet{{imap.UIDRange{Start: imap.UID(low), Stop: 0}}}}, most) // low:*
	if err != nil {
		return found, fmt.Errorf("search %s: %w", b.name, err)
	}
	if low > 1 {
		found.Remove(1, low-1) // low:* has the last message in any case (RFC 9051, 9)
	}
	return found, nil
}

// catchUp finds, after the messages were numbered anew, those that came since the last look.
func (b *box) catchUp(ctx context.Context, l *link, synced time.Time) error {
	if synced.IsZero() || b.since <= 1 {
		return nil
	}
	from := synced.Add(-overlap)
	var old uidset.Set
	old.Add(1, b.since-1)
	found, err := l.search(ctx, &imap.SearchCriteria{
		Since: from.AddDate(0, 0, -1), // SINCE compares days, in a zone that the server chooses (RFC 9051, 6.4.4)
		UID:   []imap.UIDSet{imapSet(old)},
	}, arrivals)
	if err != nil {
		return fmt.Errorf("search %s: %w", b.name, err)
	}
	for rest := b.ledger.Missing(found); !rest.Empty(); {
		list, err := b.describe(ctx, l, first(&rest, describeAtOnce))
		if err != nil {
			return err
		}
		for _, m := range list {
			if !m.date.Before(from) {
				b.open.Add(m.uid, m.uid)
			}
		}
	}
	return nil
}

// look finds what came since the last look.
func (b *box) look(ctx context.Context, l *link) error {
	if b.next == 0 || b.next == math.MaxUint32 {
		return nil
	}
	found, err := b.above(ctx, l, b.next, arrivals)
	if err != nil {
		return err
	}
	if found.Empty() {
		return nil
	}
	b.next = found.Max() + 1
	shown := b.hidden.Intersect(found)
	b.ledger.Reopen(journal.UIDGone, shown)
	b.hidden = b.hidden.Sub(shown)
	missing := b.ledger.Missing(found)
	if known, err := b.stored(ctx, b.ledger.Key()); err == nil { // without the store the lease has to do
		missing = b.elsewhere(known, missing)
	}
	b.open.AddSet(missing)
	return nil
}

// fill brings what is open to an end, in the order in which it came. noticed is when it was, and by what.
func (b *box) fill(ctx context.Context, l *link, noticed time.Time, by string) error {
	b.open = b.ledger.Missing(b.open)
	if b.paused() {
		return nil // a later look brings it to an end
	}
	if !b.open.Empty() {
		f := &fetch{box: b, link: l, noticed: noticed}
		before := b.open.Len()
		var failed uidset.Set
		for uid := range b.tries {
			failed.Add(uid, uid)
		}
		for rest := b.open.Sub(failed); !rest.Empty(); {
			if err := f.some(ctx, first(&rest, max(1, b.atOnce))); err != nil {
				return err
			}
		}
		for uid := range b.open.Intersect(failed).All() {
			if err := f.some(ctx, uidset.Of(uid)); err != nil {
				return err
			}
		}
		b.open = b.ledger.Missing(b.open)
		if b.open.Len() < before {
			b.w.metrics.noticed.WithLabelValues(by).Inc()
		}
	}
	if b.open.Empty() {
		b.w.record.synced(b.address, b.name, b.mail)
		b.mail = false
	}
	return nil
}

// first takes the n smallest numbers out of the set.
func first(set *uidset.Set, n int) uidset.Set {
	var out uidset.Set
	for uid := range set.All() {
		if n == 0 {
			break
		}
		n--
		out.Add(uid, uid)
	}
	set.Remove(1, out.Max())
	return out
}

// describe asks for flags, dates and sizes. The messages come back in the order of their UIDs; those that are not
// there any more are missing.
func (b *box) describe(ctx context.Context, l *link, uids uidset.Set) (list []message, err error) {
	err = l.do(ctx, answerBytes+int64(uids.Len())*metaBytes, func() error {
		answers, err := l.client.Fetch(imapSet(uids), &imap.FetchOptions{UID: true, Flags: true, InternalDate: true, RFC822Size: true}).Collect()
		for _, a := range answers {
			if uids.Contains(uint32(a.UID)) {
				list = append(list, message{
					uid: uint32(a.UID), size: max(0, a.RFC822Size), date: a.InternalDate, draft: slices.Contains(a.Flags, imap.FlagDraft),
				})
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("describe messages of %s: %w", b.name, err)
	}
	slices.SortFunc(list, func(x, y message) int { return int(int64(x.uid) - int64(y.uid)) })
	return slices.CompactFunc(list, func(x, y message) bool { return x.uid == y.uid }), nil
}

// vanished settles messages of which a command brought nothing: what is still there is tried again or failed, the rest is gone.
func (b *box) vanished(ctx context.Context, l *link, uids uidset.Set, reason string) error {
	if uids.Empty() {
		return nil
	}
	// Servers tell of expunged messages when they may, which FETCH does not let them (RFC 9051, 7.5.1).
	if err := l.do(ctx, answerBytes, func() error { return l.client.Noop().Wait() }); err != nil {
		return fmt.Errorf("look for messages of %s: %w", b.name, err)
	}
	there, err := l.search(ctx, &imap.SearchCriteria{UID: []imap.UIDSet{imapSet(uids)}}, int(uids.Len()))
	if err != nil {
		return fmt.Errorf("look for messages of %s: %w", b.name, err)
	}
	b.settle(journal.UIDGone, goneReason, uids.Sub(there))
	for uid := range uids.Intersect(there).All() {
		b.tried(uid, reason, maxTries)
	}
	return nil
}

// tried counts a try that failed, and gives the message up after most of them.
func (b *box) tried(uid uint32, reason string, most int) {
	if b.tries[uid]++; b.tries[uid] < most {
		return
	}
	b.log.Error("message of a watched mailbox given up", "mailbox", b.name, "uid", uid, "reason", reason)
	b.settle(journal.UIDFailed, reason, uidset.Of(uid))
}

// settle notes the end of messages that are not captured.
func (b *box) settle(state journal.UIDState, reason string, set uidset.Set) {
	if set.Empty() {
		return
	}
	b.ledger.Settle(state, reason, set)
	b.ended(string(state), set)
}

// ended counts messages that came to an end.
func (b *box) ended(outcome string, set uidset.Set) {
	b.w.metrics.messages.WithLabelValues(outcome).Add(float64(set.Len()))
	b.ends += int(set.Len())
	for uid := range b.tries {
		if set.Contains(uid) {
			delete(b.tries, uid)
		}
	}
}
