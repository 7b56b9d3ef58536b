package extract

import (
	"encoding/json"
	"regexp"
	"strings"
	"unicode"
)

// currencies are the words for them, in small letters.
var currencies = map[string]string{
	"￥": "CNY", "¥": "CNY", "rmb": "CNY", "cny": "CNY", "人民币": "CNY", "元": "CNY", "圆": "CNY", "块": "CNY", "块钱": "CNY", "元整": "CNY",
	"$": "USD", "us$": "USD", "usd": "USD", "美元": "USD", "美金": "USD", "dollars": "USD", "dollar": "USD", "us dollars": "USD",
	"€": "EUR", "eur": "EUR", "euro": "EUR", "euros": "EUR", "欧元": "EUR", "£": "GBP", "gbp": "GBP", "英镑": "GBP", "pounds": "GBP",
	"hk$": "HKD", "hkd": "HKD", "港币": "HKD", "港元": "HKD", "nt$": "TWD", "twd": "TWD", "新台币": "TWD", "台币": "TWD",
	"jpy": "JPY", "日元": "JPY", "円": "JPY", "krw": "KRW", "₩": "KRW", "韩元": "KRW", "sgd": "SGD", "s$": "SGD", "新加坡元": "SGD", "aud": "AUD", "a$": "AUD", "澳元": "AUD",
	"cad": "CAD", "c$": "CAD", "加元": "CAD", "chf": "CHF", "瑞士法郎": "CHF", "inr": "INR", "₹": "INR", "rub": "RUB", "₽": "RUB", "卢布": "RUB",
	"sek": "SEK", "nok": "NOK", "dkk": "DKK", "pln": "PLN", "zł": "PLN", "czk": "CZK", "huf": "HUF", "brl": "BRL", "r$": "BRL", "mxn": "MXN", "thb": "THB", "vnd": "VND", "aed": "AED", "zar": "ZAR",
	"kr": "", "kr.": "", // Swedish, Norwegian or Danish: by the language
}

var (
	moneyBefore = longestFirst("￥|¥|rmb|cny|人民币|us$|hk$|nt$|s$|a$|c$|r$|$|usd|eur|€|gbp|£|hkd|twd|jpy|krw|₩|sgd|aud|cad|chf|inr|₹|rub|₽|sek|nok|dkk|pln|czk|huf|brl|mxn|thb|vnd|aed|zar|美元|欧元|港币|kr|kr.")
	moneyAfter  = longestFirst("元整|元|圆|块钱|块|美元|美金|欧元|英镑|港币|港元|新台币|台币|日元|円|韩元|新加坡元|澳元|加元|瑞士法郎|卢布|人民币|us dollars|dollars|dollar|euros|euro|pounds|" +
		"rmb|cny|usd|eur|€|gbp|£|hkd|twd|jpy|krw|sgd|aud|cad|chf|inr|rub|₽|sek|nok|dkk|pln|zł|czk|huf|brl|mxn|thb|vnd|aed|zar|kr|kr.")
	capital = regexp.MustCompile(`(?:(人民币)\s*[:：]?\s*)?([零〇壹贰貳叁叄肆伍陆陸柒捌玖拾佰仟万萬亿億]{1,40}[元圆圓])([零〇壹贰貳叁叄肆伍陆陸柒捌玖角分]{0,12}[整正]?)`)
)

// powers are of ten.
var powers = map[string]int{"千": 3, "万": 4, "百万": 6, "千万": 7, "亿": 8, "万亿": 12, "k": 3, "million": 6, "mio": 6}

func findAmount(r *reader, s string, labelled bool) []hit {
	hits := r.capitals(s)
	for _, f := range r.figures(s) {
		before := f.before
		for _, sign := range []string{"-", "−"} { // -￥500 and ￥-500
			before = strings.TrimRight(strings.TrimSuffix(before, sign), " ")
		}
		word := suffix(before, moneyBefore)
		tail := strings.TrimLeft(f.after, " ")
		unit := prefix(tail, moneyAfter)
		if word+unit == "" && (!labelled || inWord(s, f.from, f.to) || bareUnfit(tail)) || word == "" && isLatin(runeBefore(s, f.from)) {
			continue
		}
		h := hit{start: f.sign, end: f.end, ambiguous: f.decimal.ambiguous, why: f.decimal.why()}
		if word != "" {
			h.start = strings.LastIndex(lower(s[:f.from]), word)
			if sign := strings.HasSuffix(s[:h.start], "-") || strings.HasSuffix(s[:h.start], "−"); sign && !isLatin(runeBefore(s, h.start-1)) {
				f.decimal.negative = true
				h.start -= len(string(runeBefore(s, h.start)))
			}
		}
		if unit != "" {
			h.end = f.end + strings.Index(lower(s[f.end:]), unit) + len(unit)
		}
		value := map[string]any{"amount": json.Number(f.decimal.String())}
		currency, sure := r.currencyOf(word, unit)
		if currency == "" {
			currency = r.currency
		}
		if currency != "" {
			value["currency"] = currency
		}
		if !sure {
			h.likely, h.why = true, join(h.why, "the currency is a guess")
		}
		h.value = value
		hits = append(hits, h)
	}
	return hits
}

// headingMoney is the unit that a heading names for its column.
var headingMoney = regexp.MustCompile(`[(（/\[]\s*((?:[万千]?[\p{Han}]{1,4})|[A-Za-z]{3}|[￥¥$€£])\s*[)）\]]?\s*$`)

// moneyOfHeading returns what a heading adds to a bare number in its column: 元, 万元, EUR.
func moneyOfHeading(heading, text string) string {
	m := headingMoney.FindStringSubmatch(head40(heading))
	if m == nil || strings.ContainsFunc(text, func(r rune) bool { return r > 0x7f || unicode.IsLetter(r) || unicode.Is(unicode.Sc, r) }) {
		return ""
	}
	word := strings.ToLower(m[1])
	magnitude := prefix(word, magnitudes)
	code := currencies[strings.TrimPrefix(word, magnitude)]
	if code == "" {
		return ""
	}
	return " " + magnitude + " " + code
}

// bareUnfit tells that a number without a currency is something else: a percentage, a year, a count.
func bareUnfit(rest string) bool {
	for _, p := range []string{"%", "年", "月", "日", "号", "天", "-", "/", "台", "件", "个", "套", ":"} {
		if strings.HasPrefix(rest, p) && !strings.HasPrefix(rest, "/-") {
			return true
		}
	}
	return false
}

// currencyOf reads the words before and after; sure is false where the sign is one of several currencies'.
func (r *reader) currencyOf(before, after string) (code string, sure bool) {
	for _, w := range []string{after, before} {
		w = strings.ToLower(w)
		c := currencies[w]
		switch {
		case w == "" || c == "" && !strings.HasPrefix(w, "kr"):
			continue
		case strings.HasPrefix(w, "kr") && c == "":
			code, ok := map[string]string{"sv": "SEK", "nb": "NOK", "no": "NOK", "nn": "NOK", "da": "DKK"}[r.lang()]
			return code, ok
		case (w == "¥" || w == "￥") && r.lang() == "ja":
			return "JPY", true
		case w == "元" && currencies[strings.ToLower(before)] != "":
			continue // 港币 500 元
		}
		return c, true
	}
	return "", true
}

func (r *reader) lang() string {
	lang, _, _ := strings.Cut(strings.ToLower(strings.ReplaceAll(r.language, "_", "-")), "-")
	return lang
}

// commaDecimals are languages that write 3.000,50.
var commaDecimals = map[string]bool{
	"de": true, "fr": true, "es": true, "it": true, "nl": true, "pt": true, "sv": true, "nb": true, "no": true, "nn": true, "da": true, "fi": true,
	"pl": true, "cs": true, "sk": true, "hu": true, "ru": true, "uk": true, "tr": true, "id": true, "vi": true, "ro": true, "el": true,
}

// decimal is an exact number: digits without separators, and how many of them are after the point.
type decimal struct {
	digits    string
	scale     int
	negative  bool
	ambiguous bool // 3.000 may be three or three thousand
}

func (d decimal) why() string {
	if d.ambiguous {
		return "the point or comma may stand for thousands or for decimals"
	}
	return ""
}

// shift multiplies by a power of ten.
func (d *decimal) shift(power int) {
	d.scale -= power
	for d.scale < 0 {
		d.digits += "0"
		d.scale++
	}
	if power > 0 { // 1.2万 is 12000 and not 12000.0
		for d.scale > 0 && strings.HasSuffix(d.digits, "0") {
			d.digits = d.digits[:len(d.digits)-1]
			d.scale--
		}
	}
}

func (d decimal) String() string {
	digits := d.digits
	for len(digits) <= d.scale {
		digits = "0" + digits
	}
	whole := strings.TrimLeft(digits[:len(digits)-d.scale], "0")
	if whole == "" {
		whole = "0"
	}
	if d.scale > 0 {
		whole += "." + digits[len(digits)-d.scale:]
	}
	if d.negative && strings.Trim(whole, "0.") != "" {
		return "-" + whole
	}
	return whole
}

// decimal reads digits with separators. Where there are both, the last is the decimal one.
func (r *reader) decimal(s string) (decimal, bool) {
	const most = 40
	if len(s) > most {
		return decimal{}, false
	}
	s = strings.NewReplacer(" ", "", "'", "", "’", "").Replace(s)
	comma, point := strings.LastIndexByte(s, ','), strings.LastIndexByte(s, '.')
	at, ambiguous := -1, false
	switch {
	case comma >= 0 && point >= 0:
		at = max(comma, point)
	case comma < 0 && point < 0:
	default:
		sep := max(comma, point)
		sign := s[sep : sep+1]
		local := "." // of the language
		if commaDecimals[r.lang()] {
			local = ","
		}
		switch {
		case strings.Count(s, sign) > 1: // 1,234,567
		case len(s)-sep-1 != 3 || s[:sep] == "0": // 3,5 or 0.125
			at = sep
		case sign == local: // 3.000 in English
			at, ambiguous = sep, true
		case sign == "." || commaDecimals[r.lang()]: // 3.000 in German
		}
	}
	d := decimal{ambiguous: ambiguous}
	if at >= 0 {
		d.scale = len(s) - at - 1
	}
	d.digits = strings.NewReplacer(",", "", ".", "").Replace(s)
	return d, d.digits != ""
}

// capitals reads 人民币壹万贰仟叁佰元整.
func (r *reader) capitals(s string) []hit {
	if !strings.ContainsAny(s, "元圆圓") {
		return nil
	}
	var hits []hit
	for _, m := range r.matches(capital, s, windows(s, around(s, "元", "圆", "圓"), 130, 40)) {
		cents, ok := capitalCents(s[m[4]:m[5]], s[m[6]:m[7]])
		if !ok {
			continue
		}
		d := decimal{digits: cents, scale: 2}
		text := strings.TrimSuffix(d.String(), ".00")
		hits = append(hits, hit{start: m[0], end: m[1], value: map[string]any{"amount": json.Number(text), "currency": "CNY"}, why: "written in capitals"})
	}
	return hits
}
