package upstream_test

import (
	"slices"
	"strings"
	"testing"

	"heliograph/proxy/upstream"
)

// ehlo makes a reply of lines without code.
func ehlo(lines ...string) []byte {
	var b strings.Builder
	for i, line := range lines {
		sep := "-"
		if i == len(lines)-1 {
			sep = " "
		}
		b.WriteString("250" + sep + line + "\r\n")
	}
	return []byte(b.String())
}

func parse(t *testing.T, lines ...string) upstream.Extensions {
	t.Helper()
	x, err := upstream.ParseEHLO(ehlo(lines...))
	if err != nil {
		t.Fatalf("parse %q: %v", lines, err)
	}
	return x
}

func TestParseEHLO(t *testing.T) {
	t.Parallel()
	x := parse(t, "mx.example.com Hello [1.2.3.4]", "SIZE 35882577", "8bitmime", "AUTH LOGIN PLAIN", "AUTH=LOGIN XOAUTH2",
		"auth login", "Pipelining ", "bad\x01line", "DSN")
	if x.Domain != "mx.example.com" {
		t.Errorf("domain %q", x.Domain)
	}
	if got, want := x.Keywords(), []string{"SIZE", "8BITMIME", "AUTH", "PIPELINING", "DSN"}; !slices.Equal(got, want) {
		t.Errorf("keywords %q, want %q", got, want)
	}
	if got, want := x.Mechanisms(), []string{"LOGIN", "PLAIN", "XOAUTH2"}; !slices.Equal(got, want) {
		t.Errorf("mechanisms %q, want %q", got, want)
	}
	if x.Size() != 35882577 || !x.Has("8BitMime") || x.Has("SMTPUTF8") {
		t.Errorf("size %d, has %v %v", x.Size(), x.Has("8BitMime"), x.Has("SMTPUTF8"))
	}
	if p, ok := x.Param("auth"); !ok || p != "LOGIN PLAIN" {
		t.Errorf("param %q %v", p, ok)
	}
}

func TestParseEHLORefuses(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"", "250-a\r\n", "550 no\r\n", "hello"} {
		if x, err := upstream.ParseEHLO([]byte(in)); err == nil {
			t.Errorf("%q parsed as %+v", in, x)
		}
	}
}

func TestDownstream(t *testing.T) {
	t.Parallel()
	server := []string{
		"mx", "PIPELINING", "SIZE 1000", "VRFY", "STARTTLS", "AUTH PLAIN SCRAM-SHA-256-PLUS SCRAM-SHA-256 EXTERNAL", "AUTH=PLAIN",
		"XCLIENT NAME ADDR", "XFORWARD NAME", "X-EXPS GSSAPI", "BURL imap", "REQUIRETLS", "chunking",
	}
	for name, c := range map[string]struct {
		server               []string
		tls, start, authSoon bool
		max                  int64
		want                 []string
	}{
		"before TLS":          {server, false, true, false, 0, []string{"PIPELINING", "SIZE 1000", "VRFY", "chunking", "STARTTLS"}},
		"under TLS":           {server, true, true, false, 0, []string{"PIPELINING", "SIZE 1000", "VRFY", "AUTH PLAIN SCRAM-SHA-256", "AUTH=PLAIN", "REQUIRETLS", "chunking"}},
		"AUTH in the clear":   {server, false, false, true, 0, []string{"PIPELINING", "SIZE 1000", "VRFY", "AUTH PLAIN SCRAM-SHA-256", "AUTH=PLAIN", "chunking"}},
		"our limit is lower":  {[]string{"mx", "SIZE 1000"}, true, false, false, 500, []string{"SIZE 500"}},
		"our limit is higher": {[]string{"mx", "SIZE 1000"}, true, false, false, 5000, []string{"SIZE 1000"}},
		"no limit but ours":   {[]string{"mx", "SIZE 0", "DSN"}, true, false, false, 500, []string{"SIZE 500", "DSN"}},
		"SIZE without number": {[]string{"mx", "SIZE"}, true, false, false, 0, []string{"SIZE"}},
		"no SIZE":             {[]string{"mx", "DSN"}, true, false, false, 500, []string{"DSN", "SIZE 500"}},
		"only bound AUTH":     {[]string{"mx", "AUTH EXTERNAL"}, true, false, false, 0, nil},
		"HELO server":         {[]string{"mx"}, false, true, false, 0, []string{"STARTTLS"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := parse(t, c.server...).Downstream(c.tls, c.start, c.authSoon, c.max)
			if !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestCommon(t *testing.T) {
	t.Parallel()
	a := parse(t, "a", "SIZE 3000", "8BITMIME", "DSN", "LIMITS RCPTMAX=100", "AUTH PLAIN LOGIN")
	b := parse(t, "b", "8bitmime", "SIZE 2000", "LIMITS RCPTMAX=10", "AUTH LOGIN XOAUTH2")
	c := parse(t, "c", "SIZE 0", "8BITMIME", "LIMITS RCPTMAX=100", "AUTH XOAUTH2")
	for name, x := range map[string]struct {
		list []upstream.Extensions
		want []string
	}{
		"none":              {nil, nil},
		"one":               {[]upstream.Extensions{a}, []string{"SIZE 3000", "8BITMIME", "DSN", "LIMITS RCPTMAX=100", "AUTH PLAIN LOGIN"}},
		"two":               {[]upstream.Extensions{a, b}, []string{"SIZE 2000", "8BITMIME", "AUTH LOGIN"}},
		"no common login":   {[]upstream.Extensions{a, c}, []string{"SIZE 3000", "8BITMIME", "LIMITS RCPTMAX=100", "AUTH PLAIN LOGIN XOAUTH2"}},
		"one knows nothing": {[]upstream.Extensions{a, parse(t, "d")}, []string{"AUTH PLAIN LOGIN"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := upstream.Common(x.list...).Downstream(true, false, false, 0); !slices.Equal(got, x.want) {
				t.Errorf("got %q, want %q", got, x.want)
			}
		})
	}
}

func FuzzParseEHLO(f *testing.F) {
	f.Add(ehlo("mx", "SIZE 10", "AUTH=LOGIN PLAIN", "auth x-plus", "STARTTLS"))
	f.Add([]byte("250-\r\n250 AUTH=\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		x, err := upstream.ParseEHLO(in)
		if err != nil {
			return
		}
		shown := x.Downstream(false, true, false, 100)
		for _, line := range shown {
			if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r > '~' }) || line == "" {
				t.Fatalf("line %q of %q", line, in)
			}
			if keyword := strings.ToUpper(strings.Fields(line + " -")[0]); keyword == "AUTH" || strings.HasPrefix(keyword, "AUTH=") || keyword == "XCLIENT" {
				t.Fatalf("%q shown before TLS", line)
			}
		}
		if again := upstream.Common(x, x); again.Has("SIZE") != x.Has("SIZE") || len(again.Mechanisms()) != len(x.Mechanisms()) {
			t.Fatalf("common with itself differs: %+v, %+v", x, again)
		}
	})
}
