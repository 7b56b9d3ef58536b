package onboard

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"heliograph/config"
	"heliograph/internal/limit"
)

// Options are what a Book is made from.
type Options struct {
	Config    config.Onboarding
	Listeners []config.Listener
	Upstreams []config.Upstream
	PublicURL string        // of the console; empty: nobody reaches it
	Limiter   limit.Limiter // of strangers' questions; nil: no limit
}

// Book knows the settings of mail programs. It may be used concurrently.
type Book struct {
	o        Options
	domains  []string
	incoming []Server
	outgoing []Server
	problems []string
}

// Server is one service that a mail program may use.
type Server struct {
	Protocol string // config.ProtocolIMAP or config.ProtocolSMTP
	Host     string
	Port     int
	TLS      config.TLSMode
}

// ErrDomain says that the gateway has nothing to do with a domain, or that an address is none.
var ErrDomain = errors.New("the gateway does not serve this domain")

// New reads the servers from the listeners that take people's mail.
func New(o Options) *Book {
	b := &Book{o: o}
	for _, d := range o.Config.Domains {
		b.domains = append(b.domains, strings.ToLower(d))
	}
	if len(b.domains) == 0 {
		for _, u := range o.Upstreams {
			for _, d := range u.Domains {
				if d = strings.ToLower(d); !slices.Contains(b.domains, d) {
					b.domains = append(b.domains, d)
				}
			}
		}
	}
	b.incoming = b.servers(config.ProtocolIMAP, o.Config.IMAPHost)
	b.outgoing = b.servers(config.ProtocolSMTP, o.Config.SMTPHost)
	if len(b.incoming) == 0 || len(b.outgoing) == 0 {
		b.problems = append(b.problems, "mail programs need a listener for imap and one for smtp with mode proxy")
	}
	if b.console() == "" {
		b.problems = append(b.problems, "console.public_url is not set to an https address: mail programs and phones cannot fetch their settings")
	}
	return b
}

// Problems says what is missing in the configuration.
func (b *Book) Problems() []string { return b.problems }

// Domains lists the domains that are answered for. There may be others, where an upstream takes all.
func (b *Book) Domains() []string { return slices.Clone(b.domains) }

// Name is what the service is called.
func (b *Book) Name() string { return cmp.Or(b.o.Config.Name, "Heliograph") }

func (b *Book) servers(protocol, public string) (out []Server) {
	public, port := splitPort(public)
	for _, l := range b.o.Listeners {
		if l.Protocol != protocol || l.Mode != "" && l.Mode != config.ModeProxy {
			continue
		}
		s := Server{Protocol: protocol, Host: cmp.Or(public, b.hostOf(&l)), TLS: l.TLS, Port: port}
		if port == 0 {
			_, s.Port = splitPort(l.Address)
		}
		port = 0 // the others have their own
		if s.Host == "" {
			b.problems = append(b.problems, fmt.Sprintf("console.onboarding.%s_host is not set: the listener %s has no public name", protocol, l.Address))
			continue
		}
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	slices.SortStableFunc(out, func(x, y Server) int { return cmp.Compare(strength(x.TLS), strength(y.TLS)) })
	if i := slices.IndexFunc(out, func(s Server) bool { return s.TLS == config.TLSNone }); i > 0 {
		out = out[:i] // nobody is told of plain text where there is better
	}
	return out
}

// strength sorts by what is to be preferred (RFC 8314, 3).
func strength(m config.TLSMode) int {
	return slices.Index([]config.TLSMode{config.TLSImplicit, config.TLSStartTLS, config.TLSNone}, m)
}

func splitPort(address string) (host string, port int) {
	h, p, err := net.SplitHostPort(address)
	if err != nil {
		return address, 0
	}
	port, err = strconv.Atoi(p)
	if err != nil {
		return h, 0
	}
	return h, port
}

// hostOf is the public name of a listener that has no other: as it greets, or as the console is reached.
func (b *Book) hostOf(l *config.Listener) string {
	if strings.Contains(l.Hostname, ".") {
		return l.Hostname
	}
	return b.console()
}

// console is the host of the console that programs may ask, which takes TLS.
func (b *Book) console() string {
	u, err := url.Parse(b.o.PublicURL)
	if err != nil || u.Scheme != "https" {
		return ""
	}
	return u.Hostname()
}

// domainOf returns the domain of an address if the address is one and the domain is served.
func (b *Book) domainOf(address string) (string, error) {
	at := strings.LastIndexByte(address, '@')
	if at < 1 || len(address) > 254 || strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || strings.ContainsRune(`"<>\,;`, r) || r == 0x7f }) {
		return "", ErrDomain
	}
	domain := strings.ToLower(address[at+1:])
	if !b.serves(domain) {
		return "", ErrDomain
	}
	return domain, nil
}

func (b *Book) serves(domain string) bool {
	if !isHost(domain) {
		return false
	}
	if slices.Contains(b.domains, domain) {
		return true
	}
	return len(b.o.Config.Domains) == 0 && slices.ContainsFunc(b.o.Upstreams, func(u config.Upstream) bool { return u.Default })
}

func isHost(s string) bool {
	return s != "" && len(s) <= 253 && !strings.HasPrefix(s, ".") && !strings.HasSuffix(s, ".") &&
		!strings.ContainsFunc(s, func(r rune) bool {
			return r != '.' && r != '-' && (r < 'a' || r > 'z') && (r < '0' || r > '9')
		})
}

// upstream is where mail of a domain goes.
func (b *Book) upstream(domain string) *config.Upstream {
	var found *config.Upstream
	for i := range b.o.Upstreams {
		u := &b.o.Upstreams[i]
		if slices.ContainsFunc(u.Domains, func(d string) bool { return strings.EqualFold(d, domain) }) {
			return u
		}
		if u.Default || len(b.o.Upstreams) == 1 {
			found = u
		}
	}
	return found
}
