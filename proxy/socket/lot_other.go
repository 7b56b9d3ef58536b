//go:build !linux

package socket

import "net"

// Lot has no room on this system: each connection keeps its goroutine.
type Lot struct{}

// NewLot returns a Lot without room.
func NewLot() (*Lot, error) { return &Lot{}, nil }

// Park always says that there is no room.
func (l *Lot) Park(net.Conn, func()) (*Spot, bool) { return nil, false }

// Len returns 0.
func (l *Lot) Len() int { return 0 }

// Close does nothing.
func (l *Lot) Close() {}

// Spot is never handed out here.
type Spot struct{}

// Leave returns false.
func (s *Spot) Leave() bool { return false }
