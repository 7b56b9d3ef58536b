package upstream

import (
	"bufio"
	"context"
	"crypto/sha256"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"heliograph/config"
)

const (
	// poolIdleTime is how long a connection waits for its next message: below the
	// five minutes that RFC 5321, 4.5.3.2.7 has servers wait, and short enough
	// that providers which count connections are not kept busy by silence.
	poolIdleTime = time.Minute
	// poolPerKey is how many idle connections one identity keeps.
	poolPerKey = 8
	// poolTotal bounds the idle connections of an upstream, whoever its clients are.
	poolTotal = 64
	// checkTimeout bounds the RSET that proves an idle connection alive.
	checkTimeout = 5 * time.Second
)

// poolKey is what must be equal for a connection to serve another message:
// whom the upstream takes us for, and on whose behalf.
type poolKey struct {
	user     string
	password [sha256.Size]byte // a digest: who gives another password must log in
	helo     string
	addr     netip.Addr // of the client where it is forwarded
}

// pool keeps authenticated connections that are between transactions.
type pool struct {
	gauge prometheus.Gauge

	mu     sync.Mutex // guards all below
	idle   map[poolKey][]*SMTPConn
	total  int
	closed bool
}

func newPool(gauge prometheus.Gauge) *pool {
	return &pool{gauge: gauge, idle: map[poolKey][]*SMTPConn{}}
}

// put keeps conn, or reports that there is no room for it.
func (p *pool) put(conn *SMTPConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.total >= poolTotal || len(p.idle[conn.key]) >= poolPerKey {
		return false
	}
	p.idle[conn.key] = append(p.idle[conn.key], conn)
	p.total++
	p.gauge.Inc()
	conn.idle = time.AfterFunc(poolIdleTime, func() {
		if p.remove(conn) {
			_ = conn.Close()
		}
	})
	return true
}

// get takes the connection that was used last, nil if there is none.
func (p *pool) get(key poolKey) *SMTPConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.idle[key]
	if len(list) == 0 {
		return nil
	}
	conn := list[len(list)-1]
	p.taken(key, list[:len(list)-1])
	conn.idle.Stop()
	return conn
}

// taken notes the shorter list of a key. The caller holds mu.
func (p *pool) taken(key poolKey, rest []*SMTPConn) {
	if len(rest) == 0 {
		delete(p.idle, key)
	} else {
		p.idle[key] = rest
	}
	p.total--
	p.gauge.Dec()
}

// remove takes conn out, and reports whether it was still there.
func (p *pool) remove(conn *SMTPConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, c := range p.idle[conn.key] {
		if c == conn {
			list := p.idle[conn.key]
			rest := append(append([]*SMTPConn(nil), list[:i]...), list[i+1:]...)
			p.taken(conn.key, rest)
			return true
		}
	}
	return false
}

func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	var all []*SMTPConn
	for _, list := range p.idle {
		all = append(all, list...)
	}
	p.idle = map[poolKey][]*SMTPConn{}
	p.gauge.Sub(float64(p.total))
	p.total = 0
	p.mu.Unlock()
	for _, conn := range all {
		conn.idle.Stop()
		quit(conn)
	}
}

// DialAuthenticated returns a connection that is logged in with a fixed
// identity and ready for MAIL: an idle one that answered RSET, then reused is
// true, or a new one. Errors are of type *Error; a refused login has class auth
// and the upstream's reply. The password is not sent without TLS unless the
// upstream's section says tls: none.
func (u *Upstream) DialAuthenticated(ctx context.Context, c Client, user string, password config.Secret) (conn *SMTPConn, reused bool, err error) {
	key := u.keyOf(c, user, password)
	for conn := u.pool.get(key); conn != nil; conn = u.pool.get(key) {
		if u.alive(ctx, conn) {
			u.metrics.reuse.WithLabelValues(u.cfg.Name, "reused").Inc()
			conn.Buffered = nil
			return conn, true, nil
		}
		_ = conn.Close()
	}
	if conn, err = u.dialAuthenticated(ctx, c, user, password); err != nil {
		u.metrics.reuse.WithLabelValues(u.cfg.Name, "failed").Inc()
		return nil, false, err
	}
	conn.key = key
	u.metrics.reuse.WithLabelValues(u.cfg.Name, "new").Inc()
	return conn, false, nil
}

// Release gives a connection of DialAuthenticated back. It must be between
// transactions, with no reply outstanding; in any other state the caller closes
// it instead.
func (u *Upstream) Release(conn *SMTPConn) {
	if conn.key == (poolKey{}) || !u.pool.put(conn) {
		quit(conn)
	}
}

func (u *Upstream) keyOf(c Client, user string, password config.Secret) poolKey {
	key := poolKey{user: user, password: sha256.Sum256([]byte(password.Reveal())), helo: c.Helo}
	if f := u.cfg.SMTP.ForwardClient; f == config.ForwardXCLIENT || f == config.ForwardPROXY {
		key.addr = c.Addr.Addr()
	}
	return key
}

// alive proves with RSET that the server still listens, and that nothing of an
// earlier transaction is left.
func (u *Upstream) alive(ctx context.Context, conn *SMTPConn) bool {
	ctx, cancel := context.WithTimeoutCause(ctx, checkTimeout, errTimeout)
	defer cancel()
	done := guard(ctx, conn)
	s := &session{u: u, e: &u.smtp, conn: conn.Conn, br: bufio.NewReader(conn.Conn)}
	reply, err := s.command(ctx, "RSET", "RSET")
	return done() == nil && err == nil && reply.Code == 250 && s.br.Buffered() == 0
}
