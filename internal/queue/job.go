package queue

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// State is the state of a job.
type State string

// The states of a job. The first four are live.
const (
	StateAvailable State = "available" // may be claimed
	StateScheduled State = "scheduled" // waits for RunAt
	StateRunning   State = "running"   // claimed
	StateRetryable State = "retryable" // failed, waits for RunAt
	StateCompleted State = "completed"
	StateDiscarded State = "discarded" // a dead letter, see LastError
	StateCancelled State = "cancelled"
)

// Live says whether a job in this state may still run.
func (s State) Live() bool {
	switch s {
	case StateAvailable, StateScheduled, StateRunning, StateRetryable:
		return true
	}
	return false
}

// Job is one piece of work.
type Job struct {
	ID       int64
	Kind     string // which worker it is for
	Key      string // unique among live jobs of its kind; empty means none
	OrderKey string // jobs of one kind that share it run one after the other; empty means none
	Payload  []byte
	Priority int // lower runs first
	Attempt  int // claims so far that counted, this one included
	// MaxAttempts is after how many attempts a failure discards the job; negative means never.
	MaxAttempts int
	State       State
	Blocked     bool      // waits for an earlier job of its order key
	RunAt       time.Time // not before this
	CreatedAt   time.Time
	LeaseUntil  time.Time // while running
	FinishedAt  time.Time // once no longer live
	Fence       int64     // of the claim in force
	LastError   string    // reason of the last failure, snooze, discard or cancel
}

// New is a job to be added.
type New struct {
	Kind, Key, OrderKey string
	Payload             []byte
	Priority            int       // lower runs first
	MaxAttempts         int       // 0 means DefaultMaxAttempts, negative no limit
	RunAt               time.Time // zero means now
}

// DefaultMaxAttempts applies where New says nothing. With Backoff this is about three days.
const DefaultMaxAttempts = 25

// Action says what becomes of a job after an attempt.
type Action string

// The actions.
const (
	Complete Action = "complete" // done
	Retry    Action = "retry"    // failed; again at Result.At, or after Backoff; discarded after the last attempt
	Snooze   Action = "snooze"   // not now; again at Result.At, or at once; the attempt is not counted
	Discard  Action = "discard"  // failed for good: a dead letter
	Cancel   Action = "cancel"   // no longer wanted
	// Settled is for handlers only: they called Finish themselves, in a transaction of their own.
	Settled Action = "settled"
)

// Result is the outcome of an attempt.
type Result struct {
	Job    Job // as claimed
	Action Action
	At     time.Time // of the next attempt, for Retry and Snooze
	Reason string    // kept as the job's LastError; no secrets
}

// maxReason bounds the stored reason, in bytes.
const maxReason = 1000

// ErrFenced says that the lease of a job was lost: another worker has claimed it
// since, or it was finished or dropped. The error is a *FencedError.
var ErrFenced = errors.New("the job's lease was lost")

// FencedError names the jobs whose lease was lost.
type FencedError struct{ IDs []int64 }

func (e *FencedError) Error() string { return fmt.Sprintf("%v: jobs %v", ErrFenced, e.IDs) }

// Is makes errors.Is(err, ErrFenced) true.
func (e *FencedError) Is(target error) bool { return target == ErrFenced }

const (
	minBackoff = 2 * time.Second
	maxBackoff = 6 * time.Hour
)

// Backoff returns how long to wait after the given attempt (from 1) failed: 2 s, doubled
// each time up to 6 h, of which a random quarter is taken off, so that jobs which failed
// together do not come back together.
func Backoff(attempt int) time.Duration {
	d := maxBackoff
	if shift := max(attempt, 1) - 1; shift < 14 { // 2 s << 14 is above maxBackoff
		d = min(minBackoff<<shift, maxBackoff)
	}
	return d - rand.N(d/4)
}
