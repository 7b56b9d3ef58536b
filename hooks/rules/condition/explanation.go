package condition

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// The languages of texts.
const (
	zh = "zh"
	en = "en"
)

// words are a text in both languages.
type words struct{ zh, en string }

func (w words) in(lang string) string { return either(lang, w.zh, w.en) }

func either(lang, chinese, english string) string {
	if lang == zh {
		return chinese
	}
	return english
}

// Explanation is what became of one node of a condition, and of those below it. It is plain data: JSON and back.
type Explanation struct {
	Kind   Kind   `json:"kind"`
	At     string `json:"at"` // the node, as a JSON pointer into the condition
	Result Truth  `json:"result"`
	// Skipped says that the node was not asked, because what stands before it decided. Result means nothing then.
	Skipped bool `json:"skipped,omitempty"`
	// Fact is the value that was compared, as it is, as text and cut short; empty where there is none.
	Fact string `json:"fact,omitempty"`
	// Item is which element of a list this is about, from 1; 0: none. ItemShown is that element, as text.
	Item      int    `json:"item,omitempty"`
	ItemShown string `json:"item_shown,omitempty"`
	// ZH and EN say it in one sentence.
	ZH string `json:"zh"`
	EN string `json:"en"`
	// Unknown are the facts that could not be told; in the root all of those that were asked.
	Unknown  []UnknownFact  `json:"unknown,omitempty"`
	Children []*Explanation `json:"children,omitempty"`
	// Omitted counts children that are left out because there are too many.
	Omitted int `json:"omitted,omitempty"`

	decidedBy int
	detail    words // behind the result
	phrase    *words
}

// The bounds of an explanation; it is stored with each run.
const (
	maxExplained = 400 // nodes
	maxItems     = 10  // elements of one list, beside the one that decides
)

// begin says what a node asks. A nil Explanation stands for one that nobody wants.
func (x *Explanation) begin(s *step) {
	if x != nil {
		x.Kind, x.At, x.phrase = s.kind, s.at, &s.phrase
	}
}

// child adds a node below, or returns nil where there are enough.
func (e *evaluation) child(parent *Explanation) *Explanation {
	if parent == nil {
		return nil
	}
	if e.nodes++; e.nodes > maxExplained {
		parent.Omitted++
		return nil
	}
	c := &Explanation{}
	parent.Children = append(parent.Children, c)
	return c
}

// elementChild is child for an element of a list.
func (e *evaluation) elementChild(parent *Explanation) *Explanation {
	if parent == nil {
		return nil
	}
	if len(parent.Children) > maxItems { // the last one gives way: it may be the one that decides
		if last := len(parent.Children) - 1; e.nodes <= maxExplained {
			parent.Omitted++
			e.nodes += 1 - parent.Children[last].size()
			parent.Children[last] = &Explanation{}
			return parent.Children[last]
		}
	}
	return e.child(parent)
}

// size counts the nodes of an explanation.
func (x *Explanation) size() int {
	n := 1
	for _, c := range x.Children {
		n += c.size()
	}
	return n
}

// skip notes the children that were not asked.
func (e *evaluation) skip(steps []*step, parent *Explanation) {
	for _, s := range steps {
		if c := e.child(parent); c != nil {
			c.begin(s)
			c.Skipped = true
			c.ZH, c.EN = c.phrase.zh+" → 未检查", c.phrase.en+" → not asked"
		}
	}
}

// leaf notes what was compared.
func (x *Explanation) leaf(v verdict, seen any, asked bool, how saying) {
	if x == nil {
		return
	}
	if asked {
		x.Fact = show(seen)
		if _, yesNo := seen.(bool); !yesNo { // the sentence says it
			x.detail = words{how.quoted(seen, zh), how.quoted(seen, en)}
		}
		if v.hit != "" && v.truth != Unsure {
			x.Fact = `"` + v.hit + `"`
			x.detail = words{x.Fact, x.Fact}
		}
	}
	if v.truth == Unsure && v.why != nil {
		x.Unknown = []UnknownFact{*v.why}
		x.detail = words{v.why.ZH, v.why.EN}
	}
}

// compared notes the facts that the value stood for.
func (x *Explanation) compared(facts []words) {
	if x == nil || len(facts) == 0 || x.detail.zh == "" {
		return
	}
	for i, f := range slices.Compact(facts) {
		x.detail.zh += truthWord(i == 0, "；", "，") + f.zh
		x.detail.en += truthWord(i == 0, "; ", ", ") + f.en
	}
}

// computed notes the facts that an expression looked at.
func (x *Explanation) computed(v verdict, facts string) {
	if x == nil || facts == "" {
		return
	}
	if x.Fact = cut(facts, 4*maxShown); v.truth != Unsure {
		x.detail = words{x.Fact, x.Fact}
	}
}

// elements notes how long the list was.
func (x *Explanation) elements(n, more int) {
	if x == nil {
		return
	}
	count := strconv.Itoa(n)
	if more > 0 {
		count += "/" + strconv.Itoa(n+more)
	}
	switch {
	case n == 0:
		x.detail = words{"列表为空", "the list is empty"}
	case x.decidedBy > 0:
		i := strconv.Itoa(x.decidedBy)
		x.detail = words{"第 " + i + " 项", "element " + i}
	default:
		x.detail = words{"共 " + count + " 项", count + " elements"}
	}
}

// decides notes which element ended the search.
func (x *Explanation) decides(i int) {
	if x != nil {
		x.decidedBy = i + 1
	}
}

// counted notes the number that was compared.
func (x *Explanation) counted(least, most int, v verdict) {
	if x == nil {
		return
	}
	x.Fact = strconv.Itoa(least)
	if most > least {
		x.Fact += "…" + strconv.Itoa(most)
	}
	x.detail = words{x.Fact, x.Fact}
	if v.why != nil {
		x.Unknown = []UnknownFact{*v.why}
		x.detail = words{v.why.ZH, v.why.EN}
	}
}

// item says which element a node is about.
func (x *Explanation) item(i int, value any) {
	if x != nil {
		x.Item, x.ItemShown = i+1, show(value)
	}
}

// results are the words for a Truth.
var results = [...]words{Unsure: {"未知", "unknown"}, False: {"否", "no"}, True: {"是", "yes"}}

// conclude writes the sentence.
func (x *Explanation) conclude(t Truth) {
	if x == nil {
		return
	}
	x.Result = t
	x.ZH, x.EN = x.phrase.zh+" → "+results[t].zh, x.phrase.en+" → "+results[t].en
	if x.detail.zh != "" {
		x.ZH += "（" + x.detail.zh + "）"
		x.EN += " (" + x.detail.en + ")"
	}
}

// marks begin the lines of Text.
var marks = [...]string{Unsure: "? ", False: "✗ ", True: "✓ "}

// Text is the explanation as an indented tree, in the language zh or en.
func (x *Explanation) Text(lang string) string {
	var out strings.Builder
	x.write(&out, lang, 0)
	return out.String()
}

func (x *Explanation) write(out *strings.Builder, lang string, depth int) {
	out.WriteString(strings.Repeat("  ", depth))
	switch {
	case x.Skipped:
		out.WriteString("- ")
	case int(x.Result) < len(marks):
		out.WriteString(marks[x.Result])
	}
	if x.Item > 0 {
		out.WriteString("#" + strconv.Itoa(x.Item) + " " + x.ItemShown + ": ")
	}
	out.WriteString(either(lang, x.ZH, x.EN))
	out.WriteByte('\n')
	for _, c := range x.Children {
		c.write(out, lang, depth+1)
	}
	if x.Omitted > 0 {
		out.WriteString(strings.Repeat("  ", depth+1))
		n := strconv.Itoa(x.Omitted)
		out.WriteString(either(lang, "… 另有 "+n+" 项\n", "… and "+n+" more\n"))
	}
}

// DurationWords is a length of time for people, in the language zh or en.
func DurationWords(d time.Duration, lang string) string {
	var parts []string
	for _, u := range []struct {
		unit                time.Duration
		chinese, one, other string
	}{{24 * time.Hour, "天", "day", "days"}, {time.Hour, "小时", "hour", "hours"}, {time.Minute, "分钟", "minute", "minutes"}, {time.Second, "秒", "second", "seconds"}} {
		n := d / u.unit
		if d -= n * u.unit; n == 0 {
			continue
		}
		word := u.other
		if n == 1 {
			word = u.one
		}
		parts = append(parts, strconv.FormatInt(int64(n), 10)+" "+either(lang, u.chinese, word))
	}
	return strings.Join(parts, " ")
}
