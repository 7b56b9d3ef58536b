package builtin

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"heliograph/crmclient"
)

// InvalidError says which field of a record cannot be stored.
type InvalidError struct {
	Field  string
	Reason string
}

// Error names the field and the reason.
func (e *InvalidError) Error() string { return e.Field + " " + e.Reason }

// Lengths in bytes. They keep a record readable and a table scan fast; mail text is not bound by them.
const (
	maxName      = 300
	maxShort     = 200 // phones, titles, names of stages
	maxLine      = 1000
	maxNote      = 100_000
	maxCustom    = 64 << 10
	maxAddress   = 320 // RFC 3696, errata 1690: 64 + 1 + 255
	maxAddresses = 50
)

// checks gathers the first mistake of a record.
type checks struct{ err error }

func (k *checks) fail(field, format string, args ...any) {
	if k.err == nil {
		k.err = &InvalidError{Field: field, Reason: fmt.Sprintf(format, args...)}
	}
}

// line cleans and checks a text of one line.
func (k *checks) line(field string, s *string, limit int) {
	*s = strings.TrimSpace(clean(*s))
	if strings.ContainsFunc(*s, unicode.IsControl) {
		k.fail(field, "has a line break or control character")
	}
	if len(*s) > limit {
		k.fail(field, "is longer than %d bytes", limit)
	}
}

func (k *checks) required(field string, s *string, limit int) {
	k.line(field, s, limit)
	if *s == "" {
		k.fail(field, "is missing")
	}
}

func (k *checks) text(field string, s *string) {
	*s = clean(*s)
	if len(*s) > maxNote {
		k.fail(field, "is longer than %d bytes", maxNote)
	}
}

// oneOf checks a closed set; empty becomes the first of the set.
func (k *checks) oneOf(field string, s *string, set []string) {
	if *s == "" {
		*s = set[0]
	}
	if !slices.Contains(set, *s) {
		k.fail(field, "is %q; it must be one of %s", *s, strings.Join(set, ", "))
	}
}

// custom returns the JSON of custom fields.
func (k *checks) custom(fields map[string]any) string {
	if len(fields) == 0 {
		return "{}"
	}
	b, err := json.Marshal(fields)
	if err != nil || len(b) > maxCustom {
		k.fail("custom", "cannot be stored; it must be JSON of at most %d bytes", maxCustom)
	}
	return string(b)
}

func customOf(text string) (map[string]any, error) {
	if text == "" || text == "{}" {
		return nil, nil
	}
	var m map[string]any
	if err := crmclient.ExactJSON([]byte(text), &m); err != nil {
		return nil, fmt.Errorf("custom fields are not a JSON object: %w", err)
	}
	return m, nil
}

// clean makes a text that both engines store: valid UTF-8 without NUL, which PostgreSQL refuses.
func clean(s string) string {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "")
	}
	return s
}

// truncate cuts to at most limit bytes, between runes, and says so with an ellipsis.
func truncate(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	cut := limit - len("…")
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// searchText is the form in which texts and queries meet in a substring search.
func searchText(parts ...string) string {
	return strings.ToLower(norm.NFKC.String(clean(strings.Join(parts, "\n"))))
}

func normalAddress(s string) string { return strings.ToLower(strings.TrimSpace(clean(s))) }

func normalAddresses(in []string) []string {
	var out []string
	for _, a := range in {
		if a = normalAddress(a); a != "" && !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}

// isAddress says whether s can be a mail address. It is looser than RFC 5321, because what a server delivers to counts.
func isAddress(s string) bool {
	at := strings.LastIndexByte(s, '@')
	return at > 0 && at < len(s)-1 && len(s) <= maxAddress &&
		!strings.ContainsFunc(s, func(r rune) bool {
			return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune("<>,;", r)
		})
}

func isCurrency(s string) bool {
	return len(s) == 3 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}
