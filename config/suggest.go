package config

import (
	"fmt"
	"slices"
	"strings"
)

// suggest says which of the allowed words was meant, or lists them all.
func suggest(got string, allowed []string) string {
	if best := Nearest(got, allowed); best != "" {
		return fmt.Sprintf("Did you mean %q?", best)
	}
	if len(allowed) == 0 {
		return "Take it out."
	}
	return "Allowed here: " + strings.Join(allowed, ", ") + "."
}

// Nearest returns the word with the fewest typing errors between it and got, or nothing if all are too far away. Case, and - in place of _, are
// no errors. Of words that are as near the one with the same first letter is meant: few err there.
func Nearest(got string, words []string) string {
	plain := func(s string) []rune { return []rune(strings.ToLower(strings.ReplaceAll(s, "-", "_"))) }
	from := plain(got)
	best, bestDistance, alike := "", 1+min(3, 1+len(got)/4), false // two swapped letters count as two errors
	for _, word := range words {
		to := plain(word)
		same := len(from) > 0 && len(to) > 0 && from[0] == to[0]
		if d := distance(from, to); word != "" && (d < bestDistance || d == bestDistance && best != "" && same && !alike) {
			best, bestDistance, alike = word, d, same
		}
	}
	return best
}

// distance counts the letters to add, drop or change between a and b.
func distance(a, b []rune) int {
	if len(a) > 64 {
		a = a[:64] // nobody means a longer word, and the table stays small
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i, ra := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j, rb := range b {
			change := diagonal
			if ra != rb {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// oneOf is the sorted list of words for a message: a, b or c.
func oneOf(words []string) string {
	words = slices.Clone(words)
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
