package backfill

import (
	"context"
	"errors"
	"fmt"
	"io"

	"heliograph/internal/journal"
	"heliograph/internal/journal/segment"
	"heliograph/internal/uidset"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

const (
	// maxBatch is how many small messages one command fetches.
	maxBatch = 50
	// slack is what a FETCH response may hold besides the body.
	slack = 64 << 10
)

// bodies captures messages: small ones in batches of about a chunk together, others one by one.
func (w *run) bodies(ctx context.Context, b *box, list []message) error {
	for len(list) > 0 {
		most, room := w.room()
		n, sum := 0, int64(0)
		for n < len(list) && n < most && (n == 0 || sum+list[n].size <= room) && (n == 0 || b.lost[list[n].uid] == 0) {
			sum += list[n].size
			n++
			if b.lost[list[n-1].uid] > 0 {
				break
			}
		}
		if err := w.batch(ctx, b, list[:n], sum); err != nil {
			return err
		}
		list = list[n:]
		w.tell(Event{Kind: EventProgress})
	}
	return nil
}

// batch captures a few messages of sum bytes together, or one of any size.
func (w *run) batch(ctx context.Context, b *box, list []message, sum int64) error {
	claimed := make([]message, 0, len(list))
	for _, m := range list {
		if b.lost[m.uid] >= maxLosses {
			w.fail(b, m.uid, "the connection ended each time when it was fetched")
		} else if b.ledger.Claim(m.uid) { // else another session has it
			claimed = append(claimed, m)
		}
	}
	if len(claimed) == 0 {
		return nil
	}
	f := &fetch{run: w, box: b, open: map[uint32]message{}}
	defer f.release()
	for _, m := range claimed {
		f.open[m.uid] = m
	}
	alone := len(claimed) == 1 && claimed[0].size > w.chunk()
	if !alone {
		if err := f.small(ctx, claimed, sum); err != nil {
			return f.blame(claimed, err)
		}
	}
	// What is left was refused, came in part, or is large.
	for _, m := range claimed {
		if _, open := f.open[m.uid]; !open {
			continue
		}
		if err := f.single(ctx, m); err != nil {
			return f.blame([]message{m}, err)
		}
	}
	return nil
}

// fetch is the work on some claimed messages.
type fetch struct {
	*run
	box  *box
	open map[uint32]message // claimed and not at their end
}

// release gives back the claims on what did not come to an end.
func (f *fetch) release() {
	for uid := range f.open {
		f.box.ledger.Release(uid)
	}
}

// blame remembers at which message the connection ended.
func (f *fetch) blame(list []message, err error) error {
	var lost *lostError
	if errors.As(err, &lost) {
		for _, m := range list {
			if _, open := f.open[m.uid]; open {
				f.box.lost[m.uid]++
				break
			}
		}
	}
	return fmt.Errorf("fetch from %s: %w", f.box.name, err)
}

// small fetches messages with one command. Those that the server refuses or gives in part stay open.
func (f *fetch) small(ctx context.Context, list []message, sum int64) error {
	var set uidset.Set
	for _, m := range list {
		set.Add(m.uid, m.uid)
	}
	q := query{set: set, want: f.chunk(), likely: sum, most: sum}
	var got int64
	var running []sealing
	err := f.ask(ctx, q, func(uid uint32, body imapclient.FetchItemDataBodySection) error {
		m, open := f.open[uid]
		if !open || body.Literal == nil || body.Literal.Size() < m.size || !whole(body) && body.Literal.Size() >= q.want {
			return nil // nothing, too little, or perhaps not all: single knows
		}
		p := f.begin(m)
		n, err := copyBody(p, body.Literal)
		got += n
		if err != nil {
			p.Close()
			return f.notStored(m, err)
		}
		running = append(running, sealing{p, m, make(chan error, 1)})
		go running[len(running)-1].seal(ctx)
		return nil
	})
	for _, s := range running { // also after an error: what is stored is stored
		if serr := f.sealed(s); err == nil {
			err = serr
		}
	}
	if err != nil {
		return err
	}
	return f.throttle(ctx, len(list), got)
}

// sealing is an entry that is being made durable. Those of one command are at the same time, so that they share a sync
// of the disk.
type sealing struct {
	entry   *entry
	message message
	done    chan error
}

func (s sealing) seal(ctx context.Context) { s.done <- s.entry.Seal(ctx, s.entry.env) }

// sealed waits for an entry and notes what became of it.
func (f *fetch) sealed(s sealing) error {
	err := <-s.done
	s.entry.Close()
	if err != nil {
		return f.notStored(s.message, &storeError{err})
	}
	f.captured(s.entry)
	return nil
}

// whole reports whether the server ignored that a part was asked for, and gave all.
func whole(body imapclient.FetchItemDataBodySection) bool { return body.Section.Partial == nil }

// query is one FETCH of a part of each message.
type query struct {
	set          uidset.Set
	off, want    int64 // octets of each message
	likely, most int64 // octets that come in all
}

// ask fetches and hands what comes to take. Refusals of the server are no error: what it refuses is not given.
func (f *fetch) ask(ctx context.Context, q query, take func(uint32, imapclient.FetchItemDataBodySection) error) error {
	if err := f.budget(ctx, q.likely); err != nil {
		return err
	}
	section := &imap.FetchItemBodySection{Peek: true, Partial: &imap.SectionPartial{Offset: q.off, Size: q.want}}
	var failed error // of take
	err := f.quietly(ctx, func() error {
		return f.side.do(ctx, q.most+q.want+int64(q.set.Len()+1)*slack, func() error {
			cmd := f.side.client.Fetch(imapSet(q.set), &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{section}})
			for msg := cmd.Next(); msg != nil; msg = cmd.Next() {
				var uid uint32
				taken := false // once: a server that gives a body twice does not get two entries
				for item := msg.Next(); item != nil; item = msg.Next() {
					switch item := item.(type) {
					case imapclient.FetchItemDataUID:
						uid = uint32(item.UID)
					case imapclient.FetchItemDataBodySection:
						fits := whole(item) || item.Section.Partial.Offset == q.off
						if failed == nil && fits && !taken && q.set.Contains(uid) {
							taken = true
							failed = take(uid, item)
						}
						if cut := (*cutError)(nil); errors.As(failed, &cut) {
							// After an error of a literal, imapclient's reader goes on by itself: leave all to it.
							failed = nil
							return cut.err
						}
					}
				}
			}
			return cmd.Close()
		})
	})
	var no *imap.Error
	switch {
	case failed != nil:
		return failed
	case errors.As(err, &no) && !temporary(no):
		f.refusal = quote(no.Text)
		return nil
	case err != nil:
		return passing(err)
	}
	f.refusal = ""
	return nil
}

// single captures one message in chunks until nothing more comes. The size that the server
// told is a hint only.
func (f *fetch) single(ctx context.Context, m message) error {
	p := f.begin(m)
	defer p.Close()
	want := f.chunk()
	if _, room := f.room(); room < want {
		want = room
	}
	var off int64
	for {
		var n int64
		var all bool
		q := query{set: uidset.Of(m.uid), off: off, want: want, likely: min(want, max(1, m.size-off)), most: m.size}
		err := f.ask(ctx, q, func(_ uint32, body imapclient.FetchItemDataBodySection) (err error) {
			if body.Literal == nil {
				return nil
			}
			all = whole(body)
			if size := body.Literal.Size(); all && off > 0 || !all && size > want {
				f.giveUp(m, "the mail server sent more than was asked for")
				return nil
			}
			n, err = copyBody(p, body.Literal)
			return f.notStored(m, err)
		})
		off += n
		_, open := f.open[m.uid]
		switch {
		case err != nil || !open: // or given up
			return err
		case f.refusal != "":
			return f.absent(ctx, m, "the mail server refused: "+f.refusal)
		case off == 0 && m.size > 0:
			return f.absent(ctx, m, "the mail server gives no content")
		case off == 0:
			f.finish(m.uid)
			f.settle(f.box, journal.UIDExcluded, "empty", uidset.Of(m.uid))
			return nil
		case all || n == 0 || n < want && off >= m.size:
			s := sealing{p, m, make(chan error, 1)}
			s.seal(ctx)
			if err := f.sealed(s); err != nil {
				return err
			}
			return f.throttle(ctx, 1, n)
		}
		f.tell(Event{Kind: EventProgress})
		if err := f.throttle(ctx, 0, n); err != nil {
			return err
		}
	}
}

// begin begins the entry of a message.
func (f *fetch) begin(m message) *entry {
	env := &journal.Envelope{
		Kind: journal.KindBackfill, Account: f.account, Upstream: f.up.Name(), Session: f.session,
		Mailbox: f.box.name, UIDValidity: f.box.validity, UID: m.uid, InternalDate: m.date,
	}
	return &entry{Pending: f.r.opts.Journal.Begin(env), env: env}
}

// entry is a Pending with its envelope.
type entry struct {
	*journal.Pending
	env *journal.Envelope
}

// captured notes that an entry is durable.
func (f *fetch) captured(p *entry) {
	f.finish(p.env.UID)
	f.box.ledger.Captured(p.env.UID)
	f.box.row.Captured++
	f.box.row.Bytes += p.env.Size
	f.result.Counts.Captured++
	f.result.Counts.Bytes += p.env.Size
	f.r.metrics.bytes.Add(float64(p.env.Size))
	f.ended(string(journal.UIDCaptured), 1)
}

// finish takes a message off the list of the open ones.
func (f *fetch) finish(uid uint32) {
	delete(f.open, uid)
	delete(f.box.lost, uid)
}

func (f *fetch) giveUp(m message, reason string) {
	f.finish(m.uid)
	f.fail(f.box, m.uid, reason)
}

// absent finds out whether a message that was not given is gone.
func (f *fetch) absent(ctx context.Context, m message, reason string) error {
	err := f.vanished(ctx, f.box, uidset.Of(m.uid), reason)
	if err == nil {
		delete(f.open, m.uid)
	}
	return err
}

// notStored judges an error of copyBody or Seal. What is too large for the journal is given up; when the journal stores
// nothing, the run ends.
func (f *fetch) notStored(m message, err error) error {
	var store *storeError
	switch {
	case !errors.As(err, &store):
		return err
	case errors.Is(err, segment.ErrTooLarge):
		f.giveUp(m, "larger than the journal takes")
		return nil
	}
	return fmt.Errorf("store message %d: %w", m.uid, err)
}

// storeError is an error of the journal, as opposed to one of the connection.
type storeError struct{ err error }

func (e *storeError) Error() string { return e.err.Error() }
func (e *storeError) Unwrap() error { return e.err }

// cutError says that a body ended before its end.
type cutError struct{ err error }

func (e *cutError) Error() string { return e.err.Error() }

// copyBody copies a whole literal into an entry. Its error is a *storeError where the journal is to blame, else a *cutError.
func copyBody(p io.Writer, literal imap.LiteralReader) (int64, error) {
	n, err := io.Copy(storing{p}, literal)
	if err == nil && n != literal.Size() {
		err = io.ErrUnexpectedEOF
	}
	if store := (*storeError)(nil); err != nil && !errors.As(err, &store) {
		err = &cutError{err}
	}
	return n, err
}

// storing marks the errors of a writer.
type storing struct{ w io.Writer }

func (s storing) Write(b []byte) (int, error) {
	n, err := s.w.Write(b)
	if err != nil {
		err = &storeError{err}
	}
	return n, err
}
