package message

import (
	"bytes"
	"cmp"
	"strings"
)

// recognize notes what the type of a part says of the whole message.
func (p *parser) recognize(e entity, at part) {
	switch e.mediaType {
	case "multipart/report":
		if at.depth == 0 {
			p.report = strings.ToLower(e.params["report-type"])
			if p.report == "" {
				p.report = "unknown"
			}
		}
	case "message/delivery-status", "message/global-delivery-status":
		p.reported(at, "delivery-status")
	case "message/disposition-notification", "message/global-disposition-notification":
		p.reported(at, "disposition-notification")
	case "message/feedback-report":
		p.reported(at, "feedback-report")
	case "multipart/signed":
		p.protect(byProtocol(e.params["protocol"], SMIMESigned, PGPSigned))
	case "multipart/encrypted":
		p.protect(byProtocol(e.params["protocol"], SMIMEEncrypted, PGPEncrypted))
	case "application/pgp-encrypted":
		p.protect(PGPEncrypted)
	case "text/calendar":
		p.calendar = cmp.Or(p.calendar, calendarMethod(e.params["method"]))
	}
}

// reported takes a part that is a report itself, and so not a file of a report that was
// forwarded, for the message's own where no multipart/report said its type.
func (p *parser) reported(at part, kind string) {
	if at.depth <= 1 && (p.report == "" || p.report == "unknown") || at.parent == "multipart/report" && kind == "delivery-status" {
		p.report = kind
	}
}

func byProtocol(protocol string, smime, pgp Protection) Protection {
	if strings.Contains(strings.ToLower(protocol), "pgp") {
		return pgp
	}
	return smime
}

// protect keeps what hides most: what is encrypted may be signed as well.
func (p *parser) protect(how Protection) {
	if p.protection == "" || how == SMIMEEncrypted || how == PGPEncrypted {
		p.protection = how
	}
}

// recognizeText looks for PGP within a text, as it was before RFC 3156 (RFC 9580, 6.2 and 7).
func (p *parser) recognizeText(text string) {
	if !strings.Contains(text, "-----BEGIN PGP ") {
		return
	}
	for row := range strings.Lines(text) {
		switch strings.TrimSpace(row) {
		case "-----BEGIN PGP MESSAGE-----":
			p.protect(PGPEncrypted)
		case "-----BEGIN PGP SIGNED MESSAGE-----":
			p.protect(PGPSigned)
		}
	}
}

// recognizeContent looks at the first octets of a file.
func (p *parser) recognizeContent(e entity, head []byte) {
	switch {
	case e.mediaType == "text/calendar" || e.mediaType == "application/ics":
		p.calendar = cmp.Or(p.calendar, methodLine(head))
	case e.mediaType == "application/pkcs7-mime", e.mediaType == "application/x-pkcs7-mime",
		e.mediaType == "application/octet-stream" && strings.HasSuffix(strings.ToLower(e.name), ".p7m"):
		p.protect(smimeType(strings.ToLower(e.params["smime-type"]), head))
	}
}

// The object identifiers of CMS contents (RFC 5652, 5.1 and 6.1; RFC 5083, 2), as DER has them.
var (
	oidSignedData     = []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02}
	oidCompressedData = []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x09}
)

// smimeType tells signed from encrypted (RFC 8551, 3.2.2). What says nothing counts as
// encrypted, the case in which more harm could be done.
func smimeType(name string, head []byte) Protection {
	switch {
	case name == "signed-data", name == "certs-only", name == "compressed-data":
		return SMIMESigned
	case name == "" && (bytes.Contains(head, oidSignedData) || bytes.Contains(head, oidCompressedData)):
		return SMIMESigned
	}
	return SMIMEEncrypted
}

// calendarMethod returns a METHOD in upper case (RFC 5546, 1.4), or nothing where it is none.
func calendarMethod(s string) string {
	s = strings.ToUpper(strings.TrimSpace(s))
	if len(s) > 20 || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") != "" {
		return ""
	}
	return s
}

// methodLine finds the METHOD of a calendar before its first component.
func methodLine(head []byte) string {
	begun := 0
	for row := range bytes.Lines(head) {
		row = bytes.ToUpper(bytes.TrimSpace(row))
		if v, ok := bytes.CutPrefix(row, []byte("METHOD:")); ok {
			return calendarMethod(string(v))
		}
		if bytes.HasPrefix(row, []byte("BEGIN:")) {
			if begun++; begun > 1 {
				break
			}
		}
	}
	return ""
}

// bounceSubjects begin the subjects of mails that say that another was not delivered, by
// servers that do not write RFC 3464.
var bounceSubjects = []string{
	"undelivered mail", "undeliverable", "delivery status notification (failure)", "delivery failure", "mail delivery failed", "mail delivery system",
	"returned mail", "failure notice", "delivery notification: delivery has failed", "系统退信", "系統退信", "退信通知", "退信", "邮件退回", "邮件被退回", "来自",
	"未送达", "未傳遞", "无法投递", "邮件投递失败", "郵件傳送失敗",
}

// readBounce recognises a report on a delivery that is no multipart/report.
func (m *Message) readBounce(h *header) {
	if m.Report != "" {
		return
	}
	if h.has("x-failed-recipients") || strings.HasPrefix(m.Text, "Hi. This is the qmail-send program") {
		m.Report = "delivery-status"
		return
	}
	if len(m.From) == 0 {
		return
	}
	local, _, _ := strings.Cut(m.From[0].Address, "@")
	if local != "mailer-daemon" && local != "postmaster" {
		return
	}
	subject := strings.ToLower(m.Subject)
	for _, begin := range bounceSubjects {
		if strings.HasPrefix(subject, begin) && (begin != "来自" || strings.Contains(subject, "退信")) {
			m.Report = "delivery-status"
		}
	}
}
