package scenarios_test

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net/mail"
	"net/smtp"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"heliograph/internal/message"
)

// letter is a mail as somebody has it in the mailbox.
type letter struct {
	*message.Message
	header mail.Header
	trace  string // what the mail server put in front
	raw    string
}

// inbox are the mails of a mailbox, the oldest first.
func (o *office) inbox(address string) (out []letter) {
	o.t.Helper()
	for _, d := range o.post.Deliveries(address) {
		m, err := message.Parse(bytes.NewReader(d.Data), message.Options{Salt: "test"})
		if err != nil {
			o.t.Fatal(err)
		}
		h, err := mail.ReadMessage(bytes.NewReader(d.Data))
		if err != nil {
			o.t.Fatal(err)
		}
		out = append(out, letter{m, h.Header, d.Trace, string(d.Data)})
	}
	return out
}

// wantMail waits until a mailbox holds exactly the mails with these subjects, and returns them.
func (o *office) wantMail(address string, subjects ...string) []letter {
	o.t.Helper()
	var got []letter
	o.eventually("mail of "+address, func() error {
		got = o.inbox(address)
		var have []string
		for _, l := range got {
			have = append(have, l.Subject)
		}
		if strings.Join(have, "|") != strings.Join(subjects, "|") {
			return fmt.Errorf("is %q, want %q", have, subjects)
		}
		return nil
	})
	return got
}

// once lets everything settle, and says that the mailboxes still hold as many mails as they should.
func (o *office) once(counts map[string]int) {
	o.t.Helper()
	o.settle()
	for address, want := range counts {
		if got := o.inbox(address); len(got) != want {
			var subjects []string
			for _, l := range got {
				subjects = append(subjects, l.Subject)
			}
			o.t.Errorf("%s has %d mails, want %d: %q", address, len(got), want, subjects)
		}
	}
}

// write makes a mail. More header fields end in CRLF each.
func (o *office) write(from, to, subject, id, text, more string) []byte {
	name, address, _ := strings.Cut(from, "|")
	if address == "" {
		name, address = "", from
	}
	return fmt.Appendf(nil, "From: %s\r\nTo: %s\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: <%s>\r\n%sMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%s\r\n",
		(&mail.Address{Name: name, Address: address}).String(), to, mime.QEncoding.Encode("utf-8", subject), o.clock.Now().Format("Mon, 02 Jan 2006 15:04:05 -0700"), id, more,
		strings.ReplaceAll(text, "\n", "\r\n"))
}

// arrive brings a mail from outside to the mail server.
func (o *office) arrive(from, to string, body []byte) {
	o.t.Helper()
	c, err := smtp.Dial(o.post.RelayAddr)
	if err != nil {
		o.t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	transact(o.t, c, from, to, body)
}

// come brings a mail from outside to an employee, whose mail program reads it through the gateway.
func (o *office) come(from, name, subject, id, text, more string) {
	o.t.Helper()
	_, address, named := strings.Cut(from, "|")
	if !named {
		address = from
	}
	o.arrive(address, o.own(name), o.write(from, o.own(name), subject, id, text, more))
	o.read(name, id)
}

// read has a mail program open a mailbox until a mail is in it, and fetch all mail.
func (o *office) read(name, id string) {
	o.t.Helper()
	o.eventually("read "+id, func() error {
		c, err := imapclient.DialInsecure(o.addrs[1], nil)
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		if err := c.Login(o.own(name), password).Wait(); err != nil {
			return err
		}
		box, err := c.Select("INBOX", nil).Wait()
		if err != nil {
			return err
		}
		if box.NumMessages == 0 {
			return errors.New("the mailbox is empty")
		}
		var all imap.SeqSet
		all.AddRange(1, box.NumMessages)
		found, err := c.Fetch(all, &imap.FetchOptions{UID: true, Envelope: true, BodySection: []*imap.FetchItemBodySection{{}}}).Collect()
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(found, func(m *imapclient.FetchMessageBuffer) bool { return m.Envelope.MessageID == id || id == "" }) {
			return fmt.Errorf("it is not among %d mails", len(found))
		}
		return c.Logout().Wait()
	})
}

// submit sends a mail as an employee, through the gateway.
func (o *office) submit(from, to string, body []byte) {
	o.t.Helper()
	c, err := smtp.Dial(o.addrs[0])
	if err != nil {
		o.t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := c.Auth(plain{from}); err != nil {
		o.t.Fatal(err)
	}
	transact(o.t, c, from, to, body)
}

// plain is PLAIN without TLS, on this machine.
type plain struct{ user string }

func (p plain) Start(*smtp.ServerInfo) (string, []byte, error) {
	return "PLAIN", []byte("\x00" + p.user + "\x00" + password), nil
}

func (plain) Next([]byte, bool) ([]byte, error) { return nil, nil }

func transact(t *testing.T, c *smtp.Client, from, to string, body []byte) {
	t.Helper()
	if err := c.Mail(from); err != nil {
		t.Fatal(err)
	}
	for _, one := range strings.Split(to, ", ") {
		if err := c.Rcpt(one); err != nil {
			t.Fatal(err)
		}
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Quit(); err != nil {
		t.Fatal(err)
	}
}
