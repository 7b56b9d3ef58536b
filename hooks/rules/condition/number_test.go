package condition

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestAmount(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"100,000.00": "100000", "￥1,200": "1200", "¥ 1,200.50": "2401/2", "USD 12.50": "25/2", "12.5万元": "125000", "1.2亿": "120000000", "-5": "-5", "- ￥5": "-5",
		"￥-5": "-5", "１２３": "123", "12元": "12", "1e3": "1000", "人民币3万": "30000", "+7": "7", ".5": "1/2",
		"": "", "1,2": "", "1.200,00": "", "1,200,00": "", "12 34": "", "面议": "", "1/2": "", "0x10": "", "1_000": "", "1e999999999": "", "--5": "", "￥": "", "5%": "", "1e3万": "",
	} {
		got := ""
		if r := amount(text); r != nil {
			got = r.RatString()
		}
		if got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

func TestMoment(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("", 8*3600)
	for text, want := range map[string]string{
		"2026-03-04": "2026-03-04T00:00:00+08:00", "2026/3/4": "2026-03-04T00:00:00+08:00", "2026年3月4日": "2026-03-04T00:00:00+08:00",
		"2026-03-04T10:00:00Z": "2026-03-04T10:00:00Z", "2026-03-04 10:00": "2026-03-04T10:00:00+08:00", "2026年3月4日 15时4分": "2026-03-04T15:04:00+08:00",
		"Wed, 04 Mar 2026 10:00:00 +0100": "2026-03-04T10:00:00+01:00", "２０２６-03-04": "2026-03-04T00:00:00+08:00",
		"": "", "2026": "", "12345678": "", "yesterday?": "", "2026-13-01": "", "monday morning": "",
	} {
		got := ""
		if s, ok := moment(text, zone); ok {
			got = s.start.Format(time.RFC3339)
		}
		if got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

func TestFold(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"ＡＢＣ　": "abc", " Straße": "strasse", "ﬁ": "fi", "投诉：ＶＩＰ": "投诉:vip", "ΣΊΣΥΦΟΣ": "σίσυφοσ", "K": "k"} {
		if got := Fold(text); got != want {
			t.Errorf("%q is folded to %q, want %q", text, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "text")
		if once := Fold(s); Fold(once) != once {
			t.Fatalf("%q is folded to %q and then to %q", s, once, Fold(once))
		}
	})
}
