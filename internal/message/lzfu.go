package message

import "encoding/binary"

const (
	lzfuCompressed   = 0x75465a4c // "LZFu"
	lzfuUncompressed = 0x414c454d // "MELA"
	lzfuHead         = 16
	lzfuDictionary   = 4096
)

// lzfuStart is what the dictionary begins with ([MS-OXRTFCP] 2.1.2.1).
const lzfuStart = `{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans SerifSymbolArialTimes New RomanCourier` +
	`{\colortbl\red0\green0\blue0` + "\r\n" + `\par \pard\plain\f0\fs20\b\i\u\tab\tx`

// readLZFu decompresses RTF as Outlook keeps it ([MS-OXRTFCP]), at most limit octets of it. What is broken ends the text; whole
// tells whether all of it was there. The checksum is not looked at: a text with a mistake is better than none.
func readLZFu(b []byte, limit int) (out []byte, whole bool) {
	if len(b) < lzfuHead {
		return nil, false
	}
	size := int(binary.LittleEndian.Uint32(b[4:]))
	want := min(size, limit)
	kind, b := binary.LittleEndian.Uint32(b[8:]), b[lzfuHead:]
	switch kind {
	case lzfuUncompressed:
		return b[:min(want, len(b))], len(b) >= size && size <= limit
	case lzfuCompressed:
	default:
		return nil, false
	}
	var dictionary [lzfuDictionary]byte
	at := copy(dictionary[:], lzfuStart)
	put := func(c byte) {
		dictionary[at] = c
		at = (at + 1) % lzfuDictionary
		out = append(out, c)
	}
	for len(b) > 0 && len(out) < want {
		control := b[0]
		b = b[1:]
		for bit := 0; bit < 8 && len(out) < want; bit++ {
			if control>>bit&1 == 0 {
				if len(b) < 1 {
					return out, false
				}
				put(b[0])
				b = b[1:]
				continue
			}
			if len(b) < 2 {
				return out, false
			}
			ref := binary.BigEndian.Uint16(b)
			b = b[2:]
			from := int(ref >> 4)
			if from == at { // the end
				return out, len(out) == size
			}
			for n := int(ref&0xf) + 2; n > 0 && len(out) < want; n-- {
				put(dictionary[from])
				from = (from + 1) % lzfuDictionary
			}
		}
	}
	return out, len(out) == size
}
