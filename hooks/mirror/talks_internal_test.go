package mirror

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// TestTalksAreFoundByTheirIndex: the last mail of somebody is found without a look at the others, however many there are.
func TestTalksAreFoundByTheirIndex(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		query := strings.NewReplacer("$1", "'li@customer.test'", "$2", "'wrote'", "$3", "9").Replace(talksQuery) + strconv.Itoa(maxLooked)
		plan := ""
		err := db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
			explain := "EXPLAIN QUERY PLAN "
			if db.Dialect() == store.Postgres {
				explain = "EXPLAIN (COSTS OFF) "
				// Of an empty table PostgreSQL rightly reads all.
				if _, err := tx.ExecContext(ctx, `SET LOCAL enable_seqscan = off`); err != nil {
					return err
				}
				if _, err := tx.ExecContext(ctx, `SET LOCAL enable_bitmapscan = off`); err != nil {
					return err
				}
			}
			lines, err := planOf(ctx, tx, explain+query)
			plan = lines
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(plan, "correspondents_talks") || strings.Contains(plan, "Sort") || strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("correspondents_talks is not what finds and orders the rows:\n%s", plan)
		}
	})
}

// planOf are the lines of a plan.
func planOf(ctx context.Context, tx store.Querier, query string) (plan string, err error) {
	rows, err := tx.QueryContext(ctx, query)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return "", err
	}
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return "", err
		}
		plan += fmt.Sprintln(values...)
	}
	return plan, rows.Err()
}
