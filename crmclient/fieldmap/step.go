package fieldmap

import (
	"errors"
	"fmt"
	"strings"
)

// Step is one change of a value. It has exactly one operation; "zone" belongs to "date" and "else" to "map".
type Step struct {
	Cut        int     `yaml:"cut"`          // runes at most; what is cut ends in an ellipsis
	CutBytes   int     `yaml:"cut_bytes"`    // bytes of UTF-8 at most, on a rune boundary
	Join       *string `yaml:"join"`         // a list becomes a text with this between its entries
	First      bool    `yaml:"first"`        // a list becomes its first entry
	List       bool    `yaml:"list"`         // a value becomes a list of one
	HTMLEscape bool    `yaml:"html_escape"`  // <, >, &, ' and " are escaped
	TextToHTML bool    `yaml:"text_to_html"` // escaped, and lines end in <br>
	Lower      bool    `yaml:"lower"`
	Prefix     string  `yaml:"prefix"` // before a text that is not empty
	Suffix     string  `yaml:"suffix"` // behind a text that is not empty
	// Date writes a time.
	Date DateFormat `yaml:"date"`
	Zone string     `yaml:"zone"` // name in the IANA database; empty means UTC
	// Map replaces a text, number or bool by the value behind it. What is not in it becomes Else, or nothing.
	Map  map[string]any `yaml:"map"`
	Else any            `yaml:"else"`
	// Bool holds two values: the one for true, then the one for false.
	Bool     []any  `yaml:"bool"`
	Number   bool   `yaml:"number"`    // a text becomes a number
	String   bool   `yaml:"string"`    // a number or bool becomes a text
	Default  any    `yaml:"default"`   // in place of nothing
	Wrap     string `yaml:"wrap"`      // the value becomes an object with it under this name
	WrapEach string `yaml:"wrap_each"` // each entry of a list does
}

// Cut makes the step that keeps at most n runes.
func Cut(n int) Step { return Step{Cut: n} }

// CutBytes makes the step that keeps at most n bytes.
func CutBytes(n int) Step { return Step{CutBytes: n} }

// Join makes the step that makes a text of a list.
func Join(between string) Step { return Step{Join: &between} }

// First makes the step that takes the first entry of a list.
func First() Step { return Step{First: true} }

// AsList makes the step that makes a list of one.
func AsList() Step { return Step{List: true} }

// HTMLEscape makes the step that escapes a text for HTML.
func HTMLEscape() Step { return Step{HTMLEscape: true} }

// TextToHTML makes the step that makes HTML of a text with lines.
func TextToHTML() Step { return Step{TextToHTML: true} }

// Lower makes the step that makes letters small.
func Lower() Step { return Step{Lower: true} }

// Prefix makes the step that puts a text before one that is not empty.
func Prefix(s string) Step { return Step{Prefix: s} }

// Suffix makes the step that puts a text behind one that is not empty.
func Suffix(s string) Step { return Step{Suffix: s} }

// Date makes the step that writes a time in a zone; an empty zone is UTC.
func Date(f DateFormat, zone string) Step { return Step{Date: f, Zone: zone} }

// Lookup makes the step that replaces values; otherwise is for those that are not in it, and may be nil.
func Lookup(values map[string]any, otherwise any) Step { return Step{Map: values, Else: otherwise} }

// Words makes the step that replaces true and false.
func Words(yes, no any) Step { return Step{Bool: []any{yes, no}} }

// AsNumber makes the step that makes a number of a text.
func AsNumber() Step { return Step{Number: true} }

// AsText makes the step that makes a text of a number or bool.
func AsText() Step { return Step{String: true} }

// Default makes the step that fills in for nothing.
func Default(v any) Step { return Step{Default: v} }

// Wrap makes the step that puts a value into an object.
func Wrap(name string) Step { return Step{Wrap: name} }

// WrapEach makes the step that puts each entry of a list into an object.
func WrapEach(name string) Step { return Step{WrapEach: name} }

// operation names, as in the configuration.
const (
	opCut        = "cut"
	opCutBytes   = "cut_bytes"
	opJoin       = "join"
	opFirst      = "first"
	opList       = "list"
	opHTMLEscape = "html_escape"
	opTextToHTML = "text_to_html"
	opLower      = "lower"
	opPrefix     = "prefix"
	opSuffix     = "suffix"
	opDate       = "date"
	opMap        = "map"
	opBool       = "bool"
	opNumber     = "number"
	opString     = "string"
	opDefault    = "default"
	opWrap       = "wrap"
	opWrapEach   = "wrap_each"
)

// operation returns the name of the one operation.
func (s Step) operation() (string, error) {
	given := []struct {
		name string
		is   bool
	}{
		{opCut, s.Cut != 0},
		{opCutBytes, s.CutBytes != 0},
		{opJoin, s.Join != nil},
		{opFirst, s.First},
		{opList, s.List},
		{opHTMLEscape, s.HTMLEscape},
		{opTextToHTML, s.TextToHTML},
		{opLower, s.Lower},
		{opPrefix, s.Prefix != ""},
		{opSuffix, s.Suffix != ""},
		{opDate, s.Date != ""},
		{opMap, s.Map != nil},
		{opBool, s.Bool != nil},
		{opNumber, s.Number},
		{opString, s.String},
		{opDefault, s.Default != nil},
		{opWrap, s.Wrap != ""},
		{opWrapEach, s.WrapEach != ""},
	}
	var ops, all []string
	for _, g := range given {
		all = append(all, g.name)
		if g.is {
			ops = append(ops, g.name)
		}
	}
	switch {
	case len(ops) == 0:
		return "", errors.New("a step needs one of " + strings.Join(all, ", "))
	case len(ops) > 1:
		return "", fmt.Errorf("%s are several steps: write each as an entry of its own", strings.Join(ops, " and "))
	case s.Zone != "" && ops[0] != opDate:
		return "", errors.New("zone belongs to date")
	case s.Else != nil && ops[0] != opMap:
		return "", errors.New("else belongs to map")
	}
	return ops[0], nil
}
