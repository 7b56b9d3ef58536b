package crmclient

import (
	"slices"
	"sync"
	"time"
)

// Cache keeps by name what was read of a CRM, for a while. With Now it is ready, and may be used concurrently.
type Cache[T any] struct {
	Now func() time.Time
	For time.Duration // how long a value is believed; 0: a quarter of an hour

	mu   sync.Mutex // guards kept
	kept map[string]keptValue[T]
}

type keptValue[T any] struct {
	value  T
	absent bool
	until  time.Time
}

const (
	usualCacheTime = 15 * time.Minute
	maxCached      = 20_000 // beyond, the cache begins anew
)

// Read returns what is kept, or what read returns, and keeps it. Several may read at once.
func (c *Cache[T]) Read(name string, read func() (T, error)) (T, error) {
	if v, ok := c.Get(name); ok {
		return v, nil
	}
	v, err := read()
	if err == nil {
		c.Put(name, v)
	}
	return v, err
}

// ReadAll returns what has the names. Those that are not kept, each once and in order, are read; what read does not return is not there, which
// is kept, too.
func (c *Cache[T]) ReadAll(names []string, read func(names []string) (map[string]T, error)) (map[string]T, error) {
	out := map[string]T{}
	var ask []string
	for _, name := range names {
		switch k, ok := c.get(name); {
		case !ok:
			ask = append(ask, name)
		case !k.absent:
			out[name] = k.value
		}
	}
	if len(ask) == 0 {
		return out, nil
	}
	slices.Sort(ask)
	ask = slices.Compact(ask)
	got, err := read(ask)
	if err != nil {
		return nil, err
	}
	for _, name := range ask {
		v, there := got[name]
		c.put(name, keptValue[T]{value: v, absent: !there})
		if there {
			out[name] = v
		}
	}
	return out, nil
}

// Get returns what is kept.
func (c *Cache[T]) Get(name string) (T, bool) {
	k, ok := c.get(name)
	return k.value, ok && !k.absent
}

// Put keeps a value.
func (c *Cache[T]) Put(name string, value T) { c.put(name, keptValue[T]{value: value}) }

func (c *Cache[T]) get(name string) (keptValue[T], bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.kept[name]
	return k, ok && c.Now().Before(k.until)
}

func (c *Cache[T]) put(name string, k keptValue[T]) {
	k.until = c.Now().Add(usualCacheTime)
	if c.For > 0 {
		k.until = c.Now().Add(c.For)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept == nil || len(c.kept) >= maxCached {
		c.kept = map[string]keptValue[T]{}
	}
	c.kept[name] = k
}
