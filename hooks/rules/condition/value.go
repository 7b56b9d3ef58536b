package condition

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"
)

// operand is one side of a comparison: a value and what it is read as. Constants have all of it prepared.
type operand struct {
	raw  any
	path string // of the fact, for the memo; empty for constants and elements
	from *reference

	prepared bool // what follows is valid
	folded   string
	rat      *big.Rat // nil: not a number
}

// constantOperand prepares a value of the condition.
func constantOperand(value any) operand {
	o := operand{raw: value}
	if s, ok := textOf(value); ok {
		o.folded = Fold(s)
	}
	o.rat = ratOf(value)
	o.prepared = true
	return o
}

func ratOf(value any) *big.Rat {
	switch v := value.(type) {
	case json.Number:
		return number(string(v))
	case string:
		return amount(v)
	}
	return nil
}

// rational reads the operand as a number.
func (o *operand) rational() *big.Rat {
	if o.prepared {
		return o.rat
	}
	return ratOf(o.raw)
}

// fold is the operand's text in the form that compares.
func (e *evaluation) fold(o *operand) string {
	if o.prepared {
		return o.folded
	}
	s, _ := textOf(o.raw)
	return e.memo.fold(o.path, s)
}

// span reads the operand as a time.
func (e *evaluation) span(o *operand) (span, bool) {
	switch v := o.raw.(type) {
	case time.Time:
		return instant(v), true
	case string:
		if o.prepared {
			if s, ok := namedMoment(v, e.options.Now, e.zone); ok {
				return s, true
			}
		}
		return moment(v, e.zone)
	}
	return span{}, false
}

// textOf is the text of a scalar, or of an object that is a mail address.
func textOf(value any) (string, bool) {
	switch v := value.(type) {
	case nil:
		return "", true
	case string:
		return v, true
	case json.Number:
		return string(v), true
	case bool:
		if v {
			return "true", true
		}
		return "false", true
	case time.Time:
		return v.Format(time.RFC3339Nano), true
	case map[string]any:
		s, ok := v["address"].(string)
		return s, ok
	}
	return "", false
}

// boolOf reads a value as a bool, in the words that CRMs use.
func boolOf(o *operand) (value, ok bool) {
	switch v := o.raw.(type) {
	case bool:
		return v, true
	case string:
		switch Fold(v) {
		case "true", "yes", "1", "on", "是", "真":
			return true, true
		case "false", "no", "0", "off", "否", "假":
			return false, true
		}
	case json.Number:
		return v == "1", v == "0" || v == "1"
	}
	return false, false
}

// empty reports whether a value is known to hold nothing.
func empty(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case string:
		return strings.TrimSpace(v) == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// numeric reports whether values of a type, or a value, are numbers.
func numeric(t Type, a, b any) bool {
	if t == TypeNumber || t == TypeMoney {
		return true
	}
	_, numberA := a.(json.Number)
	_, numberB := b.(json.Number)
	return numberA || numberB
}

func timely(t Type, a, b any) bool {
	if t == TypeTime {
		return true
	}
	_, timeA := a.(time.Time)
	_, timeB := b.(time.Time)
	return timeA || timeB
}

// equal compares two values; t is the type of the left one where it is known.
func (e *evaluation) equal(t Type, a, b *operand) verdict {
	if e.compared++; e.compared > maxCompared {
		return verdict{why: &tooMuch}
	}
	if empty(a.raw) || empty(b.raw) {
		return decided(empty(a.raw) && empty(b.raw))
	}
	listA, isListA := a.raw.([]any)
	listB, isListB := b.raw.([]any)
	if isListA || isListB {
		if !isListA {
			listA = []any{a.raw}
		}
		if !isListB {
			listB = []any{b.raw}
		}
		same := e.sameElements(listA, listB)
		if e.compared > maxCompared {
			return verdict{why: &tooMuch}
		}
		return decided(same)
	}
	_, objectA := textOf(a.raw)
	_, objectB := textOf(b.raw)
	if !objectA || !objectB { // at least one is an object that has no text
		return e.sameObjects(a.raw, b.raw)
	}
	return e.equalScalars(t, a, b)
}

func (e *evaluation) equalScalars(t Type, a, b *operand) verdict {
	_, boolA := a.raw.(bool)
	_, boolB := b.raw.(bool)
	switch {
	case boolA || boolB || t == TypeBool:
		va, okA := boolOf(a)
		vb, okB := boolOf(b)
		if okA && okB {
			return decided(va == vb)
		}
		return e.mismatch(t == TypeBool, a, "不是“是”或“否”", "is neither true nor false")
	case numeric(t, a.raw, b.raw):
		ra, rb := a.rational(), b.rational()
		if ra != nil && rb != nil {
			return decided(ra.Cmp(rb) == 0)
		}
		return e.mismatch(t == TypeNumber || t == TypeMoney, notNumber(a, b, ra), "不是数字", "is not a number")
	case timely(t, a.raw, b.raw):
		sa, okA := e.span(a)
		sb, okB := e.span(b)
		if okA && okB {
			return decided(sa.order(sb) == 0)
		}
		return e.mismatch(t == TypeTime, notTime(a, b, okA), "不是时间", "is not a time")
	}
	return decided(e.fold(a) == e.fold(b))
}

// mismatch is what a comparison gives whose sides cannot be read as the same kind: unsure where the field's type says
// that it should be one, else they are simply different.
func (e *evaluation) mismatch(typed bool, bad *operand, zh, en string) verdict {
	if !typed {
		return verdict{truth: False}
	}
	return badValue(bad, zh, en)
}

func notNumber(a, b *operand, ra *big.Rat) *operand {
	if ra == nil {
		return a
	}
	return b
}

func notTime(a, b *operand, okA bool) *operand {
	if !okA {
		return a
	}
	return b
}

// sameElements reports whether two lists have the same elements in any order, each as often.
func (e *evaluation) sameElements(a, b []any) bool {
	if len(a) != len(b) {
		return false
	}
	if len(a) > maxValueItems {
		return false // nobody compares such lists, and each costs a million comparisons
	}
	left := slices.Clone(b)
	for _, v := range a {
		i := slices.IndexFunc(left, func(w any) bool {
			return e.equal(TypeOpen, &operand{raw: v}, &operand{raw: w}).truth == True
		})
		if i < 0 || e.compared > maxCompared {
			return false
		}
		left = slices.Delete(left, i, i+1)
	}
	return true
}

func (e *evaluation) sameObjects(a, b any) verdict {
	ma, okA := a.(map[string]any)
	mb, okB := b.(map[string]any)
	if !okA || !okB || len(ma) != len(mb) {
		return verdict{truth: False}
	}
	for _, key := range slices.Sorted(maps.Keys(ma)) {
		w, has := mb[key]
		if !has || e.equal(TypeOpen, &operand{raw: ma[key]}, &operand{raw: w}).truth != True {
			return verdict{truth: False}
		}
	}
	return verdict{truth: True}
}

// Equal reports whether two values are the same as conditions see it: texts folded, numbers exact, times as instants,
// nil and what is empty alike, lists in any order.
func Equal(a, b any) bool {
	e := &evaluation{zone: time.UTC, memo: &Memo{}}
	return e.equal(TypeOpen, &operand{raw: a}, &operand{raw: b}).truth == True
}

// Order compares two values as is before and is above do: numbers, times. Days without a time are meant in the zone. ok is false where they have no
// order.
func Order(a, b any, zone *time.Location) (sign int, ok bool) {
	e := &evaluation{zone: zone, memo: &Memo{}}
	sign, bad := e.order(TypeOpen, &operand{raw: a}, &operand{raw: b})
	return sign, bad.truth == True
}

// order compares two values that have an order: numbers, times. The sign is that of strings.Compare.
func (e *evaluation) order(t Type, a, b *operand) (sign int, bad verdict) {
	for _, o := range []*operand{a, b} {
		if empty(o.raw) {
			return 0, badValue(o, "为空，无法比较", "is empty and has no order")
		}
	}
	asNumbers, asTimes := numeric(t, a.raw, b.raw), timely(t, a.raw, b.raw)
	ra, rb := a.rational(), b.rational()
	if !asTimes && ra != nil && rb != nil {
		return ra.Cmp(rb), verdict{truth: True}
	}
	if asNumbers {
		return 0, badValue(notNumber(a, b, ra), "不是数字", "is not a number")
	}
	sa, okA := e.span(a)
	sb, okB := e.span(b)
	if okA && okB {
		return sa.order(sb), verdict{truth: True}
	}
	if asTimes {
		return 0, badValue(notTime(a, b, okA), "不是时间", "is not a time")
	}
	return 0, badValue(a, "无法比较大小", "has no order")
}

const maxShown = 60 // runes of a value in an explanation

// show is a value as explanations show it, short.
func show(value any) string {
	switch v := value.(type) {
	case nil:
		return "∅"
	case string:
		return `"` + cut(v, maxShown) + `"`
	case []any:
		const few = 5
		var parts []string
		for i, item := range v {
			if i == few {
				parts = append(parts, fmt.Sprintf("… %d", len(v)))
				break
			}
			parts = append(parts, showInside(item))
		}
		return "[" + cut(strings.Join(parts, ", "), 2*maxShown) + "]"
	case map[string]any:
		return showInside(v)
	case time.Time:
		return v.Format("2006-01-02 15:04:05 -07:00")
	}
	s, _ := textOf(value)
	return cut(s, maxShown)
}

// showInside is a value inside a list.
func showInside(value any) string {
	switch v := value.(type) {
	case map[string]any:
		for _, key := range []string{"address", "name", "id"} {
			if s, ok := v[key].(string); ok && s != "" {
				return `"` + cut(s, maxShown/2) + `"`
			}
		}
		return "{…}"
	case []any:
		return "[…]"
	case string:
		return `"` + cut(v, maxShown/2) + `"`
	}
	return show(value)
}
