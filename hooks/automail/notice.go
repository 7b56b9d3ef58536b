package automail

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/emersion/go-smtp"

	"heliograph/internal/journal"
	"heliograph/internal/store"
)

// The actions of a notice, as RFC 3464, 2.3.3 spells them.
const (
	actionFailed  = "failed"
	actionDelayed = "delayed"
	actionRelayed = "relayed"
	// actionDropped is none of the RFC's and reported to nobody: the operator gave the recipient up.
	actionDropped = "dropped"
)

const (
	// maxReturned bounds a message that is returned whole; of larger ones the header is.
	maxReturned = 128 << 10
	// maxHeader bounds a header that is returned.
	maxHeader = 64 << 10
)

// planNotice decides whom the sender is told of now. The plan is committed with the
// states that it follows from.
func (o *Outbox) planNotice(m *OutboxMessage, now time.Time) {
	if m.Effect.ID != "" { // the run is told, and no customer hears of lost verdicts
		return
	}
	if m.ReversePath == "" { // never a notice about a notice (RFC 3461, 6.1; RFC 5321, 6.1)
		return
	}
	number := m.planned + 1
	used := false
	warn := o.o.Config.WarnIn.D()
	warnNow := warn > 0 && !m.Warned && m.count(StatePending) > 0 && !now.Before(m.QueuedAt.Add(warn))
	for i := range m.Recipients {
		r := &m.Recipients[i]
		p := parseRcpt(r.Params)
		action := ""
		switch {
		case !r.changed:
		case r.State == StateFailed && p.wants(smtp.DSNNotifyFailure):
			action = actionFailed
		case r.State == StateRelayed && p.wants(smtp.DSNNotifySuccess):
			action = actionRelayed
		case r.State == StatePending && warnNow && p.wants(smtp.DSNNotifyDelayed):
			action = actionDelayed
		}
		if action != "" {
			r.notice, r.action, used = number, action, true
		}
	}
	m.Warned = m.Warned || warnNow
	if used {
		m.planned, m.plannedAt = number, now
	}
}

// writeNotices puts the notices that were decided on into the journal, which makes them
// messages of this outbox.
func (o *Outbox) writeNotices(ctx context.Context, e journal.Entry, m *OutboxMessage) error {
	for m.written < m.planned {
		number := m.written + 1
		if err := o.writeNotice(ctx, e, m, number); err != nil {
			return err
		}
		m.written = number
		err := o.commit(ctx, func(ctx context.Context, tx store.Querier) error {
			_, err := tx.ExecContext(ctx, `UPDATE outbox_messages SET written = $2 WHERE entry = $1 AND written < $2`, m.Entry.String(), number)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (o *Outbox) writeNotice(ctx context.Context, e journal.Entry, m *OutboxMessage, number int) error {
	n := notice{number: number, message: m, id: noticeID(m, number), now: m.plannedAt, mail: parseMail(e.MailParams)}
	for _, r := range m.Recipients {
		if r.notice == number {
			n.recipients = append(n.recipients, r)
		}
	}
	if len(n.recipients) == 0 {
		return nil
	}
	// A crash may have come between the journal and the mark that it is there.
	switch _, err := o.o.Journal.Entry(ctx, n.id); {
	case err == nil:
		return nil
	case !errors.Is(err, journal.ErrNotFound):
		return err
	}
	_, _, _, host := o.o.Identity(e.Listener)
	n.host = hostname(host)
	n.from = o.o.Config.Postmaster
	if n.from == "" {
		n.from = "MAILER-DAEMON@" + n.host
	}
	n.original, n.whole = o.original(ctx, e, n.returnsAll())
	text, params, err := n.build()
	if err != nil {
		return fmt.Errorf("building notice %d of %s: %w", number, m.Entry, err)
	}
	if err := o.queueNotice(ctx, e, &n, text, params); err != nil {
		return fmt.Errorf("queueing notice %d of %s: %w", number, m.Entry, err)
	}
	o.metrics.notices.WithLabelValues(n.kind()).Inc()
	o.log.InfoContext(ctx, "notice queued", "entry", m.Entry.String(), "notice", n.id.String(), "kind", n.kind(), "recipients", len(n.recipients))
	return nil
}

// noticeID follows from what the notice is about, so that repeating the step after a crash
// makes the same entry and not a second one.
func noticeID(m *OutboxMessage, number int) journal.ID {
	sum := sha256.Sum256(fmt.Appendf(nil, "notice %d of %s", number, m.Entry))
	id := journal.ID(sum[:16])
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(m.plannedAt.UnixMilli())<<16)
	copy(id[:6], ms[:6])
	return id
}

func (o *Outbox) queueNotice(ctx context.Context, e journal.Entry, n *notice, text []byte, params string) error {
	env := journal.Envelope{
		ID: n.id, Kind: journal.KindQueue, Account: e.Account, Upstream: e.Upstream, Listener: e.Listener, Session: e.Session,
		Helo: n.host, MailParams: params, Received: n.now, Size: int64(len(text)),
		Recipients: []journal.Recipient{{Address: n.message.ReversePath, Params: "NOTIFY=NEVER", Code: 250}},
	}
	entry := o.o.Journal.Begin(&env)
	if _, err := entry.Write(text); err != nil {
		entry.Discard(err.Error())
		return err
	}
	if err := entry.Seal(ctx, &env); err != nil {
		entry.Discard(err.Error())
		return err
	}
	entry.Commit(journal.Verdict{Code: 250, Text: "notice queued", At: o.o.Now().UTC()})
	return nil
}

// original reads what is returned of the message: all of it, or its header. A notice
// goes out without it rather than not at all.
func (o *Outbox) original(ctx context.Context, e journal.Entry, all bool) (text []byte, whole bool) {
	body, err := o.o.Journal.Body(ctx, e)
	if err != nil {
		o.log.WarnContext(ctx, "notice goes without the message", "entry", e.ID.String(), "err", err)
		return nil, false
	}
	defer func() { _ = body.Close() }()
	if all && e.Size <= maxReturned {
		text, err = io.ReadAll(io.LimitReader(body, maxReturned))
		if err == nil {
			return text, true
		}
	} else {
		text, err = readHeader(body)
	}
	if err != nil {
		o.log.WarnContext(ctx, "notice goes without the message", "entry", e.ID.String(), "err", err)
		return nil, false
	}
	return text, false
}

// readHeader reads up to the empty line, whole lines only.
func readHeader(r io.Reader) ([]byte, error) {
	br := bufio.NewReaderSize(io.LimitReader(r, maxHeader), 4<<10)
	var text []byte
	for {
		line, err := br.ReadBytes('\n')
		if len(bytes.TrimRight(line, "\r\n")) == 0 || errors.Is(err, io.EOF) {
			return text, nil
		}
		if err != nil {
			return nil, err
		}
		text = append(text, line...)
	}
}
