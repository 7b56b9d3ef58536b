package notify

import (
	"fmt"
	"strings"
	"time"

	"heliograph/crmclient"
)

// headline is what a telephone shows of a post. Whether vendors look for markup in it is not told, so it has none.
func headline(ms []Message) string {
	if len(ms) == 1 {
		return ms[0].Level.icon() + plain(ms[0].Title)
	}
	return fmt.Sprintf("%s%s (+%d)", highest(ms).icon(), plain(ms[0].Title), len(ms)-1)
}

// markdown writes messages for vendors that have the smallest common Markdown: headings, bold, links. A line
// break needs an empty line in DingTalk.
func markdown(ms []Message, heading string, people map[string]string) string {
	var b strings.Builder
	for i, m := range ms {
		if i > 0 {
			b.WriteString("\n\n---\n\n")
		}
		b.WriteString(heading + m.Level.icon() + plain(m.Title))
		for _, paragraph := range strings.Split(m.Text, "\n") {
			if strings.TrimSpace(paragraph) != "" {
				b.WriteString("\n\n" + lineStart(plain(paragraph)))
			}
		}
		for _, f := range m.Facts {
			b.WriteString("\n\n**" + plain(f.Name) + "**: " + plain(f.Value))
		}
		if _, others := unknown(m.Mentions, people); len(others) > 0 {
			b.WriteString("\n\n" + plain(strings.Join(others, ", ")))
		}
		for _, l := range m.Links {
			b.WriteString("\n\n[" + plain(l.Label) + "](" + linkTarget(l.URL) + ")")
		}
		b.WriteString("\n\n" + m.At.Format("2006-01-02 15:04:05"))
	}
	return b.String()
}

// lineStart keeps the beginning of a line from being a list or a rule.
func lineStart(s string) string {
	s = strings.TrimLeft(s, " \t")
	if s != "" && strings.ContainsRune("-+=", rune(s[0])) {
		return "\u200b" + s
	}
	return s
}

// linkTarget escapes what would end the address of a link.
var linkTarget = strings.NewReplacer("(", "%28", ")", "%29", " ", "%20", "<", "%3C", ">", "%3E").Replace

// coded is an error by a vendor's own code. The vendor's words are kept, shortened.
func coded(class crmclient.Class, a *crmclient.Answer, code int, words string, wait time.Duration, remedy string) error {
	return &crmclient.Error{
		Class: class, RetryAfter: wait, Remedy: remedy, RequestID: a.RequestID,
		Message: fmt.Sprintf("the notification was refused: code %d, %s", code, line(words, 200)),
	}
}
