package gateway_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"heliograph/hooks/rules"
	"heliograph/internal/mailtest"
	"heliograph/internal/message"
	"heliograph/internal/sandbox"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

const reportRule = `
id: budget
name: 月度预算执行
owner: cfo@example.com
trigger: {type: webhook, hook: erp}
steps:
  - id: r
    do: report
    with:
      title: 预算执行
      table: spent
      spec: {do: [{compare: {table: budget, on: [部门], budget: 金额, actual: 金额}}, {totals: {}}]}
      outputs: [html, text, xlsx, pdf]
  - {id: heads, do: batch_send, with: {in: event.heads, to: '{{.item.name}} <{{.item.mail}}>', subject: '{{.item.name}}：预算执行', html: '{{.steps.r.html}}', text: '{{.steps.r.text}}', files: [r]}}
  - {id: filed, do: append, with: {account: cfo@example.com, mailbox: 报表, create: true, flags: [seen], subject: 预算执行, html: '{{.steps.r.html}}', text: '{{.steps.r.text}}', files: [r]}}
`

// TestAReportIsSentAndFiled makes a report of uploaded tables, sends it to everybody on a list, and files a copy in a mailbox.
func TestAReportIsSentAndFiled(t *testing.T) {
	t.Parallel()
	p, err := sandbox.Start(t.Context(), sandbox.Options{Domain: "example.com", Users: []sandbox.User{
		{Address: "cfo@example.com", Password: "secret"}, {Address: "li@example.com", Password: "secret"}, {Address: "wang@example.com", Password: "secret"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ca := write("ca.pem", p.CAPEM)
	g := start(t, fmt.Sprintf(`
upstreams:
  - name: main
    domains: [example.com]
    smtp: {address: %q, tls: implicit, ca_file: %q, server_name: localhost}
    imap: {address: %q, tls: implicit, ca_file: %q, server_name: localhost}
outbox: {senders: [{address: cfo@example.com, password: secret}]}
rules:
  sender: cfo@example.com
  webhooks: [{name: erp, token: "a-long-token-of-the-erp"}]
  tables:
    - {name: spent, file: %q}
    - {name: budget, file: %q}
`, p.SMTPSAddr, ca, p.IMAPSAddr, ca, write("spent.csv", []byte("部门,金额\n研发,100.30\n市场,250.05\n")), write("budget.csv", []byte("部门,金额\n研发,120\n市场,200\n")))+listeners)
	rule, err := rules.Parse([]byte(reportRule))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := rules.NewBook(g.Store(), nil).Publish(t.Context(), rule, rules.StateLive, -1, "", "test", rules.Surroundings{}); err != nil {
		t.Fatal(err)
	}
	body := `{"heads": [{"mail": "li@example.com", "name": "李"}, {"mail": "LI@example.com", "name": "李"}, {"mail": "wang@example.com", "name": "王"}]}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+g.ConsoleAddr().String()+"/events/erp", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer a-long-token-of-the-erp")
	req.Header.Set("Webhook-Id", "msg_1")
	if got := status(t, req); got != http.StatusAccepted {
		t.Fatalf("the event is answered %d", got)
	}
	mailtest.Eventually(t, 30*time.Second, func() error {
		for _, user := range []string{"li@example.com", "wang@example.com"} {
			if n := len(p.Messages(user)); n != 1 {
				return fmt.Errorf("%s has %d messages, want 1", user, n)
			}
		}
		runs, err := rules.Runs(t.Context(), g.Store().Reader(), rules.RunFilter{Rule: "budget"})
		if err != nil || len(runs) != 1 || !runs[0].State.Final() {
			return fmt.Errorf("runs are %+v, %w", runs, err)
		}
		if runs[0].State != rules.RunDone {
			t.Fatalf("the run is %s: %s", runs[0].State, runs[0].Reason)
		}
		return nil
	})
	for where, data := range map[string][]byte{"sent": p.Messages("li@example.com")[0].Data, "filed": filed(t, p, "cfo@example.com", "报表")} {
		m, err := message.Parse(bytes.NewReader(data), message.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Attachments) != 2 || m.Attachments[0].Name != "预算执行.xlsx" || m.Attachments[1].Name != "预算执行.pdf" {
			t.Errorf("%s: the files are %+v", where, m.Attachments)
		}
		if where == "sent" && (len(m.To) != 1 || m.To[0].Name != "李") {
			t.Errorf("the mail is to %+v", m.To)
		}
		if !strings.Contains(m.HTML, "350.35") || !strings.Contains(m.Text, "350.35") || !m.Automated {
			t.Errorf("%s: the mail is %q", where, m.Text)
		}
	}
}

// filed returns the only message of a mailbox.
func filed(t *testing.T, p *sandbox.Provider, user, mailbox string) []byte {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(p.CAPEM)
	c, err := imapclient.DialTLS(p.IMAPSAddr, &imapclient.Options{TLSConfig: &tls.Config{RootCAs: roots, ServerName: "localhost"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login(user, "secret").Wait(); err != nil {
		t.Fatal(err)
	}
	box, err := c.Select(mailbox, nil).Wait()
	if err != nil || box.NumMessages != 1 {
		t.Fatalf("mailbox %s: %+v, %v", mailbox, box, err)
	}
	list, err := c.Fetch(imap.SeqSetNum(1), &imap.FetchOptions{Flags: true, BodySection: []*imap.FetchItemBodySection{{Peek: true}}}).Collect()
	if err != nil || len(list) != 1 || !slices.Contains(list[0].Flags, imap.FlagSeen) {
		t.Fatalf("%+v, %v", list, err)
	}
	return list[0].BodySection[0].Bytes
}
