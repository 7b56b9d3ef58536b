package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"time"
)

// ConsoleSessions is how long somebody stays signed in with a browser.
type ConsoleSessions struct {
	Idle    Duration `yaml:"idle"`    // without a request
	Longest Duration `yaml:"longest"` // in all
}

// Role is what somebody may do at the console.
type Role string

// The roles, as internal/console/access has them.
const (
	RoleAdmin   Role = "admin"
	RoleManager Role = "manager"
	RoleAgent   Role = "agent"
	RoleAuditor Role = "auditor"
)

// Allowed lists the values.
func (Role) Allowed() []string {
	return []string{string(RoleAdmin), string(RoleManager), string(RoleAgent), string(RoleAuditor)}
}

// OIDC is an issuer of OpenID Connect that knows who somebody is.
type OIDC struct {
	Name         string   `yaml:"name"`  // in addresses
	Label        string   `yaml:"label"` // on the button; empty: the name
	Issuer       string   `yaml:"issuer"`
	ClientID     string   `yaml:"client_id"`
	ClientSecret Secret   `yaml:"client_secret"` // empty: a public client, which PKCE protects
	Scopes       []string `yaml:"scopes"`        // besides openid, profile and email
	// GroupsClaim names the claim with a person's groups.
	GroupsClaim string `yaml:"groups_claim"`
	// Roles say which role a group has; of several the mightiest counts. With some, they decide at each sign-in.
	Roles []OIDCRole `yaml:"roles"`
	// DefaultRole is that of who has no group among Roles; empty: they stay out.
	DefaultRole Role `yaml:"default_role"`
	// TrustEmail takes addresses that the issuer does not say to have verified.
	TrustEmail bool `yaml:"trust_email"`
}

// OIDCRole gives a role to a group.
type OIDCRole struct {
	Group string `yaml:"group"`
	Role  Role   `yaml:"role"`
}

func (o *OIDC) setDefaults() { o.GroupsClaim = "groups" }

// defaultProxies are those on this machine.
func defaultProxies() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}

// The bounds of sessions.
const (
	minSession = time.Minute
	maxSession = 90 * 24 * time.Hour
)

// consoleSignIn checks how people sign in at the console.
func (v *validator) consoleSignIn() {
	c := &v.cfg.Console
	for i, network := range c.TrustedProxies {
		if isTooWide(network) {
			v.bad(fmt.Sprintf("console.trusted_proxies[%d]", i), "is too wide: whoever is in it could pretend any address", "Write the address of the reverse proxy.")
		}
	}
	for key, d := range map[string]Duration{"idle": c.Sessions.Idle, "longest": c.Sessions.Longest} {
		if d.D() < minSession || d.D() > maxSession {
			v.bad("console.sessions."+key, d.String()+" is not possible", "Write a time from 1m to 90d.")
		}
	}
	if c.Sessions.Idle > c.Sessions.Longest {
		v.bad("console.sessions.idle", "is longer than longest", "Write at most "+c.Sessions.Longest.String()+".")
	}
	taken := map[string]int{}
	for i := range c.OIDC {
		path := fmt.Sprintf("console.oidc[%d]", i)
		v.name(path+".name", c.OIDC[i].Name, taken)
		taken[c.OIDC[i].Name]++
		v.oidc(path, &c.OIDC[i])
	}
	if len(c.OIDC) > 0 && c.PublicURL == "" {
		v.bad("console.oidc", "needs console.public_url", "Write there where browsers reach the console, such as https://mail-gateway.example.com.")
	}
}

func (v *validator) oidc(path string, o *OIDC) {
	if v.required(path+".issuer", o.Issuer, "Write the issuer's address as its documentation gives it, such as https://login.example.com/realms/company.") {
		v.secureURL(path+".issuer", o.Issuer)
	}
	if u, err := url.Parse(o.Issuer); err == nil && u.RawQuery != "" {
		v.bad(path+".issuer", "has a question mark", "Write it without what follows.")
	}
	v.required(path+".client_id", o.ClientID, "Register the console as an application at the issuer and give the id that it got.")
	v.required(path+".groups_claim", o.GroupsClaim, "Write groups, or leave it out.")
	for i, r := range o.Roles {
		at := fmt.Sprintf("%s.roles[%d]", path, i)
		v.required(at+".group", r.Group, "Write the name of the group as the issuer gives it.")
		v.required(at+".role", string(r.Role), "Write admin, manager, agent or auditor.")
	}
	if len(o.Roles) == 0 && o.DefaultRole == "" {
		v.warn(path, "has neither roles nor default_role: only people whom an admin has entered can sign in with it")
	}
	if o.DefaultRole == RoleAdmin {
		v.bad(path+".default_role", "makes everybody an admin", "Give that role to a group with roles.")
	}
}
