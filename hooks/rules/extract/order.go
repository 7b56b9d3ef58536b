package extract

import (
	"regexp"
	"strings"
	"unicode"
)

var (
	// orderShape is a number that shows by itself what it is.
	orderShape = regexp.MustCompile(`^[A-Z]{2,6}[-_#]?\d{4,}(?:[-_/]?[A-Z0-9]+){0,4}$|^[A-Z]{1,6}(?:[-_/][A-Z0-9]+){1,4}$`)
	// notOrder are shapes of other things: dates, versions, paper sizes, standards, times.
	notOrder = regexp.MustCompile(`(?i)^(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}|v?\d+(?:\.\d+)+|ISO[-\s]?\d+|GB/?T?[-\s]?\d+|UTF-?\d+|COVID-?19|\d+[a-z]{1,3})$`)
)

// orderWords say that a number follows which names a document; numberWords may stand between.
var (
	orderWords = longestFirst("订单|合同|采购单|采购申请|发货单|运单|快递单|工单|发票|报价单|询价单|投诉单|单据|流水|批次|编号|单号|訂單|合約|" +
		"order|contract|invoice|quotation|quote|ticket|case|reference|ref|rfq|po|so|p.o.|inv")
	numberWords = longestFirst("编号|号码|号|編號|no|no.|nr|nr.|number|num|id")
)

// afterOrderWord tells that the text before a number ends with a word for a document.
func afterOrderWord(before string) bool {
	before = strings.TrimRight(before, " :：#【[(")
	for _, w := range []string{"为", "是", " is"} {
		before = strings.TrimSuffix(before, w)
	}
	before = strings.TrimRight(before, " :：#")
	if suffix(before, orderWords) != "" {
		return true
	}
	w := suffix(before, numberWords)
	return w != "" && suffix(strings.TrimRight(strings.TrimSuffix(before, w), " -"), orderWords) != ""
}

// tokens are letters and digits with single signs between them, where a digit is among them.
func tokens(s string) [][2]int {
	var list [][2]int
	word := func(i int) bool { return i < len(s) && (isWord(s[i]) || s[i] >= 'A' && s[i] <= 'Z') }
	for i := 0; i < len(s); i++ {
		if !word(i) {
			continue
		}
		from, digits := i, false
		for word(i) || i < len(s) && strings.IndexByte("-_/.#", s[i]) >= 0 && word(i+1) {
			digits = digits || s[i] >= '0' && s[i] <= '9'
			i++
		}
		if digits {
			list = append(list, [2]int{from, i})
		}
	}
	return list
}

func findOrderNo(r *reader, s string, labelled bool) []hit {
	var hits []hit
	for _, m := range tokens(s) {
		text := s[m[0]:m[1]]
		if len(text) < 4 || len(text) > 40 {
			continue
		}
		if len(hits) >= maxHits || !r.search.afford(3000) {
			break
		}
		digits := strings.Count(strings.Map(func(r rune) rune {
			if unicode.IsDigit(r) {
				return '0'
			}
			return r
		}, text), "0")
		before := runeBefore(s, m[0])
		if digits < 2 || notOrder.MatchString(text) || strings.Contains(text, ".") && strings.Contains(text, "/") || before == '@' || before == '.' || before == '/' || strings.HasPrefix(s[m[1]:], "@") {
			continue
		}
		if labelled {
			hits = append(hits, hit{start: m[0], end: m[1], value: text})
			continue
		}
		context, _ := near(s, m[0], m[1], 40)
		switch {
		case digits >= 3 && afterOrderWord(context):
			hits = append(hits, hit{start: m[0], end: m[1], value: text, why: "after a word for a document"})
		case digits >= 4 && orderShape.MatchString(text):
			hits = append(hits, hit{start: m[0], end: m[1], value: text, likely: true, why: "by its shape"})
		}
	}
	return hits
}
