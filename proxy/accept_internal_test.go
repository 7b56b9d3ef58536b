package proxy

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/prometheus/client_golang/prometheus"

	"heliograph/config"
)

// starved is a listener that is out of descriptors for its first accepts.
type starved struct {
	net.Listener
	failures int
}

func (l *starved) Accept() (net.Conn, error) {
	if l.failures > 0 {
		l.failures--
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

// hello is a protocol of one word.
type hello struct{}

func (hello) ServeConn(_ context.Context, c *Conn) { _, _ = io.WriteString(c, "hello") }

func TestAcceptSurvivesErrors(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	s, err := New(Options{
		Listeners:  []Listener{{Config: config.Listener{Protocol: "smtp", Address: "127.0.0.1:0"}, Handler: hello{}}},
		Registerer: reg,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if err := s.bind(t.Context()); err != nil {
		t.Fatal(err)
	}
	addr := s.Addr(0).String()
	s.listeners[0].net = &starved{Listener: s.listeners[0].net, failures: 3}
	s.accepts.Go(func() { s.acceptLoop(s.listeners[0]) })
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, err := io.ReadAll(c); string(got) != "hello" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var counted float64
	for _, f := range families {
		if f.GetName() == "heliograph_accept_errors_total" {
			counted = f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	if counted != 3 {
		t.Errorf("counted %v errors, want 3", counted)
	}
}

func TestClientKey(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"192.0.2.1":                 "192.0.2.1/32",
		"::ffff:192.0.2.1":          "192.0.2.1/32",
		"2001:db8:1:2:3:4:5:6":      "2001:db8:1:2::/64",
		"fe80::1%eth0":              "fe80::/64",
		"2001:db8:1:2:ffff:ffff::1": "2001:db8:1:2::/64",
	} {
		if got := clientKey(netip.MustParseAddr(in)).String(); got != want {
			t.Errorf("clientKey(%s) = %s, want %s", in, got, want)
		}
	}
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.1 192.0.2.9 4711 587\r\nEHLO x\r\n"))
	f.Add([]byte("PROXY UNKNOWN\r\n"))
	f.Add([]byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x09\x12\x67\x02\x4bEHLO"))
	f.Add([]byte("\r\n\r\n\x00\r\nQUIT\n\x21\x31\x00\xd8"))
	peer := netip.MustParseAddrPort("127.0.0.1:1")
	f.Fuzz(func(t *testing.T, in []byte) {
		whole := bytes.NewReader(in)
		raw, err := headerBytes(whole)
		split, err2 := headerBytes(iotest.OneByteReader(bytes.NewReader(in)))
		if (err == nil) != (err2 == nil) || err == nil && !bytes.Equal(raw, split) {
			t.Fatalf("split changes the result: %q %v, %q %v", raw, err, split, err2)
		}
		if err != nil {
			return
		}
		if !bytes.HasPrefix(in, raw) || whole.Len() != len(in)-len(raw) || len(raw) > headerPrefix+4+headerV2Max {
			t.Fatalf("took %d bytes for the header %q of %q", len(in)-whole.Len(), raw, in)
		}
		client, forwarded, err := parseHeader(raw, peer)
		if !client.IsValid() || client.Addr().Is4In6() || !forwarded && client != peer || err != nil && forwarded {
			t.Fatalf("got %v %v %v of %q", client, forwarded, err, raw)
		}
	})
}
