package config

import (
	"errors"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

var (
	errNoPort  = errors.New("has no port")
	errPort    = errors.New("has a port that is not a number from 0 to 65535")
	errNoHost  = errors.New("has no host")
	errHost    = errors.New("has a host that is neither a name nor an IP address")
	errAddress = errors.New("is not an address of the form host:port")

	// Host names as they occur in the wild, underscores and Unicode included.
	hostForm = regexp.MustCompile(`^[\pL\pN_]([\pL\pN_.-]*[\pL\pN_])?$`)
	// Mail domains: at least two labels.
	domainForm = regexp.MustCompile(`^[\pL\pN]([\pL\pN-]*[\pL\pN])?(\.[\pL\pN]([\pL\pN-]*[\pL\pN])?)+$`)
)

// splitAddress checks host:port. The host may be empty only where anyHost is true.
func splitAddress(address string, anyHost bool) (host string, port int, err error) {
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		var addrErr *net.AddrError
		if errors.As(err, &addrErr) && strings.Contains(addrErr.Err, "missing port") {
			return "", 0, errNoPort
		}
		return "", 0, errAddress
	}
	n, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return "", 0, errPort
	}
	if host == "" {
		if anyHost {
			return "", int(n), nil
		}
		return "", 0, errNoHost
	}
	if _, err := netip.ParseAddr(host); err != nil && !hostForm.MatchString(host) {
		return "", 0, errHost
	}
	return host, int(n), nil
}

// isLoopback reports whether a host is this machine. An empty one is all of its addresses.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// privateZones are endings of names that the public DNS does not have (RFC 6761,
// RFC 6762, RFC 8375 and the ICANN resolution on .internal).
var privateZones = []string{".localhost", ".local", ".internal", ".home.arpa", ".lan", ".test"}

// isPrivate reports whether a host cannot be on the public internet: a private
// address, a name without a dot, or a name of a private zone.
func isPrivate(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		addr = addr.Unmap()
		return addr.IsLoopback() || addr.IsPrivate() || addr.IsLinkLocalUnicast()
	}
	if !strings.Contains(host, ".") {
		return true
	}
	for _, zone := range privateZones {
		if strings.HasSuffix(strings.ToLower(host), zone) {
			return true
		}
	}
	return false
}

// network widths: shorter prefixes of public addresses are refused, because
// with them a listener is open to much of the internet.
const (
	shortestPublic4 = 8
	shortestPublic6 = 16
)

var privateNetworks = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("fc00::/7"), netip.MustParsePrefix("fe80::/10"), netip.MustParsePrefix("::1/128"),
}

// unmapped returns an IPv4 network that is written as IPv6 in its own form.
func unmapped(network netip.Prefix) netip.Prefix {
	if network.Addr().Is4In6() {
		return netip.PrefixFrom(network.Addr().Unmap(), max(0, network.Bits()-96)).Masked()
	}
	return network
}

// isPrivateNetwork reports whether a network lies wholly in private address space.
func isPrivateNetwork(network netip.Prefix) bool {
	for _, private := range privateNetworks {
		if private.Bits() <= network.Bits() && private.Contains(network.Addr()) {
			return true
		}
	}
	return false
}

// isTooWide reports whether a network is so wide that naming it means the whole internet.
func isTooWide(network netip.Prefix) bool {
	shortest := shortestPublic6
	if network.Addr().Is4() {
		shortest = shortestPublic4
	}
	return network.Bits() < shortest && !isPrivateNetwork(network)
}
