package onboard

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"heliograph/config"
)

// Record is one DNS record that helps mail programs.
type Record struct {
	Name   string // without a dot at the end
	Type   string // SRV or CNAME
	Target string
	Port   int // of SRV
	Why    string
}

// String is the record as it stands in a zone file.
func (r Record) String() string {
	if r.Type == "SRV" {
		return fmt.Sprintf("%s. 3600 IN SRV 0 1 %d %s.", r.Name, r.Port, r.Target)
	}
	return fmt.Sprintf("%s. 3600 IN %s %s.", r.Name, r.Type, r.Target)
}

// Records lists what each domain should have.
func (b *Book) Records() (out []Record) {
	services := map[Server]string{}
	for _, s := range append(append([]Server{}, b.incoming...), b.outgoing...) {
		switch {
		case s.TLS == config.TLSImplicit && s.Protocol == config.ProtocolIMAP:
			services[s] = "_imaps._tcp"
		case s.TLS == config.TLSImplicit:
			services[s] = "_submissions._tcp" // RFC 8314, 5.1
		case s.TLS == config.TLSStartTLS && s.Protocol == config.ProtocolIMAP:
			services[s] = "_imap._tcp"
		case s.TLS == config.TLSStartTLS:
			services[s] = "_submission._tcp"
		}
	}
	for _, d := range b.domains {
		for _, s := range append(append([]Server{}, b.incoming...), b.outgoing...) {
			if service := services[s]; service != "" {
				out = append(out, Record{Name: service + "." + d, Type: "SRV", Target: s.Host, Port: s.Port, Why: "RFC 6186, RFC 8314"})
			}
		}
		if host := b.console(); host != "" {
			out = append(
				out,
				Record{Name: "_autodiscover._tcp." + d, Type: "SRV", Target: host, Port: b.consolePort(), Why: "Outlook"},
				Record{Name: "autoconfig." + d, Type: "CNAME", Target: host, Why: "Thunderbird"},
			)
		}
	}
	return out
}

func (b *Book) consolePort() int {
	_, rest, _ := strings.Cut(b.o.PublicURL, "://")
	rest, _, _ = strings.Cut(rest, "/")
	if _, port := splitPort(rest); port > 0 {
		return port
	}
	return 443
}

// Resolver asks the DNS; net.Resolver does.
type Resolver interface {
	LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
	LookupCNAME(ctx context.Context, host string) (string, error)
}

// Answer is what the DNS says of a record.
type Answer struct {
	Record Record
	OK     bool
	Found  string // what is there instead; empty: nothing
	Err    error  // the DNS could not be asked
}

// Look asks for each record.
func (b *Book) Look(ctx context.Context, r Resolver) (out []Answer) {
	for _, record := range b.Records() {
		out = append(out, look(ctx, r, record))
	}
	return out
}

func look(ctx context.Context, r Resolver, record Record) Answer {
	a := Answer{Record: record}
	if record.Type == "CNAME" {
		name, err := r.LookupCNAME(ctx, record.Name)
		a.Err = known(err)
		a.Found = strings.TrimSuffix(name, ".")
		// An address of its own is as good as an alias, if the proxy answers there.
		a.OK = err == nil && (strings.EqualFold(a.Found, record.Target) || strings.EqualFold(a.Found, record.Name))
		return a
	}
	_, found, err := r.LookupSRV(ctx, "", "", record.Name)
	a.Err = known(err)
	for _, s := range found {
		host := strings.TrimSuffix(s.Target, ".")
		a.OK = a.OK || strings.EqualFold(host, record.Target) && int(s.Port) == record.Port
		a.Found = strings.TrimSpace(fmt.Sprintf("%s %s:%d", a.Found, host, s.Port))
	}
	return a
}

// known hides that there is no such name, which is an answer.
func known(err error) error {
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return nil
	}
	return err
}
