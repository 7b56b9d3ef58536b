package rest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"heliograph/crmclient"
	"heliograph/internal/oauth"
)

const (
	maxToken    = 8 << 10 // bytes; HTTP servers take no longer header
	maxLifetime = 30 * 24 * time.Hour
)

// login is a compiled Login.
type login struct {
	value, expiresIn *extractor
}

// fetchToken returns the request for a token as internal/oauth wants it.
func (c *Client) fetchToken(l *Login, op *operation) oauth.Fetch {
	parsed := c.login
	return func(ctx context.Context) (oauth.Token, error) {
		asked := c.now()
		r, err := c.send(ctx, op, c.common(), pageState{}, "")
		if err != nil {
			// A login that is refused is not cured by another one.
			return oauth.Token{}, withoutExpiry(err)
		}
		at := r.place(r.root, c.common())
		access, err := parsed.value.text(at)
		if err != nil || access == "" || len(access) > maxToken {
			return oauth.Token{}, &crmclient.Error{
				Class: crmclient.ClassRetry, Status: r.status, RequestID: r.requestID,
				Message: "login: the answer has no token where auth.login.value says",
			}
		}
		t := oauth.Token{Access: access}
		lifetime := l.Lifetime.D()
		if seconds, err := parsed.expiresIn.text(at); err == nil && seconds != "" {
			n, err := strconv.ParseFloat(seconds, 64)
			if err == nil && n > 0 && n < maxLifetime.Seconds() {
				lifetime = time.Duration(n * float64(time.Second))
			}
		}
		if lifetime > 0 {
			t.Expires = asked.Add(lifetime)
		}
		return t, nil
	}
}

// withoutExpiry makes an error of the login one that does not ask for another login.
func withoutExpiry(err error) error {
	var e *crmclient.Error
	if !errors.As(err, &e) || !errors.Is(e.Err, errExpired) {
		return err
	}
	plain := *e
	plain.Err = nil
	return fmt.Errorf("login: %w", &plain)
}
