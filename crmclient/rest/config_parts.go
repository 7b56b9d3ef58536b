package rest

import (
	"heliograph/config"
	"heliograph/crmclient"
)

// AuthKind is a way to say who we are.
type AuthKind string

// The kinds.
const (
	AuthNone   AuthKind = "none"
	AuthAPIKey AuthKind = "api_key" // in a header or a query parameter
	AuthBasic  AuthKind = "basic"   // RFC 7617
	AuthBearer AuthKind = "bearer"  // RFC 6750, a token that does not expire
	AuthOAuth2 AuthKind = "oauth2"  // RFC 6749, 4.4 or 6
	AuthToken  AuthKind = "token"   // a request of the API's own gives a token with a lifetime
	AuthHMAC   AuthKind = "hmac"    // every request is signed
)

// Allowed returns all kinds.
func (AuthKind) Allowed() []string {
	return []string{
		string(AuthNone), string(AuthAPIKey), string(AuthBasic), string(AuthBearer), string(AuthOAuth2), string(AuthToken), string(AuthHMAC),
	}
}

// Auth says who we are. Which keys are needed depends on Kind; those of other kinds are refused.
type Auth struct {
	Kind AuthKind `yaml:"kind"`

	Header string        `yaml:"header"` // api_key, token: name of the header
	Query  string        `yaml:"query"`  // api_key, token: name of the parameter
	Prefix string        `yaml:"prefix"` // api_key, token: before the value, with the space
	Key    config.Secret `yaml:"key"`    // api_key

	User     string        `yaml:"user"`     // basic
	Password config.Secret `yaml:"password"` // basic
	Token    config.Secret `yaml:"token"`    // bearer

	TokenURL     string            `yaml:"token_url"` // oauth2, also on another host
	ClientID     string            `yaml:"client_id"`
	ClientSecret config.Secret     `yaml:"client_secret"`
	Scopes       []string          `yaml:"scopes"`
	RefreshToken config.Secret     `yaml:"refresh_token"` // oauth2: then its grant is used, else client_credentials
	Connected    bool              `yaml:"connected"`     // oauth2: the refresh token comes from "heliograph account connect"
	ClientBasic  bool              `yaml:"client_basic"`  // oauth2: id and secret in the Authorization header, not in the form
	TokenParams  map[string]string `yaml:"token_params"`  // oauth2: added to the form, such as audience

	Login *Login `yaml:"login"` // token
	Sign  *Sign  `yaml:"sign"`  // hmac
}

// Login is the request that gives a token.
type Login struct {
	Operation `yaml:",inline"`
	// Value says where the token is in the answer; ExpiresIn where its lifetime in seconds is; Lifetime is used where the answer does not tell.
	Value     string          `yaml:"value"`
	ExpiresIn string          `yaml:"expires_in"`
	Lifetime  config.Duration `yaml:"lifetime"`
}

// Algorithm is how a signature is computed.
type Algorithm string

// The algorithms. Without "hmac" the secret is part of the text that is hashed: {{ secret_key }}.
const (
	HMACSHA256 Algorithm = "hmac-sha256"
	HMACSHA512 Algorithm = "hmac-sha512"
	HMACSHA1   Algorithm = "hmac-sha1"
	HMACMD5    Algorithm = "hmac-md5"
	PlainSHA   Algorithm = "sha256"
	PlainSHA1  Algorithm = "sha1"
	PlainMD5   Algorithm = "md5"
)

// Allowed returns all algorithms.
func (Algorithm) Allowed() []string {
	return []string{
		string(HMACSHA256), string(HMACSHA512), string(HMACSHA1), string(HMACMD5), string(PlainSHA), string(PlainSHA1), string(PlainMD5),
	}
}

// Encoding is how a signature is written.
type Encoding string

// The encodings.
const (
	Hex       Encoding = "hex"
	HexUpper  Encoding = "hex_upper"
	Base64    Encoding = "base64"
	Base64URL Encoding = "base64url"
)

// Allowed returns all encodings.
func (Encoding) Allowed() []string {
	return []string{string(Hex), string(HexUpper), string(Base64), string(Base64URL)}
}

// Sign is a signature by template. Headers, Query and Body name what is added to the request; those whose template does not use
// {{ signature }} are added before it is computed, so that they are part of what is signed.
type Sign struct {
	Algorithm Algorithm     `yaml:"algorithm"` // empty means hmac-sha256
	Encoding  Encoding      `yaml:"encoding"`  // empty means hex
	Secret    config.Secret `yaml:"secret"`
	// Base64Secret says that the secret is written in base64.
	Base64Secret bool `yaml:"base64_secret"`
	// Text is the template of what is signed: {{ method }} {{ path }} {{ query }} (sorted, escaped) {{ params }} (sorted query and
	// form, not escaped) {{ values }} (their values) {{ body }} {{ body_sha256 }} {{ body_md5 }} {{ body_md5_base64 }} {{ host }}
	// {{ timestamp }} (seconds) {{ timestamp_ms }} {{ now }} {{ nonce }} {{ secret_key }}.
	Text    string            `yaml:"text"`
	Headers map[string]string `yaml:"headers"`
	Query   map[string]string `yaml:"query"`
	Body    map[string]string `yaml:"body"` // top-level values of a JSON body, or fields of a form
}

// Class is a class of errors in a section.
type Class string

// The classes, and those that only a section knows.
const (
	// ClassNotFound means that there is no such record.
	ClassNotFound Class = "not_found"
	// ClassExpired means that the token has expired: it is got anew, once, then it is auth.
	ClassExpired Class = "expired"
)

// Allowed returns all classes.
func (Class) Allowed() []string {
	return []string{
		string(crmclient.ClassRetry), string(crmclient.ClassRate), string(crmclient.ClassAuth), string(crmclient.ClassConfiguration),
		string(crmclient.ClassPermanent), string(crmclient.ClassDuplicate), string(ClassNotFound), string(ClassExpired),
	}
}

// Test is a test of one value of an answer.
type Test struct {
	Path   string `yaml:"path"`
	Header string `yaml:"header"`
	In     []any  `yaml:"in"`     // it is one of these; texts and numbers are compared as texts
	NotIn  []any  `yaml:"not_in"` // it is none of these
	Exists *bool  `yaml:"exists"`
	// Contains and Lacks are texts that the value must and must not hold; without path and header, the whole answer.
	Contains string `yaml:"contains"`
	Lacks    string `yaml:"lacks"`
}

// ErrorRule gives an answer a class. All conditions that it names must hold.
type ErrorRule struct {
	Test   `yaml:",inline"`
	Status []int `yaml:"status"`
	Class  Class `yaml:"class"`
	// RetryAfterPath says where the wait in seconds is; a header Retry-After is read anyway.
	RetryAfterPath string          `yaml:"retry_after_path"`
	RetryAfter     config.Duration `yaml:"retry_after"` // where the answer does not tell
	Remedy         string          `yaml:"remedy"`      // what a person can do, without full stop
}

// PagingKind is a way to get the next page.
type PagingKind string

// The kinds.
const (
	PagingNone   PagingKind = "none"
	PagingPage   PagingKind = "page"   // {{ page.number }}
	PagingOffset PagingKind = "offset" // {{ page.offset }}
	PagingCursor PagingKind = "cursor" // {{ page.cursor }} from the answer before
	PagingLink   PagingKind = "link"   // header Link with rel="next" (RFC 8288)
	PagingURL    PagingKind = "url"    // the URL of the next page is in the answer
)

// Allowed returns all kinds.
func (PagingKind) Allowed() []string {
	return []string{
		string(PagingNone), string(PagingPage), string(PagingOffset), string(PagingCursor), string(PagingLink), string(PagingURL),
	}
}

// Paging says how one gets from page to page.
type Paging struct {
	Kind  PagingKind `yaml:"kind"`
	Size  int        `yaml:"size"`  // {{ page.size }}; zero means 100
	First *int       `yaml:"first"` // number of the first page; empty means 1
	Next  string     `yaml:"next"`  // path of the next cursor or URL
	// More is the path of a value that says whether there is another page. Without it, a page that is not full is the last one for page
	// and offset; for the others the end is that there is no next.
	More     string `yaml:"more"`
	MaxPages int    `yaml:"max_pages"` // zero means 50
}
