package proxy

import (
	"net/netip"
	"sync"

	"heliograph/config"
)

// counter counts open connections, in all and per client network.
type counter struct {
	mu     sync.Mutex // guards all below
	limits config.Limits
	total  int
	perIP  map[netip.Prefix]int
}

// clientKey is what one client is counted by: an IPv4 address, or the /64 that
// an IPv6 host can pick addresses from at will.
func clientKey(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

func (c *counter) setLimits(l config.Limits) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limits = l
}

// enter counts one more connection, or says that there are too many.
func (c *counter) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.limits.Connections > 0 && c.total >= c.limits.Connections {
		return false
	}
	c.total++
	return true
}

func (c *counter) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total--
}

// enterIP counts one more connection of a client, or says that it has too many.
func (c *counter) enterIP(a netip.Addr) bool {
	key := clientKey(a)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.limits.ConnectionsPerIP > 0 && c.perIP[key] >= c.limits.ConnectionsPerIP {
		return false
	}
	c.perIP[key]++
	return true
}

func (c *counter) leaveIP(a netip.Addr) {
	key := clientKey(a)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.perIP[key]--; c.perIP[key] <= 0 {
		delete(c.perIP, key)
	}
}
