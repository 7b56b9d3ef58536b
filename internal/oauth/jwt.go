package oauth

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"time"
)

// Assertion is a JWT that an application signs with its key, RS256 (RFC 7523, 3; RFC 7518, 3.3).
type Assertion struct {
	Issuer   string // iss: the application
	Subject  string // sub: for whom
	Audience string // aud: the token endpoint, or what the vendor wants there
	Key      string // the RSA private key in PEM, PKCS #1 or PKCS #8
	// Lifetime is how long the assertion is valid; zero means three minutes.
	Lifetime time.Duration
	// Claims and Header are added, such as scope, or kid and x5t. They do not override what is there.
	Claims map[string]any
	Header map[string]any
}

const (
	defaultAssertionLifetime = 3 * time.Minute
	minKeyBits               = 2048 // RFC 7518, 3.3
)

var errKey = errors.New("the private key must be an RSA key of at least 2048 bits in PEM, without password")

func (a *Assertion) key() (*rsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(a.Key))
	if block == nil {
		return nil, errKey
	}
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, errKey
		}
		var ok bool
		if key, ok = parsed.(*rsa.PrivateKey); !ok {
			return nil, errKey
		}
	}
	if key.N.BitLen() < minKeyBits {
		return nil, errKey
	}
	return key, nil
}

// Validate says whether the key can be used, without the network.
func (a *Assertion) Validate() error {
	_, err := a.key()
	return err
}

// sign writes the assertion in its compact form (RFC 7515, 3.1).
func (a *Assertion) sign(now time.Time) (string, error) {
	key, err := a.key()
	if err != nil {
		return "", err
	}
	life := a.Lifetime
	if life <= 0 {
		life = defaultAssertionLifetime
	}
	header := map[string]any{}
	maps.Copy(header, a.Header)
	header["alg"], header["typ"] = "RS256", "JWT"
	claims := map[string]any{}
	maps.Copy(claims, a.Claims)
	for name, v := range map[string]string{"iss": a.Issuer, "sub": a.Subject, "aud": a.Audience} {
		if v != "" {
			claims[name] = v
		}
	}
	claims["iat"], claims["exp"] = now.Unix(), now.Add(life).Unix()
	if _, ok := claims["jti"]; !ok {
		claims["jti"] = rand.Text()
	}
	var parts [2]string
	for i, v := range []any{header, claims} {
		b, err := json.Marshal(v)
		if err != nil {
			return "", fmt.Errorf("write assertion: %w", err)
		}
		parts[i] = base64.RawURLEncoding.EncodeToString(b)
	}
	signed := parts[0] + "." + parts[1]
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign assertion: %w", err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}
