package compose

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime/quotedprintable"
	"strconv"
	"strings"

	gomessage "github.com/emersion/go-message"

	"heliograph/internal/message"
)

func itoa(n int) string { return strconv.Itoa(n) }

// node is a part of the message before it is written.
type node struct {
	fields fields
	body   []byte
	kids   []*node
}

// Compose makes the bytes of a mail, with lines that end in CRLF. The same message gives the same bytes, now and on another
// machine. All is ASCII, lines have at most 76 characters where they can, and never more than 998; a mail that
// [Message.NeedsUTF8] has those addresses in UTF-8. The error says all that is wrong with the message.
func Compose(m Message) ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("compose a mail: %w", err)
	}
	top, err := m.parts()
	if err != nil {
		return nil, fmt.Errorf("compose a mail: %w", err)
	}
	head := m.headerOf()
	head.list = append(head.list, top.fields.list...)
	top.fields = *head
	var out bytes.Buffer
	w, err := gomessage.CreateWriter(&out, top.fields.header())
	if err != nil {
		return nil, fmt.Errorf("compose a mail: %w", err)
	}
	if err := top.write(w); err != nil {
		return nil, fmt.Errorf("compose a mail: %w", err)
	}
	if !bytes.HasSuffix(out.Bytes(), []byte("\r\n")) {
		out.WriteString("\r\n") // SMTP has whole lines only (RFC 5321, 4.1.1.4)
	}
	return out.Bytes(), nil
}

func (n *node) write(w *gomessage.Writer) error {
	for _, kid := range n.kids {
		part, err := w.CreatePart(kid.fields.header())
		if err != nil {
			return err
		}
		if err := kid.write(part); err != nil {
			return err
		}
	}
	if len(n.kids) == 0 {
		if _, err := w.Write(n.body); err != nil {
			return err
		}
	}
	return w.Close()
}

// parts builds the tree: mixed(alternative(text, related(html, pictures)), files), of which only what is needed.
func (m *Message) parts() (*node, error) {
	page, words, err := m.words()
	if err != nil {
		return nil, err
	}
	top := textNode("text/plain", words)
	left := int64(MaxSize)
	if page != "" {
		shown := textNode("text/html", page)
		if len(m.Inline) > 0 {
			kids := []*node{shown}
			for _, f := range m.Inline {
				n, err := fileNode(f, "inline", &left)
				if err != nil {
					return nil, err
				}
				kids = append(kids, n)
			}
			shown = m.multipart("related", kids)
		}
		top = m.multipart("alternative", []*node{top, shown})
	}
	if len(m.Attachments) == 0 {
		return top, nil
	}
	kids := []*node{top}
	for _, f := range m.Attachments {
		n, err := fileNode(f, "attachment", &left)
		if err != nil {
			return nil, err
		}
		kids = append(kids, n)
	}
	return m.multipart("mixed", kids), nil
}

// words are the HTML and the plain text, with what is quoted.
func (m *Message) words() (page, words string, err error) {
	page, words = m.HTML, m.Text
	if page != "" && strings.TrimSpace(words) == "" {
		if words, err = textOf(page); err != nil {
			return "", "", err
		}
	}
	if m.Original != nil && m.Quote {
		words = strings.TrimRight(words, "\n") + "\n\n" + m.Original.quoteText(m.language())
		if page != "" {
			page = insertBeforeEnd(page, m.Original.quoteHTML(m.language()))
		}
	}
	return page, words, nil
}

// insertBeforeEnd puts more at the end of what a page shows.
func insertBeforeEnd(page, more string) string {
	low := asciiLower(page)
	for _, end := range []string{"</body>", "</html>"} {
		if i := strings.LastIndex(low, end); i >= 0 {
			return page[:i] + more + page[i:]
		}
	}
	return page + more
}

// asciiLower is lower case that moves no offset.
func asciiLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// textOf is a page as people read it, by the reader of incoming mail.
func textOf(page string) (string, error) {
	m, err := message.Parse(strings.NewReader("Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"+base64.StdEncoding.EncodeToString([]byte(page))),
		message.Options{MaxText: maxTexts})
	if err != nil {
		return "", fmt.Errorf("text of the HTML: %w", err)
	}
	return m.Text, nil
}

// multipart joins parts. Its boundary follows from the effect; "=_" is in no base64 and no quoted-printable (RFC 2045, 6.7).
func (m *Message) multipart(kind string, kids []*node) *node {
	sum := sha256.Sum256([]byte(kind + "\n" + m.MessageID()))
	n := &node{kids: kids}
	value := "multipart/" + kind + `; boundary="=_hg.` + hex.EncodeToString(sum[:12]) + `"`
	if kind == "related" {
		value += `; type="text/html"` // RFC 2387, 3.1
	}
	n.fields.add("Content-Type", value)
	return n
}

// textNode makes a part that is read. Lone carriage returns and characters that no text has are gone.
func textNode(kind, s string) *node {
	s = strings.ToValidUTF8(s, "\ufffd")
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u2028", "\n", "\u2029", "\n").Replace(s)
	s = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
			return -1
		}
		return r
	}, s)
	s = strings.TrimRight(s, "\n") + "\n"
	body := []byte(strings.ReplaceAll(s, "\n", "\r\n"))
	n := &node{body: body}
	n.fields.add("Content-Type", kind+"; charset=utf-8")
	n.fields.add("Content-Transfer-Encoding", encodingOf(body))
	return n
}

// encodingOf chooses how a text travels: as it is where no relay can spoil it, else in what is shorter.
func encodingOf(body []byte) string {
	plainLines := ascii(string(body)) && !bytes.Contains(body, []byte("=_hg."))
	for line := range bytes.Lines(body) {
		row := bytes.TrimSuffix(line, []byte("\r\n"))
		if bytes.HasPrefix(row, []byte("From ")) {
			return "base64" // mail stores put a ">" before it (RFC 4155)
		}
		if len(row) > 76 || bytes.Equal(row, []byte(".")) || bytes.HasSuffix(row, []byte(" ")) || bytes.HasSuffix(row, []byte("\t")) {
			plainLines = false
		}
	}
	if plainLines {
		return "7bit"
	}
	var count counter
	q := quotedprintable.NewWriter(&count)
	_, _ = q.Write(body) // a counter takes all
	_ = q.Close()
	if int(count) <= base64.StdEncoding.EncodedLen(len(body))*78/76 {
		return "quoted-printable"
	}
	return "base64"
}

type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// fileNode makes a part of a file, whose bytes count against left.
func fileNode(f File, disposition string, left *int64) (*node, error) {
	data, err := f.read(*left)
	if err != nil {
		return nil, err
	}
	*left -= int64(len(data))
	kind := f.Type
	if kind == "" {
		kind = "application/octet-stream"
	}
	encoding := "base64"
	if strings.HasPrefix(kind, "message/") { // may not be encoded (RFC 2046, 5.2.1)
		if data, encoding = asMessage(data); encoding != "7bit" {
			kind = "application/octet-stream"
		}
	}
	n := &node{body: data}
	value := kind
	name := fileName(f.Name)
	if name != "" {
		value += "; " + parameter("name", name)
		disposition += "; " + parameter("filename", name)
	}
	n.fields.add("Content-Type", value)
	n.fields.add("Content-Transfer-Encoding", encoding)
	n.fields.add("Content-Disposition", disposition)
	if f.ContentID != "" && plainCID.MatchString(f.ContentID) {
		n.fields.add("Content-ID", "<"+f.ContentID+">")
	}
	return n, nil
}

// asMessage tells whether a message can travel as it is.
func asMessage(data []byte) (body []byte, encoding string) {
	if !ascii(string(data)) || bytes.IndexByte(data, 0) >= 0 {
		return data, "base64"
	}
	body = bytes.ReplaceAll(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
	for line := range bytes.Lines(body) {
		if len(line) > 998 || bytes.HasPrefix(line, []byte("--=_hg.")) || bytes.IndexByte(bytes.TrimSuffix(line, []byte("\r\n")), '\r') >= 0 {
			return data, "base64"
		}
	}
	return body, "7bit"
}

func (f File) read(left int64) (data []byte, err error) {
	if f.Bytes != nil || f.Open == nil {
		if int64(len(f.Bytes)) > left {
			return nil, fmt.Errorf("file %q: %w", clip(f.Name), ErrTooLarge)
		}
		return f.Bytes, nil
	}
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("open the file %q: %w", clip(f.Name), err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if data, err = io.ReadAll(io.LimitReader(r, left+1)); err != nil {
		return nil, fmt.Errorf("read the file %q: %w", clip(f.Name), err)
	}
	if int64(len(data)) > left {
		return nil, fmt.Errorf("file %q: %w", clip(f.Name), ErrTooLarge)
	}
	return data, nil
}
