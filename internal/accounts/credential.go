package accounts

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/emersion/go-sasl"

	"heliograph/config"
	"heliograph/internal/oauth"
)

// Account is one that the gateway may sign in for.
type Account struct {
	Enrolment
	book *Book
}

// Credential is what a provider is shown of an account: a token or a password. It must not be logged.
type Credential struct {
	User     string // name at the provider
	Token    string // OAuth 2.0 access token; empty where Password is
	Password string
	source   oauth.Source
	book     *Book
	address  string
}

const (
	// maxRefusals is how often in a row a provider may refuse before it is left alone: more would lock the account at most of them.
	maxRefusals = 2
	// holdPassword is how long it is left alone with a password: QQ prolongs a block with each try within 15 minutes.
	holdPassword = 15 * time.Minute
	holdToken    = 2 * time.Minute
)

// Reject says that the provider did not take the credential. The next one has another token. After maxRefusals in a row there is none for
// a while, unless the account is enrolled again.
func (c Credential) Reject(ctx context.Context) {
	hold := holdPassword
	if c.source != nil {
		c.source.Reject(ctx, c.Token)
		hold = holdToken
	}
	c.book.mu.Lock()
	defer c.book.mu.Unlock()
	if have := c.book.cache[c.address]; have != nil {
		if have.refusals++; have.refusals >= maxRefusals {
			have.refusals, have.held = 0, time.Now().Add(hold)
		}
	}
}

// Accept says that the provider took the credential.
func (c Credential) Accept() {
	c.book.mu.Lock()
	defer c.book.mu.Unlock()
	if have := c.book.cache[c.address]; have != nil {
		have.refusals, have.held = 0, time.Time{}
	}
}

// HeldError says that the provider refused an account and is left alone for a while.
type HeldError struct{ Wait time.Duration }

func (e *HeldError) Error() string {
	return fmt.Sprintf("the provider refused this account and is left alone for %s", e.Wait.Round(time.Second))
}

// Temporary implements the interface of errors that pass.
func (e *HeldError) Temporary() bool { return true }

// OAuth reports whether the credential is a token.
func (c Credential) OAuth() bool { return c.Token != "" }

// SASL returns the client's side of a login with the credential at a server that offers these mechanisms, upper case, or false if it
// offers none that fits. Host and port are the server's, as the client knows it.
func (c Credential) SASL(mechanisms []string, host string, port int) (sasl.Client, bool) {
	offers := func(mech string) bool { return slices.Contains(mechanisms, mech) }
	switch {
	case c.OAuth() && offers("XOAUTH2"):
		return &xoauth2{c.User, c.Token}, true
	case c.OAuth() && offers(sasl.OAuthBearer):
		return sasl.NewOAuthBearerClient(&sasl.OAuthBearerOptions{Username: c.User, Token: c.Token, Host: host, Port: port}), true
	case !c.OAuth() && offers(sasl.Plain):
		return sasl.NewPlainClient("", c.User, c.Password), true
	case !c.OAuth() && offers(sasl.Login):
		return sasl.NewLoginClient(c.User, c.Password), true
	}
	return nil, false
}

// xoauth2 is Google's and Microsoft's mechanism.
type xoauth2 struct{ user, token string }

// Start implements sasl.Client.
func (x *xoauth2) Start() (mech string, response []byte, err error) {
	return "XOAUTH2", []byte("user=" + x.user + "\x01auth=Bearer " + x.token + "\x01\x01"), nil
}

// Next implements sasl.Client. A challenge says why the token is refused; the answer to it is empty.
func (x *xoauth2) Next([]byte) ([]byte, error) { return []byte{}, nil }

// ErrNoGrant says that an account is enrolled, but nothing is stored to sign in with.
var ErrNoGrant = errors.New("nothing is stored to sign in with")

// Account returns the account with an address, for parts of the gateway that sign in by themselves, such as watched mailboxes. It reports
// false where nobody of that address is enrolled.
func (b *Book) Account(ctx context.Context, address string) (*Account, bool, error) {
	c, err := b.find(ctx, Address(address))
	if err != nil || !c.found {
		return nil, false, err
	}
	return &Account{book: b, Enrolment: c.Enrolment}, true, nil
}

// Credential returns what to sign in with, with a token that is valid for a while. The kind of its error, oauth.KindOf, says who can help.
func (a *Account) Credential(ctx context.Context) (Credential, error) {
	b := a.book
	p := b.upstreams[a.Upstream]
	if p == nil {
		return Credential{}, fmt.Errorf("account %s: the upstream %s is not in the configuration any more", a.Address, a.Upstream)
	}
	c, err := b.find(ctx, a.Address)
	if err != nil {
		return Credential{}, err
	}
	b.mu.Lock()
	source, secret, held := c.source, c.secret, c.held
	b.mu.Unlock()
	if wait := time.Until(held); wait > 0 {
		return Credential{}, fmt.Errorf("account %s: %w", a.Address, &HeldError{wait})
	}
	if source == nil && secret == "" {
		if source, secret, err = b.learn(ctx, p, c); err != nil {
			return Credential{}, err
		}
	}
	if secret != "" {
		return Credential{User: a.Login, Password: secret, book: b, address: a.Address}, nil
	}
	t, err := source.Token(ctx)
	if err != nil {
		return Credential{}, fmt.Errorf("account %s: %w", a.Address, err)
	}
	return Credential{User: a.Login, Token: t.Access, source: source, book: b, address: a.Address}, nil
}

// learn finds out how an account signs in. A password that is replaced changes the enrolment, which ends what is in memory of it.
func (b *Book) learn(ctx context.Context, p *provider, c *cached) (source oauth.Source, secret string, err error) {
	lctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	secret, found, err := b.keeper.Password(lctx, grantName(c.Address))
	switch {
	case err != nil:
		return nil, "", err
	case !found && !p.has():
		return nil, "", fmt.Errorf("account %s: %w", c.Address, &oauth.Error{Code: oauth.CodeNotConnected, Description: ErrNoGrant.Error(), Err: ErrNoGrant})
	case !found:
		if source, err = p.source(c.Enrolment); err != nil {
			return nil, "", err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	c.source, c.secret = source, secret
	return source, secret, nil
}

// provider is an upstream's application.
type provider struct {
	name   string
	cfg    config.OAuth2
	preset *config.OAuthPreset
	keeper *oauth.Keeper
	token  *oauth.HTTPPoster // nil without an application
	all    oauth.Source      // of an application with rights to all accounts
}

func newProvider(u config.Upstream, k *oauth.Keeper) (*provider, error) {
	p := &provider{name: u.Name, cfg: u.OAuth2, keeper: k.For(u.OAuth2)}
	if preset, ok := u.Preset(); ok {
		p.preset = preset.OAuth
	}
	if u.SignIn != config.SignInEnrolled || u.OAuth2.IsZero() {
		return p, nil
	}
	var err error
	if p.token, err = p.poster(u.OAuth2.TokenURL); err != nil {
		return nil, err
	}
	if u.OAuth2.Grant == config.GrantClient {
		p.all = p.keeper.Source("upstream:"+u.Name, oauth.ClientCredentials(p.token, p.app()))
	}
	return p, nil
}

func (p *provider) poster(endpoint string) (*oauth.HTTPPoster, error) {
	return oauth.NewHTTPPoster(endpoint, p.cfg.CAFile, p.cfg.Proxy.Reveal())
}

// has reports whether there is an application.
func (p *provider) has() bool { return p.token != nil }

func (p *provider) close() error {
	if p.token == nil {
		return nil
	}
	return p.token.Close()
}

func (p *provider) app() oauth.App {
	return oauth.App{ID: p.cfg.ClientID, Secret: p.cfg.ClientSecret.Reveal(), Scopes: p.cfg.Scopes}
}

// source returns the tokens of one account.
func (p *provider) source(e Enrolment) (oauth.Source, error) {
	switch p.cfg.Grant {
	case config.GrantClient:
		return p.all, nil
	case config.GrantService:
		scope := ""
		if len(p.cfg.Scopes) > 0 {
			scope = p.cfg.Scopes[0]
		}
		fetch, err := oauth.JWTBearer(p.token, oauth.App{}, oauth.Assertion{
			Issuer: p.cfg.ClientID, Subject: e.Login, Audience: p.cfg.TokenURL, Key: p.cfg.PrivateKey.Reveal(),
			Claims: map[string]any{"scope": scope},
		})
		if err != nil {
			return nil, fmt.Errorf("upstream %s: oauth2: private_key: %w", p.name, err)
		}
		return p.keeper.Source(grantName(e.Address), fetch), nil
	default:
		return p.keeper.Refreshing(grantName(e.Address), p.token, p.app(), ""), nil
	}
}

// authorizeParams are added to the address that an employee opens.
func (p *provider) authorizeParams(login string) url.Values {
	q := url.Values{"login_hint": {login}}
	if p.preset != nil {
		for name, value := range p.preset.AuthorizeParams {
			q.Set(name, value)
		}
	}
	return q
}
