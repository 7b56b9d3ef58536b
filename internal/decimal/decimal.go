// Package decimal reads decimal numbers of strangers exactly and within bounds, and writes them for people. It knows no currency, no
// multiples such as 万, and no signs but + and -: what else people write around a number is for those who read it.
package decimal

import (
	"encoding/json"
	"math/big"
	"strconv"
	"strings"
)

const (
	// MaxText bounds the text of a number, in octets: no amount of a company is longer.
	MaxText = 60
	// maxExponent bounds its power of ten: "1e999999999" is eleven octets and half a gigabyte.
	maxExponent = 60
)

// Parse reads digits, at most one point, perhaps a sign before and an exponent behind. ok is false for all else, and for what is longer
// than MaxText.
func Parse(text string) (n *big.Rat, ok bool) {
	if text == "" || len(text) > MaxText {
		return nil, false
	}
	mantissa, exponent, has := strings.Cut(strings.ToLower(text), "e")
	if has {
		e, err := strconv.Atoi(exponent)
		if err != nil || e < -maxExponent || e > maxExponent {
			return nil, false
		}
	}
	digits := 0
	for i, c := range mantissa {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c == '.' && !strings.Contains(mantissa[i+1:], "."):
		case (c == '-' || c == '+') && i == 0:
		default:
			return nil, false
		}
	}
	if digits == 0 {
		return nil, false
	}
	return new(big.Rat).SetString(text)
}

// Of reads a value of a record: a number of JSON or of Go, or a text that is a number, with or without commas between groups of
// three digits.
func Of(v any) (n *big.Rat, ok bool) {
	switch v := v.(type) {
	case json.Number:
		return Parse(v.String())
	case int:
		return new(big.Rat).SetInt64(int64(v)), true
	case int64:
		return new(big.Rat).SetInt64(v), true
	case float64:
		return Parse(strconv.FormatFloat(v, 'g', -1, 64))
	case string:
		if text, ok := Ungroup(strings.TrimSpace(v)); ok {
			return Parse(text)
		}
	}
	return nil, false
}

// Group puts commas between groups of three digits of the whole part of a decimal number: "-128000.50" becomes "-128,000.50".
func Group(text string) string {
	sign := text[:len(text)-len(strings.TrimLeft(text, "+-"))]
	whole, fraction, pointed := strings.Cut(text[len(sign):], ".")
	var b strings.Builder
	b.WriteString(sign)
	for i := range len(whole) {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteByte(whole[i])
	}
	if pointed {
		b.WriteString("." + fraction)
	}
	return b.String()
}

// Ungroup takes out the commas that Group puts in; false if there are others.
func Ungroup(text string) (plain string, ok bool) {
	if !strings.Contains(text, ",") {
		return text, true
	}
	whole, fraction, _ := strings.Cut(text, ".")
	for i, group := range strings.Split(strings.TrimLeft(whole, "+-"), ",") {
		if i == 0 && (group == "" || len(group) > 3) || i > 0 && len(group) != 3 {
			return "", false
		}
	}
	if strings.Contains(fraction, ",") {
		return "", false
	}
	return strings.ReplaceAll(text, ",", ""), true
}
