package automail

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/textproto"
	"strings"
	"time"

	"heliograph/internal/journal"
	"heliograph/internal/store"
)

// The bounds of what Send takes.
const (
	maxEffect     = 100 // characters of an effect id: what ENVID may have (RFC 3461, 4.4)
	maxName       = 200 // of a rule or run id, or a list
	maxRecipients = 500
	maxMessage    = 50 << 20
	maxAddress    = 254 // RFC 5321, 4.5.3.1.3
)

// Mail is a composed message that a rule sends.
type Mail struct {
	// Effect names the effect: printable ASCII without blanks, the same each time the step is repeated, and of no other effect.
	Effect    string
	Rule, Run string
	// Sender is the account that sends it: one of outbox.senders, or an enrolled employee's.
	Sender string
	// ReversePath is the envelope's sender; empty is the null path, as automatic replies have it (RFC 3834, 3.3).
	ReversePath string
	Recipients  []string
	MessageID   string // of the message's header, without brackets
	Message     []byte // header and body, lines ending in CRLF
	Policy      Policy // empty: at most once
	// List is what the recipients can opt out of; empty: of nothing but all of it. Essential mail goes out in spite of an opt-out.
	List      string
	Essential bool
	Bulk      bool      // one of many: goes behind mail that is not
	NotBefore time.Time // zero: at once
	ExpiresAt time.Time // zero: as the outbox is set
	Copy      bool      // put a copy into the sender's mailbox of sent mail
}

// Sent is what became of a Send.
type Sent struct {
	Entry    journal.ID // the message in journal and outbox
	Repeated bool       // it was there before
}

// ErrMail is wrapped by errors of Send that no repetition mends: the mail itself is wrong.
var ErrMail = errors.New("this mail cannot be sent")

// Send puts a message into the outbox. When it returns nil, the message is on disk and will be delivered, or its end told by
// Options.Settled. A call that is repeated with the same Effect, after an error or a crash wherever it was, changes nothing: the first
// message that reached the disk is the one that goes out. So the caller needs no transaction in common with it: it calls Send, and then writes
// down that it did.
//
// The error wraps ErrMail where the mail is wrong, and is a *SenderError where there is no account to send as; all others pass.
func (o *Outbox) Send(ctx context.Context, m Mail) (Sent, error) {
	if err := m.check(); err != nil {
		return Sent{}, fmt.Errorf("effect %.100q: %w", m.Effect, err)
	}
	who, err := o.sender(ctx, m.Sender)
	if err != nil {
		return Sent{}, fmt.Errorf("effect %s: %w", m.Effect, err)
	}
	// Two that repeat the same step here would each write a record; only the first is used, but the second is waste.
	unlock := o.sending.lock(m.Effect)
	defer unlock()
	now := o.o.Now()
	e := m.effect(effectEntry(m.Effect, now), who)
	if e, err = o.claim(ctx, e, now); err != nil {
		return Sent{}, fmt.Errorf("effect %s: %w", m.Effect, err)
	}
	if e.queued {
		return Sent{Entry: e.Entry, Repeated: true}, nil
	}
	// A crash may have come between the journal and the mark that it is there.
	switch _, err := o.o.Journal.Entry(ctx, e.Entry); {
	case err == nil:
		return Sent{Entry: e.Entry, Repeated: true}, o.markQueued(ctx, e.ID)
	case !errors.Is(err, journal.ErrNotFound):
		return Sent{}, fmt.Errorf("effect %s: %w", m.Effect, err)
	}
	if err := o.store(ctx, &m, e, who, now); err != nil {
		return Sent{}, fmt.Errorf("effect %s: storing the message: %w", m.Effect, err)
	}
	o.log.InfoContext(ctx, "a rule's mail queued", "entry", e.Entry.String(), "effect", e.ID, "rule", e.Rule, "run", e.Run, "recipients", len(m.Recipients))
	return Sent{Entry: e.Entry}, o.markQueued(ctx, e.ID)
}

// claim adds the effect, or returns it as it was added first.
func (o *Outbox) claim(ctx context.Context, e Effect, now time.Time) (first Effect, err error) {
	err = o.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		if err := insertEffect(ctx, tx, e, now); err != nil {
			return err
		}
		first, err = readEffect(ctx, tx, e.ID)
		return err
	})
	return first, err
}

func (o *Outbox) markQueued(ctx context.Context, effect string) error {
	return o.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, `UPDATE outbox_effects SET queued_at = $2 WHERE effect = $1 AND queued_at = 0`, effect, store.Micros(o.o.Now()))
		return err
	})
}

// store writes the message into the journal, which makes it one of this outbox.
func (o *Outbox) store(ctx context.Context, m *Mail, e Effect, who *Account, now time.Time) error {
	env := m.envelope(e, who, now)
	entry := o.o.Journal.Begin(&env)
	// What an error leaves of it in the log is good: a repetition makes the same entry.
	defer entry.Close()
	if _, err := entry.Write(m.Message); err != nil {
		return err
	}
	return entry.Seal(ctx, &env)
}

func (m *Mail) effect(entry journal.ID, who *Account) Effect {
	e := Effect{
		ID: m.Effect, Entry: entry, MessageID: m.MessageID, Rule: m.Rule, Run: m.Run, Sender: who.address, Policy: m.Policy,
		List: m.List, Essential: m.Essential, Priority: prioritySingle, NotBefore: m.NotBefore,
	}
	if e.Policy == "" {
		e.Policy = AtMostOnce
	}
	if m.Bulk {
		e.Priority = priorityBulk
	}
	if m.Copy {
		e.Copy = CopyWanted
	}
	return e
}

func (m *Mail) envelope(e Effect, who *Account, now time.Time) journal.Envelope {
	params := "RET=HDRS ENVID=" + encodeXtext(e.ID) // RFC 3461: bounces name the effect
	eightBit := !ascii(string(m.Message))
	reverse := m.ReversePath
	if who.settings.BounceTag && reverse != "" {
		reverse = tagAddress(reverse, e.Entry)
	}
	utf8 := !ascii(reverse)
	var list []journal.Recipient
	for _, r := range m.Recipients {
		list = append(list, journal.Recipient{Address: r, Params: "NOTIFY=FAILURE,DELAY", Code: 250})
		utf8 = utf8 || !ascii(r)
	}
	if eightBit {
		params += " BODY=8BITMIME"
	}
	if utf8 {
		params += " SMTPUTF8"
	}
	return journal.Envelope{
		ID: e.Entry, Kind: journal.KindQueue, Account: who.address, Upstream: who.up.Name(), Session: "rule",
		ReversePath: reverse, MailParams: params, Recipients: list, Received: now, Size: int64(len(m.Message)),
		Automation: journal.Automation{
			Effect: e.ID, Rule: e.Rule, Run: e.Run, Sender: e.Sender, MessageID: e.MessageID, List: e.List, Essential: e.Essential,
			AtMostOnce: e.Policy == AtMostOnce, Copy: e.Copy == CopyWanted, Priority: e.Priority, NotBefore: e.NotBefore, ExpiresAt: m.ExpiresAt,
		},
	}
}

// check looks for what must never leave, whoever composed it.
func (m *Mail) check() error {
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{ErrMail}, args...)...)
	}
	switch {
	case m.Effect == "" || len(m.Effect) > maxEffect || !printable(m.Effect) || strings.Contains(m.Effect, " "):
		return wrong("the effect id must have 1 to %d printable ASCII characters without blanks", maxEffect)
	case len(m.Rule) > maxName || len(m.Run) > maxName || len(m.List) > maxName || hasControl(m.Rule+m.Run+m.List):
		return wrong("the ids of rule, run and list must have at most %d characters, none of control", maxName)
	case m.Policy != "" && m.Policy != AtLeastOnce && m.Policy != AtMostOnce:
		return wrong("there is no policy %q", m.Policy)
	case len(m.Recipients) == 0:
		return wrong("it has no recipient")
	case len(m.Recipients) > maxRecipients:
		return wrong("it has %d recipients, at most %d go in one message", len(m.Recipients), maxRecipients)
	case m.ReversePath != "" && !sendable(m.ReversePath):
		return wrong("the envelope's sender is not a mail address")
	case len(m.Message) > maxMessage:
		return wrong("it has %d bytes, at most %d go", len(m.Message), maxMessage)
	case !m.ExpiresAt.IsZero() && m.ExpiresAt.Before(m.NotBefore):
		return wrong("it expires before it may go")
	}
	seen := map[string]bool{}
	for _, r := range m.Recipients {
		if !sendable(r) {
			return wrong("a recipient is not a mail address: %.80q", r)
		}
		key := strings.ToLower(r)
		if seen[key] {
			return wrong("a recipient is there twice: %.80q", r)
		}
		seen[key] = true
	}
	if err := checkLines(m.Message); err != nil {
		return wrong("%w", err)
	}
	h, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(m.Message))).ReadMIMEHeader()
	if err != nil {
		return wrong("its header cannot be read")
	}
	if ids := h.Values("Message-ID"); len(ids) != 1 || m.MessageID == "" || strings.TrimSpace(ids[0]) != "<"+m.MessageID+">" || strings.ContainsAny(m.MessageID, "<> \t") {
		return wrong("the header's Message-ID is not the one that was given")
	}
	return nil
}

// sendable says whether an address may stand in an envelope.
func sendable(address string) bool {
	at := strings.LastIndexByte(address, '@')
	return at > 0 && at < len(address)-1 && len(address) <= maxAddress && !strings.ContainsAny(address, "<> \t,;\"\\") && !hasControl(address)
}

// checkLines finds line ends that servers disagree about.
func checkLines(message []byte) error {
	if bytes.IndexByte(message, 0) >= 0 {
		return errors.New("it has a NUL")
	}
	rest := message
	for len(rest) > 0 {
		i := bytes.IndexAny(rest, "\r\n")
		if i < 0 {
			return errors.New("its last line has no end")
		}
		if !bytes.HasPrefix(rest[i:], []byte("\r\n")) {
			return errors.New("it has a bare CR or LF")
		}
		rest = rest[i+2:]
	}
	return nil
}

// encodeXtext writes RFC 3461, 4.
func encodeXtext(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < '!' || c > '~' || c == '+' || c == '=' {
			fmt.Fprintf(&b, "+%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
