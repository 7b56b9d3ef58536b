package report

import (
	"encoding/json"
	"math/big"
	"strings"

	"golang.org/x/text/width"

	"heliograph/internal/decimal"
)

const (
	// maxPlaces is how many digits behind the point a number keeps that has an end.
	maxPlaces = 100
	// roundedPlaces is how many digits a quotient keeps that has no end, like 1/3.
	roundedPlaces = 20
)

// rational gives the exact number that a value is, also when a CRM sent it as text: "1,234.50", "¥3", "12%".
func rational(v any) (*big.Rat, bool) {
	if text, ok := v.(string); ok {
		n, ok := parseNumber(text)
		return n.value, ok
	}
	return decimal.Of(v)
}

// number turns an exact number back into a value: exactly if its decimals end, else to roundedPlaces digits.
func number(r *big.Rat) json.Number {
	places, exact := r.FloatPrec()
	if !exact || places > maxPlaces {
		s := strings.TrimRight(r.FloatString(roundedPlaces), "0")
		return json.Number(strings.TrimSuffix(s, "."))
	}
	return json.Number(r.FloatString(places))
}

// parsed is a number as people write it, with what its writing says about it.
type parsed struct {
	value    *big.Rat
	kind     Kind   // number, money or percent
	currency string // of money
	decimals int    // digits after the point
}

// currencySigns are what stands before or behind an amount, longest first.
var currencySigns = []struct{ sign, code string }{
	{"人民币", "CNY"},
	{"HK$", "HKD"},
	{"NT$", "TWD"},
	{"US$", "USD"},
	{"CNY", "CNY"},
	{"RMB", "CNY"},
	{"USD", "USD"},
	{"EUR", "EUR"},
	{"GBP", "GBP"},
	{"HKD", "HKD"},
	{"JPY", "JPY"},
	{"美元", "USD"},
	{"欧元", "EUR"},
	{"港币", "HKD"},
	{"港元", "HKD"},
	{"日元", "JPY"},
	{"元整", "CNY"},
	{"元", "CNY"},
	{"¥", "CNY"},
	{"$", "USD"},
	{"€", "EUR"},
	{"£", "GBP"},
}

// parseNumber reads a number as people write it: full-width digits, separators of thousands, a currency before or behind, a
// percent sign, 万 and 亿, accounting parentheses. What may as well be a name or an id is not a number.
func parseNumber(s string) (parsed, bool) {
	if len(s) > 2*decimal.MaxText {
		return parsed{}, false
	}
	p := parsed{kind: Number}
	s = strings.TrimSpace(width.Narrow.String(s))
	s = strings.ReplaceAll(s, "\u00a0", "")
	negative := false
	if inner, ok := strings.CutPrefix(s, "("); ok {
		if inner, ok = strings.CutSuffix(inner, ")"); ok {
			s, negative = strings.TrimSpace(inner), true
		}
	}
	s, signed := cutSign(s)
	s = p.cutCurrency(s)
	s, again := cutSign(s)
	if signed != "" && again != "" || negative && (signed+again) != "" {
		return parsed{}, false
	}
	power := int64(1)
	if inner, ok := strings.CutSuffix(s, "%"); ok && p.kind == Number {
		s, p.kind = strings.TrimSpace(inner), Percent
	} else if inner, ok := strings.CutSuffix(s, "万"); ok {
		s, power = strings.TrimSpace(inner), 10_000
	} else if inner, ok := strings.CutSuffix(s, "亿"); ok {
		s, power = strings.TrimSpace(inner), 100_000_000
	}
	if strings.HasPrefix(s, "-") || strings.HasPrefix(s, "+") {
		return parsed{}, false
	}
	plain, ok := decimal.Ungroup(s)
	if !ok {
		return parsed{}, false
	}
	if p.value, ok = decimal.Parse(plain); !ok {
		return parsed{}, false
	}
	if _, fraction, found := strings.Cut(plain, "."); found {
		p.decimals = len(fraction)
	}
	p.value.Mul(p.value, new(big.Rat).SetInt64(power))
	if p.kind == Percent {
		p.value.Quo(p.value, big.NewRat(100, 1))
	}
	if negative || signed == "-" || again == "-" {
		p.value.Neg(p.value)
	}
	return p, true
}

func cutSign(s string) (rest, sign string) {
	if strings.HasPrefix(s, "-") || strings.HasPrefix(s, "+") {
		return strings.TrimSpace(s[1:]), s[:1]
	}
	if inner, ok := strings.CutPrefix(s, "−"); ok { // U+2212
		return strings.TrimSpace(inner), "-"
	}
	return s, ""
}

// cutCurrency takes one currency sign off either end.
func (p *parsed) cutCurrency(s string) string {
	for _, c := range currencySigns {
		if inner, ok := strings.CutPrefix(s, c.sign); ok {
			p.kind, p.currency = Money, c.code
			s = strings.TrimSpace(inner)
			break
		}
	}
	for _, c := range currencySigns {
		if inner, ok := strings.CutSuffix(s, c.sign); ok && (p.currency == "" || p.currency == c.code) {
			p.kind, p.currency = Money, c.code
			return strings.TrimSpace(inner)
		}
	}
	return s
}
