package rules

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"heliograph/hooks/rules/condition"
)

// Place is a place at which two rules differ.
type Place struct {
	Path   string `json:"path"` // JSON pointer
	Before any    `json:"before"`
	After  any    `json:"after"`
}

// Places compares two versions of a rule place by place: lists of different length differ as a whole.
func Places(a, b Rule) ([]Place, error) {
	x, y, err := plainPair(a, b)
	if err != nil {
		return nil, err
	}
	return placesThatDiffer("", x, y), nil
}

func plainPair(a, b Rule) (x, y any, err error) {
	for r, into := range map[*Rule]*any{&a: &x, &b: &y} {
		text, err := json.Marshal(r)
		if err != nil {
			return nil, nil, err
		}
		if err := decode(text, into); err != nil {
			return nil, nil, err
		}
	}
	return x, y, nil
}

func placesThatDiffer(path string, a, b any) []Place {
	if reflect.DeepEqual(a, b) {
		return nil
	}
	switch x := a.(type) {
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok {
			break
		}
		all := maps.Clone(x)
		maps.Copy(all, y)
		var out []Place
		for _, name := range slices.Sorted(maps.Keys(all)) {
			out = append(out, placesThatDiffer(path+"/"+name, x[name], y[name])...)
		}
		return out
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			break
		}
		var out []Place
		for i := range x {
			out = append(out, placesThatDiffer(fmt.Sprintf("%s/%d", path, i), x[i], y[i])...)
		}
		return out
	}
	return []Place{{path, a, b}}
}

// The kinds of changes.
const (
	ChangeAdded   = "added"
	ChangeRemoved = "removed"
	ChangeChanged = "changed"
)

// Change is what one version of a rule has otherwise than another, with words for it.
type Change struct {
	Pointer       string // into the second version; of what was removed into the first
	Kind          string
	Before, After any // nil where there is none
	Zh, En        string
	// BeforeWords and AfterWords are conditions, and texts with fields in them, as people read them; nil of what is read as it is.
	BeforeWords, AfterWords *Phrase
}

// Phrase says something in both languages.
type Phrase struct{ Zh, En string }

// Compare says how two versions of a rule differ. Steps, tests and whatever else has an id or a name in a list are told apart by it.
func Compare(a, b Rule, called *RecordNames) ([]Change, error) {
	x, y, err := plainPair(a, b)
	if err != nil {
		return nil, err
	}
	c := &comparison{before: newSide(a, x, called), after: newSide(b, y, called)}
	c.compare("", "", x, y)
	return c.changes, nil
}

// side is one of two rules.
type side struct {
	rule   any
	zh, en voice
}

func newSide(r Rule, plain any, called *RecordNames) *side {
	return &side{plain, newVoice(r, Chinese, called), newVoice(r, English, called)}
}

type comparison struct {
	before, after *side
	changes       []Change
}

func (c *comparison) add(kind, before, after string, x, y any) {
	at, of, verb := after, c.after, words{"修改", "changed"}
	switch kind {
	case ChangeRemoved:
		at, of, verb = before, c.before, words{"删除", "removed"}
	case ChangeAdded:
		verb = words{"新增", "added"}
	}
	zh, en := of.place(at)
	zh, en = zh+" "+verb.zh, en+" "+verb.en
	fromZh, fromEn := c.before.short(x)
	toZh, toEn := c.after.short(y)
	switch {
	case kind == ChangeChanged && fromZh != "" && toZh != "":
		zh, en = zh+"："+fromZh+" → "+toZh, en+": "+fromEn+" → "+toEn
	case kind != ChangeChanged && fromZh+toZh != "":
		zh, en = zh+"："+fromZh+toZh, en+": "+fromEn+toEn
	}
	c.changes = append(c.changes, Change{
		Pointer: at, Kind: kind, Before: x, After: y, Zh: zh, En: en, BeforeWords: c.before.read(x), AfterWords: c.after.read(y),
	})
}

func (c *comparison) compare(before, after string, a, b any) {
	if reflect.DeepEqual(a, b) {
		return
	}
	if apart(node(a), node(b)) {
		c.add(ChangeChanged, before, after, a, b)
		return
	}
	switch x := a.(type) {
	case map[string]any:
		if y, ok := b.(map[string]any); ok {
			c.maps(before, after, x, y)
			return
		}
	case []any:
		y, ok := b.([]any)
		if !ok {
			break
		}
		if key, was, is, ok := keyed(x, y); ok {
			c.lists(before, after, x, y, key, was, is)
			return
		}
		if nested(x) && nested(y) && len(x)*len(y) <= maxPairs {
			c.rows(before, after, x, y)
			return
		}
	}
	c.add(ChangeChanged, before, after, a, b)
}

// maxPairs bounds the pairs of elements that are compared: a draft may have mistakes, and so tens of thousands of empty cases. Lists that are longer
// are told as wholes.
const maxPairs = 1 << 16

// apart says whether two conditions are told as wholes: groups of one kind differ in what is in them.
func apart(a, b *condition.Node) bool {
	if a == nil || b == nil {
		return false
	}
	group := a.Kind == condition.All || a.Kind == condition.Any || a.Kind == condition.Not
	return !group || a.Kind != b.Kind
}

func (c *comparison) maps(before, after string, x, y map[string]any) {
	all := map[string]any{}
	maps.Copy(all, x)
	maps.Copy(all, y)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		v, was := x[name]
		w, is := y[name]
		if name == "guards" || name == "extract" { // these are no more than what is in them
			v, w, was, is = object(v), object(w), true, true
		}
		part := "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
		switch {
		case !was:
			c.add(ChangeAdded, before+part, after+part, nil, w)
		case !is:
			c.add(ChangeRemoved, before+part, after+part, v, nil)
		default:
			c.compare(before+part, after+part, v, w)
		}
	}
}

// object is a value as an object, an empty one where it is none.
func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

// lists compares lists whose elements have names. Elements that changed places only are told as one change.
func (c *comparison) lists(before, after string, x, y []any, key string, was, is []string) {
	for i, name := range was {
		if !slices.Contains(is, name) {
			c.add(ChangeRemoved, fmt.Sprintf("%s/%d", before, i), "", x[i], nil)
		}
	}
	var kept []string
	for j, name := range is {
		i := slices.Index(was, name)
		if i < 0 {
			c.add(ChangeAdded, "", fmt.Sprintf("%s/%d", after, j), nil, y[j])
			continue
		}
		kept = append(kept, name)
		c.compare(fmt.Sprintf("%s/%d", before, i), fmt.Sprintf("%s/%d", after, j), x[i], y[j])
	}
	order := slices.DeleteFunc(slices.Clone(was), func(name string) bool { return !slices.Contains(is, name) })
	if !slices.Equal(order, kept) {
		zh, en := c.after.place(after)
		c.changes = append(c.changes, Change{
			Pointer: after, Kind: ChangeChanged, Before: anys(order), After: anys(kept),
			Zh: "调整顺序 " + zh + "：" + strings.Join(called(y, key, kept, Chinese), "、"), En: en + " in another order: " + strings.Join(called(y, key, kept, English), ", "),
		})
	}
}

// nested says that a list has nothing but objects and lists in it.
func nested(list []any) bool {
	return !slices.ContainsFunc(list, func(e any) bool {
		switch e.(type) {
		case map[string]any, []any:
			return false
		}
		return true
	})
}

// rows compares lists whose elements have no names, such as the cases of a branch: what is equal stands for itself, and what lies between
// two that are equal is compared one by one, as long as it is of a kind.
func (c *comparison) rows(before, after string, x, y []any) {
	i, j := 0, 0
	for _, pair := range append(common(x, y), [2]int{len(x), len(y)}) {
		for ; i < pair[0]; i++ {
			k := j
			for k < pair[1] && !alike(x[i], y[k]) {
				k++
			}
			if k == pair[1] {
				c.add(ChangeRemoved, fmt.Sprintf("%s/%d", before, i), "", x[i], nil)
				continue
			}
			for ; j < k; j++ {
				c.add(ChangeAdded, "", fmt.Sprintf("%s/%d", after, j), nil, y[j])
			}
			c.compare(fmt.Sprintf("%s/%d", before, i), fmt.Sprintf("%s/%d", after, j), x[i], y[j])
			j++
		}
		for ; j < pair[1]; j++ {
			c.add(ChangeAdded, "", fmt.Sprintf("%s/%d", after, j), nil, y[j])
		}
		i, j = pair[0]+1, pair[1]+1
	}
}

// alike says that one of two elements has probably become the other.
func alike(a, b any) bool {
	x, ok := a.(map[string]any)
	y, also := b.(map[string]any)
	if !ok || !also {
		return ok == also
	}
	if f, ok := x["field"]; ok {
		return f == y["field"]
	}
	for name := range x {
		if _, ok := y[name]; ok {
			return true
		}
	}
	return false
}

// common are the places of the longest row of equal elements that two lists have in the same order.
func common(x, y []any) (out [][2]int) {
	long := make([][]int, len(x)+1)
	for i := range long {
		long[i] = make([]int, len(y)+1)
	}
	for i := len(x) - 1; i >= 0; i-- {
		for j := len(y) - 1; j >= 0; j-- {
			long[i][j] = max(long[i+1][j], long[i][j+1])
			if reflect.DeepEqual(x[i], y[j]) {
				long[i][j] = long[i+1][j+1] + 1
			}
		}
	}
	for i, j := 0, 0; i < len(x) && j < len(y); {
		switch {
		case reflect.DeepEqual(x[i], y[j]):
			out = append(out, [2]int{i, j})
			i, j = i+1, j+1
		case long[i+1][j] >= long[i][j+1]:
			i++
		default:
			j++
		}
	}
	return out
}

func anys(list []string) (out []any) {
	for _, s := range list {
		out = append(out, s)
	}
	return out
}

// keyed are the names of the elements of two lists, where all have one and no two of a list the same.
func keyed(x, y []any) (key string, was, is []string, ok bool) {
	for _, key := range []string{"id", "name"} {
		was, ok = keysIn(x, key)
		if !ok {
			continue
		}
		if is, ok = keysIn(y, key); ok {
			return key, was, is, true
		}
	}
	return "", nil, nil, false
}

func keysIn(list []any, key string) (out []string, ok bool) {
	for _, e := range list {
		m, _ := e.(map[string]any)
		name, is := m[key].(string)
		if !is || slices.Contains(out, name) {
			return nil, false
		}
		out = append(out, name)
	}
	return out, true
}
