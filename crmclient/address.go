package crmclient

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
)

// refusedAddressError says that a target resolved to an address that it may not have.
type refusedAddressError struct {
	address netip.Addr
	what    string
}

func (e *refusedAddressError) Error() string {
	return fmt.Sprintf("the target's address %s is %s; set allow_private if that is meant", e.address, e.what)
}

// addressGuard refuses connections into the operator's own network. It looks at the address
// that is really dialled, so that neither a redirect nor a DNS answer that changes between two questions gets
// around it (webhooks.md, section 1: SSRF).
type addressGuard struct {
	private  bool       // private and loopback addresses are fine
	loopback bool       // loopback addresses are fine
	literal  netip.Addr // this address is fine, because the configured URL names it
}

// newAddressGuard decides what u may connect to. An explicit allow wins. Without one, the addresses are
// allowed that an administrator wrote into the file with full knowledge: the very address in the URL, and
// loopback for "localhost". A name that merely resolves to a private address is refused.
func newAddressGuard(u *url.URL, allow *bool) addressGuard {
	if allow != nil {
		return addressGuard{private: *allow}
	}
	host := u.Hostname()
	if a, err := netip.ParseAddr(host); err == nil {
		return addressGuard{literal: a.Unmap()}
	}
	return addressGuard{loopback: isLocalhost(host)}
}

func isLocalhost(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	return host == "localhost" || strings.HasSuffix(host, ".localhost") // RFC 6761, 6.3
}

// control is a net.Dialer's Control function.
func (g addressGuard) control(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("address of the target: %w", err)
	}
	return g.check(ap.Addr())
}

func (g addressGuard) check(a netip.Addr) error {
	a = embedded(a.Unmap().WithZone(""))
	kind, what := addressKindOf(a)
	switch kind {
	case addressPublic:
		return nil
	case addressLoopback:
		if g.loopback || g.private || a == g.literal {
			return nil
		}
	case addressPrivate:
		if g.private || a == g.literal {
			return nil
		}
	case addressNever:
	}
	return &refusedAddressError{address: a, what: what}
}

type addressKind int

const (
	addressPublic addressKind = iota
	addressPrivate
	addressLoopback
	addressNever // no CRM lives there, whatever the file says: cloud metadata, multicast …
)

var (
	sharedNetwork = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598
	benchNetwork  = netip.MustParsePrefix("198.18.0.0/15") // RFC 2544
	thisNetwork   = netip.MustParsePrefix("0.0.0.0/8")     // RFC 1122, 3.2.1.3
	reserved      = netip.MustParsePrefix("240.0.0.0/4")   // RFC 1112, 4
	// metadata services outside the link-local range: Alibaba Cloud, AWS over IPv6, Oracle.
	metadata = []netip.Addr{
		netip.MustParseAddr("100.100.100.200"),
		netip.MustParseAddr("fd00:ec2::254"),
		netip.MustParseAddr("192.0.0.192"),
	}
)

func addressKindOf(a netip.Addr) (addressKind, string) {
	for _, m := range metadata {
		if a == m {
			return addressNever, "a cloud metadata service"
		}
	}
	switch {
	case a.IsLinkLocalUnicast():
		return addressNever, "link-local, where cloud metadata services are"
	case a.IsMulticast(), a.IsUnspecified(), thisNetwork.Contains(a), reserved.Contains(a):
		return addressNever, "not the address of a host"
	case a.IsLoopback():
		return addressLoopback, "this machine itself"
	case a.IsPrivate(), sharedNetwork.Contains(a), benchNetwork.Contains(a):
		return addressPrivate, "in a private network"
	}
	return addressPublic, ""
}

var (
	nat64     = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052
	sixToFour = netip.MustParsePrefix("2002::/16")    // RFC 3056
)

// embedded returns the IPv4 address that an IPv6 transition address stands for, or a itself.
func embedded(a netip.Addr) netip.Addr {
	if !a.Is6() {
		return a
	}
	b := a.As16()
	switch {
	case nat64.Contains(a):
		return netip.AddrFrom4([4]byte(b[12:16]))
	case sixToFour.Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return a
}

// checkURL says what is wrong with the URL of a target; nil if nothing is.
func checkURL(u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("the scheme must be http or https, not %q", u.Scheme)
	case u.Hostname() == "":
		return fmt.Errorf("the host is missing")
	case u.Fragment != "":
		return fmt.Errorf("a #fragment never reaches a server")
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil {
		a = embedded(a.Unmap().WithZone(""))
		if kind, what := addressKindOf(a); kind == addressNever {
			return &refusedAddressError{address: a, what: what}
		}
	}
	return nil
}

// ParseURL reads the URL of a target and checks it without the network. Its errors hold
// nothing of the text, which may have a secret in it.
func ParseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("this is not a URL")
	}
	if err := checkURL(u); err != nil {
		return nil, err
	}
	return u, nil
}
