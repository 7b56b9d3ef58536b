package scan

import (
	"encoding/base64"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// modified is the base64 of mailbox names: "," in the place of "/", no padding. RFC 3501, 5.1.3.
var modified = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").
	WithPadding(base64.NoPadding).Strict()

// decodeUTF7 returns a name as UTF-8. It fails where the name is not what appendUTF7 would
// have made of the result, so that a second spelling does not pass for the first.
func decodeUTF7(raw []byte) (string, bool) {
	var out strings.Builder
	for i := 0; i < len(raw); i++ {
		if raw[i] != '&' {
			out.WriteByte(raw[i])
			continue
		}
		first := i + 1
		for i < len(raw) && raw[i] != '-' {
			i++
		}
		if i == len(raw) {
			return "", false
		}
		if first == i {
			out.WriteByte('&')
			continue
		}
		if !decodeRun(&out, raw[first:i]) {
			return "", false
		}
	}
	name := out.String()
	return name, utf8.ValidString(name) && string(appendUTF7(nil, name)) == string(raw)
}

// decodeRun decodes one stretch of base64.
func decodeRun(out *strings.Builder, run []byte) bool {
	wide, err := modified.DecodeString(string(run))
	if err != nil || len(wide)%2 != 0 {
		return false
	}
	units := make([]uint16, 0, len(wide)/2)
	for i := 0; i < len(wide); i += 2 {
		units = append(units, uint16(wide[i])<<8|uint16(wide[i+1]))
	}
	for _, r := range utf16.Decode(units) {
		out.WriteRune(r)
	}
	return true
}

// appendUTF7 appends a name in modified UTF-7. RFC 3501, 5.1.3.
func appendUTF7(b []byte, name string) []byte {
	var wide []byte
	flush := func() {
		if len(wide) > 0 {
			b = append(modified.AppendEncode(append(b, '&'), wide), '-')
			wide = wide[:0]
		}
	}
	for _, r := range name {
		if r < ' ' || r > '~' {
			for _, u := range utf16.AppendRune(nil, r) {
				wide = append(wide, byte(u>>8), byte(u))
			}
			continue
		}
		flush()
		if b = append(b, byte(r)); r == '&' {
			b = append(b, '-')
		}
	}
	flush()
	return b
}
