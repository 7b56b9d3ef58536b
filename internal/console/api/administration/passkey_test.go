package administration_test

import (
	"slices"
	"testing"

	"heliograph/internal/console/access"
	"heliograph/internal/console/access/accesstest"
	"heliograph/internal/console/api/administration"
)

// present signs in, or confirms, with a device.
func (b *browser) present(key *accesstest.Passkey, want int) (administration.Session, m) {
	t := b.o.t
	t.Helper()
	begun := read[administration.Ceremony](t, b.do(200, "POST", "/api/v1/session/passkey/begin", nil))
	said := m{"ceremony": begun.Ceremony, "credential": key.Get(begun.Options)}
	return read[administration.Session](t, b.do(want, "POST", "/api/v1/session/passkey/finish", said)), said
}

// A passkey is added, is enough to sign in, and is the second step behind a password.
func TestPasskey(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		admin, key := o.setUp(), accesstest.NewPasskey(t)
		begun := read[administration.Ceremony](t, admin.do(200, "POST", "/api/v1/me/factors/passkey/begin", nil))
		finish := m{"ceremony": begun.Ceremony, "name": "key ring", "credential": key.Create(begun.Options)}
		o.browser().refused(401, "sign_in", "POST", "/api/v1/me/factors/passkey/finish", finish)
		added := read[administration.FactorAdded](t, admin.do(200, "POST", "/api/v1/me/factors/passkey/finish", finish))
		if added.Factor.Name != "key ring" || added.Factor.Kind != "passkey" || len(added.RecoveryCodes) != 10 {
			t.Errorf("added is %+v", added)
		}
		admin.refused(401, "sign_in_expired", "POST", "/api/v1/me/factors/passkey/finish", finish) // the ceremony is over

		alone := o.browser()
		s, said := alone.present(key, 200)
		if !s.SignedIn || s.Person.Email != "it@example.com" {
			t.Errorf("alone is told %+v", s)
		}
		o.browser().refused(401, "passkey_refused", "POST", "/api/v1/session/passkey/finish", said)
		if me := read[administration.Me](t, alone.do(200, "GET", "/api/v1/me", nil)); me.Email != "it@example.com" {
			t.Errorf("me is %+v", me)
		}
		stranger := *key
		stranger.Key = accesstest.NewPasskey(t).Key
		if s, _ := o.browser().present(&stranger, 401); s.SignedIn {
			t.Error("another key with the same name is let in")
		}

		half := o.browser()
		s = read[administration.Session](t, half.do(200, "POST", "/api/v1/session", m{"address": "it@example.com", "password": goodPassword}))
		if s.SignedIn || s.Step != administration.StepSecondFactor || !slices.Contains(s.SecondFactors, administration.FactorKindPasskey) {
			t.Errorf("behind the password is told %+v", s)
		}
		half.refused(401, "sign_in", "GET", "/api/v1/me", nil)
		if s, _ = half.present(key, 200); !s.SignedIn {
			t.Errorf("behind the passkey is told %+v", s)
		}
		half.do(200, "GET", "/api/v1/me", nil)
		if acts := o.server.Acts("finishPasskey"); len(acts) == 0 || acts[len(acts)-1].Notes["email"] != "it@example.com" {
			t.Errorf("on record is %+v", acts)
		}
	})
}

// A link says what it is for, until it is used.
func TestSetUpLink(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		token, _, err := o.signIn.FirstAdminLink(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b := o.browser()
		first := read[administration.SetUpLink](t, b.do(200, "POST", "/api/v1/session/setup/check", m{"token": token}))
		b.do(200, "POST", "/api/v1/session/setup", m{"token": token, "password": goodPassword, "email": "it@example.com", "name": "IT"})
		o.browser().refused(404, "link_invalid", "POST", "/api/v1/session/setup/check", m{"token": token})
		who := read[administration.User](t, b.do(201, "POST", "/api/v1/people", m{"email": "li.na@example.com", "name": "Li Na", "role": access.Agent}))
		link := read[administration.Invitation](t, b.do(201, "POST", "/api/v1/people/"+who.Id+"/invitation", nil)).Link
		second := read[administration.SetUpLink](t, o.browser().do(200, "POST", "/api/v1/session/setup/check", m{"token": link[len("https://console.example.com/setup#"):]}))
		if first.Email != "" || second.Email != "li.na@example.com" || first.Kind == second.Kind {
			t.Errorf("the first is for %+v, the second for %+v", first, second)
		}
	})
}
