package config

import (
	"net/url"
	"slices"
	"strings"
)

// SignInMode says whose credentials the upstream sees.
type SignInMode string

// The ways to sign in at an upstream.
const (
	// SignInOwn: those of the mail program, which pass through.
	SignInOwn SignInMode = "own"
	// SignInEnrolled: those of the mail program too, but an account that was enrolled may use a gateway password, for which the gateway
	// signs in with the grant that the employee gave it.
	SignInEnrolled SignInMode = "enrolled"
)

// Allowed lists the values.
func (SignInMode) Allowed() []string { return []string{string(SignInOwn), string(SignInEnrolled)} }

// GrantMode says how the gateway gets access to accounts.
type GrantMode string

// The grants.
const (
	GrantConsent GrantMode = "consent" // each employee agrees once (RFC 6749, 4.1; RFC 8628)
	// GrantClient: the application has rights to mailboxes by itself (RFC 6749, 4.4), as in Microsoft 365.
	GrantClient GrantMode = "client_credentials"
	// GrantService: the application signs for each account (RFC 7523), as a Google service account with domain-wide delegation.
	GrantService GrantMode = "service_account"
)

// Allowed lists the values.
func (GrantMode) Allowed() []string {
	return []string{string(GrantConsent), string(GrantClient), string(GrantService)}
}

// OAuth2 is the application as which the gateway is known to a mail provider. Empty addresses and scopes come from the
// preset of the provider.
type OAuth2 struct {
	ClientID     string    `yaml:"client_id"` // for service_account: the mail address of the service account
	ClientSecret Secret    `yaml:"client_secret"`
	Grant        GrantMode `yaml:"grant"`
	// PrivateKey is the key of a service account in PEM.
	PrivateKey Secret `yaml:"private_key"`
	// Tenant is Microsoft's: the id of the company's directory, or organizations, consumers, common.
	Tenant       string   `yaml:"tenant"`
	AuthorizeURL string   `yaml:"authorize_url"`
	TokenURL     string   `yaml:"token_url"`
	DeviceURL    string   `yaml:"device_url"` // empty: no device codes
	RevokeURL    string   `yaml:"revoke_url"` // empty: the provider is not told of a withdrawn grant
	Scopes       []string `yaml:"scopes"`
	CAFile       string   `yaml:"ca_file"` // PEM; empty means the system's authorities
	Proxy        Secret   `yaml:"proxy"`   // http, https or socks5 URL; empty means none
}

// IsZero reports whether no application is given.
func (o OAuth2) IsZero() bool {
	return o.ClientID == "" && o.ClientSecret.IsZero() && o.PrivateKey.IsZero() && o.Tenant == "" && o.AuthorizeURL == "" && o.TokenURL == "" &&
		o.DeviceURL == "" && o.RevokeURL == "" && len(o.Scopes) == 0
}

// OAuthPreset is what is known about a provider's OAuth 2.0.
type OAuthPreset struct {
	AuthorizeURL string // with {tenant} where the provider has tenants
	TokenURL     string
	DeviceURL    string
	RevokeURL    string
	Tenant       string   // unless the configuration names one
	Scopes       []string // of a person's consent
	ClientScopes []string // of an application's own access; nil: it has none
	// Service: applications may sign for accounts.
	Service bool
	// AuthorizeParams are added to the address that the employee opens.
	AuthorizeParams map[string]string
}

// tenantMark stands in addresses for the tenant.
const tenantMark = "{tenant}"

// complete fills empty keys from the provider's preset.
func (o *OAuth2) complete(p *OAuthPreset) {
	if o.IsZero() || p == nil {
		return
	}
	if o.Tenant == "" {
		o.Tenant = p.Tenant
	}
	for _, pair := range []struct {
		to   *string
		from string
	}{{&o.AuthorizeURL, p.AuthorizeURL}, {&o.TokenURL, p.TokenURL}, {&o.DeviceURL, p.DeviceURL}, {&o.RevokeURL, p.RevokeURL}} {
		if *pair.to == "" {
			*pair.to = strings.ReplaceAll(pair.from, tenantMark, url.PathEscape(o.Tenant))
		}
	}
	if len(o.Scopes) == 0 {
		o.Scopes = slices.Clone(p.Scopes)
		if o.Grant == GrantClient {
			o.Scopes = slices.Clone(p.ClientScopes)
		}
	}
}

// signIn checks who signs in at an upstream and how.
func (v *validator) signIn(path string, u *Upstream) {
	o := &u.OAuth2
	preset, _ := u.Preset()
	if o.IsZero() {
		if u.SignIn == SignInEnrolled && preset.OAuthOnly {
			v.bad(path+".oauth2", "is missing: "+u.Provider+" takes no passwords", "Register the gateway as an application at the provider and give its client_id.")
		}
		return
	}
	path += ".oauth2"
	if u.SignIn != SignInEnrolled {
		v.bad(path, "has no use where sign_in is own", "Write sign_in: enrolled, or take oauth2 out.")
		return
	}
	v.required(path+".client_id", o.ClientID, "Give the id that the provider gave to the application.")
	v.required(path+".token_url", o.TokenURL, "Give the address of the provider's token endpoint, or name its provider.")
	for key, text := range map[string]string{"authorize_url": o.AuthorizeURL, "token_url": o.TokenURL, "device_url": o.DeviceURL, "revoke_url": o.RevokeURL} {
		v.secureURL(path+"."+key, text)
	}
	switch o.Grant {
	case GrantConsent:
		if o.AuthorizeURL == "" && o.DeviceURL == "" {
			v.bad(path+".authorize_url", "is missing", "Give the address where employees agree, or name the provider.")
		}
	case GrantClient:
		if o.ClientSecret.IsZero() {
			v.bad(path+".client_secret", "is missing", "An application that signs in by itself needs a secret.")
		}
		if preset.OAuth != nil && preset.OAuth.Tenant != "" && slices.Contains([]string{"common", "organizations", "consumers"}, o.Tenant) {
			v.bad(path+".tenant", "is missing", "With client_credentials the id of the company's directory (tenant) is needed.")
		}
		if len(o.Scopes) == 0 {
			v.bad(path+".scopes", "is missing", "Give the scopes that the provider wants for an application's own access.")
		}
	case GrantService:
		if preset.OAuth != nil && !preset.OAuth.Service {
			v.bad(path+".grant", "service_account is not offered by "+u.Provider, "Write consent or client_credentials.")
		}
		if o.PrivateKey.IsZero() {
			v.bad(path+".private_key", "is missing", "Give the private key of the service account in PEM, or its file as private_key_file.")
		}
	}
	if !o.Proxy.IsZero() {
		if p, err := url.Parse(o.Proxy.Reveal()); err != nil || p.Host == "" {
			v.bad(path+".proxy", "is not a URL", "Write http://host:port or socks5://host:port.")
		}
	}
	v.authorities(path+".ca_file", o.CAFile)
}

// secureURL checks an address that secrets go to.
func (v *validator) secureURL(path, text string) {
	if text == "" {
		return
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "":
		v.bad(path, "is not an address", "Write it as https://host/path.")
	case u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
		v.bad(path, "must begin with https://", "Secrets go there; http is for tests on this machine only.")
	}
}
