package scope_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/hooks/mirror/scope"
)

var allKinds = []config.MaskKind{config.MaskIDCard, config.MaskBankCard, config.MaskPhone, config.MaskEmail}

func masking(t testing.TB, list ...config.Masking) *scope.Masking {
	t.Helper()
	m, err := scope.NewMasking(list)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func maskText(m *scope.Masking, text string) string {
	a := &crmclient.Activity{Text: text}
	m.Apply("crm", a)
	return a.Text
}

func TestMaskText(t *testing.T) {
	t.Parallel()
	m := masking(t, config.Masking{Kinds: allKinds})
	for _, tt := range []struct{ name, in, want string }{
		{"id card", "身份证号11010519491231002X。", "身份证号110***********002X。"},
		{"id card, small x", "id 11010519491231002x", "id 110***********002x"},
		{"id card with digit", "440524188001010014", "440***********0014"},
		{"id card in blocks", "110105 19491231 002X", "110*************002X"},
		{"id card, full width", "１１０１０５１９４９１２３１００２Ｘ", "１１０***********００２Ｘ"},
		{"id card of 15 digits", "旧证130503670401001号", "旧证130********1001号"},
		{"wrong check digit", "订单110105194912310021", "订单110105194912310021"},
		{"no province", "990105194912310028", "990105194912310028"},
		{"no date", "110105194913310021", "110105194913310021"},
		{"bank card", "卡号6222021234567890128", "卡号6222***********0128"},
		{"bank card in blocks", "4111 1111 1111 1111", "4111 **********1111"},
		{"bank card with hyphens", "4111-1111-1111-1111", "4111-**********1111"},
		{"American Express", "378282246310005", "3782*******0005"},
		{"full width card", "４１１１１１１１１１１１１１１１", "４１１１********１１１１"},
		{"order number", "订单号4111111111111112", "订单号4111111111111112"},
		{"a digit too many", "41111111111111111111", "41111111111111111111"},
		{"time stamp", "2026112203354112", "2026112203354112"},
		{"mobile", "请拨13812345678联系", "请拨138****5678联系"},
		{"mobile in blocks", "138 1234 5678", "138 *****5678"},
		{"mobile with hyphens", "138-1234-5678", "138-*****5678"},
		{"mobile with country", "+86 138 1234 5678", "+86 138 *****5678"},
		{"mobile with country and no blanks", "+8613812345678", "+86138****5678"},
		{"full width mobile", "１３８１２３４５６７８", "１３８****５６７８"},
		{"mobile in brackets", "(+86)13812345678", "(+86)138****5678"},
		{"emphasised", "***13812345678***", "***138****5678***"},
		{"no mobile", "12812345678", "12812345678"},
		{"serial number", "SN13812345678A", "SN13812345678A"},
		{"longer number", "1381234567890", "1381234567890"},
		{"landline", "电话010-12345678", "电话010-*****678"},
		{"landline in brackets", "(0755)12345678", "(0755)*****678"},
		{"landline in one", "02112345678", "021*****678"},
		{"abroad", "+1 (415) 555-2671", "+1 (41*********71"},
		{"short abroad", "+49 30 123456", "+49 3******56"},
		{"sum", "5+12345678", "5+12345678"},
		{"amount", "13812345678.50 元", "13812345678.50 元"},
		{"fraction", "0.13812345678", "0.13812345678"},
		{"mail", "wang.fang@example.com", "w********@example.com"},
		{"two", "13812345678/13912345678", "138****5678/139****5678"},
		{"dates and prices", "2026-11-22 15:30，共 128,500.00 元，编号 20261122-0015", "2026-11-22 15:30，共 128,500.00 元，编号 20261122-0015"},
	} {
		if got := maskText(m, tt.in); got != tt.want {
			t.Errorf("%s: %q became %q, want %q", tt.name, tt.in, got, tt.want)
		}
	}
}

func TestMaskPatterns(t *testing.T) {
	t.Parallel()
	m := masking(t, config.Masking{Patterns: []config.MaskPattern{{Name: "customer", Match: `KD-\d{8}`, KeepFirst: 3, KeepLast: 2}, {Name: "word", Match: `机密`}}})
	a := &crmclient.Activity{Subject: "KD-12345678", Text: "机密：KD-12345678 KD-1", Attachments: []crmclient.Attachment{{Name: "KD-12345678.pdf"}}}
	counts := m.Apply("crm", a)
	if a.Subject != "KD-******78" || a.Text != "**：KD-******78 KD-1" || a.Attachments[0].Name != "KD-******78.pdf" {
		t.Errorf("got %q, %q, %q", a.Subject, a.Text, a.Attachments[0].Name)
	}
	if counts["customer"] != 3 || counts["word"] != 1 {
		t.Errorf("got counts %v", counts)
	}
}

func TestMaskChoosesTargetsAndFields(t *testing.T) {
	t.Parallel()
	m := masking(t, config.Masking{Targets: []string{"crm"}, Kinds: allKinds, Fields: []config.MaskField{config.MaskSubject}})
	number := "13812345678"
	a := &crmclient.Activity{Subject: number, Text: number}
	m.Apply("erp", a)
	if a.Subject != number {
		t.Errorf("another target's subject became %q", a.Subject)
	}
	m.Apply("crm", a)
	if a.Subject == number || a.Text != number {
		t.Errorf("got subject %q, text %q", a.Subject, a.Text)
	}
	var none *scope.Masking
	none.Apply("crm", a)
}

func TestMaskHTML(t *testing.T) {
	t.Parallel()
	m := masking(t, config.Masking{Kinds: allKinds})
	for _, tt := range []struct{ name, in, want string }{
		{"text", `<p>13812345678</p>`, `<p>138****5678</p>`},
		{"across inline tags", `<p>138<b>1234</b>5678</p>`, `<p>138<b>****</b>5678</p>`},
		{"not across cells", `<td>138</td><td>12345678</td>`, `<td>138</td><td>12345678</td>`},
		{"entities", `<p>&#49;3812345678 &amp; co</p>`, `<p>138****5678 &amp; co</p>`},
		{"nothing found", `<P  class=a>1 &nbsp; 2</P >`, `<P  class=a>1 &nbsp; 2</P >`},
		{"page", `<a href="https://example.com/13812345678">13812345678</a>`, `<a href="https://example.com/13812345678">138****5678</a>`},
		{"call", `<a href="tel:13812345678">call</a>`, `<a href="tel:138****5678">call</a>`},
		{"picture", `<img src="cid:13812345678" alt="13812345678">`, `<img src="cid:13812345678" alt="138****5678">`},
		{"broken", `<p 13812345678`, `<p 13812345678`},
	} {
		a := &crmclient.Activity{HTML: tt.in}
		m.Apply("crm", a)
		if a.HTML != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, a.HTML, tt.want)
		}
	}
}

// FuzzMask: no panic, nothing grows, only stars are new, what is masked stays as it is when it is masked again.
func FuzzMask(f *testing.F) {
	for _, s := range []string{
		"13812345678", "+86 138-1234-5678", "11010519491231002X", "4111 1111 1111 1111", "１３８１２３４５６７８", "a@b.cn", "138****5678 1234 5678 9012",
		"***13812345678***", "0755-1234567 8", "<p>138<b>1234</b>5678</p>", "\xff13812345678\xff", "5****138 1234 5678",
	} {
		f.Add(s)
	}
	m := masking(f, config.Masking{Kinds: allKinds, Patterns: []config.MaskPattern{{Name: "k", Match: `K\d{4}`, KeepFirst: 1}}})
	f.Fuzz(func(t *testing.T, s string) {
		once := maskText(m, s)
		if utf8.RuneCountInString(once) != utf8.RuneCountInString(s) || len(once) > len(s) {
			t.Fatalf("%q became %q", s, once)
		}
		in := []rune(s)
		for i, r := range []rune(once) {
			if r != '*' && r != in[i] {
				t.Fatalf("%q became %q", s, once)
			}
		}
		if twice := maskText(m, once); twice != once {
			t.Fatalf("%q became %q and then %q", s, once, twice)
		}
		a := &crmclient.Activity{HTML: s}
		m.Apply("crm", a)
		if len(a.HTML) > 12*len(s)+64 { // what is masked is escaped anew
			t.Fatalf("%d bytes became %d", len(s), len(a.HTML))
		}
	})
}

// FuzzMaskHidesNumbers puts numbers that must be hidden among other text.
func FuzzMaskHidesNumbers(f *testing.F) {
	f.Add("电话 ", "，谢谢", uint32(12345678))
	m := masking(f, config.Masking{Kinds: allKinds})
	f.Fuzz(func(t *testing.T, before, after string, n uint32) {
		tail := [8]byte{}
		for i := range tail {
			tail[i], n = byte('0'+n%10), n/10
		}
		number := "138" + string(tail[:])
		// Only numbers that stand alone are numbers: no digits, letters or signs that people write into them next to it.
		got := maskText(m, strings.TrimRight(before, "0123456789０１２３４５６７８９*")+"：\n"+number+"\n。"+after)
		if strings.Contains(got, number) && !strings.Contains(before+after, number) {
			t.Fatalf("%s is still in %q", number, got)
		}
	})
}
