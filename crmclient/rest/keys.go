package rest

import (
	"context"
	"sync"
)

// keyLocks lets one call at a time look for a key and write it. Between nodes, the queue's order keys do that.
type keyLocks struct {
	mu   sync.Mutex // guards held
	held map[string]*keyLock
}

type keyLock struct {
	turn    chan struct{}
	waiting int
}

// lock waits for the key. The caller calls unlock, unless there is an error.
func (k *keyLocks) lock(ctx context.Context, key string) (unlock func(), err error) {
	k.mu.Lock()
	l, ok := k.held[key]
	if !ok {
		if k.held == nil {
			k.held = map[string]*keyLock{}
		}
		l = &keyLock{turn: make(chan struct{}, 1)}
		k.held[key] = l
	}
	l.waiting++
	k.mu.Unlock()
	leave := func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if l.waiting--; l.waiting == 0 {
			delete(k.held, key)
		}
	}
	select {
	case l.turn <- struct{}{}:
		return func() { <-l.turn; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, context.Cause(ctx)
	}
}
