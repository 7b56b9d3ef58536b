package message

import (
	"regexp"
	"strings"
)

// ThreadIDs returns the Message-IDs of the messages that this one follows, the
// nearest first, each once: In-Reply-To, then References from its end.
func (m *Message) ThreadIDs() []string {
	var out []string
	seen := map[string]bool{m.MessageID: true}
	add := func(id string) {
		if id != "" && !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	add(m.InReplyTo)
	for i := len(m.References) - 1; i >= 0; i-- {
		add(m.References[i])
	}
	return out
}

// subjectPrefix is what programs put before the subject of a reply or a forward, in the
// languages they speak, perhaps counted: "Re[2]:", "回复(3)：".
var subjectPrefix = regexp.MustCompile(`(?i)^\s*(re|fw|fwd|aw|wg|sv|vs|rv|res|enc|tr|antw|odp|vá|ynt|回复|回覆|答复|答覆|转发|轉寄|轉發|返信|转|答)\s*([\[(（]\s*\d+\s*[\])）]|\d{1,2})?\s*[:：]\s*`)

// BaseSubject returns the subject without the marks of replies and forwards, in lower
// case with single blanks, and whether there was such a mark.
func BaseSubject(subject string) (base string, reply bool) {
	base = subject
	for {
		loc := subjectPrefix.FindStringIndex(base)
		if loc == nil {
			break
		}
		base, reply = base[loc[1]:], true
	}
	return strings.ToLower(strings.Join(strings.Fields(base), " ")), reply
}
