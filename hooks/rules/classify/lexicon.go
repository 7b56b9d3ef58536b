package classify

import (
	"cmp"
	_ "embed" // the shipped lexicon
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"heliograph/internal/store"
)

//go:embed lexicon.txt
var lexiconFile string

// Phrase is words that speak for a label.
type Phrase struct {
	Text    string // words or Chinese characters in a row; case and width do not count
	Label   string
	Weight  float64 // in natural logarithms of odds; 0 means 2; below 0 it speaks against
	Subject bool    // counts in the subject only
}

const (
	maxPhrases     = 5000 // of a dimension
	maxPhrase      = 100  // octets
	maxPhraseScore = 6    // what all phrases together may say for or against a label
	defaultPhrase  = 2
)

// lexicon finds the phrases of one dimension.
type lexicon struct {
	labels []string
	first  map[string][]entry // by their first token
	ones   map[string][]entry // the phrases of one Chinese character, which are found inside pairs too
}

type entry struct {
	Phrase
	tokens []string
}

// match is a phrase that was found.
type match struct {
	entry
	where     string
	weight    float64
	dimension string
}

// shippedPhrases reads the file that is built in.
var shippedPhrases = sync.OnceValues(func() (map[string][]Phrase, error) {
	list, err := parseLexicon(lexiconFile)
	if err != nil {
		return nil, fmt.Errorf("the shipped lexicon: %w", err)
	}
	return list, nil
})

// parseLexicon reads lines of dimension|label|weight|phrases.
func parseLexicon(text string) (map[string][]Phrase, error) {
	all := map[string][]Phrase{}
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(line, "|")
		if len(fields) != 4 {
			return nil, fmt.Errorf("line %d has %d fields instead of 4", n, len(fields))
		}
		weight, err := strconv.ParseFloat(fields[2], 64)
		if err != nil || weight == 0 {
			return nil, fmt.Errorf("line %d: the weight %q is no number but 0", n, fields[2])
		}
		for p := range strings.SplitSeq(fields[3], ",") {
			p, subject := strings.CutPrefix(strings.TrimSpace(p), "^")
			all[fields[0]] = append(all[fields[0]], Phrase{Text: p, Label: fields[1], Weight: weight, Subject: subject})
		}
	}
	return all, nil
}

func newLexicon(phrases []Phrase) (*lexicon, error) {
	if len(phrases) > maxPhrases {
		return nil, fmt.Errorf("more than %d phrases", maxPhrases)
	}
	l := &lexicon{first: map[string][]entry{}, ones: map[string][]entry{}}
	for _, p := range phrases {
		if p.Weight == 0 {
			p.Weight = defaultPhrase
		}
		tokens := store.Tokens(p.Text)
		if len(tokens) == 0 || len(p.Text) > maxPhrase {
			return nil, fmt.Errorf("the phrase %q has no letters, or more than %d octets", p.Text, maxPhrase)
		}
		if !(p.Weight >= -maxPhraseScore && p.Weight <= maxPhraseScore) {
			return nil, fmt.Errorf("the weight of the phrase %q is not between -%d and %d", p.Text, maxPhraseScore, maxPhraseScore)
		}
		if !slices.Contains(l.labels, p.Label) {
			l.labels = append(l.labels, p.Label)
		}
		e := entry{Phrase: p, tokens: tokens}
		l.first[tokens[0]] = append(l.first[tokens[0]], e)
		if len(tokens) == 1 && eastern(tokens[0]) && utf8.RuneCountInString(tokens[0]) == 1 {
			l.ones[tokens[0]] = append(l.ones[tokens[0]], e)
		}
	}
	return l, nil
}

// find returns the phrases in a mail, each once, where it counts most.
func (l *lexicon) find(dimension string, subject, text []string) []match {
	var found []match
	add := func(e entry, where string, factor float64) {
		if e.Subject && where != "subject" || slices.ContainsFunc(found, func(m match) bool { return m.Text == e.Text && m.Label == e.Label }) {
			return
		}
		found = append(found, match{entry: e, where: where, weight: factor * e.Weight, dimension: dimension})
	}
	find := func(tokens []string, where string, factor float64) {
		for i, t := range tokens {
			for _, e := range l.first[t] {
				if len(e.tokens) <= len(tokens)-i && slices.Equal(e.tokens, tokens[i:i+len(e.tokens)]) {
					add(e, where, factor)
				}
			}
			if !eastern(t) {
				continue
			}
			for _, e := range l.single(t) { // phrases of one character
				add(e, where, factor)
			}
		}
	}
	find(subject, "subject", subjectWeight)
	find(text, "text", 1)
	return found
}

// single returns the phrases of one character that are in a pair of characters.
func (l *lexicon) single(pair string) []entry {
	_, size := utf8.DecodeRuneInString(pair)
	if size == len(pair) {
		return nil // it was looked up already
	}
	if list := l.ones[pair[:size]]; list != nil {
		return list
	}
	return l.ones[pair[size:]]
}

type labelWeight struct {
	label  string
	weight float64
}

// sum adds up what the phrases say for each label.
func sum(found []match) []labelWeight {
	var list []labelWeight
	for _, m := range found {
		i := slices.IndexFunc(list, func(s labelWeight) bool { return s.label == m.Label })
		if i < 0 {
			i = len(list)
			list = append(list, labelWeight{label: m.Label})
		}
		list[i].weight += m.weight
	}
	for i := range list {
		list[i].weight = min(max(list[i].weight, -maxPhraseScore), maxPhraseScore)
	}
	slices.SortFunc(list, func(a, b labelWeight) int { return cmp.Compare(a.label, b.label) })
	return list
}

// validName tells whether s may name a dimension or a label.
func validName(s string) bool {
	return s != "" && len(s) <= maxName && strings.TrimSpace(s) == s && strings.IndexFunc(s, unicode.IsControl) < 0
}
