package crmclient

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"time"
)

// PollCursor is a cursor of RecordChanges for CRMs that are asked by the time of the last change. Times are the CRM's own, which
// need not be our clock's, in a form that sorts as text. Each poll asks again for a while before the last time, because
// a transaction may end after its time, and times may be of whole seconds; what was told is remembered for that while.
type PollCursor struct {
	Since string            `json:"since"`
	Told  map[string]string `json:"told"` // by id: time and hash of what was told
}

// ParsePollCursor reads what String wrote. layout is that of its times, as package time has it. What it cannot read is ErrCursorExpired.
func ParsePollCursor(cursor, layout string) (*PollCursor, error) {
	c := &PollCursor{}
	if err := json.Unmarshal([]byte(cursor), c); err != nil || c.Told == nil {
		return nil, ErrCursorExpired
	}
	if _, err := time.Parse(layout, c.Since); err != nil {
		return nil, ErrCursorExpired
	}
	return c, nil
}

// NewPollCursor begins where nothing was changed yet.
func NewPollCursor(layout string) *PollCursor {
	return &PollCursor{Since: time.Unix(0, 0).UTC().Format(layout), Told: map[string]string{}}
}

// From is the time from which the next poll asks.
func (c *PollCursor) From(layout string, overlap time.Duration) string {
	t, err := time.Parse(layout, c.Since)
	if err != nil {
		return c.Since
	}
	return t.Add(-overlap).Format(layout)
}

// Tell notes a record as it was changed at a time, and says whether it is news. fields are hashed, so that a second change
// within one second is news too.
func (c *PollCursor) Tell(id, at string, fields map[string]any) bool {
	b, err := json.Marshal(fields)
	if err != nil {
		return true
	}
	h := fnv.New64a()
	_, _ = h.Write(b) // never fails
	as := fmt.Sprintf("%s %x", at, h.Sum64())
	if c.Told[id] == as {
		return false
	}
	c.Told[id], c.Since = as, max(c.Since, at)
	return true
}

// Forget drops what the next poll, from that time, does not ask for again.
func (c *PollCursor) Forget(from string) {
	maps.DeleteFunc(c.Told, func(_, as string) bool { return as[:min(len(as), len(from))] < from })
}

// String returns the cursor as text.
func (c *PollCursor) String() string {
	b, _ := json.Marshal(c) // strings can be marshalled
	return string(b)
}
