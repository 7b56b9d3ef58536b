package gateway_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/builtin"
	"heliograph/hooks/rules"
	"heliograph/internal/gateway"
	"heliograph/internal/mailtest"
	"heliograph/proxy/upstream"
)

const stockRule = `
id: stock
name: 库存不足
owner: boss@example.com
trigger: {type: webhook, hook: erp}
when: {all: [{field: event.stock, op: lt, value: 10}]}
steps:
  - {id: tell, do: send_mail, with: {to: %q, subject: '{{.event.item}} 只剩 {{.event.stock}} 件', text: '请补货：{{.event.item}}', unsubscribe: stock}}
  - {id: arrived, do: wait, with: {for: 1h, delivery: tell}}
  - {id: note, do: create_record, with: {target: crm, object: deals, fields: {title: '补货 {{.event.item}}：{{if .steps.arrived.delivered}}已通知{{else}}未通知{{end}}'}}}
`

// TestARuleStartedByAnotherSystem lets a warehouse tell of its stock, and the person who gets the mail leaves the list.
func TestARuleStartedByAnotherSystem(t *testing.T) {
	t.Parallel()
	p := mailtest.Postfix(t)
	from, to := p.Users[0], p.Users[1]
	key := bytes.Repeat([]byte("k"), 32)
	secret := "whsec_" + base64.StdEncoding.EncodeToString(key)
	g := start(t, upstreamTo(p)+listeners+fmt.Sprintf(`
targets: [{name: crm, type: builtin}]
outbox: {senders: [{address: %q, password: %q, display_name: 仓库}]}
rules: {sender: %q, webhooks: [{name: erp, secret: %q}]}
`, from.Name, from.Password, from.Name, secret))
	rule, err := rules.Parse(fmt.Appendf(nil, stockRule, to.Name))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := rules.NewBook(g.Store(), nil).Publish(t.Context(), rule, rules.StateLive, -1, "", "test", rules.Surroundings{}); err != nil {
		t.Fatal(err)
	}
	tell := func(id, body string, with []byte) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+g.ConsoleAddr().String()+"/events/erp", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		crmclient.SignWebhook(req.Header, [][]byte{with}, id, time.Now(), []byte(body))
		return status(t, req)
	}
	if got := tell("msg_0", `{"item": "螺丝", "stock": 3}`, []byte("a wrong key, as long as needed")); got != http.StatusNotFound {
		t.Errorf("a wrong signature is answered %d, want 404", got)
	}
	if got := tell("msg_0", `{"item"`, key); got != http.StatusBadRequest {
		t.Errorf("half a body is answered %d, want 400", got)
	}
	for range 2 {
		if got := tell("msg_1", `{"item": "螺丝", "stock": 3}`, key); got != http.StatusAccepted {
			t.Fatalf("the event is answered %d, want 202", got)
		}
	}
	tell("msg_2", `{"item": "螺母", "stock": 300}`, key)
	d := p.AwaitDeliveries(to.Name, 1)
	m, err := mail.ReadMessage(bytes.NewReader(d[0].Data))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"Auto-Submitted": "auto-generated", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if m.Header.Get("X-Heliograph-Cause") == "" || !strings.HasPrefix(m.Header.Get("Message-Id"), "<hg.") {
		t.Errorf("the mail does not say where it comes from: %v", m.Header)
	}
	_, path, ok := strings.Cut(strings.Trim(m.Header.Get("List-Unsubscribe"), "<>"), "https://gw.example.com")
	if !ok {
		t.Fatalf("List-Unsubscribe is %q", m.Header.Get("List-Unsubscribe"))
	}
	get, post := request(t, g, http.MethodGet, path), request(t, g, http.MethodPost, path)
	if got := status(t, get); got != http.StatusOK {
		t.Errorf("the page for leaving the list is answered %d", got)
	}
	tell("msg_3", `{"item": "垫片", "stock": 1}`, key)
	p.AwaitDeliveries(to.Name, 2) // a look at the page changed nothing
	if got := status(t, post); got != http.StatusOK {
		t.Errorf("leaving the list is answered %d", got)
	}
	tell("msg_4", `{"item": "弹簧", "stock": 2}`, key)
	mailtest.Eventually(t, 20*time.Second, func() error {
		runs, err := rules.Runs(t.Context(), g.Store().Reader(), rules.RunFilter{Rule: "stock"})
		if err != nil {
			return err
		}
		done := 0
		for _, r := range runs {
			if r.State == rules.RunDone {
				done++
			}
		}
		if done != 3 {
			return fmt.Errorf("%d runs are done, want 3", done)
		}
		return nil
	})
	page, _, err := g.crm.QueryRecords(t.Context(), crmclient.Query{Object: "deals"}, "")
	if err != nil {
		t.Fatal(err)
	}
	var titles []string
	for _, r := range page {
		titles = append(titles, fmt.Sprint(r.Fields["title"]))
	}
	slices.Sort(titles)
	if want := []string{"补货 垫片：已通知", "补货 弹簧：未通知", "补货 螺丝：已通知"}; !slices.Equal(titles, want) {
		t.Errorf("the records are %q, want %q", titles, want)
	}
	if n := len(p.Deliveries(to.Name)); n != 2 {
		t.Errorf("%d mails arrived, want 2: one each for the first two events, none after the opt-out", n)
	}
}

func request(t *testing.T, g *running, method, path string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+g.ConsoleAddr().String()+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func status(t *testing.T, req *http.Request) int {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	return resp.StatusCode
}

// TestCheckTriesWhatRulesNeed names an account with a wrong password, and leaves a live rule without its target.
func TestCheckTriesWhatRulesNeed(t *testing.T) {
	t.Parallel()
	p := mailtest.Postfix(t)
	good, bad := p.Users[0], p.Users[1]
	const sections = `
targets: [{name: %s, type: builtin}]
outbox: {senders: [{address: %q, password: %q}, {address: %q, password: wrong}]}
`
	g := start(t, upstreamTo(p)+listeners+fmt.Sprintf(sections, "crm", good.Name, good.Password, bad.Name))
	rule, err := rules.Parse(fmt.Appendf(nil, stockRule, bad.Name))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := rules.NewBook(g.Store(), nil).Publish(t.Context(), rule, rules.StateLive, -1, "", "test", rules.Surroundings{}); err != nil {
		t.Fatal(err)
	}
	found := map[string]gateway.Finding{}
	err = gateway.Check(t.Context(), g.load(upstreamTo(p)+listeners+fmt.Sprintf(sections, "renamed", good.Name, good.Password, bad.Name)), func(f gateway.Finding) {
		found[f.Part+" "+f.Check] = f
	})
	if err == nil {
		t.Error("check says that all is well")
	}
	if f := found["sender "+good.Name+" login"]; f.Outcome != upstream.OutcomeOK {
		t.Errorf("the good sender: %+v", f)
	}
	if f := found["sender "+bad.Name+" login"]; f.Outcome != upstream.OutcomeFailed || f.Remedy == "" || strings.Contains(f.Detail, "wrong") {
		t.Errorf("the sender with the wrong password: %+v", f)
	}
	if f := found["rule stock check"]; f.Outcome != upstream.OutcomeFailed || !strings.Contains(f.Detail, "crm") {
		t.Errorf("the rule without its target: %+v", f)
	}
}

// TestWhatBelongsToAContact asks for the newest ticket of the person that an event is about, and for a deal that there is not.
func TestWhatBelongsToAContact(t *testing.T) {
	t.Parallel()
	g := start(t, `
upstreams: [{name: main, domains: [example.com], smtp: {address: "127.0.0.1:9", tls: none}}]
listeners: [{protocol: smtp, address: "127.0.0.1:0", tls: starttls}]
targets: [{name: crm, type: builtin}]
rules: {webhooks: [{name: shop, token: a-token-for-the-shop}]}
`)
	contact, err := g.crm.AddContact(t.Context(), builtin.Contact{Name: "李雷", Addresses: []string{"li@customer.org"}, Kind: "contact"})
	if err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{"旧工单", "新工单"} {
		if _, err := g.crm.AddTicket(t.Context(), builtin.Ticket{Subject: subject, ContactID: contact.ID}); err != nil {
			t.Fatal(err)
		}
	}
	rule, err := rules.Parse([]byte(`
id: related
name: 关联
owner: boss@example.com
trigger: {type: webhook, hook: shop}
contact: '{{.event.mail}}'
steps:
  - {id: note, do: create_record, with: {target: crm, object: deals, fields: {title: '{{.contact.name}}：{{.ticket.subject}}：{{.deal.title | default "没有商机"}}'}}}
`))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := rules.NewBook(g.Store(), nil).Publish(t.Context(), rule, rules.StateLive, -1, "", "test", rules.Surroundings{}); err != nil {
		t.Fatal(err)
	}
	req := request(t, g, http.MethodPost, "/events/shop")
	req.Body = io.NopCloser(strings.NewReader(`{"mail": "li@customer.org"}`))
	if got := status(t, req); got != http.StatusNotFound {
		t.Fatalf("an event without the token is answered %d, want 404", got)
	}
	req = request(t, g, http.MethodPost, "/events/shop")
	req.Body = io.NopCloser(strings.NewReader(`{"mail": "li@customer.org"}`))
	req.Header.Set("Authorization", "Bearer a-token-for-the-shop")
	if got := status(t, req); got != http.StatusAccepted {
		t.Fatalf("the event is answered %d, want 202", got)
	}
	mailtest.Eventually(t, 20*time.Second, func() error {
		page, _, err := g.crm.QueryRecords(t.Context(), crmclient.Query{Object: "deals"}, "")
		if err != nil {
			return err
		}
		if len(page) != 1 {
			runs, err := rules.Runs(t.Context(), g.Store().Reader(), rules.RunFilter{})
			if err != nil || len(runs) == 0 {
				return fmt.Errorf("no run (%w)", err)
			}
			return fmt.Errorf("%d deals; the run is %s: %s", len(page), runs[0].State, runs[0].Reason)
		}
		if want := "李雷：新工单：没有商机"; page[0].Fields["title"] != want {
			return fmt.Errorf("the title is %q, want %q", page[0].Fields["title"], want)
		}
		return nil
	})
}
