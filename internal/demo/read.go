package demo

import (
	"fmt"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// dial connects to one of the gateway's IMAP listeners and logs in.
func (d *demo) dial(listener int, user string) (*imapclient.Client, error) {
	tc := d.ca.ClientConfig()
	tc.ServerName = "localhost"
	options := &imapclient.Options{TLSConfig: tc}
	open := imapclient.DialTLS
	if listener == imapSTARTTLS {
		open = imapclient.DialStartTLS
	}
	c, err := open(d.gateway.Addr(listener).String(), options)
	if err != nil {
		return nil, fmt.Errorf("connect for %s: %w", user, err)
	}
	if err := c.Login(user, Password).Wait(); err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("log %s in: %w", user, err)
	}
	return c, nil
}

// phonePiece is what phones show of a mail before its reader asks for more.
const phonePiece = 32 << 10

// headersAndPieces and whole are what a phone and a desktop program fetch.
var (
	headersAndPieces = &imap.FetchOptions{
		UID: true, Flags: true, Envelope: true,
		BodySection: []*imap.FetchItemBodySection{{
			Specifier: imap.PartSpecifierText, Peek: true, Partial: &imap.SectionPartial{Size: phonePiece},
		}},
	}
	whole = &imap.FetchOptions{UID: true, Flags: true, BodySection: []*imap.FetchItemBodySection{{}}}
)

// read opens a user's INBOX and fetches of all mail what the options say.
func read(c *imapclient.Client, options *imap.FetchOptions) error {
	box, err := c.Select("INBOX", nil).Wait()
	if err != nil || box.NumMessages == 0 {
		return err
	}
	var all imap.SeqSet
	all.AddRange(1, box.NumMessages)
	_, err = c.Fetch(all, options).Collect()
	return err
}

// file puts a copy of a sent mail into the Sent folder, as mail programs do.
func (d *demo) file(s sample, body []byte) error {
	c, err := d.dial(imapTLS, s.from)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	cmd := c.Append("Sent", int64(len(body)), &imap.AppendOptions{Flags: []imap.Flag{imap.FlagSeen}})
	if _, err := cmd.Write(body); err != nil {
		return err
	}
	if err := cmd.Close(); err != nil {
		return err
	}
	if _, err := cmd.Wait(); err != nil {
		return fmt.Errorf("file %q: %w", s.subject, err)
	}
	return c.Logout().Wait()
}

// deliver brings a mail of a customer to the provider.
func (d *demo) deliver(s sample) error {
	body, err := s.render(time.Now())
	if err != nil {
		return err
	}
	return d.provider.Deliver(s.from, s.recipients(), body)
}

// readMail lets customers' mails arrive and has them read: by a phone that looks only at
// headers and pieces and then waits for news, and by desktop programs that fetch it all.
// As such programs do, they stay connected, until hangUp is called.
func (d *demo) readMail() (hangUp func(), err error) {
	var open []*imapclient.Client
	hangUp = func() {
		for _, c := range open {
			_ = c.Close()
		}
	}
	defer func() {
		if err != nil {
			hangUp()
		}
	}()
	for _, s := range incoming() {
		if err := d.deliver(s); err != nil {
			return nil, err
		}
	}
	for _, program := range []struct {
		user     string
		listener int
		fetches  *imap.FetchOptions
	}{
		{liwei.Address, imapSTARTTLS, headersAndPieces},
		{fang.Address, imapTLS, whole},
		{support, imapTLS, whole},
	} {
		c, err := d.dial(program.listener, program.user)
		if err != nil {
			return hangUp, err
		}
		open = append(open, c)
		if err := read(c, program.fetches); err != nil {
			return hangUp, fmt.Errorf("read the mail of %s: %w", program.user, err)
		}
		if _, err := c.Idle(); err != nil {
			return hangUp, err
		}
	}
	if err := d.deliver(arriving()); err != nil {
		return hangUp, err
	}
	return hangUp, d.file(samples()[0], d.quote)
}

// expected is how many entries the demo's own mails make: one for each that was sent, for
// each copy in a mailbox that is read, for the one that is filed, and for the receipt that a rule sends.
func (d *demo) expected() int {
	n := len(samples()) + 2 // with the receipt of a rule
	for _, u := range users {
		n += len(d.provider.Messages(u.Address))
	}
	return n
}
