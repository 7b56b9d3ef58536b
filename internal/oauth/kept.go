package oauth

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// kept is a Source whose tokens are stored.
type kept struct {
	k        *keeper
	name     string
	kind     string
	seed     string // of the configured refresh token; empty: whatever is stored
	settings string
	// get asks the vendor for a token, with what is stored.
	get   func(ctx context.Context, r row) (secrets, error)
	owner string        // in leases
	turn  chan struct{} // one renewal at a time

	mu        sync.Mutex // guards the fields below
	token     Token
	got       time.Time
	version   int64     // of the row that token is of
	checked   time.Time // when the row was last known to have it
	rejected  string    // the access token that the other side did not take
	refused   error     // what no retry helps against
	refusedAt time.Time
	refusedOf int64 // the version that refused is about
	unsaved   *answer
}

// answer is what a vendor gave and the store did not take yet.
type answer struct {
	seen row
	next secrets
}

// Token implements Source.
func (s *kept) Token(ctx context.Context) (Token, error) {
	t, ok, fresh := s.current()
	if ok && fresh {
		return t, nil
	}
	if ok { // usable, but somebody may have replaced or revoked it
		select {
		case s.turn <- struct{}{}:
			same := s.check(ctx)
			<-s.turn
			if same {
				return t, nil
			}
		default:
			return t, nil // another one looks
		}
	}
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return Token{}, context.Cause(ctx)
	}
	type result struct {
		Token
		error
	}
	done := make(chan result, 1)
	// The renewal goes on when the caller gives up: an answer with a new refresh token must not be lost.
	detached := context.WithoutCancel(ctx)
	if !s.k.begin(func() {
		defer func() { <-s.turn }()
		t, err := s.renew(detached)
		done <- result{t, err}
	}) {
		<-s.turn
		return Token{}, errClosed
	}
	select {
	case r := <-done:
		return r.Token, r.error
	case <-ctx.Done():
		return Token{}, context.Cause(ctx)
	}
}

// Reject implements Source. Other nodes need not hear of it: they are told by the other side as well.
func (s *kept) Reject(_ context.Context, access string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if access == "" || s.token.Access != access {
		return
	}
	s.token, s.rejected = Token{}, access
}

// current returns the token in memory, whether it is usable, and whether the store need not be looked at.
func (s *kept) current() (t Token, ok, fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.k.now()
	age := now.Sub(s.checked)
	return s.token, s.token.usable(s.got, now), age >= 0 && age < checkTime
}

// check tells whether the store still has the row that the token is of. Without an answer the token counts as good: mail comes first.
func (s *kept) check(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	v, err := s.k.version(ctx, s.name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && v != s.version {
		s.token = Token{}
		return false
	}
	s.checked = s.k.now()
	return true
}

// renew returns the stored token if it is good, and else has one fetched, by this node or another.
func (s *kept) renew(ctx context.Context) (Token, error) {
	if t, ok, fresh := s.current(); ok && fresh {
		return t, nil
	}
	if t, ok, err := s.flush(ctx); ok || err != nil {
		return t, err
	}
	began := s.k.now()
	for {
		r, t, err := s.look(ctx)
		if err != nil || t.Access != "" {
			return t, err
		}
		if err := s.remembered(r); err != nil {
			return Token{}, err
		}
		lctx, cancel := context.WithTimeout(ctx, storeTime)
		r, got, err := s.k.lease(lctx, s.name, s.kind, s.owner)
		cancel()
		switch {
		case err != nil:
			return s.withoutStore(ctx, err)
		case got, s.kind == KindToken && s.k.now().Sub(began) > tokenWait:
			return s.fetch(ctx, r)
		case s.k.now().Sub(began) > renewTime:
			return Token{}, errBusy
		}
		select {
		case <-time.After(pollTime):
		case <-s.k.waiting.Done():
			return Token{}, errClosed
		}
	}
}

// look returns what is stored, and its token where that is good.
func (s *kept) look(ctx context.Context) (row, Token, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	r, found, err := s.k.load(ctx, s.k.db.Reader(), s.name)
	if err != nil {
		t, err := s.withoutStore(context.WithoutCancel(ctx), err)
		return r, t, err
	}
	if found && s.good(r) {
		s.adopt(r.version, r.secrets)
		return r, r.Token, nil
	}
	return r, Token{}, nil
}

// good says whether the token of a row can be used.
func (s *kept) good(r row) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return r.Token.usable(r.Got, s.k.now()) && r.Token.Access != s.rejected && r.Settings == s.settings && (s.seed == "" || r.Seed == s.seed)
}

func (s *kept) adopt(version int64, from secrets) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token, s.got, s.version, s.checked, s.refused = from.Token, from.Got, version, s.k.now(), nil
}

// remembered returns a refusal that still holds.
func (s *kept) remembered(r row) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused != nil && s.refusedOf == r.version && s.k.now().Sub(s.refusedAt) < refusedTime {
		return s.refused
	}
	return nil
}

// fetch asks the vendor and stores the answer. The lease is ours.
func (s *kept) fetch(ctx context.Context, r row) (Token, error) {
	if s.good(r) { // another node was done just before
		s.release(ctx, "")
		s.adopt(r.version, r.secrets)
		return r.Token, nil
	}
	fctx, cancel := context.WithTimeout(ctx, fetchTime)
	next, err := s.get(fctx, r)
	cancel()
	s.k.count(s.name, err)
	if err != nil {
		return s.failed(ctx, r, err)
	}
	next.Settings, next.Password = s.settings, r.Password
	return s.save(ctx, answer{r, next})
}

func (s *kept) failed(ctx context.Context, r row, err error) (Token, error) {
	if KindOf(err) == Passing {
		s.release(ctx, "")
		if r.Token.Access != "" && s.k.now().Before(r.Token.Expires) && s.stillGood(r) {
			return r.Token, nil // it has seconds left, and maybe that is enough
		}
		return Token{}, err
	}
	s.release(ctx, trouble(err))
	s.mu.Lock()
	s.refused, s.refusedAt, s.refusedOf = err, s.k.now(), r.version
	s.mu.Unlock()
	return Token{}, err
}

func (s *kept) stillGood(r row) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return r.Token.Access != s.rejected && r.Settings == s.settings && (s.seed == "" || r.Seed == s.seed)
}

// trouble is what is kept of an error for who asks.
func trouble(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Error()
	}
	return clean(err.Error(), nil)
}

func (s *kept) release(ctx context.Context, trouble string) {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	if err := s.k.fail(ctx, s.name, s.owner, trouble); err != nil {
		s.k.log.WarnContext(ctx, "a lease of a grant was not given back; it ends by itself", "grant", s.name, "err", err)
	}
}

// save stores an answer. One with a new refresh token may be used only then.
func (s *kept) save(ctx context.Context, a answer) (Token, error) {
	sctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	version, ok, err := s.k.replace(sctx, a.seen, s.kind, a.next)
	switch {
	case err != nil && a.next.Refresh == a.seen.Refresh: // nothing is lost
		s.k.log.WarnContext(ctx, "an access token could not be stored; this node uses it alone", "grant", s.name, "err", err)
		s.adopt(a.seen.version, a.next)
		return a.next.Token, nil
	case err != nil:
		s.mu.Lock()
		s.unsaved = &a
		s.mu.Unlock()
		s.k.remember(s)
		return Token{}, fmt.Errorf("the vendor gave a token, but it cannot be stored: %w", err)
	}
	s.mu.Lock()
	s.unsaved = nil
	s.mu.Unlock()
	if !ok { // a person revoked or replaced the grant while we asked
		return Token{}, fmt.Errorf("get a token: %w", &Error{Code: "replaced", Description: "the grant was changed meanwhile"})
	}
	s.adopt(version, a.next)
	return a.next.Token, nil
}

// flush stores an answer that could not be stored before.
func (s *kept) flush(ctx context.Context) (Token, bool, error) {
	s.mu.Lock()
	a := s.unsaved
	s.mu.Unlock()
	if a == nil {
		return Token{}, false, nil
	}
	t, err := s.save(ctx, *a)
	s.mu.Lock()
	pending := s.unsaved != nil
	s.mu.Unlock()
	if err != nil && !pending {
		return Token{}, false, nil // overtaken: look what is there now
	}
	return t, err == nil && t.usable(a.next.Got, s.k.now()), err
}

// withoutStore gets a token that can be got again at any time, and does without the store.
func (s *kept) withoutStore(ctx context.Context, cause error) (Token, error) {
	if s.kind != KindToken {
		return Token{}, cause
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	next, err := s.get(ctx, row{name: s.name})
	s.k.count(s.name, err)
	if err != nil {
		return Token{}, err
	}
	s.k.log.WarnContext(ctx, "the store of tokens is away; this node got one of its own", "grant", s.name, "err", cause)
	s.adopt(0, next)
	return next.Token, nil
}
