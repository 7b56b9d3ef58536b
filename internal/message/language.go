package message

import (
	"strings"
	"unicode"
)

// maxLanguageText is how much of a text is looked at, in octets: more does not change the guess.
const maxLanguageText = 1 << 10

// scripts are the letters of a text by script.
type scripts struct {
	han, kana, hangul, latin, cyrillic, greek, arabic, hebrew, thai, devanagari int
	simplified, traditional                                                     int
	ukrainian, russian, persian                                                 int // letters that only these have
}

func (s *scripts) all() int {
	return s.han + s.kana + s.hangul + s.latin + s.cyrillic + s.greek + s.arabic + s.hebrew + s.thai + s.devanagari
}

// Language guesses in which language the text is written: its script first, then, where
// several share it, its most frequent words. It returns a BCP 47 tag: zh, zh-Hant, ja, ko,
// ru, uk, el, ar, fa, he, th, hi, en, de, fr, es, pt, it, nl, pl, sv, tr, vi or id; and an empty one when in
// doubt. Addresses of mail and web do not count: they are English everywhere.
func Language(text string) string {
	if len(text) > maxLanguageText {
		text = strings.ToValidUTF8(text[:maxLanguageText], "")
	}
	var s scripts
	var words []string
	for field := range strings.FieldsSeq(text) {
		if strings.ContainsAny(field, "@") || strings.Contains(field, "://") || strings.HasPrefix(field, "www.") {
			continue
		}
		latin := s.latin
		for _, r := range field {
			s.count(r)
		}
		if s.latin > latin {
			words = append(words, strings.FieldsFunc(strings.ToLower(field), func(r rune) bool { return !unicode.IsLetter(r) && r != '\'' })...)
		}
	}
	// A Chinese character says as much as a few letters: names of products and people are often Latin.
	eastern := 3*(s.han+s.kana) + 2*s.hangul
	switch {
	case s.all() < 2:
		return ""
	case eastern > s.all()-s.han-s.kana-s.hangul:
		return s.eastAsian()
	case s.latin*2 > s.all():
		tag := latinLanguage(words)
		if tag == "" && s.han+s.kana+s.hangul >= minLetters {
			return s.eastAsian()
		}
		return tag
	}
	return s.other()
}

func (s *scripts) count(r rune) {
	switch {
	case r < 0x80:
		if r|0x20 >= 'a' && r|0x20 <= 'z' {
			s.latin++
		}
	case unicode.Is(unicode.Han, r):
		s.han++
		if simplifiedOnly[r] {
			s.simplified++
		} else if traditionalOnly[r] {
			s.traditional++
		}
	case unicode.In(r, unicode.Hiragana, unicode.Katakana):
		s.kana++
	case unicode.Is(unicode.Hangul, r):
		s.hangul++
	case unicode.Is(unicode.Latin, r):
		s.latin++
	case unicode.Is(unicode.Cyrillic, r):
		s.cyrillic++
		switch {
		case strings.ContainsRune("іїєґІЇЄҐ", r):
			s.ukrainian++
		case strings.ContainsRune("ыэёъЫЭЁЪ", r):
			s.russian++
		}
	case unicode.Is(unicode.Arabic, r):
		s.arabic++
		if strings.ContainsRune("پچژگ", r) {
			s.persian++
		}
	case unicode.Is(unicode.Greek, r):
		s.greek++
	case unicode.Is(unicode.Hebrew, r):
		s.hebrew++
	case unicode.Is(unicode.Thai, r):
		s.thai++
	case unicode.Is(unicode.Devanagari, r):
		s.devanagari++
	}
}

func (s *scripts) eastAsian() string {
	switch {
	case s.hangul > s.han+s.kana:
		return "ko"
	case s.kana >= 2 && s.kana*8 >= s.han:
		return "ja"
	case s.han < 2 || s.kana > 2:
		return ""
	case s.traditional >= 2 && s.traditional > 2*s.simplified:
		return "zh-Hant"
	}
	return "zh"
}

// minLetters of an alphabet are wanted before it says anything.
const minLetters = 6

func (s *scripts) other() string {
	for _, c := range []struct {
		n   int
		tag string
	}{
		{s.greek, "el"},
		{s.hebrew, "he"},
		{s.thai, "th"},
		{s.devanagari, "hi"},
		{s.arabic, "ar"},
		{s.cyrillic, "ru"},
	} {
		if c.n < minLetters || 2*c.n <= s.all() {
			continue
		}
		switch {
		case c.tag == "ar" && s.persian >= 2:
			return "fa"
		case c.tag == "ru" && s.ukrainian > s.russian:
			return "uk"
		case c.tag == "ru" && s.russian == 0 && s.cyrillic > 60: // Serbian, Macedonian, Bulgarian …
			return ""
		}
		return c.tag
	}
	return ""
}

// latinLanguage counts frequent words. The best language must have two different ones, and
// half as many again as the second.
func latinLanguage(words []string) string {
	hits, seen := map[string]int{}, map[string]bool{}
	distinct := map[string]int{}
	for _, w := range words {
		for _, tag := range wordLanguages()[w] {
			hits[tag]++
			if !seen[w] {
				distinct[tag]++
			}
		}
		seen[w] = true
	}
	best, score, second := "", 0, 0
	for _, l := range frequentWords { // in a fixed order
		switch n := hits[l.tag]; {
		case n > score:
			best, score, second = l.tag, n, score
		case n > second:
			second = n
		}
	}
	if distinct[best] < 2 || 2*score < 3*second {
		return ""
	}
	return best
}
