package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// certificate checks that certificate and key belong together.
func (v *validator) certificate() {
	c := v.cfg.TLS
	switch {
	case c.CertFile == "" && c.KeyFile == "":
		return
	case c.CertFile == "":
		v.bad("tls.cert_file", "is missing", "Name the file with the certificate chain (PEM).")
		return
	case c.KeyFile == "":
		v.bad("tls.key_file", "is missing", "Name the file with the private key (PEM).")
		return
	}
	chain, certErr := readFile(c.CertFile)
	key, keyErr := readFile(c.KeyFile)
	if certErr != nil || keyErr != nil {
		return // reported where the file was named
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		path, remedy := "tls.cert_file", "Name a PEM file with the certificate first, then its chain."
		if validCertificate(chain) {
			path, remedy = "tls.key_file", "Name the PEM file of the private key that this certificate was made for."
		}
		v.bad(path, "the certificate cannot be used: "+err.Error(), remedy)
		return
	}
	v.src.warnIfOpen(c.KeyFile, "the private key in it")
	if pair.Leaf != nil && time.Now().After(pair.Leaf.NotAfter) {
		v.warn("tls.cert_file", "the certificate has expired on "+pair.Leaf.NotAfter.UTC().Format(time.DateOnly))
	}
}

// validCertificate reports whether a PEM text holds a certificate.
func validCertificate(chain []byte) bool {
	return x509.NewCertPool().AppendCertsFromPEM(chain)
}

// authorities checks that a file that can be read holds certificates.
func (v *validator) authorities(path, file string) {
	if file == "" {
		return
	}
	text, err := readFile(file)
	if err == nil && !validCertificate(text) {
		v.bad(path, "the file "+file+" holds no certificate", "Name a PEM file with the certificate of the authority.")
	}
}

func (v *validator) upstreams() {
	list := v.cfg.Upstreams
	if len(list) == 0 {
		v.bad("upstreams", "no upstream is given", "Name the mail server that mail goes to: see config/example.yaml.")
	}
	names, domains, standard := map[string]int{}, map[string]string{}, -1
	for i := range list {
		u := &list[i]
		path := fmt.Sprintf("upstreams[%d]", i)
		v.name(path+".name", u.Name, names)
		names[u.Name]++
		if _, known := u.Preset(); u.Provider != "" && !known {
			v.bad(path+".provider", quote(u.Provider)+" is not known", providerRemedy(u.Provider))
		}
		v.domains(path+".domains", u.Domains)
		for k, domain := range u.Domains {
			if other, taken := domains[domain]; taken {
				v.bad(fmt.Sprintf("%s.domains[%d]", path, k), fmt.Sprintf("%s belongs to %s already", domain, other), "Each domain goes to one upstream.")
				continue
			}
			domains[domain] = "upstream " + u.Name
		}
		if u.Default && standard >= 0 {
			v.bad(path+".default", fmt.Sprintf("upstreams[%d] is the default already", standard), "Only one can be.")
		} else if u.Default {
			standard = i
		}
		if len(u.Domains) == 0 && !u.Default && !v.isFixed(u.Name) {
			v.bad(path+".domains", "no user goes to this upstream", "Give it domains, default: true, or a listener with upstream: "+u.Name+".")
		}
		v.endpoint(path+".smtp", &u.SMTP, v.listensTo(ProtocolSMTP) || u.IMAP.Address == "")
		v.endpoint(path+".imap", &u.IMAP, false)
		if u.SMTP.ForwardClient == ForwardID {
			v.bad(path+".smtp.forward_client", "id is for IMAP only", "Write xclient, proxy or none.")
		}
		if u.IMAP.ForwardClient == ForwardXCLIENT {
			v.bad(path+".imap.forward_client", "xclient is for SMTP only", "Write id, proxy or none.")
		}
		v.signIn(path, u)
	}
}

// listensTo reports whether a listener speaks a protocol.
func (v *validator) listensTo(protocol string) bool {
	return slices.ContainsFunc(v.cfg.Listeners, func(l Listener) bool { return l.Protocol == protocol })
}

// isFixed reports whether a listener names an upstream.
func (v *validator) isFixed(name string) bool {
	return slices.ContainsFunc(v.cfg.Listeners, func(l Listener) bool { return l.Upstream == name })
}

// providerRemedy lists the providers or the one that was meant.
func providerRemedy(name string) string {
	return suggest(name, PresetNames()) + " For any other provider leave provider out and give the addresses."
}

// name checks a name that must be unique in its list.
func (v *validator) name(path, name string, taken map[string]int) {
	switch {
	case !v.required(path, name, "Give it a short name; logs and metrics show it."):
	case taken[name] > 0:
		v.bad(path, quote(name)+" is taken already", "Choose another name.")
	case !isName(name):
		v.bad(path, quote(name)+" is not a name", "Use letters from a to z, digits and hyphens, at most 40.")
	}
}

// isName reports whether a text fits into metrics, keys and paths as it is.
func isName(text string) bool {
	for i, r := range text {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && (r != '-' || i == 0) {
			return false
		}
	}
	return text != "" && len(text) <= 40
}

// endpoint checks one service of an upstream.
func (v *validator) endpoint(path string, e *Endpoint, needed bool) {
	if e.Address == "" {
		if needed || e.TLS != "" || e.CAFile != "" || e.ServerName != "" {
			v.bad(path+".address", "is missing", "Write the address of the mail server as host:port, or name its provider.")
		}
		return
	}
	host, ok := v.address(path+".address", e.Address, false)
	if ok && e.TLS == "" {
		v.bad(path+".tls", "is missing, and the port does not tell", "Write tls: starttls or implicit.")
	}
	if ok && e.TLS == TLSNone && !isLoopback(host) {
		if !isPrivate(host) {
			v.bad(path+".tls", "logins would cross the internet unencrypted",
				"Write starttls or implicit; none is only for this machine and private networks.")
		} else {
			v.warn(path+".tls", "logins and mail cross the network to "+host+" unencrypted")
		}
	}
	if e.CAFile != "" && e.TLS == TLSNone {
		v.bad(path+".ca_file", "has no use with tls: none", "Take it out, or write tls: starttls or implicit.")
	}
	v.authorities(path+".ca_file", e.CAFile)
	if e.Timeout <= 0 {
		v.bad(path+".timeout", "must be above zero", "Write 30s, for example.")
	}
}

func (v *validator) listeners() {
	list := v.cfg.Listeners
	if len(list) == 0 {
		v.bad("listeners", "no listener is given", `Name an address for mail programs: - {protocol: smtp, address: ":587", tls: starttls}.`)
	}
	taken := map[string]string{v.cfg.Console.Address: "console.address"}
	for i := range list {
		l := &list[i]
		path := fmt.Sprintf("listeners[%d]", i)
		v.protocol(path, l)
		if v.required(path+".address", l.Address, "Write host:port, or :587 for all addresses of this machine.") {
			v.address(path+".address", l.Address, true)
			if other, twice := taken[l.Address]; twice && !hasAnyPort(l.Address) {
				v.bad(path+".address", quote(l.Address)+" is the address of "+other+" already", "Choose another port.")
			}
			taken[l.Address] = path
		}
		v.listenerTLS(path, l)
		v.listenerMode(path, l)
		v.networks(path+".proxy_protocol_from", l.ProxyProtocolFrom,
			"Name only your load balancers: who may send a PROXY header can claim any address.")
		if l.Upstream != "" && !slices.ContainsFunc(v.cfg.Upstreams, func(u Upstream) bool { return u.Name == l.Upstream }) {
			v.bad(path+".upstream", "there is no upstream "+quote(l.Upstream), suggest(l.Upstream, v.upstreamNames()))
		}
		if l.Hostname != "" && !hostForm.MatchString(l.Hostname) {
			v.bad(path+".hostname", quote(l.Hostname)+" is not a host name", "Write it as mail.example.com.")
		}
	}
}

// hasAnyPort reports whether the system chooses the port.
func hasAnyPort(address string) bool {
	_, port, err := net.SplitHostPort(address)
	return err == nil && port == "0"
}

func (v *validator) upstreamNames() []string {
	var names []string
	for _, u := range v.cfg.Upstreams {
		names = append(names, u.Name)
	}
	return names
}

func (v *validator) protocol(path string, l *Listener) {
	const remedy = "Write smtp or imap."
	switch l.Protocol {
	case ProtocolSMTP:
		if l.Mode == ModeCustomers {
			v.bad(path+".mode", "customers is for IMAP only", "Write protocol: imap, or mode: proxy, relay or queue.")
		}
	case ProtocolIMAP:
		if l.Mode == ModeRelay || l.Mode == ModeQueue {
			v.bad(path+".mode", string(l.Mode)+" is for SMTP only", "Write mode: proxy or customers.")
		}
		if l.BareLF != BareLFNormalize {
			v.bad(path+".bare_lf", "is for SMTP only", "Take it out.")
		}
		v.reachesIMAP(path, l)
		if l.Mode == ModeCustomers && !slices.ContainsFunc(v.cfg.Targets, func(t Target) bool { return t.Type == builtinTarget }) {
			v.bad(path+".mode", "customers are those of the built-in CRM, which is not among the targets", "Add - {name: crm, type: builtin} to targets.")
		}
	case "":
		v.bad(path+".protocol", "is missing", remedy)
	default:
		v.bad(path+".protocol", quote(l.Protocol)+" is not one of the allowed values", remedy)
	}
}

// reachesIMAP checks that users of an IMAP listener have a server to log in to.
func (v *validator) reachesIMAP(path string, l *Listener) {
	var with, without []string
	for _, u := range v.cfg.Upstreams {
		switch {
		case l.Upstream != "" && l.Upstream != u.Name:
		case u.IMAP.Address != "":
			with = append(with, u.Name)
		default:
			without = append(without, u.Name)
		}
	}
	switch {
	case len(without) > 0 && len(with) == 0:
		v.bad(path+".protocol", "nobody can log in: no upstream of this listener has an IMAP server",
			"Give upstream "+without[0]+" an imap address, or name its provider.")
	case len(without) > 0:
		v.warn(path, "users of upstream "+strings.Join(without, ", ")+" cannot log in here: it has no IMAP server")
	}
}

// listenerTLS checks that TLS has a certificate, and that logins have TLS.
func (v *validator) listenerTLS(path string, l *Listener) {
	if l.TLS != TLSNone && v.cfg.TLS == (TLS{}) && !v.broken["tls"] {
		v.bad(path+".tls", fmt.Sprintf("%s needs a certificate, but tls.cert_file and tls.key_file are missing", l.TLS),
			"Name the certificate and its key in the section tls.")
		v.broken["tls"] = true // once is enough
	}
	if l.AllowPlaintextAuth {
		if host, _, err := splitAddress(l.Address, true); err == nil && !isLoopback(host) {
			v.warn(path+".allow_plaintext_auth", "passwords cross the network unencrypted; this is for tests on one machine")
		}
	}
	if l.hasLogins() && l.TLS == TLSNone && !l.AllowPlaintextAuth {
		v.bad(path+".tls", "nobody can log in: without TLS no login is offered",
			"Write tls: starttls or implicit; for a test on this machine allow_plaintext_auth: true.")
	}
	v.authorities(path+".client_ca_file", l.ClientCAFile)
	if l.ClientCAFile != "" && l.TLS == TLSNone {
		v.bad(path+".client_ca_file", "clients show no certificate without TLS", "Write tls: starttls or implicit.")
	}
}

// hasLogins reports whether everybody logs in with an account of their own.
func (l *Listener) hasLogins() bool { return l.Mode == ModeProxy || l.Mode == ModeCustomers }

// listenerMode checks that nobody can relay who should not.
func (v *validator) listenerMode(path string, l *Listener) {
	if l.hasLogins() {
		remedy := "Take it out, or write mode: relay or queue."
		if l.Protocol == ProtocolIMAP {
			remedy = "Take it out."
		}
		for key, given := range map[string]bool{
			"networks": l.Networks != nil, "client_ca_file": l.ClientCAFile != "",
			"user": l.User != "", "password": !l.Password.IsZero(),
		} {
			if given {
				v.bad(path+"."+key, fmt.Sprintf("has no use in mode %s, where everybody logs in", l.Mode), remedy)
			}
		}
		return
	}
	if len(l.Networks) == 0 && l.ClientCAFile == "" {
		v.bad(path+".networks", fmt.Sprintf("mode %s needs networks or client_ca_file: without them anybody could send", l.Mode),
			"Name the machines that may send: networks: [10.1.0.0/16].")
	}
	v.networks(path+".networks", l.Networks, "Name only your own networks: this would be an open relay.")
	if l.Upstream == "" && len(v.cfg.Upstreams) > 1 {
		v.bad(path+".upstream", fmt.Sprintf("mode %s needs an upstream", l.Mode), "Write one of: "+oneOf(v.upstreamNames())+".")
	}
	if l.User == "" && !l.Password.IsZero() {
		v.bad(path+".user", "is missing, but there is a password", "Give both or neither.")
	}
	if l.User != "" && l.Password.IsZero() {
		v.bad(path+".password", "is missing, but there is a user", "Give both or neither; the password may come from password_file or ${NAME}.")
	}
}

// networks refuses networks that mean the whole internet.
func (v *validator) networks(path string, list []netip.Prefix, remedy string) {
	for i, network := range list {
		switch {
		case isTooWide(network):
			v.bad(fmt.Sprintf("%s[%d]", path, i), network.String()+" is too wide", remedy)
		case !isPrivateNetwork(network) && network.Bits() <= network.Addr().BitLen()-16:
			v.warn(fmt.Sprintf("%s[%d]", path, i), network.String()+" is a wide public network")
		}
	}
}

// targets checks names and types, and lets the connectors check the rest.
func (v *validator) targets(checks []Check) {
	names := map[string]int{}
	for i := range v.cfg.Targets {
		path, target := fmt.Sprintf("targets[%d]", i), v.cfg.Targets[i]
		v.delivery(path+".deliver", &v.cfg.Targets[i].Deliver)
		v.alarm(path+".alarm", target.Alarm)
		v.name(path+".name", target.Name, names)
		names[target.Name]++
		if !v.required(path+".type", target.Type, "Write the kind of CRM: builtin, webhook and so on.") {
			continue
		}
		for _, check := range checks {
			v.merge(path, check(target))
		}
	}
}

// merge adds the mistakes that a connector found.
func (v *validator) merge(path string, err error) {
	if err == nil {
		return
	}
	list, ok := asErrors(err)
	if !ok {
		v.bad(path, err.Error(), "")
		return
	}
	for _, m := range list {
		same := func(other Mistake) bool { return other.Path == m.Path && other.Message == m.Message }
		if !slices.ContainsFunc(v.mistakes, same) {
			v.mistakes = append(v.mistakes, m)
		}
	}
}

// InternalDomains returns the domains of the company, in lower case: those of
// mirror.internal_domains and of the upstreams. Domains of public providers, as
// qq.com, are not among them: mail between two strangers there is not internal.
func (c *Config) InternalDomains() []string {
	list := slices.Clone(c.Mirror.InternalDomains)
	for _, u := range c.Upstreams {
		list = append(list, u.Domains...)
	}
	public := map[string]bool{}
	for _, p := range presets() {
		for _, domain := range p.Domains {
			public[domain] = true
		}
	}
	list = slices.DeleteFunc(list, func(domain string) bool {
		return public[domain] && !slices.Contains(c.Mirror.InternalDomains, domain)
	})
	slices.Sort(list)
	return slices.Compact(list)
}
