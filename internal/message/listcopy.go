package message

import (
	"slices"
	"strings"
)

// Bounds of what a mailing list adds, in bytes without white space: a mark in the subject, and a footer
// that says how to leave. What is longer is words of somebody.
const (
	maxListMark   = 100
	maxListFooter = 2000
)

// ListCopyOf reports whether m is what a mailing list made of the original: it has a List-Id
// and the original has none; Message-ID, Date and sender are those of the original; the subject ends with the
// original's base subject behind a mark; each text begins with that of the original and ends at most in a footer; the attachments are the
// same. An HTML text may be missing, since some lists drop it.
func (m *Message) ListCopyOf(original *Message) bool {
	switch {
	case m.ListID == "" || original.ListID != "":
		return false
	case !plausibleID(m.MessageID) || m.MessageID != original.MessageID:
		return false
	case m.Date.IsZero() || !m.Date.Equal(original.Date):
		return false
	case len(m.From) == 0 || len(original.From) == 0 || m.From[0].Address != original.From[0].Address:
		return false
	case m.Likeness == "" || original.Likeness == "": // not read to its end, or nothing to compare
		return false
	case !slices.Equal(m.files, original.files):
		return false
	}
	return extends(marked(m), marked(original)) && m.textExtends(original)
}

// marked is the subject as lists change it: read from its end.
func marked(m *Message) string {
	base, _ := BaseSubject(m.Subject)
	return squeeze(base)
}

// extends tells whether the subject of a list copy is the original's with a mark before it.
func extends(list, original string) bool {
	return strings.HasSuffix(list, original) && len(list)-len(original) <= maxListMark
}

func (m *Message) textExtends(original *Message) bool {
	text, page := m.words("text"), m.words("html")
	wantText, wantPage := original.words("text"), original.words("html")
	if page == "" && wantText != "" {
		wantPage = "" // dropped by the list
	}
	if wantText == "" && wantPage == "" && len(m.files) == 0 {
		return false // nothing proves it
	}
	return footed(text, wantText) && footed(page, wantPage)
}

// words joins the texts of one kind.
func (m *Message) words(kind string) string {
	var out strings.Builder
	for _, s := range m.shown {
		if s.kind == kind {
			out.WriteString(s.text)
		}
	}
	return out.String()
}

func footed(list, original string) bool {
	return strings.HasPrefix(list, original) && len(list)-len(original) <= maxListFooter
}

// listID reads the identifier of a List-Id field, without its brackets and description (RFC 2919, 2).
func listID(s string) string {
	if i := strings.LastIndexByte(s, '<'); i >= 0 {
		s, _, _ = strings.Cut(s[i+1:], ">")
	}
	return strings.ToLower(oneLine(strings.TrimSpace(s)))
}

// WithoutWords returns a copy of m without what only ListCopyOf needs, which takes as much memory again as the text. The
// copy is never taken for a list's.
func (m *Message) WithoutWords() *Message {
	slim := *m
	slim.shown, slim.files, slim.Likeness = nil, nil, ""
	return &slim
}
