package automail

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"heliograph/internal/accounts"
	"heliograph/internal/store"
)

// SuppressReason says why an address gets no mail of rules.
type SuppressReason string

// The reasons.
const (
	SuppressOptOut    SuppressReason = "opt_out"   // the owner does not want it
	SuppressBounce    SuppressReason = "bounce"    // the address does not exist
	SuppressComplaint SuppressReason = "complaint" // the owner called it junk
	SuppressOperator  SuppressReason = "operator"
)

// Suppression keeps an address from mail of rules.
type Suppression struct {
	Address string
	List    string // only this kind of mail; empty: all of it
	Reason  SuppressReason
	Detail  string // such as the server's words
	Origin  string // who or what entered it
	At      time.Time
}

// Suppress enters addresses. One that is there for the same list stays as it is.
func (c Control) Suppress(ctx context.Context, list ...Suppression) error {
	for i := range list {
		list[i].Address = accounts.Address(list[i].Address)
		if !sendable(list[i].Address) || len(list[i].List) > maxName {
			return fmt.Errorf("suppressing %.80q: this is not a mail address, or the list's name is too long", list[i].Address)
		}
	}
	err := c.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		for _, s := range list {
			if err := insertSuppression(ctx, tx, s, c.now()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("suppressing addresses: %w", err)
	}
	return nil
}

func insertSuppression(ctx context.Context, tx store.Querier, s Suppression, now time.Time) error {
	if s.At.IsZero() {
		s.At = now
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO outbox_suppressed (address, list, reason, detail, origin, at) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
		clean(s.Address), clean(s.List), string(s.Reason), clip(s.Detail), clip(s.Origin), store.Micros(s.At))
	return err
}

// Unsuppress takes an address out for a list, or out of what is for all mail if that is empty. The error wraps ErrUnknown if it is not there.
func (c Control) Unsuppress(ctx context.Context, address, list string) error {
	err := c.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		done, err := tx.ExecContext(ctx, `DELETE FROM outbox_suppressed WHERE address = $1 AND list = $2`, accounts.Address(address), clean(list))
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, ErrUnknown)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("taking %.80q off the list of opt-outs: %w", address, err)
	}
	return nil
}

// Suppressed returns which of the addresses get no mail of a list, by address in lower case. Where several entries are about one
// address, that of all mail is returned.
func (c Control) Suppressed(ctx context.Context, list string, addresses ...string) (map[string]Suppression, error) {
	return readSuppressed(ctx, c.Store.Reader(), list, addresses)
}

// suppressPage bounds the addresses of one query.
const suppressPage = 200

func readSuppressed(ctx context.Context, q store.Querier, list string, addresses []string) (map[string]Suppression, error) {
	found := map[string]Suppression{}
	for len(addresses) > 0 {
		page := addresses[:min(len(addresses), suppressPage)]
		addresses = addresses[len(page):]
		args := []any{clean(list)}
		var places []string
		for _, a := range page {
			args = append(args, accounts.Address(a))
			places = append(places, "$"+strconv.Itoa(len(args)))
		}
		rows, err := readSuppressions(ctx, q, `(list = '' OR list = $1) AND address IN (`+strings.Join(places, ", ")+`) ORDER BY list DESC`, args...)
		if err != nil {
			return nil, err
		}
		for _, s := range rows {
			found[s.Address] = s
		}
	}
	return found, nil
}

// Suppressions returns those that contain a text in their address, the newest first, at most limit (0 means 100).
func (c Control) Suppressions(ctx context.Context, contains string, limit int) ([]Suppression, error) {
	if limit <= 0 {
		limit = defaultLimit
	}
	escape := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)
	return readSuppressions(ctx, c.Store.Reader(), `address LIKE $1 ESCAPE '\' ORDER BY at DESC, address, list LIMIT $2`,
		"%"+escape.Replace(strings.ToLower(contains))+"%", limit)
}

func readSuppressions(ctx context.Context, q store.Querier, where string, args ...any) (list []Suppression, err error) {
	rows, err := q.QueryContext(ctx, "SELECT address, list, reason, detail, origin, at FROM outbox_suppressed WHERE "+where, args...)
	if err != nil {
		return nil, fmt.Errorf("reading suppressed addresses: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var s Suppression
		var at int64
		if err := rows.Scan(&s.Address, &s.List, &s.Reason, &s.Detail, &s.Origin, &at); err != nil {
			return nil, err
		}
		s.At = store.FromMicros(at)
		list = append(list, s)
	}
	return list, rows.Err()
}

// suppress settles those who must not get the message. It reports whether there are any.
func (o *Outbox) suppress(ctx context.Context, m *OutboxMessage) (bool, error) {
	var addresses []string
	for _, r := range m.pending() {
		addresses = append(addresses, r.Address)
	}
	found, err := readSuppressed(ctx, o.o.Store.Reader(), m.Effect.List, addresses)
	if err != nil || len(found) == 0 {
		return false, err
	}
	some := false
	for _, r := range m.pending() {
		s, is := found[accounts.Address(r.Address)]
		if !is || m.Effect.Essential && s.Reason == SuppressOptOut {
			continue
		}
		some = true
		r.changed, r.State, r.Code, r.Enhanced, r.NextTry = true, StateSuppressed, 0, "5.7.1", time.Time{}
		r.Text, r.Remote = clip(fmt.Sprintf("not sent: %s since %s %s", s.Reason, s.At.Format(time.DateOnly), s.Detail)), ""
		o.metrics.recipients.WithLabelValues(string(StateSuppressed)).Inc()
	}
	return some, nil
}

// noSuchAddress reports whether a final reply says that the address does not exist, or takes mail no more (RFC 3463, 3.2 and 3.3).
func noSuchAddress(enhanced string) bool {
	switch enhanced {
	case "5.1.1", "5.1.3", "5.1.6", "5.1.10", "5.2.1":
		return true
	}
	return false
}

// suppressDead enters addresses that a server said do not exist.
func suppressDead(ctx context.Context, tx store.Querier, m *OutboxMessage, now time.Time) error {
	if m.Effect.ID == "" {
		return nil
	}
	for _, r := range m.Recipients {
		if !r.changed || r.State != StateFailed || r.Remote == "" || r.Code < 500 || !noSuchAddress(r.Enhanced) {
			continue
		}
		s := Suppression{Address: accounts.Address(r.Address), Reason: SuppressBounce, Detail: r.diagnosis(), Origin: "effect " + m.Effect.ID}
		if err := insertSuppression(ctx, tx, s, now); err != nil {
			return err
		}
	}
	return nil
}
