package queue

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// The hot statements find their rows by an index made for them, however many jobs there are.
func TestHotStatementsUseTheirIndex(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		q := Open(db, Options{})
		for index, query := range map[string]string{
			"jobs_ready": strings.NewReplacer("$1", "'k'", "$2", "10", "$3", "1").Replace(q.claimQuery()),
			"jobs_later": `SELECT id FROM jobs WHERE kind = 'k' AND state IN ('scheduled', 'retryable') AND run_at <= 1
				ORDER BY run_at LIMIT 1` + q.skipLocked(),
			"jobs_leased": `SELECT id FROM jobs WHERE kind = 'k' AND state = 'running' AND lease_until <= 1 ORDER BY lease_until LIMIT 1`,
			"jobs_blocked": `SELECT id FROM jobs WHERE kind = 'k' AND order_key = 'o' AND blocked = 1 AND finished_at IS NULL
				ORDER BY id LIMIT 1`,
			"jobs_head": `SELECT 1 FROM jobs
				WHERE kind = 'k' AND order_key = 'o' AND order_key <> '' AND blocked = 0 AND finished_at IS NULL`,
			"jobs_done": `SELECT id FROM jobs WHERE state IN ('completed', 'cancelled') AND finished_at < 1 ORDER BY finished_at LIMIT 1`,
		} {
			plan, err := explainPlan(t.Context(), db, query)
			if err != nil {
				t.Errorf("%s: %v", index, err)
				continue
			}
			if !strings.Contains(plan, index) || strings.Contains(strings.ToLower(plan), "sort") && index != "jobs_ready" ||
				strings.Contains(plan, "TEMP B-TREE") {
				t.Errorf("%s is not what finds and orders the rows:\n%s", index, plan)
			}
		}
	})
}

func explainPlan(ctx context.Context, db *store.DB, query string) (plan string, err error) {
	err = db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		explain := "EXPLAIN QUERY PLAN "
		if db.Dialect() == store.Postgres {
			explain = "EXPLAIN "
			// On an empty table PostgreSQL rightly prefers to read all of it.
			if _, err := tx.ExecContext(ctx, `SET LOCAL enable_seqscan = off`); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `SET LOCAL enable_bitmapscan = off`); err != nil {
				return err
			}
		}
		rows, err := tx.QueryContext(ctx, explain+query)
		if err != nil {
			return err
		}
		defer rows.Close()
		columns, err := rows.Columns()
		if err != nil {
			return err
		}
		values := make([]any, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		for rows.Next() {
			if err := rows.Scan(into...); err != nil {
				return err
			}
			plan += fmt.Sprintln(values...)
		}
		return rows.Err()
	})
	return plan, err
}
