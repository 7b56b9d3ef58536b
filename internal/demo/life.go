package demo

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	_ "embed"
	"fmt"
	"strings"
	"time"

	"heliograph/internal/gateway"
	"heliograph/proxy/backfill"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-message/mail"
	"github.com/goccy/go-yaml"
)

//go:embed life.yaml
var lifeFile []byte

// life is what was in the mailboxes before the gateway came.
type life struct {
	People  map[string]*mail.Address `yaml:"people"`
	Threads []lifeThread             `yaml:"threads"`
}

type lifeThread struct {
	Subject string     `yaml:"subject"`
	Them    string     `yaml:"them"`
	Us      string     `yaml:"us"`
	Bulk    bool       `yaml:"bulk"`
	Mails   []lifeMail `yaml:"mails"`
}

type lifeMail struct {
	Ago  int    `yaml:"ago"`  // days
	Hour int    `yaml:"hour"` // of that day
	From string `yaml:"from"` // us or them
	Cc   string `yaml:"cc"`
	Text string `yaml:"text"`
	File *struct {
		Name string `yaml:"name"`
		Text string `yaml:"text"`
	} `yaml:"file"`
}

// older is a mail in a mailbox.
type older struct {
	sample
	owner  string // of the mailbox
	folder string
	at     time.Time
}

// past lists the mails of the weeks before now, thread by thread.
func past(now time.Time) ([]older, error) {
	var l life
	if err := yaml.UnmarshalWithOptions(lifeFile, &l, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("read the demo's correspondence: %w", err)
	}
	employees := map[string]*mail.Address{"li.wei": liwei, "wang.fang": fang, "support": {Name: "日升机械 客户支持", Address: support}}
	var all []older
	for n, t := range l.Threads {
		them, us := l.People[t.Them], employees[t.Us]
		if them == nil || us == nil {
			return nil, fmt.Errorf("the demo's thread %q is between nobody", t.Subject)
		}
		before := ""
		for i, m := range t.Mails {
			from, to, folder := them, us, "INBOX"
			if m.From == "us" {
				from, to, folder = us, them, "Sent"
			}
			_, domain, _ := strings.Cut(from.Address, "@")
			s := sample{
				from: from.Address, name: from.Name, to: []*mail.Address{to}, subject: t.Subject, text: m.Text, bulk: t.Bulk,
				id: fmt.Sprintf("past-%d-%d@%s", n, i, domain), inReplyTo: before,
			}
			if i > 0 {
				s.subject = "Re: " + t.Subject
			}
			if cc := l.People[m.Cc]; cc != nil {
				s.cc = []*mail.Address{cc}
			}
			if m.File != nil {
				s.attachment, s.content = m.File.Name, []byte("\xef\xbb\xbf"+m.File.Text)
			}
			day := now.AddDate(0, 0, -m.Ago)
			at := time.Date(day.Year(), day.Month(), day.Day(), m.Hour, (n*17+i*7)%60, 0, 0, day.Location())
			all = append(all, older{sample: s, owner: us.Address, folder: folder, at: at})
			before = s.id
		}
	}
	return all, nil
}

// fill puts the past into the mailboxes, at the provider itself: it was there before the gateway.
func (d *demo) fill(mails []older) error {
	clients := map[string]*imapclient.Client{}
	defer func() {
		for _, c := range clients {
			_ = c.Close()
		}
	}()
	for _, m := range mails {
		c := clients[m.owner]
		if c == nil {
			var err error
			if c, err = d.dialProvider(m.owner); err != nil {
				return err
			}
			clients[m.owner] = c
		}
		body, err := m.render(m.at)
		if err != nil {
			return err
		}
		cmd := c.Append(m.folder, int64(len(body)), &imap.AppendOptions{Time: m.at, Flags: []imap.Flag{imap.FlagSeen}})
		if _, err := cmd.Write(body); err != nil {
			return err
		}
		if err := cmd.Close(); err != nil {
			return err
		}
		if _, err := cmd.Wait(); err != nil {
			return fmt.Errorf("put %q into %s of %s: %w", m.subject, m.folder, m.owner, err)
		}
	}
	return nil
}

func (d *demo) dialProvider(user string) (*imapclient.Client, error) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(d.provider.CAPEM)
	tc := &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS12}
	c, err := imapclient.DialTLS(d.provider.IMAPSAddr, &imapclient.Options{TLSConfig: tc})
	if err != nil {
		return nil, fmt.Errorf("connect to the provider for %s: %w", user, err)
	}
	if err := c.Login(user, Password).Wait(); err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("log %s in at the provider: %w", user, err)
	}
	return c, nil
}

// remember lets the gateway fetch what was in the mailboxes before it came, as `heliograph backfill` does.
func (d *demo) remember(ctx context.Context) error {
	mails, err := past(time.Now())
	if err != nil {
		return err
	}
	if err := d.fill(mails); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "\nFetching what was there before 正在补录网关之前的邮件:\n")
	for _, u := range users {
		request := &backfill.Request{Account: u.Address, Secret: []byte(Password), All: true}
		result, err := gateway.Control(ctx, d.cfg.DataDir, gateway.ControlBackfill, request, func(backfill.Event) {})
		if err != nil {
			return fmt.Errorf("fetch the older mail of %s: %w", u.Address, err)
		}
		fmt.Fprintf(d.out, "  %s %d mails 封\n", pad(u.Address, 28), result.Counts.Captured)
	}
	return nil
}
