package extract

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxEvidence = 500 // bytes of a value beside a label
	maxTyped    = 200 // bytes that a value with a kind is looked for in
	maxPlaces   = 100 // of labels in a document
)

// labelled finds the values beside the labels of a spec.
func (s *search) labelled(d *document, spec *Spec, p *program) []found {
	var all []found
	taken := map[int]bool{}
	places := 0
	for _, label := range p.labels {
		if !s.afford(2 * len(d.folded)) {
			break
		}
		for from := 0; places < maxPlaces && len(all) < maxCandidates; {
			at := strings.Index(d.folded[from:], label)
			if at < 0 {
				break
			}
			at += from
			from = at + len(label)
			if taken[from] || !stands(d.folded, at, from) { // a longer label ends here too
				continue
			}
			taken[from] = true
			places++
			all = append(all, s.beside(d, spec, p, at, from)...)
		}
	}
	return inOrder(all)
}

func inOrder(all []found) []found {
	for i := 1; i < len(all); i++ { // few, and nearly sorted
		for j := i; j > 0 && all[j].Offset < all[j-1].Offset; j-- {
			all[j], all[j-1] = all[j-1], all[j]
		}
	}
	return all
}

// stands tells that a label is a word of its own where its script has words.
func stands(text string, from, to int) bool {
	before, _ := utf8.DecodeLastRuneInString(text[:from])
	after, _ := utf8.DecodeRuneInString(text[to:])
	return !(isWord(text[from]) && isLatin(before)) && !(isWord(text[to-1]) && isLatin(after) && after != utf8.RuneError)
}

func isWord(b byte) bool { return b >= 'a' && b <= 'z' || b >= '0' && b <= '9' }

func isLatin(r rune) bool {
	return r >= '0' && r <= '9' || r != utf8.RuneError && unicode.IsLetter(r) && !unicode.Is(unicode.Han, r) && !unicode.Is(unicode.Hiragana, r) && !unicode.Is(unicode.Katakana, r)
}

// beside reads the value of the label that stands at from..to of the folded text.
func (s *search) beside(d *document, spec *Spec, p *program, from, to int) []found {
	i := d.lineAt(int(d.at[from]))
	if i < 0 {
		return nil
	}
	if d.lines[i].inTable {
		if list, ok := s.besideCell(d, spec, p, int(d.at[from])); ok {
			return list
		}
	}
	after := tail(d.folded, to)
	if after.mark == markNone {
		return nil
	}
	start, end := int(d.at[after.at]), d.lines[i].end
	weak := after.mark == markSpace || isHan(runeBefore(d.folded, from)) && runeBefore(d.folded, from) != '的' && after.mark != markColon
	where := "beside the label"
	if after.mark == markEnd || start >= end || strings.TrimSpace(d.text[start:end]) == "" {
		if after.mark != markColon && !begins(d.folded, from) {
			return nil
		}
		var ok bool
		if start, end, ok = d.nextValue(i); !ok {
			return nil
		}
		where = "below the label"
	}
	if weak && (spec.Kind == "" || spec.Kind == KindText || spec.Kind == KindPerson || spec.Kind == KindCompany) && p.pattern == nil {
		return nil // a sentence that has the word
	}
	return s.values(d, spec, p, start, end, where, weak)
}

type mark int

const (
	markNone  mark = iota // the word goes on
	markSpace             // only a space
	markEnd               // the line ends
	markColon             // a colon or its like
)

type after struct {
	at   int // of the value in the folded text
	mark mark
}

// labelNote is what may stand between a label and its colon: "No.", "(必填)", a bracket.
var labelNote = regexp.MustCompile(`^(?:[ .#"')\]}]|(?:no|nr|number|id|code)\b\.?|编号|号码|号|码|\([^()\n]{1,40}\))*`)

// tail finds out how a label ends and where its value begins.
func tail(text string, to int) after {
	rest, _ := head(text[to:], maxEvidence)
	note := labelNote.FindString(rest)
	bracket, spaced := strings.ContainsAny(note, "]"), strings.Contains(note, " ") || strings.HasSuffix(note, "#")
	pos := to + len(note)
	rest = rest[len(note):]
	for _, sep := range []string{":", "=", "\t", "|", "->", "是:", "为:", "是", "为", "is ", "- ", "– ", "— ", "—— "} {
		if strings.HasPrefix(rest, sep) && (sep[0] != 'i' || spaced) {
			pos += len(sep)
			return after{pos + spaces(text[pos:]), markColon}
		}
	}
	switch {
	case bracket:
		return after{pos, markColon}
	case rest == "" || rest[0] == '\n':
		return after{pos, markEnd}
	case spaced || strings.HasPrefix(rest, "so") || rest[0] >= '0' && rest[0] <= '9' || rest[0] < 0x80 && isHan(runeBefore(text, to)) || strings.HasPrefix(rest, "¥"):
		return after{pos, markSpace}
	}
	return after{pos, markNone}
}

func spaces(s string) int { return len(s) - len(strings.TrimLeft(s, " \t:=")) }

func runeBefore(s string, i int) rune {
	r, _ := utf8.DecodeLastRuneInString(s[:i])
	return r
}

func isHan(r rune) bool { return unicode.Is(unicode.Han, r) }

// begins tells that a label is the first thing in its line.
func begins(folded string, at int) bool {
	line := folded[strings.LastIndexByte(folded[:at], '\n')+1 : at]
	return strings.Trim(line, " [-•·>\t|#0123456789.、)") == ""
}

var looksLabelled = regexp.MustCompile(`^[\s*【\[]*[\p{L}\p{N} ]{1,20}[】\]*\s]*[:：]`)

// nextValue is the next line with text within two, unless it has a label of its own.
func (d *document) nextValue(i int) (start, end int, ok bool) {
	for j := i + 1; j < len(d.lines) && j <= i+2; j++ {
		text := d.line(j)
		if strings.TrimSpace(text) == "" {
			continue
		}
		if short, _ := head(text, 100); looksLabelled.MatchString(short) && !strings.Contains(short, "://") {
			return 0, 0, false
		}
		return d.lines[j].start, d.lines[j].end, true
	}
	return 0, 0, false
}

// textEnd is where a text beside a label ends: a new cell, a semicolon, or the label of another value.
var textEnd = regexp.MustCompile(`\t|\s\|\s|[  　]{2,}\S|[;；]|[\s，,、]+[\p{L}][\p{L}\p{N}]{0,15}[：:][^/]`)

// values reads what stands beside a label.
func (s *search) values(d *document, spec *Spec, p *program, start, end int, where string, weak bool) []found {
	segment, _ := head(d.text[start:end], maxEvidence)
	rank, confidence := byLabel, Certain
	if weak {
		rank, confidence = byWeakLabel, Likely
	}
	candidate := func(from, to int, h hit) found {
		c := Candidate{
			Value: h.value, Text: segment[from:to], Source: d.source, Offset: start + from, Confidence: confidence,
			Why: where + why(h), Ambiguous: h.ambiguous,
		}
		if h.likely || h.ambiguous {
			c.Confidence = Likely
		}
		return found{c, rank}
	}
	var all []found
	switch {
	case p.pattern != nil:
		if !s.afford(len(segment) * p.cost) {
			return nil
		}
		for _, m := range p.pattern.FindAllStringSubmatchIndex(segment, maxCandidates) {
			from, to := group(m)
			if c, ok := s.typed(d, spec, start+from, start+to); ok && from < to {
				all = append(all, candidate(from, to, hit{value: c.Value, ambiguous: c.Ambiguous, likely: c.Confidence == Likely}))
			}
		}
	case spec.Kind == "" || spec.Kind == KindText:
		if from, to := plainText(segment); from < to {
			all = append(all, candidate(from, to, hit{value: segment[from:to]}))
		}
	default:
		segment, _ := head(segment, maxTyped)
		for _, h := range s.reader(spec).find(spec.Kind, segment, true) {
			if len(all) == 0 && h.start > 0 && !isLead(segment[:h.start]) {
				h.likely, h.why = true, "after other words"
			}
			if weak && len(all) == 0 && strings.ContainsFunc(segment[:h.start], unicode.IsLetter) {
				return nil // a sentence that has the word
			}
			all = append(all, candidate(h.start, h.end, h))
		}
	}
	if !spec.All && len(all) > 1 {
		all = all[:1]
	}
	return all
}

// shortened words keep their point.
var shortened = regexp.MustCompile(`(?i)\b(?:ltd|inc|co|corp|no|jr|sr|st|dept|tel|etc|s\.a|b\.v|a\.m|p\.m)\.$`)

// plainText is the part of a line that belongs to the label before it.
func plainText(segment string) (from, to int) {
	const wraps = " \t*\"'“”‘’【】[]　"
	from = len(segment) - len(strings.TrimLeft(segment, wraps+":："))
	to = len(segment)
	if m := textEnd.FindStringIndex(segment[from:]); m != nil {
		to = from + m[0]
	}
	text := strings.TrimRight(segment[from:to], wraps+"。，,、|")
	if !shortened.MatchString(text) {
		text = strings.TrimRight(text, ".")
	}
	return from, from + len(text)
}

// isLead tells words that may stand before a value: 约, about, 为人民币.
func isLead(s string) bool {
	const most = 24
	return len(s) <= most && !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsDigit(r) || r == '。' || r == '；' || r == ';' || r == '，' })
}

// besideCell reads the value of a label that is a cell: the cell to the right, or below a heading.
func (s *search) besideCell(d *document, spec *Spec, p *program, offset int) ([]found, bool) {
	for _, t := range d.tables {
		for r, row := range t.rows {
			for i, c := range row {
				if offset < c.offset || offset >= c.offset+len(c.text) {
					continue
				}
				if !headed(c.text, p.labels, true) {
					return nil, false // it stands within a longer text
				}
				return s.cellValue(d, spec, p, t, r, i), true
			}
		}
	}
	return nil, false
}

func (s *search) cellValue(d *document, spec *Spec, p *program, t table, r, i int) []found {
	read := func(c cell, where string) []found {
		if c.text == "" {
			return nil
		}
		return s.values(d, spec, p, c.offset, c.offset+len(c.text), where, false)
	}
	var right, below []found
	if row := t.rows[r]; i+1 < len(row) {
		right = read(row[i+1], "in the cell beside the label")
	}
	isHeading := r == 0 && headsColumn(t, i)
	for _, row := range t.rows[r+1:] {
		if i < len(row) && len(t.rows[r]) > 1 && !isSum(row) && (spec.All || len(below) == 0) {
			below = append(below, read(row[i], "below the heading")...)
		}
	}
	if isHeading && len(below) > 0 || len(right) == 0 && r == 0 {
		return below
	}
	return right
}

// headsColumn tells whether a cell of the first row is the heading of a column rather than a label with its value to the right.
func headsColumn(t table, i int) bool {
	if len(t.rows) < 2 {
		return false
	}
	isWordAt := func(r, i int) bool { return i < len(t.rows[r]) && isFieldWord(t.rows[r][i].text) }
	if right, below := isWordAt(0, i+1), isWordAt(1, i); right != below {
		return right // in a form the labels stand below each other
	}
	return len(t.rows[0]) > 2 && plainHeadings(t.rows[0])
}

// fieldWords are in the labels of most forms and tables.
var fieldWords = regexp.MustCompile(`(?i)(?:名称|姓名|电话|手机|邮箱|地址|日期|时间|金额|数量|单价|价格|编号|单号|号码|编码|备注|类型|状态|负责人|联系人|部门|公司|规格|型号|单位|账号|税号|开户行)$|` +
	`^(?:.{0,20}\b)?(?:name|phone|mobile|tel|e-?mail|address|date|time|amount|total|quantity|qty|price|no|number|id|code|note|notes|remarks?|type|status|owner|contact|department|company|unit|description|item)$`)

// isFieldWord tells that a cell holds a label rather than a value.
func isFieldWord(text string) bool {
	const most = 10 // characters of Chinese
	if !isASCII(text) && utf8.RuneCountInString(text) > most {
		return false
	}
	return len(text) <= 40 && fieldWords.MatchString(strings.Trim(foldText(text), " .:#[]()"))
}

// plainHeadings tells that a row holds no numbers, as headings do not.
func plainHeadings(row []cell) bool {
	for _, c := range row {
		if strings.ContainsFunc(c.text, unicode.IsDigit) {
			return false
		}
	}
	return true
}
