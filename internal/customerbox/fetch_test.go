package customerbox_test

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"heliograph/crmclient/builtin"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// nested is a mail with all that a structure can have.
const nested = `Received: from a by b;
	Tue, 10 Nov 2026 09:00:00 +0000
From: =?gb2312?B?zfW3vA==?= <Zoe@gmail.com>
To: Bert <bert@example.com>, "A, B" <ab@example.com>
Cc: chef@example.com
Subject: =?utf-8?B?5oql5Lu3?= and more
Date: Tue, 10 Nov 2026 17:00:00 +0800
Message-ID: <nested@gmail.com>
In-Reply-To: <m3@mail.example>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="outer"

preamble
--outer
Content-Type: multipart/alternative; boundary=inner

--inner
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit
Content-Language: zh, en

报价见附件。
.
..
second line
--inner
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: base64

PGI+5oql5Lu3PC9iPg==
--inner--
epilogue of inner
--outer
Content-Type: message/rfc822
Content-Description: forwarded
Content-Disposition: attachment; filename="old.eml"

From: old@gmail.com
To: zoe@gmail.com
Subject: old
Content-Type: multipart/mixed; boundary=deep

--deep

one
--deep
Content-Type: application/pdf; name="a.pdf"
Content-ID: <pdf@x>
Content-Transfer-Encoding: base64

JVBERg==

--deep--
--outer
Content-Type: application/octet-stream;
	name*0*=utf-8''%E6%8A%A5; name*1=".bin"

--outer--
the end
`

// open connects, selects Zoe's mailbox and returns the client.
func (w *world) openZoe(user string) *imapclient.Client {
	w.t.Helper()
	c := w.login(user, nil)
	_, err := c.Select("Customers/Zoe", nil).Wait()
	must(w.t, err)
	return c
}

// sections fetches the sections of the n-th message.
func sections(t testing.TB, c *imapclient.Client, n uint32, list ...*imap.FetchItemBodySection) []string {
	t.Helper()
	messages, err := c.Fetch(imap.SeqSetNum(n), &imap.FetchOptions{BodySection: list}).Collect()
	must(t, err)
	if len(messages) != 1 {
		t.Fatalf("%d messages came", len(messages))
	}
	var out []string
	for _, s := range list {
		out = append(out, string(messages[0].FindBodySection(s)))
	}
	return out
}

func TestFetch(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, nil)
		w.fill()
		w.receive(bert, nested)
		w.mirrored(4, 4)
		raw := strings.ReplaceAll(nested, "\n", "\r\n")
		after := func(mark string, n int) string { // what follows the n-th mark
			parts := strings.SplitN(raw, mark, n+1)
			return parts[n]
		}
		until := func(s, mark string) string { return s[:strings.Index(s, mark)] }
		head := until(raw, "preamble")
		c := w.openZoe(bert)
		for range 2 { // the second time from what is known
			got := sections(t, c, 2,
				&imap.FetchItemBodySection{},
				&imap.FetchItemBodySection{Specifier: imap.PartSpecifierHeader},
				&imap.FetchItemBodySection{Specifier: imap.PartSpecifierText},
				&imap.FetchItemBodySection{Part: []int{1, 1}},
				&imap.FetchItemBodySection{Part: []int{1, 2}, Specifier: imap.PartSpecifierMIME},
				&imap.FetchItemBodySection{Part: []int{2}, Specifier: imap.PartSpecifierHeader},
				&imap.FetchItemBodySection{Part: []int{2}, Specifier: imap.PartSpecifierText},
				&imap.FetchItemBodySection{Part: []int{2, 2}},
				&imap.FetchItemBodySection{Part: []int{9}},
				&imap.FetchItemBodySection{Specifier: imap.PartSpecifierHeader, HeaderFields: []string{"cc", "RECEIVED", "X-None"}},
				&imap.FetchItemBodySection{Specifier: imap.PartSpecifierHeader, HeaderFieldsNot: []string{
					"received", "from", "to", "subject", "date", "message-id", "mime-version", "content-type",
				}},
				&imap.FetchItemBodySection{Partial: &imap.SectionPartial{Offset: 10, Size: 20}},
				&imap.FetchItemBodySection{Specifier: imap.PartSpecifierText, Partial: &imap.SectionPartial{Offset: 1 << 30, Size: 20}},
			)
			want := []string{
				raw, head, raw[len(head):],
				until(after("Content-Language: zh, en\r\n\r\n", 1), "\r\n--inner"),
				"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n",
				"From: old@gmail.com\r\nTo: zoe@gmail.com\r\nSubject: old\r\nContent-Type: multipart/mixed; boundary=deep\r\n\r\n",
				until(after("boundary=deep\r\n\r\n", 1), "\r\n--outer"),
				"JVBERg==\r\n", "",
				"Received: from a by b;\r\n\tTue, 10 Nov 2026 09:00:00 +0000\r\nCc: chef@example.com\r\n\r\n",
				"Cc: chef@example.com\r\nIn-Reply-To: <m3@mail.example>\r\n\r\n",
				raw[10:30], "",
			}
			for i := range want {
				if got[i] != want[i] {
					t.Errorf("section %d is\n%q\nwant\n%q", i, got[i], want[i])
				}
			}
		}
		w.checkStructure(c, int64(len(raw)))
		if got := sections(t, c, 1, &imap.FetchItemBodySection{Specifier: imap.PartSpecifierText}); got[0] != "Shall we meet?\r\n.\r\n..dots\r\n" {
			t.Errorf("the dots of a submission are %q", got[0])
		}
	})
}

func (w *world) checkStructure(c *imapclient.Client, size int64) {
	t := w.t
	messages, err := c.Fetch(imap.SeqSetNum(2), &imap.FetchOptions{
		UID: true, Flags: true, InternalDate: true, RFC822Size: true, Envelope: true, BodyStructure: &imap.FetchItemBodyStructure{Extended: true},
	}).Collect()
	must(t, err)
	m := messages[0]
	if m.UID != 2 || m.RFC822Size != size || !slices.Equal(m.Flags, []imap.Flag{imap.FlagSeen}) || m.InternalDate.Unix() != 1794301200 {
		t.Errorf("got UID %d, %d bytes, flags %q, date %s", m.UID, m.RFC822Size, m.Flags, m.InternalDate)
	}
	e := m.Envelope
	got := fmt.Sprintf("%s|%s|%v|%v|%v|%v|%s|%s", e.Date, e.Subject, e.From, e.Sender, e.To, e.Cc, e.InReplyTo, e.MessageID)
	want := "2026-11-10 17:00:00 +0800 +0800|报价 and more|[{王芳 zoe gmail.com}]|[{王芳 zoe gmail.com}]|[{Bert bert example.com} {A, B ab example.com}]|" +
		"[{ chef example.com}]|[m3@mail.example]|nested@gmail.com"
	if got != want {
		t.Errorf("envelope %s\nwant %s", got, want)
	}
	var parts []string
	m.BodyStructure.Walk(func(path []int, bs imap.BodyStructure) bool {
		line := fmt.Sprint(path, " ", bs.MediaType())
		if p, ok := bs.(*imap.BodyStructureSinglePart); ok {
			line += fmt.Sprint(" ", p.Size, " ", p.Encoding, " ", p.Filename())
			if p.Text != nil {
				line += fmt.Sprint(" ", p.Text.NumLines)
			}
			if r := p.MessageRFC822; r != nil {
				line += fmt.Sprint(" ", r.Envelope.Subject, " ", r.BodyStructure.MediaType(), " ", len(r.BodyStructure.(*imap.BodyStructureMultiPart).Children), " ", r.NumLines)
			}
		}
		parts = append(parts, line)
		return true
	})
	wantParts := []string{
		"[] multipart/mixed", "[1] multipart/alternative", "[1 1] text/plain 38 8bit  3", "[1 2] text/html 20 base64  0",
		"[2] message/rfc822 248 7bit old.eml old multipart/mixed 2 15", "[3] application/octet-stream 0 7bit ",
	}
	if !slices.Equal(parts, wantParts) {
		t.Errorf("parts\n%q\nwant\n%q", parts, wantParts)
	}
}

// A message of 12 MB is passed on as it is, whole and in pieces.
func TestFetchLargeMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t), nil)
	_, err := w.crm.AddContact(t.Context(), builtin.Contact{Name: "Zoe", Addresses: []string{"zoe@gmail.com"}})
	must(t, err)
	line := strings.Repeat("abcdefghij", 7) + "\n"
	w.receive(bert, letter(1, "zoe@gmail.com", bert, "large", strings.Repeat(line, 12<<20/len(line))))
	w.mirrored(1, 1)
	c := w.openZoe(bert)
	cmd := c.Fetch(imap.SeqSetNum(1), &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{{Specifier: imap.PartSpecifierText}}})
	body := 0
	for m := cmd.Next(); m != nil; m = cmd.Next() {
		for item := m.Next(); item != nil; item = m.Next() {
			section, ok := item.(imapclient.FetchItemDataBodySection)
			if !ok {
				continue
			}
			buf := make([]byte, 71*1000)
			wire := []byte(strings.TrimSuffix(line, "\n") + "\r\n")
			for {
				n, err := io.ReadFull(section.Literal, buf[:len(wire)])
				if err != nil {
					break
				}
				if body += n; !bytes.Equal(buf[:n], wire) && body < 12<<20 {
					t.Fatalf("%q at %d", buf[:n], body)
				}
			}
		}
	}
	must(t, cmd.Close())
	if body < 12<<20 {
		t.Errorf("only %d bytes came", body)
	}
	got := sections(t, c, 1, &imap.FetchItemBodySection{Specifier: imap.PartSpecifierText, Partial: &imap.SectionPartial{Offset: 72 * 100000, Size: 72}})
	if got[0] != strings.Repeat("abcdefghij", 7)+"\r\n" {
		t.Errorf("a piece from the middle is %q", got[0])
	}
}
