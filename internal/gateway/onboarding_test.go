package gateway_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/internal/mailtest"
)

// onboarded are the listeners that a mail program is told of: two for mail that comes and two for mail that goes, and one that is nobody's
// business. Programs are told the ports of the configuration, so they are not 0.
func onboarded(t *testing.T, p *mailtest.PostfixServer) (sections string, ports []int) {
	t.Helper()
	for range 4 {
		ports = append(ports, mailtest.FreePort(t))
	}
	return mailboxesAt(p.Dovecot) + fmt.Sprintf(`    smtp: {address: %q, tls: starttls, ca_file: %q, server_name: localhost}
listeners:
  - {protocol: imap, address: "127.0.0.1:%d", tls: starttls}
  - {protocol: imap, address: "127.0.0.1:%d", tls: implicit}
  - {protocol: smtp, address: "127.0.0.1:%d", tls: implicit}
  - {protocol: smtp, address: "127.0.0.1:%d", tls: starttls}
  - {protocol: imap, address: "127.0.0.1:0", tls: implicit, mode: customers}
customers: {scope: own}
`, p.SubmissionAddr, p.Certs.CAFile, ports[0], ports[1], ports[2], ports[3]), ports
}

// internet is a web in which a console is behind a reverse proxy with TLS, and nothing else is there. Programs reach it as a proxy.
type internet struct {
	proxy net.Addr

	tunnels chan net.Conn // from the proxy to the front of the console
	closed  chan struct{}
	close   func()

	mu    sync.Mutex
	asked []string // method, host and path of each question to the console; by mu
}

// newInternet serves a console by names.
func newInternet(t *testing.T, authority *mailtest.Authority, consoleAddr string, names ...string) *internet {
	t.Helper()
	n := &internet{tunnels: make(chan net.Conn), closed: make(chan struct{})}
	n.close = sync.OnceFunc(func() { close(n.closed) })
	proxy := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, port, _ := net.SplitHostPort(r.Host)
		if r.Method != http.MethodConnect || port != "443" || !slices.Contains(names, host) {
			http.Error(w, "there is no such server", http.StatusBadGateway)
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
			_ = conn.Close()
			return
		}
		select {
		case n.tunnels <- conn:
		case <-n.closed:
			_ = conn.Close()
		}
	}))
	n.proxy = proxy.Listener.Addr()
	forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: consoleAddr})
	front := &httptest.Server{Listener: n, TLS: authority.ServerTLS(names...), Config: &http.Server{
		ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0), // of connections that a program opens for later
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n.mu.Lock()
			n.asked = append(n.asked, r.Method+" "+r.Host+r.URL.Path)
			n.mu.Unlock()
			forward.ServeHTTP(w, r)
		}),
	}}
	front.StartTLS()
	t.Cleanup(front.Close)
	proxy.Start()
	t.Cleanup(proxy.Close)
	return n
}

// Accept makes the far ends of the tunnels a net.Listener.
func (n *internet) Accept() (net.Conn, error) {
	select {
	case c := <-n.tunnels:
		return c, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

func (n *internet) Close() error   { n.close(); return nil }
func (n *internet) Addr() net.Addr { return n.proxy }

// questions are what the console was asked so far.
func (n *internet) questions() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.asked)
}

// foundServer is a server as Thunderbird has understood it, in its own constants' names.
type foundServer struct {
	Type, Host string
	Port       int
	Socket     string
	User       string
	Auth       string
}

// foundSettings are what Thunderbird offers to a person.
type foundSettings struct {
	ID, Name, Source   string
	Domains            []string
	Incoming, Outgoing []foundServer
}

// TestThunderbirdFindsItsSettings types an address into the window of Thunderbird that adds accounts. It finds the servers by the gateway's
// autoconfig, and with them and the password makes an account that reads and sends mail.
func TestThunderbirdFindsItsSettings(t *testing.T) {
	t.Parallel()
	p := mailtest.Postfix(t)
	d := p.Dovecot
	sections, ports := onboarded(t, p)
	g := start(t, sections, func(cfg *config.Config) {
		o := &cfg.Console.Onboarding
		o.Name, o.IMAPHost, o.SMTPHost = "Söhne & 王", "localhost", "localhost"
	})
	authority := mailtest.NewAuthority(t)
	web := newInternet(t, authority, g.ConsoleAddr().String(), "autoconfig.example.com", "example.com", "autodiscover.example.com")
	user := d.Users[1]
	mail := simple("kunde@kunde.example", user.Name, "received", "1@kunde.example")
	put(t, d, user, mail)

	tb := mailtest.StartThunderbird(t, t.TempDir())
	tb.Trust(authority.File)
	tb.Trust(g.certs.CAFile)
	_, port, _ := net.SplitHostPort(web.proxy.String())
	text, _ := tb.Run(thunderbirdAddress, user.Name, port).(string)
	var got foundSettings
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	server := func(kind string, port int, socket string) foundServer {
		return foundServer{kind, "localhost", port, socket, user.Name, "passwordCleartext"}
	}
	want := foundSettings{
		ID: "example.com", Name: "Söhne & 王", Source: "xml-from-isp-https", Domains: []string{"example.com"},
		Incoming: []foundServer{server("imap", ports[1], "SSL"), server("imap", ports[0], "alwaysSTARTTLS")},
		Outgoing: []foundServer{server("smtp", ports[2], "SSL"), server("smtp", ports[3], "alwaysSTARTTLS")},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Thunderbird found\n%+v, want\n%+v", got, want)
	}
	if asked := web.questions(); !slices.Contains(asked, "GET autoconfig.example.com/mail/config-v1.1.xml") {
		t.Errorf("the console was asked %q", asked)
	}
	made, _ := tb.Run(thunderbirdPassword, user.Password).(string)
	if want := fmt.Sprintf("imap localhost:%d 3 %s, smtp localhost:%d 3 %s", ports[1], user.Name, ports[2], user.Name); made != want {
		t.Errorf("Thunderbird has %s, want %s", made, want)
	}
	if subjects := tb.Run(thunderbirdSend, string(simple(user.Name, user.Name, "sent", "2@example.com"))); subjects != `["received","sent"]` {
		t.Errorf("the mails are %v", subjects)
	}
}

const (
	// The functions that the scripts share. A person waits until the button can be pressed.
	thunderbirdHub = `
const hub = () => document.querySelector("account-hub-container")?.modal.querySelector("account-hub-email");
const step = id => until(id, () => { const step = hub()?.querySelector("#" + id); return step && !step.hidden && step; });
const type = (field, text) => { field.value = text; field.dispatchEvent(new Event("input", { bubbles: true })); };
const forward = async () => {
  const button = hub().querySelector("account-hub-footer #forward");
  await until("the button", () => !button.disabled);
  button.click();
};
const nameOf = (constants, value) => Object.keys(constants).find(name => constants[name] === value);
`
	// Asks for the settings of an address, in a world that has nothing but a proxy. The result is what it found.
	thunderbirdAddress = thunderbirdHub + `
const [address, port] = args;
for (const protocol of ["http", "ssl"]) {
  Services.prefs.setCharPref("network.proxy." + protocol, "127.0.0.1");
  Services.prefs.setIntPref("network.proxy." + protocol + "_port", Number(port));
}
Services.prefs.setIntPref("network.proxy.type", 1);
Services.prefs.setCharPref("mailnews.auto_config_url", "");
const { DNS } = ChromeUtils.importESModule("resource:///modules/DNS.sys.mjs");
for (const record of ["mx", "srv", "txt"]) DNS[record] = async () => [];
await openAccountHub("MAIL");
const form = await step("emailAutoConfigSubview");
type(form.querySelector("#realName"), "Wang Fang");
type(form.querySelector("#email"), address);
await forward();
const found = (await step("emailConfigFoundSubview")).captureState();
const server = s => ({
  Type: s.type, Host: s.hostname, Port: s.port, Socket: nameOf(Ci.nsMsgSocketType, s.socketType),
  User: s.username.replace("%EMAILADDRESS%", address), Auth: nameOf(Ci.nsMsgAuthMethod, s.auth),
});
done(JSON.stringify({
  ID: found.id, Name: found.displayName, Source: found.subSource, Domains: found.domains,
  Incoming: [found.incoming, ...found.incomingAlternatives].map(server), Outgoing: [found.outgoing, ...found.outgoingAlternatives].map(server),
}));
`
	// Goes on with a password. The result is the account that there is then.
	thunderbirdPassword = thunderbirdHub + `
const [password] = args;
await forward();
type((await step("emailPasswordSubview")).querySelector("#password"), password);
await forward();
const incoming = await until("an account", () => MailServices.accounts.allServers.find(s => s.type == "imap" && s.port > 0 && MailServices.accounts.findAccountForServer(s)?.defaultIdentity?.smtpServerKey));
const outgoing = MailServices.outgoingServer.getServerByKey(MailServices.accounts.findAccountForServer(incoming).defaultIdentity.smtpServerKey).QueryInterface(Ci.nsISmtpServer);
done("imap " + incoming.hostname + ":" + incoming.port + " " + incoming.socketType + " " + incoming.username
  + ", smtp " + outgoing.hostname + ":" + outgoing.port + " " + outgoing.socketType + " " + outgoing.username);
`
	// Sends a mail from the new account to itself. The result is the subjects in its INBOX.
	thunderbirdSend = `
const [mail] = args;
const { defaultIdentity: identity } = MailServices.accounts.findAccountForServer(MailServices.accounts.allServers.find(s => s.type == "imap"));
const file = await IOUtils.getFile(PathUtils.tempDir, "mail.eml");
await IOUtils.writeUTF8(file.path, mail);
await new Promise((resolve, reject) => MailServices.outgoingServer.getServerByKey(identity.smtpServerKey).sendMailMessage(
  file, MailServices.headerParser.makeFromDisplayAddress(identity.email), [], identity, identity.email, null, null, false, "2@example.com",
  { QueryInterface: ChromeUtils.generateQI(["nsIMsgOutgoingListener"]), onSendStart() {}, onSendStop(uri, status, info, text) { status ? reject(new Error(status + " " + text)) : resolve(); } }));
const subjects = () => [...inbox().messages].map(m => m.mime2DecodedSubject);
await until("two mails", () => inbox() && subjects().length == 2);
done(JSON.stringify(subjects().sort()));
`
)
