package oauth

import (
	"context"
	"sync"
	"time"
)

// memory is a Source that shares nothing with other nodes.
type memory struct {
	fetch Fetch
	turn  chan struct{} // one fetch at a time

	mu    sync.Mutex // guards the fields below
	token Token
	got   time.Time
}

func newMemory(fetch Fetch) *memory {
	return &memory{fetch: fetch, turn: make(chan struct{}, 1)}
}

func (s *memory) current() (Token, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token, s.token.usable(s.got, time.Now())
}

// Token implements Source.
func (s *memory) Token(ctx context.Context) (Token, error) {
	if t, ok := s.current(); ok {
		return t, nil
	}
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return Token{}, context.Cause(ctx)
	}
	defer func() { <-s.turn }()
	if t, ok := s.current(); ok {
		return t, nil
	}
	asked := time.Now()
	t, err := s.fetch(ctx)
	if err != nil {
		return Token{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token, s.got = t, asked
	return t, nil
}

// Reject implements Source.
func (s *memory) Reject(_ context.Context, access string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token.Access == access {
		s.token = Token{}
	}
}
