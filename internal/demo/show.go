package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"heliograph/config"
	"heliograph/crmclient/builtin"
	"heliograph/internal/gateway"
	"heliograph/internal/journal"
	"heliograph/internal/sandbox"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"golang.org/x/text/width"
)

// demo is one run.
type demo struct {
	out      io.Writer
	gateway  *gateway.Gateway
	crm      *builtin.CRM
	cfg      *config.Config
	provider *sandbox.Provider
	ca       *sandbox.Certificate
	shown    map[journal.ID]bool
	known    map[string]bool // Message-IDs that were shown as mirrored
	quote    []byte          // the first sample as it was sent, to be filed
	dir      string
	url      string // of the console
	people   map[string]Login
	told     func(Ready)
	winning  *builtin.Deal // nil: none is about to be won
	winAt    time.Time
}

const (
	pollEvery = 200 * time.Millisecond
	// settleIn bounds the wait for the demo's own mails.
	settleIn = 30 * time.Second
)

func (d *demo) run(ctx context.Context, once bool) error {
	d.shown, d.known = map[journal.ID]bool{}, map[string]bool{}
	d.welcome()
	fmt.Fprintf(d.out, "\nSending %d mails through the gateway 正在通过网关发送示例邮件 …\n\n", len(samples()))
	d.head()
	for i, s := range samples() {
		body, err := d.send(ctx, s)
		if err != nil {
			return fmt.Errorf("send %q: %w", s.subject, err)
		}
		if i == 0 {
			d.quote = body
		}
	}
	if err := d.settle(ctx, len(samples())); err != nil {
		return err
	}
	if err := d.publish(ctx); err != nil {
		return err
	}
	fmt.Fprint(d.out, "\nCustomers write, and mail programs read through the gateway 客户来信，员工经网关收信 …\n\n")
	d.head()
	hangUp, err := d.readMail()
	if err != nil {
		return err
	}
	defer hangUp()
	return d.watch(ctx, once)
}

// welcome says how a mail program connects.
func (d *demo) welcome() {
	p := func(format string, args ...any) { fmt.Fprintf(d.out, format+"\n", args...) }
	p("Heliograph demo 演示")
	p("")
	p("  mail program ──▶ gateway ──▶ sandbox provider")
	p("                      └──▶ journal ──▶ built-in CRM")
	p("")
	p("  Connect a mail program 配置邮件客户端:")
	p("    accounts   %s   password 密码: %s", addresses(), Password)
	p("    reading 收信   IMAP %s  STARTTLS, or %s  TLS", d.gateway.Addr(imapSTARTTLS), d.gateway.Addr(imapTLS))
	p("    sending 发信   SMTP %s  STARTTLS, or %s  TLS", d.gateway.Addr(submission), d.gateway.Addr(submissions))
	p("    The certificates are made for this demo only: let the program accept them.")
	p("  Metrics http://%s/metrics   health http://%s/readyz", d.gateway.ConsoleAddr(), d.gateway.ConsoleAddr())
}

func addresses() string {
	var all []string
	for _, u := range users {
		all = append(all, u.Address)
	}
	return strings.Join(all, ", ")
}

// send submits one mail at the gateway and returns it.
func (d *demo) send(ctx context.Context, s sample) ([]byte, error) {
	body, err := s.render(time.Now())
	if err != nil {
		return nil, err
	}
	return body, d.submit(ctx, s, body)
}

// submit sends a mail over STARTTLS and with a login.
func (d *demo) submit(ctx context.Context, s sample, body []byte) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", d.gateway.Addr(submission).String())
	if err != nil {
		return err
	}
	tc := d.ca.ClientConfig()
	tc.ServerName = "localhost"
	c, err := smtp.NewClientStartTLS(conn, tc)
	if err != nil {
		_ = conn.Close()
		return err
	}
	defer func() { _ = c.Close() }()
	if err := c.Auth(sasl.NewPlainClient("", s.from, Password)); err != nil {
		return err
	}
	if err := c.SendMail(s.from, s.recipients(), bytes.NewReader(body)); err != nil {
		return err
	}
	return c.Quit()
}

// watch keeps the table going until ctx ends or, with once, until the samples are settled.
func (d *demo) watch(ctx context.Context, once bool) error {
	if err := d.settle(ctx, d.expected()); err != nil {
		return err
	}
	if err := d.showRules(ctx); err != nil {
		return err
	}
	if err := d.summary(ctx); err != nil || once {
		return err
	}
	if err := d.remember(ctx); err != nil {
		return err
	}
	if err := d.sell(ctx); err != nil {
		return err
	}
	if err := d.admit(ctx); err != nil {
		return err
	}
	d.showPeople()
	if d.told != nil {
		d.told(d.ready())
	}
	fmt.Fprint(d.out, "\nSend or read a mail of your own now; it appears here. Ctrl-C ends the demo. 现在可以自己收发邮件，Ctrl-C 结束。\n\n")
	d.head()
	for wait(ctx) {
		if err := errors.Join(d.table(ctx), d.win(ctx)); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// settle shows mails until n of them are settled.
func (d *demo) settle(ctx context.Context, n int) error {
	for deadline := time.Now().Add(settleIn); ; {
		if err := d.table(ctx); err != nil {
			return err
		}
		switch {
		case len(d.shown) >= n:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("only %d of %d mails were settled in %s", len(d.shown), n, settleIn)
		case !wait(ctx):
			return context.Cause(ctx)
		}
	}
}

// wait lets a moment pass; it reports false when ctx has ended.
func wait(ctx context.Context) bool {
	tick := time.NewTimer(pollEvery)
	defer tick.Stop()
	select {
	case <-tick.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (d *demo) head() {
	fmt.Fprintf(d.out, "%s %s %s %s %s %s\n", pad("TIME", 8), pad("HOW", 6), pad("BY", 26), pad("SUBJECT", 38), pad("JOURNAL", 10), "CRM")
}

// table prints each message once, when it is settled.
func (d *demo) table(ctx context.Context) error {
	entries, err := d.gateway.Journal().Entries(ctx, journal.Filter{Limit: 200})
	if err != nil {
		return err
	}
	for i := len(entries) - 1; i >= 0; i-- { // oldest first
		e := entries[i]
		if d.shown[e.ID] {
			continue
		}
		rows, err := d.gateway.Journal().Ledger(ctx, journal.LedgerFilter{Entry: e.ID})
		if err != nil {
			return err
		}
		fate, settled := d.fate(e, rows)
		if !settled {
			continue
		}
		d.shown[e.ID] = true
		fmt.Fprintf(d.out, "%s %s %s %s %s %s\n", pad(e.Received.Local().Format("15:04:05"), 8), pad(how[e.Kind], 6),
			pad(e.Account, 26), pad(d.subject(ctx, rows), 38), pad(string(e.State), 10), fate)
	}
	return nil
}

// how says in a word what a mail program did with a message.
var how = map[journal.Kind]string{
	journal.KindSubmission: "sent", journal.KindFetch: "read", journal.KindAppend: "filed", journal.KindBackfill: "older",
	journal.KindQueue: "rule",
}

// fate says in words what the ledger has on the CRM.
func (d *demo) fate(e journal.Entry, rows []journal.LedgerRow) (text string, settled bool) {
	for _, r := range rows {
		switch {
		case r.Target == "crm" && r.State == journal.LedgerMirrored && d.known[r.MessageID]:
			return "known 已有: one more sighting of the same message", true
		case r.Target == "crm" && r.State == journal.LedgerMirrored:
			d.known[r.MessageID] = true
			return fmt.Sprintf("mirrored 已写入, %d ms after it was captured", r.At.Sub(e.Received).Milliseconds()), true
		case r.State == journal.LedgerExcluded:
			return "excluded 未写入: " + r.Reason, true
		case r.State == journal.LedgerFailed, r.State == journal.LedgerRefused:
			return string(r.State) + ": " + r.Reason, true
		}
	}
	return "", false
}

// subject looks the message up in the CRM; what is not there keeps its subject to itself.
func (d *demo) subject(ctx context.Context, rows []journal.LedgerRow) string {
	for _, r := range rows {
		if r.MessageID == "" || r.State != journal.LedgerMirrored {
			continue
		}
		page, err := d.crm.Activities(ctx, builtin.ActivityFilter{Paging: builtin.Paging{Limit: 200}})
		if err != nil {
			return ""
		}
		for _, a := range page.Items {
			if a.MessageID == r.MessageID {
				return a.Subject
			}
		}
	}
	return "—"
}

// summary shows what the CRM holds now.
func (d *demo) summary(ctx context.Context) error {
	contacts, err := d.crm.Contacts(ctx, builtin.ContactFilter{})
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, "\nIn the CRM now 客户管理系统中:\n")
	for _, c := range contacts.Items {
		page, err := d.crm.Timeline(ctx, c.ID, builtin.Paging{})
		if err != nil {
			return err
		}
		fmt.Fprintf(d.out, "  %s %s %s\n", pad(c.Name, 14), pad(strings.Join(c.Addresses, ", "), 38), c.Company)
		for _, a := range page.Items {
			fmt.Fprintf(d.out, "    %s %s %s%s\n", a.Date.Local().Format("15:04:05"), pad(string(a.Direction), 9), a.Subject, attachments(a))
		}
	}
	return nil
}

func attachments(a builtin.Activity) string {
	var names []string
	for _, f := range a.Attachments {
		names = append(names, fmt.Sprintf("%s (%d bytes)", f.Name, f.Size))
	}
	if len(names) == 0 {
		return ""
	}
	return "  [" + strings.Join(names, ", ") + "]"
}

// pad fills or cuts s to n columns of a terminal; Chinese characters take two.
func pad(s string, n int) string {
	var sb strings.Builder
	used := 0
	for _, r := range s {
		w := 1
		if k := width.LookupRune(r).Kind(); k == width.EastAsianWide || k == width.EastAsianFullwidth {
			w = 2
		}
		if used+w > n {
			break
		}
		sb.WriteRune(r)
		used += w
	}
	return sb.String() + strings.Repeat(" ", n-used)
}
