package gateway_test

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"heliograph/internal/journal"
	"heliograph/internal/mailtest"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// TestMailPrograms sends one mail with each of the programs that people and scripts use,
// through the gateway to a real Postfix, and finds it there and in the CRM.
func TestMailPrograms(t *testing.T) {
	t.Parallel()
	p := mailtest.Postfix(t)
	g := start(t, upstreamTo(p)+listeners)
	from, to := p.Users[0], p.Users[1]
	host, port, err := net.SplitHostPort(g.Addr(0).String())
	if err != nil {
		t.Fatal(err)
	}
	_, tlsPort, err := net.SplitHostPort(g.Addr(1).String())
	if err != nil {
		t.Fatal(err)
	}
	customer := "customer@elsewhere.example"
	file := func(name string) string {
		path := filepath.Join(t.TempDir(), name+".eml")
		if err := os.WriteFile(path, simple(from.Name, to.Name+", "+customer, "via "+name, name+"@example.com"), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	python := fmt.Sprintf(`
import smtplib, ssl
c = ssl.create_default_context(cafile=%q)
s = smtplib.SMTP("localhost", %s)
s.starttls(context=c)
s.login(%q, %q)
s.sendmail(%q, [%q, %q], open(%q, "rb").read())
s.quit()
`, g.certs.CAFile, port, from.Name, from.Password, from.Name, to.Name, customer, file("smtplib"))
	programs := map[string]*exec.Cmd{
		"swaks": exec.Command("swaks", "--server", host, "--port", port, "--tls", "--auth", "LOGIN", "--auth-user", from.Name, "--auth-password", from.Password,
			"--from", from.Name, "--to", to.Name+","+customer, "--data", "@"+file("swaks")),
		"curl": exec.Command("curl", "-sS", "--ssl-reqd", "--cacert", g.certs.CAFile, "smtps://localhost:"+tlsPort, "--user", from.Name+":"+from.Password,
			"--mail-from", from.Name, "--mail-rcpt", to.Name, "--mail-rcpt", customer, "--upload-file", file("curl"), "--resolve", "localhost:"+tlsPort+":127.0.0.1"),
		"msmtp": exec.Command("msmtp", "--host=localhost", "--port="+port, "--tls=on", "--tls-starttls=on", "--tls-trust-file="+g.certs.CAFile,
			"--auth=plain", "--user="+from.Name, "--passwordeval=echo "+from.Password, "--from="+from.Name, "--logfile=-", to.Name, customer),
		"smtplib": exec.Command("python3", "-c", python),
	}
	in, err := os.Open(file("msmtp"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	programs["msmtp"].Stdin = in
	for name, cmd := range programs {
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
	}
	got := map[string]bool{}
	for _, d := range p.AwaitDeliveries(to.Name, len(programs)) {
		for name := range programs {
			if bytes.Contains(d.Data, []byte("Subject: via "+name+"\r\n")) {
				got[name] = true
			}
		}
	}
	if len(got) != len(programs) {
		t.Errorf("Postfix delivered those of %v", got)
	}
	for _, a := range g.activities(len(programs)) {
		if !strings.Contains(a.Text, "Hello 你好") || a.Accounts[0] != from.Name || a.Direction != "outbound" {
			t.Errorf("activity %+v", a)
		}
	}
	contacts, err := g.crm.FindContacts(t.Context(), []string{customer})
	if err != nil || len(contacts) != 1 {
		t.Errorf("contacts of the customer: %v, %v", contacts, err)
	}
}

// TestBytesAreTheSame sends 300 messages of all kinds over DATA and BDAT in turn and
// compares what Postfix delivered with what the client sent.
func TestBytesAreTheSame(t *testing.T) {
	t.Parallel()
	p := mailtest.Postfix(t)
	g := start(t, upstreamTo(p)+listeners+"targets: []\n")
	corpus := append(mailtest.Corpus(1, 299), mailtest.Big(2, 30<<20))
	missing := map[string]string{}
	c := newRaw(t, g.Addr(0).String(), g.clientTLS(), p.Users[0])
	for i, m := range corpus {
		c.envelope(p.Users[0].Name, p.Users[1].Name, m.Body)
		if i%2 == 0 {
			c.data(m.Data)
		} else {
			c.bdat(m.Data, 1+i*4096)
		}
		missing[string(m.Data)] = m.Name
	}
	for _, d := range p.AwaitDeliveries(p.Users[1].Name, len(corpus)) {
		if _, ok := missing[string(d.Data)]; !ok {
			t.Errorf("Postfix has a message that nobody sent: %.200q…", d.Data)
		}
		delete(missing, string(d.Data))
	}
	for _, name := range missing {
		t.Errorf("%s did not arrive as it was sent", name)
	}
	entries := g.entries(journal.StateConfirmed, len(corpus))
	for _, e := range entries {
		missing[string(g.body(e))] = e.ID.String()
	}
	for _, m := range corpus {
		if _, ok := missing[string(m.Data)]; !ok {
			t.Errorf("the journal does not have %s as it was sent", m.Name)
		}
	}
}

// TestBinaryIsTheSame sends what only BINARYMIME allows, NUL and bare line ends, to an
// upstream that offers it.
func TestBinaryIsTheSame(t *testing.T) {
	t.Parallel()
	up := &recorder{}
	server := smtp.NewServer(up)
	server.EnableBINARYMIME, server.AllowInsecureAuth = true, true
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close(); <-done })
	g := start(t, fmt.Sprintf("upstreams: [{name: main, default: true, smtp: {address: %q, tls: none}}]\n", l.Addr())+listeners+"targets: []\n")
	c := newRaw(t, g.Addr(0).String(), g.clientTLS(), mailtest.User{Name: "u@example.com", Password: "p"})
	corpus := mailtest.Binary(3, 40)
	for i, m := range corpus {
		c.envelope("u@example.com", "v@example.com", m.Body)
		c.bdat(m.Data, 1+i*100)
	}
	for i, m := range corpus {
		if got := up.messages()[i]; !bytes.Equal(got, m.Data) {
			t.Errorf("%s: the upstream got %.200q, want %.200q", m.Name, got, m.Data)
		}
	}
}

// recorder is an upstream that keeps what it gets.
type recorder struct {
	mu  sync.Mutex
	got [][]byte
}

func (r *recorder) messages() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got
}

func (r *recorder) NewSession(*smtp.Conn) (smtp.Session, error) { return &recording{r}, nil }

type recording struct{ r *recorder }

func (s *recording) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *recording) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, _, _ string) error { return nil }), nil
}
func (s *recording) Mail(string, *smtp.MailOptions) error { return nil }
func (s *recording) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (s *recording) Reset()                               {}
func (s *recording) Logout() error                        { return nil }

func (s *recording) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	s.r.got = append(s.r.got, b)
	return nil
}

// raw is a client that sends exactly what it is told.
type raw struct {
	t *testing.T
	c *textproto.Conn
}

func newRaw(t *testing.T, addr string, tc *tls.Config, user mailtest.User) *raw {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(5 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	plain := textproto.NewConn(conn)
	r := &raw{t: t, c: plain}
	r.expect(220)
	r.say(250, "EHLO raw.example")
	r.say(220, "STARTTLS")
	r.c = textproto.NewConn(tls.Client(conn, tc))
	t.Cleanup(func() { _ = r.c.Close() })
	r.say(250, "EHLO raw.example")
	r.say(235, "AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+user.Name+"\x00"+user.Password)))
	return r
}

func (r *raw) expect(code int) {
	r.t.Helper()
	if _, _, err := r.c.ReadResponse(code); err != nil {
		r.t.Fatal(err)
	}
}

func (r *raw) say(code int, line string) {
	r.t.Helper()
	if err := r.c.PrintfLine("%s", line); err != nil {
		r.t.Fatal(err)
	}
	r.expect(code)
}

// envelope pipelines MAIL and RCPT.
func (r *raw) envelope(from, to, body string) {
	r.t.Helper()
	if body != "" {
		body = " BODY=" + body
	}
	fmt.Fprintf(r.c.W, "MAIL FROM:<%s>%s\r\nRCPT TO:<%s>\r\n", from, body, to)
	if err := r.c.W.Flush(); err != nil {
		r.t.Fatal(err)
	}
	r.expect(250)
	r.expect(250)
}

func (r *raw) data(message []byte) {
	r.t.Helper()
	r.say(354, "DATA")
	stuffed := bytes.ReplaceAll(message, []byte("\r\n."), []byte("\r\n.."))
	if bytes.HasPrefix(stuffed, []byte(".")) {
		stuffed = append([]byte("."), stuffed...)
	}
	r.write(append(stuffed, ".\r\n"...))
	r.expect(250)
}

// bdat sends a first chunk of at most size bytes and the rest as the last one.
func (r *raw) bdat(message []byte, size int) {
	r.t.Helper()
	if size < len(message) {
		r.write(append(fmt.Appendf(nil, "BDAT %d\r\n", size), message[:size]...))
		r.expect(250)
		message = message[size:]
	}
	r.write(append(fmt.Appendf(nil, "BDAT %d LAST\r\n", len(message)), message...))
	r.expect(250)
}

func (r *raw) write(b []byte) {
	r.t.Helper()
	_, _ = r.c.W.Write(b)
	if err := r.c.W.Flush(); err != nil {
		r.t.Fatal(err)
	}
}
