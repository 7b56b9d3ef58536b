package contacts

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

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
	RanAt      time.Time `json:"ran_at,omitzero"`    // when the target was last asked, with whatever outcome
	NextAt     time.Time `json:"next_at,omitzero"`   // when it is to be asked next; zero means now
}

// Status returns the status of all targets that were ever followed, by name.
func (b *Book) Status(ctx context.Context) ([]Status, error) {
	rows, err := b.o.Store.Reader().QueryContext(ctx, `
		SELECT s.target, s.phase, s.listed_at, s.polled_at, s.not_before, s.failures, s.reason, s.ran_at, s.next_at,
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
		var listed, polled, notBefore, ran, next int64
		err := scan(&s.Target, &s.Phase, &listed, &polled, &notBefore, &s.Failures, &s.Reason, &ran, &next, &s.Records, &s.Merged, &s.Conflicts, &s.Duplicates, &s.Writes)
		s.ListedAt, s.SyncedAt, s.RanAt = store.FromMicros(listed), store.FromMicros(polled), store.FromMicros(ran)
		s.NextAt = b.due(syncState{notBefore: store.FromMicros(notBefore), failures: s.Failures, ranAt: s.RanAt, nextAt: store.FromMicros(next)})
		s.Complete = listed != 0 && polled != 0 && now.Sub(s.SyncedAt) <= b.o.Config.StaleAfter.D()
		out = append(out, s)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the status of contacts: %w", err)
	}
	return out, nil
}

// Poke has a target asked for changes now. A running gateway does so within a second or two, unless the target
// wants to be left alone. It needs nothing but the store.
func (b *Book) Poke(ctx context.Context, target string) error { return b.addSync(ctx, target, true) }

func unmarshal(text string, into any) error { return json.Unmarshal([]byte(text), into) }
