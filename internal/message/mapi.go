package message

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
)

// Properties of messages and attachments ([MS-OXPROPS]) that are read.
const (
	propBody           = 0x1000
	propRTF            = 0x1009 // compressed
	propHTML           = 0x1013
	propDisplayName    = 0x3001
	propAttachData     = 0x3701
	propAttachFilename = 0x3704
	propAttachLongName = 0x3707
	propAttachMimeTag  = 0x370e
	propAttachContent  = 0x3712
	propAttachHidden   = 0x7ffe
)

// Types of properties ([MS-OXCDATA] 2.11.1).
const (
	mapiBool    = 0x000b
	mapiObject  = 0x000d
	mapiInt64   = 0x0014
	mapiString8 = 0x001e
	mapiUnicode = 0x001f
	mapiTime    = 0x0040
	mapiGUID    = 0x0048
	mapiBinary  = 0x0102
	mapiMulti   = 0x1000 // or-ed: there are many values
)

// tnefProps is what is known of an attachment in a TNEF stream.
type tnefProps struct {
	title, long, short, display string
	mime, contentID             string
	hidden, message             bool
}

func (a tnefProps) attachment() Attachment {
	name := ""
	for _, n := range []string{a.long, a.title, a.short, a.display} {
		if name = fileName(n); name != "" {
			break
		}
	}
	out := Attachment{Name: name, Type: strings.ToLower(oneLine(a.mime)), ContentID: oneLine(a.contentID), Inline: a.hidden || a.contentID != ""}
	if a.message {
		out.Type = "application/ms-tnef"
		out.Name += ".dat"
	}
	if !strings.Contains(out.Type, "/") || len(out.Type) > 127 {
		out.Type = typeOfName(name)
	}
	return out
}

// properties reads a list of properties ([MS-OXTNEF] 2.1.3.4) and hands each value of
// variable size to use; r is limited to the list.
func (m *tnefMessage) properties(r io.Reader, use func(id, kind uint16, value io.Reader)) {
	var count [4]byte
	if _, err := io.ReadFull(r, count[:]); err != nil {
		return
	}
	for range binary.LittleEndian.Uint32(count[:]) {
		if !m.property(r, use) {
			return
		}
	}
}

func (m *tnefMessage) property(r io.Reader, use func(id, kind uint16, value io.Reader)) bool {
	var tag [4]byte
	if _, err := io.ReadFull(r, tag[:]); err != nil {
		return false
	}
	kind, id := binary.LittleEndian.Uint16(tag[:]), binary.LittleEndian.Uint16(tag[2:])
	if id >= 0x8000 && !skipPropertyName(r) {
		return false
	}
	many := kind&mapiMulti != 0
	kind &^= mapiMulti
	size := fixedSize(kind)
	count := uint32(1)
	if many || size == 0 {
		var n [4]byte
		if _, err := io.ReadFull(r, n[:]); err != nil {
			return false
		}
		count = binary.LittleEndian.Uint32(n[:])
	}
	for range count {
		value, ok := int64(size), true
		if size == 0 {
			value, ok = readLength(r)
		}
		if !ok {
			return false
		}
		body := &io.LimitedReader{R: r, N: value}
		use(id, kind, body)
		if !skip(body, body.N) || !skip(r, -value&3) { // values are padded to four octets
			return false
		}
	}
	return true
}

// fixedSize returns how many octets a value takes; zero where its length stands before it.
func fixedSize(kind uint16) int {
	switch kind {
	case mapiObject, mapiString8, mapiUnicode, mapiBinary:
		return 0
	case 0x0005, 0x0006, 0x0007, mapiInt64, mapiTime:
		return 8
	case mapiGUID:
		return 16
	}
	return 4 // smaller ones are padded
}

// skipPropertyName passes over the name of a named property.
func skipPropertyName(r io.Reader) bool {
	var head [20]byte // the property set, and the kind of name
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return false
	}
	n, ok := readLength(r)
	if !ok {
		return false
	}
	if binary.LittleEndian.Uint32(head[16:]) == 0 { // the number was the name
		return true
	}
	return skip(r, n+(-n&3))
}

func readLength(r io.Reader) (int64, bool) {
	var n [4]byte
	_, err := io.ReadFull(r, n[:])
	return int64(binary.LittleEndian.Uint32(n[:])), err == nil
}

func skip(r io.Reader, n int64) bool {
	_, err := io.CopyN(io.Discard, r, n)
	return err == nil
}

func (m *tnefMessage) messageProperty(id, kind uint16, r io.Reader) {
	if id == propRTF && kind == mapiBinary && m.depth == 0 && m.t.p.tnefRTF == nil {
		m.t.p.tnefRTF = readUpTo(r, int64(m.t.p.o.MaxText))
	}
	if (id == propBody || id == propHTML) && fixedSize(kind) == 0 {
		m.body(id, m.value(kind, readUpTo(r, int64(m.t.p.o.MaxText))))
	}
}

func (m *tnefMessage) attachmentProperty(id, kind uint16, r io.Reader) {
	if id == propAttachData {
		m.attachedObject(kind, r)
		return
	}
	text := func() string { return m.value(kind, readShort(r)) }
	switch id {
	case propAttachLongName:
		m.about.long = text()
	case propAttachFilename:
		m.about.short = text()
	case propDisplayName:
		m.about.display = text()
	case propAttachMimeTag:
		m.about.mime = text()
	case propAttachContent:
		m.about.contentID = text()
	case propAttachHidden:
		b := readShort(r)
		m.about.hidden = kind == mapiBool && len(b) > 0 && b[0] != 0
	}
}

// value reads a string property.
func (m *tnefMessage) value(kind uint16, b []byte) string {
	if kind != mapiUnicode {
		return m.text(b)
	}
	s, bad := utf16Little.read(b[:len(b)&^1])
	m.t.p.flagUnless(bad == 0, FlagCharset)
	return clean(strings.TrimRight(s, "\x00"))
}

// messageInterface begins an object that is a message (IID_IMessage).
var messageInterface = []byte{0x07, 0x03, 0x02, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x46}

// attachedObject takes the bytes of an attachment from its properties. A message in it is a
// TNEF stream of its own: it is an attachment as it is, and so are its attachments.
func (m *tnefMessage) attachedObject(kind uint16, r io.Reader) {
	if kind != mapiObject {
		m.content(r)
		return
	}
	iid := make([]byte, len(messageInterface))
	n, _ := io.ReadFull(r, iid)
	if !bytes.Equal(iid[:n], messageInterface) || m.file != nil || m.depth >= maxTNEFDepth {
		m.content(io.MultiReader(bytes.NewReader(iid[:n]), r))
		return
	}
	if m.file = m.t.p.openFile(m.t.at, false); m.file == nil {
		return
	}
	m.about.message = true
	m.t.nested(m.file, r, m.depth+1)
}

// nested reads a message within an attachment while its bytes go into the file.
func (t *tnefStream) nested(f *openFile, r io.Reader, depth int) {
	r = io.TeeReader(r, f.sink)
	head := make([]byte, 6)
	n, _ := io.ReadFull(r, head)
	if n == len(head) && binary.LittleEndian.Uint32(head) == tnefSignature {
		m := &tnefMessage{t: t, depth: depth}
		m.read(r)
	}
	if _, err := io.Copy(io.Discard, r); err != nil && t.err == nil {
		t.err = err
	}
}
