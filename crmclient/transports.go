package crmclient

import (
	"errors"
	"net/url"
	"sync"
)

// Transports are those of a connection whose vendor has several hosts: of its regions, or one that only a token names. They may be used
// concurrently, and must be closed.
type Transports struct {
	New func(base *url.URL) (*Transport, error)

	mu sync.Mutex // guards by
	by map[string]*Transport
}

// To returns the transport to an address, which is made when it is asked for first.
func (t *Transports) To(base string) (*Transport, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if one, ok := t.by[base]; ok {
		return one, nil
	}
	u, err := ParseURL(base)
	if err != nil {
		return nil, err
	}
	one, err := t.New(u)
	if err != nil {
		return nil, err
	}
	if t.by == nil {
		t.by = map[string]*Transport{}
	}
	t.by[base] = one
	return one, nil
}

// Close closes idle connections.
func (t *Transports) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var errs []error
	for _, one := range t.by {
		errs = append(errs, one.Close())
	}
	return errors.Join(errs...)
}
