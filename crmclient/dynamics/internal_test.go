package dynamics

import (
	"strings"
	"testing"
)

func FuzzForeignTexts(f *testing.F) {
	for _, s := range []string{"", "O'Hara", "''", "a\nb", "2026-03-04T05:06:07Z", "https://www.acme.example/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l := text(s)
		inner := strings.ReplaceAll(l[1:len(l)-1], "''", "")
		if l[0] != '\'' || l[len(l)-1] != '\'' || strings.Contains(inner, "'") || strings.ContainsAny(l, "\r\n\x00") {
			t.Errorf("the literal of %q is %q", s, l)
		}
		row{"modifiedon": s}.time("modifiedon")
	})
}
