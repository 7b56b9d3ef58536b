package backfill

import (
	"context"
	"fmt"
	"time"

	"heliograph/config"
	"heliograph/internal/journal"
	"heliograph/internal/uidset"
)

// reconcile compares each mailbox with its ledger, and with Fix brings what is missing to an end. What was
// there before capture began is missing only where the policy is to capture all.
func (w *run) reconcile(ctx context.Context) error {
	boxes, err := w.choose(ctx)
	if err != nil {
		return err
	}
	defer closeAll(boxes)
	for _, b := range boxes {
		if err := w.retry(ctx, func(ctx context.Context) error { return w.compare(ctx, b) }); err != nil {
			return err
		}
		w.result.Total += b.row.Missing
	}
	if w.left >= 0 {
		w.result.Total = min(w.result.Total, w.left)
	}
	w.tell(Event{Kind: EventPlan})
	work := w.fill
	if !w.req.Fix {
		work = func(context.Context, *box) error { return nil }
	}
	return w.each(ctx, boxes, work)
}

// compare fills in the row of a mailbox.
func (w *run) compare(ctx context.Context, b *box) error {
	found, err := w.open(ctx, b, false)
	if err != nil || b.row.Skipped != "" {
		return err
	}
	known, err := w.known(ctx, b, found)
	if err != nil {
		return fmt.Errorf("read the ledger of %s: %w", b.name, err)
	}
	excluded := known.Sets[journal.UIDExcluded].Intersect(found)
	failed := known.Sets[journal.UIDFailed].Intersect(found)
	back := known.Sets[journal.UIDGone].Intersect(found) // gone, says the ledger, and yet there
	row := b.row
	row.Messages, row.Excluded, row.Failed = int(found.Len()), int(excluded.Len()), int(failed.Len())
	row.Gone = int(known.Sets[journal.UIDGone].Len() - back.Len())
	b.also.AddSet(back)
	if w.req.Fix {
		b.ledger.Reopen(journal.UIDFailed, failed)
		b.ledger.Reopen(journal.UIDGone, back)
		b.also.AddSet(failed)
		row.Failed = 0
	}
	left := b.ledger.Missing(found)
	left.AddSet(back)
	row.Captured = row.Messages - row.Excluded - row.Failed - int(left.Len())
	b.from = 1
	if w.rule.Policy != config.CaptureAll {
		if b.from = b.ledger.Since(); b.from == 0 { // never seen yet: all that is there is older than capture
			b.from = found.Max() + 1
		}
	}
	b.missing = b.wanted(found)
	b.missing.AddSet(back)
	row.Older = int(left.Sub(b.missing).Len())
	row.setMissing(b.missing)
	return nil
}

const (
	// storeLag is how long the store may be behind what this process knows, before its figures are taken as they are.
	storeLag = 10 * time.Second
	// storePoll is how often it is asked.
	storePoll = 100 * time.Millisecond
)

// known reads what the store knows of a mailbox, once it knows the end of all messages that this process does.
func (w *run) known(ctx context.Context, b *box, found uidset.Set) (known journal.MailboxState, err error) {
	for patience := storeLag; ; patience -= storePoll {
		states, err := w.r.opts.Journal.Mailboxes(ctx, journal.MailboxFilter{
			Upstream: w.up.Name(), Account: w.account, Mailbox: b.name, UIDValidity: b.validity,
		})
		if err != nil {
			return known, err
		}
		var ended uidset.Set
		for _, known = range states { // at most one
			for _, set := range known.Sets {
				ended.AddSet(set)
			}
		}
		here := found.Sub(b.ledger.Missing(found))
		if patience <= 0 || here.Sub(ended).Empty() {
			return known, nil
		}
		if err := sleep(ctx, storePoll); err != nil {
			return known, err
		}
	}
}
