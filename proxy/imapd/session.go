package imapd

import (
	"errors"
	"io"
	"log/slog"
	"os"

	"heliograph/proxy"
	"heliograph/proxy/upstream"
)

// session is one connection of a client. What only the preamble needs lives in
// preamble.go, so that a session that idles for days keeps little.
type session struct {
	srv  *Server
	set  *Settings
	conn *proxy.Conn
	log  *slog.Logger

	// Below: since the login.

	account string // whose mailbox it is
	target  *upstream.Upstream
	up      *upstream.IMAPConn
	// caps is what the upstream last said it can do, as it said it.
	caps upstream.Capabilities
	// clientBuffered are bytes that the client pipelined behind its login; none of
	// them was looked at. upBuffered are bytes that the upstream sent behind its
	// tagged OK. They come before what is read from the connections.
	clientBuffered, upBuffered []byte
}

// end closes the session's connection to the upstream and counts the session as
// over. It is called once: by ServeConn if there was no login, else by the tap.
func (s *session) end() {
	if s.up != nil {
		_ = s.up.Close()
	}
	s.srv.metrics.sessions.Dec()
}

// reason is a short text for logs of why a session ended.
func reason(err error) string {
	switch {
	case err == nil, errors.Is(err, errGoodbye):
		return "done"
	case errors.Is(err, io.EOF):
		return "client closed the connection"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "timeout"
	}
	return err.Error()
}
