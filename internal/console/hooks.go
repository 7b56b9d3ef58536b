package console

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"heliograph/crmclient"
	"heliograph/internal/limit"
)

// Waker is told that something happened to a record of a target. It must answer fast: the CRM waits. An error means that the
// CRM is to deliver again.
type Waker interface {
	Wake(ctx context.Context, target string, w crmclient.Wake) error
}

// Hooks are what the CRMs call: /hooks/{target}; and where receivers subscribe: /hooks/{target}/subscriptions (subscriptions.go).
type Hooks struct {
	// Receiver returns what reads the deliveries for a target; nil for one that there is not or that takes none. It may run concurrently.
	Receiver func(target string) crmclient.WebhookReceiver
	Waker    Waker
	// Subscriber returns the target whose events receivers may subscribe to; nil for one that there is not or that takes none. Nil: no target does.
	Subscriber func(target string) crmclient.Subscriber
	// Claims keep a delivery from being taken twice. Nil means that repetitions wake again, which is harmless.
	Claims limit.Claimer
	// Failures slow down who sends wrong signatures. Nil means nobody is.
	Failures *limit.Failures
	Now      func() time.Time // nil means time.Now
}

const (
	// maxDelivery bounds a body: deliveries tell of records, not of files.
	maxDelivery = 2 << 20
	// maxDeliveries bounds those that are read at once, and with them the memory for bodies.
	maxDeliveries = 32
	// maxWakes bounds the records of one delivery; what is beyond is found by the next poll.
	maxWakes = 500
	// maxReply bounds what a connector answers: a challenge that is given back.
	maxReply = 64 << 10
	// deliveryTime is how long all takes: some CRMs wait for 3 s.
	deliveryTime = 2500 * time.Millisecond
	// repeatTime is how long a delivery is known: vendors repeat for a day at most, and connectors refuse old signatures.
	repeatTime = 24 * time.Hour
	// sameTime is how long one without an id is known, by what it says: a record may well be changed back and forth, and one
	// that is read once more than needed costs nothing.
	sameTime = time.Minute
)

// errNoHook is one answer for a target that there is not and for a wrong signature, so that nobody learns which targets exist.
const errNoHook = "no such hook, or the signature is wrong\n"

// hooks serves /hooks/{target}.
type hooks struct {
	Hooks
	log  *slog.Logger
	busy chan struct{}
	done *prometheus.CounterVec
}

// serveHooks adds the handler of hooks, where there is somebody who reads them.
func (s *Server) serveHooks(mux *http.ServeMux) {
	if s.options.Hooks == nil {
		return
	}
	h := &hooks{
		Hooks: *s.options.Hooks, log: s.logger, busy: make(chan struct{}, maxDeliveries),
		done: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "heliograph_webhooks_total",
			Help: "Deliveries of CRMs, by target (empty: none that there is) and outcome (taken, repeated, own, refused, blocked, unknown, unreadable, too_large, busy, failed).",
		}, []string{"target", "outcome"}),
	}
	if h.Now == nil {
		h.Now = time.Now
	}
	if s.options.Registerer != nil {
		s.options.Registerer.MustRegister(h.done)
	}
	mux.Handle("POST /hooks/{target}", h)
	mux.Handle("GET /hooks/{target}", h) // some vendors verify the address so
	h.serveSubscriptions(mux)
}

// ServeHTTP takes one delivery.
func (h *hooks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	target, outcome := h.serve(w, r)
	h.done.WithLabelValues(target, outcome).Inc()
}

// serve returns the name of the target only if there is one, so that strangers make no labels.
func (h *hooks) serve(w http.ResponseWriter, r *http.Request) (target, outcome string) {
	select {
	case h.busy <- struct{}{}:
		defer func() { <-h.busy }()
	default:
		return "", again(w, "busy")
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), deliveryTime, errors.New("the delivery took too long"))
	defer cancel()
	name := r.PathValue("target")
	receiver := h.Receiver(name)
	if receiver != nil {
		target = name
	}
	from := remote(r)
	if h.blocked(ctx, w, from) {
		return target, "blocked"
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxDelivery))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		http.Error(w, "the delivery is too large", http.StatusRequestEntityTooLarge)
		return target, "too_large"
	case err != nil:
		return target, "failed" // whoever sent it is gone
	case receiver == nil:
		h.failed(ctx, from)
		http.Error(w, errNoHook, http.StatusNotFound)
		return "", "unknown"
	}
	return target, h.receive(ctx, w, receiver, target, from, &crmclient.Delivery{
		Method: r.Method, URL: r.URL, Header: r.Header, Body: body, At: h.Now(),
	})
}

// receive checks the delivery and passes on what it tells.
func (h *hooks) receive(ctx context.Context, w http.ResponseWriter, c crmclient.WebhookReceiver, target string, from netip.Addr, d *crmclient.Delivery) (outcome string) {
	id, wakes, reply, err := c.ReceiveWebhook(d)
	switch class := crmclient.ClassOf(err); {
	case class == crmclient.ClassAuth:
		h.failed(ctx, from)
		h.log.WarnContext(ctx, "webhook refused: the signature is wrong or too old", "target", target, "remote", from.String())
		http.Error(w, errNoHook, http.StatusNotFound)
		return "refused"
	case class == crmclient.ClassRetry, class == crmclient.ClassRate:
		h.log.WarnContext(ctx, "webhook not read", "target", target, "class", class)
		return again(w, "failed")
	case err != nil:
		h.log.WarnContext(ctx, "webhook not understood", "target", target, "class", class) // the error may repeat the body
		http.Error(w, "the delivery cannot be read", http.StatusBadRequest)
		return "unreadable"
	}
	if len(wakes) == 0 { // a test or a challenge
		answer(w, reply)
		return "taken"
	}
	key, owner := "hook:"+target+":"+deliveryID(id, d), rand.Text()
	claimed := h.Claims != nil
	if claimed {
		known := repeatTime
		if id == "" {
			known = sameTime
		}
		first, err := h.Claims.Claim(ctx, key, owner, known)
		if err == nil && !first {
			answer(w, reply)
			return "repeated"
		}
		claimed = err == nil
	}
	own, err := h.wake(ctx, target, wakes)
	if err != nil {
		h.log.WarnContext(ctx, "webhook not passed on", "target", target, "error", err)
		if claimed { // else the CRM's next try would be taken for a repetition
			_ = h.Claims.Release(context.WithoutCancel(ctx), key, owner)
		}
		return again(w, "failed")
	}
	answer(w, reply)
	if own {
		return "own"
	}
	return "taken"
}

// wake passes on what is not our own writing, each record once, and says whether all was.
func (h *hooks) wake(ctx context.Context, target string, wakes []crmclient.Wake) (own bool, err error) {
	if len(wakes) > maxWakes {
		h.log.WarnContext(ctx, "webhook tells of too many records at once; the next poll finds the rest", "target", target, "records", len(wakes))
		wakes = wakes[:maxWakes]
	}
	seen := make(map[crmclient.Wake]bool, len(wakes))
	own = true
	for _, w := range wakes {
		if w.Own || seen[w] {
			continue
		}
		own, seen[w] = false, true
		if err := h.Waker.Wake(ctx, target, w); err != nil {
			return false, err
		}
	}
	return own, nil
}

// deliveryID tells a delivery from others in a key of bounded length. One without an id is known by all that it says.
func deliveryID(id string, d *crmclient.Delivery) string {
	sum := sha256.New()
	if id != "" {
		_, _ = io.WriteString(sum, "id\x00"+id)
	} else {
		_, _ = io.WriteString(sum, "body\x00"+d.Method+"\x00"+d.URL.RawQuery+"\x00")
		_, _ = sum.Write(d.Body)
	}
	return hex.EncodeToString(sum.Sum(nil)[:20])
}

func again(w http.ResponseWriter, outcome string) string {
	w.Header().Set("Retry-After", "5")
	http.Error(w, "try again", http.StatusServiceUnavailable)
	return outcome
}

func answer(w http.ResponseWriter, r crmclient.Reply) {
	if r.Status == 0 {
		r.Status = http.StatusOK
	}
	if len(r.Body) > maxReply {
		r.Body = nil
	}
	if r.Type == "" {
		r.Type = "text/plain; charset=utf-8"
	}
	w.Header().Set("Content-Type", r.Type)
	w.WriteHeader(r.Status)
	_, _ = w.Write(r.Body) // who does not read the answer delivers again
}

// blocked answers those who sent too many wrong signatures.
func (h *hooks) blocked(ctx context.Context, w http.ResponseWriter, from netip.Addr) bool {
	if h.Failures == nil || !from.IsValid() {
		return false
	}
	wait, err := h.Failures.Check(ctx, from, guardName(from))
	if err != nil || wait <= 0 {
		return false // what cannot be told must not keep a CRM out: the signature still does
	}
	w.Header().Set("Retry-After", "60")
	http.Error(w, "too many wrong signatures", http.StatusTooManyRequests)
	return true
}

func (h *hooks) failed(ctx context.Context, from netip.Addr) {
	if h.Failures != nil && from.IsValid() {
		_ = h.Failures.Failed(ctx, from, guardName(from)) // see blocked
	}
}

// guardName is the user of the guard: the address itself, so that strangers cannot get a target's deliveries from elsewhere delayed.
func guardName(from netip.Addr) string { return "webhook from " + from.String() }

// remote returns who sent the request. A proxy on this machine or in the same network tells it in the last entry of
// X-Forwarded-For; one that does not is not held for the sender: then the result is not valid.
func remote(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := peer.Addr().Unmap().WithZone("")
	if !addr.IsLoopback() && !addr.IsPrivate() {
		return addr
	}
	forwarded := r.Header.Values("X-Forwarded-For")
	if len(forwarded) > 0 {
		list := strings.Split(forwarded[len(forwarded)-1], ",")
		if from, err := netip.ParseAddr(strings.TrimSpace(list[len(list)-1])); err == nil {
			return from.Unmap().WithZone("")
		}
	}
	return netip.Addr{}
}
