package compose

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
)

// Class says why a mail is sent by a machine.
type Class int

// The classes of automated mail (RFC 3834, 5).
const (
	Notice Class = iota // something happened: Auto-Submitted: auto-generated
	Answer              // to a mail: Auto-Submitted: auto-replied
)

// Message is a mail to be made. Equal messages give equal bytes.
type Message struct {
	ID     string    // of the effect: letters, digits, ".", "_" and "-"; the Message-ID and the boundaries follow from it
	Domain string    // the right side of the Message-ID
	Date   time.Time // when it was decided on
	Class  Class

	From    Address
	Sender  Address // who really sends, where that is another
	ReplyTo []Address
	To, CC  []Address
	BCC     []Address // counted, in no header: they are the envelope's

	Subject string
	Text    string // lines end in LF; made of HTML where empty
	HTML    string // no part is made where empty

	Inline      []File // pictures within HTML, which names them as cid:ContentID
	Attachments []File

	Original *Original // what this is a reply to
	Quote    bool      // with the original below
	Language string    // of the recipient, for the words we put in ourselves; else that of the original

	Unsubscribe *Unsubscribe
	Precedence  string // bulk or list, only where asked
	Urgent      bool   // mail programs show it as of high priority
	Cause       *Cause
	Signer      *Signer // for Cause
}

// File is an attachment or a picture.
type File struct {
	Name      string
	Type      string // media type without parameters; empty means application/octet-stream
	ContentID string // of a picture in HTML, without brackets
	Bytes     []byte
	Open      func() (io.ReadCloser, error) // used where Bytes is nil; it must give the same bytes each time
}

// Unsubscribe is how a recipient says that there should be no more (RFC 2369, 3.2).
type Unsubscribe struct {
	URL      string // https
	Mail     string // an address
	OneClick bool   // the URL takes a POST as RFC 8058 has it
}

// Bounds of a message.
const (
	MaxSize  = 50 << 20 // bytes of all files together; no provider takes as much
	maxFiles = 200
	maxTexts = 4 << 20
)

// ErrTooLarge says that a message has more than its bounds.
var ErrTooLarge = errors.New("the message is too large")

var (
	plainID     = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9_-]|\.[A-Za-z0-9_-]){0,150}$`)
	plainType   = regexp.MustCompile(`^[a-z0-9][a-z0-9!#$&^_.+-]{0,80}/[a-z0-9][a-z0-9!#$&^_.+-]{0,80}$`)
	plainCID    = regexp.MustCompile(`^[A-Za-z0-9._%+@-]{1,150}$`)
	cidInMarkup = regexp.MustCompile(`(?i)["'(]\s*cid:([^"'\s)>]+)`)
)

// MessageID returns the Message-ID of the mail of an effect, without brackets. [Compose] gives it to the mail.
func MessageID(effect, domain string) string { return "hg." + effect + "@" + domain }

// MessageID of this message, without brackets.
func (m *Message) MessageID() string { return MessageID(m.ID, m.Domain) }

// NeedsUTF8 says whether the mail can only travel by SMTPUTF8: an address is not ASCII.
func (m *Message) NeedsUTF8() bool {
	for _, list := range [][]Address{{m.From, m.Sender}, m.ReplyTo, m.To, m.CC, m.BCC} {
		for _, a := range list {
			if a.NeedsUTF8() {
				return true
			}
		}
	}
	return false
}

// check refuses what cannot be made, before anything is written.
func (m *Message) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !plainID.MatchString(m.ID) {
		bad("the effect id %q cannot stand in a Message-ID", clip(m.ID))
	}
	if d, err := asciiDomain(m.Domain); err != nil || d != m.Domain {
		bad("the domain %q of the Message-ID is none", clip(m.Domain))
	}
	if m.Date.IsZero() || m.Date.Year() < 1970 || m.Date.Year() > 9999 {
		bad("the message has no date")
	}
	for _, list := range [][]Address{{m.From}, m.ReplyTo, m.To, m.CC, m.BCC} {
		for _, a := range list {
			if err := a.check(); err != nil {
				errs = append(errs, err)
			}
		}
	}
	if m.Sender.Address != "" {
		if err := m.Sender.check(); err != nil {
			errs = append(errs, err)
		}
	}
	if len(m.To)+len(m.CC)+len(m.BCC) == 0 {
		errs = append(errs, ErrNobody)
	}
	if m.Precedence != "" && m.Precedence != "bulk" && m.Precedence != "list" {
		bad("the precedence is bulk or list, not %q", clip(m.Precedence))
	}
	if len(m.Text)+len(m.HTML) > maxTexts || len(m.Inline)+len(m.Attachments) > maxFiles {
		errs = append(errs, ErrTooLarge)
	}
	if m.Cause != nil && m.Signer == nil {
		bad("a cause needs a signer")
	}
	return errors.Join(append(errs, m.checkFiles(), m.Unsubscribe.check())...)
}

// check makes sure that an address is one that [ParseAddress] would give.
func (a Address) check() error {
	again, err := NewAddress(a.Name, a.Address)
	if err == nil && again != a && again.Name != "" {
		err = ErrAddress
	}
	if err != nil {
		return fmt.Errorf("address %q: %w", clip(a.Address), err)
	}
	return nil
}

func (m *Message) checkFiles() error {
	var errs []error
	ids := map[string]bool{}
	for _, f := range m.Inline {
		if !plainCID.MatchString(f.ContentID) || ids[f.ContentID] {
			errs = append(errs, fmt.Errorf("the content id %q of a picture is none, or is there twice", clip(f.ContentID)))
		}
		ids[f.ContentID] = true
	}
	for _, f := range append(append([]File{}, m.Inline...), m.Attachments...) {
		if f.Type != "" && (!plainType.MatchString(f.Type) || strings.HasPrefix(f.Type, "multipart/")) {
			errs = append(errs, fmt.Errorf("the media type %q of a file is none", clip(f.Type)))
		}
	}
	for _, found := range cidInMarkup.FindAllStringSubmatch(m.HTML, 1000) {
		if !ids[found[1]] {
			errs = append(errs, fmt.Errorf("the HTML shows cid:%s, which is not among the pictures", clip(found[1])))
		}
	}
	if m.HTML == "" && len(m.Inline) > 0 {
		errs = append(errs, errors.New("there are pictures for HTML and no HTML"))
	}
	if p := checkPage("html", m.HTML); len(p) > 0 {
		errs = append(errs, p)
	}
	return errors.Join(errs...)
}

func (u *Unsubscribe) check() error {
	if u == nil {
		return nil
	}
	if u.URL == "" && u.Mail == "" {
		return errors.New("there is no way to unsubscribe")
	}
	if u.URL != "" && (!strings.HasPrefix(u.URL, "https://") || len(u.URL) > 900 || !ascii(u.URL) || strings.ContainsAny(u.URL, " \t\r\n<>,\"\\") || strings.ContainsFunc(u.URL, unsafeRune)) {
		return errors.New("the address to unsubscribe is not https, or has characters that it cannot have")
	}
	if u.Mail != "" {
		if a, err := canonical(u.Mail); err != nil || !ascii(a) || strings.ContainsAny(a, "?&%#") {
			return errors.New("the mail address to unsubscribe is none")
		}
	}
	if u.OneClick && u.URL == "" {
		return errors.New("one click needs an https address (RFC 8058, 3.1)")
	}
	return nil
}

// clip bounds what is shown of bad input in an error.
func clip(s string) string {
	s = oneLine(s)
	if r := []rune(s); len(r) > 60 {
		s = string(r[:60]) + "…"
	}
	return s
}
