package imapd_test

import (
	"context"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/internal/mailtest"
)

// Real mail programs log in at a real server, in every way that both know.
func TestRealPeers(t *testing.T) {
	t.Parallel()
	dovecot := mailtest.Dovecot(t)
	for name, mode := range map[string]config.TLSMode{"STARTTLS": config.TLSStartTLS, "implicit TLS": config.TLSImplicit} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFront(t, func(s *setup) {
				s.listener.TLS, s.listener.AllowPlaintextAuth = mode, false
				s.limits.LoginPerMinute = 100
				s.upstreams[0].IMAP = config.Endpoint{
					Address: dovecot.IMAPSAddr, TLS: config.TLSImplicit, CAFile: dovecot.Certs.CAFile,
					ServerName: "localhost", Timeout: config.Duration(20 * time.Second), ForwardClient: config.ForwardID,
				}
				if mode == config.TLSStartTLS {
					e := &s.upstreams[0].IMAP
					e.Address, e.TLS, e.ForwardClient = dovecot.IMAPAddr, config.TLSStartTLS, config.ForwardNone
				}
			})
			t.Run("curl", func(t *testing.T) { f.curl(t, mode) })
			t.Run("imaplib", func(t *testing.T) { f.imaplib(t, mode) })
		})
	}
}

// run runs a program that must end soon.
func run(t *testing.T, program string, args ...string) (output string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	return string(out), err
}

func (f *front) curl(t *testing.T, mode config.TLSMode) {
	_, port, err := net.SplitHostPort(f.addr)
	must(t, err)
	url := []string{"--ssl-reqd", "imap://localhost:" + port + "/"}
	if mode == config.TLSImplicit {
		url = []string{"imaps://localhost:" + port + "/"}
	}
	args := append([]string{"--silent", "--show-error", "--ipv4", "--cacert", f.ca.File, "--max-time", "30"}, url...)
	for name, options := range map[string][]string{
		"PLAIN":            {"--login-options", "AUTH=PLAIN", "--user", "li@example.com:correct horse"},
		"PLAIN at once":    {"--login-options", "AUTH=PLAIN", "--sasl-ir", "--user", "li@example.com:correct horse"},
		"AUTH=LOGIN":       {"--login-options", "AUTH=LOGIN", "--user", "zhang@example.com:π and ÿ"},
		"CRAM-MD5":         {"--login-options", "AUTH=CRAM-MD5", "--user", "li@example.com:correct horse"},
		"the best of both": {"--user", "li@example.com:correct horse"},
	} {
		out, err := run(t, "curl", append(options, args...)...)
		if err != nil || !strings.Contains(out, "INBOX") {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
	out, err := run(t, "curl", append([]string{"--user", "li@example.com:wrong"}, args...)...)
	if err == nil || !strings.Contains(out, "(67)") { // CURLE_LOGIN_DENIED
		t.Errorf("a wrong password: %v: %s", err, out)
	}
}

const imaplibScript = `
import imaplib, ssl, sys

host, port, ca, implicit = 'localhost', int(sys.argv[1]), sys.argv[2], sys.argv[3] == 'implicit'
context = ssl.create_default_context(cafile=ca)

def connect():
    if implicit:
        return imaplib.IMAP4_SSL(host, port, ssl_context=context)
    c = imaplib.IMAP4(host, port)
    try:
        c.login('li@example.com', 'correct horse')
        sys.exit('a login in clear')
    except imaplib.IMAP4.error as e:
        assert 'PRIVACYREQUIRED' in str(e), e
    c.starttls(context)
    return c

def use(c):
    assert c.select()[0] == 'OK'
    assert c.noop()[0] == 'OK'
    assert c.logout()[0] == 'BYE'

c = connect()
assert c.login('li@example.com', 'correct horse')[0] == 'OK'
use(c)

c = connect()
assert c.authenticate('PLAIN', lambda _: b'\0wang@example.com\0battery staple')[0] == 'OK'
use(c)

c = connect()
assert c.login_cram_md5('li@example.com', 'correct horse')[0] == 'OK'
use(c)

c = connect()
imaplib.Commands['ID'] = ('NONAUTH', 'AUTH', 'SELECTED')
assert c._simple_command('ID', '("name" "imaplib")')[0] == 'OK'
assert c.untagged_responses['ID'] == [b'("name" "Dovecot")'], c.untagged_responses
c.literal = b'correct horse'  # imaplib sends it behind the line, once it may
assert c._simple_command('LOGIN', 'li@example.com')[0] == 'OK'
c.state = 'AUTH'
use(c)

c = connect()
try:
    c.authenticate('XOAUTH2', lambda _: b'user=li@example.com\1auth=Bearer rubbish\1\1')
    sys.exit('rubbish was let in')
except imaplib.IMAP4.error as e:
    assert 'Unsupported authentication mechanism' in str(e), e
try:
    c.login('li@example.com', 'wrong')
    sys.exit('a wrong password was let in')
except imaplib.IMAP4.error as e:
    assert 'AUTHENTICATIONFAILED' in str(e), e
assert c.login('li@example.com', 'correct horse')[0] == 'OK'
use(c)
print('done')
`

func (f *front) imaplib(t *testing.T, mode config.TLSMode) {
	_, port, err := net.SplitHostPort(f.addr)
	must(t, err)
	out, err := run(t, "python3", "-c", imaplibScript, port, f.ca.File, string(mode))
	if err != nil || strings.TrimSpace(out) != "done" {
		t.Errorf("%v: %s", err, out)
	}
}
