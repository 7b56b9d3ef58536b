package gateway_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"heliograph/crmclient"
	"heliograph/internal/journal"
	"heliograph/internal/mailtest"
)

// TestPrivacyRulesReload puts a rule in force while a session is open, and takes it back.
func TestPrivacyRulesReload(t *testing.T) {
	t.Parallel()
	p := mailtest.Postfix(t)
	sections := upstreamTo(p) + listeners + "targets: [{name: crm, type: builtin}]\n"
	const rule = "privacy: {rules: [{name: rivals, action: exclude, participants: ['*@elsewhere.example']}]}\n"
	g := start(t, sections)
	c := g.dial(p.Users[0])
	send := func(id string) {
		t.Helper()
		body := simple(p.Users[0].Name, "c@elsewhere.example", id, id+"@example.com")
		if err := c.SendMail(p.Users[0].Name, []string{"c@elsewhere.example"}, bytes.NewReader(body)); err != nil {
			t.Fatal(err)
		}
	}
	send("before")
	g.activities(1)
	if err := g.Reload(t.Context(), g.load(sections+rule)); err != nil {
		t.Fatal(err)
	}
	send("during")
	mailtest.Eventually(t, 30*time.Second, func() error {
		rows, err := g.Journal().Ledger(t.Context(), journal.LedgerFilter{State: journal.LedgerExcluded})
		if err == nil && (len(rows) != 1 || rows[0].Reason != "rule rivals: a participant is on its list") {
			err = fmt.Errorf("excluded: %+v, want one by the rule rivals", rows)
		}
		return err
	})
	if err := g.Reload(t.Context(), g.load(sections)); err != nil {
		t.Fatal(err)
	}
	send("after")
	for _, a := range g.activities(2) {
		if a.Subject == "during" {
			t.Error("what the rule kept back is in the CRM")
		}
	}
}

// signed is a mail from a customer with a signature and a file.
var signed = []byte(lines(
	"From: Li Lei <li@customer.example>", "To: team@example.com", "Subject: order", "Message-ID: <order@customer.example>",
	"Date: Sat, 21 Nov 2026 10:00:00 +0800", "MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=b", "",
	"--b", "Content-Type: text/plain; charset=utf-8", "",
	"We order 20 pieces, see the drawing.", "", "-- ", "Li Lei", "Purchasing Manager", "Mobile: +86 138 0013 8000", "",
	"--b", "Content-Type: application/pdf", "Content-Disposition: attachment; filename=drawing.pdf", "", "drawing 4711", "--b--"))

// TestSignatureAndLink: what a customer's signature says comes into the CRM that lacks it, but not what is masked there; the
// file is behind a link of the console.
func TestSignatureAndLink(t *testing.T) {
	t.Parallel()
	d := mailtest.Dovecot(t)
	g := start(t, mailboxesAt(d)+imapListeners+`
targets: [{name: crm, type: builtin, deliver: {attachments: {policy: link}}}]
contacts: {learn_from_signatures: true}
privacy: {masking: [{kinds: [phone]}]}
`)
	if _, err := g.crm.CreateContact(t.Context(), crmclient.Person{Name: "Li Lei", Address: "li@customer.example"}, ""); err != nil {
		t.Fatal(err)
	}
	// The copy of the contacts is made when the gateway starts; this asks for what came since.
	if err := g.Reload(t.Context(), g.load(mailboxesAt(d)+imapListeners+`
targets: [{name: crm, type: builtin, deliver: {attachments: {policy: link}}}]
contacts: {learn_from_signatures: true, interval: 10s}
privacy: {masking: [{kinds: [phone]}]}
`)); err != nil {
		t.Fatal(err)
	}
	count := func(query string) error {
		var n int
		err := g.Store().Reader().QueryRowContext(t.Context(), query).Scan(&n)
		if err == nil && n != 1 {
			err = fmt.Errorf("%d rows of %s", n, query)
		}
		return err
	}
	mailtest.Eventually(t, 60*time.Second, func() error {
		return count(`SELECT COUNT(*) FROM contact_keys WHERE kind = 'address' AND key = 'li@customer.example'`)
	})
	put(t, d, d.Users[0], signed)
	reader := g.imap(0, d.Users[0])
	look(t, reader)
	if _, err := reader.Idle(); err != nil {
		t.Fatal(err)
	}
	a := g.activities(1)[0]
	mailtest.Eventually(t, 30*time.Second, func() error {
		return count(`SELECT COUNT(*) FROM crm_contacts WHERE title = 'Purchasing Manager'`)
	})
	if err := count(`SELECT 1 + COUNT(*) FROM contact_values WHERE value LIKE '%138%'`); err != nil {
		t.Errorf("a number that is masked for the target was learnt: %v", err)
	}
	if len(a.AttachmentsLeft) != 1 || len(a.Attachments) != 0 {
		t.Fatalf("files %+v, left %+v; want one link", a.Attachments, a.AttachmentsLeft)
	}
	_, token, ok := strings.Cut(a.AttachmentsLeft[0].Reason, "https://gw.example.com/files/")
	if !ok {
		t.Fatalf("no link: %q", a.AttachmentsLeft[0].Reason)
	}
	get := func(token string) (int, string) {
		t.Helper()
		answer, err := http.Get("http://" + g.ConsoleAddr().String() + "/files/" + token)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		if err = errors.Join(err, answer.Body.Close()); err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(body)
	}
	if status, body := get(token); status != http.StatusOK || body != "drawing 4711" {
		t.Errorf("the link: %d %q", status, body)
	}
	if status, _ := get(token + "A"); status != http.StatusNotFound {
		t.Errorf("another token: %d", status)
	}
}
