package access_test

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
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// signingKey is the issuer's. To make one takes long.
var signingKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// issuer is a small issuer of OpenID Connect: whoever comes is signed in as the claims say.
type issuer struct {
	*httptest.Server
	t   *testing.T
	key *rsa.PrivateKey

	mu     sync.Mutex // guards what follows
	down   bool
	claims map[string]any    // of the next token
	info   map[string]any    // of the endpoint for more
	codes  map[string]string // challenge by code
	nonces map[string]string
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := signingKey()
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{t: t, key: key, codes: map[string]string{}, nonces: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", i.describe)
	mux.HandleFunc("GET /keys", i.keys)
	mux.HandleFunc("POST /token", i.token)
	mux.HandleFunc("GET /userinfo", func(w http.ResponseWriter, _ *http.Request) {
		i.mu.Lock()
		defer i.mu.Unlock()
		info := map[string]any{"sub": i.claims["sub"]}
		maps.Copy(info, i.info)
		reply(w, info)
	})
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		down := i.down
		i.mu.Unlock()
		if down {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(i.Close)
	return i
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func (i *issuer) describe(w http.ResponseWriter, _ *http.Request) {
	reply(w, map[string]any{
		"issuer": i.URL, "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token", "jwks_uri": i.URL + "/keys", "userinfo_endpoint": i.URL + "/userinfo",
		"id_token_signing_alg_values_supported": []string{"RS256"}, "response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
	})
}

func (i *issuer) keys(w http.ResponseWriter, _ *http.Request) {
	reply(w, map[string]any{"keys": []any{map[string]any{
		"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "k", "n": b64.EncodeToString(i.key.N.Bytes()), "e": b64.EncodeToString(big.NewInt(int64(i.key.E)).Bytes()),
	}}})
}

// authorize is what the person does at the issuer: it returns what the browser brings back.
func (i *issuer) authorize(location string) access.OIDCAnswer {
	i.t.Helper()
	u, err := url.Parse(location)
	if err != nil {
		i.t.Fatal(err)
	}
	q := u.Query()
	if q.Get("code_challenge_method") != "S256" || q.Get("response_type") != "code" || q.Get("client_id") != "heliograph" {
		i.t.Errorf("the issuer is asked %s", u.RawQuery)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	code := rand.Text()
	i.codes[code], i.nonces[code] = q.Get("code_challenge"), q.Get("nonce")
	return access.OIDCAnswer{Code: code, State: q.Get("state")}
}

func (i *issuer) token(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	code := r.PostFormValue("code")
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if _, known := i.codes[code]; !known || i.codes[code] != b64.EncodeToString(sum[:]) {
		w.WriteHeader(http.StatusBadRequest)
		reply(w, map[string]any{"error": "invalid_grant"})
		return
	}
	delete(i.codes, code)
	claims := map[string]any{"iss": i.URL, "aud": "heliograph", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(), "nonce": i.nonces[code]}
	maps.Copy(claims, i.claims)
	head, _ := json.Marshal(map[string]string{"alg": "RS256", "kid": "k"})
	body, _ := json.Marshal(claims)
	text := b64.EncodeToString(head) + "." + b64.EncodeToString(body)
	digest := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, i.key, crypto.SHA256, digest[:])
	if err != nil {
		i.t.Error(err)
	}
	reply(w, map[string]any{"access_token": "at", "token_type": "Bearer", "id_token": text + "." + b64.EncodeToString(signature)})
}

func (i *issuer) says(claims map[string]any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.claims = claims
}

// oidcRig is a rig with an issuer called corp.
func oidcRig(t *testing.T, db *store.DB) (*rig, *issuer) {
	t.Helper()
	i := newIssuer(t)
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	return newRig(t, db, func(o *access.Options) {
		o.HTTP = client
		o.Config.OIDC = []config.OIDC{{
			Name: "corp", Issuer: i.URL, ClientID: "heliograph", ClientSecret: config.NewSecret("s"), GroupsClaim: "groups", DefaultRole: config.RoleAgent,
			Roles: []config.OIDCRole{{Group: "leads", Role: config.RoleManager}, {Group: "it", Role: config.RoleAdmin}},
		}}
	}), i
}

// come goes to the issuer and comes back.
func (r *rig) come(i *issuer) (*access.Entered, error) {
	r.t.Helper()
	location, cookie, err := r.BeginOIDC(r.t.Context(), "corp", "/rules")
	if err != nil {
		r.t.Fatal(err)
	}
	v := from("192.0.2.1")
	v.Oidc = cookie.Value
	e, page, err := r.FinishOIDC(r.t.Context(), v, "corp", i.authorize(location))
	if err == nil && page != "/rules" {
		r.t.Errorf("the page is %q", page)
	}
	return e, err
}

func TestOIDC(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r, i := oidcRig(t, db)
		i.says(map[string]any{"sub": "1", "email": "Li.Na@example.com", "email_verified": true, "name": "李娜", "groups": []string{"staff", "leads"}})
		e, err := r.come(i)
		if err != nil {
			t.Fatal(err)
		}
		c := r.caller(request(e))
		if c.Person.Role != access.Manager || c.Scope != access.ScopeTeam || c.Person.Name != "李娜" || c.Person.Email != "li.na@example.com" {
			t.Errorf("the person is %+v", c)
		}
		// Another address, no more group: the same person, with the usual role.
		i.says(map[string]any{"sub": "1", "email": "li.wang@example.com", "email_verified": true, "groups": []string{"staff"}})
		again, err := r.come(i)
		if err != nil || again.User.ID != e.User.ID || r.caller(request(again)).Person.Role != access.Agent {
			t.Errorf("the second time %+v, %v", again, err)
		}
		// Somebody else gets the address.
		i.says(map[string]any{"sub": "2", "email": "li.na@example.com", "email_verified": true})
		_, err = r.come(i)
		wantErr(t, "the address with another subject", err, access.ErrIssuer)
		i.says(map[string]any{"sub": "3", "email": "wang@example.com"})
		_, err = r.come(i)
		wantErr(t, "an address that is not verified", err, access.ErrNoEmail)
		yes := true
		if _, err := r.Change(t.Context(), e.User.ID, access.Change{Disabled: &yes}); err != nil {
			t.Fatal(err)
		}
		i.says(map[string]any{"sub": "1"})
		_, err = r.come(i)
		wantErr(t, "a disabled person", err, access.ErrDisabled)
		// The groups are where more is told; the person is in the book by address, and is the last admin.
		admin := r.person("it@example.com", access.Admin)
		i.says(map[string]any{"sub": "4"})
		i.mu.Lock()
		i.info = map[string]any{"sub": "4", "email": "it@example.com", "email_verified": "true", "groups": "leads"}
		i.mu.Unlock()
		last, err := r.come(i)
		if err != nil || last.User.ID != admin.ID || last.User.Role != access.Admin {
			t.Errorf("the last admin comes as %+v, %v", last, err)
		}
	})
}

func TestOIDCRefusals(t *testing.T) {
	t.Parallel()
	r, i := oidcRig(t, storetest.SQLite(t))
	ctx := t.Context()
	i.mu.Lock()
	i.down = true
	i.mu.Unlock()
	_, _, err := r.BeginOIDC(ctx, "corp", "/")
	wantErr(t, "an issuer that is down", err, access.ErrUnavailable)
	i.mu.Lock()
	i.down = false
	i.mu.Unlock()
	_, _, err = r.BeginOIDC(ctx, "other", "/")
	wantErr(t, "an unknown issuer", err, access.ErrNotFound)

	good := map[string]any{"sub": "1", "email": "li.na@example.com", "email_verified": true}
	i.says(good)
	begin := func() (access.Visit, access.OIDCAnswer) {
		location, cookie, err := r.BeginOIDC(ctx, "corp", "https://evil.example/")
		if err != nil {
			t.Fatal(err)
		}
		v := from("192.0.2.1")
		v.Oidc = cookie.Value
		return v, i.authorize(location)
	}
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
	wantErr(t, "a code of another verifier", err, access.ErrIssuer)
	for name, wrong := range map[string]map[string]any{
		"a token for another sign-in": {"nonce": "other"}, "a token for another program": {"aud": "other"}, "a token of another issuer": {"iss": "https://evil.example"},
		"a token that has ended": {"exp": time.Now().Add(-time.Hour).Unix()},
	} {
		claims := maps.Clone(good)
		maps.Copy(claims, wrong)
		i.says(claims)
		v, a = begin()
		_, _, err = r.FinishOIDC(ctx, v, "corp", a)
		wantErr(t, name, err, access.ErrIssuer)
	}
}
