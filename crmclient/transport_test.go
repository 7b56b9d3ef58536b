package crmclient

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func mustURL(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func open(t *testing.T, server string, o Options) *Transport {
	t.Helper()
	o.Target, o.URL = "crm", mustURL(t, server)
	tr, err := NewTransport(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.Close() })
	return tr
}

func do(t *testing.T, tr *Transport, method, url string) (*Answer, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	return tr.Do(req)
}

func TestRequestCarriesItsHeaders(t *testing.T) {
	t.Parallel()
	var got http.Header
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		w.Header().Set("X-Request-Id", "theirs")
		fmt.Fprint(w, "{}")
	})
	tr := open(t, s.URL, Options{UserAgent: "heliograph/1", Headers: map[string]string{"X-Key": "abc"}})
	a, err := do(t, tr, http.MethodPost, s.URL+"/x")
	if err != nil {
		t.Fatal(err)
	}
	if got.Get("User-Agent") != "heliograph/1" || got.Get("X-Key") != "abc" || len(got.Get("X-Request-Id")) != 16 {
		t.Errorf("headers: got %v", got)
	}
	if a.RequestID != "theirs" || string(a.Body) != "{}" {
		t.Errorf("answer: got %+v", a)
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	var s *httptest.Server
	s = serve(t, func(w http.ResponseWriter, r *http.Request) {
		var status int
		if n, _ := fmt.Sscanf(r.URL.Path, "/%d", &status); n == 1 {
			http.Redirect(w, r, s.URL+"/end", status)
			return
		}
		if r.URL.Path == "/loop" {
			http.Redirect(w, r, "/loop", http.StatusTemporaryRedirect)
			return
		}
		body := make([]byte, 10)
		n, _ := r.Body.Read(body)
		fmt.Fprintf(w, "%s %s", r.Method, body[:n])
	})
	cases := []struct {
		method, path string
		none         bool
		want         string // the answer; empty means an error
	}{
		{http.MethodGet, "/302", false, "GET "},
		{http.MethodPost, "/307", false, "POST body"},
		{http.MethodPost, "/308", false, "POST body"},
		{http.MethodPost, "/301", false, ""}, // would become a GET
		{http.MethodPost, "/302", false, ""},
		{http.MethodPost, "/303", false, ""},
		{http.MethodPost, "/307", true, ""},
		{http.MethodPost, "/loop", false, ""},
	}
	for _, c := range cases {
		a, err := do(t, open(t, s.URL, Options{NoRedirects: c.none}), c.method, s.URL+c.path)
		switch {
		case c.want == "" && ClassOf(err) != ClassConfiguration:
			t.Errorf("%s %s: got %v, want a configuration error", c.method, c.path, err)
		case c.want != "" && (err != nil || strings.TrimRight(string(a.Body), "body") != strings.TrimRight(c.want, "body")):
			t.Errorf("%s %s: got %v, %v; want %q", c.method, c.path, a, err, c.want)
		}
	}
}

func TestRequestToAnotherHostIsRefused(t *testing.T) {
	t.Parallel()
	s := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the request went out") })
	tr := open(t, "http://127.0.0.1:1", Options{})
	if _, err := do(t, tr, http.MethodGet, s.URL); ClassOf(err) != ClassConfiguration {
		t.Errorf("got %v, want a configuration error", err)
	}
}

// TestRefusedRequestClosesItsBody: a body may be a stream whose writer waits to be read.
func TestRefusedRequestClosesItsBody(t *testing.T) {
	t.Parallel()
	tr := open(t, "http://127.0.0.1:1", Options{})
	body := Base64Body("", "", func(w io.Writer) error {
		_, err := w.Write(make([]byte, 1<<20))
		return err
	})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://other.example/", body)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tr.Do(req); ClassOf(err) != ClassConfiguration {
		t.Errorf("got %v", err)
	}
	if _, err := body.Read(make([]byte, 1)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the body is still open: %v", err)
	}
}

func TestConnectTimeAddressCheck(t *testing.T) {
	t.Parallel()
	s := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the request went out") })
	no := false
	named := strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
	for _, u := range []string{s.URL, named} {
		_, err := do(t, open(t, u, Options{AllowPrivate: &no}), http.MethodGet, u)
		if ClassOf(err) != ClassConfiguration || !strings.Contains(err.Error(), "allow_private") {
			t.Errorf("%s: got %v, want a configuration error that names allow_private", u, err)
		}
	}
}

func TestTimeoutSaysWhatItWaitedFor(t *testing.T) {
	t.Parallel()
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then the server notices that the client has gone
		<-r.Context().Done()
	})
	_, err := do(t, open(t, s.URL, Options{Timeout: 1500 * time.Millisecond}), http.MethodGet, s.URL)
	if ClassOf(err) != ClassRetry || !strings.Contains(err.Error(), "1.5s") || !strings.Contains(err.Error(), "waiting for the answer") {
		t.Errorf("got %v", err)
	}
}

func TestTimeoutWhileReading(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, "beginning")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	a, err := do(t, open(t, s.URL, Options{Timeout: 1500 * time.Millisecond}), http.MethodGet, s.URL)
	if ClassOf(err) != ClassRetry || a == nil || string(a.Body) != "beginning" || !strings.Contains(err.Error(), "reading the answer") {
		t.Errorf("got %+v, %v", a, err)
	}
}

func TestAnswerIsCappedAlsoWhenCompressed(t *testing.T) {
	t.Parallel()
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	for range 4 * MaxAnswer >> 20 {
		_, _ = z.Write(make([]byte, 1<<20))
	}
	_ = z.Close()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bomb.Bytes())
	})
	a, err := do(t, open(t, s.URL, Options{}), http.MethodGet, s.URL)
	if err != nil || !a.Truncated || len(a.Body) != MaxAnswer {
		t.Fatalf("got %d bytes, truncated %v, %v", len(a.Body), a.Truncated, err)
	}
	if err := a.JSON(new(any)); ClassOf(err) != ClassRetry {
		t.Errorf("JSON: got %v, want a retry error", err)
	}
}

func TestConcurrencyCap(t *testing.T) {
	t.Parallel()
	var now, most atomic.Int32
	release := make(chan struct{})
	s := serve(t, func(http.ResponseWriter, *http.Request) {
		n := now.Add(1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		if n == 3 {
			close(release)
		}
		<-release
		now.Add(-1)
	})
	tr := open(t, s.URL, Options{MaxConcurrent: 3})
	var group sync.WaitGroup
	for range 12 {
		group.Go(func() {
			if _, err := do(t, tr, http.MethodGet, s.URL); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if got := most.Load(); got != 3 {
		t.Errorf("at once: got %d, want 3", got)
	}
}

func metric(t *testing.T, r *prometheus.Registry, name, label string) float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetValue() == label {
					return m.GetCounter().GetValue() + m.GetGauge().GetValue()
				}
			}
		}
	}
	return -1
}

func TestCircuitOpens(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.WriteHeader(http.StatusInternalServerError)
	})
	registry := prometheus.NewRegistry()
	tr := open(t, s.URL, Options{Registerer: registry})
	open(t, s.URL, Options{Registerer: registry}) // as after a reload: no clash
	for range breakerThreshold {
		if _, err := do(t, tr, http.MethodGet, s.URL); errors.Is(err, ErrCircuitOpen) {
			t.Fatal("opened too early")
		}
	}
	for range 3 {
		_, err := do(t, tr, http.MethodGet, s.URL)
		if !errors.Is(err, ErrCircuitOpen) || ClassOf(err) != ClassRetry || RetryAfter(err) <= 0 {
			t.Errorf("got %v, want an open circuit with a time", err)
		}
	}
	if got := requests.Load(); got != breakerThreshold {
		t.Errorf("requests: got %d, want %d", got, breakerThreshold)
	}
	if got := metric(t, registry, "heliograph_crm_circuit_state", "crm"); got != 2 {
		t.Errorf("state: got %v, want 2", got)
	}
	if got := metric(t, registry, "heliograph_crm_requests_total", "circuit_open"); got != 3 {
		t.Errorf("refused: got %v, want 3", got)
	}
	if got := metric(t, registry, "heliograph_crm_requests_total", "retry"); got != breakerThreshold {
		t.Errorf("failed: got %v, want %d", got, breakerThreshold)
	}
}

func TestRefusalsDoNotOpenTheCircuit(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) })
	tr := open(t, s.URL, Options{})
	for range 3 * breakerThreshold {
		if _, err := do(t, tr, http.MethodGet, s.URL); ClassOf(err) != ClassRate {
			t.Fatalf("got %v, want a rate error", err)
		}
	}
}

type limiterFunc func(context.Context) (time.Duration, error)

func (f limiterFunc) Allow(ctx context.Context) (time.Duration, error) { return f(ctx) }

func TestRateLimiter(t *testing.T) {
	t.Parallel()
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	calls := 0
	short := limiterFunc(func(context.Context) (time.Duration, error) {
		calls++
		if calls == 1 {
			return 20 * time.Millisecond, nil
		}
		return 0, nil
	})
	if _, err := do(t, open(t, s.URL, Options{RateLimiter: short}), http.MethodGet, s.URL); err != nil || calls != 2 {
		t.Errorf("short wait: got %v after %d calls", err, calls)
	}
	long := limiterFunc(func(context.Context) (time.Duration, error) { return time.Minute, nil })
	if _, err := do(t, open(t, s.URL, Options{RateLimiter: long}), http.MethodGet, s.URL); ClassOf(err) != ClassRate || RetryAfter(err) != time.Minute {
		t.Errorf("long wait: got %v", err)
	}
	away := limiterFunc(func(context.Context) (time.Duration, error) { return 0, errors.New("redis is away") })
	if _, err := do(t, open(t, s.URL, Options{RateLimiter: away}), http.MethodGet, s.URL); err != nil {
		t.Errorf("limiter away: got %v, want the request to pass", err)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	if _, err := do(t, open(t, s.URL, Options{}), http.MethodGet, s.URL); ClassOf(err) != ClassConfiguration || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("unknown authority: got %v, want a configuration error", err)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	tr := open(t, s.URL, Options{CAFile: ca})
	if _, err := do(t, tr, http.MethodGet, s.URL); err != nil {
		t.Errorf("known authority: %v", err)
	}
	if line, err := tr.Probe(t.Context()); err != nil || !strings.Contains(line, "TLS 1.3") {
		t.Errorf("probe: got %q, %v", line, err)
	}
	if _, err := open(t, s.URL, Options{}).Probe(t.Context()); ClassOf(err) != ClassConfiguration {
		t.Errorf("probe of an unknown authority: got %v", err)
	}
	if _, err := NewTransport(Options{URL: mustURL(t, s.URL), CAFile: ca + ".missing"}); err == nil {
		t.Error("a missing ca_file: no error")
	}
	plain := serve(t, func(http.ResponseWriter, *http.Request) {})
	u := strings.Replace(plain.URL, "http:", "https:", 1)
	if _, err := do(t, open(t, u, Options{}), http.MethodGet, u); ClassOf(err) != ClassConfiguration {
		t.Errorf("TLS to a plain port: got %v, want a configuration error", err)
	}
}

func TestProbeSendsNoRequest(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan int, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			got <- -1
			return
		}
		n, _ := c.Read(make([]byte, 10))
		_ = c.Close()
		got <- n
	}()
	t.Cleanup(func() { _ = l.Close() })
	line, err := open(t, "http://"+l.Addr().String(), Options{}).Probe(t.Context())
	if err != nil || !strings.Contains(line, "connected") {
		t.Errorf("got %q, %v", line, err)
	}
	if n := <-got; n != 0 {
		t.Errorf("the probe sent %d bytes", n)
	}
}

func TestProxy(t *testing.T) {
	t.Parallel()
	var asked atomic.Value
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.URL.String())
		fmt.Fprint(w, "by the proxy")
	})
	tr := open(t, "http://crm.invalid", Options{Proxy: proxy.URL})
	a, err := do(t, tr, http.MethodGet, "http://crm.invalid/x")
	if err != nil || string(a.Body) != "by the proxy" || asked.Load() != "http://crm.invalid/x" {
		t.Errorf("got %+v, %v; the proxy was asked for %v", a, err, asked.Load())
	}
	no := false
	if _, err := NewTransport(Options{URL: mustURL(t, "http://10.0.0.1"), Proxy: proxy.URL, AllowPrivate: &no}); err == nil {
		t.Error("a private address through a proxy: no error")
	}
	if _, err := NewTransport(Options{URL: mustURL(t, "http://crm.invalid"), Proxy: "ftp://x"}); err == nil {
		t.Error("an ftp proxy: no error")
	}
}

func TestFromStatus(t *testing.T) {
	t.Parallel()
	for status := 200; status < 300; status++ {
		if err := FromStatus(&http.Response{StatusCode: status}); err != nil {
			t.Errorf("status %d: got %v", status, err)
		}
	}
	for _, status := range []int{0, 100, 199, 600, 999} {
		if got := ClassOf(FromStatus(&http.Response{StatusCode: status})); got != ClassRetry {
			t.Errorf("status %d: got %q, want retry", status, got)
		}
	}
}

func TestClassOf(t *testing.T) {
	t.Parallel()
	rate := &Error{Class: ClassRate, RetryAfter: time.Second}
	wrapped := fmt.Errorf("post: %w", rate)
	var temporary interface{ Temporary() bool }
	switch {
	case ClassOf(nil) != "", RetryAfter(nil) != 0:
		t.Error("nil has a class")
	case ClassOf(errors.New("x")) != ClassRetry:
		t.Error("an unknown error is not to be retried")
	case ClassOf(wrapped) != ClassRate, RetryAfter(wrapped) != time.Second:
		t.Error("a wrapped error lost its class")
	case !errors.As(wrapped, &temporary), !temporary.Temporary():
		t.Error("a rate error is not temporary")
	case (&Error{Class: ClassAuth}).Temporary():
		t.Error("an auth error is temporary")
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "0", "120", "-1", "1.5", "1e400", "NaN", "Inf", "Wed, 21 Oct 2015 07:28:00 GMT", "soon"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d := parseRetryAfter(s, time.Unix(1_700_000_000, 0)); d < 0 || d > maxRetryAfter {
			t.Errorf("%q: got %s", s, d)
		}
	})
}
