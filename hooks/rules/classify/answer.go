package classify

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxAnswers = 64 // labels that are looked at
	minQuote   = 2  // characters
	maxQuote   = 200
)

// readAnswer takes from a model's answer what holds: a known dimension, an allowed label, and a quote that is in what was sent.
// The rest is left out. An answer that is not the JSON asked for is an error.
func readAnswer(content string, questions []question, subject, text, model string) ([]Suggestion, error) {
	var answer struct {
		Labels []struct {
			Dimension string `json:"dimension"`
			Label     string `json:"label"`
			Quote     string `json:"quote"`
		} `json:"labels"`
	}
	if err := json.Unmarshal([]byte(unfence(content)), &answer); err != nil {
		// The text of err may quote the answer.
		return nil, &ChatError{Status: 200, Reason: "the answer is not the JSON that was asked for"}
	}
	subject, text = spaces(subject), spaces(text)
	var list []Suggestion
	for _, a := range answer.Labels[:min(len(answer.Labels), maxAnswers)] {
		i := slices.IndexFunc(questions, func(q question) bool { return q.name == a.Dimension })
		if i < 0 || !slices.Contains(questions[i].labels, a.Label) {
			continue
		}
		where := whereIs(spaces(a.Quote), subject, text)
		if where == "" || slices.ContainsFunc(list, func(s Suggestion) bool {
			return s.Dimension == a.Dimension && (s.Label == a.Label || !questions[i].many)
		}) {
			continue
		}
		list = append(list, Suggestion{
			Dimension: a.Dimension, Label: a.Label, Origin: ChatOrigin, Model: model,
			Evidence: []Evidence{{Text: spaces(a.Quote), Where: where, Origin: ChatOrigin}},
		})
	}
	return list, nil
}

// whereIs tells where a quote was copied from; it is empty where it was not, or where it says nothing.
func whereIs(quote, subject, text string) string {
	if n := utf8.RuneCountInString(quote); n < minQuote || n > maxQuote || !strings.ContainsFunc(quote, unicode.IsLetter) {
		return ""
	}
	switch {
	case strings.Contains(subject, quote):
		return "subject"
	case strings.Contains(text, quote):
		return "text"
	}
	return ""
}

// spaces makes all white space alike: models rewrap what they copy.
func spaces(s string) string { return strings.Join(strings.Fields(s), " ") }

// unfence takes off the fence of Markdown that some models put around JSON.
func unfence(s string) string {
	s = strings.TrimSpace(s)
	if rest, ok := strings.CutPrefix(s, "```"); ok {
		rest = strings.TrimPrefix(rest, "json")
		s = strings.TrimSuffix(strings.TrimSpace(rest), "```")
	}
	return s
}
