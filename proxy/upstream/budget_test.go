package upstream_test

import (
	"testing"
	"time"

	"heliograph/config"
	"heliograph/internal/limit"
	"heliograph/proxy/upstream"
)

// All who fetch of an account share its day's bytes, and nobody else's.
func TestBudget(t *testing.T) {
	t.Parallel()
	router, err := upstream.New([]config.Upstream{
		{Name: "main", Default: true, IMAP: config.Endpoint{Address: "127.0.0.1:1"}},
		{Name: "google", Provider: "gmail", Domains: []string{"gmail.com"}, IMAP: config.Endpoint{Address: "127.0.0.1:1"}},
	}, upstream.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(router.Close)
	back := limit.NewMemory(limit.MemoryOptions{})
	t.Cleanup(func() {
		if err := back.Close(); err != nil {
			t.Error(err)
		}
	})
	main, google := router.Upstreams()[0], router.Upstreams()[1]
	for name, b := range map[string]upstream.Budget{
		"nothing is known": main.Budget(back, "u@example.com", 0), "no limiter": main.Budget(nil, "u@example.com", 1<<30),
	} {
		if b.Limited() {
			t.Errorf("%s: there is a limit", name)
		}
	}
	if b := google.Budget(back, "u@gmail.com", 0); !b.Limited() {
		t.Error("what the provider allows is no limit")
	}
	take := func(b upstream.Budget) (int64, time.Duration) {
		bytes, wait, err := b.Take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return bytes, wait
	}
	const day = 8 << 20
	session, run := main.Budget(back, "u@example.com", day), main.Budget(back, "u@example.com", day)
	first, _ := take(session)
	second, _ := take(run)
	if first+second != day {
		t.Errorf("%d and %d bytes were given", first, second)
	}
	if bytes, wait := take(session); bytes != 0 || wait <= 0 || wait > 12*time.Hour {
		t.Errorf("%d bytes were given, or after %v", bytes, wait)
	}
	for name, b := range map[string]upstream.Budget{
		"account": main.Budget(back, "v@example.com", day), "upstream": google.Budget(back, "u@example.com", day),
	} {
		if bytes, _ := take(b); bytes == 0 {
			t.Errorf("another %s has the same budget", name)
		}
	}
}
