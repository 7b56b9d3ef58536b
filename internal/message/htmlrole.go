package message

import (
	"strings"

	"golang.org/x/net/html/atom"
)

// role is what an element makes of its content.
type role struct {
	hidden  bool // shows nothing
	tiny    bool // sets letters of no size, which holds until others are set
	sized   bool // sets the size of letters
	pre     bool
	quote   bool // is marked "> "
	history bool // was written earlier
	cut     bool // begins the history: all that follows is it
	sign    bool // is a signature
	tight   bool // has no empty line around it
}

// hiddenElements show none of their content.
var hiddenElements = map[atom.Atom]bool{
	atom.Style: true, atom.Script: true, atom.Title: true, atom.Template: true, atom.Noscript: true, atom.Object: true, atom.Svg: true,
	atom.Math: true, atom.Iframe: true, atom.Select: true, atom.Textarea: true, atom.Noembed: true, atom.Noframes: true, atom.Datalist: true,
}

// cutIDs are of elements above the history: Outlook on the web, in apps and on the desktop, Exmail.
var cutIDs = map[string]bool{
	"appendonsend": true, "divrplyfwdmsg": true, "mail-editor-reference-message-container": true, "olk_src_body_section": true,
	"xm_mail_oringinal_describe": true,
}

// historyIDs are of elements around the history: NetEase, Zimbra.
var historyIDs = map[string]bool{"isreplycontent": true, "__quoted_text__": true}

// cutClasses and historyClasses likewise: Foxmail of old, Exmail; Gmail's and Thunderbird's
// introductions, Yahoo, Proton, Zoho, NetEase's app, Lark. Gmail's div.gmail_quote is none,
// because replies between the quotations stand in it, too.
var (
	cutClasses     = map[string]bool{"outlookmessageheader": true, "xm_mail_oringinal_describe": true}
	historyClasses = map[string]bool{
		"gmail_attr": true, "moz-cite-prefix": true, "yahoo_quoted": true, "protonmail_quote": true, "zmail_extra": true,
		"ntes-mailmaster-quote": true, "history-quote-wrapper": true, "lark-mail-quote": true,
	}
	signClasses = map[string]bool{
		"gmail_signature": true, "gmail_signature_prefix": true, "moz-signature": true, "protonmail_signature_block": true, "zmail_signature": true,
		"ntes-mailmaster-signature": true, "lark-mail-signature": true,
	}
	signIDs = map[string]bool{"signature": true, "applemailsignature": true, "ms-outlook-mobile-signature": true, "ntes-pcmac-signature": true, "ntes-pcmail-signature": true}
)

// styleRoles remembers what the styles of a page say: programs write the same few over and over.
type styleRoles map[string]role

// maxStyleRoles bounds how many styles of one page are remembered.
const maxStyleRoles = 1000

func (known styleRoles) read(s string) role {
	o, ok := known[s]
	if !ok {
		o.readStyle(s)
		if len(known) < maxStyleRoles {
			known[s] = o
		}
	}
	return o
}

// roleOf reads an element's role from its name and attributes.
func (known styleRoles) roleOf(a atom.Atom, name string, attr map[string]string) role {
	o := role{hidden: hiddenElements[a] || name == "xml", pre: a == atom.Pre}
	switch {
	case a == atom.Blockquote:
		o.quote = !indentOnly(attr)
	case name == "includetail": // QQ
		o.history = true
	case name == "sign": // QQ
		o.sign = true
	}
	if len(attr) == 0 {
		return o
	}
	if _, is := attr["hidden"]; is {
		o.hidden = true
	}
	if s := attr["style"]; s != "" {
		shown := known.read(s)
		o.hidden, o.pre = o.hidden || shown.hidden, o.pre || shown.pre
		o.sized, o.tiny, o.tight = shown.sized, shown.tiny, shown.tight
	}
	id := strings.TrimPrefix(strings.ToLower(attr["id"]), "x_") // Outlook on the web renames what it quotes
	o.cut = cutIDs[id]
	o.history = o.history || historyIDs[id] || strings.HasPrefix(id, "lark-mail-quote") || attr["data-marker"] == "__QUOTED_TEXT__"
	o.sign = o.sign || signIDs[id]
	for c := range strings.FieldsSeq(strings.ToLower(attr["class"])) {
		o.hidden = o.hidden || c == "preheader"
		o.cut = o.cut || cutClasses[c]
		o.history = o.history || historyClasses[c]
		o.sign = o.sign || signClasses[c]
		o.tight = o.tight || strings.HasPrefix(c, "mso")
	}
	return o
}

// readStyle finds what hides an element and what sets paragraphs apart.
func (o *role) readStyle(s string) {
	eachStyle(s, func(name, value string) {
		switch name {
		case "display":
			o.hidden = o.hidden || value == "none"
		case "visibility":
			o.hidden = o.hidden || value == "hidden"
		case "font-size": // of no size are also the cells of many layouts, but not the words in them
			o.sized, o.tiny = true, isZero(value)
		case "max-height", "opacity":
			o.hidden = o.hidden || isZero(value)
		case "margin":
			first, _, _ := strings.Cut(value, " ")
			o.tight = o.tight || isZero(first)
		case "margin-bottom":
			o.tight = o.tight || isZero(value)
		case "white-space":
			o.pre = o.pre || value == "pre" || value == "pre-wrap" || value == "pre-line"
		}
	})
}

// isZero tells whether a length is none, in whatever unit.
func isZero(value string) bool {
	n := strings.TrimRight(value, "abcdefghijklmnopqrstuvwxyz%")
	return n != "" && strings.Trim(n, "0.") == "" && strings.Contains(n, "0")
}

// indentOnly tells whether a blockquote only moves its words to the right, which is what
// Gmail's button for that writes.
func indentOnly(attr map[string]string) bool {
	s := strings.ReplaceAll(strings.ToLower(attr["style"]), " ", "")
	return attr["type"] == "" && !strings.Contains(attr["class"], "quote") && strings.Contains(s, "40px") && strings.Contains(s, "border:none")
}
