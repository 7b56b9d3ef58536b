package message

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"
	"strconv"
)

// KeyVersion begins each message key, so that a later way to make keys never
// equals an earlier one.
const KeyVersion = "m1-"

// shownText is one text as the key counts it.
type shownText struct{ kind, text string }

// keys makes the message key and the likeness; the package comment says of what.
func (p *parser) keys(m *Message) (key, likeness string) {
	whole, content := sha256.New(), sha256.New()
	from := ""
	if len(m.From) > 0 {
		from = m.From[0].Address
	} else if len(m.Sender) > 0 {
		from = m.Sender[0].Address
	}
	if from != "" {
		put(whole, "from", from)
	}
	switch {
	case !m.Date.IsZero():
		put(whole, "date", strconv.FormatInt(m.Date.Unix(), 10))
	case p.rawDate != "":
		put(whole, "date", p.rawDate)
	}
	subject := squeeze(m.Subject)
	put(whole, "subject", subject)
	identified := plausibleID(m.MessageID)
	recipients := sortedAddresses(m.To, m.CC)
	if identified {
		put(whole, "id", m.MessageID)
	} else {
		for _, a := range recipients {
			put(whole, "to", a)
		}
	}
	m.shown = p.shown
	m.files = slices.Sorted(slices.Values(p.fileHashes))
	some := len(m.files) > 0
	both := io.MultiWriter(whole, content)
	for _, s := range p.shown {
		put(both, s.kind, s.text)
		some = some || s.text != ""
	}
	for _, f := range m.files {
		put(both, "file", f)
	}
	if p.flags[FlagUnparsed] || !identified && p.rawDate == "" {
		put(whole, "salt", p.o.Salt)
	}
	key = KeyVersion + hex.EncodeToString(whole.Sum(nil))
	if from == "" || !some || p.flags[FlagUnparsed] || p.flags[FlagTruncated] || p.flags[FlagLimits] {
		return key, ""
	}
	put(content, "from", from)
	put(content, "subject", subject)
	for _, a := range recipients {
		put(content, "to", a)
	}
	return key, likenessVersion + hex.EncodeToString(content.Sum(nil)[:16])
}

// likenessVersion begins each likeness, as KeyVersion does each key.
const likenessVersion = "l1-"

// put writes one field. The length keeps one from passing for two.
func put(w io.Writer, kind, value string) {
	_, _ = io.WriteString(w, kind+" "+strconv.Itoa(len(value))+" ")
	_, _ = io.WriteString(w, value)
	_, _ = io.WriteString(w, "\n")
}

func sortedAddresses(lists ...[]Address) []string {
	var out []string
	for _, l := range lists {
		for _, a := range l {
			out = append(out, a.Address)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
