package condition

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"heliograph/config"
)

// constant is one value of a condition: plain, or another fact.
type constant struct {
	operand
	ref *reference // nil: plain
	one []operand  // the operand, for operators that take several
}

// args is the value of a leaf, prepared for its operator.
type args struct {
	values    []constant
	sides     [2]*constant // of a change: before, after
	flag      bool
	pattern   *regexp.Regexp
	addresses addresses
	list      string          // the name of a list
	set       map[string]bool // folded texts of a longer list
	window    window
}

// window is a time round now.
type window struct {
	last, next time.Duration
	business   bool
}

// mistake is something in a condition that cannot be run.
type mistake struct {
	at, code, zh, en, suggestion string
}

func (m *mistake) Error() string {
	at := m.at
	if at == "" {
		at = "/"
	}
	return "at " + cut(at, maxPath) + ": " + m.en
}

// manyTexts is from how many texts on a list is looked up instead of gone through.
const manyTexts = 8

// maxPattern bounds a regular expression, in bytes.
const maxPattern = 1000

// parseArgs prepares the value of a leaf or a count.
func (sc *scope) parseArgs(op *operator, value any, at string) (args, *mistake) {
	a := args{flag: true}
	if value == nil && op.takes != argNone && op.takes != argFlag {
		return a, &mistake{at, codeValue, "运算“" + op.zh + "”需要一个值", "the operator " + op.name + " needs a value", ""}
	}
	wrong := func(zh, en string) (args, *mistake) {
		return a, &mistake{at, codeValue, "运算“" + op.zh + "”的值应为" + zh, "the operator " + op.name + " takes " + en, ""}
	}
	switch op.takes {
	case argNone:
		if value != nil {
			return a, &mistake{at, codeValue, "运算“" + op.zh + "”不需要值", "the operator " + op.name + " takes no value", ""}
		}
	case argFlag:
		if value == nil {
			return a, nil
		}
		var ok bool
		if a.flag, ok = value.(bool); !ok {
			return wrong("“是”或“否”", "true or false")
		}
	case argOne:
		return sc.oneValue(a, op, value, at)
	case argOrdered, argMoment, argText, argTexts, argPair:
		return sc.listed(a, op, value, at)
	case argPattern:
		return parsePattern(a, value, at)
	case argAddresses:
		return sc.parseAddresses(a, value, at)
	case argList:
		return sc.parseList(a, value, at)
	case argWindow, argAge:
		return parseWindow(a, op, value, at)
	case argFromTo:
		m, ok := value.(map[string]any)
		if !ok || len(m) != 2 || m["from"] == nil || m["to"] == nil {
			return wrong(" {from: …, to: …}", "{from: …, to: …}")
		}
		for i, key := range []string{"from", "to"} {
			c, m := sc.constant(m[key], pointer(at, key))
			if m != nil {
				return a, m
			}
			a.sides[i] = &c
		}
	}
	return a, nil
}

// oneValue prepares a single value, which for changes is one side of them.
func (sc *scope) oneValue(a args, op *operator, value any, at string) (args, *mistake) {
	c, m := sc.constant(value, at)
	switch op.name {
	case "changed_to":
		a.sides[1] = &c
	case "changed_from":
		a.sides[0] = &c
	default:
		a.values = []constant{c}
	}
	return a, m
}

// constant prepares a value that is plain, or another fact.
func (sc *scope) constant(value any, at string) (constant, *mistake) {
	if path, ok := asFact(value); ok {
		ref, _, m := sc.resolve(path, pointer(at, factKey))
		return constant{ref: &ref}, m
	}
	if holdsFact(value) {
		return constant{}, &mistake{at, codeValue, "这里不能在值里面再引用字段", "a fact inside a value is not for this operator", ""}
	}
	o := constantOperand(value)
	return constant{operand: o, one: []operand{o}}, nil
}

func holdsFact(value any) bool {
	switch v := value.(type) {
	case map[string]any:
		if _, ok := asFact(v); ok {
			return true
		}
		for _, item := range v {
			if holdsFact(item) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, holdsFact)
	}
	return false
}

// listed prepares one value or several, each a text, a number or a time.
func (sc *scope) listed(a args, op *operator, value any, at string) (args, *mistake) {
	list, isList := value.([]any)
	several := op.takes == argTexts || op.takes == argPair
	switch {
	case isList && !several:
		return a, &mistake{at, codeValue, "运算“" + op.zh + "”只接受一个值", "the operator " + op.name + " takes one value, not a list", ""}
	case op.takes == argPair && len(list) != 2:
		return a, &mistake{at, codeValue, "运算“" + op.zh + "”需要两个值：[下限, 上限]", "the operator " + op.name + " takes two values: [lowest, highest]", ""}
	case !isList:
		list = []any{value}
	}
	for i, item := range list {
		place := at
		if isList {
			place = pointer(at, i)
		}
		c, m := sc.constant(item, place)
		if m != nil {
			return a, m
		}
		if c.ref == nil {
			if _, scalar := textOf(item); !scalar || item == nil {
				return a, &mistake{place, codeValue, "值应为文本、数字或时间", "the value is a text, a number or a time", ""}
			}
		}
		a.values = append(a.values, c)
	}
	return a, nil
}

func parsePattern(a args, value any, at string) (args, *mistake) {
	text, ok := value.(string)
	if !ok || text == "" || len(text) > maxPattern {
		en := fmt.Sprintf("a pattern is a text of at most %d bytes", maxPattern)
		return a, &mistake{at, codePattern, fmt.Sprintf("正则表达式应为不超过 %d 字节的文本", maxPattern), en, ""}
	}
	re, err := regexp.Compile(text)
	if err != nil {
		why := strings.TrimPrefix(err.Error(), "error parsing regexp: ")
		return a, &mistake{at, codePattern, "正则表达式有误：" + cut(why, 2*maxShown), "the pattern is wrong: " + cut(why, 2*maxShown), ""}
	}
	a.pattern = re
	return a, nil
}

// parseAddresses reads a pattern, a list of them, or {any: patterns, list: name, subdomains: true}.
func (sc *scope) parseAddresses(a args, value any, at string) (args, *mistake) {
	patterns, place := value, at
	if m, ok := value.(map[string]any); ok {
		if _, isFact := asFact(m); !isFact {
			patterns, place = m["any"], pointer(at, "any")
			okList, okSub, okAny := true, true, true
			if v, has := m["list"]; has {
				a.addresses.list, okList = v.(string)
			}
			if v, has := m["subdomains"]; has {
				a.addresses.subdomains, okSub = v.(bool)
			}
			for key := range m {
				okAny = okAny && (key == "any" || key == "list" || key == "subdomains")
			}
			if !okList || !okSub || !okAny || patterns == nil && a.addresses.list == "" {
				return a, &mistake{at, codeValue, "值应为 {any: [地址…], list: 名单, subdomains: true}", "the value is {any: [patterns], list: name, subdomains: true}", ""}
			}
		}
	}
	list, isList := patterns.([]any)
	if !isList && patterns != nil {
		list = []any{patterns}
	}
	for i, item := range list {
		spot := place
		if isList {
			spot = pointer(place, i)
		}
		if _, isFact := asFact(item); isFact {
			c, m := sc.constant(item, spot)
			if m != nil {
				return a, m
			}
			a.values = append(a.values, c)
			continue
		}
		text, ok := item.(string)
		if !ok || !a.addresses.add(text) {
			return a, &mistake{
				spot, codeValue, show(item) + " 不是地址、*@域名、域名或 *.域名",
				show(item) + " is neither an address nor *@domain, domain or *.domain", "",
			}
		}
	}
	return a, nil
}

// parseList reads a list of values, a name, {list: name} or a fact.
func (sc *scope) parseList(a args, value any, at string) (args, *mistake) {
	list, isList := value.([]any)
	if !isList {
		if m, ok := value.(map[string]any); ok && len(m) == 1 && m["list"] != nil {
			value = m["list"]
		} else if ok {
			c, m := sc.constant(value, at)
			if m == nil && c.ref == nil {
				m = &mistake{at, codeValue, "值应为列表、名单名称或 {list: 名单}", "the value is a list, the name of a list, or {list: name}", ""}
			}
			a.values = []constant{c}
			return a, m
		}
		name, ok := value.(string)
		if !ok || name == "" || len(name) > maxPath {
			return a, &mistake{at, codeValue, "值应为列表、名单名称或 {list: 名单}", "the value is a list, the name of a list, or {list: name}", ""}
		}
		a.list = name
		return a, nil
	}
	texts := map[string]bool{}
	for i, item := range list {
		c, m := sc.constant(item, pointer(at, i))
		if m != nil {
			return a, m
		}
		a.values = append(a.values, c)
		if _, ok := item.(string); ok && !empty(item) {
			texts[c.folded] = true
		} else {
			texts = nil
			break
		}
	}
	for i := len(a.values); i < len(list); i++ { // the rest, after what is no text
		c, m := sc.constant(list[i], pointer(at, i))
		if m != nil {
			return a, m
		}
		a.values = append(a.values, c)
	}
	if len(texts) > manyTexts {
		a.set = texts
	}
	return a, nil
}

// parseWindow reads {last: 3d}, {next: 2h}, both, or an age; with business: true they are business time.
func parseWindow(a args, op *operator, value any, at string) (args, *mistake) {
	keys := map[string]*time.Duration{"last": &a.window.last, "next": &a.window.next}
	bad := &mistake{at, codeValue, "值应为 {last: 3d} 或 {next: 2h}", "the value is {last: 3d} or {next: 2h}", ""}
	m, ok := value.(map[string]any)
	if op.takes == argAge {
		keys = map[string]*time.Duration{"age": &a.window.last}
		bad = &mistake{at, codeValue, "值应为时长，如 3d、4h，或 {age: 4h, business: true}", "the value is an age such as 3d or 4h, or {age: 4h, business: true}", ""}
		if text, isText := value.(string); isText {
			m, ok = map[string]any{"age": text}, true
		}
	}
	if !ok {
		return a, bad
	}
	found, days := false, false
	for key, v := range m {
		if key == "business" {
			if a.window.business, ok = v.(bool); !ok {
				return a, bad
			}
			continue
		}
		into := keys[key]
		text, ok := v.(string)
		if into == nil || !ok {
			return a, bad
		}
		d, err := config.ParseDuration(text)
		if err != nil || d <= 0 {
			spot := pointer(at, key)
			return a, &mistake{spot, codeValue, show(text) + " 不是时长（如 30m、4h、3d）", show(text) + " is not a length of time such as 30m, 4h or 3d", ""}
		}
		*into, found = d.D(), true
		days = days || strings.Contains(text, "d")
	}
	if !found {
		return a, bad
	}
	if a.window.business && days {
		return a, &mistake{at, codeValue, "工作时间请用小时计算，如 16h", "count business time in hours, such as 16h", ""}
	}
	return a, nil
}
