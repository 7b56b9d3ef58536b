package upstream

import (
	"context"
	"errors"
	"io"
	"net"
	"time"
)

// SMTPExtensions returns what the upstream offered on its last encrypted EHLO.
// Known answers come at once; one that is older than ten minutes is renewed in
// the background. An upstream that is away keeps its last known answer; the
// error, an *Error, is only for one that has never answered.
//
// Where the gateway may sign in for accounts, the mechanisms for their gateway passwords are among the answer's.
func (u *Upstream) SMTPExtensions(ctx context.Context) (Extensions, error) {
	x, err := u.ext.get(ctx)
	return u.withPasswords(x), err
}

// IMAPFacts are what an IMAP server says of itself before a login.
type IMAPFacts struct {
	// Greeting is what the greeting lists, Capabilities what CAPABILITY answers,
	// which is more on some servers (Cyrus). They are one where the greeting lists
	// nothing, or was said before STARTTLS.
	Greeting, Capabilities Capabilities
	// ID are the parameters of the server's ID response to "ID NIL" as they came,
	// a parenthesised list or NIL (RFC 2971, 3.2); nil if the server has none.
	ID []byte
}

// IMAPFacts returns what the upstream's IMAP server said of itself, kept and
// renewed as SMTPExtensions are. ID must not be changed.
func (u *Upstream) IMAPFacts(ctx context.Context) (IMAPFacts, error) {
	f, err := u.facts.get(ctx)
	if u.signsIn() && err == nil {
		f.Greeting, f.Capabilities = f.Greeting.withPasswords(), f.Capabilities.withPasswords()
	}
	return f, err
}

// Refresh asks the upstream's services now and waits for their answers.
func (u *Upstream) Refresh(ctx context.Context) error {
	imap := make(chan error, 1)
	go func() {
		var err error
		if u.asks(&u.imap) {
			err = u.facts.refresh(ctx)
		}
		imap <- err
	}()
	var err error
	if u.asks(&u.smtp) {
		err = u.ext.refresh(ctx)
	}
	return errors.Join(err, <-imap)
}

// learnSMTP is how ext is filled.
func (u *Upstream) learnSMTP(ctx context.Context) (Extensions, error) {
	conn, err := u.DialSMTP(ctx, Client{})
	if err != nil {
		return Extensions{}, err
	}
	quit(conn)
	return conn.Ext, nil
}

// goodbyeTimeout bounds the goodbye, which nobody waits for.
const goodbyeTimeout = 2 * time.Second

// quit says goodbye and closes, without waiting for the answer.
func quit(conn *SMTPConn) { goodbye(conn.Conn, "QUIT\r\n") }

func goodbye(conn net.Conn, line string) {
	if err := conn.SetDeadline(time.Now().Add(goodbyeTimeout)); err == nil {
		_, _ = io.WriteString(conn, line)
	}
	_ = conn.Close()
}
