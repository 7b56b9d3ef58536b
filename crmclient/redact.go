package crmclient

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// redacted stands where a secret was.
const redacted = "<secret>"

// minSecretLength is the length below which a secret is not searched for in texts: the
// letters "ab" would turn every text into nonsense.
const minSecretLength = 4

// Redactor removes secrets from what operators and logs see. The zero value knows no
// secrets but still cleans URLs and headers. It is safe for concurrent use.
type Redactor struct {
	replacer *strings.Replacer
}

// NewRedactor returns a Redactor that also removes the given secrets, plain and URL-encoded, wherever they stand.
func NewRedactor(secrets ...string) *Redactor {
	secrets = slices.Clone(secrets)
	// Longer ones first, or the rest of a secret that begins with another one would stay.
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, s := range secrets {
		if len(s) < minSecretLength {
			continue
		}
		pairs = append(pairs, s, redacted)
		for _, enc := range []string{url.QueryEscape(s), url.PathEscape(s)} {
			if enc != s {
				pairs = append(pairs, enc, redacted)
			}
		}
	}
	return &Redactor{replacer: strings.NewReplacer(pairs...)}
}

// Text returns s without the secrets.
func (r *Redactor) Text(s string) string {
	if r == nil || r.replacer == nil {
		return s
	}
	return r.replacer.Replace(s)
}

// URL returns u without user information, query values and fragment. Names of query
// parameters stay, because they tell the operator which request it was.
func (r *Redactor) URL(u *url.URL) string {
	if u == nil {
		return ""
	}
	c := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	s := c.String()
	if names := queryNames(u.RawQuery); len(names) > 0 {
		s += "?" + strings.Join(names, "=…&") + "=…"
	}
	return r.Text(s)
}

func queryNames(raw string) []string {
	var names []string
	for part := range strings.SplitSeq(raw, "&") {
		name, _, hasValue := strings.Cut(part, "=")
		if name != "" && hasValue {
			names = append(names, name)
		}
	}
	return names
}

// openHeaders hold no secrets; the values of all others are left out.
var openHeaders = []string{
	"Accept", "Content-Length", "Content-Type", "Date", "Idempotency-Key", "Location", "Retry-After",
	"Server", "User-Agent", "Webhook-Id", "Webhook-Timestamp", "X-Request-Id",
}

// Header returns h for a log: the names of all fields, and the values of those that are known to be harmless.
func (r *Redactor) Header(h http.Header) http.Header {
	out := make(http.Header, len(h))
	for name, values := range h {
		if !slices.Contains(openHeaders, name) {
			out[name] = []string{redacted}
			continue
		}
		for _, v := range values {
			if name == "Location" {
				if u, err := url.Parse(v); err == nil {
					v = r.URL(u)
				} else {
					v = redacted
				}
			}
			out[name] = append(out[name], r.Text(v))
		}
	}
	return out
}

// maxExcerpt bounds how much of an answer goes into an error.
const maxExcerpt = 200

// Excerpt returns the beginning of an answer as one printable line without secrets.
func (r *Redactor) Excerpt(body []byte) string {
	// Redact before cutting: half a secret is still a secret.
	s := strings.ToValidUTF8(string(body[:min(len(body), 16<<10)]), "?")
	s = r.Text(s)
	s = strings.Join(strings.FieldsFunc(s, func(c rune) bool { return c <= ' ' || c == 0x7f }), " ")
	if runes := []rune(s); len(runes) > maxExcerpt {
		s = string(runes[:maxExcerpt]) + "…"
	}
	return s
}
