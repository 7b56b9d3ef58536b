package watch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"heliograph/internal/journal"
	"heliograph/internal/journal/segment"
	"heliograph/internal/pace"
	"heliograph/internal/uidset"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

const (
	// maxBatch and batchBytes bound what one command fetches, besides a single message of any size.
	maxBatch   = 50
	batchBytes = 1 << 20
	// slack is what a FETCH response may hold besides the body.
	slack = 64 << 10
	// maxAbsence is the longest pause during which a connection stays open; a slot at the provider is not ours to block.
	maxAbsence = time.Minute
)

// fetch brings messages of a mailbox into the journal.
type fetch struct {
	*box

	link      *link
	noticed   time.Time
	allowance int64 // bytes taken from the day's budget and not fetched yet
}

// some brings the messages of one description to an end.
func (f *fetch) some(ctx context.Context, uids uidset.Set) error {
	list, err := f.describe(ctx, f.link, uids)
	var no *imap.Error
	switch {
	case errors.As(err, &no) && !passing(no) && uids.Len() == 1:
		return f.vanished(ctx, f.link, uids, "the mail server refused: "+quote(no.Text))
	case errors.As(err, &no) && !passing(no): // which one is it?
		half := first(&uids, int(uids.Len())/2)
		if err := f.some(ctx, half); err != nil {
			return err
		}
		return f.some(ctx, uids)
	case err != nil:
		if uids.Len() == 1 {
			f.blame(uids, err)
		}
		f.atOnce = max(1, int(uids.Len())/2) // fewer at a time, then one alone, find out which one is at fault
		return err
	}
	f.atOnce = min(2*f.atOnce, describeAtOnce)
	absent := uids.Clone()
	var drafts, large uidset.Set
	var wanted []message
	for _, m := range list {
		absent.Remove(m.uid, m.uid)
		switch limit := int64(f.cfg.MaxMessage); {
		case m.draft:
			drafts.Add(m.uid, m.uid)
		case limit > 0 && m.size > limit:
			large.Add(m.uid, m.uid)
		default:
			wanted = append(wanted, m)
		}
	}
	f.settle(journal.UIDExcluded, "draft", drafts)
	f.settle(journal.UIDExcluded, "larger than max_message of the watch", large)
	if err := f.vanished(ctx, f.link, absent, "the mail server does not describe it"); err != nil {
		return err
	}
	return f.bodies(ctx, wanted)
}

// blame remembers a message with which the connection was lost: the first that may be at fault.
func (b *box) blame(uids uidset.Set, err error) {
	var lost *lostError
	if errors.As(err, &lost) && lost.bye == "" && !uids.Empty() {
		b.tried(uids.Min(), "the connection ended each time when it was fetched", maxLosses)
	}
}

// bodies captures messages: small ones together, others one by one. One that failed before is alone.
func (f *fetch) bodies(ctx context.Context, list []message) error {
	for len(list) > 0 {
		n, sum := 0, int64(0)
		for n < len(list) && n < maxBatch && (n == 0 || sum+list[n].size <= batchBytes && f.tries[list[n].uid] == 0) {
			sum += list[n].size
			n++
			if f.tries[list[n-1].uid] > 0 {
				break
			}
		}
		if err := f.budget(ctx, sum); err != nil {
			return err
		}
		if err := f.batch(ctx, list[:n], sum); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// budget takes bytes from what may be fetched for the account in a day, which all who fetch of it share.
func (f *fetch) budget(ctx context.Context, bytes int64) error {
	u, err := f.w.opts.Settings().Router.Route(f.cfg.Upstream, "", f.address)
	if err != nil {
		return err
	}
	day := u.Budget(f.w.opts.Limiter, f.address, int64(f.cfg.BytesPerDay))
	if !day.Limited() {
		return nil
	}
	for f.allowance <= 0 {
		part, wait, err := day.Take(ctx)
		switch {
		case err != nil: // a limiter that cannot decide keeps nothing back
			return ctx.Err()
		case part > 0:
			f.allowance += part
		case wait > maxAbsence:
			return &waitError{wait, "the bytes that may be fetched of this account in a day are used up"}
		default:
			if err := sleep(ctx, wait); err != nil {
				return err
			}
		}
	}
	f.allowance -= bytes
	return ctx.Err()
}

// batch captures a few messages of sum bytes with one command.
func (f *fetch) batch(ctx context.Context, list []message, sum int64) error {
	claimed := map[uint32]message{} // and not at their end
	var set uidset.Set
	old := false
	for _, m := range list {
		if f.ledger.Claim(m.uid) { // else another session has it
			claimed[m.uid] = m
			set.Add(m.uid, m.uid)
			old = old || m.uid < f.since
		}
	}
	if set.Empty() {
		return nil
	}
	defer func() {
		for uid := range claimed {
			f.ledger.Release(uid)
		}
	}()
	var running []*sealing
	work := func() error { return f.ask(ctx, set, sum, claimed, &running) }
	var err error
	if old && f.w.opts.Pace != nil { // nobody waits for old mail
		if perr := f.w.opts.Pace.Do(ctx, pace.Waits, func() { err = work() }); perr != nil {
			return perr
		}
	} else {
		err = work()
	}
	for _, s := range running { // also after an error: what is stored is stored
		if serr := f.sealed(s, claimed); err == nil {
			err = serr
		}
	}
	var left uidset.Set
	for uid := range claimed {
		left.Add(uid, uid)
	}
	var no *imap.Error
	switch {
	case errors.As(err, &no) && !passing(no):
		return f.vanished(ctx, f.link, left, "the mail server refused: "+quote(no.Text))
	case err != nil:
		f.blame(left, err)
		return fmt.Errorf("fetch from %s: %w", f.name, err)
	}
	return f.vanished(ctx, f.link, left, "the mail server gives no content")
}

// ask fetches bodies and begins to seal them.
func (f *fetch) ask(ctx context.Context, set uidset.Set, sum int64, claimed map[uint32]message, running *[]*sealing) error {
	section := &imap.FetchItemBodySection{Peek: true}
	taken := map[uint32]bool{}               // a server that gives a body twice does not get two entries
	most := 2*sum + int64(set.Len()+1)*slack // sizes are estimates at some servers
	var store error                          // of the journal: the rest of the answer is read all the same
	err := f.link.do(ctx, most, func() error {
		cmd := f.link.client.Fetch(imapSet(set), &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{section}})
		for msg := cmd.Next(); msg != nil; msg = cmd.Next() {
			var uid uint32
			for item := msg.Next(); item != nil; item = msg.Next() {
				switch item := item.(type) {
				case imapclient.FetchItemDataUID:
					uid = uint32(item.UID)
				case imapclient.FetchItemDataBodySection:
					m, ours := claimed[uid]
					if !ours || taken[uid] || item.Literal == nil || store != nil || item.Section.Partial != nil {
						continue
					}
					taken[uid] = true
					if item.Literal.Size() == 0 && m.size > 0 {
						continue // it is asked for again
					}
					s, err := f.take(m, item.Literal)
					if cut := (*cutError)(nil); errors.As(err, &cut) {
						// After an error of a literal, imapclient's reader goes on by itself: leave all to it.
						return cut.err
					}
					switch {
					case err != nil:
						store = err
					case s == nil: // given up
						delete(claimed, uid)
					default:
						*running = append(*running, s)
						go s.seal(ctx)
					}
				}
			}
		}
		return cmd.Close()
	})
	if err == nil {
		err = store
	}
	return err
}

// take copies one body into a new entry; nil when the message was given up.
func (f *fetch) take(m message, literal imap.LiteralReader) (*sealing, error) {
	kind := journal.KindFetch
	if m.uid < f.since {
		kind = journal.KindBackfill
	}
	s := &sealing{message: m, done: make(chan error, 1), env: &journal.Envelope{
		Kind: kind, Account: f.address, Upstream: f.up.Name, Session: f.session,
		Mailbox: f.box.name, UIDValidity: f.validity, UID: m.uid, InternalDate: m.date,
	}}
	s.entry = f.w.opts.Journal.Begin(s.env)
	n, err := io.Copy(storing{s.entry}, literal)
	if err == nil && n != literal.Size() {
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		return s, nil
	}
	s.entry.Close()
	if store := (*storeError)(nil); !errors.As(err, &store) {
		return nil, &cutError{err}
	}
	return nil, f.notStored(m, err)
}

// notStored judges an error of the journal: what is too large for it is given up.
func (f *fetch) notStored(m message, err error) error {
	if errors.Is(err, segment.ErrTooLarge) {
		f.settle(journal.UIDFailed, "larger than the journal takes", uidset.Of(m.uid))
		return nil
	}
	return &storeError{fmt.Errorf("store message %d: %w", m.uid, err)}
}

// sealing is an entry that is being made durable. Those of one command are at the same time, so that they share a sync
// of the disk.
type sealing struct {
	entry   *journal.Pending
	env     *journal.Envelope
	message message
	done    chan error
}

// sealTime bounds how long an entry waits for the disk, also when the watch ends meanwhile.
const sealTime = time.Minute

func (s *sealing) seal(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sealTime)
	defer cancel()
	s.done <- s.entry.Seal(ctx, s.env)
}

// sealed waits for an entry and notes what became of it.
func (f *fetch) sealed(s *sealing, claimed map[uint32]message) error {
	err := <-s.done
	s.entry.Close()
	uid := s.message.uid
	if err != nil {
		return f.notStored(s.message, err)
	}
	delete(claimed, uid)
	f.ledger.Captured(uid)
	f.captured(f.ledger.Key(), uid)
	f.mail = true
	f.w.metrics.bytes.Add(float64(s.env.Size))
	f.ended(string(journal.UIDCaptured), uidset.Of(uid))
	if s.env.Kind == journal.KindFetch {
		f.w.metrics.seconds.Observe(time.Since(f.noticed).Seconds())
	}
	return nil
}

// storeError is an error of the journal or the database, as opposed to one of the connection.
type storeError struct{ err error }

func (e *storeError) Error() string { return e.err.Error() }
func (e *storeError) Unwrap() error { return e.err }

// cutError says that a body ended before its end.
type cutError struct{ err error }

func (e *cutError) Error() string { return e.err.Error() }

// storing marks the errors of a writer.
type storing struct{ w io.Writer }

// Write implements io.Writer.
func (s storing) Write(b []byte) (int, error) {
	n, err := s.w.Write(b)
	if err != nil {
		err = &storeError{err}
	}
	return n, err
}
