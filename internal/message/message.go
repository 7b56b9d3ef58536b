package message

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// Address is one mailbox of an address field.
type Address struct {
	Name    string `json:"name,omitempty"`
	Address string `json:"address"` // lower case
}

// Attachment is one part that is not shown as text.
type Attachment struct {
	Name   string `json:"name"`
	Type   string `json:"type"`   // media type without parameters, lower case
	Size   int64  `json:"size"`   // decoded bytes
	SHA256 string `json:"sha256"` // hexadecimal, of the decoded bytes
	Inline bool   `json:"inline"`
	// Part is the number of the part as IMAP counts (RFC 9051, 6.4.5.1).
	Part      string `json:"part"`
	ContentID string `json:"content_id,omitempty"` // without brackets
}

// Message is one mail, decoded. All its strings are valid UTF-8 without NUL.
type Message struct {
	MessageID  string   `json:"message_id"`            // without brackets
	InReplyTo  string   `json:"in_reply_to,omitempty"` // without brackets
	References []string `json:"references"`            // without brackets, oldest first
	// ThreadIndex is the conversation's part of Thread-Index, in hexadecimal ([MS-OXOMSG] 2.2.1.3).
	ThreadIndex string    `json:"thread_index,omitempty"`
	Subject     string    `json:"subject"`
	Date        time.Time `json:"date,omitzero"` // zero when there is no readable Date field
	From        []Address `json:"from"`
	Sender      []Address `json:"sender,omitempty"`
	To          []Address `json:"to"`
	CC          []Address `json:"cc"`
	BCC         []Address `json:"bcc,omitempty"` // in the sender\'s own copy; it does not count for the key
	ReplyTo     []Address `json:"reply_to,omitempty"`
	Text        string    `json:"text"`          // lines end in LF
	Unquoted    string    `json:"text_unquoted"` // Text without quoted history
	// Signature is the sender's block of name and addresses at the end of Unquoted, which still holds it.
	Signature string `json:"signature,omitempty"`
	// Language is a guess at the language of Unquoted: a BCP 47 tag such as zh, zh-Hant, en or ja; empty when in doubt.
	Language    string       `json:"language,omitempty"`
	HTML        string       `json:"html,omitempty"`
	Attachments []Attachment `json:"attachments"`
	Automated   bool         `json:"automated"`        // written by a machine (RFC 3834 and friends)
	Bulk        bool         `json:"bulk"`             // sent to many: list, bulk or junk
	Report      string       `json:"report,omitempty"` // report-type of a multipart/report (RFC 6522)
	Sensitivity string       `json:"sensitivity,omitempty"`
	ListID      string       `json:"list_id,omitempty"`    // of List-Id without brackets and description (RFC 2919)
	Calendar    string       `json:"calendar,omitempty"`   // METHOD of an invitation, upper case (RFC 5546)
	Protection  Protection   `json:"protection,omitempty"` // how the body was signed or encrypted
	Flags       []string     `json:"flags"`                // sorted; what could not be read cleanly
	Key         string       `json:"key"`
	// Likeness is what copies of a message share whose Message-ID or Date somebody replaced: a hash over sender, people
	// addressed, subject and content. It is empty where there is too little to go by.
	Likeness string `json:"-"`

	shown []shownText // what the key counts, for ListCopyOf
	files []string
}

// Protection is how the body of a message was signed or encrypted. It is kept as it is and not checked.
type Protection string

// The protections.
const (
	SMIMESigned    Protection = "smime-signed"    // RFC 8551, 3.5
	SMIMEEncrypted Protection = "smime-encrypted" // RFC 8551, 3.3
	PGPSigned      Protection = "pgp-signed"      // RFC 3156, 5, or inline
	PGPEncrypted   Protection = "pgp-encrypted"   // RFC 3156, 4, or inline
)

// The flags of a message.
const (
	FlagUnparsed  = "unparsed"  // the body could not be read; only header fields are there
	FlagHeader    = "header"    // a header line was not one, or the header was cut
	FlagCharset   = "charset"   // some text is a guess or has replacement characters
	FlagBoundary  = "boundary"  // a multipart lacks its boundary or its end
	FlagEncoding  = "encoding"  // a transfer encoding is unknown or broken
	FlagDate      = "date"      // the Date field cannot be read
	FlagTruncated = "truncated" // text past the bound was left out
	FlagLimits    = "limits"    // too many parts, or nested too deep
	FlagUuencode  = "uuencode"  // attachments stood in the text and were taken out of it
	FlagTNEF      = "tnef"      // attachments stood in a winmail.dat and were taken out of it
)

// Options bound the work and tell what the bytes do not. The zero value is ready.
type Options struct {
	// Salt makes the key unique where the message has nothing to be known by; the entry id.
	Salt string
	// NullReturnPath says that the envelope's sender was <>, as it is for reports.
	NullReturnPath bool
	MaxHeaderBytes int // of one header; the rest of it is skipped. Zero means 512 KiB
	MaxFields      int // of one header. Zero means 2000
	MaxParts       int // in all. Zero means 1000
	MaxDepth       int // of multiparts; deeper ones become attachments. Zero means 20
	MaxText        int // decoded bytes of plain text and of HTML, each; the rest is cut and flagged. Zero means 1 MiB
}

func (o Options) withDefaults() Options {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&o.MaxHeaderBytes, 512<<10)
	def(&o.MaxFields, 2000)
	def(&o.MaxParts, 1000)
	def(&o.MaxDepth, 20)
	def(&o.MaxText, 1<<20)
	return o
}

// Parse reads one mail to its end. The error is r's own: whatever the bytes are,
// they give a message.
func Parse(r io.Reader, o Options) (*Message, error) {
	p := newParser(r, o.withDefaults())
	m, err := p.parse()
	p.in.release()
	if err != nil {
		return nil, fmt.Errorf("reading a message: %w", err)
	}
	return m, nil
}

// parse walks the whole message. The key is made last, of everything else.
func (p *parser) parse() (*Message, error) {
	m := &Message{References: []string{}, From: []Address{}, To: []Address{}, CC: []Address{}, Attachments: []Attachment{}}
	h := p.topHeader()
	m.readHeader(h, p)
	p.guarded(func() {
		b := p.body(h, part{path: "", depth: 0})
		p.finish(m, p.orTNEF(b))
		p.drain()
	})
	if p.err != nil {
		return nil, p.err
	}
	m.Attachments = append(m.Attachments, p.attachments...)
	m.Report, m.Calendar, m.Protection = p.report, p.calendar, p.protection
	m.readBounce(h)
	m.readAutomated(h, p.o)
	m.Flags = slices.AppendSeq(make([]string, 0, len(p.flags)), p.flagList())
	m.Key, m.Likeness = p.keys(m)
	return m, nil
}

// guarded runs f and survives its panic: a mail that trips a bug of ours or of a
// library still reaches its reader, with the header that was read.
func (p *parser) guarded(f func()) {
	defer func() {
		if v := recover(); v != nil {
			p.flag(FlagUnparsed)
			p.drain()
		}
	}()
	f()
}
