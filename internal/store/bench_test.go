package store_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// BenchmarkWrite inserts rows of 5 KB, each in a transaction of its own.
func BenchmarkWrite(b *testing.B) {
	for _, writers := range []int{1, 16, 64} {
		for name, open := range map[string]func(testing.TB) *store.DB{"sqlite": storetest.SQLite, "postgres-without-fsync": storetest.Postgres} {
			b.Run(fmt.Sprintf("%s/writers=%d", name, writers), func(b *testing.B) { benchmarkWrite(b, open(b), writers) })
		}
	}
}

func benchmarkWrite(b *testing.B, db *store.DB, writers int) {
	bytesType := map[store.Dialect]string{store.SQLite: "BLOB", store.Postgres: "BYTEA"}[db.Dialect()]
	exec(b, db, `CREATE TABLE bodies (id BIGINT PRIMARY KEY, body `+bytesType+`)`)
	body := make([]byte, 5<<10)
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for range writers {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := db.Write(b.Context(), func(ctx context.Context, tx store.Querier) error {
					_, err := tx.ExecContext(ctx, `INSERT INTO bodies VALUES ($1, $2)`, i, body)
					return err
				}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tx/s")
}
