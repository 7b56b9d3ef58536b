package uidset

import (
	"math"
	"slices"
	"sort"
)

// maxRuns bounds what one selected mailbox may cost: 1,024 runs are 12 KiB. A mailbox that
// is full of gaps is then known in part.
const maxRuns = 1024

// Map is what is known of the map from sequence numbers to UIDs in a selected mailbox. The
// zero value knows nothing. What contradicts newer knowledge is forgotten, for a server's
// latest word is the best one.
type Map struct {
	runs []run // sorted by seq; offsets rise from run to run
}

// run says that the messages seq, seq+1, … seq+n-1 have the UIDs seq+offset, … Since UIDs
// rise with the sequence number (RFC 9051, 2.3.1.1), the offset never falls: two runs with
// the same offset have nothing missing between them and are one.
type run struct{ seq, offset, n uint32 }

func (r run) end() uint64    { return uint64(r.seq) + uint64(r.n) } // first sequence number behind
func (r run) uid() uint32    { return r.seq + r.offset }
func (r run) uidEnd() uint64 { return uint64(r.uid()) + uint64(r.n) } // first UID behind

// after returns the index of the first run that ends behind seq.
func (m *Map) after(seq uint32) int {
	if k := len(m.runs); k == 0 || m.runs[k-1].end() <= uint64(seq) {
		return k
	}
	return sort.Search(len(m.runs), func(i int) bool { return m.runs[i].end() > uint64(seq) })
}

// Learn notes that the message with this sequence number has this UID. A pair that no
// mailbox can have is ignored.
func (m *Map) Learn(seq, uid uint32) {
	if seq == 0 || uid < seq {
		return
	}
	r := run{seq: seq, offset: uid - seq, n: 1}
	i := m.after(seq)
	if i < len(m.runs) && m.runs[i].seq <= seq && m.runs[i].offset == r.offset {
		return
	}
	// Take the place apart: what lies before seq, what lies behind, without seq itself.
	from, to := i, i
	var pieces [3]run
	before, behind := pieces[:0], run{}
	if i < len(m.runs) && m.runs[i].seq <= seq {
		old := m.runs[i]
		to++
		if old.seq < seq && old.offset <= r.offset {
			before = append(before, run{old.seq, old.offset, seq - old.seq})
		}
		if old.end() > uint64(seq)+1 && old.offset >= r.offset {
			behind = run{seq + 1, old.offset, uint32(old.end() - uint64(seq) - 1)}
		}
	}
	// The offset never falls: neighbours that say otherwise are out of date.
	for from > 0 && m.runs[from-1].offset > r.offset {
		from--
	}
	if from > 0 && m.runs[from-1].offset == r.offset {
		from--
		r = join(m.runs[from], r)
	}
	for to < len(m.runs) && m.runs[to].offset < r.offset {
		to++
	}
	if to < len(m.runs) && m.runs[to].offset == r.offset {
		r = join(r, m.runs[to])
		to++
	}
	put := append(before, r)
	if behind.n > 0 {
		put = append(put, behind)
	}
	m.runs = slices.Replace(m.runs, from, to, put...)
	m.forget(seq)
}

// join makes one run of two with the same offset, and of what lies between them.
func join(a, b run) run {
	return run{a.seq, a.offset, uint32(max(a.end(), b.end()) - uint64(a.seq))}
}

// forget drops a quarter of the runs when there are too many, at the end that is farther
// from seq.
func (m *Map) forget(seq uint32) {
	if len(m.runs) <= maxRuns {
		return
	}
	quarter := len(m.runs) / 4
	if m.after(seq) >= len(m.runs)/2 {
		m.runs = slices.Delete(m.runs, 0, quarter)
		return
	}
	m.runs = m.runs[:len(m.runs)-quarter]
}

// UID returns the UID of the message with this sequence number, if it is known.
func (m *Map) UID(seq uint32) (uint32, bool) {
	i := m.after(seq)
	if seq == 0 || i == len(m.runs) || m.runs[i].seq > seq {
		return 0, false
	}
	return seq + m.runs[i].offset, true
}

// Seq returns the sequence number of the message with this UID, if it is known.
func (m *Map) Seq(uid uint32) (uint32, bool) {
	i := sort.Search(len(m.runs), func(i int) bool { return m.runs[i].uidEnd() > uint64(uid) })
	if i == len(m.runs) || m.runs[i].uid() > uid {
		return 0, false
	}
	return uid - m.runs[i].offset, true
}

// Expunge notes that the message with this sequence number is gone, so that those behind it
// move up by one (RFC 9051, 7.5.1).
func (m *Map) Expunge(seq uint32) {
	if seq == 0 {
		return
	}
	i := m.after(seq)
	if i < len(m.runs) && m.runs[i].seq <= seq {
		r := m.runs[i]
		var pieces [2]run
		left := pieces[:0]
		if r.seq < seq {
			left = append(left, run{r.seq, r.offset, seq - r.seq})
		}
		if n := uint32(r.end() - uint64(seq) - 1); n > 0 {
			left = append(left, run{seq, r.offset + 1, n})
		}
		m.runs = slices.Replace(m.runs, i, i+1, left...)
		i += len(left)
	}
	for ; i < len(m.runs); i++ {
		m.runs[i].seq--
		m.runs[i].offset++
	}
	m.forget(seq)
}

// Vanished notes that the messages with these UIDs are gone (RFC 7162, 3.2.10, the form
// without EARLIER). UIDs whose sequence number is not known count too: the server reports
// only what was there. Where the set says more than can have been there, what lies behind is
// forgotten.
func (m *Map) Vanished(gone Set) {
	if gone.Empty() {
		return
	}
	v := vanishing{gone: gone.runs, out: make([]run, 0, len(m.runs))}
	end, uidEnd := uint64(1), uint64(1) // first sequence number and UID behind what was seen
	for _, r := range m.runs {
		if !v.gap(uint64(r.seq)-end, uidEnd, uint64(r.uid())) {
			break
		}
		v.run(r)
		end, uidEnd = r.end(), r.uidEnd()
	}
	m.runs = v.out
	m.forget(math.MaxUint32)
}

// vanishing is one walk over the runs and the UIDs that vanished.
type vanishing struct {
	gone  []Range // not yet passed
	out   []run
	moved uint32 // messages gone so far
}

// gap walks over the UIDs from first to end-1, of which nothing is known but that count
// messages lie there. It returns false when nobody can say how many of them are gone.
func (v *vanishing) gap(count, first, end uint64) bool {
	var named uint64
	for _, g := range v.gone {
		if uint64(g.First) >= end {
			break
		}
		if lo, hi := max(uint64(g.First), first), min(uint64(g.Last)+1, end); lo < hi {
			named += hi - lo
		}
	}
	v.pass(end)
	if named == end-first { // all of them, however many there were
		named = count
	}
	if count == 0 {
		named = 0
	}
	v.moved += uint32(min(named, count))
	return named <= count
}

// pass drops the ranges that end before the UID end.
func (v *vanishing) pass(end uint64) {
	for len(v.gone) > 0 && uint64(v.gone[0].Last) < end {
		v.gone = v.gone[1:]
	}
}

// run keeps what is left of a run.
func (v *vanishing) run(r run) {
	next := uint64(r.uid()) // first UID of the run that is not dealt with
	keep := func(end uint64) {
		if end > next {
			n := uint32(end - next)
			seq := uint32(next) - r.offset - v.moved
			v.out = append(v.out, run{seq, uint32(next) - seq, n})
		}
	}
	for _, g := range v.gone {
		if uint64(g.First) >= r.uidEnd() {
			break
		}
		first, end := max(uint64(g.First), next), min(uint64(g.Last)+1, r.uidEnd())
		keep(first)
		v.moved += uint32(end - first)
		next = end
	}
	keep(r.uidEnd())
	v.pass(r.uidEnd())
}

// Reset forgets everything, as when another mailbox is selected.
func (m *Map) Reset() { m.runs = m.runs[:0] }
