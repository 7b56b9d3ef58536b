package upstream

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/internal/accounts"
	"heliograph/internal/oauth"
)

// enrolling is an upstream that takes gateway passwords.
func enrolling(t *testing.T) *Upstream {
	t.Helper()
	r, err := New([]config.Upstream{{
		Name: "main", Default: true, SignIn: config.SignInEnrolled,
		SMTP: config.Endpoint{Address: "smtp.example.com:587", TLS: config.TLSStartTLS}, IMAP: config.Endpoint{Address: "imap.example.com:993", TLS: config.TLSImplicit},
	}}, Options{Accounts: new(accounts.Book)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r.list[0]
}

// The vectors are Google's and Microsoft's own, and one of RFC 7628's form.
func TestProve(t *testing.T) {
	t.Parallel()
	u := enrolling(t)
	for _, c := range []struct {
		credential accounts.Credential
		offered    string
		want       string
	}{
		{accounts.Credential{User: "user@example.com", Token: "ya29.token"}, "PLAIN XOAUTH2 OAUTHBEARER", "XOAUTH2 dXNlcj11c2VyQGV4YW1wbGUuY29tAWF1dGg9QmVhcmVyIHlhMjkudG9rZW4BAQ=="},
		{
			accounts.Credential{User: "test@contoso.onmicrosoft.com", Token: "EwBAAl3BAAUFFpUAo7J3Ve0bjLBWZWCclRC3EoAA"},
			"LOGIN XOAUTH2",
			"XOAUTH2 dXNlcj10ZXN0QGNvbnRvc28ub25taWNyb3NvZnQuY29tAWF1dGg9QmVhcmVyIEV3QkFBbDNCQUFVRkZwVUFvN0ozVmUwYmpMQldaV0NjbFJDM0VvQUEBAQ==",
		},
		{
			accounts.Credential{User: "user@example.com", Token: "ya29.token"},
			"OAUTHBEARER",
			"OAUTHBEARER bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9aW1hcC5leGFtcGxlLmNvbQFwb3J0PTk5MwFhdXRoPUJlYXJlciB5YTI5LnRva2VuAQE=",
		},
		{accounts.Credential{User: "u", Password: "p"}, "XOAUTH2 PLAIN LOGIN", "PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00u\x00p"))},
		{accounts.Credential{User: "u", Password: "p"}, "LOGIN", "LOGIN dQ== cA=="},
	} {
		p, err := u.Prove(c.credential, strings.Fields(c.offered), config.ProtocolIMAP)
		if err != nil {
			t.Errorf("%s: %v", c.want, err)
			continue
		}
		got := p.Mechanism
		for _, r := range p.Responses {
			got += " " + string(r)
		}
		if got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
		if mech, _, _ := strings.Cut(c.want, " "); mech != "LOGIN" { // the front reads what we write
			b, _ := base64.StdEncoding.DecodeString(string(p.Responses[0]))
			if _, user, ok := Username(mech, b); !ok || user != c.credential.User {
				t.Errorf("%s: the user is read as %q", mech, user)
			}
		}
		p.Wipe()
		if p.Responses[0][0] != 0 {
			t.Error("the response is still there")
		}
	}
	for _, c := range []accounts.Credential{{User: "u", Token: "t"}, {User: "u", Password: "p"}} {
		if _, err := u.Prove(c, []string{"GSSAPI"}, config.ProtocolSMTP); !errors.Is(err, errNoProof) {
			t.Errorf("got %v", err)
		}
	}
	odd, err := u.Prove(accounts.Credential{User: "a=b,c", Token: "t"}, []string{"OAUTHBEARER"}, config.ProtocolSMTP)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := base64.StdEncoding.DecodeString(string(odd.Responses[0]))
	if _, user, ok := Username("OAUTHBEARER", b); !ok || user != "a=b,c" {
		t.Errorf("got %q out of %q", user, b)
	}
}

// iCloud knows its users by their local part at IMAP, and by the address at SMTP.
func TestLocalIMAPUser(t *testing.T) {
	t.Parallel()
	u := enrolling(t)
	u.preset, _ = config.LookupPreset("icloud")
	for service, user := range map[string]string{config.ProtocolIMAP: "kim", config.ProtocolSMTP: "kim@icloud.com"} {
		p, err := u.Prove(accounts.Credential{User: "kim@icloud.com", Password: "p"}, []string{"PLAIN"}, service)
		if want := base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00p")); err != nil || string(p.Responses[0]) != want {
			t.Errorf("%s: got %v, want %s", service, err, want)
		}
	}
}

func TestLongTokensGoInALineOfTheirOwn(t *testing.T) {
	t.Parallel()
	p, err := enrolling(t).Prove(accounts.Credential{User: "u", Token: strings.Repeat("x", 10_000)}, []string{"XOAUTH2"}, config.ProtocolSMTP)
	if err != nil || p.Initial() != nil {
		t.Errorf("got an initial response of %d bytes, %v", len(p.Initial()), err)
	}
}

func TestParseFailure(t *testing.T) {
	t.Parallel()
	got, ok := ParseFailure([]byte("eyJzdGF0dXMiOiI0MDAiLCJzY2hlbWVzIjoiQmVhcmVyIiwic2NvcGUiOiJodHRwczovL21haWwuZ29vZ2xlLmNvbS8ifQ=="))
	if !ok || got.Status != "400" || got.Scope != "https://mail.google.com/" {
		t.Errorf("got %+v, %v", got, ok)
	}
	for _, other := range []string{"", "VXNlcm5hbWU6", "!!", "e30="} {
		if got, ok := ParseFailure([]byte(other)); ok {
			t.Errorf("%q: got %+v", other, got)
		}
	}
}

func FuzzParseFailure(f *testing.F) {
	f.Add([]byte("eyJzdGF0dXMiOiI0MDAifQ=="))
	f.Fuzz(func(t *testing.T, challenge []byte) {
		got, ok := ParseFailure(challenge)
		text := RefusedGrant("a@example.com", accounts.Credential{Token: "t"}, got)
		if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) || len(text) > 3*maxWords || !ok && got != (Failure{}) {
			t.Fatalf("got %q", text)
		}
	})
}

func TestSignInTrouble(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err       error
		want      string
		temporary bool
	}{
		{&oauth.Error{Status: 400, Code: "invalid_grant", Description: "AADSTS700082: The refresh token has expired"}, "AADSTS700082, the grant has expired: it was not used for too long: run heliograph account enroll a@example.com", false},
		{&oauth.Error{Status: 400, Code: "invalid_grant", Description: "Token has been expired or revoked."}, "was withdrawn or has expired: run heliograph account enroll", false},
		{&oauth.Error{Code: oauth.CodeNotConnected}, "nothing is stored", false},
		{&oauth.Error{Status: 401, Code: "invalid_client", Description: "AADSTS7000222: expired"}, "AADSTS7000222, the client secret has expired: the administrator", false},
		{&oauth.Error{Status: 400, Code: "invalid_scope", Description: "AADSTS99999"}, "AADSTS99999: the administrator must check the scopes", false},
		{&oauth.Error{Status: 503}, "does not answer now", true},
		{errors.New("the disk is full"), "try again later", true},
		{&accounts.HeldError{Wait: 90 * time.Second}, "left alone for 2 minutes", true},
	} {
		text, temporary := SignInTrouble("a@example.com", fmt.Errorf("account: %w", c.err))
		if !strings.Contains(text, c.want) || temporary != c.temporary {
			t.Errorf("%v: got %q, %v", c.err, text, temporary)
		}
	}
}

// What a client is shown has the mechanisms of gateway passwords, and all else as the upstream has it.
func TestPasswordsAreOffered(t *testing.T) {
	t.Parallel()
	u := enrolling(t)
	for given, want := range map[string]string{
		"250-mx\r\n250-SIZE 1000\r\n250 AUTH XOAUTH2\r\n":        "SIZE 1000|AUTH XOAUTH2 PLAIN LOGIN",
		"250-mx\r\n250-SIZE 1000\r\n250 DSN\r\n":                 "SIZE 1000|DSN|AUTH PLAIN LOGIN",
		"250-mx\r\n250-AUTH LOGIN PLAIN XOAUTH2\r\n250 8BIT\r\n": "AUTH LOGIN PLAIN XOAUTH2|8BIT",
	} {
		x, err := ParseEHLO([]byte(given))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(u.withPasswords(x).Downstream(true, false, false, 0), "|"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	got := ParseCapabilities([]byte("IMAP4rev1 LOGINDISABLED AUTH=XOAUTH2 SASL-IR")).withPasswords()
	if got.Has("LOGINDISABLED") || !slices.Equal(got.Mechanisms(), []string{"XOAUTH2", "PLAIN"}) {
		t.Errorf("got %s", got)
	}
	u.cfg.SignIn = config.SignInOwn
	x, _ := ParseEHLO([]byte("250-mx\r\n250 AUTH XOAUTH2\r\n"))
	if got := u.withPasswords(x).Mechanisms(); !slices.Equal(got, []string{"XOAUTH2"}) {
		t.Errorf("where nobody is enrolled: got %v", got)
	}
}
