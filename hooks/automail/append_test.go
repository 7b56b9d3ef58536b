package automail_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"heliograph/config"
	"heliograph/hooks/automail"
	"heliograph/internal/mailtest"
	"heliograph/internal/store/storetest"
)

// copyInto is a message that is put into a mailbox.
func copyInto(account, mailbox string) (automail.Appending, *int) {
	text := "Message-ID: <copy-1@example.com>\r\nSubject: copy\r\n\r\nten pieces\r\n"
	opened := 0
	return automail.Appending{
		Account: account, Mailbox: mailbox, MessageID: "copy-1@example.com", Size: int64(len(text)), Seen: true,
		Open: func() (io.ReadCloser, error) {
			opened++
			return io.NopCloser(strings.NewReader(text)), nil
		},
	}, &opened
}

// A message goes into a mailbox once, however often it is asked for; a mailbox that is missing is made only where that is wanted.
func TestAppend(t *testing.T) {
	t.Parallel()
	p, up := sandboxOf(t, nil)
	r := newRig(t, storetest.SQLite(t), "127.0.0.1:1")
	r.via(up, setSender(withPassword))
	a, opened := copyInto(service, "投诉")
	if _, err := r.box.Append(t.Context(), a); !errors.Is(err, automail.ErrMailbox) {
		t.Errorf("into a mailbox that is not there: %v", err)
	}
	a.Create = true
	for i, want := range []bool{true, false, false} {
		if stored, err := r.box.Append(t.Context(), a); err != nil || stored != want {
			t.Errorf("call %d: %t, %v; want %t", i+1, stored, err, want)
		}
	}
	if *opened != 1 {
		t.Errorf("the message was read %d times", *opened)
	}
	if len(p.World()) != 0 {
		t.Error("something was sent")
	}
}

func TestAppendThatIsRefused(t *testing.T) {
	t.Parallel()
	_, up := sandboxOf(t, nil)
	r := newRig(t, storetest.SQLite(t), "127.0.0.1:1")
	r.via(up, setSender(withPassword))
	for name, change := range map[string]func(*automail.Appending){
		"no mailbox":        func(a *automail.Appending) { a.Mailbox = "" },
		"control character": func(a *automail.Appending) { a.Mailbox = "IN\r\nBOX" },
		"no Message-ID":     func(a *automail.Appending) { a.MessageID = "" },
		"two lines":         func(a *automail.Appending) { a.MessageID = "a@b\r\nc" },
		"too large":         func(a *automail.Appending) { a.Size = 1 << 40 },
	} {
		a, opened := copyInto(service, "INBOX")
		change(&a)
		if _, err := r.box.Append(t.Context(), a); !errors.Is(err, automail.ErrMailbox) || *opened != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	var nobody *automail.SenderError
	a, _ := copyInto("stranger@example.com", "INBOX")
	if _, err := r.box.Append(t.Context(), a); !errors.As(err, &nobody) {
		t.Errorf("of a stranger: %v", err)
	}
	a, _ = copyInto(service, "INBOX")
	a.Size++
	if _, err := r.box.Append(t.Context(), a); err == nil || errors.Is(err, automail.ErrMailbox) {
		t.Errorf("a message shorter than it said: %v", err)
	}
	if stored, err := r.box.Append(t.Context(), func() automail.Appending { a.Size--; return a }()); err != nil || !stored {
		t.Errorf("after that: %t, %v", stored, err)
	}
}

// With a real Dovecot: the message lies there byte for byte, with its flags.
func TestAppendOnDovecot(t *testing.T) {
	t.Parallel()
	d := mailtest.Dovecot(t)
	u := mailtest.Users()[0]
	p := newProvider(t, nil)
	r := newRig(t, storetest.SQLite(t), p.addr)
	r.via(config.Upstream{
		Name: "main", Default: true, SMTP: config.Endpoint{Address: p.addr, TLS: config.TLSNone, Timeout: config.Duration(5 * time.Second)},
		IMAP: config.Endpoint{Address: d.IMAPAddr, TLS: config.TLSNone, Timeout: config.Duration(5 * time.Second)},
	}, setSender(func(s *config.Sender) { s.Address = u.Name }), withIMAPLogin(u.Name, u.Password))
	a, _ := copyInto(u.Name, "Appended 投诉")
	a.Create, a.Flagged = true, true
	for _, want := range []bool{true, false} {
		if stored, err := r.box.Append(t.Context(), a); err != nil || stored != want {
			t.Fatalf("%t, %v; want %t", stored, err, want)
		}
	}
	c, err := imapclient.DialInsecure(d.IMAPAddr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login(u.Name, u.Password).Wait(); err != nil {
		t.Fatal(err)
	}
	if box, err := c.Select(a.Mailbox, nil).Wait(); err != nil || box.NumMessages != 1 {
		t.Fatalf("%+v, %v", box, err)
	}
	list, err := c.Fetch(imap.SeqSetNum(1), &imap.FetchOptions{Flags: true, BodySection: []*imap.FetchItemBodySection{{Peek: true}}}).Collect()
	if err != nil || len(list) != 1 {
		t.Fatal(err)
	}
	if !slices.Contains(list[0].Flags, imap.FlagSeen) || !slices.Contains(list[0].Flags, imap.FlagFlagged) {
		t.Errorf("flags are %v", list[0].Flags)
	}
	body, _ := a.Open()
	want, _ := io.ReadAll(body)
	if got := list[0].BodySection[0].Bytes; !bytes.Equal(got, want) {
		t.Errorf("the mailbox has %q, want %q", got, want)
	}
}
