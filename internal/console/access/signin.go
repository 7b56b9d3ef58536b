package access

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"

	"heliograph/config"
	"heliograph/internal/limit"
	"heliograph/internal/store"
)

// Options are what a SignIn needs. Store, Seal and Failures are required.
type Options struct {
	Store *store.DB
	// Seal encrypts the secrets of second factors: the keyring of the journal.
	Seal Sealer
	// Failures counts wrong passwords. It must be the guard of the mail programs' logins, so that whoever guesses at mailboxes here is counted there.
	Failures *limit.Failures
	Config   config.Console
	// Mailbox checks address and password at the mail server of an address. Nil: nobody signs in so.
	Mailbox func(ctx context.Context, l MailboxLogin) error
	// Internal tells whether an address is an employee's. Nil: none is.
	Internal func(address string) bool
	// HashMemory is how many KiB it takes to hash a password; 0: as many as is advised.
	HashMemory uint32
	HTTP       *http.Client // for issuers; nil: one of its own
	Logger     *slog.Logger // nil discards
	Now        func() time.Time
}

// Sealer encrypts what is small, bound to aad.
type Sealer interface {
	Seal(plain, aad []byte) []byte
	Open(sealed, aad []byte) ([]byte, error)
}

// The errors of signing in.
var (
	// ErrRefused says no, and not why.
	ErrRefused = errors.New("address or password is wrong")
	// ErrUnavailable says that who has to be asked cannot be.
	ErrUnavailable = errors.New("who has to be asked cannot be reached")
	// ErrOver says that what was begun is unknown or took too long.
	ErrOver = errors.New("the sign-in was not begun, or is over")
	// ErrCode says that a code is wrong or was used.
	ErrCode = errors.New("the code is wrong or was used before")
	// ErrPasskey says that a passkey is unknown or its signature wrong.
	ErrPasskey = errors.New("the passkey was not accepted")
	// ErrNotFresh says that the person has to prove again who it is.
	ErrNotFresh = errors.New("the sign-in is too long ago")
	// ErrNobody says that nobody is signed in with a browser.
	ErrNobody = errors.New("nobody is signed in with a browser")
	// ErrNotOffered says that this way to sign in is not on offer.
	ErrNotOffered = errors.New("this way to sign in is not on offer")
)

// LimitError says that something was tried too often.
type LimitError struct{ Wait time.Duration }

func (e *LimitError) Error() string {
	return fmt.Sprintf("too many failures, wait %s", e.Wait.Round(time.Second))
}

// SignIn finds out who somebody is. It may be used concurrently.
type SignIn struct {
	*Book
	options  Options
	log      *slog.Logger
	hasher   *hasher
	cookie   string // its name
	secure   bool   // the console is reached by https
	origin   string // of the console, as browsers write it; empty: unknown
	proxies  []netip.Prefix
	passkeys *webauthn.WebAuthn // nil: not on offer
	issuers  []*issuer
}

// cookieName is that of the session's cookie, behind a prefix with which browsers keep it to this host and to https.
const cookieName = "heliograph"

// New builds a SignIn. It opens no connection.
func New(o Options) (*SignIn, error) {
	s := &SignIn{Book: NewBook(o.Store), options: o, log: o.Logger, hasher: newHasher(o.HashMemory), cookie: cookieName}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if o.Now != nil {
		s.now = o.Now
	}
	s.proxies = o.Config.TrustedProxies
	if public := o.Config.PublicURL; public != "" {
		u, err := url.Parse(public)
		if err != nil {
			return nil, fmt.Errorf("public address of the console: %w", err)
		}
		s.secure, s.origin = u.Scheme == "https", u.Scheme+"://"+u.Host
		if s.secure {
			s.cookie = "__Host-" + cookieName
		}
		if s.passkeys, err = newPasskeys(u); err != nil {
			return nil, err
		}
	}
	client := o.HTTP
	if client == nil {
		client = &http.Client{Timeout: issuerTimeout}
	}
	for _, c := range o.Config.OIDC {
		s.issuers = append(s.issuers, &issuer{OIDC: c, client: client, redirect: o.Config.PublicURL + "/api/v1/sign-in/oidc/" + url.PathEscape(c.Name) + "/callback"})
	}
	return s, nil
}

// Offer is how one can sign in.
type Offer struct {
	Password, Passkey, Mailbox bool
	OIDC                       []config.OIDC
}

// Offer tells how one can sign in.
func (s *SignIn) Offer() Offer {
	return Offer{Password: true, Passkey: s.passkeys != nil, Mailbox: s.mailboxOn(), OIDC: s.options.Config.OIDC}
}

// LinkURL is the address of a link that works once.
func (s *SignIn) LinkURL(token string) string { return LinkURL(s.options.Config, token) }

// LinkURL is the address of a link that works once, at a console. The token is behind #, so that no log of a proxy has it.
func LinkURL(c config.Console, token string) string {
	base := c.PublicURL
	if base == "" {
		base = "http://" + c.Address
	}
	return base + "/setup#" + token
}

// FirstStart logs a link with which somebody becomes the first admin, while there is none.
func (s *SignIn) FirstStart(ctx context.Context) error {
	token, expires, err := s.FirstAdminLink(ctx)
	switch {
	case errors.Is(err, ErrHasAdmin):
		return nil
	case err != nil:
		return fmt.Errorf("link for the first admin: %w", err)
	}
	s.log.Warn("the console has no admin yet: whoever opens this link first becomes it", "link", s.LinkURL(token), "until", expires.Format(time.RFC3339))
	return nil
}

// guarded runs a check behind the guard that counts failures, under the name of who it is about.
func (s *SignIn) guarded(ctx context.Context, v Visit, name string, check func() error) error {
	wait, err := s.options.Failures.Check(ctx, v.Client, name)
	if err == nil && wait > 0 { // a guard that cannot decide must not keep everybody out
		return &LimitError{Wait: wait}
	}
	result := check()
	switch {
	case result == nil:
		err = s.options.Failures.Succeeded(ctx, v.Client, name)
	case errors.Is(result, ErrRefused), errors.Is(result, ErrLink), errors.Is(result, ErrPasskey):
		err = s.options.Failures.Failed(ctx, v.Client, name)
	}
	if err != nil {
		s.log.Warn("sign-in not counted", "error", err)
	}
	return result
}

// byAddress is the name for the guard of what is about no account: the client's address, so that a stranger delays nobody else.
func byAddress(what string, v Visit) string { return "console " + what + " from " + v.Client.String() }

// Authenticate tells who sent a request: by an API token, else by the session's cookie. Nobody is nil without an error.
func (s *SignIn) Authenticate(r *http.Request) (*Caller, error) {
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") { // a proxy's own login is none of ours
		u, t, err := s.byToken(r.Context(), strings.TrimSpace(secret))
		if u == nil || err != nil {
			return nil, err
		}
		c, err := s.caller(r.Context(), u, t.Permissions)
		if c != nil {
			c.Token = t.ID
		}
		return c, err
	}
	session, err := s.Session(r.Context(), s.Visit(r))
	if errors.Is(err, ErrNobody) {
		return nil, nil //nolint:nilnil // nobody is no error
	}
	if err != nil || session.State != StateDone {
		return nil, err
	}
	c, err := s.caller(r.Context(), session.User, nil)
	if c != nil {
		c.Session = session.ID
	}
	return c, err
}

// CallerOf is what a person is as caller, such as right behind the sign-in.
func (s *SignIn) CallerOf(ctx context.Context, u *User) (*Caller, error) {
	return s.caller(ctx, u, nil)
}

func (s *SignIn) caller(ctx context.Context, u *User, limited []Permission) (*Caller, error) {
	accounts, err := s.seen(ctx, u)
	if err != nil {
		return nil, err
	}
	return NewCaller(u.Person, u.Scope, accounts, limited, Masks(u.Role)...), nil
}
