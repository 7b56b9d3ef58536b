package upstream

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/pires/go-proxyproto"

	"heliograph/config"
	"heliograph/proxy/socket"
)

// Client is what the upstream is told of the downstream, as far as it trusts us.
type Client struct {
	Addr  netip.AddrPort // the client; invalid where we speak for ourselves
	Local netip.AddrPort // where the client reached us; may be invalid
	Helo  string         // name in the client's EHLO; ours is used where empty or unfit
	// Login is the account that the client has proved to us. It stays empty where
	// the login is still to be relayed: XCLIENT LOGIN= would make it true.
	Login string
	Proto string // ESMTP or SMTP; empty is ESMTP
	TLS   bool   // the client's connection is encrypted
	// Session names the session in the server's log, where forward_client is id.
	Session string
}

// session is a connection on its way up. Its buffer is the only one on it.
type session struct {
	u    *Upstream
	e    *endpoint
	conn net.Conn
	br   *bufio.Reader
}

// dial brings a connection of an endpoint to where open leaves it. The endpoint's
// time-out bounds it all; afterwards the connection has no deadline. Where the
// error is not nil, the connection is closed.
func (u *Upstream) dial(ctx context.Context, e *endpoint, c Client, open func(context.Context, *session) error) error {
	start := u.router.now()
	err := u.tryDial(ctx, e, c, open)
	u.metrics.dialled(u.cfg.Name, e.protocol, u.router.now().Sub(start), err)
	return err
}

func (u *Upstream) tryDial(ctx context.Context, e *endpoint, c Client, open func(context.Context, *session) error) error {
	if e.cfg.Address == "" {
		return u.fail(e, ClassDNS, errNoAddress)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, e.timeout, errTimeout)
	defer cancel()
	s, err := u.connect(ctx, e, c)
	if err != nil {
		return err
	}
	done := guard(ctx, s.conn)
	err = open(ctx, s)
	if err == nil {
		if late := done(); late != nil {
			err = u.broken(ctx, e, "open", late)
		}
	} else {
		_ = done() // the connection ends here anyway
	}
	if err != nil {
		_ = s.conn.Close()
	}
	return err
}

// buffered returns a copy of the bytes that the server sent unasked, nil if none.
func (s *session) buffered() []byte {
	n := s.br.Buffered()
	if n == 0 {
		return nil
	}
	unasked, _ := s.br.Peek(n)
	return bytes.Clone(unasked)
}

// tlsState returns the state of the encryption of a connection, nil for a plain one.
func tlsState(conn net.Conn) *tls.ConnectionState {
	encrypted, ok := conn.(*tls.Conn)
	if !ok {
		return nil
	}
	state := encrypted.ConnectionState()
	return &state
}

// connect dials an endpoint and gets as far as the protocol's first byte: TCP
// (both address families, RFC 8305), PROXY header, implicit TLS. The caller
// closes the connection on any later error.
func (u *Upstream) connect(ctx context.Context, e *endpoint, c Client) (*session, error) {
	conn, err := e.dialer.DialContext(ctx, "tcp", e.cfg.Address)
	if err != nil {
		return nil, u.broken(ctx, e, "connect", err)
	}
	s := &session{u: u, e: e, conn: conn}
	if err := s.begin(ctx, c); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return s, nil
}

func (s *session) begin(ctx context.Context, c Client) error {
	if deadline, ok := ctx.Deadline(); ok {
		if err := s.conn.SetDeadline(deadline); err != nil {
			return s.u.broken(ctx, s.e, "connect", err)
		}
	}
	if s.e.cfg.ForwardClient == config.ForwardPROXY {
		if err := writeHeader(s.conn, c); err != nil {
			return s.u.broken(ctx, s.e, "send PROXY header", err)
		}
	}
	s.br = bufio.NewReader(s.conn)
	if s.e.cfg.TLS == config.TLSImplicit {
		return s.handshake(ctx)
	}
	return nil
}

// writeHeader sends a PROXY header of version 2. Where we speak for no client it
// says LOCAL: a server that wants the header wants it on each connection.
func writeHeader(conn net.Conn, c Client) error {
	h := &proxyproto.Header{Version: 2, Command: proxyproto.LOCAL, TransportProtocol: proxyproto.UNSPEC}
	if c.Addr.IsValid() {
		local := conn.RemoteAddr()
		if c.Local.IsValid() {
			local = net.TCPAddrFromAddrPort(c.Local)
		}
		h = proxyproto.HeaderProxyFromAddrs(2, net.TCPAddrFromAddrPort(c.Addr), local)
		if c.TLS {
			// Encrypted, and without a client certificate that we vouch for.
			ssl := proxyproto.TLV{Type: proxyproto.PP2_TYPE_SSL, Value: []byte{1, 0, 0, 0, 1}}
			if err := h.SetTLVs([]proxyproto.TLV{ssl}); err != nil {
				return err
			}
		}
	}
	_, err := h.WriteTo(conn)
	return err
}

// handshake makes the connection a TLS one. Nothing may be in the buffer.
func (s *session) handshake(ctx context.Context) error {
	below := s.conn
	if tcp, ok := below.(*net.TCPConn); ok {
		below = socket.Wrap(tcp) // so that a front can wait without a buffer
	}
	encrypted := tls.Client(below, s.e.tls)
	if err := encrypted.HandshakeContext(ctx); err != nil {
		out := s.u.broken(ctx, s.e, "TLS handshake", err)
		if out.Class == ClassNetwork {
			out.Class = classifyHandshake(err)
		}
		return out
	}
	s.u.metrics.resumed(s.u.cfg.Name, s.e.protocol, encrypted.ConnectionState().DidResume)
	s.conn = encrypted
	s.br.Reset(encrypted)
	return nil
}

// broken makes an *Error of an error of the connection.
func (u *Upstream) broken(ctx context.Context, e *endpoint, doing string, err error) *Error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	return u.fail(e, classify(err), fmt.Errorf("%s: %w", doing, err))
}

// guard bounds an attempt by the endpoint's time-out, and makes the end of ctx
// interrupt reads and writes of the connection. done must be called; it makes
// the connection free of deadlines again.
func guard(ctx context.Context, conn net.Conn) (done func() error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	return func() error {
		if !stop() {
			return context.Cause(ctx)
		}
		return conn.SetDeadline(time.Time{})
	}
}

// plainAddr writes an address as servers know it: without the form of IPv4 in
// IPv6, and without a zone, which means something on one machine only.
func plainAddr(addr netip.Addr) string { return addr.Unmap().WithZone("").String() }
