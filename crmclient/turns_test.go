package crmclient

import (
	"context"
	"errors"
	"sync"
	"testing"
)

func TestTurns(t *testing.T) {
	t.Parallel()
	var turns Turns
	var group sync.WaitGroup
	a, b := 0, 0
	for i := range 200 {
		group.Go(func() {
			key, n := "a", &a
			if i%2 == 0 {
				key, n = "b", &b
			}
			release, err := turns.Take(t.Context(), key)
			if err != nil {
				t.Error(err)
				return
			}
			*n++
			release()
		})
	}
	group.Wait()
	if a != 100 || b != 100 || len(turns.taken) != 0 {
		t.Errorf("%d and %d turns, %d left", a, b, len(turns.taken))
	}
	release, err := turns.Take(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := turns.Take(ctx, "c"); ClassOf(err) != ClassRetry || !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up got %v", err)
	}
	release()
}
