// Package extract finds the fields of a rule in the text of a mail: an order number beside its label, an amount, a date, the rows
// of a price table. What it finds is used in conditions and templates as fields.NAME.
//
// The main idea: a Spec says where a value stands (beside a label, by a pattern, in a table) and what it is (its kind); each way
// yields candidates with the text that they came from, and candidates are ordered, never mixed. A value is certain where somebody
// labelled it and it reads as its kind; where the kind alone found it, or a reading had to be chosen, it is likely and says why. What
// is not found is missing: it is neither empty nor zero.
//
//   - spec.go: what to look for, as data, strict
//   - extract.go, search.go: the result and the order of candidates
//   - document.go, markup.go, table.go: the text, its lines and tables; HTML becomes text with cells
//   - label.go: values beside their labels
//   - kind.go: reading and finding values by kind; amount.go, numeral.go, date.go, relative.go, contact.go, order.go are the kinds
//
// Everything is a pure function of the mail and the specs, so replays give the same. The work is bounded by counting bytes and
// not by a clock: text beyond the bounds is not looked at, and Result.Truncated says so. It does not parse MIME, does not know the CRM
// and trusts nothing: a mail can say anything.
package extract

import (
	"time"
)

// Mail is what fields are found in.
type Mail struct {
	Subject     string
	Text        string    // all of it, with quoted history
	Unquoted    string    // without; where it is empty, Text is taken
	HTML        string    // the HTML part
	Date        time.Time // "tomorrow" is counted from here, in this zone
	Language    string    // zh, en, de …: how numbers and dates are read; empty: as in English
	Attachments []string  // names
}

// Confidence says how much a value can be relied on.
type Confidence string

// The confidences.
const (
	Certain Confidence = "certain" // it was labelled, or a pattern of the rule fits
	Likely  Confidence = "likely"  // it looks like it
)

// Candidate is one reading of a field.
type Candidate struct {
	// Value is a string, json.Number, time.Time, []any or map[string]any; see Kind.
	Value      any
	Text       string // what stands in the mail
	Source     Source // where
	Offset     int    // of Text in the source, in bytes; in HTML in the text that is made of it
	Confidence Confidence
	Why        string // a phrase for people
	Ambiguous  bool   // another reading is as good: 03/04/2026
}

// Field is what was found for one Spec, the best first. There is at least one Candidate.
type Field struct {
	Candidates []Candidate
	all        bool
}

// Value is the best reading, or for a Spec with All the list of all readings in the order of the text.
func (f Field) Value() any {
	if !f.all {
		return f.Candidates[0].Value
	}
	list := make([]any, len(f.Candidates))
	for i, c := range f.Candidates {
		list[i] = c.Value
	}
	return list
}

// Result is what was found.
type Result struct {
	Fields    map[string]Field // those that were found
	Missing   []string         // names of required fields that were not, sorted
	Truncated bool             // the mail was larger than what is looked at
}

// Values returns the found values by name. What was not found is not in it.
func (r Result) Values() map[string]any {
	values := make(map[string]any, len(r.Fields))
	for name, f := range r.Fields {
		values[name] = f.Value()
	}
	return values
}

// Extract finds the fields in a mail. A Spec that Check would refuse finds nothing.
func Extract(m Mail, specs Specs) Result { return NewReader(m).Extract(specs) }

// Reader finds the fields of several Specs in one mail, whose text it prepares once. It is not safe for concurrent use.
type Reader struct {
	mail      Mail
	documents map[Source]*document
}

// NewReader returns a Reader of a mail. It does nothing until it is asked.
func NewReader(m Mail) *Reader {
	if m.Unquoted == "" {
		m.Unquoted = m.Text
	}
	return &Reader{m, map[Source]*document{}}
}

// Extract is that of the package.
func (r *Reader) Extract(specs Specs) Result {
	s := search{mail: r.mail, documents: r.documents}
	return s.run(specs)
}
