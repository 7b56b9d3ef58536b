package condition

import "context"

// Facts is what conditions and templates look at.
type Facts interface {
	// Fact returns the value at a dotted path, such as "mail.from.address": nil, bool, string, json.Number, time.Time,
	// []any or map[string]any of these. A value that is known to be missing is nil; one that cannot be told is an *Unknown.
	// Equal paths give equal values as long as the Facts live. Other errors are passing trouble: try again later.
	Fact(ctx context.Context, path string) (any, error)
}

// Unknown says that a fact cannot be told, and why: the CRM has no such contact, the record has no such field, nothing of
// the kind belongs to this event. It is never false and never empty.
type Unknown struct {
	Path   string
	Reason string // a short phrase for people
}

func (u *Unknown) Error() string { return u.Path + " is unknown: " + u.Reason }
