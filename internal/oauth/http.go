package oauth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// HTTPPoster sends forms to one endpoint of a mail provider, over HTTP.
type HTTPPoster struct {
	url    string
	client *http.Client
	round  *http.Transport
}

var _ Poster = (*HTTPPoster)(nil)

const (
	httpTimeout = 15 * time.Second // less than fetchTime
	maxBody     = 256 << 10        // of an answer; tokens are some KB
)

// NewHTTPPoster returns a poster, without using the network. CAFile is a PEM file whose authorities are trusted besides the
// system's; proxy an http, https or socks5 URL. Both may be empty. It must be closed.
func NewHTTPPoster(endpoint, caFile, proxy string) (*HTTPPoster, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" {
		return nil, errors.New("the address of the endpoint is not a URL")
	}
	round := &http.Transport{
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, TLSHandshakeTimeout: httpTimeout, ForceAttemptHTTP2: true,
		MaxIdleConns: 2, IdleConnTimeout: 30 * time.Second,
	}
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("read ca_file: %w", err)
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, errors.New("ca_file holds no certificate in PEM form")
		}
		round.TLSClientConfig.RootCAs = pool
	}
	if proxy != "" {
		p, err := url.Parse(proxy)
		if err != nil || p.Host == "" {
			return nil, errors.New("the proxy is not a URL") // which may hold a password
		}
		round.Proxy = http.ProxyURL(p)
	}
	return &HTTPPoster{url: u.String(), round: round, client: &http.Client{
		Transport: round, Timeout: httpTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Close closes idle connections.
func (p *HTTPPoster) Close() error {
	p.round.CloseIdleConnections()
	return nil
}

// PostForm implements Poster.
func (p *HTTPPoster) PostForm(ctx context.Context, form url.Values, header http.Header) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, nil, errors.New("the request for a token cannot be built")
	}
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	resp, err := p.client.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) { // its text begins with the address
			err = ue.Err
		}
		return 0, nil, &Error{Description: "the token endpoint at " + req.URL.Host + " does not answer: " + clean(err.Error(), FormSecrets(form)), Err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return 0, nil, &Error{Description: "the answer of the token endpoint broke off", Err: err}
	}
	return resp.StatusCode, body, nil
}
