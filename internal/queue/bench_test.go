package queue_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// BenchmarkQueue takes jobs through add, claim and finish, each job added in a
// transaction of its own by one of several adders.
func BenchmarkQueue(b *testing.B) {
	for _, adders := range []int{1, 16, 64} {
		b.Run(fmt.Sprint("sqlite/adders=", adders), func(b *testing.B) { benchmark(b, storetest.SQLite(b), adders) })
		b.Run(fmt.Sprint("postgres/adders=", adders), func(b *testing.B) { benchmark(b, storetest.Postgres(b), adders) })
	}
}

func benchmark(b *testing.B, db *store.DB, adders int) {
	q := queue.Open(db, queue.Options{})
	var left atomic.Int64
	done := make(chan struct{})
	left.Store(int64(b.N))
	work(b, q, queue.Worker{Kind: "k", Concurrency: 64, Handle: func(context.Context, queue.Job) queue.Result {
		if left.Add(-1) == 0 {
			close(done)
		}
		return queue.Result{Action: queue.Complete}
	}})
	payload := make([]byte, 200)
	b.ResetTimer()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range adders {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				err := db.Write(b.Context(), func(ctx context.Context, tx store.Querier) error {
					_, err := q.Add(ctx, tx, queue.New{Kind: "k", Key: fmt.Sprint(i), OrderKey: fmt.Sprint("o", i%1000), Payload: payload})
					return err
				})
				if err != nil {
					b.Error(err)
				}
				q.Wake("k")
			}
		})
	}
	wg.Wait()
	<-done
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
}

// BenchmarkClaimBehindABacklog claims while many jobs of one order key wait.
func BenchmarkClaimBehindABacklog(b *testing.B) {
	db := storetest.SQLite(b)
	k := &bench{queue.Open(db, queue.Options{}), b, db, nil}
	many := make([]queue.New, 1000)
	for i := range many {
		many[i] = queue.New{Kind: "k", OrderKey: "one", Priority: -1}
	}
	for range 20 {
		k.add(many...)
	}
	for b.Loop() {
		jobs, err := k.Claim(b.Context(), "k", 10, time.Minute)
		if err != nil || len(jobs) != 1 {
			b.Fatal(len(jobs), err)
		}
		k.finish(queue.Result{Job: jobs[0], Action: queue.Snooze})
	}
}
