package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
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
	Check   string // dns, tcp, tls, greeting, capabilities, client address
	Outcome Outcome
	Detail  string
	Remedy  string // empty if all is well
	Took    time.Duration
}

// Probe tries the upstream step by step and says for each what came of it and
// what to do. Steps that depend on a failed one are left out. It sends no
// credentials and no mail.
func (u *Upstream) Probe(ctx context.Context) []Finding {
	p := &probe{u: u, e: &u.smtp}
	ctx, cancel := context.WithTimeoutCause(ctx, 3*u.smtp.timeout, errTimeout)
	defer cancel()
	if p.dns(ctx) && p.tcp(ctx) {
		p.session(ctx)
	}
	return p.findings
}

type probe struct {
	u        *Upstream
	e        *endpoint
	findings []Finding
}

func (p *probe) add(check string, outcome Outcome, start time.Time, detail, remedy string) {
	p.findings = append(p.findings, Finding{Check: check, Outcome: outcome, Detail: detail, Remedy: remedy, Took: p.u.router.now().Sub(start)})
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

// session goes the whole way of a client and reports greeting, TLS and
// capabilities from what it found.
func (p *probe) session(ctx context.Context) {
	start := p.u.router.now()
	conn, err := p.u.DialSMTP(ctx, Client{})
	if err != nil {
		check := "greeting"
		var e *Error
		if errors.As(err, &e) && e.Class == ClassTLS {
			check = "tls"
		}
		p.failed(check, start, err)
		return
	}
	defer quit(conn)
	p.add("greeting", OutcomeOK, start, conn.Greeting, "")
	p.tls(conn.TLSState(), start)
	p.capabilities(conn.Ext, start)
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

func (p *probe) capabilities(ext Extensions, start time.Time) {
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
