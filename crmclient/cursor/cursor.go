// Package cursor writes the cursors of connectors: what a listing or a poll has to know the next time, as a text that callers
// keep and do not read.
//
//   - Encode, Decode: a struct of the connector's as such a text
//   - Seen: the records that a poll told already while its times overlap
//   - Changed: an object that is polled by the time of its records' last change
//
// What is in a cursor, and whether it fits the object it is given for, is the connector's to say. Cursors that sort by times as text are
// crmclient.PollCursor's.
package cursor

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"time"

	"heliograph/crmclient"
)

// most is how many bytes a cursor of ours never has.
const most = 256 << 10

// Encode writes a struct of texts, numbers and times.
func Encode(v any) string {
	b, _ := json.Marshal(v) // of these types it never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// Decode reads what Encode wrote into a struct. What it cannot read is crmclient.ErrCursorExpired.
func Decode(cursor string, into any) error {
	if len(cursor) > most {
		return crmclient.ErrCursorExpired
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || json.Unmarshal(b, into) != nil {
		return crmclient.ErrCursorExpired
	}
	return nil
}

// maxSeen bounds how many records are remembered. Beyond it the oldest are told twice.
const maxSeen = 300

// Seen are records with the times of their last change.
type Seen []mark

type mark struct {
	ID string `json:"i"`
	At int64  `json:"m"` // ms
}

// News remembers a record as it was changed at a time, and says whether it was not.
func (s *Seen) News(id string, at time.Time) bool {
	one := mark{id, at.UnixMilli()}
	if slices.Contains(*s, one) {
		return false
	}
	*s = append(*s, one)
	return true
}

// Forget drops what was changed before a time, in milliseconds, and the oldest where there are too many.
func (s *Seen) Forget(before int64) {
	*s = slices.DeleteFunc(*s, func(m mark) bool { return m.At < before })
	if extra := len(*s) - maxSeen; extra > 0 {
		slices.SortStableFunc(*s, func(a, b mark) int { return int(a.At - b.At) })
		*s = slices.Delete(*s, 0, extra)
	}
}
