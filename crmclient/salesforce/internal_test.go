package salesforce

import (
	"strings"
	"testing"
	"time"
)

// unquote reads a literal as Salesforce does.
func unquote(t *testing.T, literal string) string {
	t.Helper()
	inner := literal[1 : len(literal)-1]
	var b strings.Builder
	for i := 0; i < len(inner); i++ {
		switch inner[i] {
		case '\'':
			t.Fatalf("the literal ends early: %q", literal)
		case '\\':
			if i++; i == len(inner) {
				t.Fatalf("the literal does not end: %q", literal)
			}
			switch inner[i] {
			case 'n':
				b.WriteByte('\n')
			case 'r':
				b.WriteByte('\r')
			case '\\', '\'', '%', '_':
				b.WriteByte(inner[i])
			default:
				t.Fatalf("an escape that SOQL does not know: %q", literal)
			}
		default:
			if inner[i] < ' ' {
				t.Fatalf("a control character: %q", literal)
			}
			b.WriteByte(inner[i])
		}
	}
	return b.String()
}

func FuzzLiterals(f *testing.F) {
	for _, s := range []string{"", "O'Hara", `back\slash`, `'\`, "a\nb\r", "50%_", "\x00\x7f", "王芳"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want := strings.Map(func(r rune) rune {
			if r < ' ' && r != '\n' && r != '\r' || r == 0x7f {
				return ' '
			}
			return r
		}, strings.ToValidUTF8(s, "\ufffd"))
		if strings.ToValidUTF8(s, "") != s {
			want = "" // only that it ends where it should
		}
		if got := unquote(t, text(s)); want != "" && got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if got := unquote(t, like("", s, "")); want != "" && got != want {
			t.Errorf("LIKE: got %q, want %q", got, want)
		}
	})
}

func FuzzForeignTexts(f *testing.F) {
	f.Add("api-usage=18/5000; per-app-api-usage=17/250(appName=x)")
	f.Add("eyJmcm9tIjp7InQiOjEsImkiOiIwMDMwMDAwMDAwMDAwMDFBQUEifX0")
	f.Add("2026-03-04T05:06:07.000+0000")
	f.Fuzz(func(t *testing.T, s string) {
		u := &usage{reserve: 10, now: time.Now}
		u.observe(s)
		if u.most < 0 || u.used < 0 || u.most == 0 && u.used != 0 {
			t.Errorf("usage: %d of %d", u.used, u.most)
		}
		if p, err := parseFollower(s); err == nil && len(p.Seen) > maxSeen {
			t.Errorf("%d hashes", len(p.Seen))
		}
		matchesOf([]byte(s))
		row{"SystemModstamp": s}.time("SystemModstamp")
	})
}

func TestUsageTakesTheNearerLimit(t *testing.T) {
	t.Parallel()
	u := &usage{reserve: 10, now: time.Now}
	u.observe("api-usage=18/5000; per-app-api-usage=240/250(appName=x)")
	if u.used != 240 || u.most != 250 || u.allow() == nil {
		t.Errorf("got %d of %d", u.used, u.most)
	}
	u.observe("nonsense; api-usage=x/y")
	if u.used != 240 {
		t.Errorf("nonsense counts: %d", u.used)
	}
}

func TestAudience(t *testing.T) {
	t.Parallel()
	for login, want := range map[string]string{
		"https://login.salesforce.com": defaultURL, "https://test.salesforce.com": sandboxURL,
		"https://acme.my.salesforce.com": defaultURL, "https://acme--dev.sandbox.my.salesforce.com": sandboxURL,
	} {
		if got := (Config{}).withDefaults(); got.Audience != defaultURL {
			t.Errorf("default: %s", got.Audience)
		}
		if got := audienceOf(login); got != want {
			t.Errorf("%s: got %s, want %s", login, got, want)
		}
	}
}
