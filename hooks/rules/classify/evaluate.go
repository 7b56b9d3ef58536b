package classify

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
)

// Split says how corrections are held back.
type Split string

// The splits.
const (
	// Folds judges each fifth of the corrections by the other four.
	Folds Split = "folds"
	// Time judges the newest quarter by the rest: what would have been said to mails that came later.
	Time Split = "time"
)

const (
	folds = 5
	// What it takes until an evaluation says anything.
	enoughRows   = 20
	enoughLabels = 2
	enoughEach   = 3 // corrections of a label
)

// Evaluation is how good the suggestions of one dimension are, found on corrections that the judged model had not learned.
type Evaluation struct {
	Dimension   string
	Corrections int  // there are
	Enough      bool // to say anything; what follows is empty otherwise
	Judged      int
	// Answered is the share of mails that got a label, Accuracy the share of these that was right. LexiconAccuracy and
	// LexiconAnswered are the same of the lexicon alone, on the same mails.
	Answered, Accuracy               float64
	LexiconAnswered, LexiconAccuracy float64
	// Calibration is how far probabilities and what came true lie apart on average (expected calibration error); 0 is best.
	Calibration float64
	Labels      []LabelQuality // sorted by label
	// Confusion counts: the label that was right, then the one that was suggested; "" is "don't know". Empty for
	// a dimension of many labels.
	Confusion map[string]map[string]int
}

// LabelQuality is how good the suggestions of one label are.
type LabelQuality struct {
	Label     string
	Support   int     // mails that have it
	Suggested int     // mails that it was suggested for
	Precision float64 // share of Suggested that was right; 0 where there were none
	Recall    float64 // share of Support that was found
	F1        float64
}

// Evaluate judges a dimension. It changes nothing; with thousands of corrections it takes seconds.
func (c *Classifier) Evaluate(ctx context.Context, dimension string, split Split) (Evaluation, error) {
	d := c.dimension(dimension)
	if d == nil || split != Folds && split != Time {
		return Evaluation{}, fmt.Errorf("evaluating %q by %q: %w", dimension, split, ErrUnknown)
	}
	list, err := rows(ctx, c.o.Store.Reader(), dimension)
	if err != nil {
		return Evaluation{}, fmt.Errorf("evaluating %s: %w", dimension, err)
	}
	list = slices.DeleteFunc(list, func(r row) bool {
		return !d.Many && (len(r.labels) != 1 || !d.allows(r.labels[0]))
	})
	e := Evaluation{Dimension: dimension, Corrections: len(list)}
	if !enough(list) {
		return e, nil
	}
	e.Enough = true
	j := judge{d: d, threshold: c.o.Threshold, confusion: map[string]map[string]int{}}
	for _, s := range splits(list, split) {
		if err := ctx.Err(); err != nil {
			return Evaluation{}, err
		}
		j.model, j.lexicon = d.learnAll(s.train), d.empty()
		for _, r := range s.test {
			j.judge(r)
		}
	}
	j.fill(&e)
	return e, nil
}

func enough(list []row) bool {
	count := map[string]int{}
	for _, r := range list {
		for _, l := range r.labels {
			count[l]++
		}
	}
	labels := 0
	for _, n := range count {
		if n >= enoughEach {
			labels++
		}
	}
	return len(list) >= enoughRows && labels >= enoughLabels
}

type part struct{ train, test []row }

// splits divides the rows, which are sorted by age.
func splits(list []row, how Split) []part {
	if how == Time {
		at := len(list) * 3 / 4
		return []part{{train: list[:at], test: list[at:]}}
	}
	// The order of the keys' hashes: nothing of the mails is in it, and it is the same each time.
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b row) int {
		return cmp.Or(cmp.Compare(keyHash(a.key), keyHash(b.key)), cmp.Compare(a.key, b.key))
	})
	parts := make([]part, folds)
	for i, r := range list {
		for f := range parts {
			if i%folds == f {
				parts[f].test = append(parts[f].test, r)
			} else {
				parts[f].train = append(parts[f].train, r)
			}
		}
	}
	return parts
}

func keyHash(key string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(key)) // never fails
	return h.Sum64()
}

const bins = 10

// judge compares suggestions with what people said.
type judge struct {
	d              *dimension
	threshold      float64
	model, lexicon *model

	judged               int
	answered, right      int
	lexAnswered, lexGood int
	confusion            map[string]map[string]int
	labels               []LabelQuality
	hits                 []int // by label, as labels
	bin                  [bins]struct {
		n, right int
		p        float64
	}
}

func (j *judge) judge(r row) {
	j.judged++
	got := j.suggested(j.model, r.doc)
	for _, s := range got {
		is := slices.Contains(r.labels, s.label)
		b := &j.bin[min(int(s.p*bins), bins-1)]
		b.n++
		b.p += s.p
		if is {
			b.right++
		}
	}
	got = slices.DeleteFunc(got, func(s score) bool { return s.p < j.threshold })
	answered, right := j.count(got, r.labels)
	j.answered, j.right = j.answered+answered, j.right+right
	lex := slices.DeleteFunc(j.suggested(j.lexicon, r.doc), func(s score) bool { return s.p < j.threshold })
	answered, right = j.count(lex, r.labels)
	j.lexAnswered, j.lexGood = j.lexAnswered+answered, j.lexGood+right
	for _, l := range r.labels {
		j.label(l).Support++
	}
	for _, s := range got {
		i := j.labelIndex(s.label)
		j.labels[i].Suggested++
		if slices.Contains(r.labels, s.label) {
			j.hits[i]++
		}
	}
	if j.d.Many {
		return
	}
	said := ""
	if len(got) > 0 {
		said = got[0].label
	}
	if j.confusion[r.labels[0]] == nil {
		j.confusion[r.labels[0]] = map[string]int{}
	}
	j.confusion[r.labels[0]][said]++
}

// suggested returns the best label, or of many all, if anything speaks for it.
func (j *judge) suggested(m *model, d *doc) []score {
	list := m.scores(d)
	slices.SortStableFunc(list, func(a, b score) int { return cmp.Compare(b.p, a.p) })
	all := list
	if !j.d.Many && len(list) > 1 {
		list = list[:1]
	}
	return slices.DeleteFunc(slices.Clone(list), func(s score) bool { return !m.grounded(d, s, all) })
}

// count returns whether a mail was answered, and whether it was right: of many labels, all of them and no other.
func (j *judge) count(got []score, labels []string) (answered, right int) {
	if len(got) == 0 {
		return 0, 0
	}
	for _, s := range got {
		if !slices.Contains(labels, s.label) {
			return 1, 0
		}
	}
	if len(got) != len(labels) {
		return 1, 0
	}
	return 1, 1
}

func (j *judge) labelIndex(l string) int {
	i := slices.IndexFunc(j.labels, func(q LabelQuality) bool { return q.Label == l })
	if i < 0 {
		i = len(j.labels)
		j.labels, j.hits = append(j.labels, LabelQuality{Label: l}), append(j.hits, 0)
	}
	return i
}

func (j *judge) label(l string) *LabelQuality { return &j.labels[j.labelIndex(l)] }

func (j *judge) fill(e *Evaluation) {
	e.Judged = j.judged
	e.Answered, e.Accuracy = share(j.answered, j.judged), share(j.right, j.answered)
	e.LexiconAnswered, e.LexiconAccuracy = share(j.lexAnswered, j.judged), share(j.lexGood, j.lexAnswered)
	all := 0
	for _, b := range j.bin {
		all += b.n
		e.Calibration += math.Abs(b.p - float64(b.right))
	}
	e.Calibration /= float64(max(all, 1))
	for i := range j.labels {
		q := &j.labels[i]
		q.Precision, q.Recall = share(j.hits[i], q.Suggested), share(j.hits[i], q.Support)
		if q.Precision+q.Recall > 0 {
			q.F1 = 2 * q.Precision * q.Recall / (q.Precision + q.Recall)
		}
	}
	slices.SortFunc(j.labels, func(a, b LabelQuality) int { return cmp.Compare(a.Label, b.Label) })
	e.Labels = j.labels
	if !j.d.Many {
		e.Confusion = j.confusion
	}
}

func share(n, of int) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}
