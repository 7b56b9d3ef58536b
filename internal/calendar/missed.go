package calendar

import (
	"fmt"
	"slices"
	"time"
)

// MissedPolicy says what becomes of runs whose time has passed while nobody ran them.
type MissedPolicy string

// The policies.
const (
	MissedSkip MissedPolicy = "skip" // runs that are later than the grace time are left out
	MissedOnce MissedPolicy = "once" // the latest one runs for all; also the empty policy
	MissedAll  MissedPolicy = "all"  // each runs, in order, up to a bound
)

// DefaultGrace is how late a run may be and still be on time: the scheduler was busy, or the program was being restarted.
const DefaultGrace = 5 * time.Minute

// MaxMissed is the most runs that are made up for at once.
const MaxMissed = 100

// Missed is a policy with its numbers.
type Missed struct {
	Policy MissedPolicy
	Grace  time.Duration // for MissedSkip; zero: DefaultGrace
	Max    int           // for MissedAll, the newest so many; zero or more than MaxMissed: MaxMissed
}

// Check tells whether the policy is one.
func (m Missed) Check() error {
	switch m.Policy {
	case "", MissedSkip, MissedOnce, MissedAll:
	default:
		return fmt.Errorf("no policy %q for missed runs; there are skip, once and all", clip(string(m.Policy)))
	}
	if m.Grace < 0 || m.Max < 0 {
		return fmt.Errorf("the grace time and the bound of missed runs are not negative")
	}
	return nil
}

// Due returns the runs after last, until now, that are to be made now, oldest first. left tells whether others were left out. last is the
// time of the latest run that was made or left out, or when the schedule was turned on; a zero last has missed nothing. After
// this, now (or any time since the last of the runs) is the next last. Where the clock went back nothing is due.
func (s *Schedule) Due(last, now time.Time, m Missed) (runs []time.Time, left bool) {
	if last.IsZero() || !last.Before(now) {
		return nil, false
	}
	most, oldest := 1, last
	switch m.Policy {
	case MissedAll:
		most = MaxMissed
		if m.Max > 0 {
			most = min(m.Max, MaxMissed)
		}
	case MissedSkip:
		grace := m.Grace
		if grace <= 0 {
			grace = DefaultGrace
		}
		most, oldest = MaxMissed, latest(last, now.Add(-grace-time.Nanosecond))
	}
	for t := now; ; {
		run, ok := s.Last(t)
		if !ok || !run.After(last) {
			break
		}
		if len(runs) == most || !run.After(oldest) {
			left = true
			break
		}
		runs = append(runs, run)
		t = run.Add(-time.Nanosecond)
	}
	slices.Reverse(runs)
	return runs, left
}
