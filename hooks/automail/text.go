package automail

import (
	"os"
	"strings"
	"unicode/utf8"
)

// hostname is our name in EHLO and in notices.
func hostname(configured string) string {
	if configured != "" && printable(configured) && !strings.ContainsAny(configured, " ;()<>") {
		return configured
	}
	if name, err := os.Hostname(); err == nil && name != "" {
		return name
	}
	return "localhost"
}

// clean makes text of strangers fit for one line and for PostgreSQL.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

// clip is clean and bounded.
func clip(s string) string {
	s = clean(s)
	if len(s) <= maxText {
		return s
	}
	cut := maxText
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
