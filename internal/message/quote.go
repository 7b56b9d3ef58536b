package message

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

func itoa(n int) string { return strconv.Itoa(n) }

// Lines that begin a quoted message whose own lines carry no mark: everything behind
// belongs to it.
var cutLines = regexp.MustCompile(`(?i)^\s*(` + strings.Join([]string{
	`-{3,}\s*(original message|original appointment|reply message|ursprüngliche nachricht|message d'origine|mensaje original)\s*-{3,}`,
	`-{2,}\s*(原始邮件|原始郵件|原邮件|回复的原邮件|原邮件信息|original|original email)\s*-{2,}`,
	`-{3,}\s*(forwarded message|weitergeleitete nachricht)\s*-{3,}`,
	`(begin forwarded message|开始转发的邮件)\s*[:：]`,
	`-{3,}\s*(回复的邮件|回复邮件|replied message|转发的邮件)\s*-{3,}`,
}, "|") + `)\s*$`)

// introduction tells whether the text is how a reply introduces what it quotes, such as
// "On Monday Li wrote:". It looks at the end first: regular expressions would cost
// seconds on a long text made to look like many of these.
func introduction(text string) bool {
	if len(text) < 8 || len(text) > 400 {
		return false
	}
	bare := strings.TrimRight(text, ":： ")
	colon := len(bare) < len(text)
	for _, end := range []string{"写道", "寫道"} {
		if strings.HasSuffix(bare, end) {
			return true
		}
	}
	if !colon {
		return false
	}
	low := strings.ToLower(bare)
	switch {
	case strings.HasPrefix(low, "on "), strings.HasPrefix(low, "at "):
		return strings.HasSuffix(low, " wrote")
	case strings.HasPrefix(low, "am "):
		return strings.Contains(low, " schrieb ")
	case strings.HasPrefix(low, "le "):
		return strings.HasSuffix(low, " a écrit")
	case strings.HasPrefix(low, "el "):
		return strings.HasSuffix(low, " escribió")
	}
	return false
}

// headerBlock are the fields of a quoted header, as Outlook, Foxmail and QQ show them.
var headerBlock = regexp.MustCompile(`(?i)^[\s*>]*(from|von|de|发件人|寄件者|sent|gesendet|date|发送时间|发送日期|日期|时间|寄件日期|to|an|收件人|收件者|cc|抄送|副本|subject|betreff|主题|主旨)\s*\*?\s*[:：]`)

var headerStart = regexp.MustCompile(`(?i)^[\s*]*(from|von|发件人|寄件者)\s*\*?\s*[:：]`)

// Unquote returns text without the history it quotes. When nothing else is there,
// such as in a bare forward, the whole text is what the mail says.
func Unquote(text string) string {
	rows := strings.Split(text, "\n")
	kept := make([]string, 0, len(rows))
	for i := 0; i < len(rows); i++ {
		if quoted(rows[i]) {
			continue
		}
		first := firstRune(rows[i])
		if strings.ContainsRune("-bB开", first) && cutLines.MatchString(rows[i]) {
			break
		}
		if strings.ContainsRune("fFvV发寄", first) && startsHeaderBlock(rows, i) {
			break
		}
		n := introduces(rows, i)
		if n == 0 {
			kept = append(kept, rows[i])
			continue
		}
		if !quoteFollows(rows, i+n) {
			break // the history is not marked line by line: all that follows is it
		}
		i += n - 1
	}
	for len(kept) > 0 && separator(kept[len(kept)-1]) {
		kept = kept[:len(kept)-1]
	}
	out := collapse(kept)
	if out == "" {
		return text
	}
	return out
}

// firstRune is the first one that is neither blank nor emphasis; NUL in an empty line. A look at it
// saves most lines the regular expressions.
func firstRune(row string) rune {
	for _, r := range row {
		if r != ' ' && r != '\t' && r != '*' {
			return r
		}
	}
	return 0
}

func quoted(row string) bool { return strings.HasPrefix(strings.TrimLeft(row, " "), ">") }

// separator lines lead over to the history and say nothing.
func separator(row string) bool {
	return strings.Trim(row, " \t_-=*") == ""
}

// maxIntro is the longest introduction, in lines: programs wrap it.
const maxIntro = 3

// introduces returns how many lines from i on introduce a quotation, or 0.
func introduces(rows []string, i int) int {
	near := rows[i:min(i+maxIntro, len(rows))]
	if !slices.ContainsFunc(near, introEnd) {
		return 0
	}
	joined := ""
	for n, row := range near {
		row = strings.TrimSpace(row)
		if row == "" || len(row) > 400 {
			return 0
		}
		if n == 0 && !introStart(row) {
			return 0
		}
		joined = strings.TrimSpace(joined + " " + row)
		if introEnd(row) && introduction(joined) {
			return n + 1
		}
	}
	return 0
}

// introStart tells whether an introduction may begin with the row: with a word of the
// languages that introduction knows, or with whatever holds a year of this century.
func introStart(row string) bool {
	if strings.HasPrefix(row, "在") || strings.Contains(row, "20") {
		return true
	}
	return len(row) > 3 && row[2] == ' ' && strings.Contains("on at am le el", strings.ToLower(row[:2]))
}

// introEnd tells whether an introduction may end with the row.
func introEnd(row string) bool {
	row = strings.TrimRight(row, " ")
	for _, end := range []string{":", "：", "写道", "寫道"} {
		if strings.HasSuffix(row, end) {
			return true
		}
	}
	return false
}

func quoteFollows(rows []string, i int) bool {
	for ; i < len(rows); i++ {
		if strings.TrimSpace(rows[i]) != "" {
			return quoted(rows[i])
		}
	}
	return false
}

// startsHeaderBlock wants a From line and two more fields within the next six lines.
func startsHeaderBlock(rows []string, i int) bool {
	if !headerStart.MatchString(rows[i]) {
		return false
	}
	fields := 0
	for _, row := range rows[i+1 : min(i+7, len(rows))] {
		if headerBlock.MatchString(row) {
			fields++
		}
	}
	return fields >= 2
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
