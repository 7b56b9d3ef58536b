package mail

import (
	"slices"
	"strings"

	"heliograph/internal/message"
)

// maxShownText bounds the text that is shown of a message, in bytes.
const maxShownText = 512 << 10

// lineKind is what a line of text is.
type lineKind int

const (
	ownLine lineKind = iota
	quotedLine
	signatureLine
)

// blocks cuts a text into what the mail says itself, its signature, and what it quotes.
func blocks(msg *message.Message, m mask) (out []TextBlock, truncated bool) {
	text := msg.Text
	if len(text) > maxShownText {
		text, truncated = strings.ToValidUTF8(text[:maxShownText], ""), true
	}
	if strings.TrimSpace(text) == "" {
		return []TextBlock{}, truncated
	}
	lines := strings.Split(text, "\n")
	kinds := kindsOf(lines, strings.Split(msg.Unquoted, "\n"), strings.Split(strings.TrimRight(msg.Signature, "\n"), "\n"))
	out = []TextBlock{}
	for start := 0; start < len(lines); {
		end := start + 1
		for end < len(lines) && kinds[end] == kinds[start] {
			end++
		}
		b := TextBlock{Text: m.text(strings.Join(lines[start:end], "\n"))}
		b.Quoted, b.Signature = some(kinds[start] == quotedLine), some(kinds[start] == signatureLine)
		if strings.TrimSpace(b.Text) != "" || len(out) > 0 {
			out = append(out, b)
		}
		start = end
	}
	return out, truncated
}

// kindsOf marks the lines that are not in own, which has some of the lines in the same order, and those of the signature at own's end.
func kindsOf(lines, own, signature []string) []lineKind {
	kinds := make([]lineKind, len(lines))
	var mine []int
	next := 0
	for i, line := range lines {
		switch {
		case next < len(own) && strings.TrimRight(line, " \t\r") == strings.TrimRight(own[next], " \t\r"):
			mine = append(mine, i)
			next++
		case strings.TrimSpace(line) != "":
			kinds[i] = quotedLine
		}
	}
	for len(mine) > 0 && strings.TrimSpace(lines[mine[len(mine)-1]]) == "" {
		mine = mine[:len(mine)-1]
	}
	if n := len(signature); n > 0 && strings.TrimSpace(signature[0]) != "" && n <= len(mine) {
		last := mine[len(mine)-n:]
		same := slices.EqualFunc(last, signature, func(i int, s string) bool { return strings.TrimSpace(lines[i]) == strings.TrimSpace(s) })
		for _, i := range last {
			if same {
				kinds[i] = signatureLine
			}
		}
		if first := last[0]; same && first > 0 && strings.TrimSpace(lines[first-1]) == "--" {
			kinds[first-1] = signatureLine
		}
	}
	for i := 1; i < len(lines); i++ {
		if strings.TrimSpace(lines[i]) == "" {
			kinds[i] = kinds[i-1] // no block begins with nothing
		}
	}
	return kinds
}
