package operations

import (
	"context"
	"errors"
	"strings"
	"time"

	"heliograph/hooks"
	"heliograph/hooks/automail"
	"heliograph/hooks/mirror"
	"heliograph/internal/journal"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

// Jobs changes jobs of the queue for people, by the console and by the command line.
type Jobs struct {
	Store    *store.DB
	Queue    *queue.Queue
	ExpireIn time.Duration    // of mail in the outbox: outbox.expire_in
	Now      func() time.Time // time.Now by default
}

// Why a job stays as it is.
var (
	ErrNotAgain   = errors.New("it runs, is done, or another one with the same key took its place")
	ErrNotGivenUp = errors.New("it is done already")
	ErrTooEarly   = errors.New("the gateway has not looked at this mail yet: let it run a moment")
)

func (c Jobs) outbox() automail.Control {
	return automail.Control{Store: c.Store, Queue: c.Queue, ExpireIn: c.ExpireIn, Now: c.Now}
}

// Retry makes a job run now, or says ErrNotAgain.
func (c Jobs) Retry(ctx context.Context, j queue.Job) error {
	if id, err := journal.ParseID(j.Key); err == nil && j.Kind == automail.Kind {
		// The recipients that failed must be tried again, too.
		if err := c.outbox().Retry(ctx, id); !errors.Is(err, automail.ErrUnknown) {
			return err
		}
	}
	n, err := c.Queue.Redrive(ctx, j.ID)
	if err == nil && n == 0 {
		err = ErrNotAgain
	}
	return err
}

// Discard leaves it to the owner of the job to write down that it was given up. It may say ErrNotGivenUp or ErrTooEarly.
func (c Jobs) Discard(ctx context.Context, j queue.Job, reason string) error {
	if !j.State.Live() && j.State != queue.StateDiscarded {
		return ErrNotGivenUp
	}
	switch {
	case strings.HasPrefix(j.Kind, mirror.Kind("")):
		return mirror.Drop(ctx, c.Store, c.Queue, j, reason)
	case strings.HasPrefix(j.Kind, hooks.Kind("")):
		return hooks.Drop(ctx, c.Store, c.Queue, j, reason)
	case j.Kind == automail.Kind:
		id, err := journal.ParseID(j.Key)
		if err == nil {
			err = c.outbox().Drop(ctx, id, reason)
		}
		switch {
		case err == nil || !errors.Is(err, automail.ErrUnknown):
			return err
		case j.State.Live():
			return ErrTooEarly
		}
	}
	_, err := c.Queue.Drop(ctx, "dropped: "+reason, j.ID)
	return err
}
