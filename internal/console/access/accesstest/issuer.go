package accesstest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/coreos/go-oidc/v3/oidc/oidctest"

	"heliograph/config"
)

// issuerKey is that of all issuers. To make one takes long.
var issuerKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

const (
	client   = "heliograph"
	callback = origin + "/api/v1/sign-in/oidc/corp/callback"
)

// Issuer is a company's sign-in, called corp: whoever comes is who the claims say.
type Issuer struct {
	*httptest.Server
	t      testing.TB
	public http.Handler // of the key that is told to everybody

	mu       sync.Mutex       // guards what follows
	codes    map[string]grant // OpenID Connect Core, 3.1.2.5
	subjects map[string]any   // by access token

	// Tests change these within Set.
	Down     bool
	Key      *rsa.PrivateKey // signs the tokens; another one is a forger's
	UserInfo map[string]any  // told beside the token (5.3); nil: there is no such endpoint
}

// grant is what is kept of a person who has signed in at the issuer.
type grant struct {
	challenge, nonce string
	claims           map[string]any
}

// NewIssuer starts an issuer, which ends with the test. Its Client is to be used for it.
func NewIssuer(t testing.TB) *Issuer {
	t.Helper()
	key, err := issuerKey()
	if err != nil {
		t.Fatal(err)
	}
	public := &oidctest.Server{PublicKeys: []oidctest.PublicKey{{PublicKey: key.Public(), KeyID: "k", Algorithm: oidc.RS256}}}
	i := &Issuer{t: t, public: public, codes: map[string]grant{}, subjects: map[string]any{}, Key: key}
	i.Server = httptest.NewServer(http.HandlerFunc(i.serve))
	t.Cleanup(i.Close)
	return i
}

// Section is the console's configuration of the issuer. The groups give these roles, and nobody else has one.
func (i *Issuer) Section(roles ...config.OIDCRole) config.OIDC {
	return config.OIDC{Name: "corp", Issuer: i.URL, ClientID: client, ClientSecret: config.NewSecret("s"), GroupsClaim: "groups", Roles: roles}
}

// Set changes the exported fields.
func (i *Issuer) Set(change func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change()
}

// Authorize is what a person does to whom the console has sent to the issuer: it returns what the browser brings back. The claims are
// added to those of a good token, or replace them.
func (i *Issuer) Authorize(location string, claims map[string]any) url.Values {
	i.t.Helper()
	u, err := url.Parse(location)
	if err != nil {
		i.t.Fatal(err)
	}
	q := u.Query()
	for k, want := range map[string]string{"response_type": "code", "client_id": client, "redirect_uri": callback, "code_challenge_method": "S256"} {
		if !strings.HasPrefix(location, i.URL+"/authorize?") || q.Get(k) != want { // 3.1.2.1; RFC 7636, 4.3
			i.t.Fatalf("sent to %s, want %s = %s", location, k, want)
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	code := rand.Text()
	i.codes[code] = grant{q.Get("code_challenge"), q.Get("nonce"), claims}
	return url.Values{"code": {code}, "state": {q.Get("state")}}
}

func (i *Issuer) serve(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.Down {
		http.Error(w, "down", http.StatusServiceUnavailable)
		return
	}
	var status int
	var out map[string]any
	switch r.Method + " " + r.URL.Path {
	case "GET /.well-known/openid-configuration":
		status, out = i.describe()
	case "POST /token":
		status, out = i.redeem(r.PostFormValue("code"), r.PostFormValue("code_verifier"))
	case "GET /userinfo":
		status, out = i.tell(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	default:
		i.public.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(out)
}

// describe is OpenID Connect Discovery, 3.
func (i *Issuer) describe() (int, map[string]any) {
	about := map[string]any{
		"issuer": i.URL, "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token", "jwks_uri": i.URL + "/keys",
		"id_token_signing_alg_values_supported": []string{oidc.RS256}, "response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
	}
	if i.UserInfo != nil {
		about["userinfo_endpoint"] = i.URL + "/userinfo"
	}
	return http.StatusOK, about
}

// redeem gives a token (OpenID Connect Core, 2 and 3.1.3.3) for a code, once, to who has begun the sign-in (RFC 7636, 4.6).
func (i *Issuer) redeem(code, verifier string) (int, map[string]any) {
	g, known := i.codes[code]
	if sum := sha256.Sum256([]byte(verifier)); !known || g.challenge != b64.EncodeToString(sum[:]) {
		return http.StatusBadRequest, map[string]any{"error": "invalid_grant"}
	}
	delete(i.codes, code)
	claims := map[string]any{"iss": i.URL, "aud": client, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(), "nonce": g.nonce}
	maps.Copy(claims, g.claims)
	text, err := json.Marshal(claims)
	if err != nil {
		i.t.Error(err)
	}
	access := rand.Text()
	i.subjects[access] = claims["sub"]
	return http.StatusOK, map[string]any{"access_token": access, "token_type": "Bearer", "id_token": oidctest.SignIDToken(i.Key, "k", oidc.RS256, string(text))}
}

// tell says more of the person (OpenID Connect Core, 5.3).
func (i *Issuer) tell(access string) (int, map[string]any) {
	subject, known := i.subjects[access]
	if !known || i.UserInfo == nil {
		return http.StatusUnauthorized, map[string]any{"error": "invalid_token"}
	}
	info := map[string]any{"sub": subject}
	maps.Copy(info, i.UserInfo)
	return http.StatusOK, info
}
