// Package uidset holds sets of IMAP message numbers and the known part of the map from
// sequence numbers to UIDs.
//
// The main idea: both are stored as runs. A mailbox of a million messages is a handful of
// runs when nothing was deleted, so a Set is a sorted list of ranges (set.go, parse.go) and
// a Map a sorted list of stretches in which sequence number and UID rise together (map.go).
// The ledger stores the sets as text, in the form in which IMAP writes them.
//
// The package does not know what the numbers mean, nor which mailbox they belong to; it
// starts no goroutines, and nothing in it may be used by two goroutines at once while one
// of them changes it.
package uidset

import (
	"iter"
	"math"
	"slices"
	"sort"
)

// Range is a stretch of numbers, both ends included. First is never greater than Last.
type Range struct{ First, Last uint32 }

// Set is a set of message numbers from 1 to 4294967295. The zero value is empty. Like a
// slice, a copy shares memory with its original: Clone it before changing one of them.
type Set struct {
	runs []Range // sorted, disjoint, never adjacent
}

// Of returns the set of the given numbers.
func Of(numbers ...uint32) Set {
	var s Set
	for _, n := range numbers {
		s.Add(n, n)
	}
	return s
}

// at returns the index of the first range that ends at n or later.
func (s Set) at(n uint32) int {
	if k := len(s.runs); k == 0 || s.runs[k-1].Last < n {
		return k // numbers mostly come in rising order
	}
	return sort.Search(len(s.runs), func(i int) bool { return s.runs[i].Last >= n })
}

// order makes both ends of a stretch fit the set: rising, and without zero, which is no
// message number. The second result is false when nothing is left.
func order(first, last uint32) (Range, bool) {
	if first > last {
		first, last = last, first // RFC 9051, 9: 4:2 means 2:4
	}
	return Range{max(first, 1), last}, last > 0
}

// Add puts the numbers between first and last, both included, into the set.
func (s *Set) Add(first, last uint32) {
	r, ok := order(first, last)
	if !ok {
		return
	}
	i := s.at(r.First - 1) // a range that ends just before joins
	j := i
	for j < len(s.runs) && (r.Last == math.MaxUint32 || s.runs[j].First <= r.Last+1) {
		r.First, r.Last = min(r.First, s.runs[j].First), max(r.Last, s.runs[j].Last)
		j++
	}
	if j == i+1 {
		s.runs[i] = r
		return
	}
	s.runs = slices.Replace(s.runs, i, j, r)
}

// AddSet puts all numbers of the other set into this one.
func (s *Set) AddSet(other Set) {
	switch {
	case len(other.runs) == 0:
	case len(s.runs) == 0:
		s.runs = slices.Clone(other.runs)
	case len(other.runs) <= 8: // few: without copying this set
		for _, r := range other.runs {
			s.Add(r.First, r.Last)
		}
	default:
		all := make([]Range, 0, len(s.runs)+len(other.runs))
		s.runs = normalise(append(append(all, s.runs...), other.runs...))
	}
}

// normalise sorts the ranges and joins those that overlap or touch, in place.
func normalise(runs []Range) []Range {
	slices.SortFunc(runs, func(a, b Range) int {
		if a.First < b.First {
			return -1
		}
		if a.First > b.First {
			return 1
		}
		return 0
	})
	out := runs[:0]
	for _, r := range runs {
		if k := len(out) - 1; k >= 0 && (out[k].Last == math.MaxUint32 || r.First <= out[k].Last+1) {
			out[k].Last = max(out[k].Last, r.Last)
			continue
		}
		out = append(out, r)
	}
	return out
}

// Remove takes the numbers between first and last, both included, out of the set.
func (s *Set) Remove(first, last uint32) {
	r, ok := order(first, last)
	if !ok {
		return
	}
	i := s.at(r.First)
	j := i
	var rest [2]Range
	kept := rest[:0]
	for j < len(s.runs) && s.runs[j].First <= r.Last {
		if s.runs[j].First < r.First {
			kept = append(kept, Range{s.runs[j].First, r.First - 1})
		}
		if s.runs[j].Last > r.Last {
			kept = append(kept, Range{r.Last + 1, s.runs[j].Last})
		}
		j++
	}
	if j > i {
		s.runs = slices.Replace(s.runs, i, j, kept...)
	}
}

// Contains tells whether n is in the set.
func (s Set) Contains(n uint32) bool {
	i := s.at(n)
	return n > 0 && i < len(s.runs) && s.runs[i].First <= n
}

// Empty tells whether the set holds no number.
func (s Set) Empty() bool { return len(s.runs) == 0 }

// Len returns how many numbers the set holds.
func (s Set) Len() uint64 {
	var n uint64
	for _, r := range s.runs {
		n += uint64(r.Last-r.First) + 1
	}
	return n
}

// Min returns the smallest number, 0 for the empty set.
func (s Set) Min() uint32 {
	if len(s.runs) == 0 {
		return 0
	}
	return s.runs[0].First
}

// Max returns the greatest number, 0 for the empty set.
func (s Set) Max() uint32 {
	if len(s.runs) == 0 {
		return 0
	}
	return s.runs[len(s.runs)-1].Last
}

// Ranges returns the set as sorted, disjoint ranges that do not touch. The slice is the
// caller's.
func (s Set) Ranges() []Range { return slices.Clone(s.runs) }

// CountBelow returns how many numbers of the set are smaller than n.
func (s Set) CountBelow(n uint32) uint64 {
	var count uint64
	for _, r := range s.runs {
		if r.First >= n {
			break
		}
		count += uint64(min(r.Last, n-1)-r.First) + 1
	}
	return count
}

// Sub returns the numbers that are in this set and not in the other.
func (s Set) Sub(other Set) Set {
	out := make([]Range, 0, len(s.runs))
	j := 0
	for _, r := range s.runs {
		for j < len(other.runs) && other.runs[j].Last < r.First {
			j++
		}
		gone := false
		for k := j; k < len(other.runs) && other.runs[k].First <= r.Last; k++ {
			if o := other.runs[k]; o.First > r.First {
				out = append(out, Range{r.First, o.First - 1})
			}
			if other.runs[k].Last >= r.Last {
				gone = true
				break
			}
			r.First = other.runs[k].Last + 1
		}
		if !gone {
			out = append(out, r)
		}
	}
	return Set{out}
}

// Intersect returns the numbers that are in both sets.
func (s Set) Intersect(other Set) Set {
	var out []Range
	i, j := 0, 0
	for i < len(s.runs) && j < len(other.runs) {
		a, b := s.runs[i], other.runs[j]
		if first, last := max(a.First, b.First), min(a.Last, b.Last); first <= last {
			out = append(out, Range{first, last})
		}
		if a.Last < b.Last {
			i++
		} else {
			j++
		}
	}
	return Set{out}
}

// Equal tells whether both sets hold the same numbers.
func (s Set) Equal(other Set) bool { return slices.Equal(s.runs, other.runs) }

// Clone returns a copy that shares no memory with the set.
func (s Set) Clone() Set { return Set{slices.Clone(s.runs)} }

// All yields the numbers in rising order. A set from a peer can hold four thousand million:
// bound it before, or stop.
func (s Set) All() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for _, r := range s.runs {
			for n := r.First; ; n++ {
				if !yield(n) {
					return
				}
				if n == r.Last {
					break
				}
			}
		}
	}
}
