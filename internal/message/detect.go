package message

import (
	"bytes"
	"strings"
	"unicode"
)

// Bounds of guessing. A handful of octets reads well in several charsets; some thousand
// tell as much as all.
const (
	minDetect = 10      // octets with the high bit set, about five Chinese characters
	minDoubt  = 20      // of them, before a charset that was declared is doubted
	maxSample = 4 << 10 // octets looked at
)

// Marks of a charset between about -1 and 1, mean points per character less its faults.
const (
	minSure    = 0.25 // what is good enough to be taken where nothing is declared
	trusted    = 0.3  // a declared charset that makes so much sense is not doubted
	minSwitch  = 0.5  // what another charset must reach to win over the declared one
	minBetter  = 0.35 // and by how much it must be better
	faultPrice = 3    // points that an octet costs which the charset has not
)

// candidates are the charsets that are guessed. Of equals the first wins.
var candidates = []*charset{gb18030, big5, shiftJIS, eucJP, eucKR, windows1251, koi8R, windows1252}

// detect returns the charset in which b makes most sense and its mark; nil where none
// makes any.
func detect(b []byte) (*charset, float32) {
	sample := sampleOf(b)
	var best *charset
	top := float32(minSure)
	for _, c := range candidates {
		if m := mark(c, sample); m > top {
			best, top = c, m
		}
	}
	return best, top
}

// better returns a charset that reads b with much more sense than c, the declared one,
// which made text of it with so many faults; nil where there is none.
func better(c *charset, b []byte, text string, bad int) *charset {
	if c.stateful || highOctets(b) < minDoubt {
		return nil
	}
	own := float32(0.15) // of a charset whose characters nobody weighed
	switch {
	case c.points != nil:
		own = mark(c, sampleOf(b))
	case bad*10 < len([]rune(text[:min(len(text), maxSample)])):
		return nil
	}
	if own >= trusted {
		return nil
	}
	if d, m := detect(b); d != nil && d != c && m >= minSwitch && m >= own+minBetter {
		return d
	}
	return nil
}

// sampleOf returns whole lines of b where the octets are that tell something.
func sampleOf(b []byte) []byte {
	first := bytes.IndexFunc(b, func(r rune) bool { return r >= 0x80 })
	if first < 0 {
		return nil
	}
	if n := bytes.LastIndexByte(b[:first], '\n'); n >= 0 && first-n < maxSample/2 {
		first = n + 1
	}
	b = b[first:]
	if len(b) <= maxSample {
		return b
	}
	b = b[:maxSample]
	if n := bytes.LastIndexByte(b, '\n'); n > maxSample/2 {
		return b[:n]
	}
	return b
}

func highOctets(b []byte) int {
	n := 0
	for _, c := range b {
		if c >= 0x80 {
			n++
		}
	}
	return n
}

// lonely tells whether no two octets with the high bit stand together and one of them at
// least stands between letters: accents in a Western text. Charsets of two octets make runs.
func lonely(b []byte) bool {
	inWord := false
	for i, c := range b {
		if c < 0x80 {
			continue
		}
		before, after := i > 0 && letter(b[i-1]), i+1 < len(b) && letter(b[i+1])
		if i+1 < len(b) && b[i+1] >= 0x80 || c < 0xc0 && (before || after) && c >= 0xa0 {
			return false
		}
		inWord = inWord || before || after
	}
	return inWord
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// mark says how much sense b makes in c.
func mark(c *charset, b []byte) float32 {
	text, bad := c.read(b)
	var sum float32
	n := 0
	prev := rune(' ')
	for _, r := range text {
		if r >= 0x80 && r != unicode.ReplacementChar {
			sum += c.points(prev, r)
			n++
		}
		prev = r
	}
	if n == 0 {
		return -1
	}
	if len(b) == maxSample { // it may end within a character
		bad = max(bad-1, 0)
	}
	return (sum - faultPrice*float32(bad)) / float32(n+bad)
}

// runeSet is a set of the characters that are met most.
func runeSet(s string) map[rune]bool {
	set := make(map[rune]bool, len(s)/3)
	for _, r := range s {
		set[r] = true
	}
	return set
}

var (
	commonSimplified  = runeSet(simplifiedRunes)
	commonTraditional = runeSet(traditionalRunes)
	commonHangul      = runeSet(hangulSyllables)
)

func hanzi(r rune) bool { return r >= 0x4e00 && r <= 0x9fa5 }

// wideMark is punctuation between wide characters, and their form of ASCII.
func wideMark(r rune) bool {
	return r >= 0x3000 && r <= 0x3017 || r >= 0xff01 && r <= 0xff5e || strings.ContainsRune("“”‘’…—·", r)
}

func simplifiedPoints(_, r rune) float32 { return hanPoints(commonSimplified, r) }

func traditionalPoints(_, r rune) float32 { return hanPoints(commonTraditional, r) }

func hanPoints(common map[rune]bool, r rune) float32 {
	switch {
	case common[r]:
		return 1
	case wideMark(r):
		return 0.6
	case hanzi(r):
		return 0.15
	case r >= 0x2000 && r < 0x2700:
		return 0.1
	}
	return -0.4 // kana, other alphabets, private use: rare in Chinese, met in what is misread
}

func japanesePoints(_, r rune) float32 {
	switch {
	case r >= 0x3041 && r <= 0x3093:
		return 1
	case r >= 0x30a1 && r <= 0x30fe:
		return 0.8
	case wideMark(r):
		return 0.6
	case hanzi(r):
		return 0.3
	case r >= 0xff61 && r <= 0xff9f: // half-width: what other charsets become in Shift_JIS
		return -0.6
	}
	return -0.3
}

func koreanPoints(_, r rune) float32 {
	switch {
	case commonHangul[r]:
		return 1
	case r >= 0xac00 && r <= 0xd7a3:
		return 0.3
	case wideMark(r):
		return 0.4
	}
	return -0.3
}

// cyrillicPoints tells KOI8-R from windows-1251 by case: one read as the other has its
// capitals in the middle of words.
func cyrillicPoints(prev, r rune) float32 {
	frequent := strings.ContainsRune("оеаинтсрвлкОЕАИНТСРВЛК", r)
	switch {
	case !unicode.Is(unicode.Cyrillic, r):
		if strings.ContainsRune("«»—–“”„№…\u00a0", r) {
			return 0.3
		}
		return -0.8
	case prev < 0x80 && unicode.IsLetter(prev): // a Western word
		return -0.8
	case r > 0x0451: // letters of the neighbours: common in Ukrainian, rare on the whole
		return 0.1
	case unicode.IsUpper(r) && unicode.IsLower(prev):
		return -1
	case unicode.IsUpper(r) && unicode.IsUpper(prev):
		return 0.1
	case frequent:
		return 0.9
	}
	return 0.5
}

// westernPoints likes accents within words of plain letters, and typographic signs.
func westernPoints(prev, r rune) float32 {
	switch {
	case r < 0xa0:
		return -2
	case strings.ContainsRune("“”‘’–—…€«»•°\u00a0", r):
		return 0.3
	case r >= 0xc0 && r != '×' && r != '÷':
		if prev >= 0x80 && unicode.IsLetter(prev) {
			return -0.4
		}
		return 0.5
	}
	return -0.5
}
