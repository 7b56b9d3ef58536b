package access_test

import (
	"crypto/rand"
	"crypto/rsa"
	"maps"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/internal/console/access"
	"heliograph/internal/console/access/accesstest"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// claims are what an issuer says of a person.
type claims = map[string]any

// oidcRig is a rig with an issuer that tells more than the token.
func oidcRig(t *testing.T, db *store.DB) (*rig, *accesstest.Issuer) {
	t.Helper()
	i := accesstest.NewIssuer(t)
	i.Set(func() { i.UserInfo = claims{} })
	section := i.Section(config.OIDCRole{Group: "leads", Role: config.RoleManager}, config.OIDCRole{Group: "it", Role: config.RoleAdmin})
	section.DefaultRole = config.RoleAgent
	return newRig(t, db, func(o *access.Options) { o.HTTP, o.Config.OIDC = i.Client(), []config.OIDC{section} }), i
}

// visit goes to the issuer, and returns what the browser comes back with.
func (r *rig) visit(i *accesstest.Issuer, afterwards string, who claims) (access.Visit, access.OIDCAnswer) {
	r.t.Helper()
	location, cookie, err := r.BeginOIDC(r.t.Context(), "corp", afterwards)
	if err != nil {
		r.t.Fatal(err)
	}
	v, back := from("192.0.2.1"), i.Authorize(location, who)
	v.Oidc = cookie.Value
	return v, access.OIDCAnswer{Code: back.Get("code"), State: back.Get("state")}
}

// come goes to the issuer and comes back.
func (r *rig) come(i *accesstest.Issuer, who claims) (*access.Entered, error) {
	r.t.Helper()
	v, a := r.visit(i, "/rules", who)
	e, page, err := r.FinishOIDC(r.t.Context(), v, "corp", a)
	if err == nil && page != "/rules" {
		r.t.Errorf("the page is %q", page)
	}
	return e, err
}

func TestOIDC(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r, i := oidcRig(t, db)
		e, err := r.come(i, claims{"sub": "1", "email": "Li.Na@example.com", "email_verified": true, "name": "李娜", "groups": []string{"staff", "leads"}})
		if err != nil {
			t.Fatal(err)
		}
		c := r.caller(request(e))
		if c.Person.Role != access.Manager || c.Scope != access.ScopeTeam || c.Person.Name != "李娜" || c.Person.Email != "li.na@example.com" {
			t.Errorf("the person is %+v", c)
		}
		// Another address, no more group: the same person, with the usual role.
		again, err := r.come(i, claims{"sub": "1", "email": "li.wang@example.com", "email_verified": true, "groups": []string{"staff"}})
		if err != nil || again.User.ID != e.User.ID || r.caller(request(again)).Person.Role != access.Agent {
			t.Errorf("the second time %+v, %v", again, err)
		}
		// Somebody else gets the address.
		_, err = r.come(i, claims{"sub": "2", "email": "li.na@example.com", "email_verified": true})
		wantErr(t, "the address with another subject", err, access.ErrIssuer)
		_, err = r.come(i, claims{"sub": "3", "email": "wang@example.com"})
		wantErr(t, "an address that is not verified", err, access.ErrNoEmail)
		yes := true
		if _, err := r.Change(t.Context(), e.User.ID, access.Change{Disabled: &yes}); err != nil {
			t.Fatal(err)
		}
		_, err = r.come(i, claims{"sub": "1"})
		wantErr(t, "a disabled person", err, access.ErrDisabled)
		// The groups are where more is told; the person is in the book by address, and is the last admin.
		admin := r.person("it@example.com", access.Admin)
		i.Set(func() {
			i.UserInfo = claims{"sub": "4", "email": "it@example.com", "email_verified": "true", "groups": "leads"}
		})
		last, err := r.come(i, claims{"sub": "4"})
		if err != nil || last.User.ID != admin.ID || last.User.Role != access.Admin {
			t.Errorf("the last admin comes as %+v, %v", last, err)
		}
	})
}

func TestOIDCRefusals(t *testing.T) {
	t.Parallel()
	r, i := oidcRig(t, storetest.SQLite(t))
	ctx := t.Context()
	i.Set(func() { i.Down = true })
	_, _, err := r.BeginOIDC(ctx, "corp", "/")
	wantErr(t, "an issuer that is down", err, access.ErrUnavailable)
	i.Set(func() { i.Down = false })
	_, _, err = r.BeginOIDC(ctx, "other", "/")
	wantErr(t, "an unknown issuer", err, access.ErrNotFound)

	good := claims{"sub": "1", "email": "li.na@example.com", "email_verified": true}
	begin := func() (access.Visit, access.OIDCAnswer) { return r.visit(i, "https://evil.example/", good) }
	v, a := begin()
	_, _, err = r.FinishOIDC(ctx, from("192.0.2.1"), "corp", a)
	wantErr(t, "another browser", err, access.ErrOver)
	other, _ := begin()
	_, _, err = r.FinishOIDC(ctx, other, "corp", a)
	wantErr(t, "the state of another sign-in", err, access.ErrOver)
	if _, page, err := r.FinishOIDC(ctx, v, "corp", a); err != nil || page != "/" {
		t.Errorf("a page elsewhere becomes %q, %v", page, err)
	}
	_, _, err = r.FinishOIDC(ctx, v, "corp", a)
	wantErr(t, "the same answer again", err, access.ErrOver)
	v, a = begin()
	r.clock.add(10 * time.Minute)
	_, _, err = r.FinishOIDC(ctx, v, "corp", a)
	wantErr(t, "an answer after ten minutes", err, access.ErrOver)
	v, a = begin()
	a.Refused = "access_denied"
	_, _, err = r.FinishOIDC(ctx, v, "corp", a)
	wantErr(t, "a refusal", err, access.ErrIssuer)
	v, a = begin()
	a.Code = "stolen"
	_, _, err = r.FinishOIDC(ctx, v, "corp", a)
	wantErr(t, "an unknown code", err, access.ErrIssuer)
	v, a = begin()
	_, theirs := begin()
	a.Code = theirs.Code
	_, _, err = r.FinishOIDC(ctx, v, "corp", a)
	wantErr(t, "a code of another verifier", err, access.ErrIssuer)
	for name, wrong := range map[string]claims{
		"a token for another sign-in": {"nonce": "other"}, "a token for another program": {"aud": "other"}, "a token of another issuer": {"iss": "https://evil.example"},
		"a token that has ended": {"exp": time.Now().Add(-time.Hour).Unix()},
	} {
		who := maps.Clone(good)
		maps.Copy(who, wrong)
		_, err = r.come(i, who)
		wantErr(t, name, err, access.ErrIssuer)
	}
	thief, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	i.Set(func() { i.Key = thief })
	_, err = r.come(i, good)
	wantErr(t, "a token signed by somebody else", err, access.ErrIssuer)
}
