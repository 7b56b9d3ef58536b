package compose_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"heliograph/hooks/automail/compose"
	"heliograph/internal/message"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func address(t testing.TB, s string) compose.Address {
	t.Helper()
	a, err := compose.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func base() compose.Message {
	return compose.Message{
		ID: "run1.welcome.0", Domain: "example.com", Date: time.Date(2026, 11, 22, 8, 33, 0, 0, shanghai),
		From: compose.Address{Name: "客户服务", Address: "support@example.com"}, To: []compose.Address{{Name: "李雷", Address: "li@customer.test"}},
		Subject: "欢迎", Text: "您好，\n欢迎。\n",
	}
}

func parse(t testing.TB, raw []byte) *message.Message {
	t.Helper()
	got, err := message.Parse(bytes.NewReader(raw), message.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// addressesOf are all people whom a message names as recipients.
func addressesOf(m *message.Message) []string {
	var out []string
	for _, list := range [][]message.Address{m.To, m.CC, m.BCC} {
		for _, a := range list {
			out = append(out, a.Address)
		}
	}
	return out
}

var signer = func() *compose.Signer {
	s, err := compose.NewSigner([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		panic(err)
	}
	return s
}()

func original() *compose.Original {
	return &compose.Original{
		MessageID: "q17@customer.test", References: []string{"q1@customer.test", "q16@customer.test"}, Subject: "Re: 回复: 报价 SO123", From: compose.Address{Name: "李雷", Address: "Li@Customer.test"},
		Date: time.Date(2026, 11, 21, 9, 15, 0, 0, shanghai), Text: "请报价。\n> 旧的\n\n李雷", HTML: `<p>请报价。<img src="cid:x" alt="图"></p></div></blockquote>`, Language: "zh",
	}
}

func goldens(t testing.TB) map[string]compose.Message {
	t.Helper()
	all := map[string]compose.Message{}
	add := func(name string, change func(*compose.Message)) {
		msg := base()
		change(&msg)
		all[name] = msg
	}
	add("text", func(*compose.Message) {})
	add("ascii", func(m *compose.Message) {
		m.Subject, m.Text, m.From = "Welcome", "Hello,\nwelcome.", address(t, "Support <support@example.com>")
	})
	add("html_only", func(m *compose.Message) {
		m.Text, m.HTML = "", "<html><body><h1>欢迎</h1><p>请看 <a href=\"https://example.com/x\">这里</a></p></body></html>"
	})
	add("full", func(m *compose.Message) {
		m.ReplyTo, m.CC, m.BCC = []compose.Address{address(t, "desk@example.com")}, []compose.Address{address(t, `"Meimei, Han" <han@customer.test>`), address(t, "王@customer.test")}, []compose.Address{address(t, "secret@customer.test")}
		m.HTML = `<p>图：<img src="cid:logo@hg" alt="标志"></p>`
		m.Inline = []compose.File{{Name: "logo.png", Type: "image/png", ContentID: "logo@hg", Bytes: []byte("\x89PNG\r\n\x1a\n")}}
		m.Attachments = []compose.File{
			{Name: "2026年第四季度产品质量问题分析与整改措施报告（最终版）.pdf", Type: "application/pdf", Open: func() (io.ReadCloser, error) {
				return io.NopCloser(strings.NewReader(strings.Repeat("%PDF", 100))), nil
			}},
			{Name: "../../e\"v\u202eil.exe"},
			{Name: "orig.eml", Type: "message/rfc822", Bytes: []byte("Subject: x\n\nhello\n")},
		}
		m.Unsubscribe = &compose.Unsubscribe{URL: "https://example.com/u/" + strings.Repeat("0123456789", 10), Mail: "unsubscribe@example.com", OneClick: true}
		m.Precedence = "bulk"
		m.Cause, m.Signer = &compose.Cause{Run: "run1", Rule: "欢迎 rule", Depth: 1, Chain: []string{compose.HashKey("m1-1"), compose.HashKey("m1-2")}}, signer
	})
	add("reply", func(m *compose.Message) {
		m.Class, m.Original, m.Quote, m.Subject, m.HTML = compose.Answer, original(), true, "", "<p>您好，欢迎。</p>"
	})
	add("reply_en", func(m *compose.Message) {
		o := original()
		o.Subject, o.Language, o.HTML, o.References, o.InReplyTo = "Quote", "en", "", nil, "q0@customer.test"
		m.Class, m.Original, m.Quote, m.Subject, m.Text = compose.Answer, o, true, "", "Thank you.\nWe will answer soon."
	})
	return all
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for name, msg := range goldens(t) {
		raw, err := compose.Compose(msg)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		again, err := compose.Compose(goldens(t)[name])
		if err != nil || !bytes.Equal(raw, again) {
			t.Errorf("%s: two composes differ, %v", name, err)
		}
		file := filepath.Join("testdata", "mail_"+name+".eml")
		if *update {
			if err := os.WriteFile(file, raw, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil || !bytes.Equal(raw, want) {
			t.Errorf("%s differs from its golden file, %v:\n%s", name, err, raw)
		}
		wellMade(t, name, raw, msg.NeedsUTF8())
	}
}

// wellMade checks what every mail of ours has: short lines, CRLF, no octet above ASCII.
func wellMade(t testing.TB, name string, raw []byte, utf8 bool) {
	t.Helper()
	if bytes.Contains(bytes.ReplaceAll(raw, []byte("\r\n"), nil), []byte("\n")) || bytes.Contains(bytes.ReplaceAll(raw, []byte("\r\n"), nil), []byte("\r")) {
		t.Errorf("%s: a bare CR or LF", name)
	}
	for line := range bytes.SplitSeq(raw, []byte("\r\n")) {
		if len(line) > 78 && !bytes.HasPrefix(line, []byte("List-Unsubscribe:")) && !bytes.Contains(line, []byte("@")) && !bytes.Contains(line, []byte("https://")) {
			t.Errorf("%s: a line of %d octets: %s", name, len(line), line)
		}
		if len(line) > 998 {
			t.Errorf("%s: a line of %d octets", name, len(line))
		}
	}
	for _, c := range raw {
		if c >= 0x80 && !utf8 || c == 0 {
			t.Errorf("%s: octet %#x", name, c)
			return
		}
	}
}

// TestParsedBack reads the mails as any other: everything is there again.
func TestParsedBack(t *testing.T) {
	t.Parallel()
	all := goldens(t)
	read := func(name string) *message.Message {
		raw, err := compose.Compose(all[name])
		if err != nil {
			t.Fatal(err)
		}
		got := parse(t, raw)
		if len(got.Flags) > 0 || !got.Automated {
			t.Errorf("%s: flags %v, automated %v", name, got.Flags, got.Automated)
		}
		return got
	}
	text := read("text")
	if text.MessageID != "hg.run1.welcome.0@example.com" || text.Subject != "欢迎" || text.Text != "您好，\n欢迎。" || text.HTML != "" || !text.Date.Equal(base().Date) || text.From[0].Name != "客户服务" || text.To[0].Name != "李雷" {
		t.Errorf("got %+v", text)
	}
	if h := read("html_only"); h.Text != "欢迎\n\n请看 这里 <https://example.com/x>" || !strings.Contains(h.HTML, "欢迎") {
		t.Errorf("got %q, %q", h.Text, h.HTML)
	}
	full := read("full")
	if !full.Bulk || !slices.Equal(addressesOf(full), []string{"li@customer.test", "han@customer.test", "王@customer.test"}) || full.CC[0].Name != "Meimei, Han" || full.ReplyTo[0].Address != "desk@example.com" {
		t.Errorf("got %+v", full)
	}
	var files []string
	for _, a := range full.Attachments {
		files = append(files, fmt.Sprintf("%s %s %d %v", a.Name, a.Type, a.Size, a.Inline))
	}
	want := []string{"logo.png image/png 8 true", "2026年第四季度产品质量问题分析与整改措施报告（最终版）.pdf application/pdf 400 false", "_.._e_vil.exe application/octet-stream 0 false"}
	if len(files) < 3 || !slices.Equal(files[:3], want) {
		t.Errorf("got %q, want %q", files, want)
	}
	reply := read("reply")
	if reply.Subject != "Re: 报价 SO123" || reply.InReplyTo != "q17@customer.test" || !slices.Equal(reply.References, []string{"q1@customer.test", "q16@customer.test", "q17@customer.test"}) {
		t.Errorf("got %q, %q, %q", reply.Subject, reply.InReplyTo, reply.References)
	}
	if reply.Unquoted != "您好，\n欢迎。" || !strings.Contains(reply.Text, "在 2026年11月21日 09:15，李雷 <Li@customer.test> 写道：\n> 请报价。\n>> 旧的\n>\n> 李雷") {
		t.Errorf("got %q\n%s", reply.Unquoted, reply.Text)
	}
	if !strings.Contains(reply.HTML, "[图]") || strings.Contains(reply.HTML, "cid:") || strings.Count(reply.HTML, "</blockquote>") != 1 {
		t.Errorf("got %s", reply.HTML)
	}
	english := read("reply_en")
	if english.Subject != "Re: Quote" || english.Unquoted != "Thank you.\nWe will answer soon." || !strings.Contains(english.Text, "On Sat, Nov 21, 2026 at 09:15, 李雷 <Li@customer.test> wrote:\n> 请报价。") || !slices.Equal(english.References, []string{"q0@customer.test", "q17@customer.test"}) {
		t.Errorf("got %+v", english)
	}
}

// TestQuotesAreRecognized sees that in each language the reader of mail tells our words from the quote.
func TestQuotesAreRecognized(t *testing.T) {
	t.Parallel()
	for _, language := range []string{"zh", "zh-Hant", "en", "de", "fr", "es", "ja", "xx", ""} {
		for _, dated := range []bool{true, false} {
			msg := base()
			o := original()
			o.Language = language
			if !dated {
				o.Date = time.Time{}
			}
			msg.Original, msg.Quote = o, true
			raw, err := compose.Compose(msg)
			if err != nil {
				t.Fatal(err)
			}
			if got := parse(t, raw); got.Unquoted != "您好，\n欢迎。" {
				t.Errorf("%q, dated %v: got %q of\n%s", language, dated, got.Unquoted, got.Text)
			}
		}
	}
}

func TestReplySubject(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, language, want string }{
		{"Quote", "en", "Re: Quote"},
		{"Re: Quote", "en", "Re: Quote"},
		{"RE: re[2]: AW: Quote", "zh", "Re: Quote"},
		{"报价", "zh", "回复：报价"},
		{"回复：报价", "zh", "回复：报价"},
		{"回复: 回复：Re: 报价", "en", "回复：报价"},
		{"答复: 报价", "zh", "回复：报价"},
		{"Fwd: Quote", "en", "Re: Fwd: Quote"},
		{"Regarding: x", "", "Re: Regarding: x"},
		{"", "", "Re: "},
	} {
		if got := compose.ReplySubject(tt.in, tt.language); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestReferencesAreBoundedAndWellFormed(t *testing.T) {
	t.Parallel()
	msg := base()
	o := original()
	o.References = nil
	for i := range 100 {
		o.References = append(o.References, fmt.Sprintf("r%d@x.test", i))
	}
	o.References[50], o.References[99], o.References[98] = "evil@x\r\nBcc: a@b.test", "no-at", "<a@b>@c"
	msg.Original = o
	raw, err := compose.Compose(msg)
	if err != nil {
		t.Fatal(err)
	}
	got := parse(t, raw)
	if len(got.References) != 20 || got.References[0] != "r0@x.test" || got.References[18] != "r97@x.test" || got.References[19] != "q17@customer.test" {
		t.Errorf("got %v", got.References)
	}
	o.MessageID = "bad id\r\n"
	if raw, err = compose.Compose(msg); err != nil || bytes.Contains(raw, []byte("In-Reply-To")) || bytes.Contains(raw, []byte("References")) {
		t.Errorf("got %v\n%s", err, raw)
	}
}

func TestComposeRefuses(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*compose.Message){
		"id":          func(m *compose.Message) { m.ID = "a b" },
		"id dots":     func(m *compose.Message) { m.ID = "a..b" },
		"id line":     func(m *compose.Message) { m.ID = "a\r\nX: y" },
		"domain":      func(m *compose.Message) { m.Domain = "exa mple" },
		"domain case": func(m *compose.Message) { m.Domain = "Example.com" },
		"date":        func(m *compose.Message) { m.Date = time.Time{} },
		"from":        func(m *compose.Message) { m.From = compose.Address{} },
		"name":        func(m *compose.Message) { m.From.Name = "a\r\nBcc: b@c.test" },
		"to":          func(m *compose.Message) { m.To[0].Address = "a@b.test>\r\nX: y" },
		"nobody":      func(m *compose.Message) { m.To = nil },
		"precedence":  func(m *compose.Message) { m.Precedence = "x\r\ny" },
		"unsubscribe": func(m *compose.Message) { m.Unsubscribe = &compose.Unsubscribe{URL: "https://x>\r\nX: y"} },
		"not https":   func(m *compose.Message) { m.Unsubscribe = &compose.Unsubscribe{URL: "http://x.test"} },
		"one click":   func(m *compose.Message) { m.Unsubscribe = &compose.Unsubscribe{Mail: "a@b.test", OneClick: true} },
		"type":        func(m *compose.Message) { m.Attachments = []compose.File{{Type: "text/plain; x\r\nX: y"}} },
		"multipart":   func(m *compose.Message) { m.Attachments = []compose.File{{Type: "multipart/mixed"}} },
		"content id":  func(m *compose.Message) { m.HTML, m.Inline = "<p>", []compose.File{{ContentID: "a>\r\nX: y"}} },
		"no picture":  func(m *compose.Message) { m.HTML = `<img src="cid:x">` },
		"no html":     func(m *compose.Message) { m.Inline = []compose.File{{ContentID: "x"}} },
		"script":      func(m *compose.Message) { m.HTML = `<script>` },
		"open": func(m *compose.Message) {
			m.Attachments = []compose.File{{Open: func() (io.ReadCloser, error) { return nil, errPassing }}}
		},
		"cause":         func(m *compose.Message) { m.Cause = &compose.Cause{Depth: 1} },
		"files":         func(m *compose.Message) { m.Attachments = make([]compose.File, 500) },
		"too much text": func(m *compose.Message) { m.Text = strings.Repeat("x", 5<<20) },
	} {
		msg := base()
		change(&msg)
		if raw, err := compose.Compose(msg); err == nil {
			t.Errorf("%s: composed\n%s", name, raw[:min(len(raw), 500)])
		}
	}
	msg := base()
	msg.Attachments = []compose.File{{Open: func() (io.ReadCloser, error) { return io.NopCloser(zeros{}), nil }}}
	if _, err := compose.Compose(msg); !errors.Is(err, compose.ErrTooLarge) {
		t.Errorf("got %v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

var fieldNames = regexp.MustCompile(`(?m)^([A-Za-z-]+):`)

// TestHeaderInjection puts hostile words into every field that people's words reach, and sees the same fields as without.
func TestHeaderInjection(t *testing.T) {
	t.Parallel()
	names := func(raw []byte) []string {
		head, _, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
		var out []string
		for _, f := range fieldNames.FindAllSubmatch(head, -1) {
			out = append(out, strings.ToLower(string(f[1])))
		}
		slices.Sort(out)
		return out
	}
	for _, evil := range []string{
		"x\r\nBcc: evil@x.test", "x\nBcc: evil@x.test", "x\rBcc: evil@x.test", "x\u2028Bcc: evil@x.test", "x\u2029Bcc: evil@x.test", "x\u0085Bcc: evil@x.test", "x\x00Bcc: evil@x.test", "x\v\fBcc: evil@x.test",
		"=?utf-8?q?x=0D=0ABcc:_evil=40x.test?=", "=?utf-8?b?eA0KQmNjOiBldmlsQHgudGVzdA==?=", "x\r\n\r\n<script>", "\" <evil@x.test>, \"", "x\u202emoc.tset", strings.Repeat("x", 300) + "\r\nBcc: evil@x.test",
		strings.Repeat(" \t", 200), "a,b;c:d<e>f(g)h@i", "\\\"", "=?utf-8?q?", "?=", "\xff\xfe\r\nBcc: evil@x.test",
	} {
		set := compose.Set{Subject: "s {{.evil}}", Text: "t {{.evil}}", HTML: "<p title='{{.evil}}'>{{.evil}}</p>", To: "{{.evil}} <li@customer.test>", ReplyTo: "\"{{.evil}}\" <desk@example.com>", From: "{{.evil}} <support@example.com>"}
		made, problems := compose.Compile(set, compose.Options{})
		if problems.Grave() {
			t.Fatal(problems)
		}
		f := facts{"evil": evil}
		got, err := made.Render(t.Context(), f, compose.Limits{}, compose.Policy{})
		if err != nil { // a name that is refused: the mail goes without
			set.To, set.ReplyTo, set.From = "li@customer.test", "desk@example.com", "support@example.com"
			made, _ = compose.Compile(set, compose.Options{})
			if got, err = made.Render(t.Context(), f, compose.Limits{}, compose.Policy{}); err != nil {
				t.Fatalf("%q: %v", evil, err)
			}
		}
		msg := base()
		msg.From, msg.To, msg.ReplyTo, msg.Subject, msg.Text, msg.HTML = got.From[0], got.To, got.ReplyTo, got.Subject, got.Text, got.HTML
		msg.Attachments = []compose.File{{Name: evil + ".pdf", Bytes: []byte("x")}}
		msg.Original = &compose.Original{MessageID: evil, InReplyTo: evil, References: []string{evil, "ok@x.test"}, Subject: evil, From: compose.Address{Name: evil, Address: evil}, Text: evil, HTML: "<p>" + evil}
		msg.Quote = true
		msg.Cause, msg.Signer = &compose.Cause{Run: evil, Rule: evil, Depth: 1}, signer
		raw, err := compose.Compose(msg)
		if err != nil {
			t.Fatalf("%q: %v", evil, err)
		}
		want := []string{"auto-submitted", "content-type", "date", "from", "message-id", "mime-version", "reply-to", "subject", "to", "x-auto-response-suppress", "x-heliograph-cause"}
		if found := slices.DeleteFunc(names(raw), func(n string) bool { return n == "references" || n == "in-reply-to" }); !slices.Equal(found, want) {
			t.Errorf("%q: fields %v\n%s", evil, found, raw)
		}
		back := parse(t, raw)
		if !slices.Equal(addressesOf(back), []string{"li@customer.test"}) || len(back.From) != 1 || len(back.ReplyTo) != 1 || len(back.Attachments) != 1 || strings.ContainsAny(back.Subject, "\r\n") {
			t.Errorf("%q: %v, %v, %v", evil, addressesOf(back), back.From, back.Attachments)
		}
		wellMade(t, evil, raw, false)
	}
}

// TestWordsComeBack sends any subject, names and file name, and reads them again.
func TestWordsComeBack(t *testing.T) {
	t.Parallel()
	oneLine := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	words := rapid.Custom(func(t *rapid.T) string {
		kind := rapid.IntRange(0, 3).Draw(t, "kind")
		switch kind {
		case 0:
			return rapid.StringOfN(rapid.RuneFrom([]rune(" abcAB0=?_\"\\<>,;:()@.[]'é中文字符、。：")), 0, 120, -1).Draw(t, "s")
		case 1:
			return rapid.StringMatching(`[a-zA-Z0-9 ]{0,200}`).Draw(t, "s")
		case 2:
			return rapid.StringMatching(`(=\?utf-8\?[bq]\?[A-Za-z0-9_=]{0,20}\?= ?){0,3}`).Draw(t, "s")
		}
		return rapid.StringMatching(`[\p{L}\p{N}\p{P}\p{S} ]{0,60}`).Draw(t, "s")
	})
	rapid.Check(t, func(rt *rapid.T) {
		msg := base()
		msg.Subject = words.Draw(rt, "subject")
		name := words.Draw(rt, "name")
		if _, err := compose.ParseAddress(`"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `" <a@x.test>`); err != nil {
			name = "x"
		}
		msg.To[0].Name = oneLine(name)
		msg.Attachments = []compose.File{{Name: "f" + words.Draw(rt, "file") + ".txt", Bytes: []byte("x")}}
		raw, err := compose.Compose(msg)
		if err != nil {
			rt.Fatal(err)
		}
		back := parse(t, raw)
		if back.Subject != oneLine(msg.Subject) && len([]rune(msg.Subject)) < 400 {
			rt.Errorf("subject %q came back as %q\n%s", msg.Subject, back.Subject, raw)
		}
		if len(back.To) != 1 || back.To[0].Address != "li@customer.test" {
			rt.Errorf("to %q came back as %v\n%s", msg.To, back.To, raw)
		} else if got, want := strings.Trim(back.To[0].Name, `"' `), strings.Trim(msg.To[0].Name, `"' `); got != want && want != "li@customer.test" {
			rt.Errorf("name %q came back as %q\n%s", want, got, raw)
		}
		if len(back.Attachments) != 1 {
			rt.Errorf("files %v\n%s", back.Attachments, raw)
		}
		if len(back.Flags) > 0 {
			rt.Errorf("flags %v\n%s", back.Flags, raw)
		}
	})
}

// TestTextComesBack sends any text in the encoding that is chosen for it.
func TestTextComesBack(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"plain", "From here\n.\nend", strings.Repeat("x", 5000), strings.Repeat("长文本", 3000), "mostly ascii, ein Ümläut", "tab\tend\t\nblank ", "--=_hg.0123456789", "a\n\n\nb", "= =3D =\n",
	} {
		msg := base()
		msg.Text, msg.HTML = text, ""
		raw, err := compose.Compose(msg)
		if err != nil {
			t.Fatal(err)
		}
		wellMade(t, text[:min(len(text), 20)], raw, false)
		lines := strings.Split(text, "\n")
		for i := range lines {
			lines[i] = strings.TrimRight(lines[i], " \t")
		}
		if got := parse(t, raw); got.Text != strings.TrimSpace(strings.Join(lines, "\n")) || len(got.Flags) > 0 {
			t.Errorf("%.40q came back as %.40q, flags %v", text, got.Text, got.Flags)
		}
	}
}
