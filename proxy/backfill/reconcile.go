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
