package administration_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"heliograph/internal/console/api/administration"
	"heliograph/internal/store/storetest"
)

func TestSignInAndOut(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		b := o.browser()
		s := read[administration.Session](t, b.do(200, "GET", "/api/v1/session", nil, "Accept-Language", "zh-CN,zh;q=0.9"))
		if s.SignedIn || s.SetUp || s.Step != administration.StepNone || s.Language != administration.Zh || !s.SignIn.Mailbox || !s.SignIn.Passkey {
			t.Errorf("a stranger is told %+v", s)
		}
		b.refused(404, "link_invalid", "POST", "/api/v1/session/setup/check", m{"token": "nonsense"})
		admin := o.setUp()
		s = read[administration.Session](t, admin.do(200, "GET", "/api/v1/session", nil))
		if !s.SignedIn || !s.SetUp || s.Person.Email != "it@example.com" || !slices.Contains(s.Permissions, "people.write") || s.FreshUntil.IsZero() || s.Language != administration.Zh {
			t.Errorf("the admin is told %+v", s)
		}
		admin.do(204, "DELETE", "/api/v1/session", nil)
		admin.refused(401, "sign_in", "GET", "/api/v1/me", nil)
		b.refused(401, "sign_in_refused", "POST", "/api/v1/session", m{"address": "it@example.com", "password": "wrong"})
		b.refused(401, "sign_in_refused", "POST", "/api/v1/session", m{"address": "nobody@example.com", "password": "wrong"})
		b.do(200, "POST", "/api/v1/session", m{"address": "IT@example.com", "password": goodPassword})
		me := read[administration.Me](t, b.do(200, "GET", "/api/v1/me", nil))
		if me.Email != "it@example.com" || !me.HasPassword {
			t.Errorf("me is %+v", me)
		}
		acts := o.server.Acts("signIn")
		if last := acts[len(acts)-1]; last.Notes["email"] != "it@example.com" || last.Notes["with"] != "password" {
			t.Errorf("on record is %+v", last)
		}
		if first := acts[1]; first.Notes["tried"] != "it@example.com" || first.Status != 401 {
			t.Errorf("of the refusal %+v is on record", first)
		}

		agent := o.browser()
		s = read[administration.Session](t, agent.do(200, "POST", "/api/v1/session", m{"address": "li.na@example.com", "password": "mailbox", "with": "mailbox"}))
		if s.Person.Role != administration.Agent || s.Scope != administration.ScopeNameOwn || !slices.Equal(s.Accounts, []string{"li.na@example.com"}) {
			t.Errorf("the employee is told %+v", s)
		}
		agent.refused(403, "forbidden", "GET", "/api/v1/people", nil)
		for range 2 { // three failed above, and five are free
			b.do(401, "POST", "/api/v1/session", m{"address": "x@example.com", "password": "wrong"})
		}
		b.refused(401, "sign_in_refused", "POST", "/api/v1/session", m{"address": "y@example.com", "password": "wrong"})
		b.refused(429, "too_many_failures", "POST", "/api/v1/session", m{"address": "x@example.com", "password": "wrong"})
	})
}

func TestSecondFactor(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		admin := o.setUp()
		secret := read[administration.TotpSecret](t, admin.do(200, "POST", "/api/v1/me/factors/totp", nil))
		if !strings.HasPrefix(secret.Uri, "otpauth://totp/Heliograph:it@example.com?") {
			t.Errorf("the address for the app is %s", secret.Uri)
		}
		code, err := totp.GenerateCode(secret.Secret, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		admin.refused(401, "code_refused", "POST", "/api/v1/me/factors/totp/confirm", m{"code": "abcdef"})
		added := read[administration.FactorAdded](t, admin.do(200, "POST", "/api/v1/me/factors/totp/confirm", m{"code": code}))
		admin.refused(409, "has_totp", "POST", "/api/v1/me/factors/totp", nil)

		b := o.browser()
		s := read[administration.Session](t, b.do(200, "POST", "/api/v1/session", m{"address": "it@example.com", "password": goodPassword}))
		want := []administration.FactorKind{administration.FactorKindTotp, administration.FactorKindRecoveryCode}
		if s.SignedIn || s.Step != administration.StepSecondFactor || len(s.Permissions) > 0 || s.Person.Id != "" || !slices.Equal(s.SecondFactors, want) {
			t.Errorf("half signed in is told %+v", s)
		}
		b.refused(401, "sign_in", "GET", "/api/v1/me", nil)
		b.refused(401, "code_refused", "POST", "/api/v1/session/totp", m{"code": code})
		if s = read[administration.Session](t, b.do(200, "POST", "/api/v1/session/totp", m{"code": strings.ToUpper(added.RecoveryCodes[3])})); !s.SignedIn {
			t.Errorf("behind a recovery code is told %+v", s)
		}
		list := read[administration.SecondFactors](t, b.do(200, "GET", "/api/v1/me/factors", nil))
		if len(list.Items) != 1 || list.RecoveryCodesLeft != 9 || !list.Required {
			t.Errorf("the factors are %+v", list)
		}
		if codes := read[administration.RecoveryCodes](t, b.do(200, "POST", "/api/v1/me/recovery-codes", nil)); len(codes.RecoveryCodes) != 10 {
			t.Errorf("got %v", codes)
		}
		b.do(200, "POST", "/api/v1/session/confirm", m{"password": goodPassword})
		ceremony := read[administration.Ceremony](t, b.do(200, "POST", "/api/v1/me/factors/passkey/begin", nil))
		if ceremony.Options["challenge"] == nil || ceremony.Options["user"] == nil {
			t.Errorf("the browser gets %v", ceremony.Options)
		}
		b.refused(401, "passkey_refused", "POST", "/api/v1/me/factors/passkey/finish", m{"ceremony": ceremony.Ceremony, "name": "x", "credential": m{"id": "x"}})
		stranger := o.browser()
		ceremony = read[administration.Ceremony](t, stranger.do(200, "POST", "/api/v1/session/passkey/begin", nil))
		stranger.refused(401, "passkey_refused", "POST", "/api/v1/session/passkey/finish", m{"ceremony": ceremony.Ceremony, "credential": m{"id": "x"}})
		b.do(204, "DELETE", "/api/v1/me/factors/"+added.Factor.Id, nil)
		b.refused(409, "no_second_factor", "POST", "/api/v1/me/recovery-codes", nil)
	})
}

func TestOwnSessionsAndPassword(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		one, two := o.setUp(), o.browser()
		two.do(200, "POST", "/api/v1/session", m{"address": "it@example.com", "password": goodPassword}, "User-Agent", "Mozilla/5.0 (Windows NT 10.0) Gecko/20100101 Firefox/140.0")
		list := read[administration.SignIns](t, one.do(200, "GET", "/api/v1/me/sessions", nil)).Items
		i := slices.IndexFunc(list, func(s administration.SignInRecord) bool { return !s.Current })
		if len(list) != 2 || i < 0 || list[i].Device != "Firefox, Windows" {
			t.Fatalf("the sessions are %+v", list)
		}
		one.do(204, "DELETE", "/api/v1/me/sessions/"+list[i].Id, nil)
		one.refused(404, "not_found", "DELETE", "/api/v1/me/sessions/"+list[i].Id, nil)
		two.refused(401, "sign_in", "GET", "/api/v1/me", nil)
		two.do(200, "POST", "/api/v1/session", m{"address": "it@example.com", "password": goodPassword})
		one.refused(401, "sign_in_refused", "PUT", "/api/v1/me/password", m{"current": "wrong", "new": "another fine password"})
		one.refused(422, "weak_password", "PUT", "/api/v1/me/password", m{"current": goodPassword, "new": "aaaaaaaaaaaaaaa"})
		one.do(204, "PUT", "/api/v1/me/password", m{"current": goodPassword, "new": "another fine password"})
		two.refused(401, "sign_in", "GET", "/api/v1/me", nil)
		one.do(200, "PATCH", "/api/v1/me", m{"name": "信息部", "language": "en"})
		one.do(204, "DELETE", "/api/v1/me/sessions", nil)
		if me := read[administration.Me](t, one.do(200, "GET", "/api/v1/me", nil)); me.Name != "信息部" || me.Language != administration.En {
			t.Errorf("me is %+v", me)
		}
	})
}

func TestOtherSitesAreRefused(t *testing.T) {
	t.Parallel()
	o := newOffice(t, storetest.SQLite(t))
	h := o.part.Protect(o.server.Handler(nil))
	for site, want := range map[string]int{"cross-site": 403, "same-origin": 401} {
		r := httptest.NewRequest(http.MethodPost, "/api/v1/session", strings.NewReader(`{"address":"a@example.com","password":"x"}`))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Sec-Fetch-Site", site)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("from %s: %d %s", site, w.Code, w.Body)
		}
	}
}
