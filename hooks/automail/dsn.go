package automail

import (
	"bytes"
	"fmt"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/textproto"
	"strings"
	"time"

	"github.com/emersion/go-smtp"

	"heliograph/internal/journal"
)

// notice is one delivery status notification (RFC 3464).
type notice struct {
	id         journal.ID
	number     int
	message    *OutboxMessage
	recipients []OutboxRecipient // those it reports
	mail       mailParams
	host       string
	from       string
	now        time.Time
	original   []byte // nil: not returned
	whole      bool   // original is the message and not its header only
}

// kind is the gravest action.
func (n *notice) kind() string {
	kind := actionRelayed
	for _, r := range n.recipients {
		switch {
		case r.action == actionFailed:
			return actionFailed
		case r.action == actionDelayed:
			kind = actionDelayed
		}
	}
	return kind
}

// returnsAll says whether the sender wants the message back. RET is about failures only
// (RFC 3461, 4.3); without it the header does. What the upstream did not take for its
// size or its bytes would not get through inside a notice either.
func (n *notice) returnsAll() bool {
	for _, r := range n.recipients {
		if r.Enhanced == "5.3.4" || r.Enhanced == "5.6.3" || r.Enhanced == "5.6.7" {
			return false
		}
	}
	return n.mail.ret == smtp.DSNReturnFull && n.kind() == actionFailed
}

// build writes the notice. params are the ESMTP parameters that it needs itself.
func (n *notice) build() (text []byte, params string, err error) {
	var parts bytes.Buffer
	w := multipart.NewWriter(&parts)
	if err := w.SetBoundary("=_" + n.id.String()); err != nil {
		return nil, "", err
	}
	eightBit := false
	if err = n.human(w); err == nil {
		if err = n.machine(w); err == nil {
			eightBit, err = n.returned(w)
		}
	}
	if err != nil {
		return nil, "", err
	}
	if err := w.Close(); err != nil {
		return nil, "", err
	}
	var out bytes.Buffer
	n.header(&out, w.Boundary())
	out.WriteString("\r\nThis is a MIME message with a delivery status report (RFC 3464).\r\n\r\n")
	out.Write(parts.Bytes())
	if eightBit {
		params = "BODY=8BITMIME"
	}
	if !ascii(n.message.ReversePath) {
		params = strings.TrimSpace(params + " SMTPUTF8")
	}
	return out.Bytes(), params, nil
}

// subjects are the subject lines by kind.
var subjects = map[string]string{
	actionFailed:  "Undelivered mail returned to sender / 邮件未送达，已退回",
	actionDelayed: "Delivery of your mail is delayed / 邮件投递延迟",
	actionRelayed: "Your mail was handed on / 邮件已转交",
}

func (n *notice) header(out *bytes.Buffer, boundary string) {
	field := func(name, value string) { fmt.Fprintf(out, "%s: %s\r\n", name, value) }
	field("Date", n.now.UTC().Format(time.RFC1123Z))
	field("From", fmt.Sprintf("Mail Delivery System <%s>", clean(n.from)))
	field("To", fmt.Sprintf("<%s>", n.message.ReversePath))
	field("Subject", foldWords(mime.BEncoding.Encode("utf-8", subjects[n.kind()])))
	field("Message-ID", fmt.Sprintf("<%s@%s>", n.id, n.host))
	field("Auto-Submitted", "auto-replied") // RFC 3834, 5
	field("MIME-Version", "1.0")
	field("Content-Type", fmt.Sprintf("multipart/report; report-type=delivery-status;\r\n\tboundary=\"%s\"", boundary))
}

// foldWords puts each encoded word on a line of its own (RFC 2047, 2).
func foldWords(s string) string { return strings.ReplaceAll(s, "?= =?", "?=\r\n =?") }

// words are the sentences of the human part, English and Chinese.
var words = map[string][2]string{
	actionFailed: {
		"Your message could not be delivered to the recipients below. It will not be tried again.",
		"您的邮件未能送达下列收件人，系统不会再次尝试投递。",
	},
	actionDelayed: {
		"Your message could not be delivered to the recipients below yet. You need not send it again: delivery is tried until %s.",
		"您的邮件暂时未能送达下列收件人。您无需重新发送：系统将继续尝试投递，直到 %s。",
	},
	actionRelayed: {
		"Your message was handed on for the recipients below, to a server that sends no confirmations. You will hear no more of it unless something goes wrong.",
		"您的邮件已转交给下列收件人的邮件服务器，但该服务器不提供送达确认。除非出现问题，您不会再收到通知。",
	},
}

// human writes the part for people.
func (n *notice) human(w *multipart.Writer) error {
	part, err := w.CreatePart(textproto.MIMEHeader{
		"Content-Type":              {"text/plain; charset=utf-8"},
		"Content-Transfer-Encoding": {"quoted-printable"},
		"Content-Description":       {"Notification"},
		"Content-Language":          {"en, zh"},
	})
	if err != nil {
		return err
	}
	qp := quotedprintable.NewWriter(part)
	var b strings.Builder
	fmt.Fprintf(&b, "This is the mail system at %s.\r\n这里是 %s 的邮件系统。\r\n", n.host, n.host)
	for _, action := range []string{actionFailed, actionDelayed, actionRelayed} {
		var lines strings.Builder
		for _, r := range n.recipients {
			if r.action != action {
				continue
			}
			fmt.Fprintf(&lines, "\r\n<%s>", r.Address)
			if d := r.diagnosis(); d != "" {
				fmt.Fprintf(&lines, "\r\n    %s", d)
			}
			if r.Remote != "" {
				fmt.Fprintf(&lines, "\r\n    (%s)", r.Remote)
			}
			lines.WriteString("\r\n")
		}
		if lines.Len() == 0 {
			continue
		}
		for _, text := range words[action] {
			if strings.Contains(text, "%s") {
				text = fmt.Sprintf(text, n.message.ExpiresAt.UTC().Format("2006-01-02 15:04 UTC"))
			}
			b.WriteString("\r\n" + text)
		}
		b.WriteString("\r\n" + lines.String())
	}
	if _, err := qp.Write([]byte(b.String())); err != nil {
		return err
	}
	return qp.Close()
}

// machine writes the part for programs (RFC 3464, 2).
func (n *notice) machine(w *multipart.Writer) error {
	part, err := w.CreatePart(textproto.MIMEHeader{
		"Content-Type":        {"message/delivery-status"},
		"Content-Description": {"Delivery report"},
	})
	if err != nil {
		return err
	}
	var b strings.Builder
	field := func(name, value string) { fmt.Fprintf(&b, "%s: %s\r\n", name, value) }
	if n.mail.envID != "" {
		field("Original-Envelope-Id", n.mail.envID)
	}
	field("Reporting-MTA", "dns; "+n.host)
	field("Arrival-Date", n.message.QueuedAt.UTC().Format(time.RFC1123Z))
	for _, r := range n.recipients {
		b.WriteString("\r\n")
		if p := parseRcpt(r.Params); p.orig != "" {
			kind := strings.ToLower(string(p.origType))
			field("Original-Recipient", kind+"; "+statusAddress(kind, p.orig))
		}
		kind := "rfc822"
		if !ascii(r.Address) {
			kind = "utf-8" // RFC 6533, 3
		}
		field("Final-Recipient", kind+"; "+statusAddress(kind, r.Address))
		field("Action", r.action)
		field("Status", r.Enhanced)
		if r.Remote != "" {
			field("Remote-MTA", "dns; "+r.Remote)
		}
		if r.Code != 0 {
			// Also where the reply is our own: it is what a server would have said.
			field("Diagnostic-Code", fold("smtp; "+toASCII(r.diagnosis())))
		}
		if !r.LastTry.IsZero() {
			field("Last-Attempt-Date", r.LastTry.UTC().Format(time.RFC1123Z))
		}
		if r.action == actionDelayed {
			field("Will-Retry-Until", n.message.ExpiresAt.UTC().Format(time.RFC1123Z))
		}
	}
	_, err = part.Write([]byte(b.String()))
	return err
}

// returned writes the message, or its header. eightBit is true if 8-bit bytes are in it.
func (n *notice) returned(w *multipart.Writer) (eightBit bool, err error) {
	if n.original == nil {
		return false, nil
	}
	eightBit = !ascii(string(n.original))
	h := textproto.MIMEHeader{"Content-Description": {"Undelivered message header"}, "Content-Type": {"text/rfc822-headers"}}
	switch {
	case n.whole:
		// A message may not be encoded again (RFC 2046, 5.2.1).
		h.Set("Content-Type", "message/rfc822")
		h.Set("Content-Description", "Undelivered message")
		if eightBit {
			h.Set("Content-Transfer-Encoding", "8bit")
		}
	case eightBit:
		h.Set("Content-Transfer-Encoding", "quoted-printable")
	}
	part, err := w.CreatePart(h)
	if err != nil {
		return false, err
	}
	if !eightBit || n.whole {
		_, err = part.Write(n.original)
		return eightBit, err
	}
	qp := quotedprintable.NewWriter(part)
	if _, err := qp.Write(n.original); err != nil {
		return false, err
	}
	return false, qp.Close()
}

// statusAddress writes an address for a field of the report, which is ASCII: what is not
// becomes \x{…} (utf-8-addr-xtext, RFC 6533, 3).
func statusAddress(kind, address string) string {
	if kind != "utf-8" {
		return toASCII(address)
	}
	var b strings.Builder
	for _, r := range address {
		if r >= '!' && r <= '~' && r != '+' && r != '=' && r != '\\' {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\x{%X}`, r)
		}
	}
	return b.String()
}

func toASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// fold breaks a long value at blanks, to lines of at most 76 characters where it can.
func fold(s string) string {
	var b strings.Builder
	length := len("Diagnostic-Code: ")
	for i, word := range strings.Fields(s) {
		switch {
		case i == 0:
		case length+1+len(word) > 76:
			b.WriteString("\r\n\t")
			length = 8
		default:
			b.WriteByte(' ')
			length++
		}
		b.WriteString(word)
		length += len(word)
	}
	return b.String()
}
