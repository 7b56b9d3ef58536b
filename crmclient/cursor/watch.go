package cursor

import (
	"time"

	"heliograph/crmclient"
)

const (
	// overlap is how far back each poll looks again: the vendor's clock and ours differ.
	overlap = 2 * time.Minute
	// maxOffset bounds how deep a poll looks for something new.
	maxOffset = 10_000
)

// Changed is an object that is polled by the time of its records' last change.
type Changed[R any] struct {
	Object string
	Page   int // records that Read reads
	// Read reads a page of what was changed since a time, the oldest first.
	Read func(since time.Time, offset int) ([]R, error)
	// Mark tells a record's id and the time of its last change.
	Mark func(R) (id string, changed time.Time, err error)
}

// watch is the cursor of an object that is polled.
type watch struct {
	Object string `json:"o"`
	Since  int64  `json:"s"` // ms
	Seen   Seen   `json:"n,omitempty"`
}

// Poll returns the records that changed since the last poll, and the cursor for the next. An empty cursor begins now: what is there already
// is no change.
func (c Changed[R]) Poll(cursor string, now time.Time) (news []R, next string, err error) {
	at := watch{Object: c.Object, Since: now.UnixMilli()}
	begins := cursor == ""
	if !begins {
		if err := Decode(cursor, &at); err != nil || at.Object != c.Object {
			return nil, "", crmclient.ErrCursorExpired
		}
	}
	since := time.UnixMilli(at.Since).Add(-overlap).UTC()
	for offset := 0; offset < maxOffset; offset += c.Page {
		page, err := c.Read(since, offset)
		if err != nil {
			return nil, "", err
		}
		for _, r := range page {
			id, changed, err := c.Mark(r)
			if err != nil {
				return nil, "", err
			}
			if changed.Before(since) || !at.Seen.News(id, changed) {
				continue
			}
			at.Since = max(at.Since, changed.UnixMilli())
			if !begins {
				news = append(news, r)
			}
		}
		if len(page) < c.Page || len(news) > 0 {
			break
		}
	}
	at.Seen.Forget(at.Since - overlap.Milliseconds())
	return news, Encode(at), nil
}
