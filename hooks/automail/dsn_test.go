package automail

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset"
	"github.com/emersion/go-message/mail"
	"github.com/jhillyerd/enmime/v2"

	"heliograph/internal/journal"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// notices of all kinds, as the outbox would plan them.
func notices(t *testing.T) map[string]notice {
	t.Helper()
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	id := journal.ID{1, 2, 3, 4, 5, 6, 7, 8}
	base := func(path string) *OutboxMessage {
		return &OutboxMessage{Entry: id, ReversePath: path, QueuedAt: at.Add(-time.Hour), ExpiresAt: at.Add(4 * 24 * time.Hour), planned: 1, plannedAt: at}
	}
	make := func(m *OutboxMessage, params, original string, whole bool, list ...OutboxRecipient) notice {
		return notice{
			id: noticeID(m, 1), number: 1, message: m, recipients: list, mail: parseMail(params), host: "gw.example.net",
			from: "MAILER-DAEMON@gw.example.net", now: at, original: []byte(original), whole: whole,
		}
	}
	header := "From: erp@example.com\r\nTo: bob@example.org\r\nSubject: order 12\r\nMessage-ID: <1@example.com>\r\n"
	failed := OutboxRecipient{
		Address: "bob@example.org", Params: "NOTIFY=FAILURE ORCPT=rfc822;Bob+2Bold@example.org", State: StateFailed, action: actionFailed,
		Code: 550, Enhanced: "5.1.1", Text: "no such user 查无此人 here, and this reply is long enough that it must be folded somewhere in the report",
		Remote: "mx.example.org", LastTry: at,
	}
	expired := OutboxRecipient{Address: "eve@example.org", State: StateFailed, action: actionFailed, Enhanced: "4.4.7", Text: "connection refused", LastTry: at}
	delayed := OutboxRecipient{
		Address: "bob@example.org", State: StatePending, action: actionDelayed, Code: 451, Enhanced: "4.7.1", Text: "greylisted",
		Remote: "mx.example.org", LastTry: at,
	}
	relayed := OutboxRecipient{
		Address: "bob@example.org", Params: "NOTIFY=SUCCESS", State: StateRelayed, action: actionRelayed, Code: 250, Enhanced: "2.0.0",
		Text: "queued as 1", Remote: "mx.example.org", LastTry: at,
	}
	utf8 := OutboxRecipient{
		Address: "李+雷@例子.中国", Params: "ORCPT=utf-8;+E6+9D+8E@例子.中国", State: StateFailed, action: actionFailed, Code: 553, Enhanced: "5.6.7",
		Text: "the address needs SMTPUTF8, which mx.example.org does not offer", LastTry: at,
	}
	return map[string]notice{
		"failed_full":   make(base("erp@example.com"), "RET=FULL ENVID=QQ314159", header+"\r\nten pieces\r\n--not a boundary\r\n", true, failed, expired),
		"failed_header": make(base("erp@example.com"), "RET=HDRS", header, false, failed),
		"failed_8bit":   make(base("erp@example.com"), "", header+"X-Note: 中文\r\n", false, failed),
		"failed_utf8":   make(base("打印机@example.com"), "SMTPUTF8", header, false, utf8),
		"full_8bit":     make(base("erp@example.com"), "RET=FULL BODY=8BITMIME", header+"\r\n十件\r\n", true, failed),
		"delayed":       make(base("erp@example.com"), "", header, false, delayed),
		"relayed":       make(base("erp@example.com"), "", header, false, relayed),
	}
}

func TestNoticeGolden(t *testing.T) {
	t.Parallel()
	for name, n := range notices(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, _, err := n.build()
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", "dsn_"+name+".eml")
			if *update {
				if err := os.WriteFile(path, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("the notice is not what %s says:\n%s", path, got)
			}
		})
	}
}

func TestNoticeForm(t *testing.T) {
	t.Parallel()
	for name, n := range notices(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, params, err := n.build()
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(strings.ReplaceAll(string(text), "\r\n", ""), "\n") || strings.Contains(strings.ReplaceAll(string(text), "\r\n", ""), "\r") {
				t.Error("a line does not end with CRLF")
			}
			if ascii(string(text)) == strings.Contains(params, "8BITMIME") && ascii(n.message.ReversePath) {
				t.Errorf("params are %q, 7-bit is %v", params, ascii(string(text)))
			}
			for line := range strings.SplitSeq(string(text), "\r\n") {
				if len(line) > 200 {
					t.Errorf("a line of %d bytes: %q", len(line), line)
				}
			}
			checkHeader(t, text, n.message.ReversePath)
			checkReport(t, text, n)
		})
	}
}

func checkHeader(t *testing.T, text []byte, to string) {
	t.Helper()
	env, err := enmime.ReadEnvelope(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range env.Errors {
		t.Errorf("enmime: %v", e)
	}
	if got := env.GetHeader("Auto-Submitted"); got != "auto-replied" {
		t.Errorf("Auto-Submitted is %q", got)
	}
	if got := env.GetHeader("To"); !strings.Contains(got, to) {
		t.Errorf("To is %q, want %s", got, to)
	}
	if !strings.Contains(env.GetHeader("Subject"), " / ") {
		t.Errorf("Subject is %q", env.GetHeader("Subject"))
	}
	if !strings.Contains(env.Text, "这里是 gw.example.net 的邮件系统") || !strings.Contains(env.Text, "This is the mail system at gw.example.net") {
		t.Errorf("the human part is %q", env.Text)
	}
}

// checkReport reads the parts with another library and compares the report's fields.
func checkReport(t *testing.T, text []byte, n notice) {
	t.Helper()
	r, err := mail.CreateReader(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	kind, ps, err := r.Header.ContentType()
	if err != nil || kind != "multipart/report" || ps["report-type"] != "delivery-status" {
		t.Fatalf("Content-Type is %q %v %v", kind, ps, err)
	}
	entity, err := message.Read(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	parts := entity.MultipartReader()
	var types []string
	var report, returned string
	for {
		p, err := parts.NextPart()
		if err != nil {
			break
		}
		kind, _, _ := p.Header.ContentType()
		types = append(types, kind)
		var b bytes.Buffer
		if _, err := b.ReadFrom(p.Body); err != nil {
			t.Fatal(err)
		}
		switch len(types) {
		case 2:
			report = b.String()
		case 3:
			returned = b.String()
		}
	}
	last := "text/rfc822-headers"
	if n.whole {
		last = "message/rfc822"
	}
	if want := "text/plain message/delivery-status " + last; strings.Join(types, " ") != want {
		t.Fatalf("parts are %v, want %s", types, want)
	}
	if returned != string(n.original) {
		t.Errorf("returned %q, want %q", returned, n.original)
	}
	groups := strings.Split(strings.TrimSuffix(report, "\r\n"), "\r\n\r\n")
	if len(groups) != 1+len(n.recipients) {
		t.Fatalf("the report has %d groups, want one and %d:\n%s", len(groups), len(n.recipients), report)
	}
	if !ascii(report) {
		t.Errorf("the report is not ASCII: %s", report)
	}
	for i, r := range n.recipients {
		for _, field := range []string{"Final-Recipient: ", "Action: " + r.action + "\r\n", "Status: " + r.Enhanced + "\r\n", "Last-Attempt-Date: "} {
			if !strings.Contains(groups[i+1]+"\r\n", field) {
				t.Errorf("group %d lacks %q:\n%s", i+1, field, groups[i+1])
			}
		}
	}
}

func TestNoticeIDIsStable(t *testing.T) {
	t.Parallel()
	m := &OutboxMessage{Entry: journal.NewID(time.Now()), plannedAt: time.Now()}
	again := *m
	if noticeID(m, 1) != noticeID(&again, 1) {
		t.Error("the same notice has two ids")
	}
	if noticeID(m, 1) == noticeID(m, 2) {
		t.Error("two notices have one id")
	}
	if got := noticeID(m, 1).Time(); got.UnixMilli() != m.plannedAt.UnixMilli() {
		t.Errorf("the id says %v, want %v", got, m.plannedAt)
	}
}
