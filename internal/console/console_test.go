package console_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"heliograph/internal/console"
	"heliograph/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// client is a console and an HTTP client that keeps no connections.
type client struct {
	*console.Server
	t    *testing.T
	http *http.Client
}

func newClient(t *testing.T, o console.Options) client {
	t.Helper()
	o.Address = "127.0.0.1:0"
	o.Version = "v1.2.3"
	if o.Gatherer == nil {
		o.Gatherer = prometheus.NewRegistry()
	}
	s, err := console.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return client{s, t, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}}
}

func (c client) do(method, path string) (int, http.Header, string) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, "http://"+c.Addr().String()+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(body)
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	n := prometheus.NewCounter(prometheus.CounterOpts{Name: "heliograph_test_total", Help: "x"})
	reg.MustRegister(n)
	n.Add(3)
	c := newClient(t, console.Options{Gatherer: reg})
	code, header, body := c.do("GET", "/metrics")
	if code != 200 || !strings.Contains(body, "heliograph_test_total 3\n") || !strings.HasPrefix(header.Get("Content-Type"), "text/plain") {
		t.Errorf("got %d, %v, %q", code, header, body)
	}
}

// TestMetricsOutliveABrokenCollector: the rest is still served.
func TestMetricsOutliveABrokenCollector(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "heliograph_good", Help: "x"}, func() float64 { return 1 }), broken{})
	c := newClient(t, console.Options{Gatherer: reg})
	if code, _, body := c.do("GET", "/metrics"); code != 200 || !strings.Contains(body, "heliograph_good 1") {
		t.Errorf("got %d, %q", code, body)
	}
}

type broken struct{}

var brokenDesc = prometheus.NewDesc("heliograph_broken", "x", nil, nil)

func (broken) Describe(ch chan<- *prometheus.Desc) { ch <- brokenDesc }

func (broken) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.NewInvalidMetric(brokenDesc, errors.New("broken"))
}

func TestReady(t *testing.T) {
	t.Parallel()
	away := errors.New("connection refused")
	for name, tc := range map[string]struct {
		checks []console.Check
		code   int
		words  string
		status string
	}{
		"no checks":      {nil, 200, "ok\n", "ok"},
		"all well":       {[]console.Check{{Name: "journal"}, {Name: "redis", Optional: true}}, 200, "ok\n", "ok"},
		"optional fails": {[]console.Check{{Name: "journal"}, {Name: "redis", Err: away, Optional: true}}, 200, "ok\nredis: connection refused\n", "ok"},
		"one fails":      {[]console.Check{{Name: "journal", Err: away}, {Name: "smtp"}}, 503, "unready\njournal: connection refused\n", "unready"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, console.Options{Ready: func(context.Context) []console.Check { return tc.checks }})
			if code, _, body := c.do("GET", "/readyz"); code != tc.code || body != tc.words {
				t.Errorf("got %d %q, want %d %q", code, body, tc.code, tc.words)
			}
			code, header, body := c.do("GET", "/readyz?verbose")
			var got struct {
				Status, Version string
				Checks          []struct{ Name, Status, Error string }
			}
			if err := json.Unmarshal([]byte(body), &got); err != nil {
				t.Fatalf("%v in %s", err, body)
			}
			if code != tc.code || header.Get("Content-Type") != "application/json" || got.Status != tc.status ||
				got.Version != "v1.2.3" || len(got.Checks) != len(tc.checks) {
				t.Errorf("got %d %v %+v", code, header, got)
			}
			for i, check := range got.Checks {
				if failing := tc.checks[i].Err != nil; (check.Status == "failing") != failing || (check.Error != "") != failing {
					t.Errorf("check %+v of %+v", check, tc.checks[i])
				}
			}
			if code, _, body := c.do("GET", "/livez"); code != 200 || body != "ok\n" {
				t.Errorf("livez follows the checks: %d %q", code, body)
			}
		})
	}
}

// TestReadyIsBounded: a check that hangs is told to stop.
func TestReadyIsBounded(t *testing.T) {
	t.Parallel()
	c := newClient(t, console.Options{Ready: func(ctx context.Context) []console.Check {
		<-ctx.Done()
		return []console.Check{{Name: "database", Err: context.Cause(ctx)}}
	}})
	if code, _, body := c.do("GET", "/readyz"); code != 503 || !strings.Contains(body, "database") {
		t.Errorf("got %d %q", code, body)
	}
}

func TestHeadersAndRoutes(t *testing.T) {
	t.Parallel()
	c := newClient(t, console.Options{})
	for _, tc := range []struct {
		method, path string
		code         int
	}{
		{"GET", "/", 200},
		{"HEAD", "/livez", 200},
		{"GET", "/livez?verbose", 200},
		{"POST", "/livez", 405},
		{"GET", "/nothing", 404},
		{"GET", "/debug/pprof/", 404},
	} {
		code, header, body := c.do(tc.method, tc.path)
		if code != tc.code {
			t.Errorf("%s %s: got %d, want %d", tc.method, tc.path, code, tc.code)
		}
		for _, name := range []string{"Content-Security-Policy", "X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy", "Cache-Control"} {
			if header.Get(name) == "" {
				t.Errorf("%s %s: no %s", tc.method, tc.path, name)
			}
		}
		if tc.path == "/" && !strings.Contains(body, "v1.2.3") {
			t.Errorf("the index tells no version: %q", body)
		}
	}
}

// What the API answers may stand in a frame of our own pages, such as the HTML of a mail, in browsers that know frame-ancestors and in those that
// do not. Nothing else may.
func TestFrames(t *testing.T) {
	t.Parallel()
	c := newClient(t, console.Options{API: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/html") {
			w.Header().Set("Content-Security-Policy", "sandbox; default-src 'none'; frame-ancestors 'self'")
		}
	})})
	for _, tc := range []struct{ path, frame, ancestors string }{
		{"/api/v1/messages/m1/html", "SAMEORIGIN", "frame-ancestors 'self'"},
		{"/api/v1/session", "SAMEORIGIN", "frame-ancestors 'none'"},
		{"/", "DENY", "frame-ancestors 'none'"},
		{"/livez", "DENY", "frame-ancestors 'none'"},
		{"/apiary", "DENY", "frame-ancestors 'none'"},
	} {
		_, header, _ := c.do("GET", tc.path)
		if got := header.Values("X-Frame-Options"); len(got) != 1 || got[0] != tc.frame {
			t.Errorf("%s: X-Frame-Options %q, want %s", tc.path, got, tc.frame)
		}
		if got := header.Get("Content-Security-Policy"); !strings.Contains(got, tc.ancestors) {
			t.Errorf("%s: policy %q lacks %s", tc.path, got, tc.ancestors)
		}
	}
}

func TestCloseWaitsForRequests(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	c := newClient(t, console.Options{Ready: func(context.Context) []console.Check {
		close(entered)
		<-release
		return nil
	}})
	var code atomic.Int64
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		resp, err := c.http.Get("http://" + c.Addr().String() + "/readyz")
		if err == nil {
			code.Store(int64(resp.StatusCode))
			_ = resp.Body.Close()
		}
	}()
	<-entered
	closed := make(chan error)
	go func() { closed <- c.Close(context.Background()) }()
	// Closing has begun once nobody else gets in.
	for {
		conn, err := net.DialTimeout("tcp", c.Addr().String(), time.Second)
		if err != nil {
			break
		}
		_ = conn.Close()
	}
	close(release)
	if err := <-closed; err != nil {
		t.Error(err)
	}
	<-answered
	if code.Load() != 200 {
		t.Errorf("the running request got %d", code.Load())
	}
}

func TestCloseCutsOffAtTheDeadline(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{})
	c := newClient(t, console.Options{Ready: func(ctx context.Context) []console.Check {
		close(entered)
		<-ctx.Done()
		return nil
	}})
	go func() {
		if resp, err := c.http.Get("http://" + c.Addr().String() + "/readyz"); err == nil {
			_ = resp.Body.Close()
		}
	}()
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := c.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestStartRefuses(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // after the parallel subtests
	for name, o := range map[string]console.Options{
		"taken":       {Address: l.Addr().String(), Gatherer: prometheus.NewRegistry()},
		"no gatherer": {Address: "127.0.0.1:0"},
		"no address":  {Address: "127.0.0.1", Gatherer: prometheus.NewRegistry()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if s, err := console.Start(t.Context(), o); err == nil {
				t.Error("started")
				_ = s.Close(t.Context())
			}
		})
	}
}
