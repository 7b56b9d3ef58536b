package gateway_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"heliograph/internal/gateway"
	"heliograph/internal/journal"
	"heliograph/internal/mailtest"
	"heliograph/proxy/upstream"
)

// mailboxesAt is the section of a Dovecot of the test kit.
func mailboxesAt(d *mailtest.DovecotServer) string {
	return fmt.Sprintf(`
upstreams:
  - name: main
    domains: [example.com]
    default: true
    imap: {address: %q, tls: starttls, ca_file: %q, server_name: localhost}
`, d.IMAPAddr, d.Certs.CAFile)
}

const imapListeners = `
listeners:
  - {protocol: imap, address: "127.0.0.1:0", tls: starttls}
  - {protocol: imap, address: "127.0.0.1:0", tls: implicit}
  - {protocol: imap, address: "127.0.0.1:0", tls: implicit, mode: customers}
`

// imap logs an IMAP client in at a listener.
func (r *running) imap(listener int, user mailtest.User) *imapclient.Client {
	r.t.Helper()
	dial := imapclient.DialTLS
	if listener == 0 {
		dial = imapclient.DialStartTLS
	}
	c, err := dial(r.Addr(listener).String(), &imapclient.Options{TLSConfig: r.clientTLS()})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	if err := c.Login(user.Name, user.Password).Wait(); err != nil {
		r.t.Fatal(err)
	}
	return c
}

// put stores a message in a mailbox of Dovecot's, past the gateway.
func put(t *testing.T, d *mailtest.DovecotServer, user mailtest.User, body []byte) {
	t.Helper()
	c, err := imapclient.DialTLS(d.IMAPSAddr, &imapclient.Options{TLSConfig: d.Certs.Client()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := c.Login(user.Name, user.Password).Wait(); err != nil {
		t.Fatal(err)
	}
	appendTo(t, c, "INBOX", body)
}

func appendTo(t *testing.T, c *imapclient.Client, mailbox string, body []byte) {
	t.Helper()
	cmd := c.Append(mailbox, int64(len(body)), nil)
	if _, err := cmd.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
}

// look reads the headers of all mail in INBOX, as a mail program does that shows a list.
func look(t *testing.T, c *imapclient.Client) {
	t.Helper()
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	header := &imap.FetchItemBodySection{Specifier: imap.PartSpecifierHeader, Peek: true}
	all := imap.SeqSet{imap.SeqRange{Start: 1, Stop: 0}}
	if _, err := c.Fetch(all, &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{header}}).Collect(); err != nil {
		t.Fatal(err)
	}
}

// TestIMAPToCRM reads, gets and files mail through the gateway with a real Dovecot behind
// it, finds it in the journal byte for byte and in the CRM once, and browses it there by IMAP.
func TestIMAPToCRM(t *testing.T) {
	t.Parallel()
	d := mailtest.Dovecot(t)
	g := start(t, mailboxesAt(d)+imapListeners+"customers: {scope: own}\n")
	li, wang := d.Users[0], d.Users[1]
	customer := "customer@elsewhere.example"
	bodies := map[string][]byte{}
	for _, id := range []string{"read", "comes", "filed"} {
		bodies[id] = simple(customer, li.Name, "it "+id, id+"@elsewhere.example")
	}
	bodies["filed"] = simple(li.Name, customer, "it filed", "filed@example.com")

	put(t, d, li, bodies["read"])
	put(t, d, wang, bodies["read"])
	reader := g.imap(0, li)
	look(t, reader)
	if _, err := reader.Idle(); err != nil {
		t.Fatal(err)
	}
	put(t, d, li, bodies["comes"])
	colleague := g.imap(1, wang)
	look(t, colleague)
	appendTo(t, colleague, "Sent", bodies["filed"])

	kinds := map[journal.Kind]int{}
	for _, e := range g.entries(journal.StateConfirmed, 4) {
		kinds[e.Kind]++
		if !slices.ContainsFunc([]string{"read", "comes", "filed"}, func(id string) bool { return bytes.Equal(g.body(e), bodies[id]) }) {
			t.Errorf("the journal has other bytes than Dovecot: %q", g.body(e))
		}
	}
	if kinds[journal.KindFetch] != 3 || kinds[journal.KindAppend] != 1 {
		t.Errorf("kinds %v", kinds)
	}
	for _, a := range g.activities(3) {
		if want := map[bool]string{true: "outbound", false: "inbound"}[a.Subject == "it filed"]; string(a.Direction) != want {
			t.Errorf("%q is %s", a.Subject, a.Direction)
		}
	}

	boxes := g.imap(2, li)
	list, err := boxes.List("", "Customers/*", nil).Collect()
	if err != nil || len(list) != 1 {
		t.Fatalf("%d mailboxes of customers, %v", len(list), err)
	}
	// What Wang filed is Wang's. What both read may be in the CRM by Wang's copy first; that Li has it too follows.
	mailtest.Eventually(t, 10*time.Second, func() error {
		box, err := boxes.Select(list[0].Mailbox, nil).Wait()
		if err == nil && box.NumMessages != 2 {
			err = fmt.Errorf("the mailbox %s: %+v", list[0].Mailbox, box)
		}
		return err
	})
}

// TestShortIMAPSession has a program that fetches a message, by UID or by sequence number, and is gone at once.
func TestShortIMAPSession(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"UID", "MAILINDEX"} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			d := mailtest.Dovecot(t)
			g := start(t, mailboxesAt(d)+imapListeners)
			_, port, err := net.SplitHostPort(g.Addr(1).String())
			if err != nil {
				t.Fatal(err)
			}
			for n, user := range d.Users {
				body := simple("c@elsewhere.example", user.Name, "for "+user.Name, fmt.Sprintf("%d@elsewhere.example", n))
				put(t, d, user, body)
				got, err := exec.CommandContext(t.Context(), "curl", "-sS", "--cacert", g.certs.CAFile, "--user", user.Name+":"+user.Password,
					"imaps://localhost:"+port+"/INBOX;"+by+"=1", "--resolve", "localhost:"+port+":127.0.0.1").Output()
				if err != nil || !bytes.Equal(got, body) {
					t.Fatalf("curl got %q, %v", got, err)
				}
			}
			g.entries(journal.StateConfirmed, len(d.Users))
		})
	}
}

// TestReloadOfCapture changes what is captured while a session is open.
func TestReloadOfCapture(t *testing.T) {
	t.Parallel()
	d := mailtest.Dovecot(t)
	sections := mailboxesAt(d) + imapListeners
	g := start(t, sections+"capture: {policy: none}\n")
	li := d.Users[0]
	put(t, d, li, simple("c@elsewhere.example", li.Name, "first", "first@elsewhere.example"))
	open := g.imap(0, li)
	look(t, open)
	if err := g.Reload(t.Context(), g.load(sections+"capture: {policy: seen}\n")); err != nil {
		t.Fatal(err)
	}
	look(t, open) // the old session lives, by the old rules
	look(t, g.imap(1, li))
	g.entries(journal.StateConfirmed, 1)
	look(t, open)
}

// TestTooManyIMAPConnections checks that a client learns in IMAP why it is not served.
func TestTooManyIMAPConnections(t *testing.T) {
	t.Parallel()
	d := mailtest.Dovecot(t)
	g := start(t, mailboxesAt(d)+imapListeners+"limits: {connections_per_ip: 1}\n")
	g.imap(0, d.Users[0])
	conn, err := net.Dial("tcp", g.Addr(0).String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(conn)
	if err != nil || !bytes.HasPrefix(all, []byte("* BYE [UNAVAILABLE] ")) {
		t.Errorf("got %q, %v", all, err)
	}
}

// TestCheckOfIMAP tries the IMAP servers of upstreams, where a listener speaks IMAP.
func TestCheckOfIMAP(t *testing.T) {
	t.Parallel()
	d := mailtest.Dovecot(t)
	r := &running{t: t, certs: mailtest.TLS(t), file: t.TempDir() + "/config.yaml"}
	away := fmt.Sprintf("127.0.0.1:%d", mailtest.FreePort(t))
	findings := func(sections string) (list []gateway.Finding, err error) {
		err = gateway.Check(t.Context(), r.load(sections), func(f gateway.Finding) {
			if strings.HasPrefix(f.Part, "upstream") {
				list = append(list, f)
			}
		})
		return list, err
	}
	list, err := findings(mailboxesAt(d) + imapListeners)
	if err != nil || len(list) == 0 || slices.ContainsFunc(list, func(f gateway.Finding) bool { return f.Part != "upstream main imap" }) {
		t.Errorf("findings %+v, %v", list, err)
	}
	broken := fmt.Sprintf("\nupstreams: [{name: main, default: true, smtp: {address: %q, tls: none}, imap: {address: %q, tls: implicit}}]\n", away, away)
	list, err = findings(broken + imapListeners)
	if err == nil || !slices.ContainsFunc(list, func(f gateway.Finding) bool {
		return f.Part == "upstream main imap" && f.Outcome == upstream.OutcomeFailed && f.Remedy != ""
	}) {
		t.Errorf("findings %+v, %v", list, err)
	}
	list, err = findings(broken + listeners)
	if err == nil || slices.ContainsFunc(list, func(f gateway.Finding) bool { return strings.HasSuffix(f.Part, "imap") }) {
		t.Errorf("without a listener for it, IMAP was tried: %+v, %v", list, err)
	}
}
