package administration_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api/administration"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// signingKey is the issuer's. To make one takes long.
var signingKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// issuer is a company's sign-in: whoever comes is who the claims say.
type issuer struct {
	*httptest.Server
	t *testing.T

	mu        sync.Mutex // guards what follows
	down      bool
	claims    m
	challenge string // of the sign-in under way
	nonce     string
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{t: t}
	i.Server = httptest.NewServer(i)
	t.Cleanup(i.Close)
	return i
}

// ServeHTTP answers what OpenID Connect Discovery and Core say.
func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	key, err := signingKey()
	if err != nil || i.down {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	var out any
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		out = m{
			"issuer": i.URL, "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token", "jwks_uri": i.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"RS256"}, "response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		}
	case "/keys":
		out = m{"keys": []m{{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "k", "n": b64.EncodeToString(key.N.Bytes()), "e": b64.EncodeToString(big.NewInt(int64(key.E)).Bytes())}}}
	case "/token":
		sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
		if r.PostFormValue("code") != "good" || i.challenge != b64.EncodeToString(sum[:]) {
			w.WriteHeader(http.StatusBadRequest)
			out = m{"error": "invalid_grant"}
			break
		}
		out = m{"access_token": "at", "token_type": "Bearer", "id_token": i.sign(key)}
	default:
		w.WriteHeader(http.StatusNotFound)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out)
}

func (i *issuer) sign(key *rsa.PrivateKey) string {
	claims := m{"iss": i.URL, "aud": "heliograph", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(), "nonce": i.nonce}
	maps.Copy(claims, i.claims)
	head, _ := json.Marshal(m{"alg": "RS256", "kid": "k"})
	body, _ := json.Marshal(claims)
	text := b64.EncodeToString(head) + "." + b64.EncodeToString(body)
	digest := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	if err != nil {
		i.t.Error(err)
	}
	return text + "." + b64.EncodeToString(signature)
}

func (i *issuer) do(f func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	f()
}

const callback = "/api/v1/sign-in/oidc/corp/callback?"

// come goes to the issuer, which says who it is, and comes back: to this page.
func (b *browser) come(i *issuer, claims m) (page string) {
	t := b.o.t
	t.Helper()
	u, err := url.Parse(b.do(http.StatusSeeOther, "GET", "/api/v1/sign-in/oidc/corp?return=/rules", nil).Header.Get("Location"))
	if err != nil || u.Scheme+"://"+u.Host != i.URL || u.Query().Get("client_id") != "heliograph" || u.Query().Get("redirect_uri") != "https://console.example.com/api/v1/sign-in/oidc/corp/callback" {
		t.Fatalf("sent to %v, %v", u, err)
	}
	i.do(func() {
		i.claims, i.challenge, i.nonce = claims, u.Query().Get("code_challenge"), u.Query().Get("nonce")
	})
	return b.do(http.StatusSeeOther, "GET", callback+url.Values{"code": {"good"}, "state": {u.Query().Get("state")}}.Encode(), nil).Header.Get("Location")
}

// Who works in the company comes in by its sign-in; who does not is told why.
func TestOidc(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		i := newIssuer(t)
		client := &http.Client{Transport: &http.Transport{}}
		t.Cleanup(client.CloseIdleConnections)
		o := newOffice(t, db, func(a *access.Options) {
			a.HTTP = client
			a.Config.OIDC = []config.OIDC{{
				Name: "corp", Issuer: i.URL, ClientID: "heliograph", ClientSecret: config.NewSecret("s"), GroupsClaim: "groups", Roles: []config.OIDCRole{{Group: "leads", Role: config.RoleManager}},
			}}
		})
		b := o.browser()
		i.do(func() { i.down = true })
		if to := b.do(http.StatusSeeOther, "GET", "/api/v1/sign-in/oidc/corp", nil).Header.Get("Location"); to != "/sign-in?error=oidc_unavailable" {
			t.Errorf("of an issuer that is down the browser goes to %s", to)
		}
		i.do(func() { i.down = false })
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
