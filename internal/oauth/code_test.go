package oauth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAuthorizationCode(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	app := v.app()
	app.Scopes = []string{"read", "offline_access"}
	f, err := app.Begin("https://login.example.com/authorize?tenant=x", "http://127.0.0.1:9/callback", url.Values{"login_hint": {"a@example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(f.URL)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	for name, want := range map[string]string{
		"tenant": "x", "response_type": "code", "client_id": "app", "redirect_uri": "http://127.0.0.1:9/callback", "login_hint": "a@example.com",
		"scope": "read offline_access", "code_challenge_method": "S256",
	} {
		if q.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, q.Get(name), want)
		}
	}
	if strings.Contains(f.URL, v.secret) || len(q.Get("state")) < 20 {
		t.Errorf("got %s", f.URL)
	}
	v.answer = func(form url.Values) (int, string) {
		sum := sha256.Sum256([]byte(form.Get("code_verifier")))
		if form.Get("grant_type") != "authorization_code" || form.Get("code") != "the-code" || form.Get("redirect_uri") != "http://127.0.0.1:9/callback" ||
			base64.RawURLEncoding.EncodeToString(sum[:]) != q.Get("code_challenge") || len(form.Get("code_verifier")) < 43 {
			return 400, `{"error":"invalid_grant"}`
		}
		return 200, `{"access_token":"access","refresh_token":"refresh","expires_in":60}`
	}
	for callback, want := range map[string]error{
		"http://127.0.0.1:9/callback": ErrNoCode,
		"hello":                       ErrNoCode,
		"http://127.0.0.1:9/callback?code=the-code&state=wrong": ErrState,
		"code=the-code": ErrState,
	} {
		if _, err := f.Finish(t.Context(), v, callback); !errors.Is(err, want) {
			t.Errorf("%s: got %v", callback, err)
		}
	}
	if v.asked() != 0 {
		t.Error("the vendor was asked about a foreign answer")
	}
	if _, err := f.Finish(t.Context(), v, "error=access_denied&state="+f.state); KindOf(err) != Grant {
		t.Errorf("denied: got %v", err)
	}
	for _, callback := range []string{
		" http://127.0.0.1:9/callback?code=the-code&state=" + f.state + "&session_state=1\n",
		"?code=the-code&state=" + f.state,
		"code=the-code&state=" + f.state,
	} {
		got, err := f.Finish(t.Context(), v, callback)
		if err != nil || got.Refresh != "refresh" || got.Token.Access != "access" {
			t.Errorf("%s: got %+v, %v", callback, got, err)
		}
	}
}

// deviceVendor answers after some questions; asked is when each came.
type deviceVendor struct {
	answers []string
	asked   []time.Time
}

func (d *deviceVendor) PostForm(_ context.Context, form url.Values, _ http.Header) (int, []byte, error) {
	if form.Get("grant_type") == "" {
		if form.Get("client_id") != "app" || form.Get("scope") != "mail" {
			return 400, []byte(`{"error":"invalid_request"}`), nil
		}
		return 200, []byte(`{"device_code":"dc","user_code":"ABCD-EFGH","verification_uri":"https://login.example.com/device","expires_in":900,"interval":7}`), nil
	}
	if form.Get("device_code") != "dc" || form.Get("grant_type") != grantDeviceCode {
		return 400, []byte(`{"error":"invalid_grant"}`), nil
	}
	d.asked = append(d.asked, time.Now())
	answer := d.answers[0]
	if len(d.answers) > 1 {
		d.answers = d.answers[1:]
	}
	if strings.Contains(answer, "access_token") {
		return 200, []byte(answer), nil
	}
	return 400, []byte(`{"error":"` + answer + `"}`), nil
}

func TestDeviceCode(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := &deviceVendor{answers: []string{"authorization_pending", "slow_down", "authorization_pending", `{"access_token":"a","refresh_token":"r"}`}}
		d, err := App{ID: "app", Scopes: []string{"mail"}}.BeginDevice(t.Context(), v)
		if err != nil || d.Code != "ABCD-EFGH" || d.URL != "https://login.example.com/device" {
			t.Fatalf("got %+v, %v", d, err)
		}
		began := time.Now()
		got, err := d.Wait(t.Context(), v)
		if err != nil || got.Refresh != "r" {
			t.Fatalf("got %+v, %v", got, err)
		}
		for i, want := range []time.Duration{7, 14, 26, 38} { // five seconds more after slow_down
			if at := v.asked[i].Sub(began); at != want*time.Second {
				t.Errorf("question %d came after %s, want %ds", i, at, want)
			}
		}
	})
}

func TestDeviceCodeEnds(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{"access_denied": "access_denied", "expired_token": "expired_token", "authorization_pending": "nobody answered"} {
		synctest.Test(t, func(t *testing.T) {
			v := &deviceVendor{answers: []string{answer}}
			d, err := App{ID: "app", Scopes: []string{"mail"}}.BeginDevice(t.Context(), v)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := d.Wait(t.Context(), v); KindOf(err) != Grant || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v", answer, err)
			}
		})
	}
}

func TestHTTPPoster(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil || r.Method != http.MethodPost || r.Header.Get("Accept") != "application/json" {
			t.Errorf("got %s with %v", r.Method, r.Header)
		}
		switch r.URL.Path {
		case "/token":
			if user, password, _ := r.BasicAuth(); user != "app" || password != "s%2Fx" {
				t.Errorf("got user %q", user)
			}
			_, _ = w.Write([]byte(`{"access_token":"a","expires_in":"60"}`))
		case "/elsewhere":
			http.Redirect(w, r, "/token", http.StatusTemporaryRedirect)
		}
	}))
	t.Cleanup(server.Close)
	post := func(path string) (Token, error) {
		p, err := NewHTTPPoster(server.URL+path, "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		return ClientCredentials(p, App{ID: "app", Secret: "s/x", Basic: true})(t.Context())
	}
	if got, err := post("/token"); err != nil || got.Access != "a" {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := post("/elsewhere"); KindOf(err) != Request {
		t.Errorf("a redirect was followed: %v", err)
	}
	server.Close()
	if _, err := post("/token"); KindOf(err) != Passing || strings.Contains(err.Error(), "/token") {
		t.Errorf("got %v", err)
	}
}
