package access

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"heliograph/internal/store"
)

// newPasskeys returns nil where browsers know no passkeys: without https, but for this machine's own name (W3C Web Authentication, 13.4.9).
func newPasskeys(public *url.URL) (*webauthn.WebAuthn, error) {
	if public.Scheme != "https" && public.Hostname() != "localhost" {
		return nil, nil //nolint:nilnil // not on offer
	}
	w, err := webauthn.New(&webauthn.Config{
		RPID: public.Hostname(), RPDisplayName: "Heliograph", RPOrigins: []string{public.Scheme + "://" + public.Host},
		AttestationPreference:  protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{ResidentKey: protocol.ResidentKeyRequirementPreferred, UserVerification: protocol.VerificationRequired},
		Timeouts: webauthn.TimeoutsConfig{
			Login:        webauthn.TimeoutConfig{Enforce: true, Timeout: passkeyTime, TimeoutUVD: passkeyTime},
			Registration: webauthn.TimeoutConfig{Enforce: true, Timeout: passkeyTime, TimeoutUVD: passkeyTime},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("passkeys at %s: %w", public.Host, err)
	}
	return w, nil
}

// keyOwner is a person with passkeys, as the library wants it.
type keyOwner struct {
	user *User
	keys map[string]*secretFactor // by the id of the credential
	list []webauthn.Credential
}

// WebAuthnID implements webauthn.User.
func (o *keyOwner) WebAuthnID() []byte { return []byte(o.user.ID) }

// WebAuthnName implements webauthn.User.
func (o *keyOwner) WebAuthnName() string { return o.user.Email }

// WebAuthnDisplayName implements webauthn.User.
func (o *keyOwner) WebAuthnDisplayName() string { return o.user.Name }

// WebAuthnCredentials implements webauthn.User.
func (o *keyOwner) WebAuthnCredentials() []webauthn.Credential { return o.list }

func (s *SignIn) keysOf(ctx context.Context, u *User) (*keyOwner, error) {
	o := &keyOwner{user: u, keys: map[string]*secretFactor{}}
	list, err := s.factors(ctx, s.db.Reader(), u.ID)
	if err != nil {
		return nil, err
	}
	for _, f := range list {
		if f.Kind != FactorPasskey {
			continue
		}
		var c webauthn.Credential
		if err := json.Unmarshal(f.secret, &c); err != nil {
			return nil, fmt.Errorf("passkey %s: %w", f.ID, err)
		}
		o.keys[string(c.ID)] = f
		o.list = append(o.list, c)
	}
	return o, nil
}

// BeginPasskeyEnrolment begins to add a passkey for who sits at a browser: the name of the ceremony, and the options for the browser.
func (s *SignIn) BeginPasskeyEnrolment(ctx context.Context, v Visit) (name string, options any, err error) {
	if s.passkeys == nil {
		return "", nil, ErrNotOffered
	}
	x, err := s.Fresh(ctx, v)
	if err != nil {
		return "", nil, err
	}
	owner, err := s.keysOf(ctx, x.User)
	switch {
	case err != nil:
		return "", nil, err
	case len(owner.list) >= maxPasskeys:
		return "", nil, ErrTooMany
	}
	created, data, err := s.passkeys.BeginRegistration(owner, webauthn.WithExclusions(webauthn.Credentials(owner.list).CredentialDescriptors()))
	if err != nil {
		return "", nil, err
	}
	name, err = s.begin(ctx, ceremonyEnrol, x.User.ID, data, passkeyTime)
	return name, created.Response, err
}

// FinishPasskeyEnrolment adds a passkey under a name of the person's own. The recovery codes are nil where the person had some.
func (s *SignIn) FinishPasskeyEnrolment(ctx context.Context, v Visit, ceremony, name string, answer []byte) (factor Factor, codes []string, err error) {
	if s.passkeys == nil {
		return Factor{}, nil, ErrNotOffered
	}
	x, err := s.Fresh(ctx, v)
	if err != nil {
		return Factor{}, nil, err
	}
	var data webauthn.SessionData
	person, err := s.end(ctx, ceremonyEnrol, ceremony, &data)
	if err == nil && person != x.User.ID {
		err = ErrOver
	}
	if err != nil {
		return Factor{}, nil, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return Factor{}, nil, errors.Join(ErrPasskey, err)
	}
	credential, err := s.passkeys.CreateCredential(&keyOwner{user: x.User}, data, parsed)
	if err != nil {
		return Factor{}, nil, errors.Join(ErrPasskey, err)
	}
	text, err := json.Marshal(credential)
	if err != nil {
		return Factor{}, nil, err
	}
	factor = Factor{ID: newID(), Kind: FactorPasskey, Name: name, Created: s.now()}
	err = s.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		if err := s.insertFactor(ctx, tx, x.User.ID, secretFactor{Factor: factor, secret: text, confirmed: true}, credentialName(credential.ID)); err != nil {
			return err
		}
		codes, err = s.firstCodes(ctx, tx, x.User.ID)
		return err
	})
	return factor, codes, err
}

func credentialName(id []byte) string { return base64.RawURLEncoding.EncodeToString(id) }

// BeginPasskey begins a sign-in with a passkey: of the person whose sign-in is half done or whose session is to be confirmed, else of whoever has one.
func (s *SignIn) BeginPasskey(ctx context.Context, v Visit) (name string, options any, err error) {
	if s.passkeys == nil {
		return "", nil, ErrNotOffered
	}
	x, err := s.Session(ctx, v)
	if err != nil && !errors.Is(err, ErrNobody) {
		return "", nil, err
	}
	var asked *protocol.CredentialAssertion
	var data *webauthn.SessionData
	person := ""
	if x != nil {
		owner, err := s.keysOf(ctx, x.User)
		if err != nil {
			return "", nil, err
		}
		if len(owner.list) == 0 {
			return "", nil, ErrPasskey
		}
		person = x.User.ID
		asked, data, err = s.passkeys.BeginLogin(owner, webauthn.WithUserVerification(protocol.VerificationPreferred))
		if err != nil {
			return "", nil, err
		}
	} else if asked, data, err = s.passkeys.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired)); err != nil {
		return "", nil, err
	}
	name, err = s.begin(ctx, ceremonyLogin, person, data, passkeyTime)
	return name, asked.Response, err
}

// FinishPasskey signs in, or finishes a sign-in, or confirms a session, as BeginPasskey began it.
func (s *SignIn) FinishPasskey(ctx context.Context, v Visit, ceremony string, answer []byte) (entered *Entered, err error) {
	if s.passkeys == nil {
		return nil, ErrNotOffered
	}
	err = s.guarded(ctx, v, byAddress("passkey", v), func() error {
		var data webauthn.SessionData
		person, err := s.end(ctx, ceremonyLogin, ceremony, &data)
		if errors.Is(err, ErrOver) {
			return errors.Join(ErrPasskey, err)
		}
		if err != nil {
			return err
		}
		kind := KindPasskey
		if person != "" {
			x, err := s.Session(ctx, v)
			if errors.Is(err, ErrNobody) || err == nil && x.User.ID != person {
				return ErrPasskey
			}
			if err != nil {
				return err
			}
			kind = x.Kind
		}
		parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
		if err != nil {
			return errors.Join(ErrPasskey, err)
		}
		u, err := s.checkPasskey(ctx, person, data, parsed)
		if err != nil {
			return err
		}
		entered, err = s.open(ctx, v, u, kind, StateDone)
		if errors.Is(err, ErrRefused) {
			err = ErrPasskey
		}
		return err
	})
	return entered, err
}

// checkPasskey returns who has a passkey, and notes that it was used.
func (s *SignIn) checkPasskey(ctx context.Context, person string, data webauthn.SessionData, answer *protocol.ParsedCredentialAssertionData) (*User, error) {
	id := person
	if id == "" {
		id = string(answer.Response.UserHandle)
	}
	u, err := s.User(ctx, id)
	if errors.Is(err, ErrNotFound) || err == nil && u.Disabled {
		return nil, ErrPasskey
	}
	if err != nil {
		return nil, err
	}
	owner, err := s.keysOf(ctx, u)
	if err != nil {
		return nil, err
	}
	var credential *webauthn.Credential
	if person == "" {
		credential, err = s.passkeys.ValidateDiscoverableLogin(func([]byte, []byte) (webauthn.User, error) { return owner, nil }, data, answer)
	} else {
		credential, err = s.passkeys.ValidateLogin(owner, data, answer)
	}
	if err != nil {
		return nil, errors.Join(ErrPasskey, err)
	}
	if credential.Authenticator.CloneWarning {
		s.log.Warn("a passkey counts backwards: it may be a copy", "person", u.ID)
		return nil, ErrPasskey
	}
	text, err := json.Marshal(credential)
	if err != nil {
		return nil, err
	}
	f := owner.keys[string(credential.ID)]
	return u, s.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, `UPDATE access_factors SET sealed = $2, used_at = $3 WHERE id = $1`, f.ID, s.options.Seal.Seal(text, factorAAD(f.ID)), store.Micros(s.now()))
		return err
	})
}
