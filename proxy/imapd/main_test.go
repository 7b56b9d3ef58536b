package imapd_test

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/internal/limit"
	"heliograph/internal/mailtest"
	"heliograph/proxy"
	"heliograph/proxy/imapd"
	"heliograph/proxy/upstream"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// front is a listener before the login with everything below it real but the
// upstream, which plays scripts.
type front struct {
	t       *testing.T
	ca      *mailtest.Authority
	addr    string
	server  *imapd.Server
	proxy   *proxy.Server
	metrics *prometheus.Registry
	log     record // all that was logged
}

// setup is what a test may change of the front.
type setup struct {
	listener  config.Listener
	upstreams []config.Upstream // the first is that of the scripts, if it has no address
	limits    config.Limits
	patience  time.Duration // with clients and upstreams; zero means the usual
}

const (
	upCaps = "IMAP4rev1 SASL-IR ID ENABLE IDLE LITERAL+ STARTTLS COMPRESS=DEFLATE AUTH=PLAIN AUTH=CRAM-MD5 AUTH=SCRAM-SHA-256-PLUS AUTH=EXTERNAL"
	caps   = "IMAP4rev1 SASL-IR ID ENABLE IDLE LITERAL+ AUTH=PLAIN AUTH=CRAM-MD5"
	// The upstream's first connection is the gateway's own, to learn what it offers.
	learn = `
		S: * OK [CAPABILITY ` + upCaps + `] up ready
		C: {any} CAPABILITY
		S: * CAPABILITY ` + upCaps + `
		S: hg1 OK done
		C: {any} ID NIL
		S: * ID ("name" "Up" "quote" "\"")
		S: hg2 OK done
		C: {any} LOGOUT
		-- hold`
	upHello = `
		S: * OK [CAPABILITY ` + upCaps + `] up ready
	`
	hello = `
		S: * OK [CAPABILITY ` + caps + `] ready
	`
	// What proves that the session is the upstream's.
	upTap = `
		C: z SELECT INBOX
		S: z OK selected
		C: y LOGOUT
		S= "* BYE bye\r\ny OK gone\r\n"
	`
	tap = upTap + "-- eof"
)

func newFront(t *testing.T, change func(*setup), scripts ...string) *front {
	t.Helper()
	s := setup{
		listener: config.Listener{
			Protocol: "imap", Address: "127.0.0.1:0", TLS: config.TLSNone, Mode: config.ModeProxy,
			AllowPlaintextAuth: true, Hostname: "gw.example",
		},
		upstreams: []config.Upstream{{
			Name: "main", Default: true,
			IMAP: config.Endpoint{TLS: config.TLSNone, Timeout: config.Duration(5 * time.Second)},
		}},
	}
	if change != nil {
		change(&s)
	}
	if s.upstreams[0].IMAP.Address == "" {
		s.upstreams[0].IMAP.Address = mailtest.Serve(t, nil, scripts...)
	}
	f := &front{t: t, ca: mailtest.NewAuthority(t), metrics: prometheus.NewRegistry()}
	f.open(s)
	return f
}

func (f *front) open(s setup) {
	t := f.t
	router, err := upstream.New(s.upstreams, upstream.Options{Hostname: "gw.example"})
	must(t, err)
	back := limit.NewMemory(limit.MemoryOptions{})
	f.server, err = imapd.New(imapd.Options{
		Settings: imapd.Settings{Router: router, Limits: s.limits},
		Failures: limit.NewFailures(back, max(s.limits.LoginPerMinute, 3)), Limiter: back,
		Hostname: "gw.example", Registerer: f.metrics,
		Logger: slog.New(slog.NewTextHandler(&f.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	must(t, err)
	if s.patience > 0 {
		f.server.SetTimeouts(s.patience)
	}
	f.proxy, err = proxy.New(proxy.Options{
		Listeners: []proxy.Listener{{Config: s.listener, Handler: f.server}},
		TLS:       &tls.Config{Certificates: []tls.Certificate{f.ca.Issue(time.Now().Add(time.Hour), "gw.example", "localhost")}},
		Limits:    s.limits,
	})
	must(t, err)
	must(t, f.proxy.Start(t.Context()))
	f.addr = f.proxy.Addr(0).String()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		must(t, f.proxy.Drain(ctx))
		f.server.Close()
		router.Close()
		must(t, back.Close())
		if n := f.metric("heliograph_imap_sessions"); n != 0 {
			t.Errorf("%v sessions are counted after the end", n)
		}
		for _, password := range []string{"secret", "correct horse", "AHVAZXhhbXBsZS5jb20"} {
			if strings.Contains(f.log.String(), password) {
				t.Errorf("the log holds %q", password)
			}
		}
		if t.Failed() {
			t.Log(f.log.String())
		}
	})
}

func (f *front) talk(script string) {
	f.t.Helper()
	mailtest.Dialogue(f.t, f.addr, f.clientTLS("gw.example"), script)
}

func (f *front) clientTLS(name string) *tls.Config {
	return &tls.Config{RootCAs: f.ca.Pool, ServerName: name}
}

// metric returns a metric's value; labels are pairs.
func (f *front) metric(name string, labels ...string) float64 {
	f.t.Helper()
	families, err := f.metrics.Gather()
	must(f.t, err)
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			ok := true
			for i, l := range m.GetLabel() {
				ok = ok && 2*i+1 < len(labels) && l.GetName() == labels[2*i] && l.GetValue() == labels[2*i+1]
			}
			if ok {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

func (f *front) wantLogin(outcome string) {
	f.t.Helper()
	if n := f.metric("heliograph_imap_logins_total", "outcome", outcome); n != 1 {
		f.t.Errorf("%v logins are counted as %s, want 1", n, outcome)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// lines joins the lines of a script that is made of parts.
func lines(parts ...string) string { return strings.Join(parts, "\n") }

// record keeps what is written to it.
type record struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (r *record) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(b)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

func loopback() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }

// endpoint is a server that plays scripts in clear.
func endpoint(t *testing.T, scripts ...string) config.Endpoint {
	t.Helper()
	return config.Endpoint{Address: mailtest.Serve(t, nil, scripts...), TLS: config.TLSNone, Timeout: config.Duration(5 * time.Second)}
}
