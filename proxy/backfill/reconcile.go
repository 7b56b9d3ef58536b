package backfill

import (
	"context"
	"fmt"

	"heliograph/config"
	"heliograph/internal/journal"
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
	states, err := w.r.opts.Journal.Mailboxes(ctx, journal.MailboxFilter{
		Upstream: w.up.Name(), Account: w.account, Mailbox: b.name, UIDValidity: b.validity,
	})
	if err != nil {
		return fmt.Errorf("read the ledger of %s: %w", b.name, err)
	}
	var known journal.MailboxState
	for _, s := range states {
		known = s
	}
	excluded := known.Sets[journal.UIDExcluded].Intersect(found)
	failed := known.Sets[journal.UIDFailed].Intersect(found)
	back := known.Sets[journal.UIDGone].Intersect(found) // gone, says the ledger, and yet there
	if w.req.Fix {
		b.ledger.Reopen(journal.UIDFailed, failed)
		b.ledger.Reopen(journal.UIDGone, back)
		failed = failed.Sub(failed)
	}
	left := b.ledger.Missing(found)
	left.AddSet(back)
	row := b.row
	row.Messages, row.Excluded, row.Failed = int(found.Len()), int(excluded.Len()), int(failed.Len())
	row.Gone = int(known.Sets[journal.UIDGone].Len() - back.Len())
	row.Captured = row.Messages - row.Excluded - row.Failed - int(left.Len())
	if w.rule.Policy != config.CaptureAll {
		// Never seen yet: all that is there is older than capture.
		b.from = max(1, b.ledger.Since())
		if b.ledger.Since() == 0 {
			b.from = found.Max() + 1
		}
		row.Older = int(left.CountBelow(b.from))
		left.Remove(1, b.from-1)
	}
	row.setMissing(left)
	return nil
}
