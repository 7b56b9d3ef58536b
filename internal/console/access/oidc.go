package access

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"heliograph/config"
)

// issuerTimeout bounds each request to an issuer.
const issuerTimeout = 10 * time.Second

// oidcSuffix makes the name of the cookie by which a browser is known that comes back from an issuer.
const oidcSuffix = "-oidc"

// The errors of issuers.
var (
	ErrIssuer  = errors.New("the issuer did not let the person in")
	ErrNoEmail = errors.New("the issuer tells no verified mail address")
	ErrNoRole  = errors.New("the person has no role here")
	// ErrDisabled is said to who has proven to be the person.
	ErrDisabled = errors.New("the person is disabled")
)

// issuer is an issuer of OpenID Connect. What it says of itself is asked for when somebody first wants to sign in, so that one that is down keeps
// nothing from starting.
type issuer struct {
	config.OIDC
	client   *http.Client
	redirect string

	mu       sync.Mutex // guards provider
	provider *oidc.Provider
}

func (s *SignIn) issuer(name string) (*issuer, error) {
	for _, i := range s.issuers {
		if i.Name == name {
			return i, nil
		}
	}
	return nil, ErrNotFound
}

// discover returns what the issuer says of itself. Its keys are fetched again by the provider when they change.
func (i *issuer) discover(ctx context.Context) (*oidc.Provider, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.provider != nil {
		return i.provider, nil
	}
	// The provider keeps the context for later requests: it must not end with this one.
	p, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), i.client), i.Issuer)
	if err != nil {
		return nil, fmt.Errorf("%w: issuer %s: %w", ErrUnavailable, i.Name, err)
	}
	i.provider = p
	return p, nil
}

func (i *issuer) oauth(p *oidc.Provider) *oauth2.Config {
	return &oauth2.Config{
		ClientID: i.ClientID, ClientSecret: i.ClientSecret.Reveal(), Endpoint: p.Endpoint(), RedirectURL: i.redirect,
		Scopes: append([]string{oidc.ScopeOpenID, "profile", "email"}, i.Scopes...),
	}
}

// oidcVisit is what is kept of a browser that goes to an issuer.
type oidcVisit struct {
	Issuer   string `json:"issuer"`
	State    string `json:"state"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"`
	Return   string `json:"return"`
}

// BeginOIDC tells where the browser is to go, and the cookie by which it is known when it comes back. Afterwards shows a page of the console.
func (s *SignIn) BeginOIDC(ctx context.Context, name, afterwards string) (location string, cookie *http.Cookie, err error) {
	i, err := s.issuer(name)
	if err != nil {
		return "", nil, err
	}
	p, err := i.discover(ctx)
	if err != nil {
		return "", nil, err
	}
	visit := oidcVisit{Issuer: name, State: newSecret(), Nonce: newSecret(), Verifier: oauth2.GenerateVerifier(), Return: ownPath(afterwards)}
	ceremony, err := s.begin(ctx, ceremonyOIDC, "", visit, issuerTime)
	if err != nil {
		return "", nil, err
	}
	location = i.oauth(p).AuthCodeURL(visit.State, oidc.Nonce(visit.Nonce), oauth2.S256ChallengeOption(visit.Verifier))
	return location, s.bake(s.cookie+oidcSuffix, ceremony, s.now().Add(issuerTime)), nil
}

// ownPath is a path of the console, or its first page: a link must not lead elsewhere behind a sign-in.
func ownPath(path string) string {
	u, err := url.Parse(path)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n\t") {
		return "/"
	}
	return path
}

// OIDCAnswer is what a browser brings from an issuer.
type OIDCAnswer struct {
	Code, State string
	Refused     string // the issuer's error; empty: none
}

// FinishOIDC signs in who comes back from an issuer. It returns the page to show.
func (s *SignIn) FinishOIDC(ctx context.Context, v Visit, name string, a OIDCAnswer) (entered *Entered, page string, err error) {
	i, err := s.issuer(name)
	if err != nil {
		return nil, "", err
	}
	var visit oidcVisit
	if _, err := s.end(ctx, ceremonyOIDC, v.Oidc, &visit); err != nil {
		return nil, "", err
	}
	switch {
	case visit.Issuer != name, subtle.ConstantTimeCompare([]byte(a.State), []byte(visit.State)) != 1:
		return nil, "", ErrOver
	case a.Refused != "" || a.Code == "":
		return nil, "", ErrIssuer
	}
	who, err := i.redeem(ctx, a.Code, visit)
	if err != nil {
		return nil, "", err
	}
	u, err := s.byIssuer(ctx, i, who)
	if err != nil {
		return nil, "", err
	}
	entered, err = s.enter(ctx, v, u, KindOIDC)
	if errors.Is(err, ErrRefused) {
		err = ErrDisabled
	}
	return entered, visit.Return, err
}

// OIDCGone is the cookie that removes the one of BeginOIDC.
func (s *SignIn) OIDCGone() *http.Cookie { return s.bake(s.cookie+oidcSuffix, "", time.Unix(0, 0)) }

// identity is what an issuer says of a person.
type identity struct {
	Subject, Email, Name string
	Verified             bool
	Groups               []string
}

// redeem exchanges the code, checks the token, and reads who it is about.
func (i *issuer) redeem(ctx context.Context, code string, visit oidcVisit) (*identity, error) {
	p, err := i.discover(ctx)
	if err != nil {
		return nil, err
	}
	ctx = oidc.ClientContext(ctx, i.client)
	token, err := i.oauth(p).Exchange(ctx, code, oauth2.VerifierOption(visit.Verifier))
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused) && refused.Response.StatusCode < http.StatusInternalServerError:
		return nil, fmt.Errorf("%w: %s", ErrIssuer, refused.ErrorCode)
	case err != nil:
		return nil, fmt.Errorf("%w: issuer %s: %w", ErrUnavailable, i.Name, err)
	}
	raw, _ := token.Extra("id_token").(string)
	checked, err := p.Verifier(&oidc.Config{ClientID: i.ClientID}).Verify(ctx, raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrIssuer, err)
	}
	if subtle.ConstantTimeCompare([]byte(checked.Nonce), []byte(visit.Nonce)) != 1 {
		return nil, fmt.Errorf("%w: the token is for another sign-in", ErrIssuer)
	}
	claims := map[string]any{}
	if err := checked.Claims(&claims); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrIssuer, err)
	}
	if p.UserInfoEndpoint() != "" && (claims["email"] == nil || claims[i.GroupsClaim] == nil) {
		more, err := i.userInfo(ctx, p, token, checked.Subject)
		if err != nil {
			return nil, err
		}
		for k, v := range more {
			if _, known := claims[k]; !known {
				claims[k] = v
			}
		}
	}
	return i.read(checked.Subject, claims), nil
}

func (i *issuer) userInfo(ctx context.Context, p *oidc.Provider, token *oauth2.Token, subject string) (map[string]any, error) {
	info, err := p.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return nil, fmt.Errorf("%w: issuer %s: %w", ErrUnavailable, i.Name, err)
	}
	if info.Subject != subject { // OpenID Connect Core, 5.3.2
		return nil, fmt.Errorf("%w: it tells of somebody else", ErrIssuer)
	}
	claims := map[string]any{}
	return claims, info.Claims(&claims)
}

func (i *issuer) read(subject string, claims map[string]any) *identity {
	who := &identity{Subject: subject, Verified: i.TrustEmail}
	who.Email, _ = claims["email"].(string)
	who.Name, _ = claims["name"].(string)
	switch v := claims["email_verified"].(type) {
	case bool:
		who.Verified = who.Verified || v
	case string: // of some
		who.Verified = who.Verified || v == "true"
	}
	switch v := claims[i.GroupsClaim].(type) {
	case string:
		who.Groups = []string{v}
	case []any:
		for _, g := range v {
			if name, ok := g.(string); ok {
				who.Groups = append(who.Groups, name)
			}
		}
	}
	return who
}
