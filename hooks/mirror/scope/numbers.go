package scope

import (
	"strings"
	"time"
	"unicode/utf8"

	"heliograph/config"
)

// group is a stretch of digits with nothing between them.
type group struct {
	start, end int    // bytes of the text
	at         []int  // where each digit begins, and where the last ends
	digits     []byte // ASCII
	x          int    // bytes of an X right behind, the check character of identity cards; 0: none
	remnant    bool   // what an earlier masking left readable
	gap        gap    // what stands between it and the next group
}

// gap is what stands between two groups of digits.
type gap uint8

const (
	gapNone  gap = iota // they do not belong together
	gapCard             // one blank or hyphen
	gapPhone            // what people write into phone numbers: dots and brackets, too
	gapDot              // one dot: perhaps a decimal point
)

// span is a part of a text that is to be hidden, in bytes.
type span struct{ start, end int }

// digitAt returns the digit that begins at i, full-width ones too, and its size; size 0 means there is none.
func digitAt(s string, i int) (digit byte, size int) {
	if i >= len(s) {
		return 0, 0
	}
	if c := s[i]; c >= '0' && c <= '9' {
		return c, 1
	}
	if strings.HasPrefix(s[i:], "\uff10"[:2]) && i+2 < len(s) && s[i+2] >= 0x90 && s[i+2] <= 0x99 { // U+FF10 to U+FF19
		return s[i+2] - 0x90 + '0', 3
	}
	return 0, 0
}

// groupsOf finds the digits of a text.
func groupsOf(s string) []group {
	var out []group
	for i := 0; i < len(s); {
		d, size := digitAt(s, i)
		if size == 0 {
			i++
			continue
		}
		g := group{start: i}
		for size > 0 {
			g.digits, g.at = append(g.digits, d), append(g.at, i)
			i += size
			d, size = digitAt(s, i)
		}
		g.end = i
		g.at = append(g.at, i)
		for _, x := range []string{"X", "x", "\uff38", "\uff58"} {
			if strings.HasPrefix(s[i:], x) && !asciiWord(s, i+len(x)) {
				g.x = len(x)
			}
		}
		if n := len(out); n > 0 {
			between := s[out[n-1].end:g.start]
			out[n-1].gap = gapOf(between)
			// A masking leaves what stands behind the digits that stay readable.
			if stars := strings.TrimLeft(between, separators); len(stars) >= minStars && strings.Trim(stars, "*") == "" && len(between)-len(stars) <= maxGap {
				out[n-1].remnant, g.remnant = true, true
			}
		}
		out = append(out, g)
	}
	return out
}

// minStars is the least that a masking of a number hides.
const minStars = 3

// What may stand between the digits of one number.
const (
	blanks     = " -\u00a0\u3000\u2010\u2011\u2012\u2013\uff0d"
	separators = blanks + "./()\uff08\uff09"
	maxGap     = 9 // bytes of three characters
)

func gapOf(between string) gap {
	switch n := utf8.RuneCountInString(between); {
	case between == ".":
		return gapDot
	case n == 1 && strings.Contains(blanks, between):
		return gapCard
	case n >= 1 && n <= 3 && strings.Trim(between, separators) == "":
		return gapPhone
	}
	return gapNone
}

// asciiWord reports whether a letter or _ stands at i. Chinese characters begin no word that a number could be a part of.
func asciiWord(s string, i int) bool {
	return i >= 0 && i < len(s) && (s[i] == '_' || s[i] >= 'a' && s[i] <= 'z' || s[i] >= 'A' && s[i] <= 'Z')
}

// found is a number that was recognised, from one group to another.
type found struct {
	kind        config.MaskKind
	last        int // group
	x           bool
	first, keep int // digits that stay readable at the beginning and at the end
}

// numberFinder looks for numbers of some kinds.
type numberFinder struct {
	s      string
	groups []group
	kinds  map[config.MaskKind]bool
}

// findNumbers calls hit with what to hide of each number that is found.
func findNumbers(s string, kinds map[config.MaskKind]bool, hit func(config.MaskKind, span)) {
	f := numberFinder{s: s, groups: groupsOf(s), kinds: kinds}
	for i := 0; i < len(f.groups); i++ {
		if f.groups[i].remnant {
			continue
		}
		n, ok := f.at(i)
		if !ok {
			continue
		}
		hit(n.kind, f.hidden(i, n))
		i = n.last
	}
}

// at returns the number that begins with group i.
func (f *numberFinder) at(i int) (found, bool) {
	for _, try := range []struct {
		kind config.MaskKind
		find func(int) (found, bool)
	}{{config.MaskIDCard, f.idCard}, {config.MaskBankCard, f.bankCard}, {config.MaskPhone, f.phone}} {
		if f.kinds[try.kind] {
			if n, ok := try.find(i); ok {
				n.kind = try.kind
				return n, true
			}
		}
	}
	return found{}, false
}

// hidden returns what of a number is hidden: all but its first and last digits, with what stands between.
func (f *numberFinder) hidden(i int, n found) span {
	var at []int
	end := f.groups[n.last].end
	for _, g := range f.groups[i : n.last+1] {
		at = append(at, g.at[:len(g.digits)]...)
	}
	if n.x {
		at = append(at, end)
		end += f.groups[n.last].x
	}
	at = append(at, end)
	total := len(at) - 1
	return span{at[n.first], at[total-n.keep]}
}

// each calls try with the digits of groups i to j for each j, while there are at most limit of them.
func (f *numberFinder) each(i, limit int, join gap, try func(j int, digits []byte)) {
	var digits []byte
	for j := i; j < len(f.groups) && !f.groups[j].remnant; j++ {
		if digits = append(digits, f.groups[j].digits...); len(digits) > limit {
			return
		}
		try(j, digits)
		if g := f.groups[j].gap; g == gapNone || g > join && (g != gapDot || join != gapPhone) {
			return
		}
	}
}

// idCard finds numbers of resident identity cards (GB 11643-1999; before, without century and check character).
func (f *numberFinder) idCard(i int) (n found, ok bool) {
	f.each(i, 18, gapCard, func(j int, digits []byte) {
		last := &f.groups[j]
		switch {
		case len(digits) == 17 && last.x > 0 && validID(digits, 'X'):
			n, ok = found{last: j, x: true, first: 3, keep: 4}, true
		case len(digits) == 18 && validID(digits[:17], digits[17]):
			n, ok = found{last: j, first: 3, keep: 4}, true
		case len(digits) == 15 && !asciiWord(f.s, f.groups[i].start-1) && !asciiWord(f.s, last.end) && province(digits) && dated("060102", digits[6:12]):
			n, ok = found{last: j, first: 3, keep: 4}, true
		}
	})
	return n, ok
}

func validID(digits []byte, check byte) bool {
	if !province(digits) || !dated("20060102", digits[6:14]) || digits[6] != '1' && digits[6] != '2' {
		return false
	}
	weights := [17]int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2}
	sum := 0
	for k, w := range weights {
		sum += w * int(digits[k]-'0')
	}
	return "10X98765432"[sum%11] == check
}

// province reports whether the first two digits are those of a province (GB/T 2260).
func province(digits []byte) bool {
	n := int(digits[0]-'0')*10 + int(digits[1]-'0')
	for _, r := range [][2]int{{11, 15}, {21, 23}, {31, 37}, {41, 46}, {50, 54}, {61, 65}, {71, 71}, {81, 83}, {91, 91}} {
		if n >= r[0] && n <= r[1] {
			return true
		}
	}
	return false
}

func dated(layout string, digits []byte) bool {
	_, err := time.Parse(layout, string(digits))
	return err == nil
}

// bankCard finds the longest number with a valid check digit (ISO/IEC 7812-1, annex B) and the beginning that a bank's has.
func (f *numberFinder) bankCard(i int) (n found, ok bool) {
	const shortest, longest, grouped = 13, 19, 4
	f.each(i, longest, gapCard, func(j int, digits []byte) {
		for k := i; k < j; k++ { // people write blocks of four, or more
			if len(f.groups[k].digits) < grouped {
				return
			}
		}
		if len(digits) >= shortest && issuer(digits) && luhn(digits) && !asciiWord(f.s, f.groups[j].end) {
			n, ok = found{last: j, first: 4, keep: 4}, true
		}
	})
	return n, ok
}

// issuer reports whether a number begins as those of banks do: American Express, Diners, JCB (3), Visa (4), Maestro (5, 6),
// UnionPay and Discover (6), Mastercard (2, 5), and older Chinese cards (9).
func issuer(digits []byte) bool {
	head := int(digits[0]-'0')*1000 + int(digits[1]-'0')*100 + int(digits[2]-'0')*10 + int(digits[3]-'0')
	n := len(digits)
	switch digits[0] {
	case '2':
		return head >= 2221 && head <= 2720 && n == 16
	case '3':
		return n == 15 && (head/100 == 34 || head/100 == 37) || n == 16 && head/100 == 35 || n == 14 && (head/100 == 30 || head/100 == 36 || head/100 >= 38)
	case '4':
		return n == 13 || n == 16 || n == 19
	case '5', '6':
		return true
	case '9':
		return n >= 16
	}
	return false
}

func luhn(digits []byte) bool {
	sum := 0
	for k, c := range digits {
		d := int(c - '0')
		if (len(digits)-k)%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

// phone finds phone numbers of China, and of any country where + stands before.
func (f *numberFinder) phone(i int) (n found, ok bool) {
	const longest = 15 // ITU-T E.164
	g := &f.groups[i]
	plus := f.plus(i)
	if asciiWord(f.s, g.start-1) || i > 0 && f.groups[i-1].gap == gapDot && !plus {
		return n, false
	}
	f.each(i, longest, gapPhone, func(j int, digits []byte) {
		last := &f.groups[j]
		if asciiWord(f.s, last.end) || j == i && last.gap == gapDot && len(digits) > 8 {
			return // a part of a word, or perhaps an amount
		}
		switch prefix, is := mobile(digits); {
		case is && (prefix == 2 || !plus) && (i == j || len(g.digits) >= 2):
			n, ok = found{last: j, first: prefix + 3, keep: 4}, true
		case plus && len(digits) >= 8 && digits[0] != '0':
			n, ok = found{last: j, first: 3, keep: 2}, true
		case !ok && f.landline(i, j, digits):
			n, ok = found{last: j, first: area(digits), keep: 3}, true
		}
	})
	return n, ok
}

// plus reports whether a + stands before group i, as in +86 or +(86), and nothing that would make it a sum.
func (f *numberFinder) plus(i int) bool {
	before := strings.TrimRight(f.s[max(0, f.groups[i].start-8):f.groups[i].start], "(\uff08 ")
	for _, sign := range []string{"+", "\uff0b"} {
		if rest, is := strings.CutSuffix(before, sign); is {
			if rest == "" {
				return true
			}
			_, digit := digitAt(rest, len(rest)-1)
			return digit == 0 && !asciiWord(rest, len(rest)-1)
		}
	}
	return false
}

// mobile reports whether digits are a Chinese mobile number, perhaps behind 86, 0086 or 0.
func mobile(digits []byte) (prefix int, ok bool) {
	for _, p := range []string{"", "86", "0086", "0"} {
		rest, has := strings.CutPrefix(string(digits), p)
		if has && len(rest) == 11 && rest[0] == '1' && rest[1] >= '3' {
			return len(p), true
		}
	}
	return 0, false
}

// area returns the length of a Chinese area code with its 0, or 0 where there is none.
func area(digits []byte) int {
	switch {
	case len(digits) < 4 || digits[0] != '0':
		return 0
	case digits[1] == '1' && digits[2] == '0' || digits[1] == '2':
		return 3
	case digits[1] >= '3':
		return 4
	}
	return 0
}

// landline reports whether groups i to j are a Chinese number with its area code, written in one or apart.
func (f *numberFinder) landline(i, j int, digits []byte) bool {
	code, first := area(digits), len(f.groups[i].digits)
	local := len(digits) - code
	if code == 0 || i < j && first != code {
		return false
	}
	return local == 8 || local == 7 && code == 4
}
