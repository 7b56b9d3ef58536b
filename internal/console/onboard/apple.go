package onboard

import (
	"bytes"
	"crypto/sha256"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"heliograph/config"
)

// profilePath serves profiles of Apple's devices.
const profilePath = "/onboarding/apple.mobileconfig"

// ProfileURL is where a device fetches its profile; empty where nobody reaches the console.
func (b *Book) ProfileURL(address string) string {
	if b.console() == "" {
		return ""
	}
	return b.o.PublicURL + profilePath + "?email=" + url.QueryEscape(address)
}

func (b *Book) profile(w http.ResponseWriter, r *http.Request) {
	address := strings.ToLower(r.URL.Query().Get("email"))
	if _, err := b.domainOf(address); err != nil || len(b.incoming) == 0 || len(b.outgoing) == 0 {
		http.Error(w, ErrDomain.Error(), http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/x-apple-aspen-config")
	w.Header().Set("Content-Disposition", `attachment; filename="mail.mobileconfig"`)
	_, _ = w.Write(b.Profile(address)) // whoever asked is gone
}

// Profile is the profile for an address (Apple, "Configuration Profile Reference", com.apple.mail.managed). The device asks for the password. It is the
// same each time, so that installing it again replaces what is there.
func (b *Book) Profile(address string) []byte {
	in, out := b.incoming[0], b.outgoing[0]
	mail := dict{
		{"EmailAccountDescription", b.Name()},
		{"EmailAccountType", "EmailTypeIMAP"},
		{"EmailAddress", address},
		{"IncomingMailServerAuthentication", "EmailAuthPassword"},
		{"IncomingMailServerHostName", in.Host},
		{"IncomingMailServerPortNumber", in.Port},
		{"IncomingMailServerUseSSL", in.TLS != config.TLSNone},
		{"IncomingMailServerUsername", address},
		{"OutgoingMailServerAuthentication", "EmailAuthPassword"},
		{"OutgoingMailServerHostName", out.Host},
		{"OutgoingMailServerPortNumber", out.Port},
		{"OutgoingMailServerUseSSL", out.TLS != config.TLSNone},
		{"OutgoingMailServerUsername", address},
		{"OutgoingPasswordSameAsIncomingPassword", true},
		{"PayloadDescription", "IMAP, SMTP"},
		{"PayloadDisplayName", b.Name()},
		{"PayloadIdentifier", b.identifier(address) + ".mail"},
		{"PayloadType", "com.apple.mail.managed"},
		{"PayloadUUID", uuidOf("mail", b.identifier(address))},
		{"PayloadVersion", 1},
	}
	whole := dict{
		{"PayloadContent", []dict{mail}},
		{"PayloadDescription", "Mail: " + address},
		{"PayloadDisplayName", b.Name() + " (" + address + ")"},
		{"PayloadIdentifier", b.identifier(address)},
		{"PayloadOrganization", b.Name()},
		{"PayloadRemovalDisallowed", false},
		{"PayloadType", "Configuration"},
		{"PayloadUUID", uuidOf("profile", b.identifier(address))},
		{"PayloadVersion", 1},
	}
	var t bytes.Buffer
	t.WriteString(xml.Header + `<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">` + "\n<plist version=\"1.0\">\n")
	writePlist(&t, whole)
	t.WriteString("</plist>\n")
	return t.Bytes()
}

// identifier names the profile of an address at this gateway.
func (b *Book) identifier(address string) string {
	sum := sha256.Sum256([]byte(strings.ToLower(address)))
	return fmt.Sprintf("heliograph.mail.%s.%x", b.incoming[0].Host, sum[:8])
}

// uuidOf makes a UUID of its own kind from a name (RFC 9562, 5.8).
func uuidOf(purpose, name string) string {
	sum := sha256.Sum256([]byte("heliograph onboarding\x00" + purpose + "\x00" + name))
	sum[6] = sum[6]&0x0f | 0x80
	sum[8] = sum[8]&0x3f | 0x80
	return strings.ToUpper(fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16]))
}

// dict is a dictionary of a property list, in order.
type dict []struct {
	key   string
	value any
}

func writePlist(t *bytes.Buffer, v any) {
	switch v := v.(type) {
	case dict:
		t.WriteString("<dict>\n")
		for _, e := range v {
			t.WriteString("<key>" + e.key + "</key>\n")
			writePlist(t, e.value)
		}
		t.WriteString("</dict>\n")
	case []dict:
		t.WriteString("<array>\n")
		for _, d := range v {
			writePlist(t, d)
		}
		t.WriteString("</array>\n")
	case bool:
		fmt.Fprintf(t, "<%t/>\n", v)
	case int:
		fmt.Fprintf(t, "<integer>%d</integer>\n", v)
	case string:
		t.WriteString("<string>")
		_ = xml.EscapeText(t, []byte(v)) // a buffer takes all
		t.WriteString("</string>\n")
	}
}
