package uidset_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"heliograph/internal/uidset"
)

// mailbox is the naive model: the UIDs of all messages in order, and which of them the map
// was told and must still know.
type mailbox struct {
	uids []uint32
	told map[uint32]bool
	next uint32
}

func (b *mailbox) deliver(t *rapid.T) {
	for range rapid.IntRange(1, 6).Draw(t, "count") {
		b.next += rapid.SampledFrom([]uint32{1, 1, 1, 2, 5}).Draw(t, "step")
		b.uids = append(b.uids, b.next)
	}
}

// check compares every number that is or could be in the mailbox.
func (b *mailbox) check(t *rapid.T, m *uidset.Map) {
	t.Helper()
	for i, uid := range b.uids {
		seq := uint32(i + 1)
		gotUID, okUID := m.UID(seq)
		gotSeq, okSeq := m.Seq(uid)
		if okUID && gotUID != uid || okSeq && gotSeq != seq || okUID != okSeq {
			t.Fatalf("%v: UID(%d) = %d, %v; Seq(%d) = %d, %v", b.uids, seq, gotUID, okUID, uid, gotSeq, okSeq)
		}
		if b.told[uid] && !okUID {
			t.Fatalf("%v: UID(%d) was told and is forgotten", b.uids, seq)
		}
	}
	for uid := range b.next + 3 {
		if _, ok := m.Seq(uid); ok && !slices.Contains(b.uids, uid) {
			t.Fatalf("%v: Seq(%d) knows what is not there", b.uids, uid)
		}
	}
	if _, ok := m.UID(uint32(len(b.uids) + 1)); ok {
		t.Fatalf("%v: a message behind the last is known", b.uids)
	}
	if _, ok := m.UID(0); ok {
		t.Fatal("UID(0) is known")
	}
}

func TestMapFollowsAMailbox(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := &mailbox{told: map[uint32]bool{}, next: rapid.Uint32Range(0, 5).Draw(t, "first")}
		var m uidset.Map
		b.deliver(t)
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) { b.check(t, &m) },
			"deliver": func(t *rapid.T) {
				if len(b.uids) < 60 {
					b.deliver(t)
				}
			},
			"learn": func(t *rapid.T) {
				if len(b.uids) == 0 {
					return
				}
				first := rapid.IntRange(0, len(b.uids)-1).Draw(t, "first")
				last := rapid.IntRange(first, min(first+8, len(b.uids)-1)).Draw(t, "last")
				for i := first; i <= last; i++ {
					m.Learn(uint32(i+1), b.uids[i])
					b.told[b.uids[i]] = true
				}
			},
			"expunge": func(t *rapid.T) {
				if len(b.uids) == 0 {
					return
				}
				i := rapid.IntRange(0, len(b.uids)-1).Draw(t, "i")
				b.uids = slices.Delete(b.uids, i, i+1)
				m.Expunge(uint32(i + 1))
			},
			"vanish": func(t *rapid.T) {
				gone := uidset.Of(rapid.SliceOfN(rapid.SampledFrom(append([]uint32{0}, b.uids...)), 0, 12).Draw(t, "gone")...)
				b.uids = slices.DeleteFunc(b.uids, gone.Contains)
				m.Vanished(gone)
			},
			// Some servers name a whole stretch, with UIDs that were never there or are gone.
			"vanish stretch": func(t *rapid.T) {
				if len(b.uids) == 0 {
					return
				}
				i := rapid.IntRange(0, len(b.uids)-1).Draw(t, "i")
				j := rapid.IntRange(i, len(b.uids)-1).Draw(t, "j")
				known := !slices.ContainsFunc(b.uids, func(uid uint32) bool { return !b.told[uid] })
				if !known {
					return // only then is it clear which of them were there
				}
				var gone uidset.Set
				gone.Add(b.uids[i], b.uids[j])
				b.uids = slices.DeleteFunc(b.uids, gone.Contains)
				m.Vanished(gone)
			},
			"reset": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "rarely") == 0 {
					m.Reset()
					clear(b.told)
				}
			},
		})
	})
}

// TestMapSurvivesNonsense feeds a map with what no mailbox can be: it must stay one to one
// and rising.
func TestMapSurvivesNonsense(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var m uidset.Map
		t.Repeat(map[string]func(*rapid.T){
			"learn": func(t *rapid.T) {
				seq, uid := rapid.Uint32Range(0, 30).Draw(t, "seq"), rapid.Uint32Range(0, 60).Draw(t, "uid")
				if rapid.Bool().Draw(t, "run") { // long runs come of few offsets
					uid = seq + rapid.Uint32Range(0, 2).Draw(t, "offset")
				}
				m.Learn(seq, uid)
				if got, ok := m.UID(seq); seq > 0 && uid >= seq && (!ok || got != uid) {
					t.Fatalf("UID(%d) = %d, %v just after learning %d", seq, got, ok, uid)
				}
			},
			"expunge": func(t *rapid.T) { m.Expunge(rapid.Uint32Range(0, 35).Draw(t, "seq")) },
			"vanish": func(t *rapid.T) {
				var gone uidset.Set
				gone.Add(rapid.Uint32Range(0, 70).Draw(t, "a"), rapid.Uint32Range(0, 70).Draw(t, "b"))
				gone.Add(rapid.Uint32Range(0, 70).Draw(t, "c"), rapid.Uint32Range(0, 70).Draw(t, "d"))
				m.Vanished(gone)
			},
			"": func(t *rapid.T) {
				last := uint32(0)
				for seq := range uint32(100) {
					uid, ok := m.UID(seq)
					if !ok {
						continue
					}
					if back, ok := m.Seq(uid); uid <= last || uid < seq || !ok || back != seq {
						t.Fatalf("UID(%d) = %d after %d, and back %d, %v", seq, uid, last, back, ok)
					}
					last = uid
				}
			},
		})
	})
}

func TestMapIsBounded(t *testing.T) {
	t.Parallel()
	var m uidset.Map
	const messages = 50_000
	for seq := uint32(1); seq <= messages; seq++ { // every other UID is missing
		m.Learn(seq, 2*seq)
		if uid, ok := m.UID(seq); !ok || uid != 2*seq {
			t.Fatalf("UID(%d) = %d, %v just after it was learnt", seq, uid, ok)
		}
	}
	known := func() (n int) {
		for seq := uint32(1); seq <= messages; seq++ {
			if uid, ok := m.UID(seq); ok {
				if n++; uid != 2*seq {
					t.Fatalf("UID(%d) = %d", seq, uid)
				}
			}
		}
		return n
	}
	if n := known(); n < 500 || n > 1024 {
		t.Errorf("%d runs are kept, want 500 to 1024", n)
	}
	for seq := uint32(messages); seq > 0; seq-- { // and downwards
		m.Learn(seq, 2*seq)
	}
	if n := known(); n < 500 || n > 1024 {
		t.Errorf("%d runs are kept, want 500 to 1024", n)
	}
	m.Reset()
	for seq := uint32(messages); seq > 0; seq -= 2 {
		m.Learn(seq, 2*seq)
		if uid, ok := m.UID(seq); !ok || uid != 2*seq {
			t.Fatalf("UID(%d) = %d, %v just after it was learnt", seq, uid, ok)
		}
	}
	if n := known(); n < 500 || n > 1024 {
		t.Errorf("%d runs are kept, want 500 to 1024", n)
	}
}

// TestMapVanishedNonsense names more than can have been there: only what lies before stays.
func TestMapVanishedNonsense(t *testing.T) {
	t.Parallel()
	var m uidset.Map
	m.Learn(1, 10)
	m.Learn(3, 30) // one message unknown between them
	var gone uidset.Set
	gone.Add(20, 21)
	m.Vanished(gone)
	if uid, ok := m.UID(1); !ok || uid != 10 {
		t.Errorf("UID(1) = %d, %v", uid, ok)
	}
	if seq, ok := m.Seq(30); ok {
		t.Errorf("Seq(30) = %d, which nobody can know", seq)
	}
}

func BenchmarkMapLearnRising(b *testing.B) {
	var m uidset.Map
	b.ReportAllocs()
	for i := range b.N {
		seq := uint32(i&0xfffff + 1)
		m.Learn(seq, seq+1000)
	}
}

func BenchmarkSetAddRising(b *testing.B) {
	var s uidset.Set
	b.ReportAllocs()
	for i := range b.N {
		s.Add(uint32(i+1), uint32(i+1))
	}
}
