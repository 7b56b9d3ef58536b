package message

import (
	"strconv"
	"strings"
	"unicode/utf16"
)

// readRTF returns the page that is wrapped in RTF ([MS-OXRTFEX]), or where there is none its text, of about limit octets at most.
// Only what bears on words is looked at. cut tells that it went on.
func readRTF(rtf []byte, limit int) (page, text string, cut bool) {
	r := &rtfReader{in: rtf, limit: limit, codepage: "cp1252", fonts: map[int]string{}}
	r.state.skipAfter = 1
	for r.out.Len() <= limit && r.next() {
	}
	r.flush()
	words := clean(r.out.String())
	if r.html {
		return words, "", r.out.Len() > limit
	}
	return "", words, r.out.Len() > limit
}

// maxRTFDepth bounds open groups. What is deeper is taken as if it were not.
const maxRTFDepth = 200

// rtfState is what a group has and its end gives back.
type rtfState struct {
	skip      bool // the group shows nothing
	fonts     bool // it is the table of fonts
	tag       bool // it is a piece of the page as it was
	shadow    bool // these words are how RTF shows what a piece of the page says
	skipAfter int  // characters that stand behind \u for readers that do not know it
	font      int
}

type rtfReader struct {
	in       []byte
	limit    int
	out      strings.Builder
	bytes    []byte // in a code page, to be decoded together
	high     rune   // first half of a surrogate pair
	codepage string
	fonts    map[int]string // code pages
	html     bool
	state    rtfState
	stack    []rtfState
	deeper   int  // groups that are open above a full stack
	star     bool // \* stood before: who does not know the word that follows skips the group
	ignore   int  // characters that \u covers already
}

// next reads one piece and returns false at the end.
func (r *rtfReader) next() bool {
	if len(r.in) == 0 {
		return false
	}
	c := r.in[0]
	r.in = r.in[1:]
	switch c {
	case '{':
		r.flush()
		if len(r.stack) >= maxRTFDepth {
			r.deeper++
		} else {
			r.stack = append(r.stack, r.state)
		}
	case '}':
		r.flush()
		r.star, r.ignore = false, 0
		if r.deeper > 0 {
			r.deeper--
		} else if n := len(r.stack); n > 0 {
			r.state, r.stack = r.stack[n-1], r.stack[:n-1]
		}
	case '\\':
		r.control()
	case '\r', '\n', 0:
	default:
		r.octet(c)
	}
	return true
}

// shows tells whether words count here.
func (r *rtfReader) shows() bool {
	return !r.state.skip && !r.state.fonts && (r.state.tag || !r.state.shadow || !r.html)
}

// octet takes one character of the code page.
func (r *rtfReader) octet(c byte) {
	if r.ignore > 0 {
		r.ignore--
		return
	}
	if r.shows() {
		r.bytes = append(r.bytes, c)
	}
}

// write takes text.
func (r *rtfReader) write(s string) {
	r.flush()
	if r.shows() {
		r.out.WriteString(s)
	}
}

// flush decodes what has come in a code page.
func (r *rtfReader) flush() {
	if len(r.bytes) == 0 {
		return
	}
	page := r.fonts[r.state.font]
	if page == "" || r.state.tag {
		page = r.codepage
	}
	s, _ := decode(page, r.bytes)
	r.out.WriteString(s)
	r.bytes = r.bytes[:0]
}

// control reads what follows a backslash.
func (r *rtfReader) control() {
	if len(r.in) == 0 {
		return
	}
	if c := r.in[0]; c < 'a' || c > 'z' {
		r.in = r.in[1:]
		r.symbol(c)
		return
	}
	n := 0
	for n < len(r.in) && n < 32 && r.in[n] >= 'a' && r.in[n] <= 'z' {
		n++
	}
	word := string(r.in[:n])
	r.in = r.in[n:]
	n = 0
	for n < len(r.in) && n < 11 && (r.in[n] >= '0' && r.in[n] <= '9' || n == 0 && r.in[n] == '-') {
		n++
	}
	number, err := strconv.Atoi(string(r.in[:n]))
	r.in = r.in[n:]
	if len(r.in) > 0 && r.in[0] == ' ' {
		r.in = r.in[1:]
	}
	star := r.star
	r.star = false
	if text, known := rtfText[word]; known {
		if r.ignore > 0 {
			r.ignore--
			return
		}
		r.write(text)
		return
	}
	r.word(word, number, err == nil, star)
}

func (r *rtfReader) symbol(c byte) {
	switch c {
	case '*':
		r.star = true
	case '\'':
		if len(r.in) < 2 {
			r.in = nil
			return
		}
		b, err := strconv.ParseUint(string(r.in[:2]), 16, 8)
		r.in = r.in[2:]
		if err == nil {
			r.octet(byte(b))
		}
	case '\\', '{', '}':
		r.octet(c)
	case '~':
		r.write("\u00a0")
	case '_':
		r.write("-")
	case '\r', '\n':
		r.write("\r\n")
	}
}

// rtfText are words that stand for text.
var rtfText = map[string]string{
	"par": "\r\n", "line": "\r\n", "tab": "\t", "cell": "\t", "row": "\r\n", "lquote": "‘", "rquote": "’", "ldblquote": "“", "rdblquote": "”",
	"bullet": "•", "endash": "–", "emdash": "—", "emspace": " ", "enspace": " ", "qmspace": " ", "zwj": "", "zwnj": "",
}

// rtfHidden are groups that show nothing, besides those that are marked to be skipped by who does not know them.
var rtfHidden = map[string]bool{
	"colortbl": true, "stylesheet": true, "info": true, "pict": true, "object": true, "header": true, "footer": true, "headerl": true, "headerr": true,
	"footerl": true, "footerr": true, "footnote": true, "fldinst": true, "filetbl": true, "listtable": true, "revtbl": true, "themedata": true,
}

// rtfCharsets are the code pages of fonts.
var rtfCharsets = map[int]string{
	128: "cp932", 129: "cp949", 134: "cp936", 136: "cp950", 161: "cp1253", 162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257",
	204: "cp1251", 222: "cp874", 238: "cp1250",
}

// word takes a control word with its number, if it has one.
func (r *rtfReader) word(word string, number int, given, star bool) {
	switch word {
	case "fromhtml":
		r.html = true
	case "htmltag":
		r.flush()
		r.state.tag = star
	case "mhtmltag":
		r.state.skip = true
	case "htmlrtf":
		r.flush()
		r.state.shadow = !given || number != 0
	case "ansicpg":
		if given && number > 0 {
			r.codepage = "cp" + strconv.Itoa(number)
		}
	case "fonttbl":
		r.state.fonts = true
	case "f":
		r.flush()
		r.state.font = number
	case "fcharset":
		if r.state.fonts && len(r.fonts) < maxRTFFonts {
			r.fonts[r.state.font] = rtfCharsets[number]
		}
	case "plain":
		r.flush()
		r.state.font = 0
	case "uc":
		r.state.skipAfter = max(min(number, 8), 0)
	case "u":
		r.unicode(number)
	case "bin":
		r.in = r.in[min(max(number, 0), len(r.in)):]
	default:
		r.state.skip = r.state.skip || star || rtfHidden[word]
	}
}

// maxRTFFonts bounds the fonts that are remembered; letters have a handful.
const maxRTFFonts = 500

// unicode takes \u: UTF-16, above 32767 as a negative number.
func (r *rtfReader) unicode(number int) {
	c := rune(uint16(number))
	r.flush()
	switch {
	case utf16.IsSurrogate(c) && r.high == 0:
		r.high = c
	case r.high != 0:
		r.write(string(utf16.DecodeRune(r.high, c)))
		r.high = 0
	default:
		r.write(string(c))
	}
	r.ignore = r.state.skipAfter
}
