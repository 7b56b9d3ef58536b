package condition

import "strings"

// maxMatched bounds what patterns look at, in bytes; RE2 takes time in proportion.
const maxMatched = 1 << 20

// verdict is what a check found.
type verdict struct {
	truth Truth
	why   *UnknownFact // where truth is Unsure
	hit   string       // the part of a long text that decided
}

func decided(b bool) verdict { return verdict{truth: truth(b)} }

// badValue is the verdict about a value that cannot be used.
func badValue(o *operand, zh, en string) verdict {
	why := &UnknownFact{Path: o.path, ZH: show(o.raw) + " " + zh, EN: show(o.raw) + " " + en}
	if o.from != nil {
		why.Path = o.from.path
	}
	return verdict{why: why}
}

// and, or and not combine verdicts; the reason for Unsure is that of the first one.
func (v verdict) and(w verdict) verdict { return v.with(w, v.truth.And(w.truth)) }

func (v verdict) or(w verdict) verdict { return v.with(w, v.truth.Or(w.truth)) }

func (v verdict) with(w verdict, t Truth) verdict {
	out := v
	if v.truth != t {
		out = w
	}
	out.truth = t
	return out
}

func (v verdict) not() verdict { v.truth = v.truth.Not(); return v }

func checkEqual(e *evaluation, l *leaf, fact *operand) (verdict, error) {
	value, why, err := e.argument(&l.args.values[0])
	if err != nil || why != nil {
		return verdict{why: why}, err
	}
	return e.equal(l.fact.Type, fact, value), nil
}

func checkEmpty(_ *evaluation, _ *leaf, fact *operand) (verdict, error) {
	return decided(empty(fact.raw)), nil
}

func checkExists(_ *evaluation, l *leaf, fact *operand) (verdict, error) {
	return decided((fact.raw != nil) == l.args.flag), nil
}

// checkKnown is about a fact that is known; leaf deals with one that is not.
func checkKnown(_ *evaluation, l *leaf, _ *operand) (verdict, error) {
	return decided(l.args.flag), nil
}

// anyOf and allOf combine what holds for each of several values. Without values one holds for none, all for all.
func anyOf(v, w verdict) verdict { return v.or(w) }

func allOf(v, w verdict) verdict { return v.and(w) }

// checkContains looks for texts in a text, or for elements in a list.
func checkContains(combine func(v, w verdict) verdict) check {
	enough := False // ends the search
	if combine(decided(true), decided(false)).truth == True {
		enough = True
	}
	return func(e *evaluation, l *leaf, fact *operand) (verdict, error) {
		out := verdict{truth: enough.Not()}
		for i := range l.args.values {
			values, why, err := e.arguments(&l.args.values[i])
			if err != nil {
				return verdict{}, err
			}
			if why != nil {
				out = combine(out, verdict{why: why})
			}
			for j := range values {
				if out = combine(out, e.holds(fact, &values[j])); out.truth == enough {
					return out, nil
				}
			}
		}
		return out, nil
	}
}

// holds reports whether a text contains a text, or a list an element.
func (e *evaluation) holds(fact, value *operand) verdict {
	if list, ok := fact.raw.([]any); ok {
		out := verdict{truth: False}
		for _, item := range list {
			if out = out.or(e.equal(TypeOpen, &operand{raw: item}, value)); out.truth == True || e.compared > maxCompared {
				break
			}
		}
		return out
	}
	if bad, ok := e.notText(fact, value); !ok {
		return bad
	}
	text, part := e.fold(fact), e.fold(value)
	i := strings.Index(text, part)
	if i < 0 {
		return verdict{truth: False}
	}
	return e.found(text, i, i+len(part))
}

// notText finds the operand that has no text.
func (e *evaluation) notText(operands ...*operand) (verdict, bool) {
	for _, o := range operands {
		if _, ok := textOf(o.raw); !ok {
			return badValue(o, "不是文本", "is not a text"), false
		}
	}
	return verdict{}, true
}

// found is True, with the place if it will be shown.
func (e *evaluation) found(text string, start, end int) verdict {
	v := verdict{truth: True}
	if e.explain && len(text) > maxShown {
		v.hit = excerpt(text, start, end)
	}
	return v
}

// prefixAt and suffixAt say where a part stands at an end of a text, or -1.
func prefixAt(text, part string) int {
	if strings.HasPrefix(text, part) {
		return 0
	}
	return -1
}

func suffixAt(text, part string) int {
	if strings.HasSuffix(text, part) {
		return len(text) - len(part)
	}
	return -1
}

// checkEdge looks for one of several texts at an end of a text, or of one element of a list.
func checkEdge(at func(text, part string) int) check {
	return func(e *evaluation, l *leaf, fact *operand) (verdict, error) {
		out := verdict{truth: False}
		for i := range l.args.values {
			values, why, err := e.arguments(&l.args.values[i])
			if err != nil {
				return verdict{}, err
			}
			if why != nil {
				out = out.or(verdict{why: why})
			}
			for j := range values {
				value := &values[j]
				out = out.or(e.eachText(fact, func(o *operand) verdict {
					if bad, ok := e.notText(value); !ok {
						return bad
					}
					text, part := e.fold(o), e.fold(value)
					if i := at(text, part); i >= 0 {
						return e.found(text, i, i+len(part))
					}
					return verdict{truth: False}
				}))
				if out.truth == True {
					return out, nil
				}
			}
		}
		return out, nil
	}
}

// eachText asks about a text, or about the elements of a list until one is true.
func (e *evaluation) eachText(fact *operand, test func(o *operand) verdict) verdict {
	list, ok := fact.raw.([]any)
	if !ok {
		list = []any{fact.raw}
	}
	out := verdict{truth: False}
	for _, item := range list {
		o := &operand{raw: item, from: fact.from}
		if !ok {
			o = fact
		}
		v, isText := e.notText(o)
		if isText {
			v = test(o)
		}
		if out = out.or(v); out.truth == True {
			return out
		}
	}
	return out
}

// checkPattern matches the text as it is and, if that is another one, in NFKC.
func checkPattern(e *evaluation, l *leaf, fact *operand) (verdict, error) {
	return e.eachText(fact, func(o *operand) verdict {
		s, _ := textOf(o.raw)
		for _, text := range [...]string{s, e.memo.plainText(o.path, s)} {
			if len(text) > maxMatched {
				text = strings.ToValidUTF8(text[:maxMatched], "")
			}
			if at := l.args.pattern.FindStringIndex(text); at != nil {
				return e.found(text, at[0], at[1])
			}
		}
		return verdict{truth: False}
	}), nil
}

// checkLanguage compares language tags (BCP 47): zh is also zh-CN and zh-Hans.
func checkLanguage(e *evaluation, l *leaf, fact *operand) (verdict, error) {
	out := verdict{truth: False}
	got := strings.ReplaceAll(e.fold(fact), "_", "-")
	for i := range l.args.values {
		values, why, err := e.arguments(&l.args.values[i])
		if err != nil {
			return verdict{}, err
		}
		if why != nil {
			out = out.or(verdict{why: why})
		}
		for j := range values {
			want := strings.ReplaceAll(e.fold(&values[j]), "_", "-")
			if want != "" && (got == want || strings.HasPrefix(got, want+"-")) {
				return verdict{truth: True}, nil
			}
		}
	}
	return out, nil
}
