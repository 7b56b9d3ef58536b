package automail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// Appending says where a message is put, beside those that were sent.
type Appending struct {
	Account string // one of outbox.senders, or an enrolled account
	Mailbox string // by its name at the server
	Create  bool   // the mailbox, where there is none
	Seen    bool
	Flagged bool
	// MessageID is that of the message's header, without brackets: by it a repetition finds that the message is there.
	MessageID string
	Size      int64
	Open      func() (io.ReadCloser, error) // lines ending in CRLF
}

// Appender is the ability of Mailboxes to put a message into any mailbox.
type Appender interface {
	// Append puts the message into the mailbox, unless one with its Message-ID is there, and reports whether it did. Errors pass, but for
	// those that wrap ErrMailbox.
	Append(ctx context.Context, who *Account, a Appending) (stored bool, err error)
}

var _ Appender = imapMailboxes{}

// ErrMailbox is wrapped by errors that no repetition mends: there is no such mailbox, or the account has none.
var ErrMailbox = errors.New("the message cannot be put there")

// Append puts a message into a mailbox, once: a call that is repeated after an error or a crash looks for the Message-ID first. The error wraps
// ErrMailbox where it cannot be, and is a *SenderError where the gateway has no access to the account; all others pass.
func (o *Outbox) Append(ctx context.Context, a Appending) (stored bool, err error) {
	if err := a.check(); err != nil {
		return false, err
	}
	who, err := o.sender(ctx, a.Account)
	if err != nil {
		return false, err
	}
	box, ok := o.o.Mailboxes.(Appender)
	if !ok || !who.up.HasIMAP() {
		return false, fmt.Errorf("%w: the upstream of %s has no IMAP", ErrMailbox, who.address)
	}
	// Two that repeat the same step here would both find nothing.
	unlock := o.sending.lock("append " + who.address + " " + a.Mailbox + " " + a.MessageID)
	defer unlock()
	stored, err = box.Append(ctx, who, a)
	if err != nil {
		return false, fmt.Errorf("a message into %s of %s: %w", clip(a.Mailbox), who.address, err)
	}
	return stored, nil
}

func (a *Appending) check() error {
	switch {
	case a.Mailbox == "" || len(a.Mailbox) > maxName || hasControl(a.Mailbox):
		return fmt.Errorf("%w: %.80q is not the name of a mailbox", ErrMailbox, a.Mailbox)
	case a.MessageID == "" || strings.ContainsAny(a.MessageID, "<> \t\r\n") || !printable(a.MessageID):
		return fmt.Errorf("%w: the message has no Message-ID by which it could be found again", ErrMailbox)
	case a.Size <= 0 || a.Size > maxMessage:
		return fmt.Errorf("%w: it has %d bytes, at most %d go", ErrMailbox, a.Size, maxMessage)
	}
	return nil
}

// Append implements Appender.
func (imapMailboxes) Append(ctx context.Context, who *Account, a Appending) (stored bool, err error) {
	err = with(ctx, who, func(c *imapclient.Client) error {
		if err := open(c, a.Mailbox, a.Create); err != nil {
			return err
		}
		there, err := holds(c, a.MessageID)
		if err != nil || there {
			return err
		}
		var flags []imap.Flag
		if a.Seen {
			flags = append(flags, imap.FlagSeen)
		}
		if a.Flagged {
			flags = append(flags, imap.FlagFlagged)
		}
		stored = true
		return upload(c, a.Mailbox, a.Size, flags, a.Open)
	})
	return stored && err == nil, err
}

// open opens a mailbox for looking, and makes it before where that is wanted.
func open(c *imapclient.Client, mailbox string, create bool) error {
	_, err := c.Select(mailbox, &imap.SelectOptions{ReadOnly: true}).Wait()
	if err == nil || !isNo(err) {
		return err
	}
	// A server may say NO for other reasons; the list of mailboxes tells.
	list, listErr := c.List("", mailbox, nil).Collect() // wildcards in a name find others too, which does no harm
	if listErr != nil {
		return errors.Join(err, listErr)
	}
	if slices.ContainsFunc(list, func(d *imap.ListData) bool {
		return d.Mailbox == mailbox && !slices.Contains(d.Attrs, imap.MailboxAttrNonExistent)
	}) {
		return err
	}
	if !create {
		return fmt.Errorf("%w: there is no such mailbox", ErrMailbox)
	}
	if err := c.Create(mailbox, nil).Wait(); err != nil {
		return fmt.Errorf("making the mailbox: %w", err)
	}
	_, err = c.Select(mailbox, &imap.SelectOptions{ReadOnly: true}).Wait()
	return err
}

// isNo says that the server understood and refused.
func isNo(err error) bool {
	var no *imap.Error
	return errors.As(err, &no) && no.Type == imap.StatusResponseTypeNo
}

// upload sends a message into a mailbox.
func upload(c *imapclient.Client, mailbox string, size int64, flags []imap.Flag, message func() (io.ReadCloser, error)) error {
	body, err := message()
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }() // only read
	cmd := c.Append(mailbox, size, &imap.AppendOptions{Flags: flags})
	if n, err := io.Copy(cmd, io.LimitReader(body, size)); err != nil || n != size {
		// The server waits for the rest of a literal. Without the connection it stores nothing, and the command's lock on it must go.
		_ = c.Close()
		_ = cmd.Close()
		return fmt.Errorf("storing in %s: %w", mailbox, errors.Join(err, errShort(n, size)))
	}
	if err := cmd.Close(); err != nil {
		return fmt.Errorf("storing in %s: %w", mailbox, err)
	}
	if _, err := cmd.Wait(); err != nil {
		return fmt.Errorf("storing in %s: %w", mailbox, err)
	}
	return nil
}
