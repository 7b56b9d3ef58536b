// Package oauth keeps the access tokens that gateways and connectors call others with.
//
// A Source gives the token of one connection: it fetches one when there is none or it is about to expire, once for
// all who ask at that moment, and anew when the other side refused it. How a token is got is a Fetch; those of OAuth 2.0
// (RFC 6749) are here, and a vendor with a way of its own brings its own.
package oauth

import (
	"context"
	"sync"
	"time"
)

// Token is what a vendor gave for some time.
type Token struct {
	Access  string            `json:"access"`
	Type    string            `json:"type,omitempty"`  // Bearer, usually
	Expires time.Time         `json:"expires"`         // zero: not told
	Extra   map[string]string `json:"extra,omitempty"` // what else the vendor said, such as instance_url
}

// Fetch gets a new token from its vendor.
type Fetch func(ctx context.Context) (Token, error)

// Source gives the token of one connection. It is safe for concurrent use.
type Source interface {
	// Token returns a token that is valid for a while, from memory where it can.
	Token(ctx context.Context) (Token, error)
	// Reject says that the other side did not take an access token, so that the next call of Token fetches
	// another. Of a token that was replaced meanwhile it does nothing.
	Reject(ctx context.Context, access string)
}

// early is how long before its end a token is replaced: a request that begins with it must end with it.
const early = time.Minute

// Keeper makes Sources. A nil Keeper makes Sources that share nothing with other nodes.
type Keeper struct{}

// Source returns the Source of a connection. Name tells it from all others of the company.
func (k *Keeper) Source(name string, fetch Fetch) Source {
	return &source{fetch: fetch, turn: make(chan struct{}, 1)}
}

// Refreshing returns the Source of a connection whose consent a person gave (RFC 6749, 6): by "heliograph account connect",
// or by a refresh token in the configuration, which is configured then and otherwise empty. A configured one that was not seen
// before replaces what is stored. Where the vendor answers with another refresh token, that is stored before the access token is used.
// A nil Keeper knows only what is configured, and forgets a replacement with the process.
func (k *Keeper) Refreshing(name string, p Poster, app App, configured string) Source {
	refresh := configured
	return k.Source(name, func(ctx context.Context) (Token, error) {
		if refresh == "" {
			return Token{}, explain(p, &Error{Code: CodeNotConnected})
		}
		token, next, err := app.refresh(ctx, p, refresh)
		if err == nil {
			refresh = next
		}
		return token, err
	})
}

type source struct {
	fetch Fetch
	turn  chan struct{} // one fetch at a time
	mu    sync.Mutex    // guards token
	token Token
}

func (s *source) current() (Token, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.token
	return t, t.Access != "" && (t.Expires.IsZero() || time.Until(t.Expires) > early)
}

func (s *source) Token(ctx context.Context) (Token, error) {
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
	t, err := s.fetch(ctx)
	if err != nil {
		return Token{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = t
	return t, nil
}

func (s *source) Reject(_ context.Context, access string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token.Access == access {
		s.token = Token{}
	}
}
