package gateway_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/crmclient/catalog"
	"heliograph/internal/journal"
	"heliograph/internal/mailtest"
	"heliograph/proxy/watch"
)

// TestWatch reads a mailbox that nobody has open: a reload adds it, and takes it away again.
func TestWatch(t *testing.T) {
	t.Parallel()
	r, i, p := oauthOffice(t)
	reload := func(section string) {
		t.Helper()
		text, err := os.ReadFile(r.file)
		if err != nil {
			t.Fatal(err)
		}
		next, err := config.Parse(r.file, append(text, section...), catalog.Validate)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Reload(t.Context(), next); err != nil {
			t.Fatal(err)
		}
	}
	state := func(want string) {
		t.Helper()
		mailtest.Eventually(t, 20*time.Second, func() error {
			got := ""
			for _, row := range r.Watch() {
				got += row.Account + " " + string(row.State)
			}
			if got != want {
				return fmt.Errorf("got %q, want %q: %+v", got, want, r.Watch())
			}
			return nil
		})
	}
	reload("watch: [{address: li@example.com}]\n")
	state("li@example.com " + string(watch.StateRefused)) // nobody is enrolled
	r.enroll(i, "li@example.com")
	state("li@example.com " + string(watch.StateIdle))
	if err := p.Deliver("kunde@acme.example", []string{"li@example.com"}, simple("kunde@acme.example", "li@example.com", "hi", "hi@acme.example")); err != nil {
		t.Fatal(err)
	}
	if e := r.entries(journal.StateConfirmed, 1)[0]; e.Kind != journal.KindFetch || e.Account != "li@example.com" || e.Mailbox != "INBOX" {
		t.Errorf("captured as %+v", e)
	}
	if a := r.activities(1)[0]; a.Subject != "hi" {
		t.Errorf("activity %q", a.Subject)
	}
	reload("")
	state("")
}
