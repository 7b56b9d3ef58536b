package compose

import (
	"context"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"regexp"
	"slices"
	"strings"
	texttemplate "text/template"
	"text/template/parse"
	"time"

	"heliograph/hooks/rules/condition"
)

// Kind says what a template gives.
type Kind int

// The kinds of templates.
const (
	Text      Kind = iota // plain text of several lines
	HTML                  // a page; what facts bring is escaped for where it stands
	Line                  // one line of plain text, such as a subject
	Addresses             // mailboxes, as in To; what facts bring is never taken for more than it stands for
)

// Parts are the pieces of text that templates share, such as a footer, by name.
type Parts map[string]Part

// Part is one shared piece, as text and as HTML. It is a template itself, and takes in no other.
type Part struct {
	Text string `json:"text" yaml:"text"`
	HTML string `json:"html" yaml:"html"`
}

// Options are what a template is compiled with.
type Options struct {
	Parts Parts
	// Fallbacks are texts for facts that are missing, by path.
	Fallbacks map[string]string
	// Known are the paths of the facts that there are, for warnings; nil means that nobody knows. An entry that
	// ends in ".*" stands for all below it.
	Known []string
}

// Bounds of a template itself.
const (
	maxSource  = 256 << 10
	maxNesting = 40   // of if, with, range and brackets
	maxPaths   = 500  // facts of one template
	maxNodes   = 5000 // actions and their words
)

// Template is a template that passed the check. It may be used concurrently.
type Template struct {
	name   string
	kind   Kind
	source string
	tree   *parse.Tree // rewritten: each look at a fact is a call of ours
	refs   []ref
	paths  []string
	o      Options
}

// New compiles a template. The problems may be warnings only; if there are graver ones, the template is nil.
func New(name string, kind Kind, source string, o Options) (*Template, Problems) {
	c := &compiler{t: &Template{name: name, kind: kind, source: source, o: o}, name: name, source: source}
	c.compile()
	if kind == HTML && !c.problems.Grave() {
		c.problems = append(c.problems, checkSource(name, source)...)
	}
	if kind == HTML && !c.problems.Grave() {
		c.problems = append(c.problems, c.t.escapes()...)
	}
	slices.SortStableFunc(c.problems, func(a, b Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	if c.problems.Grave() {
		return nil, c.problems
	}
	return c.t, c.problems
}

// Check returns what is wrong with a template.
func Check(name string, kind Kind, source string, o Options) Problems {
	_, problems := New(name, kind, source, o)
	return problems
}

// Paths returns the paths of all facts that the template may look at, sorted.
func (t *Template) Paths() []string { return slices.Clone(t.paths) }

// Limits bound one rendering. The zero value is ready.
type Limits struct {
	Zone   *time.Location // for times whose zone the template does not name; nil means UTC
	Output int            // bytes; zero means 1 MiB, for a line 4 KiB
	Loops  int            // rounds of all loops together; zero means 10000
	Time   time.Duration  // zero means 2 s
}

func (l Limits) withDefaults(kind Kind) Limits {
	if l.Zone == nil {
		l.Zone = time.UTC
	}
	if l.Output <= 0 {
		l.Output = 1 << 20
		if kind == Line {
			l.Output = 4 << 10
		}
	}
	if l.Loops <= 0 {
		l.Loops = 10000
	}
	if l.Time <= 0 {
		l.Time = 2 * time.Second
	}
	return l
}

// ErrTooLong says that a template gives more than its bound, ErrTooSlow that it takes too long.
var (
	ErrTooLong = errors.New("the template gives too much text")
	ErrTooSlow = errors.New("the template takes too long")
)

// Render gives the text. The error is a [Problem] where the template or the facts are to blame, such as a field without a value;
// others are passing trouble.
func (t *Template) Render(ctx context.Context, facts condition.Facts, l Limits) (string, error) {
	out, _, err := t.render(ctx, facts, l)
	return out, err
}

// render also returns the values that stand in the text as marks, where that is of addresses.
func (t *Template) render(ctx context.Context, facts condition.Facts, l Limits) (string, []any, error) {
	l = l.withDefaults(t.kind)
	known, err := resolve(ctx, facts, t.paths)
	if err != nil {
		return "", nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, l.Time, ErrTooSlow)
	defer cancel()
	r := &rendering{t: t, ctx: ctx, facts: known, l: l, loops: l.Loops}
	out := &bounded{r: r, left: l.Output}
	if err := t.execute(r, out); err != nil {
		return "", nil, t.explain(err)
	}
	text := out.b.String()
	switch t.kind {
	case HTML:
		if p := checkPage(t.name, text); len(p) > 0 {
			return "", nil, p
		}
	case Line:
		text = oneLine(text)
	case Text, Addresses:
	}
	return text, r.marks, nil
}

func (t *Template) execute(r *rendering, out *bounded) error {
	tree := t.tree.Copy()
	if t.kind == HTML {
		h, err := htmltemplate.New(t.name).Funcs(r.functions()).AddParseTree(t.name, tree)
		if err != nil {
			return fmt.Errorf("make the template %s: %w", t.name, err)
		}
		return h.Execute(out, &root{})
	}
	p, err := texttemplate.New(t.name).Funcs(r.functions()).AddParseTree(t.name, tree)
	if err != nil {
		return fmt.Errorf("make the template %s: %w", t.name, err)
	}
	return p.Execute(out, &root{})
}

// explain finds our own error within that of the template engine.
func (t *Template) explain(err error) error {
	if p, ok := errors.AsType[Problem](err); ok {
		return p
	}
	if e, ok := errors.AsType[*htmltemplate.Error](err); ok {
		return t.escapeProblem(e)
	}
	for _, own := range []error{ErrTooLong, ErrTooSlow, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, own) {
			return fmt.Errorf("template %s: %w", t.name, own)
		}
	}
	return Problem{Template: t.name, Code: "render", Zh: "模板无法生成：" + err.Error(), En: "the template cannot be rendered: " + err.Error()}
}

// escapes runs the escaper of html/template over the template, which finds actions in places where nothing can be
// made safe. Facts that are all missing stop it right behind that.
func (t *Template) escapes() Problems {
	r := &rendering{t: t, ctx: context.Background(), l: Limits{}.withDefaults(HTML)}
	err := t.execute(r, &bounded{r: r, left: maxSource})
	if e, ok := errors.AsType[*htmltemplate.Error](err); ok {
		return Problems{t.escapeProblem(e)}
	}
	return nil
}

// escaperState is what html/template writes of its own state into errors.
var escaperState = regexp.MustCompile(`:? ?\{state[^}]*\},? ?`)

func (t *Template) escapeProblem(e *htmltemplate.Error) Problem {
	p := Problem{Template: t.name, Line: max(e.Line, 1), Column: 1, Code: "html_context"}
	if e.Node != nil {
		p.Line, p.Column = place(t.source, int(e.Node.Position()))
	}
	words := escaperState.ReplaceAllString(e.Description, "")
	p.Zh = "HTML 在此处不完整或无法安全插入内容（引号、标签未闭合？）：" + words
	p.En = "the HTML is not whole here, or nothing can be put here safely (an open quote or tag?): " + words
	return p
}

// bounded takes what a template gives, to a limit.
type bounded struct {
	r    *rendering
	b    strings.Builder
	left int
}

func (w *bounded) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left < 0 {
		return 0, ErrTooLong
	}
	if err := w.r.alive(); err != nil {
		return 0, err
	}
	return w.b.Write(p)
}

// resolve asks for each fact once. What cannot be told is kept as such.
func resolve(ctx context.Context, facts condition.Facts, paths []string) (map[string]any, error) {
	out := make(map[string]any, len(paths))
	for _, path := range paths {
		v, err := facts.Fact(ctx, path)
		if err != nil {
			u, ok := errors.AsType[*condition.Unknown](err)
			if !ok {
				return nil, fmt.Errorf("fact %s for a template: %w", path, err)
			}
			v = u
		}
		out[path] = v
	}
	return out, nil
}
