package operations

import (
	"encoding/json"
	"math"
	"slices"
)

// histogram counts durations by size: number i counts those of base^(i-1) to base^i seconds, number 0 those below a tenth. So what it tells of
// percentiles is at most a tenth off, and two are put together by adding.
type histogram map[int]int

const (
	histogramBase  = 1.2
	histogramFloor = 0.1 // seconds
)

func (h histogram) add(seconds float64) {
	i := 0
	if seconds > histogramFloor {
		i = 1 + int(math.Log(seconds/histogramFloor)/math.Log(histogramBase))
	}
	h[i]++
}

func (h histogram) merge(text string) {
	var other histogram
	if json.Unmarshal([]byte(text), &other) != nil { // empty, or damaged
		return
	}
	for i, n := range other {
		h[i] += n
	}
}

func (h histogram) text() string {
	if len(h) == 0 {
		return ""
	}
	text, err := json.Marshal(h)
	if err != nil {
		return ""
	}
	return string(text)
}

// quantile returns a size, in seconds, that the share q of all does not exceed.
func (h histogram) quantile(q float64) float64 {
	total := 0
	var sizes []int
	for i, n := range h {
		total += n
		sizes = append(sizes, i)
	}
	slices.Sort(sizes)
	rest := int(math.Ceil(q * float64(total)))
	for _, i := range sizes {
		if rest -= h[i]; rest <= 0 {
			if i == 0 {
				return histogramFloor / 2
			}
			return histogramFloor * math.Pow(histogramBase, float64(i)-0.5)
		}
	}
	return 0
}
