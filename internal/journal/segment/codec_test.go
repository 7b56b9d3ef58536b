package segment

import (
	"bytes"
	"testing"
)

// FuzzSealed reads entries whose encrypted part, once opened, is anything.
func FuzzSealed(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 'm'}, []byte{storedRaw, 'b'})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff}, []byte{storedZstd, 0x28, 0xb5, 0x2f, 0xfd})
	f.Add([]byte{}, []byte{})
	c, err := newCodec(NewKeyring())
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{0, 0, 0, 0}, c.enc.EncodeAll(make([]byte, 10<<20), []byte{storedZstd})) // unpacks to more than a piece may
	f.Fuzz(func(t *testing.T, sealed, piece []byte) {
		var id [16]byte
		key, err := c.newDataKey(id)
		if err != nil {
			t.Fatal(err)
		}
		rec := append([]byte(nil), key.wrapped...)
		n := len(sealed) + gcmOverhead
		rec = append(rec, byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
		from := len(rec)
		rec = key.sealTail(append(rec, sealed...), from, 0, roleMeta)
		head, _, rest, err := c.openEntryHead(id, rec)
		if err == nil && (len(rest) != 0 || len(head.chunks) > maxChunks || len(head.meta) > len(sealed)) {
			t.Errorf("%d chunks, %d bytes of metadata, rest %d from %d bytes", len(head.chunks), len(head.meta), len(rest), len(sealed))
		}
		got, err := c.openPiece(nil, key.sealTail(append([]byte(nil), piece...), 0, 3, roleMiddle), &key, 3, roleMiddle)
		if err == nil && len(got) > chunkBytes {
			t.Errorf("a piece of %d bytes", len(got))
		}
	})
}

// TestPiecesKeepTheirPlaces requires that a piece opens only where it was put.
func TestPiecesKeepTheirPlaces(t *testing.T) {
	t.Parallel()
	c, err := newCodec(NewKeyring())
	if err != nil {
		t.Fatal(err)
	}
	key, err := c.newDataKey([16]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	other, err := c.newDataKey([16]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	moved := key
	moved.id = [16]byte{2}
	plain := bytes.Repeat([]byte("text "), 100)
	sealed, shrunk := c.appendPiece(nil, plain, &key, 5, roleMiddle, true)
	if !shrunk {
		t.Error("text did not shrink")
	}
	for name, open := range map[string]func(b []byte) ([]byte, error){
		"another number": func(b []byte) ([]byte, error) { return c.openPiece(nil, b, &key, 6, roleMiddle) },
		"as the last":    func(b []byte) ([]byte, error) { return c.openPiece(nil, b, &key, 5, roleLast) },
		"another key":    func(b []byte) ([]byte, error) { return c.openPiece(nil, b, &other, 5, roleMiddle) },
		"another entry":  func(b []byte) ([]byte, error) { return c.openPiece(nil, b, &moved, 5, roleMiddle) },
		"cut off":        func(b []byte) ([]byte, error) { return c.openPiece(nil, b[:len(b)-1], &key, 5, roleMiddle) },
	} {
		if got, err := open(bytes.Clone(sealed)); err == nil {
			t.Errorf("%s: opened %d bytes", name, len(got))
		}
	}
	if got, err := c.openPiece(nil, bytes.Clone(sealed), &key, 5, roleMiddle); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("in its place: %v", err)
	}
}
