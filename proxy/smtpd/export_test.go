package smtpd

import "time"

// SetTimeouts shortens the patience with clients. Call it before the first connection.
func (srv *Server) SetTimeouts(preamble, client time.Duration) {
	srv.timeouts = timeouts{preamble, client}
}
