package yonyou

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"heliograph/crmclient"
	"heliograph/internal/oauth"
)

// extraGateway is the name under which a token keeps the address of the tenant's gateway: both are found anew together.
const extraGateway = "gateway"

const discoveryPath = "/open-auth/dataCenter/getGatewayAddress"

// codeDone is what calls for addresses and tokens answer when they worked; business calls answer 200.
const codeDone = "00000"

// envelope is around every answer. The code is a number or a text.
type envelope struct {
	Code    json.RawMessage `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data"`
}

func (e envelope) code() string { return strings.Trim(string(bytes.TrimSpace(e.Code)), `"`) }

// fetch finds the tenant's data centre and gets a token there.
func (c *Client) fetch(ctx context.Context) (oauth.Token, error) {
	var found struct {
		Gateway string `json:"gatewayUrl"`
		Token   string `json:"tokenUrl"`
	}
	u := c.base.JoinPath(discoveryPath)
	u.RawQuery = url.Values{"tenantId": {c.cfg.TenantID}}.Encode()
	if err := c.ask(ctx, u, remedyTenant, crmclient.ClassConfiguration, &found); err != nil {
		return oauth.Token{}, err
	}
	if _, err := c.allowed(found.Gateway); err != nil {
		return oauth.Token{}, err
	}
	tokenURL, err := c.allowed(found.Token)
	if err != nil {
		return oauth.Token{}, err
	}
	at := strconv.FormatInt(c.now().UnixMilli(), 10)
	parameters := map[string]string{"appKey": c.cfg.AppKey, "timestamp": at}
	u = tokenURL.JoinPath(c.cfg.TokenPath)
	u.RawQuery = url.Values{
		"appKey": {c.cfg.AppKey}, "timestamp": {at}, "signature": {sign(c.cfg.AppSecret.Reveal(), parameters)},
	}.Encode()
	var given struct {
		Token  string      `json:"access_token"`
		Expire json.Number `json:"expire"` // seconds
	}
	if err := c.ask(ctx, u, remedyApp, crmclient.ClassAuth, &given); err != nil {
		return oauth.Token{}, err
	}
	seconds, err := given.Expire.Int64()
	if given.Token == "" || err != nil || seconds <= 0 {
		return oauth.Token{}, &crmclient.Error{Class: crmclient.ClassRetry, Message: "the answer holds no token"}
	}
	return oauth.Token{
		Access: given.Token, Expires: c.now().Add(time.Duration(min(seconds, maxTokenSeconds)) * time.Second),
		Extra: map[string]string{extraGateway: found.Gateway},
	}, nil
}

// maxTokenSeconds bounds what a token says of its life, which is two hours.
const maxTokenSeconds = 24 * 3600

// ask makes one of the calls before there is a token.
func (c *Client) ask(ctx context.Context, u *url.URL, remedy string, class crmclient.Class, into any) error {
	t, err := c.transportOf(u, "/token")
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return &crmclient.Error{Class: crmclient.ClassConfiguration, Message: "the request cannot be built"}
	}
	answer, err := t.Do(req)
	if err != nil {
		return withRemedy(hide(t, err, answer, u.Query().Get("signature")), remedy)
	}
	var said envelope
	if err := answer.JSON(&said); err != nil {
		return err
	}
	if said.code() != codeDone {
		e := codeError(t, said, answer)
		if _, known := codes[said.code()]; !known {
			e.Class, e.Remedy = class, remedy
		}
		return e
	}
	if json.Unmarshal(said.Data, into) != nil {
		return badAnswer(answer)
	}
	return nil
}

// allowed checks an address that the discovery gave: a wrong one would get our tokens.
func (c *Client) allowed(address string) (*url.URL, error) {
	u, err := crmclient.ParseURL(address)
	if err != nil {
		return nil, &crmclient.Error{Class: crmclient.ClassRetry, Message: "the discovery gave no usable address of the gateway"}
	}
	if u.Scheme == c.base.Scheme && u.Host == c.base.Host {
		return u, nil
	}
	for _, h := range c.cfg.Hosts {
		if host := strings.ToLower(u.Hostname()); u.Scheme == "https" && (host == h || strings.HasSuffix(host, "."+h)) {
			return u, nil
		}
	}
	return nil, &crmclient.Error{
		Class: crmclient.ClassConfiguration, Message: "the tenant's gateway is at " + u.Host + ", which is not among the allowed domains",
		Remedy: "if this is the vendor's or your own data centre, add its domain to hosts:",
	}
}

// transportOf returns the transport for the host of an address. Calls for tokens have one of their own, with a circuit of its own.
func (c *Client) transportOf(u *url.URL, kind string) (*crmclient.Transport, error) {
	key := kind + " " + u.Scheme + "://" + u.Host
	c.mu.Lock()
	defer c.mu.Unlock()
	if t, ok := c.transports[key]; ok {
		return t, nil
	}
	d, s := c.deps, c.cfg.Settings
	o := crmclient.Options{URL: &url.URL{Scheme: u.Scheme, Host: u.Host}, MaxConcurrent: defaultParallel, Secrets: []string{c.cfg.AppSecret.Reveal()}}
	if kind != "" {
		d.Target += kind
		s.MaxConcurrent = 0 // the rate is that of all calls
	}
	if u.Host != c.base.Host && s.AllowPrivate == nil {
		no := false // somebody else gave this address
		s.AllowPrivate = &no
	}
	t, err := d.Transport(s, o)
	if err != nil {
		return nil, &crmclient.Error{Class: crmclient.ClassConfiguration, Message: "the gateway cannot be used: " + err.Error()}
	}
	if len(c.transports) >= maxTransports { // data centres move seldom
		for k, old := range c.transports {
			_ = old.Close()
			delete(c.transports, k)
		}
	}
	c.transports[key] = t
	return t, nil
}

const maxTransports = 8

// call makes a business call, with one new token, and one new look for the gateway, where the old one is refused. It returns the data of the
// answer. Writes may be repeated by it: an answer about the token means that nothing was done.
func (c *Client) call(ctx context.Context, method, path string, query url.Values, body any) (json.RawMessage, error) {
	var raw []byte
	if body != nil {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			return nil, &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the request cannot be written as JSON", Err: err}
		}
	}
	for try := 0; ; try++ {
		token, err := c.tokens.Token(ctx)
		if err != nil {
			return nil, err
		}
		data, err := c.once(ctx, token, method, path, query, raw)
		if err == nil || try > 0 || !errors.Is(err, errToken) && !errors.Is(err, errPath) {
			return data, err
		}
		c.tokens.Reject(ctx, token.Access)
	}
}

func (c *Client) once(ctx context.Context, token oauth.Token, method, path string, query url.Values, body []byte) (json.RawMessage, error) {
	gateway, err := c.allowed(token.Extra[extraGateway])
	if err != nil {
		return nil, err
	}
	t, err := c.transportOf(gateway, "")
	if err != nil {
		return nil, err
	}
	u := gateway.JoinPath(path)
	values := url.Values{"access_token": {token.Access}}
	for name, v := range query {
		values[name] = v
	}
	u.RawQuery = values.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, &crmclient.Error{Class: crmclient.ClassConfiguration, Message: "the request cannot be built"}
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	answer, err := t.Do(req)
	if answer == nil {
		return nil, err
	}
	if err != nil && answer.Status/100 == 2 { // it broke off
		return nil, err
	}
	if err != nil {
		err = hide(t, err, answer, token.Access)
		if answer.Status == http.StatusUnauthorized {
			return nil, tokenRefused(err)
		}
	}
	return readAnswer(t, answer, err, token.Access)
}
