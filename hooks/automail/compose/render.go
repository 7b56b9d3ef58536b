package compose

import (
	"context"
	"encoding/json"
	"errors"
	htmltemplate "html/template"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"heliograph/hooks/rules/condition"
	"heliograph/internal/decimal"
)

// root is what a template sees as its dot: nothing. Facts are looked up by path.
type root struct{}

// missing is a value that is not there, on its way to where somebody gives a default or it is an error.
type missing struct {
	ref    int
	reason string
	// compared says that this is the answer to a question about what is missing, which is neither yes nor no.
	compared bool
}

// rendering is the state of one rendering.
type rendering struct {
	t     *Template
	ctx   context.Context // of this rendering only
	facts map[string]any
	l     Limits
	loops int
	marks []any
}

// alive stops what takes too long.
func (r *rendering) alive() error {
	if r.ctx.Err() == nil {
		return nil
	}
	return context.Cause(r.ctx)
}

// The marks that stand for values in a text of addresses. They are private characters, which no template may have.
const (
	markBegin = "\ue0f0"
	markEnd   = "\ue0f1"
)

// functions are those that the rewritten tree calls.
func (r *rendering) functions() map[string]any {
	m := map[string]any{
		"_fact":     r.fact,
		"_get":      r.get,
		"_show":     r.show,
		"_truth":    r.truth,
		"_with":     r.with,
		"_loop":     func(at int, v any) ([]any, error) { return r.loop(at, v, false) },
		"_loopelse": func(at int, v any) ([]any, error) { return r.loop(at, v, true) },
	}
	for name, f := range functions {
		m[name] = func(args ...any) (any, error) {
			if err := r.alive(); err != nil {
				return nil, err
			}
			if !f.missing {
				for _, a := range args {
					if gone, ok := a.(*missing); ok {
						return &missing{gone.ref, gone.reason, gone.compared || f.compares}, nil // a default may follow
					}
				}
			}
			v, err := f.call(r, args)
			if p, ok := errors.AsType[Problem](err); ok && p.Code == "arguments" {
				p.Template, p.Suggestions = r.t.name, []string{f.usage}
				return nil, p
			}
			if s, ok := v.(string); ok && len(s) > 4*r.l.Output {
				return nil, ErrTooLong
			}
			return v, err
		}
	}
	return m
}

// fact is the value of a fact, or what stands for it.
func (r *rendering) fact(at int) (any, error) {
	path := r.t.refs[at].path
	v := r.present(r.facts[path], at)
	if _, gone := v.(*missing); gone {
		if text, ok := r.t.o.Fallbacks[path]; ok {
			return text, nil
		}
	}
	return v, r.alive()
}

// present turns what is not there into a missing.
func (r *rendering) present(v any, at int) any {
	switch v := v.(type) {
	case nil:
		return &missing{ref: at, reason: "没有值 / it has no value"}
	case *condition.Unknown:
		reason := "无法得知 / it is unknown"
		if v.Reason != "" {
			reason += " (" + v.Reason + ")"
		}
		return &missing{ref: at, reason: reason}
	}
	return v
}

// get is what stands at the names of a ref within v.
func (r *rendering) get(at int, v any) (any, error) {
	if gone, ok := v.(*missing); ok {
		return gone, nil
	}
	for _, name := range r.t.refs[at].names {
		m, ok := v.(map[string]any)
		if !ok {
			return &missing{ref: at, reason: "没有这个字段 / there is no such field"}, nil
		}
		v = m[name]
	}
	return r.present(v, at), r.alive()
}

// truth says whether there is something: what is missing, empty, zero or false is not.
func (r *rendering) truth(_ int, v any) (bool, error) {
	if gone, ok := v.(*missing); ok && gone.compared {
		return false, r.gone(gone)
	}
	return r.there(v), nil
}

func (r *rendering) there(v any) bool {
	switch v := v.(type) {
	case *missing:
		return r.below(v)
	case bool:
		return v
	case time.Time:
		return !v.IsZero()
	case []any:
		return len(v) > 0
	case map[string]any:
		return len(v) > 0
	}
	if n, ok := decimal.Of(v); ok {
		return n.Sign() != 0
	}
	return strings.TrimSpace(plain(v)) != ""
}

// below says whether there is a fact below the one that is missing: nobody need answer for "contact" who answers for
// "contact.name".
func (r *rendering) below(m *missing) bool {
	path := r.t.refs[m.ref].path
	if path == "" {
		return false
	}
	for p, v := range r.facts {
		if _, gone := r.present(v, m.ref).(*missing); !gone && strings.HasPrefix(p, path+".") {
			return true
		}
	}
	return false
}

// with is the value for a with: nil if there is nothing.
func (r *rendering) with(at int, v any) (any, error) {
	if yes, err := r.truth(at, v); err != nil || !yes {
		return nil, err
	}
	return v, nil
}

// loop is the list for a range.
func (r *rendering) loop(at int, v any, orElse bool) ([]any, error) {
	switch v := v.(type) {
	case *missing:
		if orElse {
			return nil, nil
		}
		return nil, r.gone(v)
	case []any:
		if r.loops -= len(v); r.loops < 0 {
			return nil, r.problem(at, "too_many_loops", "循环次数过多，最多 "+strconv.Itoa(r.l.Loops), "the loops have too many rounds, at most "+strconv.Itoa(r.l.Loops))
		}
		out := make([]any, len(v))
		for i := range v {
			out[i] = r.present(v[i], at)
		}
		return out, r.alive()
	}
	return nil, r.problem(at, "not_a_list", r.t.refs[at].shown+" 不是列表，不能用 range", r.t.refs[at].shown+" is no list to range over")
}

func (r *rendering) problem(at int, code, zh, en string, suggestions ...string) Problem {
	f := r.t.refs[at]
	return Problem{Template: f.template, Line: f.line, Column: f.column, Code: code, Zh: zh, En: en, Suggestions: suggestions}
}

// gone is the error of a value that is missing and has no default.
func (r *rendering) gone(m *missing) Problem {
	f := r.t.refs[m.ref]
	name := strings.TrimPrefix(f.shown, ".")
	if f.path != "" {
		name = f.path
	}
	return r.problem(m.ref, "missing_value",
		"模板 "+r.t.name+" 的字段 "+name+"："+m.reason+"。给它一个默认值",
		"field "+name+" of template "+r.t.name+": "+m.reason+"; give it a default",
		"{{"+f.shown+` | default "…"}}`)
}

// show gives what stands in the text.
func (r *rendering) show(at int, v any) (any, error) {
	if m, ok := v.(*missing); ok {
		return nil, r.gone(m)
	}
	if r.t.kind == Addresses {
		r.marks = append(r.marks, v)
		return markBegin + strconv.Itoa(len(r.marks)-1) + markEnd, nil
	}
	if safe, ok := v.(htmltemplate.HTML); ok {
		return safe, nil
	}
	text, err := r.text(v)
	if err != nil {
		return nil, r.problem(at, "not_text", r.t.refs[at].shown+" "+err.Error(), r.t.refs[at].shown+" is a record or list of records; choose a field, or use table or join")
	}
	if r.t.kind == HTML && ownScheme(text) {
		return htmltemplate.URL(text), nil // html/template knows http, https and mailto only; elsewhere than in a URL this is text
	}
	return text, nil
}

var errRecord = errors.New("是一条记录或记录列表，请选择字段，或用 table、join")

// text is how a value is shown without a function.
func (r *rendering) text(v any) (string, error) {
	switch v := v.(type) {
	case time.Time:
		return v.In(r.l.Zone).Format("2006-01-02 15:04"), nil
	case htmltemplate.HTML:
		return string(v), nil
	case []any:
		words := make([]string, 0, len(v))
		for _, e := range v {
			if e == nil {
				continue
			}
			w, err := r.text(e)
			if err != nil {
				return "", err
			}
			words = append(words, w)
		}
		return strings.Join(words, ", "), nil
	case map[string]any:
		if a, ok := v["address"].(string); ok {
			if name, _ := v["name"].(string); name != "" {
				return name + " <" + a + ">", nil
			}
			return a, nil
		}
		return "", errRecord
	case *missing:
		return "", r.gone(v)
	}
	return plain(v), nil
}

// plain is the text of a scalar.
func plain(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	case int:
		return strconv.Itoa(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case htmltemplate.HTML:
		return string(v)
	}
	return ""
}

// oneLine makes text fit for a header field: one line, no control or direction characters.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n' || r == '\r' || r == 0x85 || r == 0x2028 || r == 0x2029:
			return ' '
		case unsafeRune(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
	return strings.Join(strings.Fields(s), " ")
}

func functionNames() []string { return append(slices.Sorted(maps.Keys(functions)), "field") }
