package watch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"
)

// line is one connection of an account after the other. With one mailbox it stays in it, with more it goes round.
type line struct {
	*account

	boxes []*box
	link  *link // the connection that there is already; nil: none
	lost  backoff
	// breaks are the IDLEs in a row with which the connection was lost soon; from maxBreaks on the mailbox is polled until unidle.
	breaks int
	unidle time.Time
	listed time.Time // when the mailboxes were last listed
}

const (
	maxBreaks = 2
	// pollAfterBreaks is how long a server whose IDLE breaks is polled.
	pollAfterBreaks = time.Hour
)

// run watches until ctx ends, or the mailboxes of the account are others.
func (l *line) run(ctx context.Context) error {
	defer func() {
		if l.link != nil {
			l.link.close(true)
		}
	}()
	l.listed = time.Now()
	for {
		if l.link == nil {
			var err error
			if l.link, err = l.connect(ctx); err != nil {
				return err
			}
		}
		ends := l.ends()
		err := l.stay(ctx)
		if ctx.Err() != nil || errors.Is(err, errFolders) {
			return err
		}
		var lost *lostError
		l.link.close(!errors.As(err, &lost))
		if time.Since(l.link.since) > steady || l.ends() > ends {
			l.lost.reset()
		}
		l.link = nil
		if err := l.pause(ctx, l.names(), err, &l.lost); err != nil {
			return err
		}
	}
}

// names are those of the line's mailboxes.
func (l *line) names() []string {
	names := make([]string, len(l.boxes))
	for i, b := range l.boxes {
		names[i] = b.name
	}
	return names
}

// ends counts the messages that came to an end.
func (l *line) ends() (n int) {
	for _, b := range l.boxes {
		n += b.ends
	}
	return n
}

func (l *line) closeBoxes() {
	for _, b := range l.boxes {
		b.close()
	}
}

// stay uses a connection until it ends.
func (l *line) stay(ctx context.Context) error {
	if len(l.boxes) == 1 {
		return l.attend(ctx, l.boxes[0])
	}
	return l.round(ctx)
}

// pause is what follows the end of a connection: a wait that suits its reason. Its error is that of ctx.
func (a *account) pause(ctx context.Context, names []string, err error, failed *backoff) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var wait *waitError
	if b, slow := brakeOf(words(err)); slow {
		err = a.slowed(b)
	}
	d := failed.next()
	if errors.As(err, &wait) {
		d = jitter(wait.wait)
		failed.reset()
	}
	a.w.record.set(a.address, a.up.Name, names, StateWaiting, err.Error())
	a.w.metrics.breaks.WithLabelValues(reasonOf(err)).Inc()
	a.log.Warn("watched mailbox lost its connection, trying again", "err", err, "in", d.String())
	return sleep(ctx, d)
}

// reasonOf names the end of a connection for the metric.
func reasonOf(err error) string {
	var lost *lostError
	var wait *waitError
	var store *storeError
	var no *imap.Error
	switch {
	case errors.As(err, &wait):
		return "slowed"
	case errors.As(err, &store):
		return "store"
	case errors.As(err, &lost) && lost.bye != "":
		return "bye"
	case errors.Is(err, errSilent):
		return "silent"
	case errors.Is(err, errTooMuch):
		return "flood"
	case errors.As(err, &lost):
		return "hung_up"
	case errors.As(err, &no):
		return "refused"
	}
	return "other"
}

// relist looks from time to time whether the mailboxes of the account are still the same ones.
func (l *line) relist(ctx context.Context) error {
	if time.Since(l.listed) < l.w.times.whole || !slices.ContainsFunc(l.cfg.Mailboxes, isPattern) {
		return nil
	}
	names, err := l.list(ctx, l.link)
	if err != nil {
		return err
	}
	l.listed = time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Equal(names, l.account.names) {
		return errFolders
	}
	return nil
}

// round polls mailboxes in turn.
func (l *line) round(ctx context.Context) error {
	for {
		var again bool
		for _, b := range l.boxes {
			err := l.visit(ctx, b)
			var bad *boxError
			switch {
			case errors.As(err, &bad):
				l.failed(b, bad)
			case err != nil:
				return err
			default:
				l.w.record.set(l.address, l.up.Name, []string{b.name}, StatePolling, "")
			}
			again = again || !b.open.Empty()
		}
		if err := l.relist(ctx); err != nil {
			return err
		}
		if err := l.rest(ctx, l.pollPause(again)); err != nil {
			return err
		}
	}
}

// pollPause is the time to the next look of our own.
func (l *line) pollPause(again bool) time.Duration {
	switch {
	case again && l.paused():
		return min(l.cfg.Poll.D(), l.w.times.second)
	case again:
		return min(l.cfg.Poll.D(), l.w.times.unsettle)
	}
	return l.cfg.Poll.D()
}

// rest waits while the connection is open.
func (l *line) rest(ctx context.Context, d time.Duration) error {
	l.link.conn.budget.Store(answerBytes)
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-l.link.client.Closed():
		return l.link.lost(ctx, nil)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// visit looks into a mailbox if STATUS says that something is new (RFC 9051, 6.3.11). Of the mailbox that is open STATUS may tell what was so before:
// NOOP brings that up to date.
func (l *line) visit(ctx context.Context, b *box) error {
	var data *imap.StatusData
	err := l.link.do(ctx, answerBytes, func() (err error) {
		if m := l.link.client.Mailbox(); m != nil && m.Name == b.name {
			if err := l.link.client.Noop().Wait(); err != nil {
				return err
			}
		}
		data, err = l.link.client.Status(b.name, &imap.StatusOptions{UIDNext: true, UIDValidity: true}).Wait()
		return err
	})
	var no *imap.Error
	switch {
	case errors.As(err, &no) && !passing(no):
		return &boxError{"the mail server refuses to look at it: " + quote(no.Text)}
	case err != nil:
		return fmt.Errorf("look at %s: %w", b.name, err)
	}
	if b.ledger != nil && data.UIDValidity == b.validity && uint32(data.UIDNext) == b.uidNext && b.late == 0 && b.open.Empty() && time.Since(b.whole) < l.w.times.whole {
		l.w.record.synced(l.address, b.name, false)
		return nil
	}
	if err := b.enter(ctx, l.link); err != nil {
		return err
	}
	return b.fill(ctx, l.link, time.Now(), "looked")
}

// failed notes that a mailbox cannot be watched.
func (l *line) failed(b *box, why *boxError) {
	l.log.Error("a mailbox cannot be watched", "mailbox", b.name, "err", why)
	l.w.record.set(l.address, l.up.Name, []string{b.name}, StateFailed, why.text+": correct mailboxes of the watch, or the rights to it")
}
