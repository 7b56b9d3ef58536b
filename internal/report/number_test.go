package report

import (
	"errors"
	"strings"
	"testing"
)

func asTemporary(err error, target *interface{ Temporary() bool }) bool {
	return errors.As(err, target)
}

func TestParseNumber(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"1234.50":                "number 1234.5",
		"1,234,567":              "number 1234567",
		"１，２３４．５":                "number 1234.5",
		"¥1,234.5":               "money 1234.5 CNY",
		"￥-3":                    "money -3 CNY",
		"-$ 3.00":                "money -3 USD",
		"12元":                    "money 12 CNY",
		"1.5万元":                  "money 15000 CNY",
		"2亿":                     "number 200000000",
		"(1,000)":                "number -1000",
		"12.5%":                  "percent 0.125",
		"EUR 7":                  "money 7 EUR",
		"1e3":                    "number 1000",
		"1,23":                   "",
		"12,34,567":              "",
		"--5":                    "",
		"1.2.3":                  "",
		"SO123":                  "",
		"":                       "",
		"1e999999999":            "",
		"5-":                     "",
		strings.Repeat("9", 100): "",
	} {
		p, ok := parseNumber(text)
		got := ""
		if ok {
			got = strings.TrimSpace(string(p.kind) + " " + string(number(p.value)) + " " + p.currency)
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestShow(t *testing.T) {
	t.Parallel()
	two := 2
	for _, c := range []struct {
		value  any
		column Column
		zh, en string
	}{
		{n("-1234.565"), Column{Kind: Money, Currency: "USD"}, "-$1,234.57", "-$1,234.57"},
		{n("-0.001"), Column{Kind: Money}, "0.00", "0.00"},
		{n("1500"), Column{Kind: Money, Currency: "JPY"}, "JPY 1,500", "JPY 1,500"},
		{n("0.98765"), Column{Kind: Percent}, "98.8%", "98.8%"},
		{n("0.98765"), Column{Kind: Percent, Decimals: &two}, "98.77%", "98.77%"},
		{nil, Column{Kind: Percent}, "–", "–"},
		{nil, Column{Kind: Money}, "", ""},
		{n("1234567"), Column{Kind: Text}, "1234567", "1234567"},
		{true, Column{Kind: Bool}, "是", "yes"},
		{[]any{"a", n("2")}, Column{Kind: Text}, "a、2", "a, 2"},
		{someDay, Column{Kind: Date}, "2026-10-15", "2026-10-15"},
		{someDay, Column{Kind: DateTime}, "2026-10-15 00:00", "2026-10-15 00:00"},
		{map[string]any{"k": "<v>"}, Column{Kind: Text}, `{"k":"<v>"}`, `{"k":"<v>"}`},
	} {
		if got := (Options{}).show(c.value, c.column); got != c.zh {
			t.Errorf("%v: got %q, want %q", c.value, got, c.zh)
		}
		if got := (Options{Language: "en"}).show(c.value, c.column); got != c.en {
			t.Errorf("%v: got %q, want %q", c.value, got, c.en)
		}
	}
}
