package classify

import "math"

// What the two parts count before there are enough corrections to tell.
const (
	startLex = 1.0
	startNB  = 1.0
	// firm is how many corrections it takes to move half-way from the start to what fits the corrections best.
	firm = 10
	// maxJudged bounds how many corrections are judged, the newest.
	maxJudged = 1000
)

var (
	lexChoices = []float64{0.25, 0.4, 0.6, 0.8, 1, 1.25, 1.6, 2}
	nbChoices  = []float64{0.1, 0.25, 0.5, 0.75, 1, 1.25, 1.6, 2, 2.5, 3}
)

// calibrate chooses the weights that give the corrections the best odds, each judged by what all the others teach: the
// smallest mean logarithmic loss, with a pull towards the start that fades as corrections come. So a probability is as
// sure as the model was right.
func (m *model) calibrate(rows []row) {
	if len(rows) > maxJudged {
		rows = rows[len(rows)-maxJudged:]
	}
	parts := make([][]score, len(rows))
	for i, r := range rows {
		own := r.labels
		if own == nil {
			own = []string{}
		}
		parts[i] = m.parts(r.doc, own)
	}
	best := math.Inf(1)
	lex, nb := startLex, startNB
	for _, l := range lexChoices {
		for _, n := range nbChoices {
			pull := square(math.Log(l/startLex)) + square(math.Log(n/startNB))
			loss := firm * 0.1 * pull
			for i, r := range rows {
				m.weigh(parts[i], l, n)
				loss += m.loss(parts[i], r.labels)
			}
			if loss < best {
				best, lex, nb = loss, l, n
			}
		}
	}
	m.lexWeight, m.nbWeight = lex, nb
}

func square(x float64) float64 { return x * x }

const minProbability = 1e-6 // so that one surprise does not outweigh all else

// loss is how surprising the true labels are.
func (m *model) loss(list []score, labels []string) float64 {
	total := 0.0
	for _, s := range list {
		is := false
		for _, l := range labels {
			is = is || l == s.label
		}
		switch {
		case is:
			total -= math.Log(max(s.p, minProbability))
		case m.many:
			total -= math.Log(max(1-s.p, minProbability))
		}
	}
	return total
}
