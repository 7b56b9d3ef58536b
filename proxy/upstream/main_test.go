package upstream_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"heliograph/config"
	"heliograph/internal/mailtest"
	"heliograph/proxy/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newUpstream makes a router over one upstream called main with this endpoint.
func newUpstream(t *testing.T, e config.Endpoint) *upstream.Upstream {
	t.Helper()
	return newUpstreamWith(t, config.Upstream{Name: "main", SMTP: e}, upstream.Options{})
}

func newUpstreamWith(t *testing.T, c config.Upstream, o upstream.Options) *upstream.Upstream {
	t.Helper()
	if o.Hostname == "" {
		o.Hostname = "gw.example.net"
	}
	r, err := upstream.New([]config.Upstream{c}, o)
	if err != nil {
		t.Fatalf("new router: %v", err)
	}
	t.Cleanup(r.Close)
	return r.Upstreams()[0]
}

// plain is an endpoint of a scripted server without TLS.
func plain(addr string) config.Endpoint {
	return config.Endpoint{Address: addr, TLS: config.TLSNone, Timeout: config.Duration(10 * time.Second)}
}

// encrypted is an endpoint whose server has a certificate of a.
func encrypted(addr string, mode config.TLSMode, a *mailtest.Authority) config.Endpoint {
	return config.Endpoint{Address: addr, TLS: mode, CAFile: a.File, Timeout: config.Duration(10 * time.Second)}
}
