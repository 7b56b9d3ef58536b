package limit

import (
	"math"
	"time"
)

// plan is a Rate in microseconds, the unit that Go and Lua share: a float64,
// which is all that Lua has, holds Unix microseconds exactly until the year 2255.
type plan struct {
	step  int64 // between two events at the steady rate
	burst int64 // how far the bucket may fill, in time
}

// planOf reports false for a rate without a limit.
func planOf(r Rate) (plan, bool) {
	if r.Count <= 0 {
		return plan{}, false
	}
	per := r.Per
	if per <= 0 {
		per = time.Second
	}
	burst := r.Burst
	if burst <= 0 {
		burst = r.Count
	}
	step := max(per.Microseconds()/int64(r.Count), 1)
	return plan{step: step, burst: step * int64(burst)}, true
}

// unlimited is the answer where no rate is set.
func unlimited() Decision {
	return Decision{Allowed: true, Remaining: math.MaxInt}
}

// gcra is the generic cell rate algorithm. tat is the theoretical arrival time:
// the moment when the bucket of this key will be empty. gcra.lua is the same in Lua.
func gcra(tat, now int64, p plan, n int) (newTAT int64, d Decision) {
	tat = max(tat, now)
	used := tat - now
	// A bucket can be fuller than burst after the rate was lowered.
	left := max(p.burst-used, 0) / p.step
	if int64(n) > p.burst/p.step {
		return tat, Decision{RetryAfter: -1, Remaining: int(left)}
	}
	need := p.step * int64(n)
	if over := used + need - p.burst; over > 0 {
		return tat, Decision{RetryAfter: time.Duration(over) * time.Microsecond, Remaining: int(left)}
	}
	return tat + need, Decision{Allowed: true, Remaining: int(left) - n}
}
