package classify

import (
	"cmp"
	"math"
	"slices"
)

const (
	// shrink is how many (weighted) features of a label it takes until what was seen counts as much as what is usual
	// in all mails: additive smoothing towards the common frequencies.
	shrink = 200
	// usualBonus is what speaks for the usual label of a dimension, in logarithms of odds.
	usualBonus = 1.5
	// never is what speaks against each label of a dimension of many: most mails have none.
	never = -2
)

// model is what was learned about one dimension. It is a sum over corrections, but for the two weights, which calibrate sets.
type model struct {
	dimension string
	usual     string
	many      bool

	classes []*class       // sorted by label
	all     *class         // of all corrections
	docs    int            // how many there are
	ids     map[int64]bool // of the rows

	lexWeight float64 // of what the lexicon says
	nbWeight  float64 // of what the corrections say
}

// class counts the features of the mails with one label.
type class struct {
	label  string
	lexID  uint32
	docs   int
	total  uint64 // of all weights
	counts map[uint32]uint32
}

// score is what speaks for a label, before and after the weights.
type score struct {
	label     string
	lex, nb   float64
	prior     float64
	p         float64
	class     *class
	usualness float64
}

func newModel(dimension, usual string, many bool) *model {
	return &model{dimension: dimension, usual: usual, many: many, all: &class{counts: map[uint32]uint32{}}, ids: map[int64]bool{}, lexWeight: startLex, nbWeight: startNB}
}

// class returns the class of a label, and makes it if there is none.
func (m *model) class(label string) *class {
	i, found := slices.BinarySearchFunc(m.classes, label, func(c *class, l string) int { return cmp.Compare(c.label, l) })
	if !found {
		m.classes = slices.Insert(m.classes, i, &class{label: label, lexID: lexiconHash(m.dimension, label), counts: map[uint32]uint32{}})
	}
	return m.classes[i]
}

// add learns a mail.
func (m *model) add(r row) {
	m.docs++
	m.ids[r.id] = true
	m.all.add(r.doc)
	for _, l := range r.labels {
		m.class(l).add(r.doc)
	}
}

// remove forgets a mail that was learned.
func (m *model) remove(r row) {
	m.docs--
	delete(m.ids, r.id)
	m.all.remove(r.doc)
	for _, l := range r.labels {
		m.class(l).remove(r.doc)
	}
}

func (c *class) add(d *doc) {
	c.docs++
	for _, f := range d.features {
		c.counts[f.hash] += uint32(f.weight)
		c.total += uint64(f.weight)
	}
}

func (c *class) remove(d *doc) {
	c.docs--
	for _, f := range d.features {
		if c.counts[f.hash] -= uint32(f.weight); c.counts[f.hash] == 0 {
			delete(c.counts, f.hash)
		}
		c.total -= uint64(f.weight)
	}
}

// view is the counts of a class without those of one mail, so that each correction can be judged by the others.
type view struct {
	docs  float64
	total float64
	less  float64 // 1: the mail's own weights are to be taken away
	none  float64 // what a feature says that no mail of the class has
}

func (c *class) view(d *doc, without bool) view {
	v := view{docs: float64(c.docs), total: float64(c.total)}
	if without {
		v.docs, v.less = v.docs-1, 1
		for _, f := range d.features {
			v.total -= float64(f.weight)
		}
	}
	v.none = math.Log(shrink / (v.total + shrink))
	return v
}

// scores returns what each label is worth for a mail.
func (m *model) scores(d *doc) []score {
	list := m.parts(d, nil)
	m.weigh(list, m.lexWeight, m.nbWeight)
	return list
}

// parts returns what the lexicon and the corrections say, unweighted. Not nil own is the labels of d itself, which is
// left out of the counts then.
func (m *model) parts(d *doc, own []string) []score {
	without := own != nil
	all := m.all.view(d, without)
	length := 0.0
	for _, f := range d.features {
		length += float64(f.weight)
	}
	list := make([]score, 0, len(m.classes))
	for _, c := range m.classes {
		if m.many && c.docs == 0 && d.lexWeight(c.lexID) == 0 {
			continue
		}
		v := c.view(d, without && slices.Contains(own, c.label))
		s := score{label: c.label, class: c, lex: d.lexWeight(c.lexID)}
		for _, f := range d.features {
			s.nb += float64(f.weight) * m.ratio(c, f, v, all)
		}
		if length > 0 {
			// Features of a mail repeat each other; their number says less than independent ones would.
			s.nb /= math.Sqrt(length)
		}
		s.prior = m.prior(v, all)
		if c.label == m.usual {
			s.usualness = usualBonus
		}
		list = append(list, s)
	}
	return list
}

// prior is how common a label is, by add-one smoothing. What people correct is no fair sample of all mails, so half of it counts.
func (m *model) prior(v, all view) float64 {
	if m.many {
		return never + math.Log((v.docs+1)/(all.docs-v.docs+1))/2 + math.Log(all.docs/2+1)/2
	}
	return math.Log((v.docs+1)/(all.docs+float64(len(m.classes)))*float64(len(m.classes))) / 2
}

// ratio is how much more often a feature is in the mails of a class than in all mails (of many labels: in those without it).
func (m *model) ratio(c *class, f feature, v, all view) float64 {
	w := float64(f.weight)
	inClass := float64(c.counts[f.hash]) - v.less*w
	if inClass == 0 && !m.many {
		return v.none
	}
	inAll := float64(m.all.counts[f.hash]) - all.less*w
	common := (inAll + 0.5) / (all.total + 0.5*(1<<spaceBits)/64)
	mine := (inClass + shrink*common) / (v.total + shrink)
	if !m.many {
		return math.Log(mine / common)
	}
	rest := (inAll - inClass + shrink*common) / (all.total - v.total + shrink)
	return math.Log(mine / rest)
}

// weigh turns the parts into probabilities.
func (m *model) weigh(list []score, lexWeight, nbWeight float64) {
	most := math.Inf(-1)
	for i := range list {
		s := &list[i]
		s.p = lexWeight*s.lex + nbWeight*s.nb + s.prior + s.usualness
		most = max(most, s.p)
	}
	if m.many {
		for i := range list {
			list[i].p = 1 / (1 + math.Exp(-list[i].p))
		}
		return
	}
	total := 0.0
	for i := range list {
		list[i].p = math.Exp(list[i].p - most)
		total += list[i].p
	}
	for i := range list {
		list[i].p /= total
	}
}

// lexWeight is what the lexicon said for a label.
func (d *doc) lexWeight(id uint32) float64 {
	i, found := slices.BinarySearchFunc(d.lex, id, func(f feature, id uint32) int { return cmp.Compare(f.hash, id) })
	if !found {
		return 0
	}
	return (float64(d.lex[i].weight) - lexiconZero) / lexiconScale
}

// evidence returns the reasons for s, the weightiest first.
func (m *model) evidence(d *doc, s score, all []score) []Evidence {
	var list []Evidence
	for _, p := range d.phrases {
		if p.dimension == m.dimension && p.Label == s.label && p.weight > 0 {
			list = append(list, Evidence{Text: p.Text, Where: p.where, Weight: m.lexWeight * p.weight, Origin: Lexicon})
		}
	}
	if m.docs > 0 {
		list = append(list, m.learned(d, s, all)...)
	}
	slices.SortStableFunc(list, func(a, b Evidence) int {
		return cmp.Or(cmp.Compare(b.Weight, a.Weight), cmp.Compare(a.Text, b.Text))
	})
	return list
}

// grounded tells whether anything in the mail speaks for s: how common a label is makes no suggestion.
func (m *model) grounded(d *doc, s score, all []score) bool {
	return s.label == m.usual || s.lex > 0 || m.docs > 0 && len(m.learned(d, s, all)) > 0
}

const weakEvidence = 0.02 // what is below is not worth a word

func (m *model) learned(d *doc, s score, all []score) []Evidence {
	var list []Evidence
	total, length := m.all.view(d, false), 0.0
	for _, f := range d.features {
		length += float64(f.weight)
	}
	for _, f := range d.features {
		if s.class.counts[f.hash] == 0 {
			continue
		}
		w := m.ratio(s.class, f, s.class.view(d, false), total)
		if !m.many && len(all) > 1 {
			others := 0.0
			for _, o := range all {
				if o.label != s.label {
					others += m.ratio(o.class, f, o.class.view(d, false), total)
				}
			}
			w -= others / float64(len(all)-1)
		}
		w *= m.nbWeight * float64(f.weight) / math.Sqrt(length)
		if n := d.names[f.hash]; w > weakEvidence {
			list = append(list, Evidence{Text: n.text, Where: n.where, Weight: w, Origin: Corrections})
		}
	}
	return list
}
