package administration_test

import (
	"net/http"
	"testing"

	"heliograph/config"
	"heliograph/internal/console/access"
	"heliograph/internal/console/access/accesstest"
	"heliograph/internal/console/api/administration"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

const callback = "/api/v1/sign-in/oidc/corp/callback?"

// come goes to the issuer, which says who it is, and comes back: to this page.
func (b *browser) come(i *accesstest.Issuer, claims m) (page string) {
	b.o.t.Helper()
	back := i.Authorize(b.do(http.StatusSeeOther, "GET", "/api/v1/sign-in/oidc/corp?return=/rules", nil).Header.Get("Location"), claims)
	return b.do(http.StatusSeeOther, "GET", callback+back.Encode(), nil).Header.Get("Location")
}

// Who works in the company comes in by its sign-in; who does not is told why.
func TestOidc(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		i := accesstest.NewIssuer(t)
		o := newOffice(t, db, func(a *access.Options) {
			a.HTTP, a.Config.OIDC = i.Client(), []config.OIDC{i.Section(config.OIDCRole{Group: "leads", Role: config.RoleManager})}
		})
		b := o.browser()
		i.Set(func() { i.Down = true })
		if to := b.do(http.StatusSeeOther, "GET", "/api/v1/sign-in/oidc/corp", nil).Header.Get("Location"); to != "/sign-in?error=oidc_unavailable" {
			t.Errorf("of an issuer that is down the browser goes to %s", to)
		}
		i.Set(func() { i.Down = false })
		b.refused(404, "not_found", "GET", "/api/v1/sign-in/oidc/other", nil)

		if to := b.come(i, m{"sub": "1", "email": "Li.Na@example.com", "email_verified": true, "name": "李娜", "groups": []string{"leads"}}); to != "/rules" {
			t.Errorf("who comes in sees %s", to)
		}
		s := read[administration.Session](t, b.do(200, "GET", "/api/v1/session", nil))
		if !s.SignedIn || s.Person.Email != "li.na@example.com" || s.Person.Name != "李娜" || s.Person.Role != administration.Manager {
			t.Errorf("who came in is told %+v", s)
		}
		if acts := o.server.Acts("finishOidc"); len(acts) == 0 || acts[len(acts)-1].Notes["email"] != "li.na@example.com" {
			t.Errorf("on record is %+v", acts)
		}
		for page, claims := range map[string]m{
			"/sign-in?error=oidc_no_role":  {"sub": "2", "email": "wang@example.com", "email_verified": true},
			"/sign-in?error=oidc_no_email": {"sub": "3", "groups": []string{"leads"}},
			"/sign-in?error=oidc_refused":  {"sub": "4", "email": "zhao@example.com", "email_verified": true, "aud": "other"},
		} {
			b := o.browser()
			if to := b.come(i, claims); to != page {
				t.Errorf("sent to %s, want %s", to, page)
			}
			b.refused(401, "sign_in", "GET", "/api/v1/me", nil)
		}
		// Nobody began it in this browser.
		if to := o.browser().do(http.StatusSeeOther, "GET", callback+"code=good&state=x", nil).Header.Get("Location"); to != "/sign-in?error=oidc_expired" {
			t.Errorf("out of nowhere: %s", to)
		}
		if acts := o.server.Acts("finishOidc"); acts[len(acts)-1].Notes["error"] != "oidc_expired" {
			t.Errorf("on record is %+v", acts)
		}
	})
}
