package watch

import (
	"context"
	"errors"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// attend stays in one mailbox.
func (l *line) attend(ctx context.Context, b *box) error {
	for {
		err := b.enter(ctx, l.link)
		var bad *boxError
		if errors.As(err, &bad) {
			l.failed(b, bad)
			if err := l.rest(ctx, l.w.times.quiet); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		if err := b.fill(ctx, l.link, time.Now(), "looked"); err != nil {
			return err
		}
		for time.Since(b.whole) < l.w.times.whole {
			if err := l.turn(ctx, b); err != nil {
				return err
			}
		}
		if err := l.relist(ctx); err != nil {
			return err
		}
	}
}

// turn waits for something to do in a mailbox, and does it.
func (l *line) turn(ctx context.Context, b *box) error {
	told := l.link.told()
	if !told {
		var err error
		if told, err = l.wait(ctx, b); err != nil {
			return err
		}
	}
	noticed, by := time.Now(), "told"
	if !told {
		by = "looked"
		// What the server has not told it tells now, if it is still there.
		if err := l.link.do(ctx, answerBytes, func() error { return l.link.client.Noop().Wait() }); err != nil {
			return err
		}
		l.link.told() // the look comes anyway
	}
	if err := b.look(ctx, l.link); err != nil {
		return err
	}
	return b.fill(ctx, l.link, noticed, by)
}

// wait waits until the server tells of messages, or until it is time for a look. told says which.
func (l *line) wait(ctx context.Context, b *box) (told bool, err error) {
	names := []string{b.name}
	if !l.link.canIdle() || time.Now().Before(l.unidle) {
		l.w.record.set(l.address, l.up.Name, names, StatePolling, "")
		return false, l.rest(ctx, l.pollPause(!b.open.Empty()))
	}
	d := l.cfg.IdleFor(&l.up)
	if !b.open.Empty() {
		d = min(d, l.pollPause(true))
	}
	began := time.Now()
	told, err = l.idle(ctx, d, names)
	var no *imap.Error
	var lost *lostError
	switch {
	case errors.As(err, &no):
		l.giveUpIdle("the mail server refuses IDLE: " + quote(no.Text))
		return false, nil
	case errors.As(err, &lost):
		if time.Since(began) < steady {
			l.breaks++
		} else {
			l.breaks = 0
		}
	case err == nil && !told && time.Since(began) < min(l.w.times.least, d):
		l.breaks++
	case err == nil:
		l.breaks = 0
	}
	if l.breaks >= maxBreaks {
		l.giveUpIdle("IDLE broke more than once")
	}
	return told, err
}

// giveUpIdle polls for a while.
func (l *line) giveUpIdle(why string) {
	l.breaks, l.unidle = 0, time.Now().Add(pollAfterBreaks)
	l.log.Warn("a watched mailbox is polled", "err", why, "poll", l.cfg.Poll.D().String())
}

// idle is one IDLE (RFC 2177). It ends when the server tells of messages, after d, and after a silence.
func (l *line) idle(ctx context.Context, d time.Duration, names []string) (told bool, err error) {
	var cmd *imapclient.IdleCommand
	if err := l.link.do(ctx, answerBytes, func() (err error) {
		cmd, err = l.link.client.Idle()
		return err
	}); err != nil {
		return false, err
	}
	l.w.record.set(l.address, l.up.Name, names, StateIdle, "")
	told, gone := l.doze(ctx, d)
	if gone {
		l.link.conn.fail(errHungUp)
		_ = cmd.Close()
		return false, l.link.lost(ctx, errHungUp)
	}
	end, cancel := ctx, context.CancelFunc(func() {})
	if ctx.Err() != nil { // the goodbye is to come at a moment when the server takes it
		end, cancel = context.WithTimeout(context.WithoutCancel(ctx), logoutTime)
	}
	defer cancel()
	err = l.link.do(end, answerBytes, func() error {
		if err := cmd.Close(); err != nil {
			return err
		}
		return cmd.Wait()
	})
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return told || l.link.told(), err
}

// doze waits inside an IDLE, or until ctx ends. gone says that the connection is.
func (l *line) doze(ctx context.Context, d time.Duration) (told, gone bool) {
	over, quiet := time.NewTimer(d), time.NewTimer(l.w.times.quiet)
	defer over.Stop()
	defer quiet.Stop()
	for {
		select {
		case <-l.link.news:
			return true, false
		case <-l.link.conn.heard: // "* OK Still here" and the like
			quiet.Reset(l.w.times.quiet)
		case <-over.C:
			return false, false
		case <-quiet.C:
			return false, false
		case <-l.link.client.Closed():
			return false, true
		case <-ctx.Done():
			return false, false
		}
	}
}
