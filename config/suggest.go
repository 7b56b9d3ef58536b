package config

import (
	"fmt"
	"slices"
	"strings"
)

// suggest says which of the allowed words was meant, or lists them all.
func suggest(got string, allowed []string) string {
	if best := nearest(got, allowed); best != "" {
		return fmt.Sprintf("Did you mean %q?", best)
	}
	if len(allowed) == 0 {
		return "Take it out."
	}
	return "Allowed here: " + strings.Join(allowed, ", ") + "."
}

// nearest returns the word with the fewest typing errors between it and got,
// or nothing if all are too far away.
func nearest(got string, words []string) string {
	got = strings.ToLower(strings.ReplaceAll(got, "-", "_"))
	best, bestDistance := "", 1+min(3, 1+len(got)/4) // two swapped letters count as two errors
	for _, word := range words {
		if d := distance([]rune(got), []rune(strings.ReplaceAll(word, "-", "_"))); d < bestDistance {
			best, bestDistance = word, d
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
