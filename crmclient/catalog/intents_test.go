package catalog

import (
	"testing"

	"heliograph/crmclient"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// Both kinds of intents do the same; those in the store survive, and are of one target.
func TestIntents(t *testing.T) {
	t.Parallel()
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		testIntents(t, new(crmclient.MemoryIntents))
	})
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		testIntents(t, Deps{Store: db}.intents("crm"))
		other := Deps{Store: db}.intents("other")
		if found, err := other.Find(t.Context(), "two"); err != nil || found != (crmclient.Intent{}) {
			t.Errorf("another target: got %+v, %v", found, err)
		}
		again := Deps{Store: db}.intents("crm")
		if found, err := again.Find(t.Context(), "two"); err != nil || found.RemoteID != "42" {
			t.Errorf("after a restart: got %+v, %v", found, err)
		}
	})
}

func testIntents(t *testing.T, i crmclient.Intents) {
	t.Helper()
	check := func(what string, got crmclient.Intent, err error, begun bool, remoteID string) {
		t.Helper()
		if err != nil || got.Began.IsZero() == begun || got.RemoteID != remoteID {
			t.Errorf("%s: got %+v, %v", what, got, err)
		}
	}
	found, err := i.Find(t.Context(), "one")
	check("nothing", found, err, false, "")
	found, err = i.Begin(t.Context(), "one")
	check("first", found, err, false, "")
	found, err = i.Begin(t.Context(), "one")
	check("second", found, err, true, "")
	for range 2 {
		if err := i.Forget(t.Context(), "one"); err != nil {
			t.Error(err)
		}
	}
	found, err = i.Begin(t.Context(), "one")
	check("forgotten", found, err, false, "")
	if _, err := i.Begin(t.Context(), "two"); err != nil {
		t.Error(err)
	}
	for _, key := range []string{"two", "never begun"} {
		if err := i.Looked(t.Context(), key, "page 3"); err != nil {
			t.Error(err)
		}
	}
	if found, err = i.Find(t.Context(), "two"); err != nil || found.Looked != "page 3" {
		t.Errorf("where a search stands: got %+v, %v", found, err)
	}
	if found, err = i.Find(t.Context(), "never begun"); err != nil || found != (crmclient.Intent{}) {
		t.Errorf("a search for what was not begun: got %+v, %v", found, err)
	}
	if err := i.Done(t.Context(), "two", "42"); err != nil {
		t.Error(err)
	}
	found, err = i.Begin(t.Context(), "two")
	check("done", found, err, true, "42")
	if found.Looked != "" {
		t.Errorf("of what was written a search stands at %q", found.Looked)
	}
}
