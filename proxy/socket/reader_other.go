//go:build !linux

package socket

import "net"

// direct is nothing here: a Raw always waits.
type direct struct{}

// system is nothing here: a Reader reads as usual.
type system struct{}

func (r *Reader) prepare() {}

func (r *Reader) waits() bool { return false }

func (r *Reader) read(func() []byte, func([]byte)) ([]byte, int, error) { return nil, 0, net.ErrClosed }
