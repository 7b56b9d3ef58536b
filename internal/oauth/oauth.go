// Package oauth keeps the access tokens that gateways and connectors call others with.
//
// A Source gives the token of one connection: it fetches one when there is none or it is about to expire, once for
// all who ask at that moment, and anew when the other side refused it. How a token is got is a Fetch; those of OAuth 2.0
// (RFC 6749) are here, and a vendor with a way of its own brings its own.
//
// A Keeper stores what its Sources get, encrypted, in the database that all nodes share. The store is the truth:
// one row per connection, of which one node at a time gets a new token (it puts a lease into the row before it asks), and a
// row is only replaced by who has seen what is in it (a version). So a refresh token that is good for one use is used once, and
// the one that replaces it is durable before anybody sees the access token that came with it.
//
// One moment stays open: a vendor that has answered with a new refresh token, and a process that dies before the answer is
// stored. It lasts as long as one transaction. The row keeps the old refresh token then; the next who needs a token waits for the
// lease to end (at most leaseTime) and tries it. Microsoft, Google and Zoho still take it; of a vendor that does not, the
// error says that a refresh was cut off, and a person connects again. If only the store fails, the answer stays in memory and is
// written as soon as that goes.
//
//   - oauth.go: Token, Source, Fetch.
//   - fetch.go, jwt.go, errors.go: the grants of OAuth 2.0 that need no person, and their errors.
//   - code.go, device.go: those that begin with a person.
//   - keeper.go, rows.go: what is stored. kept.go: the Source over it. memory.go: the one over nothing.
//
// The package opens no connection: requests go through a Poster. Passwords of users are not traded for tokens (RFC 6749, 4.3).
package oauth

import (
	"context"
	"time"
)

// Token is what a vendor gave for some time.
type Token struct {
	Access  string            `json:"access"`
	Type    string            `json:"type,omitempty"`   // Bearer, usually
	Expires time.Time         `json:"expires,omitzero"` // zero: not told
	Extra   map[string]string `json:"extra,omitempty"`  // what else the vendor said, such as instance_url
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

// usable says whether a token that was got at a time is still good enough. Of a short life the last quarter is left out.
func (t Token) usable(got, now time.Time) bool {
	if t.Access == "" {
		return false
	}
	if t.Expires.IsZero() {
		return true
	}
	return now.Before(t.Expires.Add(-min(early, t.Expires.Sub(got)/4)))
}
