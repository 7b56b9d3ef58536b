package uidset_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"heliograph/internal/uidset"
)

// number draws numbers that meet each other often, at both ends of what there is.
func number() *rapid.Generator[uint32] {
	return rapid.Custom(func(t *rapid.T) uint32 {
		n := rapid.Uint32Range(1, 40).Draw(t, "n")
		if rapid.Bool().Draw(t, "high") {
			return math.MaxUint32 - n + 1
		}
		return n
	})
}

// universe is all that number draws.
func universe() []uint32 {
	var all []uint32
	for n := range uint32(40) {
		all = append(all, n+1, math.MaxUint32-n)
	}
	slices.Sort(all)
	return all
}

// plain is the naive model: it only knows the numbers of the universe.
type plain map[uint32]bool

func (p plain) set(first, last uint32, in bool) {
	for _, n := range universe() {
		if first <= n && n <= last {
			p[n] = in
		}
	}
}

func (p plain) numbers() []uint32 {
	var out []uint32
	for _, n := range universe() {
		if p[n] {
			out = append(out, n)
		}
	}
	return out
}

// in returns the numbers of the universe that the set contains.
func in(s uidset.Set) []uint32 {
	var out []uint32
	for _, n := range universe() {
		if s.Contains(n) {
			out = append(out, n)
		}
	}
	return out
}

// wellFormed checks what every set promises of its ranges.
func wellFormed(t *rapid.T, s uidset.Set) {
	t.Helper()
	var length uint64
	var last uint64
	for i, r := range s.Ranges() {
		if r.First == 0 || r.First > r.Last || i > 0 && uint64(r.First) <= last+1 {
			t.Fatalf("ranges %v: range %d is out of order or touches", s.Ranges(), i)
		}
		last = uint64(r.Last)
		length += uint64(r.Last-r.First) + 1
	}
	if s.Len() != length || s.Max() != uint32(last) || s.Empty() != (length == 0) {
		t.Fatalf("%v: Len %d, Max %d, Empty %v", s.Ranges(), s.Len(), s.Max(), s.Empty())
	}
	back, err := uidset.Parse(s.String())
	if err != nil || !back.Equal(s) {
		t.Fatalf("Parse(%q) = %v, %v", s.String(), back.Ranges(), err)
	}
}

// drawSet builds a set and its model by random steps.
func drawSet(t *rapid.T, label string) (uidset.Set, plain) {
	var s uidset.Set
	model := plain{}
	for range rapid.IntRange(0, 12).Draw(t, label) {
		a, b := number().Draw(t, "a"), number().Draw(t, "b")
		if a > math.MaxUint32/2 != (b > math.MaxUint32/2) && rapid.Bool().Draw(t, "near") {
			b = a // else nearly every range would span the middle
		}
		if rapid.IntRange(0, 2).Draw(t, "op") == 0 {
			s.Remove(a, b)
			model.set(min(a, b), max(a, b), false)
		} else {
			s.Add(a, b)
			model.set(min(a, b), max(a, b), true)
		}
	}
	return s, model
}

func equal(t *rapid.T, what string, got, want []uint32) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("%s\n got %v\nwant %v", what, got, want)
	}
}

func TestSetIsASet(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, modelA := drawSet(t, "a")
		b, modelB := drawSet(t, "b")
		wellFormed(t, a)
		equal(t, "contains", in(a), modelA.numbers())

		textA, textB := a.String(), b.String()
		sub, both := plain{}, plain{}
		for _, n := range universe() {
			sub[n], both[n] = modelA[n] && !modelB[n], modelA[n] && modelB[n]
		}
		wellFormed(t, a.Sub(b))
		equal(t, "Sub", in(a.Sub(b)), sub.numbers())
		wellFormed(t, a.Intersect(b))
		equal(t, "Intersect", in(a.Intersect(b)), both.numbers())

		sum := a.Clone()
		sum.AddSet(b)
		wellFormed(t, sum)
		for n := range modelB {
			modelA[n] = modelA[n] || modelB[n]
		}
		equal(t, "AddSet", in(sum), modelA.numbers())
		if a.String() != textA || b.String() != textB {
			t.Fatalf("an operand changed: %q to %q, %q to %q", textA, a, textB, b)
		}
	})
}

// TestSetCounts keeps to the lower end, where the universe has no hole.
func TestSetCounts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var s uidset.Set
		numbers := rapid.SliceOf(rapid.Uint32Range(1, 60)).Draw(t, "numbers")
		for _, n := range numbers {
			s.Add(n, n)
		}
		slices.Sort(numbers)
		numbers = slices.Compact(numbers)
		equal(t, "All", slices.Collect(s.All()), numbers)
		equal(t, "Of", slices.Collect(uidset.Of(numbers...).All()), numbers)
		n := rapid.Uint32Range(0, 70).Draw(t, "n")
		below, _ := slices.BinarySearch(numbers, n)
		if s.CountBelow(n) != uint64(below) {
			t.Fatalf("CountBelow(%d) of %v = %d, want %d", n, s.Ranges(), s.CountBelow(n), below)
		}
		for range s.All() { // stopping early is allowed
			break
		}
		if len(numbers) > 0 && (s.Min() != numbers[0] || s.Max() != numbers[len(numbers)-1]) {
			t.Fatalf("%v: Min %d, Max %d", numbers, s.Min(), s.Max())
		}
	})
}

// TestAddSetOfManyRanges takes the way for sets of many ranges.
func TestAddSetOfManyRanges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		numbers := rapid.SliceOfN(rapid.Uint32Range(1, 300), 30, 90)
		a, b := numbers.Draw(t, "a"), numbers.Draw(t, "b")
		sum := uidset.Of(a...)
		sum.AddSet(uidset.Of(b...))
		wellFormed(t, sum)
		want := append(a, b...)
		slices.Sort(want)
		equal(t, "AddSet", slices.Collect(sum.All()), slices.Compact(want))
	})
}

// TestZero is no message number, wherever it stands.
func TestZero(t *testing.T) {
	t.Parallel()
	var s uidset.Set
	s.Add(0, 0)
	s.Add(0, 2)
	s.Remove(0, 0)
	s.Remove(1, 0)
	if s.String() != "2" || s.Contains(0) || (uidset.Set{}).Min() != 0 || (uidset.Set{}).Max() != 0 || s.CountBelow(0) != 0 {
		t.Errorf("%q", s)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                                 "",
		"7":                                "7",
		"1:4,7":                            "1:4,7",
		"7,4:1,5":                          "1:5,7",
		"3,3,2:9,1":                        "1:9",
		"4294967295,1:4294967295,9":        "1:4294967295",
		"4294967294,4294967295":            "4294967294:4294967295",
		"0007":                             "7",
		"10,1:3,5:6,2:7,4294967295,8,9,12": "1:10,12,4294967295",
	} {
		s, err := uidset.Parse(in)
		if err != nil || s.String() != want {
			t.Errorf("Parse(%q) = %q, %v, want %q", in, s, err, want)
		}
	}
	for _, in := range []string{"0", "0:4", "1:0", ",", "1,", ",1", "1,,2", "1:", ":1", "1:2:3", "*", "1:*", "4294967296", "1 ", " 1", "-1", "1:2;", "99999999999999999999999", "a"} {
		if s, err := uidset.Parse(in); err == nil {
			t.Errorf("Parse(%q) = %q without an error", in, s)
		}
	}
	if _, err := uidset.Parse(strings.Repeat("1,", uidset.MaxRanges) + "1"); err == nil {
		t.Error("Parse reads more than MaxRanges ranges")
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"1:4,7", "4294967295:1", "0", "1,,", "3,2,1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		s, err := uidset.Parse(in)
		if err != nil {
			return
		}
		back, err := uidset.Parse(s.String())
		if err != nil || !back.Equal(s) {
			t.Fatalf("%q: %v and %v (%v)", in, s.Ranges(), back.Ranges(), err)
		}
	})
}
