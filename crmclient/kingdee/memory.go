package kingdee

import "sync"

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
