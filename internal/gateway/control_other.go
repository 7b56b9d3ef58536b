//go:build !linux

package gateway

import "net"

// peerMayControl leaves it to the mode of the socket.
func peerMayControl(net.Conn) error { return nil }
