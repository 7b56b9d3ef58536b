package condition

import (
	"maps"
	"slices"
	"strings"

	"heliograph/config"
)

// Type says what values a fact has.
type Type string

// The types of facts.
const (
	TypeOpen    Type = "open" // anything, decided by the values
	TypeText    Type = "text"
	TypeNumber  Type = "number"
	TypeMoney   Type = "money"
	TypeTime    Type = "time"
	TypeBool    Type = "bool"
	TypeAddress Type = "address" // li@example.com, or an object with address, name and domain
	TypeObject  Type = "object"
	TypeList    Type = "list" // of what Fact.Of says
)

// The types of triggers, as rules name them.
const (
	onMail     = "mail"
	onAbsence  = "absence"
	onRecord   = "record"
	onSchedule = "schedule"
	onDeadline = "deadline"
	onWebhook  = "webhook"
	onManual   = "manual"
)

// Fact describes what can be known at a path.
type Fact struct {
	// Path is dotted. A path that ends in .* is a namespace: it has whatever is asked below it. [] after a list stands
	// for its elements: mail.attachments[].size.
	Path string `json:"path"`
	Type Type   `json:"type"`
	Of   Type   `json:"of,omitempty"` // the type of a list's elements
	ZH   string `json:"zh"`           // what people call it
	EN   string `json:"en"`
	// Enum are all values that it has, if they are few.
	Enum []string `json:"enum,omitempty"`
	// Names are what people call its values; the others are called as they are written.
	Names []ValueName `json:"-"`
	// Triggers are the types of triggers whose events have it; none means all.
	Triggers []string `json:"triggers,omitempty"`
}

// ValueName is what people call a value of a fact.
type ValueName struct{ Value, ZH, EN string }

// Label is what people call the fact, in the language zh or en.
func (f Fact) Label(lang string) string {
	if label := either(lang, f.ZH, f.EN); label != "" {
		return label
	}
	return f.Path
}

// has reports whether events of a trigger have the fact.
func (f Fact) has(trigger string) bool {
	return trigger == "" || len(f.Triggers) == 0 || slices.Contains(f.Triggers, trigger)
}

// Schema is the table of the facts that can be known. It is immutable and safe for concurrent use.
type Schema struct {
	facts  map[string]Fact
	roots  map[string]bool
	called map[string]Fact // what is known of names only
}

// standard is the schema without the fields of any CRM.
var standard = newSchema(standardFacts)

// Standard returns the schema that all rules have.
func Standard() *Schema { return standard }

func newSchema(facts []Fact) *Schema {
	s := &Schema{facts: make(map[string]Fact, len(facts)), roots: map[string]bool{}}
	for _, f := range facts {
		s.facts[f.Path] = f
		root, _, _ := strings.Cut(f.Path, ".")
		s.roots[strings.TrimSuffix(root, "[]")] = true
	}
	return s
}

// With returns a schema that knows more, or other, facts: the fields of a CRM's records under record, what a rule
// extracts under fields, what its steps give under steps.
func (s *Schema) With(facts ...Fact) *Schema {
	all := slices.Collect(maps.Values(s.facts))
	out := newSchema(append(all, facts...))
	out.called = s.called
	return out
}

// Called returns a schema that has names for facts and their values, and is otherwise as before: what a condition means does not
// depend on what people call things.
func (s *Schema) Called(facts ...Fact) *Schema {
	out := &Schema{s.facts, s.roots, maps.Clone(s.called)}
	if out.called == nil {
		out.called = make(map[string]Fact, len(facts))
	}
	for _, f := range facts {
		out.called[f.Path] = f
	}
	return out
}

// naming returns the fact that says what people call what stands at a path.
func (s *Schema) naming(path string) (Fact, bool) {
	if f, ok := s.called[path]; ok {
		return f, true
	}
	return s.Lookup(path)
}

// around returns the fact or namespace at a path, for a name of something in it.
func (s *Schema) around(path string) (Fact, bool) {
	for _, known := range []map[string]Fact{s.called, s.facts} {
		for _, at := range []string{path, path + ".*"} {
			if f, ok := known[at]; ok {
				return f, true
			}
		}
	}
	return Fact{}, false
}

// Facts lists the facts by path.
func (s *Schema) Facts() []Fact {
	out := slices.Collect(maps.Values(s.facts))
	slices.SortFunc(out, func(a, b Fact) int { return strings.Compare(a.Path, b.Path) })
	return out
}

// Lookup returns the fact at a path, with [] behind lists whose elements are meant. For a path in a namespace the fact
// is open and has no label of its own.
func (s *Schema) Lookup(path string) (Fact, bool) {
	if f, ok := s.facts[path]; ok {
		return f, true
	}
	if f, ok := s.facts[path+".*"]; ok { // the namespace itself
		f.Path, f.Type = path, TypeObject
		return f, true
	}
	if list, ok := strings.CutSuffix(path, "[]"); ok {
		if f, ok := s.Lookup(list); ok && (f.Type == TypeList || f.Type == TypeOpen) {
			return Fact{Path: path, Type: elementType(f), ZH: f.ZH, EN: f.EN, Triggers: f.Triggers}, true
		}
		return Fact{}, false
	}
	for above := path; ; {
		dot := strings.LastIndexByte(above, '.')
		if dot < 0 {
			return Fact{}, false
		}
		above = above[:dot]
		f, ok := s.facts[above+".*"]
		if !ok && strings.HasSuffix(above, "[]") { // elements of an open list
			f, ok = s.Lookup(above)
			ok = ok && f.Type == TypeOpen
		}
		if ok {
			return Fact{Path: path, Type: TypeOpen, Triggers: f.Triggers}, true
		}
	}
}

func elementType(list Fact) Type {
	if list.Type == TypeList && list.Of != "" {
		return list.Of
	}
	return TypeOpen
}

// nearestPath returns the known path that is most like one that is not known, or nothing.
func (s *Schema) nearestPath(path string) string {
	paths := slices.Collect(maps.Keys(s.facts))
	slices.Sort(paths)
	var siblings []string
	parent := path[:strings.LastIndexByte(path, '.')+1]
	for i, p := range paths {
		paths[i] = strings.TrimSuffix(p, ".*")
		if name, ok := strings.CutPrefix(paths[i], parent); ok && !strings.Contains(name, ".") {
			siblings = append(siblings, name)
		}
	}
	if len(siblings) > 0 && parent != "" {
		if best := config.Nearest(path[len(parent):], siblings); best != "" {
			return parent + best
		}
		return ""
	}
	return config.Nearest(path, paths)
}
