package crmclient

import (
	"context"
	"sync"
	"time"
)

// Intent is what is known of a write.
type Intent struct {
	RemoteID string    // of what was written; empty: the outcome is not known
	Began    time.Time // when the write was first begun; zero: never
	Looked   string    // where a search for what was written stands, in the connector's own words; empty: at its beginning
}

// Intents remember over restarts what a connector is about to write, and what became of it. They are for CRMs in which a record cannot be
// found by a key of ours: who finds an intent without an outcome has to look, or to ask a person, before it writes again.
type Intents interface {
	// Begin notes durably that the write of key begins, and returns what was known before: nothing, if it is the first time.
	Begin(ctx context.Context, key string) (Intent, error)
	// Find returns what is known, and changes nothing.
	Find(ctx context.Context, key string) (Intent, error)
	// Done notes the id of what was written.
	Done(ctx context.Context, key, remoteID string) error
	// Looked notes where a search for what was written stands. For a key that was not begun it does nothing.
	Looked(ctx context.Context, key, where string) error
	// Forget drops the key: nothing was written, or it was deleted.
	Forget(ctx context.Context, key string) error
}

// MemoryIntents are Intents of this process only. The zero value is ready.
type MemoryIntents struct {
	mu sync.Mutex // guards m
	m  map[string]Intent
}

// Begin is that of Intents.
func (i *MemoryIntents) Begin(_ context.Context, key string) (Intent, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	before, known := i.m[key]
	if !known {
		if i.m == nil {
			i.m = map[string]Intent{}
		}
		i.m[key] = Intent{Began: time.Now()}
	}
	return before, nil
}

// Find is that of Intents.
func (i *MemoryIntents) Find(_ context.Context, key string) (Intent, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.m[key], nil
}

// Done is that of Intents.
func (i *MemoryIntents) Done(_ context.Context, key, remoteID string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.m == nil {
		i.m = map[string]Intent{}
	}
	i.m[key] = Intent{RemoteID: remoteID, Began: i.m[key].Began}
	return nil
}

// Looked is that of Intents.
func (i *MemoryIntents) Looked(_ context.Context, key, where string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if known, ok := i.m[key]; ok {
		known.Looked = where
		i.m[key] = known
	}
	return nil
}

// Forget is that of Intents.
func (i *MemoryIntents) Forget(_ context.Context, key string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.m, key)
	return nil
}
