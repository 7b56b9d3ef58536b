package mailtest_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"heliograph/internal/mailtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dial connects with a deadline for all that follows.
func dial(t *testing.T, network, addr string) net.Conn {
	t.Helper()
	c, err := net.DialTimeout(network, addr, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return c
}

func dialSMTP(t *testing.T, addr string) *smtp.Client {
	t.Helper()
	c, err := smtp.NewClient(dial(t, "tcp", addr), "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// submit sends one message over STARTTLS with a login, by DATA.
func submit(t *testing.T, addr string, p *mailtest.PostfixServer, to string, data []byte) {
	t.Helper()
	c := dialSMTP(t, addr)
	steps := []func() error{
		func() error { return c.StartTLS(p.Certs.Client()) },
		func() error { return c.Auth(smtp.PlainAuth("", p.Users[0].Name, p.Users[0].Password, "127.0.0.1")) },
		func() error { return c.Mail(p.Users[0].Name) },
		func() error { return c.Rcpt(to) },
	}
	for i, step := range steps {
		if err := step(); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
	bdat(t, c.Text, data)
}

// bdat sends data as one chunk, so that nothing of this side touches it.
func bdat(t *testing.T, c *textproto.Conn, data []byte) {
	t.Helper()
	fmt.Fprintf(c.W, "BDAT %d LAST\r\n", len(data))
	_, _ = c.W.Write(data)
	if err := c.W.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.ReadResponse(250); err != nil {
		t.Fatal(err)
	}
}

// TestPostfixDeliversTheCorpusUnchanged is the proof that the kit can prove byte identity.
func TestPostfixDeliversTheCorpusUnchanged(t *testing.T) {
	t.Parallel()
	p := mailtest.Postfix(t)
	to := p.Users[1].Name
	want := make(map[string][]byte)
	mails := append(mailtest.Corpus(1, 32), mailtest.Big(1, 30<<20))
	for _, m := range mails {
		submit(t, p.SubmissionAddr, p, to, m.Data)
		want[string(m.Data)] = m.Data
	}
	for i, d := range p.AwaitDeliveries(to, len(mails)) {
		if _, ok := want[string(d.Data)]; !ok {
			t.Errorf("delivery %d is no message that was sent: %d bytes %.300q, trace %q", i, len(d.Data), d.Data, d.Trace)
		}
		delete(want, string(d.Data))
	}
	for _, data := range want {
		t.Errorf("not delivered: %.300q", data)
	}
}

// TestClients sends by the programs that the project is tested with.
func TestClients(t *testing.T) {
	t.Parallel()
	p := mailtest.Postfix(t)
	user, to := p.Users[0], p.Users[1].Name
	const message = "From: li@example.com\r\nTo: wang@example.com\r\nSubject: x\r\n\r\n.\r\n..two\r\nend\r\n"
	file := filepath.Join(t.TempDir(), "mail")
	if err := os.WriteFile(file, []byte(message), 0o600); err != nil {
		t.Fatal(err)
	}
	// swaks adds the last line end itself.
	unended := filepath.Join(t.TempDir(), "mail")
	if err := os.WriteFile(unended, []byte(strings.TrimSuffix(message, "\r\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(p.SubmissionAddr)
	if err != nil {
		t.Fatal(err)
	}
	const script = `
import smtplib, ssl, sys
port, ca, user, password, to, path = sys.argv[1:]
with smtplib.SMTP("127.0.0.1", int(port)) as c:
    c.starttls(context=ssl.create_default_context(cafile=ca))
    c.login(user, password)
    c.sendmail(user, [to], open(path, "rb").read())
`
	for i, argv := range [][]string{
		{
			"swaks", "--server", p.SubmissionAddr, "--tls", "--tls-verify", "--tls-ca-path", p.Certs.CAFile, "--auth", "PLAIN",
			"--auth-user", user.Name, "--auth-password", user.Password, "--from", user.Name, "--to", to, "--data", "@" + unended,
		},
		{"python3", "-c", script, port, p.Certs.CAFile, user.Name, user.Password, to, file},
		{
			"curl", "--silent", "--show-error", "--url", "smtps://" + p.SubmissionsAddr, "--cacert", p.Certs.CAFile,
			"--user", user.Name + ":" + user.Password, "--mail-from", user.Name, "--mail-rcpt", to, "--upload-file", file,
		},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s\n%s", argv[0], err, out, p.Log())
		}
		got := p.AwaitDeliveries(to, i+1)
		if last := got[len(got)-1]; string(last.Data) != message {
			t.Errorf("%s: delivered %q, want %q", argv[0], last.Data, message)
		}
	}
}

func TestPostfixKnowsTheClientByPROXYAndXCLIENT(t *testing.T) {
	t.Parallel()
	p := mailtest.Postfix(t)
	to := p.Users[1].Name
	const message = "Subject: x\r\n\r\nx\r\n"
	for i, tc := range []struct{ addr, before, after string }{
		{p.ProxiedAddr, "PROXY TCP4 203.0.113.7 127.0.0.1 40000 25\r\n", ""},
		{p.SubmissionAddr, "", "XCLIENT ADDR=203.0.113.7"},
	} {
		raw := dial(t, "tcp", tc.addr)
		if _, err := raw.Write([]byte(tc.before)); err != nil {
			t.Fatal(err)
		}
		c, err := smtp.NewClient(raw, "localhost")
		if err != nil {
			t.Fatal(err)
		}
		if err := c.StartTLS(p.Certs.Client()); err != nil {
			t.Fatal(err)
		}
		say := func(code int, format string, args ...any) {
			t.Helper()
			if err := c.Text.PrintfLine(format, args...); err != nil {
				t.Fatal(err)
			}
			if _, words, err := c.Text.ReadResponse(code); err != nil {
				t.Fatalf(format+": %v %s", append(args, err, words)...)
			}
		}
		if tc.after != "" {
			say(220, "%s", tc.after)
			say(250, "EHLO me.example")
		}
		if err := c.Auth(smtp.PlainAuth("", p.Users[0].Name, p.Users[0].Password, "localhost")); err != nil {
			t.Fatal(err)
		}
		say(250, "MAIL FROM:<%s>", p.Users[0].Name)
		say(250, "RCPT TO:<%s>", to)
		bdat(t, c.Text, []byte(message))
		got := p.AwaitDeliveries(to, i+1)
		if trace := got[i].Trace; !strings.Contains(trace, "203.0.113.7") {
			t.Errorf("trace %q", trace)
		}
	}
}

func TestPostfixRefuses(t *testing.T) {
	t.Parallel()
	p := mailtest.Postfix(t)
	c := dialSMTP(t, p.SubmissionAddr)
	if err := c.StartTLS(p.Certs.Client()); err != nil {
		t.Fatal(err)
	}
	if err := c.Auth(smtp.PlainAuth("", p.Users[0].Name, "wrong", "127.0.0.1")); err == nil {
		t.Error("a wrong password is taken")
	}
	c = dialSMTP(t, p.RelayAddr)
	if err := c.Mail("x@elsewhere.example"); err != nil {
		t.Fatal(err)
	}
	if err := c.Rcpt("nobody@example.com"); err == nil {
		t.Error("an unknown user is taken")
	}
	if err := c.Rcpt("anyone@elsewhere.example"); err != nil {
		t.Errorf("elsewhere: %v", err)
	}
}

func TestDovecotReadsTheSameMailboxes(t *testing.T) {
	t.Parallel()
	p := mailtest.Postfix(t)
	to := p.Users[1]
	submit(t, p.SubmissionAddr, p, to.Name, []byte("Subject: by IMAP\r\n\r\nx\r\n"))
	p.AwaitDeliveries(to.Name, 1)
	for round := range 2 {
		text := textproto.NewConn(tls.Client(dial(t, "tcp", p.Dovecot.IMAPSAddr), p.Certs.Client()))
		if err := text.PrintfLine("a LOGIN %q %q\r\nb SELECT INBOX\r\nc FETCH 1 BODY.PEEK[TEXT]\r\nd LOGOUT", to.Name, to.Password); err != nil {
			t.Fatal(err)
		}
		var all strings.Builder
		for {
			line, err := text.ReadLine()
			if err != nil {
				break
			}
			all.WriteString(line + "\r\n")
		}
		if !strings.Contains(all.String(), "BODY[TEXT] {3}\r\nx\r\n)") {
			t.Errorf("round %d: IMAP says %s", round, all.String())
		}
		p.Dovecot.Stop()
		p.Dovecot.Start()
	}
}

func TestLMTP(t *testing.T) {
	t.Parallel()
	d := mailtest.Dovecot(t)
	c := textproto.NewConn(dial(t, "unix", d.LMTPSocket))
	if _, _, err := c.ReadResponse(220); err != nil {
		t.Fatal(err)
	}
	for _, say := range []struct {
		line string
		code int
	}{
		{"LHLO me", 250},
		{"MAIL FROM:<a@b.example>", 250},
		{"RCPT TO:<nobody@example.com>", 550},
		{"RCPT TO:<" + d.Users[0].Name + ">", 250},
		{"DATA", 354},
		{"Subject: x\r\n\r\nx\r\n.", 250},
	} {
		if err := c.PrintfLine("%s", say.line); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.ReadResponse(say.code); err != nil {
			t.Fatalf("%s: %v", say.line, err)
		}
	}
	found, err := filepath.Glob(filepath.Join(d.Maildir(d.Users[0].Name), "new", "*"))
	if err != nil || len(found) != 1 {
		t.Errorf("%v, %v, want one file", found, err)
	}
}

func TestRedisStopsAndStarts(t *testing.T) {
	t.Parallel()
	r := mailtest.Redis(t)
	r.Stop()
	if c, err := net.DialTimeout("tcp", r.Addr, time.Second); err == nil {
		_ = c.Close()
		t.Error("a stopped server answers")
	}
	r.Start()
	c, err := net.DialTimeout("tcp", r.Addr, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
}

func TestCorpusIsDeterministicAndLegal(t *testing.T) {
	t.Parallel()
	a, b := mailtest.Corpus(7, 300), mailtest.Corpus(7, 300)
	other := mailtest.Corpus(8, 300)
	seen := make(map[string]string)
	for i := range a {
		if !bytes.Equal(a[i].Data, b[i].Data) || a[i].Name != b[i].Name {
			t.Errorf("%s differs between two calls", a[i].Name)
		}
		if bytes.Equal(a[i].Data, other[i].Data) {
			t.Errorf("%s is the same with another seed", a[i].Name)
		}
		if first, twice := seen[string(a[i].Data)]; twice {
			t.Errorf("%s equals %s", a[i].Name, first)
		}
		seen[string(a[i].Data)] = a[i].Name
		pairs := bytes.Count(a[i].Data, []byte("\r\n"))
		if bytes.Count(a[i].Data, []byte("\r")) != pairs || bytes.Count(a[i].Data, []byte("\n")) != pairs ||
			!bytes.HasSuffix(a[i].Data, []byte("\r\n")) || bytes.IndexByte(a[i].Data, 0) >= 0 {
			t.Errorf("%s has a bare CR or LF, a NUL, or no end of line", a[i].Name)
		}
		if eight := bytes.ContainsFunc(a[i].Data, func(r rune) bool { return r > 127 }); eight && a[i].Body == "" {
			t.Errorf("%s is 8-bit and does not say so", a[i].Name)
		}
	}
	if m := mailtest.Big(7, 1<<20); len(m.Data) < 1<<20 || len(m.Data) > 1<<20+200 {
		t.Errorf("big: %d bytes", len(m.Data))
	}
	if m := mailtest.Binary(7, 3); bytes.IndexByte(m[2].Data, 0) < 0 || bytes.HasSuffix(m[2].Data, []byte("\r\n")) {
		t.Error("binary holds no NUL or ends in a line")
	}
}

// TestServersEndWithTheirTest runs itself once more as a process that starts
// servers and is killed.
func TestServersEndWithTheirTest(t *testing.T) {
	const role = "HELIOGRAPH_TEST_ROLE"
	if os.Getenv(role) == "victim" {
		p, r := mailtest.Postfix(t), mailtest.Redis(t)
		fmt.Println("addresses", p.SubmissionAddr, p.Dovecot.IMAPAddr, r.Addr)
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestServersEndWithTheirTest$", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), role+"=victim")
	out, err := cmd.Output()
	if err == nil || !strings.Contains(string(out), "addresses ") {
		t.Fatalf("the victim: %v\n%s", err, out)
	}
	_, line, _ := strings.Cut(string(out), "addresses ")
	line, _, _ = strings.Cut(line, "\n")
	for _, addr := range strings.Fields(line) {
		mailtest.Eventually(t, 20*time.Second, func() error {
			c, err := net.DialTimeout("tcp", addr, time.Second)
			if err != nil {
				return nil
			}
			_ = c.Close()
			return fmt.Errorf("%s still answers", addr)
		})
	}
}
