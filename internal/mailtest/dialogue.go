package mailtest

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Role says which side of a dialogue the test plays.
type Role byte

// The roles: each sends its own lines and expects those of the other.
const (
	Client Role = 'C'
	Server Role = 'S'
)

// dialogueTimeout bounds a whole dialogue, so that a peer which says nothing
// fails the test instead of hanging it.
const dialogueTimeout = 20 * time.Second

// Play speaks one side of a script over conn and closes conn at its end. Empty
// lines and lines that begin with # are skipped; the others are
//
//	S: 220 ready      the server says this line, CRLF added
//	C: EHLO {any}     the client does; {any} matches any run of bytes when expected
//	C= "a\r\n.\r\n"   exactly these bytes (a Go string), sent in one write or expected
//	-- tls            the TLS handshake of this side with tc
//	-- eof            the peer must close now, having said nothing more
//	-- reset          this side closes with RST instead of FIN and ends
//	-- hold           this side says nothing more until the peer closes; what it says is ignored
//
// The error names the line of the script and what came instead.
func Play(conn net.Conn, role Role, tc *tls.Config, script string) error {
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(dialogueTimeout)); err != nil {
		return err
	}
	p := &player{conn: conn, br: bufio.NewReader(conn), role: role, tls: tc}
	// The encrypted connection's Close says goodbye; the plain one's follows.
	defer func() { _ = p.conn.Close() }()
	n := 0
	for line := range strings.Lines(script) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := p.step(line); err != nil {
			return fmt.Errorf("line %d of the script, %q: %w", n, line, err)
		}
	}
	return nil
}

type player struct {
	conn net.Conn
	br   *bufio.Reader
	role Role
	tls  *tls.Config
}

func (p *player) step(line string) error {
	if len(line) < 2 {
		return errors.New("no step")
	}
	mark, text := line[:2], strings.TrimPrefix(line[2:], " ")
	who := Role(mark[0])
	switch {
	case mark == "--":
		return p.act(text)
	case who != Client && who != Server:
		return errors.New("neither C nor S")
	case mark[1] == ':' && who == p.role:
		_, err := io.WriteString(p.conn, text+"\r\n")
		return err
	case mark[1] == ':':
		return p.expectLine(text)
	case mark[1] != '=':
		return errors.New("neither : nor =")
	}
	raw, err := strconv.Unquote(text)
	if err != nil {
		return err
	}
	if who == p.role {
		_, err := io.WriteString(p.conn, raw)
		return err
	}
	return p.expectBytes([]byte(raw))
}

func (p *player) act(what string) error {
	switch what {
	case "tls":
		return p.handshake()
	case "eof":
		rest, err := io.ReadAll(p.br)
		if len(rest) > 0 {
			return fmt.Errorf("got %q", rest)
		}
		return err
	case "reset":
		if tcp, ok := p.conn.(*net.TCPConn); ok {
			return tcp.SetLinger(0)
		}
		return errors.New("only a plain TCP connection can be reset")
	case "hold":
		_, _ = io.Copy(io.Discard, p.br) // a reset ends it as well as a close
		return nil
	default:
		return errors.New("no such act")
	}
}

func (p *player) handshake() error {
	if n := p.br.Buffered(); n > 0 {
		rest, _ := p.br.Peek(n)
		return fmt.Errorf("bytes before the handshake: %q", rest)
	}
	encrypted := tls.Client(p.conn, p.tls)
	if p.role == Server {
		encrypted = tls.Server(p.conn, p.tls)
	}
	if err := encrypted.Handshake(); err != nil {
		return err
	}
	p.conn = encrypted
	p.br.Reset(encrypted)
	return nil
}

func (p *player) expectLine(want string) error {
	got, err := p.br.ReadString('\n')
	if err != nil {
		return fmt.Errorf("got %q and %w", got, err)
	}
	if text, ok := strings.CutSuffix(got, "\r\n"); !ok || !matches(want, text) {
		return fmt.Errorf("got %q", got)
	}
	return nil
}

func (p *player) expectBytes(want []byte) error {
	got := make([]byte, len(want))
	n, err := io.ReadFull(p.br, got)
	if !bytes.Equal(got[:n], want) || err != nil {
		return fmt.Errorf("got %q and %w", got[:n], err)
	}
	return nil
}

// matches compares a line with an expectation, in which {any} stands for any
// run of bytes.
func matches(want, got string) bool {
	parts := strings.Split(want, "{any}")
	if len(parts) == 1 {
		return want == got
	}
	first, last := parts[0], parts[len(parts)-1]
	if !strings.HasPrefix(got, first) {
		return false
	}
	got = got[len(first):]
	for _, part := range parts[1 : len(parts)-1] {
		_, after, found := strings.Cut(got, part)
		if !found {
			return false
		}
		got = after
	}
	return strings.HasSuffix(got, last)
}

// Dialogue plays the client's side of a script against the server at addr and
// fails the test when the server departs from it.
func Dialogue(t testing.TB, addr string, tc *tls.Config, script string) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, dialogueTimeout)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	if err := Play(conn, Client, tc, script); err != nil {
		t.Errorf("dialogue: %v", err)
	}
}

// Serve listens on a free loopback port and plays the server's side: the first
// script on the first connection, and so on; the connections may overlap. At the
// end of the test all scripts must have been played to their ends and no
// connection more may have come.
func Serve(t testing.TB, tc *tls.Config, scripts ...string) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	var (
		wg   sync.WaitGroup
		came int // written by the accept loop only, read after it has ended
	)
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			n := came
			came++
			if n >= len(scripts) {
				_ = conn.Close()
				continue
			}
			wg.Go(func() {
				if err := Play(conn, Server, tc, scripts[n]); err != nil {
					t.Errorf("server, connection %d: %v", n+1, err)
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
		if came != len(scripts) {
			t.Errorf("%d connections came, the scripts are %d", came, len(scripts))
		}
	})
	return l.Addr().String()
}
