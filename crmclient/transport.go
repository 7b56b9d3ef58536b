package crmclient

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// RateLimiter spreads the requests to one target; it may be shared with other nodes.
type RateLimiter interface {
	// Allow takes the right to make one request. If there is none, it returns how long to wait before
	// asking again. It may be called concurrently. An error means that the limiter cannot tell.
	Allow(ctx context.Context) (wait time.Duration, err error)
}

// Options are what a Transport needs. URL is required, the rest has defaults.
type Options struct {
	Target    string   // name of the target in the configuration, for logs and metrics
	URL       *url.URL // base address; requests go to this scheme, host and port only
	UserAgent string
	Timeout   time.Duration // of a whole request; zero means 20 s
	// MaxConcurrent is how many requests may be under way at once; zero means 8.
	MaxConcurrent int
	RateLimiter   RateLimiter // nil: no limit
	// AllowPrivate: true lets the target be in a private network or on this machine, false refuses that. Nil decides by the URL:
	// a literal private address or "localhost" is allowed, because an administrator wrote just that into the file; a name
	// that resolves to a private address is refused. Link-local and metadata addresses are always refused.
	AllowPrivate *bool
	// NoRedirects makes every 3xx an error. Otherwise those to the same host are followed if the method stays.
	NoRedirects bool
	// HidePath keeps the path of the URL out of errors and logs, where it is itself a credential.
	HidePath bool
	CAFile   string // PEM; its authorities are trusted besides the system's
	// Proxy is the URL of an HTTP or SOCKS5 proxy; empty means none. The proxy resolves names itself, so that AllowPrivate
	// can judge only literal addresses then.
	Proxy      string
	Headers    map[string]string // added to every request; their values count as secrets
	Secrets    []string          // never shown in errors and logs
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

const (
	defaultTimeout       = 20 * time.Second
	defaultMaxConcurrent = 8
	dialTimeout          = 10 * time.Second
	tlsTimeout           = 10 * time.Second
	idleTimeout          = 60 * time.Second
	maxRedirects         = 3
	// MaxAnswer bounds the body of an answer: CRMs answer with records, not with files.
	MaxAnswer = 1 << 20
	// maxLimiterWait is how long a request waits for its turn here; a longer wait is the queue's.
	maxLimiterWait = 2 * time.Second
)

// Transport sends requests to one target. It is safe for concurrent use. It repeats nothing itself.
type Transport struct {
	*Redactor
	o       Options
	client  *http.Client
	round   *http.Transport
	proxy   *url.URL
	slots   chan struct{}
	breaker *breaker
	metrics *transportMetrics
	log     *slog.Logger
}

// NewTransport checks the options and builds a Transport, without using the network. It must be closed.
func NewTransport(o Options) (*Transport, error) {
	if o.URL == nil {
		return nil, errors.New("the URL of the target is missing")
	}
	if err := checkURL(o.URL); err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.MaxConcurrent <= 0 {
		o.MaxConcurrent = defaultMaxConcurrent
	}
	if o.UserAgent == "" {
		o.UserAgent = "heliograph"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	t := &Transport{
		o:        o,
		Redactor: NewRedactor(allSecrets(o)...),
		slots:    make(chan struct{}, o.MaxConcurrent),
		log:      o.Logger.With("target", o.Target),
	}
	var err error
	if t.metrics, err = newTransportMetrics(o.Registerer, o.Target); err != nil {
		return nil, err
	}
	t.breaker = &breaker{now: time.Now, notify: t.breakerChanged}
	if o.Proxy != "" {
		if t.proxy, err = parseProxy(o.Proxy); err != nil {
			return nil, fmt.Errorf("proxy: %w", err)
		}
		if a, err := netip.ParseAddr(o.URL.Hostname()); err == nil {
			if err := newAddressGuard(o.URL, o.AllowPrivate).check(a); err != nil {
				return nil, fmt.Errorf("url: %w", err)
			}
		}
	}
	if err := t.buildClient(); err != nil {
		return nil, err
	}
	return t, nil
}

// allSecrets gathers what must not be shown: the secrets themselves, header values (also without
// their scheme, as in "Bearer …"), and what stands in the URL besides host and path.
func allSecrets(o Options) []string {
	secrets := slices.Clone(o.Secrets)
	for _, v := range o.Headers {
		secrets = append(secrets, v)
		if _, rest, ok := strings.Cut(v, " "); ok {
			secrets = append(secrets, rest)
		}
	}
	for _, u := range []string{o.URL.String(), o.Proxy} {
		if p, err := url.Parse(u); err == nil {
			if pw, ok := p.User.Password(); ok {
				secrets = append(secrets, pw)
			}
			for _, values := range p.Query() {
				secrets = append(secrets, values...)
			}
		}
	}
	if o.HidePath {
		secrets = append(secrets, o.URL.Path, o.URL.EscapedPath())
	}
	return secrets
}

func parseProxy(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return nil, errors.New("this is not a URL")
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
		return u, nil
	}
	return nil, fmt.Errorf("the scheme must be http, https or socks5, not %q", u.Scheme)
}

func (t *Transport) buildClient() error {
	tlsConfig, err := tlsConfigFor(t.o.CAFile)
	if err != nil {
		return err
	}
	t.round = &http.Transport{
		DialContext:           t.dialer().DialContext,
		TLSClientConfig:       tlsConfig,
		TLSHandshakeTimeout:   tlsTimeout,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   t.o.MaxConcurrent,
		IdleConnTimeout:       idleTimeout,
		ExpectContinueTimeout: time.Second,
	}
	if t.proxy != nil {
		t.round.Proxy = http.ProxyURL(t.proxy)
	}
	t.client = &http.Client{Transport: t.round, CheckRedirect: t.checkRedirect}
	return nil
}

func (t *Transport) dialer() *net.Dialer {
	d := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	if t.proxy == nil { // the proxy's own address comes from the administrator
		d.Control = newAddressGuard(t.o.URL, t.o.AllowPrivate).control
	}
	return d
}

// checkRedirect lets a request follow only within its host and only with its method: a POST
// that becomes a GET loses the activity, and another host must not see the credentials.
func (t *Transport) checkRedirect(req *http.Request, via []*http.Request) error {
	first := via[0]
	if t.o.NoRedirects || len(via) > maxRedirects || req.Method != first.Method || !sameOrigin(req.URL, t.o.URL) {
		return http.ErrUseLastResponse
	}
	return nil
}

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && portOf(a) == portOf(b)
}

func portOf(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "https" {
		return "443"
	}
	return "80"
}

// Close closes idle connections. Requests under way are not stopped; their contexts do that.
func (t *Transport) Close() error {
	t.round.CloseIdleConnections()
	return nil
}

// Answer is what a target said.
type Answer struct {
	Status    int
	Header    http.Header
	Body      []byte
	Truncated bool   // the body was longer than MaxAnswer; Body is its beginning
	RequestID string // the target's own id of the request, or the one that we sent
}

// JSON decodes the body. An answer that is not JSON is ClassRetry: usually it is the page of a
// gateway in front of the CRM, and what became of the request is not known.
func (a *Answer) JSON(into any) error { return a.decoded(json.Unmarshal(a.Body, into)) }

// Exact is JSON with numbers as they are written (ExactJSON).
func (a *Answer) Exact(into any) error { return a.decoded(ExactJSON(a.Body, into)) }

func (a *Answer) decoded(err error) error {
	if err == nil {
		return nil
	}
	return a.Unreadable() // the decoder's own error quotes the answer, which may repeat a secret
}

// Unreadable is the error for an answer that is not the JSON that was expected.
func (a *Answer) Unreadable() *Error {
	e := &Error{Class: ClassRetry, Status: a.Status, Message: "the target's answer is not the expected JSON", RequestID: a.RequestID}
	switch {
	case a.Truncated:
		e.Message = fmt.Sprintf("the target's answer is longer than %d bytes", MaxAnswer)
	case bytes.HasPrefix(bytes.TrimSpace(a.Body), []byte("<")):
		e.Message = "the target answered with a web page"
		e.Remedy = "compare the address (url) in the section with that of the vendor's API, and see that no proxy or sign-in page answers in its place"
	}
	return e
}

// Do sends the request. With an answer other than 2xx it returns the answer and an *Error with the class of
// the status; if the answer broke off, it returns what arrived and an *Error. All other errors come without
// an answer. Every error is an *Error without secrets.
func (t *Transport) Do(req *http.Request) (*Answer, error) {
	start := time.Now()
	answer, err := t.send(req)
	outcome := "ok"
	if err != nil {
		outcome = string(ClassOf(err))
		if errors.Is(err, ErrCircuitOpen) {
			outcome = "circuit_open"
		}
	}
	took := time.Since(start)
	t.metrics.requests.WithLabelValues(t.o.Target, outcome).Inc()
	t.metrics.seconds.WithLabelValues(t.o.Target).Observe(took.Seconds())
	if t.log.Enabled(req.Context(), slog.LevelDebug) {
		attrs := []any{"method", req.Method, "url", t.describe(req.URL), "outcome", outcome, "took", took}
		if answer != nil {
			attrs = append(attrs, "status", answer.Status, "request_id", answer.RequestID)
		}
		t.log.DebugContext(req.Context(), "crm request", attrs...)
	}
	return answer, err
}

func (t *Transport) describe(u *url.URL) string {
	if t.o.HidePath {
		return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/…"}).Redacted()
	}
	return t.URL(u)
}

func (t *Transport) send(req *http.Request) (*Answer, error) {
	if req.Body != nil {
		defer req.Body.Close() // as net/http does, also of a request that is not sent
	}
	if !sameOrigin(req.URL, t.o.URL) {
		return nil, &Error{Class: ClassConfiguration, Message: "request to another host than the target's"}
	}
	ctx := req.Context()
	if err := t.acquire(ctx); err != nil {
		return nil, err
	}
	defer func() { <-t.slots }()
	if err := t.waitForRate(ctx); err != nil {
		return nil, err
	}
	wait, ok := t.breaker.allow()
	if !ok {
		return nil, &Error{
			Class: ClassRetry, RetryAfter: wait, Err: ErrCircuitOpen,
			Message: "the target failed several times in a row and is left alone for a while",
		}
	}
	result := breakerUnknown
	defer func() { t.breaker.done(result) }() // also when the exchange panics
	answer, err := t.exchange(req)
	result = breakerResultOf(ctx, err)
	return answer, err
}

func (t *Transport) acquire(ctx context.Context) error {
	select {
	case t.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return networkError(ctx, ctx.Err())
	}
}

// waitForRate waits a short time for the limiter. A limiter that is away lets requests pass: the target has its own.
func (t *Transport) waitForRate(ctx context.Context) error {
	if t.o.RateLimiter == nil {
		return nil
	}
	deadline := time.Now().Add(maxLimiterWait)
	for {
		wait, err := t.o.RateLimiter.Allow(ctx)
		if err != nil {
			t.log.WarnContext(ctx, "rate limiter is away", "error", err)
			return nil
		}
		if wait <= 0 {
			return nil
		}
		if time.Now().Add(wait).After(deadline) {
			return &Error{Class: ClassRate, RetryAfter: wait, Message: "our own limit of requests to the target is reached"}
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return networkError(ctx, ctx.Err())
		}
	}
}

func breakerResultOf(ctx context.Context, err error) breakerResult {
	switch {
	case err == nil, ClassOf(err) != ClassRetry:
		return breakerSuccess
	case ctx.Err() != nil: // the caller gave up, not our time-out
		return breakerUnknown
	default:
		return breakerFailure
	}
}

func (t *Transport) breakerChanged(s breakerState) {
	t.metrics.circuit.WithLabelValues(t.o.Target).Set(float64(s))
	switch s {
	case breakerOpen:
		t.log.Warn("circuit opened")
	case breakerClosed:
		t.log.Info("circuit closed")
	case breakerHalfOpen:
	}
}

// exchange sends the request once and reads the answer.
func (t *Transport) exchange(req *http.Request) (*Answer, error) {
	phase := new(atomic.Value)
	phase.Store("connecting")
	timedOut := &timeoutError{after: t.o.Timeout, phase: phase}
	ctx, cancel := context.WithTimeoutCause(req.Context(), t.o.Timeout, timedOut)
	defer cancel()
	req = req.Clone(httptrace.WithClientTrace(ctx, phaseTrace(phase)))
	id := t.prepare(req)

	resp, err := t.client.Do(req)
	if err != nil {
		return nil, t.failure(ctx, err, id)
	}
	defer resp.Body.Close()
	phase.Store("reading the answer")
	body, readErr := io.ReadAll(io.LimitReader(resp.Body, MaxAnswer+1))
	answer := &Answer{
		Status: resp.StatusCode, Header: resp.Header, Body: body[:min(len(body), MaxAnswer)],
		Truncated: len(body) > MaxAnswer, RequestID: id,
	}
	if rid := t.Text(responseID(resp.Header)); rid != "" {
		answer.RequestID = rid
	}
	if err := FromStatus(resp); err != nil {
		return answer, t.statusError(err, answer)
	}
	if readErr != nil {
		e := t.failure(ctx, readErr, answer.RequestID)
		e.Status = answer.Status
		return answer, e
	}
	return answer, nil
}

func (t *Transport) prepare(req *http.Request) (id string) {
	for k, v := range t.o.Headers {
		if http.CanonicalHeaderKey(k) == "Host" {
			req.Host = v
			continue
		}
		req.Header.Set(k, v)
	}
	req.Header.Set("User-Agent", t.o.UserAgent)
	id = req.Header.Get("X-Request-Id")
	if id == "" {
		var b [8]byte
		_, _ = rand.Read(b[:]) // never fails: crypto/rand aborts the program instead
		id = hex.EncodeToString(b[:])
		req.Header.Set("X-Request-Id", id)
	}
	return id
}

// statusError adds the beginning of the answer, which usually says what is wrong.
func (t *Transport) statusError(err error, a *Answer) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	e.RequestID = a.RequestID
	if text := t.Excerpt(a.Body); text != "" && !strings.HasPrefix(text, "<") { // an HTML page says nothing
		e.Message += ": " + text
	}
	return e
}

// failure makes an error without secrets out of one of net/http, whose text begins with the whole URL.
func (t *Transport) failure(ctx context.Context, err error, id string) *Error {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	e := networkError(ctx, err)
	e.RequestID = id
	if e.Class == ClassRetry && ctx.Err() == nil {
		e.Message += ": " + err.Error()
	}
	e.Message = t.Excerpt([]byte(e.Message))
	return e
}

// timeoutError is the cause of our own time-out; it says what the request was waiting for.
type timeoutError struct {
	after time.Duration
	phase *atomic.Value
}

func (e *timeoutError) Error() string {
	return fmt.Sprintf("not done within %s, stopped while %s", e.after, e.phase.Load())
}

func (e *timeoutError) Timeout() bool { return true }

func phaseTrace(phase *atomic.Value) *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		DNSStart:          func(httptrace.DNSStartInfo) { phase.Store("looking up the name") },
		ConnectStart:      func(string, string) { phase.Store("connecting") },
		TLSHandshakeStart: func() { phase.Store("agreeing on TLS") },
		GotConn:           func(httptrace.GotConnInfo) { phase.Store("sending the request") },
		WroteRequest:      func(httptrace.WroteRequestInfo) { phase.Store("waiting for the answer") },
	}
}
