package mirror_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"heliograph/internal/journal"
	"heliograph/internal/store/storetest"
)

// BenchmarkMirror takes mails that are in the journal to a target that answers at once:
// parse, key, thread, match, deliver, ledger. It reports messages per second.
func BenchmarkMirror(b *testing.B) {
	for _, size := range []int{5_000, 200_000} {
		b.Run(fmt.Sprintf("%dKB", size/1000), func(b *testing.B) {
			text := strings.Repeat("The quick brown fox jumps over the lazy dog, again and again.\n", size/62)
			const batch = 100
			sent, took := 0, time.Duration(0)
			c := newCRM("li@customer.test")
			w := open(b, storetest.SQLite(b), oneTarget(c))
			for b.Loop() {
				for range batch {
					sent++
					w.submit(mail{account: "wang@example.com", recipients: to("li@customer.test"), kind: journal.KindSubmission, raw: offer(sent) + text})
				}
				began := time.Now()
				w.start()
				w.eventually("all are mirrored", func() bool { return len(c.logged()) == sent })
				took += time.Since(began)
				w.stop()
			}
			b.ReportMetric(float64(sent)/took.Seconds(), "msg/s")
		})
	}
}
