package imapd

import "time"

// SetTimeouts shortens the patience with clients and upstreams. Call it before the
// first connection.
func (srv *Server) SetTimeouts(patience time.Duration) {
	srv.timeouts.preamble, srv.timeouts.command, srv.timeouts.answer = 2*patience, patience, patience
}

// HideCapabilities is what the tap does with a line.
func HideCapabilities(line []byte) []byte { return hideCapabilities(line) }

// SetCaptureTimes changes when the gateway says something of its own. Call it before the first connection.
func (srv *Server) SetCaptureTimes(arrival, ours time.Duration) {
	srv.timeouts.arrival, srv.timeouts.ours = arrival, ours
}

// SetPassTimeout shortens the time that a peer has to take what the other one says. Call it before the first connection.
func (srv *Server) SetPassTimeout(d time.Duration) { srv.timeouts.pass = d }

// QuietTime is how long the client must have been silent before we say something.
const QuietTime = quietTime

// ProgressBytes is what must come of a chunk in the time for an answer.
const ProgressBytes = progressBytes
