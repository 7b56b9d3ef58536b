package automail_test

import (
	"strings"
	"testing"

	"github.com/emersion/go-smtp"

	"heliograph/internal/journal"
	"heliograph/internal/mailtest"
	"heliograph/internal/store/storetest"
)

func TestSMTPUTF8(t *testing.T) {
	t.Parallel()
	const (
		plain = "Subject: hello\r\n\r\nbody with 中文\r\n"
		wide  = "Subject: 你好\r\n\r\nbody\r\n"
	)
	for name, tc := range map[string]struct {
		offered    bool
		from, body string
		to         []journal.Recipient
		want       string // states
		enhanced   string // of the last recipient
		utf8       bool   // SMTPUTF8 on the wire
	}{
		"offered":          {true, sender, wide, []journal.Recipient{rcpt("李@example.org")}, "李@example.org=delivered", "2.0.0", true},
		"not needed":       {false, sender, plain, []journal.Recipient{rcpt("bob@example.org")}, "bob@example.org=delivered", "2.0.0", false},
		"header needs it":  {false, sender, wide, []journal.Recipient{rcpt("bob@example.org")}, "bob@example.org=failed", "5.6.7", false},
		"sender needs it":  {false, "机@example.com", plain, []journal.Recipient{rcpt("bob@example.org", "NOTIFY=NEVER")}, "bob@example.org=failed", "5.6.7", false},
		"one of two needs": {false, sender, plain, []journal.Recipient{rcpt("bob@example.org"), rcpt("李@example.org")}, "bob@example.org=delivered 李@example.org=failed", "5.6.7", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, func(s *smtp.Server) { s.EnableSMTPUTF8 = tc.offered })
			r := newRig(t, storetest.SQLite(t), p.addr)
			m := r.rests(r.sendFrom(tc.from, tc.body, "BODY=8BITMIME SMTPUTF8", tc.to...))
			r.wantStates(m, tc.want)
			if got := m.Recipients[len(m.Recipients)-1].Enhanced; got != tc.enhanced {
				t.Errorf("status is %s, want %s", got, tc.enhanced)
			}
			for _, got := range p.mails(tc.from) {
				if got.mailOpts.UTF8 != tc.utf8 {
					t.Errorf("SMTPUTF8 on the wire is %v, want %v", got.mailOpts.UTF8, tc.utf8)
				}
				if got.body != tc.body {
					t.Errorf("sent %q, want %q", got.body, tc.body)
				}
			}
		})
	}
}

// An upstream of the last century: HELO only.
func TestUpstreamWithoutExtensions(t *testing.T) {
	t.Parallel()
	const accepts = "S: 220 mx ready\nC: EHLO {any}\nS: 502 what\nC: HELO {any}\nS: 250 mx\n" +
		"C: MAIL FROM:<erp@example.com>\nS: 250 ok\nC: RCPT TO:<bob@example.org>\nS: 250 ok\nC: DATA\nS: 354 go\n" +
		"C: Subject: x\nC: \nC: plain\nC: .\nS: 250 2.0.0 done\nC: QUIT\n"
	const refuses = "S: 220 mx ready\nC: EHLO {any}\nS: 502 what\nC: HELO {any}\nS: 250 mx\nC: QUIT\n"
	for name, tc := range map[string]struct{ script, body, want, enhanced string }{
		"7-bit":        {accepts, "Subject: x\r\n\r\nplain\r\n", "bob@example.org=relayed", "2.0.0"},
		"8-bit body":   {refuses, "Subject: x\r\n\r\n中文\r\n", "bob@example.org=failed", "5.6.3"},
		"8-bit header": {refuses, "Subject: 中文\r\n\r\nplain\r\n", "bob@example.org=failed", "5.6.3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, storetest.SQLite(t), mailtest.Serve(t, nil, tc.script))
			m := r.rests(r.send(tc.body, "BODY=8BITMIME RET=FULL ENVID=E1", rcpt("bob@example.org", "NOTIFY=NEVER")))
			r.wantStates(m, tc.want)
			if got := m.Recipients[0]; got.Enhanced != tc.enhanced {
				t.Errorf("the verdict is %d %s %s", got.Code, got.Enhanced, got.Text)
			}
		})
	}
}

func TestRefusalsInChineseAndGBK(t *testing.T) {
	t.Parallel()
	p := newProvider(t, nil)
	p.onRcpt = func(to string, _ int) error {
		switch to {
		case "gbk@example.org":
			return refuse(550, smtp.EnhancedCode{5, 1, 1}, "\xb2\xe9\xce\xde\xb4\xcb\xc8\xcb")
		case "utf8@example.org":
			return refuse(550, smtp.EnhancedCode{5, 1, 1}, "查无此人")
		}
		return nil
	}
	r := newRig(t, storetest.SQLite(t), p.addr)
	m := r.rests(r.send(text, "", rcpt("gbk@example.org"), rcpt("utf8@example.org")))
	r.wantStates(m, "gbk@example.org=failed utf8@example.org=failed")
	if m.Recipients[1].Text != "查无此人" {
		t.Errorf("the reply is kept as %q", m.Recipients[1].Text)
	}
	dsn := r.notices(p, 1)[0]
	if !strings.Contains(dsn.body, "Diagnostic-Code: smtp; 550 5.1.1 ????") {
		t.Errorf("the notice is:\n%s", dsn.body)
	}
}
