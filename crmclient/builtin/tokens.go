package builtin

import (
	"slices"
	"strings"
	"unicode/utf8"

	"heliograph/crmclient"
	"heliograph/internal/store"
)

const (
	// maxIndexed is how much of a message's text is indexed; what follows is quoted history or a data dump.
	maxIndexed = 256 << 10
	// maxTokens bounds the tokens of one activity.
	maxTokens = 50_000
)

// activityTokens returns the distinct search tokens of an activity. Single Chinese characters are indexed
// beside the pairs of store.Tokens, so that a search for one of them finds something.
func activityTokens(a *crmclient.Activity) string {
	parts := []string{a.Subject, a.From.Name, a.From.Address}
	for _, list := range [][]crmclient.Person{a.To, a.CC, a.BCC} {
		for _, p := range list {
			parts = append(parts, p.Name, p.Address)
		}
	}
	for _, f := range a.Attachments {
		parts = append(parts, f.Name)
	}
	parts = append(parts, a.Text)
	text := clean(strings.Join(parts, "\n"))
	text = strings.ToValidUTF8(text[:min(len(text), maxIndexed)], "")

	seen := map[string]bool{}
	for _, t := range store.Tokens(text) {
		seen[t] = true
		if isPair(t) {
			for _, r := range t {
				seen[string(r)] = true
			}
		}
		if len(seen) >= maxTokens {
			break
		}
	}
	tokens := make([]string, 0, len(seen))
	for t := range seen {
		tokens = append(tokens, t)
	}
	slices.Sort(tokens)
	return strings.Join(tokens, " ")
}

// isPair says whether a token is two ideographs; words of two letters that begin beyond Latin, Greek,
// Cyrillic … count too, which costs a few useless tokens.
func isPair(t string) bool {
	r, _ := utf8.DecodeRuneInString(t)
	return r >= 0x1100 && utf8.RuneCountInString(t) == 2
}

// queryTokens returns the distinct tokens of a search.
func queryTokens(query string) []string {
	tokens := store.Tokens(clean(query))
	slices.Sort(tokens)
	tokens = slices.Compact(tokens)
	return tokens[:min(len(tokens), 64)]
}
