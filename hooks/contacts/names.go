package contacts

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// plain returns text without what people vary: case, width, accents, punctuation. Words stand between single blanks.
func plain(s string) string {
	var b strings.Builder
	space := false
	for _, r := range norm.NFKD.String(strings.ToLower(norm.NFKC.String(s))) {
		switch {
		case unicode.Is(unicode.Mn, r): // accents, which NFKD took off their letters
		case unicode.IsLetter(r), unicode.IsDigit(r):
			if space && b.Len() > 0 {
				b.WriteByte(' ')
			}
			space = false
			b.WriteRune(r)
		case r == '\'' || r == '’': // O'Hara is one word
		default:
			space = true
		}
	}
	return norm.NFC.String(b.String())
}

// titles are words beside a name that are no part of it.
var (
	westernTitles = []string{"mr", "mrs", "ms", "miss", "dr", "prof", "herr", "frau", "sir", "madam", "jr", "sr", "phd"}
	chineseTitles = []string{"先生", "女士", "小姐", "经理", "总经理", "总监", "主任", "老师", "工程师", "博士", "教授", "同学", "様", "さん"}
)

// name is a name taken apart: what is written in ideographs, and the words of letters in the order of the alphabet,
// because "Li Lei", "Lei Li" and "LEI, Li" are one.
type name struct {
	han   string
	words []string
}

// maxNameWords bounds the words of a name that are compared.
const maxNameWords = 8

func nameOf(s string) name {
	var n name
	for word := range strings.FieldsSeq(plain(s)) {
		letters := strings.Map(func(r rune) rune {
			if ideographic(r) {
				n.han += string(r)
				return -1
			}
			return r
		}, word)
		if letters != "" && !slices.Contains(westernTitles, letters) && len(n.words) < maxNameWords {
			n.words = append(n.words, letters)
		}
	}
	for _, title := range chineseTitles {
		// 王经理 says nothing about the given name; 王 alone is kept, as is what is a title as a whole.
		if rest := strings.TrimSuffix(n.han, title); rest != "" {
			n.han = rest
		}
	}
	slices.Sort(n.words)
	return n
}

func ideographic(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul)
}

// nameKey is the same for names that are the same but for order, case, width, punctuation and titles.
func nameKey(s string) string {
	n := nameOf(s)
	return strings.TrimSpace(n.han + " " + strings.Join(n.words, " "))
}

// legalForms are the words at the end of a company's name that people leave out. The longer ones come first.
var (
	chineseForms = []string{"集团股份有限公司", "股份有限公司", "有限责任公司", "集团有限公司", "有限公司", "集团公司", "公司", "集团", "株式会社"}
	westernForms = []string{
		"co", "ltd", "limited", "inc", "incorporated", "corp", "corporation", "llc", "llp", "gmbh", "ag", "kg", "sa", "sas", "sarl", "srl",
		"spa", "bv", "nv", "ab", "as", "oy", "plc", "pte", "pty", "company", "group", "holdings", "holding",
	}
)

// companyKey is the same for names of companies that are the same but for their legal form.
func companyKey(s string) string {
	words := strings.Fields(plain(s))
	for len(words) > 1 && slices.Contains(westernForms, words[len(words)-1]) {
		words = words[:len(words)-1]
	}
	key := strings.Join(words, " ")
	for _, form := range chineseForms {
		if rest, cut := strings.CutSuffix(strings.TrimSpace(key), form); cut && rest != "" {
			key = rest
			break
		}
	}
	return strings.TrimSpace(key)
}

// likeness says how much two names are alike, from 0 to 1. Where both have ideographs, those decide, or else the words; names that
// share no script say nothing.
func likeness(a, b string) float64 {
	x, y := nameOf(a), nameOf(b)
	switch {
	case x.han != "" && y.han != "":
		return hanLikeness(x.han, y.han)
	case len(x.words) > 0 && len(y.words) > 0:
		return wordLikeness(x.words, y.words)
	}
	return 0
}

// hanLikeness takes nothing but equal names for alike: in two or three characters one is much. A family name alone may be either.
func hanLikeness(a, b string) float64 {
	if a == b {
		return 1
	}
	return 0
}

// wordLikeness pairs each word of the shorter name with the nearest of the longer one. An initial is like each word that begins with it.
func wordLikeness(a, b []string) float64 {
	if len(a) > len(b) {
		a, b = b, a
	}
	rest := slices.Clone(b)
	sum := 0.0
	for _, w := range a {
		best, at := 0.0, -1
		for i, v := range rest {
			if s := oneWord(w, v); s > best {
				best, at = s, i
			}
		}
		if at < 0 {
			continue
		}
		sum += best
		rest = slices.Delete(rest, at, at+1)
	}
	// A middle name that one leaves out costs a little, a family name alone much.
	return sum / (float64(len(a)) + 0.5*float64(len(b)-len(a)))
}

func oneWord(a, b string) float64 {
	if a == b {
		return 1
	}
	if strings.HasPrefix(a, b) && len(b) == 1 || strings.HasPrefix(b, a) && len(a) == 1 {
		return 0.8
	}
	if s := jaroWinkler([]rune(a), []rune(b)); s >= 0.9 { // a slip of the pen
		return s
	}
	return 0
}

// maxCompared bounds the length of words that are compared letter by letter.
const maxCompared = 40

// jaroWinkler is the measure of Winkler (1990): letters in common near the same place, with a bonus for the same beginning.
func jaroWinkler(a, b []rune) float64 {
	a, b = a[:min(len(a), maxCompared)], b[:min(len(b), maxCompared)]
	if len(a) == 0 || len(b) == 0 {
		return 0
	}
	window := max(max(len(a), len(b))/2-1, 0)
	used := make([]bool, len(b))
	var matched []rune
	for i, r := range a {
		for j := max(0, i-window); j < min(len(b), i+window+1); j++ {
			if !used[j] && b[j] == r {
				used[j] = true
				matched = append(matched, r)
				break
			}
		}
	}
	if len(matched) == 0 {
		return 0
	}
	swaps, k := 0, 0
	for j, r := range b {
		if used[j] {
			if r != matched[k] {
				swaps++
			}
			k++
		}
	}
	m := float64(len(matched))
	jaro := (m/float64(len(a)) + m/float64(len(b)) + (m-float64(swaps)/2)/m) / 3
	prefix := 0
	for prefix < min(4, len(a), len(b)) && a[prefix] == b[prefix] {
		prefix++
	}
	return jaro + float64(prefix)*0.1*(1-jaro)
}

// isAddressOf tells whether a name is nothing but one of the addresses, or the part of it before the at sign.
func isAddressOf(name string, addresses []string) bool {
	name = strings.ToLower(strings.TrimSpace(name))
	return slices.ContainsFunc(addresses, func(a string) bool {
		a = strings.ToLower(a)
		local, _, _ := strings.Cut(a, "@")
		return name == a || name == local
	})
}
