package journaltest

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// Loss says what becomes of writes and names that were not durable when the power went.
type Loss string

// The losses.
const (
	LoseAll  Loss = "lose all"
	KeepAll  Loss = "keep all"
	LoseSome Loss = "lose some" // each by chance, and pieces of writes
)

// sector is what a disk writes in one piece.
const sector = 512

// Cut is a moment of the record at which the power goes.
type Cut struct {
	N     int   // how many operations came before
	Next  Op    // the one that did not happen any more, or not to its end
	Notes []any // what was noted before

	at *image
}

// Cuts yields every moment of the record, in order, from before the first operation to
// after the last. The disk must not be in use.
func (d *Disk) Cuts(yield func(Cut) bool) {
	at := d.start.clone()
	random := rand.New(rand.NewPCG(1, 2))
	var notes []any
	for n := range len(d.record) + 1 {
		cut := Cut{N: n, Notes: notes, at: at}
		if n < len(d.record) {
			cut.Next = d.record[n]
		}
		if cut.Next.Kind != Note && !yield(cut) {
			return
		}
		if n == len(d.record) {
			return
		}
		if cut.Next.Kind == Note {
			notes = append(notes, cut.Next.note)
		}
		at.advance(cut.Next, random)
	}
}

// Disk returns what the disk holds when the power comes back.
func (c Cut) Disk(loss Loss, seed uint64) *Disk {
	random := rand.New(rand.NewPCG(seed, uint64(c.N)))
	at := c.at.clone()
	if c.Next.Kind == Write {
		at.advance(c.Next, random) // may have happened in part
	}
	switch loss {
	case KeepAll:
		for _, s := range at.stable {
			s.settle(func(Op) bool { return true }, nil)
		}
		for _, op := range at.names {
			at.rename(op)
		}
	case LoseSome:
		for _, s := range at.stable {
			s.settle(func(Op) bool { return random.IntN(2) == 0 }, random)
		}
		for _, op := range at.names {
			if random.IntN(2) == 0 {
				at.rename(op)
			}
		}
	}
	after := newImage()
	for name, in := range at.durable {
		after.durable[name] = in
		after.stable[in] = &stable{content: at.stable[in].content}
	}
	return after.disk()
}

// image is what is known to be on a disk, and what may be.
type image struct {
	durable map[string]*inode // names
	names   []Op              // creations and removals that are not durable
	stable  map[*inode]*stable
}

type stable struct {
	content
	pending []Op
}

func newImage() *image {
	return &image{durable: map[string]*inode{}, stable: map[*inode]*stable{}}
}

func (im *image) clone() *image {
	c := &image{durable: maps.Clone(im.durable), names: slices.Clone(im.names), stable: map[*inode]*stable{}}
	for in, s := range im.stable {
		c.stable[in] = &stable{content: s.clone(), pending: slices.Clone(s.pending)}
	}
	return c
}

// disk returns a running disk that begins with what is durable. The image is its own then.
func (im *image) disk() *Disk {
	d := &Disk{names: map[string]*inode{}, locked: map[string]bool{}, start: newImage()}
	for name, in := range im.durable {
		in2 := &inode{im.stable[in].clone()}
		d.names[name] = in2
		d.start.durable[name] = in2
		d.start.stable[in2] = &stable{content: im.stable[in].content}
	}
	return d
}

// advance lets op happen.
func (im *image) advance(op Op, random *rand.Rand) {
	switch op.Kind {
	case Create:
		im.stable[op.inode] = &stable{}
		im.names = append(im.names, op)
	case Remove:
		im.names = append(im.names, op)
	case Write, Allocate, Truncate:
		s := im.stable[op.inode]
		s.pending = append(s.pending, op)
	case Sync:
		s := im.stable[op.inode]
		if op.failed {
			s.settle(func(Op) bool { return random.IntN(2) == 0 }, random)
		} else {
			s.settle(func(Op) bool { return true }, nil)
		}
	case SyncDir:
		for _, op := range im.names {
			im.rename(op)
		}
		im.names = nil
	}
}

func (im *image) rename(op Op) {
	if op.Kind == Create {
		im.durable[op.Name] = op.inode
	} else {
		delete(im.durable, op.Name)
	}
}

// settle decides for each pending operation whether it reached the disk. With random,
// of half of the writes that did only some sectors are there.
func (s *stable) settle(reached func(Op) bool, random *rand.Rand) {
	for _, op := range s.pending {
		if !reached(op) {
			continue
		}
		if random == nil || op.Kind != Write || random.IntN(2) == 0 {
			op.change(&s.content)
			continue
		}
		for from := int64(0); from < int64(len(op.data)); {
			to := min((op.off+from)/sector*sector+sector-op.off, int64(len(op.data)))
			if random.IntN(2) == 0 {
				s.write(op.data[from:to], op.off+from)
			}
			from = to
		}
	}
	s.pending = nil
}
