package condition

import (
	"math/big"
	"strings"

	"golang.org/x/text/unicode/norm"

	"heliograph/internal/decimal"
)

// number reads a plain decimal number, or returns nil.
func number(text string) *big.Rat {
	n, _ := decimal.Parse(text)
	return n
}

// currencies stand before or after an amount; longer ones first.
var currencies = []string{"人民币", "美元", "欧元", "港币", "日元", "rmb", "cny", "usd", "eur", "gbp", "hkd", "jpy", "us$", "hk$", "¥", "$", "€", "£", "元", "圆"}

// multiples are the words behind a number that make it larger; longer ones first.
var multiples = []struct {
	word  string
	times int64
}{{"万亿", 1e12}, {"百万", 1e6}, {"千万", 1e7}, {"亿", 1e8}, {"万", 1e4}, {"千", 1e3}}

// amount reads a number as people write it: "100,000.00", "￥1,200", "USD 12.50", "12.5万元". It returns nil for all else;
// what could be two numbers, such as "1.200,00", is none.
func amount(text string) *big.Rat {
	if len(text) > 2*decimal.MaxText {
		return nil
	}
	if r := number(text); r != nil {
		return r
	}
	text = strings.ToLower(strings.TrimSpace(norm.NFKC.String(text)))
	sign := ""
	text, sign = cutSign(text, sign)
	for _, c := range currencies {
		if rest, ok := strings.CutPrefix(text, c); ok {
			text = strings.TrimSpace(rest)
			break
		}
	}
	text, sign = cutSign(text, sign)
	for _, c := range currencies {
		if rest, ok := strings.CutSuffix(text, c); ok {
			text = strings.TrimSpace(rest)
			break
		}
	}
	times := int64(1)
	for _, m := range multiples {
		if rest, ok := strings.CutSuffix(text, m.word); ok {
			text, times = strings.TrimSpace(rest), m.times
			break
		}
	}
	text, ok := decimal.Ungroup(text)
	if !ok || strings.ContainsAny(text, "eE+-") {
		return nil
	}
	r := number(sign + text)
	if r != nil && times != 1 {
		r.Mul(r, new(big.Rat).SetInt64(times))
	}
	return r
}

// cutSign takes a sign off the front of a text, unless there was one.
func cutSign(text, sign string) (rest, found string) {
	if sign == "" && text != "" && (text[0] == '-' || text[0] == '+') {
		return strings.TrimSpace(text[1:]), text[:1]
	}
	return text, sign
}
