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

func TestPerson(t *testing.T) {
	t.Parallel()
	lead, contact := Contact{ID: "1", Kind: KindLead}, Contact{ID: "2", Kind: KindContact}
	for name, c := range map[string]struct {
		kind  string
		there []Contact
		want  string
	}{
		"nobody":                 {KindContact, nil, "new"},
		"the contact":            {KindContact, []Contact{lead, contact}, "2"},
		"a lead is no contact":   {KindContact, []Contact{lead}, "new"},
		"the lead":               {KindLead, []Contact{lead}, "1"},
		"a contact for a lead":   {KindLead, []Contact{contact}, "2"},
		"anybody":                {"", []Contact{lead}, "1"},
		"a company is no person": {KindContact, []Contact{{ID: "3", Kind: "company"}}, "new"},
	} {
		var turns Turns
		find := func(_ context.Context, addresses []string) ([]Contact, error) {
			if len(addresses) != 1 || addresses[0] != "li.lei@customer.example" {
				t.Errorf("%s: looked for %q", name, addresses)
			}
			return c.there, nil
		}
		got, err := turns.Person(t.Context(), c.kind, " Li.Lei@Customer.example", find, func(address string) (Contact, error) {
			return Contact{ID: "new", Address: address}, nil
		})
		if err != nil || got.ID != c.want || got.ID == "new" && got.Address != "li.lei@customer.example" {
			t.Errorf("%s: got %+v, %v; want %s", name, got, err, c.want)
		}
	}
}

func TestPersonIsMadeOnce(t *testing.T) {
	t.Parallel()
	var (
		turns Turns
		group sync.WaitGroup
		there []Contact // one at a time has it: that is what is tested
	)
	for i := range 50 {
		address := []string{"li.lei@customer.example", "LI.LEI@customer.example"}[i%2]
		group.Go(func() {
			_, err := turns.Person(t.Context(), KindContact, address,
				func(context.Context, []string) ([]Contact, error) { return there, nil },
				func(address string) (Contact, error) {
					there = append(there, Contact{ID: "1", Kind: KindContact, Address: address})
					return there[0], nil
				})
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if len(there) != 1 {
		t.Errorf("%d people were made, want 1", len(there))
	}
	broken := errors.New("the CRM is away")
	_, err := turns.Person(t.Context(), KindContact, "a@b.example", func(context.Context, []string) ([]Contact, error) { return nil, broken }, nil)
	if !errors.Is(err, broken) || len(turns.taken) != 0 {
		t.Errorf("got %v, %d turns left", err, len(turns.taken))
	}
}
