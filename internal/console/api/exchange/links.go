package exchange

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"heliograph/internal/console/api"
	"heliograph/internal/limit"
	"heliograph/internal/store"
)

// linkLife is how long a link waits for its one use.
const linkLife = 7 * 24 * time.Hour

// linkRate is how often one address may try links.
var linkRate = limit.Rate{Count: 20, Per: time.Minute}

var errNoLink = api.NotFound("no_such_link", "the link is not valid any more, or never was")

func hashOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// CreateOnboardingLink makes a link that shows somebody's settings once.
func (p *Part) CreateOnboardingLink(ctx context.Context, r CreateOnboardingLinkRequestObject) (CreateOnboardingLinkResponseObject, error) {
	c, address := caller(ctx), strings.ToLower(r.Address)
	if !c.Sees(address) {
		return nil, errNoSettings
	}
	if p.o.PublicURL == "" {
		return nil, api.Conflict("no_public_url", "nobody outside reaches the console", "Set console.public_url.")
	}
	if _, err := p.settings(ctx, address, false); err != nil {
		return nil, err
	}
	token, now := rand.Text(), p.o.Now()
	expires := now.Add(linkLife)
	err := p.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM onboarding_links WHERE address = $1 OR expires_at < $2`, address, store.Micros(now))
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO onboarding_links (token_hash, address, made_by, made_at, expires_at, used_at) VALUES ($1, $2, $3, $4, $5, 0)`,
			hashOf(token), address, c.Person.Email, store.Micros(now), store.Micros(expires))
		return err
	})
	if err != nil {
		return nil, err
	}
	return CreateOnboardingLink201JSONResponse{Url: p.o.PublicURL + "/onboarding#" + token, ExpiresAt: expires.UTC()}, nil
}

// RedeemOnboardingLink shows the settings behind a link, and ends it.
func (p *Part) RedeemOnboardingLink(ctx context.Context, r RedeemOnboardingLinkRequestObject) (RedeemOnboardingLinkResponseObject, error) {
	if p.o.Limiter != nil {
		d, err := p.o.Limiter.Allow(ctx, "onboarding links:"+api.Client(ctx).String(), linkRate, 1)
		if err == nil && !d.Allowed {
			e := api.Fail(429, "too_many_tries", "too many links were tried", "Try again in a minute.")
			e.RetryAfter = d.RetryAfter
			return nil, e
		}
	}
	var address string
	err := p.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		now, hash := store.Micros(p.o.Now()), hashOf(r.Body.Token)
		result, err := tx.ExecContext(ctx, `UPDATE onboarding_links SET used_at = $2 WHERE token_hash = $1 AND used_at = 0 AND expires_at > $2`, hash, now)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return errors.Join(errNoLink, err)
		}
		return tx.QueryRowContext(ctx, `SELECT address FROM onboarding_links WHERE token_hash = $1`, hash).Scan(&address)
	})
	if errors.Is(err, sql.ErrNoRows) || errors.Is(err, errNoLink) {
		return nil, errNoLink
	}
	if err != nil {
		return nil, err
	}
	out, err := p.settings(ctx, address, false)
	if err != nil {
		return nil, err
	}
	return RedeemOnboardingLink200JSONResponse(*out), nil
}
