package compose

import (
	"encoding/json"
	"math/big"
	"strings"

	"golang.org/x/text/currency"

	"heliograph/internal/decimal"
)

func wholeOf(v any) (int, bool) {
	n, ok := decimal.Of(v)
	if !ok || !n.IsInt() || !n.Num().IsInt64() || n.Num().Int64() > 1<<30 || n.Num().Int64() < -1<<30 {
		return 0, false
	}
	return int(n.Num().Int64()), true
}

// grouped writes a number with so many decimals, rounded half away from zero, in groups of three; below zero decimals, with as
// many as it has.
func grouped(n *big.Rat, decimals int) string {
	if decimals < 0 {
		d, exact := n.FloatPrec()
		decimals = d
		if !exact {
			decimals = min(d, 10)
		}
		decimals = min(decimals, decimal.MaxText)
	}
	s := n.FloatString(decimals)
	sign := ""
	if strings.HasPrefix(s, "-") {
		s = s[1:]
		if strings.Trim(s, "0.") != "" {
			sign = "-"
		}
	}
	return sign + decimal.Group(s)
}

// number writes a number in groups of three, with the decimals asked for.
func number(r *rendering, args []any) (any, error) {
	decimals := -1
	if len(args) == 2 {
		var ok bool
		if decimals, ok = wholeOf(args[0]); !ok || decimals < 0 || decimals > 20 {
			return nil, r.wrong("number", "小数位数应为 0 到 20 / the number of decimals is 0 to 20")
		}
	}
	n, ok := decimal.Of(args[len(args)-1])
	if !ok {
		return nil, r.wrong("number", "不是数字 / this is no number")
	}
	return grouped(n, decimals), nil
}

// signs of currencies, as CLDR has them for Chinese.
var signs = map[string]string{
	"CNY": "¥", "USD": "US$", "EUR": "€", "GBP": "£", "JPY": "JP¥", "HKD": "HK$", "TWD": "NT$", "KRW": "₩", "AUD": "AU$", "CAD": "CA$",
	"INR": "₹", "NZD": "NZ$", "VND": "₫", "BRL": "R$", "MXN": "MX$", "ILS": "₪",
}

func checkCurrency(i int, word string) (zh, en string) {
	if i != 0 || word == "" {
		return "", ""
	}
	if _, err := currency.ParseISO(word); err != nil {
		return "没有货币 " + word + "，请用 ISO 代码，如 CNY", "there is no currency " + word + "; use an ISO code such as CNY"
	}
	return "", ""
}

// money writes an amount with the sign and the decimals of its currency (ISO 4217).
func money(r *rendering, args []any) (any, error) {
	unit, err := currency.ParseISO(strings.TrimSpace(plain(args[0])))
	if err != nil {
		return nil, r.wrong("money", "货币应为 ISO 代码，如 CNY / the currency is an ISO code such as CNY")
	}
	n, ok := decimal.Of(args[1])
	if !ok {
		return nil, r.wrong("money", "金额不是数字 / the amount is no number")
	}
	decimals, _ := currency.Standard.Rounding(unit)
	s := grouped(n, decimals)
	minus := ""
	if rest, negative := strings.CutPrefix(s, "-"); negative {
		minus, s = "-", rest
	}
	if sign := signs[unit.String()]; sign != "" {
		return minus + sign + s, nil
	}
	return unit.String() + " " + minus + s, nil
}

// add adds to a number, or a span such as "3d" or "2h" to a time. The value comes last.
func add(args []any, sign int64) (any, error) {
	if t, ok := args[1].(interface{ IsZero() bool }); ok && !t.IsZero() {
		return shift(args[1], plain(args[0]), sign)
	}
	by, okBy := decimal.Of(args[0])
	n, ok := decimal.Of(args[1])
	if !ok || !okBy {
		return nil, Problem{Code: "arguments", Zh: "plus 与 minus 只能用于数字，或时间与时长（如 \"3d\"、\"2h\"）", En: `plus and minus take numbers, or a time and a span such as "3d" or "2h"`}
	}
	sum := new(big.Rat).Add(n, new(big.Rat).Mul(by, big.NewRat(sign, 1)))
	return json.Number(strings.ReplaceAll(grouped(sum, -1), ",", "")), nil
}

// times multiplies: of an amount in cents, times 0.01 is the amount.
func times(r *rendering, args []any) (any, error) {
	by, okBy := decimal.Of(args[0])
	n, ok := decimal.Of(args[1])
	if !ok || !okBy {
		return nil, r.wrong("times", "只能用于数字 / it takes numbers")
	}
	return json.Number(strings.ReplaceAll(grouped(new(big.Rat).Mul(n, by), -1), ",", "")), nil
}
