package oauth

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// vendor is a token endpoint that checks forms strictly. Its refresh tokens are good once: a second use revokes all of
// them, as vendors do that look for stolen ones.
type vendor struct {
	t        *testing.T
	id       string
	secret   string
	public   *rsa.PublicKey
	lifetime int // seconds; zero is not told
	rotate   bool

	mu      sync.Mutex
	refresh string // the one that is good
	revoked bool
	count   int
	under   int // requests under way
	most    int
	answer  func(form url.Values) (int, string) // instead of all that
	before  func(form url.Values)               // with no lock held
}

func newVendor(t *testing.T) *vendor {
	return &vendor{t: t, id: "app", secret: "s3cret+/=&", lifetime: 3600, refresh: "refresh-0"}
}

func (v *vendor) asked() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.count
}

// PostForm implements Poster.
func (v *vendor) PostForm(ctx context.Context, form url.Values, header http.Header) (int, []byte, error) {
	v.mu.Lock()
	v.under++
	v.most = max(v.most, v.under)
	before := v.before
	v.mu.Unlock()
	if before != nil {
		before(form)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	defer func() { v.under-- }()
	if err := ctx.Err(); err != nil {
		return 0, nil, err
	}
	v.count++
	if v.answer != nil {
		status, body := v.answer(form)
		return status, []byte(body), nil
	}
	if !v.authentic(form, header) {
		return 401, []byte(`{"error":"invalid_client","error_description":"unknown ` + form.Get("client_secret") + `"}`), nil
	}
	return v.grant(form)
}

func (v *vendor) authentic(form url.Values, header http.Header) bool {
	if user, password, ok := (&http.Request{Header: header}).BasicAuth(); ok {
		id, _ := url.QueryUnescape(user)
		secret, _ := url.QueryUnescape(password)
		return id == v.id && secret == v.secret && !form.Has("client_id") && !form.Has("client_secret")
	}
	if form.Get("grant_type") == grantJWTBearer {
		return true
	}
	if form.Get("client_assertion_type") == assertionJWTBearer {
		claims, ok := v.claims(form.Get("client_assertion"))
		return ok && form.Get("client_id") == v.id && claims["iss"] == v.id
	}
	return form.Get("client_id") == v.id && form.Get("client_secret") == v.secret
}

func (v *vendor) grant(form url.Values) (int, []byte, error) {
	allowed := "grant_type client_id client_secret scope client_assertion client_assertion_type audience"
	extra := ""
	switch form.Get("grant_type") {
	case grantClientCredentials:
	case grantJWTBearer:
		allowed += " assertion"
		claims, ok := v.claims(form.Get("assertion"))
		if !ok || claims["sub"] != "user@example.com" || claims["aud"] != "https://login.example.com" {
			return 400, []byte(`{"error":"invalid_grant","error_description":"bad assertion"}`), nil
		}
	case grantRefreshToken:
		allowed += " refresh_token"
		if v.revoked || form.Get("refresh_token") != v.refresh {
			v.revoked = true
			return 400, []byte(`{"error":"invalid_grant","error_description":"used before: ` + form.Get("refresh_token") + `"}`), nil
		}
		if v.rotate {
			v.refresh = fmt.Sprintf("refresh-%d", v.count)
			extra = `,"refresh_token":"` + v.refresh + `"`
		}
	default:
		return 400, []byte(`{"error":"unsupported_grant_type"}`), nil
	}
	for name := range form {
		if !strings.Contains(" "+allowed+" ", " "+name+" ") {
			v.t.Errorf("the form has a field %s that the vendor does not know", name)
		}
	}
	if v.lifetime > 0 {
		extra += fmt.Sprintf(`,"expires_in":%d`, v.lifetime)
	}
	return 200, fmt.Appendf(nil, `{"access_token":"access-%d","token_type":"Bearer","instance_url":"https://eu1.example.com"%s}`, v.count, extra), nil
}

// claims checks an assertion and returns what it claims.
func (v *vendor) claims(jwt string) (map[string]any, bool) {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return nil, false
	}
	var decoded [3][]byte
	for i := range parts {
		b, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			return nil, false
		}
		decoded[i] = b
	}
	var header, claims map[string]any
	if json.Unmarshal(decoded[0], &header) != nil || json.Unmarshal(decoded[1], &claims) != nil || header["alg"] != "RS256" {
		return nil, false
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if rsa.VerifyPKCS1v15(v.public, crypto.SHA256, sum[:], decoded[2]) != nil {
		return nil, false
	}
	exp, _ := claims["exp"].(float64)
	iat, _ := claims["iat"].(float64)
	now := time.Now().Unix()
	return claims, int64(iat) <= now && int64(exp) > now && int64(exp) <= now+3600
}

// testKey makes an RSA key in both forms of PEM.
var testKey = sync.OnceValues(func() (*rsa.PrivateKey, [2]string) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return key, [2]string{
		string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})),
	}
})
