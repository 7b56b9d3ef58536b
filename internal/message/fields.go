package message

import (
	"encoding/base64"
	"encoding/hex"
	"net/mail"
	"strings"
	"time"
)

// readHeader fills in what the header of the message says.
func (m *Message) readHeader(h *header, p *parser) {
	m.Subject = p.unstructured(h, "subject")
	m.From = p.addresses(h, "from")
	m.Sender = p.addresses(h, "sender")
	m.To = p.addresses(h, "to")
	m.CC = p.addresses(h, "cc")
	m.BCC = p.addresses(h, "bcc")
	m.ReplyTo = p.addresses(h, "reply-to")
	m.ListID = listID(h.ascii("list-id"))
	m.Sensitivity = strings.ToLower(oneLine(h.ascii("sensitivity")))
	if ids := messageIDs(h.ascii("message-id"), 1); len(ids) > 0 {
		m.MessageID = ids[0]
	}
	if ids := messageIDs(h.ascii("in-reply-to"), 1); len(ids) > 0 {
		m.InReplyTo = ids[0]
	}
	if ids := messageIDs(h.ascii("references"), maxReferences); ids != nil {
		m.References = ids
	}
	// The first 22 octets are the same for all messages of a conversation.
	if b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(h.ascii("thread-index")), "")); err == nil && len(b) >= 22 {
		m.ThreadIndex = hex.EncodeToString(b[:22])
	}
	p.rawDate = h.ascii("date")
	if p.rawDate != "" {
		var ok bool
		m.Date, ok = parseDate(p.rawDate)
		p.flagUnless(ok, FlagDate)
	}
}

// Bounds of ids: the oldest and the newest references say all that threads need.
const (
	maxReferences = 200
	maxMessageID  = 998 // one line (RFC 5322, 2.1.1)
)

// messageIDs returns the ids of a field without brackets; words where nobody wrote
// brackets. Past n the ones in the middle are left out.
func messageIDs(s string, n int) []string {
	var ids []string
	add := func(id string) {
		if id = strings.Join(strings.Fields(clean(id)), ""); id != "" && len(id) <= maxMessageID {
			ids = append(ids, id)
		}
	}
	if strings.Contains(s, "<") {
		for rest := s; ; {
			_, after, ok := strings.Cut(rest, "<")
			if !ok {
				break
			}
			id, behind, _ := strings.Cut(after, ">")
			add(id)
			rest = behind
		}
	} else {
		for _, id := range strings.Fields(s) {
			if strings.Contains(id, "@") {
				add(id)
			}
		}
	}
	if len(ids) > n {
		ids = append(ids[:1:1], ids[len(ids)-n+1:]...)
	}
	return ids
}

// plausibleID tells whether a Message-ID can be trusted to be this message's own
// (RFC 5322, 3.6.4).
func plausibleID(id string) bool {
	left, right, ok := strings.Cut(id, "@")
	return ok && left != "" && right != "" && !strings.Contains(right, "@") && !strings.ContainsAny(id, " \t\r\n<>")
}

// dateLayouts are the forms that net/mail does not read and mail has.
var dateLayouts = []string{
	"Mon, 2 Jan 2006 15:04:05 MST",
	"Mon, 2 Jan 2006 15:04:05",
	"Mon, 2 Jan 2006 15:04 -0700",
	"Mon, 2 Jan 06 15:04:05 -0700",
	"Monday, 2 Jan 2006 15:04:05 -0700",
	"Monday, 2 January 2006 15:04:05 -0700",
	"Monday, January 2, 2006 3:04 PM",
	"Mon Jan 2 15:04:05 2006",
	"Mon Jan 2 15:04:05 MST 2006",
	"Mon Jan 2 15:04:05 2006 -0700",
	"2 Jan 2006 15:04:05",
	"2 January 2006 15:04:05 -0700",
	"2006-01-02 15:04:05 -0700",
	"2006-01-02 15:04:05 -07:00",
	"2006-01-02 15:04:05",
	time.RFC3339,
	time.RFC1123,
	time.RFC1123Z,
	time.RFC850,
}

// parseDate reads a Date field (RFC 5322, 3.3) and the ways it is misspelt. A date
// without a zone counts as UTC.
func parseDate(s string) (time.Time, bool) {
	s = strings.Join(strings.Fields(stripComments(s)), " ")
	t, err := mail.ParseDate(s)
	for i := 0; err != nil && i < len(dateLayouts); i++ {
		t, err = time.Parse(dateLayouts[i], s)
	}
	if err != nil || t.Year() < 1970 || t.Year() > 9999 {
		return time.Time{}, false
	}
	return t.UTC(), true
}

// readAutomated looks for the signs of a machine (RFC 3834, 5; RFC 2919; RFC 3461, 6).
func (m *Message) readAutomated(h *header, o Options) {
	word := func(name string) string {
		v, _, _ := strings.Cut(stripComments(h.ascii(name)), ";")
		return strings.ToLower(strings.TrimSpace(v))
	}
	switch word("precedence") {
	case "bulk", "list", "junk":
		m.Bulk = true
	}
	if h.has("list-id") || h.has("list-unsubscribe") {
		m.Bulk = true
	}
	auto := word("auto-submitted")
	suppress := word("x-auto-response-suppress")
	// The server that put the message into the mailbox wrote the null path down (RFC 5321, 4.4).
	nullPath := o.NullReturnPath || strings.TrimSpace(stripComments(h.ascii("return-path"))) == "<>"
	m.Automated = m.Bulk || m.Report != "" || nullPath ||
		auto != "" && auto != "no" ||
		suppress != "" && suppress != "none" ||
		h.has("x-autoreply") || h.has("x-autorespond") || h.has("x-autoresponder")
}
