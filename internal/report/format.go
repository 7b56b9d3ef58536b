package report

import (
	"cmp"
	"encoding/json"
	"math/big"
	"strings"
	"time"
)

// Options say how a report is shown.
type Options struct {
	Language string         // zh (the default) or en: words like yes and total, units of axes
	Zone     *time.Location // of dates and times; UTC if nil
	Created  time.Time      // the date in the file's properties; zero leaves it at the Unix epoch, so that equal input gives equal bytes
	Author   string         // in the file's properties
	Font     Font           // for PDF
	// RefuseMissing makes a character that the font lacks an error. Otherwise it is drawn as a mark and reported.
	RefuseMissing bool
	Limits        Limits
}

func (o Options) chinese() bool { return !strings.HasPrefix(o.Language, "en") }

func (o Options) zone() *time.Location {
	if o.Zone == nil {
		return time.UTC
	}
	return o.Zone
}

func (o Options) created() time.Time {
	if o.Created.IsZero() {
		return time.Unix(0, 0).UTC()
	}
	return o.Created.UTC().Truncate(time.Second)
}

// word picks by language.
func (o Options) word(chinese, english string) string {
	if o.chinese() {
		return chinese
	}
	return english
}

// noValue is shown where a number cannot be given, like a percentage of nothing.
const noValue = "–"

// show gives the text of a value in its column.
func (o Options) show(v any, c Column) string {
	if s, ok := o.showNumber(v, c); ok {
		return s
	}
	switch v := v.(type) {
	case nil:
		if c.Kind == Percent {
			return noValue
		}
		return ""
	case bool:
		switch {
		case c.Yes != "" && v:
			return c.Yes
		case c.Yes != "":
			return c.No
		case v:
			return o.word("是", "yes")
		}
		return o.word("否", "no")
	case string:
		return v
	case json.Number:
		return string(v)
	case time.Time:
		if v.IsZero() {
			return ""
		}
		if c.Kind == Date {
			return v.In(o.zone()).Format(time.DateOnly)
		}
		return v.In(o.zone()).Format("2006-01-02 15:04")
	case []any:
		parts := make([]string, len(v))
		for i, one := range v {
			parts[i] = o.show(one, Column{Kind: c.Kind, Currency: c.Currency, Decimals: c.Decimals})
		}
		return strings.Join(parts, o.word("、", ", "))
	}
	return encoded(v)
}

// cell is show within the bounds of one cell.
func (o Options) cell(v any, c Column) string {
	return shorten(o.show(v, c), o.Limits.CellRunes)
}

func (o Options) showNumber(v any, c Column) (string, bool) {
	_, isNumber := v.(json.Number)
	if !isNumber && !c.Kind.numeric() || c.Kind == Text {
		return "", false
	}
	r, ok := rational(v)
	if !ok {
		return "", false
	}
	switch c.Kind {
	case Money:
		return money(r, c), true
	case Percent:
		s := new(big.Rat).Mul(r, big.NewRat(100, 1)).FloatString(c.decimals())
		return unsigned(s) + "%", true
	case Number:
		if c.Decimals != nil {
			return grouped(r.FloatString(*c.Decimals)), true
		}
		places, exact := r.FloatPrec()
		if !exact {
			places = 2
		}
		return grouped(r.FloatString(min(places, 6))), true
	}
	return string(number(r)), true
}

func (c Column) decimals() int {
	switch {
	case c.Decimals != nil:
		return *c.Decimals
	case c.Kind == Percent:
		return 1
	case c.Currency == "JPY" || c.Currency == "KRW":
		return 0
	}
	return 2
}

// signs are the currencies with a sign that everybody reads; others are shown by their code.
var signs = map[string]string{
	"CNY": "¥", "USD": "$", "EUR": "€", "GBP": "£", "HKD": "HK$", "TWD": "NT$",
}

func money(r *big.Rat, c Column) string {
	s := grouped(r.FloatString(c.decimals()))
	if c.Currency == "" {
		return s
	}
	sign := cmp.Or(signs[c.Currency], c.Currency+" ")
	if rest, negative := strings.CutPrefix(s, "-"); negative {
		return "-" + sign + rest
	}
	return sign + s
}

// unsigned takes the sign off a zero: -0.00 says nothing.
func unsigned(s string) string {
	if strings.HasPrefix(s, "-") && strings.Trim(s, "-0.") == "" {
		return s[1:]
	}
	return s
}

// grouped puts a comma between thousands.
func grouped(s string) string {
	s = unsigned(s)
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	whole, fraction, pointed := strings.Cut(s, ".")
	var b strings.Builder
	b.WriteString(sign)
	for i, digit := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	if pointed {
		b.WriteByte('.')
		b.WriteString(fraction)
	}
	return b.String()
}

// alarming says whether a value is one that its column wants to be seen.
func (c Column) alarming(v any) bool {
	if !c.Warn {
		return false
	}
	if b, ok := v.(bool); ok {
		return b
	}
	r, ok := rational(v)
	return ok && c.Kind.numeric() && r.Sign() < 0
}

// side gives the alignment of a column: left, right or center.
func (c Column) side() string {
	switch {
	case c.Align != "":
		return c.Align
	case c.Kind.numeric():
		return "right"
	case c.Kind == Bool:
		return "center"
	}
	return "left"
}
