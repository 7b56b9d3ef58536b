package live

import (
	"context"
	"errors"
	"net/http"

	"heliograph/internal/console/access"

	"github.com/coder/websocket"
)

// The close codes of our own (RFC 6455, 7.4.2). A client connects again after all but the first.
const (
	closeEnded = websocket.StatusCode(4401)
	closeMany  = websocket.StatusCode(4403)
	closeSlow  = websocket.StatusCode(4408)
)

// maxIncoming bounds what a client sends, which nobody reads.
const maxIncoming = 4 << 10

// socket serves a WebSocket.
func (h *Hub) socket(w http.ResponseWriter, r *http.Request, caller *access.Caller, topics []Topic) error {
	l, err := h.Listen(r.Context(), caller, r.URL.Query().Get("after"), topics...)
	if err != nil && !errors.Is(err, ErrMany) {
		return err
	}
	if l != nil {
		defer l.Close()
	}
	// The origin was checked; compressing small messages costs more memory than it saves.
	conn, acceptErr := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled})
	if acceptErr != nil {
		h.log.Debug("no websocket", "err", acceptErr)
		return nil // Accept has answered
	}
	defer func() { _ = conn.CloseNow() }() // after Close it does nothing
	if err != nil {
		_ = conn.Close(closeMany, err.Error()) // the client may be gone
		return nil
	}
	conn.SetReadLimit(maxIncoming)
	err = h.run(drain(r.Context(), conn), l, &socket{h, conn})
	code, reason := websocket.StatusInternalError, ""
	switch {
	case errors.Is(err, ErrSlow):
		code, reason = closeSlow, err.Error()
	case errors.Is(err, ErrClosed):
		code, reason = websocket.StatusGoingAway, err.Error()
	case errors.Is(err, errEnded):
		code, reason = closeEnded, err.Error()
	case websocket.CloseStatus(err) >= 0 || r.Context().Err() != nil || errors.Is(err, context.Canceled):
		return nil
	default:
		h.log.Debug("live connection failed", "err", err)
	}
	l.Close()                    // its place is free when the client learns that it must come again
	_ = conn.Close(code, reason) // the client may be gone
	return nil
}

// drain reads and forgets what the client sends, so that its pings and its goodbye are heard. The context ends with the connection.
func drain(ctx context.Context, conn *websocket.Conn) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		for {
			if _, _, err := conn.Read(ctx); err != nil {
				return
			}
		}
	}()
	return ctx
}

type socket struct {
	h    *Hub
	conn *websocket.Conn
}

func (s *socket) send(ctx context.Context, _ Topic, _ string, event []byte) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.h.o.WriteTimeout, ErrSlow)
	defer cancel()
	if err := s.conn.Write(ctx, websocket.MessageText, event); err != nil {
		return slow(ctx, err)
	}
	return nil
}

func (s *socket) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.h.o.WriteTimeout, ErrSlow)
	defer cancel()
	return slow(ctx, s.conn.Ping(ctx))
}

// slow tells a client that was too slow from one that left.
func slow(ctx context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), ErrSlow) {
		return ErrSlow
	}
	return err
}
