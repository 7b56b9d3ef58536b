package segment

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"runtime"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// An entry record's payload is
//
//	wrapped data key | length of the sealed part | sealed part | last piece of the body
//
// and the sealed part, in plain, is
//
//	number of chunks | location of each | length of the body | metadata
//
// A chunk record's payload is one piece of the body. The sealed part and the
// pieces are encrypted with the data key under nonces that no two of them share: the
// number of the piece and its role. So pieces cannot change places or messages, and
// the last one cannot be cut off.
const (
	wrappedKeySize = len(keyID{}) + wrapOverhead + dataKeySize
	chunkRefSize   = 16
	gcmOverhead    = 16
)

type role uint32

const (
	roleMiddle role = iota + 1 // a piece of the body that is followed by others
	roleLast                   // the last piece
	roleMeta                   // the sealed part
)

// The first byte of a piece, in plain, says how the rest is stored.
const (
	storedRaw  = 0
	storedZstd = 1
)

// codec compresses and encrypts. It is used by many goroutines at once, and never
// closed: it starts no goroutines, and a body may be read while the log closes.
type codec struct {
	keys  *Keyring
	enc   *zstd.Encoder
	quick *zstd.Encoder // for short pieces: finds repetitions, but builds no Huffman tables
	dec   *zstd.Decoder
}

// quickBytes is the length below which Huffman tables cost a message more time than the
// few hundred bytes they save are worth.
const quickBytes = 16 << 10

func newCodec(keys *Keyring) (*codec, error) {
	// One encoder state for two processors of the scheduler: a state holds 300 KB, and callers beyond that would
	// only fight for the cores.
	options := []zstd.EOption{
		zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false),
		zstd.WithEncoderConcurrency(max(1, runtime.GOMAXPROCS(0)/2)), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(chunkBytes),
	}
	enc, err := zstd.NewWriter(nil, options...)
	if err != nil {
		return nil, err
	}
	quick, err := zstd.NewWriter(nil, append(options, zstd.WithNoEntropyCompression(true))...)
	if err != nil {
		return nil, err
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(runtime.GOMAXPROCS(0)),
		zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(chunkBytes), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return nil, err
	}
	return &codec{keys: keys, enc: enc, quick: quick, dec: dec}, nil
}

// dataKey is the key of one entry.
type dataKey struct {
	id      [16]byte
	wrapped []byte
	aead    cipher.AEAD
}

func (c *codec) newDataKey(id [16]byte) (dataKey, error) {
	var key [dataKeySize]byte
	_, _ = rand.Read(key[:]) // never fails: crypto/rand aborts the program instead
	k := dataKey{id: id, wrapped: c.keys.encrypt(make([]byte, 0, wrappedKeySize), key[:], id[:])}
	return k, k.init(key[:])
}

func (c *codec) openDataKey(id [16]byte, wrapped []byte) (dataKey, error) {
	k := dataKey{id: id}
	key, err := c.keys.decrypt(wrapped, id[:])
	if err != nil {
		return k, err
	}
	return k, k.init(key)
}

func (k *dataKey) init(key []byte) error {
	block, err := aes.NewCipher(key)
	if err == nil {
		k.aead, err = cipher.NewGCM(block)
	}
	return err
}

func nonce(n int, r role) (b [12]byte) {
	binary.LittleEndian.PutUint64(b[:], uint64(n))
	binary.LittleEndian.PutUint32(b[8:], uint32(r))
	return b
}

// sealTail encrypts rec[from:] where it stands.
func (k *dataKey) sealTail(rec []byte, from, n int, r role) []byte {
	no := nonce(n, r)
	return k.aead.Seal(rec[:from], no[:], rec[from:], k.id[:])
}

func (k *dataKey) open(sealed []byte, n int, r role) ([]byte, error) {
	no := nonce(n, r)
	plain, err := k.aead.Open(sealed[:0], no[:], sealed, k.id[:])
	if err != nil {
		return nil, errDecrypt
	}
	return plain, nil
}

// appendPiece appends piece n of a body to rec. tryZstd says whether to try to
// compress; shrunk, whether that was worth it.
func (c *codec) appendPiece(rec, plain []byte, k *dataKey, n int, r role, tryZstd bool) (_ []byte, shrunk bool) {
	from := len(rec)
	if tryZstd && len(plain) > 64 {
		enc := c.enc
		if len(plain) < quickBytes {
			enc = c.quick
		}
		rec = enc.EncodeAll(plain, append(rec, storedZstd))
		// Less than a 32nd saved is not worth the time to unpack it.
		shrunk = len(rec)-from < len(plain)-len(plain)/32
	}
	if !shrunk {
		rec = append(append(rec[:from], storedRaw), plain...)
	}
	return k.sealTail(rec, from, n, r), shrunk
}

// openPiece undoes appendPiece; it overwrites sealed. The result may share dst's or sealed's memory.
func (c *codec) openPiece(dst, sealed []byte, k *dataKey, n int, r role) ([]byte, error) {
	plain, err := k.open(sealed, n, r)
	if err != nil {
		return nil, err
	}
	switch {
	case len(plain) > 0 && plain[0] == storedRaw && len(plain) <= chunkBytes+1:
		return plain[1:], nil
	case len(plain) > 0 && plain[0] == storedZstd:
		if cap(dst) < chunkBytes {
			dst = make([]byte, 0, chunkBytes) // also the limit of what is unpacked
		}
		return c.dec.DecodeAll(plain[1:], dst[:0:chunkBytes])
	}
	return nil, fmt.Errorf("piece %d is stored in an unknown way", n)
}

// entryHead is what an entry record says besides the last piece of the body.
type entryHead struct {
	chunks []Location
	size   int64
	meta   []byte
}

func appendEntryHead(rec []byte, k *dataKey, h entryHead) []byte {
	rec = append(rec, k.wrapped...)
	sealed := 4 + len(h.chunks)*chunkRefSize + 8 + len(h.meta) + gcmOverhead
	rec = binary.LittleEndian.AppendUint32(rec, uint32(sealed))
	from := len(rec)
	rec = binary.LittleEndian.AppendUint32(rec, uint32(len(h.chunks)))
	for _, c := range h.chunks {
		rec = binary.LittleEndian.AppendUint64(rec, c.Segment)
		rec = binary.LittleEndian.AppendUint64(rec, uint64(c.Offset))
	}
	rec = binary.LittleEndian.AppendUint64(rec, uint64(h.size))
	rec = append(rec, h.meta...)
	return k.sealTail(rec, from, 0, roleMeta)
}

var errBadEntry = errors.New("entry record is malformed")

// sealedSize reads the length of the sealed part from the begin of an entry's payload.
func sealedSize(payload []byte) (int, error) {
	if len(payload) < wrappedKeySize+4 {
		return 0, errBadEntry
	}
	n := binary.LittleEndian.Uint32(payload[wrappedKeySize:])
	if n < 4+8+gcmOverhead || n > maxPayload {
		return 0, errBadEntry
	}
	return int(n), nil
}

// openEntryHead reads the begin of an entry's payload, up to the body, which it
// returns as rest. It overwrites payload.
func (c *codec) openEntryHead(id [16]byte, payload []byte) (h entryHead, k dataKey, rest []byte, err error) {
	n, err := sealedSize(payload)
	if err != nil {
		return h, k, nil, err
	}
	if len(payload) < wrappedKeySize+4+n {
		return h, k, nil, errBadEntry
	}
	if k, err = c.openDataKey(id, payload[:wrappedKeySize]); err != nil {
		return h, k, nil, err
	}
	payload = payload[wrappedKeySize+4:]
	plain, err := k.open(payload[:n:n], 0, roleMeta)
	if err != nil {
		return h, k, nil, err
	}
	chunks := binary.LittleEndian.Uint32(plain)
	plain = plain[4:]
	if chunks > maxChunks || len(plain) < int(chunks)*chunkRefSize+8 {
		return h, k, nil, errBadEntry
	}
	h.chunks = make([]Location, chunks)
	for i := range h.chunks {
		h.chunks[i] = Location{binary.LittleEndian.Uint64(plain), int64(binary.LittleEndian.Uint64(plain[8:]))}
		plain = plain[chunkRefSize:]
	}
	h.size = int64(binary.LittleEndian.Uint64(plain))
	h.meta = bytes.Clone(plain[8:])
	return h, k, payload[n:], nil
}

func appendMark(rec []byte, keys *Keyring, id [16]byte, kind Kind, payload []byte) []byte {
	return keys.encrypt(rec, payload, markAAD(id, kind))
}

func openMark(keys *Keyring, h recordHeader, sealed []byte) ([]byte, error) {
	return keys.decrypt(sealed, markAAD(h.id, h.kind))
}

func markAAD(id [16]byte, kind Kind) []byte { return append(id[:], byte(kind)) }

// buffers hands out byte slices of a few sizes, so that a message of 5 KB does not hold 128 KiB.
type buffers struct{ pools [9]sync.Pool }

const minBuffer = 1 << 10 // the sizes are this shifted left by 0 to 8: 1 KiB to 256 KiB

func (p *buffers) get(size int) []byte {
	class := bits.Len(uint(max(size, 1)-1) / minBuffer)
	if class >= len(p.pools) {
		return make([]byte, 0, size)
	}
	if b, ok := p.pools[class].Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return make([]byte, 0, minBuffer<<class)
}

func (p *buffers) put(b []byte) {
	class := bits.Len(uint(cap(b))/minBuffer) - 1
	if class < 0 || class >= len(p.pools) || cap(b) != minBuffer<<class {
		return // grown by append to some other size, or too large to keep
	}
	p.pools[class].Put(&b)
}
