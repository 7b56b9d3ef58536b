package lookback

import (
	"encoding/json"
	"time"
)

// state is where a search stands. Times are the CRM's.
type state struct {
	// Since says that all that was made before it was seen.
	Since time.Time `json:"since,omitzero"`
	// Rest says that the pass under way is the one for what was made since another was begun.
	Rest bool `json:"rest,omitempty"`
	// Of the pass under way: when it was begun, its next place, the last row that was read, whether an order was seen, and how many
	// pages were read.
	Head time.Time `json:"head,omitzero"`
	At   string    `json:"at,omitempty"`
	Last time.Time `json:"last,omitzero"`
	Fell bool      `json:"fell,omitempty"`
	Read int       `json:"read,omitempty"`
}

// parse reads what String wrote. What it cannot read is a search that was not begun: that only takes longer.
func parse(text string) state {
	var s state
	if json.Unmarshal([]byte(text), &s) != nil {
		return state{}
	}
	return s
}

// String is for the intent; empty for a search that was not begun.
func (s state) String() string {
	if s == (state{}) {
		return ""
	}
	b, err := json.Marshal(s)
	if err != nil { // a year that JSON does not know
		return ""
	}
	return string(b)
}
