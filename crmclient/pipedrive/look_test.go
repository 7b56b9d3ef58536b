package pipedrive_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
)

// interrupted is a fake in which somebody has very many activities, made since the write of a mail was begun whose outcome is not known, and
// which lets only a few pages of the list through, and then does what cut says with the next.
type interrupted struct {
	*pipeFake
	cut     http.HandlerFunc
	allowed int32        // pages between two cuts
	pages   atomic.Int32 // since the last
	made    atomic.Int32 // requests that write
}

func (f *interrupted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.Writes(r) {
		f.made.Add(1)
	}
	if r.Method == http.MethodGet && r.URL.Path == "/api/v2/activities" {
		if f.pages.Add(1) > f.allowed {
			f.pages.Store(0)
			f.cut(w, r)
			return
		}
	}
	f.pipeFake.ServeHTTP(w, r)
}

const many = 2500

// newInterrupted has the mail as the oldest of many activities, or not at all.
func newInterrupted(t *testing.T, there bool, cut http.HandlerFunc) (*interrupted, crmclient.Client, *crmclient.Activity) {
	t.Helper()
	f := &interrupted{pipeFake: newFake(t), cut: cut, allowed: 2}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	a := crmtest.Activity("interrupted")
	if _, err := f.Begin(t.Context(), a.Key); err != nil {
		t.Fatal(err)
	}
	for i := range many {
		note := "a call"
		if i == 0 && there {
			note = "<p>From: x<br></p><hr>text<hr><p>" + crmclient.KeyLine(a.Key) + "</p>"
		}
		f.activities[i+1] = map[string]any{"id": i + 1, "subject": "x", "person_id": float64(defaultID), "note": note, "add_time": time.Now().UTC().Format(time.RFC3339)}
	}
	f.nextID = many
	return f, open(t, static(f.pipeFake, server.URL), crmclient.Deps{Intents: f}), a
}

// A look at more pages than the vendor lets through at once goes on where it was cut off: the attempts do not run out.
func TestLookGoesOn(t *testing.T) {
	t.Parallel()
	const attempts = 60
	cuts := map[string]http.HandlerFunc{
		"by the rate": told(http.StatusTooManyRequests, refusal("request over limit")),
		"by time":     func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"by rights":   told(http.StatusForbidden, refusal("forbidden")),
	}
	for name, cut := range cuts {
		for _, there := range []bool{true, false} {
			t.Run(name+map[bool]string{true: ", found", false: ", not found"}[there], func(t *testing.T) {
				t.Parallel()
				f, c, a := newInterrupted(t, there, cut)
				var (
					receipt crmclient.Receipt
					err     = context.Canceled
				)
				for i := 0; err != nil && i < attempts; i++ {
					ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
					if strings.HasPrefix(name, "by time") {
						cancel()
						ctx, cancel = context.WithTimeout(t.Context(), 200*time.Millisecond)
					}
					receipt, err = c.LogEmail(ctx, a)
					cancel()
				}
				if err != nil || receipt.Duplicate != there || f.made.Load() != map[bool]int32{true: 0, false: 1}[there] {
					t.Errorf("got %+v, %v and %d writes; found: %v", receipt, err, f.made.Load(), there)
				}
				if len(f.Records(t)) != 1 {
					t.Errorf("got %d records, want 1", len(f.Records(t)))
				}
			})
		}
	}
}
