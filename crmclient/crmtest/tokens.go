package crmtest

import (
	"fmt"
	"sync"
	"testing"

	"heliograph/crmclient"
)

// TokenExpirer is an HTTPFake whose requests need a token that runs out.
type TokenExpirer interface {
	// ExpireTokens ends all tokens that were given out so far; the credentials still get new ones.
	ExpireTokens(t *testing.T)
	// RefuseCredentials ends all tokens, and the credentials get no new one.
	RefuseCredentials(t *testing.T)
	// TokensIssued returns how many tokens were given out.
	TokensIssued(t *testing.T) int
}

func (s Subject) runTokens(t *testing.T) {
	if _, ok := s.Fake(t).(TokenExpirer); !ok {
		return
	}
	each := func(name string, body func(t *testing.T, b *bench, e TokenExpirer)) {
		t.Run("tokens: "+name, func(t *testing.T) {
			t.Parallel()
			b := s.start(t, longTimeout)
			body(t, b, b.fake.(TokenExpirer))
		})
	}
	each("one that runs out is renewed", func(t *testing.T, b *bench, e TokenExpirer) {
		for i := range 3 {
			key := fmt.Sprintf("expired-%d", i)
			if _, err := b.client.LogEmail(t.Context(), Activity(key)); err != nil {
				t.Fatal(err)
			}
			b.wantOne(t, key)
			e.ExpireTokens(t)
			if _, err := b.client.FindContacts(t.Context(), []string{"li.lei@customer.example"}); err != nil {
				t.Errorf("finding: %v", err)
			}
			e.ExpireTokens(t)
		}
		if n := e.TokensIssued(t); n > 7 {
			t.Errorf("tokens: got %d, want at most one for each that ran out", n)
		}
	})
	each("several requests renew it once", func(t *testing.T, b *bench, e TokenExpirer) {
		b.log(t, "before")
		e.ExpireTokens(t)
		before := e.TokensIssued(t)
		const workers = 8
		var group sync.WaitGroup
		for w := range workers {
			group.Go(func() {
				if _, err := b.client.LogEmail(t.Context(), Activity(fmt.Sprintf("renewed-%d", w))); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		for w := range workers {
			b.wantOne(t, fmt.Sprintf("renewed-%d", w))
		}
		if n := e.TokensIssued(t) - before; n != 1 {
			t.Errorf("tokens: got %d, want 1", n)
		}
	})
	each("withdrawn credentials stop the target", func(t *testing.T, b *bench, e TokenExpirer) {
		b.log(t, "before")
		e.RefuseCredentials(t)
		before := e.TokensIssued(t)
		_, err := b.client.LogEmail(t.Context(), Activity("after"))
		s.wantClass(t, err, crmclient.ClassAuth)
		_, err = b.client.FindContacts(t.Context(), []string{"li.lei@customer.example"})
		s.wantClass(t, err, crmclient.ClassAuth)
		if n := e.TokensIssued(t); n != before || len(b.records(t, "after")) != 0 {
			t.Error("something was written without credentials")
		}
	})
}
