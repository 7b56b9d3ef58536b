package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// part is one that runs inside the test.
type part struct {
	t    *testing.T
	in   *io.PipeWriter
	out  *json.Decoder
	addr string
	done chan error
}

func runPart(t *testing.T, s spec, start func(context.Context, GatewaySpec) (Gateway, error)) *part {
	t.Helper()
	arg, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	p := &part{t: t, in: inW, out: json.NewDecoder(outR), done: make(chan error, 1)}
	go func() {
		err := RunPart(t.Context(), string(arg), inR, outW, start)
		_ = outW.CloseWithError(errors.Join(io.EOF, err))
		_ = inR.Close()
		p.done <- err
	}()
	t.Cleanup(func() { _ = inW.Close() })
	var r ready
	if err := p.out.Decode(&r); err != nil {
		t.Fatalf("the part is not ready: %v", err)
	}
	p.addr = r.Address
	return p
}

func (p *part) status() Status {
	p.t.Helper()
	if _, err := io.WriteString(p.in, "status\n"); err != nil {
		p.t.Fatal(err)
	}
	var st Status
	if err := p.out.Decode(&st); err != nil {
		p.t.Fatal(err)
	}
	return st
}

// end closes the part's standard input and returns what RunPart did.
func (p *part) end() error {
	_ = p.in.Close()
	return <-p.done
}

const life = time.Minute

func TestLoadThroughSpliceIsCounted(t *testing.T) {
	t.Parallel()
	for _, kernel := range []bool{false, true} {
		t.Run(fmt.Sprint(kernel), func(t *testing.T) {
			t.Parallel()
			countThroughSplice(t, kernel)
		})
	}
}

func countThroughSplice(t *testing.T, kernel bool) {
	t.Helper()
	sink := runPart(t, spec{Part: partSink, Life: life}, nil)
	splice := runPart(t, spec{Part: partSplice, Life: life, Upstream: sink.addr, Kernel: kernel}, nil)
	var sent int64
	for _, l := range []traffic{
		{Clients: 1, Size: 100, Duration: 20 * time.Millisecond}, // below the size of a header
		{Clients: 8, Size: 5000, Duration: 50 * time.Millisecond},
		{Clients: 3, Size: 5000}, // a message each
		{Clients: 2, Size: 1_000_000},
	} {
		l.Address = splice.addr
		m, err := l.run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if m.Messages < int64(l.Clients) || l.Duration == 0 && m.Messages != int64(l.Clients) {
			t.Errorf("%+v sent %d messages", l, m.Messages)
		}
		if m.Bytes < m.Messages*int64(l.Size) || m.Bytes > m.Messages*int64(l.Size+400) {
			t.Errorf("%+v sent %d messages with %d bytes", l, m.Messages, m.Bytes)
		}
		if m.P50 <= 0 || m.P50 > m.P99 || m.P99 > m.Elapsed {
			t.Errorf("%+v: p50 %s, p99 %s, elapsed %s", l, m.P50, m.P99, m.Elapsed)
		}
		sent += m.Messages
	}
	if got := sink.status().Messages; got != sent {
		t.Errorf("the sink counted %d messages, the load sent %d", got, sent)
	}
	if err := errors.Join(splice.end(), sink.end()); err != nil {
		t.Error(err)
	}
}

// A server that refuses must fail the load: it would be quicker than one that works.
func TestLoadFailsWhenRefused(t *testing.T) {
	t.Parallel()
	for at, answers := range map[string][]string{
		"greeting":     {"554 no"},
		"EHLO":         {"220 x", "502 no"},
		"PIPELINING":   {"220 x", "250 x"},
		"AUTH":         {"220 x", "250-PIPELINING\r\n250 AUTH PLAIN", "535 5.7.8 no"},
		"550 5.1.1 no": {"220 x", "250 PIPELINING", "250 ok\r\n550 5.1.1 no\r\n503 no"},
		"end of data":  {"220 x", "250 PIPELINING", "250 ok\r\n250 ok\r\n354 go", "452 4.3.1 full"},
	} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			l, err := listen(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- serve(ctx, l, func(_ context.Context, c *net.TCPConn) { play(c, answers) }) }()
			_, err = traffic{Address: l.Addr().String(), Clients: 1, Size: 1000}.run(t.Context())
			if err == nil || !strings.Contains(err.Error(), at) {
				t.Errorf("got error %v, want one about %s", err, at)
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// play sends the answers one by one, each after the client has said something, and
// leaves when the client does.
func play(c *net.TCPConn, answers []string) {
	r := bufio.NewReader(c)
	for _, a := range answers {
		if _, err := io.WriteString(c, a+"\r\n"); err != nil {
			return
		}
		if _, err := r.ReadByte(); err != nil {
			return
		}
		_, _ = r.Discard(r.Buffered())
	}
	_, _ = io.Copy(io.Discard, r)
}

func TestPartEndsWithItsLife(t *testing.T) {
	t.Parallel()
	p := runPart(t, spec{Part: partSink, Life: 50 * time.Millisecond}, nil)
	if err := <-p.done; err == nil || !strings.Contains(err.Error(), "life of 50ms is over") {
		t.Errorf("got %v", err)
	}
}

func TestNoSuchPart(t *testing.T) {
	t.Parallel()
	for _, arg := range []string{"", "sink", `{"part":"x"}`, `{"part":"gateway"}`, `{"part":"load"}`, `{"part":"postfix"}`} {
		if err := RunPart(t.Context(), arg, strings.NewReader(""), io.Discard, nil); err == nil {
			t.Errorf("%q was taken", arg)
		}
	}
}

// A gateway that dies or lies is found out.
type badGateway struct{ addr string }

var errSick = errors.New("sick")

func (b badGateway) Addr() string                           { return b.addr }
func (badGateway) Status(context.Context) (Status, error)   { return Status{}, errSick }
func (badGateway) Checksum(context.Context) (string, error) { return "", errSick }
func (badGateway) Stop(context.Context) error               { return fmt.Errorf("stop: %w", errSick) }

func TestGatewayPart(t *testing.T) {
	t.Parallel()
	profile := t.TempDir() + "/cpu.prof"
	s := spec{Part: partGateway, Life: life, Gateway: &GatewaySpec{User: "x"}, CPUProfile: profile}
	p := runPart(t, s, func(_ context.Context, s GatewaySpec) (Gateway, error) { return badGateway{s.User}, nil })
	if p.addr != "x" {
		t.Errorf("address %q", p.addr)
	}
	if _, err := io.WriteString(p.in, "status\n"); err != nil {
		t.Fatal(err)
	}
	if err := <-p.done; !errors.Is(err, errSick) {
		t.Errorf("got %v", err)
	}
	err := RunPart(t.Context(), `{"part":"gateway","life":1000000000,"gateway":{}}`, strings.NewReader(""), io.Discard,
		func(context.Context, GatewaySpec) (Gateway, error) { return nil, errSick })
	if !errors.Is(err, errSick) {
		t.Errorf("got %v", err)
	}
}
