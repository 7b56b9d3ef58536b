package message

import (
	"bytes"
	"io"
	"strings"
)

// uuFilter takes the files out of a plain text that programs wrote into it with
// uuencode (POSIX, uuencode) and passes the rest on. It holds one line, and a line that may
// begin a file until the next one shows whether it does.
type uuFilter struct {
	p    *parser
	at   part
	w    io.Writer
	line []byte // the beginning of a line
	long bool   // the line is too long to be of a file and passes as it comes
	held []byte // a line that may begin a file
	file *openFile
	name string
	last bool // the file's end is due
}

// maxUULine is above what 63 octets make in a line, and above any name.
const maxUULine = 512

func (f *uuFilter) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		row := b
		end := bytes.IndexByte(b, '\n')
		if end >= 0 {
			row = b[:end+1]
		}
		b = b[len(row):]
		if !f.long && len(f.line) == 0 && f.file == nil && f.held == nil && row[0] != 'b' { // nearly all lines of nearly all texts
			f.long = end < 0
			if _, err := f.w.Write(row); err != nil {
				return 0, err
			}
			continue
		}
		if err := f.piece(row, end >= 0); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// piece takes a line or a part of it.
func (f *uuFilter) piece(row []byte, ends bool) error {
	if f.long {
		f.long = !ends
		_, err := f.w.Write(row)
		return err
	}
	f.line = append(f.line, row...)
	switch {
	case ends:
		line := f.line
		f.line = f.line[:0]
		return f.whole(line)
	case len(f.line) > maxUULine:
		f.long = true
		if err := f.giveUp(); err != nil {
			return err
		}
		_, err := f.w.Write(f.line)
		f.line = f.line[:0]
		return err
	}
	return nil
}

// whole takes a line with its end.
func (f *uuFilter) whole(line []byte) error {
	text := bytes.TrimRight(line, "\r\n")
	switch {
	case f.file != nil && (string(text) == "end" || f.last && len(bytes.Trim(text, " `")) == 0):
		if string(text) == "end" {
			f.finish(false)
		}
		return nil
	case f.file != nil:
		if octets, ok := uuLine(text, maxUUShort); ok {
			f.last = len(octets) == 0
			return f.file.write(octets)
		}
	case f.held != nil:
		octets, ok := uuLine(text, 1)
		if (ok || string(text) == "end") && f.begin() {
			if string(text) == "end" {
				f.finish(false)
				return nil
			}
			f.last = len(octets) == 0
			return f.file.write(octets)
		}
	}
	if err := f.giveUp(); err != nil {
		return err
	}
	if name, ok := uuBegin(text); ok {
		f.held, f.name = append([]byte{}, line...), name
		return nil
	}
	_, err := f.w.Write(line)
	return err
}

// begin opens the file that the held line announced.
func (f *uuFilter) begin() bool {
	f.file = f.p.openFile(f.at, false)
	if f.file == nil {
		return false
	}
	f.held, f.last = nil, false
	f.p.flag(FlagUuencode)
	return true
}

// finish closes the file.
func (f *uuFilter) finish(broken bool) {
	f.p.flagUnless(!broken, FlagEncoding)
	name := fileName(f.p.rawText([]byte(f.name)))
	f.file.close(Attachment{Name: name, Type: typeOfName(name)})
	f.file, f.last = nil, false
}

// giveUp ends what was going on: a file that stops without its end, or none.
func (f *uuFilter) giveUp() error {
	if f.file != nil {
		f.finish(true)
	}
	if f.held == nil {
		return nil
	}
	_, err := f.w.Write(f.held)
	f.held = nil
	return err
}

func (f *uuFilter) Close() error {
	if len(f.line) > 0 {
		line := f.line
		f.line = nil
		if err := f.whole(line); err != nil {
			return err
		}
	}
	return f.giveUp()
}

// uuBegin reads the line that begins a file: begin, its mode in octal, its name.
func uuBegin(line []byte) (name string, ok bool) {
	rest, ok := strings.CutPrefix(string(line), "begin ")
	if !ok {
		return "", false
	}
	mode, name, ok := strings.Cut(rest, " ")
	name = strings.TrimSpace(name)
	return name, ok && name != "" && (len(mode) == 3 || len(mode) == 4) && strings.Trim(mode, "01234567") == ""
}

// maxUUShort is how many characters at a line's end may be missing: encoded zeros that
// were blanks.
const maxUUShort = 8

// uuLine reads one line of a file: how many octets it holds, and four characters for
// every three of them.
func uuLine(line []byte, short int) (octets []byte, ok bool) {
	if len(line) == 0 {
		return nil, false
	}
	for _, c := range line {
		if c < ' ' || c > '`' {
			return nil, false
		}
	}
	n := int(line[0]-' ') & 0x3f
	digits := line[1:]
	want := (n + 2) / 3 * 4
	if len(digits) > want+2 || len(digits) < want-short || n > 0 && len(digits) == 0 { // two more: a checksum
		return nil, false
	}
	octets = make([]byte, 0, want/4*3)
	at := func(i int) byte {
		if i >= len(digits) {
			return 0
		}
		return (digits[i] - ' ') & 0x3f
	}
	for i := 0; i < want; i += 4 {
		a, b, c, d := at(i), at(i+1), at(i+2), at(i+3)
		octets = append(octets, a<<2|b>>4, b<<4|c>>2, c<<6|d)
	}
	return octets[:n], true
}

// uuDecoder undoes the transfer encoding x-uuencode, which is such a file alone.
type uuDecoder struct {
	w      io.Writer
	line   []byte
	inside bool
	done   bool
	broken bool
}

func (d *uuDecoder) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		row := b
		end := bytes.IndexByte(b, '\n')
		if end >= 0 {
			row = b[:end+1]
		}
		b = b[len(row):]
		if d.line = append(d.line, row...); end < 0 && len(d.line) <= maxUULine {
			continue
		}
		if err := d.whole(bytes.TrimRight(d.line, "\r\n")); err != nil {
			return 0, err
		}
		d.line = d.line[:0]
	}
	return n, nil
}

func (d *uuDecoder) whole(line []byte) error {
	_, begins := uuBegin(line)
	switch {
	case d.done:
	case !d.inside && begins:
		d.inside = true
	case !d.inside || string(line) == "end":
		d.done = d.inside
	default:
		octets, ok := uuLine(line, maxUUShort)
		d.broken = d.broken || !ok && len(line) > 0
		_, err := d.w.Write(octets)
		return err
	}
	return nil
}

func (d *uuDecoder) Close() (bool, error) {
	err := d.whole(bytes.TrimRight(d.line, "\r\n"))
	return d.broken || !d.done, err
}
