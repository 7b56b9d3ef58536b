package mirror

import (
	"context"
	"strings"
	"time"

	"heliograph/internal/queue"
)

// TargetState says whether a target gets mail now.
type TargetState string

// The states of a target.
const (
	TargetOK      TargetState = "ok"
	TargetPaused  TargetState = "paused"  // a person wants it to be left alone
	TargetTrouble TargetState = "trouble" // its credentials or settings are wrong: somebody must act
	TargetCircuit TargetState = "circuit" // it does not answer, and is tried again
	TargetSlow    TargetState = "slow"    // it asked to slow down
)

// TargetStatus is how it stands with a target in this process.
type TargetStatus struct {
	Target string
	State  TargetState
	Reason string
	Until  time.Time // when it is tried again by itself; zero: now, or when a person resumes it
}

const (
	// personPause is how long a job waits whose target a person paused; Resume lets it go before.
	personPause = 2 * time.Minute
	// pausedReason begins the reason of such a job.
	pausedReason = "waits: paused by a person"
)

// paused returns until when a target is left alone; the zero time means that it is not.
func (m *Mirror) paused(t *target) (time.Time, string) {
	now := m.o.Now()
	why, paused, resumed := m.o.Paused(t.Name)
	if paused {
		if why != "" {
			why = ": " + why
		}
		return now.Add(personPause), strings.TrimPrefix(pausedReason, "waits: ") + why
	}
	t.mu.Lock()
	if resumed.After(t.since) { // somebody put it right
		t.failures, t.until, t.why = 0, time.Time{}, ""
	}
	t.mu.Unlock()
	return t.paused(now)
}

// Targets tells how it stands with each target, in the order of Options.Targets.
func (m *Mirror) Targets() []TargetStatus {
	var out []TargetStatus
	for _, t := range m.targets {
		s := TargetStatus{Target: t.Name, State: TargetOK}
		if why, paused, _ := m.o.Paused(t.Name); paused {
			s.State, s.Reason = TargetPaused, why
		} else if until, why := m.paused(t); !until.IsZero() {
			t.mu.Lock()
			s.State, s.Until, s.Reason = t.cause, until, why
			t.mu.Unlock()
		}
		out = append(out, s)
	}
	return out
}

// Go makes what waits for a target run now, after a person resumed it. It needs nothing but the queue, so that it
// serves beside a running gateway.
func Go(ctx context.Context, q *queue.Queue, target string) (jobs int, err error) {
	for _, kind := range []string{Kind(target), UpdateKind(target), WithdrawKind(target)} {
		f := queue.Filter{
			Kind: kind, Limit: 500,
			States: []queue.State{queue.StateScheduled, queue.StateRetryable, queue.StateAvailable, queue.StateRunning},
		}
		for {
			list, err := q.List(ctx, f)
			if err != nil {
				return jobs, err
			}
			var ids []int64
			for _, j := range list {
				// One that runs may have looked before, and is about to wait.
				if j.State == queue.StateRunning || strings.HasPrefix(j.LastError, "waits: ") || strings.HasPrefix(j.LastError, "failed: ") {
					ids = append(ids, j.ID)
				}
			}
			if len(ids) > 0 {
				n, err := q.Redrive(ctx, ids...)
				if jobs += n; err != nil {
					return jobs, err
				}
			}
			if len(list) < f.Limit {
				break
			}
			f.Before = list[len(list)-1].ID
		}
	}
	return jobs, nil
}
