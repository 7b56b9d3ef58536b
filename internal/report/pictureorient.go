package report

import (
	"bytes"
	"encoding/binary"
	"image"
)

// exif is what the markers of a JPEG say about how to show it.
type exif struct {
	orientation int // 1 to 8; EXIF 2.3, tag 0x0112
	progressive bool
}

// readEXIF walks over the markers of a JPEG up to its picture. What it does not understand it skips: orientation 1 is upright.
func readEXIF(data []byte) exif {
	e := exif{orientation: 1}
	for at := 2; at+4 <= len(data) && data[at] == 0xFF; {
		marker := data[at+1]
		if marker == 0xFF { // padding
			at++
			continue
		}
		size := int(binary.BigEndian.Uint16(data[at+2:]))
		end := at + 2 + size
		if size < 2 || end > len(data) {
			return e
		}
		switch marker {
		case 0xE1:
			if body, ok := bytes.CutPrefix(data[at+4:end], []byte("Exif\x00\x00")); ok {
				e.orientation = orientation(body)
			}
		case 0xC2:
			e.progressive = true
		case 0xDA: // the picture begins
			return e
		}
		at = end
	}
	return e
}

// orientation finds tag 0x0112 in the first directory of a TIFF header.
func orientation(tiff []byte) int {
	if len(tiff) < 8 {
		return 1
	}
	var order binary.ByteOrder = binary.BigEndian
	if string(tiff[:2]) == "II" {
		order = binary.LittleEndian
	}
	at := int(order.Uint32(tiff[4:]))
	if at < 8 || at+2 > len(tiff) {
		return 1
	}
	entries := int(order.Uint16(tiff[at:]))
	for i := range entries {
		entry := at + 2 + 12*i
		if entry+12 > len(tiff) {
			return 1
		}
		if order.Uint16(tiff[entry:]) != 0x0112 {
			continue
		}
		if v := int(order.Uint16(tiff[entry+8:])); v >= 1 && v <= 8 {
			return v
		}
		return 1
	}
	return 1
}

// turn makes a picture upright.
func (e exif) turn(m *image.RGBA) *image.RGBA {
	if e.orientation == 1 {
		return m
	}
	w, h := m.Bounds().Dx(), m.Bounds().Dy()
	outW, outH := w, h
	if e.orientation >= 5 {
		outW, outH = h, w
	}
	out := image.NewRGBA(image.Rect(0, 0, outW, outH))
	for y := range h {
		for x := range w {
			tx, ty := e.place(x, y, w, h)
			out.SetRGBA(tx, ty, m.RGBAAt(x, y))
		}
	}
	return out
}

// place says where a stored pixel is shown.
func (e exif) place(x, y, w, h int) (tx, ty int) {
	switch e.orientation {
	case 2:
		return w - 1 - x, y
	case 3:
		return w - 1 - x, h - 1 - y
	case 4:
		return x, h - 1 - y
	case 5:
		return y, x
	case 6:
		return h - 1 - y, x
	case 7:
		return h - 1 - y, w - 1 - x
	case 8:
		return y, w - 1 - x
	}
	return x, y
}
