package automail

import (
	"strings"

	"github.com/emersion/go-smtp"
)

// mailParams are the ESMTP parameters of MAIL that we know.
type mailParams struct {
	utf8  bool           // SMTPUTF8 (RFC 6531)
	ret   smtp.DSNReturn // RET (RFC 3461, 4.3); empty means not said
	envID string         // ENVID, decoded (RFC 3461, 4.4)
}

// parseMail reads what the queue listener wrote down. Unknown and broken
// parameters are left out: a mail is not lost over one.
func parseMail(s string) mailParams {
	var p mailParams
	for field := range strings.FieldsSeq(s) {
		key, value, _ := strings.Cut(field, "=")
		switch strings.ToUpper(key) {
		case "SMTPUTF8":
			p.utf8 = true
		case "RET":
			switch r := smtp.DSNReturn(strings.ToUpper(value)); r {
			case smtp.DSNReturnFull, smtp.DSNReturnHeaders:
				p.ret = r
			}
		case "ENVID":
			if id, ok := decodeXtext(value); ok && printable(id) {
				p.envID = id
			}
		}
	}
	return p
}

// rcptParams are the ESMTP parameters of RCPT that we know.
type rcptParams struct {
	notify   []smtp.DSNNotify // NOTIFY (RFC 3461, 4.1); empty means not said
	origType smtp.DSNAddressType
	orig     string // ORCPT, decoded (RFC 3461, 4.2); empty means not said
}

func parseRcpt(s string) rcptParams {
	var p rcptParams
	for field := range strings.FieldsSeq(s) {
		key, value, _ := strings.Cut(field, "=")
		switch strings.ToUpper(key) {
		case "NOTIFY":
			p.notify = parseNotify(value)
		case "ORCPT":
			kind, address, found := strings.Cut(value, ";")
			address, ok := decodeXtext(address)
			if !found || !ok || address == "" {
				continue
			}
			switch k := smtp.DSNAddressType(strings.ToUpper(kind)); {
			case k == smtp.DSNAddressTypeUTF8 && !hasControl(address), k == smtp.DSNAddressTypeRFC822 && printable(address):
				p.origType, p.orig = k, address
			}
		}
	}
	return p
}

// parseNotify returns nil for a value that makes no sense, which is as if it was not there.
func parseNotify(value string) []smtp.DSNNotify {
	var list []smtp.DSNNotify
	seen := map[smtp.DSNNotify]bool{}
	for word := range strings.SplitSeq(strings.ToUpper(value), ",") {
		n := smtp.DSNNotify(word)
		switch n {
		case smtp.DSNNotifyNever, smtp.DSNNotifyDelayed, smtp.DSNNotifyFailure, smtp.DSNNotifySuccess:
		default:
			return nil
		}
		if !seen[n] {
			list = append(list, n)
		}
		seen[n] = true
	}
	if seen[smtp.DSNNotifyNever] && len(list) > 1 {
		return nil
	}
	return list
}

// wants says whether the sender wants to hear of this event. Without a NOTIFY it is told of
// failures and delays (RFC 3461, 4.1).
func (p rcptParams) wants(event smtp.DSNNotify) bool {
	if len(p.notify) == 0 {
		return event == smtp.DSNNotifyFailure || event == smtp.DSNNotifyDelayed
	}
	for _, n := range p.notify {
		if n == event {
			return true
		}
	}
	return false
}

// decodeXtext undoes RFC 3461, 4: "+" and two upper-case hexadecimal digits are one octet.
func decodeXtext(s string) (string, bool) {
	if !strings.Contains(s, "+") {
		return s, true
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '+' {
			out = append(out, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		high, ok1 := hexDigit(s[i+1])
		low, ok2 := hexDigit(s[i+2])
		if !ok1 || !ok2 {
			return "", false
		}
		out = append(out, high<<4|low)
		i += 2
	}
	return string(out), true
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// printable says whether s is ASCII without control characters.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}
