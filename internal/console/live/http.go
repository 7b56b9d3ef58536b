package live

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
)

//go:embed openapi.yaml
var document []byte

// API is the part of the API with the operations of the hub.
func (h *Hub) API() api.Part {
	return api.Part{
		Name: "live", Document: document,
		Mount: func(mux api.Mux, e api.Errors) {
			mux.HandleFunc("GET /api/v1/live", h.serve(e, h.socket))
			mux.HandleFunc("GET /api/v1/live/events", h.serve(e, h.stream))
		},
	}
}

// serve answers errors that come before the connection is open.
func (h *Hub) serve(e api.Errors, open func(http.ResponseWriter, *http.Request, *access.Caller, []Topic) error) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		caller := access.From(r.Context())
		topics, err := topicsOf(r)
		switch {
		case caller == nil:
			err = api.Fail(http.StatusUnauthorized, "sign_in", "nobody is signed in", "Sign in.")
		case err != nil:
		case !h.sameOrigin(r):
			err = api.Forbidden("other_origin", "pages of other origins may not watch")
		default:
			err = open(w, r, caller, topics)
		}
		if err != nil {
			e.Response(w, r, err)
		}
	}
}

func topicsOf(r *http.Request) (list []Topic, err error) {
	for name := range strings.SplitSeq(r.URL.Query().Get("topics"), ",") {
		if name == "" {
			continue
		}
		if !slices.Contains(Topics(), Topic(name)) {
			return nil, api.Invalid("unknown_topic", "there is no such topic", api.Field{Pointer: "topics", Detail: "not a topic", Remedy: "See LiveTopic in the document."})
		}
		list = append(list, Topic(name))
	}
	return list, nil
}

// sameOrigin tells whether a request comes from a page of ours, or from no page at all: a browser sends cookies along from any page, and asks
// nobody before it opens a WebSocket.
func (h *Hub) sameOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		site := r.Header.Get("Sec-Fetch-Site")
		return site == "" || site == "same-origin" || site == "none"
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false
	}
	return strings.EqualFold(u.Host, r.Host) || slices.ContainsFunc(h.o.Origins, func(o string) bool { return strings.EqualFold(o, u.Host) })
}

// wire is an event as JSON.
type wire struct {
	ID       string    `json:"id"`
	At       time.Time `json:"at"`
	Topic    Topic     `json:"topic"`
	What     string    `json:"what,omitempty"`
	Object   string    `json:"object,omitempty"`
	Target   string    `json:"target,omitempty"`
	Accounts []string  `json:"accounts,omitempty"`
}

// encode is an event as the listener may see it.
func (l *Listener) encode(e *Event) []byte {
	text, err := json.Marshal(wire{strconv.FormatInt(e.Seq, 10), e.At.UTC(), e.Topic, e.What, e.Object, e.Target, l.visible(e)})
	if err != nil {
		panic(err) // texts and a time only
	}
	return text
}

// connection is how events reach a client.
type connection interface {
	send(ctx context.Context, topic Topic, id string, event []byte) error
	ping(ctx context.Context) error
}

// errEnded says that the session of a connection ended.
var errEnded = errors.New("the session ended")

// run sends events until the connection, the session or the hub ends.
func (h *Hub) run(ctx context.Context, l *Listener, c connection) error {
	batches, failed := make(chan []Event), make(chan error, 1)
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	defer func() { cancel(); <-done }()
	go func() {
		defer close(done)
		for {
			list, err := l.Next(ctx)
			if err != nil {
				failed <- err
				return
			}
			select {
			case batches <- list:
			case <-ctx.Done():
				return
			}
		}
	}()
	tick := time.NewTicker(h.o.PingEvery)
	defer tick.Stop()
	doubt := h.doubt()
	for {
		select {
		case <-doubt:
			doubt = h.doubt() // before looking, so that none is missed
			if err := h.recheck(ctx, l); err != nil {
				return err
			}
		case list := <-batches:
			for i := range list {
				if err := c.send(ctx, list[i].Topic, strconv.FormatInt(list[i].Seq, 10), l.encode(&list[i])); err != nil {
					return err
				}
			}
		case err := <-failed:
			return err
		case <-tick.C:
			if err := h.recheck(ctx, l); err != nil {
				return err
			}
			if err := c.ping(ctx); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// recheck finds out whether the person is still signed in, with the same rights. What cannot be found out now is asked again later.
func (h *Hub) recheck(ctx context.Context, l *Listener) error {
	if h.o.Recheck == nil {
		return nil
	}
	now, err := h.o.Recheck(ctx, l.caller)
	refused := new(api.Error)
	switch {
	case errors.As(err, &refused) && refused.Status < http.StatusInternalServerError:
		return errEnded
	case err != nil:
		h.log.Warn("cannot tell whether a session goes on, asking again", "err", err)
		return nil
	case now == nil:
		return errEnded
	case now.Person.Role != l.caller.Person.Role || now.Scope != l.caller.Scope || !slices.Equal(now.Accounts, l.caller.Accounts):
		return errEnded // the client connects again, with what it may see now
	}
	return nil
}
