package decimal_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"heliograph/internal/decimal"
)

func TestOf(t *testing.T) {
	t.Parallel()
	for v, want := range map[any]string{
		"7": "7", "-0.50": "-1/2", "+7": "7", ".5": "1/2", "5.": "5", "1e3": "1000", "1E-2": "1/100", " 1,234.5 ": "2469/2", "-1,000": "-1000", "999": "999",
		json.Number("1.28E3"): "1280", 12: "12", int64(math.MinInt64): "-9223372036854775808", 0.5: "1/2", 1e21: "1000000000000000000000",
		"": "", "1,2": "", "1,200,00": "", "1.200,00": "", ",100": "", "1,000,": "", "1000,000": "", "1/2": "", "0x10": "", "1_000": "", "--5": "", "1-2": "", "1e": "", "1e5e5": "", "1.2.3": "", "１２": "",
		"NaN": "", "Inf": "", math.NaN(): "", math.Inf(1): "", true: "", "1e61": "", "1e999999999": "", "1e99999999999999999999": "", strings.Repeat("9", decimal.MaxText): strings.Repeat("9", decimal.MaxText),
		strings.Repeat("9", decimal.MaxText+1): "", json.Number("1,000"): "", json.Number(""): "",
	} {
		got := ""
		if n, ok := decimal.Of(v); ok {
			got = n.RatString()
		}
		if got != want {
			t.Errorf("%v is %q, want %q", v, got, want)
		}
	}
	if _, ok := decimal.Of(nil); ok {
		t.Error("nil is a number")
	}
}

func TestGroup(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"": "", "1": "1", "999": "999", "1000": "1,000", "-128000.50": "-128,000.50", "+1234567": "+1,234,567", "0.0001": "0.0001", "123456.": "123,456."} {
		if got := decimal.Group(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[-+]?[0-9]{1,30}(\.[0-9]{0,10})?`).Draw(t, "text")
		back, ok := decimal.Ungroup(decimal.Group(text))
		if !ok || back != text {
			t.Errorf("%q comes back as %q, %v", text, back, ok)
		}
	})
}

// FuzzOf looks for texts that are read and should not be: what is read is written in digits, and is no longer than it was.
func FuzzOf(f *testing.F) {
	for _, text := range []string{"1", "-1,234.50", "1e60", "1e-60", ".5e3", "1/2", "0b1", "∞"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, ok := decimal.Of(text)
		if !ok {
			return
		}
		if strings.Trim(strings.TrimSpace(text), "0123456789.,+-eE") != "" {
			t.Errorf("%q is read as %s", text, n)
		}
		if size := len(n.Num().String()) + len(n.Denom().String()); size > 3*decimal.MaxText {
			t.Errorf("%q takes %d digits", text, size)
		}
	})
}
