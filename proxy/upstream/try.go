package upstream

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"heliograph/config"
	"heliograph/internal/accounts"
)

// TrySMTP signs an enrolled account in at the SMTP server and out again. The error says what to do.
func (u *Upstream) TrySMTP(ctx context.Context, a *accounts.Account) error {
	return u.try(ctx, a, func(ctx context.Context, c accounts.Credential) (refused error, _ error) {
		conn, err := u.dialLogin(ctx, Client{}, func(ctx context.Context, s *session, conn *SMTPConn) error { return s.signIn(ctx, conn, c) })
		var e *Error
		if errors.As(err, &e) && e.Class == ClassAuth && e.Reply != nil && e.Reply.Permanent() {
			return fmt.Errorf("the server said %.200q", e.Reply.String()), nil
		}
		if err == nil {
			quit(conn)
		}
		return nil, err
	})
}

// TryIMAP signs an enrolled account in at the IMAP server and out again. The error says what to do.
func (u *Upstream) TryIMAP(ctx context.Context, a *accounts.Account) error {
	return u.try(ctx, a, func(ctx context.Context, c accounts.Credential) (refused error, _ error) {
		conn, err := u.DialIMAP(ctx, Client{})
		if err != nil {
			return nil, err
		}
		defer goodbye(conn.Conn, "q LOGOUT\r\n")
		ctx, cancel := context.WithTimeoutCause(ctx, u.imap.timeout, errTimeout)
		defer cancel()
		done := guard(ctx, conn)
		refused, err = u.tryIMAP(conn, c)
		return refused, errors.Join(err, done())
	})
}

// try gets a credential and shows it; a token that is refused is replaced once.
func (u *Upstream) try(ctx context.Context, a *accounts.Account, show func(context.Context, accounts.Credential) (refused error, _ error)) error {
	for again := true; ; again = false {
		c, err := a.Credential(ctx)
		if err != nil {
			text, _ := SignInTrouble(a.Address, err)
			return fmt.Errorf("%s (%w)", text, err)
		}
		refused, err := show(ctx, c)
		switch {
		case err != nil:
			return err
		case refused == nil:
			c.Accept()
			return nil
		}
		c.Reject(ctx)
		if !again || !c.OAuth() {
			return fmt.Errorf("%s (%w)", RefusedGrant(a.Address, c, Failure{}), refused)
		}
	}
}

// maxTryLines bounds what a server may say before it answers a login.
const maxTryLines = 200

func (u *Upstream) tryIMAP(conn *IMAPConn, c accounts.Credential) (refused error, _ error) {
	in := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(conn.Buffered), conn), maxResponse)
	var rest [][]byte
	command := ""
	proof, err := u.Prove(c, conn.Capabilities.Mechanisms(), config.ProtocolIMAP)
	switch {
	case err == nil:
		defer proof.Wipe()
		command, rest = "t AUTHENTICATE "+proof.Mechanism, proof.Responses
	case c.OAuth() || conn.Capabilities.Has("LOGINDISABLED"):
		return nil, err
	default: // NetEase lists no mechanism for passwords
		quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
		command = `t LOGIN "` + quote.Replace(c.User) + `" "` + quote.Replace(c.Password) + `"`
	}
	if _, err := io.WriteString(conn, command+"\r\n"); err != nil {
		return nil, err
	}
	for range maxTryLines {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		tag, text, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		switch {
		case tag == "+":
			next := []byte{}
			if len(rest) > 0 {
				next, rest = rest[0], rest[1:]
			}
			if _, err := conn.Write(append(bytes.Clone(next), "\r\n"...)); err != nil {
				return nil, err
			}
		case tag == "t" && len(text) >= 2 && strings.EqualFold(text[:2], "OK"):
			return nil, nil
		case tag == "t":
			return fmt.Errorf("the server said %.200q", text), nil
		}
	}
	return nil, errors.New("the server did not answer the login")
}
