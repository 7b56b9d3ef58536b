package rules

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"heliograph/internal/store"
)

const boundaryRule = `
id: boundary
name: 订单
owner: lead@example.com
trigger: {type: mail}
guards: {per_recipient: {count: 5, per: 24h}}
steps:
  - {id: s, do: set, with: {values: {n: {fact: mail.subject}}}}
  - {id: a, do: notify, with: {channel: sales, title: one}}
  - {id: pause, do: wait, with: {for: 1h}}
  - id: way
    do: branch
    with:
      cases: [{when: {field: mail.subject, op: is, value: order}, steps: [{id: b, do: send_mail, with: {to: li@customer.org, subject: two, text: x}}]}]
  - id: both
    do: parallel
    with:
      branches:
        - [{id: c, do: wait, with: {for: 1h}}, {id: d, do: update_record, with: {target: crm, object: deal, id: '7', fields: {stage: won}}}]
        - [{id: e, do: for_each, with: {in: mail.to, steps: [{id: f, do: send_mail, with: {to: '{{.item.address}}', subject: 'each', text: x}}]}}]
`

// boundaries has the store refuse what a run writes from a number of rows on, until somebody allows more. What a transaction had written is undone, as by a
// crash.
func boundaries(t *testing.T, db *store.DB) (allow func(rows int)) {
	t.Helper()
	statements := []string{`CREATE TABLE crash (rows_left BIGINT NOT NULL)`, `INSERT INTO crash VALUES (1000000)`}
	if db.Dialect() == store.Postgres {
		statements = append(statements, `CREATE FUNCTION crash_now() RETURNS trigger LANGUAGE plpgsql AS $body$
			BEGIN
				UPDATE crash SET rows_left = rows_left - 1;
				IF (SELECT rows_left FROM crash) < 0 THEN RAISE EXCEPTION 'the process ends here'; END IF;
				RETURN NEW;
			END $body$`)
	}
	for _, table := range []string{"rule_runs", "rule_steps", "rule_effects", "rule_waits", "rule_counts"} {
		for _, event := range []string{"INSERT", "UPDATE"} {
			head := fmt.Sprintf(`CREATE TRIGGER crash_%s_%s BEFORE %s ON %s `, table, strings.ToLower(event), event, table)
			if db.Dialect() == store.Postgres {
				statements = append(statements, head+`FOR EACH ROW EXECUTE FUNCTION crash_now()`)
				continue
			}
			statements = append(statements, head+`BEGIN
				UPDATE crash SET rows_left = rows_left - 1;
				SELECT RAISE(ABORT, 'the process ends here') FROM crash WHERE rows_left < 0;
			END`)
		}
	}
	execute := func(statements ...string) {
		t.Helper()
		err := db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
			for _, s := range statements {
				if _, err := tx.ExecContext(ctx, s); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	execute(statements...)
	return func(rows int) { execute(fmt.Sprintf(`UPDATE crash SET rows_left = %d`, rows)) }
}

// TestACrashAtEveryWrite ends the process before each row that a run writes, and goes on in a new one: the run comes to its end, and each effect happens once.
func TestACrashAtEveryWrite(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *rig) {
		rule := r.publish(boundaryRule)
		allow := boundaries(t, r.db)
		const most = 200
		for rows := range most {
			r.out = newOutside()
			r.restart()
			allow(rows)
			key := fmt.Sprintf("order %d", rows)
			ev := mailIn(key, "order")
			ev.At = r.clock.Now()
			ev.Data["mail"].(map[string]any)["to"] = []any{person(fmt.Sprintf("wang%d@example.com", rows))}
			r.post(ev)
			for range 3 {
				r.after(time.Hour)
			}
			state := func() RunState {
				for _, run := range r.runs() {
					if run.Event.Key == key {
						return run.State
					}
				}
				return ""
			}
			if state() == RunDone {
				if rows < 20 {
					t.Fatalf("%s ended with %d rows written: there was no crash", rule.ID, rows)
				}
				r.wantEffects("notify one", "mail two", "mail each", "update_record crm deal 7")
				t.Logf("a run writes %d rows", rows)
				return
			}
			allow(1_000_000)
			r.restart()
			for range 8 {
				r.after(time.Hour)
			}
			if got := state(); got != RunDone {
				t.Fatalf("after a crash before row %d the run is %q", rows+1, got)
			}
			r.wantEffects("notify one", "mail two", "mail each", "update_record crm deal 7")
			r.after(24 * time.Hour) // the budgets of recipients are new
		}
		t.Errorf("a run writes more than %d rows", most)
	})
}
