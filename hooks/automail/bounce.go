package automail

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"heliograph/internal/accounts"
	"heliograph/internal/journal"
	"heliograph/internal/store"
)

// Bounce is what a report says of a message that was sent.
type Bounce struct {
	EnvelopeID string   `json:"envelope_id,omitempty"` // ENVID of the message (RFC 3461, 4.4)
	MessageIDs []string `json:"message_ids"`           // without brackets: of the returned message, then of those that the report answers
	// Tag is the entry that a tagged envelope sender names; zero if there is none.
	Tag        journal.ID         `json:"tag,omitzero"`
	Reporter   string             `json:"reporter,omitempty"` // the server that reports
	Recipients []BouncedRecipient `json:"recipients"`
}

// BouncedRecipient is one recipient of a report.
type BouncedRecipient struct {
	Address    string `json:"address"`            // lower case; where the message went in the end
	Original   string `json:"original,omitempty"` // lower case; as the sender wrote it, where the report says
	Action     string `json:"action"`             // failed or delayed (RFC 3464, 2.3.3)
	Status     string `json:"status"`             // RFC 3463; a guess where the report has none
	Diagnostic string `json:"diagnostic,omitempty"`
	Permanent  bool   `json:"permanent"` // it is not tried again; else it is late
}

// dead reports whether the address takes no mail at all.
func (r *BouncedRecipient) dead() bool { return r.Permanent && noSuchAddress(r.Status) }

// Bounced writes down what a report says of a rule's message, and tells the run in the same transaction. It returns the effect, and
// false where the report is about none of ours, or about nobody that the message went to. The report is named so that it counts once
// however often it is seen. A delay is written down and changes no state.
func (o *Outbox) Bounced(ctx context.Context, report string, b Bounce) (effect Effect, ours bool, err error) {
	if effect, ours, err = o.effectOfBounce(ctx, b); err != nil || !ours {
		return effect, false, err
	}
	now := o.o.Now()
	var bounced int
	err = o.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		bounced = 0
		m, err := readMessage(ctx, tx, effect.Entry)
		if errors.Is(err, sql.ErrNoRows) {
			ours = false // pruned, or not even tried
			return nil
		}
		if err != nil {
			return err
		}
		matched := m.match(b)
		ours = len(matched) > 0
		for _, x := range matched {
			n, err := o.recordBounce(ctx, tx, report, b, &m, x, now)
			if err != nil {
				return err
			}
			bounced += n
		}
		if bounced == 0 {
			return nil
		}
		if err := o.o.Journal.Note(ctx, tx, journal.LedgerRow{
			Entry: m.Entry, Account: m.Effect.Sender, Target: ledgerTarget(m.Upstream), At: now, State: journal.LedgerFailed,
			Reason: fmt.Sprintf("%d of %d recipients bounced: %s", m.count(StateBounced), len(m.Recipients), clip(matched[0].said.Diagnostic)),
		}); err != nil {
			return err
		}
		return o.tell(ctx, tx, &m, m.untold())
	})
	if err != nil {
		return effect, false, fmt.Errorf("writing down a bounce of effect %s: %w", effect.ID, err)
	}
	switch {
	case !ours:
		o.metrics.bounces.WithLabelValues("unmatched").Inc()
	case bounced > 0:
		o.metrics.bounces.WithLabelValues("permanent").Inc()
		o.metrics.recipients.WithLabelValues(string(StateBounced)).Add(float64(bounced))
		o.log.InfoContext(ctx, "a rule's mail bounced", "entry", effect.Entry.String(), "effect", effect.ID, "rule", effect.Rule, "recipients", bounced)
	default:
		o.metrics.bounces.WithLabelValues("transient").Inc()
	}
	return effect, ours, nil
}

// effectOfBounce finds the effect: by what we gave the message for that purpose first.
func (o *Outbox) effectOfBounce(ctx context.Context, b Bounce) (Effect, bool, error) {
	q := o.o.Store.Reader()
	var tries []func() (Effect, error)
	if b.EnvelopeID != "" {
		tries = append(tries, func() (Effect, error) { return readEffect(ctx, q, b.EnvelopeID) })
		if decoded, ok := decodeXtext(b.EnvelopeID); ok && decoded != b.EnvelopeID {
			tries = append(tries, func() (Effect, error) { return readEffect(ctx, q, decoded) })
		}
	}
	by := func(column, value string) func() (Effect, error) {
		return func() (Effect, error) {
			return scanEffect(q.QueryRowContext(ctx, `SELECT `+effectColumns+` FROM outbox_effects WHERE `+column+` = $1 ORDER BY created_at LIMIT 1`, value))
		}
	}
	if b.Tag != (journal.ID{}) {
		tries = append(tries, by("entry", b.Tag.String()))
	}
	for _, id := range b.MessageIDs {
		tries = append(tries, by("message_id", id))
	}
	for _, try := range tries {
		e, err := try()
		if err == nil {
			return e, true, nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return e, false, fmt.Errorf("looking for the effect of a bounce: %w", err)
		}
	}
	return Effect{}, false, nil
}

// matchedBounce is what a report says of a recipient.
type matchedBounce struct {
	to   *OutboxRecipient
	said BouncedRecipient
}

// match finds whom a report is about. A report that names nobody we wrote to (the mail was forwarded) is about the only recipient, if there is one.
func (m *OutboxMessage) match(b Bounce) (list []matchedBounce) {
	taken := map[int]bool{}
	for _, said := range b.Recipients {
		for i := range m.Recipients {
			r := &m.Recipients[i]
			if a := accounts.Address(r.Address); !taken[i] && (a == said.Original || a == said.Address) {
				taken[i] = true
				list = append(list, matchedBounce{r, said})
			}
		}
	}
	if len(list) == 0 && len(m.Recipients) == 1 && len(b.Recipients) == 1 {
		list = append(list, matchedBounce{&m.Recipients[0], b.Recipients[0]})
	}
	return list
}

// recordBounce writes one recipient down, and returns 1 if that changed its state.
func (o *Outbox) recordBounce(ctx context.Context, tx store.Querier, report string, b Bounce, m *OutboxMessage, x matchedBounce, now time.Time) (int, error) {
	done, err := tx.ExecContext(ctx, `
		INSERT INTO outbox_bounces (report, effect, recipient, action, status, diagnostic, reporter, permanent, at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`,
		clip(report), m.Effect.ID, accounts.Address(x.to.Address), x.said.Action, clean(x.said.Status), clip(x.said.Diagnostic), clip(b.Reporter),
		bit(x.said.Permanent), store.Micros(now))
	if err != nil {
		return 0, err
	}
	if n, err := done.RowsAffected(); err != nil || n == 0 || !x.said.Permanent {
		return 0, err
	}
	if x.said.dead() {
		s := Suppression{Address: accounts.Address(x.to.Address), Reason: SuppressBounce, Detail: x.said.Status + " " + x.said.Diagnostic, Origin: "effect " + m.Effect.ID}
		if err := insertSuppression(ctx, tx, s, now); err != nil {
			return 0, err
		}
	}
	r := x.to
	// What was refused or not sent cannot bounce; one whose verdict was lost did arrive at the upstream, or there would be no report.
	if r.State != StateDelivered && r.State != StateRelayed && r.State != StateUnknown && !(r.State == StatePending && r.dotted) {
		return 0, nil
	}
	r.State, r.Code, r.Enhanced, r.Text, r.Remote = StateBounced, 0, x.said.Status, clip("bounced: "+x.said.Diagnostic), clip(b.Reporter)
	_, err = tx.ExecContext(ctx, `
		UPDATE outbox_recipients SET state = $3, code = 0, enhanced = $4, reply = $5, remote = $6, next_try = 0, dotted = 0
		WHERE entry = $1 AND position = $2`,
		m.Entry.String(), r.position, string(r.State), r.Enhanced, r.Text, r.Remote)
	return 1, err
}

// tagMark begins the tag of an envelope sender, behind the "+" of a subaddress (RFC 5233).
const tagMark = "+hb-"

// tagAddress puts an entry's id into an address.
func tagAddress(address string, id journal.ID) string {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return address
	}
	return address[:at] + tagMark + id.String() + address[at:]
}

// tagOf finds a tag in an address field.
func tagOf(field string) (journal.ID, bool) {
	field = strings.ToLower(field)
	i := strings.Index(field, tagMark)
	if i < 0 {
		return journal.ID{}, false
	}
	tag, _, ok := strings.Cut(field[i+len(tagMark):], "@")
	if !ok {
		return journal.ID{}, false
	}
	id, err := journal.ParseID(tag)
	return id, err == nil
}
