package uidset

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// MaxRanges bounds what Parse reads: 8 MiB of memory, more than a mailbox of two million
// messages of which every other was deleted needs.
const MaxRanges = 1 << 20

// ErrTooLong says that a set has more than MaxRanges ranges.
var ErrTooLong = errors.New("set has too many ranges")

// Parse reads a set in the form of IMAP (RFC 9051, 9: sequence-set, without "*"), such as
// "1:4,7", with the ranges in any order. The empty text is the empty set.
func Parse(s string) (Set, error) {
	var runs []Range
	sorted := true
	for i := 0; i < len(s); {
		if len(runs) == MaxRanges {
			return Set{}, ErrTooLong
		}
		r, n, err := parseRange(s[i:])
		if err != nil {
			return Set{}, fmt.Errorf("reading a set at byte %d: %w", i, err)
		}
		if k := len(runs) - 1; k >= 0 && (runs[k].Last == math.MaxUint32 || r.First <= runs[k].Last+1) {
			sorted = false
		}
		runs = append(runs, r)
		if i += n; i == len(s) {
			break
		}
		if i++; s[i-1] != ',' || i == len(s) {
			return Set{}, fmt.Errorf("reading a set at byte %d: %w", i-1, errSyntax)
		}
	}
	if !sorted {
		runs = slices.Clip(normalise(runs))
	}
	return Set{runs}, nil
}

var errSyntax = errors.New("syntax error")

// parseRange reads "7" or "1:4" at the start of s and returns how many bytes it took.
func parseRange(s string) (r Range, n int, err error) {
	first, n, err := parseNumber(s)
	if err != nil {
		return r, 0, err
	}
	if n == len(s) || s[n] != ':' {
		return Range{first, first}, n, nil
	}
	last, m, err := parseNumber(s[n+1:])
	return Range{min(first, last), max(first, last)}, n + 1 + m, err
}

// parseNumber reads a number from 1 to 4294967295 at the start of s.
func parseNumber(s string) (v uint32, n int, err error) {
	var wide uint64
	for n < len(s) && s[n]-'0' <= 9 {
		wide = wide*10 + uint64(s[n]-'0')
		if n++; wide > math.MaxUint32 {
			return 0, n, errSyntax
		}
	}
	if wide == 0 { // no digit, or 0, which is no message number
		return 0, n, errSyntax
	}
	return uint32(wide), n, nil
}

// String returns the set in the form that Parse reads, such as "1:4,7"; "" for the empty set.
func (s Set) String() string { return string(s.Append(nil)) }

// Append appends what String returns to b.
func (s Set) Append(b []byte) []byte {
	for i, r := range s.runs {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(r.First), 10)
		if r.Last > r.First {
			b = strconv.AppendUint(append(b, ':'), uint64(r.Last), 10)
		}
	}
	return b
}
