package console

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"heliograph/crmclient"
)

const (
	maxSubscribe = 16 << 10 // bytes of a request to subscribe
	// subscribeTime is longer than that of deliveries: the address of the receiver is tried.
	subscribeTime = 15 * time.Second
	// errNoSubscriber is one answer for a target that there is not and for a wrong token, so that nobody learns which targets exist.
	errNoSubscriber = "no such target, or the token is wrong"
)

// subscribeRequest is the body of a request to subscribe. The address has the name that the receiver's platform gives it: hookUrl at Zapier.
type subscribeRequest struct {
	TargetURL string `json:"target_url"`
	HookURL   string `json:"hookUrl"`
	URL       string `json:"url"`
	Event     string `json:"event"`
}

// subscription is one as it is told.
type subscription struct {
	ID        string     `json:"id"`
	Event     string     `json:"event"` // empty: all
	Host      string     `json:"host"`
	Secret    string     `json:"secret,omitempty"`
	CreatedAt time.Time  `json:"created_at"`
	FailingAt *time.Time `json:"failing_since,omitempty"`
	Trouble   string     `json:"trouble,omitempty"`
}

func told(s crmclient.Subscription) subscription {
	out := subscription{ID: s.ID, Event: s.Event, Host: s.Host, Secret: s.Secret, CreatedAt: s.Created.UTC(), Trouble: s.Trouble}
	if !s.Failing.IsZero() {
		at := s.Failing.UTC()
		out.FailingAt = &at
	}
	return out
}

// problem is the body of an answer that is not good.
type problem struct {
	Error string `json:"error"`
}

// serveSubscriptions adds REST hooks: receivers subscribe to what happens in a target by themselves.
func (h *hooks) serveSubscriptions(mux *http.ServeMux) {
	if h.Subscriber == nil {
		return
	}
	for pattern, serve := range map[string]func(context.Context, http.ResponseWriter, *http.Request, crmclient.Subscriber) string{
		"POST /hooks/{target}/subscriptions":        h.subscribe,
		"GET /hooks/{target}/subscriptions":         h.subscriptions,
		"DELETE /hooks/{target}/subscriptions/{id}": h.unsubscribe,
		"GET /hooks/{target}/samples":               h.samples,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			target, outcome := h.authorized(w, r, serve)
			h.done.WithLabelValues(target, outcome).Inc()
		})
	}
}

// authorized lets those in who have the token of the target. It returns the name of the target only if there is one, so that strangers make no labels.
func (h *hooks) authorized(w http.ResponseWriter, r *http.Request, serve func(context.Context, http.ResponseWriter, *http.Request, crmclient.Subscriber) string) (target, outcome string) {
	select {
	case h.busy <- struct{}{}:
		defer func() { <-h.busy }()
	default:
		return "", again(w, "busy")
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), subscribeTime, errors.New("subscribing took too long"))
	defer cancel()
	from := remote(r)
	if h.blocked(ctx, w, from) {
		return "", "blocked"
	}
	name := r.PathValue("target")
	s := h.Subscriber(name)
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if s == nil || !strings.EqualFold(scheme, "bearer") || !s.AuthorizeSubscriber(strings.TrimSpace(token)) {
		h.failed(ctx, from)
		w.Header().Set("WWW-Authenticate", "Bearer")
		say(w, http.StatusUnauthorized, problem{errNoSubscriber})
		return "", "refused"
	}
	return name, serve(ctx, w, r, s)
}

func say(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // who does not read the answer asks again
}

// trouble answers what is ours to mend.
func (h *hooks) trouble(ctx context.Context, w http.ResponseWriter, r *http.Request, err error) string {
	h.log.ErrorContext(ctx, "subscriptions cannot be kept", "target", r.PathValue("target"), "error", err)
	return again(w, "failed")
}

func (h *hooks) subscribe(ctx context.Context, w http.ResponseWriter, r *http.Request, s crmclient.Subscriber) string {
	var body subscribeRequest
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxSubscribe))
	if err == nil {
		err = json.Unmarshal(raw, &body)
	}
	if err != nil {
		say(w, http.StatusBadRequest, problem{"the body is not the expected JSON"})
		return "unreadable"
	}
	address := body.TargetURL
	for _, other := range []string{body.HookURL, body.URL} {
		if address == "" {
			address = other
		}
	}
	made, isNew, err := s.Subscribe(ctx, address, body.Event)
	switch {
	case errors.Is(err, crmclient.ErrBadSubscription):
		say(w, http.StatusUnprocessableEntity, problem{err.Error()})
		return "unreadable"
	case errors.Is(err, crmclient.ErrTooManySubscriptions):
		say(w, http.StatusConflict, problem{crmclient.ErrTooManySubscriptions.Error()})
		return "refused"
	case err != nil:
		return h.trouble(ctx, w, r, err)
	case !isNew:
		say(w, http.StatusOK, told(made))
		return "repeated"
	}
	h.log.InfoContext(ctx, "subscribed", "target", r.PathValue("target"), "subscription", made.ID, "host", made.Host, "event", made.Event)
	w.Header().Set("Location", r.URL.Path+"/"+made.ID)
	say(w, http.StatusCreated, told(made))
	return "taken"
}

func (h *hooks) subscriptions(ctx context.Context, w http.ResponseWriter, r *http.Request, s crmclient.Subscriber) string {
	all, err := s.Subscriptions(ctx)
	if err != nil {
		return h.trouble(ctx, w, r, err)
	}
	out := make([]subscription, len(all))
	for i, one := range all {
		out[i] = told(one)
	}
	say(w, http.StatusOK, out)
	return "taken"
}

func (h *hooks) unsubscribe(ctx context.Context, w http.ResponseWriter, r *http.Request, s crmclient.Subscriber) string {
	ended, err := s.Unsubscribe(ctx, r.PathValue("id"))
	switch {
	case err != nil:
		return h.trouble(ctx, w, r, err)
	case !ended:
		say(w, http.StatusNotFound, problem{"no such subscription"})
		return "unknown"
	}
	h.log.InfoContext(ctx, "unsubscribed", "target", r.PathValue("target"))
	w.WriteHeader(http.StatusNoContent)
	return "taken"
}

// samples are an array, as Zapier's "perform list" wants it.
func (h *hooks) samples(_ context.Context, w http.ResponseWriter, r *http.Request, s crmclient.Subscriber) string {
	out := s.Samples(r.URL.Query().Get("event"))
	if out == nil {
		out = []json.RawMessage{}
	}
	say(w, http.StatusOK, out)
	return "taken"
}
