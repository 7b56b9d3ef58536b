package upstream

import (
	"bytes"
	"slices"
	"strings"
)

// Capabilities are the capabilities of an IMAP server (RFC 9051, 7.2.2), in its
// order and words. The zero value has none.
type Capabilities struct {
	atoms []string
}

// ParseCapabilities reads what stands behind the word CAPABILITY, in a response
// or a response code, up to the line end or the closing bracket. It takes
// anything between spaces for a capability.
func ParseCapabilities(list []byte) Capabilities {
	if i := bytes.IndexAny(list, "]\r\n"); i >= 0 {
		list = list[:i]
	}
	return Capabilities{atoms: strings.Fields(string(list))}
}

// Has reports whether the server offers a capability, whatever the case.
func (c Capabilities) Has(name string) bool {
	return slices.ContainsFunc(c.atoms, func(atom string) bool { return strings.EqualFold(atom, name) })
}

// Atoms returns the capabilities in the server's order and words.
func (c Capabilities) Atoms() []string { return slices.Clone(c.atoms) }

// Mechanisms returns the SASL mechanisms of the AUTH= capabilities, upper case,
// in the server's order.
func (c Capabilities) Mechanisms() []string {
	var all []string
	for _, atom := range c.atoms {
		if len(atom) > 5 && strings.EqualFold(atom[:5], "AUTH=") {
			all = append(all, strings.ToUpper(atom[5:]))
		}
	}
	return all
}

// String returns the capabilities as a CAPABILITY response lists them.
func (c Capabilities) String() string { return strings.Join(c.atoms, " ") }

// CommonCapabilities returns what may be shown to a client of whom it is not
// yet known which of the servers it goes to: what all offer, in the order and
// words of the first, and the mechanisms that any offers if they have none in
// common.
func CommonCapabilities(list ...Capabilities) Capabilities {
	if len(list) == 0 {
		return Capabilities{}
	}
	var out Capabilities
	for _, atom := range list[0].atoms {
		if !slices.ContainsFunc(list[1:], func(c Capabilities) bool { return !c.Has(atom) }) {
			out.atoms = append(out.atoms, atom)
		}
	}
	if len(out.Mechanisms()) > 0 {
		return out
	}
	for _, c := range list {
		for _, mechanism := range c.Mechanisms() {
			if atom := "AUTH=" + mechanism; !out.Has(atom) {
				out.atoms = append(out.atoms, atom)
			}
		}
	}
	return out
}
