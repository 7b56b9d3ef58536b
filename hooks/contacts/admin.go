package contacts

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"heliograph/internal/queue"
	"heliograph/internal/store"
)

// Status says how far the contacts of a target are followed.
type Status struct {
	Target     string    `json:"target"`
	Phase      string    `json:"phase"`              // list while all contacts are listed, then follow
	ListedAt   time.Time `json:"listed_at,omitzero"` // when all were last listed
	SyncedAt   time.Time `json:"synced_at,omitzero"` // when the target last had nothing newer
	Complete   bool      `json:"complete"`           // what is known is all there is
	Records    int       `json:"records"`            // contacts that are there
	Merged     int       `json:"merged"`             // of them, those that another stands for
	Conflicts  int       `json:"conflicts"`          // that wait for a person
	Duplicates int       `json:"duplicates"`         // pairs that wait for a person
	Writes     int       `json:"writes"`             // values that wait to be written to the target
	Failures   int       `json:"failures,omitempty"` // in a row
	Reason     string    `json:"reason,omitempty"`   // of the last failure
	RetryAt    time.Time `json:"retry_at,omitzero"`  // not before
}

// Status returns the status of all targets that were ever followed, by name.
func (b *Book) Status(ctx context.Context) ([]Status, error) {
	rows, err := b.o.Store.Reader().QueryContext(ctx, `
		SELECT s.target, s.phase, s.listed_at, s.polled_at, s.not_before, s.failures, s.reason,
			(SELECT COUNT(*) FROM contact_records r WHERE r.target = s.target AND r.deleted = 0),
			(SELECT COUNT(*) FROM contact_records r WHERE r.target = s.target AND r.deleted = 0 AND r.joined_into <> ''),
			(SELECT COUNT(*) FROM contact_conflicts c WHERE c.target = s.target AND c.state = 'open'),
			(SELECT COUNT(*) FROM contact_duplicates d WHERE d.target = s.target AND d.state = 'proposed'),
			(SELECT COUNT(*) FROM contact_values v WHERE v.target = s.target AND v.push = 1)
		FROM contact_syncs s ORDER BY s.target`)
	if err != nil {
		return nil, fmt.Errorf("reading the status of contacts: %w", err)
	}
	now := b.o.Now()
	var out []Status
	err = each(rows, func(scan func(...any) error) error {
		var s Status
		var listed, polled, retry int64
		err := scan(&s.Target, &s.Phase, &listed, &polled, &retry, &s.Failures, &s.Reason, &s.Records, &s.Merged, &s.Conflicts, &s.Duplicates, &s.Writes)
		s.ListedAt, s.SyncedAt, s.RetryAt = store.FromMicros(listed), store.FromMicros(polled), store.FromMicros(retry)
		s.Complete = listed != 0 && polled != 0 && now.Sub(s.SyncedAt) <= b.o.Config.StaleAfter.D()
		out = append(out, s)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the status of contacts: %w", err)
	}
	return out, nil
}

// Poke has a target asked for changes now. A running gateway does so within a second, unless the target
// wants to be left alone. It needs nothing but the store.
func (b *Book) Poke(ctx context.Context, target string) error {
	err := b.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		_, err := b.o.Queue.Add(ctx, tx, queue.New{Kind: SyncKind(target), Key: syncKey, MaxAttempts: -1})
		return err
	})
	if err != nil {
		return fmt.Errorf("asking for the contacts of %s: %w", target, err)
	}
	for _, state := range []queue.State{queue.StateScheduled, queue.StateRetryable} {
		jobs, err := b.o.Queue.List(ctx, queue.Filter{Kind: SyncKind(target), Key: syncKey, State: state, Limit: 1})
		if err == nil && len(jobs) == 1 {
			_, err = b.o.Queue.Redrive(ctx, jobs[0].ID)
		}
		if err != nil {
			return fmt.Errorf("asking for the contacts of %s: %w", target, err)
		}
	}
	b.o.Queue.Wake(SyncKind(target))
	return nil
}

func unmarshal(text string, into any) error { return json.Unmarshal([]byte(text), into) }
