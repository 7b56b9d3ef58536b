package notify

import (
	"encoding/json"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// What a message has at most, in characters. Vendors' own limits, in bytes, are below that of one long text.
const (
	maxTitle     = 120
	maxText      = 4000
	maxFacts     = 20
	maxFactName  = 40
	maxFactValue = 300
	maxLinks     = 5
	maxLabel     = 40
	maxURL       = 1000
	maxMentions  = 20
)

// bounded returns the message within its bounds, without control characters, and with a time.
func bounded(m Message, now time.Time) Message {
	m.Title, m.Text = line(m.Title, maxTitle), strings.TrimSpace(cut(clean(m.Text), maxText))
	if m.Title == "" {
		m.Title = "Heliograph"
	}
	facts := make([]Fact, 0, min(len(m.Facts), maxFacts))
	for _, f := range m.Facts[:min(len(m.Facts), maxFacts)] {
		facts = append(facts, Fact{line(f.Name, maxFactName), line(f.Value, maxFactValue)})
	}
	var links []Link
	for _, l := range m.Links {
		u, err := url.Parse(l.URL)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || len(l.URL) > maxURL || len(links) == maxLinks {
			continue
		}
		links = append(links, Link{line(l.Label, maxLabel), u.String()})
	}
	m.Facts, m.Links, m.Mentions = facts, links, m.Mentions[:min(len(m.Mentions), maxMentions)]
	if m.At.IsZero() {
		m.At = now
	}
	if m.Level == "" {
		m.Level = Info
	}
	return m
}

// clean drops control characters and those that turn the direction of writing, which can make a text look like another.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t':
			return r
		case unicode.IsControl(r), r >= 0x202A && r <= 0x202E, r >= 0x2066 && r <= 0x2069, r == utf8.RuneError:
			return -1
		}
		return r
	}, strings.ReplaceAll(s, "\r\n", "\n"))
}

// line makes one line of at most n characters.
func line(s string, n int) string {
	return cut(strings.Join(strings.Fields(clean(s)), " "), n)
}

// cut shortens a text to n characters, the last of which tells that something is missing.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	runes := []rune(s)
	return string(runes[:n-1]) + "…"
}

// marks are the characters by which Markdown, HTML and the vendors' own tags begin, and the wide forms that
// look like them but mean nothing. Backslashes are no way out: some vendors show them.
var marks = strings.NewReplacer(
	"<", "＜", ">", "＞", "[", "［", "]", "］", "*", "＊", "`", "｀", "#", "＃", "~", "～", "|", "｜", "\\", "＼",
)

// plain neutralises what a vendor that has only Markdown would take for markup.
func plain(s string) string { return marks.Replace(s) }

// icon stands before a title.
func (l Level) icon() string {
	switch l {
	case Critical:
		return "🔴 "
	case Warning:
		return "🟠 "
	case Info:
	}
	return ""
}

// highest is the level of several messages together.
func highest(ms []Message) Level {
	out := Info
	for _, m := range ms {
		if m.Level == Critical || m.Level == Warning && out == Info {
			out = m.Level
		}
	}
	return out
}

// mentioned gathers all mentions of several messages.
func mentioned(ms []Message) []string {
	var out []string
	for _, m := range ms {
		out = append(out, m.Mentions...)
	}
	return out
}

// fit composes as many messages as go into max bytes of JSON. One that is too long alone is shortened.
func fit(ms []Message, limit int, build func([]Message) any) ([]byte, int, error) {
	var last []byte
	for n := 1; n <= len(ms); n++ {
		body, err := encode(build(ms[:n]))
		if err != nil {
			return nil, 0, err
		}
		if len(body) > limit {
			if n > 1 {
				return last, n - 1, nil
			}
			body, err = shorten(ms[0], limit, build)
			if err != nil || len(ms) == 1 {
				return body, 1, err
			}
			return body, 1, nil
		}
		last = body
	}
	return last, len(ms), nil
}

// shorten cuts a message until it fits: first its text, then its facts and links.
func shorten(m Message, limit int, build func([]Message) any) ([]byte, error) {
	for {
		body, err := encode(build([]Message{m}))
		if err != nil || len(body) <= limit {
			return body, err
		}
		switch n := utf8.RuneCountInString(m.Text); {
		case n > 20:
			m.Text = cut(m.Text, n*3/4)
		case len(m.Facts) > 0:
			m.Facts = m.Facts[:len(m.Facts)-1]
		case len(m.Links) > 0:
			m.Links = m.Links[:len(m.Links)-1]
		case len(m.Mentions) > 0:
			m.Mentions = m.Mentions[:len(m.Mentions)-1]
		default:
			return body, nil // no vendor's limit is below a title
		}
	}
}

// encode writes JSON whose characters are as they are: escapes would count against the vendors' limits.
func encode(v any) ([]byte, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return []byte(strings.TrimSuffix(b.String(), "\n")), nil
}
