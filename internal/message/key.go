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

// key makes the message key; the package comment says of what.
func (p *parser) key(m *Message) string {
	h := sha256.New()
	put := func(kind, value string) {
		// The length keeps one field from passing for two.
		_, _ = io.WriteString(h, kind+" "+strconv.Itoa(len(value))+" "+value+"\n")
	}
	from := m.From
	if len(from) == 0 {
		from = m.Sender
	}
	if len(from) > 0 {
		put("from", from[0].Address)
	}
	switch {
	case !m.Date.IsZero():
		put("date", strconv.FormatInt(m.Date.Unix(), 10))
	case p.rawDate != "":
		put("date", p.rawDate)
	}
	put("subject", squeeze(m.Subject))
	identified := plausibleID(m.MessageID)
	if identified {
		put("id", m.MessageID)
	} else {
		for _, a := range sortedAddresses(m.To, m.CC) {
			put("to", a)
		}
	}
	for _, s := range p.shown {
		put(s.kind, s.text)
	}
	files := slices.Clone(p.fileHashes)
	slices.Sort(files)
	for _, f := range files {
		put("file", f)
	}
	if p.flags[FlagUnparsed] || !identified && p.rawDate == "" {
		put("salt", p.o.Salt)
	}
	return KeyVersion + hex.EncodeToString(h.Sum(nil))
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
