package rules

import (
	"errors"
	"time"
)

// Mode says whether effects are taken.
type Mode string

// The modes of a run.
const (
	Live   Mode = "live"
	Shadow Mode = "shadow" // effects are written down and not taken
)

// RunState is how far a run is.
type RunState string

// The states of a run. The last three are final.
const (
	RunRunning   RunState = "running"
	RunWaiting   RunState = "waiting" // for a time, an answer, a decision
	RunDone      RunState = "done"
	RunFailed    RunState = "failed"
	RunCancelled RunState = "cancelled"
)

// Final says that nothing more happens.
func (s RunState) Final() bool { return s == RunDone || s == RunFailed || s == RunCancelled }

// Run is one execution of one version of a rule.
type Run struct {
	ID      string      `json:"id"`
	Rule    string      `json:"rule"`
	Version int         `json:"version"`
	Mode    Mode        `json:"mode"`
	State   RunState    `json:"state"`
	Title   string      `json:"title,omitempty"`
	Event   Event       `json:"event"`
	Why     Explanation `json:"why,omitempty"`
	Reason  string      `json:"reason,omitempty"` // of failed and cancelled
	MadeAt  time.Time   `json:"made_at"`
	// ChangedAt is when it last went on; WakeAt when it goes on by itself, while it waits for a time.
	ChangedAt time.Time `json:"changed_at"`
	WakeAt    time.Time `json:"wake_at,omitzero"`
	Steps     []*StepRow
	Effects   []*EffectRow

	signals int64
}

// StepState is how far a step is.
type StepState string

// The states of a step. All but the first are final.
const (
	StepWaiting StepState = "waiting"
	StepDone    StepState = "done"
	StepSkipped StepState = "skipped" // its condition did not hold
	StepFailed  StepState = "failed"
	StepStopped StepState = "stopped" // it ended the run on purpose
)

// StepRow is what became of one step of a run. A step inside a for_each has a row for each item.
type StepRow struct {
	Path      string         `json:"path"` // where it stands in the rule: 0, 1.0.2, 3[17].0
	Step      string         `json:"step"`
	Kind      string         `json:"kind"`
	State     StepState      `json:"state"`
	Attempts  int            `json:"attempts,omitempty"` // failed ones
	DueAt     time.Time      `json:"due_at,omitzero"`
	Output    map[string]any `json:"output,omitempty"`
	Reason    string         `json:"reason,omitempty"`
	BeganAt   time.Time      `json:"began_at"`
	ChangedAt time.Time      `json:"changed_at"`

	dirty bool
}

// EffectState is what became of an outside action.
type EffectState string

// The states of an effect.
const (
	EffectPending EffectState = "pending" // begun; whoever goes on does it again under the same id
	EffectDone    EffectState = "done"
	EffectFailed  EffectState = "failed"
	EffectBlocked EffectState = "blocked" // a guard did not let it happen
	EffectShadow  EffectState = "shadow"  // it would have happened
)

// EffectRow is one outside action of a run.
type EffectRow struct {
	ID         string         `json:"id"`
	Path       string         `json:"path"`
	Kind       EffectKind     `json:"kind"`
	State      EffectState    `json:"state"`
	Title      string         `json:"title,omitempty"`
	Recipients []string       `json:"recipients,omitempty"`
	MessageID  string         `json:"message_id,omitempty"` // of a mail
	Output     map[string]any `json:"output,omitempty"`
	Reason     string         `json:"reason,omitempty"`
	MadeAt     time.Time      `json:"made_at"`
	ChangedAt  time.Time      `json:"changed_at"`
}

// outcome is what came of a step or of a row of steps.
type outcome struct {
	state  StepState // waiting, done, failed or stopped
	until  time.Time // of waiting; zero: only when something happens
	waits  []string  // keys of what may happen
	output map[string]any
	reason string
}

func done(output map[string]any) outcome { return outcome{state: StepDone, output: output} }

func waiting(until time.Time, keys ...string) outcome {
	return outcome{state: StepWaiting, until: until, waits: keys}
}

// PermanentError is an error that no repetition mends: an address that is none, a record that is not there.
type PermanentError struct{ Err error }

func (e *PermanentError) Error() string { return e.Err.Error() }
func (e *PermanentError) Unwrap() error { return e.Err }

// Temporary is false; errors without this method count as temporary.
func (e *PermanentError) Temporary() bool { return false }

// Permanent marks an error as one that no repetition mends.
func Permanent(err error) error { return &PermanentError{err} }

// temporary says whether trying again may help.
func temporary(err error) bool {
	var t interface{ Temporary() bool }
	return !errors.As(err, &t) || t.Temporary()
}
