package smtpd_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"

	"heliograph/internal/journal"
)

// bomb panics at the first message that is accepted, in the goroutine that reads the upstream.
type bomb struct {
	slog.Handler
	went *atomic.Bool
}

func (b bomb) Enabled(context.Context, slog.Level) bool { return true }
func (b bomb) WithAttrs([]slog.Attr) slog.Handler       { return b }

func (b bomb) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "message accepted" && b.went.CompareAndSwap(false, true) {
		panic("a mistake of ours")
	}
	return nil
}

// A panic ends its session and no other.
func TestPanicEndsOneSession(t *testing.T) {
	t.Parallel()
	message := `
		C= "MAIL FROM:<u@example.com>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n"
		S= "250 ok\r\n250 ok\r\n354 go\r\n"
		C= "x\r\n.\r\n"`
	var went atomic.Bool
	w := newWorld(t, func(s *setup) { s.handler = bomb{slog.DiscardHandler, &went} }, learn,
		lines(upLogin, message, "S: 250 taken", "-- eof"),
		lines(upLogin, message, "S: 250 taken", "C: QUIT", "S: 221 bye"))
	w.talk(lines(login, message, "-- eof"))
	w.talk(lines(login, message, "S: 250 taken", "C: QUIT", "S: 221 bye"))
	if !went.Load() {
		t.Error("nothing panicked")
	}
	w.entries(journal.StateConfirmed, 2)
}
