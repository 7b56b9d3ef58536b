package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"heliograph/config"
	"heliograph/internal/mailtest"
	"heliograph/proxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// handler is a protocol in a function.
type handler func(ctx context.Context, c *proxy.Conn)

func (h handler) ServeConn(ctx context.Context, c *proxy.Conn) { h(ctx, c) }

// greet is a protocol of one line each way: it says hello, then repeats what it
// hears, until the client closes or the server drains.
var greet = handler(func(ctx context.Context, c *proxy.Conn) {
	_, _ = io.WriteString(c, "hello "+c.Client().String()+"\r\n")
	stop := context.AfterFunc(ctx, func() { _ = c.TCP().SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	lines := bufio.NewScanner(c)
	for lines.Scan() {
		_, _ = io.WriteString(c, "heard "+lines.Text()+"\r\n")
	}
	if ctx.Err() != nil {
		_, _ = io.WriteString(c, "goodbye\r\n")
	}
})

// listen makes a listener of a free port.
func listen(c config.Listener, h proxy.Handler) proxy.Listener {
	c.Protocol, c.Address = "smtp", "127.0.0.1:0"
	return proxy.Listener{Config: c, Handler: h}
}

// serve starts a server and closes it at the end of the test.
func serve(t *testing.T, o proxy.Options) (*proxy.Server, string) {
	t.Helper()
	s, err := proxy.New(o)
	if err != nil {
		t.Fatalf("new: %v", err)
	}
	t.Cleanup(s.Close)
	if err := s.Start(t.Context()); err != nil {
		t.Fatalf("start: %v", err)
	}
	return s, s.Addr(0).String()
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

// hears reads one line.
func hears(t *testing.T, c net.Conn, want string) {
	t.Helper()
	got := make([]byte, 0, 100)
	one := make([]byte, 1)
	for !bytes.HasSuffix(got, []byte("\n")) {
		if _, err := io.ReadFull(c, one); err != nil {
			t.Fatalf("got %q and %v, want %q", got, err, want)
		}
		got = append(got, one[0])
	}
	if text := strings.TrimSuffix(string(got), "\r\n"); !strings.HasPrefix(text, want) {
		t.Fatalf("got %q, want %q", text, want)
	}
}

func refusal(*config.Listener) []byte { return []byte("421 4.7.0 too many connections\r\n") }

// counted returns the sum of a metric over the listener's label, for one value
// of its last label, or all if that is empty.
func counted(t *testing.T, reg *prometheus.Registry, name, value string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var sum float64
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetValue() == value || value == "" && l.GetName() == "protocol" {
					sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
				}
			}
		}
	}
	return sum
}

// becomes waits for a metric.
func becomes(t *testing.T, reg *prometheus.Registry, name, value string, want float64) {
	t.Helper()
	mailtest.Eventually(t, 10*time.Second, func() error {
		if got := counted(t, reg, name, value); got != want {
			return fmt.Errorf("%s %s is %v, want %v", name, value, got, want)
		}
		return nil
	})
}

func TestServes(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	_, addr := serve(t, proxy.Options{Listeners: []proxy.Listener{listen(config.Listener{}, greet)}, Registerer: reg})
	mailtest.Dialogue(t, addr, nil, "S: hello 127.0.0.1:{any}\nC: one\nS: heard one\nC= \"two\\r\\nthree\\r\\n\"\nS: heard two\nS: heard three")
	becomes(t, reg, "heliograph_connections", "", 0)
	becomes(t, reg, "heliograph_connections_accepted_total", "", 1)
}

func TestLimitPerClient(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	s, addr := serve(t, proxy.Options{
		Listeners: []proxy.Listener{listen(config.Listener{}, greet)}, Limits: config.Limits{ConnectionsPerIP: 2},
		OnRefuse: refusal, Registerer: reg,
	})
	first := dial(t, addr)
	hears(t, first, "hello")
	hears(t, dial(t, addr), "hello")
	third := dial(t, addr)
	hears(t, third, "421 4.7.0")
	if _, err := third.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the refused connection is not closed: %v", err)
	}
	becomes(t, reg, "heliograph_connections_refused_total", "limit_ip", 1)
	_ = first.Close()
	becomes(t, reg, "heliograph_connections", "", 1)
	mailtest.Eventually(t, 10*time.Second, func() error { // a place is free again
		c := dial(t, addr)
		if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.HasPrefix(line, "hello") {
			return fmt.Errorf("got %q, %w", line, err)
		}
		return nil
	})
	if err := s.Reload(config.Limits{}, nil); err != nil {
		t.Fatal(err)
	}
	hears(t, dial(t, addr), "hello")
}

func TestLimitInAll(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	_, addr := serve(t, proxy.Options{
		Listeners: []proxy.Listener{listen(config.Listener{}, greet)}, Limits: config.Limits{Connections: 1},
		OnRefuse: refusal, Registerer: reg,
	})
	hears(t, dial(t, addr), "hello")
	hears(t, dial(t, addr), "421 4.7.0")
	becomes(t, reg, "heliograph_connections_refused_total", "limit_total", 1)
}

func TestLimitUnderImplicitTLSClosesWithoutHandshake(t *testing.T) {
	t.Parallel()
	a := mailtest.NewAuthority(t)
	_, addr := serve(t, proxy.Options{
		Listeners: []proxy.Listener{listen(config.Listener{TLS: config.TLSImplicit}, greet)}, TLS: a.ServerTLS("127.0.0.1"),
		Limits: config.Limits{ConnectionsPerIP: 1}, OnRefuse: refusal,
	})
	hears(t, tls.Client(dial(t, addr), a.ClientTLS("127.0.0.1")), "hello")
	if got, err := io.ReadAll(dial(t, addr)); err != nil || len(got) > 0 {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestPanicEndsOneConnection(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	bad := handler(func(ctx context.Context, c *proxy.Conn) {
		line, _ := bufio.NewReader(c).ReadString('\n')
		if line == "panic\r\n" {
			panic("asked for")
		}
		_, _ = io.WriteString(c, "fine\r\n")
	})
	_, addr := serve(t, proxy.Options{
		Listeners: []proxy.Listener{listen(config.Listener{}, bad)}, Registerer: reg,
		Limits: config.Limits{Connections: 3, ConnectionsPerIP: 3},
	})
	other := dial(t, addr)
	for i := range 5 {
		c := dial(t, addr)
		if _, err := io.WriteString(c, "panic\r\n"); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
			t.Fatalf("read %d, %v", n, err)
		}
		_ = c.Close()
		becomes(t, reg, "heliograph_handler_panics_total", "", float64(i+1))
		becomes(t, reg, "heliograph_connections", "", 1)
		becomes(t, reg, "heliograph_connections_refused_total", "", 0) // each gave its place back
	}
	if _, err := io.WriteString(other, "x\r\n"); err != nil {
		t.Fatal(err)
	}
	hears(t, other, "fine")
	_ = other.Close()
	becomes(t, reg, "heliograph_connections", "", 0)
}

// A client that is in the middle of sending must still read why it is refused.
func TestLastWordArrives(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	curt := handler(func(_ context.Context, c *proxy.Conn) {
		<-release // the client's bytes are in the socket, unread
		_, _ = io.WriteString(c, "500 too much\r\n")
	})
	reg := prometheus.NewRegistry()
	_, addr := serve(t, proxy.Options{Listeners: []proxy.Listener{listen(config.Listener{}, curt)}, Registerer: reg})
	c := dial(t, addr)
	if _, err := c.Write(make([]byte, 32<<10)); err != nil {
		t.Fatal(err)
	}
	close(release)
	hears(t, c, "500 too much")
	if _, err := c.Write(make([]byte, 32<<10)); err != nil {
		t.Errorf("write behind the last word: %v", err)
	}
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("read %d, %v, want the end and no reset", n, err)
	}
	_ = c.Close()
	becomes(t, reg, "heliograph_connections", "", 0)
}

func TestDrainLetsHandlersSayGoodbye(t *testing.T) {
	t.Parallel()
	s, addr := serve(t, proxy.Options{Listeners: []proxy.Listener{listen(config.Listener{}, greet)}})
	c := dial(t, addr)
	hears(t, c, "hello")
	if err := s.Drain(t.Context()); err != nil {
		t.Fatalf("drain: %v", err)
	}
	hears(t, c, "goodbye")
	if late, err := net.Dial("tcp", addr); err == nil {
		_ = late.Close()
		t.Error("the listener still accepts")
	}
	s.Close()
	s.Close()
	if err := s.Drain(t.Context()); err != nil {
		t.Errorf("drain again: %v", err)
	}
	if err := s.Start(t.Context()); err == nil {
		t.Error("a drained server starts again")
	}
}

func TestDrainEndsHard(t *testing.T) {
	t.Parallel()
	deaf := handler(func(_ context.Context, c *proxy.Conn) {
		_, _ = io.WriteString(c, "hello\r\n")
		_, _ = io.Copy(io.Discard, c)
	})
	s, addr := serve(t, proxy.Options{Listeners: []proxy.Listener{listen(config.Listener{}, deaf)}})
	hears(t, dial(t, addr), "hello")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := s.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestDrainInterruptsHandshakes(t *testing.T) {
	t.Parallel()
	a := mailtest.NewAuthority(t)
	reg := prometheus.NewRegistry()
	s, addr := serve(t, proxy.Options{
		Listeners: []proxy.Listener{listen(config.Listener{TLS: config.TLSImplicit}, greet)}, TLS: a.ServerTLS("127.0.0.1"), Registerer: reg,
	})
	dial(t, addr)
	becomes(t, reg, "heliograph_connections", "", 1)
	if err := s.Drain(t.Context()); err != nil {
		t.Errorf("drain: %v", err)
	}
}

func TestStartBindsAllOrNone(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	free := listen(config.Listener{}, greet)
	for address, remedy := range map[string]string{
		taken.Addr().String():      "ss -ltnp",
		"192.0.2.1:0":              "ip address",
		"no-such-host.invalid:587": "no address",
		"127.0.0.1":                "host:port",
	} {
		s, err := proxy.New(proxy.Options{Listeners: []proxy.Listener{free, {Config: config.Listener{Protocol: "smtp", Address: address}, Handler: greet}}})
		if err != nil {
			t.Fatal(err)
		}
		err = s.Start(t.Context())
		var bind *proxy.BindError
		if !errors.As(err, &bind) || !strings.Contains(err.Error(), remedy) || !strings.Contains(err.Error(), address) {
			t.Errorf("%s: got %v, want a word of %q", address, err, remedy)
		}
		if c, err := net.Dial("tcp", s.Addr(0).String()); err == nil {
			_ = c.Close()
			t.Errorf("%s: the other listener stays open", address)
		}
		s.Close()
	}
}

func TestPROXYHeader(t *testing.T) {
	t.Parallel()
	local := netip.MustParsePrefix("127.0.0.0/8")
	_, trusting := serve(t, proxy.Options{
		Listeners: []proxy.Listener{listen(config.Listener{ProxyProtocolFrom: []netip.Prefix{local}}, greet)},
		Limits:    config.Limits{ConnectionsPerIP: 1}, OnRefuse: refusal, HeaderTimeout: 500 * time.Millisecond,
	})
	v2 := "\r\n\r\n\x00\r\nQUIT\n"
	for name, c := range map[string]struct{ send, want string }{
		"v1":                       {"PROXY TCP4 192.0.2.1 192.0.2.9 4711 587\r\n", "hello 192.0.2.1:4711"},
		"v1, IPv6":                 {"PROXY TCP6 2001:db8::1 2001:db8::2 4711 587\r\n", "hello [2001:db8::1]:4711"},
		"v1, unknown":              {"PROXY UNKNOWN\r\n", "hello 127.0.0.1:"},
		"v2":                       {v2 + "\x21\x11\x00\x0c\xc0\x00\x02\x02\xc0\x00\x02\x09\x12\x67\x02\x4b", "hello 192.0.2.2:4711"},
		"v2, mapped":               {v2 + "\x21\x21\x00\x24" + strings.Repeat("\x00", 10) + "\xff\xff\xc0\x00\x02\x03" + strings.Repeat("\x00", 15) + "\x01\x12\x67\x02\x4b", "hello 192.0.2.3:4711"},
		"v2, with TLV":             {v2 + "\x21\x11\x00\x10\xc0\x00\x02\x04\xc0\x00\x02\x09\x12\x67\x02\x4b\x04\x00\x01\x00", "hello 192.0.2.4:4711"},
		"v2, local":                {v2 + "\x20\x00\x00\x00", "hello 127.0.0.1:"},
		"none":                     {"EHLO somebody.example\r\n", ""},
		"v1, never ends":           {"PROXY TCP4 " + strings.Repeat("1", 200), ""},
		"v1, bad address":          {"PROXY TCP4 192.0.2.256 192.0.2.9 4711 587\r\n", ""},
		"v1, bare LF":              {"PROXY TCP4 192.0.2.7 192.0.2.9 4711 587\n", ""},
		"v2, too long":             {v2 + "\x21\x11\xff\xff", ""},
		"v2, short for its family": {v2 + "\x21\x11\x00\x04\xc0\x00\x02\x05", ""},
		"half, then silence":       {"PROXY TC", ""},
		"silence":                  {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := dial(t, trusting)
			// What is pipelined behind the header must reach the protocol.
			if _, err := io.WriteString(conn, c.send+strings.Repeat("pipelined\r\n", min(1, len(c.want)))); err != nil {
				t.Fatal(err)
			}
			if c.want == "" {
				if got, err := io.ReadAll(conn); len(got) > 0 || errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %q, %v", got, err)
				}
				return
			}
			hears(t, conn, c.want)
			hears(t, conn, "heard pipelined")
		})
	}
}

func TestPROXYHeaderFromOthersIsProtocol(t *testing.T) {
	t.Parallel()
	elsewhere := netip.MustParsePrefix("198.51.100.0/24")
	_, addr := serve(t, proxy.Options{Listeners: []proxy.Listener{listen(config.Listener{ProxyProtocolFrom: []netip.Prefix{elsewhere}}, greet)}})
	mailtest.Dialogue(t, addr, nil, `
		C: PROXY TCP4 192.0.2.1 192.0.2.9 4711 587
		S: hello 127.0.0.1:{any}
		S: heard PROXY TCP4 192.0.2.1 192.0.2.9 4711 587
	`)
}

func TestLimitCountsForwardedClients(t *testing.T) {
	t.Parallel()
	local := netip.MustParsePrefix("127.0.0.0/8")
	_, addr := serve(t, proxy.Options{
		Listeners: []proxy.Listener{listen(config.Listener{ProxyProtocolFrom: []netip.Prefix{local}}, greet)},
		Limits:    config.Limits{ConnectionsPerIP: 1}, OnRefuse: refusal,
	})
	for _, c := range []struct{ client, want string }{
		{"TCP4 192.0.2.1 192.0.2.9", "hello"},
		{"TCP4 192.0.2.2 192.0.2.9", "hello"},
		{"TCP4 192.0.2.1 192.0.2.9", "421"},
		{"TCP6 2001:db8:0:1::1 2001:db8::9", "hello"},
		{"TCP6 2001:db8:0:1:ffff::2 2001:db8::9", "421"}, // the same /64
		{"TCP6 2001:db8:0:2::1 2001:db8::9", "hello"},
		{"UNKNOWN", "hello"}, // health checks are no client
		{"UNKNOWN", "hello"},
	} {
		conn := dial(t, addr)
		line := "PROXY " + c.client + " 4711 587\r\n"
		if c.client == "UNKNOWN" {
			line = "PROXY UNKNOWN\r\n"
		}
		if _, err := io.WriteString(conn, line); err != nil {
			t.Fatal(err)
		}
		hears(t, conn, c.want)
	}
}
