package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"
)

func (v *vendor) app() App { return App{ID: v.id, Secret: v.secret} }

func TestClientCredentials(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*App){
		"secret in the form":  func(*App) {},
		"secret in a header":  func(a *App) { a.Basic = true },
		"scopes and audience": func(a *App) { a.Scopes, a.Params = []string{"a", "b"}, url.Values{"audience": {"x"}} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVendor(t)
			app := v.app()
			change(&app)
			before := time.Now()
			got, err := ClientCredentials(v, app)(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got.Access != "access-1" || got.Type != "Bearer" || got.Extra["instance_url"] != "https://eu1.example.com" || len(got.Extra) != 1 {
				t.Errorf("got %+v", got)
			}
			if life := got.Expires.Sub(before); life < time.Hour || life > time.Hour+time.Minute {
				t.Errorf("it lives %s, want an hour", life)
			}
		})
	}
}

func TestJWTBearer(t *testing.T) {
	t.Parallel()
	key, forms := testKey()
	for _, pem := range forms {
		v := newVendor(t)
		v.public, v.lifetime = &key.PublicKey, 0
		a := Assertion{Issuer: v.id, Subject: "user@example.com", Audience: "https://login.example.com", Key: pem}
		fetch, err := JWTBearer(v, App{Lifetime: time.Minute}, a)
		if err != nil {
			t.Fatal(err)
		}
		got, err := fetch(t.Context())
		if err != nil || got.Access != "access-1" {
			t.Errorf("got %+v, %v", got, err)
		}
		if left := time.Until(got.Expires); left <= 0 || left > time.Minute {
			t.Errorf("it lives %s, want a minute: the vendor does not say", left)
		}
		a.Subject = "nobody"
		fetch, _ = JWTBearer(v, App{}, a)
		if _, err := fetch(t.Context()); KindOf(err) != Grant {
			t.Errorf("for nobody: got %v", err)
		}
	}
}

func TestClientAssertion(t *testing.T) {
	t.Parallel()
	key, forms := testKey()
	v := newVendor(t)
	v.public = &key.PublicKey
	app := App{ID: v.id, Assertion: &Assertion{Issuer: v.id, Subject: v.id, Audience: "https://login.example.com", Key: forms[0]}}
	if got, err := ClientCredentials(v, app)(t.Context()); err != nil || got.Access == "" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestUnusableKeys(t *testing.T) {
	t.Parallel()
	for _, pem := range []string{"", "nonsense", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		if _, err := JWTBearer(newVendor(t), App{}, Assertion{Key: pem}); err == nil {
			t.Errorf("the key %q was taken", pem)
		}
	}
}

func TestErrorsHaveKinds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		body   string
		want   Kind
	}{
		{400, `{"error":"invalid_grant","error_description":"expired"}`, Grant},
		{200, `{"error":"invalid_code"}`, Grant},
		{400, `{"error":"interaction_required","error_description":"AADSTS50079: …"}`, Grant},
		{401, `{"error":"invalid_client"}`, Client},
		{400, `{"error":"unauthorized_client"}`, Client},
		{400, `{"error":"invalid_scope"}`, Request},
		{400, `{"error":"unsupported_grant_type"}`, Request},
		{400, `{"error":"temporarily_unavailable"}`, Passing},
		{400, `{"error":"authorization_pending"}`, Pending},
		{503, `<html>busy</html>`, Passing},
		{429, `{}`, Passing},
		{403, ``, Client},
		{404, `not here`, Request},
		{500, `{"error":{"code":5}}`, Passing},
		{200, `{"token":"x"}`, Passing},
		{200, `[]`, Passing},
	} {
		v := newVendor(t)
		v.answer = func(url.Values) (int, string) { return c.status, c.body }
		_, err := ClientCredentials(v, v.app())(t.Context())
		if got := KindOf(err); err == nil || got != c.want {
			t.Errorf("%d %s: got %v of kind %q, want %q", c.status, c.body, err, got, c.want)
		}
		var e *Error
		if !errors.As(err, &e) || e.Temporary() != (c.want == Passing || c.want == Pending) {
			t.Errorf("%d %s: temporary is wrong in %#v", c.status, c.body, err)
		}
	}
}

func TestErrorsHoldNoSecrets(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	wrong := v.app()
	wrong.Secret = "not-the-secret"
	_, err := ClientCredentials(v, wrong)(t.Context())
	if KindOf(err) != Client || strings.Contains(err.Error(), wrong.Secret) {
		t.Errorf("got %v", err)
	}
	var k *Keeper
	_, err = k.Refreshing("target:x", v, v.app(), "stolen-refresh-token").Token(t.Context())
	if KindOf(err) != Grant || strings.Contains(err.Error(), "stolen-refresh") {
		t.Errorf("got %v", err)
	}
}

func TestExpiryForms(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]time.Duration{
		`{"access_token":"x","expires_in":60}`:      time.Minute,
		`{"access_token":"x","expires_in":"60"}`:    time.Minute,
		`{"access_token":"x","expires_in":-5}`:      0,
		`{"access_token":"x","expires_in":"soon"}`:  0,
		`{"access_token":"x","expires_in":"NaN"}`:   0,
		`{"access_token":"x","expires_in":1e300}`:   maxLifetime,
		`{"access_token":"x","expires_in":null}`:    0,
		`{"access_token":"x","expires_in":"60.5"}`:  60500 * time.Millisecond,
		`{"access_token":"x","expires_in":[60,60]}`: 0,
	} {
		v := newVendor(t)
		v.answer = func(url.Values) (int, string) { return 200, body }
		got, err := ClientCredentials(v, v.app())(t.Context())
		if err != nil {
			t.Errorf("%s: %v", body, err)
			continue
		}
		if want == 0 {
			if !got.Expires.IsZero() {
				t.Errorf("%s: it expires at %s", body, got.Expires)
			}
			continue
		}
		if d := time.Until(got.Expires); d > want || d < want-10*time.Second {
			t.Errorf("%s: it lives %s, want %s", body, d, want)
		}
	}
}

// A nil Keeper refreshes from what is configured and goes on with what the vendor gives.
func TestRefreshingWithoutStore(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	v.rotate = true
	var k *Keeper
	s := k.Refreshing("target:x", v, v.app(), "refresh-0")
	for want := 1; want <= 3; want++ {
		got, err := s.Token(t.Context())
		if err != nil || v.asked() != want {
			t.Fatalf("got %+v, %v after %d requests", got, err, v.asked())
		}
		s.Reject(t.Context(), "another")
		if same, _ := s.Token(t.Context()); same.Access != got.Access {
			t.Error("the rejection of another token was heeded")
		}
		s.Reject(t.Context(), got.Access)
	}
	if _, err := k.Refreshing("target:x", v, v.app(), "").Token(t.Context()); KindOf(err) != Grant {
		t.Errorf("without a refresh token: %v", err)
	}
}

// A token of a short life is used for most of it.
func TestShortLife(t *testing.T) {
	t.Parallel()
	now := time.Now()
	token := Token{Access: "x", Expires: now.Add(20 * time.Second)}
	if !token.usable(now, now.Add(14*time.Second)) || token.usable(now, now.Add(16*time.Second)) {
		t.Error("of twenty seconds the last five are left out")
	}
	token.Expires = now.Add(time.Hour)
	if !token.usable(now, now.Add(58*time.Minute)) || token.usable(now, now.Add(59*time.Minute+time.Second)) {
		t.Error("of an hour the last minute is left out")
	}
}

func FuzzAnswers(f *testing.F) {
	f.Add(200, []byte(`{"access_token":"x","expires_in":"60","api_domain":"https://x"}`))
	f.Add(400, []byte(`{"error":"invalid_grant","error_description":"refresh-0"}`))
	f.Add(200, []byte(`{"errorCode":"0","access_token":5}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		v := newVendor(t)
		v.answer = func(url.Values) (int, string) { return status, string(body) }
		token, err := ClientCredentials(v, v.app())(context.Background())
		if (err == nil) != (token.Access != "") {
			t.Fatalf("got %+v and %v", token, err)
		}
		if err != nil {
			if KindOf(err) == "" || strings.Contains(err.Error(), v.secret) || len(err.Error()) > 4*2*maxDescription+200 {
				t.Fatalf("got %q", err)
			}
			return
		}
		if _, err := json.Marshal(token); err != nil {
			t.Fatal(err)
		}
	})
}
