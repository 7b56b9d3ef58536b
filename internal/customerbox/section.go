package customerbox

import (
	"bytes"
	netmail "net/mail"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"

	"heliograph/internal/message"
)

// envelope is what ENVELOPE tells (RFC 9051, 2.3.5), decoded.
type envelope struct {
	Date      time.Time `json:"date,omitzero"`
	Subject   string    `json:"subject,omitempty"`
	From      []address `json:"from,omitempty"`
	Sender    []address `json:"sender,omitempty"`
	ReplyTo   []address `json:"reply_to,omitempty"`
	To        []address `json:"to,omitempty"`
	CC        []address `json:"cc,omitempty"`
	InReplyTo string    `json:"in_reply_to,omitempty"`
	MessageID string    `json:"message_id,omitempty"`
}

type address = message.Address

// readEnvelope reads a header. It knows the charsets that mail programs of the region use, declared or not, which imapserver's
// own helper does not.
func readEnvelope(head []byte) envelope {
	m, err := message.Parse(bytes.NewReader(head), message.Options{})
	if err != nil { // memory does not fail
		return envelope{}
	}
	date := m.Date // in UTC; the sender's own zone is what programs show
	if theirs, err := netmail.ParseDate(readFields(head).get("date")); err == nil && theirs.Equal(date) {
		date = theirs
	}
	return envelope{
		Date: date, Subject: m.Subject, From: m.From, Sender: m.Sender, ReplyTo: m.ReplyTo, To: m.To, CC: m.CC,
		InReplyTo: m.InReplyTo, MessageID: m.MessageID,
	}
}

func (e *envelope) wire() *imap.Envelope {
	out := &imap.Envelope{
		Date: e.Date, Subject: e.Subject, From: wireAddresses(e.From), Sender: wireAddresses(e.Sender),
		ReplyTo: wireAddresses(e.ReplyTo), To: wireAddresses(e.To), Cc: wireAddresses(e.CC), MessageID: e.MessageID,
	}
	if e.InReplyTo != "" {
		out.InReplyTo = []string{e.InReplyTo}
	}
	return out
}

func wireAddresses(list []address) []imap.Address {
	var out []imap.Address
	for _, a := range list {
		i := strings.LastIndexByte(a.Address, '@')
		if i < 0 { // NIL would make a group of it
			out = append(out, imap.Address{Name: a.Name, Mailbox: a.Address, Host: "missing.invalid"})
			continue
		}
		out = append(out, imap.Address{Name: a.Name, Mailbox: a.Address[:i], Host: a.Address[i+1:]})
	}
	return out
}

// wire is the part as BODYSTRUCTURE tells it.
func (p *part) wire() imap.BodyStructure {
	var disposition *imap.BodyStructureDisposition
	if p.Disposition != "" {
		disposition = &imap.BodyStructureDisposition{Value: p.Disposition, Params: p.DispParams}
	}
	if p.multipart() {
		out := &imap.BodyStructureMultiPart{Subtype: p.Subtype, Extended: &imap.BodyStructureMultiPartExt{
			Params: p.Params, Disposition: disposition, Language: p.Language, Location: p.Location,
		}}
		for _, child := range p.Parts {
			out.Children = append(out.Children, child.wire())
		}
		return out
	}
	out := &imap.BodyStructureSinglePart{
		Type: p.Type, Subtype: p.Subtype, Params: p.Params, ID: p.ID, Description: p.Description, Encoding: p.Encoding,
		Size: uint32(p.End - p.Body),
		Extended: &imap.BodyStructureSinglePartExt{
			Disposition: disposition, Language: p.Language, Location: p.Location,
		},
	}
	switch {
	case p.Message != nil:
		out.MessageRFC822 = &imap.BodyStructureMessageRFC822{
			Envelope: p.Message.Envelope.wire(), BodyStructure: p.Message.wire(), NumLines: p.Lines,
		}
	case p.Type == "text":
		out.Text = &imap.BodyStructureText{NumLines: p.Lines}
	}
	return out
}

// find returns the part that a number such as 2.1 names, or nil (RFC 9051, 6.4.5.1).
func (st *structure) find(path []int) *part {
	around := st.Root
	var found *part
	for i, n := range path {
		switch {
		case i == 0:
		case found.multipart():
			around = found
		case found.Message != nil:
			around = found.Message
		default:
			return nil
		}
		switch {
		case around.multipart() && n >= 1 && n <= len(around.Parts):
			found = around.Parts[n-1]
		case !around.multipart() && n == 1:
			found = around
		default:
			return nil
		}
	}
	return found
}

// locate returns from where to where in the message a section is. It reports false for one that the message does not have.
func (st *structure) locate(s *imap.FetchItemBodySection) (from, end int64, ok bool) {
	p := st.Root
	if len(s.Part) > 0 {
		p = st.find(s.Part)
	}
	if p == nil {
		return 0, 0, false
	}
	switch s.Specifier {
	case imap.PartSpecifierNone:
		if len(s.Part) == 0 {
			return 0, st.Size, true
		}
		return p.Body, p.End, true
	case imap.PartSpecifierMIME:
		return p.Header, p.Body, len(s.Part) > 0
	}
	if len(s.Part) > 0 {
		if p = p.Message; p == nil {
			return 0, 0, false
		}
	}
	if s.Specifier == imap.PartSpecifierHeader {
		return p.Header, p.Body, true
	}
	return p.Body, p.End, true
}

// selectFields returns the fields of a header that a section wants, and the empty line.
func selectFields(head []byte, s *imap.FetchItemBodySection) []byte {
	wanted := func(name string) bool {
		same := func(field string) bool { return strings.EqualFold(field, name) }
		if len(s.HeaderFields) > 0 {
			return slices.ContainsFunc(s.HeaderFields, same)
		}
		return !slices.ContainsFunc(s.HeaderFieldsNot, same)
	}
	var out []byte
	for len(head) > 0 {
		end := fieldLength(head)
		for name := range eachField(head[:end]) {
			if name != "" && wanted(name) {
				out = append(out, head[:end]...)
			}
		}
		head = head[end:]
	}
	return append(out, "\r\n"...)
}

// partial returns the piece of size bytes that a section asks for (RFC 9051, 6.4.5).
func partial(size int64, p *imap.SectionPartial) (from, length int64) {
	if p == nil {
		return 0, size
	}
	from = min(max(p.Offset, 0), size)
	return from, min(max(p.Size, 0), size-from)
}
