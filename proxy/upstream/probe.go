package upstream

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"heliograph/config"
)

// expiresSoon is how long before its end a certificate is worth a warning.
const expiresSoon = 21 * 24 * time.Hour

// Outcome is the result of one step of Probe.
type Outcome string

// The outcomes of a step.
const (
	OutcomeOK      Outcome = "ok"
	OutcomeWarning Outcome = "warning"
	OutcomeFailed  Outcome = "failed"
)

// Finding is one line of `heliograph check --network`.
type Finding struct {
	Service string // smtp or imap
	Check   string // dns, tcp, tls, greeting, capabilities, client address
	Outcome Outcome
	Detail  string
	Remedy  string // empty if all is well
	Took    time.Duration
}

// Probe tries the upstream's services step by step and says for each what came
// of it and what to do. Steps that depend on a failed one are left out. It sends
// no credentials and no mail.
func (u *Upstream) Probe(ctx context.Context) []Finding {
	var list []*probe
	if u.asks(&u.smtp) {
		list = append(list, &probe{u: u, e: &u.smtp, session: (*probe).smtp})
	}
	if u.asks(&u.imap) {
		list = append(list, &probe{u: u, e: &u.imap, session: (*probe).imap})
	}
	var wg sync.WaitGroup
	for _, p := range list {
		wg.Go(func() { p.run(ctx) })
	}
	wg.Wait()
	var all []Finding
	for _, p := range list {
		all = append(all, p.findings...)
	}
	return all
}

// run does the steps of one service.
func (p *probe) run(ctx context.Context) {
	ctx, cancel := context.WithTimeoutCause(ctx, 3*p.e.timeout, errTimeout)
	defer cancel()
	if p.dns(ctx) && p.tcp(ctx) {
		p.session(p, ctx)
	}
}

type probe struct {
	u        *Upstream
	e        *endpoint
	session  func(*probe, context.Context) // the steps that are the protocol's own
	findings []Finding
}

func (p *probe) add(check string, outcome Outcome, start time.Time, detail, remedy string) {
	p.findings = append(p.findings, Finding{Service: p.e.protocol, Check: check, Outcome: outcome, Detail: detail, Remedy: remedy, Took: p.u.router.now().Sub(start)})
}

func (p *probe) failed(check string, start time.Time, err error) {
	var e *Error
	if !errors.As(err, &e) {
		e = p.u.fail(p.e, classify(err), err)
	}
	p.add(check, OutcomeFailed, start, e.Error(), e.Remedy())
}

func (p *probe) dns(ctx context.Context) bool {
	start := p.u.router.now()
	host, _, err := net.SplitHostPort(p.e.cfg.Address)
	if err != nil {
		p.add("dns", OutcomeFailed, start, err.Error(), "write address as host:port")
		return false
	}
	ctx, cancel := context.WithTimeoutCause(ctx, p.e.timeout, errTimeout)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		p.failed("dns", start, err)
		return false
	}
	var texts []string
	for _, a := range addrs {
		texts = append(texts, a.Unmap().String())
	}
	p.add("dns", OutcomeOK, start, fmt.Sprintf("%s is %s", host, strings.Join(texts, ", ")), "")
	return true
}

func (p *probe) tcp(ctx context.Context) bool {
	start := p.u.router.now()
	ctx, cancel := context.WithTimeoutCause(ctx, p.e.timeout, errTimeout)
	defer cancel()
	conn, err := p.e.dialer.DialContext(ctx, "tcp", p.e.cfg.Address)
	if err != nil {
		p.failed("tcp", start, p.u.broken(ctx, p.e, "connect", err))
		return false
	}
	p.add("tcp", OutcomeOK, start, "connected to "+conn.RemoteAddr().String(), "")
	_ = conn.Close()
	return true
}

// smtp goes the whole way of a client and reports greeting, TLS and capabilities
// from what it found.
func (p *probe) smtp(ctx context.Context) {
	start := p.u.router.now()
	conn, err := p.u.DialSMTP(ctx, Client{})
	if err != nil {
		p.turnedAway(start, err)
		return
	}
	defer quit(conn)
	p.add("greeting", OutcomeOK, start, conn.Greeting, "")
	p.tls(conn.TLSState(), start)
	p.extensions(conn.Ext, start)
}

// imap does the same for IMAP.
func (p *probe) imap(ctx context.Context) {
	start := p.u.router.now()
	conn, err := p.u.DialIMAP(ctx, Client{})
	if err != nil {
		p.turnedAway(start, err)
		return
	}
	defer goodbye(conn.Conn, "hg LOGOUT\r\n")
	p.add("greeting", OutcomeOK, start, strings.TrimPrefix(string(conn.Greeting), "* "), "")
	p.tls(conn.TLSState(), start)
	p.capabilities(conn.Capabilities, start)
	p.anonymous(conn, start)
}

// anonymous warns of a Dovecot that takes all clients for one: after each failed login
// it delays all further ones from that address (auth-penalty), for up to 15 seconds.
func (p *probe) anonymous(conn *IMAPConn, start time.Time) {
	forward := p.e.cfg.ForwardClient
	own := p.u.preset.IMAP.Address == "" // no provider trusts our machine
	if !own || forward != config.ForwardNone && forward != "" || !bytes.Contains(conn.Greeting, []byte("Dovecot")) {
		return
	}
	p.add("client address", OutcomeWarning, start, "Dovecot is not told it, and delays the logins of all after a wrong password of one",
		"list this machine in login_trusted_networks of Dovecot and set forward_client: id")
}

func (p *probe) turnedAway(start time.Time, err error) {
	check := "greeting"
	var e *Error
	if errors.As(err, &e) && e.Class == ClassTLS {
		check = "tls"
	}
	p.failed(check, start, err)
}

func (p *probe) tls(state *tls.ConnectionState, start time.Time) {
	if state == nil {
		p.add("tls", OutcomeWarning, start, "the connection is not encrypted", "set tls: starttls or implicit unless the server is on this machine")
		return
	}
	leaf := state.PeerCertificates[0]
	left := leaf.NotAfter.Sub(p.u.router.now())
	detail := fmt.Sprintf("%s, certificate of %s valid for %d more days", tls.VersionName(state.Version), leaf.Subject.CommonName, int(left.Hours()/24))
	if left < expiresSoon {
		p.add("tls", OutcomeWarning, start, detail, "renew the certificate on the server before it expires")
		return
	}
	p.add("tls", OutcomeOK, start, detail, "")
}

func (p *probe) extensions(ext Extensions, start time.Time) {
	detail := strings.Join(ext.Keywords(), " ")
	switch mechanisms := ext.Mechanisms(); {
	case len(ext.Keywords()) == 0:
		p.add("capabilities", OutcomeWarning, start, "the server knows no extension", "check that no firewall or virus scanner rewrites SMTP on the way")
	case len(mechanisms) == 0:
		p.add("capabilities", OutcomeWarning, start, detail, "the server offers no login: use its submission port (587 or 465), not 25")
	default:
		p.add("capabilities", OutcomeOK, start, detail+"; logins "+strings.Join(mechanisms, " "), "")
	}
	if p.e.cfg.ForwardClient == config.ForwardXCLIENT {
		if ext.Has("XCLIENT") {
			p.add("client address", OutcomeOK, start, "XCLIENT is offered", "")
		} else {
			p.add("client address", OutcomeWarning, start, "XCLIENT is not offered",
				"allow this machine in smtpd_authorized_xclient_hosts (Postfix), or set forward_client: none")
		}
	}
}

func (p *probe) capabilities(caps Capabilities, start time.Time) {
	mechanisms := caps.Mechanisms()
	if !caps.Has("LOGINDISABLED") {
		mechanisms = append(mechanisms, "LOGIN")
	}
	switch {
	case !caps.Has("IMAP4rev1") && !caps.Has("IMAP4rev2"):
		p.add("capabilities", OutcomeWarning, start, caps.String(), "the server names no version of IMAP: check that nothing on the way rewrites IMAP")
	case len(mechanisms) == 0:
		p.add("capabilities", OutcomeWarning, start, caps.String(), "the server offers no login: check that its port takes logins from this machine")
	default:
		p.add("capabilities", OutcomeOK, start, caps.String()+"; logins "+strings.Join(mechanisms, " "), "")
	}
	if p.e.cfg.ForwardClient == config.ForwardID {
		if caps.Has("ID") {
			p.add("client address", OutcomeOK, start, "ID is offered; whether the server believes it, its log tells", "")
		} else {
			p.add("client address", OutcomeWarning, start, "ID is not offered", "set forward_client: proxy or none")
		}
	}
}
