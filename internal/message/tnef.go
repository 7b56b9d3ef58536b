package message

import (
	"crypto/sha256"
	"encoding/binary"
	"io"
	"iter"
	"strconv"
	"strings"
)

// tnef tells whether the part is what Outlook makes of a message for Outlook: its text,
// properties and attachments in one file ([MS-OXTNEF]).
func (e entity) tnef() bool {
	switch e.mediaType {
	case "application/ms-tnef", "application/vnd.ms-tnef":
		return true
	case "application/octet-stream", "text/plain":
		return strings.EqualFold(e.name, "winmail.dat")
	}
	return false
}

const (
	tnefSignature = 0x223e9f78
	// maxTNEFDepth bounds messages within messages.
	maxTNEFDepth = 4
	// maxTNEFName bounds names and other short properties, in octets.
	maxTNEFName = 4 << 10
)

// tnef reads the attachments out of a winmail.dat while it passes. The file itself is listed
// only where it is none; the key knows it and not what is in it.
func (p *parser) tnef(e entity, at part) stop {
	all := &fileSink{sum: sha256.New()}
	t := &tnefStream{p: p, e: e, at: at}
	next, end := iter.Pull(t.run)
	defer end()
	t.next = next
	st := p.decoded(e, io.MultiWriter(all, t))
	t.eof = true
	for t.err == nil {
		if _, more := next(); !more {
			break
		}
	}
	p.fileHashes = append(p.fileHashes, all.canonical())
	return st
}

// tnefStream turns the octets that are pushed into it into a reader, from which one
// coroutine reads the structure as it stands.
type tnefStream struct {
	p     *parser
	e     entity
	at    part
	next  func() (struct{}, bool)
	wait  func(struct{}) bool // until there is another chunk; false: forget it
	chunk []byte
	eof   bool
	done  bool
	err   error // of the writer that gets an attachment's bytes
}

func (t *tnefStream) Write(b []byte) (int, error) {
	t.chunk = b
	for len(t.chunk) > 0 && !t.done && t.err == nil {
		_, more := t.next()
		t.done = !more
	}
	return len(b), t.err
}

// Read waits for the next chunk.
func (t *tnefStream) Read(b []byte) (int, error) {
	for len(t.chunk) == 0 {
		if t.eof || !t.wait(struct{}{}) {
			return 0, io.EOF
		}
	}
	n := copy(b, t.chunk)
	t.chunk = t.chunk[n:]
	return n, nil
}

// run is the coroutine.
func (t *tnefStream) run(wait func(struct{}) bool) {
	t.wait = wait
	head := make([]byte, 6)
	n, _ := io.ReadFull(t, head)
	if n < len(head) || binary.LittleEndian.Uint32(head) != tnefSignature {
		t.plainFile(head[:n])
		return
	}
	t.p.flag(FlagTNEF)
	m := &tnefMessage{t: t}
	whole := m.read(t)
	t.p.flagUnless(whole, FlagEncoding)
}

// plainFile lists what calls itself a winmail.dat and is none.
func (t *tnefStream) plainFile(head []byte) {
	f := t.p.newFile(t.at, false)
	t.copy(f, io.MultiReader(strings.NewReader(string(head)), t))
	f.closeUncounted(t.p.attached(t.e, t.at, f))
}

// copy moves what r has into the file. An error of the reader is its end.
func (t *tnefStream) copy(f *openFile, r io.Reader) int64 {
	n, err := io.Copy(f.sink, r)
	if err != nil && t.err == nil {
		t.err = err
	}
	return n
}

// Attributes of a TNEF stream ([MS-OXTNEF] 2.1.3.3), without their type.
const (
	attMessageClass   = 0x8008
	attBody           = 0x800c
	attAttachData     = 0x800f
	attAttachTitle    = 0x8010
	attAttachRendData = 0x9002
	attMsgProps       = 0x9003
	attAttachment     = 0x9005
	attOEMCodepage    = 0x9007
)

// tnefMessage is a message in a TNEF stream; it may be in an attachment of another.
type tnefMessage struct {
	t        *tnefStream
	depth    int
	codepage string
	file     *openFile // the attachment that is being read, once its bytes have come
	about    tnefProps // what its properties say
}

// read reads attributes up to the end of r and tells whether all of them were whole.
func (m *tnefMessage) read(r io.Reader) bool {
	for {
		var head [9]byte // level, id, type, length
		n, err := io.ReadFull(r, head[:])
		if n == 0 {
			m.endAttachment()
			return true
		}
		if err != nil || head[0] != 1 && head[0] != 2 {
			m.endAttachment()
			return false
		}
		id, length := binary.LittleEndian.Uint16(head[1:]), int64(binary.LittleEndian.Uint32(head[5:]))
		body := &io.LimitedReader{R: r, N: length}
		m.attribute(id, body)
		_, _ = io.Copy(io.Discard, body) // its end shows below
		var sum [2]byte
		if _, err := io.ReadFull(r, sum[:]); err != nil {
			m.endAttachment()
			return false
		}
	}
}

func (m *tnefMessage) attribute(id uint16, r io.Reader) {
	switch id {
	case attOEMCodepage:
		if b := readShort(r); len(b) >= 4 {
			m.codepage = "cp" + strconv.Itoa(int(binary.LittleEndian.Uint32(b)))
		}
	case attMessageClass:
		m.messageClass(strings.TrimRight(string(readShort(r)), "\x00"))
	case attBody:
		m.body(propBody, m.text(readUpTo(r, int64(m.t.p.o.MaxText))))
	case attMsgProps:
		m.properties(r, m.messageProperty)
	case attAttachRendData:
		m.endAttachment()
	case attAttachTitle:
		m.about.title = m.text(readShort(r))
	case attAttachData:
		m.content(r)
	case attAttachment:
		m.properties(r, m.attachmentProperty)
	}
}

// content takes the bytes of the attachment; the first that come are it.
func (m *tnefMessage) content(r io.Reader) {
	if m.file != nil {
		return
	}
	if m.file = m.t.p.openFile(m.t.at, false); m.file != nil {
		m.t.copy(m.file, r)
	}
}

// endAttachment gives the attachment its name, which may come behind its bytes.
func (m *tnefMessage) endAttachment() {
	if m.file != nil {
		m.file.closeUncounted(m.about.attachment())
	}
	m.file, m.about = nil, tnefProps{}
}

// messageClass knows what Outlook calls invitations and their answers ([MS-OXOCAL]
// 2.2.11, and their older names).
func (m *tnefMessage) messageClass(class string) {
	if m.depth > 0 || m.t.p.calendar != "" {
		return
	}
	class = strings.ToLower(class)
	for _, c := range []struct{ sign, method string }{
		{"schedule.mtgreq", "REQUEST"},
		{"schedule.meeting.request", "REQUEST"},
		{"schedule.mtgcncl", "CANCEL"},
		{"schedule.meeting.canceled", "CANCEL"},
		{"schedule.mtgresp", "REPLY"},
		{"schedule.meeting.resp", "REPLY"},
	} {
		if strings.Contains(class, c.sign) {
			m.t.p.calendar = c.method
		}
	}
}

// body keeps the text of the outermost message.
func (m *tnefMessage) body(id uint16, text string) {
	switch {
	case m.depth > 0:
	case id == propBody && m.t.p.tnefText == "":
		m.t.p.tnefText = text
	case id == propHTML && m.t.p.tnefHTML == "":
		m.t.p.tnefHTML = text
	}
}

// text reads octets in the code page of the stream.
func (m *tnefMessage) text(b []byte) string {
	s, sure := decode(m.codepage, []byte(strings.TrimRight(string(b), "\x00")))
	m.t.p.flagUnless(sure, FlagCharset)
	return s
}

func readShort(r io.Reader) []byte { return readUpTo(r, maxTNEFName) }

// readUpTo reads at most n octets. What cannot be read is not there.
func readUpTo(r io.Reader, n int64) []byte {
	b, _ := io.ReadAll(io.LimitReader(r, n))
	return b
}

// orTNEF returns the text of a winmail.dat for a message that shows nothing else.
func (p *parser) orTNEF(c content) content {
	if strings.TrimSpace(c.text) != "" || c.html != "" {
		return c
	}
	c.html = p.tnefHTML
	if strings.TrimSpace(p.tnefText) != "" {
		c.text, c.plain = tidy(p.tnefText), true
	}
	if c.html == "" && c.text == "" && len(p.tnefRTF) > 0 {
		return p.rtf(c)
	}
	return c
}

// rtf shows what a winmail.dat has as RTF only.
func (p *parser) rtf(c content) content {
	raw, whole := readLZFu(p.tnefRTF, p.o.MaxText)
	p.flagUnless(whole, FlagEncoding)
	page, text, cut := readRTF(raw, p.o.MaxText)
	p.flagUnless(!cut, FlagTruncated)
	if c.html = page; strings.TrimSpace(text) != "" {
		c.text, c.plain = tidy(text), true
	}
	return c
}
