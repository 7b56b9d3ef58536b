package gateway_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"heliograph/internal/mailtest"
)

// moody is a webhook receiver that honours Idempotency-Key but answers badly at first.
type moody struct {
	mu      sync.Mutex
	tries   map[string]int
	records map[string]map[string]any
}

// moods are its answers to the tries of one key, in turn; after them it behaves.
var moods = []struct {
	commits bool
	answer  http.HandlerFunc
}{
	{false, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
	}},
	{false, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "<html>oops", http.StatusInternalServerError)
	}},
	{true, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},  // a reset
	{true, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},     // until the target's time-out
	{true, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{broken") }}, // the good mood
}

func (m *moody) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	var body map[string]any
	if err == nil {
		err = json.Unmarshal(raw, &body)
	}
	key := r.Header.Get("Idempotency-Key")
	if err != nil || key == "" || body["key"] != key {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	m.mu.Lock()
	mood := moods[min(m.tries[key], len(moods)-1)]
	m.tries[key]++
	if _, known := m.records[key]; mood.commits && !known { // an honest receiver knows the key
		m.records[key] = body
	}
	m.mu.Unlock()
	mood.answer(w, r)
}

// TestWebhookThatMisbehaves: 429, 500, reset and time-out after the commit, and broken
// JSON in the answer: each message arrives, and once.
func TestWebhookThatMisbehaves(t *testing.T) {
	t.Parallel()
	m := &moody{tries: map[string]int{}, records: map[string]map[string]any{}}
	hook := httptest.NewServer(m)
	t.Cleanup(hook.Close)
	p := mailtest.Postfix(t)
	g := start(t, upstreamTo(p)+listeners+fmt.Sprintf("targets: [{name: hook, type: webhook, url: %q, timeout: 1s}]\n", hook.URL))
	c := g.dial(p.Users[0])
	const n = 2 // more failures in a row would open the circuit for long
	for i := range n {
		id := fmt.Sprintf("m%d@example.com", i)
		to := []string{p.Users[1].Name, "open@customer.example", "hidden@customer.example"}
		if err := c.SendMail(p.Users[0].Name, to, bytes.NewReader(simple(p.Users[0].Name, "open@customer.example", "报价", id))); err != nil {
			t.Fatal(err)
		}
	}
	mailtest.Eventually(t, 4*time.Minute, func() error {
		m.mu.Lock()
		defer m.mu.Unlock()
		for key, tries := range m.tries {
			if tries < len(moods) {
				return fmt.Errorf("%s was tried %d times", key, tries)
			}
		}
		if len(m.records) != n {
			return fmt.Errorf("the target has %d messages, want %d", len(m.records), n)
		}
		return nil
	})
	for _, r := range m.records {
		bcc, _ := json.Marshal(r["bcc"])
		if r["subject"] != "报价" || r["direction"] != "outbound" || !bytes.Contains(bcc, []byte("hidden@customer.example")) {
			t.Errorf("record %v", r)
		}
	}
}
