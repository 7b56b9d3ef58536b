package extract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

// Bounds of specs.
const (
	maxSpecs     = 100
	maxSpecBytes = 256 << 10
	maxWords     = 30   // labels of a field
	maxWord      = 100  // bytes of a label
	maxPattern   = 500  // bytes
	maxProgram   = 2000 // instructions of a compiled pattern: the work for a byte
	maxColumns   = 30
	// costInstruction is what an instruction of a pattern costs for a byte, in the units of maxWork: seldom all of them are active.
	costInstruction = 10
	maxCandidates   = 50
	maxRows         = 500
	defaultOrder    = "" // of 03/04/2026: by the mail's language
	patternExample  = `SO\d+`
)

// Specs say what to find, by the name of the field.
type Specs map[string]Spec

// Spec says where a field stands and what it is. At least one of Label, Pattern, Table and Kind is set.
//
//	extract:
//	  order_no: {label: [订单号, Order no], pattern: 'SO-\d+'}
//	  total:    {label: [合计, Total], kind: amount, required: true}
//	  due:      {label: [交货期, Delivery date], kind: date}
//	  items:    {table: {columns: {item: [品名, Item], qty: {label: [数量, Qty], kind: number}}}}
type Spec struct {
	// Label are words beside which the value stands: before a colon, in the cell before, in the cell above, or on the line above.
	Label Words `json:"label,omitempty"`
	// Pattern is an RE2 expression; the value is its first group, or all of it. With a label it is looked for beside the label first, and then anywhere.
	Pattern string `json:"pattern,omitempty"`
	// Table makes the field a list with a map for each row.
	Table *Table `json:"table,omitempty"`
	// Kind is what the value is; empty: text. Without label and pattern it is looked for anywhere.
	Kind Kind `json:"kind,omitempty"`
	// From are the places to look at, in this order. Empty: subject, unquoted text, and HTML where these hold nothing.
	From Sources `json:"from,omitempty"`
	// All makes the field a list of all that is found, of a table the rows of all tables.
	All      bool `json:"all,omitempty"`
	Required bool `json:"required,omitempty"`

	// DateOrder says how 03/04/2026 is read: dmy or mdy. Empty: by the language, and flagged as ambiguous.
	DateOrder string `json:"date_order,omitempty"`
	// Currency is that of amounts which name none, as ISO 4217 has it.
	Currency string `json:"currency,omitempty"`
	// Region is that of phone numbers without a country code, as ISO 3166 has it. Empty: CN for Chinese mails.
	Region string `json:"region,omitempty"`

	program *program
}

// Table says which columns of a table are wanted.
type Table struct {
	Columns map[string]Column `json:"columns"`
}

// Column is known by its heading. In data it may be the labels alone.
type Column struct {
	Label Words `json:"label"`
	Kind  Kind  `json:"kind,omitempty"` // empty: text
}

// Source is a part of the mail.
type Source string

// The sources.
const (
	FromSubject     Source = "subject"
	FromUnquoted    Source = "unquoted" // the text without quoted history
	FromText        Source = "text"     // the text with quoted history
	FromHTML        Source = "html"     // the HTML without quoted history, as text and tables
	FromAttachments Source = "attachments"
)

var allSources = []Source{FromSubject, FromUnquoted, FromText, FromHTML, FromAttachments}

// Words are one or more; in data a single one needs no list.
type Words []string

// Sources are one or more; in data a single one needs no list.
type Sources []Source

// UnmarshalJSON reads a string or a list of strings.
func (w *Words) UnmarshalJSON(data []byte) error { return oneOrMore(data, (*[]string)(w)) }

// UnmarshalJSON reads a string or a list of strings.
func (s *Sources) UnmarshalJSON(data []byte) error { return oneOrMore(data, (*[]Source)(s)) }

func oneOrMore[T ~string](data []byte, list *[]T) error {
	var one T
	if json.Unmarshal(data, &one) == nil {
		*list = []T{one}
		return nil
	}
	if err := json.Unmarshal(data, list); err != nil {
		return errors.New("neither a word nor a list of words")
	}
	return nil
}

// UnmarshalJSON reads the labels alone, or {label, kind}.
func (c *Column) UnmarshalJSON(data []byte) error {
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		type plain Column
		return strict(data, (*plain)(c))
	}
	return json.Unmarshal(data, &c.Label)
}

// UnmarshalJSON is strict: unknown keys are errors, and so is what Check refuses.
func (s *Spec) UnmarshalJSON(data []byte) error {
	type plain Spec
	if err := strict(data, (*plain)(s)); err != nil {
		return err
	}
	var err error
	s.program, err = s.compile()
	return err
}

func strict(data []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}

// Parse reads specs in YAML or JSON. All specs are checked.
func Parse(text []byte) (specs Specs, err error) {
	if len(text) > maxSpecBytes {
		return nil, fmt.Errorf("read extract: %d bytes, at most %d", len(text), maxSpecBytes)
	}
	defer func() {
		if r := recover(); r != nil { // the library trips over some texts
			specs, err = nil, errors.New("read extract: no YAML that can be read")
		}
	}()
	for _, t := range lexer.Tokenize(string(text)) {
		if t.Type == token.TagType || t.Type == token.AnchorType || t.Type == token.AliasType {
			return nil, fmt.Errorf("read extract: line %d: anchors, aliases and tags are not taken", t.Position.Line)
		}
	}
	var raw map[string]any
	if err := yaml.Unmarshal(text, &raw); err != nil {
		return nil, fmt.Errorf("read extract: %s", yaml.FormatError(err, false, false))
	}
	specs = Specs{}
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		data, err := json.Marshal(raw[name])
		if err != nil {
			return nil, fmt.Errorf("read extract: %s: %w", clip(name), err)
		}
		var s Spec
		if err := json.Unmarshal(data, &s); err != nil {
			return nil, fmt.Errorf("read extract: %s: %w", clip(name), err)
		}
		specs[name] = s
	}
	return specs, specs.Check()
}

var fieldName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,49}$`)

// Check tells all mistakes.
func (s Specs) Check() error {
	var wrong []error
	if len(s) > maxSpecs {
		wrong = append(wrong, fmt.Errorf("extract: %d fields, at most %d", len(s), maxSpecs))
	}
	for _, name := range slices.Sorted(maps.Keys(s)) {
		if !fieldName.MatchString(name) {
			wrong = append(wrong, fmt.Errorf("extract.%s: a name has small letters, digits and _, and begins with a letter", clip(name)))
		}
		spec := s[name]
		if _, err := spec.compile(); err != nil {
			wrong = append(wrong, fmt.Errorf("extract.%s: %w", clip(name), err))
		}
	}
	return errors.Join(wrong...)
}

// program is a Spec, ready to run.
type program struct {
	labels  []string // folded
	pattern *regexp.Regexp
	cost    int // of the pattern for a byte, in the units of maxWork
	columns []column
	sources []Source
}

type column struct {
	name   string
	labels []string // folded
	kind   Kind
}

func (s *Spec) compile() (*program, error) {
	if s.program != nil {
		return s.program, nil
	}
	if len(s.Label) == 0 && s.Pattern == "" && s.Table == nil && s.Kind == "" {
		return nil, errors.New("one of label, pattern, table and kind is needed")
	}
	if s.Table != nil && (len(s.Label) > 0 || s.Pattern != "" || s.Kind != "") {
		return nil, errors.New("a table has its labels and kinds in its columns")
	}
	p := &program{sources: s.From}
	for _, from := range s.From {
		if !slices.Contains(allSources, from) {
			return nil, fmt.Errorf("from: no part %q; there are %v", clip(string(from)), allSources)
		}
	}
	if err := s.checkKind(); err != nil {
		return nil, err
	}
	var err error
	if p.labels, err = foldWords(s.Label); err != nil {
		return nil, fmt.Errorf("label: %w", err)
	}
	if err := p.setPattern(s.Pattern); err != nil {
		return nil, fmt.Errorf("pattern: %w", err)
	}
	if s.Table != nil {
		if err := p.setColumns(s.Table.Columns); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (s *Spec) checkKind() error {
	if err := s.Kind.check(); err != nil {
		return err
	}
	if s.Kind == KindText && len(s.Label) == 0 && s.Pattern == "" {
		return errors.New("kind: text stands beside a label or fits a pattern; neither is there")
	}
	if !slices.Contains([]string{defaultOrder, "dmy", "mdy"}, s.DateOrder) {
		return fmt.Errorf("date_order: %q is neither dmy nor mdy", clip(s.DateOrder))
	}
	isCode := func(text string, length int) bool {
		return text == "" || len(text) == length && strings.ToUpper(text) == text && !strings.ContainsFunc(text, func(r rune) bool { return r < 'A' || r > 'Z' })
	}
	if !isCode(s.Currency, 3) {
		return fmt.Errorf("currency: %q is no code such as CNY", clip(s.Currency))
	}
	if !isCode(s.Region, 2) {
		return fmt.Errorf("region: %q is no code such as CN", clip(s.Region))
	}
	return nil
}

func (p *program) setPattern(pattern string) error {
	if pattern == "" {
		return nil
	}
	if len(pattern) > maxPattern {
		return fmt.Errorf("%d bytes, at most %d", len(pattern), maxPattern)
	}
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return fmt.Errorf("no RE2 expression such as %s: %w", patternExample, err)
	}
	prog, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return err
	}
	if len(prog.Inst) > maxProgram {
		return errors.New("too many repetitions")
	}
	if p.pattern, err = regexp.Compile(pattern); err != nil {
		return err
	}
	if p.pattern.MatchString("") {
		return errors.New("it fits the empty text; write + for *")
	}
	p.cost = costInstruction * len(prog.Inst)
	return nil
}

func (p *program) setColumns(columns map[string]Column) error {
	if len(columns) == 0 || len(columns) > maxColumns {
		return fmt.Errorf("table.columns: between 1 and %d", maxColumns)
	}
	for _, name := range slices.Sorted(maps.Keys(columns)) {
		where := "table.columns." + clip(name)
		if !fieldName.MatchString(name) {
			return fmt.Errorf("%s: a name has small letters, digits and _, and begins with a letter", where)
		}
		labels, err := foldWords(columns[name].Label)
		if err == nil && len(labels) == 0 {
			err = errors.New("no heading")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
		if err := columns[name].Kind.check(); err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
		p.columns = append(p.columns, column{name, labels, columns[name].Kind})
	}
	return nil
}

// foldWords returns labels as they are compared, with and without their spaces, the longest first.
func foldWords(words []string) ([]string, error) {
	if len(words) > maxWords {
		return nil, fmt.Errorf("%d words, at most %d", len(words), maxWords)
	}
	var folded []string
	for _, w := range words {
		f := strings.Trim(foldText(w), " .:#[]")
		if f == "" || len(w) > maxWord {
			return nil, fmt.Errorf("%q is empty or longer than %d bytes", clip(w), maxWord)
		}
		folded = append(folded, f, strings.ReplaceAll(f, " ", ""))
	}
	slices.SortFunc(folded, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	return slices.Compact(folded), nil
}

// clip keeps what strangers wrote short enough for an error.
func clip(s string) string {
	const most = 40
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
