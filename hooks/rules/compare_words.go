package rules

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"heliograph/hooks/rules/condition"
)

// node is what stands at a place as a condition, or nil if it is none.
func node(v any) *condition.Node {
	m, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	text, err := json.Marshal(m)
	var n condition.Node
	if err != nil || json.Unmarshal(text, &n) != nil {
		return nil
	}
	return &n
}

// read is a value as people read it; nil where that is as it is written.
func (s *side) read(v any) *Phrase {
	if n := node(v); n != nil {
		return &Phrase{s.zh.condition(n), s.en.condition(n)}
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var lines []string
	for _, e := range list {
		text, ok := e.(string)
		if !ok {
			return nil
		}
		lines = append(lines, text)
	}
	text := strings.Join(lines, "\n")
	if !strings.Contains(text, "{{") {
		return nil
	}
	return &Phrase{s.zh.words(text), s.en.words(text)}
}

// most is how much of a value stands in a sentence.
const most = 60

// short is a value in a sentence, or nothing where it is no single value.
func (s *side) short(v any) (zh, en string) {
	if n := node(v); n != nil {
		return s.zh.condition(n), s.en.condition(n)
	}
	if m := object(v); len(m) == 2 && m["count"] != nil && m["per"] != nil {
		return fmt.Sprintf("%v 内 %v 次", m["per"], m["count"]), fmt.Sprintf("%v per %v", m["count"], m["per"])
	}
	switch v.(type) {
	case nil, map[string]any, []any:
		return "", ""
	}
	text := fmt.Sprint(v)
	return cutShort(s.zh.words(text)), cutShort(s.en.words(text))
}

func cutShort(s string) string {
	text := []rune(strings.Join(strings.Fields(s), " "))
	if len(text) > most {
		text = append(text[:most-1], '…')
	}
	return string(text)
}

// place says what lies at a place, as people find it in a designer: "2 分支 › 情况 1 › 1 发邮件 › 正文".
func (s *side) place(pointer string) (zh, en string) {
	p := &placeWords{side: s, kind: "rule", at: s.rule}
	for part := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		switch x := p.at.(type) {
		case map[string]any:
			p.key(x, part)
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(x) {
				return strings.Join(p.zh, " › "), strings.Join(p.en, " › ")
			}
			p.element(x[i], i)
		default:
			p.add(part, part)
		}
	}
	return strings.Join(p.zh, " › "), strings.Join(p.en, " › ")
}

// placeWords are the words for a place while it is walked to.
type placeWords struct {
	side   *side
	zh, en []string
	record RecordType // that the step where one is names
	kind   string     // whose parameters there are: of a step, a trigger, the rule …
	list   string     // the key of the list that one is in
	at     any
}

func (p *placeWords) add(zh, en string) { p.zh, p.en = append(p.zh, zh), append(p.en, en) }

// instead puts words for an element in the place of those for its list.
func (p *placeWords) instead(zh, en string) {
	p.zh, p.en = p.zh[:len(p.zh)-1], p.en[:len(p.en)-1]
	p.add(zh, en)
}

func (p *placeWords) key(in map[string]any, name string) {
	if do, ok := in["do"].(string); ok {
		p.kind = do
	}
	if p.list == "fields" && (p.kind == "create_record" || p.kind == "update_record") {
		p.at, p.list = in[name], name
		p.add(p.side.zh.field(p.record, name), p.side.en.field(p.record, name))
		return
	}
	p.at, p.list = in[name], name
	if p.kind == kindCondition {
		// A condition is told as a whole; of where in it, only what turns its meaning.
		if w, ok := partsOfCondition[name]; ok {
			p.add(w.zh, w.en)
		}
		return
	}
	if name == "with" {
		p.record = p.side.zh.record
		with, _ := p.at.(map[string]any)
		if target, _ := with["target"].(string); target != "" {
			object, _ := with["object"].(string)
			p.record = RecordType{target, object}
		}
		return
	}
	w, ok := rulePartWords[name]
	if _, own := wordsOfParams[p.kind+"."+name]; !ok || own && p.kind != "rule" {
		w.zh, w.en = ParamWords(p.kind, name)
	}
	p.add(w.zh, w.en)
	switch {
	case name == "trigger":
		t, _ := p.at.(map[string]any)
		kind, _ := t["type"].(string)
		p.kind = "trigger." + kind
	case name == "guards" || name == "extract":
		p.kind = name
	case node(p.at) != nil:
		p.kind = kindCondition
	}
}

func (p *placeWords) element(v any, i int) {
	list := p.list
	p.at, p.list = v, ""
	n := strconv.Itoa(i + 1)
	if p.kind == kindCondition {
		return
	}
	m, _ := v.(map[string]any)
	if do, ok := m["do"].(string); ok {
		zh, en := StepWords(do)
		if list == "steps" {
			p.instead(n+" "+zh, n+" "+en)
		} else {
			p.add(n+" "+zh, n+" "+en)
		}
		return
	}
	if w, ok := elementWords[list]; ok {
		p.instead(fmt.Sprintf(w.zh, i+1), fmt.Sprintf(w.en, i+1))
		return
	}
	if name, ok := m["name"].(string); ok {
		n = name
	}
	p.add(n, n)
}

// called are what people call the elements of a list that have these ids or names.
func called(list []any, key string, which []string, l Lang) []string {
	out := slices.Clone(which)
	for _, e := range list {
		m, _ := e.(map[string]any)
		id, _ := m[key].(string)
		if do, ok := m["do"].(string); ok {
			zh, en := StepWords(do)
			if i := slices.Index(out, id); i >= 0 {
				out[i] = l.of(en, zh)
			}
		}
	}
	return out
}

const kindCondition = "condition"

// rulePartWords name the parts of a rule and of its steps, shorter than what describes them.
var rulePartWords = map[string]words{
	"trigger": {"触发", "trigger"}, "when": {"条件", "condition"}, "steps": {"步骤", "steps"}, "guards": {"限额", "guards"}, "extract": {"提取", "extraction"},
	"tests": {"测试", "tests"}, "name": {"名称", "name"}, "owner": {"负责人", "owner"}, "description": {"说明", "description"}, "contact": {"联系人", "contact"},
	"calendar": {"日历", "calendar"}, "id": {"编号", "id"}, "do": {"步骤类型", "kind of step"}, "on_error": {"失败后", "after a failure"},
	"cases": {"情况", "cases"}, "branches": {"各路", "ways"}, "else": {"否则", "otherwise"}, "where": {"筛选条件", "which records count"},
	"subject": {"主题", "subject"}, "text": {"正文", "text"}, "html": {"HTML 正文", "text as HTML"}, "title": {"标题", "title"}, "to": {"收件人", "recipients"},
}

// elementWords name the elements of lists that have no names of their own.
var elementWords = map[string]words{"cases": {"情况 %d", "case %d"}, "branches": {"第 %d 路", "way %d"}}

var partsOfCondition = map[string]words{
	"any": {"任一", "any of"}, "not": {"并非", "not"}, "some": {"至少一个", "at least one"}, "every": {"每个", "every one"}, "none": {"没有一个", "none"},
}
