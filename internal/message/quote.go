package message

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
)

func itoa(n int) string { return strconv.Itoa(n) }

// Unquote returns text without the history it quotes, in the conventions of the programs
// that people in China and elsewhere use: lines marked ">" with the words that introduce them,
// and everything below a line such as "----- 原始邮件 -----" or a block of header fields.
// Answers between marked lines stay. When nothing else is there, such as in a bare
// forward, the whole text is what the mail says. Each line of the result is one of the text.
func Unquote(text string) string {
	if own, ok := withoutHistory(text); ok {
		return own
	}
	return text
}

// withoutHistory is Unquote; ok tells whether anything is left.
func withoutHistory(text string) (own string, ok bool) {
	rows := strings.Split(text, "\n")
	kept := make([]string, 0, len(rows))
	forwarded := false
	for i := 0; i < len(rows); i++ {
		if quoted(rows[i]) {
			continue
		}
		if cut := cutLine(rows[i]); cut != noCut {
			forwarded = cut == forwardCut
			break
		}
		if startsHeaderBlock(rows, i) {
			break
		}
		n, sure := introduces(rows, i)
		if n == 0 {
			kept = append(kept, rows[i])
			continue
		}
		switch marked := quoteFollows(rows, i+n); {
		case !marked && !sure:
			kept = append(kept, rows[i])
			continue
		case !marked:
			i = len(rows) // the history is not marked line by line: all that follows is it
		default:
			i += n - 1
		}
		kept = withoutNameLine(kept)
	}
	for len(kept) > 0 && separator(kept[len(kept)-1]) {
		kept = kept[:len(kept)-1]
	}
	own = collapse(kept)
	if own == "" || forwarded && strings.Count(own, "\n") < 2 && allTaglines(own) {
		return text, false
	}
	return own, true
}

// cutKind is what a line says of all that follows.
type cutKind int

const (
	noCut cutKind = iota
	originalCut
	forwardCut
)

// cutWords stand between dashes above a message whose own lines carry no mark.
var cutWords = map[string]cutKind{
	"original message": originalCut, "original appointment": originalCut, "reply message": originalCut, "replied message": originalCut,
	"original": originalCut, "original email": originalCut, "original mail": originalCut, "reply": originalCut,
	"ursprüngliche nachricht": originalCut, "originalnachricht": originalCut, "message d'origine": originalCut, "message d’origine": originalCut,
	"message original": originalCut, "mensaje original": originalCut, "mensagem original": originalCut, "messaggio originale": originalCut,
	"oorspronkelijk bericht": originalCut, "исходное сообщение": originalCut, "пересылаемое сообщение": forwardCut,
	"元のメッセージ": originalCut, "원본 메시지": originalCut, "원본 메일": originalCut, "original message (以下)": originalCut,
	"原始邮件": originalCut, "原始郵件": originalCut, "邮件原件": originalCut, "郵件原件": originalCut, "原邮件": originalCut, "原郵件": originalCut,
	"回复的原邮件": originalCut, "回覆的原郵件": originalCut, "原邮件信息": originalCut, "回复的邮件": originalCut, "回复邮件": originalCut,
	"回复邮件信息": originalCut, "回复的邮件信息": originalCut, "原始信件": originalCut, "原始约会": originalCut, "原始信息": originalCut, "原始消息": originalCut,
	"forwarded message": forwardCut, "forwarded mail": forwardCut, "forwarded email": forwardCut, "forward message": forwardCut,
	"weitergeleitete nachricht": forwardCut, "message transféré": forwardCut, "forwarded message (以下)": forwardCut,
	"mensaje reenviado": forwardCut, "转发的邮件": forwardCut, "轉寄的郵件": forwardCut, "转发邮件": forwardCut, "转发邮件信息": forwardCut,
	"转发的消息": forwardCut, "转发消息": forwardCut, "转寄郵件": forwardCut, "轉寄郵件": forwardCut, "転送されたメッセージ": forwardCut, "전달된 메시지": forwardCut,
}

// forwardWords stand alone before a colon, as Apple's programs write.
var forwardWords = map[string]bool{
	"begin forwarded message": true, "开始转发的邮件": true, "開始轉寄郵件": true, "开始转发的邮件信息": true, "anfang der weitergeleiteten nachricht": true,
	"début du message transféré": true, "下面是被转发的邮件": true, "以下是转发的邮件": true,
}

// maxCutLine is beyond the longest line of dashes around words.
const maxCutLine = 200

// cutLine tells whether the row begins a message whose own lines carry no mark.
func cutLine(row string) cutKind {
	if len(row) > maxCutLine || len(row) < 6 {
		return noCut
	}
	row = strings.Trim(row, " \t\u00a0\u3000*")
	if strings.HasPrefix(row, "--") && strings.HasSuffix(row, "--") {
		return cutWords[strings.ToLower(strings.Trim(row, "- \t\u00a0\u3000"))]
	}
	if bare := strings.TrimRight(row, ":："); bare != row && forwardWords[strings.ToLower(strings.TrimSpace(bare))] {
		return forwardCut
	}
	return noCut
}

func quoted(row string) bool { return strings.HasPrefix(strings.TrimLeft(row, " \t\u00a0"), ">") }

// separator lines lead over to the history and say nothing.
func separator(row string) bool {
	return strings.Trim(row, " \t_-=*\u2014\u00a0\u3000") == ""
}

// maxIntro is the longest introduction, in lines: programs wrap it.
const maxIntro = 3

// maxIntroLine in octets; long names and addresses come to about 200.
const maxIntroLine = 400

// introduces returns how many lines from i on introduce a quotation, or 0, and whether they
// are sure to even where no marked line follows: programs name an address, a time or a year.
func introduces(rows []string, i int) (n int, sure bool) {
	near := rows[i:min(i+maxIntro, len(rows))]
	if !slices.ContainsFunc(near, introEnd) {
		return 0, false
	}
	joined := ""
	for n, row := range near {
		row = strings.TrimSpace(row)
		if row == "" || len(row) > maxIntroLine {
			return 0, false
		}
		if n == 0 && !introStart(row) {
			return 0, false
		}
		joined = strings.TrimSpace(joined + " " + row)
		if introEnd(row) && introduction(joined) {
			return n + 1, strings.Contains(joined, "@") || hasClock(joined) || strings.Contains(joined, "20")
		}
	}
	return 0, false
}

// introFirst are the words with which languages begin an introduction, in lower case.
var introFirst = []string{"on ", "at ", "am ", "le ", "el ", "em ", "il ", "op ", "den ", "dnia ", "w dniu "}

// introStart tells whether an introduction may begin with the row: with a word of the
// languages that introduction knows, or with whatever holds a year of this century or an address.
func introStart(row string) bool {
	if strings.HasPrefix(row, "在") || strings.HasPrefix(row, "于") || strings.Contains(row, "20") || strings.Contains(row, "@") {
		return true
	}
	low := strings.ToLower(row[:min(len(row), 8)])
	return slices.ContainsFunc(introFirst, func(w string) bool { return strings.HasPrefix(low, w) })
}

// introEnds are how an introduction ends, without its colon, in lower case.
var introEnds = []string{
	"写道", "寫道", " wrote", " a écrit", " escribió", " escreveu", " ha scritto", " schreef", " skrev", " napisał", " napisał(a)",
	" пишет", " написал", " написал(а)", "のメール", "님이 작성", "님이 작성한 내용",
}

// introEnd tells whether an introduction may end with the row.
func introEnd(row string) bool {
	row = strings.TrimRight(row, " \u00a0")
	for _, end := range []string{":", "：", "写道", "寫道"} {
		if strings.HasSuffix(row, end) {
			return true
		}
	}
	return false
}

// introduction tells whether the text is how a reply introduces what it quotes, such as
// "On Monday Li wrote:". It looks at the end first: most lines fail there at once.
func introduction(text string) bool {
	if len(text) < 8 || len(text) > maxIntroLine {
		return false
	}
	bare := strings.TrimRight(text, ":： \u00a0")
	if len(bare) == len(text) && !strings.HasSuffix(bare, "写道") && !strings.HasSuffix(bare, "寫道") {
		return false
	}
	low := strings.ToLower(bare)
	for _, end := range introEnds {
		if strings.HasSuffix(low, end) {
			return true
		}
	}
	if strings.HasPrefix(low, "am ") && strings.Contains(low, " schrieb ") {
		return true
	}
	// Gmail in languages without a word for it: "2024年3月4日(月) 9:15 Li Lei <li@x>:"
	at := strings.IndexByte(bare, '@')
	return at > 0 && strings.HasSuffix(bare, ">") && strings.Contains(bare[:at], "20") && hasClock(bare[:at])
}

func hasDigit(s string) bool { return strings.ContainsFunc(s, unicode.IsDigit) }

// hasClock tells whether s has a time such as 9:15.
func hasClock(s string) bool {
	for i := 1; i+2 < len(s); i++ {
		if s[i] == ':' && isDigit(s[i-1]) && isDigit(s[i+1]) && isDigit(s[i+2]) {
			return true
		}
	}
	return false
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// withoutNameLine drops the name and address that a program wrapped away from its introduction.
func withoutNameLine(kept []string) []string {
	if len(kept) == 0 {
		return kept
	}
	row := strings.TrimSpace(kept[len(kept)-1])
	if len(row) > 200 || !strings.HasSuffix(row, ">") {
		return kept
	}
	if i := strings.IndexByte(row, '<'); i < 0 || strings.Count(row, "@") != 1 || strings.Contains(row[i:], " ") || strings.ContainsAny(row[:i], "。，！？!?;") {
		return kept
	}
	return kept[:len(kept)-1]
}

func quoteFollows(rows []string, i int) bool {
	for ; i < len(rows); i++ {
		if strings.TrimSpace(rows[i]) != "" {
			return quoted(rows[i])
		}
	}
	return false
}

// collapse joins the lines with no more than one empty line between paragraphs.
func collapse(rows []string) string {
	var out []string
	for _, r := range rows {
		if r == "" && (len(out) == 0 || out[len(out)-1] == "") {
			continue
		}
		out = append(out, r)
	}
	return strings.TrimSpace(strings.Join(out, "\n"))
}
