package console_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
	"heliograph/crmclient/webhook"
	"heliograph/internal/console"
	"heliograph/internal/journal/segment"
	"heliograph/internal/limit"
	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

const hookToken = "t0ken-of-the-subscribers"

// inbox are receivers behind one server, told apart by the path.
type inbox struct {
	*httptest.Server
	arrived chan string // path and webhook-id of each request that was answered with 200

	mu     sync.Mutex // guards all below
	status map[string]int
	got    map[string][]string // "path type key" of what was accepted, in order
	keys   map[string]string   // secret by path
	wrong  []string
}

func newInbox(t *testing.T) *inbox {
	in := &inbox{arrived: make(chan string, 100), status: map[string]int{}, got: map[string][]string{}, keys: map[string]string{}}
	in.Server = httptest.NewServer(http.HandlerFunc(in.serve))
	t.Cleanup(in.Close)
	return in
}

func (in *inbox) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	path, id := r.URL.Path, r.Header.Get("Webhook-Id")
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(in.keys[path], "whsec_"))
	m := hmac.New(sha256.New, key)
	m.Write([]byte(id + "." + r.Header.Get("Webhook-Timestamp") + "."))
	m.Write(body)
	if r.Header.Get("Webhook-Signature") != "v1,"+base64.StdEncoding.EncodeToString(m.Sum(nil)) || len(key) == 0 {
		in.wrong = append(in.wrong, "signature at "+path)
	}
	if status := in.status[path]; status != 0 {
		w.WriteHeader(status)
		in.arrived <- fmt.Sprintf("%s %d", path, status)
		return
	}
	var e struct{ Type, Key string }
	_ = json.Unmarshal(body, &e)
	in.got[path] = append(in.got[path], e.Type+" "+e.Key)
	in.arrived <- path + " 200"
}

func (in *inbox) answer(path string, status int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.status[path] = status
}

// await waits until each of the answers was given, in any order.
func (in *inbox) await(t *testing.T, answers ...string) {
	t.Helper()
	want := map[string]int{}
	for _, a := range answers {
		want[a]++
	}
	timeout := time.NewTimer(30 * time.Second)
	defer timeout.Stop()
	for len(want) > 0 {
		select {
		case a := <-in.arrived:
			if want[a]--; want[a] <= 0 {
				delete(want, a)
			}
		case <-timeout.C:
			t.Fatalf("still waiting for %v", want)
		}
	}
}

func (in *inbox) want(t *testing.T, path string, want ...string) {
	t.Helper()
	in.mu.Lock()
	defer in.mu.Unlock()
	if strings.Join(in.got[path], "; ") != strings.Join(want, "; ") {
		t.Errorf("%s: got %q, want %q", path, in.got[path], want)
	}
	for _, w := range in.wrong {
		t.Error("wrong", w)
	}
}

// club is a console with a webhook target that receivers subscribe to.
type club struct {
	client
	t    *testing.T
	db   *store.DB
	keys *segment.Keyring
	q    *queue.Queue
	hook *webhook.Client
	in   *inbox
	reg  *prometheus.Registry
	stop func() // ends the deliveries
}

func newClub(t *testing.T, db *store.DB, change func(*webhook.Config)) *club {
	t.Helper()
	c := &club{t: t, db: db, keys: segment.NewKeyring(), q: queue.Open(db, queue.Options{Poll: 20 * time.Millisecond}), in: newInbox(t), reg: prometheus.NewRegistry()}
	cfg := webhook.Config{Subscriptions: webhook.Subscriptions{Token: config.NewSecret(hookToken), AllowPrivate: true, Max: 5}}
	if change != nil {
		change(&cfg)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	c.start(cfg)
	t.Cleanup(func() { c.stop() })
	limits := limit.NewMemory(limit.MemoryOptions{})
	t.Cleanup(func() { _ = limits.Close() })
	c.client = newClient(t, console.Options{Registerer: c.reg, Hooks: &console.Hooks{
		Receiver: func(string) crmclient.WebhookReceiver { return nil },
		Subscriber: func(target string) crmclient.Subscriber {
			if target != "hook" {
				return nil
			}
			s, _ := crmclient.As[crmclient.Subscriber](c.hook)
			return s
		},
		Failures: limit.NewFailures(limits, 5),
	}})
	return c
}

// start opens the target and delivers, as a node does.
func (c *club) start(cfg webhook.Config) {
	c.t.Helper()
	hook, err := webhook.New(cfg, crmclient.Deps{Target: "hook"})
	if err != nil {
		c.t.Fatal(err)
	}
	if err := hook.WithSubscribers(cfg, crmclient.Deps{Target: "hook"}, webhook.Parts{Store: c.db, Queue: c.q, Sealer: c.keys}); err != nil {
		c.t.Fatal(err)
	}
	c.hook = hook
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	runner, ok := crmclient.As[crmclient.Runner](hook)
	if !ok {
		c.t.Fatal("nobody delivers")
	}
	go func() { done <- runner.Run(ctx) }()
	c.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			c.t.Error(err)
		}
		_ = hook.Close()
	})
}

func (c *club) call(method, path, token, body string) (int, map[string]any, string) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, "http://"+c.Addr().String()+"/hooks/"+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	var out map[string]any
	_ = json.Unmarshal(raw, &out)
	return resp.StatusCode, out, string(raw)
}

// subscribe returns the id.
func (c *club) subscribe(path, event string) string {
	c.t.Helper()
	status, out, raw := c.call("POST", "hook/subscriptions", hookToken, fmt.Sprintf(`{"hookUrl": %q, "event": %q}`, c.in.URL+path, event))
	if status != http.StatusCreated || !strings.HasPrefix(out["secret"].(string), "whsec_") {
		c.t.Fatalf("subscribe: got %d %s", status, raw)
	}
	c.in.mu.Lock()
	c.in.keys[path] = out["secret"].(string)
	c.in.mu.Unlock()
	return out["id"].(string)
}

func (c *club) log(key string) {
	c.t.Helper()
	if _, err := c.hook.LogEmail(c.t.Context(), crmtest.Activity(key)); err != nil {
		c.t.Fatal(err)
	}
}

// Each subscriber gets each message once; one that is away holds nobody up and gets all of it later, one that is gone gets nothing any more.
func TestSubscribers(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newClub(t, db, nil)
		c.subscribe("/all", "")
		c.subscribe("/captured", "mail.captured")
		c.subscribe("/away", "mail.captured")
		c.subscribe("/gone", "mail.captured")
		left := c.subscribe("/left", "")
		if status, _, raw := c.call("DELETE", "hook/subscriptions/"+left, hookToken, ""); status != http.StatusNoContent {
			t.Errorf("unsubscribe: got %d %s", status, raw)
		}
		if status, _, _ := c.call("DELETE", "hook/subscriptions/"+left, hookToken, ""); status != http.StatusNotFound {
			t.Errorf("unsubscribe again: got %d", status)
		}
		c.in.answer("/away", http.StatusServiceUnavailable)
		c.in.answer("/gone", http.StatusGone)
		for range 3 { // as the mirror repeats what had no clear outcome
			c.log("one")
		}
		c.in.await(t, "/all 200", "/captured 200", "/away 503", "/gone 410")
		c.log("two")
		if err := c.hook.WithdrawEmail(t.Context(), "", "one"); err != nil {
			t.Error(err)
		}
		c.in.await(t, "/all 200", "/captured 200", "/all 200")
		c.in.answer("/away", 0)
		c.in.await(t, "/away 200", "/away 200")
		c.in.want(t, "/all", "mail.captured one", "mail.captured two", "mail.withdrawn one")
		c.in.want(t, "/captured", "mail.captured one", "mail.captured two")
		c.in.want(t, "/away", "mail.captured one", "mail.captured two")
		c.in.want(t, "/left")
		c.in.want(t, "/gone")
		_, _, raw := c.call("GET", "hook/subscriptions", hookToken, "")
		var list []map[string]any
		if err := json.Unmarshal([]byte(raw), &list); err != nil || len(list) != 3 || strings.Contains(raw, "whsec_") || strings.Contains(raw, "/away") {
			t.Errorf("list: got %s", raw)
		}
	})
}

// What waits when the node stops is delivered by the next.
func TestSubscribersOverARestart(t *testing.T) {
	t.Parallel()
	c := newClub(t, storetest.SQLite(t), nil)
	c.subscribe("/a", "")
	c.in.answer("/a", http.StatusBadGateway)
	c.log("one")
	c.in.await(t, "/a 502")
	c.stop()
	c.in.answer("/a", 0)
	c.start(webhook.Config{Subscriptions: webhook.Subscriptions{Token: config.NewSecret(hookToken), AllowPrivate: true}})
	c.log("one")
	c.in.await(t, "/a 200")
	c.in.want(t, "/a", "mail.captured one")
	// Neither the address nor the mail is readable in the database.
	var sealed, payload []byte
	if err := c.db.Reader().QueryRowContext(t.Context(), `SELECT sealed FROM hook_subscriptions`).Scan(&sealed); err != nil {
		t.Fatal(err)
	}
	if err := c.db.Reader().QueryRowContext(t.Context(), `SELECT payload FROM jobs`).Scan(&payload); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(sealed), "http") || strings.Contains(string(payload), "Quotation") {
		t.Error("the database has it in clear text")
	}
}

func TestWhoMaySubscribe(t *testing.T) {
	t.Parallel()
	c := newClub(t, storetest.SQLite(t), nil)
	body := fmt.Sprintf(`{"target_url": %q}`, c.in.URL+"/a")
	for _, who := range []struct{ target, token string }{{"hook", ""}, {"hook", "wrong"}, {"nowhere", hookToken}} {
		if status, _, raw := c.call("POST", who.target+"/subscriptions", who.token, body); status != http.StatusUnauthorized || !strings.Contains(raw, "no such target, or the token is wrong") {
			t.Errorf("%+v: got %d %s", who, status, raw)
		}
	}
	if status, _, _ := c.call("GET", "hook/samples", "wrong", ""); status != http.StatusUnauthorized {
		t.Errorf("samples: got %d", status)
	}
	if n := testutil.CollectAndCount(c.reg, "heliograph_webhooks_total"); n != 1 {
		t.Errorf("strangers made %d labels", n)
	}
	// Behind a reverse proxy the guesser is known, and slowed down.
	status := 0
	for range 20 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+c.Addr().String()+"/hooks/hook/subscriptions", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Forwarded-For", "203.0.113.9")
		req.Header.Set("Authorization", "Bearer guess")
		resp, err := c.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		status = resp.StatusCode
		_ = resp.Body.Close()
	}
	if status != http.StatusTooManyRequests {
		t.Errorf("after twenty guesses: got %d", status)
	}
}

func TestWhatCanBeSubscribedTo(t *testing.T) {
	t.Parallel()
	c := newClub(t, storetest.SQLite(t), nil)
	for name, r := range map[string]struct {
		body   string
		status int
	}{
		"no JSON":     {"hookUrl=x", http.StatusBadRequest},
		"too long":    {`{"hookUrl": "` + strings.Repeat("x", 20_000) + `"}`, http.StatusBadRequest},
		"no address":  {`{}`, http.StatusUnprocessableEntity},
		"no URL":      {`{"hookUrl": "ftp://x"}`, http.StatusUnprocessableEntity},
		"event":       {fmt.Sprintf(`{"hookUrl": %q, "event": "contact.created"}`, c.in.URL), http.StatusUnprocessableEntity},
		"metadata":    {`{"hookUrl": "http://169.254.169.254/latest"}`, http.StatusUnprocessableEntity},
		"credentials": {`{"hookUrl": "https://` + strings.Repeat("x", 3000) + `.example/"}`, http.StatusUnprocessableEntity},
	} {
		if status, _, raw := c.call("POST", "hook/subscriptions", hookToken, r.body); status != r.status {
			t.Errorf("%s: got %d %s, want %d", name, status, raw, r.status)
		}
	}
	id := c.subscribe("/0", "")
	status, out, raw := c.call("POST", "hook/subscriptions", hookToken, fmt.Sprintf(`{"url": %q}`, c.in.URL+"/0"))
	if status != http.StatusOK || out["id"] != id || out["secret"] != nil {
		t.Errorf("again: got %d %s", status, raw)
	}
	for i := range 4 {
		c.subscribe(fmt.Sprintf("/%d", i+1), "")
	}
	if status, _, raw := c.call("POST", "hook/subscriptions", hookToken, fmt.Sprintf(`{"url": %q}`, c.in.URL+"/more")); status != http.StatusConflict {
		t.Errorf("too many: got %d %s", status, raw)
	}
	if _, _, raw := c.call("GET", "hook/samples?event=mail.updated", hookToken, ""); !strings.HasPrefix(raw, `[{"type":"mail.updated"`) {
		t.Errorf("samples: got %s", raw)
	}
	if _, _, raw := c.call("GET", "hook/samples?event=x", hookToken, ""); raw != "[]\n" {
		t.Errorf("samples of nothing: got %q", raw)
	}
}

// Without allow_private nobody gets the gateway to post into the company's network, whatever the address looks like.
func TestPrivateAddressesCannotBeSubscribed(t *testing.T) {
	t.Parallel()
	c := newClub(t, storetest.SQLite(t), func(cfg *webhook.Config) { cfg.Subscriptions.AllowPrivate = false })
	tls := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(tls.Close)
	for _, address := range []string{c.in.URL, tls.URL, strings.Replace(tls.URL, "127.0.0.1", "localhost", 1), "https://10.0.0.1/", "https://[::1]/"} {
		status, _, raw := c.call("POST", "hook/subscriptions", hookToken, fmt.Sprintf(`{"hookUrl": %q}`, address))
		if status != http.StatusUnprocessableEntity {
			t.Errorf("%s: got %d %s", address, status, raw)
		}
	}
}
