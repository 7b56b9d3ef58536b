package builtin

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"golang.org/x/text/currency"
)

// minorDigits is how many decimal places a currency has. One that ISO 4217 does not
// know has two, as most have.
func minorDigits(code string) int {
	unit, err := currency.ParseISO(code)
	if err != nil {
		return 2
	}
	scale, _ := currency.Standard.Rounding(unit)
	return scale
}

// ParseAmount reads an amount such as "128,000.50" as a person writes it and returns it
// in minor units of the currency (ISO 4217). More decimal places than the currency has are
// an *InvalidError, because rounding money is not ours.
func ParseAmount(text, currencyCode string) (int64, error) {
	bad := func(reason string) (int64, error) {
		return 0, &InvalidError{Field: "amount", Reason: fmt.Sprintf("is %q; %s", text, reason)}
	}
	digits := minorDigits(currencyCode)
	whole, fraction, dot := strings.Cut(strings.ReplaceAll(strings.TrimSpace(text), ",", ""), ".")
	if dot && len(fraction) > digits {
		if strings.Trim(fraction[digits:], "0") != "" {
			return bad(fmt.Sprintf("%s has %d decimal places", currencyCode, digits))
		}
		fraction = fraction[:digits]
	}
	all := whole + fraction + strings.Repeat("0", digits-len(fraction))
	if whole == "" || strings.Trim(all, "0123456789") != "" {
		return bad("write it as 128000.50")
	}
	n, err := strconv.ParseInt(all, 10, 64)
	if err != nil || n == math.MaxInt64 {
		return bad("it is too large")
	}
	return n, nil
}

// FormatAmount is the opposite of ParseAmount: 12800050 fen are "128,000.50".
func FormatAmount(minor int64, currencyCode string) string {
	sign := ""
	if minor < 0 {
		sign = "-"
	}
	digits := minorDigits(currencyCode)
	text := strings.TrimPrefix(strconv.FormatInt(minor, 10), "-")
	if missing := digits + 1 - len(text); missing > 0 {
		text = strings.Repeat("0", missing) + text
	}
	whole, fraction := text[:len(text)-digits], text[len(text)-digits:]
	var b strings.Builder
	b.WriteString(sign)
	for i, d := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	if digits > 0 {
		b.WriteString("." + fraction)
	}
	return b.String()
}
