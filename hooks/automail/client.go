package automail

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/emersion/go-smtp"

	"heliograph/proxy/upstream"
)

const (
	// commandTimeout bounds the reply to a command, submissionTimeout the verdict after the
	// final dot (RFC 5321, 4.5.3.2.4 and 4.5.3.2.6).
	commandTimeout    = 5 * time.Minute
	submissionTimeout = 10 * time.Minute
	// writeTimeout bounds one write of message bytes (RFC 5321, 4.5.3.2.5). go-smtp sets no deadline there.
	writeTimeout = 3 * time.Minute
)

// extensions are what go-smtp's client acts on, as far as we use it.
var extensions = []string{"8BITMIME", "SIZE", "SMTPUTF8", "DSN"}

// greeted is a connection past EHLO (and AUTH) that looks new to go-smtp's client: its greeting
// and the reply to EHLO come from memory, and the EHLO itself is not sent.
type greeted struct {
	net.Conn
	replay bytes.Reader
	ehlo   bool // has been swallowed
}

// newClient makes a go-smtp client of a connection that is ready for MAIL. Its Close closes
// the connection; to keep the connection, let the client go.
func newClient(conn *upstream.SMTPConn) (*smtp.Client, error) {
	var said bytes.Buffer
	said.WriteString("220 ready\r\n250-ready\r\n")
	for _, name := range extensions {
		if param, ok := conn.Ext.Param(name); ok {
			fmt.Fprintf(&said, "250-%s %s\r\n", name, param)
		}
	}
	said.WriteString("250 HELP\r\n")
	g := &greeted{Conn: conn}
	g.replay.Reset(said.Bytes())
	c := smtp.NewClient(g)
	c.CommandTimeout, c.SubmissionTimeout = commandTimeout, submissionTimeout
	if err := c.Hello("localhost"); err != nil {
		return nil, fmt.Errorf("taking over the connection: %w", err)
	}
	return c, nil
}

// Read hands out the replay first. go-smtp's client has one buffer for both, so no byte is lost.
func (g *greeted) Read(p []byte) (int, error) {
	if g.replay.Len() > 0 {
		return g.replay.Read(p)
	}
	return g.Conn.Read(p)
}

func (g *greeted) Write(p []byte) (int, error) {
	if !g.ehlo {
		if !bytes.HasPrefix(p, []byte("EHLO ")) || !bytes.HasSuffix(p, []byte("\r\n")) {
			return 0, fmt.Errorf("the client does not begin with EHLO but with %.10q", p)
		}
		g.ehlo = true
		return len(p), nil
	}
	if err := g.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return g.Conn.Write(p)
}

// source remembers why reading failed, to tell our trouble from the upstream's.
type source struct {
	io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}
