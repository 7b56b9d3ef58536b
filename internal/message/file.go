package message

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"path"
	"strings"
)

// openFile is an attachment that is being read. Its place in the list is taken when it
// is opened, so that OpenAttachment knows it before its bytes come.
type openFile struct {
	p     *parser
	index int
	sink  *fileSink
	part  string
}

// openFile takes the place of one more attachment within the part; nil where there are too
// many. Of lined files the key sees neither CR nor blanks at line ends.
func (p *parser) openFile(at part, lined bool) *openFile {
	if p.parts++; p.parts > p.o.MaxParts {
		p.flag(FlagLimits)
		return nil
	}
	return p.newFile(at, lined)
}

func (p *parser) newFile(at part, lined bool) *openFile {
	f := &openFile{p: p, index: len(p.attachments), sink: &fileSink{sum: sha256.New()}, part: at.path}
	if lined {
		f.sink.lineSum = &lineHash{h: sha256.New()}
	}
	if f.index == p.want {
		f.sink.out = p.wantOut
	}
	p.attachments = append(p.attachments, Attachment{})
	return f
}

func (f *openFile) write(b []byte) error {
	_, err := f.sink.Write(b)
	return err
}

// close puts the file into its place with the hash of what was written; it counts in the key.
func (f *openFile) close(a Attachment) {
	f.closeUncounted(a)
	f.p.fileHashes = append(f.p.fileHashes, f.sink.canonical())
}

// closeUncounted is close for a file within another that counts.
func (f *openFile) closeUncounted(a Attachment) {
	a.Size, a.SHA256, a.Part = f.sink.size, hex.EncodeToString(f.sink.sum.Sum(nil)), f.part
	if a.Name == "" {
		a.Name = f.p.nameFor(entity{mediaType: a.Type}, nil, f.index)
	}
	f.p.attachments[f.index] = a
}

// typeOfName returns the media type that goes with the extension of a file name.
func typeOfName(name string) string {
	if t := typesByExtension[strings.ToLower(path.Ext(name))]; t != "" {
		return t
	}
	return "application/octet-stream"
}

var typesByExtension = func() map[string]string {
	t := map[string]string{
		".doc": "application/msword", ".xls": "application/vnd.ms-excel", ".ppt": "application/vnd.ms-powerpoint",
		".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
		".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
		".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
		".htm":  "text/html", ".jpeg": "image/jpeg", ".eml": "message/rfc822", ".rar": "application/vnd.rar", ".7z": "application/x-7z-compressed",
	}
	for mediaType, ext := range extensions {
		if !strings.Contains(mediaType, "/x-") && strings.Count(ext, ".") == 1 && t[ext] == "" && ext != ".dat" && ext != ".txt" {
			t[ext] = mediaType
		}
	}
	t[".txt"] = "text/plain"
	return t
}()

// fileSink takes the decoded bytes of a file.
type fileSink struct {
	sum     hash.Hash
	lineSum *lineHash // nil: exact bytes count
	size    int64
	head    []byte
	out     io.Writer // nil: nobody wants the bytes
}

// headBytes are kept of each file, to name a nested message after its subject and to see
// what a file is.
const headBytes = 8 << 10

// canonical returns the hash by which the key knows the file.
func (s *fileSink) canonical() string {
	if s.lineSum != nil {
		return s.lineSum.sum()
	}
	return hex.EncodeToString(s.sum.Sum(nil))
}

func (s *fileSink) Write(b []byte) (int, error) {
	s.size += int64(len(b))
	s.sum.Write(b)
	if s.lineSum != nil {
		s.lineSum.write(b)
	}
	if n := s.headRoom(); n > 0 {
		s.head = append(s.head, b[:min(n, len(b))]...)
	}
	if s.out != nil {
		if _, err := s.out.Write(b); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

// headRoom is less where nobody needs more than the first octets.
func (s *fileSink) headRoom() int {
	if s.lineSum != nil {
		return headBytes - len(s.head)
	}
	return 64 - len(s.head)
}

// lineHash is blind to CR and to blanks before a line end, which relays change.
type lineHash struct {
	h     hash.Hash
	blank []byte // blanks that may end the line
}

func (l *lineHash) write(b []byte) {
	for len(b) > 0 {
		n := bytes.IndexAny(b, "\r\n \t")
		if n < 0 {
			n = len(b)
		}
		if n > 0 {
			l.flush()
			l.h.Write(b[:n])
			b = b[n:]
			continue
		}
		switch b[0] {
		case '\n':
			l.blank = append(l.blank[:0], '\n')
			l.flush()
		case ' ', '\t':
			if len(l.blank) >= maxHeldQP {
				l.flush()
			}
			l.blank = append(l.blank, b[0])
		}
		b = b[1:]
	}
}

func (l *lineHash) flush() {
	l.h.Write(l.blank)
	l.blank = l.blank[:0]
}

func (l *lineHash) sum() string { return hex.EncodeToString(l.h.Sum(nil)) }
