package smtpd

import (
	"bytes"
	"strconv"
	"strings"
)

// command is one parsed command line. Only what the tap needs is taken from it;
// the line itself goes on as it came.
type command struct {
	verb string // upper case, from a closed set or "" for verbs we do not know
	args string // what follows the verb, trimmed; not of AUTH
}

// verbs is the closed set of commands that mean something to the tap, and of labels.
var verbs = map[string]bool{
	"EHLO": true, "HELO": true, "MAIL": true, "RCPT": true, "DATA": true, "BDAT": true, "RSET": true, "NOOP": true,
	"QUIT": true, "AUTH": true, "STARTTLS": true, "VRFY": true, "EXPN": true, "HELP": true,
}

// denied are commands that a client must not send through us: they claim the trust
// that the upstream has in the gateway, or move a message past the journal.
var denied = map[string]bool{
	"XCLIENT": true, "XFORWARD": true, "PROXY": true, // identity
	"BURL": true, "XEXCH50": true, "TURN": true, "ETRN": true, "ATRN": true, // mail that we would not see
}

// parseCommand splits a line (with its CRLF).
func parseCommand(l []byte) (c command, refused bool) {
	text := bytes.TrimRight(l, "\r\n \t")
	verb, args, _ := bytes.Cut(text, []byte{' '})
	var up [10]byte
	if len(verb) <= len(up) {
		name := string(bytes.ToUpper(append(up[:0], verb...)))
		if name == "AUTH" { // its arguments may be a password: no copy that cannot be wiped
			return command{verb: name}, false
		}
		if verbs[name] {
			return command{verb: name, args: string(bytes.TrimSpace(args))}, false
		}
		return command{}, denied[name]
	}
	return command{}, false
}

// path takes the address and the parameters from the arguments of MAIL or RCPT,
// "FROM:<a@b> SIZE=1" (RFC 5321, 4.1.2). It is as tolerant as servers are, because
// the upstream decides; ok is false where no address can be made out.
func path(args, keyword string) (address, params string, ok bool) {
	if len(args) < len(keyword) || !strings.EqualFold(args[:len(keyword)], keyword) {
		return "", "", false
	}
	s := strings.TrimLeft(args[len(keyword):], " ")
	if !strings.HasPrefix(s, "<") {
		address, params, _ = strings.Cut(s, " ")
		return address, strings.TrimSpace(params), address != ""
	}
	quoted := false
	for i := 1; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == '>' && !quoted:
			address = s[1:i]
			if strings.HasPrefix(address, "@") { // source route (RFC 5321, F.2)
				if _, a, found := strings.Cut(address, ":"); found {
					address = a
				}
			}
			return address, strings.TrimSpace(s[i+1:]), true
		}
	}
	return "", "", false
}

// param returns the value of one ESMTP parameter.
func param(params, name string) (value string, ok bool) {
	for f := range strings.FieldsSeq(params) {
		k, v, _ := strings.Cut(f, "=")
		if strings.EqualFold(k, name) {
			return v, true
		}
	}
	return "", false
}

// declaredSize is the SIZE parameter of MAIL (RFC 1870), 0 where there is none.
func declaredSize(params string) int64 {
	v, _ := param(params, "SIZE")
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// parseBDAT reads "n [LAST]" (RFC 3030, 2).
func parseBDAT(args string) (size int64, last, ok bool) {
	f := strings.Fields(args)
	if len(f) == 0 || len(f) > 2 {
		return 0, false, false
	}
	if len(f) == 2 {
		if !strings.EqualFold(f[1], "LAST") {
			return 0, false, false
		}
		last = true
	}
	for _, c := range f[0] {
		if c < '0' || c > '9' { // no sign: ParseInt would take one
			return 0, false, false
		}
	}
	size, err := strconv.ParseInt(f[0], 10, 63)
	return size, last, err == nil
}

// asciiOnly says that no octet has its high bit set.
func asciiOnly(l []byte) bool {
	for _, c := range l {
		if c >= 0x80 {
			return false
		}
	}
	return true
}
