package onboard_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"heliograph/config"
	"heliograph/internal/console/onboard"
	"heliograph/internal/limit"
)

func options() onboard.Options {
	return onboard.Options{
		Config:    config.Onboarding{Enabled: true, Name: "Example & Söhne", IMAPHost: "mail.example.com", SMTPHost: "mail.example.com", Support: "https://help.example.com/mail"},
		PublicURL: "https://gw.example.com:8443",
		Listeners: []config.Listener{
			{Protocol: "imap", Address: ":143", TLS: config.TLSStartTLS, Mode: config.ModeProxy},
			{Protocol: "imap", Address: ":993", TLS: config.TLSImplicit, Mode: config.ModeProxy},
			{Protocol: "imap", Address: ":1143", TLS: config.TLSImplicit, Mode: config.ModeCustomers},
			{Protocol: "smtp", Address: "0.0.0.0:465", TLS: config.TLSImplicit, Mode: config.ModeProxy},
			{Protocol: "smtp", Address: ":587", TLS: config.TLSStartTLS, Mode: config.ModeProxy},
			{Protocol: "smtp", Address: ":2525", TLS: config.TLSNone, Mode: config.ModeProxy},
			{Protocol: "smtp", Address: ":25", TLS: config.TLSStartTLS, Mode: config.ModeQueue},
		},
		Upstreams: []config.Upstream{
			{Name: "main", Domains: []string{"example.com", "Example.CN"}, Provider: "exmail"},
			{Name: "qq", Domains: []string{"qq.com"}, Provider: "qq"},
			{Name: "m365", Domains: []string{"cloud.example"}, Provider: "microsoft365"},
		},
	}
}

// ask sends a request through a mux with the patterns of the book, as the console has it.
func ask(t *testing.T, o onboard.Options, method, target, body string) *http.Response {
	t.Helper()
	b := onboard.New(o)
	mux := http.NewServeMux()
	for _, p := range b.Patterns() {
		mux.Handle(p, b)
	}
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = "autoconfig.example.cn"
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	return w.Result()
}

func text(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// clientConfig is read as Thunderbird's readFromXML does.
type clientConfig struct {
	Version  string `xml:"version,attr"`
	Provider struct {
		ID       string     `xml:"id,attr"`
		Domains  []string   `xml:"domain"`
		Name     string     `xml:"displayName"`
		Incoming []tbServer `xml:"incomingServer"`
		Outgoing []tbServer `xml:"outgoingServer"`
	} `xml:"emailProvider"`
}

type tbServer struct {
	Type string   `xml:"type,attr"`
	Host string   `xml:"hostname"`
	Port int      `xml:"port"`
	TLS  string   `xml:"socketType"`
	User string   `xml:"username"`
	Auth []string `xml:"authentication"`
}

func TestAutoconfig(t *testing.T) {
	t.Parallel()
	for _, target := range []string{
		"/.well-known/autoconfig/mail/config-v1.1.xml?emailaddress=wang%40example.com", "/mail/config-v1.1.xml?emailaddress=nobody@EXAMPLE.com",
	} {
		r := ask(t, options(), "GET", target, "")
		var c clientConfig
		if err := xml.Unmarshal([]byte(text(t, r)), &c); err != nil || r.StatusCode != http.StatusOK || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/xml") {
			t.Fatalf("%s: %s, %v", target, r.Status, err)
		}
		p := c.Provider
		if c.Version != "1.1" || p.ID != "example.com" || !slices.Equal(p.Domains, []string{"example.com"}) || p.Name != "Example & Söhne" {
			t.Errorf("got %+v", c)
		}
		want := []tbServer{
			{"imap", "mail.example.com", 993, "SSL", "%EMAILADDRESS%", []string{"password-cleartext"}},
			{"imap", "mail.example.com", 143, "STARTTLS", "%EMAILADDRESS%", []string{"password-cleartext"}},
		}
		if fmt.Sprint(p.Incoming) != fmt.Sprint(want) {
			t.Errorf("incoming %+v", p.Incoming)
		}
		// Plain text is not told of beside better, and other people's listeners never.
		if len(p.Outgoing) != 2 || p.Outgoing[0].Port != 465 || p.Outgoing[1].TLS != "STARTTLS" {
			t.Errorf("outgoing %+v", p.Outgoing)
		}
	}
	if got := text(t, ask(t, options(), "GET", "/mail/config-v1.1.xml", "")); !strings.Contains(got, `id="example.cn"`) {
		t.Errorf("without an address the host counts: %s", got)
	}
	if got := text(t, ask(t, options(), "GET", "/mail/config-v1.1.xml?emailaddress=a@cloud.example", "")); !strings.Contains(got, "<authentication>OAuth2</authentication>") {
		t.Errorf("Microsoft takes no passwords: %s", got)
	}
}

// TestNothingIsRevealed: the answer depends on the domain only.
func TestNothingIsRevealed(t *testing.T) {
	t.Parallel()
	one := text(t, ask(t, options(), "GET", "/mail/config-v1.1.xml?emailaddress=admin@example.com", ""))
	two := text(t, ask(t, options(), "GET", "/mail/config-v1.1.xml?emailaddress=no-such-person@example.com", ""))
	if one != two {
		t.Error("two addresses of one domain have two answers")
	}
	for _, bad := range []string{"a@elsewhere.example", "nobody", "@example.com", "a@", "a\"@example.com", "a b@example.com", strings.Repeat("a", 300) + "@example.com", "a@ex<ample.com"} {
		for _, target := range []string{"/mail/config-v1.1.xml?emailaddress=", "/onboarding/apple.mobileconfig?email="} {
			if r := ask(t, options(), "GET", target+strings.ReplaceAll(strings.ReplaceAll(bad, " ", "%20"), `"`, "%22"), ""); r.StatusCode != http.StatusNotFound {
				t.Errorf("%s%s: %s", target, bad, r.Status)
			}
		}
	}
	o := options()
	o.Config.Enabled = false
	if r := ask(t, o, "GET", "/mail/config-v1.1.xml?emailaddress=a@example.com", ""); r.StatusCode != http.StatusNotFound {
		t.Errorf("switched off: %s", r.Status)
	}
}

func request(address, schema string) string {
	return `<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request><EMailAddress>` +
		address + `</EMailAddress><AcceptableResponseSchema>` + schema + `</AcceptableResponseSchema></Request></Autodiscover>`
}

const outlookSchema = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"

func TestAutodiscover(t *testing.T) {
	t.Parallel()
	type protocol struct {
		Type, Server, SSL, Encryption, LoginName, SPA string
		Port                                          int
	}
	type answer struct {
		XMLName  xml.Name `xml:"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006 Autodiscover"`
		Response struct {
			XMLName xml.Name
			Account struct {
				AccountType, Action string
				Protocol            []protocol
			}
			Error struct {
				ErrorCode int
				Message   string
			}
		}
	}
	read := func(r *http.Response) (a answer) {
		if err := xml.Unmarshal([]byte(text(t, r)), &a); err != nil || r.StatusCode != http.StatusOK {
			t.Fatal(r.Status, err)
		}
		return a
	}
	for _, path := range []string{"/autodiscover/autodiscover.xml", "/Autodiscover/Autodiscover.xml", "/AutoDiscover/AutoDiscover.xml", "/AUTODISCOVER/AUTODISCOVER.XML"} {
		a := read(ask(t, options(), "POST", path, request("Wang@example.com", outlookSchema)))
		want := []protocol{
			{"IMAP", "mail.example.com", "on", "SSL", "Wang@example.com", "off", 993},
			{"SMTP", "mail.example.com", "on", "SSL", "Wang@example.com", "off", 465},
		}
		if a.Response.XMLName.Space != outlookSchema || a.Response.Account.AccountType != "email" || a.Response.Account.Action != "settings" ||
			!slices.Equal(a.Response.Account.Protocol, want) {
			t.Errorf("%s: %+v", path, a)
		}
	}
	mobile := "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006"
	bomb := `<!DOCTYPE x [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;">]>` + request("&b;@example.com", outlookSchema)
	for body, code := range map[string]int{
		request("a@elsewhere.example", outlookSchema): 500, request("a@example.com", mobile): 601, "": 600, "<a": 600, bomb: 600,
		request("&xxe;@example.com", outlookSchema):                        600,
		strings.Repeat("<a>", 10_000):                                      600,
		"<a>" + strings.Repeat("<b/>", 1000) + "</a>":                      600,
		request("a@example.com"+strings.Repeat(" ", 1<<20), outlookSchema): 600,
		`<?xml version="1.0" encoding="utf-7"?><a/>`:                       600,
	} {
		if a := read(ask(t, options(), "POST", "/autodiscover/autodiscover.xml", body)); a.Response.Error.ErrorCode != code || len(a.Response.Account.Protocol) > 0 {
			t.Errorf("%.60q: got %+v, want %d", body, a.Response, code)
		}
	}
	if r := ask(t, options(), "GET", "/autodiscover/autodiscover.xml", ""); r.StatusCode != http.StatusMethodNotAllowed {
		t.Error(r.Status)
	}
	var v2 map[string]string
	if err := json.Unmarshal([]byte(text(t, ask(t, options(), "GET", "/autodiscover/autodiscover.json?Email=a@example.com&Protocol=Autodiscoverv1", ""))), &v2); err != nil || v2["Url"] != "https://gw.example.com:8443/autodiscover/autodiscover.xml" {
		t.Errorf("got %v, %v", v2, err)
	}
	if r := ask(t, options(), "GET", "/autodiscover/autodiscover.json/v1.0/a@example.com?Protocol=ActiveSync", ""); r.StatusCode != http.StatusBadRequest {
		t.Error(r.Status)
	}
}

func TestProfile(t *testing.T) {
	t.Parallel()
	r := ask(t, options(), "GET", "/onboarding/apple.mobileconfig?email=Wang%2Bx@example.com", "")
	first := text(t, r)
	if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != "application/x-apple-aspen-config" {
		t.Fatal(r.Status, r.Header)
	}
	d := xml.NewDecoder(strings.NewReader(first))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{
		"<key>IncomingMailServerHostName</key>\n<string>mail.example.com</string>", "<key>IncomingMailServerPortNumber</key>\n<integer>993</integer>",
		"<key>OutgoingMailServerUseSSL</key>\n<true/>", "<key>EmailAddress</key>\n<string>wang+x@example.com</string>", "Example &amp; Söhne",
	} {
		if !strings.Contains(first, want) {
			t.Errorf("no %q in %s", want, first)
		}
	}
	if strings.Contains(first, "MailServerPassword") || strings.Contains(first, "<key>IncomingPassword") {
		t.Error("a profile holds no password")
	}
	if again := text(t, ask(t, options(), "GET", "/onboarding/apple.mobileconfig?email=wang%2Bx@example.com", "")); again != first {
		t.Error("the profile differs the second time")
	}
	if other := text(t, ask(t, options(), "GET", "/onboarding/apple.mobileconfig?email=li@example.com", "")); other == first {
		t.Error("two people have one profile")
	}
}

func TestGuide(t *testing.T) {
	t.Parallel()
	b := onboard.New(options())
	for address, want := range map[string]onboard.PasswordKind{"a@qq.com": onboard.PasswordCode, "a@example.com": onboard.PasswordCode, "a@cloud.example": onboard.PasswordOAuth} {
		g, err := b.Guide(address, false)
		if err != nil || g.Password != want || g.PasswordText.ZH == "" || len(g.Programs) != 7 {
			t.Fatalf("%s: %+v, %v", address, g, err)
		}
		if g, err = b.Guide(address, true); err != nil || g.Password != onboard.PasswordGateway {
			t.Errorf("%s enrolled: %v, %v", address, g.Password, err)
		}
		for _, p := range g.Programs {
			for _, s := range p.Steps {
				if s.EN == "" || s.ZH == "" {
					t.Errorf("%s: %+v", p.ID, s)
				}
			}
		}
		if !strings.HasPrefix(g.QR, "<svg ") || strings.Contains(g.QR, "script") || len(g.QR) > 20_000 {
			t.Errorf("picture: %.80q", g.QR)
		}
	}
	if _, err := b.Guide("a@elsewhere.example", false); !errors.Is(err, onboard.ErrDomain) {
		t.Errorf("got %v", err)
	}
	bare := onboard.New(onboard.Options{Upstreams: options().Upstreams})
	if g, err := bare.Guide("a@qq.com", false); err != nil || len(g.Programs) != 0 || len(bare.Problems()) == 0 {
		t.Errorf("got %+v, %v, %v", g, err, bare.Problems())
	}
}

func TestPublicPort(t *testing.T) {
	t.Parallel()
	o := options()
	o.Config.IMAPHost = "mail.example.com:10993"
	o.Listeners = o.Listeners[1:]
	g, err := onboard.New(o).Guide("a@example.com", false)
	if err != nil || g.Incoming[0].Port != 10993 || g.Incoming[0].Host != "mail.example.com" {
		t.Errorf("got %+v, %v", g.Incoming, err)
	}
	o = options()
	o.Config.IMAPHost = ""
	o.Listeners[1].Hostname = "imap.example.com"
	g, err = onboard.New(o).Guide("a@example.com", false)
	if err != nil || g.Incoming[0].Host != "imap.example.com" || g.Incoming[1].Host != "gw.example.com" {
		t.Errorf("got %+v, %v", g.Incoming, err)
	}
}

func TestStrangersAreCounted(t *testing.T) {
	t.Parallel()
	o := options()
	o.Limiter = limit.NewMemory(limit.MemoryOptions{})
	for range 1000 {
		if r := ask(t, o, "GET", "/mail/config-v1.1.xml?emailaddress=a@example.com", ""); r.StatusCode == http.StatusTooManyRequests {
			if r.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			return
		}
	}
	t.Error("one stranger may ask for ever")
}

// zone is a DNS with some records.
type zone map[string]string

func (z zone) LookupSRV(_ context.Context, _, _, name string) (string, []*net.SRV, error) {
	v, ok := z[name]
	if !ok {
		return "", nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	var s net.SRV
	if _, err := fmt.Sscanf(v, "%s %d", &s.Target, &s.Port); err != nil {
		return "", nil, err
	}
	return name, []*net.SRV{&s}, nil
}

func (z zone) LookupCNAME(_ context.Context, host string) (string, error) {
	if v, ok := z[host]; ok {
		return v, nil
	}
	return "", errors.New("timeout")
}

func TestDNS(t *testing.T) {
	t.Parallel()
	o := options()
	o.Upstreams = o.Upstreams[:1]
	o.Config.Domains = []string{"example.com"}
	b := onboard.New(o)
	var lines []string
	for _, r := range b.Records() {
		lines = append(lines, r.String())
	}
	want := []string{
		"_imaps._tcp.example.com. 3600 IN SRV 0 1 993 mail.example.com.", "_imap._tcp.example.com. 3600 IN SRV 0 1 143 mail.example.com.",
		"_submissions._tcp.example.com. 3600 IN SRV 0 1 465 mail.example.com.", "_submission._tcp.example.com. 3600 IN SRV 0 1 587 mail.example.com.",
		"_autodiscover._tcp.example.com. 3600 IN SRV 0 1 8443 gw.example.com.", "autoconfig.example.com. 3600 IN CNAME gw.example.com.",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got\n%s", strings.Join(lines, "\n"))
	}
	z := zone{"_imaps._tcp.example.com": "mail.example.com. 993", "_submissions._tcp.example.com": "old.example.com. 465"}
	answers := b.Look(t.Context(), z)
	if !answers[0].OK || answers[1].OK || answers[1].Err != nil || answers[2].OK || answers[2].Found != "old.example.com:465" || answers[5].Err == nil {
		t.Errorf("got %+v", answers)
	}
}

// FuzzAutodiscover: no request panics or is answered with more than it should; the answer is XML.
func FuzzAutodiscover(f *testing.F) {
	f.Add(request("a@example.com", outlookSchema))
	f.Add(request("<![CDATA[a@example.com]]>", ""))
	f.Add("<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><a>&b;</a>")
	b := onboard.New(options())
	f.Fuzz(func(t *testing.T, body string) {
		w := httptest.NewRecorder()
		b.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/autodiscover/autodiscover.xml", strings.NewReader(body)))
		d := xml.NewDecoder(bytes.NewReader(w.Body.Bytes()))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%v in %s", err, w.Body)
			}
		}
		if w.Code != http.StatusOK || w.Body.Len() > 8<<10 {
			t.Fatalf("%d, %d bytes", w.Code, w.Body.Len())
		}
	})
}
