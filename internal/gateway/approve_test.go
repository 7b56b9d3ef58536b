package gateway_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime/quotedprintable"
	"net/http"
	"net/mail"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"heliograph/crmclient"
	"heliograph/hooks/rules"
	"heliograph/internal/console/access"
	"heliograph/internal/mailtest"
)

const purchaseRule = `
id: purchase
name: 采购申请
owner: boss@example.com
trigger: {type: manual}
steps:
  - {id: ask, do: approve, with: {approvers: ['role:finance'], need: all, title: '采购 <script>alert(1)</script>', text: '金额 120,000', expires: 24h, refuse_needs_comment: true}}
  - {id: note, do: create_record, with: {target: crm, object: deals, fields: {title: '{{.steps.ask.decision}}：{{.steps.ask.comment}}'}}}
`

var (
	approvalLink  = regexp.MustCompile(`https://gw\.example\.com(/approve/[A-Za-z0-9_-]{43})\r?\n`)
	approvalField = regexp.MustCompile(`name="(check|hash)" value="([0-9a-f]+)"`)
)

// TestPeopleApproveByMail asks two people by mail, who open their links and decide in the console.
func TestPeopleApproveByMail(t *testing.T) {
	t.Parallel()
	p := mailtest.Postfix(t)
	sender, one, two := p.Users[0], p.Users[1], p.Users[2]
	g := start(t, upstreamTo(p)+listeners+fmt.Sprintf(`
targets: [{name: crm, type: builtin}]
outbox: {senders: [{address: %q, password: %q}]}
rules: {sender: %q, roles: [{name: finance, members: [%q, %q]}]}
`, sender.Name, sender.Password, sender.Name, one.Name, "Deputy <"+two.Name+">"))
	rule, err := rules.Parse([]byte(purchaseRule))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := rules.NewBook(g.Store(), nil).Publish(t.Context(), rule, rules.StateLive, -1, "", "test", rules.Surroundings{}); err != nil {
		t.Fatal(err)
	}
	if _, err := rules.New(rules.Options{Store: g.Store(), Queue: g.Queue()}).Start(t.Context(), "purchase", "clerk@example.com", rules.Event{}); err != nil {
		t.Fatal(err)
	}
	var pages []string
	for _, who := range []string{one.Name, two.Name} {
		m, err := mail.ReadMessage(bytes.NewReader(p.AwaitDeliveries(who, 1)[0].Data))
		if err != nil {
			t.Fatal(err)
		}
		text := bodyOf(t, m)
		link := approvalLink.FindStringSubmatch(text)
		if link == nil || !strings.Contains(text, "> 采购 <script>") {
			t.Fatalf("the mail to %s:\n%s", who, text)
		}
		pages = append(pages, link[1])
	}
	for range 3 { // scanners look at links
		for _, page := range pages {
			if code, text := visit(t, g, page, nil); code != http.StatusOK || strings.Contains(text, "<script>") || !strings.Contains(text, "120,000") {
				t.Fatalf("the page is %d:\n%s", code, text)
			}
		}
	}
	if code, text := visit(t, g, pages[0], url.Values{"decision": {"refuse"}}); code != http.StatusUnprocessableEntity {
		t.Errorf("a refusal without a reason is %d:\n%s", code, text)
	}
	if code, text := visit(t, g, pages[0], url.Values{"decision": {"hand"}, "to": {"mallory@example.org"}}); code != http.StatusUnprocessableEntity {
		t.Errorf("a vote for a stranger is %d:\n%s", code, text)
	}
	for _, to := range []string{two.Name, "clerk@example.com"} { // who is asked, and who caused it
		if code, text := visit(t, g, pages[0], url.Values{"decision": {"hand"}, "to": {to}}); code != http.StatusUnprocessableEntity {
			t.Errorf("a vote for %s is %d:\n%s", to, code, text)
		}
	}
	for i, want := range []string{"others still have to", "approved"} {
		if code, text := visit(t, g, pages[i], url.Values{"decision": {"approve"}, "comment": {"好"}}); code != http.StatusOK || !strings.Contains(text, want) {
			t.Errorf("decision %d is %d:\n%s", i, code, text)
		}
	}
	if code, _ := visit(t, g, pages[1], nil); code != http.StatusOK {
		t.Errorf("the page is %d after the decision", code)
	}
	mailtest.Eventually(t, 20*time.Second, func() error {
		page, _, err := g.crm.QueryRecords(t.Context(), crmclient.Query{Object: "deals"}, "")
		if err != nil || len(page) != 1 {
			return fmt.Errorf("%d records, %w", len(page), err)
		}
		if title := fmt.Sprint(page[0].Fields["title"]); !strings.HasPrefix(title, "approved：") || strings.Count(title, "好") != 2 {
			t.Errorf("the record is %q", title)
		}
		return nil
	})
	if code, _ := visit(t, g, "/approve/"+strings.Repeat("A", 43), nil); code != http.StatusNotFound {
		t.Errorf("a link of nobody's is %d", code)
	}
	status, record := g.ask(http.MethodGet, "/api/v1/audit?action=decideApproval", g.tokens(access.Auditor, 1)[0], nil)
	for _, who := range []string{one.Name, two.Name} {
		if status != http.StatusOK || !strings.Contains(string(record), who) || !strings.Contains(string(record), `"via":"link"`) {
			t.Errorf("the decision of %s is not on record: %d %s", who, status, record)
		}
	}
}

// visit opens a page, and with a form sends that of the page.
func visit(t *testing.T, g *running, path string, form url.Values) (int, string) {
	t.Helper()
	read := func(req *http.Request) (int, string) {
		t.Helper()
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	code, text := read(request(t, g, http.MethodGet, path))
	if form == nil {
		return code, text
	}
	for _, m := range approvalField.FindAllStringSubmatch(text, -1) {
		form.Set(m[1], m[2])
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+g.ConsoleAddr().String()+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	return read(req)
}

// bodyOf is the text of a message that has nothing else.
func bodyOf(t *testing.T, m *mail.Message) string {
	t.Helper()
	body := m.Body
	switch encoding := strings.ToLower(m.Header.Get("Content-Transfer-Encoding")); encoding {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
