package builtin

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/currency"

	"heliograph/crmclient"
	"heliograph/internal/decimal"
)

// The fields of an amount in records.
const (
	fieldAmount   = "amount"
	fieldCurrency = "currency"
)

const (
	// mostDigits is how many decimal places a currency has at most (ISO 4217).
	mostDigits = 4
	// maxAmount keeps amounts of the smallest units within 64 bits when they are compared over currencies.
	maxAmount = math.MaxInt64 / 10_000
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
	if err != nil || n > maxAmount {
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
	if digits > 0 {
		whole += "." + fraction
	}
	return sign + decimal.Group(whole)
}

// comparableAmount is the expression of an amount that compares over all currencies: in ten-thousandths of the unit that people name.
var comparableAmount = func() string {
	others := map[int][]string{}
	for all := currency.Query(currency.Historical, currency.NonTender); all.Next(); {
		code := all.Unit().String()
		if digits := minorDigits(code); digits != 2 && !slices.Contains(others[digits], code) {
			others[digits] = append(others[digits], code)
		}
	}
	var b strings.Builder
	b.WriteString("amount * CASE ")
	for _, digits := range slices.Sorted(maps.Keys(others)) {
		slices.Sort(others[digits])
		fmt.Fprintf(&b, "WHEN currency IN ('%s') THEN %d ", strings.Join(others[digits], "', '"), power(mostDigits-digits))
	}
	fmt.Fprintf(&b, "ELSE %d END", power(mostDigits-2))
	return b.String()
}()

func power(digits int) int64 {
	n := int64(1)
	for range digits {
		n *= 10
	}
	return n
}

// tenThousandths makes the argument to compare with comparableAmount; false if it is no amount.
func tenThousandths(v any) (int64, bool) {
	n, ok := decimal.Of(v)
	if !ok {
		return 0, false
	}
	n.Mul(n, new(big.Rat).SetInt64(power(mostDigits)))
	return n.Num().Int64(), n.IsInt() && n.Num().IsInt64()
}

// toMajor turns the amount of a row into that of a record: 12800050 fen are 128000.5 yuan.
func (o object) toMajor(values map[string]any) {
	n, ok := values[fieldAmount].(json.Number)
	if o.currency == "" || !ok {
		return
	}
	minor, err := n.Int64()
	if err != nil {
		return // of no table
	}
	code, _ := values[fieldCurrency].(string)
	values[fieldAmount] = major(minor, code)
}

func major(minor int64, code string) json.Number {
	text := strings.ReplaceAll(FormatAmount(minor, code), ",", "")
	if strings.Contains(text, ".") {
		text = strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
	}
	return json.Number(text)
}

// toMinor turns the amount that is to be written into a row v into the smallest units of its currency. Who changes nothing but the
// currency keeps the number: 1,280 yuan become 1,280 yen.
func (o object) toMinor(v any, fields map[string]any) (map[string]any, error) {
	now, isDeal := v.(*Deal)
	amount, code := fields[fieldAmount], fields[fieldCurrency]
	if !isDeal || amount == nil && code == nil {
		return fields, nil
	}
	was := cmp.Or(now.Currency, o.currency)
	is := was
	if text, ok := code.(string); ok && text != "" {
		is = text
	}
	if amount == nil {
		amount = major(now.Amount, was)
	}
	n, ok := decimal.Of(amount)
	if !ok {
		return nil, &crmclient.Error{Class: crmclient.ClassPermanent, Message: fmt.Sprintf("field %q of %s does not take %.40q", fieldAmount, o.name, fmt.Sprint(amount))}
	}
	places, _ := n.FloatPrec() // exact: it was a decimal number
	minor, err := ParseAmount(n.FloatString(places), is)
	if err != nil {
		return nil, err
	}
	fields = maps.Clone(fields)
	fields[fieldAmount] = minor
	return fields, nil
}
