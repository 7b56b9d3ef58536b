package onboard

import (
	"encoding/xml"
	"net/http"
	"strings"

	"heliograph/config"
)

// The format is that of https://wiki.mozilla.org/Thunderbird:Autoconfiguration:ConfigFileFormat.
type clientConfig struct {
	XMLName  xml.Name      `xml:"clientConfig"`
	Version  string        `xml:"version,attr"`
	Provider emailProvider `xml:"emailProvider"`
}

type emailProvider struct {
	ID        string             `xml:"id,attr"`
	Domains   []string           `xml:"domain"`
	Name      string             `xml:"displayName"`
	ShortName string             `xml:"displayShortName"`
	Incoming  []autoconfigServer `xml:"incomingServer"`
	Outgoing  []autoconfigServer `xml:"outgoingServer"`
	Help      *autoconfigHelp    `xml:"documentation"`
}

type autoconfigServer struct {
	Type string `xml:"type,attr"`
	Host string `xml:"hostname"`
	Port int    `xml:"port"`
	TLS  string `xml:"socketType"`
	User string `xml:"username"`
	// Sign-ins in order of preference; the program takes the first that it can.
	SignIns []string `xml:"authentication"`
}

type autoconfigHelp struct {
	URL   string           `xml:"url,attr"`
	Texts []autoconfigText `xml:"descr"`
}

type autoconfigText struct {
	Lang string `xml:"lang,attr"`
	Text string `xml:",chardata"`
}

// userMark stands for the address that the user typed.
const userMark = "%EMAILADDRESS%"

var socketTypes = map[config.TLSMode]string{config.TLSImplicit: "SSL", config.TLSStartTLS: "STARTTLS", config.TLSNone: "plain"}

// autoconfig answers GET /mail/config-v1.1.xml and /.well-known/autoconfig/mail/config-v1.1.xml.
func (b *Book) autoconfig(w http.ResponseWriter, r *http.Request) {
	domain, err := "", error(nil)
	if address := r.URL.Query().Get("emailaddress"); address != "" {
		if domain, err = b.domainOf(address); err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
	} else {
		domain = b.domainOfHost(r.Host)
	}
	if domain == "" || len(b.incoming) == 0 || len(b.outgoing) == 0 {
		http.Error(w, ErrDomain.Error(), http.StatusNotFound)
		return
	}
	p := emailProvider{ID: domain, Domains: []string{domain}, Name: b.Name(), ShortName: b.Name()}
	signIns := b.signIns(domain)
	server := func(s Server) autoconfigServer {
		return autoconfigServer{Type: s.Protocol, Host: s.Host, Port: s.Port, TLS: socketTypes[s.TLS], User: userMark, SignIns: signIns}
	}
	for _, s := range b.incoming {
		p.Incoming = append(p.Incoming, server(s))
	}
	for _, s := range b.outgoing {
		p.Outgoing = append(p.Outgoing, server(s))
	}
	if strings.HasPrefix(b.o.Config.Support, "https://") {
		p.Help = &autoconfigHelp{URL: b.o.Config.Support, Texts: []autoconfigText{{"en", "Help"}, {"zh", "帮助"}}}
	}
	writeXML(w, "text/xml; charset=utf-8", clientConfig{Version: "1.1", Provider: p})
}

// domainOfHost is the domain that is meant without an address: autoconfig.example.com is asked for example.com.
func (b *Book) domainOfHost(host string) string {
	host, _ = splitPort(strings.ToLower(host))
	host = strings.TrimPrefix(host, "autoconfig.")
	for _, d := range b.domains {
		if d == host {
			return d
		}
	}
	if len(b.domains) > 0 {
		return b.domains[0]
	}
	return ""
}

// signIns are the ways to sign in at the upstream of a domain, the best first. Thunderbird takes OAuth2 only for hosts that it knows, and goes on
// to the next else.
func (b *Book) signIns(domain string) []string {
	u := b.upstream(domain)
	if u == nil {
		return []string{"password-cleartext"}
	}
	preset, _ := u.Preset()
	if u.SignIn != config.SignInEnrolled && (preset.OAuthOnly || preset.OAuth != nil && strings.HasPrefix(preset.Name, "microsoft365")) {
		return []string{"OAuth2", "password-cleartext"}
	}
	return []string{"password-cleartext"}
}

func writeXML(w http.ResponseWriter, contentType string, v any) {
	text, err := xml.MarshalIndent(v, "", "  ")
	if err != nil { // texts of the configuration that XML cannot hold
		http.Error(w, "the settings cannot be written down", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType)
	_, _ = w.Write(append([]byte(xml.Header), append(text, '\n')...)) // whoever asked is gone
}
