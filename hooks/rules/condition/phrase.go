package condition

import (
	"slices"
	"strings"
)

// Describe says a condition in one phrase, in the language zh or en. A condition with mistakes is described as far as it goes.
func Describe(node *Node, lang string) string { return standard.Describe(node, lang) }

// Describe is Describe with the schema's labels.
func (s *Schema) Describe(node *Node, lang string) string {
	if node == nil {
		return either(lang, "总是", "always")
	}
	if _, err := node.size(1); err != nil {
		return either(lang, "条件有误", "a broken condition")
	}
	slots := 0
	return (&scope{schema: s, slots: &slots}).describe(node, lang, false)
}

// Label is what people call the fact at a path, in the language zh or en.
func (s *Schema) Label(path, lang string) string { return (&scope{schema: s}).label(path, lang) }

// describe says a node; inside: it stands in a longer phrase, so groups need brackets.
func (sc *scope) describe(n *Node, lang string, inside bool) string {
	switch n.Kind {
	case All, Any:
		return sc.describeGroup(n, lang, inside)
	case Not:
		if len(n.Nodes) == 1 {
			return either(lang, "并非", "not ") + bracket(lang, sc.describe(n.Nodes[0], lang, false))
		}
	case Some, Every, None, Count:
		inner, m := sc.inside(n, "")
		if m != nil {
			inner = sc
		}
		where := ""
		if n.Where != nil {
			where = inner.describe(n.Where, lang, false)
		}
		return sc.describeQuantifier(n, lang, where)
	}
	return sc.phrase(n, lang)
}

func (sc *scope) describeGroup(n *Node, lang string, inside bool) string {
	switch len(n.Nodes) {
	case 0:
		if n.Kind == All {
			return either(lang, "总是", "always")
		}
		return either(lang, "从不", "never")
	case 1:
		return sc.describe(n.Nodes[0], lang, inside)
	}
	parts := make([]string, len(n.Nodes))
	for i, child := range n.Nodes {
		parts[i] = sc.describe(child, lang, true)
	}
	joint := either(lang, "，且", " and ")
	if n.Kind == Any {
		joint = either(lang, "，或", " or ")
	}
	out := strings.Join(parts, joint)
	if inside {
		return bracket(lang, out)
	}
	return out
}

func bracket(lang, text string) string { return either(lang, "（"+text+"）", "("+text+")") }

func (sc *scope) describeQuantifier(n *Node, lang, where string) string {
	list := sc.label(n.Path, lang)
	switch n.Kind {
	case Some:
		return either(lang, list+"中至少一个满足", "at least one of "+list+" has ") + bracket(lang, where)
	case Every:
		return either(lang, list+"全部满足", "every one of "+list+" has ") + bracket(lang, where)
	case None:
		return either(lang, list+"中没有一个满足", "none of "+list+" has ") + bracket(lang, where)
	}
	compare := sc.comparison(n, lang)
	if where == "" {
		return either(lang, list+"的个数 "+compare, "the number of "+list+" "+compare)
	}
	return either(lang, list+"中满足"+bracket(lang, where)+"的个数 "+compare, "the number of "+list+" with "+bracket(lang, where)+" "+compare)
}

// phrase says what a node itself asks, without those below it.
func (sc *scope) phrase(n *Node, lang string) string {
	switch n.Kind {
	case All:
		return either(lang, "以下全部成立", "all of")
	case Any:
		return either(lang, "以下任一成立", "any of")
	case Not:
		return either(lang, "以下不成立", "not")
	case CEL:
		return either(lang, "表达式 ", "expression ") + cut(n.CEL, 2*maxShown)
	case Some:
		return either(lang, sc.label(n.Path, zh)+" 中至少一个满足", "at least one of "+sc.label(n.Path, en))
	case Every:
		return either(lang, sc.label(n.Path, zh)+" 全部满足", "every one of "+sc.label(n.Path, en))
	case None:
		return either(lang, sc.label(n.Path, zh)+" 中没有一个满足", "none of "+sc.label(n.Path, en))
	case Count:
		which := either(lang, " 的个数 ", " ")
		if n.Where != nil {
			which = either(lang, " 中满足条件的个数 ", " that fit ")
		}
		return either(lang, "", "the number of ") + sc.label(n.Path, lang) + which + sc.comparison(n, lang)
	}
	if yes, ok := n.Value.(bool); ok && (n.Op == "is" || n.Op == "is_not") {
		return sc.yesNo(n, yes == (n.Op == "is"), lang)
	}
	path := n.Path
	if op := operatorsByName[n.Op]; op != nil && op.isChange() {
		if name, ok := changedField(path); ok {
			path = "record." + name
		}
	}
	return sc.label(path, lang) + " " + sc.comparison(n, lang)
}

// yesNo says that a fact that is true or false is so.
func (sc *scope) yesNo(n *Node, yes bool, lang string) string {
	label := sc.label(n.Path, lang)
	if _, canonical, _ := sc.split(n.Path); sc.isBool(canonical) {
		return either(lang, truthWord(yes, "是", "不是")+label, label+" is "+truthWord(yes, "true", "false"))
	}
	return label + either(lang, " 是 ", " is ") + truthWord(yes, either(lang, "“是”", "true"), either(lang, "“否”", "false"))
}

func (sc *scope) isBool(path string) bool {
	f, ok := sc.schema.naming(path)
	return ok && f.Type == TypeBool
}

func truthWord(yes bool, ifTrue, ifFalse string) string {
	if yes {
		return ifTrue
	}
	return ifFalse
}

// comparison is the operator and the value.
func (sc *scope) comparison(n *Node, lang string) string {
	op := operatorsByName[n.Op]
	if op == nil {
		return n.Op
	}
	word := either(lang, op.zh, op.en)
	if op.takes == argFlag {
		if n.Value == false {
			return either(lang, "并非"+word, "("+word+": no)")
		}
		return word
	}
	value := sc.valueWords(op, n, lang)
	if value == "" {
		return word
	}
	return word + " " + value
}

// valueWords says the value of an operator.
func (sc *scope) valueWords(op *operator, n *Node, lang string) string {
	value, how := n.Value, sc.saying(n)
	m, isMap := value.(map[string]any)
	switch op.takes {
	case argWindow, argAge:
		return windowWords(op, value, lang)
	case argPair:
		if list, ok := value.([]any); ok && len(list) == 2 {
			return sc.scalarWords(list[0], how, lang) + either(lang, " 与 ", " and ") + sc.scalarWords(list[1], how, lang) + either(lang, " 之间", "")
		}
	case argFromTo:
		return sc.scalarWords(m["from"], how, lang) + " → " + sc.scalarWords(m["to"], how, lang)
	case argAddresses:
		if _, isFact := asFact(value); isMap && !isFact {
			var parts []string
			if any := m["any"]; any != nil {
				parts = append(parts, sc.scalarWords(any, how, lang))
			}
			if list, ok := m["list"].(string); ok {
				parts = append(parts, either(lang, "名单 ", "list ")+list)
			}
			return strings.Join(parts, either(lang, "、", ", "))
		}
	case argList:
		if list, ok := m["list"].(string); ok {
			return list
		}
	}
	return sc.scalarWords(value, how, lang)
}

// saying is how the values that a node compares with are said.
func (sc *scope) saying(n *Node) saying {
	path := n.Path
	if op := operatorsByName[n.Op]; op != nil && op.isChange() {
		if name, ok := changedField(path); ok {
			path = "record." + name
		}
	}
	_, canonical, _ := sc.split(path)
	f, _ := sc.schema.naming(canonical)
	return saying{path: path, kind: f.Type, names: f.Names}
}

func (sc *scope) scalarWords(value any, how saying, lang string) string {
	if path, ok := asFact(value); ok {
		return sc.label(path, lang)
	}
	if list, ok := value.([]any); ok {
		return listWords(list, maxSpoken, lang, func(item any) string { return sc.scalarWords(item, how, lang) })
	}
	if s, ok := value.(string); ok {
		if i := slices.IndexFunc(namedMoments, func(w namedTime) bool { return w.name == s }); i >= 0 && how.called(s) == nil {
			return namedMoments[i].in(lang)
		}
	}
	if value == nil {
		return ""
	}
	return how.plain(value, lang)
}

type namedTime struct {
	name string
	words
}

var namedMoments = []namedTime{
	{wordNow, words{"现在", "now"}},
	{wordToday, words{"今天", "today"}},
	{wordYesterday, words{"昨天", "yesterday"}},
	{wordTomorrow, words{"明天", "tomorrow"}},
}

func windowWords(op *operator, value any, lang string) string {
	a, m := parseWindow(args{}, op, value, "")
	if m != nil {
		return "?"
	}
	w := a.window
	business := ""
	if w.business {
		business = either(lang, "（工作时间）", " of business time")
	}
	if op.takes == argAge {
		return DurationWords(w.last, lang) + business
	}
	var parts []string
	if w.last > 0 {
		parts = append(parts, either(lang, "过去 ", "the last ")+DurationWords(w.last, lang))
	}
	if w.next > 0 {
		parts = append(parts, either(lang, "未来 ", "the next ")+DurationWords(w.next, lang))
	}
	return strings.Join(parts, either(lang, "或", " or ")) + either(lang, "内", "") + business
}
