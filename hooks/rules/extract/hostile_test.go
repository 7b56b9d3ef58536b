package extract_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"heliograph/hooks/rules/extract"
)

// greedy looks for everything, everywhere.
const greedy = `
order_no: {label: [订单号, Order no, 编号], kind: order_no}
any_order: {kind: order_no, from: [subject, text, html]}
amount: {label: [金额, Amount, Total], kind: amount}
any_amount: {kind: amount, all: true, from: [text, html]}
date: {label: [日期, Date], kind: date}
any_date: {kind: date, all: true, from: [text, html]}
phone: {kind: phone, all: true, from: [text, html]}
email: {kind: email, all: true, from: [text, html]}
url: {kind: url, all: true, from: [text, html]}
person: {kind: person, from: [text, html]}
company: {kind: company, all: true, from: [text, html]}
number: {label: [a, '1', 数], kind: number, all: true}
qty: {kind: quantity, all: true, from: [text, html]}
text: {label: [a, b, 订单], all: true}
code: {pattern: '(?:[a-z]+\d*)+x{2,20}(y|z){1,10}$', from: [text, html]}
items: {table: {columns: {a: [a, 品名], b: {label: [b, 数量], kind: number}, c: {label: '1', kind: amount}}}, from: [text, html]}
`

func specs(t testing.TB, text string) extract.Specs {
	t.Helper()
	s, err := extract.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// hostile are texts of about a megabyte that are made to cost much.
func hostile() map[string]string {
	const size = 1 << 20
	fill := func(s string) string { return strings.Repeat(s, size/len(s)) }
	rnd := rand.New(rand.NewPCG(3, 4))
	junk := make([]byte, size)
	for i := range junk {
		junk[i] = byte(rnd.Uint32())
	}
	words := []rune("订单号金额日期年月日元万￥$：: ,.-|\t\n0123456789abcXYZ@/有限公司壹贰拾佰")
	var mixed strings.Builder
	for mixed.Len() < size {
		mixed.WriteRune(words[rnd.IntN(len(words))])
	}
	return map[string]string{
		"bytes":    string(junk),
		"mixed":    mixed.String(),
		"digits":   fill("1"),
		"groups":   fill("1,234"),
		"spaces":   fill(" "),
		"dates":    fill("2026-11-22 11/12/2026 11月22日 "),
		"amounts":  fill("￥12,345.60 1.2万元 USD 3 "),
		"phones":   fill("13800138000 +49 711 685 1234 "),
		"labels":   fill("订单号：订单号："),
		"lines":    fill("订单号：\n"),
		"mails":    fill("a@b.cn a.a.a.a@"),
		"urls":     fill("http://"),
		"company":  fill("A B C D E "),
		"han":      fill("有限公有"),
		"tabs":     fill("a\tb\t1\n"),
		"bars":     fill("|a|b|1|\n"),
		"gaps":     fill("a  b  1\n"),
		"html":     fill("<table><tr><td>"),
		"cells":    "<table>" + fill("<tr><td>a<td>b<td>1</tr>"),
		"nested":   fill("<div><p><b>"),
		"colspans": fill("<td colspan=99999>"),
		"aaaa":     fill("a") + "xxy",
		"capitals": fill("壹万贰仟叁佰"),
	}
}

// cpu is the processor time that this process has used: the clock on the wall says more about the machine.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestHostile: a megabyte in each part of the mail costs less than 200 ms, whatever the specs. It runs alone, as it measures.
func TestHostile(t *testing.T) {
	s := specs(t, greedy)
	for name, text := range hostile() {
		m := extract.Mail{Subject: text, Text: text, Unquoted: text, HTML: text, Language: "zh", Date: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)}
		start := cpu(t)
		r := extract.Extract(m, s)
		took := cpu(t) - start
		t.Logf("%-10s %v %d fields", name, took.Round(time.Millisecond), len(r.Fields))
		if !r.Truncated {
			t.Errorf("%s: not told that it is too long", name)
		}
		if took > slower*200*time.Millisecond {
			t.Errorf("%s took %v", name, took)
		}
		for field, f := range r.Fields {
			if len(f.Candidates) > 50 {
				t.Errorf("%s: %s has %d candidates", name, field, len(f.Candidates))
			}
		}
	}
}

func BenchmarkHostile(b *testing.B) {
	s := specs(b, greedy)
	for name, text := range hostile() {
		b.Run(name, func(b *testing.B) {
			m := extract.Mail{Text: text, HTML: text, Language: "zh", Date: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)}
			for b.Loop() {
				extract.Extract(m, s)
			}
		})
	}
}

func BenchmarkOrder(b *testing.B) {
	f := load(b, "testdata/zh_order.txt")
	for b.Loop() {
		extract.Extract(f.mail, f.specs)
	}
}

// TestNothing: what is not there is missing, not empty.
func TestNothing(t *testing.T) {
	t.Parallel()
	for _, m := range []extract.Mail{
		{},
		{Subject: "Hello", Text: "订单号：\n金额：\n日期：\n\nOrder no:\n", HTML: "<p></p>", Language: "zh"},
		{Subject: "\x00\xff", Text: "\xff\xfe", HTML: "<", Attachments: []string{""}},
	} {
		r := extract.Extract(m, specs(t, greedy))
		if len(r.Fields) != 0 || len(r.Values()) != 0 {
			t.Errorf("%q: found %v", m.Text, r.Values())
		}
	}
}

// TestLabels: the ways in which people write a label.
func TestLabels(t *testing.T) {
	t.Parallel()
	s := specs(t, "v: {label: [订单号, Order no], kind: order_no}")
	for text, want := range map[string]string{
		"订单号：SO-123": "SO-123", "订单号:SO-123": "SO-123", "订单号 ： SO-123": "SO-123", "【订单号】SO-123": "SO-123", "**订单号**：SO-123": "SO-123", "**订单号：** SO-123": "SO-123",
		"订单号（必填）：SO-123": "SO-123", "订单号是SO-123": "SO-123", "订单号为 SO-123。": "SO-123", "您的订单号：【SO-123】": "SO-123", "订单号 SO-123": "SO-123", "订单号SO-123": "SO-123",
		"订单号\tSO-123": "SO-123", "订单号 | SO-123": "SO-123", "订单号\nSO-123": "SO-123", "订单号：\n\n  SO-123": "SO-123", "订单号：\n金额：SO-123": "", "订单号=SO-123": "SO-123",
		"Order No.: SO-123": "SO-123", "ORDER NO: so-123": "so-123", "Order no is SO-123.": "SO-123", "Order-no: 1": "", "OrderNo: SO-123": "SO-123", "order no. # SO-123": "SO-123",
		"Ｏｒｄｅｒ　Ｎｏ：ＳＯ－１２３": "SO-123", "Preorder no: SO-123": "", "Order note: SO-123": "", "1. 订单号：SO-123": "SO-123", "- Order no: SO-123": "SO-123",
		"> 订单号：SO-123": "SO-123", "订单号码：SO-123": "SO-123", "订单号：待定": "", "订单号：见附件 2 页": "", "\"Order no\": \"SO-123\"": "SO-123", "Order no - SO-123": "SO-123",
		"order_no: SO-123": "SO-123", "Order\u00a0no: SO-123": "SO-123", "订\u200b单号：SO-123": "SO-123", "订单号：SO-123 金额：100": "SO-123", "订单号一直没有，但 SO-123": "",
	} {
		got, _ := extract.Extract(extract.Mail{Text: text, Language: "zh"}, s).Values()["v"].(string)
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestOrder: what is certain comes before what is likely, and the subject before the text.
func TestOrder(t *testing.T) {
	t.Parallel()
	m := extract.Mail{Subject: "Re: SO-111", Text: "about SO-222\nOrder no: SO-333\nOrder no: SO-444\n"}
	r := extract.Extract(m, specs(t, "v: {label: Order no, pattern: 'SO-\\d+'}\nany: {pattern: 'SO-\\d+', all: true}\n"))
	var got []string
	for _, c := range r.Fields["v"].Candidates {
		got = append(got, fmt.Sprint(c.Value, " ", c.Confidence))
	}
	if want := "SO-333 certain|SO-444 certain|SO-111 likely"; strings.Join(got, "|") != want {
		t.Errorf("candidates %v, want %s", got, want)
	}
	if all, err := json.Marshal(r.Values()["any"]); err != nil || string(all) != `["SO-111","SO-222","SO-333","SO-444"]` {
		t.Errorf("all: %s, %v", all, err)
	}
	if r.Truncated {
		t.Error("a small mail is not truncated")
	}
}

// TestTables: one table, or all of them; sums are no rows, and a missing cell is missing.
func TestTables(t *testing.T) {
	t.Parallel()
	m := extract.Mail{Text: "品名\t数量\nA\t2\nB\t\n合计\t2\n\n品名\t数量\nC\t1,000\n", Language: "zh"}
	for spec, want := range map[string]string{
		"v: {table: {columns: {item: 品名, qty: {label: 数量, kind: number}}}}":            `[{"item":"A","qty":2},{"item":"B"}]`,
		"v: {table: {columns: {item: 品名, qty: {label: 数量, kind: number}}}, all: true}": `[{"item":"A","qty":2},{"item":"B"},{"item":"C","qty":1000}]`,
		"v: {label: 品名, all: true}":                    `["A","B","C"]`,
		"v: {label: 数量, kind: number}":                 `2`,
		"v: {table: {columns: {item: 品名, price: 单价}}}": `null`,
	} {
		got, err := json.Marshal(extract.Extract(m, specs(t, spec)).Values()["v"])
		if err != nil || string(got) != want {
			t.Errorf("%s: %s %v, want %s", spec, got, err, want)
		}
	}
}

func TestWrongSpecs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"v: {}":                                  "one of label, pattern, table and kind",
		"v: {lable: x}":                          "lable",
		"v: {kind: colour}":                      `no kind "colour"; there are amount`,
		"v: {kind: text}":                        "neither is there",
		"v: {label: ''}":                         "is empty",
		"v: {label: 7}":                          "neither a word nor a list",
		"v: {pattern: '('}":                      "no RE2 expression",
		"v: {pattern: 'a*'}":                     "fits the empty text",
		"v: {pattern: '(a{1,100}){1,10}b{900}'}": "too many repetitions",
		"v: {pattern: '" + strings.Repeat("a", 600) + "'}":  "at most 500",
		"v: {kind: date, date_order: ymd}":                  "neither dmy nor mdy",
		"v: {kind: date, from: body}":                       `no part "body"`,
		"v: {kind: amount, currency: yuan}":                 "no code such as CNY",
		"v: {kind: phone, region: China}":                   "no code such as CN",
		"v: {table: {columns: {}}}":                         "table.columns: between 1",
		"v: {table: {columns: {a: []}}}":                    "no heading",
		"v: {table: {columns: {a: b}}, kind: date}":         "in its columns",
		"v: {table: {columns: {a: {label: b, knd: date}}}}": "knd",
		"V-1: {kind: date}":                                 "a name has small letters",
		"v: &x {kind: date}":                                "anchors",
		"v: [1":                                             "read extract",
	} {
		if s, err := extract.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v %v, want %q", text, s, err, want)
		}
	}
	var s extract.Spec
	if err := json.Unmarshal([]byte(`{"kind":"date","more":1}`), &s); err == nil {
		t.Error("an unknown key in JSON was taken")
	}
	if err := (extract.Specs{"v": {Kind: "colour"}}).Check(); err == nil {
		t.Error("a wrong kind was taken")
	}
}

// TestSpecsAreData: specs survive JSON.
func TestSpecsAreData(t *testing.T) {
	t.Parallel()
	s := specs(t, greedy)
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var back extract.Specs
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(back)
	if err != nil || string(again) != string(data) {
		t.Errorf("%s\nbecame\n%s, %v", data, again, err)
	}
}

func FuzzExtract(f *testing.F) {
	f.Add("Re: PO-1188", "订单号：SO-1\n金额：￥12,345.60\n品名\t数量\na\t2\n", "<table><tr><td>a<td>b</tr></table>", "zh", int64(1790000000))
	f.Add("x", "Total: EUR 3.000,50\nnext Friday at 9 pm, 11月底 叁万元整", "<blockquote>x</blockquote>", "de", int64(0))
	s := specs(f, greedy)
	f.Fuzz(func(t *testing.T, subject, text, html, language string, unix int64) {
		m := extract.Mail{Subject: subject, Text: text, HTML: html, Language: language, Date: time.Unix(unix%4e9, 0).UTC()}
		r := extract.Extract(m, s)
		evidence(t, extract.Mail{Subject: strings.NewReplacer("\r", "", "\n", " ").Replace(subject), Text: text}, r)
		if render(r) != render(extract.Extract(m, s)) {
			t.Fatal("not the same a second time")
		}
	})
}

func FuzzSpecs(f *testing.F) {
	f.Add([]byte(greedy))
	f.Fuzz(func(_ *testing.T, text []byte) {
		s, err := extract.Parse(text)
		if err == nil {
			extract.Extract(extract.Mail{Subject: "a: 1", Text: "订单号：SO-1", Language: "zh"}, s)
		}
	})
}
