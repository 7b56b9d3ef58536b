// Package socket lets a connection cost little while nothing comes over it: no
// buffer while it is waited for, and no goroutine once it has been silent for
// long.
//
// The main idea: a read waits until the socket is readable and takes its buffer
// only then. For plain TCP that is a read(2) inside syscall.RawConn.Read, which
// waits with Go's own poller and its deadlines. TLS keeps its state in between
// (a record that has come in part, keys to be changed), so its own Read must be
// called; it is called when the socket is readable, over a connection that says
// "not now" instead of waiting, in words that crypto/tls takes for a time-out
// and survives.
//
//	raw.go          Raw, the connection below TLS that can be told not to wait
//	reader.go       Reader; reader_linux.go for TCP and TLS, reader_other.go
//	lot_linux.go    Lot, where connections park without a goroutine, on one
//	                epoll that waits in Go's poller; lot_other.go: no room
//	writer.go       Writer, whose peer must take what is written
//
// The package neither frames nor counts anything, sets no deadline for reading and
// closes no connection.
package socket
