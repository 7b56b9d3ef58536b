package extract

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Kind is what a value is.
type Kind string

// The kinds and their values.
const (
	KindText     Kind = "text"     // string: the line beside the label
	KindOrderNo  Kind = "order_no" // string: SO-20261122-001
	KindAmount   Kind = "amount"   // map: amount (json.Number), currency (ISO 4217, not there where nothing names it)
	KindDate     Kind = "date"     // time.Time in the mail's zone; a date without a time of day is its midnight
	KindPhone    Kind = "phone"    // string as E.164 has it
	KindEmail    Kind = "email"    // string, small letters in the domain
	KindURL      Kind = "url"      // string
	KindPerson   Kind = "person"   // string
	KindCompany  Kind = "company"  // string
	KindNumber   Kind = "number"   // json.Number
	KindQuantity Kind = "quantity" // map: number (json.Number), unit
)

// kinds are how each is found.
var kinds = map[Kind]func(r *reader, s string, labelled bool) []hit{
	KindText:     findText,
	KindOrderNo:  findOrderNo,
	KindAmount:   findAmount,
	KindDate:     findDate,
	KindPhone:    findPhone,
	KindEmail:    findEmail,
	KindURL:      findURL,
	KindPerson:   findPerson,
	KindCompany:  findCompany,
	KindNumber:   findNumber,
	KindQuantity: findQuantity,
}

func (k Kind) check() error {
	if _, ok := kinds[k]; !ok && k != "" {
		names := make([]string, 0, len(kinds))
		for name := range kinds {
			names = append(names, string(name))
		}
		slices.Sort(names)
		return fmt.Errorf("kind: no kind %q; there are %s", clip(string(k)), strings.Join(names, ", "))
	}
	return nil
}

// hit is a value in a text.
type hit struct {
	start, end int
	value      any
	likely     bool // a reading was chosen
	ambiguous  bool // another is as good
	why        string
}

// reader reads values in one mail.
type reader struct {
	search   *search
	date     time.Time
	language string
	currency string
	region   string
	order    string
}

// costLook is what it costs to look at a byte, in the units of maxWork.
const costLook = 20

// maxHits bounds what one text yields.
const maxHits = 100

// find finds values in a text. labelled says that the text stands beside a label, so that less has to speak for a value.
func (r *reader) find(k Kind, s string, labelled bool) []hit {
	plain, at := halfWidth(s)
	if !r.search.afford(len(s) * costLook) {
		return nil
	}
	hits := kinds[k](r, plain, labelled)
	slices.SortStableFunc(hits, func(a, b hit) int {
		if a.start != b.start {
			return a.start - b.start
		}
		return b.end - a.end
	})
	out := hits[:0]
	end := -1
	for _, h := range hits {
		if h.start < end || len(out) == maxHits {
			continue
		}
		end = h.end
		out = append(out, h)
	}
	for i := range out {
		out[i].start, out[i].end = at(out[i].start), at(out[i].end)
	}
	return out
}

// read takes a whole text for a value.
func (r *reader) read(k Kind, s string) (hit, bool) {
	hits := r.find(k, s, true)
	if len(hits) == 0 || !isLead(s[:hits[0].start]) {
		return hit{}, false
	}
	return hits[0], true
}

func findText(_ *reader, s string, _ bool) []hit {
	if from, to := plainText(s); from < to {
		return []hit{{start: from, end: to, value: s[from:to]}}
	}
	return nil
}

// number is digits with what people put between them.
const number = `(?:\d{1,3}(?:[,.'’ ]\d{3})+(?:[.,]\d{1,6})?|\d{1,30}(?:[.,]\d{1,6})?)`

var (
	numberForm = regexp.MustCompile(number)
	// magnitudes are powers of ten after a number.
	magnitudes = longestFirst("千|万|百万|千万|亿|万亿|k|million|mio")
	// units follow a quantity.
	units = longestFirst("台|件|个|套|吨|只|箱|包|瓶|米|卷|张|批|支|根|条|块|盒|袋|桶|片|本|辆|公斤|千克|克|升|毫升|平方米|立方米|人|次|" +
		"pc|pcs|piece|pieces|unit|units|set|sets|box|boxes|carton|cartons|ctn|ctns|pallet|pallets|kg|kgs|ton|tons|tonne|tonnes|mt|g|lb|lbs|m|km|cm|mm|m2|m3|cbm|l|ml|" +
		"roll|rolls|pair|pairs|bag|bags|drum|drums|item|items|stk|stück")
)

// figure is a number in a text with what stands around it.
type figure struct {
	from, to      int // of the digits
	end           int // with the magnitude
	decimal       decimal
	before, after string // in small letters, without the spaces beside the number; before is without the sign
	sign          int    // where the sign stands, or from
}

// figures finds numbers.
func (r *reader) figures(s string) []figure {
	var list []figure
	for _, m := range r.matches(numberForm, s, windows(s, digitRuns(s), 1, 8)) {
		d, ok := r.decimal(s[m[0]:m[1]])
		if !ok || !r.search.afford(2000) {
			continue
		}
		f := figure{from: m[0], to: m[1], end: m[1], decimal: d, sign: m[0]}
		before, after := near(s, m[0], m[1], 30)
		for _, sign := range []string{"-", "−", "+"} {
			if rest, ok := strings.CutSuffix(before, sign); ok && !isLatin(runeBefore(rest, len(rest))) {
				f.decimal.negative, before, f.sign = sign != "+", rest, m[0]-len(sign)
				break
			}
		}
		f.before = strings.TrimRight(before, " ")
		f.after = strings.TrimLeft(after, " ")
		gap := len(after) - len(f.after)
		if w := prefix(f.after, magnitudes); w != "" {
			f.decimal.shift(powers[w])
			f.end += gap + len(w)
			f.after = f.after[len(w):]
		}
		list = append(list, f)
	}
	return list
}

func findNumber(r *reader, s string, _ bool) []hit {
	var hits []hit
	for _, f := range r.figures(s) {
		if inWord(s, f.from, f.to) {
			continue
		}
		end := f.end
		if strings.HasPrefix(s[end:], "%") {
			end++
		}
		hits = append(hits, hit{start: f.sign, end: end, value: json.Number(f.decimal.String()), ambiguous: f.decimal.ambiguous, why: f.decimal.why()})
	}
	return hits
}

func findQuantity(r *reader, s string, labelled bool) []hit {
	var hits []hit
	for _, f := range r.figures(s) {
		word := prefix(strings.TrimLeft(f.after, " "), units)
		if word == "" || inWord(s, f.from, f.to) {
			continue
		}
		end := f.end + strings.Index(lower(s[f.end:]), word) + len(word)
		value := map[string]any{"number": json.Number(f.decimal.String()), "unit": s[end-len(word) : end]}
		hits = append(hits, hit{start: f.sign, end: end, value: value, ambiguous: f.decimal.ambiguous, why: f.decimal.why()})
	}
	if len(hits) == 0 && labelled { // the unit may stand in the heading
		for _, h := range findNumber(r, s, true) {
			h.value = map[string]any{"number": h.value}
			hits = append(hits, h)
		}
	}
	return hits
}

// inWord tells that digits are part of a word: the 2 of A2, the 123 of SO-123.
func inWord(s string, from, to int) bool {
	before, after := runeBefore(s, from), ' '
	for _, r := range s[to:] {
		after = r
		break
	}
	if before == '-' || before == '_' || before == '/' || before == '.' {
		if b := runeBefore(s, from-1); isLatin(b) {
			return true
		}
	}
	return isLatin(before) || before == '_' || unicode.IsDigit(after) || after == '_'
}

func trimEnd(s string, from, to int) int {
	return from + len(strings.TrimRightFunc(s[from:to], unicode.IsSpace))
}
