package automail

import (
	"context"
	"errors"
	"fmt"
	"io"

	"heliograph/internal/journal"
)

// check decides before anything is sent what this upstream cannot take. It returns the
// recipients that are left. err is trouble of our own.
func (t *transaction) check(ctx context.Context, pending []*OutboxRecipient) (ready []*OutboxRecipient, err error) {
	ext := t.conn.Ext
	if limit := ext.Size(); limit > 0 && t.entry.Size > limit {
		t.refuse(pending, ourReply(552, "5.3.4", fmt.Sprintf("the message has %d bytes, %s takes %d", t.entry.Size, t.out.remote, limit)))
		return nil, nil
	}
	var content contentKind
	needUTF8 := t.params.utf8 && !ext.Has("SMTPUTF8")
	if needUTF8 || !ext.Has("8BITMIME") {
		if content, err = t.o.inspect(ctx, t.entry); err != nil {
			return nil, err
		}
	}
	if content.body8Bit && !ext.Has("8BITMIME") || content.header8Bit && !t.params.utf8 && !ext.Has("8BITMIME") {
		t.refuse(pending, ourReply(554, "5.6.3", "the message is 8-bit, and "+t.out.remote+" does not take that (8BITMIME)"))
		return nil, nil
	}
	if needUTF8 && (content.header8Bit || !ascii(t.entry.ReversePath)) {
		t.refuse(pending, ourReply(550, "5.6.7", "the message needs SMTPUTF8, which "+t.out.remote+" does not offer"))
		return nil, nil
	}
	for _, r := range pending {
		switch {
		case hasControl(r.Address) || r.Address == "":
			t.refuse([]*OutboxRecipient{r}, ourReply(501, "5.1.3", "this is not a mail address"))
		case !ascii(r.Address) && (needUTF8 || !t.params.utf8):
			t.refuse([]*OutboxRecipient{r}, ourReply(553, "5.6.7", "the address needs SMTPUTF8, which "+t.out.remote+" does not offer"))
		default:
			ready = append(ready, r)
		}
	}
	if needUTF8 {
		t.params.utf8 = false // it said so without need
	}
	return ready, nil
}

func (t *transaction) refuse(list []*OutboxRecipient, rep reply) {
	for _, r := range list {
		t.out.replies[r.position] = rep
	}
}

// contentKind says where a message has bytes outside ASCII.
type contentKind struct{ header8Bit, body8Bit bool }

// inspect reads a message through. Only upstreams without the usual extensions make it necessary.
func (o *Outbox) inspect(ctx context.Context, e journal.Entry) (k contentKind, err error) {
	body, err := o.o.Journal.Body(ctx, e)
	if err != nil {
		return k, err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	buf := make([]byte, 32<<10)
	inHeader, lineLength := true, 0
	for {
		n, err := body.Read(buf)
		for _, c := range buf[:n] {
			switch {
			case c >= 0x80 && inHeader:
				k.header8Bit = true
			case c >= 0x80:
				k.body8Bit = true
			}
			if !inHeader {
				continue
			}
			switch c {
			case '\n':
				inHeader = lineLength > 0
				lineLength = 0
			case '\r':
			default:
				lineLength++
			}
		}
		if errors.Is(err, io.EOF) {
			return k, nil
		}
		if err != nil {
			return k, err
		}
	}
}
