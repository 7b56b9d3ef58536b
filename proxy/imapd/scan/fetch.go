package scan

import (
	"bytes"
	"math"
	"strconv"
)

// Section tells which part of a message a literal holds.
type Section uint8

const (
	// SectionNone is no part of a message: there was neither a literal nor a body.
	SectionNone Section = iota
	// SectionWhole is the complete message: BODY[], RFC822, BINARY[].
	SectionWhole
	// SectionPartial is a piece of the complete message that begins at Origin: BODY[]<0>.
	SectionPartial
	// SectionOther is anything else: BODY[TEXT], BODY[1]<0>, a string within ENVELOPE.
	SectionOther
)

func (s Section) String() string {
	switch s {
	case SectionNone:
		return "none"
	case SectionWhole:
		return "whole"
	case SectionPartial:
		return "partial"
	case SectionOther:
		return "other"
	}
	return "unknown"
}

// Fetch reads FETCH and UIDFETCH responses fragment by fragment: Begin with the first line,
// LiteralDone behind each literal, Fragment with each further line. Fields are filled as the
// items pass, in whatever order the server sends them. It never fails: what it cannot follow
// sets Lost. Its slices are its own and valid until the next Begin (Quoted: until the next
// Fragment), so that one Fetch serves a session without allocating.
type Fetch struct {
	Seq, UID     uint32 // 0: not said
	Size         int64  // RFC822.SIZE, -1: not said
	InternalDate []byte // without its quotes
	Flags        []byte // what stands between the parentheses; see HasFlag
	HasFlags     bool
	ModSeq       uint64
	// Touched says that a part of the message or its ENVELOPE is among the items. Sizes
	// alone do not count.
	Touched bool
	// Section is the part that the literal holds which follows now, when Literal is set; else
	// the best part that came without a literal in this fragment, as Quoted or as Nil.
	Section Section
	Literal bool
	// Origin is the first byte of a SectionPartial, counted from 0.
	Origin uint64
	// Decoded says that the part was asked for as BINARY: the server may have undone transfer
	// encodings in it, so that its bytes are not those of BODY[] (RFC 3516, 4.3).
	Decoded bool
	Quoted  []byte
	Nil     bool
	// Complete says that the list of items has ended.
	Complete bool
	// Lost says that the rest of the response could not be followed.
	Lost bool

	state state
	back  state // behind the literal
	item  item
	depth int // of lists in the value or section
	part  Section
	first uint64 // origin of part

	flags, date, quoted, kept []byte // memory of the slices above
}

type state uint8

const (
	inOpen    state = iota // before the list of items
	inItems                // before an item or the end of the list
	inSection              // between the brackets of BODY[…]
	inOrigin               // behind them
	inValue
	inList // within a value that is a list
	inLiteral
	inEnd
)

// keepFetch is how much of its own memory a Fetch keeps for the next response.
const keepFetch = 4 << 10

// Begin starts with a response: seq is Number and rest is Rest of its first line.
func (f *Fetch) Begin(seq uint32, rest []byte) {
	flags, date, quoted, kept := f.flags, f.date, f.quoted, f.kept
	if cap(flags) > keepFetch || cap(quoted) > keepFetch || cap(date) > keepFetch || cap(kept) > keepFetch {
		flags, date, quoted, kept = nil, nil, nil, nil
	}
	*f = Fetch{Seq: seq, Size: -1, flags: flags, date: date, quoted: quoted, kept: kept}
	f.run(rest)
}

// BeginUID starts with a UIDFETCH response, whose number is a UID (RFC 9586, 3.3).
func (f *Fetch) BeginUID(uid uint32, rest []byte) {
	f.Begin(0, rest)
	if f.UID == 0 {
		f.UID = uid
	}
}

// Fragment goes on with the line behind a literal.
func (f *Fetch) Fragment(text []byte) {
	f.Section, f.Literal, f.Origin, f.Decoded, f.Nil, f.Quoted = SectionNone, false, 0, false, false, nil
	if f.state == inLiteral || f.state == inOpen {
		f.Lost = true
	}
	f.run(text)
}

// LiteralDone says that the literal has passed.
func (f *Fetch) LiteralDone() {
	if f.state != inLiteral {
		f.Lost = true
		return
	}
	f.state = f.back
}

// run reads one fragment.
func (f *Fetch) run(p []byte) {
	a, announced := announced(p)
	if announced {
		p = p[:a.at]
	}
	for !f.Lost && f.state != inEnd && len(p) > 0 {
		switch f.state {
		case inOpen:
			p = f.open(p)
		case inItems:
			p = f.nextItem(p)
		case inSection:
			p = f.section(p)
		case inOrigin:
			p = f.origin(p)
		case inValue:
			p = f.value(p)
		case inList:
			p = f.list(p)
		case inLiteral, inEnd:
			f.Lost = true
		}
	}
	switch {
	case f.Lost:
		f.Section, f.Literal, f.Quoted, f.Nil = SectionNone, false, nil, false
	case announced:
		f.literal()
	case f.state != inEnd:
		f.Lost = true
	}
}

// literal says what the literal is that follows.
func (f *Fetch) literal() {
	if f.state == inOrigin { // "BODY[]{5}", without the space
		f.state = inValue
	}
	f.back = f.state
	section := SectionOther
	switch f.state {
	case inValue:
		f.back = inItems
		if f.item.isBody() {
			section = f.part
		}
	case inSection:
		f.part = SectionOther
	case inList:
	default:
		f.Lost = true
		return
	}
	f.Literal, f.Nil, f.Quoted = true, false, nil
	f.setSection(section)
	f.state = inLiteral
}

func (f *Fetch) setSection(section Section) {
	f.Section, f.Origin, f.Decoded = section, 0, f.item == itemBinary
	if section == SectionPartial {
		f.Origin = f.first
	}
}

func (f *Fetch) open(p []byte) []byte {
	if p = trimSpace(p); len(p) == 0 {
		return p
	}
	f.Lost = p[0] != '('
	f.state = inItems
	return p[1:]
}

// nextItem reads the name of an item up to its value or section.
func (f *Fetch) nextItem(p []byte) []byte {
	if p = trimSpace(p); len(p) == 0 {
		return p
	}
	if p[0] == ')' {
		f.state, f.Complete = inEnd, true
		return nil
	}
	n := 0
	for n < len(p) && (isAtomByte(p[n]) || p[n] == ']') && p[n] != '[' {
		n++
	}
	if n == 0 {
		f.Lost = true
		return nil
	}
	f.item, f.part, f.first, f.depth = itemOf(p[:n]), SectionOther, 0, 0
	f.state = inValue
	if n < len(p) && p[n] == '[' {
		f.state = inSection
		if f.item == itemBody || f.item == itemBinary {
			f.part = SectionWhole
		}
		n++
	} else if f.item == itemBody {
		f.item = itemOther // BODY without brackets is a kind of BODYSTRUCTURE
	} else if f.item == itemMessage {
		f.part = SectionWhole
	}
	f.Touched = f.Touched || f.item.touches()
	return p[n:]
}

// section reads up to the bracket that ends a section. One in the list of header fields does
// not: it may stand in a field's name.
func (f *Fetch) section(p []byte) []byte {
	for i := 0; i < len(p); i++ {
		switch p[i] {
		case ']':
			if f.depth == 0 {
				f.state = inOrigin
				return p[i+1:]
			}
		case '(':
			f.depth++
		case ')':
			f.depth--
		case '"':
			n := quotedEnd(p[i:])
			if n < 0 {
				f.Lost = true
				return nil
			}
			i += n - 1
		}
		f.part = SectionOther
	}
	return nil
}

// origin reads "<0>" behind a section.
func (f *Fetch) origin(p []byte) []byte {
	f.state = inValue
	if p[0] != '<' {
		return p
	}
	end := bytes.IndexByte(p, '>')
	if end < 0 {
		f.Lost = true
		return nil
	}
	digits, _, _ := bytes.Cut(p[1:end], []byte{'.'}) // some echo the length that was asked for
	first, ok := number(digits)
	f.Lost = !ok
	if f.first = first; f.part == SectionWhole {
		f.part = SectionPartial
	}
	return p[end+1:]
}

// value reads a value, or the opening of a list.
func (f *Fetch) value(p []byte) []byte {
	if p = trimSpace(p); len(p) == 0 {
		return p
	}
	switch p[0] {
	case '(':
		return f.opening(p)
	case ')':
		f.Lost = true
		return nil
	case '"':
		n := quotedEnd(p)
		if n < 0 {
			f.Lost = true
			return nil
		}
		f.quotedValue(p[1 : n-1])
		f.state = inItems
		return p[n:]
	}
	n := 0
	for n < len(p) && p[n] > ' ' && p[n] != ')' && p[n] != '(' {
		n++
	}
	if n == 0 {
		f.Lost = true
		return nil
	}
	f.atom(p[:n])
	f.state = inItems
	return p[n:]
}

// opening reads the start of a list, or all of one that matters.
func (f *Fetch) opening(p []byte) []byte {
	f.state, f.depth = inList, 1
	end := -1
	if f.item == itemFlags || f.item == itemModSeq {
		end = bytes.IndexByte(p, ')')
	}
	if end < 0 {
		return p[1:]
	}
	f.state = inItems
	if f.item == itemFlags {
		f.flags = append(f.flags[:0], p[1:end]...)
		f.Flags, f.HasFlags = f.flags, true
	} else {
		f.ModSeq, _ = number(p[1:end])
	}
	return p[end+1:]
}

// list reads on within a nested list.
func (f *Fetch) list(p []byte) []byte {
	for i := 0; i < len(p); i++ {
		switch p[i] {
		case '(':
			f.depth++
		case ')':
			if f.depth--; f.depth == 0 {
				f.state = inItems
				return p[i+1:]
			}
		case '"':
			n := quotedEnd(p[i:])
			if n < 0 {
				f.Lost = true
				return nil
			}
			i += n - 1
		}
	}
	return nil
}

// quotedValue takes a quoted string, without its quotes.
func (f *Fetch) quotedValue(p []byte) {
	switch {
	case f.item == itemInternalDate:
		f.date = append(f.date[:0], p...)
		f.InternalDate = f.date
	case f.item.isBody() && f.better():
		f.quoted = appendUnquoted(f.quoted[:0], p)
		f.Quoted, f.Nil = f.quoted, false
		f.setSection(f.part)
	}
}

// better says that a part without a literal is worth more than the last one of the fragment:
// a message or a piece of it is not given away for a header.
func (f *Fetch) better() bool { return f.Section == SectionNone || f.part != SectionOther }

// atom takes a value that is an atom.
func (f *Fetch) atom(p []byte) {
	switch f.item {
	case itemUID:
		if n, ok := number(p); ok && n <= math.MaxUint32 {
			f.UID = uint32(n)
		}
	case itemSize:
		if n, ok := number(p); ok {
			f.Size = int64(n)
		}
	case itemModSeq:
		f.ModSeq, _ = number(p)
	default:
		if f.item.isBody() && foldEqual(p, "NIL") && f.better() {
			f.Nil, f.Quoted = true, nil
			f.setSection(f.part)
		}
	}
}

// HasFlag tells whether the flag, such as "\Seen", is among Flags.
func (f *Fetch) HasFlag(flag string) bool { return HasFlag(f.Flags, flag) }

// Draft tells whether the message is a draft.
func (f *Fetch) Draft() bool { return f.HasFlag(`\Draft`) }

// Kept returns the items that a downstream should see even when the rest is kept from it:
// "FLAGS (…) MODSEQ (…)", either one, or nothing.
func (f *Fetch) Kept() []byte {
	b := f.kept[:0]
	if f.HasFlags {
		b = append(append(append(b, "FLAGS ("...), f.Flags...), ')')
	}
	if f.ModSeq > 0 {
		if len(b) > 0 {
			b = append(b, ' ')
		}
		b = append(strconv.AppendUint(append(b, "MODSEQ ("...), f.ModSeq, 10), ')')
	}
	f.kept = b
	return b
}
