package sandbox_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"
	"go.uber.org/goleak"

	"heliograph/internal/sandbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	li     = "li@example.com"
	wang   = "wang@example.com"
	secret = "correct horse"
	mail   = "From: li@example.com\r\nTo: wang@example.com\r\nSubject: =?utf-8?B?5oql5Lu3?=\r\n\r\n.dot\r\n..\r\n\r\n报价 " +
		"long\r\n.\t\r\n"
)

func newProvider(t *testing.T, change func(*sandbox.Options)) *sandbox.Provider {
	t.Helper()
	o := sandbox.Options{
		Domain: "example.com",
		Users:  []sandbox.User{{Address: li, Password: secret}, {Address: "Wang@Example.com", Password: "x"}},
	}
	if change != nil {
		change(&o)
	}
	p, err := sandbox.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func trust(t *testing.T, p *sandbox.Provider, name string) *tls.Config {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(p.CAPEM) {
		t.Fatal("CAPEM holds no certificate")
	}
	return &tls.Config{RootCAs: roots, ServerName: name}
}

func submit(t *testing.T, p *sandbox.Provider) *gosmtp.Client {
	t.Helper()
	c, err := gosmtp.DialTLS(p.SMTPSAddr, trust(t, p, "127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.Auth(sasl.NewPlainClient("", li, secret)); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSubmitAndRead(t *testing.T) {
	t.Parallel()
	for name, dial := range map[string]func(p *sandbox.Provider) (*gosmtp.Client, error){
		"starttls": func(p *sandbox.Provider) (*gosmtp.Client, error) {
			return gosmtp.DialStartTLS(p.SMTPAddr, trust(t, p, "localhost"))
		},
		"implicit": func(p *sandbox.Provider) (*gosmtp.Client, error) {
			return gosmtp.DialTLS(p.SMTPSAddr, trust(t, p, "127.0.0.1"))
		},
	} {
		for _, auth := range []sasl.Client{sasl.NewPlainClient("", li, secret), sasl.NewLoginClient("LI@example.com", secret)} {
			t.Run(fmt.Sprintf("%s %T", name, auth), func(t *testing.T) {
				p := newProvider(t, nil)
				c, err := dial(p)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if err := c.Auth(auth); err != nil {
					t.Fatal(err)
				}
				to := []string{wang, "client@elsewhere.example", wang}
				if err := c.SendMail(li, to, strings.NewReader(mail)); err != nil {
					t.Fatal(err)
				}
				for where, got := range map[string][]sandbox.Message{
					"INBOX": p.Messages(wang), "world": p.World(), "accepted": p.Accepted(),
				} {
					if len(got) != 1 || string(got[0].Data) != mail || got[0].User != li || got[0].From != li || len(got[0].To) != 3 {
						t.Errorf("%s: got %+v", where, got)
					}
				}
				if got := p.Messages(li); len(got) != 0 {
					t.Errorf("the sender got %d messages", len(got))
				}
				checkIMAP(t, p, wang, "x", mail)
			})
		}
	}
}

func checkIMAP(t *testing.T, p *sandbox.Provider, user, password, want string) {
	t.Helper()
	c, err := imapclient.DialTLS(p.IMAPSAddr, &imapclient.Options{TLSConfig: trust(t, p, "localhost")})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login(user, password).Wait(); err != nil {
		t.Fatal(err)
	}
	list, err := c.List("", "*", nil).Collect()
	if err != nil || len(list) != 5 {
		t.Fatalf("%d folders, %v, want 5", len(list), err)
	}
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	whole := &imap.FetchItemBodySection{Peek: true}
	msgs, err := c.Fetch(imap.SeqSetNum(1), &imap.FetchOptions{
		RFC822Size: true, BodySection: []*imap.FetchItemBodySection{whole},
	}).Collect()
	if err != nil || len(msgs) != 1 {
		t.Fatalf("%d messages, %v", len(msgs), err)
	}
	if got := string(msgs[0].FindBodySection(whole)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if msgs[0].RFC822Size != int64(len(want)) {
		t.Errorf("size %d, want %d", msgs[0].RFC822Size, len(want))
	}
	if err := c.Logout().Wait(); err != nil {
		t.Error(err)
	}
}

func TestQueuedAs(t *testing.T) {
	t.Parallel()
	p := newProvider(t, nil)
	c := submit(t, p)
	if err := errors.Join(c.Mail(li, nil), c.Rcpt(wang, nil)); err != nil {
		t.Fatal(err)
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, mail); err != nil {
		t.Fatal(err)
	}
	reply, err := w.CloseWithResponse()
	if err != nil {
		t.Fatal(err)
	}
	if want := "Ok: queued as " + p.Messages(wang)[0].ID; !strings.Contains(reply.StatusText, want) {
		t.Errorf("reply %q, want %q in it", reply.StatusText, want)
	}
}

func TestSMTPRefusals(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(o *sandbox.Options) { o.MessageBytes = 1 << 20 })
	for name, tc := range map[string]struct {
		login bool
		do    func(c *gosmtp.Client) error
		code  int
	}{
		"unknown user": {true, func(c *gosmtp.Client) error { return errors.Join(c.Mail(li, nil), c.Rcpt("nobody@Example.COM", nil)) }, 550},
		"too large": {true, func(c *gosmtp.Client) error {
			return c.SendMail(li, []string{wang}, strings.NewReader(strings.Repeat("x\r\n", 1<<19)))
		}, 552},
		"no login":     {false, func(c *gosmtp.Client) error { return errors.Join(c.Reset(), c.Mail(li, nil)) }, 530},
		"password":     {false, func(c *gosmtp.Client) error { return c.Auth(sasl.NewPlainClient("", li, "wrong")) }, 535},
		"user":         {false, func(c *gosmtp.Client) error { return c.Auth(sasl.NewLoginClient("nobody@example.com", "")) }, 535},
		"someone else": {false, func(c *gosmtp.Client) error { return c.Auth(sasl.NewPlainClient(wang, li, secret)) }, 535},
		"mechanism":    {false, func(c *gosmtp.Client) error { return c.Auth(sasl.NewAnonymousClient("x")) }, 504},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := gosmtp.NewClient(dialTLS(t, p))
			defer c.Close()
			if tc.login {
				if err := c.Auth(sasl.NewPlainClient("", li, secret)); err != nil {
					t.Fatal(err)
				}
			}
			var refusal *gosmtp.SMTPError
			if err := tc.do(c); !errors.As(err, &refusal) || refusal.Code != tc.code {
				t.Errorf("got %v, want %d", err, tc.code)
			}
		})
	}
	if n := len(p.Accepted()); n != 0 {
		t.Errorf("%d messages accepted", n)
	}
}

// TestWire says what no client library does.
func TestWire(t *testing.T) {
	t.Parallel()
	const login = "AUTH PLAIN AGxpQGV4YW1wbGUuY29tAGNvcnJlY3QgaG9yc2U="
	start := []string{"EHLO me", login, "MAIL FROM:<" + li + "> BODY=8BITMIME", "RCPT TO:<" + wang + ">"}
	binary := []string{"EHLO me", login, "MAIL FROM:<" + li + "> BODY=BINARYMIME", "RCPT TO:<" + wang + ">"}
	for name, tc := range map[string]struct {
		before []string
		body   string
		code   int
	}{
		"BDAT":              {start, "S: x\r\n\r\n.\r\n..\r\n", 250},
		"bare LF":           {start, "S: x\r\n\r\na\nb\r\n", 550},
		"bare CR":           {start, "S: x\r\n\r\na\rb\r\n", 550},
		"CR at the end":     {start, "S: x\r\n\r\na\r\n\r", 550},
		"binary may be all": {binary, "S: x\r\n\r\na\nb\rc\x00\xff", 250},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, nil)
			c := textproto.NewConn(dialTLS(t, p))
			defer c.Close()
			if _, _, err := c.ReadResponse(220); err != nil {
				t.Fatal(err)
			}
			for _, line := range tc.before {
				if err := c.PrintfLine("%s", line); err != nil {
					t.Fatal(err)
				}
				if _, _, err := c.ReadResponse(2); err != nil {
					t.Fatalf("%s: %v", line, err)
				}
			}
			if err := c.PrintfLine("BDAT %d LAST\r\n%s", len(tc.body), tc.body+"NOOP"); err != nil {
				t.Fatal(err)
			}
			if _, words, err := c.ReadResponse(tc.code); err != nil {
				t.Errorf("got %v %s, want %d", err, words, tc.code)
			}
			if _, _, err := c.ReadResponse(250); err != nil {
				t.Errorf("the command behind the chunk: %v", err)
			}
			got := p.Messages(wang)
			if tc.code == 250 && (len(got) != 1 || string(got[0].Data) != tc.body) || tc.code != 250 && len(got) != 0 {
				t.Errorf("delivered: %q", got)
			}
		})
	}
}

func dialTLS(t *testing.T, p *sandbox.Provider) net.Conn {
	t.Helper()
	d := tls.Dialer{Config: trust(t, p, "127.0.0.1")}
	c, err := d.DialContext(t.Context(), "tcp", p.SMTPSAddr)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNoLoginWithoutTLS(t *testing.T) {
	t.Parallel()
	p := newProvider(t, nil)
	c, err := gosmtp.Dial(p.SMTPAddr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.SupportsAuth("PLAIN") {
		t.Error("SMTP offers AUTH before TLS")
	}
	ic, err := imapclient.DialInsecure(p.IMAPAddr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ic.Close()
	if caps := ic.Caps(); !caps.Has(imap.CapLoginDisabled) || !caps.Has(imap.CapStartTLS) {
		t.Errorf("IMAP capabilities before TLS: %v", caps)
	}
	if err := ic.Login(li, secret).Wait(); err == nil {
		t.Error("IMAP takes a login before TLS")
	}
}

func TestPlaintextOnRequest(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(o *sandbox.Options) { o.AllowPlaintextAuth = true })
	c, err := gosmtp.Dial(p.SMTPAddr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Auth(sasl.NewPlainClient("", li, secret)); err != nil {
		t.Error(err)
	}
	ic, err := imapclient.DialInsecure(p.IMAPAddr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ic.Close()
	if err := ic.Login("LI@example.com", secret).Wait(); err != nil {
		t.Error(err)
	}
}

func TestIMAPAuthenticate(t *testing.T) {
	t.Parallel()
	p := newProvider(t, nil)
	for name, tc := range map[string]struct {
		auth sasl.Client
		ok   bool
	}{
		"PLAIN":          {sasl.NewPlainClient("", li, secret), true},
		"LOGIN":          {sasl.NewLoginClient(li, secret), true},
		"wrong password": {sasl.NewPlainClient("", li, "x"), false},
		"unknown user":   {sasl.NewLoginClient("nobody@example.com", ""), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := imapclient.DialStartTLS(p.IMAPAddr, &imapclient.Options{TLSConfig: trust(t, p, "localhost")})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := c.Authenticate(tc.auth); (err == nil) != tc.ok {
				t.Errorf("got %v, want success %v", err, tc.ok)
			}
		})
	}
}

func TestDeliverReachesAnIdleClient(t *testing.T) {
	t.Parallel()
	p := newProvider(t, nil)
	arrived := make(chan uint32, 10)
	c, err := imapclient.DialTLS(p.IMAPSAddr, &imapclient.Options{
		TLSConfig: trust(t, p, "localhost"),
		UnilateralDataHandler: &imapclient.UnilateralDataHandler{Mailbox: func(d *imapclient.UnilateralDataMailbox) {
			if d.NumMessages != nil {
				arrived <- *d.NumMessages
			}
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login(li, secret).Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for n := uint32(1); n <= 20; n++ { // right behind the "+"
		idle, err := c.Idle()
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Deliver("client@elsewhere.example", []string{li}, []byte(mail)); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-arrived:
			if got != n {
				t.Errorf("EXISTS %d, want %d", got, n)
			}
		case <-ctx.Done():
			t.Fatal("the client heard nothing")
		}
		if err := idle.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := p.Deliver("x@elsewhere.example", []string{"nobody@example.com"}, nil); !errors.Is(err, sandbox.ErrNoUser) {
		t.Errorf("to a stranger: %v", err)
	}
}

func TestSentCopy(t *testing.T) {
	t.Parallel()
	p := newProvider(t, nil)
	c, err := imapclient.DialTLS(p.IMAPSAddr, &imapclient.Options{TLSConfig: trust(t, p, "localhost")})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login(li, secret).Wait(); err != nil {
		t.Fatal(err)
	}
	const sent = "Sent"
	cmd := c.Append(sent, int64(len(mail)), nil)
	if _, err := cmd.Write([]byte(mail)); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Close(); err != nil {
		t.Fatal(err)
	}
	if data, err := cmd.Wait(); err != nil || data.UID != 1 {
		t.Errorf("append to %q: %+v, %v", sent, data, err)
	}
}

// TestClose cuts clients off, and ends with the context too.
func TestClose(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	p, err := sandbox.Start(ctx, sandbox.Options{Domain: "example.com", Users: []sandbox.User{{Address: li, Password: secret}}})
	if err != nil {
		t.Fatal(err)
	}
	c := submit(t, p)
	silent := dialTLS(t, p)
	defer silent.Close()
	cancel()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if err := c.Noop(); err == nil {
		t.Error("the client is still served")
	}
	if _, err := net.DialTimeout("tcp", p.SMTPAddr, time.Second); err == nil {
		t.Error("the port is still open")
	}
}

func TestStartRefuses(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]sandbox.Options{
		"no domain":       {},
		"foreign user":    {Domain: "example.com", Users: []sandbox.User{{Address: "a@b.example"}}},
		"user with cases": {Domain: "example.com", Users: []sandbox.User{{Address: li}, {Address: strings.ToUpper(li)}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if p, err := sandbox.Start(t.Context(), o); err == nil {
				t.Error("started")
				_ = p.Close()
			}
		})
	}
}

func TestBigMessage(t *testing.T) {
	t.Parallel()
	p := newProvider(t, nil)
	big := append([]byte("Subject: big\r\n\r\n"), bytes.Repeat([]byte("0123456789abcdef\r\n"), 500_000)...)
	if err := submit(t, p).SendMail(li, []string{wang}, bytes.NewReader(big)); err != nil {
		t.Fatal(err)
	}
	if got := p.Messages(wang); len(got) != 1 || !bytes.Equal(got[0].Data, big) {
		t.Error("the message is not what was sent")
	}
}
