// Package limit counts things that must not happen too often: mails per user
// and hour, failed logins per address, one worker per claim.
//
// The main idea: one small [Backend] with two homes. [Memory] keeps the
// counters in this process; [Redis] keeps them where all nodes see them, and
// answers from a Memory of its own while Redis is away. Both run the same
// algorithms (in Go and in Lua), proven by one suite over both.
//
// What is kept here is ephemeral. Losing all of it at any moment loses no mail
// and doubles none, because the store has the unique keys; a claim is a way to
// save work, not a lock that guards data, and carries no fencing token. For the
// same reason no method ever makes a caller wait on a broken Redis: each call
// is bounded by [RedisOptions.Timeout].
//
// The package does not decide what is limited nor what happens then, and it
// does not count refusals: the caller knows the reason.
package limit

import (
	"context"
	"time"
)

// Rate is how often something may happen: Count times in each Per, of which
// Burst at once.
type Rate struct {
	Count int           // zero or less means no limit
	Per   time.Duration // zero means a second
	Burst int           // zero means Count
}

// Decision is the answer of a [Limiter].
type Decision struct {
	Allowed bool
	// RetryAfter is the time after which the same request would be allowed. It is
	// zero when Allowed, and negative when the request asks for more than Burst
	// and so can never be allowed.
	RetryAfter time.Duration
	// Remaining is how many more would be allowed now.
	Remaining int
}

// Limiter answers whether something may happen once more. It may be called
// concurrently.
type Limiter interface {
	// Allow takes n from the rate of key, all or nothing. A refused request costs
	// nothing; n = 0 only looks. The algorithm is GCRA: a leaky bucket that stores
	// one time per key. A key is used with one rate at a time; a new rate takes
	// over what was used. The error is nil unless the limiter cannot decide, which
	// neither Memory nor Redis ever says.
	Allow(ctx context.Context, key string, r Rate, n int) (Decision, error)
}

// Claimer hands out claims: names that one owner holds for a time. It may be
// called concurrently.
type Claimer interface {
	// Claim takes key for owner until ttl has passed and reports whether owner has
	// it now. An owner that has it already gets it again, with the new ttl, so that
	// a repeat after a lost answer is harmless. The owner is a token that nobody
	// else uses.
	Claim(ctx context.Context, key, owner string, ttl time.Duration) (bool, error)
	// Extend gives owner's claim a new ttl and reports whether owner still had it.
	Extend(ctx context.Context, key, owner string, ttl time.Duration) (bool, error)
	// Release gives key back if owner has it. It is no error if owner has not.
	Release(ctx context.Context, key, owner string) error
}

// Backend is a home of counters: [Memory] or [Redis].
type Backend interface {
	Limiter
	Claimer
	guard
	// Close stops what the backend runs. The backend must not be used afterwards.
	Close() error
}

var (
	_ Backend = (*Memory)(nil)
	_ Backend = (*Redis)(nil)
)
