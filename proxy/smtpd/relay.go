package smtpd

import (
	"context"
	"errors"
	"net/netip"

	"heliograph/proxy/upstream"
)

// openRelay opens the upstream for a machine's first message. The machine is known by its
// network or by its certificate, never by its own word, so a relay listener is no open relay.
func (s *session) openRelay(ctx context.Context) error {
	if s.mustStartTLS() {
		s.dropLine()
		return s.say("530 5.7.0 must issue a STARTTLS command first")
	}
	if s.helo == "" {
		s.dropLine()
		return s.say("503 5.5.1 EHLO first")
	}
	if !s.trusted() {
		s.dropLine()
		s.srv.metrics.refused("relay")
		s.log.Warn("relay refused: neither its network nor a certificate is trusted")
		return s.say("554 5.7.1 relay access denied")
	}
	if err := s.dialRelay(ctx); err != nil {
		s.srv.metrics.upstreamError(err)
		s.log.Warn("upstream not reached for a relay", "err", err)
		_ = s.say("421 4.4.1 %s the mail server cannot be reached now, try again later (session %s)", s.hostname(), s.conn.ID)
		return err
	}
	s.log = s.log.With("upstream", s.target.Name())
	return nil
}

// dropLine uses up the command line that was left for the tap.
func (s *session) dropLine() {
	if l, err := line(s.in.buffered(), maxAuthLine); err == nil {
		s.in.use(len(l))
	}
}

func (s *session) trusted() bool {
	if s.conn.ClientCertificate() != nil {
		return true
	}
	ip := s.conn.Client().Addr().Unmap()
	return contains(s.conn.Listener.Networks, ip)
}

func contains(networks []netip.Prefix, ip netip.Addr) bool {
	for _, n := range networks {
		if n.Contains(ip) {
			return true
		}
	}
	return false
}

// dialRelay opens the upstream under the listener's identity, or without a login where
// the upstream knows the gateway by its address.
func (s *session) dialRelay(ctx context.Context) error {
	l := s.conn.Listener
	target, err := s.set.Router.Route(l.Upstream, s.conn.SNI(), l.User)
	if err != nil {
		return err
	}
	var up *upstream.SMTPConn
	if l.User == "" {
		up, err = target.DialSMTP(ctx, s.clientInfo())
	} else {
		up, _, err = target.DialAuthenticated(ctx, s.clientInfo(), l.User, l.Password)
		s.pooled = true
	}
	if err != nil {
		return err
	}
	s.attach(target, up)
	return nil
}

var errRecycled = errors.New("the connection goes back to the pool")

// recycle gives the upstream connection of a relay back, when the session ended with
// nothing outstanding, and says whether it did.
func (t *tap) recycle(err error) bool {
	if !t.pooled || !errors.Is(err, errGoodbye) || t.dropped.Load() {
		return false
	}
	t.mu.Lock()
	quiet := !t.gone && len(t.queue) == 0
	t.mu.Unlock()
	if !quiet {
		return false
	}
	t.recycled.Store(true)
	_ = t.up.SetReadDeadline(past)
	return true
}
