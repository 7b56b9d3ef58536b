package config

import (
	"net"
	"path/filepath"
	"slices"
)

// builtinTarget is the type of the built-in CRM, the one target that is there unasked.
const builtinTarget = "builtin"

// complete fills in what follows from other keys: provider presets, TLS modes
// from well-known ports, and the only upstream where there is just one.
func (c *Config) complete() {
	for i := range c.Upstreams {
		c.Upstreams[i].complete()
	}
	if len(c.Upstreams) == 1 {
		only := &c.Upstreams[0]
		if len(only.Domains) == 0 {
			only.Default = true
		}
		for i := range c.Listeners {
			if l := &c.Listeners[i]; l.Upstream == "" && l.Mode != ModeProxy {
				l.Upstream = only.Name
			}
		}
	}
	c.completeWatch()
	for i := range c.Listeners {
		if l := &c.Listeners[i]; l.TLS == "" {
			l.TLS = TLSStartTLS
			if tlsByPort(l.Address) == TLSImplicit {
				l.TLS = TLSImplicit
			}
		}
	}
	if c.Targets == nil {
		c.Targets = []Target{{Name: "crm", Type: builtinTarget}}
		c.Targets[0].setDefaults()
	}
	if c.Journal.KeyFile == "" {
		c.Journal.KeyFile = filepath.Join(c.DataDir, "master.key")
	}
}

// complete fills empty keys from the provider's preset.
func (u *Upstream) complete() {
	preset, _ := u.Preset()
	u.SMTP.complete(preset.SMTP)
	u.IMAP.complete(preset.IMAP)
	u.OAuth2.complete(preset.OAuth)
	if len(u.Domains) == 0 {
		u.Domains = slices.Clone(preset.Domains)
	}
}

// complete takes the address from a preset where there is none. The TLS mode
// goes with the address; for an address of the operator's own the port decides.
func (e *Endpoint) complete(preset Endpoint) {
	if e.Address == "" && preset.Address != "" {
		e.Address = preset.Address
		if e.TLS == "" {
			e.TLS = preset.TLS
		}
	}
	if e.TLS == "" && e.Address != "" {
		e.TLS = tlsByPort(e.Address)
	}
	if e.TLS == "" && e.Address != "" {
		e.TLS = preset.TLS
	}
}

// tlsByPort returns the TLS mode that a well-known port stands for, or nothing.
func tlsByPort(address string) TLSMode {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return ""
	}
	switch port {
	case "465", "993", "994": // RFC 8314, 3; NetEase serves submissions on 994 too
		return TLSImplicit
	case "25", "587", "143": // RFC 3207, RFC 6409, RFC 9051
		return TLSStartTLS
	}
	return ""
}
