package upstream

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

const (
	// maxResponse bounds an initial response. Microsoft's tokens reach 10 KiB;
	// RFC 4954, 4 has servers take lines of 12,288 octets, which is less.
	maxResponse = 64 << 10
	// maxUser bounds a user name: longer than any address (RFC 5321, 4.5.3.1).
	maxUser = 1024
)

// Username reads from a client's SASL response whom it logs in as, without
// looking at the proof of it. response is decoded, not base64: the initial
// response of PLAIN, XOAUTH2, OAUTHBEARER and SCRAM, the answer to CRAM-MD5's
// challenge, the first answer of LOGIN. authcid is whose password or token it
// is, authzid whom it acts for, empty if the same. ok is false for a malformed
// response and for mechanisms that do not name the user (GSSAPI, NTLM).
func Username(mech string, response []byte) (authzid, authcid string, ok bool) {
	if len(response) > maxResponse {
		return "", "", false
	}
	switch mech = strings.ToUpper(mech); {
	case mech == "PLAIN":
		authzid, authcid, ok = plainUser(response)
	case mech == "LOGIN":
		authcid, ok = string(response), true
	case mech == "XOAUTH2":
		authcid, ok = xoauth2User(response)
	case mech == "OAUTHBEARER":
		authcid, ok = bearerUser(response)
	case mech == "CRAM-MD5":
		authcid, ok = cramUser(response)
	case strings.HasPrefix(mech, "SCRAM-"):
		authzid, authcid, ok = scramUser(response)
	}
	if !ok || !validUser(authcid) || authzid != "" && !validUser(authzid) {
		return "", "", false
	}
	return authzid, authcid, true
}

// plainUser: [authzid] NUL authcid NUL passwd (RFC 4616, 2).
func plainUser(b []byte) (authzid, authcid string, ok bool) {
	parts := bytes.Split(b, []byte{0})
	if len(parts) != 3 || len(parts[2]) == 0 {
		return "", "", false
	}
	return string(parts[0]), string(parts[1]), true
}

// xoauth2User: "user=" name ^A "auth=Bearer " token ^A ^A.
func xoauth2User(b []byte) (string, bool) {
	for field := range bytes.SplitSeq(b, []byte{1}) {
		if name, found := bytes.CutPrefix(field, []byte("user=")); found {
			return string(name), true
		}
	}
	return "", false
}

// bearerUser: gs2-header kvsep *kvpair kvsep (RFC 7628, 3.1). The only name in
// it is the authzid of the header.
func bearerUser(b []byte) (string, bool) {
	header, _, found := bytes.Cut(b, []byte{1})
	if !found {
		return "", false
	}
	authzid, rest, ok := gs2Header(string(header))
	return authzid, ok && rest == ""
}

// scramUser: gs2-header [reserved-mext ","] "n=" saslname "," … (RFC 5802, 7).
func scramUser(b []byte) (authzid, authcid string, ok bool) {
	authzid, rest, ok := gs2Header(string(b))
	if !ok || !strings.HasPrefix(rest, "n=") {
		return "", "", false // an extension "m=" that we do not know must fail, says the RFC
	}
	name, rest, found := strings.Cut(rest[2:], ",")
	if !found || !strings.HasPrefix(rest, "r=") {
		return "", "", false
	}
	authcid, ok = saslName(name)
	return authzid, authcid, ok
}

// gs2Header: cb-flag "," [ "a=" saslname ] "," (RFC 5801, 4).
func gs2Header(s string) (authzid, rest string, ok bool) {
	flag, s, found := strings.Cut(s, ",")
	if !found || flag != "n" && flag != "y" && !strings.HasPrefix(flag, "p=") {
		return "", "", false
	}
	name, rest, found := strings.Cut(s, ",")
	if !found {
		return "", "", false
	}
	if name == "" {
		return "", rest, true
	}
	name, found = strings.CutPrefix(name, "a=")
	if !found {
		return "", "", false
	}
	authzid, ok = saslName(name)
	return authzid, rest, ok
}

// saslName undoes the escapes of RFC 5801, 4: "=2C" and "=3D"; any other "=" is
// an error.
func saslName(s string) (string, bool) {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "=")
		b.WriteString(before)
		switch {
		case !found:
			return b.String(), b.Len() > 0
		case strings.HasPrefix(after, "2C"):
			b.WriteByte(',')
		case strings.HasPrefix(after, "3D"):
			b.WriteByte('=')
		default:
			return "", false
		}
		s = after[2:]
	}
}

// cramUser: user SP digest, 32 hexadecimal digits (RFC 2195, 2).
func cramUser(b []byte) (string, bool) {
	i := bytes.LastIndexByte(b, ' ')
	if i < 0 || len(b)-i-1 != 32 {
		return "", false
	}
	for _, c := range b[i+1:] {
		if !isDigit(c) && (c|0x20 < 'a' || c|0x20 > 'f') {
			return "", false
		}
	}
	return string(b[:i]), true
}

// validUser refuses what no mail server takes for a name, and what would not be
// safe in a log line or a key.
func validUser(s string) bool {
	if s == "" || len(s) > maxUser || !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r < ' ' || r == 0x7f {
			return false
		}
	}
	return true
}

// Account returns the account that a user name stands for: lower case, the
// domain in its ASCII form, and with the default domain where the name has none
// (a Windows name "DOMAIN\user" is left as it is).
func Account(user, defaultDomain string) string {
	user = strings.ToLower(strings.TrimSpace(user))
	i := strings.LastIndexByte(user, '@')
	switch {
	case i >= 0:
		return user[:i+1] + normalDomain(user[i+1:])
	case user == "" || defaultDomain == "" || strings.ContainsRune(user, '\\'):
		return user
	default:
		return user + "@" + normalDomain(defaultDomain)
	}
}
