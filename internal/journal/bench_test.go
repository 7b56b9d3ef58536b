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

// BenchmarkFetched is BenchmarkJournal for messages of mailboxes, whose UIDs go to the ledger: many in few mailboxes, as
// when a program loads a mailbox; one in each of many; and of none, to compare.
func BenchmarkFetched(b *testing.B) {
	const writers = 16
	for _, bb := range []struct {
		name      string
		mailboxes int
		scattered bool // UIDs do not follow each other
	}{{"none", 0, false}, {"mailboxes=16", 16, false}, {"mailboxes=1000", 1000, false}, {"mailboxes=16/scattered", 16, true}} {
		b.Run(bb.name, func(b *testing.B) {
			x := start(b, storetest.SQLite(b), journal.Options{SegmentBytes: 64 << 20})
			j := x.j
			var open []*journal.Mailbox
			for i := range bb.mailboxes {
				key := inbox
				key.Account = fmt.Sprintf("user%d@example.com", i)
				open = append(open, x.open(key, 1))
			}
			body := wire(10)
			work := make(chan int)
			var wg sync.WaitGroup
			for range writers {
				wg.Go(func() {
					for n := range work {
						env := envelope(1)
						seen(journal.KindFetch, inbox, 0)(env)
						if bb.mailboxes > 0 {
							m := open[n%bb.mailboxes]
							env.Account, env.UID = m.Key().Account, uint32(n/bb.mailboxes+1)
							if bb.scattered {
								env.UID *= 7
							}
							if !m.Claim(env.UID) {
								b.Errorf("UID %d is claimed", env.UID)
							}
						}
						p := j.BeginTee(env)
						if _, err := p.Write(body); err != nil {
							b.Error(err)
						} else if err := p.Seal(b.Context(), env); err != nil {
							b.Error(err)
						}
					}
				})
			}
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			begin := time.Now()
			for n := 0; b.Loop(); n++ {
				work <- n
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
