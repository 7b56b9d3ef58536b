package report

import (
	"fmt"

	"heliograph/internal/tablefile"
)

// Error is why a report cannot be made. It is about the data, the specification or the installation, so that trying again gives
// the same: Temporary says false.
type Error struct {
	err error
}

func (e *Error) Error() string { return e.err.Error() }

// Unwrap gives the cause, if there is one.
func (e *Error) Unwrap() error { return e.err }

// Temporary says that repeating does not help.
func (e *Error) Temporary() bool { return false }

// wrong builds an Error; %w works in format.
func wrong(format string, args ...any) error {
	return &Error{err: fmt.Errorf(format, args...)}
}

// BoundError says that something was larger than its bound, and names both.
type BoundError = tablefile.BoundError

// bound fails when got is over limit.
func bound(what string, got, limit int) error {
	if got <= limit {
		return nil
	}
	return &BoundError{What: what, Got: int64(got), Max: int64(limit)}
}
