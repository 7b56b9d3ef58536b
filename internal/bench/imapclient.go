package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// imapClient is a mail program that only finds literals and tagged answers.
type imapClient struct {
	conn   net.Conn
	r      *bufio.Reader
	tag    int
	line   []byte // of the last command
	exists uint32
	// Of all answers until now: message bodies and their bytes.
	bodies, bytes int64
	// digest is given each body; nil discards them.
	digest *Digest
}

// dialIMAP connects and reads the greeting. The deadline of ctx is that of all that follows.
func dialIMAP(ctx context.Context, t *traffic, buffer int) (*imapClient, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", t.Address)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		_ = conn.Close()
		return nil, err
	}
	if len(t.CA) > 0 {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(t.CA)
		conn = tls.Client(conn, &tls.Config{RootCAs: roots, ServerName: benchHost, MinVersion: tls.VersionTLS12})
	}
	c := &imapClient{conn: conn, r: bufio.NewReaderSize(conn, buffer)}
	line, err := c.r.ReadSlice('\n')
	if err == nil && !bytes.HasPrefix(line, []byte("* OK")) {
		err = fmt.Errorf("the server said %q", line)
	}
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("greeting: %w", err)
	}
	return c, nil
}

// benchHost is the name in the certificate of all that end TLS.
const benchHost = "localhost"

// dialSelected connects, logs in and selects a mailbox.
func dialSelected(ctx context.Context, t *traffic, buffer int, mailbox string) (*imapClient, error) {
	c, err := dialIMAP(ctx, t, buffer)
	if err != nil {
		return nil, err
	}
	err = c.login()
	if err == nil {
		err = c.do("SELECT %s", mailbox)
	}
	if err == nil && c.exists == 0 {
		err = fmt.Errorf("mailbox %s is empty", mailbox)
	}
	if err != nil {
		_ = c.conn.Close()
		return nil, err
	}
	return c, nil
}

func (c *imapClient) login() error { return c.do("LOGIN %s bench", benchUser) }

// do sends a command and reads its answers.
func (c *imapClient) do(format string, args ...any) error {
	if err := c.send(format, args...); err != nil {
		return err
	}
	return c.answers()
}

func (c *imapClient) send(format string, args ...any) error {
	c.tag++
	c.line = append(strconv.AppendInt(append(c.line[:0], 'b'), int64(c.tag), 10), ' ')
	c.line = append(fmt.Appendf(c.line, format, args...), '\r', '\n')
	_, err := c.conn.Write(c.line)
	return err
}

// answers reads up to the tagged answer of the last command, which must be OK.
func (c *imapClient) answers() error {
	for {
		kind, line, err := c.next()
		if err != nil {
			return err
		}
		if kind == '*' {
			continue
		}
		tag, rest, _ := bytes.Cut(line, []byte(" "))
		if n, err := strconv.Atoi(string(tag[1:])); err != nil || n != c.tag || !bytes.HasPrefix(rest, []byte("OK")) {
			return fmt.Errorf("to %q the server said %q", bytes.TrimSpace(c.line), line)
		}
		return nil
	}
}

// goOn reads up to the server's invitation to go on (RFC 9051, 7.6).
func (c *imapClient) goOn() error {
	for {
		kind, line, err := c.next()
		switch {
		case err != nil:
			return err
		case kind == '+':
			return nil
		case kind != '*':
			return fmt.Errorf("to %q the server said %q", bytes.TrimSpace(c.line), line)
		}
	}
}

// next reads a response and returns how it begins and its last line; the line is valid until the
// next read.
func (c *imapClient) next() (kind byte, line []byte, err error) {
	for {
		line, err = c.r.ReadSlice('\n')
		if err != nil {
			return 0, nil, err
		}
		if len(line) < 2 {
			return 0, nil, fmt.Errorf("to %q the server said %q", bytes.TrimSpace(c.line), line)
		}
		if kind == 0 {
			kind = line[0]
		}
		if _, size, _, ok := announced(line[:len(line)-2]); ok {
			if err := c.body(size); err != nil {
				return 0, nil, err
			}
			continue
		}
		if number, ok := bytes.CutSuffix(line, []byte(" EXISTS\r\n")); ok && kind == '*' && len(number) > 2 {
			n, _ := strconv.ParseUint(string(number[2:]), 10, 32) // 0 of a server that is no good
			c.exists = uint32(n)
		}
		return kind, line, nil
	}
}

func (c *imapClient) body(size int64) error {
	c.bodies++
	c.bytes += size
	if c.digest == nil {
		_, err := c.r.Discard(int(size))
		return err
	}
	body := io.LimitReader(c.r, size)
	return c.digest.Add(body)
}

// fetch reads messages whole.
func (c *imapClient) fetch(first, last uint32) error {
	before := c.bodies
	if err := c.do("FETCH %d:%d (UID FLAGS BODY.PEEK[])", first, last); err != nil {
		return err
	}
	if got, want := c.bodies-before, int64(last-first+1); got != want {
		return fmt.Errorf("%d bodies of %d messages", got, want)
	}
	return nil
}

// put appends a message.
func (c *imapClient) put(mailbox string, body []byte) error {
	if err := c.send(`APPEND %s (\Seen) {%d}`, mailbox, len(body)); err != nil {
		return err
	}
	if err := c.goOn(); err != nil {
		return err
	}
	if _, err := (&net.Buffers{body, crlf}).WriteTo(c.conn); err != nil {
		return err
	}
	return c.answers()
}

var crlf = []byte("\r\n")

func (c *imapClient) idle() error {
	if err := c.send("IDLE"); err != nil {
		return err
	}
	return c.goOn()
}

func (c *imapClient) done() error {
	if _, err := io.WriteString(c.conn, "DONE\r\n"); err != nil {
		return err
	}
	return c.answers()
}

// logout ends the session and lets the server close first, so that its port and not ours
// waits for late packets.
func (c *imapClient) logout() error {
	defer c.conn.Close()
	if err := c.do("LOGOUT"); err != nil {
		return err
	}
	if err := c.conn.SetReadDeadline(time.Now().Add(stuck)); err != nil {
		return err
	}
	if _, err := c.r.ReadByte(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("after LOGOUT: %w", err)
	}
	return nil
}
