package onboard

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"heliograph/config"
)

// schemaOutlook is the name of the answers that Outlook asks for ([MS-OXDSCLI]).
const schemaOutlook = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"

// Bounds of a request: real ones have five elements and one address.
const (
	maxRequest  = 16 << 10
	maxDepth    = 8
	maxElements = 64
)

type autodiscover struct {
	XMLName  xml.Name `xml:"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006 Autodiscover"`
	Response any
}

type outlookResponse struct {
	XMLName xml.Name       `xml:"http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a Response"`
	User    outlookUser    `xml:"User"`
	Account outlookAccount `xml:"Account"`
}

type outlookUser struct {
	Name    string `xml:"DisplayName"`
	Address string `xml:"AutoDiscoverSMTPAddress"`
}

type outlookAccount struct {
	Type      string            `xml:"AccountType"`
	Action    string            `xml:"Action"`
	Protocols []outlookProtocol `xml:"Protocol"`
}

type outlookProtocol struct {
	Type           string `xml:"Type"`
	Server         string `xml:"Server"`
	Port           int    `xml:"Port"`
	DomainRequired string `xml:"DomainRequired"`
	LoginName      string `xml:"LoginName"`
	SPA            string `xml:"SPA"`
	SSL            string `xml:"SSL"`
	Encryption     string `xml:"Encryption"`
	AuthRequired   string `xml:"AuthRequired"`
	UsePOPAuth     string `xml:"UsePOPAuth,omitempty"`
	SMTPLast       string `xml:"SMTPLast,omitempty"`
}

type outlookFailure struct {
	XMLName xml.Name     `xml:"Response"`
	Error   outlookError `xml:"Error"`
}

type outlookError struct {
	Time    string `xml:"Time,attr"`
	ID      string `xml:"Id,attr"`
	Code    int    `xml:"ErrorCode"`
	Message string `xml:"Message"`
	Debug   string `xml:"DebugData"`
}

var errRequest = errors.New("the request is not one of autodiscover")

// readRequest takes the address out of a request. It is a stranger's XML: declarations and entities are refused, and all is bounded.
func readRequest(r io.Reader) (address string, schemas []string, err error) {
	d := xml.NewDecoder(r)
	var path []string
	texts := map[string]string{}
	for elements := 0; ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", nil, errRequest
		}
		switch t := token.(type) {
		case xml.Directive:
			return "", nil, errRequest
		case xml.StartElement:
			path = append(path, t.Name.Local)
			if elements++; len(path) > maxDepth || elements > maxElements {
				return "", nil, errRequest
			}
		case xml.EndElement:
			if path[len(path)-1] == "AcceptableResponseSchema" {
				schemas = append(schemas, strings.TrimSpace(texts[strings.Join(path, "/")]))
			}
			path = path[:len(path)-1]
		case xml.CharData:
			texts[strings.Join(path, "/")] += string(t)
		}
	}
	address = strings.TrimSpace(texts["Autodiscover/Request/EMailAddress"])
	if address == "" {
		return "", nil, errRequest
	}
	return address, schemas, nil
}

// autodiscoverXML answers POST /autodiscover/autodiscover.xml ("plain old XML").
func (b *Book) autodiscoverXML(w http.ResponseWriter, r *http.Request) {
	address, schemas, err := readRequest(http.MaxBytesReader(w, r.Body, maxRequest))
	switch {
	case err != nil:
		b.refuse(w, 600, "Invalid Request")
		return
	case len(schemas) > 0 && !slices.Contains(schemas, schemaOutlook): // phones ask for Exchange ActiveSync, which is not here
		b.refuse(w, 601, "The requested schema version is not supported")
		return
	}
	if _, err := b.domainOf(address); err != nil || len(b.incoming) == 0 || len(b.outgoing) == 0 {
		b.refuse(w, 500, "The email address cannot be found")
		return
	}
	account := outlookAccount{Type: "email", Action: "settings"}
	for _, s := range []Server{b.incoming[0], b.outgoing[0]} {
		account.Protocols = append(account.Protocols, outlookServer(s, address))
	}
	writeXML(w, "application/xml; charset=utf-8", autodiscover{
		Response: outlookResponse{User: outlookUser{Name: address, Address: address}, Account: account},
	})
}

func outlookServer(s Server, address string) outlookProtocol {
	p := outlookProtocol{
		Type: strings.ToUpper(s.Protocol), Server: s.Host, Port: s.Port, DomainRequired: "off", LoginName: address, SPA: "off", SSL: "on", AuthRequired: "on",
	}
	switch s.TLS {
	case config.TLSImplicit:
		p.Encryption = "SSL"
	case config.TLSStartTLS:
		p.Encryption = "TLS"
	case config.TLSNone:
		p.Encryption, p.SSL = "None", "off"
	}
	if s.Protocol == config.ProtocolSMTP {
		p.UsePOPAuth, p.SMTPLast = "on", "off"
	}
	return p
}

// refuse answers as Exchange does: with 200, and the mistake in the text.
func (b *Book) refuse(w http.ResponseWriter, code int, message string) {
	writeXML(w, "application/xml; charset=utf-8", autodiscover{Response: outlookFailure{Error: outlookError{
		Time: time.Now().UTC().Format("15:04:05.0000000"), ID: "0", Code: code, Message: message,
	}}})
}

// autodiscoverJSON answers GET /autodiscover/autodiscover.json, by which newer programs find the XML.
func (b *Book) autodiscoverJSON(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	var answer any
	switch protocol := q.Get("Protocol"); {
	case strings.EqualFold(protocol, "AutodiscoverV1") && b.console() != "":
		answer = map[string]string{"Protocol": "AutodiscoverV1", "Url": b.o.PublicURL + "/autodiscover/autodiscover.xml"}
	default:
		w.WriteHeader(http.StatusBadRequest)
		answer = map[string]string{"ErrorCode": "InvalidProtocol", "ErrorMessage": "The given protocol value is invalid. Supported values are 'AutodiscoverV1'"}
	}
	_ = json.NewEncoder(w).Encode(answer) // whoever asked is gone
}
