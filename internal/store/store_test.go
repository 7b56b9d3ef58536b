package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

var errNo = errors.New("no")

// exec runs statements in one transaction.
func exec(t testing.TB, db *store.DB, queries ...string) {
	t.Helper()
	err := db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
		for _, q := range queries {
			if _, err := tx.ExecContext(ctx, q); err != nil {
				return fmt.Errorf("%s: %w", q, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func count(t testing.TB, db *store.DB, query string, args ...any) int {
	t.Helper()
	var n int
	if err := db.Reader().QueryRowContext(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// numbers makes a table of numbers.
func numbers(t testing.TB, db *store.DB) {
	t.Helper()
	exec(t, db, `CREATE TABLE numbers (n BIGINT PRIMARY KEY)`)
}

func insert(n int) func(ctx context.Context, tx store.Querier) error {
	return func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO numbers (n) VALUES ($1)`, n)
		return err
	}
}

func TestWriteIsAtomic(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		numbers(t, db)
		err := db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
			if err := errors.Join(insert(1)(ctx, tx), insert(2)(ctx, tx)); err != nil {
				t.Error(err)
			}
			return errNo
		})
		if !errors.Is(err, errNo) {
			t.Fatalf("Write returned %v", err)
		}
		if n := count(t, db, `SELECT count(*) FROM numbers`); n != 0 {
			t.Errorf("%d rows of a transaction that failed", n)
		}
		if err := db.Write(t.Context(), insert(3)); err != nil {
			t.Fatal(err)
		}
		if n := count(t, db, `SELECT count(*) FROM numbers`); n != 1 {
			t.Errorf("%d rows after a commit, want 1", n)
		}
		if err := db.Write(t.Context(), insert(3)); !store.IsUnique(err) {
			t.Errorf("the same key again: %v", err)
		}
	})
}

// A panic, an error and a violated constraint in some transactions do not touch the others, though they
// share a commit on SQLite.
func TestWriteIsolatesFailures(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		numbers(t, db)
		exec(t, db, `INSERT INTO numbers VALUES (-1)`)
		const n = 200
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				err := db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
					if err := insert(i)(ctx, tx); err != nil {
						return err
					}
					switch i % 5 {
					case 1:
						return errNo
					case 2:
						panic("two")
					case 3:
						return insert(-1)(ctx, tx)
					}
					return nil
				})
				var panicked *store.PanicError
				ok := map[int]bool{0: err == nil, 1: errors.Is(err, errNo), 2: errors.As(err, &panicked), 3: store.IsUnique(err), 4: err == nil}
				if !ok[i%5] {
					t.Errorf("%d: %v", i, err)
				}
			})
		}
		wg.Wait()
		if got := count(t, db, `SELECT count(*) FROM numbers WHERE n % 5 IN (0, 4)`); got != n*2/5 {
			t.Errorf("%d rows, want %d", got, n*2/5)
		}
		if got := count(t, db, `SELECT count(*) FROM numbers WHERE n >= 0 AND n % 5 NOT IN (0, 4)`); got != 0 {
			t.Errorf("%d rows of transactions that failed", got)
		}
	})
}

func TestWriteInsideWriteIsRefused(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		err := db.Write(t.Context(), func(ctx context.Context, _ store.Querier) error {
			return db.Write(ctx, func(context.Context, store.Querier) error { return nil })
		})
		if !errors.Is(err, store.ErrNested) {
			t.Errorf("got %v", err)
		}
	})
}

func TestWriteSurvivesGoexit(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		numbers(t, db)
		var wg sync.WaitGroup
		wg.Go(func() {
			_ = db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
				_ = insert(1)(ctx, tx)
				runtime.Goexit()
				return nil
			})
		})
		wg.Wait()
		if err := db.Write(t.Context(), insert(2)); err != nil {
			t.Fatal(err)
		}
		if n := count(t, db, `SELECT sum(n) FROM numbers`); n != 2 {
			t.Errorf("the sum is %d", n)
		}
	})
}

func TestWriteDoesNotBeginAfterItsContext(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errNo)
		err := db.Write(ctx, func(context.Context, store.Querier) error {
			t.Error("the function ran")
			return nil
		})
		if !errors.Is(err, errNo) && !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

// One that waits behind a slow writer gives up when its context ends, and never runs.
func TestWriteStopsWaitingWithItsContext(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	busy, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		err := db.Write(t.Context(), func(context.Context, store.Querier) error {
			close(busy)
			<-release
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-busy
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := db.Write(ctx, func(context.Context, store.Querier) error {
		t.Error("the function ran")
		return nil
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	close(release)
	wg.Wait()
	exec(t, db) // the writer is past the one that left
}

func TestStatementsEndWithTheirContext(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		numbers(t, db)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		err := db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
			if err := insert(1)(ctx, tx); err != nil {
				return err
			}
			cancel()
			return tx.QueryRowContext(ctx, `SELECT 1`).Scan(new(int))
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if n := count(t, db, `SELECT count(*) FROM numbers`); n != 0 {
			t.Errorf("%d rows", n)
		}
	})
}

func TestTransactionEndsWithItsFunction(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		numbers(t, db)
		var leaked store.Querier
		if err := db.Write(t.Context(), func(_ context.Context, tx store.Querier) error {
			leaked = tx
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if err := insert(1)(t.Context(), leaked); err == nil {
			t.Error("a statement ran after its transaction")
		}
		if err := leaked.QueryRowContext(t.Context(), `SELECT 1`).Scan(new(int)); err == nil {
			t.Error("a row was read after its transaction")
		}
		if rows, err := leaked.QueryContext(t.Context(), `SELECT 1`); err == nil {
			t.Error("rows were read after their transaction", rows.Close())
		}
	})
}

func TestReaderCannotWrite(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		numbers(t, db)
		if err := insert(1)(t.Context(), db.Reader()); err == nil {
			t.Error("the reader wrote a row")
		}
	})
}

// Placeholders go by their number on both engines, in any order and repeated.
func TestPlaceholdersAreNumbered(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		exec(t, db, `CREATE TABLE words (a TEXT, b TEXT, c TEXT)`)
		query := func(q store.Querier) string {
			var s string
			args := []any{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"}
			err := q.QueryRowContext(t.Context(), `SELECT $11 || ':' || $2 || ':' || $1 || ':' || $2 || ':' || $10
				|| ':' || $3 || $4 || $5 || $6 || $7 || $8 || $9`, args...).Scan(&s)
			if err != nil {
				t.Error(err)
			}
			return s
		}
		const want = "11:2:1:2:10:3456789"
		if got := query(db.Reader()); got != want {
			t.Errorf("reader: %s, want %s", got, want)
		}
		err := db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
			if got := query(tx); got != want {
				t.Errorf("transaction: %s, want %s", got, want)
			}
			_, err := tx.ExecContext(ctx, `INSERT INTO words VALUES ($2, $1, $2)`, "one", "two")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if n := count(t, db, `SELECT count(*) FROM words WHERE a = $2 AND b = $1 AND c = $2`, "one", "two"); n != 1 {
			t.Errorf("the row is not as it was written")
		}
	})
}

func TestTypesComeBackAsTheyWent(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		bytesType := map[store.Dialect]string{store.SQLite: "BLOB", store.Postgres: "BYTEA"}[db.Dialect()]
		exec(t, db, `CREATE TABLE types (i BIGINT, b `+bytesType+`, s TEXT, n BIGINT)`)
		for _, want := range []struct {
			i int64
			b []byte
			s string
			n sql.NullInt64
		}{
			{0, []byte{}, "", sql.NullInt64{}},
			{math.MaxInt64, []byte{0, 0xff, '\'', '\\'}, "客户, \U0001F4E7 e\u0301 '\"\\", sql.NullInt64{Int64: 1, Valid: true}},
			{math.MinInt64, bytes.Repeat([]byte{0}, 1<<20), strings.Repeat("长", 1<<18), sql.NullInt64{Valid: true}},
		} {
			got := want
			err := db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
				if _, err := tx.ExecContext(ctx, `DELETE FROM types`); err != nil {
					return err
				}
				return tx.QueryRowContext(ctx, `INSERT INTO types VALUES ($1, $2, $3, $4) RETURNING i, b, s, n`, want.i, want.b, want.s, want.n).
					Scan(&got.i, &got.b, &got.s, &got.n)
			})
			if err != nil {
				t.Fatal(err)
			}
			if got.i != want.i || !bytes.Equal(got.b, want.b) || got.s != want.s || got.n != want.n {
				t.Errorf("RETURNING: got %d, %d bytes, %d bytes of text, %v", got.i, len(got.b), len(got.s), got.n)
			}
			if n := count(t, db, `SELECT count(*) FROM types WHERE i = $1 AND b = $2 AND s = $3`, want.i, want.b, want.s); n != 1 {
				t.Errorf("%d is not found by its values", want.i)
			}
		}
	})
}

// Rows that are still open when the same statement is sent again do not disturb it.
func TestSameStatementTwiceAtOnce(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	numbers(t, db)
	exec(t, db, `INSERT INTO numbers VALUES (1), (2), (3)`)
	err := db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
		const q = `SELECT n FROM numbers WHERE n > $1 ORDER BY n`
		outer, err := tx.QueryContext(ctx, q, 0)
		if err != nil {
			return err
		}
		defer outer.Close()
		sum := 0
		for outer.Next() {
			var a, b int
			if err := outer.Scan(&a); err != nil {
				return err
			}
			if err := tx.QueryRowContext(ctx, q, a-1).Scan(&b); err != nil {
				return err
			}
			sum += 10*a + b
		}
		if sum != 66 {
			t.Errorf("the sum is %d, want 66", sum)
		}
		return outer.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestMicros(t *testing.T) {
	t.Parallel()
	for _, want := range []time.Time{{}, time.Date(2026, 2, 28, 23, 59, 59, 123456000, time.UTC), time.Unix(-5, 0).UTC()} {
		if got := store.FromMicros(store.Micros(want)); !got.Equal(want) || got.IsZero() != want.IsZero() {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}
