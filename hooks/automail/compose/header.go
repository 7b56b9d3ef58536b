package compose

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"

	gomessage "github.com/emersion/go-message"
)

// fields are the fields of a header in the order in which they are to stand.
type fields struct {
	list [][2]string
}

// add appends a field whose value is made of our own words and of what was encoded.
func (f *fields) add(name, value string) { f.list = append(f.list, [2]string{name, value}) }

func (f *fields) header() gomessage.Header {
	var h gomessage.Header
	for i := len(f.list) - 1; i >= 0; i-- { // the library adds on top
		h.Add(f.list[i][0], f.list[i][1])
	}
	return h
}

// headerOf makes the header of the message.
func (m *Message) headerOf() *fields {
	f := &fields{}
	f.add("Date", m.Date.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	f.add("From", mailbox(m.From))
	if m.Sender.Address != "" && !sameAddress(m.Sender.Address, m.From.Address) {
		f.add("Sender", mailbox(m.Sender))
	}
	for _, l := range []struct {
		name string
		list []Address
	}{{"Reply-To", m.ReplyTo}, {"To", m.To}, {"Cc", m.CC}} {
		if len(l.list) > 0 {
			f.add(l.name, mailboxes(l.list))
		}
	}
	if len(m.To)+len(m.CC) == 0 {
		f.add("To", "undisclosed-recipients:;") // RFC 5322, A.1.3: a mail to Bcc alone
	}
	f.add("Subject", text(m.subject()))
	f.add("Message-ID", "<"+m.MessageID()+">")
	if m.Original != nil {
		if ids := m.Original.references(); len(ids) > 0 {
			f.add("In-Reply-To", "<"+ids[len(ids)-1]+">")
			f.add("References", "<"+strings.Join(ids, "> <")+">")
		}
	}
	f.add("MIME-Version", "1.0")
	if m.Class == Answer {
		f.add("Auto-Submitted", "auto-replied")
	} else {
		f.add("Auto-Submitted", "auto-generated")
	}
	f.add("X-Auto-Response-Suppress", "All") // [MS-OXCMAIL] 2.2.3.2.14: no OOF, receipts or reports
	if m.Precedence != "" {
		f.add("Precedence", m.Precedence)
	}
	if m.Urgent { // RFC 2156, 5.3.6, and what older programs look at
		f.add("Importance", "high")
		f.add("X-Priority", "1")
	}
	if u := m.Unsubscribe; u != nil {
		var ways []string
		if u.URL != "" {
			ways = append(ways, "<"+u.URL+">")
		}
		if u.Mail != "" {
			ways = append(ways, "<mailto:"+u.Mail+"?subject=unsubscribe>")
		}
		f.add("List-Unsubscribe", strings.Join(ways, ", "))
		if u.OneClick {
			f.add("List-Unsubscribe-Post", "List-Unsubscribe=One-Click") // RFC 8058, 3.1
		}
	}
	if m.Cause != nil {
		f.add(CauseHeader, m.Signer.Sign(*m.Cause, m.MessageID()))
	}
	return f
}

// maxWord is how long an encoded word or a word of a header gets, so that it fits in a line behind any field name of ours.
const maxWord = 60

// text writes words of people for an unstructured field. Everything that is not plain ASCII, could be taken for an encoded word or
// does not fold is encoded (RFC 2047).
func text(s string) string {
	s = oneLine(s)
	if plainWords(s) {
		return s
	}
	return encode(s)
}

func plainWords(s string) bool {
	if strings.Contains(s, "=?") {
		return false
	}
	for w := range strings.FieldsSeq(s) {
		if len(w) > maxWord {
			return false
		}
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// encode writes encoded words in base64, separated by a blank each, which readers drop (RFC 2047, 2 and 6.2).
func encode(s string) string {
	const most = (maxWord - len("=?utf-8?B?") - len("?=")) / 4 * 3
	var words []string
	for s != "" {
		n := min(most, len(s))
		for n < len(s) && !utf8.RuneStart(s[n]) {
			n--
		}
		words = append(words, "=?utf-8?B?"+base64.StdEncoding.EncodeToString([]byte(s[:n]))+"?=")
		s = s[n:]
	}
	return strings.Join(words, " ")
}

// mailbox writes one mailbox (RFC 5322, 3.4).
func mailbox(a Address) string {
	spec := "<" + a.Address + ">"
	switch {
	case a.Name == "":
		return a.Address
	case !plainWords(a.Name):
		return encode(oneLine(a.Name)) + " " + spec
	case strings.ContainsFunc(a.Name, func(r rune) bool { return !isAtext(r) && r != ' ' }):
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(a.Name) + `" ` + spec
	}
	return a.Name + " " + spec
}

func isAtext(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
}

func mailboxes(list []Address) string {
	out := make([]string, len(list))
	for i, a := range list {
		out[i] = mailbox(a)
	}
	return strings.Join(out, ", ")
}

// parameter writes a parameter of a media type or disposition, in pieces where it is long or not ASCII (RFC 2231, 3 and 4). The
// pieces are separated by "; ", where the header folds.
func parameter(name, value string) string {
	if plainWords(value) && !strings.ContainsAny(value, "\"\\") && len(value) <= maxWord {
		return name + `="` + value + `"`
	}
	var pieces []string
	var b strings.Builder
	flush := func() {
		pieces = append(pieces, b.String())
		b.Reset()
	}
	b.WriteString("utf-8''")
	for _, r := range value {
		var enc strings.Builder
		for _, c := range []byte(string(r)) {
			if c < 0x80 && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._", c) >= 0) {
				enc.WriteByte(c)
			} else {
				const hex = "0123456789ABCDEF"
				enc.WriteString("%" + string(hex[c>>4]) + string(hex[c&15]))
			}
		}
		if b.Len()+enc.Len() > maxWord-14 {
			flush()
		}
		b.WriteString(enc.String())
	}
	flush()
	if len(pieces) == 1 {
		return name + "*=" + pieces[0]
	}
	for i := range pieces {
		pieces[i] = name + "*" + itoa(i) + "*=" + pieces[i]
	}
	return strings.Join(pieces, "; ")
}

// maxFileName in characters: file systems take 255 bytes.
const maxFileName = 120

// fileName makes a name fit for a header and for a disk: no path, no control or direction characters, its ending kept.
func fileName(s string) string {
	s = oneLine(strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/\:*?"<>|`, r) {
			return '_'
		}
		return r
	}, s))
	s = strings.TrimLeft(s, ". ")
	if r := []rune(s); len(r) > maxFileName {
		end := ""
		if i := strings.LastIndexByte(s, '.'); i > 0 && len(s)-i <= 12 {
			end = s[i:]
		}
		s = string(r[:maxFileName-len([]rune(end))]) + end
	}
	return s
}
