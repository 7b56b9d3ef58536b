package customerbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"heliograph/internal/mailtest"
)

// disagreements are damaged messages that Dovecot reads in another way, which is neither better nor worse.
var disagreements = map[string]string{
	"good_nested_rfc822":                  "Dovecot counts the line end between two boundaries to the message within",
	"good_cal_request":                    "Dovecot counts the line end between two boundaries to the multipart within",
	"good_struct_prefix_boundary":         "Dovecot counts the line end between two boundaries to the multipart within",
	"good_struct_same_boundary_nested":    "Dovecot counts the line end between two boundaries to the multipart within",
	"good_bomb_messages":                  "the depth is bounded here and there, not alike",
	"good_bomb_nested":                    "the depth is bounded here and there, not alike",
	"good_bomb_parts":                     "the number of parts is bounded here and there, not alike",
	"good_struct_boundary_quoted_oddly":   "Dovecot sees an empty part behind a boundary that is none",
	"good_struct_content_type_garbage":    "Dovecot gives the types \"\" and \"\"",
	"good_struct_content_type_only_major": "Dovecot gives the subtype \"\"",
	"good_struct_crcrlf_multipart":        "Dovecot stores other line ends",
	"good_struct_message_base64":          "Dovecot looks for a message in the base64 text",
	"good_struct_nul_octets":              "Dovecot stores NUL as another octet",
}

// corpus is the mail of package message: good and bad.
func corpus(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("../message/testdata/*.eml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no mail to test with: %v", err)
	}
	out := map[string][]byte{}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		raw = bytes.ReplaceAll(bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
		out[strings.TrimSuffix(filepath.Base(f), ".eml")] = raw
	}
	return out
}

// describe writes a tree in a form in which Dovecot's and ours can be compared.
func describe(bs imap.BodyStructure, path string) []string {
	switch bs := bs.(type) {
	case *imap.BodyStructureMultiPart:
		out := []string{fmt.Sprintf("%s %s", path, bs.MediaType())}
		for i, child := range bs.Children {
			out = append(out, describe(child, fmt.Sprintf("%s.%d", path, i+1))...)
		}
		return out
	case *imap.BodyStructureSinglePart:
		line := fmt.Sprintf("%s %s %d", path, bs.MediaType(), bs.Size)
		if bs.Text != nil {
			line += fmt.Sprintf(" lines %d", bs.Text.NumLines)
		}
		out := []string{line}
		if m := bs.MessageRFC822; m != nil {
			out[0] += fmt.Sprintf(" lines %d", m.NumLines)
			inner := path
			if _, multi := m.BodyStructure.(*imap.BodyStructureMultiPart); !multi {
				inner += ".1"
			}
			out = append(out, describe(m.BodyStructure, inner)...)
		}
		return out
	}
	return nil
}

// Structures are those that Dovecot finds, and so are the bytes of all their parts.
func TestStructureAgreesWithDovecot(t *testing.T) {
	t.Parallel()
	d := mailtest.Dovecot(t)
	c, err := imapclient.DialStartTLS(d.IMAPAddr, &imapclient.Options{TLSConfig: d.Certs.Client()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login(d.Users[0].Name, d.Users[0].Password).Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	mails := corpus(t)
	delete(mails, "good_empty")            // which Dovecot does not take
	delete(mails, "good_bad_content_type") // to which it gives the types "" and ""
	delete(mails, "good_mbox_crcrlf")      // which it stores with other line ends
	for name, why := range disagreements {
		if _, ok := mails[name]; !ok {
			t.Errorf("there is no message %s any more, of which %s", name, why)
		}
		delete(mails, name)
	}
	mails["nested"] = []byte(nestedMail)
	for _, name := range slices.Sorted(mapsKeys(mails)) {
		raw := mails[name]
		a := c.Append("INBOX", int64(len(raw)), nil)
		if _, err := a.Write(raw); err != nil {
			t.Fatal(err)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		data, err := a.Wait()
		if err != nil {
			t.Fatal(err)
		}
		st, err := readStructure(iotest.OneByteReader(bytes.NewReader(raw)))
		if err != nil {
			t.Fatal(err)
		}
		ours := describe(st.Root.wire(), "")
		var list []*imap.FetchItemBodySection
		for _, line := range ours {
			path, _, _ := strings.Cut(line, " ")
			section := &imap.FetchItemBodySection{Peek: true}
			for n := range strings.SplitSeq(strings.TrimPrefix(path, "."), ".") {
				if n != "" {
					var k int
					fmt.Sscan(n, &k)
					section.Part = append(section.Part, k)
				}
			}
			list = append(list, section)
			if len(section.Part) > 0 {
				mime := *section
				mime.Specifier = imap.PartSpecifierMIME
				list = append(list, &mime)
			}
		}
		messages, err := c.Fetch(imap.UIDSetNum(data.UID), &imap.FetchOptions{
			BodyStructure: &imap.FetchItemBodyStructure{Extended: true}, BodySection: list,
		}).Collect()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		theirs := describe(messages[0].BodyStructure, "")
		if !slices.Equal(ours, theirs) {
			t.Errorf("%s\nours   %q\ntheirs %q", name, ours, theirs)
			continue
		}
		for _, section := range list {
			from, end, ok := st.locate(section)
			if got := messages[0].FindBodySection(section); !ok || !bytes.Equal(raw[from:end], got) {
				t.Errorf("%s %v %s\nours   %q\ntheirs %q", name, section.Part, section.Specifier, raw[from:end], got)
			}
		}
	}
}

func mapsKeys[V any](m map[string]V) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// nestedMail ends a message in a message in a multipart by the outer boundary.
const nestedMail = "Subject: x\r\nContent-Type: multipart/mixed; boundary=outer\r\n\r\n--outer\r\nContent-Type: message/rfc822\r\n\r\n" +
	"Subject: old\r\nContent-Type: multipart/mixed; boundary=deep\r\n\r\n--deep\r\n\r\none\r\n--deep\r\n" +
	"Content-Type: application/pdf\r\n\r\nJVBERg==\r\n\r\n--deep--\r\n\r\n--outer\r\nContent-Type: text/x\r\n\r\nx\r\n--outer--\r\nthe end\r\n"

// check holds what is true of the structure of any bytes.
func (p *part) check(from, end int64) error {
	if p.Header < from || p.Body < p.Header || p.End < p.Body || p.End > end || p.Lines < 0 {
		return fmt.Errorf("part %d..%d..%d, %d lines, within %d..%d", p.Header, p.Body, p.End, p.Lines, from, end)
	}
	if p.multipart() == (len(p.Parts) == 0) || p.Type == "" || p.Subtype == "" {
		return fmt.Errorf("%s/%s of %d parts", p.Type, p.Subtype, len(p.Parts))
	}
	inner, at := p.Parts, p.Body
	if p.Message != nil {
		inner = []*part{p.Message}
	}
	for _, child := range inner {
		if err := child.check(at, p.End); err != nil {
			return err
		}
		at = child.End
	}
	return nil
}

func FuzzStructure(f *testing.F) {
	for _, raw := range corpus(f) {
		f.Add(raw)
	}
	f.Add([]byte("Content-Type: multipart/x; boundary=a\r\n--a\r\n--a--\r\n--a\r\n"))
	f.Add([]byte("Content-Type: message/rfc822\n\nContent-Type: multipart/x; boundary=a\n\n\n--a\n\n--a--"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		st, err := readStructure(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if st.Size != int64(len(raw)) {
			t.Fatalf("size %d of %d bytes", st.Size, len(raw))
		}
		if err := st.Root.check(0, st.Size); err != nil {
			t.Fatal(err)
		}
		st.Root.wire()
		slow, err := readStructure(iotest.OneByteReader(bytes.NewReader(raw)))
		if err != nil {
			t.Fatal(err)
		}
		a, err := json.Marshal(st)
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(slow)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a, b) {
			t.Fatalf("read at once %s\nbyte by byte %s", a, b)
		}
		again := new(structure)
		if err := json.Unmarshal(a, again); err != nil {
			t.Fatal(err)
		}
		if c, _ := json.Marshal(again); !bytes.Equal(a, c) {
			t.Fatalf("stored %s\nread %s", a, c)
		}
	})
}
