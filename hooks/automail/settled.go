package automail

import (
	"context"
	"fmt"

	"heliograph/internal/journal"
	"heliograph/internal/store"
)

// Settlement tells a run what became of its mail.
type Settlement struct {
	Effect     string
	Rule, Run  string
	Entry      journal.ID
	MessageID  string // without brackets
	Done       bool   // no recipient is pending any more
	Recipients []RecipientState
}

// RecipientState is what became of one recipient.
type RecipientState struct {
	Address  string
	State    State  // pending for those that are not settled yet
	Code     int    // of the last reply; 0 without one
	Enhanced string // RFC 3463
	Text     string // of the reply or the report, or our own words
}

// untold returns the final recipients whose state the run does not know, with their states.
func (m *OutboxMessage) untold() (list []*OutboxRecipient) {
	if m.Effect.ID == "" {
		return nil
	}
	for i := range m.Recipients {
		if r := &m.Recipients[i]; r.State != StatePending && r.told != r.State {
			list = append(list, r)
		}
	}
	return list
}

func (m *OutboxMessage) settlement() Settlement {
	s := Settlement{
		Effect: m.Effect.ID, Rule: m.Effect.Rule, Run: m.Effect.Run, Entry: m.Entry, MessageID: m.Effect.MessageID,
		Done: m.count(StatePending) == 0,
	}
	for _, r := range m.Recipients {
		s.Recipients = append(s.Recipients, RecipientState{r.Address, r.State, r.Code, r.Enhanced, r.Text})
	}
	return s
}

// tell tells the run of news in the transaction that writes them, so that none is lost and none told twice. The caller has
// taken the list before, since a transaction may run more than once.
func (o *Outbox) tell(ctx context.Context, tx store.Querier, m *OutboxMessage, news []*OutboxRecipient) error {
	if len(news) == 0 {
		return nil
	}
	for _, r := range news {
		// Only if it still is so: somebody may have changed it since it was read, and tells of that.
		if _, err := tx.ExecContext(ctx, `UPDATE outbox_recipients SET told = $3 WHERE entry = $1 AND position = $2 AND state = $3`,
			m.Entry.String(), r.position, string(r.State)); err != nil {
			return err
		}
	}
	if o.o.Settled == nil {
		return nil
	}
	if err := o.o.Settled(ctx, tx, m.settlement()); err != nil {
		return fmt.Errorf("telling the run %s: %w", m.Effect.Run, err)
	}
	return nil
}
