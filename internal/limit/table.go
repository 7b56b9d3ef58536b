package limit

import (
	"hash/maphash"
	"sync"
)

// shards is the number of locks of a table; a power of two above the number of
// cores of any machine we know.
const shards = 64

// table is a map with an expiry and a bounded number of keys. Each shard drops
// the key that was touched least recently when it is full. There is no sweeper:
// dead keys go when they are found or when they are the stalest.
type table[V any] struct {
	seed   maphash.Seed
	shards [shards]shard[V]
}

type shard[V any] struct {
	mu    sync.Mutex // guards all below
	nodes map[string]*node[V]
	ring  node[V] // ring.next is the freshest, ring.prev the stalest
	room  int
}

type node[V any] struct {
	next, prev *node[V]
	key        string
	expires    int64 // Unix microseconds
	value      V
}

func newTable[V any](keys int) *table[V] {
	t := &table[V]{seed: maphash.MakeSeed()}
	for i := range t.shards {
		s := &t.shards[i]
		s.nodes = make(map[string]*node[V])
		s.room = max(keys/shards, 1)
		s.ring.next, s.ring.prev = &s.ring, &s.ring
	}
	return t
}

// update runs f on the value of key under the key's lock. f is told when the
// value expires (0 and a zero value: there is none) and answers when it will; a
// time not after now drops the key.
func (t *table[V]) update(key string, now int64, f func(v *V, expires int64) int64) {
	s := &t.shards[maphash.String(t.seed, key)%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	n, found := s.nodes[key]
	if !found {
		n = &node[V]{key: key}
	} else {
		n.unlink()
		if n.expires <= now {
			*n = node[V]{key: key}
		}
	}
	n.expires = f(&n.value, n.expires)
	if n.expires <= now {
		delete(s.nodes, key)
		return
	}
	if !found && len(s.nodes) >= s.room {
		stalest := s.ring.prev
		stalest.unlink()
		delete(s.nodes, stalest.key)
	}
	s.nodes[key] = n
	n.linkAfter(&s.ring)
}

// get returns a copy of the value of key, without touching it.
func (t *table[V]) get(key string, now int64) (v V, ok bool) {
	s := &t.shards[maphash.String(t.seed, key)%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if n, found := s.nodes[key]; found && n.expires > now {
		return n.value, true
	}
	return v, false
}

func (t *table[V]) len() int {
	total := 0
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		total += len(s.nodes)
		s.mu.Unlock()
	}
	return total
}

func (n *node[V]) unlink() {
	n.prev.next, n.next.prev = n.next, n.prev
}

func (n *node[V]) linkAfter(at *node[V]) {
	n.prev, n.next = at, at.next
	at.next.prev, at.next = n, n
}
