package compose

import (
	"bytes"
	"html"
	"regexp"
	"strings"
	"time"

	xhtml "golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"heliograph/internal/message"
)

// Original is the mail that a reply answers. All of it is a stranger's.
type Original struct {
	MessageID  string // without brackets, as all ids here
	InReplyTo  string
	References []string // oldest first
	Subject    string
	From       Address // as it came: the address may be none
	Date       time.Time
	Text       string
	HTML       string // as internal/message cleaned it
	Language   string
}

// OriginalOf takes what a reply needs of a mail. Zone is in which the date of the original is told; nil means UTC.
func OriginalOf(m *message.Message, zone *time.Location) *Original {
	if zone == nil {
		zone = time.UTC
	}
	o := &Original{
		MessageID: m.MessageID, InReplyTo: m.InReplyTo, References: m.References, Subject: m.Subject,
		Text: m.Text, HTML: m.HTML, Language: m.Language,
	}
	if !m.Date.IsZero() {
		o.Date = m.Date.In(zone)
	}
	if len(m.From) > 0 {
		o.From = Address{Name: m.From[0].Name, Address: m.From[0].Address}
	}
	return o
}

// Bounds of what a reply takes over.
const (
	maxReferences = 20       // the first, which names the thread, and the newest
	maxReference  = 250      // octets of one
	maxQuotedText = 20 << 10 // octets
	maxQuotedHTML = 64 << 10 // above that the text is quoted instead
)

var plainReference = regexp.MustCompile(`^[!-;=?A-~]+@[!-;=?A-~]+$`) // printable, without "<", ">" and "@" but for one

// references are the ids of the thread, the original's last (RFC 5322, 3.6.4).
func (o *Original) references() []string {
	ids := o.References
	if len(ids) == 0 && o.InReplyTo != "" {
		ids = []string{o.InReplyTo}
	}
	var out []string
	seen := map[string]bool{o.MessageID: true}
	for _, id := range ids {
		if !seen[id] && wellFormed(id) {
			seen[id] = true
			out = append(out, id)
		}
	}
	if !wellFormed(o.MessageID) {
		return nil // nothing to answer to
	}
	out = append(out, o.MessageID)
	if len(out) > maxReferences {
		out = append(out[:1:1], out[len(out)-maxReferences+1:]...)
	}
	return out
}

func wellFormed(id string) bool {
	return len(id) <= maxReference && strings.Count(id, "@") == 1 && plainReference.MatchString(id)
}

// language is in which the words are that we put in.
func (m *Message) language() string {
	if m.Language == "" && m.Original != nil {
		return m.Original.Language
	}
	return m.Language
}

// replyMark is what marks a subject as that of a reply, perhaps counted.
var replyMark = regexp.MustCompile(`(?i)^\s*(re|aw|sv|antw|res|rif|odp|vs|回复|回覆|答复|答覆|返信|答)\s*([\[(（]\s*\d+\s*[\])）]|\d{1,2})?\s*[:：]\s*`)

// maxSubject in characters.
const maxSubject = 400

// subject is that of the message; a reply has one mark of a reply in front, whatever stood there.
func (m *Message) subject() string {
	s := m.Subject
	if s == "" && m.Original != nil {
		s = m.Original.Subject
	}
	s = oneLine(s)
	if m.Original != nil {
		s = ReplySubject(s, m.language())
	}
	if r := []rune(s); len(r) > maxSubject {
		s = string(r[:maxSubject-1]) + "…"
	}
	return s
}

// ReplySubject puts the mark of a reply before a subject, once: "回复：" where the original has a Chinese one, or has none and the
// language is Chinese; else "Re: ".
func ReplySubject(subject, language string) string {
	mark := "Re: "
	if strings.HasPrefix(language, "zh") {
		mark = "回复："
	}
	rest := oneLine(subject)
	for first := true; ; first = false {
		m := replyMark.FindStringSubmatchIndex(rest)
		if m == nil {
			break
		}
		if first {
			switch rest[m[2]:m[3]] {
			case "回复", "回覆", "答复", "答覆", "答":
				mark = "回复："
			default:
				mark = "Re: "
			}
		}
		rest = rest[m[1]:]
	}
	return mark + rest
}

// attributions introduce what is quoted, as mail programs of the language write it.
var attributions = map[string]func(o *Original, who string) string{
	"zh": func(o *Original, who string) string {
		return o.when("在 2006年1月2日 15:04，") + who + " 写道："
	},
	"zh-Hant": func(o *Original, who string) string {
		return o.when("在 2006年1月2日 15:04，") + who + " 寫道："
	},
	"en": func(o *Original, who string) string {
		return o.when("On Mon, Jan 2, 2006 at 15:04, ") + who + " wrote:"
	},
	"de": func(o *Original, who string) string {
		if o.Date.IsZero() {
			return "Am unbekannten Tag schrieb " + who + ":"
		}
		return o.when("Am 02.01.2006 um 15:04 schrieb ") + who + ":"
	},
	"fr": func(o *Original, who string) string { return o.when("Le 02/01/2006 à 15:04, ") + who + " a écrit :" },
	"es": func(o *Original, who string) string {
		return o.when("El 02/01/2006 a las 15:04, ") + who + " escribió:"
	},
	"ja": func(o *Original, who string) string { return o.when("2006年1月2日 15:04 ") + who + " のメール:" },
}

func (o *Original) when(layout string) string {
	if o.Date.IsZero() {
		return ""
	}
	return o.Date.Format(layout)
}

// attribution is the line before the quote.
func (o *Original) attribution(language string) string {
	f, ok := attributions[language]
	if !ok {
		base, _, _ := strings.Cut(language, "-")
		if f, ok = attributions[base]; !ok {
			f = attributions["en"]
		}
	}
	name := oneLine(o.From.Name)
	if r := []rune(name); len(r) > maxName {
		name = string(r[:maxName])
	}
	name = strings.NewReplacer("<", "", ">", "").Replace(name)
	who := name
	if a, err := canonical(o.From.Address); err == nil {
		who = strings.TrimSpace(name + " <" + a + ">")
	}
	if who == "" {
		who = "?"
	}
	return f(o, who)
}

// bounded is the text of the original, cut where it is long.
func (o *Original) bounded() string {
	s := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(o.Text)
	if len(s) > maxQuotedText {
		s = strings.ToValidUTF8(s[:maxQuotedText], "")
		if i := strings.LastIndexByte(s, '\n'); i > maxQuotedText/2 {
			s = s[:i]
		}
		s += "\n[…]"
	}
	return strings.TrimSpace(s)
}

func (o *Original) quoteText(language string) string {
	var b strings.Builder
	b.WriteString(o.attribution(language) + "\n")
	for row := range strings.SplitSeq(o.bounded(), "\n") {
		switch {
		case row == "":
			b.WriteString(">\n")
		case row[0] == '>':
			b.WriteString(">" + row + "\n")
		default:
			b.WriteString("> " + row + "\n")
		}
	}
	return b.String()
}

func (o *Original) quoteHTML(language string) string {
	inner := o.page()
	if inner == "" {
		inner = "<div>" + strings.ReplaceAll(html.EscapeString(o.bounded()), "\n", "<br>\n") + "</div>"
	}
	return `<br><div class="gmail_quote"><div dir="auto" class="gmail_attr">` + html.EscapeString(o.attribution(language)) + "<br></div>\n" +
		`<blockquote class="gmail_quote" style="margin:0 0 0 .8ex;border-left:1px solid #ccc;padding-left:1ex">` + inner + "</blockquote></div>\n"
}

// page is the HTML of the original with each tag closed, so that nothing in it ends the quote, and without pictures, which
// the reply does not have. It is empty where it cannot be quoted as it is.
func (o *Original) page() string {
	if o.HTML == "" || len(o.HTML) > maxQuotedHTML {
		return ""
	}
	body := &xhtml.Node{Type: xhtml.ElementNode, Data: "body", DataAtom: atom.Body}
	nodes, err := xhtml.ParseFragment(strings.NewReader(o.HTML), body)
	if err != nil {
		return ""
	}
	var out bytes.Buffer
	for _, n := range nodes {
		body.AppendChild(n)
	}
	dropPictures(body)
	for n := body.FirstChild; n != nil; n = n.NextSibling {
		if err := xhtml.Render(&out, n); err != nil {
			return ""
		}
	}
	page := out.String()
	if len(page) > 2*maxQuotedHTML || len(checkPage("quote", page)) > 0 {
		return ""
	}
	return page
}

// dropPictures puts the words of pictures in their places.
func dropPictures(n *xhtml.Node) {
	for kid := n.FirstChild; kid != nil; {
		next := kid.NextSibling
		if kid.Type == xhtml.ElementNode && kid.DataAtom == atom.Img {
			for _, a := range kid.Attr {
				if a.Key == "alt" && strings.TrimSpace(a.Val) != "" {
					n.InsertBefore(&xhtml.Node{Type: xhtml.TextNode, Data: "[" + a.Val + "]"}, kid)
				}
			}
			n.RemoveChild(kid)
		} else {
			dropPictures(kid)
		}
		kid = next
	}
}
