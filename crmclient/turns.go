package crmclient

import (
	"context"
	"strings"
	"sync"
)

// Turns lets one at a time do what has a key. Connectors whose CRM has no unique field look a key up before they write it, and
// nobody may write it in between. Among nodes the queue sees to that. The zero value is ready.
type Turns struct {
	mu    sync.Mutex // guards taken
	taken map[string]chan struct{}
}

// Take waits until nobody else has the key. The caller must call release. The error is of ClassRetry, when ctx ends first.
func (t *Turns) Take(ctx context.Context, key string) (release func(), err error) {
	for {
		other, release := t.try(key)
		if release != nil {
			return release, nil
		}
		select {
		case <-other:
		case <-ctx.Done():
			return nil, networkError(ctx, ctx.Err())
		}
	}
}

// Person makes a person of a kind (KindContact, KindLead) unless find finds one with the address. As most CRMs let several have one address,
// one at a time does so. A lead does not stand in for a contact, but a contact for a lead; without a kind anybody will do. Both functions get the address as it is compared:
// in lower case, without blanks around it.
func (t *Turns) Person(ctx context.Context, kind, address string, find func(context.Context, []string) ([]Contact, error), create func(address string) (Contact, error)) (Contact, error) {
	address = strings.ToLower(strings.TrimSpace(address))
	release, err := t.Take(ctx, "person:"+address)
	if err != nil {
		return Contact{}, err
	}
	defer release()
	found, err := find(ctx, []string{address})
	if err != nil {
		return Contact{}, err
	}
	for _, f := range found {
		if f.Kind == kind || f.Kind == KindContact || kind == "" {
			return f, nil
		}
	}
	return create(address)
}

// try takes the key, or returns what is closed when it is free.
func (t *Turns) try(key string) (other <-chan struct{}, release func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if done, busy := t.taken[key]; busy {
		return done, nil
	}
	if t.taken == nil {
		t.taken = map[string]chan struct{}{}
	}
	done := make(chan struct{})
	t.taken[key] = done
	return nil, func() {
		t.mu.Lock()
		delete(t.taken, key)
		t.mu.Unlock()
		close(done)
	}
}
