package backfill

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"heliograph/internal/journal"
	"heliograph/internal/uidset"

	"github.com/emersion/go-imap/v2"
)

const (
	// describeAtOnce is how many messages one command asks flags, dates and sizes of.
	describeAtOnce = 200
	// ledgerTimeout is how long a ledger may take to open: until the index has read what a crash left, and the
	// database is there.
	ledgerTimeout = 2 * time.Minute
	// maxLosses is how often a connection may end at the same message before that message is given up.
	maxLosses = 3
	// arrivals is how many messages may come between two commands; a server that tells of more than it has lies.
	arrivals = 100_000
)

var errLedger = fmt.Errorf("the index of the journal was not ready within %v: is the database there?", ledgerTimeout)

// box is one mailbox of a run.
type box struct {
	name     string
	row      *Row
	ledger   *journal.Mailbox // nil until it was opened
	validity uint32
	missing  uidset.Set     // what is still to be done
	lost     map[uint32]int // how often the connection ended while this UID was asked for
	atOnce   int            // of descriptions; less after a loss
	from     uint32         // UIDs below it are not wanted
	also     uidset.Set     // but these are
}

// wanted returns the UIDs of found that are to be brought to an end.
func (b *box) wanted(found uidset.Set) uidset.Set {
	missing := b.ledger.Missing(found)
	if b.from > 1 {
		also := missing.Intersect(b.also)
		missing.Remove(1, b.from-1)
		missing.AddSet(also)
	}
	return missing
}

func (b *box) close() {
	if b.ledger != nil {
		b.ledger.Close()
		b.ledger = nil
	}
}

// message is what FETCH says of one without its body.
type message struct {
	uid   uint32
	size  int64 // RFC822.SIZE, which some servers only estimate
	date  time.Time
	draft bool
}

// plan looks into a mailbox. With enrol its ledger begins now, if it has none.
func (w *run) plan(ctx context.Context, b *box, enrol bool) error {
	found, err := w.open(ctx, b, enrol)
	if err != nil || b.row.Skipped != "" {
		return err
	}
	b.row.Messages = int(found.Len())
	b.row.setMissing(b.missing)
	return nil
}

func (r *Row) setMissing(missing uidset.Set) {
	r.Missing, r.FirstMissing = int(missing.Len()), nil
	for uid := range missing.All() {
		if len(r.FirstMissing) == maxFirstMissing {
			break
		}
		r.FirstMissing = append(r.FirstMissing, uid)
	}
}

// open opens a mailbox read-only, with its ledger, and finds what is missing. A mailbox that cannot be opened is
// skipped, and its row says why.
func (w *run) open(ctx context.Context, b *box, enrol bool) (found uidset.Set, err error) {
	var data *imap.SelectData
	err = w.side.do(ctx, answerBytes, func() (err error) {
		data, err = w.side.client.Select(b.name, &imap.SelectOptions{ReadOnly: true}).Wait() // EXAMINE
		return err
	})
	var no *imap.Error
	switch {
	case errors.As(err, &no) && !temporary(no):
		b.row.Skipped = "the mail server refuses to open it: " + quote(no.Text)
		return found, nil
	case err != nil:
		return found, fmt.Errorf("open %s: %w", b.name, passing(err))
	case data.UIDValidity == 0:
		b.row.Skipped = "the mail server gives its messages no lasting numbers (UIDVALIDITY)"
		return found, nil
	}
	if b.ledger != nil && b.validity != data.UIDValidity {
		// RFC 9051, 2.3.1.1: all UIDs have lost their meaning.
		w.tell(Event{Kind: EventNote, Text: fmt.Sprintf("the mail server numbered the messages of %s anew (UIDVALIDITY %d became %d): it is looked through from the begin",
			b.name, b.validity, data.UIDValidity)})
		b.close()
		b.missing, b.lost = uidset.Set{}, map[uint32]int{}
	}
	if b.ledger == nil {
		key := journal.MailboxKey{Upstream: w.up.Name(), Account: w.account, Mailbox: b.name, UIDValidity: data.UIDValidity}
		next := uint32(data.UIDNext)
		if !enrol {
			next = 0
		}
		if b.ledger, err = w.ledger(ctx, key, next); err != nil {
			b.ledger = nil
			return found, fmt.Errorf("open the ledger of %s: %w", b.name, err)
		}
		b.validity = data.UIDValidity
	}
	found, err = w.search(ctx, imap.SearchCriteria{Since: w.req.Since, Before: w.req.Before}, int(data.NumMessages)+arrivals)
	if err != nil {
		return found, fmt.Errorf("search %s: %w", b.name, err)
	}
	w.settle(b, journal.UIDGone, "", b.ledger.Missing(b.missing.Sub(found)))
	b.missing = b.wanted(found)
	return found, nil
}

// ledger opens a ledger, and does not wait for ever.
func (w *run) ledger(ctx context.Context, key journal.MailboxKey, next uint32) (*journal.Mailbox, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, ledgerTimeout, errLedger)
	defer cancel()
	m, err := w.r.opts.Journal.OpenMailbox(ctx, key, next)
	if err != nil && errors.Is(context.Cause(ctx), errLedger) {
		err = errLedger
	}
	return m, err
}

// passing marks refusals that may pass by themselves, so that retry tries again.
func passing(err error) error {
	var no *imap.Error
	if errors.As(err, &no) && temporary(no) {
		return &trouble{no}
	}
	return err
}

// search returns the UIDs that meet the criteria. More than most is an error.
func (w *run) search(ctx context.Context, criteria imap.SearchCriteria, most int) (uidset.Set, error) {
	var found uidset.Set
	var o *imap.SearchOptions
	if caps := w.side.client.Caps(); caps.Has(imap.CapESearch) || caps.Has(imap.CapIMAP4rev2) {
		o = &imap.SearchOptions{ReturnAll: true} // ranges instead of a number each
	}
	var data *imap.SearchData
	err := w.side.do(ctx, answerBytes+numberBytes*int64(most), func() (err error) {
		data, err = w.side.client.UIDSearch(&criteria, o).Wait()
		return err
	})
	if err != nil {
		return found, passing(err)
	}
	uids, _ := data.All.(imap.UIDSet) // nil when there are none
	for _, r := range uids {
		found.Add(uint32(r.Start), uint32(r.Stop))
	}
	if found.Len() > uint64(most) {
		return uidset.Set{}, &lostError{fmt.Errorf("it found %d messages where at most %d can be", found.Len(), most)}
	}
	return found, nil
}

// measure adds up the sizes of what is missing, for a dry run.
func (w *run) measure(ctx context.Context, b *box) error {
	if _, err := w.open(ctx, b, false); err != nil || b.row.Skipped != "" {
		return err
	}
	b.row.MissingBytes = 0
	for rest := b.missing.Clone(); !rest.Empty(); {
		list, err := w.describe(ctx, first(&rest, describeAtOnce))
		if err != nil {
			return fmt.Errorf("measure %s: %w", b.name, passing(err))
		}
		for _, m := range list {
			b.row.MissingBytes += m.size
		}
	}
	return nil
}

// fill brings the missing messages of a mailbox to an end, in the order in which they came.
func (w *run) fill(ctx context.Context, b *box) error {
	found, err := w.open(ctx, b, true)
	if err != nil || b.row.Skipped != "" {
		return err
	}
	b.row.Messages = int(found.Len())
	defer func() {
		if b.ledger != nil {
			b.row.setMissing(b.wanted(found))
		}
	}()
	if b.atOnce == 0 {
		b.atOnce = describeAtOnce
	}
	for !b.missing.Empty() && w.left != 0 {
		n := b.atOnce
		if w.left > 0 {
			n = min(n, w.left)
		}
		rest := b.missing.Clone()
		if err := w.some(ctx, b, first(&rest, n)); err != nil {
			return err
		}
		b.missing = rest
		b.atOnce = min(2*b.atOnce, describeAtOnce)
		w.tell(Event{Kind: EventProgress})
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

// some brings the messages of one description to an end.
func (w *run) some(ctx context.Context, b *box, uids uidset.Set) error {
	if uid := uids.Min(); b.lost[uid] >= maxLosses {
		w.fail(b, uid, "the connection ended each time when it was asked for")
		uids.Remove(uid, uid)
		if uids.Empty() {
			return nil
		}
	}
	list, err := w.describe(ctx, uids)
	switch no := (*imap.Error)(nil); {
	case errors.As(err, &no) && !temporary(no):
		return w.halves(ctx, b, uids, no)
	case err != nil:
		var lost *lostError
		if errors.As(err, &lost) {
			// Perhaps over one of these messages: fewer at a time, then one alone, find out which.
			if b.atOnce = min(b.atOnce, int(uids.Len())) / 2; b.atOnce == 0 {
				b.atOnce = 1
				b.lost[uids.Min()]++
			}
		}
		return fmt.Errorf("describe messages of %s: %w", b.name, passing(err))
	}
	absent := uids.Clone()
	var drafts uidset.Set
	for _, m := range list {
		absent.Remove(m.uid, m.uid)
		if m.draft {
			drafts.Add(m.uid, m.uid)
		}
	}
	w.settle(b, journal.UIDExcluded, "draft", drafts)
	if err := w.vanished(ctx, b, absent, "the mail server does not describe it"); err != nil {
		return err
	}
	return w.bodies(ctx, b, slices.DeleteFunc(list, func(m message) bool { return m.draft }))
}

// halves finds out which message the server refuses to describe.
func (w *run) halves(ctx context.Context, b *box, uids uidset.Set, no *imap.Error) error {
	n := int(uids.Len())
	if n == 1 {
		return w.vanished(ctx, b, uids, "the mail server refused: "+quote(no.Text))
	}
	half := first(&uids, n/2)
	if err := w.some(ctx, b, half); err != nil {
		return err
	}
	return w.some(ctx, b, uids)
}

// describe asks for flags, dates and sizes. The messages come back in the order of their UIDs; those that are not
// there any more are missing.
func (w *run) describe(ctx context.Context, uids uidset.Set) (list []message, err error) {
	err = w.side.do(ctx, answerBytes+int64(uids.Len())*slack, func() error {
		answers, err := w.side.client.Fetch(imapSet(uids), &imap.FetchOptions{UID: true, Flags: true, InternalDate: true, RFC822Size: true}).Collect()
		for _, a := range answers {
			if uids.Contains(uint32(a.UID)) {
				list = append(list, message{
					uid: uint32(a.UID), size: max(0, a.RFC822Size), date: a.InternalDate, draft: slices.Contains(a.Flags, imap.FlagDraft),
				})
			}
		}
		return err
	})
	slices.SortFunc(list, func(a, b message) int { return int(int64(a.uid) - int64(b.uid)) })
	return slices.CompactFunc(list, func(a, b message) bool { return a.uid == b.uid }), err
}

// imapSet is the same set as go-imap has it.
func imapSet(set uidset.Set) imap.UIDSet {
	var out imap.UIDSet
	for _, r := range set.Ranges() {
		out.AddRange(imap.UID(r.First), imap.UID(r.Last))
	}
	return out
}

// vanished settles UIDs of which a command brought nothing: what is still there failed for the reason, the rest is gone.
func (w *run) vanished(ctx context.Context, b *box, uids uidset.Set, reason string) error {
	if uids.Empty() {
		return nil
	}
	// Servers tell of expunged messages when they may, which FETCH does not let them (RFC 9051, 7.5.1).
	err := w.side.do(ctx, answerBytes, func() error { return w.side.client.Noop().Wait() })
	if err != nil {
		return fmt.Errorf("look for messages of %s: %w", b.name, passing(err))
	}
	there, err := w.search(ctx, imap.SearchCriteria{UID: []imap.UIDSet{imapSet(uids)}}, int(uids.Len()))
	if err != nil {
		return fmt.Errorf("look for messages of %s: %w", b.name, err)
	}
	w.settle(b, journal.UIDGone, "", uids.Sub(there))
	for uid := range uids.Intersect(there).All() {
		w.fail(b, uid, reason)
	}
	return nil
}

// settle notes the end of messages that are not captured.
func (w *run) settle(b *box, state journal.UIDState, reason string, set uidset.Set) {
	n := int(set.Len())
	if n == 0 {
		return
	}
	b.ledger.Settle(state, reason, set)
	switch state {
	case journal.UIDExcluded:
		b.row.Excluded += n
		w.result.Counts.Excluded += n
	case journal.UIDGone:
		b.row.Gone += n
		w.result.Counts.Gone += n
	case journal.UIDFailed:
		b.row.Failed += n
		w.result.Counts.Failed += n
	}
	w.ended(string(state), n)
}

// fail gives one message up.
func (w *run) fail(b *box, uid uint32, reason string) {
	b.row.fail(uid, reason)
	w.log.Warn("message given up", "mailbox", b.name, "uid", uid, "reason", reason)
	w.settle(b, journal.UIDFailed, reason, uidset.Of(uid))
}

// ended counts messages that came to an end.
func (w *run) ended(outcome string, n int) {
	w.r.metrics.messages.WithLabelValues(outcome).Add(float64(n))
	w.progress = time.Now()
	if w.left > 0 {
		w.left = max(0, w.left-n)
	}
}
