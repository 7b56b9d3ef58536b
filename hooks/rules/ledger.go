package rules

import (
	"context"
	"errors"
	"time"

	"heliograph/internal/store"
)

// ledger keeps runs and what they did: the database for what really happens, memory for what is only tried.
// ledger_test.go runs one suite over both.
type ledger interface {
	// start adds runs that are not there yet, ready to go on, and notes what was decided about the event. It tells which were new.
	start(ctx context.Context, e *Event, decided []Decision, runs []*Run) (started []string, err error)
	// load reads a run with its steps and effects.
	load(ctx context.Context, id string) (*Run, error)
	// save writes the run's state and its dirty steps.
	save(ctx context.Context, r *Run) error
	// park is save for a run that waits, for a time or for keys, with what then does in the same transaction. It reports whether a signal came
	// since the run was loaded: then then was not called, and the run goes on at once.
	park(ctx context.Context, r *Run, keys []string, then func(ctx context.Context, tx store.Querier) error) (signalled bool, err error)
	// take notes an effect that is about to happen, with the dirty steps, unless a budget is used up: then the error is a *budgetError
	// and the effect is not noted.
	take(ctx context.Context, r *Run, e *EffectRow, budgets []charge) error
	// settle notes what came of an effect.
	settle(ctx context.Context, r *Run, e *EffectRow) error
	// effectOf finds the effect that a mail of ours is, by its Message-ID.
	effectOf(ctx context.Context, messageID string) (run string, e *EffectRow, err error)
	// keep stores the files that a step made; kept reads them again.
	keep(ctx context.Context, run, path string, files []File) error
	kept(ctx context.Context, run, path string) ([]File, error)
	// count is how many effects a subject had since a time.
	count(ctx context.Context, subject string, since time.Time) (int, error)
	approvalLedger
}

// errNoRun says that a run is not there.
var errNoRun = errors.New("no such run")

// charge is one use of a budget.
type charge struct {
	subject string
	budget  Budget
	since   time.Time // where the window begins
}

// budgetError says that a budget is used up.
type budgetError struct {
	subject string
	budget  Budget
}

func (e *budgetError) Error() string {
	return "the budget of " + e.budget.String() + " is used up for " + e.subject
}

// Temporary is false: the effect is left out, not put off.
func (e *budgetError) Temporary() bool { return false }

// Decision is what a rule said to an event.
type Decision struct {
	Rule    string `json:"rule"`
	Version int    `json:"version"`
	// Result is fires, not, unknown, held or error.
	Result string `json:"result"`
	Reason string `json:"reason,omitempty"`
	Run    string `json:"run,omitempty"` // where it fires
}

// The results of decisions.
const (
	decidedFires   = "fires"
	decidedNot     = "not"
	decidedUnknown = "unknown" // the condition asks for what nobody knows
	decidedHeld    = "held"    // the rule is held, or the event comes from too many rules before
	decidedError   = "error"
)
