package pace

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// governor runs on a machine of which the share busy is used.
func governor(busy float64) *Governor {
	g := &Governor{turn: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	var b, total uint64
	go g.watch(func() (uint64, uint64, bool) {
		total += 1000
		b += uint64(1000 * busy)
		return b, total, true
	})
	return g
}

// mail keeps messages passing for d.
func mail(g *Governor, d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		g.Mail()
	}
}

// took is how long ten pieces of 10 ms take.
func took(t *testing.T, g *Governor) time.Duration {
	t.Helper()
	begin := time.Now()
	for range 10 {
		if err := g.Do(t.Context(), Waits, func() { time.Sleep(10 * time.Millisecond) }); err != nil {
			t.Fatal(err)
		}
	}
	return time.Since(begin)
}

func TestGovernor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		busy float64
		mail bool
		want time.Duration
	}{
		"mail on a busy machine":       {0.95, true, time.Second},
		"mail with room to spare":      {0.5, true, 100 * time.Millisecond},
		"a busy machine, but no mail":  {0.95, false, 100 * time.Millisecond},
		"nothing to do in particular ": {0, false, 100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := governor(c.busy)
				defer g.Close()
				if c.mail {
					mail(g, time.Second)
					go mail(g, 2*time.Second)
				}
				if got := took(t, g); got != c.want {
					t.Errorf("ten pieces of 10 ms took %v, want %v", got, c.want)
				}
				time.Sleep(3 * time.Second)
				if got := took(t, g); got != 100*time.Millisecond {
					t.Errorf("after the rush ten pieces took %v", got)
				}
			})
		})
	}
}

func TestGovernorGivesUpWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := governor(1)
		defer g.Close()
		mail(g, time.Second)
		go mail(g, time.Second)
		release := make(chan struct{})
		go func() { _ = g.Do(context.Background(), Waits, func() { <-release }) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := g.Do(ctx, Waits, func() { t.Error("ran out of turn") }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		close(release)
		time.Sleep(3 * time.Second)
	})
}

func TestParseCPU(t *testing.T) {
	t.Parallel()
	busy, total, ok := parseCPU([]byte("cpu  10 20 30 400 50 6 7 8 9 10\ncpu0 1 2 3\n"))
	if !ok || busy != 10+20+30+6+7+8 || total != 10+20+30+400+50+6+7+8 {
		t.Errorf("busy %d total %d ok %v", busy, total, ok)
	}
	if _, _, ok := parseCPU([]byte("intr 5")); ok {
		t.Error("read what is no line of cpu")
	}
	var none *Governor
	none.Mail()
	if err := none.Do(t.Context(), Waits, func() {}); err != nil {
		t.Error(err)
	}
}
