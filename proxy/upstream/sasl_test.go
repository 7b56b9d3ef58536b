package upstream_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"unicode/utf8"

	"heliograph/proxy/upstream"
)

func decode(t *testing.T, s string) string {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatalf("decode %q: %v", s, err)
	}
	return string(b)
}

func TestUsername(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		mech, response   string
		authzid, authcid string // empty authcid: not ok
	}{
		"PLAIN":                    {"PLAIN", "\x00tim\x00tanstaaftanstaaf", "", "tim"}, // RFC 4616, 4
		"PLAIN with authzid":       {"plain", "Ursel\x00Kurt\x00xipj3plmq", "Ursel", "Kurt"},
		"PLAIN, Chinese":           {"PLAIN", "\x00张伟@例子.公司\x00p", "", "张伟@例子.公司"},
		"PLAIN, no password":       {"PLAIN", "\x00tim\x00", "", ""},
		"PLAIN, no user":           {"PLAIN", "\x00\x00secret", "", ""},
		"PLAIN, two fields":        {"PLAIN", "tim\x00secret", "", ""},
		"PLAIN, four fields":       {"PLAIN", "a\x00b\x00c\x00d", "", ""},
		"PLAIN, bad UTF-8":         {"PLAIN", "\x00t\xffm\x00p", "", ""},
		"PLAIN, line end":          {"PLAIN", "\x00t\r\nm\x00p", "", ""},
		"LOGIN":                    {"LOGIN", "user@example.com", "", "user@example.com"},
		"LOGIN, empty":             {"LOGIN", "", "", ""},
		"LOGIN, long":              {"LOGIN", strings.Repeat("a", 1025), "", ""},
		"XOAUTH2":                  {"XOAUTH2", decode(t, "dXNlcj11c2VyQGV4YW1wbGUuY29tAWF1dGg9QmVhcmVyIHlhMjkudG9rZW4BAQ=="), "", "user@example.com"},
		"XOAUTH2, Microsoft":       {"XOAUTH2", decode(t, "dXNlcj10ZXN0QGNvbnRvc28ub25taWNyb3NvZnQuY29tAWF1dGg9QmVhcmVyIEV3QkFBbDNCQUFVRkZwVUFvN0ozVmUwYmpMQldaV0NjbFJDM0VvQUEBAQ=="), "", "test@contoso.onmicrosoft.com"},
		"XOAUTH2, no user":         {"XOAUTH2", "auth=Bearer x\x01\x01", "", ""},
		"OAUTHBEARER":              {"OAUTHBEARER", decode(t, "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9aW1hcC5leGFtcGxlLmNvbQFwb3J0PTk5MwFhdXRoPUJlYXJlciB5YTI5LnRva2VuAQE="), "", "user@example.com"},
		"OAUTHBEARER, escapes":     {"OAUTHBEARER", "n,a=a=2Cb=3Dc,\x01auth=Bearer x\x01\x01", "", "a,b=c"},
		"OAUTHBEARER, bad escape":  {"OAUTHBEARER", "n,a=a=2Db,\x01auth=Bearer x\x01\x01", "", ""},
		"OAUTHBEARER, no name":     {"OAUTHBEARER", "n,,\x01auth=Bearer x\x01\x01", "", ""},
		"OAUTHBEARER, no fields":   {"OAUTHBEARER", "n,a=user@example.com,", "", ""},
		"SCRAM":                    {"SCRAM-SHA-1", "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL", "", "user"}, // RFC 5802, 5
		"SCRAM with authzid":       {"SCRAM-SHA-256", "y,a=boss,n=user=2C1,r=x", "boss", "user,1"},
		"SCRAM, channel binding":   {"SCRAM-SHA-256-PLUS", "p=tls-unique,,n=user,r=x", "", "user"},
		"SCRAM, unknown extension": {"SCRAM-SHA-1", "n,,m=x,n=user,r=x", "", ""},
		"SCRAM, no nonce":          {"SCRAM-SHA-1", "n,,n=user", "", ""},
		"CRAM-MD5":                 {"CRAM-MD5", "tim b913a602c7eda7a495b4e6e7334d3890", "", "tim"}, // RFC 2195, 3
		"CRAM-MD5, blank in name":  {"CRAM-MD5", "tim t b913a602c7eda7a495b4e6e7334d3890", "", "tim t"},
		"CRAM-MD5, short digest":   {"CRAM-MD5", "tim b913a602", "", ""},
		"CRAM-MD5, no digest":      {"CRAM-MD5", "tim b913a602c7eda7a495b4e6e7334d389x", "", ""},
		"NTLM":                     {"NTLM", "NTLMSSP\x00", "", ""},
		"too long":                 {"XOAUTH2", "user=a\x01auth=Bearer " + strings.Repeat("x", 64<<10), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			authzid, authcid, ok := upstream.Username(c.mech, []byte(c.response))
			if authzid != c.authzid || authcid != c.authcid || ok != (c.authcid != "") {
				t.Errorf("got %q %q %v, want %q %q", authzid, authcid, ok, c.authzid, c.authcid)
			}
		})
	}
}

func TestAccount(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ user, domain, want string }{
		{"Anna@Example.COM", "other.example", "anna@example.com"},
		{" anna ", "Example.com", "anna@example.com"},
		{"anna", "", "anna"},
		{`CORP\Anna`, "example.com", `corp\anna`},
		{"李@例子.公司", "", "李@xn--fsqu00a.xn--55qx5d"},
		{"a@b@Example.com.", "", "a@b@example.com"},
		{"", "example.com", ""},
	} {
		if got := upstream.Account(c.user, c.domain); got != c.want {
			t.Errorf("Account(%q, %q) = %q, want %q", c.user, c.domain, got, c.want)
		}
	}
}

func FuzzUsername(f *testing.F) {
	mechs := []string{"PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER", "SCRAM-SHA-256", "CRAM-MD5"}
	f.Add(0, []byte("a\x00b\x00c"))
	f.Add(2, []byte("user=a\x01auth=Bearer x\x01\x01"))
	f.Add(3, []byte("n,a=a=2C,\x01auth=Bearer x\x01\x01"))
	f.Add(4, []byte("n,a=z,n=u=3D,r=x"))
	f.Add(5, []byte("tim b913a602c7eda7a495b4e6e7334d3890"))
	f.Fuzz(func(t *testing.T, which int, response []byte) {
		mech := mechs[uint(which)%uint(len(mechs))]
		authzid, authcid, ok := upstream.Username(mech, response)
		if !ok {
			if authzid+authcid != "" {
				t.Fatalf("%s %q: names without ok", mech, response)
			}
			return
		}
		for _, name := range []string{authzid, authcid} {
			if len(name) > 1024 || !utf8.ValidString(name) || strings.ContainsAny(name, "\x00\r\n") {
				t.Fatalf("%s %q: unsafe name %q", mech, response, name)
			}
		}
		if authcid == "" {
			t.Fatalf("%s %q: ok without a name", mech, response)
		}
		if account := upstream.Account(authcid, "example.com"); strings.ContainsAny(account, "\r\n") {
			t.Fatalf("account %q", account)
		}
	})
}
