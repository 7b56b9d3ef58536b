package store_test

import (
	"context"
	"sync"
	"testing"

	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// Nodes that start at once find one schema, migrated once.
func TestNodesMigrateAtOnce(t *testing.T) {
	t.Parallel()
	url := storetest.PostgresURL(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			db, err := store.Open(t.Context(), url, store.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	db := storetest.Open(t, url, "")
	if n := count(t, db, `SELECT count(*) - count(DISTINCT version_id) FROM schema_migrations`); n != 0 {
		t.Errorf("%d migrations ran twice", n)
	}
	if n := count(t, db, `SELECT count(*) FROM jobs`); n != 0 {
		t.Errorf("%d jobs", n)
	}
}

// Transactions that PostgreSQL refuses because of each other are run again.
func TestLostRacesAreRunAgain(t *testing.T) {
	t.Parallel()
	db := storetest.Postgres(t)
	exec(t, db, `CREATE TABLE counter (n BIGINT)`, `INSERT INTO counter VALUES (0)`)
	const writers, each = 4, 10
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				err := db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
					if _, err := tx.ExecContext(ctx, `SET TRANSACTION ISOLATION LEVEL SERIALIZABLE`); err != nil {
						return err
					}
					var n int
					if err := tx.QueryRowContext(ctx, `SELECT n FROM counter`).Scan(&n); err != nil {
						return err
					}
					_, err := tx.ExecContext(ctx, `UPDATE counter SET n = $1`, n+1)
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := count(t, db, `SELECT n FROM counter`); n != writers*each {
		t.Errorf("counted %d, want %d", n, writers*each)
	}
}

// Two that lock the same rows in opposite order both succeed in the end.
func TestDeadlocksAreRunAgain(t *testing.T) {
	t.Parallel()
	db := storetest.Postgres(t)
	exec(t, db, `CREATE TABLE pair (id BIGINT PRIMARY KEY, n BIGINT)`, `INSERT INTO pair VALUES (1, 0), (2, 0)`)
	var wg sync.WaitGroup
	var met [2]sync.Once
	first := make(chan struct{}, 2)
	go1, go2 := make(chan struct{}), make(chan struct{})
	for i, order := range [][2]int{{1, 2}, {2, 1}} {
		own, other := go1, go2
		if i == 1 {
			own, other = go2, go1
		}
		wg.Go(func() {
			err := db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
				if _, err := tx.ExecContext(ctx, `UPDATE pair SET n = n + 1 WHERE id = $1`, order[0]); err != nil {
					return err
				}
				// The first time, each waits until the other holds its row.
				met[i].Do(func() { close(own); <-other; first <- struct{}{} })
				_, err := tx.ExecContext(ctx, `UPDATE pair SET n = n + 1 WHERE id = $1`, order[1])
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(first) != 2 {
		t.Error("the two did not meet")
	}
	if n := count(t, db, `SELECT min(n) * 10 + max(n) FROM pair`); n != 22 {
		t.Errorf("min and max are %d, want 22", n)
	}
}
