package customerbox

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"heliograph/internal/accounts"
	"heliograph/proxy/upstream"
)

const (
	// verifyTimeout bounds the login at the upstream, behind the greeting.
	verifyTimeout = 30 * time.Second
	// maxVerifyLines bounds what an upstream may say before it answers a login.
	maxVerifyLines = 200
)

// Verdict is what an upstream said to a login.
type Verdict struct {
	OK     bool
	Counts bool   // it is a failed guess, and no trouble of the server
	Text   string // behind NO
}

// Login is what an upstream is asked.
type Login struct {
	User     string
	Password []byte
	Upstream string         // its name in the configuration; empty: the router finds it
	SNI      string         // the name that the client asked for; may be empty
	Client   netip.AddrPort // may be invalid
	TLS      bool           // the client's connection is encrypted
	Session  string         // its id
	Logger   *slog.Logger
}

// Verify logs in at the user's upstream and out again.
func Verify(ctx context.Context, router *upstream.Router, l Login) (Verdict, error) {
	target, err := router.Route(l.Upstream, l.SNI, l.User)
	if err != nil {
		return Verdict{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, verifyTimeout, errors.New("the upstream did not answer the login in time"))
	defer cancel()
	switch account, err := target.Enrolled(ctx, l.User, l.Password); {
	case errors.Is(err, accounts.ErrPassword):
		return Verdict{Counts: true, Text: "[AUTHENTICATIONFAILED] the gateway password is wrong"}, nil
	case err != nil:
		return Verdict{}, err
	case account != nil: // who was shut out at the provider is shut out here
		if err := target.TryIMAP(ctx, account); err != nil {
			l.Logger.Warn("an enrolled account cannot sign in", "account", upstream.Account(l.User, ""), "err", err)
			return Verdict{Text: "[AUTHENTICATIONFAILED] the provider does not let this account in: see heliograph account test"}, nil
		}
		return Verdict{OK: true}, nil
	}
	conn, err := target.DialIMAP(ctx, upstream.Client{Addr: l.Client, TLS: l.TLS, Session: l.Session})
	if err != nil {
		return Verdict{}, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })
	defer stop()
	d := &dialogue{conn: conn, in: bufio.NewReaderSize(io.MultiReader(bytes.NewReader(conn.Buffered), conn), maxCommand)}
	v, err := d.login(l.User, l.Password)
	if err != nil {
		return Verdict{}, fmt.Errorf("login at upstream %s: %w", target.Name(), err)
	}
	if v.OK {
		_, _ = io.WriteString(conn, "q LOGOUT\r\n") // a courtesy
	}
	return v, nil
}

// dialogue is a login at an upstream.
type dialogue struct {
	conn *upstream.IMAPConn
	in   *bufio.Reader
}

// login uses LOGIN, or PLAIN where LOGIN is off or cannot carry the words.
func (d *dialogue) login(user string, password []byte) (Verdict, error) {
	sasl := slices.Contains(d.conn.Capabilities.Mechanisms(), "PLAIN")
	if sasl && (d.conn.Capabilities.Has("LOGINDISABLED") || !quotable([]byte(user)) || !quotable(password)) {
		if _, err := io.WriteString(d.conn, "l AUTHENTICATE PLAIN\r\n"); err != nil {
			return Verdict{}, err
		}
		v, goOn, err := d.answer()
		if err != nil || !goOn {
			return v, err
		}
		raw := slices.Concat([]byte{0}, []byte(user), []byte{0}, password)
		line := append(base64.StdEncoding.AppendEncode(nil, raw), "\r\n"...)
		clear(raw)
		v, err = d.ask(line)
		return v, err
	}
	line := slices.Concat([]byte("l LOGIN "), quote([]byte(user)), []byte(" "), quote(password), []byte("\r\n"))
	return d.ask(line)
}

// quotable tells whether a quoted string can carry b to any server.
func quotable(b []byte) bool {
	return !bytes.ContainsFunc(b, func(r rune) bool { return r < ' ' || r >= 0x7f })
}

func quote(b []byte) []byte {
	out := make([]byte, 0, 2*len(b)+2)
	out = append(out, '"')
	for _, x := range b {
		if x == '"' || x == '\\' {
			out = append(out, '\\')
		}
		out = append(out, x)
	}
	return append(out, '"')
}

// ask sends a line that holds the password and waits for the verdict.
func (d *dialogue) ask(line []byte) (Verdict, error) {
	defer clear(line)
	if _, err := d.conn.Write(line); err != nil {
		return Verdict{}, err
	}
	v, goOn, err := d.answer()
	if err == nil && goOn {
		err = errors.New("the upstream asks for more")
	}
	return v, err
}

// answer reads up to the tagged response, or to a request for more.
func (d *dialogue) answer() (v Verdict, goOn bool, err error) {
	for range maxVerifyLines {
		raw, err := d.in.ReadSlice('\n')
		if err != nil {
			return v, false, err
		}
		line := strings.TrimRight(string(raw), "\r\n")
		if strings.HasPrefix(line, "+") {
			return v, true, nil
		}
		tag, rest, _ := strings.Cut(line, " ")
		word, text, _ := strings.Cut(rest, " ")
		switch {
		case tag != "l" && strings.EqualFold(word, "BYE"):
			return v, false, errors.New("the upstream said BYE")
		case tag != "l":
			continue
		case strings.EqualFold(word, "OK"):
			return Verdict{OK: true}, false, nil
		}
		return Verdict{Counts: strings.EqualFold(word, "NO") && !troubled(text), Text: cleanText(text)}, false, nil
	}
	return v, false, errors.New("the upstream did not answer the login")
}

// troubled tells whether a response code blames the server and not the password (RFC 5530, 3).
func troubled(text string) bool {
	upper := strings.ToUpper(text)
	return slices.ContainsFunc([]string{"[UNAVAILABLE]", "[INUSE]", "[LIMIT]", "[SERVERBUG]"}, func(code string) bool {
		return strings.HasPrefix(upper, code)
	})
}

// maxText is how much of the upstream's words is passed on.
const maxText = 400

// cleanText makes the upstream's words fit for our answer.
func cleanText(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f {
			return -1
		}
		return r
	}, text)
	if text == "" {
		return "[AUTHENTICATIONFAILED] login refused"
	}
	return text[:min(len(text), maxText)]
}
