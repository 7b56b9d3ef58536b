package compose

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a template, for the person who wrote it.
type Problem struct {
	Template    string   `json:"template"` // its name: subject, text, html, to …
	Line        int      `json:"line"`     // from 1; zero where no place can be told
	Column      int      `json:"column"`   // in characters, from 1
	Code        string   `json:"code"`     // a closed set, such as unknown_function
	Zh          string   `json:"zh"`
	En          string   `json:"en"`
	Suggestions []string `json:"suggestions,omitempty"`
	Warning     bool     `json:"warning,omitempty"` // the template can be used as it is
}

func (p Problem) Error() string {
	where := p.Template
	if p.Line > 0 {
		where = fmt.Sprintf("%s:%d:%d", p.Template, p.Line, p.Column)
	}
	return where + ": " + p.Zh + " / " + p.En
}

// Problems are all that is wrong. As an error they are the grave ones.
type Problems []Problem

func (ps Problems) Error() string {
	var words []string
	for _, p := range ps {
		if !p.Warning {
			words = append(words, p.Error())
		}
	}
	return strings.Join(words, "; ")
}

// Grave says whether there is more than warnings.
func (ps Problems) Grave() bool {
	return slices.ContainsFunc(ps, func(p Problem) bool { return !p.Warning })
}

// Err returns the problems as an error, or nil if there are no grave ones.
func (ps Problems) Err() error {
	if !ps.Grave() {
		return nil
	}
	return ps
}

// ProblemsOf returns what an error says about templates, if it does.
func ProblemsOf(err error) Problems { return problemsOf(err) }

// problemsOf returns what an error says about templates, if it does.
func problemsOf(err error) Problems {
	if ps, ok := errors.AsType[Problems](err); ok {
		return ps
	}
	if p, ok := errors.AsType[Problem](err); ok {
		return Problems{p}
	}
	return nil
}

// place turns an offset into a line and a column of characters.
func place(source string, offset int) (line, column int) {
	offset = max(0, min(offset, len(source)))
	before := source[:offset]
	line = 1 + strings.Count(before, "\n")
	return line, 1 + len([]rune(before[strings.LastIndexByte(before, '\n')+1:]))
}

// maxSuggestions of what an author may have meant.
const maxSuggestions = 3

// nearest returns the names that are most like the given one, the nearest first.
func nearest(name string, among []string) []string {
	type near struct {
		name     string
		distance int
	}
	limit := max(1, len([]rune(name))/3)
	var found []near
	for _, a := range among {
		if d := distance(strings.ToLower(name), strings.ToLower(a), limit); d <= limit {
			found = append(found, near{a, d})
		}
	}
	slices.SortStableFunc(found, func(a, b near) int { return a.distance - b.distance })
	var out []string
	for _, f := range found[:min(len(found), maxSuggestions)] {
		out = append(out, f.name)
	}
	return out
}

// maxNameLength bounds what names are compared.
const maxNameLength = 100

// distance is the number of letters to change (Levenshtein), or more than limit.
func distance(a, b string, limit int) int {
	x, y := []rune(a), []rune(b)
	if len(x) > maxNameLength || len(y) > maxNameLength || len(x)-len(y) > limit || len(y)-len(x) > limit {
		return limit + 1
	}
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := range x {
		left := row[0]
		row[0] = i + 1
		for j := range y {
			cost := left
			if x[i] != y[j] {
				cost = 1 + min(left, row[j], row[j+1])
			}
			left, row[j+1] = row[j+1], cost
		}
	}
	return row[len(y)]
}
