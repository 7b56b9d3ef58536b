package classify

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func reader(t testing.TB) *Classifier {
	t.Helper()
	c := &Classifier{}
	shipped, err := shippedPhrases()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range DefaultDimensions() {
		dim, err := newDimension(d, shipped[d.Name])
		if err != nil {
			t.Fatal(err)
		}
		c.dims = append(c.dims, dim)
	}
	return c
}

// Whatever came in which order, and was taken away again, the counts are those of what is left.
func TestLearningIsASum(t *testing.T) {
	t.Parallel()
	c := reader(t)
	words := []string{"订单", "报价", "invoice", "pump", "谢谢", "late", "Fracht", "meeting"}
	labels := c.dims[0].Labels
	rapid.Check(t, func(t *rapid.T) {
		var list []row
		for i := range rapid.IntRange(1, 12).Draw(t, "mails") {
			text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(words), 0, 6).Draw(t, "text"), " ")
			list = append(list, row{id: int64(i + 1), doc: c.read(Mail{Subject: text, Text: text}), labels: []string{rapid.SampledFrom(labels).Draw(t, "label")}})
		}
		keep := rapid.IntRange(0, len(list)).Draw(t, "keep")
		a, b := c.dims[0].empty(), c.dims[0].empty()
		for _, r := range list[:keep] {
			a.add(r)
		}
		rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		for _, r := range list {
			b.add(r)
		}
		for _, r := range list {
			if r.id > int64(keep) {
				b.remove(r)
			}
		}
		x, err := a.encode()
		if err != nil {
			t.Fatal(err)
		}
		y, err := b.encode()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(x, y) {
			t.Fatal("they differ")
		}
		back := c.dims[0].empty()
		if err := back.decode(x, c.dims[0].allows); err != nil {
			t.Fatal(err)
		}
		if z, err := back.encode(); err != nil || !bytes.Equal(x, z) {
			t.Fatal("reading the stored model changes it", err)
		}
	})
}

// A mail's own correction does not count when it is judged by the others.
func TestJudgedByTheOthers(t *testing.T) {
	t.Parallel()
	c := reader(t)
	with, without := c.dims[0].empty(), c.dims[0].empty()
	own := row{id: 99, doc: c.read(Mail{Subject: "Fracht late 订单"}), labels: []string{"order"}}
	for i, text := range []string{"Fracht nach Ulm", "late 谢谢", "订单 三月", "pump"} {
		r := row{id: int64(i), doc: c.read(Mail{Subject: text}), labels: []string{c.dims[0].Labels[i]}}
		with.add(r)
		without.add(r)
	}
	with.add(own)
	a, b := with.parts(own.doc, own.labels), without.parts(own.doc, nil)
	for i := range a {
		a[i].class, b[i].class = nil, nil
		if fmt.Sprintf("%.9v", a[i]) != fmt.Sprintf("%.9v", b[i]) {
			t.Errorf("%+v\n%+v", a[i], b[i])
		}
	}
}

func TestMailIsBounded(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 200_000 {
		b.WriteRune(rune(0x4E00 + i%20_000))
	}
	d := reader(t).read(Mail{Subject: b.String(), Text: b.String(), SenderDomain: strings.Repeat("x", 1000)})
	if len(d.features) > maxFeatures || len(d.encode()) > 5*maxFeatures {
		t.Errorf("%d features in %d octets", len(d.features), len(d.encode()))
	}
}

func FuzzFeatures(f *testing.F) {
	c := reader(f)
	f.Add(c.read(Mail{Subject: "请报价", Text: "Please quote, 13800138000", SenderDomain: "example.com", Attachments: []string{"a.pdf"}}).encode())
	f.Add([]byte{1, 0, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := decodeDoc(b)
		if err != nil {
			return
		}
		m := c.dims[0].empty()
		m.add(row{id: 1, doc: d, labels: []string{"order"}})
		for _, s := range m.scores(d) {
			if !(s.p >= 0 && s.p <= 1) {
				t.Errorf("probability %v", s.p)
			}
		}
		if back, err := decodeDoc(d.encode()); err != nil || len(back.features) != len(d.features) || len(back.lex) != len(d.lex) {
			t.Errorf("%v", err)
		}
		text := string(b)
		c.read(Mail{Subject: text, Text: text, SenderDomain: text, Attachments: []string{text}})
	})
}

func FuzzLexicon(f *testing.F) {
	f.Add("a|b|2|询价,^x y")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := parseLexicon(text)
		if err != nil {
			return
		}
		for _, list := range all {
			if l, err := newLexicon(list); err == nil {
				l.find("d", []string{"询价"}, []string{"x", "y"})
			}
		}
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add(`{"labels": [{"dimension": "intent", "label": "quote", "quote": "Please quote"}]}`, "Please quote", "text")
	f.Add("```json\n{\"labels\": []}\n```", "", "")
	questions := []question{{name: "intent", labels: []string{"quote", "order"}}, {name: "tag", labels: []string{"a"}, many: true}}
	f.Fuzz(func(t *testing.T, content, subject, text string) {
		list, err := readAnswer(content, questions, subject, text, "chat/m")
		if err != nil && len(list) > 0 {
			t.Error("suggestions and an error")
		}
		for _, s := range list {
			quote := s.Evidence[0].Text
			if s.Label != "quote" && s.Label != "order" && s.Label != "a" || !strings.Contains(spaces(subject), quote) && !strings.Contains(spaces(text), quote) {
				t.Errorf("%+v", s)
			}
		}
	})
}
