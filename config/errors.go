package config

import (
	"fmt"
	"slices"
	"strings"
)

// Mistake is one thing that is wrong in a configuration.
type Mistake struct {
	File    string
	Line    int    // from 1; zero where there is no place, as for a missing file
	Column  int    // from 1, in characters
	Path    string // of the key, such as listeners[0].address
	Message string // what is wrong
	Remedy  string // what to do
	Excerpt string // the line with a caret below, without secrets; may be empty
}

// String returns the mistake as it is shown to the operator, without a line
// break at the end.
func (m Mistake) String() string {
	var b strings.Builder
	b.WriteString(m.File)
	if m.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", m.Line, m.Column)
	}
	if m.File != "" {
		b.WriteString(": ")
	}
	if m.Path != "" {
		b.WriteString(m.Path + ": ")
	}
	b.WriteString(m.Message)
	if m.Excerpt != "" {
		b.WriteString("\n" + m.Excerpt)
	}
	if m.Remedy != "" {
		b.WriteString("\n    " + m.Remedy)
	}
	return b.String()
}

// Errors are all mistakes of one configuration, in the order of the file.
type Errors []Mistake

// Error lists all mistakes.
func (e Errors) Error() string {
	parts := make([]string, 0, len(e)+1)
	if len(e) > 1 {
		parts = append(parts, fmt.Sprintf("%d mistakes in the configuration", len(e)))
	}
	for _, m := range e {
		parts = append(parts, m.String())
	}
	return strings.Join(parts, "\n\n")
}

// As lets errors.As find the list by value as well as by pointer.
func (e Errors) As(target any) bool {
	list, ok := target.(*Errors)
	if ok {
		*list = e
	}
	return ok
}

// orNil returns the mistakes in the order of the file, or nil if there are none.
func (e Errors) orNil() error {
	if len(e) == 0 {
		return nil
	}
	sorted := slices.Clone(e)
	slices.SortStableFunc(sorted, func(a, b Mistake) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return &sorted
}
