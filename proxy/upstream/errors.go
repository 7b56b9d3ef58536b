package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
)

// Class says at which hurdle an upstream failed. It is a metric label.
type Class string

// The classes of errors.
const (
	ClassDNS      Class = "dns"      // the name has no address, or the resolver is away
	ClassRefused  Class = "refused"  // nobody listens, or no way there
	ClassTimeout  Class = "timeout"  // no answer in time
	ClassTLS      Class = "tls"      // no encryption, or not with whom we expect
	ClassGreeting Class = "greeting" // 5xx or BYE instead of a greeting, or to EHLO
	ClassBusy     Class = "busy"     // 4xx instead of a greeting, or to EHLO; a BYE that another time may spare
	ClassAuth     Class = "auth"     // our fixed identity was refused, or cannot be shown
	ClassProtocol Class = "protocol" // bytes that are not SMTP or IMAP
	ClassNetwork  Class = "network"  // the connection broke
	// ClassCancelled is no fault of the upstream: nobody waits for it any more.
	ClassCancelled Class = "cancelled"
)

// Error is why an upstream could not be used.
type Error struct {
	Upstream string
	Service  string // smtp or imap
	Address  string
	Class    Class
	// Reply is what the upstream said, where it said anything that fits: it may
	// go to the client word for word. Nil otherwise.
	Reply *Reply
	// Bye is the BYE with which an IMAP server turned us away, without "* " and
	// line end: it may go to the client word for word. Nil otherwise.
	Bye []byte
	Err error
}

// ErrNoUpstream is wrapped by the error of Route when no upstream is
// responsible for a user.
var ErrNoUpstream = errors.New("no upstream is configured for this user")

// The causes that have a remedy of their own.
var (
	errNoSTARTTLS = errors.New("the server does not offer STARTTLS")
	errInjection  = errors.New("bytes behind the reply to STARTTLS")
	errPlaintext  = errors.New("refusing to send a password without TLS")
	errMechanism  = errors.New("the server offers neither AUTH PLAIN nor AUTH LOGIN")
	errPreauth    = errors.New("the server says PREAUTH: a session without a login")
	errNoAddress  = errors.New("no address is configured for this service")
	errTimeout    = errors.New("the upstream did not answer in time")
)

// Error says what happened, for operators.
func (e *Error) Error() string {
	text := fmt.Sprintf("upstream %s at %s: %s", e.Upstream, e.Address, e.Class)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	if e.Reply != nil {
		text += fmt.Sprintf(": %q", e.Reply.String())
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Temporary reports whether another try may help. Only the upstream itself can
// say no for good; what an operator can mend is temporary for the mail.
func (e *Error) Temporary() bool { return e.Reply == nil || !e.Reply.Permanent() }

// Remedy says what an operator can do, in a sentence without full stop.
func (e *Error) Remedy() string {
	if e.Class == ClassTLS {
		return e.remedyTLS()
	}
	switch e.Class {
	case ClassDNS:
		return "check the host name in address, and that this machine's resolver answers (`getent hosts`)"
	case ClassRefused:
		return "check host and port, that the server runs, and that no firewall between rejects the connection"
	case ClassTimeout:
		return "a firewall may drop the packets, or the port speaks TLS from the first byte: then write tls: implicit (usual for 465 and 993)"
	case ClassGreeting:
		return "the server does not want this machine as a client: allow its address there, and see the server's log"
	case ClassBusy:
		return "the server is busy or limits this machine: try later, and raise its limit for this address"
	case ClassAuth:
		return e.remedyAuth()
	case ClassProtocol:
		if errors.Is(e.Err, errPreauth) {
			return "the server takes this machine for a user: take that out there, so that everybody logs in"
		}
		return fmt.Sprintf("this is not an %s server, or one that speaks TLS from the first byte: check the port and tls", strings.ToUpper(e.Service))
	default:
		return "the connection broke: see the server's log and the network between"
	}
}

func (e *Error) remedyAuth() string {
	switch {
	case errors.Is(e.Err, errPlaintext):
		return "set tls: starttls or implicit for this upstream"
	case errors.Is(e.Err, errMechanism):
		return "enable PLAIN or LOGIN on the server for this machine"
	default:
		return "check user and password of the listener; many providers want an authorization code or app password here"
	}
}

func (e *Error) remedyTLS() string {
	var (
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		header  tls.RecordHeaderError
	)
	switch {
	case errors.Is(e.Err, errNoSTARTTLS):
		return "enable STARTTLS on the server or use its port with tls: implicit; if it has it, something between strips it, which is an attack"
	case errors.Is(e.Err, errPreauth):
		return "something between keeps us from encrypting, which is an attack, or the server takes this machine for a user: use its port with tls: implicit"
	case errors.Is(e.Err, errInjection):
		return "something between injects plain text before TLS begins: do not use this way to the server until it is found"
	case errors.As(e.Err, &unknown):
		return "the certificate is not of a known authority: put the authority's certificate (or a self-signed one itself) into a PEM file and set ca_file"
	case errors.As(e.Err, &name):
		return "the certificate is for another name: use that name in address, or set server_name"
	case errors.As(e.Err, &invalid) && invalid.Reason == x509.Expired:
		return "the certificate has expired or is not valid yet: renew it on the server, and check the clocks of both machines"
	case errors.As(e.Err, &invalid):
		return "the certificate must not be used this way: issue a proper server certificate"
	case errors.As(e.Err, &header):
		return "this port does not speak TLS from the first byte: write tls: starttls (usual for 587 and 143)"
	default:
		return "the server and we have no TLS version or cipher in common, or it wants a client certificate: see its log"
	}
}

// classify finds the class of an error that came without one.
func classify(err error) Class {
	var (
		dns    *net.DNSError
		verify *tls.CertificateVerificationError
		header tls.RecordHeaderError
	)
	switch {
	case errors.Is(err, context.Canceled):
		return ClassCancelled
	case errors.As(err, &dns):
		return ClassDNS
	case isTimeout(err):
		return ClassTimeout
	case errors.As(err, &verify), errors.As(err, &header), isAlert(err):
		return ClassTLS
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return ClassRefused
	case errors.Is(err, ErrReply):
		return ClassProtocol
	default:
		return ClassNetwork
	}
}

// isAlert reports whether the peer broke a handshake off. Over TCP, crypto/tls
// shows its alert only as the operation of a net.OpError.
func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

func isTimeout(err error) bool {
	var network net.Error
	return errors.Is(err, errTimeout) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.As(err, &network) && network.Timeout()
}

// classifyHandshake is classify for errors of a TLS handshake, of which the
// more obscure have no type.
func classifyHandshake(err error) Class {
	switch class := classify(err); {
	case class != ClassNetwork:
		return class
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, net.ErrClosed), errors.Is(err, syscall.EPIPE):
		return ClassNetwork
	default:
		return ClassTLS
	}
}
