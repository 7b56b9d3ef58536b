package archive

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"heliograph/crmclient"
	"heliograph/internal/store"
)

// Words that no text has: a character for private use, and a digest or a word.
const (
	markAccount   = "\ue000"
	markFrom      = "\ue001"
	markTo        = "\ue002" // To and Cc
	markBlind     = "\ue003"
	markDomain    = "\ue004"
	markFile      = "\ue005" // a word of the name of an attachment
	markSingle    = "\ue006" // one ideograph; words have them in pairs
	markDirection = "\ue007"
	markFiles     = "\ue008" // has attachments
	between       = "\ue009" // stands between fields, so that no phrase reaches over
)

// maxTokens bounds the words of one message. PostgreSQL counts places to 16,383.
const maxTokens = 12_000

// tokens are the words of one message: those with a place, and those without.
type tokens struct {
	words []string
	marks []string
}

// mark is a word for a value.
func mark(kind, value string) string {
	sum := sha256.Sum256([]byte(value))
	return kind + hex.EncodeToString(sum[:8])
}

// tokensOf returns the words of a message.
func tokensOf(d *draft, direction string, accounts []string, domains crmclient.CompanyDomains) tokens {
	var t tokens
	marks := map[string]bool{markDirection + direction: true}
	if d.attachments > 0 {
		marks[markFiles] = true
	}
	for _, a := range accounts {
		marks[mark(markAccount, a)] = true
	}
	t.add(marks, d.subject)
	for _, p := range d.people {
		kind := markTo
		switch p.Role {
		case From:
			kind = markFrom
		case BCC:
			marks[mark(markBlind, p.Address)] = true
			continue // which is not for everybody to be found by
		case To, CC:
		}
		marks[mark(kind, p.Address)] = true
		marks[mark(markDomain, domainOf(p.Address))] = true
		if domain := domains.Of(p.Address); domain != "" {
			marks[mark(markDomain, domain)] = true
		}
		t.add(marks, p.Name)
		t.add(marks, p.Address)
	}
	for _, f := range d.files {
		t.add(marks, f)
		t.words = append(t.words, between)
		for _, w := range store.Tokens(f) {
			t.words = append(t.words, markFile+w)
		}
	}
	t.add(marks, d.text)
	t.words = t.words[:min(len(t.words), maxTokens)]
	for m := range marks {
		t.marks = append(t.marks, m)
	}
	slices.Sort(t.marks)
	return t
}

// add appends the words of a field.
func (t *tokens) add(marks map[string]bool, text string) {
	if len(t.words) >= maxTokens {
		return
	}
	words := store.Tokens(text)
	if len(words) == 0 {
		return
	}
	if len(t.words) > 0 {
		t.words = append(t.words, between)
	}
	t.words = append(t.words, words...)
	for _, w := range words {
		if r, size := utf8.DecodeRuneInString(w); r >= 0x1100 && utf8.RuneCountInString(w) <= 2 {
			marks[markSingle+w[:size]] = true
			if size < len(w) {
				marks[markSingle+w[size:]] = true
			}
		}
	}
}

// fts is what FTS5 indexes.
func (t tokens) fts() string {
	return strings.Join(t.words, " ") + " " + between + " " + strings.Join(t.marks, " ")
}

// tsvector is what PostgreSQL indexes. No word has a quote in it.
func (t tokens) tsvector() string {
	places := map[string][]int{}
	for i, w := range t.words {
		if w != between {
			places[w] = append(places[w], i+1)
		}
	}
	var b strings.Builder
	for w, at := range places {
		b.WriteString("'" + w + "'")
		for i, n := range at {
			if i == 255 {
				break // it keeps no more
			}
			b.WriteByte([]byte(":,")[min(i, 1)])
			b.WriteString(strconv.Itoa(n))
		}
		b.WriteByte(' ')
	}
	for _, m := range t.marks {
		b.WriteString("'" + m + "' ")
	}
	return b.String()
}

// expr is a condition on words: a phrase, or several conditions.
type expr struct {
	phrase []string
	any    bool // of list; else all of it
	list   []expr
	not    []expr // none of them
}

func word(w string) expr { return expr{phrase: []string{w}} }

func anyOf(list ...expr) expr { return expr{any: true, list: list} }

// fts writes the condition for FTS5.
func (e expr) fts() string {
	if e.phrase != nil {
		return `"` + strings.Join(e.phrase, " ") + `"`
	}
	return e.join(" OR ", " AND ", " NOT ", expr.fts)
}

// tsquery writes the condition for PostgreSQL.
func (e expr) tsquery() string {
	if e.phrase != nil {
		words := make([]string, len(e.phrase))
		for i, w := range e.phrase {
			words[i] = "'" + w + "'"
		}
		return "(" + strings.Join(words, " <-> ") + ")"
	}
	return e.join(" | ", " & ", " & !", expr.tsquery)
}

func (e expr) join(or, and, not string, write func(expr) string) string {
	parts := make([]string, len(e.list))
	for i, x := range e.list {
		parts[i] = write(x)
	}
	sign := and
	if e.any {
		sign = or
	}
	out := "(" + strings.Join(parts, sign) + ")"
	for _, x := range e.not {
		out = "(" + out + not + write(x) + ")"
	}
	return out
}

// maxTerms bounds the words of a query.
const maxTerms = 32

// terms reads a query of words: each must be there, a run of ideographs and what is quoted as it stands; what has a minus before it must not.
func terms(query string) (must, not []expr) {
	for len(must)+len(not) < maxTerms {
		query = strings.TrimSpace(query)
		if query == "" {
			break
		}
		rest, negated := strings.CutPrefix(query, "-")
		if !negated {
			rest = query
		}
		var text string
		if r, size := utf8.DecodeRuneInString(rest); r == '"' || r == '“' || r == '”' {
			rest = rest[size:]
			end := strings.IndexAny(rest, `"“”`)
			if end < 0 {
				end = len(rest)
			}
			text, query = rest[:end], strings.TrimLeft(rest[end:], `"“”`)
		} else {
			end := strings.IndexFunc(rest, func(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\u3000' })
			if end < 0 {
				end = len(rest)
			}
			text, query = rest[:end], rest[end:]
		}
		x, ok := phrase(text)
		if ok && negated {
			not = append(not, x)
		} else if ok {
			must = append(must, x)
		}
	}
	return must, not
}

// maxPhrase bounds the words of a phrase.
const maxPhrase = 64

func phrase(text string) (expr, bool) {
	words := store.Tokens(text)
	words = words[:min(len(words), maxPhrase)]
	if len(words) == 0 {
		return expr{}, false
	}
	if r, size := utf8.DecodeRuneInString(words[0]); len(words) == 1 && size == len(words[0]) && r >= 0x1100 {
		return word(markSingle + words[0]), true
	}
	return expr{phrase: words}, true
}
