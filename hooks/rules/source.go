package rules

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"heliograph/hooks/rules/condition"
	"heliograph/internal/report"
)

// Tables is a World with tables that somebody uploaded: a budget, a price list.
type Tables interface {
	// Table reads the table of a name. That there is none is an error that no repetition mends. The table is the caller's.
	Table(ctx context.Context, name string) (*report.Table, error)
}

// Fonts is a World that says what PDF is drawn with. A World without this ability draws with the font of the machine.
type Fonts interface {
	// Font finds the font. Its absence is an error that no repetition mends, and says what to install or set.
	Font() (report.Font, error)
}

// maxLines bounds the records that a table of a report is made from.
const maxLines = 20_000

// tableSource says where the lines of a table come from (exactly one of From, Target and Table), and what is made of them.
type tableSource struct {
	From   string           `json:"from,omitempty"`   // path of a fact that is a list of records
	Target string           `json:"target,omitempty"` // asked for records of Object
	Object string           `json:"object,omitempty"`
	Table  string           `json:"table,omitempty"` // name of an uploaded table
	Where  []selectionValue `json:"where,omitempty"`
	Fields []string         `json:"fields,omitempty"` // of records: what is taken, in this order, where spec says no columns
	Limit  int              `json:"limit,omitempty"`  // of records; 20,000 if zero, which is the most
	Spec   *report.Spec     `json:"spec,omitempty"`
}

// localComparisons are those of where for lines that are here already.
var localComparisons = []string{"eq", "ne", "in", "contains", "empty"}

func (s *tableSource) compile() error {
	given := 0
	for _, one := range []string{s.From, s.Target, s.Table} {
		if one != "" {
			given++
		}
	}
	switch {
	case given != 1:
		return errors.New("say where the lines come from: exactly one of from, target and table")
	case (s.Target == "") != (s.Object == ""):
		return errors.New("target and object belong together")
	case s.Limit < 0 || s.Limit > maxLines:
		return fmt.Errorf("limit is between 1 and %d", maxLines)
	case s.Table != "" && len(s.Fields) > 0:
		return errors.New("fields are of records; name the columns of a table in spec")
	}
	if s.Spec == nil {
		return nil
	}
	return s.Spec.Check()
}

// check says what is wrong; others are the names of tables that spec may join.
func (s *tableSource) check(c *checker) {
	if s.From != "" {
		c.fact("from", s.From)
	}
	if s.Target != "" {
		c.target("target", s.Target)
	}
	var where []Selection
	for i, w := range s.Where {
		where = append(where, Selection{Field: w.Field, Is: w.Is})
		c.value(at("where", i), &w.Value)
		if s.Target == "" {
			c.oneOf(at("where", i)+"/is", w.Is, localComparisons...)
		}
	}
	c.selections("where", where)
}

// spec is what is made of the lines, with a title.
func (s *tableSource) spec(title string) *report.Spec {
	out := report.Spec{}
	if s.Spec != nil {
		out = *s.Spec
	}
	if len(out.Columns) == 0 {
		for _, f := range s.Fields {
			out.Columns = append(out.Columns, report.Column{Key: f})
		}
	}
	out.Title = cmp.Or(title, out.Title)
	return &out
}

// joined are the names of the tables that the specification sets beside its own.
func (s *tableSource) joined() (names []string) {
	if s.Spec == nil {
		return nil
	}
	for _, op := range s.Spec.Do {
		if op.Join != nil {
			names = append(names, op.Join.Table)
		}
		if op.Compare != nil {
			names = append(names, op.Compare.Table)
		}
	}
	return names
}

// tables makes a table, and those that it is joined with: named ones of the step, or uploaded ones.
type tables struct {
	x     *exec
	named map[string]tableSource
	made  map[string]*report.Table
	o     report.Options
}

func newTables(x *exec, named map[string]tableSource, o report.Options) *tables {
	return &tables{x: x, named: named, made: map[string]*report.Table{}, o: o}
}

// get is the table of a name, made once.
func (t *tables) get(name string, depth int) (*report.Table, error) {
	if made, ok := t.made[name]; ok {
		return made, nil
	}
	if depth > maxNest {
		return nil, Permanent(fmt.Errorf("table %s is made from itself", name))
	}
	s, ok := t.named[name]
	if !ok {
		s = tableSource{Table: name}
	}
	made, err := t.make(&s, "", depth+1)
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", name, err)
	}
	t.made[name] = made
	return made, nil
}

// make fetches the lines and does with them what the specification says.
func (t *tables) make(s *tableSource, title string, depth int) (*report.Table, error) {
	others := map[string]*report.Table{}
	for _, name := range s.joined() {
		other, err := t.get(name, depth)
		if err != nil {
			return nil, err
		}
		others[name] = other
	}
	where, err := selected(t.x, s.Where)
	if err != nil {
		return nil, err
	}
	spec := s.spec(title)
	if s.Table != "" {
		lines, err := t.x.uploaded(s.Table)
		if err != nil {
			return nil, err
		}
		if lines, err = only(lines, where); err != nil {
			return nil, err
		}
		return spec.FromTable(t.x, lines, others, t.o)
	}
	records, err := t.records(s, where)
	if err != nil {
		return nil, err
	}
	if len(spec.Columns) == 0 {
		if len(records) == 0 {
			return nil, Permanent(errors.New("there are no records, so that nobody knows the columns: name them in spec.columns or fields"))
		}
		records = withoutOurs(records)
	}
	return spec.FromRecords(t.x, records, others, t.o)
}

// records are the lines of a source that is no uploaded table.
func (t *tables) records(s *tableSource, where []Selection) ([]map[string]any, error) {
	limit := cmp.Or(s.Limit, maxLines)
	if s.Target != "" {
		records, err := t.x.e.world.Query(t.x, s.Target, s.Object, where, s.Fields, limit)
		if u, ok := asUnknown(err); ok {
			return nil, Permanent(u)
		}
		return records, err
	}
	v, err := factOf(t.x, t.x.facts, s.From)
	if err != nil {
		return nil, err
	}
	list, ok := v.([]any)
	if v != nil && !ok {
		return nil, Permanent(fmt.Errorf("%s is not a list", s.From))
	}
	if len(list) > limit {
		return nil, Permanent(fmt.Errorf("%s has %d elements, more than %d", s.From, len(list), limit))
	}
	out := make([]map[string]any, 0, len(list))
	for i, e := range list {
		m, ok := e.(map[string]any)
		if !ok {
			return nil, Permanent(fmt.Errorf("element %d of %s is not a record", i+1, s.From))
		}
		if fits(where, func(field string) any { return m[field] }) {
			out = append(out, timely(m))
		}
	}
	return out, nil
}

// timely makes times of texts that were times before they were written into the row of a step.
func timely(record map[string]any) map[string]any {
	out := maps.Clone(record)
	for name, v := range out {
		text, ok := v.(string)
		if !ok || len(text) < len("2006-01-02T15:04:05Z") || text[10] != 'T' {
			continue
		}
		if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
			out[name] = t
		}
	}
	return out
}

// withoutOurs leaves out what the gateway adds to records.
func withoutOurs(records []map[string]any) []map[string]any {
	out := make([]map[string]any, len(records))
	for i, r := range records {
		out[i] = maps.Clone(r)
		maps.DeleteFunc(out[i], func(name string, _ any) bool { return strings.HasPrefix(name, "_") })
	}
	return out
}

// uploaded reads an uploaded table.
func (x *exec) uploaded(name string) (*report.Table, error) {
	w, ok := x.e.world.(Tables)
	if !ok {
		return nil, Permanent(fmt.Errorf("there is no table %s: nobody uploaded tables", name))
	}
	return w.Table(x, name)
}

// only leaves in a table the lines that fit.
func only(t *report.Table, where []Selection) (*report.Table, error) {
	if len(where) == 0 {
		return t, nil
	}
	at := map[string]int{}
	for i, c := range t.Columns {
		at[c.Key] = i
	}
	for _, w := range where {
		if _, ok := at[w.Field]; !ok {
			return nil, Permanent(fmt.Errorf("the table has no column %q", w.Field))
		}
	}
	out := *t
	out.Rows = nil
	for _, row := range t.Rows {
		if fits(where, func(field string) any { return row[at[field]] }) {
			out.Rows = append(out.Rows, row)
		}
	}
	return &out, nil
}

// fits says whether a line that is here already is wanted.
func fits(where []Selection, field func(string) any) bool {
	for _, w := range where {
		v := field(w.Field)
		var ok bool
		switch w.Is {
		case "eq":
			ok = condition.Equal(v, w.Value)
		case "ne":
			ok = !condition.Equal(v, w.Value)
		case "in":
			list, _ := w.Value.([]any)
			ok = slices.ContainsFunc(list, func(one any) bool { return condition.Equal(v, one) })
		case "contains":
			have, _ := v.(string)
			want, _ := w.Value.(string)
			ok = strings.Contains(condition.Fold(have), condition.Fold(want))
		case "empty":
			ok = v == nil || v == ""
		}
		if !ok {
			return false
		}
	}
	return true
}

// selected evaluates the values of selections.
func selected(x *exec, where []selectionValue) (out []Selection, err error) {
	for _, s := range where {
		v, err := s.Value.eval(x, x.facts)
		if err != nil {
			return nil, err
		}
		out = append(out, Selection{s.Field, s.Is, v})
	}
	return out, nil
}

// reportOptions are how the documents of a run are shown. All of it follows from the run, so that a repetition gives the same bytes.
func (x *exec) reportOptions(language string) report.Options {
	o := report.Options{Language: language, Created: x.run.MadeAt, Author: x.rule.rule.Owner}
	if x.facts.cal != nil {
		o.Zone = x.facts.cal.Location()
	}
	return o
}

// font finds what PDF is drawn with.
func (x *exec) font() (report.Font, error) {
	if w, ok := x.e.world.(Fonts); ok {
		return w.Font()
	}
	return report.FindFont(report.Font{})
}
