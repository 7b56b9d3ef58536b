package upstream

import (
	"slices"
	"strconv"
	"strings"
)

// hidden are the extensions that end at the gateway, each with its reason. The
// README repeats them.
var hidden = map[string]string{
	"STARTTLS":       "our own TLS is offered instead",
	"X-ANONYMOUSTLS": "Exchange's second STARTTLS",
	"XCLIENT":        "trust between the upstream and us, not the client",
	"XFORWARD":       "trust between the upstream and us, not the client",
	"X-EXPS":         "Exchange's second AUTH, which does not name the account",
	"BURL":           "RFC 4468: the message would not pass through us",
}

// bound reports whether a SASL mechanism depends on the very TLS session that
// ends at the gateway: channel binding (RFC 5801, 8) and client certificates.
func bound(mechanism string) bool {
	mechanism = strings.ToUpper(mechanism)
	return strings.HasSuffix(mechanism, "-PLUS") || mechanism == "EXTERNAL"
}

// Downstream returns the lines, without code, that a client is shown behind the
// first line of our EHLO reply: the upstream's own in their order and words,
// but for what cannot work across the gateway.
//
// tls says whether the client's connection is encrypted; startTLS whether we
// offer to (then STARTTLS is added, RFC 3207, 4.2 forbids it under TLS);
// authBeforeTLS whether AUTH is shown in the clear. maxSize is our own limit in
// bytes, 0 for none: SIZE is lowered to it, or added.
func (x Extensions) Downstream(tls, startTLS, authBeforeTLS bool, maxSize int64) []string {
	var lines []string
	sized := false
	for _, e := range x.lines {
		switch {
		case hidden[e.keyword] != "":
		case e.keyword == "REQUIRETLS" && !tls: // RFC 8689, 2: only under TLS
		case e.keyword == "AUTH":
			if line, ok := e.unbound(); ok && (tls || authBeforeTLS) {
				lines = append(lines, line)
			}
		case e.keyword == "SIZE":
			if !sized {
				lines = append(lines, lowered(e, x.Size(), maxSize))
			}
			sized = true
		default:
			lines = append(lines, e.text)
		}
	}
	if !sized && maxSize > 0 {
		lines = append(lines, "SIZE "+strconv.FormatInt(maxSize, 10))
	}
	if startTLS && !tls {
		lines = append(lines, "STARTTLS")
	}
	return lines
}

// unbound returns the AUTH line without the mechanisms that cannot work, and
// false if none is left.
func (e extension) unbound() (string, bool) {
	all := strings.Fields(e.param)
	kept := slices.DeleteFunc(slices.Clone(all), bound)
	switch {
	case len(kept) == 0:
		return "", false
	case len(kept) == len(all):
		return e.text, true
	case strings.HasPrefix(strings.ToUpper(e.text), "AUTH="):
		return "AUTH=" + strings.Join(kept, " "), true
	default:
		return "AUTH " + strings.Join(kept, " "), true
	}
}

func lowered(e extension, theirs, ours int64) string {
	if ours > 0 && (theirs == 0 || ours < theirs) {
		return "SIZE " + strconv.FormatInt(ours, 10)
	}
	return e.text
}
