package message

import (
	"bytes"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode/utf8"
)

// entity is what a part's header says of its content.
type entity struct {
	mediaType   string
	params      map[string]string
	disposition string
	name        string
	cte         string
	contentID   string
}

// describe reads the header of a part. A Content-Type that is none is what RFC 2045, 5.2
// makes of a missing one, unless the part is a file.
func (p *parser) describe(h *header, at part) entity {
	var e entity
	var dparams map[string]string
	e.mediaType, e.params = p.parameters(h.raw("content-type"))
	e.disposition, dparams = p.parameters(h.raw("content-disposition"))
	e.cte = h.ascii("content-transfer-encoding")
	if ids := messageIDs(h.ascii("content-id"), 1); len(ids) > 0 {
		e.contentID = ids[0]
	}
	if e.name = fileName(p.unescaped(dparams["filename"])); e.name == "" {
		e.name = fileName(p.unescaped(e.params["name"]))
	}
	if major, minor, ok := strings.Cut(e.mediaType, "/"); !ok || major == "" || minor == "" || strings.ContainsAny(e.mediaType, " \t,=\"") {
		switch {
		case strings.HasPrefix(e.mediaType, "multipart") && e.params["boundary"] != "":
			e.mediaType = "multipart/mixed"
		case e.name != "" || e.disposition == "attachment":
			e.mediaType = "application/octet-stream"
		case strings.HasPrefix(e.mediaType, "html"):
			e.mediaType = "text/html"
		default:
			e.mediaType = "text/plain"
		}
	}
	if len(e.mediaType) > 127 { // RFC 6838, 4.2
		e.mediaType = "application/octet-stream"
	}
	return e
}

// shown tells whether the part is text to read and not a file. A name alone makes a
// file of it, unless it is the first part, where some programs name the text itself.
func (e entity) shown(leafSeen bool) bool {
	if e.mediaType != "text/plain" && e.mediaType != "text/html" || e.disposition == "attachment" {
		return false
	}
	return e.name == "" || !leafSeen && e.disposition == ""
}

// maxFileName in runes; file systems and CRMs take 255 octets or characters.
const maxFileName = 200

// fileName keeps the last element of a path and no control characters.
func fileName(s string) string {
	s = oneLine(s)
	if i := strings.LastIndexAny(s, `/\`); i >= 0 {
		s = s[i+1:]
	}
	s = strings.Trim(s, " .")
	if n := utf8.RuneCountInString(s); n > maxFileName {
		r := []rune(s)
		ext := []rune(path.Ext(s))
		if len(ext) > 20 {
			ext = nil
		}
		s = string(r[:maxFileName-len(ext)-1]) + "…" + string(ext)
	}
	return s
}

// content is what a part shows to a person.
type content struct {
	text  string // plain text, or the text of the HTML once it is asked for
	html  string // raw, not sanitised
	plain bool   // text was written as such
	own   string // text with the history marked that only the HTML tells from the rest
	sign  string // the signature that the HTML calls one
}

// textPart reads a text to be shown.
func (p *parser) textPart(e entity, at part) (stop, content) {
	isHTML := e.mediaType == "text/html"
	room := &p.plainRoom
	if isHTML {
		room = &p.htmlRoom
	}
	buf := &boundedBuffer{room: room}
	st := p.readText(e, at, buf)
	p.flagUnless(!buf.cut, FlagTruncated)
	raw := buf.bytes()
	if crcrlf := []byte("\r\r\n"); bytes.Contains(raw, crcrlf) { // from relays that add CR
		raw = bytes.ReplaceAll(raw, crcrlf, crlf)
	}
	charset := e.params["charset"]
	if charset == "" && isHTML {
		charset = metaCharset(raw)
	}
	text, sure := decode(charset, raw)
	p.flagUnless(sure, FlagCharset)
	if c := lookupCharset(charset); p.rawCharset == "" && c != nil && isMultibyte(c) {
		p.rawCharset = c.name // of file names that nobody encoded
	}
	p.recognizeText(text)
	if !isHTML {
		text = unflow(text, e.params)
		p.shown = append(p.shown, shownText{"text", squeeze(text)})
		return st, content{text: tidy(text), plain: true}
	}
	p.shown = append(p.shown, shownText{"html", squeeze(keyWords(text, 2*p.o.MaxText))})
	return st, content{html: text}
}

// readText pushes a text into buf, without the files that are encoded within it.
func (p *parser) readText(e entity, at part, buf *boundedBuffer) stop {
	if e.mediaType == "text/html" {
		return p.decoded(e, buf)
	}
	uu := &uuFilter{p: p, at: at, w: buf}
	st := p.decoded(e, uu)
	if err := uu.Close(); err != nil && p.err == nil {
		p.err, p.in.err = err, err
	}
	return st
}

// decoded pushes the part through its transfer decoder into w.
func (p *parser) decoded(e entity, w io.Writer) stop {
	d, known := newDecoder(e.cte, w)
	p.flagUnless(known, FlagEncoding)
	st := p.copyPart(d)
	broken, err := d.Close()
	if err != nil && p.err == nil {
		p.err = err
		p.in.err = err
	}
	p.flagUnless(!broken, FlagEncoding)
	return st
}

// attachment hashes a file and forgets its bytes.
func (p *parser) attachment(e entity, at part) stop {
	if e.tnef() {
		return p.tnef(e, at)
	}
	f := p.newFile(at, strings.HasPrefix(e.mediaType, "text/") || strings.HasPrefix(e.mediaType, "message/"))
	st := p.decoded(e, f.sink)
	p.recognizeContent(e, f.sink.head)
	f.close(p.attached(e, at, f))
	return st
}

// attached is what the header of a part says of the file in it.
func (p *parser) attached(e entity, at part, f *openFile) Attachment {
	a := Attachment{Name: e.name, Type: e.mediaType, ContentID: e.contentID}
	a.Inline = e.disposition == "inline" || e.disposition == "" && e.contentID != "" && at.parent == "multipart/related"
	if a.Name == "" {
		a.Name = p.nameFor(e, f.sink.head, f.index)
	}
	return a
}

// extensions are of the types that mail carries without a name.
var extensions = map[string]string{
	"text/plain": ".txt", "text/html": ".html", "text/calendar": ".ics", "text/csv": ".csv", "text/vcard": ".vcf", "text/x-vcard": ".vcf",
	"image/jpeg": ".jpg", "image/png": ".png", "image/gif": ".gif", "image/webp": ".webp", "image/svg+xml": ".svg", "image/bmp": ".bmp",
	"application/pdf": ".pdf", "application/zip": ".zip", "application/json": ".json", "application/pgp-signature": ".asc",
	"application/pkcs7-signature": ".p7s", "application/x-pkcs7-signature": ".p7s", "application/pkcs7-mime": ".p7m", "application/ms-tnef": ".dat",
	"message/disposition-notification": ".txt", "text/rfc822-headers": ".txt",
}

// nameFor gives a file without a name one that people can open.
func (p *parser) nameFor(e entity, head []byte, index int) string {
	switch e.mediaType {
	case "message/rfc822", "message/global":
		inner := newParser(bytes.NewReader(head), p.o)
		defer inner.in.release()
		h := inner.topHeader()
		if name := strings.Map(noSlash, inner.unstructured(h, "subject")); name != "" {
			return fileName(name + ".eml")
		}
		return fmt.Sprintf("message-%d.eml", index+1)
	case "message/delivery-status":
		return "delivery-status.txt"
	case "text/calendar":
		return "invite.ics"
	}
	ext := extensions[e.mediaType]
	if ext == "" {
		ext = ".bin"
	}
	return fmt.Sprintf("attachment-%d%s", index+1, ext)
}

func noSlash(r rune) rune {
	if strings.ContainsRune(`/\:*?"<>|`, r) {
		return '_'
	}
	return r
}

// boundedBuffer keeps what fits in room, which it shares with others, and cuts the
// rest at a line end.
type boundedBuffer struct {
	room *int
	buf  bytes.Buffer
	cut  bool
}

func (b *boundedBuffer) Write(in []byte) (int, error) {
	n := min(len(in), *b.room)
	if b.cut {
		n = 0
	}
	b.buf.Write(in[:n])
	*b.room -= n
	b.cut = b.cut || n < len(in)
	return len(in), nil
}

func (b *boundedBuffer) bytes() []byte {
	all := b.buf.Bytes()
	if b.cut { // not in the middle of a character
		if i := bytes.LastIndexByte(all, '\n'); i > 0 {
			all = all[:i+1]
		}
	}
	return all
}
