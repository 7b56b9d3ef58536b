package main

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"heliograph/internal/message"
)

type parseCmd struct {
	Files []string `arg:"" help:"Mail files, mbox files, or folders of *.eml and *.mbox; - reads standard input. 邮件文件、mbox 文件或目录"`
	JSON  bool     `help:"One JSON object a message. 输出 JSON"`
}

// Run shows how messages are understood. What cannot be read is told at once, the others are done.
func (c *parseCmd) Run() error {
	failed, done := 0, 0
	show := func(p parsedMessage) error {
		if c.JSON {
			return printJSON(p)
		}
		if done++; done > 1 {
			fmt.Println()
		}
		return p.print()
	}
	fail := func(err error) {
		failed++
		fmt.Fprintf(os.Stderr, "heliograph: %v\n", err)
	}
	for _, name := range c.Files {
		files, err := mailFiles(name)
		if err != nil {
			fail(err)
		}
		for _, file := range files {
			if err := parseFile(file, show); err != nil {
				fail(err)
			}
		}
	}
	if failed > 0 {
		return fmt.Errorf("files that could not be read: %d", failed)
	}
	return nil
}

// mailFiles are the files a name stands for; those of a folder in the order of their names.
func mailFiles(name string) (files []string, err error) {
	if name == "-" {
		return []string{name}, nil
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{name}, nil
	}
	err = filepath.WalkDir(name, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch strings.ToLower(filepath.Ext(path)) {
		case ".eml", ".mbox":
			if !d.IsDir() {
				files = append(files, path)
			}
		}
		return nil
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s: no *.eml and no *.mbox in this folder", name)
	}
	return files, err
}

// parseFile hands each message of a file to show.
func parseFile(name string, show func(parsedMessage) error) (err error) {
	var in io.Reader = os.Stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	box := newMbox(in)
	for number := 1; box.next(); number++ {
		m, err := message.Parse(box, message.Options{Salt: name})
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		p := parsedMessage{File: name, Message: m, InReplyTo: m.InReplyTo, HTML: m.HTML}
		if box.many() {
			p.Number = number
		}
		if !m.Date.IsZero() {
			p.Date = &m.Date
		}
		if err := show(p); err != nil {
			return err
		}
	}
	return nil
}

// parsedMessage is a message as the command prints it. Its own fields stand for those of the
// message that would not be printed when empty.
type parsedMessage struct {
	File   string `json:"file"`
	Number int    `json:"number,omitempty"` // in an mbox file of several
	*message.Message
	Date      *time.Time `json:"date"`
	InReplyTo string     `json:"in_reply_to"`
	HTML      string     `json:"html"`
}

// flagMeanings say a flag as a person would.
var flagMeanings = map[string]string{
	message.FlagUnparsed:  "the body could not be read; only the header is there",
	message.FlagHeader:    "a header line is none, or the header was cut",
	message.FlagCharset:   "some text is a guess, or has replacement characters",
	message.FlagBoundary:  "a multipart lacks its boundary or its end",
	message.FlagEncoding:  "a transfer encoding is unknown or broken",
	message.FlagDate:      "the Date field cannot be read",
	message.FlagTruncated: "text past the bound was left out",
	message.FlagLimits:    "too many parts, or nested too deep",
}

// print shows the message to a person.
func (p *parsedMessage) print() error {
	if p.Number > 0 {
		field("file", fmt.Sprintf("%s, message %d", p.File, p.Number))
	} else {
		field("file", p.File)
	}
	field("from", addressList(p.From))
	field("to", addressList(p.To))
	field("cc", addressList(p.CC))
	field("date", clock(p.Message.Date))
	field("subject", cmp.Or(oneLine(p.Subject), "(none)"))
	field("message-id", p.MessageID)
	field("in-reply-to", p.InReplyTo)
	field("list", p.ListID)
	field("language", p.Language)
	field("calendar", p.Calendar)
	field("protection", string(p.Protection))
	field("report", p.Report)
	field("sensitivity", p.Sensitivity)
	switch {
	case p.Bulk:
		field("kind", "sent to many")
	case p.Automated:
		field("kind", "written by a machine")
	}
	field("key", p.Key)
	for _, f := range p.Flags {
		meaning := flagMeanings[f]
		if meaning == "" {
			meaning = f
		} else {
			meaning = f + ": " + meaning
		}
		field("doubt", meaning)
	}
	fmt.Println()
	fmt.Println(paragraphs(cmp.Or(p.Unquoted, "(no text)")))
	if len(p.Attachments) == 0 {
		return nil
	}
	fmt.Println()
	t := &table{head: []string{"ATTACHMENT", "TYPE", "SIZE", "INLINE", "SHA256"}, right: []int{2}}
	for _, a := range p.Attachments {
		inline := ""
		if a.Inline {
			inline = "yes"
		}
		t.add(a.Name, a.Type, fmt.Sprint(a.Size), inline, a.SHA256[:16]+"…")
	}
	return t.print(os.Stdout)
}

// maxShownAddresses of one field; the JSON has all.
const maxShownAddresses = 20

func addressList(all []message.Address) string {
	var out []string
	for i, a := range all {
		if i == maxShownAddresses {
			out = append(out, fmt.Sprintf("and %d more", len(all)-i))
			break
		}
		if a.Name == "" {
			out = append(out, a.Address)
		} else {
			out = append(out, a.Name+" <"+a.Address+">")
		}
	}
	return strings.Join(out, ", ")
}

// mbox reads the messages of an mbox file (RFC 4155) one after another without holding them. A
// file that does not begin like one is one message as it is.
type mbox struct {
	br      *bufio.Reader
	several bool   // the file is an mbox
	begun   int    // messages
	rest    []byte // of the line that is being handed out
	start   bool   // at the start of a line
	blank   bool   // the last line was empty
	ended   bool   // the message is at its end
	err     error
}

// mboxLine is the longest separator that is looked for.
const mboxLine = 64 << 10

func newMbox(r io.Reader) *mbox {
	b := &mbox{br: bufio.NewReaderSize(r, mboxLine), start: true}
	head, _ := b.br.Peek(1 << 10) // what is wrong shows when it is read
	line, _, _ := bytes.Cut(head, []byte("\n"))
	b.several = mboxSeparator(line)
	return b
}

// many tells, once the present message is read, whether there is another one.
func (b *mbox) many() bool { return b.begun > 1 || b.ended }

// next moves to the next message. There is always a first one, if only an empty one.
func (b *mbox) next() bool {
	if b.begun > 0 && (!b.ended || b.err != nil) {
		return false
	}
	b.begun++
	b.ended = false
	return true
}

// mboxSeparator tells whether the line begins a message: "From ", an address, and a time.
func mboxSeparator(line []byte) bool {
	line, ok := bytes.CutPrefix(bytes.TrimRight(line, "\r\n"), []byte("From "))
	if !ok || len(line) > 500 {
		return false
	}
	words := bytes.Fields(line)
	return len(words) >= 6 && bytes.Count(line, []byte(":")) >= 2
}

// Read hands out the present message.
func (b *mbox) Read(p []byte) (int, error) {
	for len(b.rest) == 0 {
		switch {
		case b.ended:
			return 0, io.EOF
		case b.err != nil:
			return 0, b.err
		}
		b.line()
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// line reads the next line or piece of one.
func (b *mbox) line() {
	line, err := b.br.ReadSlice('\n')
	if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
		b.err = err
	}
	whole := b.start
	b.start = bytes.HasSuffix(line, []byte("\n"))
	if b.several && whole {
		if b.blank && mboxSeparator(line) {
			b.ended, b.blank = true, false
			return
		}
		if quoted := bytes.TrimLeft(line, ">"); len(quoted) < len(line) && bytes.HasPrefix(quoted, []byte("From ")) {
			line = line[1:] // as mboxrd writes a line that looks like a separator
		}
	}
	b.blank = whole && len(bytes.TrimRight(line, "\r\n")) == 0
	b.rest = line
}
