package gateway_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"net"
	"strconv"
	"time"
)

func crashAuth(password string) string {
	return base64.StdEncoding.EncodeToString([]byte("\x00" + crashUser + "\x00" + password))
}

// crashClient is a mail program.
type crashClient struct {
	conn net.Conn
	in   *bufio.Reader
}

// crashPatience is how long any one step may take.
const crashPatience = 10 * time.Second

// crashDial connects and logs in.
func crashDial(addr string) (*crashClient, error) {
	conn, err := net.DialTimeout("tcp", addr, crashPatience)
	if err != nil {
		return nil, err
	}
	c := &crashClient{conn, bufio.NewReader(conn)}
	if _, err = c.reply(); err == nil {
		_, err = c.command("EHLO me.example")
	}
	code := 0
	if err == nil {
		code, err = c.command("AUTH PLAIN " + crashAuth("secret"))
	}
	if err == nil && code != 235 {
		err = fmt.Errorf("login answered with %d", code)
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return c, nil
}

func (c *crashClient) write(b []byte) error {
	_ = c.conn.SetDeadline(time.Now().Add(crashPatience))
	_, err := c.conn.Write(b)
	return err
}

// reply reads one reply of any number of lines.
func (c *crashClient) reply() (code int, err error) {
	_ = c.conn.SetDeadline(time.Now().Add(crashPatience))
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return 0, err
		}
		if len(line) < 5 {
			return 0, fmt.Errorf("reply %q", line)
		}
		if line[3] == ' ' {
			return strconv.Atoi(line[:3])
		}
	}
}

func (c *crashClient) command(line string) (code int, err error) {
	if err := c.write([]byte(line + "\r\n")); err != nil {
		return 0, err
	}
	return c.reply()
}

// replies reads n replies and returns the first that says no, or the last. 421 ends the session.
func (c *crashClient) replies(n int) (code int, err error) {
	for range n {
		next, err := c.reply()
		if err != nil || next == 421 {
			return next, err
		}
		if code < 400 {
			code = next
		}
	}
	return code, nil
}

// data sends a message with DATA and returns the reply to it. An error means that there was none.
func (c *crashClient) data(id, to string) (code int, err error) {
	if err := c.write(fmt.Appendf(nil, "MAIL FROM:<%s> BODY=8BITMIME\r\nRCPT TO:<%s>\r\nDATA\r\n", crashUser, to)); err != nil {
		return 0, err
	}
	if code, err := c.replies(3); err != nil || code != 354 {
		return code, err
	}
	body := bytes.ReplaceAll(crashMail(id), []byte("\r\n."), []byte("\r\n.."))
	if err := c.write(append(body, ".\r\n"...)); err != nil {
		return 0, err
	}
	return c.reply()
}

// bdat sends a message in chunks, all in one pipelined piece.
func (c *crashClient) bdat(id, to string, chunks int) (code int, err error) {
	out := fmt.Appendf(nil, "MAIL FROM:<%s> BODY=8BITMIME\r\nRCPT TO:<%s>\r\n", crashUser, to)
	body := crashMail(id)
	for i := range chunks {
		n, last := len(body)/(chunks-i), ""
		if i == chunks-1 {
			last = " LAST"
		}
		out = append(fmt.Appendf(out, "BDAT %d%s\r\n", n, last), body[:n]...)
		body = body[n:]
	}
	if err := c.write(out); err != nil {
		return 0, err
	}
	return c.replies(2 + chunks)
}

func (c *crashClient) close() { _ = c.conn.Close() }

// crashSend sends one message in a session of its own and returns the reply to it.
func crashSend(addr, id string) (code int, err error) {
	c, err := crashDial(addr)
	if err != nil {
		return 0, err
	}
	defer c.close()
	if code, err = c.data(id, "customer@elsewhere.example"); err != nil {
		return code, err
	}
	_, _ = c.command("QUIT") // after a deferral the connection may be closed already
	return code, nil
}
