package limit

import (
	"context"
	"time"
)

// defaultKeys is enough for 100,000 users at a few addresses each; full, a
// Memory of that size takes some 100 MB.
const defaultKeys = 1 << 18

// MemoryOptions are the settings of a [Memory].
type MemoryOptions struct {
	// Keys bounds the number of keys of each kind (rates, claims, failures, known
	// places). Past it the key that was used least recently is forgotten. Zero means 262,144.
	Keys int
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Memory keeps counters in this process. It runs no goroutine.
type Memory struct {
	now     func() time.Time
	rates   *table[int64]
	claims  *table[string]
	strikes *table[strikes]
	known   *table[struct{}]
}

// NewMemory returns an empty Memory.
func NewMemory(o MemoryOptions) *Memory {
	if o.Keys <= 0 {
		o.Keys = defaultKeys
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Memory{
		now:     o.Now,
		rates:   newTable[int64](o.Keys),
		claims:  newTable[string](o.Keys),
		strikes: newTable[strikes](o.Keys),
		known:   newTable[struct{}](o.Keys),
	}
}

// Close does nothing; it is there for [Backend].
func (m *Memory) Close() error { return nil }

func (m *Memory) micros() int64 { return m.now().UnixMicro() }

// Allow is [Limiter].Allow.
func (m *Memory) Allow(_ context.Context, key string, r Rate, n int) (Decision, error) {
	p, limited := planOf(r)
	if !limited {
		return unlimited(), nil
	}
	now := m.micros()
	var d Decision
	m.rates.update(shortKey(key), now, func(tat *int64, _ int64) int64 {
		*tat, d = gcra(*tat, now, p, max(n, 0))
		return *tat
	})
	return d, nil
}

// Claim is [Claimer].Claim.
func (m *Memory) Claim(_ context.Context, key, owner string, ttl time.Duration) (bool, error) {
	return m.hold(key, owner, ttl, true), nil
}

// Extend is [Claimer].Extend.
func (m *Memory) Extend(_ context.Context, key, owner string, ttl time.Duration) (bool, error) {
	return m.hold(key, owner, ttl, false), nil
}

func (m *Memory) hold(key, owner string, ttl time.Duration, take bool) (held bool) {
	now := m.micros()
	key = shortKey(key)
	expires := now + millis(ttl)*1000
	m.claims.update(key, now, func(v *string, old int64) int64 {
		free := old == 0 && take
		if held = free || (old != 0 && *v == owner); !held {
			return old
		}
		*v = owner
		return expires
	})
	return held
}

// Release is [Claimer].Release.
func (m *Memory) Release(_ context.Context, key, owner string) error {
	m.claims.update(shortKey(key), m.micros(), func(v *string, old int64) int64 {
		if *v == owner {
			return 0
		}
		return old
	})
	return nil
}

func (m *Memory) guardWait(_ context.Context, k guardKeys) (time.Duration, error) {
	now := m.micros()
	if _, known := m.known.get(k.known, now); known {
		return m.wait(k.pair, now), nil
	}
	return max(m.wait(k.address, now), m.wait(k.user, now)), nil
}

func (m *Memory) wait(key string, now int64) time.Duration {
	s, _ := m.strikes.get(key, now)
	return s.wait(now)
}

func (m *Memory) guardFailed(_ context.Context, k guardKeys, r guardRules) error {
	now := m.micros()
	fail := func(key string) {
		m.strikes.update(key, now, func(s *strikes, _ int64) int64 {
			s.fail(now, r)
			return s.expires()
		})
	}
	if _, known := m.known.get(k.known, now); known {
		fail(k.pair)
		return nil
	}
	fail(k.address)
	fail(k.user)
	return nil
}

func (m *Memory) guardSucceeded(_ context.Context, k guardKeys) error {
	now := m.micros()
	drop := func(*strikes, int64) int64 { return 0 }
	// A success at a known place says nothing about failures elsewhere: a mail
	// program that polls must not reset what a guesser has earned.
	if _, known := m.known.get(k.known, now); !known {
		m.strikes.update(k.user, now, drop)
	}
	m.known.update(k.known, now, func(*struct{}, int64) int64 { return now + knownFor.Microseconds() })
	m.strikes.update(k.pair, now, drop)
	return nil
}
