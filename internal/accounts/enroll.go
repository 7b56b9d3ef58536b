package accounts

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/bcrypt"

	"heliograph/config"
	"heliograph/internal/oauth"
	"heliograph/internal/store"
)

// Way is how an account is enrolled.
type Way string

// The ways.
const (
	WayCode     Way = "code"     // the employee agrees in a browser (authorization code)
	WayDevice   Way = "device"   // the employee agrees in a browser on any device (device code)
	WayPassword Way = "password" // the employee gives an app password or authorization code
	WayNone     Way = "none"     // the application has rights of its own
)

// Ways returns how accounts of an upstream can be enrolled, the best first. The error says why they cannot.
func (b *Book) Ways(upstream string) ([]Way, error) {
	p := b.upstreams[upstream]
	switch {
	case p == nil:
		return nil, fmt.Errorf("there is no upstream %s", upstream)
	case !p.has():
		return []Way{WayPassword}, nil
	case p.cfg.Grant != config.GrantConsent:
		return []Way{WayNone}, nil
	}
	var ways []Way
	if p.cfg.DeviceURL != "" {
		ways = append(ways, WayDevice)
	}
	if p.cfg.AuthorizeURL != "" {
		ways = append(ways, WayCode)
	}
	return append(ways, WayPassword), nil
}

// BeginCode starts the authorization of an account by a browser.
func (b *Book) BeginCode(upstream, login, redirect string) (*oauth.Flow, error) {
	p, err := b.application(upstream)
	if err != nil {
		return nil, err
	}
	return p.app().Begin(p.cfg.AuthorizeURL, redirect, p.authorizeParams(login))
}

// FinishCode trades what the browser brought back.
func (b *Book) FinishCode(ctx context.Context, upstream string, f *oauth.Flow, callback string) (oauth.Consent, error) {
	p, err := b.application(upstream)
	if err != nil {
		return oauth.Consent{}, err
	}
	return f.Finish(ctx, p.token, callback)
}

// BeginDevice starts the authorization of an account by a device code.
func (b *Book) BeginDevice(ctx context.Context, upstream string) (*oauth.Device, error) {
	p, err := b.application(upstream)
	if err != nil {
		return nil, err
	}
	poster, err := p.poster(p.cfg.DeviceURL)
	if err != nil {
		return nil, err
	}
	defer func() { _ = poster.Close() }()
	return p.app().BeginDevice(ctx, poster)
}

// FinishDevice waits for the employee.
func (b *Book) FinishDevice(ctx context.Context, upstream string, d *oauth.Device) (oauth.Consent, error) {
	p, err := b.application(upstream)
	if err != nil {
		return oauth.Consent{}, err
	}
	return d.Wait(ctx, p.token)
}

func (b *Book) application(upstream string) (*provider, error) {
	p := b.upstreams[upstream]
	if p == nil || !p.has() {
		return nil, fmt.Errorf("upstream %s has no application of OAuth 2.0: give it sign_in: enrolled and oauth2", upstream)
	}
	return p, nil
}

// Given is what an employee gave: a consent, a password, or nothing where the application has rights of its own.
type Given struct {
	Consent  *oauth.Consent
	Password string
}

// ErrNoRefresh says that a consent is worth nothing after an hour.
var ErrNoRefresh = errors.New("the provider gave no refresh token: the scopes must allow access while nobody is there (Microsoft: offline_access; Google: access_type=offline)")

// Enroll stores an enrolment in place of what was there. With programs it returns a new gateway password, which is not stored and cannot be
// shown again; without, the account is for the gateway's own use.
func (b *Book) Enroll(ctx context.Context, e Enrolment, given Given, programs bool) (password string, err error) {
	e.Address = Address(e.Address)
	if e.Login == "" {
		e.Login = e.Address
	}
	if given.Consent != nil && given.Consent.Refresh == "" {
		return "", ErrNoRefresh
	}
	hash := ""
	if programs {
		password = newPassword()
		h, err := bcrypt.GenerateFromPassword([]byte(password), hashCost)
		if err != nil {
			return "", fmt.Errorf("hash gateway password: %w", err)
		}
		hash = string(h)
	}
	p := b.upstreams[e.Upstream]
	if p == nil {
		return "", fmt.Errorf("there is no upstream %s", e.Upstream)
	}
	switch name := grantName(e.Address); {
	case given.Consent != nil:
		err = p.keeper.Connect(ctx, name, *given.Consent)
	case given.Password != "":
		err = p.keeper.SetPassword(ctx, name, given.Password)
	default:
		_, err = p.keeper.Forget(ctx, name)
	}
	if err != nil {
		return "", err
	}
	now := store.Micros(time.Now())
	err = b.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO enrolments (address, upstream, login, hash, enrolled_at, changed_at) VALUES ($1, $2, $3, $4, $5, $5)
			ON CONFLICT (address) DO UPDATE SET upstream = $2, login = $3, hash = $4, changed_at = $5`, e.Address, e.Upstream, e.Login, hash, now)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("store enrolment: %w", err)
	}
	b.forget(e.Address)
	return password, nil
}

// Remove ends an enrolment and deletes its grant. Told reports whether the provider was told to end the grant too; where it could not be,
// err says why, and the enrolment is gone all the same if found is true.
func (b *Book) Remove(ctx context.Context, address string) (found, told bool, err error) {
	address = Address(address)
	e, found, err := b.Get(ctx, address)
	if err != nil || !found {
		return false, false, err
	}
	held, err := b.keeper.Forget(ctx, grantName(address))
	if err != nil {
		return false, false, err
	}
	err = b.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM enrolments WHERE address = $1`, address)
		return err
	})
	if err != nil {
		return false, false, fmt.Errorf("delete enrolment: %w", err)
	}
	b.forget(address)
	p := b.upstreams[e.Upstream]
	if held == "" || p == nil || !p.has() || p.cfg.RevokeURL == "" {
		return true, false, nil
	}
	poster, err := p.poster(p.cfg.RevokeURL)
	if err == nil {
		defer func() { _ = poster.Close() }()
		err = p.app().Revoke(ctx, poster, held)
	}
	return true, err == nil, err
}
