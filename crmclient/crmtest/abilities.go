package crmtest

import (
	"testing"

	"heliograph/crmclient"
)

// able is an ability that the client was seen to have.
func able[T any](c crmclient.Client) T {
	a, _ := crmclient.As[T](c)
	return a
}

// has says whether the client has an ability. A Selective one must give exactly what it is asked for, or nothing.
func has[T any](t *testing.T, c crmclient.Client) bool {
	t.Helper()
	_, ok := crmclient.As[T](c)
	if s, is := c.(crmclient.Selective); is && !ok && s.Ability((*T)(nil)) != nil {
		t.Errorf("asked for %T the client gives something else", (*T)(nil))
	}
	return ok
}

// runAbilities checks that an ability of several methods is there when, and only when, all its parts are: none of a client's methods is
// there only to say that it cannot be done.
func (s Subject) runAbilities(t *testing.T) {
	t.Run("abilities are there as a whole or not at all", func(t *testing.T) {
		t.Parallel()
		c := s.start(t, longTimeout).client
		for whole, want := range map[string]struct{ is, parts bool }{
			"Ticketer": {
				has[crmclient.Ticketer](t, c),
				has[crmclient.TicketCreator](t, c) && has[crmclient.TicketFinder](t, c) && has[crmclient.TicketAssigner](t, c),
			},
			"RecordWriter": {has[crmclient.RecordWriter](t, c), has[crmclient.RecordCreator](t, c) && has[crmclient.RecordUpdater](t, c)},
		} {
			if want.is != want.parts {
				t.Errorf("%s: got %v, and all of its parts: %v", whole, want.is, want.parts)
			}
		}
		if (has[crmclient.RecordQuerier](t, c) || has[crmclient.RecordChanges](t, c)) && !has[crmclient.RecordReader](t, c) {
			t.Error("the client searches records or tells their changes, but does not read one")
		}
		for _, one := range []func(*testing.T, crmclient.Client) bool{
			has[crmclient.ContactCreator], has[crmclient.LeadCreator], has[crmclient.ActivityUpdater], has[crmclient.ActivityWithdrawer],
			has[crmclient.Describer], has[crmclient.FileAttacher], has[crmclient.WebhookReceiver], has[crmclient.Subscriber], has[crmclient.Runner],
		} {
			one(t, c)
		}
	})
}
