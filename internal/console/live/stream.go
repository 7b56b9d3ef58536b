package live

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
)

// retry is when a browser connects again.
const retry = 2 * time.Second

// stream serves server-sent events.
func (h *Hub) stream(w http.ResponseWriter, r *http.Request, caller *access.Caller, topics []Topic) error {
	after := r.Header.Get("Last-Event-ID")
	if after == "" {
		after = r.URL.Query().Get("after")
	}
	l, err := h.Listen(r.Context(), caller, after, topics...)
	switch {
	case errors.Is(err, ErrMany):
		e := api.Fail(http.StatusTooManyRequests, "too_many_connections", err.Error(), "Close other windows.")
		e.RetryAfter = h.o.PingEvery
		return e
	case errors.Is(err, ErrClosed):
		return api.Unavailable("stopping", err.Error(), "Connect again.")
	case err != nil:
		return err
	}
	defer l.Close()
	s := &stream{h, w, http.NewResponseController(w)}
	// The server's deadlines are for requests that end.
	if err := s.control.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	head := w.Header()
	head.Set("Content-Type", "text/event-stream")
	head.Set("Cache-Control", "no-store")
	head.Set("X-Accel-Buffering", "no") // a reverse proxy must not wait for more
	w.WriteHeader(http.StatusOK)
	if err := s.write(fmt.Sprintf("retry: %d\n\n", retry.Milliseconds())); err != nil {
		return nil //nolint:nilerr // the client left
	}
	if err := h.run(r.Context(), l, s); err != nil && r.Context().Err() == nil {
		h.log.Debug("stream of live events ended", "reason", err)
	}
	return nil
}

type stream struct {
	h       *Hub
	w       http.ResponseWriter
	control *http.ResponseController
}

func (s *stream) write(text string) error {
	err := s.control.SetWriteDeadline(time.Now().Add(s.h.o.WriteTimeout))
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.control.Flush()
}

func (s *stream) send(_ context.Context, topic Topic, id string, event []byte) error {
	return s.write("id: " + id + "\nevent: " + string(topic) + "\ndata: " + string(event) + "\n\n")
}

func (s *stream) ping(context.Context) error { return s.write(": still here\n\n") }
