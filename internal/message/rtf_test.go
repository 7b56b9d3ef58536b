package message

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"
)

// TestLZFu reads the examples of [MS-OXRTFCP] 3.
func TestLZFu(t *testing.T) {
	t.Parallel()
	if len(lzfuStart) != 207 {
		t.Fatalf("the dictionary begins with %d octets, want 207", len(lzfuStart))
	}
	for name, c := range map[string]struct{ hex, want string }{
		"simple":   {"2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0", "{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"},
		"crossing": {"1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0", "{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"},
	} {
		raw, err := hex.DecodeString(c.hex)
		if err != nil {
			t.Fatal(err)
		}
		got, whole := readLZFu(raw, 1<<20)
		if string(got) != c.want || !whole {
			t.Errorf("%s: got %q, whole %v; want %q", name, got, whole, c.want)
		}
		if got, whole := readLZFu(raw, 10); len(got) != 10 || whole {
			t.Errorf("%s with a limit of 10: got %d octets, whole %v", name, len(got), whole)
		}
		if _, whole := readLZFu(raw[:len(raw)-4], 1<<20); whole {
			t.Errorf("%s: a cut one is whole", name)
		}
	}
}

func TestRTF(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ rtf, page, text string }{
		"text":      {`{\rtf1\ansi\ansicpg1252{\fonttbl{\f0\fswiss Arial;}}{\colortbl;\red0;}\pard Dear Li,\par see \b offer\b0\tab 17\par\bullet  one \{x\} \'80\par}`, "", "Dear Li,\r\nsee offer\t17\r\n• one {x} €\r\n"},
		"code page": {`{\rtf1\ansi\ansicpg936 \'b1\'a8\'bc\'db}`, "", "报价"},
		"font":      {`{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 A;}{\f1\fcharset134 SimSun;}}\f0 caf\'e9 \f1\'b1\'a8\'bc\'db\f0 .}`, "", "café 报价."},
		"unicode":   {`{\rtf1\uc1\u25253?\u20215?{\uc2\u-10179??\u-8704??}x}`, "", "报价😀x"},
		"hidden":    {`{\rtf1 a{\*\unknown b{c}}{\pict 0102}{\field{\*\fldinst HYPERLINK "x"}{\fldrslt link}}\bin3 {{{ d}`, "", "alink d"},
		"page": {
			`{\rtf1\ansi\ansicpg1252\fromhtml1 \deff0{\fonttbl{\f0 A;}}{\*\htmltag18 <html>}{\*\htmltag64 <p>}\htmlrtf \par\htmlrtf0 5 {\*\htmltag84 &lt;}\htmlrtf <\htmlrtf0  6` +
				`{\*\htmltag148 <a href="x\\y">}{\*\mhtmltag148 <a href="z">}link{\*\htmltag156 </a>}{\*\htmltag0 \par }{\*\htmltag72 </p>}}`,
			"<html><p>5 &lt; 6<a href=\"x\\y\">link</a>\r\n</p>", "",
		},
		"broken": {`{\rtf1 a}}}}\'4{{{\u`, "", "a\x00"},
	} {
		page, text, cut := readRTF([]byte(c.rtf), 1<<20)
		if name == "broken" {
			text = strings.ReplaceAll(text, "\ufffd", "\x00")
			c.text = text // it need only end
		}
		if page != c.page || text != c.text || cut {
			t.Errorf("%s: got %q, %q, cut %v; want %q, %q", name, page, text, cut, c.page, c.text)
		}
	}
	if _, text, cut := readRTF([]byte(strings.Repeat("abc", 1000)), 100); !cut || len(text) > 4000 {
		t.Errorf("%d octets, cut %v", len(text), cut)
	}
}

func FuzzRTF(f *testing.F) {
	f.Add([]byte(`{\rtf1\ansi\ansicpg936\fromhtml1{\*\htmltag64 <p>}\'b1\'a8\u25253?{\fonttbl{\f1\fcharset134 x;}}\f1\bin2 ab}`), false)
	f.Add([]byte("\x03\x00\x0a\x00rcpg125B2\x0a\xf3 hel"), true)
	f.Fuzz(func(t *testing.T, b []byte, compressed bool) {
		const limit = 10_000
		if compressed {
			head := binary.LittleEndian.AppendUint32(nil, uint32(len(b)))
			head = binary.LittleEndian.AppendUint32(head, 1<<31)
			head = binary.LittleEndian.AppendUint32(head, lzfuCompressed)
			b, _ = readLZFu(append(append(head, 0, 0, 0, 0), b...), limit)
			if len(b) > limit {
				t.Fatalf("%d octets, more than %d", len(b), limit)
			}
		}
		page, text, _ := readRTF(b, limit)
		if n := len(page) + len(text); n > 4*(limit+len(b)) {
			t.Fatalf("%d octets of %d", n, len(b))
		}
	})
}
