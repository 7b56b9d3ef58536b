package automail

import (
	"math/rand/v2"
	"time"
)

// retryDelays is how long to wait after the first, second … attempt; the last one counts for
// all that follow. A sender waits for the first minutes, and RFC 5321, 4.5.4.1 asks for
// patience after them.
var retryDelays = []time.Duration{
	1 * time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 40 * time.Minute, 80 * time.Minute, 2 * time.Hour,
}

// retryDelay returns the wait after the given attempt (from 1), less a random eighth, so
// that messages which failed together do not come back together.
func retryDelay(attempt int) time.Duration {
	d := retryDelays[min(max(attempt, 1), len(retryDelays))-1]
	return d - rand.N(d/8)
}
