package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"heliograph/config"
	"heliograph/proxy/socket"
)

// Conn is one accepted connection. The embedded net.Conn is the plain TCP
// connection or, after the handshake, the *tls.Conn over a *socket.Raw over it.
// It belongs to the handler until ServeConn has returned and all that holds it
// (see Hold and Go) has let go; only the server may close the TCP connection below
// it meanwhile.
type Conn struct {
	net.Conn
	// ID names the session in logs, and in replies that send a user to the logs.
	ID string
	// Listener is the listener that the client came in by.
	Listener *config.Listener

	tcp       *net.TCPConn
	client    netip.AddrPort
	tlsConfig *tls.Config // of the time of accepting; nil if the listener has no TLS

	life
}

// Client returns the address of the mail program: what the PROXY header said
// where one was read, otherwise the peer of the TCP connection. An IPv4 address
// is never in its IPv6-mapped form.
func (c *Conn) Client() netip.AddrPort { return c.client }

// TCP returns the TCP connection below any TLS. No byte behind the PROXY header
// has been read from it, so before TLS it may be read directly.
func (c *Conn) TCP() *net.TCPConn { return c.tcp }

// errNoTLS and errTwice are mistakes of the handler, not of the peer.
var (
	errNoTLS = errors.New("start TLS: no certificate is configured")
	errTwice = errors.New("start TLS: the connection is encrypted already")
)

// CanStartTLS reports whether StartTLS has a certificate to show and TLS is not
// in use yet.
func (c *Conn) CanStartTLS() bool { return c.tlsConfig != nil && c.TLSState() == nil }

// StartTLS makes the server's side of a TLS handshake and puts the encrypted
// connection in the place of c.Conn. It ends with an error when ctx ends or the
// client takes longer than the server's handshake timeout; the connection is of
// no use then. Bytes that the client sent behind its STARTTLS command and that
// the handler has buffered must be thrown away (RFC 3207, 4.2): they were sent
// in the clear and may be an attacker's.
func (c *Conn) StartTLS(ctx context.Context) error {
	if c.tlsConfig == nil {
		return errNoTLS
	}
	if c.TLSState() != nil {
		return errTwice
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.server.o.HandshakeTimeout, errHandshakeTimeout)
	defer cancel()
	encrypted := tls.Server(socket.Wrap(c.tcp), c.tlsConfig)
	if err := encrypted.HandshakeContext(ctx); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = fmt.Errorf("%w: %w", cause, err)
		}
		c.server.metrics.handshakes.WithLabelValues(c.Listener.Protocol, c.Listener.Address, handshakeClass(err)).Inc()
		return fmt.Errorf("TLS handshake with client: %w", err)
	}
	c.Conn = encrypted
	return nil
}

const (
	// lingerTime and lingerBytes bound what is still read of a client after the
	// last word to it.
	lingerTime  = time.Second
	lingerBytes = 256 << 10
)

// goodbye ends a connection so that the last reply arrives: a close with unread
// bytes in the socket sends RST, and many systems then throw away what their
// program has not read yet, such as the reason for the close.
func (c *Conn) goodbye() {
	if encrypted, ok := c.Conn.(*tls.Conn); ok {
		if err := encrypted.CloseWrite(); err != nil { // close_notify
			return
		}
	}
	if err := c.tcp.CloseWrite(); err != nil {
		return
	}
	if err := c.tcp.SetReadDeadline(time.Now().Add(lingerTime)); err != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, c.tcp, lingerBytes)
}

// TLSState returns the state of the encryption towards the client, nil for a
// plain connection.
func (c *Conn) TLSState() *tls.ConnectionState {
	encrypted, ok := c.Conn.(*tls.Conn)
	if !ok {
		return nil
	}
	state := encrypted.ConnectionState()
	return &state
}

// SNI returns the server name that the client asked for in its TLS handshake
// (RFC 6066, 3), empty if there was none.
func (c *Conn) SNI() string {
	if state := c.TLSState(); state != nil {
		return state.ServerName
	}
	return ""
}

// ClientCertificate returns the certificate that the client proved to hold and
// that one of the listener's client authorities issued, nil if there is none.
func (c *Conn) ClientCertificate() *x509.Certificate {
	state := c.TLSState()
	if state == nil || len(state.VerifiedChains) == 0 || len(state.VerifiedChains[0]) == 0 {
		return nil
	}
	return state.VerifiedChains[0][0]
}
