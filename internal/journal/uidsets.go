package journal

import (
	"slices"

	"heliograph/internal/uidset"
)

// uidLabel is what a range of UIDs is known for.
type uidLabel struct {
	state  UIDState
	reason string
}

// uidSets are disjoint sets of UIDs under their labels, of which there are few.
type uidSets []labelled

type labelled struct {
	uidLabel
	uidset.Set
}

// uidChange puts UIDs under a label or, to undo that, takes them away from its state.
type uidChange struct {
	label uidLabel
	set   uidset.Set
	undo  bool
}

func capturedUIDs(set uidset.Set) uidChange {
	return uidChange{label: uidLabel{state: UIDCaptured}, set: set}
}

// apply makes a change. Captured takes precedence; among the others the last one counts.
func (s *uidSets) apply(c uidChange) {
	set := c.set
	if captured := (uidLabel{state: UIDCaptured}); c.label != captured {
		for _, l := range *s {
			if l.uidLabel == captured {
				set = set.Sub(l.Set)
			}
		}
	}
	into := -1
	for i := range *s {
		switch l := &(*s)[i]; {
		case l.uidLabel == c.label && !c.undo:
			into = i
		case l.state != UIDCaptured && (!c.undo || l.state == c.label.state):
			subtract(&l.Set, set)
		}
	}
	switch {
	case c.undo:
	case into >= 0:
		(*s)[into].AddSet(set)
	default:
		*s = append(*s, labelled{c.label, set.Clone()})
	}
	*s = slices.DeleteFunc(*s, func(l labelled) bool { return l.Empty() })
}

// subtract is Sub without a copy where there is little to take.
func subtract(s *uidset.Set, other uidset.Set) {
	const few = 8
	if s.Empty() {
		return
	}
	ranges := other.Ranges()
	if len(ranges) > few {
		*s = s.Sub(other)
		return
	}
	for _, r := range ranges {
		s.Remove(r.First, r.Last)
	}
}

// contain reports whether uid is in a final state.
func (s uidSets) contain(uid uint32) bool {
	for i := range s {
		if s[i].state != UIDPending && s[i].Contains(uid) {
			return true
		}
	}
	return false
}

func (s uidSets) has(state UIDState, uid uint32) bool {
	for i := range s {
		if s[i].state == state && s[i].Contains(uid) {
			return true
		}
	}
	return false
}

// missing returns what of within is in no final state.
func (s uidSets) missing(within uidset.Set) uidset.Set {
	within = within.Clone()
	for i := range s {
		if s[i].state != UIDPending {
			within = within.Sub(s[i].Set)
		}
	}
	return within
}
