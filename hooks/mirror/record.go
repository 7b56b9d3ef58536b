package mirror

import (
	"context"
	"errors"
	"fmt"

	"heliograph/internal/journal"
	"heliograph/internal/store"
)

// Record is where a target keeps a message.
type Record struct {
	Target   string
	RemoteID string // the target's own id; may be empty
	URL      string // for a person to look at, where the target has one
}

// Records returns where the message of an entry was mirrored to, by the name of the target. It needs nothing but
// the store, so that it serves beside a running gateway.
func Records(ctx context.Context, q store.Querier, entry journal.ID) (_ []Record, err error) {
	rows, err := q.QueryContext(ctx, `
		SELECT d.target, d.remote_id, d.url FROM sightings s JOIN deliveries d ON d.message_key = s.message_key
		WHERE s.entry = $1 AND s.excluded = '' AND d.state = $2 ORDER BY d.target`, entry.String(), deliveryMirrored)
	if err != nil {
		return nil, fmt.Errorf("reading where entry %s is: %w", entry, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var records []Record
	for rows.Next() {
		var r Record
		if err := rows.Scan(&r.Target, &r.RemoteID, &r.URL); err != nil {
			return nil, fmt.Errorf("reading where entry %s is: %w", entry, err)
		}
		records = append(records, r)
	}
	return records, rows.Err()
}
