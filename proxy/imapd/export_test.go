package imapd

import "time"

// SetTimeouts shortens the patience with clients and upstreams. Call it before the
// first connection.
func (srv *Server) SetTimeouts(patience time.Duration) {
	srv.timeouts = timeouts{preamble: 2 * patience, command: patience, answer: patience}
}

// HideCapabilities is what the tap does with a line.
func HideCapabilities(line []byte) []byte { return hideCapabilities(line) }
