package mirror_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"heliograph/internal/journal"
	"heliograph/internal/store/storetest"
)

// BenchmarkMirror takes mails that are in the journal to a target that answers at once:
// parse, key, thread, match, deliver, ledger. It reports messages per second of the clock, and per second of the
// processor, which other programs on the machine do not spoil. Run it with GOMAXPROCS=1.
func BenchmarkMirror(b *testing.B) {
	for _, size := range []int{5_000, 200_000} {
		b.Run(fmt.Sprintf("%dKB", size/1000), func(b *testing.B) {
			text := strings.Repeat("The quick brown fox jumps over the lazy dog, again and again.\n", size/62)
			batch := 1_000_000 / size * 5
			sent, took, worked := 0, time.Duration(0), time.Duration(0)
			c := newCRM("li@customer.test")
			o := oneTarget(c)
			o.Workers = 32
			w := open(b, storetest.SQLite(b), o)
			w.workers = 32
			for b.Loop() {
				for range batch {
					sent++
					raw := strings.Replace(offer(sent), "Offer", fmt.Sprint("Offer ", sent), 1)
					w.submit(mail{account: "wang@example.com", recipients: to("li@customer.test"), kind: journal.KindSubmission, raw: raw + text})
				}
				began, cpu := time.Now(), processorTime(b)
				w.start()
				w.eventually("all are mirrored", func() bool { return c.count() == sent })
				took += time.Since(began)
				worked += processorTime(b) - cpu
				w.stop()
			}
			b.ReportMetric(float64(sent)/took.Seconds(), "msg/s")
			b.ReportMetric(float64(sent)/worked.Seconds(), "msg/cpu-s")
		})
	}
}

// processorTime is what this process took of the processor so far.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
