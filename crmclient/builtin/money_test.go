package builtin_test

import (
	"errors"
	"math"
	"testing"

	"heliograph/crmclient/builtin"
)

func TestAmounts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, currency string
		minor          int64
		shown          string
	}{
		{"128000.50", "CNY", 12_800_050, "128,000.50"},
		{"128,000.5", "CNY", 12_800_050, "128,000.50"},
		{" 7 ", "EUR", 700, "7.00"},
		{"0.07", "USD", 7, "0.07"},
		{"1500", "JPY", 1500, "1,500"},
		{"1500.00", "JPY", 1500, "1,500"},
		{"1.234", "KWD", 1234, "1.234"},
		{"1000000", "ZZZ", 100_000_000, "1,000,000.00"},
		{"0", "CNY", 0, "0.00"},
	} {
		got, err := builtin.ParseAmount(c.text, c.currency)
		if err != nil || got != c.minor {
			t.Errorf("ParseAmount(%q, %s): got %d, %v, want %d", c.text, c.currency, got, err, c.minor)
		}
		if shown := builtin.FormatAmount(got, c.currency); shown != c.shown {
			t.Errorf("FormatAmount(%d, %s): got %q, want %q", got, c.currency, shown, c.shown)
		}
	}
	if got, want := builtin.FormatAmount(math.MinInt64, "CNY"), "-92,233,720,368,547,758.08"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestBadAmounts(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", ".5", "-1", "1e3", "1.005", "12万", "99999999999999999999", "1.2.3", "１２", "+1"} {
		var invalid *builtin.InvalidError
		if got, err := builtin.ParseAmount(text, "CNY"); !errors.As(err, &invalid) {
			t.Errorf("ParseAmount(%q): got %d, %v, want an *InvalidError", text, got, err)
		}
	}
}
