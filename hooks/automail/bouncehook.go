package automail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"heliograph/hooks"
	"heliograph/internal/journal"
)

// Bounces is the hook that finds reports on rules' mail among the messages that are fetched from mailboxes, and counts what
// people send against the budgets of their accounts. Most messages cost it a look at their header.
type Bounces struct{ box *Outbox }

var _ hooks.Hook = (*Bounces)(nil)

// NewBounces returns the hook of an outbox.
func NewBounces(o *Outbox) *Bounces { return &Bounces{o} }

// Name is what the journal calls the hook.
func (*Bounces) Name() string { return "bounces" }

// Handle looks at one entry. It may be repeated.
func (b *Bounces) Handle(ctx context.Context, e hooks.Event) hooks.Outcome {
	switch e.Entry.Kind {
	case journal.KindSubmission:
		if err := b.box.CountOwn(ctx, &e.Entry.Envelope); err != nil {
			return hooks.Retry(err, 0)
		}
		return hooks.Done()
	case journal.KindFetch:
	default: // an old mail, or one that did not come from outside
		return hooks.Done()
	}
	body, err := e.Body(ctx)
	if err != nil {
		return hooks.Retry(fmt.Errorf("opening entry %s: %w", e.Entry.ID, err), 0)
	}
	defer func() { _ = body.Close() }() // only read
	peek := make([]byte, peekBytes)
	n, err := io.ReadFull(body, peek)
	if err != nil && n == 0 && !errors.Is(err, io.EOF) {
		return hooks.Retry(fmt.Errorf("reading entry %s: %w", e.Entry.ID, err), 0)
	}
	if !mayBounce(peek[:n]) {
		return hooks.Done()
	}
	report, ok, err := ParseBounce(io.MultiReader(bytes.NewReader(peek[:n]), body))
	if err != nil {
		return hooks.Retry(fmt.Errorf("reading entry %s: %w", e.Entry.ID, err), 0)
	}
	if !ok {
		return hooks.Done()
	}
	// The Message-ID of a report is not known to be its own; the entry is, but the same report may be fetched from two mailboxes.
	if _, _, err := b.box.Bounced(ctx, "entry "+e.Entry.ID.String(), report); err != nil {
		return hooks.Retry(err, 0)
	}
	return hooks.Done()
}

// peekBytes is what is read of each message: its header, or most of it.
const peekBytes = 16 << 10

// bounceSigns are one of them in the header of each report, in lower case.
var bounceSigns = [][]byte{
	[]byte("multipart/report"), []byte("delivery-status"), []byte("\nx-failed-recipients:"), []byte("mailer-daemon"), []byte("postmaster"),
	[]byte("return-path: <>"), []byte("qmail-send program"), []byte(tagMark),
}

// mayBounce looks whether it is worth to parse a message.
func mayBounce(begin []byte) bool {
	low := bytes.ToLower(begin)
	for _, sign := range bounceSigns {
		if bytes.Contains(low, sign) {
			return true
		}
	}
	return false
}
