package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	segmentHeaderSize = 64
	recordHeaderSize  = 40

	// chunkBytes is the plain size of a chunk and the most a writer holds back.
	chunkBytes = 128 << 10
	// maxMeta bounds the metadata of an entry: thousands of recipients with their replies.
	maxMeta = 1 << 20
	// maxChunks bounds the chunk list of an entry, and with it a message to 4 GiB.
	maxChunks = 1 << 15
	// maxMarkPayload bounds what a mark carries: an SMTP reply of many lines.
	maxMarkPayload = 64 << 10
	// maxPayload bounds every record, so that a reader can refuse a wild length.
	maxPayload = maxMeta + maxChunks*chunkRefSize + chunkBytes + 4096
)

const (
	magic   = "HELIOSEG"
	version = 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Kind is the type of a record.
type Kind uint8

// The kinds of records that a Tail returns.
const (
	KindEntry   Kind = 1 // a whole message
	kindChunk   Kind = 2 // a piece of a long body; entries refer to it
	KindCommit  Kind = 3 // mark: the upstream accepted the message
	KindDiscard Kind = 4 // mark: the upstream refused it, or it was never sent
	KindSettled Kind = 5 // mark: everything that was to be done once is done, whatever a rebuilt index thinks
	KindEnrol   Kind = 6 // mark: the ledger of a mailbox begins; its id is no entry's
)

func (k Kind) valid() bool  { return k >= KindEntry && k <= KindEnrol }
func (k Kind) isMark() bool { return k >= KindCommit && k <= KindEnrol }

// Location is where a record begins.
type Location struct {
	Segment uint64
	Offset  int64
}

// Position is a place between two records. The zero Position is the begin of the log.
type Position = Location

// Before reports whether l lies before m.
func (l Location) Before(m Location) bool {
	return l.Segment < m.Segment || l.Segment == m.Segment && l.Offset < m.Offset
}

// String names the file and the offset, for logs.
func (l Location) String() string { return fmt.Sprintf("%s:%d", fileName(l.Segment), l.Offset) }

func fileName(seq uint64) string { return fmt.Sprintf("%010d.seg", seq) }

func filePath(dir string, seq uint64) string { return filepath.Join(dir, fileName(seq)) }

func parseFileName(name string) (seq uint64, ok bool) {
	digits, ok := strings.CutSuffix(name, ".seg")
	if !ok || len(digits) < 10 {
		return 0, false
	}
	seq, err := strconv.ParseUint(digits, 10, 64)
	return seq, err == nil && seq > 0 && fileName(seq) == name
}

// segmentHeader is the first record of a file.
type segmentHeader struct {
	seq     uint64
	prev    Position // the segment before, and where its acknowledged records end; zero for the first
	current keyID    // the master key in use, to notice a wrong key file at start
}

var (
	errBadHeader = errors.New("segment header is damaged")
	errTooNew    = errors.New("segment was written by a newer version of the program")
)

func (h segmentHeader) encode() []byte {
	b := make([]byte, segmentHeaderSize)
	copy(b, magic)
	binary.LittleEndian.PutUint32(b[8:], version)
	binary.LittleEndian.PutUint64(b[16:], h.seq)
	binary.LittleEndian.PutUint64(b[24:], h.prev.Segment)
	binary.LittleEndian.PutUint64(b[32:], uint64(h.prev.Offset))
	copy(b[40:], h.current[:])
	binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
	return b
}

func decodeSegmentHeader(b []byte) (segmentHeader, error) {
	var h segmentHeader
	if len(b) < segmentHeaderSize || string(b[:8]) != magic ||
		binary.LittleEndian.Uint32(b[60:]) != crc32.Checksum(b[:60], castagnoli) {
		return h, errBadHeader
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v != version {
		return h, fmt.Errorf("%w (format %d)", errTooNew, v)
	}
	h.seq = binary.LittleEndian.Uint64(b[16:])
	h.prev.Segment = binary.LittleEndian.Uint64(b[24:])
	h.prev.Offset = int64(binary.LittleEndian.Uint64(b[32:]))
	copy(h.current[:], b[40:])
	return h, nil
}

// recordHeader precedes each payload:
//
//	0  checksum of bytes 4 to 40, seeded with the segment's number
//	4  checksum of the payload
//	8  length of the payload
//	12 kind, three zero bytes
//	16 entry id
//	32 offset up to which the segment was synced when the record was written
type recordHeader struct {
	kind    Kind
	id      [16]byte
	size    int
	payload uint32 // checksum
	synced  int64
}

func (h recordHeader) end(off int64) int64 { return off + recordHeaderSize + int64(h.size) }

// beginRecord makes room for the header of a record at the begin of buf.
func beginRecord(buf []byte) []byte {
	var zero [recordHeaderSize]byte
	return append(buf[:0], zero[:]...)
}

// endRecord fills in what the writer knows of the header of rec; the appender adds the rest.
func endRecord(rec []byte, kind Kind, id [16]byte) {
	payload := rec[recordHeaderSize:]
	binary.LittleEndian.PutUint32(rec[4:], crc32.Checksum(payload, castagnoli))
	binary.LittleEndian.PutUint32(rec[8:], uint32(len(payload)))
	rec[12] = byte(kind)
	copy(rec[16:], id[:])
}

// stampRecord finishes the header for its place in the log.
func stampRecord(header []byte, seq uint64, synced int64) {
	binary.LittleEndian.PutUint64(header[32:], uint64(synced))
	binary.LittleEndian.PutUint32(header, crc32.Update(uint32(seq), castagnoli, header[4:recordHeaderSize]))
}

// parseRecordHeader reports false for anything that is not the header of a record of this segment.
func parseRecordHeader(b []byte, seq uint64) (h recordHeader, ok bool) {
	if len(b) < recordHeaderSize || !plausible(b) ||
		binary.LittleEndian.Uint32(b) != crc32.Update(uint32(seq), castagnoli, b[4:recordHeaderSize]) {
		return h, false
	}
	h.kind = Kind(b[12])
	h.size = int(binary.LittleEndian.Uint32(b[8:]))
	h.payload = binary.LittleEndian.Uint32(b[4:])
	h.synced = int64(binary.LittleEndian.Uint64(b[32:]))
	copy(h.id[:], b[16:])
	return h, true
}

// plausible is the part of parseRecordHeader that costs nothing.
func plausible(b []byte) bool {
	return Kind(b[12]).valid() && b[13] == 0 && b[14] == 0 && b[15] == 0 &&
		binary.LittleEndian.Uint32(b[8:]) <= maxPayload
}
