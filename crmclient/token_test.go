package crmclient_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"heliograph/crmclient"
	"heliograph/internal/oauth"
)

// poster is one to a token endpoint that answers so.
func poster(t *testing.T, handler http.HandlerFunc) *crmclient.TokenPoster {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	p, err := crmclient.Deps{Target: "sales"}.Poster(crmclient.Settings{URL: "https://api.example.com"}, server.URL+"/oauth/token")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func TestPosterSendsForms(t *testing.T) {
	t.Parallel()
	p := poster(t, func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil || r.Method != http.MethodPost || r.URL.Path != "/oauth/token" ||
			r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || r.PostForm.Get("client_secret") != "a&b" {
			t.Errorf("got %s %s with %v", r.Method, r.URL, r.Header)
		}
		fmt.Fprint(w, `{"access_token":"x","instance_url":"https://eu1.example.com"}`)
	})
	got, err := oauth.ClientCredentials(p, oauth.App{ID: "app", Secret: "a&b"})(t.Context())
	if err != nil || got.Access != "x" || got.Extra["instance_url"] == "" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestPosterExplainsErrors(t *testing.T) {
	t.Parallel()
	const secret = "the-client-secret"
	for _, c := range []struct {
		status int
		body   string
		class  crmclient.Class
		remedy string
	}{
		{400, `{"error":"invalid_grant","error_description":"expired: the-refresh-token"}`, crmclient.ClassAuth, "heliograph account connect sales"},
		{200, `{"error":"invalid_code"}`, crmclient.ClassAuth, "heliograph account connect sales"},
		{401, `{"error":"invalid_client","error_description":"the-client-secret is wrong"}`, crmclient.ClassAuth, "secret or key of the application"},
		{400, `{"error":"invalid_scope"}`, crmclient.ClassConfiguration, "scopes and permissions"},
		{503, `<html>`, crmclient.ClassRetry, ""},
		{429, `{"error":"too_many_requests"}`, crmclient.ClassRate, ""},
		{404, ``, crmclient.ClassConfiguration, "check the login host"},
		{200, `{}`, crmclient.ClassRetry, ""},
	} {
		p := poster(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(c.status)
			fmt.Fprint(w, c.body)
		})
		var k *oauth.Keeper
		_, err := k.Refreshing("target:sales", p, oauth.App{ID: "app", Secret: secret}, "the-refresh-token").Token(t.Context())
		var e *crmclient.Error
		if !errors.As(err, &e) || e.Class != c.class || !strings.Contains(e.Remedy, c.remedy) || (e.Remedy == "") != (c.remedy == "") {
			t.Errorf("%d %s: got %v of class %s: %+v", c.status, c.body, err, crmclient.ClassOf(err), e)
		}
		for _, hidden := range []string{secret, "the-refresh-token"} {
			if err != nil && strings.Contains(fmt.Sprintf("%v %+v", err, e), hidden) {
				t.Errorf("%d %s: a secret is in %v", c.status, c.body, err)
			}
		}
		if c.class == crmclient.ClassRate && crmclient.RetryAfter(err) != 7*time.Second {
			t.Errorf("wait %s, want 7s", crmclient.RetryAfter(err))
		}
	}
}

// Without a consent, the error says what to do, and nothing is sent.
func TestPosterNotConnected(t *testing.T) {
	t.Parallel()
	p := poster(t, func(http.ResponseWriter, *http.Request) { t.Error("the endpoint was asked") })
	var k *oauth.Keeper
	_, err := k.Refreshing("target:sales", p, oauth.App{ID: "app"}, "").Token(t.Context())
	var e *crmclient.Error
	if !errors.As(err, &e) || e.Class != crmclient.ClassAuth || !strings.Contains(e.Remedy, "heliograph account connect sales") {
		t.Errorf("got %v: %+v", err, e)
	}
}

// The assertion's user must be approved by an administrator: no person can connect it.
func TestPosterRefusedAssertion(t *testing.T) {
	t.Parallel()
	p := poster(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":"invalid_grant","error_description":"user hasn't approved this consumer"}`)
	})
	form := map[string][]string{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {"x.y.z"}}
	_, _, err := p.PostForm(t.Context(), form, nil)
	var e *crmclient.Error
	if !errors.As(err, &e) || e.Class != crmclient.ClassAuth || !strings.Contains(e.Remedy, "approve the application") {
		t.Errorf("got %v: %+v", err, e)
	}
}
