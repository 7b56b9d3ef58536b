package rules

import "testing"

// TestNoMailIsPassedOver: rules see mail from the moment they are published, and while nobody knows which there are.
func TestNoMailIsPassedOver(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *rig) {
		wants := func(want bool) {
			t.Helper()
			if got := r.e.WantsMail(); got != want {
				t.Errorf("WantsMail is %t, want %t", got, want)
			}
		}
		wants(true) // nothing was looked at
		if err := r.e.looks(t.Context()); err != nil {
			t.Fatal(err)
		}
		wants(false)
		rule := r.rule(complaint)
		if _, _, err := r.e.Book().Publish(t.Context(), rule, StateLive, -1, "", "test", Surroundings{}); err != nil {
			t.Fatal(err)
		}
		wants(true)
		r.refresh()
		wants(true)
		r.restart()
		wants(true)
	})
}
