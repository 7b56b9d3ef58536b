package message_test

import (
	"os"
	"runtime"
	"strings"
	"testing"

	"heliograph/internal/message"
)

// allocated is how many bytes f allocates: how much work it does, on any machine.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// subsequence checks that part has lines of whole only, in their order.
func subsequence(tb testing.TB, part, whole string) {
	tb.Helper()
	rows := strings.Split(whole, "\n")
	for line := range strings.SplitSeq(part, "\n") {
		for len(rows) > 0 && strings.TrimSpace(rows[0]) != strings.TrimSpace(line) {
			rows = rows[1:]
		}
		if len(rows) == 0 {
			tb.Fatalf("%q of %q is not in %q", line, part, whole)
		}
		rows = rows[1:]
	}
}

func TestUnquote(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"nothing quoted":          {"Hello\n\nworld", "Hello\n\nworld"},
		"bare quotation":          {"> a\n> b", "> a\n> b"},
		"empty":                   {"", ""},
		"no-break space":          {"好\n\n------------------\u00a0原始邮件\u00a0------------------\n旧", "好"},
		"two dashes":              {"ok\n--Original--\nold", "ok"},
		"apple within the quote":  {"好的\n\n> 在 2024年3月4日，09:15，李雷 <a@b.test> 写道：\n> \n> 问题", "好的"},
		"traditional":             {"好\n\n王小明 <a@b.test> 於 2024年3月4日 週一 上午9:15寫道：\n\n> 舊", "好"},
		"polish":                  {"Tak\n\npon., 4 mar 2024 o 09:15 Li Lei <li@x.test> napisał(a):\n\n> ?", "Tak"},
		"korean":                  {"네\n\n2024년 3월 4일 (월) 오전 9:15, Li <li@x.test>님이 작성:\n\n> ?", "네"},
		"on without a date":       {"On Monday Li wrote:\n> a\nb", "b"},
		"on without a quotation":  {"On Monday Li wrote:\nI agree.", "On Monday Li wrote:\nI agree."},
		"words of a person":       {"On 3 March you wrote:\nplease send lamps\n\nWe will.", "On 3 March you wrote:\nplease send lamps\n\nWe will."},
		"unmarked, with a year":   {"Fine\n\nOn 4 March 2024, Li wrote:\nold\n\nold", "Fine"},
		"phone":                   {"好\n\n-------- 原始信息 --------\n发件人： 李雷\n旧", "好"},
		"outlook for phones":      {"Ok\n\n________________________________\nFrom: Li Lei <a@b.test>\nSent: Monday\nTo: Wang\nSubject: x\n\nold", "Ok"},
		"lark in english":         {"Ok\n\nFrom: \"Li\"<a@b.test>\nDate: Mon, Mar 4, 2024, 09:15\nSubject: x\nTo: \"Wang\"<w@b.test>\nold", "Ok"},
		"deeper quotations":       {"新\n>> 很旧\n> 旧\n 中\n>旧", "新\n 中"},
		"thunderbird in chinese":  {"在 2024/3/4 9:15, Li Lei 写道:\n> 问\n\n答", "答"},
		"a list of prices":        {"Prices at 20 pieces:\n- A 12\n- B 13", "Prices at 20 pieces:\n- A 12\n- B 13"},
		"dashes of a person":      {"a\n--- note ---\nb", "a\n--- note ---\nb"},
		"labels of a person":      {"发件人：见附件\n请处理。", "发件人：见附件\n请处理。"},
		"header with a gap":       {"好\n发件人: 李雷 <a@b.test>\n发送时间: 2024\n收件人: 一\n <二@b.test>;\n <三@b.test>\n主题: x\n\n旧", "好"},
		"bold header":             {"ok\n\n*From:* Li <a@b.test>\n*Sent:* Monday\n*To:* Wang\n*Subject:* x\n\nold", "ok"},
		"spread label":            {"好\n发件人：李雷\n日　期：2024年\n主　题：x\n旧", "好"},
		"forward below a tagline": {"Sent from my iPhone\n\nBegin forwarded message:\n\nThe words.", "Sent from my iPhone\n\nBegin forwarded message:\n\nThe words."},
		"reply of a phone":        {"Sent from my iPhone\n\n-----Original Message-----\nold", "Sent from my iPhone"},
		"forward with a word":     {"FYI\n\nBegin forwarded message:\n\nThe words.", "FYI"},
	} {
		if got := message.Unquote(c.text); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestSignature(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", "Hello": "", "-- \nWang": "",
		"Hi\n--\nWang":                           "Wang",
		"Hi\n--":                                 "",
		"See you\n\nThanks,\nWang Fang":          "Wang Fang",
		"See you\n\nThanks,\nplease bring lamps": "",
		"Thanks":                                 "",
		"谢谢\n王芳":                                 "王芳",
		"已发货。\n谢谢\n王芳":                           "王芳",
		"您好，合同已寄出。\n\n王芳 | 销售部\n手机 13800000000":                              "王芳 | 销售部\n手机 13800000000",
		"订单如下\n\n订单号 20240301001\n订单号 20240301002":                           "",
		"See https://example.com/a\nhttps://example.com/b":                   "",
		"Fine.\n\nMit freundlichen Grüßen\nEva Müller\nVertrieb":             "Eva Müller\nVertrieb",
		"Agreed.\n\nSent from Outlook for iOS<https://aka.ms/o0ukef>":        "Sent from Outlook for iOS<https://aka.ms/o0ukef>",
		"Agreed.\n\nGet Outlook for Android":                                 "Get Outlook for Android",
		"Call him:\n\nLi Lei\nTel: +86 21 5555 0000\nli.lei@customer.test":   "",
		"Done\n\nLi Lei\nTel: +86 21 5555 0000\nli.lei@customer.test":        "Li Lei\nTel: +86 21 5555 0000\nli.lei@customer.test",
		"Our address changed. The new one is\n\nRoad 5\nShanghai, old town.": "",
	} {
		if got := message.Signature(text); got != want {
			t.Errorf("Signature(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestLanguage(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", "好": "", "好的": "zh", "OK": "", "12345 !!": "", "收到，谢谢": "zh", "謝謝您的來信，請確認訂單": "zh-Hant",
		"了解しました。":                                     "ja",
		"The order and the invoice are attached":      "en",
		"http://example.com/the/of and@example.com":   "",
		"Vi bekräftar och skickar fakturan i morgon":  "sv",
		"Ci serve la fattura per gli ordini, grazie":  "it",
		"Wij hebben het niet voor u, dank":            "nl",
		"Teşekkürler, fatura ekte ve sipariş için":    "tr",
		"Proszę o ofertę i cenę, dziękuję":            "pl",
		"Terima kasih, kami akan kirim untuk anda":    "id",
		"Καλημέρα, σας στέλνουμε την προσφορά":        "el",
		"שלום, מצורפת הצעת המחיר":                     "he",
		"สวัสดีครับ ขอใบเสนอราคา":                     "th",
		"سلام، پیشنهاد قیمت را برای گفتگو میفرستیم چ": "fa",
		"नमस्ते, कृपया कोटेशन भेजें":                  "hi",
	} {
		if got := message.Language(text); got != want {
			t.Errorf("Language(%q) = %q, want %q", text, got, want)
		}
	}
}

// Unquoting what is unquoted changes nothing, for all that people send.
func TestUnquoteTwice(t *testing.T) {
	t.Parallel()
	for _, file := range corpus(t) {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		once := parse(t, string(raw), message.Options{}).Unquoted
		if twice := message.Unquote(once); twice != once {
			t.Errorf("%s: %q becomes %q", file, once, twice)
		}
	}
}

func TestPathologicalTexts(t *testing.T) {
	for _, unit := range []string{
		"On 2024 wrote:\n", "在 2024\n写道\n", "From: a@b\n", "发件人：a\n主题：b\n", "-- \n", "----\n", "> \n", "\n", " ", ">", "*", "--原始邮件--x\n", "a@b\n", "<a@b>\n于2024写道：\n> x\n",
		"On 2024 @\n", "Best\n", "电话：1\n", "王芳\n", "Sent from my \n", "x:", "的", "the ", "ß", "On Li wrote:\n\n\n\n\n\n\n\n",
	} {
		cost := func(n int) float64 {
			text := strings.Repeat(unit, n)
			return float64(allocated(func() {
				message.Signature(message.Unquote(text))
				message.Language(text)
			}))
		}
		const n = 5_000
		cost(n)
		if small, large := cost(n), cost(4*n); large > 8*small+1<<20 {
			t.Errorf("%q: %.0f bytes allocated, and %.0f for four times the text", unit, small, large)
		}
		message.Signature(message.Unquote(strings.Repeat(unit, 1<<20/len(unit)))) // would not end if it were quadratic
	}
}

func FuzzUnquote(f *testing.F) {
	for _, s := range []string{
		"a\n> b\nc", "On 2024 wrote:\n> a\nb", "好\n发件人: a@b\n主题: c\n发送时间: d", "--原始邮件--\na", "李 <a@b>\n于2024写道：\n> a", "Sent from my iPhone\nBegin forwarded message:\na",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := message.Unquote(text)
		subsequence(t, got, text)
		if got == "" && strings.TrimSpace(text) != "" {
			t.Fatalf("nothing is left of %q", text)
		}
	})
}

func FuzzSignature(f *testing.F) {
	for _, s := range []string{
		"Hi\n-- \nWang", "谢谢\n王芳", "a\n\n王芳\n电话：021-55550000\n邮箱：a@b", "x\nSent from my iPhone", "Dear\n\nBest regards,\nA B\n+86 1234567",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := message.Signature(text)
		message.Language(text)
		bare := strings.TrimSpace(text)
		if !strings.HasSuffix(bare, got) {
			t.Fatalf("%q is not the end of %q", got, text)
		}
		if got != "" && strings.TrimSpace(strings.TrimSuffix(bare, got)) == "" {
			t.Fatalf("%q is all of %q", got, text)
		}
	})
}
