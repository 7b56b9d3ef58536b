package accounts

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// passwordPrefix begins each gateway password.
const passwordPrefix = "hg-"

// passwordLength is that of all of them: the prefix, and five groups of five letters and digits with hyphens between.
const passwordLength = len(passwordPrefix) + 29

// hashCost is bcrypt's. The passwords are random, 125 bits, so that the hash need not be slow to be safe; this one costs a core some 20 ms
// at the first login of a process.
const hashCost = 8

// newPassword makes a gateway password.
func newPassword() string {
	text := strings.ToLower(rand.Text())[:25]
	var groups []string
	for i := 0; i < len(text); i += 5 {
		groups = append(groups, text[i:i+5])
	}
	return passwordPrefix + strings.Join(groups, "-")
}

// IsPassword reports whether a password has the form of a gateway password. All others are the provider's.
func IsPassword(password []byte) bool {
	return len(password) == passwordLength && bytes.HasPrefix(password, []byte(passwordPrefix))
}

// ErrPassword says that a gateway password is wrong, or that the account has none.
var ErrPassword = errors.New("the gateway password is wrong")

// Open returns the account of a gateway password at an upstream. The error wraps ErrPassword where the password is wrong or nobody of
// that name is enrolled there, which is not told apart; any other says that it cannot be known now.
func (b *Book) Open(ctx context.Context, upstream, user string, password []byte) (*Account, error) {
	c, err := b.find(ctx, Address(user))
	if err != nil {
		return nil, err
	}
	if !c.found || c.Upstream != upstream || c.hash == "" {
		return nil, ErrPassword
	}
	digest := hmac.New(sha256.New, b.key)
	digest.Write([]byte(c.hash))
	digest.Write(password)
	sum := digest.Sum(nil)
	b.mu.Lock()
	proven := c.proven
	b.mu.Unlock()
	if !hmac.Equal(proven, sum) {
		if bcrypt.CompareHashAndPassword([]byte(c.hash), password) != nil {
			return nil, ErrPassword
		}
		b.mu.Lock()
		c.proven = sum
		b.mu.Unlock()
	}
	return &Account{book: b, Enrolment: c.Enrolment}, nil
}
