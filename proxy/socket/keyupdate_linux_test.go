package socket

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"heliograph/internal/mailtest"
)

// A TLS 1.3 peer changes its keys and asks us to change ours (RFC 8446, 4.6.3) while
// we read without waiting: the answer is written from inside the read.
func TestReaderAnswersKeyUpdate(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	// crypto/tls never asks for a key update itself, so somebody else must.
	client := exec.CommandContext(ctx, "openssl", "s_client", "-connect", l.Addr().String(), "-tls1_3")
	in, err := client.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	said, words := io.Pipe()
	client.Stdout, client.Stderr = words, words
	client.WaitDelay = time.Second
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- client.Wait()
		_ = words.Close()
	}()
	lines := bufio.NewScanner(said)
	expect := func(want string) {
		for lines.Scan() {
			if strings.Contains(lines.Text(), want) {
				return
			}
		}
		t.Fatalf("the client never said %q", want)
	}
	tcp, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := tls.Server(Wrap(tcp.(*net.TCPConn)), mailtest.TLS(t).Server())
	defer c.Close()
	if err := c.HandshakeContext(ctx); err != nil {
		t.Fatal(err)
	}
	r, p := NewReader(c), &pool{size: 100}
	for _, word := range []string{"once", "twice"} {
		if _, err := io.WriteString(in, "K\n"); err != nil {
			t.Fatal(err)
		}
		expect("KEYUPDATE")
		if _, err := io.WriteString(in, word+"\n"); err != nil {
			t.Fatal(err)
		}
		if got := <-reading(r, p); string(got.got) != word+"\n" {
			t.Fatalf("got %q, %v", got.got, got.err)
		}
		if _, err := io.WriteString(c, "heard "+word+"\n"); err != nil {
			t.Fatal(err)
		}
		expect("heard " + word)
	}
	_ = c.Close()
	_ = in.Close()
	for lines.Scan() { // to the end, or the client waits for its reader
	}
	<-ended
}
