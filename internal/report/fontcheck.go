package report

import (
	"encoding/binary"
	"unicode"
)

// sfnt reads a TrueType file (OpenType specification, "Organization of an OpenType Font"). Reads past the end give
// zero, so that a broken file is an error and no panic.
type sfnt struct {
	data   []byte
	tables map[string][]byte
}

func u16(b []byte, at int) int {
	if at < 0 || at+2 > len(b) {
		return 0
	}
	return int(binary.BigEndian.Uint16(b[at:]))
}

func u32(b []byte, at int) int {
	if at < 0 || at+4 > len(b) {
		return 0
	}
	return int(binary.BigEndian.Uint32(b[at:]))
}

// leastSizes are the tables that a font needs to be embedded, and the bytes that each must have.
var leastSizes = map[string]int{
	"head": 54, "hhea": 36, "maxp": 6, "OS/2": 78, "name": 6, "post": 32, "cmap": 4, "hmtx": 4, "loca": 4, "glyf": 1,
}

// inspect makes sure that the PDF library can embed the font, which trusts it blindly, and notes what it can draw.
func (f *face) inspect() error {
	s := sfnt{data: f.data, tables: make(map[string][]byte)}
	switch u32(f.data, 0) {
	case 0x00010000, 0x74727565: // "true"
	case 0x4F54544F: // "OTTO"
		return wrong("is an OpenType font with PostScript outlines; one with TrueType outlines (.ttf) is wanted")
	case 0x74746366: // "ttcf"
		return wrong("is a collection of fonts (.ttc); a single TrueType font (.ttf) is wanted")
	default:
		return wrong("is not a TrueType font")
	}
	for i := range u16(f.data, 4) {
		entry := 12 + 16*i
		if entry+16 > len(f.data) {
			return wrong("is cut off in its directory")
		}
		offset, size := u32(f.data, entry+8), u32(f.data, entry+12)
		if offset+size > len(f.data) {
			return wrong("is cut off: the table %q lies behind the end", f.data[entry:entry+4])
		}
		s.tables[string(f.data[entry:entry+4])] = f.data[offset : offset+size]
	}
	for tag, least := range leastSizes {
		if len(s.tables[tag]) < least {
			return wrong("has no usable table %q", tag)
		}
	}
	if err := s.embeddable(); err != nil {
		return err
	}
	return f.map4(&s)
}

// embeddable checks what the PDF library relies on.
func (s *sfnt) embeddable() error {
	glyphs, metrics := u16(s.tables["maxp"], 4), u16(s.tables["hhea"], 34)
	width := 2 << min(u16(s.tables["head"], 50), 1) // bytes of an offset in loca
	fsType := u16(s.tables["OS/2"], 8)
	switch {
	case u16(s.tables["OS/2"], 0) > 1 && len(s.tables["OS/2"]) < 96:
		return wrong("has a short table \"OS/2\"")
	case fsType == 2 || fsType&0x300 != 0:
		return wrong("may not be embedded into documents, say its licence bits")
	case u16(s.tables["name"], 0) != 0:
		return wrong("has names in a format that is not supported")
	case u16(s.tables["head"], 18) == 0:
		return wrong("has no size of the em square")
	case u16(s.tables["head"], 50) > 1:
		return wrong("has glyph offsets in an unknown format")
	case glyphs == 0 || metrics == 0 || metrics > glyphs || len(s.tables["hmtx"]) < 4*metrics+2*(glyphs-metrics):
		return wrong("has broken metrics")
	case len(s.tables["loca"]) < width*(glyphs+1):
		return wrong("has a short table \"loca\"")
	}
	for g := range glyphs {
		start, end := s.outline(g)
		if start > end || end > len(s.tables["glyf"]) {
			return wrong("has glyphs that lie outside the file")
		}
	}
	return nil
}

// outline says where the drawing of a glyph lies in the table glyf; an empty one is blank.
func (s *sfnt) outline(glyph int) (start, end int) {
	loca := s.tables["loca"]
	if u16(s.tables["head"], 50) == 0 {
		return 2 * u16(loca, 2*glyph), 2 * u16(loca, 2*glyph+2)
	}
	return u32(loca, 4*glyph), u32(loca, 4*glyph+4)
}

// map4 reads the character map of format 4 that the PDF library uses: the first for Unicode.
func (f *face) map4(s *sfnt) error {
	cmap := s.tables["cmap"]
	at := -1
	for i := range u16(cmap, 2) {
		platform, encoding, offset := u16(cmap, 4+8*i), u16(cmap, 6+8*i), u32(cmap, 8+8*i)
		if (platform == 3 && encoding == 1 || platform == 0) && offset > 0 && u16(cmap, offset) == 4 {
			at = offset
			break
		}
	}
	if at < 0 {
		return wrong("has no character map for Unicode of format 4")
	}
	size, segments := u16(cmap, at+2), u16(cmap, at+6)/2
	if at+size > len(cmap) || 16+8*segments > size {
		return wrong("has a broken character map")
	}
	ends := at + 14
	starts := ends + 2*segments + 2
	deltas := starts + 2*segments
	offsets := deltas + 2*segments
	for n := range segments {
		first, last := u16(cmap, starts+2*n), u16(cmap, ends+2*n)
		for c := first; c <= last && c < 0xFFFF; c++ {
			glyph := c + u16(cmap, deltas+2*n)
			if o := u16(cmap, offsets+2*n); o != 0 {
				place := offsets + 2*n + o + 2*(c-first)
				if place >= at+size || u16(cmap, place) == 0 {
					continue
				}
				glyph = u16(cmap, place) + u16(cmap, deltas+2*n)
			}
			f.note(s, rune(c), glyph&0xFFFF)
		}
	}
	return nil
}

// note marks a character as one that can be drawn, unless its glyph is missing or blank without reason.
func (f *face) note(s *sfnt, r rune, glyph int) {
	if glyph == 0 || glyph >= u16(s.tables["maxp"], 4) {
		return
	}
	if start, end := s.outline(glyph); start == end && !unicode.IsSpace(r) {
		return
	}
	f.drawn[r/64] |= 1 << (r % 64)
}
