package message

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The bounds of a signature. Few are longer; what is, is a text that ends in a disclaimer.
const (
	maxSignatureLines = 20
	maxSignatureLine  = 300 // octets of one line that is looked at
	maxNameLines      = 4   // below a closing, without anything else to know a signature by
)

// Signature returns the block at the end of text in which its sender gives a name, a position,
// a company, telephone numbers and the like, or which the sender's program added: below a line
// "-- " (RFC 3676, 4.3), below a closing such as "Best regards," or "祝好", or known by what
// its lines say. It is the end of the text as it stands there, and empty when in doubt: it
// never takes all the words there are.
func Signature(text string) string {
	text = strings.TrimRight(text, " \t\n")
	rows := lastLines(text, maxSignatureLines)
	if from, ok := belowDelimiter(rows); ok {
		return block(text, rows, from)
	}
	end := len(rows)
	for end > 0 && (tagline(rows[end-1]) || blankRow(rows[end-1])) {
		end--
	}
	from := signatureStart(rows[:end])
	if from == end { // only the program's own line, if any
		for from < len(rows) && blankRow(rows[from]) {
			from++
		}
	}
	return block(text, rows, from)
}

// signatureOf prefers the signature that the page marks, where it is the end of the text.
func signatureOf(text, marked string) string {
	if marked != "" && len(marked) < len(text) && strings.HasSuffix(text, marked) && strings.TrimSpace(text[:len(text)-len(marked)]) != "" {
		return strings.TrimSpace(strings.TrimLeft(marked, "-_\u2014\n "))
	}
	return Signature(text)
}

// lastLines returns up to n lines from the end of text.
func lastLines(text string, n int) []string {
	at := len(text)
	for range n {
		if at = strings.LastIndexByte(text[:at], '\n'); at < 0 {
			return strings.Split(text, "\n")
		}
	}
	return strings.Split(text[at+1:], "\n")
}

// block is the text from a row on, unless nothing is said before it.
func block(text string, rows []string, from int) string {
	if from >= len(rows) {
		return ""
	}
	size := len(rows) - from - 1
	for _, r := range rows[from:] {
		size += len(r)
	}
	if strings.Trim(text[:len(text)-size], " \t\n-_=*\u2014\u00a0\u3000") == "" {
		return ""
	}
	return strings.TrimSpace(text[len(text)-size:])
}

// belowDelimiter finds the last line that only says that a signature follows.
func belowDelimiter(rows []string) (from int, ok bool) {
	for i := len(rows) - 2; i >= 0; i-- {
		switch strings.TrimRight(rows[i], " \u00a0") {
		case "--", "\u2014", "\u2014\u2014", "__":
			return i + 1, true
		}
	}
	return 0, false
}

// signatureStart returns the first row of the signature with which rows end, or len(rows).
func signatureStart(rows []string) int {
	low := len(rows) // of the rows that may be in a signature
	closed := false
	for low > 0 && !closed {
		row := rows[low-1]
		if closed = closing(row) || ruler(row); closed {
			break
		}
		if !blankRow(row) && sentence(row) {
			break
		}
		low--
	}
	if closed {
		if from := skipBlank(rows, low); from < len(rows) && (worth(rows[from:]) >= 1 || namesOnly(rows[from:])) {
			return from
		}
		return len(rows)
	}
	best := len(rows)
	for i := len(rows) - 1; i >= low; i-- { // paragraphs, the last one first
		if blankRow(rows[i]) || i > 0 && !blankRow(rows[i-1]) {
			continue
		}
		switch {
		case worth(rows[i:]) < 2:
		case best == len(rows), i > 0 && short(rows[i:best]) && (!nameLine(rows[best]) || positionLine(rows[best])):
			best = i // or what is above is the name that is missing
		}
	}
	if best < len(rows) && announced(rows[:best]) {
		return len(rows)
	}
	return best
}

// ruler tells whether the row is a line drawn above a signature.
func ruler(row string) bool { return len(row) >= 8 && separator(row) && !blankRow(row) }

func skipBlank(rows []string, i int) int {
	for i < len(rows) && blankRow(rows[i]) {
		i++
	}
	return i
}

func blankRow(row string) bool { return strings.Trim(row, " \t\u00a0\u3000") == "" }

// announced tells whether the rows end in a colon: what follows is what the mail is about.
func announced(rows []string) bool {
	for i := len(rows) - 1; i >= 0; i-- {
		if !blankRow(rows[i]) {
			row := strings.TrimRight(rows[i], " ")
			return strings.HasSuffix(row, ":") || strings.HasSuffix(row, "：")
		}
	}
	return true // nothing else is said
}

// worth counts the rows that say something of a person; 0 when none can be used to reach one.
func worth(rows []string) (n int) {
	reachable := false
	for i, row := range rows {
		switch {
		case contactLine(row):
			reachable = true
			n++
		case positionLine(row), i == 0 && nameLine(row):
			n++
		}
	}
	if !reachable {
		return 0
	}
	return n
}

// short tells whether a paragraph above a signature can be the name in it.
func short(rows []string) bool {
	lines := 0
	for _, r := range rows {
		if blankRow(r) {
			continue
		}
		if lines++; lines > maxNameLines || !nameLine(r) && !positionLine(r) && !contactLine(r) {
			return false
		}
	}
	return true
}

func namesOnly(rows []string) bool {
	rows = slices.DeleteFunc(slices.Clone(rows), blankRow)
	if len(rows) == 0 || len(rows) > maxNameLines || !nameLine(rows[0]) {
		return false
	}
	return !slices.ContainsFunc(rows[1:], func(r string) bool { return !nameLine(r) && !positionLine(r) && !dateLine(r) })
}

// sentence tells whether the row is something that is said, rather than a line of a signature.
func sentence(row string) bool {
	row = strings.TrimSpace(row)
	if len(row) > maxSignatureLine {
		return true
	}
	if contactLine(row) {
		return false
	}
	last, _ := utf8.DecodeLastRuneInString(row)
	switch {
	case strings.ContainsRune("。！？!?;；…：:", last), strings.ContainsAny(row, "。？！"):
		return true
	case strings.Contains(row, "，") && !positionLine(row):
		return true
	case last == '.' && len(strings.Fields(row)) > 5, len(strings.Fields(row)) > 12, utf8.RuneCountInString(row) > 80:
		return true
	}
	return false
}

// nameLine tells whether the row may be a person's name: two to six Chinese characters, or a few
// words in capitals.
func nameLine(row string) bool {
	row = strings.TrimSpace(row)
	if len(row) == 0 || len(row) > 80 || strings.ContainsAny(row, "0123456789\t@:：，。,;!?！？") {
		return false
	}
	han, other := 0, 0
	for _, r := range row {
		switch {
		case unicode.Is(unicode.Han, r):
			han++
		case unicode.IsLetter(r):
			other++
		}
	}
	words := strings.Fields(row)
	if han > 0 {
		return han+other <= 24 && han <= 6 && len(words) <= 5
	}
	if len(words) > 4 || other < 2 {
		return false
	}
	for _, w := range words {
		r, _ := utf8.DecodeRuneInString(strings.TrimLeft(w, "(/|-\""))
		if unicode.IsLower(r) && len(w) > 3 {
			return false
		}
	}
	return true
}

// dateLine is one such as "2024年3月4日", with which Chinese letters end.
func dateLine(row string) bool {
	row = strings.TrimSpace(row)
	return len(row) > 0 && len(row) < 30 && strings.Trim(row, "0123456789年月日-/. ") == "" && hasDigit(row)
}

// positionLine tells whether the row names a position, a company, or where it is.
func positionLine(row string) bool {
	if len(row) > maxSignatureLine {
		return false
	}
	low := " " + strings.ToLower(strings.TrimSpace(row)) + " "
	return slices.ContainsFunc(positionWords, func(w string) bool { return strings.Contains(low, w) })
}

// contactLine tells whether the row says how to reach somebody.
func contactLine(row string) bool {
	row = strings.TrimSpace(row)
	if row == "" || len(row) > maxSignatureLine {
		return false
	}
	if strings.Trim(row, "+0123456789()-. /\u00a0|,，") == "" && strings.ContainsRune("+(014", rune(row[0])) {
		n := len(digits(row))
		return n >= 7 && n <= 30
	}
	low := strings.ToLower(strings.TrimLeft(row, " |·•*[(【"))
	for _, l := range contactLabels {
		rest, is := strings.CutPrefix(low, l)
		if !is || rest == "" {
			continue
		}
		next, _ := utf8.DecodeRuneInString(rest)
		if strings.ContainsRune(":：.+", next) || (next == ' ' || next == '|' || unicode.IsDigit(next)) && hasDigit(rest) || next == '】' || next == ']' {
			return true
		}
	}
	return (strings.Contains(row, "@") || strings.Contains(low, "www.") || strings.Contains(low, "http")) && len(strings.Fields(row)) <= 4
}

// tagline tells whether the row is what a program adds to each mail.
func tagline(row string) bool {
	row = strings.TrimSpace(row)
	if row == "" || len(row) > 200 {
		return false
	}
	low := strings.ToLower(row)
	has := func(s string) bool { return strings.HasPrefix(low, s) }
	return slices.ContainsFunc(taglineStarts, has) && utf8.RuneCountInString(row) <= 100 && !strings.ContainsAny(row, "。？！")
}

// allTaglines tells whether the text is nothing that a person wrote.
func allTaglines(text string) bool {
	for row := range strings.SplitSeq(text, "\n") {
		if !blankRow(row) && !tagline(row) {
			return false
		}
	}
	return true
}

// closing tells whether the row is how a letter ends, above the name.
func closing(row string) bool {
	row = strings.TrimSpace(row)
	if row == "" || len(row) > 80 {
		return false
	}
	return closings[strings.ToLower(strings.Trim(row, " ,，.。!！~～\u00a0"))]
}
