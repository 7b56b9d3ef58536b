package kingdee

import (
	"context"
	"sync"
)

// turns lets one at a time work on a key: looking for a record and making it must not be done by two at once.
type turns struct {
	mu   sync.Mutex // guards busy
	busy map[string]chan struct{}
}

// enter waits for the key. Who gets it calls done.
func (t *turns) enter(ctx context.Context, key string) (done func(), err error) {
	for {
		t.mu.Lock()
		other, taken := t.busy[key]
		if !taken {
			if t.busy == nil {
				t.busy = map[string]chan struct{}{}
			}
			mine := make(chan struct{})
			t.busy[key] = mine
			t.mu.Unlock()
			return func() {
				t.mu.Lock()
				delete(t.busy, key)
				t.mu.Unlock()
				close(mine)
			}, nil
		}
		t.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// memory keeps a bounded number of texts by key.
type memory struct {
	mu sync.Mutex // guards m
	m  map[string]string
}

// maxMemory is enough for the people of a busy hour; beyond it the memory begins anew.
const maxMemory = 4096

func (m *memory) get(key string) (string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.m[key]
	return v, ok
}

func (m *memory) put(key, value string) {
	if key == "" || value == "" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.m == nil || len(m.m) >= maxMemory {
		m.m = map[string]string{}
	}
	m.m[key] = value
}
