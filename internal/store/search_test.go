package store

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestBigrams(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                      "",
		"Hello, World-2026!":    "hello world 2026",
		"采购订单":                  "采购 购订 订单",
		"张":                     "张",
		"请看PO4711的报价":           "请看 po4711 的报 报价",
		"ＡＢＣ１２３ ﾃｽﾄ":            "abc123 テス スト",
		"カタカナ ひらがな":             "カタ タカ カナ ひら らが がな",
		"한국어 메일":                "한국 국어 메일",
		"コーヒー":                  "コー ーヒ ヒー",
		"Straße ÉCOLE e\u0301t": "straße école ét",
		"a_b.c@d":               "a b c d",
		"\xff\xfe x":            "x",
		strings.Repeat("a", 65): "",
		"𠀀𠀁":                    "𠀀𠀁",
		"\U0001F4E7 mail":       "mail",
		"1,234.50":              "1 234 50",
		"हिन्दी":                "हिन्दी",
		"葛\U000E0100城市":         "葛城 城市",
	} {
		if got := Bigrams(text); got != want {
			t.Errorf("Bigrams(%q) = %q, want %q", text, got, want)
		}
	}
}

func checkTokens(t interface{ Fatalf(string, ...any) }, text string) {
	tokens := Tokens(text)
	for _, token := range tokens {
		if token == "" || !utf8.ValidString(token) || strings.ContainsAny(token, " \t\n") || len(token) > maxToken {
			t.Fatalf("token %q of %q", token, text)
		}
	}
	if again := Tokens(Bigrams(text)); !slices.Equal(again, tokens) {
		t.Fatalf("tokens of tokens: %q, first %q", again, tokens)
	}
	// Whoever searches for a text finds it, alone and inside another.
	around := Tokens("before " + text + " after")
	for _, token := range tokens {
		if !slices.Contains(around, token) {
			t.Fatalf("%q is not found in %q", token, around)
		}
	}
}

func TestTokensFindTheirText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) { checkTokens(t, rapid.String().Draw(t, "text")) })
}

func FuzzTokens(f *testing.F) {
	for _, s := range []string{"", "Hello 世界", "ＡＢＣ", "\xff", "e\u0301", "ﷺ", "한국어"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) { checkTokens(t, text) })
}
