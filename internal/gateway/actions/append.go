package actions

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"heliograph/hooks/automail"
	"heliograph/hooks/automail/compose"
	"heliograph/hooks/rules"
	"heliograph/internal/journal"
)

// append puts a message into a mailbox, by a session of its own. The Message-ID is the key by which a repetition finds it.
func (a *Actions) append(ctx context.Context, e *rules.Effect) (map[string]any, error) {
	to := automail.Appending{
		Account: e.Append.Account, Mailbox: e.Append.Mailbox, Create: e.Append.Create,
		Seen: slices.Contains(e.Append.Flags, "seen"), Flagged: slices.Contains(e.Append.Flags, "flagged"),
	}
	fill := a.appendMade
	if e.Append.Entry != "" {
		fill = a.appendCopy
	}
	if err := fill(ctx, e, &to); err != nil {
		return nil, err
	}
	stored, err := a.o.Outbox.Append(ctx, to)
	var who *automail.SenderError
	switch {
	case errors.As(err, &who), errors.Is(err, automail.ErrMailbox):
		return nil, rules.Permanent(err)
	case err != nil:
		return nil, err
	}
	return map[string]any{"message_id": to.MessageID, "account": to.Account, "mailbox": to.Mailbox, "stored": stored}, nil
}

// appendCopy takes a message of the journal, byte for byte.
func (a *Actions) appendCopy(ctx context.Context, e *rules.Effect, to *automail.Appending) error {
	id, err := journal.ParseID(e.Append.Entry)
	if err != nil {
		return rules.Permanent(err)
	}
	entry, err := a.o.Journal.Entry(ctx, id)
	if errors.Is(err, journal.ErrNotFound) {
		return rules.Permanent(err)
	}
	if err != nil {
		return err
	}
	m, open, err := a.parse(ctx, e.Append.Entry)
	if err != nil {
		return err
	}
	to.MessageID, to.Size = strings.Trim(m.MessageID, "<>"), entry.Size
	to.Open = func() (io.ReadCloser, error) { return open(ctx) }
	return nil
}

// appendMade composes the message.
func (a *Actions) appendMade(ctx context.Context, e *rules.Effect, to *automail.Appending) error {
	m, err := a.compose(ctx, e)
	if err != nil {
		return err
	}
	text, err := compose.Compose(*m)
	if err != nil {
		return rules.Permanent(err)
	}
	to.MessageID, to.Size = m.MessageID(), int64(len(text))
	to.Open = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil }
	return nil
}
