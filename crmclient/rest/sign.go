package rest

import (
	"crypto/hmac"
	"crypto/md5"  //nolint:gosec // many APIs demand it
	"crypto/sha1" //nolint:gosec // many APIs demand it
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
)

// clock tells the time.
type clock func() time.Time

// signer is a compiled Sign.
type signer struct {
	algorithm Algorithm
	encoding  Encoding
	secret    []byte
	text      *template
	// before are added before the signature is computed, after use it.
	before, after addition
	nonce         func() string
}

// addition is what is added to a request.
type addition struct{ headers, query, body []param }

var signNames = []string{
	"method", "path", "query", "params", "values", "body", "body_sha256", "body_md5", "body_md5_base64", "host", "timestamp", "timestamp_ms", "secret_key",
}

func (c *compiler) signer(s *Sign) *signer {
	before := c.key
	c.key, c.voc, c.used = join(c.key, "sign"), words(signNames), map[string]bool{}
	defer func() { c.key = before }()
	out := &signer{algorithm: s.Algorithm, encoding: s.Encoding, nonce: newNonce}
	if out.algorithm == "" {
		out.algorithm = HMACSHA256
	}
	if out.encoding == "" {
		out.encoding = Hex
	}
	out.secret = []byte(s.Secret.Reveal())
	if s.Base64Secret {
		key, err := base64.StdEncoding.DecodeString(s.Secret.Reveal())
		if err != nil {
			c.bad("secret", "it is not base64")
		}
		out.secret = key
	}
	if s.Secret.IsZero() {
		c.bad("secret", "it is missing")
	}
	if s.Text == "" {
		c.bad("text", "it is missing: what is signed?")
	}
	out.text = c.template("text", s.Text)
	if !strings.HasPrefix(string(out.algorithm), "hmac") && !c.used["secret_key"] {
		c.bad("text", "with %s the text must hold {{ secret_key }}, or anybody could sign", out.algorithm)
	}
	signed := false
	for _, part := range []struct {
		key           string
		m             map[string]string
		before, after *[]param
	}{
		{"headers", s.Headers, &out.before.headers, &out.after.headers},
		{"query", s.Query, &out.before.query, &out.after.query},
		{"body", s.Body, &out.before.body, &out.after.body},
	} {
		for _, name := range slices.Sorted(maps.Keys(part.m)) {
			if part.key == "headers" {
				c.headerName(part.key, name)
			}
			c.voc["signature"] = true
			p := param{name, []*template{c.template(part.key+"."+name, part.m[name])}}
			if p.values[0].uses("signature") {
				signed = true
				*part.after = append(*part.after, p)
			} else {
				*part.before = append(*part.before, p)
			}
			delete(c.voc, "signature")
		}
	}
	if !signed {
		c.bad("", "neither headers, query nor body has {{ signature }}")
	}
	return out
}

// sign adds the signature to a request and returns it.
func (g *signer) sign(d *draft, s scope, now time.Time) (string, error) {
	own := map[string]any{
		"now": now, "timestamp": now.Unix(), "timestamp_ms": now.UnixMilli(), "nonce": g.nonce(), "host": d.url.Host,
		"method": d.method, "path": d.url.EscapedPath(), "secret_key": string(g.secret),
	}
	outer := s
	s = newScope(own, &outer)
	if err := g.before.add(d, s); err != nil {
		return "", err
	}
	body, err := d.encode()
	if err != nil {
		return "", err
	}
	sha, sum := sha256.Sum256(body), md5.Sum(body) //nolint:gosec // many APIs demand it
	own["query"], own["body"] = d.query.Encode(), string(body)
	own["params"], own["values"] = sortedParams(d.query, d.form)
	own["body_sha256"], own["body_md5"] = hex.EncodeToString(sha[:]), hex.EncodeToString(sum[:])
	own["body_md5_base64"] = base64.StdEncoding.EncodeToString(sum[:])
	text, err := g.text.text(s)
	if err != nil {
		return "", err
	}
	signature, err := g.compute(text)
	if err != nil {
		return "", err
	}
	own["signature"] = signature
	return signature, g.after.add(d, s)
}

func (a *addition) add(d *draft, s scope) error {
	for _, p := range a.headers {
		v, err := p.values[0].text(s)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		if err := d.setHeader(p.name, v); err != nil {
			return err
		}
	}
	for _, p := range a.query {
		v, err := p.values[0].text(s)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		d.query.Set(p.name, v)
	}
	for _, p := range a.body {
		v, err := p.values[0].value(s)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		if err := d.addToBody(p.name, v); err != nil {
			return err
		}
	}
	return nil
}

// addToBody adds a value to the fields of a form or to a JSON object. A request without a body has none to add to.
func (d *draft) addToBody(name string, v any) error {
	switch d.kind {
	case noBody:
		return nil
	case formBody:
		text, err := textOf(v)
		if err != nil {
			return err
		}
		d.form.Set(name, text)
		return nil
	case jsonBody:
		if m, ok := d.json.(map[string]any); ok {
			m[name] = plain(v)
			return nil
		}
	case multipartBody, textBody:
	}
	return errors.New("a signature in the body needs a form or a JSON object")
}

// sortedParams joins the parameters of query and form, sorted by name: k=v&k=v, and the values alone.
func sortedParams(query, form url.Values) (params, values string) {
	all := url.Values{}
	for _, m := range []url.Values{query, form} {
		for k, v := range m {
			all[k] = append(all[k], v...)
		}
	}
	var pairs, bare []string
	for _, k := range slices.Sorted(maps.Keys(all)) {
		for _, v := range all[k] {
			pairs, bare = append(pairs, k+"="+v), append(bare, v)
		}
	}
	return strings.Join(pairs, "&"), strings.Join(bare, "")
}

func (g *signer) compute(text string) (string, error) {
	var h hash.Hash
	switch g.algorithm {
	case HMACSHA256:
		h = hmac.New(sha256.New, g.secret)
	case HMACSHA512:
		h = hmac.New(sha512.New, g.secret)
	case HMACSHA1:
		h = hmac.New(sha1.New, g.secret)
	case HMACMD5:
		h = hmac.New(md5.New, g.secret)
	case PlainSHA:
		h = sha256.New()
	case PlainSHA1:
		h = sha1.New() //nolint:gosec // many APIs demand it
	case PlainMD5:
		h = md5.New() //nolint:gosec // many APIs demand it
	default:
		return "", fmt.Errorf("unknown algorithm %q", g.algorithm)
	}
	h.Write([]byte(text))
	sum := h.Sum(nil)
	switch g.encoding {
	case Hex:
		return hex.EncodeToString(sum), nil
	case HexUpper:
		return strings.ToUpper(hex.EncodeToString(sum)), nil
	case Base64:
		return base64.StdEncoding.EncodeToString(sum), nil
	case Base64URL:
		return base64.RawURLEncoding.EncodeToString(sum), nil
	}
	return "", fmt.Errorf("unknown encoding %q", g.encoding)
}
