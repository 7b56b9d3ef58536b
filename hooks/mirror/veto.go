package mirror

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"heliograph/crmclient"
	"heliograph/hooks/mirror/scope"
	"heliograph/internal/journal"
	"heliograph/internal/store"
)

// reasonVeto begins the ledger's reason for a copy that another one keeps here.
const reasonVeto = "another copy shows that the message must not leave: "

// reasonStays begins the ledger's reason for a private message that a target cannot give back.
const reasonStays = "the target cannot take mail back, delete the record there by hand: "

// weigh says for which copies it counts that one must not leave because of what the message is. The sender's own copy, which
// came through this gateway or lies in the sender's mailbox, speaks for all. What lies elsewhere speaks for the copies that are as good as
// the same (one key, or a strong bond): a stranger may have made it, and must not be able to take a real mail out of a CRM by a
// list's or a weak copy of it. If such a copy claims to be of an employee, it speaks for nobody else.
func (m *Mirror) weigh(s *sighting, sender string) {
	switch {
	case !s.veto:
	case s.kind == journal.KindSubmission, s.kind == journal.KindQueue, s.kind == journal.KindAppend, s.kind.Mailbox() && s.account == sender:
		s.vetoAll = true
	default:
		s.veto = s.kind == journal.KindRelay || !m.o.Internal(sender)
	}
}

// vetoes are why copies of a message may not leave, by the form that showed it; that for all copies stands under "".
type vetoes struct {
	reasons map[string]string
	forms   map[string]form
}

func readVetoes(ctx context.Context, q store.Querier, key string) (v vetoes, err error) {
	rows, err := q.QueryContext(ctx, `SELECT form, reason FROM scope_vetoes WHERE message_key = $1`, key)
	if err != nil {
		return v, fmt.Errorf("reading what keeps message %s here: %w", key, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var form, reason string
		if err := rows.Scan(&form, &reason); err != nil {
			return v, err
		}
		v.add(form, reason)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return v, err
	}
	return v, v.load(ctx, q, key)
}

// vetoOn returns what other copies say of a form, whatever message it belongs to.
func vetoOn(ctx context.Context, q store.Querier, key string) (reason string, err error) {
	row, err := column(ctx, q, `SELECT CASE WHEN joined = '' THEN key ELSE joined END FROM messages WHERE key = $1`, []any{key})
	if err != nil {
		return "", fmt.Errorf("reading message %s: %w", key, err)
	}
	if len(row) == 0 {
		return "", nil
	}
	v, err := readVetoes(ctx, q, row[0])
	return v.of(key), err
}

func (v *vetoes) add(form, reason string) {
	if v.reasons == nil {
		v.reasons = map[string]string{}
	}
	if v.reasons[form] == "" {
		v.reasons[form] = reason
	}
}

// load reads the forms of the message, if it matters which are one.
func (v *vetoes) load(ctx context.Context, q store.Querier, key string) error {
	if len(v.reasons) == 0 || v.reasons[""] != "" || v.forms != nil {
		return nil
	}
	all, err := members(ctx, q, key, allForms)
	if err != nil {
		return fmt.Errorf("reading the forms of message %s: %w", key, err)
	}
	v.forms = map[string]form{}
	for _, f := range all {
		v.forms[f.key] = f
	}
	return nil
}

// root returns what stands for all forms that are tied to one by strong bonds.
func (v *vetoes) root(key string) string {
	for range v.forms { // mates are earlier forms; a ring would be a fault, and ends
		f := v.forms[key]
		if f.bond != bondStrong || f.mate == "" {
			break
		}
		key = f.mate
	}
	return key
}

// of returns why copies of a form may not leave, or nothing.
func (v *vetoes) of(form string) string {
	if why := v.reasons[""]; why != "" || len(v.reasons) == 0 {
		return why
	}
	root := v.root(form)
	for by, why := range v.reasons {
		if v.root(by) == root {
			return why
		}
	}
	return ""
}

// vetoed writes down that copies of the message must not leave, or finds that another copy showed it. The message is locked. isNew
// says that there is no other copy.
func (m *Mirror) vetoed(ctx context.Context, tx store.Querier, s *sighting, key, messageID string, isNew bool) (recalled []string, err error) {
	if s.veto {
		if err := writeVeto(ctx, tx, *s, key, store.Micros(m.o.Now())); err != nil || isNew {
			return nil, err
		}
		return m.recall(ctx, tx, key, messageID)
	}
	if isNew || s.excluded != "" {
		return nil, nil
	}
	v, err := readVetoes(ctx, tx, key)
	if by := v.of(s.form); by != "" {
		s.excluded, s.rule = clip(reasonVeto+by), scope.KindVeto
	}
	return nil, err
}

func writeVeto(ctx context.Context, tx store.Querier, s sighting, key string, at int64) error {
	form := s.form
	if s.vetoAll {
		form = ""
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO scope_vetoes (message_key, form, entry, reason, at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (message_key, form) DO NOTHING`, key, form, s.entry.String(), s.excluded, at)
	return err
}

// recall takes a message back from the targets that have it, where vetoes leave no copy of it that may be told of, and returns
// those that are asked. What still waits is looked at before it leaves anyway.
func (m *Mirror) recall(ctx context.Context, tx store.Querier, key, messageID string) (asked []string, err error) {
	if m.o.KeepVetoed {
		return nil, nil
	}
	v, err := readVetoes(ctx, tx, key)
	if err != nil || len(v.reasons) == 0 {
		return nil, err
	}
	copies, err := sightings(ctx, tx, key)
	if err != nil {
		return nil, fmt.Errorf("reading sightings of %s: %w", key, err)
	}
	why := ""
	for _, s := range copies {
		by := v.of(s.form)
		if s.excluded == "" && by == "" {
			return nil, m.changed(ctx, tx, key) // targets are told that there are fewer copies
		}
		if why == "" {
			why = by
		}
	}
	for _, t := range m.targets {
		d, err := readDelivery(ctx, tx, key, t.Name)
		if errors.Is(err, sql.ErrNoRows) || err == nil && d.state != deliveryMirrored {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("delivery: %w", err)
		}
		able, err := m.recallFrom(ctx, tx, t, key, messageID, why, d.remoteID)
		if err != nil {
			return nil, fmt.Errorf("withdrawing from %s: %w", t.Name, err)
		}
		if able {
			asked = append(asked, t.Name)
		}
	}
	return asked, nil
}

// recallFrom asks one target to give a message back; what cannot be is in the ledger.
func (m *Mirror) recallFrom(ctx context.Context, tx store.Querier, t *target, key, messageID, why, remoteID string) (able bool, err error) {
	if _, able = crmclient.As[crmclient.ActivityWithdrawer](t.Client); !able {
		return false, noteShown(ctx, tx, key, messageID, t.Name, "", "", clip(reasonStays+why), m.o.Now())
	}
	w := Withdrawal{Key: key, Target: t.Name, Reason: clip("private: " + why)}
	step := Withdrawn{Key: key, MessageID: messageID, Target: t.Name, RemoteID: remoteID, Step: StepDelete}
	_, err = w.apply(ctx, tx, m.o.Queue, messageID, []Withdrawn{step})
	return true, err
}

// lostPrivate tells whether a target may have a message that is private by now: an attempt before this one failed in a way
// that leaves open whether it had an effect.
func (m *Mirror) lostPrivate(t *target, r result, attempt int) bool {
	_, able := crmclient.As[crmclient.ActivityWithdrawer](t.Client)
	return able && r.private && attempt > 1 && !m.o.KeepVetoed
}

// wakeWithdrawals lets the withdrawals that were just asked for begin at once.
func (m *Mirror) wakeWithdrawals(targets []string) {
	for _, t := range slices.Compact(targets) {
		m.o.Queue.Wake(WithdrawKind(t))
	}
}
