package console_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"heliograph/crmclient"
	"heliograph/internal/console"
	"heliograph/internal/limit"
)

// signed is a connector: the header X-Sign has the HMAC of the body, X-Id the delivery; the body is "object id" per line.
type signed struct{ key string }

func (s signed) ReceiveWebhook(d *crmclient.Delivery) (string, []crmclient.Wake, crmclient.Reply, error) {
	if d.Method == http.MethodGet {
		if d.URL.Query().Get("token") != s.key {
			return "", nil, crmclient.Reply{}, &crmclient.Error{Class: crmclient.ClassAuth}
		}
		return "", nil, crmclient.Reply{Type: "application/json", Body: []byte(`{"challenge":"` + d.URL.Query().Get("challenge") + `"}`)}, nil
	}
	if d.Header.Get("X-Sign") != sign(s.key, d.Body) || time.Since(d.At).Abs() > time.Minute {
		return "", nil, crmclient.Reply{}, &crmclient.Error{Class: crmclient.ClassAuth, Message: "secret words of the body"}
	}
	if bytes.HasPrefix(d.Body, []byte("garbage")) {
		return "", nil, crmclient.Reply{}, &crmclient.Error{Class: crmclient.ClassPermanent, Message: "not a delivery"}
	}
	var wakes []crmclient.Wake
	for line := range strings.Lines(string(d.Body)) {
		w := crmclient.Wake{}
		if _, err := fmt.Sscan(line, &w.Object, &w.ID); err == nil {
			w.Own = w.ID == "own"
			wakes = append(wakes, w)
		}
	}
	return d.Header.Get("X-Id"), wakes, crmclient.Reply{Status: 202}, nil
}

func sign(key string, body []byte) string {
	m := hmac.New(sha256.New, []byte(key))
	m.Write(body)
	return hex.EncodeToString(m.Sum(nil))
}

// bell notes who is woken.
type bell struct {
	mu   sync.Mutex // guards all below
	rung []string
	err  error
}

func (b *bell) Wake(_ context.Context, target string, w crmclient.Wake) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return b.err
	}
	b.rung = append(b.rung, target+" "+w.Object+" "+w.ID)
	return nil
}

func (b *bell) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

func (b *bell) want(t *testing.T, want ...string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Equal(b.rung, want) {
		t.Errorf("woken: got %q, want %q", b.rung, want)
	}
	b.rung = nil
}

// yard is a console with hooks.
type yard struct {
	client
	bell  *bell
	reg   *prometheus.Registry
	logs  *bytes.Buffer
	later *atomic.Int64 // how much later than now the limits believe it is
}

func newYard(t *testing.T) yard {
	t.Helper()
	later := new(atomic.Int64)
	limits := limit.NewMemory(limit.MemoryOptions{Now: func() time.Time { return time.Now().Add(time.Duration(later.Load())) }})
	t.Cleanup(func() { _ = limits.Close() })
	y := yard{bell: new(bell), reg: prometheus.NewRegistry(), logs: new(bytes.Buffer), later: later}
	y.client = newClient(t, console.Options{
		Registerer: y.reg, Logger: slog.New(slog.NewTextHandler(y.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Hooks: &console.Hooks{
			Receiver: func(target string) crmclient.WebhookReceiver {
				if target == "crm" {
					return signed{"key"}
				}
				return nil
			},
			Waker: y.bell, Claims: limits, Failures: limit.NewFailures(limits, 5),
		},
	})
	return y
}

// post delivers; an empty key means the right one.
func (y yard) post(t *testing.T, target, body, id, key string, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+y.Addr().String()+"/hooks/"+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if key == "" {
		key = "key"
	}
	req.Header.Set("X-Sign", sign(key, []byte(body)))
	req.Header.Set("X-Id", id)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := y.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, b.String()
}

func (y yard) outcome(target, outcome string) float64 {
	families, err := y.reg.Gather()
	if err != nil {
		y.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if l := m.GetLabel(); f.GetName() == "heliograph_webhooks_total" && l[0].GetValue() == outcome && l[1].GetValue() == target {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

func TestHookWakes(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	if code, body := y.post(t, "crm", "deals 1\ndeals 1\ncontacts 2\ndeals own\n", "d1", ""); code != 202 || body != "" {
		t.Errorf("got %d %q, want the reply of the connector", code, body)
	}
	y.bell.want(t, "crm deals 1", "crm contacts 2")
	// The same delivery again, with another body even, wakes nobody; another one does.
	for range 2 {
		if code, _ := y.post(t, "crm", "deals 1\n", "d1", ""); code != 202 {
			t.Errorf("repeated: got %d", code)
		}
	}
	y.bell.want(t)
	if code, _ := y.post(t, "crm", "deals 1\n", "d2", ""); code != 202 {
		t.Errorf("got %d", code)
	}
	y.bell.want(t, "crm deals 1")
	// Without an id the body counts.
	for range 2 {
		y.post(t, "crm", "deals 7\n", "", "")
	}
	y.post(t, "crm", "deals 8\n", "", "")
	y.bell.want(t, "crm deals 7", "crm deals 8")
	// But a record may be changed back: the same words are no repetition for long, the same id is.
	y.later.Store(int64(2 * time.Minute))
	y.post(t, "crm", "deals 7\n", "", "")
	y.post(t, "crm", "deals 7\n", "d2", "")
	y.bell.want(t, "crm deals 7")
	y.post(t, "crm", "deals own\n", "d3", "")
	y.bell.want(t)
	for outcome, want := range map[string]float64{"taken": 5, "repeated": 4, "own": 1} {
		if got := y.outcome("crm", outcome); got != want {
			t.Errorf("%s: got %v, want %v", outcome, got, want)
		}
	}
	if problems, err := testutil.GatherAndLint(y.reg); err != nil || len(problems) > 0 {
		t.Errorf("metrics: %v, %v", problems, err)
	}
}

func TestHookIsDeliveredAgainAfterOurTrouble(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	y.bell.fail(errors.New("the store is away"))
	if code, _ := y.post(t, "crm", "deals 1\n", "d1", ""); code != 503 {
		t.Errorf("got %d, want 503", code)
	}
	y.bell.fail(nil)
	if code, _ := y.post(t, "crm", "deals 1\n", "d1", ""); code != 202 {
		t.Errorf("again: got %d, want 202", code)
	}
	y.bell.want(t, "crm deals 1")
}

func TestHookTellsStrangersNothing(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	unknown, one := y.post(t, "nobody", "deals 1\n", "d1", "")
	forged, two := y.post(t, "crm", "deals 1 secret-in-the-body\n", "d1", "wrong key")
	if unknown != 404 || forged != unknown || one != two {
		t.Errorf("got %d %q for no target and %d %q for a wrong signature; want the same", unknown, one, forged, two)
	}
	y.bell.want(t)
	if code, _ := y.post(t, "crm", "garbage", "d1", ""); code != 400 {
		t.Errorf("garbage: got %d", code)
	}
	if code, _ := y.post(t, "crm", strings.Repeat("x", 3<<20), "d1", ""); code != 413 {
		t.Errorf("3 MiB: got %d", code)
	}
	for _, method := range []string{"PUT", "DELETE", "PATCH"} {
		if code, _, _ := y.do(method, "/hooks/crm"); code != 405 {
			t.Errorf("%s: got %d", method, code)
		}
	}
	if got := y.outcome("", "unknown"); got != 1 {
		t.Errorf("unknown: got %v", got)
	}
	if logs := y.logs.String(); strings.Contains(logs, "secret") || strings.Contains(logs, "nobody") || !strings.Contains(logs, "target=crm") {
		t.Errorf("logs: %s", logs)
	}
}

func TestHookVerifiedByGet(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	code, header, body := y.do("GET", "/hooks/crm?token=key&challenge=abc")
	if code != 200 || body != `{"challenge":"abc"}` || header.Get("Content-Type") != "application/json" {
		t.Errorf("got %d %q %v", code, body, header)
	}
	if code, _, _ := y.do("GET", "/hooks/crm?token=bad"); code != 404 {
		t.Errorf("wrong token: got %d", code)
	}
	y.bell.want(t)
}

func TestWrongSignaturesSlowTheirSenderDown(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	blocked := 0
	for range 20 {
		if code, _ := y.post(t, "crm", "deals 1\n", "d", "wrong", "X-Forwarded-For", "10.9.9.9, 203.0.113.7"); code == 429 {
			blocked++
		}
	}
	if blocked < 10 {
		t.Errorf("blocked: got %d of 20 wrong signatures, want most", blocked)
	}
	if code, _ := y.post(t, "crm", "deals 1\n", "d", "", "X-Forwarded-For", "203.0.113.7"); code != 429 {
		t.Errorf("a right one from there: got %d", code)
	}
	// Others, and a proxy that does not tell who asks, are not held up.
	if code, _ := y.post(t, "crm", "deals 2\n", "e", "", "X-Forwarded-For", "203.0.113.7, 198.51.100.1"); code != 202 {
		t.Errorf("another sender: got %d", code)
	}
	for range 20 {
		y.post(t, "crm", "deals 1\n", "d", "wrong")
	}
	if code, _ := y.post(t, "crm", "deals 3\n", "f", ""); code != 202 {
		t.Errorf("without a sender: got %d", code)
	}
	y.bell.want(t, "crm deals 2", "crm deals 3")
}

func TestHookOfManyAtOnce(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	var group sync.WaitGroup
	for range 12 {
		group.Go(func() {
			if code, _ := y.post(t, "crm", "deals 1\n", "the same", ""); code != 202 {
				t.Errorf("got %d", code)
			}
		})
	}
	group.Wait()
	y.bell.want(t, "crm deals 1")
}

func TestNoHooksWithoutReceivers(t *testing.T) {
	t.Parallel()
	c := newClient(t, console.Options{})
	if code, _, _ := c.do("POST", "/hooks/crm"); code != 404 && code != 405 {
		t.Errorf("got %d", code)
	}
}
