package upstream

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
)

// xclient tells the upstream who the client is, if it offers XCLIENT
// (Postfix XCLIENT_README), and reports whether a new greeting follows. A
// refusal costs the upstream that knowledge, not the mail.
func (s *session) xclient(ctx context.Context, c Client, ext Extensions) (told bool, err error) {
	offered, ok := ext.Param("XCLIENT")
	if !ok {
		s.u.log.Warn("XCLIENT is configured but not offered", "address", s.e.cfg.Address)
		return false, nil
	}
	line := xclientLine(c, strings.Fields(strings.ToUpper(offered)))
	if line == "" {
		return false, nil
	}
	if _, err := io.WriteString(s.conn, line+"\r\n"); err != nil {
		return false, s.u.broken(ctx, s.e, "send XCLIENT", err)
	}
	// The answer is a new greeting; it is read where greetings are read, unless
	// it is a refusal of XCLIENT itself.
	head, err := s.br.Peek(3)
	if err != nil {
		return false, s.u.broken(ctx, s.e, "XCLIENT", err)
	}
	switch string(head) {
	case "501", "502", "503", "550":
		reply, err := s.read(ctx, "XCLIENT")
		if err != nil {
			return false, err
		}
		s.u.log.Warn("XCLIENT was refused", "address", s.e.cfg.Address, "code", reply.Code)
		return false, nil
	}
	return true, nil
}

// maxXCLIENT is the longest XCLIENT line that servers must take.
const maxXCLIENT = 512 - 2

// xclientLine builds the command from the attributes that the server names;
// empty if none is of use.
func xclientLine(c Client, offered []string) string {
	addr := c.Addr.Addr().Unmap().WithZone("")
	values := map[string]string{
		// Without it the server would show our own name beside the client's address.
		"NAME":  "[UNAVAILABLE]",
		"ADDR":  xclientAddr(addr.Is6(), addr.String()),
		"PORT":  fmt.Sprint(c.Addr.Port()),
		"PROTO": "ESMTP",
	}
	if strings.EqualFold(c.Proto, "SMTP") {
		values["PROTO"] = "SMTP"
	}
	if validHelo(c.Helo) {
		values["HELO"] = xtext(c.Helo)
	}
	if c.Login != "" {
		values["LOGIN"] = xtext(c.Login)
	}
	if c.Local.IsValid() {
		local := c.Local.Addr().Unmap().WithZone("")
		values["DESTADDR"] = xclientAddr(local.Is6(), local.String())
		values["DESTPORT"] = fmt.Sprint(c.Local.Port())
	}
	line := "XCLIENT"
	for _, name := range []string{"ADDR", "PORT", "NAME", "PROTO", "LOGIN", "DESTADDR", "DESTPORT", "HELO"} {
		more := " " + name + "=" + values[name]
		if values[name] == "" || !slices.Contains(offered, name) || len(line)+len(more) > maxXCLIENT {
			continue
		}
		line += more
	}
	if line == "XCLIENT" {
		return ""
	}
	return line
}

func xclientAddr(is6 bool, addr string) string {
	if is6 {
		return "IPV6:" + addr
	}
	return addr
}

// xtext encodes a value as RFC 3461, 4 wants.
func xtext(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < '!' || c > '~' || c == '+' || c == '=' {
			fmt.Fprintf(&b, "+%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
