package journal_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"heliograph/internal/journal"
	"heliograph/internal/store/storetest"
)

// BenchmarkJournal measures messages of 5 KB from their first byte to their verdict, and
// what the index makes of them in the time that it takes until it has caught up.
func BenchmarkJournal(b *testing.B) {
	for _, writers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			j := start(b, storetest.SQLite(b), journal.Options{SegmentBytes: 64 << 20}).j
			body := wire(10)
			work := make(chan struct{})
			var wg sync.WaitGroup
			for range writers {
				wg.Go(func() {
					for range work {
						env := envelope(1)
						p := j.Begin(env)
						if _, err := p.Write(body); err != nil {
							b.Error(err)
						} else if err := p.Seal(b.Context(), env); err != nil {
							b.Error(err)
						}
						p.Commit(accepted)
					}
				})
			}
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			begin := time.Now()
			for b.Loop() {
				work <- struct{}{}
			}
			close(work)
			wg.Wait()
			b.StopTimer()
			until(b, func() string {
				stats, err := j.Stats(b.Context())
				if err != nil || stats.Entries[journal.StateConfirmed] < int64(b.N) {
					return fmt.Sprint(stats, err)
				}
				return ""
			})
			b.ReportMetric(float64(b.N)/time.Since(begin).Seconds(), "indexed/s")
		})
	}
}
