package message_test

import (
	"strings"
	"testing"

	"heliograph/internal/message"
)

const submitted = "Message-ID: <k1@example.com>\r\nDate: Mon, 4 Mar 2024 09:15:00 +0800\r\n" +
	"From: =?utf-8?B?546L6Iqz?= <Wang.Fang@example.com>\r\nTo: li@customer.test\r\nBcc: boss@example.com\r\n" +
	"Subject: =?utf-8?B?5oql5Lu35Y2V?=\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n" +
	"--a\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n报价见附件。  \r\n\r\n" +
	"--a\r\nContent-Type: text/csv; name=p.csv\r\nContent-Disposition: attachment\r\n\r\na,b \r\n1,2\r\n--a--\r\n"

// The same mail as a provider keeps it in Sent: fields added, removed, folded and
// written otherwise, other encodings, another zone, bare LF.
const sentCopy = "Received: from x by y; Mon, 4 Mar 2024 01:15:01 +0000\nX-Scanned: yes\n" +
	"From: \"Wang F.\" <wang.fang@EXAMPLE.com>\nTo: Li Lei\n <LI@customer.test>\n" +
	"Subject: =?gb2312?Q?=B1=A8=BC=DB?=\n =?gb2312?Q?=B5=A5?=\nDate: Mon, 04 Mar 2024 01:15:00 +0000 (UTC)\nMessage-Id: <k1@example.com>\n" +
	"Content-Type: multipart/mixed; boundary=\"----other\"\n\n" +
	"------other\nContent-Type: text/plain; charset=gb18030\nContent-Transfer-Encoding: base64\n\nsai827z7uL28/qGj\n" +
	"------other\nContent-Type: text/csv; name=p.csv\nContent-Disposition: attachment; filename=p.csv\nContent-Transfer-Encoding: base64\n\nYSxiDQoxLDI=\n------other--\n"

func key(t *testing.T, raw, salt string) string {
	t.Helper()
	k := parse(t, raw, message.Options{Salt: salt}).Key
	if !strings.HasPrefix(k, message.KeyVersion) || len(k) != len(message.KeyVersion)+64 {
		t.Fatalf("key %q has not the form that is documented", k)
	}
	return k
}

func TestKeyOfTheSameMessage(t *testing.T) {
	t.Parallel()
	want := key(t, submitted, "entry-1")
	for name, raw := range map[string]string{
		"another sighting":  submitted,
		"rewritten in sent": sentCopy,
		"bcc removed":       strings.Replace(submitted, "Bcc: boss@example.com\r\n", "", 1),
		"trailing lines":    submitted + "\r\n\r\n",
		"bare lf":           strings.ReplaceAll(submitted, "\r\n", "\n"),
	} {
		if got := key(t, raw, "entry-2"); got != want {
			t.Errorf("%s: key %s, want %s", name, got, want)
		}
	}
}

func TestBCCIsRead(t *testing.T) {
	t.Parallel()
	m := parse(t, submitted, message.Options{})
	if len(m.BCC) != 1 || m.BCC[0].Address != "boss@example.com" {
		t.Errorf("bcc %+v", m.BCC)
	}
}

func TestKeyOfOtherMessages(t *testing.T) {
	t.Parallel()
	base := key(t, submitted, "e")
	seen := map[string]string{base: "the original"}
	for name, edit := range map[string][2]string{
		"sent again with a new id":   {"<k1@", "<k2@"},
		"sent again a second later":  {"09:15:00", "09:15:01"},
		"forged: other text":         {"报价见附件", "报价见链接"},
		"forged: other file":         {"1,2", "1,3"},
		"forged: other sender":       {"Wang.Fang@", "wang.feng@"},
		"other subject":              {"5oql5Lu35Y2V", "5oql5Lu3"},
		"no id, so recipients count": {"Message-ID: <k1@example.com>\r\n", ""},
		"an id that is none":         {"<k1@example.com>", "<k1 example.com>"},
	} {
		raw := strings.Replace(submitted, edit[0], edit[1], 1)
		if raw == submitted {
			t.Fatalf("%s: nothing was edited", name)
		}
		k := key(t, raw, "e")
		// The last two cases differ in a Message-ID that counts in neither.
		if other, dup := seen[k]; dup && !(strings.Contains(name, "id") && strings.Contains(other, "id")) {
			t.Errorf("%q and %q have one key", name, other)
		}
		seen[k] = name
	}
}

func TestKeyWithoutIDKnowsRecipients(t *testing.T) {
	t.Parallel()
	raw := "From: erp@example.com\r\nDate: Mon, 4 Mar 2024 09:15:00 +0800\r\nTo: %@customer.test\r\nSubject: Shipped\r\n\r\nYour order is on its way.\r\n"
	a, b := key(t, strings.Replace(raw, "%", "a", 1), "1"), key(t, strings.Replace(raw, "%", "b", 1), "2")
	if a == b {
		t.Error("one second's mails to two customers are one")
	}
	if again := key(t, strings.Replace(raw, "%", "a", 1), "3"); again != a {
		t.Error("two sightings of a mail with a Date but no id are two")
	}
}

func TestKeyWithNothingToGoBy(t *testing.T) {
	t.Parallel()
	raw := "From: a@example.com\r\nSubject: hi\r\n\r\nhello\r\n"
	if key(t, raw, "entry-1") == key(t, raw, "entry-2") {
		t.Error("messages without id and date were merged")
	}
	if first, again := key(t, raw, "entry-1"), key(t, raw, "entry-1"); first != again {
		t.Error("one entry has two keys")
	}
}

func TestThreadIDs(t *testing.T) {
	t.Parallel()
	m := parse(t, "Message-ID: <self@x>\r\nIn-Reply-To: <c@x>\r\nReferences: <a@x> <b@x>\r\n <c@x> <self@x>\r\n\r\n", message.Options{})
	if got := strings.Join(m.ThreadIDs(), " "); got != "c@x b@x a@x" {
		t.Errorf("ThreadIDs = %q", got)
	}
}

func TestBaseSubject(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]struct {
		base  string
		reply bool
	}{
		"Quote 17":           {"quote 17", false},
		"Re: RE:Quote  17":   {"quote 17", true},
		"回复：答复: 转发： 报价":      {"报价", true},
		"Fwd: AW: Sv: Quote": {"quote", true},
		"Re[2]: Quote":       {"quote", true},
		"Re(3)：Quote":        {"quote", true},
		"Report: Q3":         {"report: q3", false},
		"Regarding: x":       {"regarding: x", false},
		"":                   {"", false},
	} {
		if base, reply := message.BaseSubject(in); base != want.base || reply != want.reply {
			t.Errorf("BaseSubject(%q) = %q %v, want %q %v", in, base, reply, want.base, want.reply)
		}
	}
}
