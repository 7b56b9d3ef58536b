package classify

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"heliograph/internal/store"
)

const (
	// scheme is the version of what follows. Rows of another scheme are not learned from.
	scheme = 1

	spaceBits   = 18 // features are hashed into 2^18 numbers
	maxFeatures = 512
	maxSubject  = 1 << 10 // octets that are read
	maxText     = 4 << 10
	maxTypes    = 10 // attachments that count
	maxWeight   = 255

	subjectWeight = 2 // of a word in the subject; in the text it is 1
	lexiconScale  = 4 // weights of phrases are stored in quarters, shifted so that they may be negative
	lexiconZero   = 128
)

// feature is one thing about a mail.
type feature struct {
	hash   uint32
	weight uint8
}

// doc is a mail as the models see it.
type doc struct {
	features []feature // sorted by hash, each once; without those of the lexicon
	lex      []feature // what the lexicon says: the hash of dimension and label, and the weight

	// What follows is for explaining; it is empty in a doc that was stored.
	names   map[uint32]name
	phrases []match
}

type name struct{ text, where string }

// builder collects the features of one mail.
type builder struct {
	at    map[uint32]int
	doc   *doc
	bytes []byte // for hashing
}

// read makes the doc of a mail.
func (c *Classifier) read(m Mail) *doc {
	subject, text := store.Tokens(cut(m.Subject, maxSubject)), store.Tokens(cut(m.Text, maxText))
	b := &builder{at: make(map[uint32]int, 256), doc: &doc{names: make(map[uint32]name, 256)}}
	if m.SenderDomain != "" && len(m.SenderDomain) <= 255 {
		b.add("from", strings.ToLower(m.SenderDomain), "", "sender", 1)
	}
	for _, a := range m.Attachments[:min(len(m.Attachments), maxTypes)] {
		b.add("attachment", fileType(a), "", "attachment", 1)
	}
	if m.Automated {
		b.add("automated", "", "", "sender", 1)
	}
	b.words(subject, "subject", subjectWeight)
	b.words(text, "text", 1)
	d := b.doc
	slices.SortFunc(d.features, func(a, b feature) int { return int(a.hash) - int(b.hash) })
	for _, dim := range c.dims {
		found := dim.lexicon.find(dim.Name, subject, text)
		for _, s := range sum(found) {
			w := min(max(int(s.weight*lexiconScale)+lexiconZero, 0), maxWeight)
			d.lex = append(d.lex, feature{hash: lexiconHash(dim.Name, s.label), weight: uint8(w)})
		}
		d.phrases = append(d.phrases, found...)
	}
	slices.SortFunc(d.lex, func(a, b feature) int { return int(a.hash) - int(b.hash) })
	return d
}

// cut returns at most n octets of s, whole characters only.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// fileType is the end of a name or the second half of a media type.
func fileType(a string) string {
	a = strings.ToLower(a)
	if ext := path.Ext(a); ext != "" && !strings.Contains(a, "/") {
		return cut(ext[1:], 8)
	}
	_, sub, _ := strings.Cut(a, "/")
	switch {
	case strings.Contains(sub, "sheet"), strings.Contains(sub, "excel"):
		return "xlsx"
	case strings.Contains(sub, "word"):
		return "docx"
	case sub == "jpeg":
		return "jpg"
	}
	return cut(sub, 32)
}

// words adds each token, and each two tokens in a row. Pairs of characters are two already.
func (b *builder) words(tokens []string, where string, weight uint8) {
	last := ""
	for _, t := range tokens {
		t = plain(t)
		if t != "0" { // a number alone says nothing; after a word it may
			b.add("", t, "", where, weight)
		}
		if eastern(t) {
			last = ""
			continue
		}
		if last != "" {
			b.add("", last, t, where, weight)
		}
		last = t
	}
}

// plain takes the numbers out of a word: they say nothing that another mail would say again, and they are nobody's business.
func plain(t string) string {
	i := strings.IndexFunc(t, func(r rune) bool { return '0' <= r && r <= '9' })
	if i < 0 {
		return t
	}
	var b strings.Builder
	digit := false
	for _, r := range t {
		if '0' <= r && r <= '9' {
			if !digit {
				b.WriteByte('0')
			}
			digit = true
			continue
		}
		digit = false
		b.WriteRune(r)
	}
	return b.String()
}

// eastern tells whether a token is of a language without spaces between words.
func eastern(t string) bool {
	r, _ := utf8.DecodeRuneInString(t)
	return r >= 0x2E80 // Kana, Han and Hangul are all behind it
}

// add counts a feature once, with the greatest of its weights: how often a word is repeated says little in mails.
func (b *builder) add(kind, first, second, where string, weight uint8) {
	b.bytes = append(append(append(append(append(b.bytes[:0], kind...), 0), first...), 0), second...)
	h := hash(b.bytes)
	if i, ok := b.at[h]; ok {
		b.doc.features[i].weight = max(b.doc.features[i].weight, weight)
		return
	}
	if len(b.doc.features) == maxFeatures {
		return
	}
	b.at[h] = len(b.doc.features)
	b.doc.features = append(b.doc.features, feature{hash: h, weight: weight})
	b.doc.names[h] = name{text: strings.TrimSpace(kind + " " + first + " " + second), where: where}
}

func hash(b []byte) uint32 {
	h := fnv.New64a()
	_, _ = h.Write(b) // never fails
	s := h.Sum64()
	return uint32((s ^ s>>spaceBits ^ s>>(2*spaceBits)) & (1<<spaceBits - 1))
}

// lexiconHash is outside the space of the other features.
func lexiconHash(dimension, label string) uint32 {
	return 1<<spaceBits | hash([]byte("lexicon\x00"+dimension+"\x00"+label))
}

// encode returns the stored form: the number of features and then of the lexicon's, each as the distance of its hash from the last
// one and its weight.
func (d *doc) encode() []byte {
	b := make([]byte, 0, 3*len(d.features)+4*len(d.lex)+4)
	for _, list := range [][]feature{d.features, d.lex} {
		b = binary.AppendUvarint(b, uint64(len(list)))
		last := uint32(0)
		for _, f := range list {
			b = binary.AppendUvarint(b, uint64(f.hash-last))
			b = append(b, f.weight)
			last = f.hash
		}
	}
	return b
}

var errFeatures = errors.New("stored features are damaged")

// decodeDoc reads what encode wrote.
func decodeDoc(b []byte) (*doc, error) {
	d := &doc{}
	for _, list := range []*[]feature{&d.features, &d.lex} {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > maxFeatures*2 {
			return nil, errFeatures
		}
		b = b[size:]
		last := uint64(0)
		for i := range n {
			gap, size := binary.Uvarint(b)
			if size <= 0 || len(b) <= size || gap >= 2<<spaceBits || gap == 0 && i > 0 {
				return nil, errFeatures
			}
			if last += gap; last >= 2<<spaceBits {
				return nil, errFeatures
			}
			*list = append(*list, feature{hash: uint32(last), weight: b[size]})
			b = b[size+1:]
		}
	}
	if len(b) > 0 {
		return nil, fmt.Errorf("%w: %d octets too many", errFeatures, len(b))
	}
	return d, nil
}
