package builtin_test

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"heliograph/crmclient"
	"heliograph/crmclient/builtin"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
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

// TestAmountsOfRecords writes, reads, searches and follows amounts of deals as rules do, in units such as yuan.
func TestAmountsOfRecords(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c, ctx := open(t, db), t.Context()
		made := map[string]string{}
		for code, amount := range map[string]any{"CNY": "1,280.50", "JPY": json.Number("1280"), "KWD": json.Number("1280.501"), "CLF": 1280.5005, "ZZZ": json.Number("1.28E3")} {
			r, err := c.CreateRecord(ctx, builtin.ObjectDeals, code, map[string]any{"title": code, "amount": amount, "currency": code})
			if err != nil {
				t.Fatal(code, err)
			}
			made[code] = r.RemoteID
		}
		read := func(code, want string) {
			t.Helper()
			r, err := c.ReadRecord(ctx, builtin.ObjectDeals, made[code])
			if err != nil || r.Fields["amount"] != json.Number(want) {
				t.Errorf("%s: got %v, %v, want %s", code, r.Fields["amount"], err, want)
			}
		}
		for code, want := range map[string]string{"CNY": "1280.5", "JPY": "1280", "KWD": "1280.501", "CLF": "1280.5005", "ZZZ": "1280"} {
			read(code, want)
		}
		found := func(is crmclient.Comparison, v any) string {
			t.Helper()
			page, _, err := c.QueryRecords(ctx, crmclient.Query{Object: builtin.ObjectDeals, Where: []crmclient.Condition{{Field: "amount", Is: is, Value: v}}}, "")
			if err != nil {
				t.Fatal(is, v, err)
			}
			var codes []string
			for _, r := range page {
				codes = append(codes, r.Fields["currency"].(string))
			}
			slices.Sort(codes)
			return strings.Join(codes, " ")
		}
		for _, q := range []struct {
			is   crmclient.Comparison
			v    any
			want string
		}{
			{crmclient.Greater, json.Number("1280"), "CLF CNY KWD"},
			{crmclient.GreaterEqual, "1,280", "CLF CNY JPY KWD ZZZ"},
			{crmclient.Equal, 1280, "JPY ZZZ"},
			{crmclient.Less, 1280.5005, "CNY JPY ZZZ"},
			{crmclient.In, []any{"1280.5", json.Number("1280.501")}, "CNY KWD"},
			{crmclient.Greater, json.Number("-1"), "CLF CNY JPY KWD ZZZ"},
		} {
			if got := found(q.is, q.v); got != q.want {
				t.Errorf("amount %s %v: got %q, want %q", q.is, q.v, got, q.want)
			}
		}
		for _, bad := range []any{"many", "1.00005", json.Number("1e999"), json.Number("1e400000000"), "9" + strings.Repeat("0", 70), true, nil, "999999999999999999"} {
			_, _, err := c.QueryRecords(ctx, crmclient.Query{Object: builtin.ObjectDeals, Where: []crmclient.Condition{{Field: "amount", Is: crmclient.Less, Value: bad}}}, "")
			if crmclient.ClassOf(err) != crmclient.ClassConfiguration {
				t.Errorf("searching by %v: %v", bad, err)
			}
		}
		for _, bad := range []any{"many", "1.005", "-1", json.Number("1e400000000"), true, []any{1}, "999999999999999999"} {
			if err := c.UpdateRecord(ctx, builtin.ObjectDeals, made["CNY"], map[string]any{"amount": bad}); crmclient.ClassOf(err) != crmclient.ClassPermanent {
				t.Errorf("writing %v: %v", bad, err)
			}
		}
		_, cursor, err := c.RecordChanges(ctx, builtin.ObjectDeals, nil, "")
		if err != nil {
			t.Fatal(err)
		}
		if err := c.UpdateRecord(ctx, builtin.ObjectDeals, made["CNY"], map[string]any{"amount": 99}); err != nil {
			t.Fatal(err)
		}
		changes, _, err := c.RecordChanges(ctx, builtin.ObjectDeals, []string{"amount"}, cursor)
		if err != nil || len(changes) != 1 || changes[0].Old["amount"] != json.Number("1280.5") || changes[0].Fields["amount"] != json.Number("99") {
			t.Errorf("got %+v, %v", changes, err)
		}
		if err := c.UpdateRecord(ctx, builtin.ObjectDeals, made["CNY"], map[string]any{"currency": "JPY"}); err != nil { // 99 yuan, 99 yen
			t.Fatal(err)
		}
		read("CNY", "99")
		if err := c.UpdateRecord(ctx, builtin.ObjectDeals, made["KWD"], map[string]any{"currency": "JPY"}); crmclient.ClassOf(err) != crmclient.ClassPermanent { // no part of a yen
			t.Error(err)
		}
	})
}
